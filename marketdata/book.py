"""
One public book: phase, price levels and last trades, built from increments alone.

The service keeps one per symbol as the truth that it publishes; `replica` keeps one on a reader's side. Every increment
is checked against the book before it is taken: a book that accepts it is right, one that cannot says so. A book that
knows its orders knows the queue of each level, and checks that they are the level.
"""

import zlib
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
    OrderEntry,
    RevisedTrade,
    Statistics,
    Trade,
)
from matcher.orders import BUY, SELL, Side
from matcher.phases import CONTINUOUS, Phase

TRADES_KEPT: Final = 50
CHECKSUM_LEVELS: Final = 10
"""Of each side, at most."""


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
        has_orders: Keep the queue of each level, too.
    """

    def __init__(
        self, symbol: str, *, tick: str = "", lot: str = "", phase: Phase = CONTINUOUS, has_orders: bool = True
    ) -> None:
        self.symbol = symbol
        self.tick = tick
        self.lot = lot
        self.md_seq = 0
        self.transact_ns = 0
        self.phase = MarketPhase(phase, 0, 0, "")
        self.indicative: IndicativePrice | None = None
        """None if nothing would trade, and outside auctions."""
        self.statistics: Statistics | None = None
        """Of the day; None before the first trade and the first end of a day."""
        self.has_orders = has_orders
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self._bids: SortedDict[int, Level] = SortedDict()  # by minus the price: best first, as in _asks
        self._asks: SortedDict[int, Level] = SortedDict()
        self._orders: dict[tuple[str, int], dict[int, OrderEntry]] = {}
        self._checksum = (-1, 0)
        """At which `md_seq`, and what; it is asked for more often than a quiet book moves."""

    @classmethod
    def of_snapshot(cls, snapshot: BookSnapshot) -> "Book":
        """
        A book as it stood at `snapshot.md_seq`.

        Raises:
            BookError: The snapshot is cut to a depth, in parts, out of order, or crossed.
        """
        if snapshot.depth or snapshot.parts != 1:
            raise BookError(f"{snapshot.symbol}: a snapshot that is not whole cannot begin a book")
        book = cls(snapshot.symbol, tick=snapshot.tick, lot=snapshot.lot, has_orders=snapshot.has_orders)
        book.md_seq = snapshot.md_seq
        book.transact_ns = snapshot.transact_ns
        book.phase = snapshot.phase
        book.indicative = snapshot.indicative
        book.statistics = snapshot.statistics
        book.trades.extend(snapshot.trades)
        book._put_side(BUY, snapshot.bids, snapshot.md_seq)
        book._put_side(SELL, snapshot.asks, snapshot.md_seq)
        book.check()
        if book.checksum() != snapshot.checksum:
            raise BookError(f"{snapshot.symbol}: the checksum of snapshot {snapshot.md_seq} is not that of its levels")
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
        if increment.statistics is not None:
            self.statistics = increment.statistics
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

    def orders(self, side: Side, price_ticks: int) -> list[OrderEntry]:
        """The queue of a level, oldest first; empty for a level that is not there, and in a book without orders."""
        return list(self._orders.get((side, price_ticks), {}).values())

    def checksum(self) -> int:
        """
        CRC-32 of the best ten levels of each side, bids first, best first.

        Each level is the ASCII text `<0 bid, 1 offer>|<price>|<quantity>;`, as price and quantity stand in messages.
        """
        if self._checksum[0] != self.md_seq:
            bids, asks = self.bids(CHECKSUM_LEVELS), self.asks(CHECKSUM_LEVELS)
            self._checksum = self.md_seq, checksum_of(bids, asks)
        return self._checksum[1]

    @property
    def bid_levels(self) -> int:
        """How many price levels the buying side has."""
        return len(self._bids)

    @property
    def ask_levels(self) -> int:
        """How many price levels the selling side has."""
        return len(self._asks)

    def snapshot(self, depth: int = 0, *, with_orders: bool = False) -> BookSnapshot:
        """The book as a message: all of it, or the best `depth` levels of each side; the orders in them if known."""
        has_orders = with_orders and self.has_orders
        bids, asks = self.bids(depth), self.asks(depth)
        if has_orders:
            bids = [self._with_orders(BUY, level) for level in bids]
            asks = [self._with_orders(SELL, level) for level in asks]
        return BookSnapshot(
            symbol=self.symbol,
            md_seq=self.md_seq,
            transact_ns=self.transact_ns,
            tick=self.tick,
            lot=self.lot,
            depth=depth,
            phase=self.phase,
            indicative=self.indicative,
            bids=bids,
            asks=asks,
            trades=list(self.trades),
            statistics=self.statistics,
            checksum=self.checksum(),
            has_orders=has_orders,
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
        if self.has_orders and update.action != DELETED_LEVEL:
            self._check_orders(update, levels.get(key), md_seq)

    def _check_orders(self, update: LevelUpdate, level: Level | None, md_seq: int) -> None:
        known = self._orders.get((update.side, update.price_ticks), {})
        qty_lots, order_count = (level.qty_lots, level.order_count) if level else (0, 0)
        last_entry_id = next(reversed(known), 0)
        for order in update.orders:
            before = known.get(order.entry_id)
            if before is None and (order.entry_id <= last_entry_id or not order.qty_lots):
                raise BookError(
                    f"{self.symbol}: increment {md_seq} tells of order {order.entry_id} at {update.price}, which is "
                    "neither there nor behind all that are"
                )
            last_entry_id = max(last_entry_id, order.entry_id)
            qty_lots += order.qty_lots - (before.qty_lots if before else 0)
            order_count += (before is None) - (not order.qty_lots)
        if (qty_lots, order_count) != (update.qty_lots, update.order_count):
            raise BookError(
                f"{self.symbol}: increment {md_seq} has {update.qty_lots} lots of {update.order_count} orders at "
                f"{update.price}, but its orders are {qty_lots} lots of {order_count}"
            )

    def _set_level(self, update: LevelUpdate) -> None:
        levels, key = self._place(update)
        if update.action == DELETED_LEVEL:
            del levels[key]
            self._orders.pop((update.side, update.price_ticks), None)
            return
        levels[key] = update.level
        if self.has_orders:
            queue = self._orders.setdefault((update.side, update.price_ticks), {})
            for order in update.orders:
                if order.qty_lots:
                    queue[order.entry_id] = order
                else:
                    del queue[order.entry_id]

    def _put_side(self, side: Side, levels: list[Level], md_seq: int) -> None:
        """Put a snapshot's levels into an empty side."""
        ladder, sign = (self._bids, -1) if side == BUY else (self._asks, 1)
        ladder.update((sign * each.price_ticks, msgspec.structs.replace(each, orders=[])) for each in levels)
        if list(ladder) != [sign * level.price_ticks for level in levels]:
            raise BookError(f"{self.symbol}: the levels of snapshot {md_seq} are not best first")
        if self.has_orders:
            self._orders.update(((side, level.price_ticks), self._queue(level)) for level in levels)

    def _queue(self, level: Level) -> dict[int, OrderEntry]:
        queue = {order.entry_id: order for order in level.orders}
        if (sum(order.qty_lots for order in level.orders), len(queue)) != (level.qty_lots, level.order_count):
            raise BookError(f"{self.symbol}: the orders of a snapshot's level at {level.price} are not the level")
        return queue

    def _with_orders(self, side: Side, level: Level) -> Level:
        return msgspec.structs.replace(level, orders=self.orders(side, level.price_ticks))

    def _place(self, update: LevelUpdate) -> tuple["SortedDict[int, Level]", int]:
        if update.side == BUY:
            return self._bids, -update.price_ticks
        return self._asks, update.price_ticks


def checksum_of(bids: list[Level], asks: list[Level]) -> int:
    """As `Book.checksum`, of the best levels of a book that is known no deeper."""
    text = "".join(f"0|{level.price}|{level.qty};" for level in bids[:CHECKSUM_LEVELS])
    text += "".join(f"1|{level.price}|{level.qty};" for level in asks[:CHECKSUM_LEVELS])
    return zlib.crc32(text.encode())
