"""The end of the trading day: which one was last, and that it is announced."""

import asyncio
from datetime import UTC, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import trading_day
from gateway.trading_day import last_end


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("now", "end", "expected"),
    [
        ("2026-01-05T21:59:59.999999", "22:00", "2026-01-04T22:00"),
        ("2026-01-05T22:00", "22:00", "2026-01-05T22:00"),
        ("2026-01-05T22:00:01", "22:00", "2026-01-05T22:00"),
        ("2026-01-01T00:00", "22:00", "2025-12-31T22:00"),
        ("2026-01-01T00:00", "00:00", "2026-01-01T00:00"),
        ("2024-03-01T09:00", "22:00", "2024-02-29T22:00"),
    ],
)
def test_the_last_end_is_the_newest_that_is_not_ahead(now: str, end: str, expected: str) -> None:
    assert last_end(utc(now), time.fromisoformat(end)) == utc(expected)


@given(st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1)), st.times())
def test_the_last_end_is_never_ahead_and_less_than_a_day_ago(now: datetime, end: time) -> None:
    now = now.replace(tzinfo=UTC)
    ended = last_end(now, end)
    assert ended <= now
    assert (now - ended).total_seconds() < 86_400
    assert ended.time() == end


class Announcements:
    """Stands where the sequencer is."""

    def __init__(self) -> None:
        self.dates: list[str] = []
        self.received_ns: list[int] = []

    def end_trading_day(self, received_ns: int, trading_date: str) -> None:
        self.received_ns.append(received_ns)
        self.dates.append(trading_date)


@pytest.mark.parametrize("end", ["9:30", "09:30", "23:59"])
async def test_a_gateway_that_starts_repeats_the_last_end_once(end: str) -> None:
    announcements = Announcements()
    before = datetime.now(UTC)
    keeping = asyncio.create_task(trading_day.keep(announcements, end))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    keeping.cancel()
    after = datetime.now(UTC)
    possible = {last_end(now, time.fromisoformat(end.rjust(5, "0"))).strftime("%Y%m%d") for now in (before, after)}
    assert len(announcements.dates) == 1
    assert announcements.dates[0] in possible
    assert int(before.timestamp()) * 10**9 <= announcements.received_ns[0] <= after.timestamp() * 1e9
