"""
The checkpoint: how far each execution log was read, and all instruments and books as they stood there.

A file that is torn, of another version or of another venue is reported and not used; then the one before it is, which
is kept beside it, and without any the books are built again from the beginning of the logs. A log is trimmed only
behind what both have read. Writing is atomic: a new file, fsync, rename, fsync of the directory; a crash leaves either
the old checkpoint or the new one.

File: one line `outcry-marketdata-checkpoint <version> <crc32 of the body> <length of the body>`, then the body, a
MessagePack map.
"""

import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from marketdata.messages import BookSnapshot
from marketdata.statistics import DayState
from matcher.instruments import Instrument
from venue import durable_file

CHECKPOINT_VERSION: Final = 3
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
    days: dict[str, DayState]


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


def before(path: Path) -> Path:
    """Where the checkpoint is that was replaced last."""
    return path.with_name(f"{path.name}.before")


def store(path: Path, content: bytes) -> None:
    """
    Put a checkpoint at `path`, durably, and keep the one that it replaces; blocks.

    Raises:
        OSError: The disk refused; what was at `path` is still there.
    """
    older = before(path)
    link = older.with_name(f"{older.name}.unfinished")
    link.unlink(missing_ok=True)
    with suppress(FileNotFoundError):  # there is none yet
        link.hardlink_to(path)
        link.replace(older)
    durable_file.replace(path, content)


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
