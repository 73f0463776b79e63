"""
Views: what readers with the same wish see of one symbol, written once for all of them.

Each message of a view says its `md_seq`, and each increment the `md_seq` of the view's message before it. A narrow view
does not tell of every increment, so its numbers rise with holes; but a reader whose own number is below an increment's
`prev_md_seq` has missed something, whatever the view.
"""

from typing import assert_never

import msgspec

from marketdata.book import Book, checksum_of
from marketdata.candles import Candle, Place, Tape
from marketdata.messages import DELETED_LEVEL, NEW_LEVEL, BookIncrement, Level, LevelUpdate
from marketdata.websocket.payloads import CandlesTold, StatisticsTold, StatusTold, TradesTold, ViewWriter, candle_told
from marketdata.websocket.requests import ViewKey
from matcher.instruments import Increment
from matcher.orders import BUY, SELL, Side


class View:
    """One wish on one symbol; it is told of every increment in its book, and tells of those that concern it."""

    def __init__(self, key: ViewKey, book: Book) -> None:
        self._writer = ViewWriter(key)
        self.begin(book)

    def begin(self, book: Book) -> None:
        """Start from a book: the first one, or one that moved by more than one increment."""
        self._book = book
        self._told_md_seq = book.md_seq
        self._snapshot = (-1, b"")

    @property
    def told_md_seq(self) -> int:
        """Of the last message; a snapshot may go further."""
        return self._told_md_seq

    def snapshot(self) -> bytes:
        """All there is to see now; increments go on from here."""
        if self._snapshot[0] != self._book.md_seq:
            self._snapshot = (self._book.md_seq, self._write_snapshot())
        return self._snapshot[1]

    def stale(self) -> bytes:
        """Nobody vouches for what was said, until the next snapshot."""
        return self._writer.stale(self._book.symbol, self._book.md_seq)

    def increment(self, increment: BookIncrement) -> bytes:
        """What takes readers to the book as it is just after `increment`; empty when this view shows no change."""
        payload = self._write_increment(increment)
        if payload:
            self._told_md_seq = increment.md_seq
        return payload

    @property
    def _head(self) -> tuple[str, int, int]:
        """Symbol, number and time of the book as it is."""
        return self._book.symbol, self._book.md_seq, self._book.transact_ns

    def _write_snapshot(self) -> bytes:
        raise NotImplementedError

    def _write_increment(self, increment: BookIncrement) -> bytes:
        raise NotImplementedError


class WholeBook(View):
    """Every increment as the bus has it, with the orders in its levels or without."""

    def __init__(self, key: ViewKey, book: Book) -> None:
        self._with_orders = key.view == "orders"
        super().__init__(key, book)

    def _write_snapshot(self) -> bytes:
        return self._writer.book(self._book.snapshot(with_orders=self._with_orders))

    def _write_increment(self, increment: BookIncrement) -> bytes:
        if not self._with_orders:
            increment = msgspec.structs.replace(increment, levels=[_plain(update) for update in increment.levels])
        return self._writer.book(increment, self._told_md_seq)


class BestLevels(View):
    """
    Increments cut to the best levels of each side.

    A level that is pushed out of them is deleted, one that moves in is new: so what a reader has are the best levels,
    always. All else that an increment tells is told here, too.
    """

    def __init__(self, key: ViewKey, book: Book) -> None:
        self._depth = key.depth
        self._with_orders = key.view == "orders"
        self._windows: dict[Side, list[Level]] = {}
        super().__init__(key, book)

    def begin(self, book: Book) -> None:
        """Start from the best levels of a book."""
        super().begin(book)
        self._windows = self._best()
        self._no_qty = Increment.parse(book.lot).text(0) if book.lot else "0"

    def _write_snapshot(self) -> bytes:
        snapshot = self._book.snapshot(self._depth, with_orders=self._with_orders)
        checksum = checksum_of(snapshot.bids, snapshot.asks)
        return self._writer.book(msgspec.structs.replace(snapshot, checksum=checksum))

    def _write_increment(self, increment: BookIncrement) -> bytes:
        before, self._windows = self._windows, self._best()
        levels: list[LevelUpdate] = []
        for side, window in self._windows.items():
            told = {update.price_ticks: update for update in increment.levels if update.side == side}
            if told:
                levels += self._changes(side, before[side], window, told)
        narrow = msgspec.structs.replace(increment, levels=levels)
        return self._writer.book(narrow, self._told_md_seq) if levels or _has_more(narrow) else b""

    def _changes(
        self, side: Side, before: list[Level], after: list[Level], told: dict[int, LevelUpdate]
    ) -> list[LevelUpdate]:
        """What is gone, then what changed, then what is new."""
        was = {level.price_ticks: level for level in before}
        now = {level.price_ticks: level for level in after}
        gone = [self._deleted(side, level) for ticks, level in was.items() if ticks not in now]
        changed = [
            update if self._with_orders else _plain(update)
            for ticks, update in told.items()
            if ticks in was and ticks in now and (self._with_orders or was[ticks] != now[ticks])
        ]
        return gone + changed + [self._new(side, level) for ticks, level in now.items() if ticks not in was]

    def _deleted(self, side: Side, level: Level) -> LevelUpdate:
        return LevelUpdate(DELETED_LEVEL, side, level.price, self._no_qty, level.price_ticks, 0, 0)

    def _new(self, side: Side, level: Level) -> LevelUpdate:
        orders = self._book.orders(side, level.price_ticks) if self._with_orders else []
        head = level.price, level.qty, level.price_ticks, level.qty_lots, level.order_count
        return LevelUpdate(NEW_LEVEL, side, *head, orders)

    def _best(self) -> dict[Side, list[Level]]:
        return {BUY: self._book.bids(self._depth), SELL: self._book.asks(self._depth)}


class Trades(View):
    """What was traded, and what became of it."""

    def _write_snapshot(self) -> bytes:
        return self._writer.other(TradesTold(*self._head, list(self._book.trades)))

    def _write_increment(self, increment: BookIncrement) -> bytes:
        if not (increment.trades or increment.revisions):
            return b""
        return self._writer.other(TradesTold(*self._head, increment.trades, increment.revisions), self._told_md_seq)


class DayStatistics(View):
    """The trading day in numbers."""

    def _write_snapshot(self) -> bytes:
        return self._writer.other(StatisticsTold(*self._head, self._book.statistics))

    def _write_increment(self, increment: BookIncrement) -> bytes:
        if increment.statistics is None:
            return b""
        return self._writer.other(StatisticsTold(*self._head, increment.statistics), self._told_md_seq)


class Status(View):
    """The phase, and what an auction would give."""

    def _write_snapshot(self) -> bytes:
        return self._writer.other(self._told())

    def _write_increment(self, increment: BookIncrement) -> bytes:
        if increment.phase is None and increment.indicative is None:
            return b""
        return self._writer.other(self._told(), self._told_md_seq)

    def _told(self) -> StatusTold:
        return StatusTold(*self._head, self._book.phase, self._book.indicative)


class Candles(View):
    """Candles of one length; what changed is gathered, and told when `flush` is called."""

    def __init__(self, key: ViewKey, book: Book, tape: Tape) -> None:
        self._length_s = key.length_s
        self._tape = tape
        self._changed: set[int] = set()
        super().__init__(key, book)

    def begin(self, book: Book) -> None:
        """Start from what the tape has."""
        super().begin(book)
        self._changed.clear()

    def gather(self, changed: set[Place]) -> bool:
        """Take note of candles that are others now; returns whether there is something to flush."""
        self._changed.update(start_ns for length_s, start_ns in changed if length_s == self._length_s)
        return bool(self._changed)

    def flush(self) -> bytes:
        """The candles that changed since they were told; empty if there is none."""
        if not self._changed:
            return b""
        candles = [self._tape.candle((self._length_s, start_ns)) for start_ns in sorted(self._changed)]
        self._changed.clear()
        payload = self._writer.other(self._told(candles), self._told_md_seq)
        self._told_md_seq = self._book.md_seq
        return payload

    def _write_snapshot(self) -> bytes:
        return self._writer.other(self._told(self._tape.candles(self._length_s)))

    def _write_increment(self, _increment: BookIncrement) -> bytes:
        return b""  # told later, by `flush`

    def _told(self, candles: list[Candle]) -> CandlesTold:
        if not candles:
            return CandlesTold(*self._head, [])
        tick, lot = Increment.parse(self._book.tick), Increment.parse(self._book.lot)
        return CandlesTold(*self._head, [candle_told(candle, tick, lot) for candle in candles])


def view_of(key: ViewKey, book: Book, tape: Tape) -> View:
    """
    A view of a book from now on.

    Args:
        key: What is to be seen.
        book: As it stands.
        tape: Of the same symbol.
    """
    match key.channel:
        case "book":
            return BestLevels(key, book) if key.depth else WholeBook(key, book)
        case "trades":
            return Trades(key, book)
        case "statistics":
            return DayStatistics(key, book)
        case "status":
            return Status(key, book)
        case "candles":
            return Candles(key, book, tape)
        case _:
            assert_never(key.channel)


def _plain(update: LevelUpdate) -> LevelUpdate:
    return msgspec.structs.replace(update, orders=[]) if update.orders else update


def _has_more(increment: BookIncrement) -> bool:
    """Whether an increment tells anything besides levels."""
    rest = increment.trades, increment.revisions, increment.ended_day
    return any(rest) or any(each is not None for each in (increment.phase, increment.indicative, increment.statistics))
