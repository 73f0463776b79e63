"""
What time does to journals: a session day ends, and a session that is down needs no open file.

At the end of the trading day each journal goes on in a new file, so that old days can be dropped as a whole. The
numbers go on, and so do resends: a night is not a reset.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sessions.fatal import stop_process
from sessions.native.seat import Seat

INTERVAL_S: Final = 60.0
"""Between two looks at most, so that a clock that was set is noticed."""


def session_day(now: datetime, end: time) -> date:
    """The date on which the session day at `now` (UTC) ends; at its end the next one has begun."""
    is_over = now.time() >= end
    return now.date() + timedelta(days=is_over)


class JournalUpkeep:
    """Looks after the journals of all seats, on the event loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seats: Callable[[], Iterable[Seat]],
        trading_day_end: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Args:
            loop: Wakes it.
            seats: Those of the moment.
            trading_day_end: HH:MM, UTC.
            now: The time, UTC.
        """
        self._loop = loop
        self._seats = seats
        self._end = time.fromisoformat(trading_day_end.rjust(5, "0"))
        self._now = now
        self._timer: asyncio.TimerHandle | None = None

    def keep(self) -> None:
        """Roll what is of an earlier day, rest what is idle; again when the day ends, and each minute, until `stop`."""
        try:
            self._look()
        except Exception:  # asyncio would only log it, and no journal be rolled any more
            stop_process("journal upkeep")
        self._timer = self._loop.call_later(min(INTERVAL_S, self._until_end_s()), self.keep)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        day = session_day(self._now(), self._end)
        for seat in self._seats():
            seat.journal.roll(day)
            if seat.connection is None:
                seat.journal.rest()

    def _until_end_s(self) -> float:
        now = self._now()
        end = datetime.combine(session_day(now, self._end), self._end, UTC)
        return (end - now).total_seconds()
