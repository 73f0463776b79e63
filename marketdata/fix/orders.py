"""
Order by order: the entries of a book of which every order is one, and who is in it.

MDEntryID(278) is the order's entry id with an O in front, so that none is ever the id of a trade, which is a match id.
Along a queue the numbers rise, so the entries of one price in the order of their numbers are the queue. A level that
goes takes its orders with it: each of them is told, so what is there must be remembered.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from marketdata.book import Book
from marketdata.fix.messages import BID, OFFER
from marketdata.messages import CHANGED_LEVEL, DELETED_LEVEL, NEW_LEVEL, LevelUpdate, OrderEntry
from matcher.orders import BUY, SELL, Side
from sessions.fix_text import SOH

_SIDES: Final[Mapping[str, Side]] = {BID: BUY, OFFER: SELL}
"""By MDEntryType(269)."""


class Queues:
    """The entry ids that a view's readers have been told of, by side and price."""

    def __init__(self, symbol: str, entry_types: Iterable[str]) -> None:
        self._symbol = symbol
        self._types = {_SIDES[entry_type]: entry_type for entry_type in entry_types}
        self._ids: dict[tuple[Side, int], dict[int, None]] = {}

    def snapshot(self, book: Book) -> Iterator[str]:
        """Every order's entry in a W: bids, then offers, best price first, of a price the oldest first."""
        self._ids.clear()
        for side, entry_type in self._types.items():
            for level in book.bids() if side == BUY else book.asks():
                orders = book.orders(side, level.price_ticks)
                self._ids[side, level.price_ticks] = dict.fromkeys(order.entry_id for order in orders)
                for order in orders:
                    yield f"269={entry_type}{SOH}278=O{order.entry_id}{SOH}270={level.price}{SOH}271={order.qty}{SOH}"

    def changes(self, updates: Iterable[LevelUpdate]) -> Iterator[tuple[str, str]]:
        """MDUpdateAction(279) and entry of each order that an increment changed."""
        for update in updates:
            if update.side not in self._types:
                continue
            key = update.side, update.price_ticks
            if update.action == DELETED_LEVEL:
                for entry_id in self._ids.pop(key, ()):
                    yield DELETED_LEVEL, self._entry(DELETED_LEVEL, update, entry_id)
                continue
            ids = self._ids.setdefault(key, {})
            for order in update.orders:
                action = _action(order, is_known=order.entry_id in ids)
                if action == DELETED_LEVEL:
                    del ids[order.entry_id]
                else:
                    ids[order.entry_id] = None
                qty = "" if action == DELETED_LEVEL else f"271={order.qty}{SOH}"
                yield action, self._entry(action, update, order.entry_id) + qty

    def _entry(self, action: str, update: LevelUpdate, entry_id: int) -> str:
        head = f"279={action}{SOH}269={self._types[update.side]}{SOH}278=O{entry_id}{SOH}"
        return f"{head}55={self._symbol}{SOH}270={update.price}{SOH}"


def _action(order: OrderEntry, *, is_known: bool) -> str:
    if not order.qty_lots:
        return DELETED_LEVEL
    return CHANGED_LEVEL if is_known else NEW_LEVEL
