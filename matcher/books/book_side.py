"""
One side of a book: which orders rest at which price, and in which order they trade.

A side knows prices, quantities and order ids; what an order is otherwise is kept in `order_index`. Both sides are one
class: a level's *key* is its price for asks and its negated price for bids, so that on either side the best level has
the lowest key, and an incoming order crosses a level when the level's key is not above the order's limit key.

A side is two ladders of levels: what is displayed, and hidden orders, which stand behind all that is displayed at their
price (MATCH-1). An iceberg is in the displayed queue with its slice; its reserve only counts in the level's total.
While orders are collected, market orders wait in a level of their own in front of all prices.

Every operation costs the same whether ten orders rest or a million: a level's queue is an OrderedDict, whose oldest
entry is found at once (a plain dict walks over what was deleted before it), and the sorted keys are touched only when
a level opens or closes.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from heapq import merge
from itertools import repeat
from typing import Final

from sortedcontainers import SortedList

from matcher.orders import BUY, PEGGED, PRICE_TICKS_MAX, SELL, OrderState, Side

NO_LIMIT: Final = 2**63
"""The limit key of an order without a limit: above every level of either side."""
FRONT: Final[dict[Side, int]] = {BUY: -PRICE_TICKS_MAX - 1, SELL: 0}
"""The key of the level of market orders, below that of any price."""


def standing_price_ticks(order: OrderState) -> int:
    """Where an order stands on the book, or will: 0 for a market order that waits in front of all prices."""
    instructions = order.instructions
    return order.price_ticks if instructions is None else instructions.working_price_ticks or order.price_ticks


def is_hidden(order: OrderState) -> bool:
    """Whether nothing of it is displayed (HIDE-1)."""
    return order.instructions is not None and not order.instructions.display_qty_lots


def is_iceberg(order: OrderState) -> bool:
    """Whether it shows a slice of itself (ICE-1)."""
    return order.instructions is not None and order.instructions.display_qty_lots > 0


def shown_qty_lots(order: OrderState) -> int:
    """How much of a resting order can trade before its queue goes on: its leaves, or the slice of an iceberg."""
    instructions = order.instructions
    if instructions is None or instructions.display_qty_lots <= 0:
        return order.leaves_qty_lots
    return instructions.shown_qty_lots


class Level:
    """The orders at one price of one ladder, oldest first."""

    __slots__ = ("key", "order_ids", "pegged_count", "price_ticks", "qty_lots", "reserve_qty_lots")

    def __init__(self, key: int) -> None:
        self.key = key
        self.price_ticks = abs(key) if key != FRONT[BUY] else 0
        self.qty_lots = 0
        """The sum of what its orders show, or in the hidden ladder of their leaves."""
        self.reserve_qty_lots = 0
        """What its icebergs do not show."""
        self.pegged_count = 0
        """How many of its orders are pegged: they are nobody's reference (PEG-1)."""
        self.order_ids: OrderedDict[int, int] = OrderedDict()
        """Each with its entry id: MDEntryID(278), by which the public knows it as long as it keeps its place."""


class Ladder:
    """Levels by key, best first."""

    __slots__ = ("best", "keys", "levels")

    def __init__(self) -> None:
        self.best: Level | None = None
        self.levels: Final[dict[int, Level]] = {}
        self.keys: Final = SortedList()

    def open(self, key: int) -> Level:
        """A new level."""
        level = self.levels[key] = Level(key)
        self.keys.add(key)
        if self.best is None or key < self.best.key:
            self.best = level
        return level

    def close(self, level: Level) -> None:
        """Forget a level that is empty."""
        del self.levels[level.key]
        self.keys.remove(level.key)
        if level is self.best:
            self.best = self.levels[self.keys[0]] if self.keys else None

    def __len__(self) -> int:
        """How many levels there are."""
        return len(self.keys)

    def __iter__(self) -> Iterator[Level]:
        """The levels, best first."""
        return (self.levels[key] for key in self.keys)

    def check(self) -> None:
        """Assert that keys, levels and best agree."""
        assert list(self.keys) == sorted(self.levels)
        assert self.best is (self.levels[self.keys[0]] if self.keys else None)


class Touched:
    """What both sides of a book have touched since the public was told last; their keys never meet."""

    __slots__ = ("entries", "last_entry_id", "levels")

    def __init__(self) -> None:
        self.levels: Final[dict[int, int]] = {}
        """By key, how many orders each level showed before."""
        self.entries: Final[dict[int, list[int]]] = {}
        """By entry id, of each order: the key of its level, what it showed before, and what it shows now."""
        self.last_entry_id = 0
        """An order gets the next one whenever it goes to the back of a displayed queue, which is so in their order."""

    def clear(self) -> None:
        """The public knows all of it."""
        self.levels.clear()
        self.entries.clear()


class BookSide:
    """
    One side of a book.

    `add` and `take` have written out what plain orders need, which most orders are; all others go the long way.
    """

    __slots__ = ("_before", "_entries", "_levels", "_sign", "_touched", "displayed", "front_key", "hidden", "side")

    def __init__(self, side: Side, touched: Touched) -> None:
        self.side: Final = side
        self.displayed: Final = Ladder()
        self.hidden: Final = Ladder()
        self.front_key: Final = FRONT[side]
        self._levels: Final = self.displayed.levels
        self._sign: Final = -1 if side == BUY else 1
        self._touched: Final = touched
        self._before: Final = touched.levels
        self._entries: Final = touched.entries

    # What stands here

    def key(self, price_ticks: int) -> int:
        """The key of a price; as the limit of an incoming order, the highest key at which it trades with this side."""
        return self._sign * price_ticks or self.front_key

    @property
    def front(self) -> Level | None:
        """The level that trades next: displayed orders before hidden ones of the same price."""
        displayed, hidden = self.displayed.best, self.hidden.best
        if displayed is None or (hidden is not None and hidden.key < displayed.key):
            return hidden
        return displayed

    @property
    def best_price_ticks(self) -> int:
        """The best price of any order, hidden or not; 0 if there is none. Not asked while orders are collected."""
        level = self.front
        return 0 if level is None else level.price_ticks

    @property
    def best_displayed_ticks(self) -> int:
        """The best price that is displayed; 0 if there is none. Not asked while orders are collected."""
        return 0 if self.displayed.best is None else self.displayed.best.price_ticks

    @property
    def best_unpegged_ticks(self) -> int:
        """The best price that is displayed by an order that is not pegged; 0 if there is none."""
        for level in self.displayed:
            if len(level.order_ids) > level.pegged_count:
                return level.price_ticks
        return 0

    def levels(self) -> Iterator[Level]:
        """All levels in the order in which they trade, displayed and hidden; an iceberg stands in both ways."""
        if self.hidden.best is None:
            yield from self.displayed
            return
        ladders = (self.displayed, self.hidden)
        for key, place in merge(*(zip(ladder.keys, repeat(place)) for place, ladder in enumerate(ladders))):
            yield ladders[place].levels[key]

    def queue(self) -> Iterator[int]:
        """All order ids in the order in which they trade: market orders that wait first."""
        for level in self.levels():
            yield from level.order_ids

    def total_at(self, price_ticks: int) -> int:
        """All that is wanted or offered at a price, hidden and reserve included; 0: by the market orders that wait."""
        key = self.key(price_ticks)
        displayed, hidden = self._levels.get(key), self.hidden.levels.get(key)
        total = hidden.qty_lots if hidden else 0
        return total + displayed.qty_lots + displayed.reserve_qty_lots if displayed else total

    def total_to(self, limit_key: int) -> int:
        """All that is wanted or offered at keys up to a limit, hidden and reserve included."""
        total = 0
        for ladder in (self.displayed, self.hidden):
            for key in ladder.keys.irange(maximum=limit_key):
                level = ladder.levels[key]
                total += level.qty_lots + level.reserve_qty_lots
        return total

    def entry_ids(self) -> list[int]:
        """The entry ids of all displayed orders, in the order in which those trade."""
        return [entry_id for level in self.displayed for entry_id in level.order_ids.values()]

    # Changes

    def name_entries(self, entry_ids: Iterator[int]) -> None:
        """Let the displayed orders have these entry ids, in the order in which they trade."""
        for level in self.displayed:
            for order_id in level.order_ids:
                level.order_ids[order_id] = next(entry_ids)

    def add(self, order: OrderState) -> None:
        """Put an order at the back of the queue at its price."""
        if order.instructions is not None:
            self._add_special(order)
            return
        key = self._sign * order.price_ticks or self.front_key
        level = self._levels.get(key) or self.displayed.open(key)
        if key not in self._before:
            self._before[key] = len(level.order_ids)
        level.qty_lots += order.leaves_qty_lots
        touched = self._touched
        touched.last_entry_id = entry_id = touched.last_entry_id + 1
        self._entries[entry_id] = [key, 0, order.leaves_qty_lots]
        level.order_ids[order.order_id] = entry_id

    def take(self, order: OrderState, qty_lots: int) -> None:
        """
        Take `qty_lots` off a resting order, which keeps its place; with the last of its leaves it leaves the book.

        Args:
            order: As it rests, before the change.
            qty_lots: At most its leaves; of an iceberg first what it shows, which it does not refill here.
        """
        if order.instructions is not None:
            self._take_special(order, qty_lots)
            return
        key = self._sign * order.price_ticks or self.front_key
        level = self._levels[key]
        if key not in self._before:
            self._before[key] = len(level.order_ids)
        level.qty_lots -= qty_lots
        entry_id = level.order_ids[order.order_id]
        entry = self._entries.get(entry_id)
        if entry is None:
            self._entries[entry_id] = [key, order.leaves_qty_lots, order.leaves_qty_lots - qty_lots]
        else:
            entry[2] -= qty_lots
        if qty_lots == order.leaves_qty_lots:
            del level.order_ids[order.order_id]
            if not level.order_ids:
                self.displayed.close(level)

    def remove(self, order: OrderState) -> None:
        """Take an order off the book."""
        self.take(order, order.leaves_qty_lots)

    def update(self, before: OrderState, after: OrderState) -> None:
        """Let a resting order of the same place in the queue have other quantities, open and shown."""
        self._remember(self.key(standing_price_ticks(before)))
        _, level = self._place(before)
        self._show_other(before, level, shown_qty_lots(after))
        level.qty_lots += shown_qty_lots(after) - shown_qty_lots(before)
        level.reserve_qty_lots += _reserve_qty_lots(after) - _reserve_qty_lots(before)

    def _add_special(self, order: OrderState) -> None:
        key = self.key(standing_price_ticks(order))
        self._remember(key)
        ladder = self.hidden if is_hidden(order) else self.displayed
        level = ladder.levels.get(key) or ladder.open(key)
        level.qty_lots += shown_qty_lots(order)
        level.reserve_qty_lots += _reserve_qty_lots(order)
        level.pegged_count += order.ord_type == PEGGED
        is_shown = ladder is self.displayed
        level.order_ids[order.order_id] = self._next_entry_id(key, shown_qty_lots(order)) if is_shown else 0

    def _take_special(self, order: OrderState, qty_lots: int) -> None:
        self._remember(self.key(standing_price_ticks(order)))
        ladder, level = self._place(order)
        shown_lots, goes = shown_qty_lots(order), qty_lots == order.leaves_qty_lots
        from_shown = shown_lots if goes else min(qty_lots, shown_lots)
        self._show_other(order, level, shown_lots - from_shown)
        if goes:
            level.pegged_count -= order.ord_type == PEGGED
            del level.order_ids[order.order_id]
        level.qty_lots -= from_shown
        level.reserve_qty_lots -= qty_lots - from_shown
        if not level.order_ids:
            ladder.close(level)

    def _next_entry_id(self, key: int, shows_lots: int) -> int:
        self._touched.last_entry_id += 1
        self._entries[self._touched.last_entry_id] = [key, 0, shows_lots]
        return self._touched.last_entry_id

    def _show_other(self, before: OrderState, level: Level, shows_lots: int) -> None:
        """Note that a resting order shows another quantity than before; 0: it goes, or will show a new slice."""
        if entry_id := level.order_ids[before.order_id]:
            entry = self._entries.setdefault(entry_id, [level.key, shown_qty_lots(before), 0])
            entry[2] = shows_lots

    def _place(self, order: OrderState) -> tuple[Ladder, Level]:
        ladder = self.hidden if is_hidden(order) else self.displayed
        return ladder, ladder.levels[self.key(standing_price_ticks(order))]

    def _remember(self, key: int) -> None:
        if key not in self._before:
            level = self._levels.get(key)
            self._before[key] = len(level.order_ids) if level else 0

    def check(self, orders: Mapping[int, OrderState]) -> None:
        """
        Assert that keys, levels, best and quantities agree with each other and with the orders.

        Args:
            orders: The live orders by order id, of this book or more.
        """
        for ladder in (self.displayed, self.hidden):
            ladder.check()
            for key, level in ladder.levels.items():
                resting = [orders[order_id] for order_id in level.order_ids]
                assert resting, f"level {key} is empty"
                assert level.qty_lots == sum(map(shown_qty_lots, resting)) > 0
                assert level.pegged_count == sum(order.ord_type == PEGGED for order in resting)
                assert level.reserve_qty_lots == sum(map(_reserve_qty_lots, resting)) >= 0
                entry_ids = list(level.order_ids.values())
                assert entry_ids == sorted(entry_ids), "entry ids do not rise with the queue"
                assert (0 in entry_ids) == (ladder is self.hidden)
                for order in resting:
                    assert order.side == self.side
                    assert self.key(standing_price_ticks(order)) == key == level.key
                    assert is_hidden(order) == (ladder is self.hidden)
                    assert 0 < shown_qty_lots(order) <= order.leaves_qty_lots


def _reserve_qty_lots(order: OrderState) -> int:
    return order.leaves_qty_lots - shown_qty_lots(order)
