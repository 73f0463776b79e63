"""
Our own engine behind `sessions.port`: FIX sessions in plain Python on the event loop, without a thread of their own.

The protocol is in `session`, pure; here are its connections, its journals and the turns. A turn is one callback
of the loop, after all that arrived together:

    bytes of all connections -> Session.receive -> one `on_messages` for each application
    bodies of all sends      -> Session.send    -> one write to each journal -> sync, by profile -> one to each socket

So the busier it is, the more messages share a call, a journal write and a socket write, and nothing leaves before the
journal has it.

Bounds, each with its name in the log and in the `Tally`: connections, silence before the Logon, bytes of a message,
garbage, messages waiting for a client that does not read, messages waiting for an application that holds, output
waiting for the disk. A second connection for a session that is connected is turned away; no number is used for it.

An exception that is not expected ends the process (`fatal.stop_process`), which then recovers as from any crash.
"""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from configs.loader import Venue
from sessions import logon
from sessions.accounts import Account, Accounts
from sessions.delivery import deliver
from sessions.fatal import stop_process
from sessions.journal.errors import JournalUnreadable
from sessions.journal.group import JournalGroup, SyncProfile
from sessions.native.arrivals import Arrivals
from sessions.native.connection import Connection
from sessions.native.events import Event, TestAnswered
from sessions.native.listener import listen
from sessions.native.lobby import Guest
from sessions.native.seat import Seat, SeatMaker
from sessions.native.seats import UNKNOWN, Seats, open_locks
from sessions.native.states import State
from sessions.native.tally import Tally
from sessions.native.upkeep import JournalUpkeep
from sessions.native.wall_clock import WallClock
from sessions.port import Application, EngineError, InboundMessage

log = structlog.get_logger(__name__)

INBOUND_MESSAGES_MAX: Final = 10_000
"""Messages of one application that may wait while it holds; beyond it its connections are not read."""
CONNECTIONS_MAX: Final = 2_000
WRITES_WAITING_MAX: Final = 10_000
"""Turns whose output may wait for the disk; beyond it nobody logs on."""
LOGON_TIMEOUT_S: Final = 10.0

_SYNC: Final[Mapping[str, SyncProfile]] = {"durable": "durable", "fast": "fast", "cluster": "durable"}
_STOP_S: Final = 3.0


class NativeEngine:
    """`sessions.port.Engine` on asyncio."""

    def __init__(
        self,
        venue: Venue,
        *,
        data_dir: Path,
        loop: asyncio.AbstractEventLoop,
        applications: Mapping[str, Application],
        inbound_messages_max: int = INBOUND_MESSAGES_MAX,
        connections_max: int = CONNECTIONS_MAX,
        logon_timeout_s: float = LOGON_TIMEOUT_S,
        sync_profile: SyncProfile | None = None,
        tls: ssl.SSLContext | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """
        Open every session's journal; nothing listens yet.

        Args:
            venue: Gives the sessions, host, port and the bound of waiting output.
            data_dir: Journals are kept in `fix/` below it; made if it is not there.
            loop: The event loop on whose thread everything happens.
            applications: By kind of session, such as "orders"; each kind that a session has.
            inbound_messages_max: Messages of one application that may wait while it holds.
            connections_max: Connections at once, logged on or not.
            logon_timeout_s: How long a connection may be silent, or slow, before its Logon.
            sync_profile: When journals are on disk; None: as the venue's durability asks.
            tls: For the listener; None: plain TCP.
            wall_ns: The wall clock, which may be set at any time.

        Raises:
            EngineError: A journal or a dictionary cannot be opened.
        """
        gateway = venue.config.gateway
        self.tally = Tally()
        """For metrics, with `messages_in` and `messages_out`."""
        self._host, self._port = gateway.fix_host, gateway.fix_port
        self._venue_comp_id = venue.config.comp_id
        self._outbound_messages_max = gateway.outbound_messages_max
        self._inbound_messages_max = inbound_messages_max
        self._connections_max = connections_max
        self._logon_timeout_s = logon_timeout_s
        self._tls = tls
        self._loop = loop
        self._accounts = Accounts(venue)
        self._applications = applications
        self._arrived = {kind: Arrivals() for kind in applications}
        self._held: set[str] = set()
        self._connections: set[Connection] = set()
        self._dirty: dict[Seat, None] = {}
        self._turn_due = False
        self._stopped = False
        self._closed = False
        self._all_left: asyncio.Future[None] | None = None
        self._server: asyncio.Task[asyncio.Server] | None = None
        self._group = JournalGroup(sync_profile or _SYNC[venue.config.durability], loop=loop)
        self.seats = self._open_seats(venue, data_dir / "fix" / "journal")
        """The sessions that are here."""
        self.moves = self.seats
        self._clock = WallClock(self.seats.shift, wall_ns=wall_ns)
        self._upkeep = JournalUpkeep(loop, lambda: self.seats, venue.config.trading_day_end)

    @property
    def sessions_up(self) -> set[str]:
        """See `Tally.sessions_up`."""
        return self.tally.sessions_up

    @property
    def logons_refused(self) -> Counter[str]:
        """See `Tally.logons_refused`."""
        return self.tally.logons_refused

    @property
    def slow_readers_cut(self) -> int:
        """See `Tally.slow_readers_cut`."""
        return self.tally.slow_readers_cut

    @property
    def messages_in(self) -> int:
        """Application messages received."""
        return self.seats.messages_in

    @property
    def messages_out(self) -> int:
        """Application messages sent or, for want of a connection, stored."""
        return self.seats.messages_out

    def inbound_waiting(self, kind: str) -> int:
        """Messages, logons and logouts of one kind of session that wait for its application."""
        return len(self._arrived[kind].items)

    def outbound_waiting(self, session_id: str) -> int:
        """See `Engine.outbound_waiting`: those that are not known to be on disk, if the journal is synced at all."""
        return self.seats[session_id].count_unstored()

    def epoch(self, session_id: str) -> int:
        """See `Engine.epoch`: when the numbers last began anew, in ns since 1970 UTC."""
        return self.seats[session_id].journal.epoch

    def resume_inbound(self, session_id: str, next_msg_seq_num: int) -> None:
        """See `Engine.resume_inbound`."""
        self.seats[session_id].session.expect_inbound(next_msg_seq_num)

    def next_outbound(self, session_id: str) -> int:
        """See `Engine.next_outbound`."""
        return self.seats[session_id].session.next_outbound

    def sent_bodies(self, session_id: str, begin_msg_seq_num: int) -> Iterable[tuple[int, str]]:
        """See `Engine.sent_bodies`; market-data sessions keep no bodies."""
        try:
            yield from self.seats[session_id].session.sent_bodies(begin_msg_seq_num)
        except JournalUnreadable as error:
            raise EngineError(f"what session {session_id} was sent cannot be told: {error}") from error

    def start(self) -> None:
        """See `Engine.start`; on the loop's thread, whether the loop runs already or not."""
        listener = listen(self._host, self._port)
        protocol = partial(Connection, self, self._loop, self._logon_timeout_s)
        self._server = self._loop.create_task(self._loop.create_server(protocol, sock=listener, ssl=self._tls))
        self._upkeep.keep()
        log.info("fix_engine_started", host=self._host, port=self._port, sessions=len(self.seats))

    def send(self, session_id: str, bodies: list[str]) -> None:
        """See `Engine.send`."""
        seat = self.seats[session_id]
        seat.send(bodies, self._clock.now_ns())
        self.wake(seat)

    def log_out(self, session_id: str, text: str) -> None:
        """See `Engine.log_out`."""
        if (seat := self.seats[session_id]).session.state is State.UP:
            self._digest(seat, seat.session.log_out(text, self._clock.now_ns()))
            self.wake(seat)

    def confirm(self, session_id: str, on_read: Callable[[], None]) -> None:
        """See `Engine.confirm`."""
        seat = self.seats[session_id]
        seat.confirm(on_read, self._clock.now_ns())
        self.wake(seat)

    def hold_inbound(self, kind: str) -> None:
        """See `Engine.hold_inbound`."""
        self._held.add(kind)

    def release_inbound(self, kind: str) -> None:
        """See `Engine.release_inbound`."""
        if kind not in self._held:
            return
        self._held.discard(kind)
        now_ns = self._clock.now_ns()
        for seat in self.seats.of_kind(kind):
            if seat.is_paused and seat.connection is not None:
                seat.is_paused = False
                seat.session.hold(now_ns, is_held=False)
                seat.connection.resume_reading()
            self._dirty[seat] = None
        self._be_due()

    def close_logons(self, kind: str, text: str) -> None:
        """See `Engine.close_logons`."""
        self._accounts.closed[kind] = text

    def open_logons(self, kind: str) -> None:
        """See `Engine.open_logons`."""
        self._accounts.closed.pop(kind, None)

    def add_session(self, account: Account, *, is_home: bool = True) -> None:
        """See `FlexibleEngine.add_session`."""
        if is_home:
            self.seats.add(account)
        else:
            self.seats.open(account, is_home=False)
        self._accounts.add(account)

    def change_session(self, account: Account) -> None:
        """See `FlexibleEngine.change_session`."""
        if account.key.session_id in self.seats:
            self.seats[account.key.session_id].account = account
        self._accounts.add(account)

    def remove_session(self, session_id: str) -> None:
        """See `FlexibleEngine.remove_session`: the seat stays, for what is still sent to it and for its return."""
        self._accounts.remove(session_id)
        seat = self.seats.remove(session_id)
        if seat is not None and seat.connection is not None:
            self._digest(seat, seat.session.log_out("the session was removed", self._clock.now_ns()))
            self.wake(seat)

    def stop(self) -> None:
        """See `Engine.stop`; on any thread but the loop's, which does the work meanwhile."""
        asyncio.run_coroutine_threadsafe(self.close(), self._loop).result()

    async def close(self) -> None:
        """
        Log all sessions out and close, as `stop` does.

        What was received but not yet delivered is dropped: it is not durable, so the next life asks for it again.
        """
        if self._stopped:
            return
        self._stopped = True
        self._upkeep.stop()
        if self._server is not None:
            (await self._server).close()
        now_ns = self._clock.now_ns()
        for seat in self.seats:
            if seat.connection is not None:
                self._digest(seat, seat.session.log_out("the venue is closing", now_ns))
                self._dirty[seat] = None
        self._turn()
        for connection in list(self._connections):
            if connection.seat is None:
                connection.abort()
        await self._wait_for_connections(_STOP_S)
        for connection in list(self._connections):
            connection.close()
        await self._wait_for_connections(_STOP_S)
        self._turn()
        self._closed = True
        self.seats.close()
        await self._group.close()
        self.seats.free()
        log.info("fix_engine_stopped")

    # What connections ask

    def admit(self, connection: Connection) -> bool:
        """See `Host.admit`."""
        self._connections.add(connection)
        return len(self._connections) <= self._connections_max and not self._stopped

    def seat(self, guest: Guest, connection: Connection) -> Seat | str | None:
        """See `Host.seat`."""
        if self._stopped:
            return UNKNOWN
        found = self.seats.find(guest, connection)
        if isinstance(found, Seat):
            if self._is_crowded(found.account.kind) or self._group.callbacks_waiting >= WRITES_WAITING_MAX:
                return "venue_busy"
            found.connection = connection
            found.session.accept(self._clock.now_ns())
        return found

    def take(self, seat: Seat, data: bytes) -> None:
        """See `Host.take`."""
        try:
            self._digest(seat, seat.session.receive(data, self._clock.now_ns()))
            if self._held:
                self._pause_if_crowded(seat)
            self.wake(seat)
        except Exception:  # asyncio would only log it, and the session go on with half of what came
            stop_process("native engine")

    def wake(self, seat: Seat) -> None:
        """See `Host.wake`: the session has its turn."""
        self._dirty[seat] = None
        self._be_due()

    def turn_away(self, connection: Connection, reason: str) -> None:
        """See `Host.turn_away`."""
        self.tally.turn_away(connection.peer, reason, connection.guest)

    def leave(self, connection: Connection) -> None:
        """See `Host.leave`."""
        self._connections.discard(connection)
        self.seats.leave(connection)
        if not self._connections and self._all_left is not None and not self._all_left.done():
            self._all_left.set_result(None)
        if connection.seat is not None:
            self._part(connection.seat, connection)

    # A turn

    def _be_due(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Deliver what arrived, journal what happened, then write."""
        if self._closed:
            return
        try:
            self._deliver()
            self._turn_due = False  # what is sent while delivering has its turn in this one
            dirty, self._dirty = self._dirty, {}
            now_ns = self._clock.now_ns()
            for seat in dirty:
                self._digest(seat, seat.session.tick(now_ns))
            writes = [write for seat in dirty if (write := self._commit(seat, now_ns)) is not None]
            if self._group.profile == "durable" and writes:
                self._group.when_synced(partial(_call_all, writes))
            else:
                _call_all(writes)
        except Exception:  # as in `take`: what is half journaled must not be sent
            stop_process("native engine")

    def _deliver(self) -> None:
        for kind, arrived in self._arrived.items():
            if arrived.items and kind not in self._held and not self._stopped:
                deliver(self._applications[kind], arrived.take())

    def _commit(self, seat: Seat, now_ns: int) -> Callable[[], None] | None:
        """Journal what a session did; returns how to write what may leave then."""
        connection, session = seat.connection, seat.session
        if connection is not None and session.output_waiting > self._outbound_messages_max:
            self._cut_slow_reader(seat)
        seat.commit(is_inbound_delivered=not self._arrived[seat.account.kind].items)
        if connection is None or seat.connection is None:
            return None
        is_closing = session.state is State.CLOSING
        data = session.take_output(now_ns) if connection.can_take or is_closing else b""
        if session.state is State.CLOSING and not is_closing:  # a resend could not be read, and the session says so
            is_closing = True
            seat.journal.commit()
        connection.promise(data)
        if is_closing:
            self._part(seat, connection)
            return partial(connection.write_last, data)
        connection.arm(seat, now_ns)
        if session.output_waiting and connection.can_take:
            self.wake(seat)
        return partial(connection.write, data) if data else None

    def _digest(self, seat: Seat, events: list[Event]) -> None:
        """Pass on what a session told."""
        arrived = self._arrived[seat.account.kind]
        for event in events:
            if type(event) is InboundMessage:
                seat.messages_in += 1
                arrived.items.append(event)
            elif type(event) is TestAnswered:
                seat.note_answer(event.test_req_id)
            elif (told := self.tally.note(seat.session_id, event)) is not None:
                arrived.note(told, seat.messages_in)

    def _cut_slow_reader(self, seat: Seat) -> None:
        waiting, connection = seat.session.output_waiting, seat.connection
        self.tally.cut_slow_reader(seat.session_id, waiting)
        self._digest(seat, seat.session.cut("slow_reader", "the client does not read what it is sent"))
        if connection is not None:
            self._part(seat, connection)
            connection.abort()

    def _pause_if_crowded(self, seat: Seat) -> None:
        kind = seat.account.kind
        if self._is_crowded(kind):
            for other in self.seats.of_kind(kind):
                if other.connection is not None and not other.is_paused:
                    other.is_paused = True
                    other.session.hold(self._clock.now_ns(), is_held=True)
                    other.connection.pause_reading()

    def _is_crowded(self, kind: str) -> bool:
        return kind in self._held and len(self._arrived[kind].items) >= self._inbound_messages_max

    def _part(self, seat: Seat, connection: Connection) -> None:
        """A connection's session is free for the next one, even while the old one still writes."""
        connection.seat = None
        seat.connection = None
        seat.is_paused = False
        self._digest(seat, seat.session.disconnect(self._clock.now_ns()))
        self.wake(seat)

    # Seats

    def _open_seats(self, venue: Venue, directory: Path) -> Seats:
        maker = SeatMaker(venue.config.comp_id, directory, self._group, logon_timeout_s=self._logon_timeout_s)
        seats = Seats(maker, open_locks(directory), self._authenticate, self._venue_comp_id)
        seats.open_all(self._accounts, venue.home_sessions())
        return seats

    def _authenticate(self, session_id: str, fields: dict[str, str]) -> logon.Refusal | None:
        seat = self.seats[session_id]
        return logon.check(self._accounts, seat.account.key, fields, peer_is_loopback=seat.peer_is_loopback)

    async def _wait_for_connections(self, timeout_s: float) -> None:
        if self._connections:
            self._all_left = self._loop.create_future()
            await asyncio.wait([self._all_left], timeout=timeout_s)


def _call_all(writes: list[Callable[[], None]]) -> None:
    for write in writes:
        write()
