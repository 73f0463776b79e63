"""
When requests were received, as the log will say for ever: stamps that never go back, whatever the wall clock does.

A stamp is wall-clock time. When the clock is set forward, stamps follow at once. When it is set back, they do not: they
go on from where they were at half its pace, until it has caught up with them. So within one life of a gateway a later
request never bears an earlier stamp, no stamp is used for long, and a mistake that is put right is forgotten.

How long something lasted is never asked of stamps: for that there is the steady clock (the event loop's).
"""

import time
from collections.abc import Callable
from typing import Final

PACE_DIVISOR: Final = 2
"""Of time that passes while stamps are ahead, this part is made good."""


class Stamps:
    """Stamps the requests of one gateway."""

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, steady_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """
        Args:
            wall_ns: The wall clock, which may be set: ns since 1970 UTC.
            steady_ns: A clock that nobody sets, in ns since whenever.
        """
        self._wall_ns, self._steady_ns = wall_ns, steady_ns
        self._now_ns = wall_ns()
        self._looked_ns = steady_ns()
        self._set_forward_ns = 0
        self._last_ns = 0
        self.ahead_ns = 0
        """How far stamps are ahead of the wall clock, because that was set back."""

    def look(self) -> None:
        """Look at the clocks; to be called for each batch of requests, before they are stamped."""
        now_ns, looked_ns = self._wall_ns(), self._steady_ns()
        passed_ns = looked_ns - self._looked_ns
        set_back_ns = self._now_ns + passed_ns - now_ns  # below 0 when it was set forward
        self.ahead_ns = max(0, self.ahead_ns + set_back_ns - passed_ns // PACE_DIVISOR)
        self._set_forward_ns = max(0, -set_back_ns)
        self._now_ns, self._looked_ns = now_ns, looked_ns

    def stamp(self, received_ns: int) -> int:
        """
        The stamp of a request, never less than that of the one before.

        Args:
            received_ns: What the wall clock said when it came.
        """
        self._last_ns = max(self._last_ns, min(received_ns, self._now_ns) + self.ahead_ns)
        return self._last_ns

    def waited_ns(self, received_ns: int) -> int:
        """How long a request has been here already, at least; 0 if the clock was set and nobody knows."""
        return max(0, self._now_ns - received_ns - self._set_forward_ns)
