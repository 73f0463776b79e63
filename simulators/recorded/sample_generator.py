"""
Makes the sample that is shipped, from a seed: `python -m simulators.recorded.sample_generator FILE`.

Three invented stocks: OAK and ELM from an empty book on, ASH from the middle of its day, so that its first row shows
orders that the file never introduced. Books are counted up from all orders at every row, the slow and obvious way.
"""

import gzip
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from matcher.orders import BUY, SELL, Side
from simulators.recorded.outcry_sample import FORMAT, Header, encode
from simulators.recorded.rows import COMPARED_LEVELS, NS_PER_S, FlowEvent, FlowKind, RecordedBook

SEED: Final = 20
ROWS: Final = {"OAK": 500, "ELM": 500, "ASH": 500}
CUT_ROWS: Final = {"ASH": 120}
"""Rows of a symbol that happened before the recording began."""

_OPEN_NS: Final = 34_200 * NS_PER_S
_GAP_NS_MAX: Final = NS_PER_S // 20
_MID_PRICES: Final = {"OAK": 4_150, "ELM": 12_990, "ASH": 875}


class _Order(msgspec.Struct):
    order_ref: str
    side: Side
    price: int
    qty: int


class _Market:
    """One stock: its live orders, the oldest first, and a price around which new ones arrive."""

    def __init__(self, symbol: str, dice: random.Random) -> None:
        self._symbol = symbol
        self._dice = dice
        self._mid = _MID_PRICES[symbol]
        self._orders: list[_Order] = []
        self._order_count = 0

    def next_event(self, row: int, time_ns: int) -> FlowEvent:
        """Let one thing happen."""
        dice = self._dice.randrange(100)
        if dice < 50 or len(self._orders) < 8:
            return self._new(row, time_ns)
        if dice < 75:
            return self._cancel(row, time_ns)
        if dice < 96:
            return self._execute(row, time_ns)
        return FlowEvent(row, time_ns, self._symbol, FlowKind.NOTHING)

    def book(self) -> RecordedBook:
        """Counted up from every order."""
        bids, asks = (self._levels(side) for side in (BUY, SELL))
        return RecordedBook(tuple(sorted(bids.items(), reverse=True)), tuple(sorted(asks.items())))

    def _levels(self, side: Side) -> Counter[int]:
        levels: Counter[int] = Counter()
        for order in self._orders:
            if order.side == side:
                levels[order.price] += order.qty
        return levels

    def _new(self, row: int, time_ns: int) -> FlowEvent:
        self._mid += self._dice.randrange(-1, 2)
        side: Side = BUY if self._dice.randrange(2) else SELL
        away = 1 + min(self._dice.randrange(12), self._dice.randrange(12))
        price = self._mid - away if side == BUY else self._mid + away
        book = self.book()
        if side == BUY and book.asks:
            price = min(price, book.asks[0][0] - 1)
        if side == SELL and book.bids:
            price = max(price, book.bids[0][0] + 1)
        self._order_count += 1
        order = _Order(str(self._order_count), side, price, 10 * (1 + self._dice.randrange(40)))
        self._orders.append(order)
        return self._event(row, time_ns, FlowKind.NEW, order, order.qty)

    def _cancel(self, row: int, time_ns: int) -> FlowEvent:
        order = self._dice.choice(self._orders)
        if self._dice.randrange(3) or order.qty == 1:
            self._orders.remove(order)
            return self._event(row, time_ns, FlowKind.DELETE, order, order.qty)
        qty = self._dice.randrange(1, order.qty)
        order.qty -= qty
        return self._event(row, time_ns, FlowKind.REDUCE, order, qty)

    def _execute(self, row: int, time_ns: int) -> FlowEvent:
        side = self._dice.choice(self._orders).side
        order = min(
            (order for order in self._orders if order.side == side),
            key=lambda order: -order.price if side == BUY else order.price,
        )
        qty = order.qty if self._dice.randrange(2) else 1 + self._dice.randrange(order.qty)
        order.qty -= qty
        if not order.qty:
            self._orders.remove(order)
        return self._event(row, time_ns, FlowKind.EXECUTE, order, qty)

    def _event(self, row: int, time_ns: int, kind: FlowKind, order: _Order, qty: int) -> FlowEvent:
        return FlowEvent(row, time_ns, self._symbol, kind, order.order_ref, order.side, order.price, qty)


def generate(seed: int = SEED) -> Iterator[FlowEvent]:
    """All rows of the sample; the same seed gives the same rows."""
    dice = random.Random(seed)  # noqa: S311 - a repeatable market, not a secret
    markets = {symbol: _Market(symbol, dice) for symbol in ROWS}
    turns = [symbol for symbol, rows in ROWS.items() for _ in range(rows)]
    dice.shuffle(turns)
    for symbol, rows in CUT_ROWS.items():
        for _ in range(rows):
            markets[symbol].next_event(0, 0)
    time_ns = _OPEN_NS
    shown: set[str] = set()
    for row, symbol in enumerate(turns, 1):
        time_ns += dice.randrange(_GAP_NS_MAX)
        event = markets[symbol].next_event(row, time_ns)
        book = markets[symbol].book()
        # The first book of a symbol is whole, for it is what a replay begins with.
        yield msgspec.structs.replace(event, book=book.top(COMPARED_LEVELS) if symbol in shown else book)
        shown.add(symbol)


def sample_bytes(seed: int = SEED) -> bytes:
    """The shipped file."""
    about = f"An invented market, made by simulators/recorded/sample_generator.py with seed {seed}."
    header = Header(FORMAT, about, price_places=2, qty_places=0)
    return gzip.compress(b"".join(encode(header, generate(seed))), mtime=0)


def main(argv: list[str]) -> int:
    """Write the sample to the file that the arguments name."""
    Path(argv[0]).write_bytes(sample_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
