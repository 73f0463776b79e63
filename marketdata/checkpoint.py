"""
The checkpoint: how far each execution log was read, and all instruments and books as they stood there.

It only saves time: without one the books are built again from the beginning of the logs. So a file that is torn, of
another version or of another venue is reported and not used. Writing is atomic: a new file, fsync, rename, fsync of the
directory; a crash leaves either the old checkpoint or the new one.

File: one line `outcry-marketdata-checkpoint <version> <crc32 of the body> <length of the body>`, then the body, a
MessagePack map.
"""

import zlib
from pathlib import Path
from typing import Final

import msgspec

from marketdata.messages import BookSnapshot
from matcher.instruments import Instrument

CHECKPOINT_VERSION: Final = 2
CHECKPOINT_FILE: Final = "marketdata.checkpoint"
_NAME: Final = b"outcry-marketdata-checkpoint"


class CheckpointError(Exception):
    """A checkpoint that cannot be used; the message is one sentence that says why."""


class LogPosition(msgspec.Struct, frozen=True):
    """The last record of one execution log that is inside the books."""

    seq: int
    """Stream sequence; 0: none yet."""
    crc32: int
    """Of that record's payload: tells this log from another one of the same name."""


class Checkpoint(msgspec.Struct, frozen=True):
    """All that the market-data process has to remember."""

    positions: list[LogPosition]
    """By shard, from 0."""
    instruments: list[Instrument]
    """Everything that was defined by then, at run time too."""
    books: list[BookSnapshot]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Checkpoint).decode


def encode(checkpoint: Checkpoint) -> bytes:
    """The whole file."""
    body = _encode(checkpoint)
    return b"%s %d %d %d\n" % (_NAME, CHECKPOINT_VERSION, zlib.crc32(body), len(body)) + body


def decode(content: bytes) -> Checkpoint:
    """
    Read a whole file.

    Raises:
        CheckpointError: Torn, damaged, of another version, or no checkpoint at all.
    """
    header, _, body = content.partition(b"\n")
    words = header.split(b" ")
    if words[0] != _NAME or len(words) != 4 or not all(word.isdigit() for word in words[1:]):
        raise CheckpointError("it is not a market-data checkpoint")
    version, crc32, length = (int(word) for word in words[1:])
    if version != CHECKPOINT_VERSION:
        raise CheckpointError(f"it has version {version}, and this build reads version {CHECKPOINT_VERSION}")
    if len(body) != length or zlib.crc32(body) != crc32:
        raise CheckpointError(f"it is damaged: {len(body)} of {length} bytes, or a wrong checksum")
    try:
        return _decode(body)
    except msgspec.MsgspecError as error:
        raise CheckpointError(f"it does not decode: {error}") from error


def load(path: Path) -> Checkpoint | None:
    """
    Read the checkpoint at `path`, None when there is none.

    Raises:
        CheckpointError: There is a file, but it cannot be used.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(f"it cannot be read: {error.strerror}") from error
    return decode(content)
