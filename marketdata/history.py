"""
The newest increments as they were published, so that a reader can have again what it missed.

One bound for all books: what is published oldest is forgotten first, whose ever it is. Nothing of it survives a
restart, after which the increments since the checkpoint are published again and kept.
"""

from collections import deque
from itertools import islice
from typing import Final

ANSWER_BYTES_MAX: Final = 512 * 1024
"""Increments in one answer, together; but at least one."""


class _Kept:
    """Of one symbol."""

    def __init__(self, first_md_seq: int) -> None:
        self.first_md_seq = first_md_seq
        self.payloads: deque[bytes] = deque()


class History:
    """Increments of all symbols, up to a number of bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._of: dict[str, _Kept] = {}
        self._order: deque[str] = deque()
        """Whose the kept increments are, oldest first."""

    def keep(self, symbol: str, md_seq: int, payload: bytes) -> None:
        """Keep one that was just published; `md_seq` is the next one of its symbol."""
        kept = self._of.get(symbol)
        if kept is None or not kept.payloads:
            kept = self._of[symbol] = _Kept(md_seq)
        kept.payloads.append(payload)
        self._order.append(symbol)
        self._bytes += len(payload)
        while self._bytes > self._bytes_max:
            self._forget()

    def oldest(self, symbol: str) -> int:
        """The oldest increment that is kept; 0: none."""
        kept = self._of.get(symbol)
        return kept.first_md_seq if kept is not None and kept.payloads else 0

    def range(self, symbol: str, from_md_seq: int, to_md_seq: int) -> list[bytes]:
        """As many from `from_md_seq` on, at most to `to_md_seq`, as one answer holds; empty if that one is gone."""
        kept = self._of.get(symbol)
        if kept is None or from_md_seq < kept.first_md_seq:
            return []
        first = from_md_seq - kept.first_md_seq
        found: list[bytes] = []
        size = 0
        for payload in islice(kept.payloads, first, first + to_md_seq - from_md_seq + 1):
            size += len(payload)
            if found and size > ANSWER_BYTES_MAX:
                break
            found.append(payload)
        return found

    def _forget(self) -> None:
        kept = self._of[self._order.popleft()]
        self._bytes -= len(kept.payloads.popleft())
        kept.first_md_seq += 1
