"""A small venue for the simulators: real sessions, rules and reports, without bus or processes."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from configs.loader import ONE_MACHINE, Venue, load
from gateway.fix.inbound import Inbound, RequestContext
from gateway.fix.outbound import Reports
from matcher.engine.engine import Engine
from matcher.instructions import ALLOW_SELF_MATCH
from matcher.operator_commands import Limits, SetLimits
from sessions.native.engine import NativeEngine
from sessions.port import InboundMessage


class SmallVenue:
    """One matching engine for all instruments of the shipped configuration, and all of its sessions."""

    def __init__(self, port: int, data_dir: Path) -> None:
        self.config: Venue = load(ONE_MACHINE)
        self.port = port
        self.requests: list[str] = []
        """Every application message, as it came, repeats left out."""
        self.is_mute = False
        """Requests are taken and never answered."""
        self._engine = Engine(0, self.config.instruments.values(), orders_max=100_000, finished_orders_max=100_000)
        for firm in self.config.config.firms:  # a load of one firm trades with itself
            limits = Limits(self_match_instruction=ALLOW_SELF_MATCH)
            self._engine.apply(SetLimits("", 0, "", firm.name, "", limits), 0)
        self._inbound = Inbound(self.config.instruments)
        self._reports = Reports(self.config.instruments)
        self._input_seq = itertools.count(1)
        gateway = replace(self.config.config.gateway, fix_port=port)
        self.sessions = NativeEngine(
            replace(self.config, config=replace(self.config.config, gateway=gateway)),
            data_dir=data_dir,
            loop=asyncio.get_running_loop(),
            applications={"orders": self, "marketdata": self, "dropcopy": self},
            sync_profile="fast",
        )
        self.sessions.start()

    def resting_levels(self) -> int:
        """Price levels that hold orders, over all books."""
        return sum(sum(self._engine.level_counts(symbol)) for symbol in self._engine.symbols)

    def cut(self) -> None:
        """Cut every connection."""
        for connection in list(self.sessions._connections):
            connection.abort()

    def on_logon(self, session_id: str) -> None: ...
    def on_logout(self, session_id: str) -> None: ...

    def on_messages(self, messages: list[InboundMessage]) -> None:
        for message in messages:
            self.requests.append(message.text)
            if not self.is_mute:
                self._answer(message)

    def _answer(self, message: InboundMessage) -> None:
        assert message.fields is not None
        session_id, number = message.session_id, int(message.fields["34"])
        firm = session_id.partition(":")[2].rstrip("0123456789")
        context = RequestContext(session_id, message.session_epoch, number, number, message.received_ns, firm)
        output = self._engine.apply(self._inbound.to_command(message.fields, context), next(self._input_seq))
        for event in output.events:
            for owner, body in self._reports.render(event, shard=0):
                self.sessions.send(owner, [body])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def small_venue(tmp_path: Path) -> AsyncIterator[SmallVenue]:
    with capture_logs():  # commands print their results where the log goes, too
        venue = SmallVenue(free_port(), tmp_path)
        yield venue
        await venue.sessions.close()
