"""
Snapshot files of one shard: `<directory>/<input sequence>.snapshot`, written whole or not at all.

A file that is torn, damaged or of another version is noticed when it is read, reported, and the one before is used.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from venue import durable_file

_KEPT: Final = 3
_SUFFIX: Final = ".snapshot"


def write(directory: Path, input_seq: int, snapshot: bytes) -> None:
    """
    Write a snapshot durably, then forget all but the newest three.

    Raises:
        OSError: The disk refuses.
    """
    durable_file.replace(directory / f"{input_seq:020d}{_SUFFIX}", snapshot)
    for old in _newest_first(directory)[_KEPT:]:
        old.unlink()


def newest_first(directory: Path, *, input_seq_max: int) -> Iterator[tuple[Path, bytes]]:
    """Path and content of each snapshot of an input up to `input_seq_max`, newest first."""
    for path in _newest_first(directory):
        if int(path.stem) <= input_seq_max:
            yield path, path.read_bytes()


def _newest_first(directory: Path) -> list[Path]:
    return sorted((path for path in directory.glob(f"*{_SUFFIX}") if path.stem.isdigit()), reverse=True)
