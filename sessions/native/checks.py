"""The session's own look at a message's header, pure: whose it is, how old, and what it says of being a repeat."""

from typing import Final, NamedTuple

from sessions.dictionary.plans import Fault
from sessions.native.events import SessionSettings
from sessions.native.messages import read_timestamp

REQUIRED_TAG_MISSING: Final = 1
VALUE_INCORRECT: Final = 5
INCORRECT_DATA_FORMAT: Final = 6
COMP_ID_PROBLEM: Final = 9
SENDING_TIME_ACCURACY: Final = 10
OTHER: Final = 99

_HIGHEST_REASON_FIX42: Final = 11
"""FIX 4.2 knows SessionRejectReason(373) up to here; beyond it only Text(58) says what is wrong."""

_SECOND_CHARS: Final = len("20261120-21:04:05")
_SEQUENCE_RESET: Final = "4"


class HeaderFault(NamedTuple):
    """A fault of the header, and whether the session can go on after it."""

    fault: Fault
    is_fatal: bool


def reason_field(begin_string: str, reason: int) -> str:
    """SessionRejectReason(373) as a field, where the version knows it."""
    return "" if begin_string == "FIX.4.2" and reason > _HIGHEST_REASON_FIX42 else f"373={reason}\x01"


class HeaderCheck:
    """Checks headers of one session; FIX 4.4 volume 2, test cases 2f to 2m."""

    def __init__(self, settings: SessionSettings) -> None:
        self._ours, self._theirs = settings.sender_comp_id, settings.target_comp_id
        self._tolerance_ns = settings.sending_time_tolerance_s * 1_000_000_000
        self._good_second = ""
        self._good_from_ns = self._good_until_ns = 0
        self._set_by_ns = 0

    def begin(self) -> None:
        """On a new connection the other side's clock has to agree with ours as it is."""
        self._set_by_ns = 0

    def shift(self, step_ns: int) -> None:
        """Our clock was set; whether it was right before or is now, the other side must not suffer for it."""
        self._set_by_ns += step_ns

    def check(self, fields: dict[str, str], now_ns: int) -> HeaderFault | None:
        """Look at CompIDs, SendingTime and PossDupFlag; the first fault, or None."""
        if fields.get("49") != self._theirs or fields.get("56") != self._ours:
            is_sender = fields.get("49") != self._theirs
            text = f"{'SenderCompID(49)' if is_sender else 'TargetCompID(56)'} is not the session's"
            return _fatal(COMP_ID_PROBLEM, 49 if is_sender else 56, text)
        sending_time = fields.get("52")
        if sending_time is None:
            return _fault(REQUIRED_TAG_MISSING, 52, "Required tag missing: SendingTime(52)")
        if not self._is_accurate(sending_time, now_ns):
            if read_timestamp(sending_time) is None:
                return _fault(INCORRECT_DATA_FORMAT, 52, "Incorrect data format for value: SendingTime(52)")
            text = f"SendingTime(52) is more than {self._tolerance_ns // 1_000_000_000} s off; set the clock"
            return _fatal(SENDING_TIME_ACCURACY, 52, text)
        if fields.get("43") == "Y":
            return _check_repeat(fields, sending_time)
        return None

    def _is_accurate(self, sending_time: str, now_ns: int) -> bool:
        second = sending_time[:_SECOND_CHARS]
        if (
            second == self._good_second
            and self._good_from_ns <= now_ns <= self._good_until_ns
            and _is_fraction(sending_time[_SECOND_CHARS:])
        ):
            return True
        sent_ns = read_timestamp(sending_time)
        if sent_ns is None:
            return False
        if abs(now_ns - sent_ns) > self._tolerance_ns:
            return bool(self._set_by_ns) and abs(now_ns - self._set_by_ns - sent_ns) <= self._tolerance_ns
        start_ns = sent_ns // 1_000_000_000 * 1_000_000_000
        self._good_second = second
        self._good_from_ns = start_ns + 1_000_000_000 - self._tolerance_ns  # good for the latest of that second
        self._good_until_ns = start_ns + self._tolerance_ns
        return True


def _is_fraction(text: str) -> bool:
    return not text or (text[0] == "." and text[1:].isdecimal() and text.isascii() and len(text) <= 13)


def _check_repeat(fields: dict[str, str], sending_time: str) -> HeaderFault | None:
    orig_sending_time = fields.get("122")
    if orig_sending_time is None:
        if fields["35"] == _SEQUENCE_RESET:  # many engines fill gaps without it
            return None
        return _fault(REQUIRED_TAG_MISSING, 122, "Required tag missing: OrigSendingTime(122), since PossDupFlag(43)=Y")
    orig_ns, sent_ns = read_timestamp(orig_sending_time), read_timestamp(sending_time)
    if orig_ns is None or sent_ns is None:
        return _fault(INCORRECT_DATA_FORMAT, 122, "Incorrect data format for value: OrigSendingTime(122)")
    if orig_ns > sent_ns:
        return _fatal(SENDING_TIME_ACCURACY, 122, "OrigSendingTime(122) is later than SendingTime(52)")
    return None


def _fault(reason: int, ref_tag: int, text: str) -> HeaderFault:
    return HeaderFault(Fault(reason, ref_tag, text), is_fatal=False)


def _fatal(reason: int, ref_tag: int, text: str) -> HeaderFault:
    return HeaderFault(Fault(reason, ref_tag, text), is_fatal=True)
