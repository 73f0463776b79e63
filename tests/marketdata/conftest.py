"""Instruments, a few orders' worth of increments, and a source of random but valid ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

from bus.connection import Bus
from bus.streams import ensure_shard
from configs.loader import MarketDataConfig, Venue, VenueConfig
from marketdata.checkpoint import CHECKPOINT_FILE
from marketdata.messages import BookIncrement, public_increment
from matcher.increments import (
    Indicative,
    LevelChange,
    MarketDataIncrement,
    PhaseChange,
    ShownOrder,
    TradePrint,
    TradeRevision,
)
from matcher.instruments import Increment, Instrument
from matcher.orders import BUY, SELL, Side
from matcher.phases import COLLECTING, CONTINUOUS, HALT, OPENING_AUCTION
from tests.jetstream import bus, server  # noqa: F401 - fixtures of the tests here too

from .exec_log import Log

SYMBOL = "AAPL"
INSTRUMENT = Instrument(SYMBOL, Increment.parse("0.01"), Increment.parse("1"), 10_000, "USD", 0)
OTHER = Instrument("BRK.B", Increment.parse("0.05"), Increment.parse("10"), 8_000, "USD", 0)
NOW_NS = 1_790_000_000_123_456_789


def increment_of(
    md_seq: int,
    *levels: tuple[str, Side, int, int],
    trades: tuple[TradePrint, ...] = (),
    symbol: str = SYMBOL,
    phase: PhaseChange | None = None,
    indicative: Indicative | None = None,
    revisions: tuple[TradeRevision, ...] = (),
) -> MarketDataIncrement:
    """Levels are (action, side, price_ticks, qty_lots), each of one order, whose entry id is its price."""
    changes = [
        LevelChange(action, side, ticks, lots, 1, [ShownOrder(ticks, lots, lots)])
        if lots
        else LevelChange(action, side, ticks, 0, 0)
        for action, side, ticks, lots in levels
    ]
    head = symbol, md_seq, 100 + md_seq, NOW_NS + md_seq * 1_000_000_000
    return MarketDataIncrement(*head, changes, list(trades), phase, indicative, list(revisions))


def public(
    md_seq: int,
    *levels: tuple[str, Side, int, int],
    trades: tuple[TradePrint, ...] = (),
    phase: PhaseChange | None = None,
    indicative: Indicative | None = None,
    revisions: tuple[TradeRevision, ...] = (),
) -> BookIncrement:
    increment = increment_of(md_seq, *levels, trades=trades, phase=phase, indicative=indicative, revisions=revisions)
    return public_increment(increment, INSTRUMENT)


@st.composite
def increment_streams(draw: st.DrawFn) -> list[BookIncrement]:
    """
    Valid increments from 1 on: bids at 1 to 5 ticks, asks at 6 to 10, so that no book is ever crossed.

    Some steps begin a phase; an auction empties the book and has an indicative price instead.
    """
    book: dict[tuple[Side, int], int] = {}
    stream = []
    steps = draw(
        st.lists(st.lists(st.tuples(st.integers(1, 10), st.integers(0, 4)), min_size=1, max_size=3), max_size=30)
    )
    collecting = False
    for md_seq, step in enumerate(steps, 1):
        phase, indicative = draw(st.sampled_from(_NEWS))
        if phase is not None:
            collecting = phase.phase in COLLECTING
        wanted = dict.fromkeys([ticks for _, ticks in book], 0) if collecting else dict(step)
        changes = list(_changes(book, wanted))
        trades = tuple(TradePrint(md_seq, ticks, 1, BUY) for ticks, lots in step if not lots)
        revisions = tuple(TradeRevision(number, 7, number % 2) for number, lots in step if lots == 4)
        stream.append(public(md_seq, *changes, trades=trades, phase=phase, indicative=indicative, revisions=revisions))
    return stream


_NEWS = [
    (None, None),
    (None, None),
    (None, Indicative(5, 3, SELL, 1)),
    (None, Indicative(5, 4, "", 0)),
    (None, Indicative(0, 0, "", 0)),
    (PhaseChange(OPENING_AUCTION, NOW_NS, ""), Indicative(6, 2, BUY, 3)),
    (PhaseChange(OPENING_AUCTION, NOW_NS + 1, ""), None),
    (PhaseChange(CONTINUOUS, 0, ""), None),
    (PhaseChange(HALT, 0, "why"), None),
]
"""What else a step may tell: nothing, mostly."""


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


@pytest.fixture
async def exec_log(bus: Bus) -> Log:  # noqa: F811 - the fixture, not its name here
    await ensure_shard(bus, 0, max_bytes=10_000_000, replicas=1)
    return Log(bus)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / CHECKPOINT_FILE
