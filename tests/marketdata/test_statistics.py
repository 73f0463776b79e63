"""A trading day in numbers, held against the sum of its trades."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata import statistics
from marketdata.messages import Statistics
from marketdata.statistics import Day, average_text
from matcher.increments import MarketDataIncrement, TradePrint, TradeRevision
from matcher.instruments import Increment
from matcher.orders import BUY

from .conftest import INSTRUMENT, increment_of


def traded(*trades: tuple[int, int, int], revised: Sequence[tuple[int, int, int]] = ()) -> MarketDataIncrement:
    """(match_id, price_ticks, qty_lots) of trades, and of revisions."""
    prints = tuple(TradePrint(*trade, BUY) for trade in trades)
    return increment_of(1, trades=prints, revisions=tuple(TradeRevision(*each) for each in revised))


def ended(day: str) -> MarketDataIncrement:
    return MarketDataIncrement("AAPL", 1, 1, 1, [], [], ended_day=day)


def take(day: Day, increment: MarketDataIncrement) -> Statistics:
    told = day.take(increment, INSTRUMENT)
    assert told is not None
    return told


def numbers(told: Statistics) -> tuple[int, ...]:
    """Open, high, low, last, volume, value, count."""
    prices = told.open_ticks, told.high_ticks, told.low_ticks, told.last_ticks
    return *prices, told.volume_lots, told.value, told.trade_count


def test_trades_make_the_day() -> None:
    day = Day()
    told = take(day, traded((1, 100, 5), (2, 103, 1)))
    assert numbers(told) == (100, 103, 100, 103, 6, 603, 2)
    told = take(day, traded((3, 99, 4)))
    assert numbers(told) == (100, 103, 99, 99, 10, 999, 3)
    assert (told.open, told.high, told.low, told.last, told.volume) == ("1.00", "1.03", "0.99", "0.99", "10")
    assert (told.vwap, told.previous_close, told.ended_day) == ("0.9990", "", "")


def test_an_increment_without_any_trade_changes_nothing() -> None:
    assert Day().take(increment_of(1, ("0", BUY, 100, 1)), INSTRUMENT) is None


def test_a_bust_takes_a_trade_back_whatever_it_was() -> None:
    day = Day()
    take(day, traded((1, 100, 5), (2, 103, 1), (3, 99, 4)))
    assert numbers(take(day, traded(revised=[(1, 100, 0)]))) == (103, 103, 99, 99, 5, 499, 2)
    assert numbers(take(day, traded(revised=[(2, 103, 0)]))) == (99, 99, 99, 99, 4, 396, 1)
    assert numbers(take(day, traded(revised=[(3, 99, 0)]))) == (0, 0, 0, 0, 0, 0, 0)


def test_a_correction_counts_as_it_is_now() -> None:
    day = Day()
    take(day, traded((1, 100, 5), (2, 103, 1)))
    assert numbers(take(day, traded(revised=[(2, 101, 3)]))) == (100, 101, 100, 101, 8, 803, 2)


def test_several_revisions_may_come_at_once() -> None:
    day = Day()
    take(day, traded((1, 100, 5), (2, 103, 1), (3, 98, 2)))
    assert numbers(take(day, traded(revised=[(3, 98, 0), (2, 101, 3)]))) == (100, 101, 100, 101, 8, 803, 2)


def test_the_next_day_begins_with_nothing_but_the_last_close() -> None:
    day = Day()
    take(day, traded((1, 100, 5)))
    told = take(day, ended("20260105"))
    assert numbers(told) == (0, 0, 0, 0, 0, 0, 0)
    assert (told.previous_close, told.previous_close_ticks, told.ended_day) == ("1.00", 100, "20260105")
    told = take(day, ended("20260106"))
    assert told.previous_close_ticks == 100, "a day without trades has the close of the day before"
    told = take(day, traded((2, 90, 1), revised=[(1, 100, 0)]))
    assert numbers(told) == (90, 90, 90, 90, 1, 90, 1), "a bust of an earlier day changes nothing today"


def test_what_is_stored_goes_on_alike() -> None:
    day = Day()
    take(day, ended("20260105"))
    take(day, traded((7, 100, 5), (8, 103, 1)))
    other = Day.of_state(day.state)
    more = traded((9, 99, 4), revised=[(7, 100, 0)])
    assert take(other, more) == take(day, more)


TRADES = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), max_size=60)


@given(trades=TRADES, busts=st.sets(st.integers(0, 59)))
def test_the_numbers_are_those_of_the_trades_that_stand(trades: list[tuple[int, int]], busts: set[int]) -> None:
    day = Day()
    for number, (price_ticks, qty_lots) in enumerate(trades, 1):
        take(day, traded((number, price_ticks, qty_lots)))
    stand = dict(enumerate(trades))
    for place in busts & stand.keys():
        price_ticks, _ = stand.pop(place)
        take(day, traded(revised=[(place + 1, price_ticks, 0)]))
    prices = [price_ticks for price_ticks, _ in stand.values()]
    volume_lots = sum(qty_lots for _, qty_lots in stand.values())
    value = sum(price_ticks * qty_lots for price_ticks, qty_lots in stand.values())
    extremes = (prices[0], max(prices), min(prices), prices[-1]) if prices else (0, 0, 0, 0)
    assert numbers(day.statistics(INSTRUMENT)) == (*extremes, volume_lots, value, len(stand))


def test_what_is_too_old_to_be_revised_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "TRADES_MAX", 8)
    monkeypatch.setattr(statistics, "_FOLD", 2)
    day = Day()
    for number in range(1, 10):
        take(day, traded((number, 100 + number, 1)))
    assert numbers(take(day, traded(revised=[(1, 101, 0)]))) == (101, 109, 101, 109, 9, 945, 9)
    assert numbers(take(day, traded(revised=[(9, 109, 0)]))) == (101, 108, 101, 108, 8, 836, 8)


@pytest.mark.parametrize(
    ("tick", "value", "volume_lots", "text"),
    [
        ("0.01", 0, 0, ""),
        ("0.01", 100, 1, "1.0000"),
        ("0.01", 200, 3, "0.6667"),
        ("0.05", 5, 2, "0.1250"),
        ("1", 1, 3, "0.33"),
        ("25", 7, 2, "87.50"),
    ],
)
def test_an_average_is_rounded_two_places_behind_the_tick(tick: str, value: int, volume_lots: int, text: str) -> None:
    assert average_text(Increment.parse(tick), value, volume_lots) == text
