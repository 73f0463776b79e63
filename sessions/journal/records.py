"""
The bytes of a session's journal: what a file of it holds, and how a whole record is told from a torn one. Pure.

A file begins with a header; after it stands one frame for each commit. All integers are little-endian.

| header          | bytes | what                                                                      |
|-----------------|-------|---------------------------------------------------------------------------|
| magic, version  | 7 + 1 | `OUTCRYJ`, 1                                                              |
| crc             | 4     | CRC-32 of all that follows in the header                                  |
| epoch           | 8     | when the session's numbers last began anew, ns since 1970 UTC             |
| position        | 8     | bytes of the epoch's files before this one                                |
| synced          | 8     | position up to which the disk was known to hold the journal               |
| next outbound   | 8     | numbers at the beginning of the file, so that a file stands without those |
| next inbound    | 8     | before it                                                                 |
| session id      | 2 + n | length, UTF-8                                                             |

| frame           | bytes | what                                                                      |
|-----------------|-------|---------------------------------------------------------------------------|
| magic           | 4     |                                                                           |
| crc             | 4     | CRC-32 of all that follows, begun with the frame's own epoch and position |
| size            | 4     | bytes of all runs                                                         |
| synced          | 8     | as above, when the frame was written                                      |
| next outbound   | 8     | numbers after this commit                                                 |
| next inbound    | 8     |                                                                           |
| runs            | size  | messages: number of the first (8), count (4), lengths (4 each), messages  |

A frame is whole or it is nothing, so a commit is. As the CRC knows where the frame stands, neither an old block that
the disk gives back nor a frame quoted in a client's text passes for one.
"""

import struct
from collections.abc import Iterator
from itertools import chain
from typing import Final
from zlib import crc32

import msgspec

VERSION: Final = 1
NUMBER_MAX: Final = (1 << 64) - 1
"""The highest sequence number that a journal can hold."""
FRAME_MAGIC: Final = b"\xf5\x0a\x1e\xf7"

_FILE_MAGIC: Final = b"OUTCRYJ"
_HEADER_LEAD: Final = struct.Struct("<7sBI")
_HEADER: Final = struct.Struct("<QQQQQH")
_FRAME_LEAD: Final = struct.Struct("<4sI")
_FRAME: Final = struct.Struct("<IQQQ")
_RUN: Final = struct.Struct("<QI")
_SEED: Final = struct.Struct("<QQ")

FRAME_HEAD_BYTES: Final = _FRAME_LEAD.size + _FRAME.size
"""What a commit costs on disk without any message."""
HEADER_BYTES_MAX: Final = _HEADER_LEAD.size + _HEADER.size + 0xFFFF

Run = tuple[int, list[bytes]]
"""MsgSeqNum of the first message, and messages with consecutive numbers."""


class ForeignFile(Exception):
    """A file that is no journal of this version; the message ends a sentence that begins with its path."""


class Header(msgspec.Struct, frozen=True):
    """What a file says of itself."""

    session_id: str
    epoch: int
    position: int
    synced: int
    next_outbound: int
    next_inbound: int
    size: int
    """Bytes of the header itself."""


class Frame(msgspec.Struct, frozen=True):
    """One commit: the numbers after it, and its runs as bytes."""

    synced: int
    next_outbound: int
    next_inbound: int
    runs: bytes

    @property
    def size(self) -> int:
        """Bytes of the whole frame."""
        return FRAME_HEAD_BYTES + len(self.runs)


def encode_header(
    session_id: str, *, epoch: int, position: int, synced: int, next_outbound: int, next_inbound: int
) -> bytes:
    """Begin a file."""
    name = session_id.encode()
    rest = _HEADER.pack(epoch, position, synced, next_outbound, next_inbound, len(name)) + name
    return _HEADER_LEAD.pack(_FILE_MAGIC, VERSION, crc32(rest)) + rest


def decode_header(data: bytes) -> Header | None:
    """
    Read the header at the beginning of a file; None if it is torn.

    Raises:
        ForeignFile: Not a journal, or of another version.
    """
    magic = data[: len(_FILE_MAGIC)]
    if not _FILE_MAGIC.startswith(magic) and magic.strip(b"\0"):
        raise ForeignFile("is not a journal; move it away")
    if len(data) < _HEADER_LEAD.size + _HEADER.size or magic != _FILE_MAGIC:
        return None
    _, version, crc = _HEADER_LEAD.unpack_from(data)
    if version != VERSION:
        raise ForeignFile(f"is a journal of version {version}, not {VERSION}; use the program that wrote it")
    epoch, position, synced, next_outbound, next_inbound, name_bytes = _HEADER.unpack_from(data, _HEADER_LEAD.size)
    size = _HEADER_LEAD.size + _HEADER.size + name_bytes
    if crc32(data[_HEADER_LEAD.size : size]) != crc or size > len(data):
        return None
    session_id = data[size - name_bytes : size].decode()
    return Header(session_id, epoch, position, synced, next_outbound, next_inbound, size)


def encode_frame(
    runs: list[Run], *, epoch: int, position: int, synced: int, next_outbound: int, next_inbound: int
) -> bytes:
    """One commit as bytes, for this place of this epoch and no other."""
    body = b"".join(chain.from_iterable(map(_run_parts, runs))) if runs else b""
    head = _FRAME.pack(len(body), synced, next_outbound, next_inbound)
    crc = crc32(body, crc32(head, crc32(_SEED.pack(epoch, position))))
    return b"".join((_FRAME_LEAD.pack(FRAME_MAGIC, crc), head, body))


def frame_size(data: bytes, at: int) -> int:
    """The size that the frame at an index claims to have; that of a head if there is no whole head."""
    if len(data) - at < FRAME_HEAD_BYTES:
        return FRAME_HEAD_BYTES
    runs_bytes: int = _FRAME.unpack_from(data, at + _FRAME_LEAD.size)[0]
    return FRAME_HEAD_BYTES + runs_bytes


def decode_frame(data: bytes, at: int, *, epoch: int, position: int) -> Frame | None:
    """
    Read the frame at an index; None if none stands there whole.

    Args:
        data: Bytes of a file.
        at: Where in `data`.
        epoch: Of the file.
        position: Of the frame in the epoch; a frame of another place is none.
    """
    end = at + frame_size(data, at)
    if end > len(data):
        return None
    magic, crc = _FRAME_LEAD.unpack_from(data, at)
    head = data[at + _FRAME_LEAD.size : at + FRAME_HEAD_BYTES]
    runs = data[at + FRAME_HEAD_BYTES : end]
    if magic != FRAME_MAGIC or crc32(runs, crc32(head, crc32(_SEED.pack(epoch, position)))) != crc:
        return None
    _, synced, next_outbound, next_inbound = _FRAME.unpack(head)
    return Frame(synced, next_outbound, next_inbound, runs)


def messages_of(frame: Frame, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
    """MsgSeqNum and text of the messages of a frame with numbers from `begin` to `end`, in order."""
    runs, at = frame.runs, 0
    while at < len(runs):
        first, count = _RUN.unpack_from(runs, at)
        lengths = struct.unpack_from(f"<{count}I", runs, at + _RUN.size)
        at += _RUN.size + 4 * count
        for number, length in enumerate(lengths, first):
            if begin <= number <= end:
                yield number, runs[at : at + length]
            at += length


def _run_parts(run: Run) -> Iterator[bytes]:
    first, messages = run
    lengths = struct.pack(f"<{len(messages)}I", *map(len, messages))
    return chain((_RUN.pack(first, len(messages)), lengths), messages)
