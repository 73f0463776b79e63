"""
Checks a replay: every trade against the plan, every published book against the recorded one. Pure.

How rows find their books although requests are pipelined: one session sends all requests of a symbol, in order, and
nobody else trades it, so a matcher does them in that order. Each changes the public book, but never by more than the
3500 levels and trades that fit into one increment (`INCREMENT_ENTRIES_MAX`), hence gives exactly one, numbered without
a gap. A row that ends the plan's n-th request of its symbol is therefore compared with the
book right after increment `first_md_seq + n`, whenever that increment arrives.

Prices and quantities are integers of the recorded file.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec
from sortedcontainers import SortedDict

from matcher.orders import BUY, SELL, Side
from simulators.flow_requests import AnyRequest, ExpectedFill, NewRequest
from simulators.recorded.rows import RecordedBook


class Difference(msgspec.Struct, frozen=True):
    """Something that is not as recorded."""

    symbol: str
    row: int
    """Of the file; 0 where no single row is at fault."""
    expected: str
    found: str


class Fill(msgspec.Struct, frozen=True):
    """One side of a trade, from an ExecutionReport(8) with ExecType(150)=F."""

    symbol: str
    cl_ord_id: str
    match_id: str
    """TrdMatchID(880), the same on both sides."""
    price: int
    qty: int


class PublicLevel(msgspec.Struct, frozen=True):
    """What a price level holds now; nothing, if `qty` is 0."""

    side: Side
    price: int
    qty: int
    order_count: int


class FillAudit:
    """Pairs both sides of every trade and compares it with the plan."""

    def __init__(self) -> None:
        self.expected = 0
        """Trades that the requests sent so far must cause."""
        self.exact = 0
        """Trades that came: with that resting order, at that price, of that size."""
        self.first_difference: Difference | None = None
        self._expected_of: dict[str, tuple[int, deque[ExpectedFill]]] = {}
        self._one_sided: dict[tuple[str, str], Fill] = {}

    @property
    def missing(self) -> int:
        """Trades still to come."""
        return sum(len(fills) for _, fills in self._expected_of.values())

    def expect(self, row: int, request: AnyRequest) -> None:
        """Learn what a request must cause, before it is sent."""
        if isinstance(request, NewRequest) and request.fills:
            self.expected += len(request.fills)
            self._expected_of[request.cl_ord_id] = (row, deque(request.fills))

    def on_fill(self, fill: Fill) -> None:
        """Take one side of a trade; the other one came before or comes later."""
        other = self._one_sided.pop((fill.symbol, fill.match_id), None)
        if other is None:
            self._one_sided[fill.symbol, fill.match_id] = fill
        elif fill.cl_ord_id in self._expected_of:
            self._compare(taker=fill, maker=other)
        else:
            self._compare(taker=other, maker=fill)

    def finish(self) -> None:
        """All reports are in: what is still expected will not come."""
        for cl_ord_id, (row, fills) in self._expected_of.items():
            self._differ("", row, f"{cl_ord_id} trades {fills[0]}", "no such trade")
        for fill in self._one_sided.values():
            self._differ(fill.symbol, 0, "both sides of every trade", f"one side only: {fill}")

    def _compare(self, *, taker: Fill, maker: Fill) -> None:
        found = ExpectedFill(maker.cl_ord_id, maker.price, maker.qty)
        row, fills = self._expected_of.get(taker.cl_ord_id, (0, deque()))
        expected = fills.popleft() if fills else None
        if not fills:
            self._expected_of.pop(taker.cl_ord_id, None)
        if found == expected and (taker.price, taker.qty) == (maker.price, maker.qty):
            self.exact += 1
        else:
            self._differ(
                taker.symbol, row, f"{taker.cl_ord_id} trades {expected}", f"{found}; the taker's side: {taker}"
            )

    def _differ(self, symbol: str, row: int, expected: str, found: str) -> None:
        self.first_difference = self.first_difference or Difference(symbol, row, expected, found)


class _Row(msgspec.Struct, frozen=True):
    md_seq: int
    row: int
    book: RecordedBook


class _PublicBook:
    """One symbol as published, and the rows that wait for it."""

    def __init__(self, symbol: str, md_seq: int) -> None:
        self.symbol = symbol
        self.first_md_seq = md_seq
        self.md_seq = md_seq
        self.rows: deque[_Row] = deque()
        self._sides: Final = {BUY: SortedDict(), SELL: SortedDict()}

    def set_level(self, level: PublicLevel) -> None:
        side, key = self._sides[level.side], -level.price if level.side == BUY else level.price
        if level.qty:
            side[key] = level
        else:
            side.pop(key, None)

    def clear(self) -> None:
        for side in self._sides.values():
            side.clear()

    def levels(self, side: Side, count: int | None = None) -> list[PublicLevel]:
        return [self._sides[side][key] for key in self._sides[side].islice(0, count)]

    def top(self, levels: int) -> RecordedBook:
        bids, asks = (tuple((found.price, found.qty) for found in self.levels(side, levels)) for side in (BUY, SELL))
        return RecordedBook(bids, asks)


class BookAudit:
    """Follows the published books, and compares each row with the increment that ends it."""

    def __init__(self) -> None:
        self.compared = 0
        self.equal = 0
        self.lost = 0
        """Rows that could not be compared, because increments in between did not arrive."""
        self.first_difference: Difference | None = None
        self._books: dict[str, _PublicBook] = {}
        self._compared_levels: dict[str, int] = {}

    @property
    def waiting(self) -> int:
        """Rows whose increment has not arrived."""
        return sum(len(book.rows) for book in self._books.values())

    def begin(self, symbol: str, md_seq: int, *, compared_levels: int) -> None:
        """Follow a symbol whose book is empty after increment `md_seq`."""
        self._books[symbol] = _PublicBook(symbol, md_seq)
        self._compared_levels[symbol] = compared_levels

    def expect(self, symbol: str, row: int, increments: int, book: RecordedBook) -> None:
        """After `increments` more than at the beginning, the symbol's best levels must be the ones of `book`."""
        public = self._books[symbol]
        public.rows.append(_Row(public.first_md_seq + increments, row, book.top(self._compared_levels[symbol])))
        self._compare(public)

    def on_snapshot(self, symbol: str, md_seq: int, levels: list[PublicLevel]) -> None:
        """
        Take a whole book in the middle of a replay; rows between the last increment and this one cannot be compared.

        An empty one that is no newer says that the feed has lost the book for a moment; a fresh one follows.
        """
        public = self._books[symbol]
        if md_seq <= public.md_seq:
            return
        self._lose(public, md_seq)
        public.clear()
        for level in levels:
            public.set_level(level)
        public.md_seq = md_seq
        self._compare(public)

    def on_increment(self, symbol: str, md_seq: int, levels: Iterable[PublicLevel]) -> None:
        """Take one published increment; one that repeats an older number is ignored."""
        public = self._books[symbol]
        if md_seq <= public.md_seq:
            return
        if md_seq != public.md_seq + 1:
            self._differ(symbol, 0, f"increment {public.md_seq + 1}", f"increment {md_seq}")
            self._lose(public, md_seq)
        for level in levels:
            public.set_level(level)
        public.md_seq = md_seq
        self._compare(public)

    def levels(self, symbol: str, side: Side) -> list[PublicLevel]:
        """The published levels of one side, best first."""
        return self._books[symbol].levels(side)

    def is_current(self, symbol: str, increments: int) -> bool:
        """Whether that many increments have arrived since the beginning."""
        public = self._books[symbol]
        return public.md_seq >= public.first_md_seq + increments

    def finish(self) -> None:
        """Nothing more will arrive: rows that still wait are lost."""
        for symbol, public in self._books.items():
            if public.rows:
                row = public.rows[0]
                self._differ(symbol, row.row, f"increment {row.md_seq}", f"none after {public.md_seq}")
                self.lost += len(public.rows)
                public.rows.clear()

    def _compare(self, public: _PublicBook) -> None:
        while public.rows and public.rows[0].md_seq <= public.md_seq:
            row = public.rows.popleft()
            found = public.top(self._compared_levels[public.symbol])
            self.compared += 1
            if found == row.book:
                self.equal += 1
            else:
                self._differ(public.symbol, row.row, str(row.book), str(found))

    def _lose(self, public: _PublicBook, md_seq: int) -> None:
        while public.rows and public.rows[0].md_seq < md_seq:
            public.rows.popleft()
            self.lost += 1

    def _differ(self, symbol: str, row: int, expected: str, found: str) -> None:
        self.first_difference = self.first_difference or Difference(symbol, row, expected, found)
