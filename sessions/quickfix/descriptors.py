"""
Keeping the number of a closed connection from being given to the next one too soon.

A connection's thread of QuickFIX closes its socket when it logs a client out, calls `onLogout`, and then polls the old
descriptor once more before it ends. If a client that comes back at once was given that number meanwhile, the ending
thread polls, and reads, the new connection: the new Logon is lost, or the client is refused after five seconds. The
kernel always gives the lowest free number, so some low ones are kept occupied, and a few are freed just before such a
close.
"""

import os
import threading
from typing import Final

RESERVE: Final = 64
"""Descriptors kept occupied."""

FREED: Final = 8
"""Descriptors freed at once: for the connection that comes back, and for what else the process opens just then."""


class LowDescriptors:
    """Occupies low descriptor numbers, to be free when they are needed. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._occupied: list[int] = []
        self.occupy()

    def occupy(self) -> None:
        """Occupy the lowest free numbers, until the reserve is full."""
        with self._lock:
            missing = RESERVE - len(self._occupied)
            if missing > FREED or not self._occupied:
                null = os.open(os.devnull, os.O_RDONLY)
                self._occupied += [null, *(os.dup(null) for _ in range(missing - 1))]
                self._occupied.sort()

    def free_some(self) -> None:
        """Free the lowest of them."""
        with self._lock:
            for descriptor in self._occupied[:FREED]:
                os.close(descriptor)
            del self._occupied[:FREED]

    def close(self) -> None:
        """Free all."""
        with self._lock:
            for descriptor in self._occupied:
                os.close(descriptor)
            self._occupied.clear()
