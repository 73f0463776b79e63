"""
Who may have a session's journal open: one process at a time, on one machine or several that share the directory.

A lock is a byte of one file, taken with POSIX record locks: one descriptor serves any number of sessions, and the
kernel frees what a process held as soon as it is dead, but not while it is only paused. So whoever finds a lock free
knows that nobody will write to that journal any more.
"""

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Final

from sessions.journal.errors import JournalError

_FILE: Final = "locks"
_PLACES: Final = 1 << 62


class JournalLocks:
    """The locks that this process holds in a directory of journals; one such object for each directory and process."""

    def __init__(self, directory: Path) -> None:
        """
        Open the file of locks; it is made if need be.

        Raises:
            JournalError: It cannot be.
        """
        self._path = directory / _FILE
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalError(f"{self._path} cannot be opened: {error.strerror}.") from error

    def take(self, session_id: str) -> bool:
        """
        Take the lock of a session, if no other process has it.

        Raises:
            JournalError: The file system knows no locks.
        """
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(session_id))
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise JournalError(f"{self._path} cannot be locked: {error.strerror}.") from error
        return True

    def free(self, session_id: str) -> None:
        """Let another process have the session's journal; ours must be closed."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(session_id))

    def close(self) -> None:
        """Free all."""
        os.close(self._file)


def _place(session_id: str) -> int:
    """Of a session's byte; that two sessions of a venue share one is less likely than 1 in 10^12."""
    return int.from_bytes(hashlib.blake2b(session_id.encode(), digest_size=8).digest()) % _PLACES
