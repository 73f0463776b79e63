"""
The rules of a FIX session as seen by the initiator, pure: texts and times in, texts and bytes out.

Whoever owns the socket passes each received message to `receive` and writes what gathers in `outbox`. The rules:

- MsgSeqNum(34) as expected: an application message is handed to the caller, once, and the number moves on.
- Too high: messages were lost. One ResendRequest(2) asks for all from the missing one on (EndSeqNo(16)=0), and whatever
  else is too high is ignored meanwhile: the acceptor repeats it after what was missing, so nothing has to be held back.
- Too low: a repeat (PossDupFlag(43)=Y) is ignored; anything else means the two sides disagree, and the session ends.
- The acceptor asks for a resend: application messages go out again with their number, 43=Y and OrigSendingTime(122);
  all others, and those older than the bounded store, become SequenceReset-GapFill(4).

Numbers and store live in `SessionState`, which outlives a connection: pass it to the next one and the session goes on.
"""

from collections import deque
from typing import Final

from simulators.fix_codec import UtcTimestamps, encode, mark, value

HEARTBEAT_S: Final = 30
SENT_MESSAGES_MAX: Final = 100_000
"""Own messages kept for resending, unless the state is given another bound; older ones are gap-filled."""

_RESEND_PATIENCE_NS: Final = 5_000_000_000
"""After this long, a message that is still too high asks once more."""

_ADMIN_TYPES: Final = frozenset("01245A")
_MSG_TYPE: Final = mark(35)
_MSG_SEQ_NUM: Final = mark(34)
_POSS_DUP: Final = mark(43)
_NEW_SEQ_NO: Final = mark(36)
_GAP_FILL: Final = mark(123)
_RESET: Final = mark(141)
_TEXT: Final = mark(58)
_TEST_REQ_ID: Final = mark(112)
_BEGIN_SEQ_NO: Final = mark(7)
_END_SEQ_NO: Final = mark(16)


class SessionState:
    """Sequence numbers and own application messages of one session, kept from connection to connection."""

    def __init__(self, *, sent_messages_max: int = SENT_MESSAGES_MAX) -> None:
        self.next_outbound = 1
        """MsgSeqNum(34) of the next message to the venue."""
        self.next_inbound = 1
        """MsgSeqNum(34) expected next from the venue."""
        self.sent: deque[tuple[int, str, int]] = deque(maxlen=sent_messages_max)
        """(MsgSeqNum, body, sent at ns since 1970), oldest first."""

    def reset(self) -> None:
        """Start both directions from 1 again."""
        self.next_outbound = self.next_inbound = 1
        self.sent.clear()


class InitiatorSession:
    """One connection's worth of a session. Times are ns since 1970 UTC, given by the caller."""

    def __init__(
        self,
        *,
        begin_string: str,
        sender_comp_id: str,
        target_comp_id: str,
        password: str,
        state: SessionState,
        heartbeat_s: int = HEARTBEAT_S,
    ) -> None:
        self.begin_string = begin_string
        self.state = state
        self.outbox: list[bytes] = []
        """Bytes to write, in order; the owner of the socket empties it."""
        self.is_up = False
        """Both logons have been exchanged, and no logout."""
        self.ended: str | None = None
        """Once the session is over: why, in one sentence; empty when this side asked for it."""
        self._comp_ids = f"49={sender_comp_id}\x0156={target_comp_id}\x01"
        self._credentials = f"553={sender_comp_id}\x01554={password}\x01"
        self._heartbeat_s = heartbeat_s
        self._timestamps = UtcTimestamps()
        self._sent_ns = 0
        self._received_ns = 0
        self._is_testing = False  # a TestRequest(1) of ours is unanswered
        self._asked_from = 0  # BeginSeqNo(7) of our last ResendRequest(2), 0 when none is under way
        self._asked_ns = 0
        self._is_logging_out = False

    def logon(self, now_ns: int, *, reset: bool) -> None:
        """Send Logon(A); with `reset`, both sides start from 1 (ResetSeqNumFlag(141)=Y)."""
        if reset:
            self.state.reset()
        self._received_ns = now_ns
        version = "1137=9\x01" if self.begin_string == "FIXT.1.1" else ""
        flag = "141=Y\x01" if reset else ""
        self._send_admin("A", f"98=0\x01108={self._heartbeat_s}\x01{flag}{self._credentials}{version}", now_ns)

    def logout(self, now_ns: int) -> None:
        """Send Logout(5) and wait for the venue's."""
        self._is_logging_out = True
        self._send_admin("5", "", now_ns)

    def send(self, body: str, now_ns: int) -> int:
        """
        Queue an application message and keep it for resending.

        Args:
            body: `35=D|11=...|`: MsgType first, then body fields, SOH-terminated; no header, no trailer.
            now_ns: Becomes SendingTime(52).

        Returns:
            Its MsgSeqNum(34).
        """
        state = self.state
        number = state.next_outbound
        state.next_outbound = number + 1
        state.sent.append((number, body, now_ns))
        msg_type, _, rest = body.partition("\x01")
        self._sent_ns = now_ns
        sending_time = self._timestamps.text(now_ns)
        content = f"{msg_type}\x0134={number}\x01{self._comp_ids}52={sending_time}\x01{rest}"
        self.outbox.append(encode(self.begin_string, content))
        return number

    def receive(self, text: str, now_ns: int) -> bool:
        """
        Apply one message from the venue.

        Returns:
            Whether it is the caller's: an application message, or a Reject(3), in order and never seen before.
        """
        self._received_ns = now_ns
        self._is_testing = False
        msg_type = value(text, _MSG_TYPE)
        number_text = value(text, _MSG_SEQ_NUM)
        if not number_text.isdigit():
            self.end(f"the venue sent MsgType(35)={msg_type} without MsgSeqNum(34)")
            return False
        number = int(number_text)
        if msg_type in _ADMIN_TYPES:
            self._receive_admin(msg_type, number, text, now_ns)
            return False
        return self._advance(number, text, now_ns)

    def tick(self, now_ns: int) -> None:
        """Keep the line alive; call about once a second."""
        if not self.is_up:
            return
        interval_ns = self._heartbeat_s * 1_000_000_000
        if now_ns - self._sent_ns >= interval_ns:
            self._send_admin("0", "", now_ns)
        if now_ns - self._asked_ns >= _RESEND_PATIENCE_NS:
            self._asked_from = 0
        silence_ns = now_ns - self._received_ns
        if silence_ns >= 2.4 * interval_ns:
            self.end(f"the venue was silent for {silence_ns // 1_000_000_000} s")
        elif silence_ns >= 1.2 * interval_ns and not self._is_testing:
            self._is_testing = True
            self._send_admin("1", f"112=silent-{now_ns}\x01", now_ns)

    def end(self, reason: str) -> None:
        """The session is over; the first reason counts."""
        self.is_up = False
        if self.ended is None:
            self.ended = reason

    def _advance(self, number: int, text: str, now_ns: int) -> bool:
        """Move the expected number on if this is the message with it; else ask, ignore or end."""
        state = self.state
        if number == state.next_inbound:
            state.next_inbound = number + 1
            return True
        if number > state.next_inbound:
            self._ask_again(now_ns)
        elif value(text, _POSS_DUP) != "Y":
            self.end(f"the venue sent MsgSeqNum(34)={number}, but {state.next_inbound} was expected")
        return False

    def _ask_again(self, now_ns: int) -> None:
        missing = self.state.next_inbound
        if missing > self._asked_from:
            self._asked_from, self._asked_ns = missing, now_ns
            self._send_admin("2", f"7={missing}\x0116=0\x01", now_ns)

    def _receive_admin(self, msg_type: str, number: int, text: str, now_ns: int) -> None:
        # What must not wait for missing messages, or both sides would wait for each other, comes before the number.
        if msg_type == "A":
            self._receive_logon(text)
        elif msg_type == "4":
            self._receive_sequence_reset(number, text, now_ns)
            return
        elif msg_type == "5":
            self._receive_logout(text, now_ns)
        elif msg_type == "2":
            self._resend(int(value(text, _BEGIN_SEQ_NO)), int(value(text, _END_SEQ_NO)), now_ns)
        elif msg_type == "1":
            self._send_admin("0", f"112={value(text, _TEST_REQ_ID)}\x01", now_ns)
        if self.ended is None:
            self._advance(number, text, now_ns)

    def _receive_logon(self, text: str) -> None:
        if value(text, _RESET) == "Y":
            self.state.next_inbound = 1
        self.is_up = True

    def _receive_logout(self, text: str, now_ns: int) -> None:
        reason = value(text, _TEXT)
        if self._is_logging_out:
            self.end("")
            return
        was_up = self.is_up
        self._send_admin("5", "", now_ns)
        self.end((f"the venue logged out: {reason}" if was_up else f"logon refused: {reason}").removesuffix(": "))

    def _receive_sequence_reset(self, number: int, text: str, now_ns: int) -> None:
        new_number = int(value(text, _NEW_SEQ_NO))
        if value(text, _GAP_FILL) != "Y":
            self.state.next_inbound = new_number
        elif self._advance(number, text, now_ns):
            self.state.next_inbound = max(self.state.next_inbound, new_number)

    def _resend(self, begin: int, end: int, now_ns: int) -> None:
        """Answer a ResendRequest(2) for `begin` to `end`, 0 being all."""
        state = self.state
        end = min(end or state.next_outbound - 1, state.next_outbound - 1)
        next_number = begin
        for number, body, sent_ns in state.sent:
            if number < begin:
                continue
            if number > end:
                break
            self._fill_gap(next_number, number, now_ns)
            self._repeat(number, body, sent_ns, now_ns)
            next_number = number + 1
        self._fill_gap(next_number, end + 1, now_ns)

    def _fill_gap(self, number: int, new_number: int, now_ns: int) -> None:
        if number < new_number:
            self._put("4", number, f"123=Y\x0136={new_number}\x01", now_ns, original_ns=now_ns)

    def _repeat(self, number: int, body: str, sent_ns: int, now_ns: int) -> None:
        msg_type, _, rest = body.partition("\x01")
        self._put(msg_type.removeprefix("35="), number, rest, now_ns, original_ns=sent_ns)

    def _send_admin(self, msg_type: str, rest: str, now_ns: int) -> None:
        number = self.state.next_outbound
        self.state.next_outbound = number + 1
        self._put(msg_type, number, rest, now_ns)

    def _put(self, msg_type: str, number: int, rest: str, now_ns: int, *, original_ns: int | None = None) -> None:
        self._sent_ns = now_ns
        header = f"35={msg_type}\x0134={number}\x01{self._comp_ids}52={self._timestamps.text(now_ns)}\x01"
        if original_ns is not None:
            header += f"43=Y\x01122={self._timestamps.text(original_ns)}\x01"
        self.outbox.append(encode(self.begin_string, header + rest))
