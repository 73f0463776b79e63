"""
The instruments that recorded flow needs: found by reading a file once, written as lines of an instruments file. Pure.

A tick is the largest power of ten, 1 at most, of which every price of the symbol is a multiple; a lot is one unit of
quantity.
"""

from collections.abc import Iterable, Iterator
from math import gcd

import msgspec

from bus.subjects import default_shard
from matcher.instruments import Increment, Instrument
from matcher.orders import PRICE_TICKS_MAX
from simulators.recorded.rows import FlowEvent, FlowKind, RecordedBook, RecordedFlowError, Recording


class FlowInstrument(msgspec.Struct, frozen=True):
    """One line of an instruments file."""

    symbol: str
    tick: str
    lot: str
    reference_price: str

    def toml(self) -> str:
        """As `configs/instruments.toml` has it."""
        quoted = self.symbol.replace("\\", "\\\\").replace('"', '\\"')
        terms = f'tick = "{self.tick}", lot = "{self.lot}", reference_price = "{self.reference_price}"'
        return f'"{quoted}" = {{ {terms} }}'

    def instrument(self, shards: int) -> Instrument:
        """As a matcher has it."""
        tick = Increment.parse(self.tick)
        shard = default_shard(self.symbol, shards)
        return Instrument(self.symbol, tick, Increment.parse(self.lot), tick.count(self.reference_price), "USD", shard)


class FlowNeeds(msgspec.Struct, frozen=True):
    """What a recording needs of a venue."""

    rows: int
    instruments: list[FlowInstrument]
    """In the order of the file."""
    moved_prices: dict[str, dict[int, int]]
    """By symbol: recorded prices above `PRICE_TICKS_MAX`, and the tick below it that stands for each."""


def needs_of(recording: Recording) -> FlowNeeds:
    """
    Read all rows of a recording, which are then spent.

    Raises:
        RecordedFlowError: As its parser, or prices do not fit into the venue's range.
    """
    prices: dict[str, dict[int, None]] = {}
    rows = 0
    for event in recording.events:
        rows += 1
        for price in _prices(event):
            prices.setdefault(event.symbol, {})[price] = None
    unit = Increment(1, recording.price_places)
    lot = Increment(1, recording.qty_places).text(1)
    instruments: list[FlowInstrument] = []
    moved_prices: dict[str, dict[int, int]] = {}
    for symbol, seen in prices.items():
        tick = _tick(seen, 10**recording.price_places)
        instruments.append(FlowInstrument(symbol, unit.text(tick), lot, unit.text(next(iter(seen)))))
        moved = _moved(symbol, sorted(seen), tick)
        if moved:
            moved_prices[symbol] = moved
    return FlowNeeds(rows, instruments, moved_prices)


def move_prices(events: Iterable[FlowEvent], moved_prices: dict[str, dict[int, int]]) -> Iterator[FlowEvent]:
    """Write the prices that stand for the recorded ones into every row."""
    for event in events:
        moved = moved_prices.get(event.symbol)
        if moved is None:
            yield event
            continue
        book = (
            None
            if event.book is None
            else RecordedBook(_in_range(event.book.bids, moved), _in_range(event.book.asks, moved))
        )
        yield msgspec.structs.replace(event, price=moved.get(event.price, event.price), book=book)


def _in_range(levels: tuple[tuple[int, int], ...], moved: dict[int, int]) -> tuple[tuple[int, int], ...]:
    return tuple((moved.get(price, price), qty) for price, qty in levels)


def _moved(symbol: str, prices: list[int], tick: int) -> dict[int, int]:
    """Stub quotes far from the market move to the highest ticks that there are, each to its own, in their order."""
    highest = PRICE_TICKS_MAX * tick
    too_high = [price for price in prices if price > highest]
    moved = {price: highest - below * tick for below, price in enumerate(reversed(too_high))}
    in_range = prices[: len(prices) - len(too_high)]
    if moved and (not in_range or in_range[-1] >= min(moved.values())):
        raise RecordedFlowError(f"{symbol} trades at more than {PRICE_TICKS_MAX} ticks, which this venue does not take")
    return moved


def instruments_file(instruments: Iterable[FlowInstrument]) -> str:
    """A whole instruments file."""
    return "\n".join(["[instruments]", *(instrument.toml() for instrument in instruments), ""])


def _prices(event: FlowEvent) -> Iterable[int]:
    if event.price and event.kind is not FlowKind.NOTHING:
        yield event.price
    if event.book is not None:
        for price, _ in (*event.book.bids, *event.book.asks):
            yield price


def _tick(prices: Iterable[int], tick_max: int) -> int:
    divisor, tick = gcd(*prices), 1
    while tick < tick_max and divisor % (10 * tick) == 0:
        tick *= 10
    return tick
