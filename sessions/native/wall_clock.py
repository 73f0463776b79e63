"""
The wall clock as FIX sessions need it: they write and judge times of day, and they count seconds, with one number.

A wall clock may be set. So each look compares it with a clock that nobody sets, and when one has moved against the
other by more than a clock is ever slewed, whoever counts is told by how much (`Session.shift`): heartbeats and
time-outs go on as if nothing had happened, and what is written is the new time.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

STEP_NS: Final = 200_000_000
"""Less is not told: timers are that exact at best."""


class WallClock:
    """Says what time it is, and when that has jumped."""

    def __init__(
        self,
        on_step: Callable[[int], None],
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """
        Args:
            on_step: Told by how many ns the clock was set, above 0 for forward, before `now_ns` gives the new time.
            wall_ns: Ns since 1970 UTC.
            steady_ns: Ns since whenever.
        """
        self._on_step = on_step
        self._wall_ns, self._steady_ns = wall_ns, steady_ns
        self._apart_ns = wall_ns() - steady_ns()

    def now_ns(self) -> int:
        """What the wall clock says."""
        now_ns = self._wall_ns()
        apart_ns = now_ns - self._steady_ns()
        step_ns = apart_ns - self._apart_ns
        self._apart_ns = apart_ns
        if not -STEP_NS < step_ns < STEP_NS:
            log.warning("wall_clock_set", by_s=round(step_ns / 1e9, 3))
            self._on_step(step_ns)
        return now_ns
