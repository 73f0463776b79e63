"""
Cutting a byte stream into FIX messages, pure. What comes out never depends on how the stream was split on its way.

A message is `8=FIX...|9=<n>|`, then n bytes that begin with `35=`, then `10=<sum>|`. What is at fault decides what is
skipped (FIX 4.4 volume 2, "Garbled message": it is ignored, and its number is found missing by the next one):

- It ends where BodyLength(9) says, but CheckSum(10) or the place of MsgType(35) is wrong: the whole message.
- It does not even end there, or its head is no head: its first byte, and all up to the next `8=FIX`.
- BodyLength(9) is beyond the bound: everything. Nobody waits for 2,000,000,000 bytes, and the stream is over.
- Garbage between messages: up to the next `8=FIX`. More of it than the bound without a sound message ends the stream.

So no more is ever held back than one message of the greatest length.
"""

import zlib
from enum import Enum
from typing import Final

MESSAGE_BYTES_MAX: Final = 1 << 16
GARBAGE_BYTES_MAX: Final = 1 << 16
"""Bytes skipped without a sound message in between, from which on the stream is given up."""

_START: Final = b"8=FIX"
_BEGIN_STRING_BYTES_MAX: Final = 12  # "8=FIXT.1.1" and some air
_LENGTH_DIGITS_MAX: Final = 7
_TRAILER_BYTES: Final = len(b"10=000\x01")
_ADLER_BYTES_MAX: Final = 256  # 256 * 255 < 65521: so far Adler's modulus never bites
_ADLER_ASCII_BYTES_MAX: Final = 512  # 512 * 127 < 65521

TRAILERS: Final = tuple(b"10=%03d\x01" % value for value in range(256))
"""CheckSum(10) as written, by its value."""


class StreamEnd(Enum):
    """Why nothing more is read from a stream."""

    MESSAGE_TOO_LONG = "message_too_long"
    TOO_MUCH_GARBAGE = "too_much_garbage"


class Garbage(Enum):
    """Why bytes were skipped."""

    BETWEEN_MESSAGES = "between_messages"
    BEGINNING = "beginning"
    BODY_LENGTH = "body_length"
    CHECKSUM = "checksum"
    MSG_TYPE = "msg_type"


def checksum(data: bytes) -> int:
    """CheckSum(10): the sum of all bytes modulo 256. Adler-32's lower half is that sum, computed in C."""
    if len(data) <= _ADLER_BYTES_MAX or (len(data) <= _ADLER_ASCII_BYTES_MAX and data.isascii()):
        return zlib.adler32(data, 0) & 0xFF
    chunks = range(0, len(data), _ADLER_BYTES_MAX)
    return sum([zlib.adler32(data[at : at + _ADLER_BYTES_MAX], 0) & 0xFF for at in chunks]) & 0xFF


class Framer:
    """One stream's cutter."""

    def __init__(self, *, message_bytes_max: int = MESSAGE_BYTES_MAX, garbage_bytes_max: int = GARBAGE_BYTES_MAX):
        self.end: StreamEnd | None = None
        """Set once nothing more is read."""
        self._message_bytes_max = message_bytes_max
        self._garbage_bytes_max = garbage_bytes_max
        self._head = b""  # of the last sound message, up to its BodyLength(9): most likely the next one's too
        self._pending = b""
        self._wanted = 0  # bytes that have to be there before a look is worth it
        self._garbage_bytes = 0  # since the last sound message
        self._in_garbage = False  # the garbage before the next message has been reported

    @property
    def pending_bytes(self) -> int:
        """Bytes held back for want of the rest of their message."""
        return len(self._pending)

    def feed(self, data: bytes) -> list[bytes | Garbage]:
        """Take received bytes; return the sound messages that they complete, and what was skipped, in order."""
        found: list[bytes | Garbage] = []
        if self.end is not None:
            return found
        if self._pending:
            data = self._pending + data
            if len(data) < self._wanted:  # a long message that drips in: do not look at it again and again
                self._pending = data
                return found
        self._wanted = 0
        start = self._cut(data, found)
        self._pending = b"" if self.end is not None else data[start:]
        return found

    def _cut(self, data: bytes, found: list[bytes | Garbage]) -> int:
        """Cut what is complete; returns where the rest begins."""
        start, size = self._cut_likely(data, found), len(data)
        while start < size and self.end is None:
            if not data.startswith(_START, start):
                start = self._skip_to_next(data, start, found)
                if self.end is not None or not data.startswith(_START, start):
                    break
            body = self._body_range(data, start)
            if body is None:
                break
            if isinstance(body, Garbage):
                start = self._skip(start, 1, body, found)
                continue
            body_start, body_end = body
            end = body_end + _TRAILER_BYTES
            if end > size:
                self._wanted = end - start
                break
            fault = _fault(data, start, body_start, body_end)
            if fault is None:
                found.append(data[start:end])
                self._garbage_bytes, self._in_garbage = 0, False
                self._head = data[start : data.index(b"=", start + len(_START)) + 1]
                start = end
                if end < size:
                    start = self._cut_likely(data, found, end)
            else:
                start = self._skip(start, 1 if fault is Garbage.BODY_LENGTH else end - start, fault, found)
        return start

    def _cut_likely(self, data: bytes, found: list[bytes | Garbage], start: int = 0) -> int:
        """Cut sound messages that begin as the last one did, and stop at anything else; returns where."""
        head, size, bytes_max = self._head, len(data), self._message_bytes_max
        head_bytes = len(head)
        while head and data.startswith(head, start):
            digits_start = start + head_bytes
            digits_end = data.find(b"\x01", digits_start, digits_start + _LENGTH_DIGITS_MAX + 1)
            digits = data[digits_start:digits_end]
            if digits_end < 0 or not digits.isdigit():
                break
            body_end = digits_end + 1 + int(digits)
            end = body_end + _TRAILER_BYTES
            if (
                end > size
                or end - start > bytes_max
                or data[digits_end : digits_end + 4] != b"\x0135="
                or data[body_end - 1] != 1
                or data[body_end:end] != TRAILERS[checksum(data[start:body_end])]
            ):
                break
            found.append(data[start:end])
            self._garbage_bytes, self._in_garbage = 0, False
            start = end
        return start

    def _body_range(self, data: bytes, start: int) -> tuple[int, int] | Garbage | None:  # noqa: PLR0911 - one per look
        """Where the body of the message at `start` begins and ends by its BodyLength(9); None while that is unknown."""
        head_end = data.find(b"\x01", start, start + _BEGIN_STRING_BYTES_MAX)
        if head_end < 0:
            return Garbage.BEGINNING if len(data) - start >= _BEGIN_STRING_BYTES_MAX else None
        seen = data[head_end + 1 : head_end + 3]
        if seen != b"9=":
            return None if b"9=".startswith(seen) else Garbage.BEGINNING
        digits_start = head_end + 3
        digits_end = data.find(b"\x01", digits_start, digits_start + _LENGTH_DIGITS_MAX + 1)
        digits = data[digits_start : digits_end if digits_end >= 0 else digits_start + _LENGTH_DIGITS_MAX + 1]
        if digits and not digits.isdigit():
            return Garbage.BEGINNING
        if digits_end < 0:
            if len(digits) > _LENGTH_DIGITS_MAX:
                self.end = StreamEnd.MESSAGE_TOO_LONG
            return None
        if not digits:
            return Garbage.BEGINNING
        body_start, length = digits_end + 1, int(digits)
        if body_start - start + length + _TRAILER_BYTES > self._message_bytes_max:
            self.end = StreamEnd.MESSAGE_TOO_LONG
            return None
        return body_start, body_start + length

    def _skip_to_next(self, data: bytes, start: int, found: list[bytes | Garbage]) -> int:
        """Skip garbage at `start`, up to the next beginning or to what may become one; report it once."""
        at = data.find(_START, start)
        if at < 0:
            tail = range(min(len(_START) - 1, len(data) - start), 0, -1)
            at = len(data) - next((size for size in tail if data.endswith(_START[:size])), 0)
        if at > start:
            if not self._in_garbage:
                self._in_garbage = True
                found.append(Garbage.BETWEEN_MESSAGES)
            self._count_garbage(at - start)
        return at

    def _skip(self, start: int, size: int, why: Garbage, found: list[bytes | Garbage]) -> int:
        """Skip a garbled message, or only its first byte so that what follows is looked at anew."""
        found.append(why)
        self._in_garbage = size == 1  # the rest of a message whose end is unknown belongs to the same report
        self._count_garbage(size)
        return start + size

    def _count_garbage(self, size: int) -> None:
        self._garbage_bytes += size
        if self._garbage_bytes > self._garbage_bytes_max:
            self.end = StreamEnd.TOO_MUCH_GARBAGE


def _fault(data: bytes, start: int, body_start: int, body_end: int) -> Garbage | None:
    """What is wrong with a message that is whole by its BodyLength(9); the cheap looks come first."""
    if data[body_end - 1 : body_end + 3] != b"\x0110=":
        return Garbage.BODY_LENGTH
    trailer = data[body_end : body_end + _TRAILER_BYTES]
    if trailer != TRAILERS[checksum(data[start:body_end])]:
        return Garbage.CHECKSUM if trailer[3:6].isdigit() and trailer[6] == 1 else Garbage.BODY_LENGTH
    return None if data.startswith(b"35=", body_start) else Garbage.MSG_TYPE
