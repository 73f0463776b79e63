"""How a group's trading day stands in the instruments file: time zone, days of trading, and the phases of a day."""

import re
from datetime import date, time
from itertools import pairwise
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from matcher.phases import AUCTIONS, CLOSED, CLOSING_AUCTION, CONTINUOUS, OPENING_AUCTION, POST_CLOSE, PRE_OPEN, Phase
from matcher.schedule import DailyChange, Schedule

PhaseWord = Literal["pre-open", "opening auction", "continuous", "closing auction", "post-close", "closed"]
PHASES: Final[dict[PhaseWord, Phase]] = {
    "pre-open": PRE_OPEN,
    "opening auction": OPENING_AUCTION,
    "continuous": CONTINUOUS,
    "closing auction": CLOSING_AUCTION,
    "post-close": POST_CLOSE,
    "closed": CLOSED,
}
"""The phases that a schedule can bring; a halt and a volatility auction come by other ways."""
Weekday = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
Seconds = Annotated[int, Meta(ge=0, le=86_400)]

_SECOND_NS: Final = 10**9
_TIME_OF_DAY: Final = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9]")


class InvalidSchedule(ValueError):
    """A schedule that cannot be; the message says what is wrong, and goes behind the name of its group."""


class PhaseLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of a day: `{ at = "09:00", phase = "opening auction", length_s = 300, random_end_s = 30 }`."""

    at: str
    """Local time, HH:MM."""
    phase: PhaseWord
    length_s: Seconds = 0
    """How long an auction takes; then continuous trading, or post-close, begins by itself."""
    random_end_s: Seconds = 0
    """How much longer it may take, at random."""


class CalendarLines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of a group that say when it trades."""

    time_zone: str = "UTC"
    """Such as "Europe/Berlin": what the times below are told in."""
    weekdays: tuple[Weekday, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri")
    holidays: tuple[date, ...] = ()
    """Dates without trading: [2026-12-25, 2027-01-01]."""
    trading_day_end: str = ""
    """Local time, HH:MM, at which the group's DAY orders expire; empty: the venue's `trading_day_end`."""
    schedule: tuple[PhaseLine, ...] = ()
    """The phases of a day of trading, in order; none: continuous trading for ever."""


def time_of_day(text: str) -> time | None:
    """Read HH:MM; None if it is not that."""
    return time.fromisoformat(text.rjust(5, "0")) if _TIME_OF_DAY.fullmatch(text) else None


def zone_of(lines: CalendarLines) -> ZoneInfo:
    """
    Look up the time zone.

    Raises:
        InvalidSchedule: There is no such zone.
    """
    try:
        return ZoneInfo(lines.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSchedule(f"there is no time zone {lines.time_zone!r}; write one such as Europe/Berlin") from error


def day_end_of(lines: CalendarLines) -> time | None:
    """
    Read the group's own end of the trading day, None if it has none.

    Raises:
        InvalidSchedule: Not a time of day.
    """
    if not lines.trading_day_end:
        return None
    end = time_of_day(lines.trading_day_end)
    if end is None:
        raise InvalidSchedule(f"trading_day_end = {lines.trading_day_end!r}; write HH:MM in its time zone")
    return end


def schedule_of(lines: CalendarLines) -> Schedule | None:
    """
    Read the group's schedule, None if it trades for ever.

    Raises:
        InvalidSchedule: A time or a length that cannot be, or entries that are not in the order of the day.
    """
    zone = zone_of(lines)
    if not lines.schedule:
        return None
    if not lines.weekdays:
        raise InvalidSchedule("a schedule without weekdays; name at least one, such as Mon")
    changes = tuple(map(_change, lines.schedule))
    for change, following in pairwise(changes):
        _check_order(change, following)
    weekdays = frozenset(map(WEEKDAYS.index, lines.weekdays))
    return Schedule(zone, weekdays, frozenset(lines.holidays), changes)


def _change(line: PhaseLine) -> DailyChange:
    at = time_of_day(line.at)
    if at is None:
        raise InvalidSchedule(f"{line.phase} at {line.at!r}; write HH:MM in its time zone")
    phase = PHASES[line.phase]
    if phase in AUCTIONS and not line.length_s:
        raise InvalidSchedule(f"the {line.phase} at {line.at} has no length; give it length_s")
    if phase not in AUCTIONS and (line.length_s or line.random_end_s):
        raise InvalidSchedule(
            f"{line.phase} at {line.at} has a length, but only auctions end by themselves; leave out length_s and "
            "random_end_s"
        )
    return DailyChange(at, phase, line.length_s * _SECOND_NS, line.random_end_s * _SECOND_NS)


def _check_order(change: DailyChange, following: DailyChange) -> None:
    begins_s, next_s = (at.hour * 3600 + at.minute * 60 for at in (change.at, following.at))
    if next_s <= begins_s:
        raise InvalidSchedule(
            f"what begins at {following.at:%H:%M} stands behind what begins at {change.at:%H:%M}; put the phases in "
            "the order of the day"
        )
    if begins_s + (change.length_ns + change.random_end_ns_max) // _SECOND_NS > next_s:
        raise InvalidSchedule(
            f"the auction at {change.at:%H:%M} may last beyond {following.at:%H:%M}, when the next phase begins; make "
            "it shorter"
        )
