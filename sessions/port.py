"""
The engine port: all that the venue knows of a FIX engine, and all that an engine knows of the venue.

An engine keeps the session protocol (logon, sequence numbers, heartbeats, resends, its message store). An application
gets whole application messages and sends bodies. Sessions are known by their identity only. Two rules make the venue
exactly-once with any engine:

- `Application.on_messages` gets each application message once, in MsgSeqNum order per session, and hands over at once;
  what was handed over but did not become durable is asked for again after a restart, because the venue calls
  `resume_inbound` before `start`.
- `send` gives the body the session's next MsgSeqNum and keeps it until the session's numbers are reset, whether the
  client is connected or not; `sent_bodies` tells a restarted venue what it had sent.

An application that cannot take more for now calls `hold_inbound`: the engine then stops reading from its sessions,
after a bounded number of messages, and TCP passes the wait on to the clients.

`on_logon`, `on_logout` and `on_messages` are called on the event loop's thread.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from sessions.accounts import Account


class SessionKey(msgspec.Struct, frozen=True):
    """A session's identity: BeginString(8) and the client's CompID."""

    begin_string: str
    comp_id: str

    @property
    def session_id(self) -> str:
        """As written in records and logs: `FIX.4.4:FIRMA1`."""
        return f"{self.begin_string}:{self.comp_id}"


class InboundMessage(msgspec.Struct, frozen=True, gc=False):  # holds texts only: never part of a cycle
    """One application message as it arrived."""

    session_id: str
    session_epoch: int
    """Grows whenever the session's sequence numbers start again from 1."""
    received_ns: int
    text: str
    """The whole message, SOH-delimited."""
    fields: dict[str, str] | None = None
    """Its fields by tag, as `sessions.fix_text.parse` reads them, from an engine that has read them anyway."""


class Application(Protocol):
    """What stands behind an engine: order entry for some sessions, market data for others."""

    def on_logon(self, session_id: str) -> None:
        """The session is up."""

    def on_logout(self, session_id: str) -> None:
        """The session is down, whoever ended it."""

    def on_messages(self, messages: list[InboundMessage]) -> None:
        """
        Application messages arrived: all that waited, of all the application's sessions, in the order of arrival.

        An exception out of here ends the process: nothing could tell which of them were taken.
        """


class Engine(Protocol):
    """A FIX acceptor; the set of its sessions is fixed, unless it is a `FlexibleEngine`."""

    @property
    def sessions_up(self) -> set[str]:
        """The sessions that are logged on."""

    @property
    def messages_in(self) -> int:
        """Application messages received since the engine was made."""

    @property
    def messages_out(self) -> int:
        """Application messages sent or, for want of a connection, stored since the engine was made."""

    @property
    def moves(self) -> "Moves | None":
        """How its sessions come from other gateways and go there; None: all are here, and stay."""

    def epoch(self, session_id: str) -> int:
        """The current epoch of the session's sequence numbers."""

    def resume_inbound(self, session_id: str, next_msg_seq_num: int) -> None:
        """Before `start`: expect this MsgSeqNum next, so that the client is asked to resend from there."""

    def next_outbound(self, session_id: str) -> int:
        """The MsgSeqNum that the next message to the session will have."""

    def outbound_waiting(self, session_id: str) -> int:
        """Messages given to `send` that the session's store does not hold yet: on disk, if the engine syncs it."""

    def sent_bodies(self, session_id: str, begin_msg_seq_num: int) -> Iterable[tuple[int, str]]:
        """MsgSeqNum and body of each application message sent to the session from that number on, in order."""

    def start(self) -> None:
        """
        Begin to accept connections.

        Raises:
            EngineError: The port is in use, or the engine refuses its settings.
        """

    def send(self, session_id: str, bodies: list[str]) -> None:
        """
        Queue bodies for a session, in order; the caller never waits.

        Args:
            session_id: A session of the engine.
            bodies: Each `35=8|...`: MsgType first, then body fields, SOH-terminated; no header, no trailer.
        """

    def log_out(self, session_id: str, text: str) -> None:
        """End the session's connection with a Logout(5), if it is up; it may log on again, and nothing is lost."""

    def confirm(self, session_id: str, on_read: Callable[[], None]) -> None:
        """
        Ask the client of a session, by TestRequest(1), to show that it has read all that was sent to it until now.

        Args:
            session_id: A session of the engine; if it is not up, nothing happens.
            on_read: Called on the event loop's thread when it has answered; never if it does not, or if it is asked
                again before.
        """

    def hold_inbound(self, kind: str) -> None:
        """Deliver nothing more to the application of one kind of session, such as "orders"; nothing is lost."""

    def release_inbound(self, kind: str) -> None:
        """Deliver to it again, first what waited."""

    def close_logons(self, kind: str, text: str) -> None:
        """Refuse each Logon(A) of one kind of session, with this text, until `open_logons`; who is up stays up."""

    def open_logons(self, kind: str) -> None:
        """Accept them again."""

    def stop(self) -> None:
        """Log all sessions out and close; returns when done."""


@runtime_checkable
class FlexibleEngine(Engine, Protocol):
    """An engine whose sessions may come, change and go while it runs; all calls are on the event loop's thread."""

    def add_session(self, account: "Account", *, is_home: bool = True) -> None:
        """
        Let one more session log on, from now on.

        Args:
            account: Its.
            is_home: It is to be here; else it is at another gateway until its client logs on here (`Moves`).

        Raises:
            EngineError: It is there already, still being logged out, or its store cannot be opened.
        """

    def change_session(self, account: "Account") -> None:
        """Put another account, such as one with a new password, in a session's place; it counts at the next Logon."""

    def remove_session(self, session_id: str) -> None:
        """
        Let a session log on no more, and log it out if it is up.

        As long as the process lives it can still be sent to, which waits in its store should the session return.
        """


@runtime_checkable
class Moves(Protocol):
    """
    Sessions that go from one gateway to another, which open the same journals in turn.

    One gateway at a time has a session; a client that logs on where it is not waits while it is fetched.
    """

    on_wanted: Callable[[str], None]
    """
    Called with the id of a session that is elsewhere when its client logs on here; to be answered, at once or later, by
    `seat_waiting` or `refuse_waiting`. A client that tires of waiting goes away by itself.
    """

    def __contains__(self, session_id: object) -> bool:
        """Whether a session is here."""

    def take(self, account: "Account") -> bool:
        """
        Put a session here that was elsewhere, unless another gateway has it; nothing is read from its client yet.

        Raises:
            EngineError: Its journal cannot be opened.
        """

    def give_up(self, session_id: str) -> bool:
        """Let another gateway have a session, unless its client is connected; returns whether it may."""

    def seat_waiting(self, session_id: str) -> None:
        """Go on with the Logon of the client that waits for a session, which is here now."""

    def refuse_waiting(self, session_id: str, reason: str) -> None:
        """Close the connection of the client that waits for a session; `reason` is one word for the log."""


class EngineError(Exception):
    """The engine cannot start; the message is one sentence for the operator."""
