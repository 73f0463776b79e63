"""What a schedule says at a moment: over nights, weekends and holidays, and on days on which clocks are changed."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.phases import CLOSED, CLOSING_AUCTION, CONTINUOUS, OPENING_AUCTION, POST_CLOSE, PRE_OPEN
from matcher.schedule import (
    DailyChange,
    PhaseBegin,
    Schedule,
    last_change,
    last_day_end,
    next_change_ns,
    next_day_end_ns,
)

SECOND_NS = 10**9
BERLIN = ZoneInfo("Europe/Berlin")
WORKDAYS = frozenset(range(5))
DAY = (
    DailyChange(time(7), PRE_OPEN),
    DailyChange(time(9), OPENING_AUCTION, 300 * SECOND_NS, 30 * SECOND_NS),
    DailyChange(time(17, 30), CLOSING_AUCTION, 300 * SECOND_NS),
    DailyChange(time(22), CLOSED),
)
STOCKS = Schedule(BERLIN, WORKDAYS, frozenset({date(2026, 5, 1), date(2026, 12, 25)}), DAY)


def ns(text: str) -> int:
    """A moment, UTC."""
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp()) * SECOND_NS


def utc(moment_ns: int) -> str:
    return datetime.fromtimestamp(moment_ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M")


def says(schedule: Schedule, now: str) -> tuple[str, str]:
    """The phase, and since when."""
    change = last_change(schedule, ns(now))
    assert change is not None
    return change.phase, utc(change.scheduled_ns)


@pytest.mark.parametrize(
    ("now", "phase", "since"),
    [
        ("2026-01-05T05:59:59", CLOSED, "2026-01-02T21:00"),  # Monday before seven: closed since Friday
        ("2026-01-05T06:00:00", PRE_OPEN, "2026-01-05T06:00"),
        ("2026-01-05T08:00:00", OPENING_AUCTION, "2026-01-05T08:00"),
        ("2026-01-05T16:29:59", OPENING_AUCTION, "2026-01-05T08:00"),  # continuous trading came by the auction's end
        ("2026-01-05T16:30:00", CLOSING_AUCTION, "2026-01-05T16:30"),
        ("2026-01-05T23:59:59", CLOSED, "2026-01-05T21:00"),
        ("2026-01-10T12:00:00", CLOSED, "2026-01-09T21:00"),  # Saturday
        ("2026-05-01T12:00:00", CLOSED, "2026-04-30T20:00"),  # a holiday, on a Friday
        ("2026-05-04T04:59:59", CLOSED, "2026-04-30T20:00"),  # and the weekend behind it
        ("2026-05-04T05:00:00", PRE_OPEN, "2026-05-04T05:00"),
        ("2026-12-25T12:00:00", CLOSED, "2026-12-24T21:00"),
        ("2026-03-27T06:00:00", PRE_OPEN, "2026-03-27T06:00"),  # the last day of winter time
        ("2026-03-30T05:00:00", PRE_OPEN, "2026-03-30T05:00"),  # the first of summer time
        ("2026-10-23T05:00:00", PRE_OPEN, "2026-10-23T05:00"),
        ("2026-10-26T05:59:59", CLOSED, "2026-10-23T20:00"),
        ("2026-10-26T06:00:00", PRE_OPEN, "2026-10-26T06:00"),
    ],
)
def test_the_newest_change_that_is_not_ahead(now: str, phase: str, since: str) -> None:
    assert says(STOCKS, now) == (phase, since)


def test_an_auction_says_when_it_ends() -> None:
    begins_ns = ns("2026-01-05T08:00")
    assert last_change(STOCKS, begins_ns) == PhaseBegin(
        begins_ns, OPENING_AUCTION, begins_ns + 300 * SECOND_NS, 30 * SECOND_NS
    )


@pytest.mark.parametrize(
    ("now", "coming"),
    [
        ("2026-01-05T05:59:59", "2026-01-05T06:00"),
        ("2026-01-05T06:00:00", "2026-01-05T08:00"),
        ("2026-01-09T21:00:00", "2026-01-12T06:00"),
        ("2026-04-30T20:00:00", "2026-05-04T05:00"),
        ("2026-03-27T21:00:00", "2026-03-30T05:00"),
    ],
)
def test_the_next_change(now: str, coming: str) -> None:
    next_ns = next_change_ns(STOCKS, ns(now))
    assert next_ns is not None
    assert utc(next_ns) == coming


NIGHT = Schedule(
    BERLIN,
    frozenset(range(7)),
    frozenset(),
    (
        DailyChange(time(1), PRE_OPEN),
        DailyChange(time(2, 30), CONTINUOUS),
        DailyChange(time(3, 15), POST_CLOSE),
        DailyChange(time(4), CLOSED),
    ),
)
"""Changes in the very hour in which clocks are changed."""


@pytest.mark.parametrize(
    ("now", "phase", "since"),
    [
        # 29 March: 02:00 becomes 03:00. What is scheduled at 02:30 comes at 03:30, and with it what was to follow.
        ("2026-03-29T00:59:59", PRE_OPEN, "2026-03-29T00:00"),
        ("2026-03-29T01:15:00", PRE_OPEN, "2026-03-29T00:00"),
        ("2026-03-29T01:30:00", POST_CLOSE, "2026-03-29T01:30"),
        ("2026-03-29T02:00:00", CLOSED, "2026-03-29T02:00"),
        # 25 October: 03:00 becomes 02:00. 02:30 is there twice, and means the first.
        ("2026-10-25T00:29:59", PRE_OPEN, "2026-10-24T23:00"),
        ("2026-10-25T00:30:00", CONTINUOUS, "2026-10-25T00:30"),
        ("2026-10-25T01:30:00", CONTINUOUS, "2026-10-25T00:30"),
        ("2026-10-25T02:15:00", POST_CLOSE, "2026-10-25T02:15"),
        ("2026-10-25T03:00:00", CLOSED, "2026-10-25T03:00"),
    ],
)
def test_changes_in_the_hour_in_which_clocks_are_changed(now: str, phase: str, since: str) -> None:
    assert says(NIGHT, now) == (phase, since)


def test_a_schedule_without_a_day_of_trading_in_reach_says_nothing() -> None:
    holidays = frozenset(date.fromordinal(day) for day in range(date(2024, 1, 1).toordinal(), 740_300))
    never = Schedule(BERLIN, WORKDAYS, holidays, DAY)
    assert last_change(never, ns("2026-01-05T12:00")) is None
    assert next_change_ns(never, ns("2024-06-05T12:00")) is None


@given(st.integers(ns("2020-01-01T00:00"), ns("2040-01-01T00:00")), st.sampled_from([STOCKS, NIGHT]))
def test_the_last_change_is_not_ahead_the_next_one_is_and_nothing_is_between(now_ns: int, schedule: Schedule) -> None:
    last, next_ns = last_change(schedule, now_ns), next_change_ns(schedule, now_ns)
    assert last is not None
    assert next_ns is not None
    assert last.scheduled_ns <= now_ns < next_ns
    assert last_change(schedule, next_ns - 1) == last
    following = last_change(schedule, next_ns)
    assert following is not None
    assert following.scheduled_ns == next_ns


@pytest.mark.parametrize(
    ("now", "end", "zone", "ended", "trading_date"),
    [
        ("2026-01-05T21:59:59", "22:00", UTC, "2026-01-04T22:00", "20260104"),
        ("2026-01-05T22:00:00", "22:00", UTC, "2026-01-05T22:00", "20260105"),
        ("2026-01-05T22:00:01", "22:00", UTC, "2026-01-05T22:00", "20260105"),
        ("2026-01-01T00:00:00", "22:00", UTC, "2025-12-31T22:00", "20251231"),
        ("2026-01-01T00:00:00", "00:00", UTC, "2026-01-01T00:00", "20260101"),
        ("2024-03-01T09:00:00", "22:00", UTC, "2024-02-29T22:00", "20240229"),
        ("2026-07-01T19:59:59", "22:00", BERLIN, "2026-06-30T20:00", "20260630"),
        ("2026-07-01T20:00:00", "22:00", BERLIN, "2026-07-01T20:00", "20260701"),
        ("2026-01-05T20:59:59", "22:00", BERLIN, "2026-01-04T21:00", "20260104"),
        ("2026-01-05T21:00:00", "22:00", BERLIN, "2026-01-05T21:00", "20260105"),
        ("2026-03-29T01:30:00", "02:30", BERLIN, "2026-03-29T01:30", "20260329"),
        ("2026-01-05T22:00:00", "17:00", ZoneInfo("America/New_York"), "2026-01-05T22:00", "20260105"),
    ],
)
def test_the_last_end_of_a_trading_day(now: str, end: str, zone: ZoneInfo, ended: str, trading_date: str) -> None:
    said = last_day_end(time.fromisoformat(end), zone, ns(now))
    assert (utc(said.ended_ns), said.trading_date) == (ended, trading_date)


@given(
    st.integers(ns("2000-01-02T00:00"), ns("2040-01-01T00:00")),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.sampled_from([UTC, BERLIN, ZoneInfo("Pacific/Apia"), ZoneInfo("America/New_York")]),
)
def test_the_last_end_is_not_ahead_the_next_one_is_and_they_are_a_day_apart(
    now_ns: int, end: time, zone: ZoneInfo
) -> None:
    ended_ns = last_day_end(end, zone, now_ns).ended_ns
    next_ns = next_day_end_ns(end, zone, now_ns)
    assert ended_ns <= now_ns < next_ns
    assert next_ns - ended_ns <= 49 * 3600 * SECOND_NS  # Samoa once left out a day
    assert last_day_end(end, zone, next_ns).ended_ns == next_ns
