r"""
A FIX initiator on asyncio: one connection, with the venue's own session core (`sessions.native.session`) behind it.

    client = await FixClient.connect("127.0.0.1", 9876, begin_string="FIX.4.4", sender_comp_id="FIRMA1",
                                     password="example-firma1", on_message=print)
    client.send("35=D\x0111=o1\x01...")
    await client.logout()

Messages sent within one turn of the event loop are numbered together and leave in one write; `on_message` is called for
each as it is read. Nothing queues up inbound. Outbound, `drain` waits for a slow venue; one that leaves
`OUTBOUND_MESSAGES_MAX` unread is disconnected, and one whose messages break the session protocol is logged out.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Literal, cast

import msgspec

from sessions.native.events import (
    Closing,
    Event,
    LoggedOn,
    LogonRefused,
    MemoryStore,
    RejectReceived,
    RejectSent,
    SessionSettings,
    Unchecked,
)
from sessions.native.session import Session
from sessions.native.states import State
from sessions.port import InboundMessage, SessionKey

OUTBOUND_MESSAGES_MAX: Final = 100_000
"""Messages that may wait for a venue that does not read."""

_TICK_S: Final = 1.0  # how late a heartbeat or a time-out may be
_CLOSE_S: Final = 2.0  # how long a closed connection may take to write what was given to it
_WHY: Final = {
    "logon_refused": "logon refused: ",
    "logged_out_by_peer": "the venue logged out: ",
    "aborted": "the connection was cut by this side",
}
"""What a session's end is called, by `Closing.reason`; all others are this side's judgement of the venue."""


class FixClientError(Exception):
    """The session cannot be had, or is over; the message is one sentence that says why."""


class Received(msgspec.Struct, gc=False):  # holds texts only: never part of a cycle
    """An application message, or a Reject(3), of the venue."""

    fields: dict[str, str]
    """By tag; of a repeated one the first. For groups, give `text` to `sessions.fix_text.pairs`."""
    text: str
    """The whole message, SOH-delimited."""
    received_ns: int
    """`time.perf_counter_ns()` at the moment it was read."""


OnMessage = Callable[[Received], None]
Tap = Callable[[Literal["<", ">"], bytes], None]
"""Is given each piece of bytes that was read (`<`) or written (`>`), as it was."""


class FixClient(asyncio.Protocol):
    """A FIX session that is up, once `connect` has returned it."""

    def __init__(
        self, settings: SessionSettings, store: MemoryStore, on_message: OnMessage, tap: Tap | None = None
    ) -> None:
        """For `connect`."""
        self.store = store
        """Numbers and sent messages, for the next connection of this session."""
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[str] = self._loop.create_future()
        """Done when the connection is: why, in one sentence; empty after our own logout. Await it in a `shield`."""
        self._session = Session(settings, store, Unchecked())
        self._on_message = on_message
        self._tap = tap
        self._transport: asyncio.Transport
        self._bodies: list[str] = []  # of this turn, not numbered yet
        self._is_turn_due = False
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._is_decided = asyncio.Event()  # the logon was answered, or the connection ended
        self._timer: asyncio.TimerHandle | None = None
        self._why: str | None = None

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
        store: MemoryStore | None = None,
        reset: bool = False,
        tap: Tap | None = None,
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
            store: Of an earlier connection, to go on where it stopped; by default numbers begin at 1.
            reset: Ask for both sides to begin at 1 again.
            tap: Listens to the wire.

        Raises:
            FixClientError: Nothing listens there, the logon was refused, or none came back in time.
        """
        settings = SessionSettings(
            begin_string=begin_string,
            sender_comp_id=sender_comp_id,
            target_comp_id=target_comp_id,
            session_id=SessionKey(begin_string, sender_comp_id).session_id,
            is_initiator=True,
            logon_body=f"553={sender_comp_id}\x01554={password}\x01",
            resets_on_logon=reset,
        )
        client = cls(settings, store or MemoryStore(), on_message, tap)
        who = f"{sender_comp_id} at {host}:{port}"
        try:
            await client._loop.create_connection(lambda: client, host, port)
        except OSError as error:
            raise FixClientError(f"{who}: no connection ({error.strerror or error}); is the venue up there?") from error
        try:
            await client._is_decided.wait()
        except BaseException:
            client.abort()
            raise
        if not client.is_up:
            raise FixClientError(f"{who}: {await asyncio.shield(client.closed)}")
        return client

    @property
    def is_up(self) -> bool:
        """Logged on, and neither side has ended it."""
        return self._session.state is State.UP

    def send(self, body: str) -> int:
        """
        Send one application message; it leaves in this turn of the event loop.

        Args:
            body: `35=D|11=...|`: MsgType first, then body fields, SOH-terminated; no header, no trailer.

        Returns:
            Its MsgSeqNum(34).

        Raises:
            FixClientError: The session is over.
        """
        if not self.is_up:
            raise FixClientError(f"the session is not up: {self._why or 'it was logged out'}")
        number = self._session.next_outbound + len(self._bodies)
        self._bodies.append(body)
        if not self._is_turn_due:
            self._is_turn_due = True
            self._loop.call_soon(self._turn)
        return number

    async def drain(self) -> None:
        """
        Wait until the venue has taken most of what was sent.

        Raises:
            FixClientError: The connection ended first.
        """
        self._turn()
        await self._can_write.wait()
        if self.closed.done():
            raise FixClientError(f"the session is over: {self.closed.result() or 'it was logged out'}")

    async def logout(self) -> None:
        """Log out, wait a few seconds at most for the venue's answer, and close. A closed client returns at once."""
        if self.is_up:
            now_ns = time.time_ns()
            self._number(now_ns)
            self._digest(self._session.log_out("", now_ns))
            self._take_turn(now_ns)
        else:
            self.abort()
        await asyncio.wait([self.closed])

    def abort(self) -> None:
        """Cut the connection without a word, as a crash would."""
        self._number(time.time_ns())
        self._digest(self._session.cut("aborted", ""))
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From asyncio: log on."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        now_ns = time.time_ns()
        self._digest(self._session.connect(now_ns))
        self._take_turn(now_ns)
        self._timer = self._loop.call_later(_TICK_S, self._tick)

    def data_received(self, data: bytes) -> None:
        """From asyncio: apply each message that is complete, then write what they call for."""
        received_ns, now_ns = time.perf_counter_ns(), time.time_ns()
        if self._tap is not None:
            self._tap("<", data)
        self._number(now_ns)
        self._is_turn_due = True
        self._digest(self._session.receive(data, now_ns), received_ns)
        self.store.note_inbound(self._session.next_inbound)
        self._take_turn(now_ns)

    def connection_lost(self, exc: Exception | None) -> None:
        """From asyncio."""
        when = "" if self._is_decided.is_set() else " without answering the logon"
        self._end(f"the connection was lost ({exc})" if exc else f"the venue closed the connection{when}")
        now_ns = time.time_ns()
        self._number(now_ns)
        self._session.disconnect(now_ns)
        if self._timer is not None:
            self._timer.cancel()
        self._can_write.set()
        self._is_decided.set()
        if not self.closed.done():
            self.closed.set_result(self._why or "")

    def pause_writing(self) -> None:
        """From asyncio."""
        self._can_write.clear()

    def resume_writing(self) -> None:
        """From asyncio."""
        self._can_write.set()
        self._turn()

    def _digest(self, events: list[Event], received_ns: int = 0) -> None:
        """Pass on what the session tells."""
        on_message = self._on_message
        for event in events:
            if type(event) is InboundMessage:  # most are; a pattern would cost the load generator a few percent
                on_message(Received(event.fields or {}, event.text, received_ns))
                continue
            match event:
                case RejectReceived(fields, text):
                    on_message(Received(fields, text, received_ns))
                case RejectSent(number, _, _, text):
                    self._end(f"the venue's message {number} is faulty: {text}")
                    now_ns = time.time_ns()
                    self._number(now_ns)
                    self._session.log_out(text, now_ns)
                case LoggedOn():
                    self._is_decided.set()
                case LogonRefused(reason=reason, text=text) if reason != "by_peer":
                    self._end(f"the venue's Logon(A) is wrong: {text}")
                case Closing("logged_out" | "logout_timeout"):
                    self._end("")
                case Closing(reason, text):
                    self._end((_WHY.get(reason, "this side ended the session: ") + text).removesuffix(": "))

    def _end(self, why: str) -> None:
        """The session is over; the first reason counts."""
        if self._why is None:
            self._why = why

    def _number(self, now_ns: int) -> None:
        """Number what was sent in this turn, before anything else takes a number."""
        if self._bodies:
            bodies, self._bodies = self._bodies, []
            self._session.send(bodies, now_ns)

    def _turn(self) -> None:
        self._take_turn(time.time_ns())

    def _take_turn(self, now_ns: int) -> None:
        """Write what waits, as far as the connection takes it, and close it if the session has ended."""
        self._is_turn_due = False
        self._number(now_ns)
        session, transport = self._session, self._transport
        while self._can_write.is_set() and (data := session.take_output(now_ns)):
            if self._tap is not None:
                self._tap(">", data)
            transport.write(data)
        if session.state is State.CLOSING:
            if not transport.is_closing():
                transport.close()
                self._loop.call_later(_CLOSE_S, transport.abort)
        elif not self._can_write.is_set() and session.output_waiting > OUTBOUND_MESSAGES_MAX:
            self._end(f"the venue has left more than {OUTBOUND_MESSAGES_MAX} messages unread")
            self.abort()

    def _tick(self) -> None:
        now_ns = time.time_ns()
        self._number(now_ns)
        self._digest(self._session.tick(now_ns))
        self._take_turn(now_ns)
        self._timer = self._loop.call_later(_TICK_S, self._tick)
