"""What a configuration that is read anew says of sessions, in which order it counts; with an engine in memory."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace

from configs.loader import FirmConfig, SessionConfig, Venue, VenueConfig
from gateway.reload import Reload
from sessions.accounts import Account, Accounts
from sessions.port import FlexibleEngine
from tests.gateway.memory_engine import MemoryEngine


class Engine(MemoryEngine):
    """Sessions may come and go."""

    messages_in = messages_out = 0
    moves = None
    close_logons = open_logons = change_session = MemoryEngine.hold_inbound  # not asked for here

    def __init__(self) -> None:
        super().__init__("FIX.4.4:A1")
        self.removed: list[str] = []
        self.owner_when_added: dict[str, str | None] = {}
        self.owners: Mapping[str, str] = {}

    def add_session(self, account: Account, *, is_home: bool = True) -> None:
        assert is_home
        self.epochs[account.key.session_id] = 1
        self.owner_when_added[account.key.comp_id] = self.owners.get(account.key.comp_id)

    def resume_inbound(self, session_id: str, next_msg_seq_num: int) -> None:
        """It is new."""

    def remove_session(self, session_id: str) -> None:
        self.removed.append(session_id)


def venue(*sessions: tuple[str, str]) -> Venue:
    """Of CompIDs and their firms."""
    firms = tuple(
        FirmConfig(firm, (SessionConfig(comp_id, "a long password", versions=("FIX.4.4",)),))
        for comp_id, firm in sessions
    )
    return Venue(VenueConfig(firms=firms), {}, owners=dict(sessions))


async def test_a_firm_is_known_before_its_new_session_may_log_on_and_stays_until_a_restart() -> None:
    """Of a refused order only the session is told, so drop copies go by who it belonged to when it was sent."""
    before, after = venue(("A1", "A"), ("GONE", "A")), venue(("A1", "MOVED"), ("B1", "B"))
    engine, accounts = Engine(), Accounts(before)
    assert isinstance(engine, FlexibleEngine)
    progress: dict[str, SimpleNamespace] = {}

    def on_sessions(_accounts: Accounts, owners: Mapping[str, str]) -> None:
        engine.owners = owners

    async def fetch(_session_id: str, *, is_new: bool) -> None:
        assert is_new

    def add_session(account: Account) -> None:
        progress[account.key.session_id] = SimpleNamespace(resume=lambda _epoch, _number: None)

    reload = Reload(
        before,
        lambda: after,
        accounts=accounts,
        engine=engine,
        order_entry=SimpleNamespace(throttle=len, progress=progress, add_session=add_session),  # type: ignore[arg-type]
        executions=SimpleNamespace(fetch=fetch),  # type: ignore[arg-type]
        marks={},
        traded={},
        on_sessions=on_sessions,
    )
    async with asyncio.timeout(20):
        await reload.reload()
    assert engine.removed == ["FIX.4.4:GONE"]
    assert engine.owner_when_added == {"B1": "B"}
    assert engine.owners == {"A1": "A", "B1": "B", "GONE": "A"}
