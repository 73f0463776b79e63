"""
What a running gateway takes from its configuration anew: what a SIGHUP brings about.

The configuration is read again. What its firms say of sessions and their throttles holds from then on: new ones may
log on, removed ones are logged out and may not, a new password counts at the next Logon. Limits, instruments and hours
are the matchers' business, which read the file too and tell the gateway through the log. All else that differs waits
for a restart, and is named. A file that cannot be used changes nothing.

Orders of a removed session live on. As long as the gateway runs, their reports go into the session's store; after that
they wait in EXEC. Either way the session gets them when it returns.
"""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from configs.loader import ConfigError, Venue, check_reloadable, fixed_differences
from gateway.executions import Executions
from gateway.order_entry import OrderEntry
from matcher.events import SessionMark
from matcher.instruments import Instrument
from sessions.accounts import Account, AccountChanges, Accounts
from sessions.port import Engine, EngineError, FlexibleEngine

log = structlog.get_logger()


class Reload:
    """Brings a running gateway in line with its configuration, as far as that goes."""

    def __init__(
        self,
        venue: Venue,
        load: Callable[[], Venue],
        *,
        accounts: Accounts,
        engine: Engine,
        order_entry: OrderEntry,
        executions: Executions,
        marks: Mapping[str, SessionMark],
        traded: Mapping[str, Instrument],
        on_sessions: Callable[[Accounts, Mapping[str, str]], None] = lambda _accounts, _owners: None,
    ) -> None:
        """
        Args:
            venue: What the gateway was started with.
            load: Reads the configuration again; raises ConfigError.
            accounts: Of all sessions that may log on here; changes with the configuration.
            engine: Has the sessions.
            order_entry: Takes their requests.
            executions: Sends their reports.
            marks: See `Executions.recover`.
            traded: The instruments that are traded now, by symbol.
            on_sessions: Told of all accounts, and by CompID of the firm of each session of the venue, when they may
                have changed.
        """
        self._venue = venue
        self._accounts = accounts
        self._load = load
        self._engine = engine
        self._order_entry = order_entry
        self._executions = executions
        self._marks = marks
        self._traded = traded
        self._on_sessions = on_sessions
        order_entry.throttle(venue.throttles())

    async def keep(self, wanted: asyncio.Event) -> None:
        """Read the configuration again whenever the event is set, until this is cancelled."""
        while True:
            await wanted.wait()
            wanted.clear()
            await self.reload()

    async def reload(self) -> None:
        """Read it once, and say in the log what came of it."""
        try:
            venue = await asyncio.to_thread(self._load)
            check_reloadable(self._venue.config.shards, self._traded, venue)
        except ConfigError as error:
            log.error("configuration_not_reloaded", reason=f"{error}; nothing was changed")
            return
        fixed = fixed_differences(self._venue, venue)
        changes = self._accounts.changes_to(Accounts(venue))
        if isinstance(self._engine, FlexibleEngine):
            await self._change_sessions(self._engine, changes, venue)
        else:
            fixed += [
                f"session {name} (QuickFIX)" for name in _names([*changes.added, *changes.removed, *changes.changed])
            ]
            log.info("configuration_reloaded", added=[], removed=[], changed=[])
        self._order_entry.throttle(venue.throttles())
        fixed += [f"firm and kind of session {name}" for name in _names(changes.moved)]
        if fixed:
            log.warning("configuration_needs_restart", ignored=fixed, hint="they count from the venue's next start on")

    async def _change_sessions(self, engine: FlexibleEngine, changes: AccountChanges, venue: Venue) -> None:
        # A session keeps its firm until a restart; of new ones it is known before they can be refused a thing.
        owners = {**venue.owners, **{account.key.comp_id: account.firm for account in self._accounts}}
        self._on_sessions(self._accounts, owners)
        homes = venue.home_sessions()
        for account in changes.removed:
            engine.remove_session(account.key.session_id)
            self._accounts.remove(account.key.session_id)
            if account.kind == "dropcopy":
                await self._executions.stop_copying(account.key.session_id)
        for account in changes.changed:
            engine.change_session(account)
            self._accounts.add(account)
        added = [
            account
            for account in changes.added
            if await self._is_added(engine, account, owners, is_home=account.key.session_id in homes)
        ]
        self._on_sessions(self._accounts, owners)
        log.info(
            "configuration_reloaded",
            added=_names(added),
            removed=_names(changes.removed),
            changed=_names(changes.changed),
        )

    async def _is_added(
        self, engine: FlexibleEngine, account: Account, owners: Mapping[str, str], *, is_home: bool
    ) -> bool:
        session_id = account.key.session_id
        try:
            engine.add_session(account, is_home=is_home)
        except EngineError as error:
            log.error("session_not_added", session=session_id, reason=str(error))
            return False
        self._accounts.add(account)
        if account.kind == "dropcopy" and is_home:
            self._on_sessions(self._accounts, owners)
            await self._executions.fetch(session_id, is_new=False)
        if account.kind == "orders" and is_home:
            is_new = session_id not in self._order_entry.progress
            self._order_entry.add_session(account)
            if is_new:
                resume(engine, self._order_entry, session_id, self._marks.get(session_id))
            await self._executions.fetch(session_id, is_new=session_id not in self._marks)
        return True


def resume(engine: Engine, order_entry: OrderEntry, session_id: str, mark: SessionMark | None) -> None:
    """
    Ask a client to send again what did not reach the log: of an epoch that the log does not know, everything.

    Args:
        engine: Has the session.
        order_entry: Has its progress.
        session_id: The session.
        mark: How far its requests are in the log, if they ever were.
    """
    epoch = engine.epoch(session_id)
    durable_msg_seq_num = mark.durable_msg_seq_num if mark is not None and mark.session_epoch == epoch else 0
    order_entry.progress[session_id].resume(epoch, durable_msg_seq_num)
    engine.resume_inbound(session_id, durable_msg_seq_num + 1)


def _names(accounts: list[Account]) -> list[str]:
    return [account.key.session_id for account in accounts]
