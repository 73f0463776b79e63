"""Instruments, a few orders' worth of increments, and a source of random but valid ones."""

from collections.abc import Iterator

import pytest
from hypothesis import strategies as st

from configs.loader import MarketDataConfig, Venue, VenueConfig
from marketdata.messages import BookIncrement, public_increment
from matcher.events import LevelChange, MarketDataIncrement, TradePrint
from matcher.instruments import Increment, Instrument
from matcher.orders import BUY, SELL, Side
from tests.jetstream import bus, server  # noqa: F401 - fixtures of the tests here too

SYMBOL = "AAPL"
INSTRUMENT = Instrument(SYMBOL, Increment.parse("0.01"), Increment.parse("1"), 10_000, "USD", 0)
OTHER = Instrument("BRK.B", Increment.parse("0.05"), Increment.parse("10"), 8_000, "USD", 0)
NOW_NS = 1_790_000_000_123_456_789


def increment_of(
    md_seq: int,
    *levels: tuple[str, Side, int, int],
    trades: tuple[TradePrint, ...] = (),
    symbol: str = SYMBOL,
) -> MarketDataIncrement:
    """Levels are (action, side, price_ticks, qty_lots), each of one order."""
    changes = [LevelChange(action, side, ticks, lots, 1 if lots else 0) for action, side, ticks, lots in levels]
    return MarketDataIncrement(symbol, md_seq, 100 + md_seq, NOW_NS + md_seq * 1_000_000_000, changes, list(trades))


def public(md_seq: int, *levels: tuple[str, Side, int, int], trades: tuple[TradePrint, ...] = ()) -> BookIncrement:
    return public_increment(increment_of(md_seq, *levels, trades=trades), INSTRUMENT)


@st.composite
def increment_streams(draw: st.DrawFn) -> list[BookIncrement]:
    """Valid increments from 1 on: bids at 1 to 5 ticks, asks at 6 to 10, so that no book is ever crossed."""
    book: dict[tuple[Side, int], int] = {}
    stream = []
    steps = draw(
        st.lists(st.lists(st.tuples(st.integers(1, 10), st.integers(0, 4)), min_size=1, max_size=3), max_size=30)
    )
    for md_seq, step in enumerate(steps, 1):
        changes = list(_changes(book, dict(step)))
        trades = tuple(TradePrint(md_seq, ticks, 1, BUY) for ticks, lots in step if not lots)
        stream.append(public(md_seq, *changes, trades=trades))
    return stream


def _changes(book: dict[tuple[Side, int], int], wanted: dict[int, int]) -> Iterator[tuple[str, Side, int, int]]:
    for ticks, lots in wanted.items():
        key = (BUY if ticks <= 5 else SELL, ticks)
        was = book.pop(key, 0)
        if lots:
            book[key] = lots
        if lots != was:
            yield "0" if not was else "1" if lots else "2", *key, lots


@pytest.fixture
def venue() -> Venue:
    config = VenueConfig(shards=1, marketdata=MarketDataConfig(fix_subscriptions_max=3))
    return Venue(config, {SYMBOL: INSTRUMENT, OTHER.symbol: OTHER})
