"""
FIX messages of a session as bytes and back, pure: reading fields, reading times, and writing with cached headers.

Outbound messages have one layout, `8|9|35|34|49|52|56|body|10`, so that what is stored can be sent again, or read back
as a body, by cutting at known places.
"""

import re
from calendar import timegm
from typing import Final

from sessions.fix_text import SOH, utc_timestamp
from sessions.native.framing import TRAILERS, checksum

DATA_TAGS: Final = {
    "90": "91",
    "93": "89",
    "95": "96",
    "212": "213",
    "348": "349",
    "350": "351",
    "352": "353",
    "354": "355",
    "356": "357",
    "358": "359",
    "360": "361",
    "362": "363",
    "364": "365",
    "445": "446",
    "618": "619",
    "621": "622",
    "1184": "1185",
    "1277": "1278",
    "1280": "1281",
    "1282": "1283",
    "1397": "1398",
    "1401": "1402",
}
"""By the tag of a length, the data field that follows it; its value may hold SOH and `=`."""

_LENGTH_TAGS: Final = frozenset(DATA_TAGS)
_TIMESTAMP: Final = re.compile(
    r"(\d{4})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])-([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d{1,12}))?", re.ASCII
)
_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000


def read_text(message: bytes) -> str:
    """Decode a message; bytes that are no UTF-8 become U+FFFD."""
    try:
        return message.decode()
    except UnicodeDecodeError:
        return message.decode("utf-8", "replace")


def read_fields(message: bytes, text: str) -> tuple[dict[str, str], list[tuple[str, str]] | None]:
    """
    Read a sound message's fields by tag, in their order; of a tag that is there more than once, the first one counts.

    The first, because the header comes first: no value in a body can pass for MsgSeqNum(34).

    Args:
        message: The message, from `8=` to the SOH of CheckSum(10).
        text: The same, decoded.

    Returns:
        The fields; and, if they are not the whole message because a tag is repeated or a field is odd, its pairs.
    """
    parts = text.split(SOH)
    parts.pop()  # what follows the last SOH: nothing
    try:
        fields = dict([part.split("=", 1) for part in parts])
    except ValueError:  # no `=`: a mistake, or the inside of a data field
        fields = {}
    if len(fields) == len(parts) and _LENGTH_TAGS.isdisjoint(fields):
        return fields, None
    pairs = read_pairs(message)
    fields = {}
    for tag, value in pairs:
        fields.setdefault(tag, value)
    return fields, pairs


def read_pairs(message: bytes) -> list[tuple[str, str]]:
    """Read a sound message's fields in their order, data fields by their length; what has no `=` has no value."""
    pairs: list[tuple[str, str]] = []
    at, size = 0, len(message)
    data_tag, data_bytes = "", 0
    while at < size:
        equals = message.find(b"=", at)
        end = message.find(b"\x01", at)
        if 0 <= equals < end:
            tag = read_text(message[at:equals])
            data_end = equals + 1 + data_bytes
            if tag == data_tag and data_end < size and message[data_end] == 1:
                end = data_end
            value = read_text(message[equals + 1 : end])
        else:
            tag, value = read_text(message[at:end]), ""
        pairs.append((tag, value))
        data_tag = DATA_TAGS.get(tag, "") if value.isdecimal() and value.isascii() and len(value) < 8 else ""
        data_bytes = int(value) if data_tag else 0
        at = end + 1
    return pairs


def read_number(value: str | None, *, digits_max: int = 15) -> int | None:
    """Read a whole number without a sign, such as MsgSeqNum(34); None when it is none."""
    if value is None or not value.isdecimal() or not value.isascii() or len(value) > digits_max:
        return None
    return int(value)


def read_timestamp(value: str) -> int | None:
    """Read a UTCTimestamp as ns since 1970 UTC; None when it is none."""
    match = _TIMESTAMP.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction = match.groups()
    moment = (int(year), int(month), int(day), int(hour), int(minute), int(second))
    return timegm(moment) * _NS_PER_S + int((fraction or "").ljust(9, "0")[:9])


def printable(value: str, chars_max: int = 64) -> str:
    """What a client wrote, fit to be echoed in one of our fields."""
    return "".join(char if " " <= char <= "~" else "?" for char in value[:chars_max])


class Composer:
    """Writes the messages of one direction of one session."""

    def __init__(self, begin_string: str, sender_comp_id: str, target_comp_id: str) -> None:
        self._begin = f"8={begin_string}{SOH}9=".encode()
        self._sender = f"{SOH}49={sender_comp_id}{SOH}52="
        self._target = f"{SOH}56={target_comp_id}{SOH}"
        self._target_mark = self._target.encode()
        self._stamp_ms = -1
        self._stamp = ""

    def compose(self, bodies: list[str], first_msg_seq_num: int, now_ns: int) -> list[bytes]:
        """
        Write new messages with consecutive numbers.

        Args:
            bodies: Each `35=8|...|`.
            first_msg_seq_num: MsgSeqNum(34) of the first.
            now_ns: SendingTime(52); written with milliseconds' resolution, so that many messages share one text.
        """
        begin, stamp = self._begin, self._stamp_of(now_ns)
        messages = []
        for number, body in enumerate(bodies, first_msg_seq_num):
            end = body.index(SOH)
            content = f"{body[:end]}\x0134={number}{stamp}{body[end + 1 :]}".encode()
            message = b"%b%d\x01%b" % (begin, len(content), content)
            messages.append(message + TRAILERS[checksum(message)])
        return messages

    def compose_repeat(self, message: bytes, now_ns: int) -> bytes:
        """Write a stored message again, with PossDupFlag(43)=Y and its old SendingTime in OrigSendingTime(122)."""
        head, sent, body = self._parts(message)
        content = b"%b\x0143=Y%b122=%b\x01%b" % (head, self._stamp_of(now_ns).encode(), sent, body)
        return self._close(content)

    def compose_gap_fill(self, msg_seq_num: int, new_seq_no: int, now_ns: int) -> bytes:
        """Write a SequenceReset-GapFill(4) that stands for the numbers from one up to, not including, another."""
        stamp = self._stamp_of(now_ns)
        sent = stamp[len(self._sender) : -len(self._target)]
        body = f"122={sent}\x01123=Y\x0136={new_seq_no}\x01"
        return self._close(f"35=4\x0134={msg_seq_num}\x0143=Y{stamp}{body}".encode())

    def body_of(self, message: bytes) -> str:
        """The body of a stored message, as it was given."""
        head, _, body = self._parts(message)
        return read_text(head[: head.index(b"\x01") + 1] + body)

    def _close(self, content: bytes) -> bytes:
        message = b"%b%d\x01%b" % (self._begin, len(content), content)
        return message + TRAILERS[checksum(message)]

    def _parts(self, message: bytes) -> tuple[bytes, bytes, bytes]:
        """Cut a stored message: `35=..|34=..` without the last SOH, the text of SendingTime, the body."""
        head_start = message.index(b"\x0135=") + 1
        head_end = message.index(b"\x0149=", head_start)
        sent_start = message.index(b"\x0152=", head_end) + 4
        sent_end = message.index(b"\x01", sent_start)
        body_start = message.index(self._target_mark, sent_end) + len(self._target_mark)
        return message[head_start:head_end], message[sent_start:sent_end], message[body_start:-7]

    def _stamp_of(self, now_ns: int) -> str:
        """`|49=..|52=..|56=..|`, made once for each millisecond."""
        now_ms = now_ns // _NS_PER_MS
        if now_ms != self._stamp_ms:
            self._stamp_ms = now_ms
            self._stamp = f"{self._sender}{utc_timestamp(now_ms * _NS_PER_MS)[:-3]}{self._target}"
        return self._stamp
