"""
The lists of orders that depend on each other: which orders they have, and what has become of them.

Here is remembered what happened, as it happens; what follows from it is done by `order_lists`. A list is known as long
as one of its orders is.
"""

from collections import Counter, deque
from typing import Final, Literal

import msgspec

from matcher.books.order_index import OrderIndex
from matcher.orders import FILLED, OrderState, OrdStatus

ListKey = tuple[str, str]
"""Firm and ListID(66)."""
ONE_CANCELS_OTHER: Final = "1"
ONE_TRIGGERS_OTHER: Final = "2"


class OrderList(msgspec.Struct, array_like=True):
    """One list; everything but its orders changes as they go on."""

    firm: str
    session_id: str
    list_id: str
    symbol: str
    contingency_type: Literal["1", "2"]
    order_ids: list[int]
    reported: list[OrdStatus]
    """OrdStatus(39) of each order as ListStatus(N) told it last."""
    winner_id: int = 0
    """The order that traded first of those of which only one may; 0 before."""
    first_ended: OrdStatus | Literal[""] = ""
    """How the first order of a one-triggers-other list ended; empty while it lives."""
    is_done: bool = False
    """None of its orders lives."""

    @property
    def key(self) -> ListKey:
        """What it is known by."""
        return self.firm, self.list_id

    @property
    def rivals(self) -> list[int]:
        """The orders of which only one may trade, or that wait together for the first."""
        return self.order_ids[1:] if self.contingency_type == ONE_TRIGGERS_OTHER else self.order_ids


class ListsState(msgspec.Struct, frozen=True, array_like=True):
    """All lists that are known, in order of their entry, and those of them that are done, in order of their end."""

    lists: list[OrderList]
    done: list[ListKey]


class ListBook:
    """All lists of a shard."""

    __slots__ = ("_counts", "_done", "_lists", "due", "touched")

    def __init__(self) -> None:
        self._lists: Final[dict[ListKey, OrderList]] = {}
        self._counts: Final[Counter[str]] = Counter()
        self._done: Final[deque[ListKey]] = deque()
        self.due: Final[dict[str, dict[ListKey, None]]] = {}
        """By symbol, the lists that something may follow for; symbols without any are not there."""
        self.touched: Final[dict[ListKey, None]] = {}
        """Lists of which the command that is being done changed an order."""

    def __bool__(self) -> bool:
        return len(self._done) < len(self._lists)

    def add(self, order_list: OrderList) -> None:
        """Know a list from now on; an older one with its name is forgotten, as its orders are."""
        if order_list.key in self._lists:
            self._done.remove(order_list.key)
        self._lists[order_list.key] = order_list
        self._counts[order_list.symbol] += 1

    def has_any(self, symbol: str) -> bool:
        """Whether a symbol has lists that are not done."""
        return bool(self._counts[symbol])

    def known(self, firm: str, list_id: str, orders: OrderIndex) -> bool:
        """Whether the firm has used a ListID(66) for orders that are still remembered."""
        order_list = self._lists.get((firm, list_id))
        return order_list is not None and _is_remembered(order_list, orders)

    def of(self, order: OrderState) -> OrderList | None:
        """The list that an order is a leg of."""
        if order.instructions is None or not order.instructions.list_id:
            return None
        return self._lists.get((order.firm, order.instructions.list_id))

    def make_due(self, order_list: OrderList) -> None:
        """Something may follow for a list."""
        self.due.setdefault(order_list.symbol, {})[order_list.key] = None

    def take_due(self, symbol: str) -> list[OrderList]:
        """The lists of a symbol that something may follow for, in order of their entry; they are not due any more."""
        return sorted((self._lists[key] for key in self.due.pop(symbol, ())), key=_entry)

    def take_touched(self) -> list[OrderList]:
        """The lists of which an order changed, in order of their entry; they count as told."""
        touched = sorted((self._lists[key] for key in self.touched), key=_entry)
        self.touched.clear()
        return touched

    def note_trade(self, order: OrderState) -> list[int]:
        """Take note that a leg traded; gives the orders that may not trade any more."""
        order_list = self._note(order)
        if order_list is None or order.order_id not in order_list.rivals:
            return []
        order_list.winner_id = order_list.winner_id or order.order_id
        return [order_id for order_id in order_list.rivals if order_id != order_list.winner_id]

    def note_end(self, order: OrderState) -> None:
        """Take note that a leg ended."""
        order_list = self._note(order)
        if order_list is not None and order.order_id == order_list.order_ids[0]:
            order_list.first_ended = order.ord_status

    def note_status(self, order: OrderState) -> None:
        """Take note that a leg has another status, and nothing follows."""
        order_list = self.of(order)
        if order_list is not None:
            self.touched[order_list.key] = None

    def finish(self, order_list: OrderList, orders: OrderIndex) -> None:
        """A list is done; forget those whose orders are forgotten."""
        if order_list.is_done:
            return
        order_list.is_done = True
        self._counts[order_list.symbol] -= 1
        self._done.append(order_list.key)
        while self._done:
            oldest = self._lists.get(self._done[0])
            if oldest is not None and _is_remembered(oldest, orders):
                return
            del self._lists[self._done.popleft()]

    def state(self) -> ListsState:
        """All of it, for a snapshot."""
        return ListsState(list(self._lists.values()), list(self._done))

    def refill(self, state: ListsState) -> None:
        """Take over what a snapshot has."""
        for order_list in state.lists:
            self._lists[order_list.key] = order_list
            self._counts[order_list.symbol] += not order_list.is_done
            if order_list.first_ended == FILLED and not order_list.is_done:
                self.make_due(order_list)  # its other orders may still wait for a phase that takes them
        self._done.extend(state.done)

    def _note(self, order: OrderState) -> OrderList | None:
        order_list = self.of(order)
        if order_list is not None:
            self.make_due(order_list)
            self.touched[order_list.key] = None
        return order_list


def are_legs_of_one(one: OrderState, other: OrderState) -> bool:
    """Whether two orders belong to the same list."""
    if one.instructions is None or other.instructions is None or not one.instructions.list_id:
        return False
    return (one.firm, one.instructions.list_id) == (other.firm, other.instructions.list_id)


def _entry(order_list: OrderList) -> int:
    return order_list.order_ids[0]


def _is_remembered(order_list: OrderList, orders: OrderIndex) -> bool:
    return any(orders.get(order_id) for order_id in order_list.order_ids)
