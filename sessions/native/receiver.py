"""
The listening side of a session, pure: what one sound message means, given where the session stands.

The order of the looks at a message is in `session`. Most messages are the next one, with a clean header, and the
application's: for them `take` is all there is. Everything else becomes an `Arrived` and goes its way by its type.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from sessions.dictionary.plans import Fault
from sessions.native.checks import OTHER, VALUE_INCORRECT, HeaderCheck, HeaderFault
from sessions.native.events import (
    LoggedOn,
    LogonRefused,
    RejectReceived,
    ResendAsked,
    SessionSettings,
    Store,
    TestAnswered,
    Validator,
)
from sessions.native.inbound import Early, Inbound
from sessions.native.line import NS_PER_S, Line
from sessions.native.logon import Authenticate, LogonRules
from sessions.native.messages import printable, read_number, read_text
from sessions.native.shapes import FieldReader
from sessions.native.states import Happening, State
from sessions.port import InboundMessage

_ADMIN_TYPES: Final = frozenset("012345A")
_URGENT_TYPES: Final = frozenset("245A")
_TEXT_CHARS_MAX: Final = 512


class Arrived(NamedTuple):
    """A sound message, read."""

    message: bytes
    msg_type: str
    fields: dict[str, str]
    pairs: list[tuple[str, str]] | None
    number: int
    received_ns: int

    @property
    def resets(self) -> bool:
        """A Logon(A) with ResetSeqNumFlag(141)=Y."""
        return self.msg_type == "A" and self.fields.get("141") == "Y"


class Receiver:
    """Takes the messages of one session."""

    def __init__(
        self, settings: SessionSettings, store: Store, line: Line, dictionary: Validator, authenticate: Authenticate
    ) -> None:
        self.inbound = Inbound(settings, store.next_inbound)
        self.heart_bt_int_ns = settings.heart_bt_int_s * NS_PER_S
        self.is_resetting = False
        """A Logon of ours with 141=Y is unanswered."""
        self._settings = settings
        self._store = store
        self._epoch = store.epoch  # of the numbers that come in: ours begin anew before the other side's do
        self._line = line
        self._dictionary = dictionary
        self._reader = FieldReader()
        self._header = HeaderCheck(settings)
        self._logon = LogonRules(settings, authenticate)
        self._in_turn: dict[str, Callable[[Arrived], None]] = {
            "0": self._take_heartbeat,
            "1": self._take_test_request,
            "3": self._take_reject,
            "4": self._take_gap_fill,
        }
        self._at_once: dict[str, Callable[[Arrived], None]] = {
            "2": self._take_resend_request,
            "4": self._take_sequence_reset,
            "5": self._take_logout,
            "A": self._take_logon_again,
        }

    @property
    def next_inbound(self) -> int:
        """MsgSeqNum(34) expected next in the epoch of the store: 1 as long as the other side has not begun it."""
        return 1 if self.is_resetting else self.inbound.next_msg_seq_num

    def begin_epoch(self) -> None:
        """The other side's numbers begin anew, in the epoch of the store."""
        self.is_resetting = False
        self._epoch = self._store.epoch
        self.inbound.reset()

    def shift(self, step_ns: int) -> None:
        """The clock was set: see `Session.shift`."""
        self.inbound.shift(step_ns)
        self._header.shift(step_ns)

    def meet(self) -> None:
        """There is a new connection."""
        self._header.begin()

    def leave(self) -> None:
        """The connection is gone; a reset that was not answered holds for the next one."""
        if self.is_resetting:
            self.begin_epoch()
        self.inbound.forget_asking()

    def send_logon(self, now_ns: int) -> None:
        """Send our own Logon, as an initiator or, while up, to reset."""
        self._line.send_admin("A", self._logon.request(self.next_inbound, resets=self.is_resetting), now_ns)

    def take(self, message: bytes, received_ns: int) -> None:
        """
        Take one sound message.

        Args:
            message: As it came.
            received_ns: When it came, which for a kept one was earlier.
        """
        text = read_text(message)
        fields, pairs = self._reader.read(message, text)
        msg_type = fields["35"]
        number = read_number(fields.get("34"))
        if fields["8"] != self._settings.begin_string:
            self._end("begin_string", "Incorrect BeginString(8)", received_ns)
            return
        if number is None:
            self._end("no_msg_seq_num", "MsgSeqNum(34) is missing or no number", received_ns)
            return
        wrong = self._header.check(fields, received_ns)
        is_next = number == self.inbound.next_msg_seq_num
        if is_next and wrong is None and msg_type not in _ADMIN_TYPES and self._line.is_open:
            fault = self._check(msg_type, fields, pairs)
            self.inbound.next_msg_seq_num = number + 1
            if fault is None:
                event = InboundMessage(self._settings.session_id, self._epoch, received_ns, text, fields)
                self._line.events.append(event)
            else:
                self._line.send_reject(fault, fields, received_ns)
            return
        arrived = Arrived(message, msg_type, fields, pairs, number, received_ns)
        if self._line.is_first_awaited:
            self._take_first(arrived, wrong)
        elif wrong is not None:
            self._reject(wrong.fault, arrived)
            if wrong.is_fatal:
                self._line.begin_logout(wrong.fault.text, received_ns)
        else:
            self._take_odd(arrived)

    def take_early(self, now_ns: int) -> None:
        """Take the kept messages whose turn has come, then ask for what is missing still."""
        while self._line.is_open and (early := self.inbound.take_next()) is not None:
            self.take(early.message, early.received_ns)
        if self._line.is_open and self.inbound.asked_ns:
            self.ask_for_missing(now_ns)

    def ask_for_missing(self, now_ns: int) -> None:
        """Send a ResendRequest(2) if one is due."""
        asked = self.inbound.ask(now_ns)
        if asked is not None:
            begin, end = asked
            self._line.send_admin("2", f"7={begin}\x0116={end}\x01", now_ns)
            self._line.events.append(ResendAsked(begin, end))

    def _end(self, reason: str, text: str, now_ns: int) -> None:
        """End what cannot go on: with a Logout, but for a stranger without a word."""
        if self._line.state is State.AWAITING_LOGON:
            self._line.finish(reason, text)
        else:
            self._line.end_with_logout(reason, text, now_ns)

    # By number and type

    def _take_odd(self, arrived: Arrived) -> None:
        """Take a message of the session itself, or one that is not the next."""
        handler = self._at_once.get(arrived.msg_type)
        is_gap_fill = arrived.msg_type == "4" and arrived.fields.get("123") == "Y"
        if handler is None or is_gap_fill:
            if self._is_next(arrived) and not self._is_rejected(arrived):
                self.inbound.next_msg_seq_num += 1
                if (in_turn := self._in_turn.get(arrived.msg_type)) is not None:
                    in_turn(arrived)
        elif arrived.msg_type == "4" or arrived.resets or arrived.number >= self.inbound.next_msg_seq_num:
            if not self._is_rejected(arrived):
                handler(arrived)
        else:
            self._is_next(arrived)  # it is not: a repeat, or the end

    def _is_next(self, arrived: Arrived, *, is_done: bool = False) -> bool:
        """Whether it is the next message; if not, keep it unless all is done but its number, ask, ignore or end."""
        expected = self.inbound.next_msg_seq_num
        if arrived.number > expected:
            self.inbound.keep(arrived.number, None if is_done else Early(arrived.message, arrived.received_ns))
            self.ask_for_missing(arrived.received_ns)
        elif arrived.number < expected and arrived.fields.get("43") != "Y":
            text = f"MsgSeqNum(34) too low, expecting {expected} but received {arrived.number}"
            self._line.end_with_logout("sequence_too_low", text, arrived.received_ns)
        return arrived.number == expected

    def _pass(self, arrived: Arrived) -> None:
        """Count the number of a message that was dealt with before its turn came."""
        if self._is_next(arrived, is_done=True):
            self.inbound.next_msg_seq_num += 1

    def _is_rejected(self, arrived: Arrived) -> bool:
        fault = self._check(arrived.msg_type, arrived.fields, arrived.pairs)
        if fault is not None:
            self._reject(fault, arrived)
        return fault is not None

    def _reject(self, fault: Fault, arrived: Arrived) -> None:
        """Reject a message; its number is used, be it now or when its turn comes. A faulty SequenceReset has none."""
        self._line.send_reject(fault, arrived.fields, arrived.received_ns)
        if arrived.number == self.inbound.next_msg_seq_num:
            self.inbound.next_msg_seq_num += 1
        elif arrived.number > self.inbound.next_msg_seq_num:
            self.inbound.keep(arrived.number, None)
            self.ask_for_missing(arrived.received_ns)

    def _check(self, msg_type: str, fields: dict[str, str], pairs: list[tuple[str, str]] | None) -> Fault | None:
        """Ask the dictionary. A business fault is the application's to answer, as it answers all others."""
        if pairs is None:
            fault = self._dictionary.check_fast(msg_type, fields)
        else:
            fault = self._dictionary.check(msg_type, pairs)
        return None if fault is not None and fault.business else fault

    # The first message

    def _take_first(self, arrived: Arrived, wrong: HeaderFault | None) -> None:
        is_acceptor = self._line.state is State.AWAITING_LOGON
        if arrived.msg_type == "5" and not is_acceptor:
            self._take_refusal(arrived)
            return
        if arrived.msg_type != "A":
            self._line.finish("first_message", "the first message has to be a Logon(A)")
            return
        refusal = self._logon.judge(
            arrived.fields,
            arrived.number,
            expected=1 if self.is_resetting else self.inbound.next_msg_seq_num,
            next_outbound=self._line.out.next_msg_seq_num,
            wrong=wrong,
            fault=lambda: self._check_logon(arrived),
        )
        if refusal is not None:
            self._line.events.append(LogonRefused(refusal.reason, refusal.text))
            self._line.end_with_logout("logon_refused", refusal.text, arrived.received_ns)
        elif is_acceptor:
            self._accept_logon(arrived)
        else:
            self._complete_logon(arrived)

    def _take_refusal(self, arrived: Arrived) -> None:
        """The acceptor answers our Logon with a Logout."""
        text = printable(arrived.fields.get("58", ""), _TEXT_CHARS_MAX)
        if arrived.number == self.inbound.next_msg_seq_num:
            self.inbound.next_msg_seq_num += 1
        self._line.events.append(LogonRefused("by_peer", text))
        self._line.finish("logon_refused", text)

    def _accept_logon(self, arrived: Arrived) -> None:
        """Answer a client's Logon, then send what its NextExpectedMsgSeqNum(789) says it has not got."""
        self.heart_bt_int_ns = int(arrived.fields["108"]) * NS_PER_S
        if arrived.resets:
            self._line.reset_outbound(arrived.received_ns)
            self.begin_epoch()
        self._line.enter(Happening.LOGGED_ON, arrived.received_ns)
        self._line.events.append(LoggedOn())
        first_unsent = self._line.out.next_msg_seq_num
        expected = self.inbound.next_msg_seq_num
        expected += arrived.number == expected
        self._line.send_admin("A", self._logon.answer(arrived.fields, expected), arrived.received_ns)
        self._go_on(arrived, first_unsent)

    def _complete_logon(self, arrived: Arrived) -> None:
        """The answer to our Logon has come."""
        if arrived.resets or self.is_resetting:
            self.begin_epoch()
        self._line.enter(Happening.LOGGED_ON, arrived.received_ns)
        self._line.events.append(LoggedOn())
        self._go_on(arrived, self._line.out.next_msg_seq_num)

    def _go_on(self, arrived: Arrived, first_unsent: int) -> None:
        """Close the gaps of both sides after the exchange of Logons."""
        wanted = read_number(arrived.fields.get("789"))
        if wanted is not None and wanted < first_unsent:
            self._line.out.replay(wanted, self._line.out.next_msg_seq_num - 1)
        if wanted is not None and arrived.number > self.inbound.next_msg_seq_num:
            self.inbound.keep(arrived.number, None)
            self.inbound.trust(arrived.received_ns)  # our own 789 has told the other side
        else:
            self._pass(arrived)

    # Messages of the session itself, in their turn

    def _take_heartbeat(self, arrived: Arrived) -> None:
        if (test_req_id := arrived.fields.get("112")) is not None:
            self._line.events.append(TestAnswered(test_req_id))

    def _take_test_request(self, arrived: Arrived) -> None:
        self._line.send_admin("0", f"112={arrived.fields.get('112', '')}\x01", arrived.received_ns)

    def _take_reject(self, arrived: Arrived) -> None:
        self._line.events.append(RejectReceived(arrived.fields, read_text(arrived.message)))

    def _take_gap_fill(self, arrived: Arrived) -> None:
        new_seq_no = read_number(arrived.fields.get("36"))
        if new_seq_no is not None and new_seq_no > arrived.number:
            self.inbound.jump(new_seq_no)
        else:
            self.inbound.next_msg_seq_num = arrived.number  # it fills nothing, not even its own place
            self._refuse_new_seq_no(arrived, arrived.number + 1)

    # Messages of the session itself, as soon as they are there

    def _take_sequence_reset(self, arrived: Arrived) -> None:
        new_seq_no = read_number(arrived.fields.get("36"))
        if new_seq_no is not None and new_seq_no >= self.inbound.next_msg_seq_num:
            self.inbound.jump(new_seq_no)
        else:
            self._refuse_new_seq_no(arrived, self.inbound.next_msg_seq_num)

    def _refuse_new_seq_no(self, arrived: Arrived, least: int) -> None:
        fault = Fault(VALUE_INCORRECT, 36, f"NewSeqNo(36) must be at least {least}")
        self._line.send_reject(fault, arrived.fields, arrived.received_ns)

    def _take_resend_request(self, arrived: Arrived) -> None:
        out, now_ns = self._line.out, arrived.received_ns
        begin, end = read_number(arrived.fields.get("7")), read_number(arrived.fields.get("16"))
        last = out.next_msg_seq_num - 1
        if begin is None or not 1 <= begin <= last:
            fault = Fault(VALUE_INCORRECT, 7, f"BeginSeqNo(7) must be 1 to {last}")
            self._line.send_reject(fault, arrived.fields, now_ns)
        elif end is None or 0 < end < begin:
            fault = Fault(VALUE_INCORRECT, 16, "EndSeqNo(16) must be 0, or at least BeginSeqNo(7)")
            self._line.send_reject(fault, arrived.fields, now_ns)
        elif out.replays_waiting >= self._settings.replays_max:
            self._line.end_with_logout("too_many_resends", "too many ResendRequests at once; read the answers", now_ns)
            return
        else:
            out.replay(begin, min(end or last, last))
        self._pass(arrived)

    def _take_logout(self, arrived: Arrived) -> None:
        text = printable(arrived.fields.get("58", ""), _TEXT_CHARS_MAX)
        if arrived.number == self.inbound.next_msg_seq_num:
            self.inbound.next_msg_seq_num += 1
        if self._line.state is State.UP:
            self._line.send_admin("5", "", arrived.received_ns)
            self._line.finish("logged_out_by_peer", text)
        else:
            self._line.finish("logged_out", text)

    def _take_logon_again(self, arrived: Arrived) -> None:
        """A Logon while up: a reset of both directions, asked for or answered, or else a mistake."""
        now_ns = arrived.received_ns
        if not arrived.resets:
            self._reject(Fault(OTHER, 0, "Logon(A) while logged on; only with 141=Y has it a meaning"), arrived)
        elif arrived.number != 1:
            fault = Fault(VALUE_INCORRECT, 34, "a Logon(A) with ResetSeqNumFlag(141)=Y has MsgSeqNum(34)=1")
            self._line.send_reject(fault, arrived.fields, now_ns)
        elif self.is_resetting:
            self._begin_again()
        elif (refusal := self._logon.judge_again(arrived.fields, lambda: self._check_logon(arrived))) is not None:
            self._line.events.append(LogonRefused(refusal.reason, refusal.text))
            self._line.end_with_logout("logon_refused", refusal.text, now_ns)
        else:
            self.heart_bt_int_ns = int(arrived.fields["108"]) * NS_PER_S
            self._line.reset_outbound(now_ns)
            self._begin_again()
            self._line.send_admin("A", self._logon.answer(arrived.fields, 2), now_ns)

    def _check_logon(self, arrived: Arrived) -> Fault | None:
        return self._check("A", arrived.fields, arrived.pairs)

    def _begin_again(self) -> None:
        self.begin_epoch()
        self.inbound.next_msg_seq_num = 2  # after the Logon that says so
