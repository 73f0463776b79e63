"""
The calendar of a group of instruments: which phase a day's schedule says at a moment, and when the trading day ended.

Pure: the caller says what time it is. Times of day are those of the schedule's zone. One that a change of clocks skips
comes as much later as the clocks were put forward; one that it repeats is meant the first time.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

import msgspec

from matcher.phases import Phase

DAYS_LOOKED_AT_MAX: Final = 400
"""How far the last and the next trading day may be away; beyond it there is none."""
_SECOND_NS: Final = 10**9
_ONE_DAY: Final = timedelta(days=1)


class DailyChange(msgspec.Struct, frozen=True):
    """One entry of a day's schedule: at a time of day, a phase begins."""

    at: time
    phase: Phase
    length_ns: int = 0
    """How long an auction takes; 0 with any other phase."""
    random_end_ns_max: int = 0
    """How much longer it may take."""


class Schedule(msgspec.Struct, frozen=True):
    """The trading days of a group, and what happens on each of them."""

    zone: tzinfo
    weekdays: frozenset[int]
    """Days of trading, Monday is 0."""
    holidays: frozenset[date]
    """No trading on these, whatever weekday they are."""
    changes: tuple[DailyChange, ...]
    """In the order of the day; what stands last holds until the next trading day's first."""


class PhaseBegin(msgspec.Struct, frozen=True):
    """A change of phase at its moment."""

    scheduled_ns: int
    phase: Phase
    ends_ns: int
    """When an auction ends, before its random part; 0 with any other phase."""
    random_end_ns_max: int


class DayEnd(msgspec.Struct, frozen=True):
    """The end of a trading day."""

    ended_ns: int
    trading_date: str
    """`YYYYMMDD`, in the zone that the end is told in."""


def last_change(schedule: Schedule, now_ns: int) -> PhaseBegin | None:
    """The newest change that is not ahead; None before the first of all."""
    day = _local_date(now_ns, schedule.zone) + _ONE_DAY  # a time that clocks skip may fall on the next day
    for _ in range(DAYS_LOOKED_AT_MAX):
        past = [change for change in _changes_of(schedule, day) if change.scheduled_ns <= now_ns]
        if past:
            return past[-1]
        day -= _ONE_DAY
    return None


def next_change_ns(schedule: Schedule, now_ns: int) -> int | None:
    """When the next change comes."""
    day = _local_date(now_ns, schedule.zone) - _ONE_DAY
    for _ in range(DAYS_LOOKED_AT_MAX):
        for change in _changes_of(schedule, day):
            if change.scheduled_ns > now_ns:
                return change.scheduled_ns
        day += _ONE_DAY
    return None


def last_day_end(end: time, zone: tzinfo, now_ns: int) -> DayEnd:
    """The newest end of a trading day that is not ahead; each day of the calendar has one."""
    day = _local_date(now_ns, zone) + _ONE_DAY
    while (ended_ns := _instant_ns(day, end, zone)) > now_ns:
        day -= _ONE_DAY
    return DayEnd(ended_ns, day.strftime("%Y%m%d"))


def next_day_end_ns(end: time, zone: tzinfo, now_ns: int) -> int:
    """When the next trading day ends."""
    day = _local_date(now_ns, zone) - _ONE_DAY
    while (ends_ns := _instant_ns(day, end, zone)) <= now_ns:
        day += _ONE_DAY
    return ends_ns


def _changes_of(schedule: Schedule, day: date) -> Iterator[PhaseBegin]:
    """One day's changes, in their order; none on a day without trading."""
    if day.weekday() not in schedule.weekdays or day in schedule.holidays:
        return
    begins_ns = 0
    for change in schedule.changes:
        # Clocks that are put forward must not turn two entries round.
        begins_ns = max(begins_ns, _instant_ns(day, change.at, schedule.zone))
        ends_ns = begins_ns + change.length_ns if change.length_ns else 0
        yield PhaseBegin(begins_ns, change.phase, ends_ns, change.random_end_ns_max)


def _instant_ns(day: date, at: time, zone: tzinfo) -> int:
    return int(datetime.combine(day, at, zone).timestamp()) * _SECOND_NS


def _local_date(now_ns: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(now_ns // _SECOND_NS, UTC).astimezone(zone).date()
