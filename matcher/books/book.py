"""
The order book of one symbol: both its sides, and what of them the public has yet to be told.

The public knows levels, and inside them orders by their entry id, MDEntryID(278): each time an order goes to the back
of a queue it gets the next one, so nobody can tell whose it is, nor that an iceberg's next slice is the same order.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from matcher.books.book_side import FRONT, BookSide, Touched, shown_qty_lots
from matcher.increments import LevelAction, LevelChange, ShownOrder
from matcher.orders import BUY, SELL, OrderState, Side


class Book:
    """Both sides of one symbol's book, and what of it the public has yet to be told."""

    __slots__ = ("_published_entries", "_published_levels", "asks", "bids", "is_dark", "touched_since")

    def __init__(self) -> None:
        self.touched_since: Final = Touched()
        # What the public still sees of a book that went dark with the command that is being done.
        self._published_levels: Final[dict[int, int]] = {}
        self._published_entries: Final[dict[int, tuple[int, int]]] = {}
        self.is_dark = False
        """Nothing is shown, because orders are collected (BOOK-3)."""
        self.bids: Final = BookSide(BUY, self.touched_since)
        self.asks: Final = BookSide(SELL, self.touched_since)

    def side(self, side: Side) -> BookSide:
        """Where orders of this side rest."""
        return self.bids if side == BUY else self.asks

    def opposite(self, side: Side) -> BookSide:
        """What incoming orders of this side trade against."""
        return self.asks if side == BUY else self.bids

    def order_ids(self) -> list[int]:
        """All that rest, in no order of meaning."""
        return [*self.bids.queue(), *self.asks.queue()]

    # What the public sees

    def hide(self, live: Mapping[int, OrderState]) -> None:
        """
        From now on the public book is empty.

        Args:
            live: The live orders by order id.
        """
        if self.is_dark:
            return
        self.is_dark = True
        for side in (self.bids, self.asks):
            for level in side.displayed:
                self._published_levels[level.key] = len(level.order_ids)
        self._published_levels.update(self.touched_since.levels)
        self._published_entries.update((entry_id, (key, lots)) for entry_id, key, lots in self._displayed(live))
        for entry_id, (key, before_lots, _) in self.touched_since.entries.items():
            self._published_entries[entry_id] = (key, before_lots)

    def show(self, live: Mapping[int, OrderState]) -> None:
        """
        The whole book is public again.

        Args:
            live: The live orders by order id.
        """
        if not self.is_dark:
            return
        self.is_dark = False
        self.touched_since.clear()
        for side in (self.bids, self.asks):
            self.touched_since.levels.update(dict.fromkeys(side.displayed.keys, 0))
        self.touched_since.levels.update(self._published_levels)
        entries = self.touched_since.entries
        entries.update((entry_id, [key, lots, 0]) for entry_id, (key, lots) in self._published_entries.items())
        for entry_id, key, lots in self._displayed(live):
            before_lots = entries[entry_id][1] if entry_id in entries else 0
            entries[entry_id] = [key, before_lots, lots]
        self._forget_published()

    def _displayed(self, live: Mapping[int, OrderState]) -> Iterable[tuple[int, int, int]]:
        """Entry id, key of its level and shown quantity of each displayed order, each queue in its order."""
        for side in (self.bids, self.asks):
            for level in side.displayed:
                for order_id, entry_id in level.order_ids.items():
                    yield entry_id, level.key, shown_qty_lots(live[order_id])

    def public_levels(self) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """Bids and asks as the public knows them, each best first: (price_ticks, qty_lots, order_count)."""
        bids, asks = (
            [] if self.is_dark else [(each.price_ticks, each.qty_lots, len(each.order_ids)) for each in side.displayed]
            for side in (self.bids, self.asks)
        )
        return bids, asks

    def public_queues(self, live: Mapping[int, OrderState]) -> dict[tuple[Side, int], dict[int, int]]:
        """By side and price, what each displayed order shows, by its entry id; empty while nothing is shown."""
        queues: dict[tuple[Side, int], dict[int, int]] = {}
        for entry_id, key, lots in () if self.is_dark else self._displayed(live):
            queues.setdefault(self._side_and_price(key), {})[entry_id] = lots
        return queues

    def has_changed(self) -> bool:
        """Whether any level was touched since `take_changes`."""
        return bool(self.touched_since.levels or self._published_levels)

    def touched(self) -> list[tuple[Side, int]]:
        """Side and price of each level that was touched since `take_changes`, hidden ones too; price 0 in front."""
        return [self._side_and_price(key) for key in self.touched_since.levels]

    def take_changes(self) -> list[LevelChange]:
        """All that changed in public since the last call, bids first and best first."""
        if self.is_dark:
            return self._take_deletes()
        before = self.touched_since.levels
        changes: list[LevelChange] = []
        if len(before) == 1:  # as mostly: nothing to sort, and all entries are of this level
            for key, count_before in before.items():
                self._change(key, count_before, self.touched_since.entries, changes)
        elif before:
            entries = self._entries_by_level()
            for key in sorted(before):
                self._change(key, before[key], entries.get(key, {}), changes)
        self.touched_since.clear()
        return changes

    def _change(self, key: int, count_before: int, entries: dict[int, list[int]], changes: list[LevelChange]) -> None:
        """Tell of one level, if it or one of its orders shows something else than before."""
        side = self.bids if key < 0 else self.asks
        level = side.displayed.levels.get(key)
        if level is None:
            if count_before:
                changes.append(self._gone(key))
            return
        orders: list[ShownOrder] = []
        for entry_id in sorted(entries) if len(entries) > 1 else entries:
            _, before_lots, lots = entries[entry_id]
            if lots != before_lots:
                orders.append(ShownOrder(entry_id, lots, lots - before_lots))
        if orders:
            count = len(level.order_ids)
            action: LevelAction = "1" if count_before else "0"
            changes.append(LevelChange(action, side.side, level.price_ticks, level.qty_lots, count, orders))

    def _entries_by_level(self) -> dict[int, dict[int, list[int]]]:
        entries: dict[int, dict[int, list[int]]] = {}
        for entry_id, entry in self.touched_since.entries.items():
            entries.setdefault(entry[0], {})[entry_id] = entry
        return entries

    def _take_deletes(self) -> list[LevelChange]:
        changes = [self._gone(key) for key, count in sorted(self._published_levels.items()) if count]
        self.forget_changes()
        return changes

    def name_entries(self, entry_ids: list[int], last_entry_id: int) -> None:
        """Let the displayed orders, bids before asks, have the entry ids that they had before; none is used twice."""
        left = iter(entry_ids)
        self.bids.name_entries(left)
        self.asks.name_entries(left)
        self.touched_since.last_entry_id = last_entry_id

    def forget_changes(self) -> None:
        """Take the book as it stands for published, as after rebuilding it from a snapshot."""
        self.touched_since.clear()
        self._forget_published()

    def _forget_published(self) -> None:
        self._published_levels.clear()
        self._published_entries.clear()

    def check(self, orders: Mapping[int, OrderState]) -> None:
        """Assert that the book agrees with itself and the live orders, and that all is published."""
        self.bids.check(orders)
        self.asks.check(orders)
        assert not self.has_changed(), "changes were not published"

    def _gone(self, key: int) -> LevelChange:
        side, price_ticks = self._side_and_price(key)
        return LevelChange("2", side, price_ticks, 0, 0)

    @staticmethod
    def _side_and_price(key: int) -> tuple[Side, int]:
        return (BUY if key < 0 else SELL), (abs(key) if key != FRONT[BUY] else 0)
