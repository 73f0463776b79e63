"""The engine and the slow, obvious reference give the same answers to the same random commands."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from matcher.commands import ClientRequest, EndTradingDay
from matcher.engine import Engine
from matcher.events import MarketDataIncrement, Output
from simulators.reference import ReferenceEngine
from tests.matcher.random_commands import (
    FINISHED_ORDERS_MAX,
    ORDERS_MAX,
    SYMBOLS,
    commands,
    new_engine,
    seeded_commands,
)

Commands = list[tuple[int, ClientRequest | EndTradingDay]]


class PublicReader:
    """A subscriber: knows nothing but the increments."""

    def __init__(self) -> None:
        self.md_seq = dict.fromkeys(SYMBOLS, 0)
        self.levels: dict[tuple[str, str, int], tuple[int, int]] = {}

    def read(self, output: Output) -> None:
        for increment in output.increments:
            self.read_increment(increment)

    def read_increment(self, increment: MarketDataIncrement) -> None:
        assert increment.md_seq == self.md_seq[increment.symbol] + 1
        assert increment.levels or increment.trades
        self.md_seq[increment.symbol] += 1
        for change in increment.levels:
            key = (increment.symbol, change.side, change.price_ticks)
            assert (change.action == "0") == (key not in self.levels)
            if change.action == "2":
                assert (change.qty_lots, change.order_count) == (0, 0)
                del self.levels[key]
            else:
                assert change.qty_lots >= change.order_count > 0
                self.levels[key] = (change.qty_lots, change.order_count)
        bids, asks = self.book(increment.symbol)
        assert not bids or not asks or bids[0][0] < asks[0][0], "crossed"

    def book(self, symbol: str) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        bids, asks = (
            [(price, *seen) for (name, side, price), seen in self.levels.items() if (name, side) == (symbol, wanted)]
            for wanted in "12"
        )
        return sorted(bids, reverse=True), sorted(asks)


def without_texts(output: Output) -> Output:
    """The reference explains nothing; the texts of RequestRefused are the client's own and stay."""
    return replace(output, events=[_without_text(event) for event in output.events])


def _without_text(event: Any) -> Any:
    mute = "text" in event.__struct_fields__ and type(event).__name__ != "RequestRefused"
    return replace(event, text="") if mute else event


def assert_same(run: Commands, *, finished_orders_max: int = FINISHED_ORDERS_MAX) -> Engine:
    engine = new_engine(finished_orders_max=finished_orders_max)
    reference = ReferenceEngine(SYMBOLS, orders_max=ORDERS_MAX, finished_orders_max=finished_orders_max)
    reader = PublicReader()
    for input_seq, command in run:
        output = engine.apply(command, input_seq)
        assert without_texts(output) == reference.apply(command, input_seq)
        engine.check()
        reader.read(output)
        for symbol in SYMBOLS:
            assert engine.levels(symbol) == reference.levels(symbol) == reader.book(symbol)
    return engine


@pytest.mark.parametrize("seed", range(20))
def test_a_thousand_random_commands(seed: int) -> None:
    engine = assert_same(list(seeded_commands(seed, 1000)))
    # The commands are worth something only if they trade, fill the book and outlive the memory of finished orders.
    assert engine.match_count("AAA") > 30
    assert engine.finished_order_count == FINISHED_ORDERS_MAX


@pytest.mark.parametrize("finished_orders_max", [0, 1, 1000])
def test_whatever_is_remembered_of_finished_orders(finished_orders_max: int) -> None:
    assert_same(list(seeded_commands(99, 600)), finished_orders_max=finished_orders_max)


@pytest.mark.parametrize("entries_max", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_fits_into_one_increment(seed: int, entries_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So small a bound that sweeps and ends of days are cut everywhere: the reader checks the book after each part."""
    monkeypatch.setattr("matcher.book.INCREMENT_ENTRIES_MAX", entries_max)
    monkeypatch.setattr("simulators.reference.INCREMENT_ENTRIES_MAX", entries_max)
    engine = assert_same(list(seeded_commands(seed, 600)))
    assert engine.match_count("AAA") > 10


@st.composite
def runs(draw: st.DrawFn) -> Commands:
    count = draw(st.integers(1, 40))
    return list(commands(lambda options: draw(st.sampled_from(options)), count))


@settings(max_examples=50, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(runs())
def test_short_runs_that_can_be_shrunk(run: Commands) -> None:
    assert_same(run)
