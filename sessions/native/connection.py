"""One TCP connection of the native engine: between asyncio's transport and a session's state machine."""

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, cast

from configs.consistency import is_loopback
from sessions.native.lobby import Guest, Lobby
from sessions.native.session import NEVER_NS
from sessions.native.states import State
from sessions.port import SessionKey

if TYPE_CHECKING:
    from sessions.native.seat import Seat

WRITE_BUFFER_BYTES: Final = 1 << 20
"""What asyncio may hold for a connection before it is given nothing more; the rest waits in the session's output."""
EARLY_BYTES_MAX: Final = 1 << 16
"""What a client may send while it waits for its session."""

_CLOSE_S: Final = 2.0
"""How long a closed connection may take to write what was given to it."""
_NS_PER_S: Final = 1_000_000_000


class Host(Protocol):
    """What a connection needs of the engine."""

    def admit(self, connection: "Connection") -> bool:
        """Whether there is room for it."""

    def seat(self, guest: Guest, connection: "Connection") -> "Seat | str | None":
        """
        Find a guest's session, which is the connection's from then on; or say in one word why it has none.

        None: it is being fetched; `find_seat` or `turn_away` of the connection is called when that has ended.
        """

    def take(self, seat: "Seat", data: bytes) -> None:
        """Received bytes."""

    def wake(self, seat: "Seat") -> None:
        """There may be something to write, or a deadline has come."""

    def turn_away(self, connection: "Connection", reason: str) -> None:
        """The connection was closed before it had a session."""

    def leave(self, connection: "Connection") -> None:
        """The connection is gone."""


class Connection(asyncio.Protocol):
    """A client's connection, with or without a session yet."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop, logon_timeout_s: float) -> None:
        self.seat: Seat | None = None
        self.peer = ""
        self.peer_is_loopback = False
        self.guest: SessionKey | None = None
        """Who it says that it is, once it has said so."""
        self._is_lost = False
        self._has_room = True  # asyncio takes more output
        self._promised_bytes = 0  # taken from the session, to be written when the journal is on disk
        self._host = host
        self._loop = loop
        self._logon_timeout_s = logon_timeout_s
        self._lobby: Lobby | None = Lobby()
        self._waits = False  # for its session, which is being fetched
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = NEVER_NS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        peername = self._transport.get_extra_info("peername")
        self.peer = str(peername[0]) if peername else ""
        self.peer_is_loopback = is_loopback(self.peer)
        if self._host.admit(self):
            self._timer = self._loop.call_later(self._logon_timeout_s, self.turn_away, "logon_timeout")
        else:
            self.turn_away("too_many_connections")

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self.seat is not None:
            self._host.take(self.seat, data)
        elif self._lobby is not None and self._waits:
            self._wait_on(self._lobby, data)
        elif self._lobby is not None:
            self._meet(self._lobby, data)

    def pause_writing(self) -> None:
        """See asyncio: the client reads more slowly than we write."""
        self._has_room = False

    def resume_writing(self) -> None:
        """See asyncio."""
        self._has_room = True
        if self.seat is not None:
            self._host.wake(self.seat)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it was lost changes nothing
        """See asyncio."""
        self._is_lost = True
        self._disarm()
        self._host.leave(self)

    @property
    def can_take(self) -> bool:
        """More output may be taken from the session."""
        return self._has_room and self._promised_bytes < WRITE_BUFFER_BYTES

    def promise(self, data: bytes) -> None:
        """These bytes will be written as soon as the journal allows it."""
        self._promised_bytes += len(data)

    def write(self, data: bytes) -> None:
        """Write bytes that were promised; asyncio holds what the socket does not take."""
        was_full = self._promised_bytes >= WRITE_BUFFER_BYTES
        self._promised_bytes -= len(data)
        if not self._transport.is_closing():  # it may have been lost while the journal was being synced
            self._transport.write(data)
        if was_full and self.seat is not None:
            self._host.wake(self.seat)

    def write_last(self, data: bytes) -> None:
        """Write bytes that were promised, then close."""
        self.write(data)
        self.close()

    def pause_reading(self) -> None:
        """Let TCP tell the client to wait."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Write what was given, then close; a client that does not read is not waited for."""
        if not self._transport.is_closing():
            self._disarm()
            self._transport.close()
            self._timer = self._loop.call_later(_CLOSE_S, self.abort)

    def abort(self) -> None:
        """Close at once; what was written and not sent yet is dropped."""
        if not self._is_lost:
            self._transport.abort()

    def arm(self, seat: "Seat", now_ns: int) -> None:
        """Have the session woken at its next deadline. A deadline that moved on is looked at when the old one comes."""
        deadline_ns = seat.session.next_deadline_ns
        if deadline_ns < self._timer_ns and seat.session.state is not State.CLOSING:
            self._disarm()
            self._timer_ns = deadline_ns
            self._timer = self._loop.call_later(max(0, deadline_ns - now_ns) / _NS_PER_S, self._ring, seat)

    def _meet(self, lobby: Lobby, data: bytes) -> None:
        guest = lobby.feed(data)
        if isinstance(guest, str):
            self.turn_away(guest)
        elif guest is not None:
            self.find_seat(guest)

    def _wait_on(self, lobby: Lobby, data: bytes) -> None:
        """It is read on, so that its end is noticed; but a client has little to say before its Logon is answered."""
        lobby.received += data
        if len(lobby.received) > EARLY_BYTES_MAX:
            self.turn_away("too_early")

    def find_seat(self, guest: Guest) -> None:
        """Take the session of a guest, whose Logon is in the lobby; or wait for it there."""
        assert self._lobby is not None
        self.guest = guest.key
        seat = self._host.seat(guest, self)
        self._waits = seat is None
        if seat is None:
            return
        if isinstance(seat, str):
            self.turn_away(seat)
        else:
            received = self._lobby.received
            self._lobby = None
            self._disarm()
            self.seat = seat
            self._host.take(seat, received)

    def turn_away(self, reason: str) -> None:
        """Close, because there is no session for it."""
        self._lobby = None
        self._host.turn_away(self, reason)
        self.abort()

    def _ring(self, seat: "Seat") -> None:
        self._timer = None
        self._timer_ns = NEVER_NS
        self._host.wake(seat)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._timer_ns = NEVER_NS
