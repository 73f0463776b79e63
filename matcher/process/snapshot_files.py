"""
Snapshot files of a shard's replicas: `<directory>/<input sequence>.snapshot`, written whole or not at all.

The newest three are kept, and as long as the log is the newest of each day, so that it can be trimmed behind one of
them (`retention`), and replayed from there.

A file that cannot be read, is torn, damaged or of another version is noticed when it is read, reported, and the one
before is used.
"""

import os
import sys
from pathlib import Path
from typing import Final

from venue import durable_file

_KEPT: Final = 3
_DAYS_KEPT_MORE: Final = 3
"""Than the log keeps whole: a base is older, and today's and yesterday's do not count yet."""
_DAY_S: Final = 24 * 3600
_SUFFIX: Final = ".snapshot"
_UNFINISHED: Final = ".unfinished"


def directory_of(data_dir: Path, shard: int, replica: int) -> Path:
    """Where a replica keeps its snapshots."""
    return data_dir / "snapshots" / (str(shard) if replica == 1 else f"{shard}-{replica}")


def of_all_replicas(data_dir: Path, shard: int) -> list[Path]:
    """All snapshots of one shard on this machine, in no order that counts."""
    first = directory_of(data_dir, shard, 1)
    return [path for directory in (first, *first.parent.glob(f"{shard}-*")) for path in _newest_first(directory)]


def unfinished(directory: Path, input_seq: int) -> Path:
    """Where a snapshot is while it does not count yet; of this process alone."""
    return directory / f"{input_seq:020d}.{os.getpid()}{_UNFINISHED}"


def remove_unfinished(directory: Path) -> None:
    """Remove what an earlier life left."""
    for path in directory.glob(f"*{_UNFINISHED}"):
        path.unlink(missing_ok=True)


def write(path: Path, snapshot: bytes) -> None:
    """
    Write a file, durably but for its name.

    Raises:
        OSError: The disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(snapshot)
        file.flush()
        os.fsync(file.fileno())


def count(directory: Path, input_seq: int, written: Path, *, keep_log_days: int = 0) -> int:
    """
    Give a written snapshot its name, then forget what is not kept any more.

    Args:
        directory: Of the replica.
        input_seq: What it is the state after.
        written: Where it is.
        keep_log_days: How long the log is kept; 0: for ever, so that the newest snapshots are enough.

    Returns:
        Its bytes.

    Raises:
        OSError: The disk refuses.
    """
    written.replace(directory / f"{input_seq:020d}{_SUFFIX}")
    durable_file.sync_directory(directory)
    for old in _surplus(_newest_first(directory), keep_log_days):
        old.unlink()
    return (directory / f"{input_seq:020d}{_SUFFIX}").stat().st_size


def newest_first(directory: Path, *, input_seq_max: int = sys.maxsize) -> list[Path]:
    """The snapshots of inputs up to `input_seq_max`, newest first; reading one may fail, and the next be good."""
    return [path for path in _newest_first(directory) if int(path.stem) <= input_seq_max]


def _surplus(newest_first: list[Path], keep_log_days: int) -> list[Path]:
    newest_of_day: dict[int, Path] = {}
    for path in newest_first:
        newest_of_day.setdefault(int(path.stat().st_mtime) // _DAY_S, path)
    days = list(newest_of_day.values())[: keep_log_days + _DAYS_KEPT_MORE] if keep_log_days else []
    return [path for path in newest_first[_KEPT:] if path not in days]


def _newest_first(directory: Path) -> list[Path]:
    return sorted((path for path in directory.glob(f"*{_SUFFIX}") if path.stem.isdigit()), reverse=True)
