"""
The leading matcher's clock: ends of trading days, phases of the schedule, and deadlines, as commands onto the log.

It looks at the time at least every second, so a clock that is set, forward or back, is noticed, and again whenever
something is about to be due. What is due is sent once in a leader's life; a new leader repeats the newest of each,
which by the rules changes nothing if it is in force. What came due while no matcher led comes at its start: of the
schedule's phases the newest only, and all that one symbol gets in the order in which it should have come.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Protocol

from configs.instruments_file import GroupHours
from configs.loader import Venue
from matcher.commands import Command
from matcher.instruments import Instrument
from matcher.operator_commands import EndTradingDay, ScheduledPhase, TimerFired
from matcher.process.own_records import OwnRecords, SymbolCommands
from matcher.schedule import DayEnd, PhaseBegin, last_change, next_change_ns, next_day_end_ns

LOOK_INTERVAL_S: Final = 1.0
"""The longest time between two looks at the clock."""
WAKE_INTERVAL_S: Final = 0.01
"""How often it is looked whether a busy engine has other deadlines."""
_LOOK_INTERVAL_MIN_S: Final = 0.001
_NOTHING_YET: Final = (-1, -1)
_SEED_BITS: Final = 62
_SECOND_NS: Final = 10**9


class Timed(Protocol):
    """What the clock needs to know of an engine."""

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """All that are defined, by symbol."""

    @property
    def next_deadline_ns(self) -> int:
        """When something falls due next, 0 for never."""

    def deadlines_due(self, now_ns: int) -> dict[str, int]:
        """By symbol: its earliest deadline, if that has passed."""


class _Group:
    # What one group's hours say at a moment, computed once for all its instruments.

    def __init__(self, venue: Venue, name: str, now_ns: int) -> None:
        schedule = venue.hours.get(name, GroupHours()).schedule
        self.day_end: DayEnd = venue.last_day_end(name, now_ns)
        self.change: PhaseBegin | None = last_change(schedule, now_ns) if schedule is not None else None
        next_change = next_change_ns(schedule, now_ns) if schedule is not None else None
        next_end_ns = next_day_end_ns(*venue.day_end(name), now_ns)
        self.next_ns: int = next_end_ns if next_change is None else min(next_end_ns, next_change)


class Clock:
    """Says what is due; what it has said once it does not say again."""

    def __init__(
        self,
        engine: Timed,
        venue: Venue,
        *,
        draw_seed: Callable[[], int] = lambda: secrets.randbits(_SEED_BITS),
    ) -> None:
        """
        Make a clock that has said nothing yet.

        Args:
            engine: Whose deadlines and instruments these are.
            venue: Gives the hours of the groups, and the end of the day of those that have none of their own.
            draw_seed: For the random ends of auctions: nobody may foresee it.
        """
        self._engine = engine
        self._draw_seed = draw_seed
        self.reconfigure(venue)
        self._ended: dict[str, str] = {}
        self._changed: dict[str, int] = {}
        self._fired: dict[str, int] = {}
        self._next_ns = 0

    def reconfigure(self, venue: Venue) -> None:
        """Go by the hours of another configuration."""
        self._venue = venue
        self._went_by = _NOTHING_YET

    @property
    def has_moved(self) -> bool:
        """Whether deadlines, instruments or hours are others than at the last look."""
        return self._went_by != (self._engine.next_deadline_ns, len(self._engine.instruments))

    def due(self, now_ns: int) -> list[SymbolCommands]:
        """Say what is due and was not said before."""
        self._went_by = self._engine.next_deadline_ns, len(self._engine.instruments)
        names = {instrument.group for instrument in self._engine.instruments.values()}
        groups = {name: _Group(self._venue, name, now_ns) for name in sorted(names)}
        self._next_ns = min((group.next_ns for group in groups.values()), default=now_ns + _SECOND_NS)
        deadlines = self._engine.deadlines_due(now_ns)
        batch = []
        for symbol, instrument in self._engine.instruments.items():
            moments = self._moments(symbol, groups[instrument.group], deadlines.get(symbol), now_ns)
            if moments:
                moments.sort(key=lambda moment: moment[0])
                batch.append((symbol, [command for _, command in moments]))
        return batch

    def pause_s(self, now_ns: int) -> float:
        """How long nothing more will be due, as far as is known; bounded."""
        coming_ns = self._next_ns
        deadline_ns = self._engine.next_deadline_ns
        if now_ns < deadline_ns < coming_ns:
            coming_ns = deadline_ns
        return min(max((coming_ns - now_ns) / _SECOND_NS, _LOOK_INTERVAL_MIN_S), LOOK_INTERVAL_S)

    def _moments(self, symbol: str, group: _Group, deadline_ns: int | None, now_ns: int) -> list[tuple[int, Command]]:
        """What is due for one symbol, with the moment at which it was due."""
        moments: list[tuple[int, Command]] = []
        if deadline_ns is not None and deadline_ns != self._fired.get(symbol):
            self._fired[symbol] = deadline_ns
            moments.append((deadline_ns, TimerFired(symbol, now_ns)))
        change = group.change
        if change is not None and change.scheduled_ns > self._changed.get(symbol, 0):
            self._changed[symbol] = change.scheduled_ns
            moments.append((change.scheduled_ns, self._phase(symbol, change, now_ns)))
            if 0 < change.ends_ns <= now_ns:  # an auction that is over already must not outlast its day
                moments.append((change.ends_ns, TimerFired(symbol, now_ns)))
        if group.day_end.trading_date > self._ended.get(symbol, ""):
            self._ended[symbol] = group.day_end.trading_date
            moments.append((group.day_end.ended_ns, EndTradingDay(symbol, now_ns, group.day_end.trading_date)))
        return moments

    def _phase(self, symbol: str, change: PhaseBegin, now_ns: int) -> ScheduledPhase:
        seed = self._draw_seed() if change.random_end_ns_max else 0
        return ScheduledPhase(
            symbol, now_ns, change.scheduled_ns, change.phase, change.ends_ns, change.random_end_ns_max, seed
        )


async def keep(clock: Clock, records: OwnRecords, wakes: asyncio.Event) -> None:
    """
    Put what is due onto the log, for as long as this matcher leads.

    Args:
        clock: Says what is due.
        records: Takes it; while something of it is not stored yet, the clock waits, so that nothing piles up.
        wakes: Set when what the clock goes by may have changed: a deadline, an instrument, the hours.
    """
    while True:
        await records.settle()
        records.put(clock.due(time.time_ns()))
        with suppress(TimeoutError):
            async with asyncio.timeout(clock.pause_s(time.time_ns())):
                await _moved(clock, wakes)


async def _moved(clock: Clock, wakes: asyncio.Event) -> None:
    while not clock.has_moved:
        wakes.clear()
        await wakes.wait()
        await asyncio.sleep(WAKE_INTERVAL_S)  # a busy matcher wakes us after every batch
