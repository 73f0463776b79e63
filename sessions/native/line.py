"""The speaking side of a session, pure: its state, what it has to tell its owner, and the messages of its own."""

from typing import Final

from sessions.dictionary.plans import Fault
from sessions.native.checks import reason_field
from sessions.native.events import Closing, Event, LoggedOff, NumbersReset, RejectSent, SessionSettings, Store
from sessions.native.messages import Composer, printable
from sessions.native.outbound import Outbound
from sessions.native.states import Happening, State, after

NS_PER_S: Final = 1_000_000_000
_REF_MSG_TYPE_CHARS_MAX: Final = 16


class Line:
    """Where one session stands, and what it says."""

    def __init__(self, settings: SessionSettings, store: Store) -> None:
        self.state = State.DOWN
        self.is_open = False
        """Messages are exchanged: logged on, be it in the course of logging out."""
        self.since_ns = 0
        """When the state was entered."""
        self.events: list[Event] = []
        """What the owner is to be told."""
        composer = Composer(settings.begin_string, settings.sender_comp_id, settings.target_comp_id)
        self.out = Outbound(composer, store, keeps_messages=settings.keeps_messages)
        self._settings = settings
        self._store = store

    @property
    def is_first_awaited(self) -> bool:
        """The other side's first message, a Logon(A), is to come."""
        return self.state is State.AWAITING_LOGON or self.state is State.LOGON_SENT

    def enter(self, happening: Happening, now_ns: int) -> None:
        """Move on in the table of states."""
        self._move(happening)
        self.since_ns = now_ns

    def shift(self, step_ns: int) -> None:
        """The clock was set: see `Session.shift`."""
        self.since_ns += step_ns
        self.out.sent_ns += step_ns

    def give_events(self) -> list[Event]:
        """What the owner has not been told yet."""
        events, self.events = self.events, []
        return events

    def send_admin(self, msg_type: str, body: str, now_ns: int) -> None:
        """Send a message of the session itself; in a resend it becomes a gap fill."""
        self.out.send([f"35={msg_type}\x01{body}"], now_ns, is_live=True, is_kept=False)

    def send_reject(self, fault: Fault, fields: dict[str, str], now_ns: int) -> None:
        """Send a Reject(3), which is kept: of a session's own messages it alone is sent again (FIX 4.4 volume 2)."""
        number = int(fields["34"])
        reason = reason_field(self._settings.begin_string, fault.reason)
        ref_tag = f"371={fault.ref_tag}\x01" if fault.ref_tag else ""
        ref_msg_type = printable(fields["35"], _REF_MSG_TYPE_CHARS_MAX)
        ref_msg_type = f"372={ref_msg_type}\x01" if ref_msg_type else ""
        self.out.send(
            [f"35=3\x0145={number}\x01{ref_tag}{ref_msg_type}{reason}58={fault.text}\x01"], now_ns, is_live=True
        )
        self.events.append(RejectSent(number, fault.reason, fault.ref_tag, fault.text))

    def reset_outbound(self, now_ns: int) -> None:
        """Begin a new epoch; the inbound side follows when the other side has begun again too."""
        epoch = max(now_ns, self._store.epoch + 1)
        self.out.reset(epoch)
        self.events.append(NumbersReset(epoch))

    def begin_logout(self, text: str, now_ns: int) -> None:
        """Send a Logout(5) and wait for the answer."""
        if self.state is State.UP:
            self.send_admin("5", f"58={text}\x01" if text else "", now_ns)
            self.enter(Happening.LOGOUT_BEGUN, now_ns)

    def end_with_logout(self, reason: str, text: str, now_ns: int) -> None:
        """Send a Logout(5) and close without waiting: what comes cannot be trusted any more."""
        self.send_admin("5", f"58={text}\x01", now_ns)
        self.finish(reason, text)

    def finish(self, reason: str, text: str) -> None:
        """Write what waits, then close the connection."""
        if self.is_open:
            self.events.append(LoggedOff(reason))
        self._move(Happening.FINISHED)
        self.events.append(Closing(reason, text))

    def time_out(self, now_ns: int, timeout_s: float, reason: str, text: str) -> None:
        """Finish if the state has lasted too long."""
        if now_ns >= self.since_ns + int(timeout_s * NS_PER_S):
            self.finish(reason, text)

    def _move(self, happening: Happening) -> None:
        self.state = after(self.state, happening)
        self.is_open = self.state in (State.UP, State.LOGOUT_SENT)
