"""
The order book of one symbol: which orders rest at which price, in which order they trade.

A book knows prices, quantities and order ids; what an order is otherwise is kept in `order_index`. Both sides are one
class: a level's *key* is its price for asks and its negated price for bids, so that on either side the best level has
the lowest key, and an incoming order crosses a level when the level's key is not above the order's limit key.

Every operation costs the same whether ten orders rest or a million: a level's queue is an OrderedDict, whose oldest
entry is found at once (a plain dict walks over what was deleted before it), and the sorted keys are touched only when
a level opens or closes.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final

from sortedcontainers import SortedList

from matcher.events import INCREMENT_ENTRIES_MAX, LevelAction, LevelChange, MarketDataIncrement, TradePrint
from matcher.orders import BUY, SELL, OrderState, Side

NO_LIMIT: Final = 2**63
"""The limit key of a market order: above every level of either side."""

# Levels in the order in which they are told when one increment cannot hold them: what makes room before what is new.
_DELETES_FIRST: Final[dict[LevelAction, int]] = {"2": 0, "1": 1, "0": 2}


class Level:
    """The orders at one price of one side, oldest first; its quantity is the sum of their leaves."""

    __slots__ = ("key", "order_ids", "price_ticks", "qty_lots")

    def __init__(self, key: int) -> None:
        self.key = key
        self.price_ticks = abs(key)
        self.qty_lots = 0
        self.order_ids: OrderedDict[int, None] = OrderedDict()


class BookSide:
    """One side of a book: its levels, best first."""

    __slots__ = ("_before", "_keys", "_levels", "_sign", "best", "side")

    def __init__(self, side: Side, before: dict[int, tuple[int, int]]) -> None:
        self.side: Final = side
        self.best: Level | None = None
        self._sign = -1 if side == BUY else 1
        self._levels: dict[int, Level] = {}
        self._keys = SortedList()
        self._before = before

    def limit_key(self, price_ticks: int) -> int:
        """The highest key at which an incoming order with this limit trades against this side."""
        return self._sign * price_ticks

    def add(self, order: OrderState) -> None:
        """Put an order at the back of the queue at its price."""
        key = self._sign * order.price_ticks
        level = self._levels.get(key) or self._open(key)
        self._remember(level)
        level.qty_lots += order.leaves_qty_lots
        level.order_ids[order.order_id] = None

    def take(self, order: OrderState, qty_lots: int) -> None:
        """
        Take `qty_lots` off a resting order, which keeps its place; with the last of its leaves it leaves the book.

        Args:
            order: As it rests, before the change.
            qty_lots: At most its leaves.
        """
        level = self._levels[self._sign * order.price_ticks]
        self._remember(level)
        level.qty_lots -= qty_lots
        if qty_lots == order.leaves_qty_lots:
            del level.order_ids[order.order_id]
            if not level.order_ids:
                self._close(level)

    def can_fill(self, qty_lots: int, limit_key: int) -> bool:
        """Whether this side holds at least `qty_lots` at keys up to `limit_key`."""
        for key in self._keys:
            if key > limit_key:
                break
            qty_lots -= self._levels[key].qty_lots
            if qty_lots <= 0:
                return True
        return False

    def __len__(self) -> int:
        """How many levels there are."""
        return len(self._keys)

    def __iter__(self) -> Iterator[Level]:
        """The levels, best first."""
        return (self._levels[key] for key in self._keys)

    def at(self, key: int) -> Level | None:
        """The level at a key, if there is one."""
        return self._levels.get(key)

    def check(self, orders: Mapping[int, OrderState]) -> None:
        """
        Assert that keys, levels, best and quantities agree with each other and with the orders.

        Args:
            orders: The live orders by order id, of this book or more.
        """
        assert list(self._keys) == sorted(self._levels)
        assert self.best is (self._levels[self._keys[0]] if self._keys else None)
        for key, level in self._levels.items():
            resting = [orders[order_id] for order_id in level.order_ids]
            assert resting, f"level {key} is empty"
            assert level.qty_lots == sum(order.leaves_qty_lots for order in resting)
            for order in resting:
                assert (order.side, self._sign * order.price_ticks) == (self.side, key) == (self.side, level.key)

    def _open(self, key: int) -> Level:
        level = self._levels[key] = Level(key)
        self._keys.add(key)
        if self.best is None or key < self.best.key:
            self.best = level
        return level

    def _close(self, level: Level) -> None:
        del self._levels[level.key]
        self._keys.remove(level.key)
        if level is self.best:
            self.best = self._levels[self._keys[0]] if self._keys else None

    def _remember(self, level: Level) -> None:
        if level.key not in self._before:
            self._before[level.key] = (level.qty_lots, len(level.order_ids))


class Book:
    """Both sides of one symbol's book, and its public view: contiguous increments, numbered matches."""

    __slots__ = ("_before", "asks", "bids", "last_match_id", "md_seq", "symbol", "trading_date")

    def __init__(self, symbol: str, *, md_seq: int = 0, last_match_id: int = 0, trading_date: str = "") -> None:
        self.symbol: Final = symbol
        self.md_seq = md_seq
        self.last_match_id = last_match_id
        self.trading_date = trading_date
        """The last trading day that ended, `YYYYMMDD`; empty before the first."""
        # What each level touched since the last increment was before; both sides share it, as their keys never meet.
        self._before: dict[int, tuple[int, int]] = {}
        self.bids: Final = BookSide(BUY, self._before)
        self.asks: Final = BookSide(SELL, self._before)

    def side(self, side: Side) -> BookSide:
        """Where orders of this side rest."""
        return self.bids if side == BUY else self.asks

    def opposite(self, side: Side) -> BookSide:
        """What incoming orders of this side trade against."""
        return self.asks if side == BUY else self.bids

    def next_match_id(self) -> int:
        """The number of the match that happens now, from 1."""
        self.last_match_id += 1
        return self.last_match_id

    def increments(self, trades: list[TradePrint], input_seq: int, transact_ns: int) -> list[MarketDataIncrement]:
        """
        All that changed in public since the last call, as few increments as can hold it; empty if nothing did.

        In one increment bids stand first and best first; in several, entries stand as `MarketDataIncrement` says.
        """
        if not self._before and not trades:
            return []
        keys = sorted(self._before) if len(self._before) > 1 else self._before  # mostly one, and nothing to sort
        levels = [change for key in keys if (change := self._change(key))]
        self._before.clear()
        entries = len(levels) + len(trades)
        if not entries:
            return []
        if entries > INCREMENT_ENTRIES_MAX:
            return self._several(levels, trades, input_seq, transact_ns)
        self.md_seq += 1
        return [MarketDataIncrement(self.symbol, self.md_seq, input_seq, transact_ns, levels, trades)]

    def forget_changes(self) -> None:
        """Take the book as it stands for published, as after rebuilding it from a snapshot."""
        self._before.clear()

    def check(self, orders: Mapping[int, OrderState]) -> None:
        """Assert that the book agrees with itself and the live orders, and is not crossed."""
        self.bids.check(orders)
        self.asks.check(orders)
        assert not self._before, "changes were not published"
        if self.bids.best and self.asks.best:
            assert self.bids.best.price_ticks < self.asks.best.price_ticks, f"{self.symbol} is crossed"

    def _several(
        self, levels: list[LevelChange], trades: list[TradePrint], input_seq: int, transact_ns: int
    ) -> list[MarketDataIncrement]:
        # No command opens a level before it has emptied the ones that it crosses, so telling all deletes before all
        # new levels never shows a bid at or above an ask. The sort is stable: best first among equals, as before.
        levels = sorted(levels, key=lambda change: _DELETES_FIRST[change.action])
        increments: list[MarketDataIncrement] = []
        for begin in range(0, len(trades) + len(levels), INCREMENT_ENTRIES_MAX):
            end = begin + INCREMENT_ENTRIES_MAX
            part = levels[max(0, begin - len(trades)) : max(0, end - len(trades))]
            self.md_seq += 1
            increments.append(
                MarketDataIncrement(self.symbol, self.md_seq, input_seq, transact_ns, part, trades[begin:end])
            )
        return increments

    def _change(self, key: int) -> LevelChange | None:
        side = self.bids if key < 0 else self.asks
        qty_before, count_before = self._before[key]
        level = side.at(key)
        if level is None:
            return LevelChange("2", side.side, abs(key), 0, 0) if count_before else None
        count = len(level.order_ids)
        if (level.qty_lots, count) == (qty_before, count_before):
            return None
        return LevelChange("1" if count_before else "0", side.side, level.price_ticks, level.qty_lots, count)
