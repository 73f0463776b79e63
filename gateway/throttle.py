"""
How many requests a session may send: two token buckets, one for cancels, and a count of what was refused. Pure.

Time is `received_ns` of the requests, and nothing else. A bucket holds tokens in billionths, so that a nanosecond adds
a whole number of them: nothing is rounded, however requests and pauses follow each other.
"""

from enum import Enum, auto
from typing import Final

from configs.limits import ThrottleLines

CANCELS: Final = frozenset("FqZ")
"""Requests that have a bucket of their own: whoever has sent too much must still be able to take it back."""
CANCEL_FACTOR: Final = 2

_SECOND_NS: Final = 10**9
_TOKEN: Final = 10**9


class Verdict(Enum):
    """What becomes of a request."""

    TAKEN = auto()
    REFUSED = auto()
    ABUSED = auto()
    """It is refused, and so many were within a second that the session is to be logged out; said once in a second."""


class Throttle:
    """One session's allowance, full at the beginning; it does not end with a connection."""

    __slots__ = ("_cancels", "_others", "_refused", "_refused_since_ns", "lines")

    def __init__(self, lines: ThrottleLines) -> None:
        """
        Args:
            lines: Rate and bounds; `per_second` is above 0.
        """
        self.lines: Final = lines
        self._others = _Bucket(lines.per_second, lines.burst)
        self._cancels = _Bucket(CANCEL_FACTOR * lines.per_second, CANCEL_FACTOR * lines.burst)
        self._refused = 0
        self._refused_since_ns = -_SECOND_NS

    def judge(self, msg_type: str, received_ns: int) -> Verdict:
        """Take a request into account, and say what becomes of it."""
        bucket = self._cancels if msg_type in CANCELS else self._others
        if bucket.takes(received_ns):
            return Verdict.TAKEN
        if not 0 <= received_ns - self._refused_since_ns < _SECOND_NS:
            self._refused, self._refused_since_ns = 0, received_ns
        self._refused += 1
        return Verdict.ABUSED if self._refused == self.lines.refused_max + 1 else Verdict.REFUSED

    def text(self, msg_type: str) -> str:
        """For Text(58) of a refusal: the allowance, and what to do."""
        kind, factor = ("cancels (F, q, Z)", CANCEL_FACTOR) if msg_type in CANCELS else ("requests", 1)
        per_second, burst = factor * self.lines.per_second, factor * self.lines.burst
        return f"this session may send {kind} at a rate of {per_second} a second, {burst} at once; send it again later"

    @property
    def abuse_text(self) -> str:
        """For Text(58) of the Logout(5)."""
        return f"more than {self.lines.refused_max} requests were refused within a second; send fewer"


class _Bucket:
    __slots__ = ("_full", "_level", "_per_second", "_seen_ns")

    def __init__(self, per_second: int, burst: int) -> None:
        self._per_second = per_second
        self._full = self._level = burst * _TOKEN
        self._seen_ns = 0

    def takes(self, received_ns: int) -> bool:
        """Take one token, if there is one; a clock that was set back adds nothing."""
        level = min(self._full, self._level + max(0, received_ns - self._seen_ns) * self._per_second)
        self._seen_ns = received_ns
        is_enough = level >= _TOKEN
        self._level = level - _TOKEN if is_enough else level
        return is_enough
