"""
One public book: phase, price levels and last trades, built from increments alone.

The service keeps one per symbol as the truth that it publishes; `replica` keeps one on a reader's side. Every increment
is checked against the book before it is taken: a book that accepts it is right, one that cannot says so.
"""

from collections import deque
from itertools import islice
from typing import Final

import msgspec
from sortedcontainers import SortedDict

from marketdata.messages import (
    DELETED_LEVEL,
    NEW_LEVEL,
    BookIncrement,
    BookSnapshot,
    IndicativePrice,
    Level,
    LevelUpdate,
    MarketPhase,
    RevisedTrade,
    Trade,
)
from matcher.orders import BUY
from matcher.phases import CONTINUOUS, Phase

TRADES_KEPT: Final = 50


class BookError(Exception):
    """An increment or a snapshot that cannot be true of this book; the message names symbol and number."""


class Book:
    """
    The levels of one symbol, best first, its phase, and its last trades.

    Args:
        symbol: Whose book it is.
        tick: Of the instrument, as decimal text; as `lot`.
        lot: See `tick`.
        phase: The one that the instrument begins in.
    """

    def __init__(self, symbol: str, *, tick: str = "", lot: str = "", phase: Phase = CONTINUOUS) -> None:
        self.symbol = symbol
        self.tick = tick
        self.lot = lot
        self.md_seq = 0
        self.transact_ns = 0
        self.phase = MarketPhase(phase, 0, 0, "")
        self.indicative: IndicativePrice | None = None
        """None if nothing would trade, and outside auctions."""
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self._bids: SortedDict[int, Level] = SortedDict()  # by minus the price: best first, as in _asks
        self._asks: SortedDict[int, Level] = SortedDict()

    @classmethod
    def of_snapshot(cls, snapshot: BookSnapshot) -> "Book":
        """
        A book as it stood at `snapshot.md_seq`.

        Raises:
            BookError: The snapshot is cut to a depth, in parts, out of order, or crossed.
        """
        if snapshot.depth or snapshot.parts != 1:
            raise BookError(f"{snapshot.symbol}: a snapshot that is not whole cannot begin a book")
        book = cls(snapshot.symbol, tick=snapshot.tick, lot=snapshot.lot)
        book.md_seq = snapshot.md_seq
        book.transact_ns = snapshot.transact_ns
        book.phase = snapshot.phase
        book.indicative = snapshot.indicative
        book.trades.extend(snapshot.trades)
        book._bids.update((-level.price_ticks, level) for level in snapshot.bids)
        book._asks.update((level.price_ticks, level) for level in snapshot.asks)
        if book.bids() != snapshot.bids or book.asks() != snapshot.asks:
            raise BookError(f"{snapshot.symbol}: the levels of snapshot {snapshot.md_seq} are not best first")
        book.check()
        return book

    def apply(self, increment: BookIncrement) -> None:
        """
        Take the next increment.

        Raises:
            BookError: Not the next one, or it contradicts the book; the book is then unchanged unless it crossed.
        """
        if increment.md_seq != self.md_seq + 1:
            raise BookError(f"{self.symbol}: increment {increment.md_seq} came where {self.md_seq + 1} was due")
        for update in increment.levels:
            self._check_update(update, increment.md_seq)
        if increment.phase is not None:
            self._enter(increment.phase)
        for update in increment.levels:
            self._set_level(update)
        if increment.indicative is not None:
            self.indicative = increment.indicative if increment.indicative.qty_lots else None
        self.trades.extend(increment.trades)
        for revision in increment.revisions:
            self._revise(revision)
        self.md_seq = increment.md_seq
        self.transact_ns = increment.transact_ns
        self.check()

    def bids(self, depth: int = 0) -> list[Level]:
        """The best `depth` levels of the buying side, highest first; 0: all."""
        return list(islice(self._bids.values(), depth or None))

    def asks(self, depth: int = 0) -> list[Level]:
        """The best `depth` levels of the selling side, lowest first; 0: all."""
        return list(islice(self._asks.values(), depth or None))

    @property
    def bid_levels(self) -> int:
        """How many price levels the buying side has."""
        return len(self._bids)

    @property
    def ask_levels(self) -> int:
        """How many price levels the selling side has."""
        return len(self._asks)

    def snapshot(self, depth: int = 0) -> BookSnapshot:
        """The book as a message: all of it, or the best `depth` levels of each side."""
        return BookSnapshot(
            symbol=self.symbol,
            md_seq=self.md_seq,
            transact_ns=self.transact_ns,
            tick=self.tick,
            lot=self.lot,
            depth=depth,
            phase=self.phase,
            indicative=self.indicative,
            bids=self.bids(depth),
            asks=self.asks(depth),
            trades=list(self.trades),
        )

    def check(self) -> None:
        """
        See that the best bid is below the best ask.

        Raises:
            BookError: It is not.
        """
        if not (self._bids and self._asks):
            return
        bid_ticks, ask_ticks = -self._bids.keys()[0], self._asks.keys()[0]
        if bid_ticks >= ask_ticks:
            raise BookError(f"{self.symbol}: crossed at {self.md_seq}: bid {bid_ticks}, ask {ask_ticks} ticks")

    def _enter(self, phase: MarketPhase) -> None:
        """Each phase begins without an indicative price; one that only ends at another time goes on."""
        if phase.phase != self.phase.phase:
            self.indicative = None
        self.phase = phase

    def _revise(self, revision: RevisedTrade) -> None:
        """Put a trade right, or take it out, if it is still among the last ones."""
        revised = [
            msgspec.structs.replace(
                trade,
                price=revision.price,
                qty=revision.qty,
                price_ticks=revision.price_ticks,
                qty_lots=revision.qty_lots,
            )
            if trade.match_id == revision.match_id
            else trade
            for trade in self.trades
        ]
        self.trades = deque((trade for trade in revised if trade.qty_lots), maxlen=TRADES_KEPT)

    def _check_update(self, update: LevelUpdate, md_seq: int) -> None:
        levels, key = self._place(update)
        if (key in levels) == (update.action == NEW_LEVEL):
            state = "already there" if key in levels else "not there"
            raise BookError(
                f"{self.symbol}: increment {md_seq} has action {update.action} for the level at {update.price}, "
                f"which is {state}"
            )
        if (update.qty_lots > 0) == (update.action == DELETED_LEVEL):
            raise BookError(
                f"{self.symbol}: increment {md_seq} has action {update.action} with {update.qty_lots} lots "
                f"at {update.price}"
            )

    def _set_level(self, update: LevelUpdate) -> None:
        levels, key = self._place(update)
        if update.action == DELETED_LEVEL:
            del levels[key]
        else:
            levels[key] = update.level

    def _place(self, update: LevelUpdate) -> tuple["SortedDict[int, Level]", int]:
        if update.side == BUY:
            return self._bids, -update.price_ticks
        return self._asks, update.price_ticks
