"""
Sessions that may log on at several gateways: fetched when their client comes, given up when another gateway asks.

Theory of operation. A session is at one gateway at a time: the one that holds the lock of its journal, which the kernel
frees when that gateway is dead. What a gateway needs to go on with a session is in three places that all of them see:
its numbers and what it was sent in the journal, up to where in EXEC in the files of sent marks, and which of its
requests reached the log with the matchers. So nothing is handed over from one gateway to another but the lock, and a
gateway that died needs not be asked.

A gateway that lives gives up a session whose client has left, once all requests of it are in the log and all reports
in the journal. Until then, and as long as the client is connected, it keeps it, and the client is turned away where it
tries to log on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog

from bus import background
from bus.connection import Bus, BusError
from bus.subjects import gateway_subject, status_subject
from configs.loader import Venue
from gateway.executions import Executions
from gateway.order_entry import OrderEntry
from gateway.reload import resume
from matcher.events import SessionMark
from matcher.process.status import decode_status, encode_request
from sessions.accounts import Account, Accounts
from sessions.port import Engine, EngineError, Moves

log = structlog.get_logger()

TAKE_PATIENCE_S: Final = 5.0
"""For a session to be given up, while its client waits."""
GATEWAY_PATIENCE_S: Final = 1.5
"""For the answer of another gateway, each time that it is asked; more than SETTLE_PATIENCE_S."""
MATCHER_PATIENCE_S: Final = 2.0
"""For what a matcher says."""
SETTLE_PATIENCE_S: Final = 1.0
"""For the requests and reports of a session that is to be given up."""
_LOOK_S: Final = 0.01


class GiveUp(msgspec.Struct, frozen=True):
    """Asks a gateway for a session."""

    session_id: str


class GivenUp(msgspec.Struct, frozen=True):
    """Its answer."""

    keeps: bool
    """It has the session, and goes on having it."""


_decode_give_up = msgspec.json.Decoder(GiveUp).decode
_decode_given_up = msgspec.json.Decoder(GivenUp).decode


class _KeptError(Exception):
    """Another gateway keeps a session; the message says why."""


class SessionMoves:
    """Fetches and gives up the sessions of one gateway."""

    def __init__(
        self,
        bus: Bus,
        venue: Venue,
        *,
        engine: Engine,
        accounts: Accounts,
        order_entry: OrderEntry,
        executions: Executions,
    ) -> None:
        """
        Args:
            bus: Connected.
            venue: As this gateway sees it.
            engine: Has the sessions.
            accounts: Of all sessions that may log on here; changes with the configuration.
            order_entry: Has the progress of those that send orders.
            executions: Sends them their reports.
        """
        self._bus = bus
        self._gateway_id, *self._others = venue.gateway_ids
        self._shards = venue.config.shards
        self._engine = engine
        self._accounts = accounts
        self._order_entry = order_entry
        self._executions = executions
        self._seats: Moves
        self._stop_listening: Callable[[], Awaitable[None]] | None = None
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._giving_up: set[str] = set()
        self._answering: set[asyncio.Task[None]] = set()

    async def start(self, seats: Moves) -> None:
        """Begin to fetch and to give up; to be called when the gateway has recovered."""
        self._seats = seats
        self._stop_listening = await self._bus.subscribe(gateway_subject(self._gateway_id), self._on_asked)
        seats.on_wanted = self._on_wanted

    async def stop(self) -> None:
        """Give up nothing any more: the end of the process frees all."""
        if self._stop_listening is not None and self._bus.is_connected:
            await self._stop_listening()

    # Fetching

    def _on_wanted(self, session_id: str) -> None:
        if session_id not in self._fetching:
            fetch = self._fetch(self._accounts.get(session_id))
            self._fetching[session_id] = background.start(fetch, name=f"fetch {session_id}")

    async def _fetch(self, account: Account) -> None:
        session_id = account.key.session_id
        try:
            await self._take(account)
            if account.kind == "orders":
                await self._take_over(account)
            elif account.kind == "dropcopy":
                await self._executions.fetch(session_id, is_new=False, gateway_ids=self._others)
        except (BusError, EngineError, TimeoutError, _KeptError) as error:
            reason = str(error) or "another gateway has it, and does not answer"
            log.warning("session_not_fetched", session=session_id, reason=reason)
            self._seats.refuse_waiting(session_id, "session_elsewhere")
        else:
            log.info("session_fetched", session=session_id)
            self._seats.seat_waiting(session_id)
        finally:
            del self._fetching[session_id]

    async def _take(self, account: Account) -> None:
        """
        Ask all other gateways, then take the lock: it tells whether one that did not answer is dead.

        Again for a while, because one that has just died may hold the lock for some ms, or be back with it already.
        """
        session_id = account.key.session_id
        async with asyncio.timeout(TAKE_PATIENCE_S):
            while True:
                if any(await asyncio.gather(*(self._is_kept(each, session_id) for each in self._others))):
                    raise _KeptError("its client is connected at another gateway")
                if self._seats.take(account):
                    return
                await asyncio.sleep(_LOOK_S)

    async def _is_kept(self, gateway_id: str, session_id: str) -> bool:
        """Ask a gateway to give up a session."""
        try:
            request = msgspec.json.encode(GiveUp(session_id))
            answer = await self._bus.request(gateway_subject(gateway_id), request, GATEWAY_PATIENCE_S)
            return _decode_given_up(answer).keeps
        except (BusError, msgspec.MsgspecError) as error:
            log.info("gateway_silent", gateway=gateway_id, why=str(error))
            return False

    async def _take_over(self, account: Account) -> None:
        session_id = account.key.session_id
        try:
            mark = await self._log_mark(session_id)
        except BusError:
            self._seats.give_up(session_id)
            raise
        self._order_entry.add_session(account)
        resume(self._engine, self._order_entry, session_id, mark)
        await self._executions.fetch(session_id, is_new=mark is None, gateway_ids=self._others)

    async def _log_mark(self, session_id: str) -> SessionMark | None:
        """How far the session's requests are in the log, of its newest epoch there."""
        marks = []
        for shard in range(self._shards):
            request = encode_request(session_id=session_id)
            status = decode_status(await self._bus.request(status_subject(shard), request, MATCHER_PATIENCE_S))
            if status.session is not None:
                marks.append(status.session)
        return max(marks, key=lambda mark: (mark.session_epoch, mark.durable_msg_seq_num), default=None)

    # Giving up

    def _on_asked(self, _subject: str, payload: bytes, reply_subject: str) -> None:
        try:
            session_id = _decode_give_up(payload).session_id
        except msgspec.MsgspecError as error:
            log.warning("gateway_request_ignored", reason=str(error))
            return
        task = background.start(self._answer(session_id, reply_subject), name=f"give up {session_id}")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, session_id: str, reply_subject: str) -> None:
        keeps = session_id in self._fetching or session_id in self._giving_up  # who asked first gets it
        if session_id in self._seats and not keeps:
            self._giving_up.add(session_id)
            keeps = not await self._give_up(session_id)
            self._giving_up.discard(session_id)
            log.info("session_kept" if keeps else "session_given_up", session=session_id)
        try:
            self._bus.publish_now(reply_subject, msgspec.json.encode(GivenUp(keeps)))
        except BusError as error:
            log.warning("gateway_answer_unsent", reason=str(error))

    async def _give_up(self, session_id: str) -> bool:
        """Give a session up if its client is not connected, and all that concerns it is where others find it."""
        if session_id in self._engine.sessions_up or session_id not in self._accounts:
            return False  # one that was removed here is sent to here, until the process ends
        has_reports = self._accounts.get(session_id).kind != "marketdata"
        if has_reports:
            try:
                async with asyncio.timeout(SETTLE_PATIENCE_S):
                    while not self._is_settled(session_id):  # noqa: ASYNC110 - no event for each request and report
                        await asyncio.sleep(_LOOK_S)
            except TimeoutError:
                return False
            if session_id in self._engine.sessions_up:
                return False
            self._executions.leave(session_id)
        if self._seats.give_up(session_id):
            return True
        if has_reports:  # its client came back in this moment
            await self._executions.fetch(session_id, is_new=False)
        return False

    def _is_settled(self, session_id: str) -> bool:
        progress = self._order_entry.progress.get(session_id)
        is_logged = progress is None or progress.is_settled
        is_sent = not self._executions.is_behind(session_id) and not self._engine.outbound_waiting(session_id)
        return is_logged and is_sent
