"""
FIX bytes, pure: cutting a byte stream into verified messages, building a message, and finding fields in one.

A message stays one text (latin-1, so that no byte is ever lost) until someone asks for a field. `value` finds a single
field faster than a dictionary of all fields is built; `fields` is for whoever wants them all.
"""

import zlib
from datetime import UTC, datetime
from typing import Final

SOH: Final = "\x01"
MESSAGE_BYTES_MAX: Final = 1 << 20
"""Longest message that is accepted; more is taken for a broken stream."""

_HEADER_BYTES_MAX: Final = 32  # "8=FIXT.1.1|9=1048576|" and some air
_TRAILER_BYTES: Final = 7  # "10=000|"
_CHECKSUM_CHUNK_BYTES: Final = 256  # 256 * 255 < 65521: within a chunk Adler's modulus never bites


class FixFramingError(Exception):
    """The byte stream is not FIX any more; the message says what was found instead."""


def checksum(data: bytes) -> int:
    """CheckSum(10): the sum of all bytes modulo 256. Adler-32's lower half is that sum, computed in C."""
    if len(data) <= _CHECKSUM_CHUNK_BYTES:
        return zlib.adler32(data, 0) & 0xFF
    chunks = range(0, len(data), _CHECKSUM_CHUNK_BYTES)
    return sum(zlib.adler32(data[at : at + _CHECKSUM_CHUNK_BYTES], 0) & 0xFF for at in chunks) & 0xFF


def encode(begin_string: str, content: str) -> bytes:
    """
    Put BeginString(8), BodyLength(9) and CheckSum(10) around a message.

    Args:
        begin_string: Such as `FIX.4.4`.
        content: From `35=` on, SOH-terminated, header fields included.
    """
    body = content.encode("latin-1")
    head = f"8={begin_string}\x019={len(body)}\x01".encode("ascii")
    message = head + body
    return b"%s10=%03d\x01" % (message, checksum(message))


class Framer:
    """
    Cuts a byte stream into messages, however it was split or glued on the way.

    A message whose CheckSum(10) or BodyLength(9) is wrong is skipped and counted, as FIX demands (FIX 4.4 volume 2,
    "Garbled message"): its sequence number is then missing, and the session asks for it again.
    """

    def __init__(self, begin_string: str) -> None:
        self._head = f"8={begin_string}\x019=".encode("ascii")
        self._pending = b""
        self._is_lost = False  # after a garbled message, until the next beginning is found
        self.garbled = 0
        """Messages skipped so far."""

    def feed(self, data: bytes) -> list[str]:
        """
        Take received bytes and return the messages that they complete.

        Raises:
            FixFramingError: What arrives cannot be the beginning of a message of this BeginString.
        """
        data = self._pending + data
        messages: list[str] = []
        start = 0
        while True:
            if self._is_lost:
                start = self._next_start(data, start)
            end = None if self._is_lost else self._message_end(data, start)
            if end is None:
                break
            if self._is_sound(data, start, end):
                messages.append(data[start:end].decode("latin-1"))
                start = end
            else:
                self.garbled += 1
                self._is_lost = True
        self._pending = data[start:]
        return messages

    def _message_end(self, data: bytes, start: int) -> int | None:
        """Where the message at `start` ends by its BodyLength(9); None while that part has not arrived."""
        head = self._head
        if not data.startswith(head, start):
            seen = data[start : start + len(head)]
            if head.startswith(seen):
                return None
            raise FixFramingError(f"expected {head.decode()!r} at the start of a message, but received {seen!r}")
        length_at = start + len(head)
        body_at = data.find(b"\x01", length_at, start + _HEADER_BYTES_MAX) + 1
        if not body_at:
            if len(data) - start < _HEADER_BYTES_MAX:
                return None
            raise FixFramingError(f"BodyLength(9) does not end: {data[start : start + _HEADER_BYTES_MAX]!r}")
        digits = data[length_at : body_at - 1]
        if not digits.isdigit() or int(digits) > MESSAGE_BYTES_MAX:
            raise FixFramingError(f"BodyLength(9) is {digits!r}; it must be a number up to {MESSAGE_BYTES_MAX}")
        end = body_at + int(digits) + _TRAILER_BYTES
        return end if end <= len(data) else None

    @staticmethod
    def _is_sound(data: bytes, start: int, end: int) -> bool:
        trailer_at = end - _TRAILER_BYTES
        return data[trailer_at:end] == b"10=%03d\x01" % checksum(data[start:trailer_at])

    def _next_start(self, data: bytes, start: int) -> int:
        """Where the next message may begin after a garbled one, whose BodyLength(9) is not to be trusted."""
        found = data.find(b"\x01" + self._head, start)
        if found < 0:
            return max(start, len(data) - len(self._head))  # the end may be the first half of a head
        self._is_lost = False
        return found + 1


def mark(tag: int) -> str:
    """What stands before the value of a tag inside a message: the search key of `value`."""
    return f"\x01{tag}="


def value(text: str, key: str) -> str:
    """
    The value of the first field with this tag; empty when it is absent.

    Args:
        text: A whole message.
        key: `mark(tag)`, made once.
    """
    start = text.find(key)
    if start < 0:
        return ""
    start += len(key)
    return text[start : text.find(SOH, start)]


def fields(text: str) -> dict[int, str]:
    """All fields by tag; of a repeated tag the last. For groups, use `pairs`."""
    return dict(pairs(text))


def pairs(text: str) -> list[tuple[int, str]]:
    """All fields in their order, repeating groups included."""
    cut = (part.partition("=") for part in text.split(SOH) if part)
    return [(int(tag), content) for tag, _, content in cut]


class UtcTimestamps:
    """Writes SendingTime(52), `YYYYMMDD-HH:MM:SS.sss`, remembering the last one: thousands share a millisecond."""

    def __init__(self) -> None:
        self._second = -1
        self._second_text = ""
        self._millisecond = -1
        self._text = ""

    def text(self, now_ns: int) -> str:
        """The timestamp of `now_ns` (since 1970 UTC)."""
        millisecond = now_ns // 1_000_000
        if millisecond != self._millisecond:
            second, rest = divmod(millisecond, 1000)
            if second != self._second:
                self._second, self._second_text = second, f"{datetime.fromtimestamp(second, UTC):%Y%m%d-%H:%M:%S}"
            self._millisecond, self._text = millisecond, f"{self._second_text}.{rest:03d}"
        return self._text
