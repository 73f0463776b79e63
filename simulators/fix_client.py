r"""
A FIX initiator on asyncio: one connection, with the rules of `fix_session` behind it.

    client = await FixClient.connect("127.0.0.1", 9876, begin_string="FIX.4.4", sender_comp_id="FIRMA1",
                                     password="example-firma1", on_message=print)
    client.send("35=D\x0111=o1\x01...")
    await client.logout()

Messages sent within one turn of the event loop leave in one write; `on_message` is called for each as it is read.
Nothing queues up inbound. Outbound, `drain` waits for a slow venue; one that does not read 64 MiB is disconnected.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, cast

from simulators.fix_codec import FixFramingError, Framer
from simulators.fix_session import HEARTBEAT_S, InitiatorSession, SessionState

OnMessage = Callable[[str, int], None]
"""Gets an application message (or Reject(3)) whole, and `time.perf_counter_ns()` at the moment it was read."""

OUTBOUND_BYTES_MAX: Final = 64 << 20
"""Bytes that may wait for a venue that does not read."""
_LOGON_TIMEOUT_S: Final = 10
_LOGOUT_TIMEOUT_S: Final = 5
_TICK_S: Final = 1


class FixClientError(Exception):
    """The session cannot be had, or is over; the message is one sentence that says why."""


class FixClient(asyncio.Protocol):
    """A FIX session that is up, once `connect` has returned it."""

    def __init__(self, session: InitiatorSession, on_message: OnMessage) -> None:
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[str] = self._loop.create_future()
        """Done when the connection is: why, in one sentence; empty after our own logout. Await it in a `shield`."""
        self._session = session
        self._on_message = on_message
        self._framer = Framer(session.begin_string)
        self._transport: asyncio.Transport | None = None
        self._is_flushing = False
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._is_decided = asyncio.Event()  # the logon was answered, or the connection ended
        self._tick_timer: asyncio.TimerHandle | None = None

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        *,
        begin_string: str,
        sender_comp_id: str,
        password: str,
        on_message: OnMessage,
        target_comp_id: str = "OUTCRY",
        state: SessionState | None = None,
        reset: bool = False,
        heartbeat_s: int = HEARTBEAT_S,
    ) -> "FixClient":
        """
        Connect and log on.

        Args:
            host: Where the gateway listens.
            port: Its FIX port.
            begin_string: FIX.4.2, FIX.4.4 or FIXT.1.1 (with FIX 5.0 SP2).
            sender_comp_id: Also Username(553).
            password: Password(554).
            on_message: Called for each message of the venue, once, in order.
            target_comp_id: The venue's CompID.
            state: Of an earlier connection, to go on where it stopped; by default numbers begin at 1.
            reset: Ask for both sides to begin at 1 again.
            heartbeat_s: HeartBtInt(108).

        Raises:
            FixClientError: Nothing listens there, the logon was refused, or none came back in time.
        """
        session = InitiatorSession(
            begin_string=begin_string,
            sender_comp_id=sender_comp_id,
            target_comp_id=target_comp_id,
            password=password,
            state=state or SessionState(),
            heartbeat_s=heartbeat_s,
        )
        client = cls(session, on_message)
        try:
            await client.log_on(host, port, reset=reset)
        except FixClientError as error:
            raise FixClientError(f"{sender_comp_id} at {host}:{port}: {error}") from error
        return client

    async def log_on(self, host: str, port: int, *, reset: bool) -> None:
        """
        Open the connection and exchange logons; `connect` does it.

        Raises:
            FixClientError: As `connect`.
        """
        try:
            await self._loop.create_connection(lambda: self, host, port)
        except OSError as error:
            raise FixClientError(f"no connection ({error.strerror or error}); is the venue up there?") from error
        self._session.logon(time.time_ns(), reset=reset)
        self._flush()
        try:
            await asyncio.wait_for(self._is_decided.wait(), _LOGON_TIMEOUT_S)
        except BaseException as error:
            self.abort()
            if isinstance(error, TimeoutError):
                raise FixClientError(f"no Logon(A) came back within {_LOGON_TIMEOUT_S} s") from error
            raise
        if not self._session.is_up:
            raise FixClientError(await asyncio.shield(self.closed))
        self._tick_timer = self._loop.call_later(_TICK_S, self._tick)

    @property
    def state(self) -> SessionState:
        """Numbers and store, for the next connection of this session."""
        return self._session.state

    @property
    def is_up(self) -> bool:
        """Logged on, and neither side has ended it."""
        return self._session.is_up

    @property
    def garbled(self) -> int:
        """Messages with a wrong CheckSum(10) or BodyLength(9) so far."""
        return self._framer.garbled

    def send(self, body: str) -> int:
        """
        Queue one application message; it leaves in this turn of the event loop.

        Args:
            body: `35=D|11=...|`: MsgType first, then body fields, SOH-terminated; no header, no trailer.

        Returns:
            Its MsgSeqNum(34).

        Raises:
            FixClientError: The session is over.
        """
        session = self._session
        if not session.is_up:
            raise FixClientError(f"the session is not up: {session.ended or 'it was logged out'}")
        number = session.send(body, time.time_ns())
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)
        return number

    async def drain(self) -> None:
        """
        Wait until the venue has taken most of what was sent.

        Raises:
            FixClientError: The connection ended first.
        """
        self._flush()
        await self._can_write.wait()
        if self.closed.done():
            raise FixClientError(f"the session is over: {self.closed.result() or 'it was logged out'}")

    async def logout(self) -> None:
        """Log out, wait a few seconds at most for the venue's answer, and close. A closed client returns at once."""
        if self._session.is_up:
            self._session.logout(time.time_ns())
            self._flush()
            await asyncio.wait([self.closed], timeout=_LOGOUT_TIMEOUT_S)
            self._session.end("")
        self.abort()
        await asyncio.wait([self.closed])

    def abort(self) -> None:
        """Cut the connection without a word, as a crash would."""
        if self._transport is not None:
            self._session.end("the connection was cut by this side")
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From asyncio."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        """From asyncio: apply each message that is complete, then write what they call for."""
        received_ns = time.perf_counter_ns()
        now_ns = time.time_ns()
        session = self._session
        try:
            for text in self._framer.feed(data):
                if session.receive(text, now_ns):
                    self._on_message(text, received_ns)
                elif session.ended is not None:
                    break
        except FixFramingError as error:
            session.end(f"the venue does not speak {session.begin_string}: {error}")
        self._after_input()

    def connection_lost(self, exc: Exception | None) -> None:
        """From asyncio."""
        when = "" if self._session.is_up else " without answering the logon"
        self._session.end(f"the connection was lost ({exc})" if exc else f"the venue closed the connection{when}")
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        self._can_write.set()
        self._is_decided.set()
        if not self.closed.done():
            self.closed.set_result(self._session.ended or "")

    def pause_writing(self) -> None:
        """From asyncio."""
        self._can_write.clear()

    def resume_writing(self) -> None:
        """From asyncio."""
        self._can_write.set()

    def _flush(self) -> None:
        self._is_flushing = False
        outbox, transport = self._session.outbox, self._transport
        if not outbox or transport is None:
            return
        data = b"".join(outbox)
        outbox.clear()
        transport.write(data)
        if transport.get_write_buffer_size() > OUTBOUND_BYTES_MAX:
            self._session.end(f"the venue has not read the last {OUTBOUND_BYTES_MAX >> 20} MiB")
            transport.abort()

    def _tick(self) -> None:
        self._session.tick(time.time_ns())
        self._after_input()
        self._tick_timer = self._loop.call_later(_TICK_S, self._tick)

    def _after_input(self) -> None:
        """Write what the session answered; go on, or close if it has ended."""
        self._flush()
        if self._session.ended is not None and self._transport is not None:
            self._transport.close()
        elif self._session.is_up:
            self._is_decided.set()
