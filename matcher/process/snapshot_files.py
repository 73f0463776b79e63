"""
Snapshot files of one shard: `<directory>/<input sequence>.snapshot`, written whole or not at all.

A file that cannot be read, is torn, damaged or of another version is noticed when it is read, reported, and the one
before is used.
"""

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


def newest_first(directory: Path, *, input_seq_max: int) -> list[Path]:
    """The snapshots of inputs up to `input_seq_max`, newest first; reading one may fail, and the next be good."""
    return [path for path in _newest_first(directory) if int(path.stem) <= input_seq_max]


def _newest_first(directory: Path) -> list[Path]:
    return sorted((path for path in directory.glob(f"*{_SUFFIX}") if path.stem.isdigit()), reverse=True)
