"""
Which orders a shard knows, and under which ClOrdIDs: live ones, and as many finished ones as it may remember.

A ClOrdID(11) belongs to one firm, is used once, and leads to one order: the D's, then that of each G that changed the
order, and that of the F that canceled it. The last accepted one of D and G is the order's *current* ClOrdID, the only
one that OrigClOrdID(41) may name; the others are *retired*. A request that was refused uses up nothing.

Memory is bounded: finished orders are forgotten, oldest first, beyond `finished_orders_max`, and with an order all its
ClOrdIDs. Retired ClOrdIDs are forgotten likewise beyond the same number, so that a client that replaces one order for
ever takes no more room than one that trades.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from typing import Final

from matcher.orders import OrderState


class OrderIndex:
    """The orders of one shard, by OrderID(37) and by (firm, ClOrdID(11))."""

    __slots__ = ("_finished_orders_max", "_order_ids", "finished", "last_order_id", "live", "on_change", "retired")

    def __init__(self, finished_orders_max: int) -> None:
        self.last_order_id = 0
        self.live: Final[dict[int, OrderState]] = {}
        self.finished: Final[OrderedDict[int, OrderState]] = OrderedDict()
        """In the order in which they finished; unlike a plain dict, it gives its oldest entry at once."""
        self.retired: Final[deque[tuple[str, str, int]]] = deque()
        """(firm, ClOrdID, order id), oldest first; the order may be forgotten already."""
        self.on_change: Callable[[OrderState | None, OrderState], None] | None = None
        """Told of every new state of an order, before and after, if anybody keeps accounts of them."""
        self._finished_orders_max = finished_orders_max
        self._order_ids: dict[str, dict[str, int]] = {}

    def next_order_id(self) -> int:
        """An OrderID(37) that was never given before."""
        self.last_order_id += 1
        return self.last_order_id

    def find(self, firm: str, cl_ord_id: str) -> OrderState | None:
        """The order that any of its ClOrdIDs leads to; None when it is unknown or forgotten."""
        order_ids = self._order_ids.get(firm)
        order_id = order_ids.get(cl_ord_id) if order_ids else None
        if order_id is None:
            return None
        return self.live.get(order_id) or self.finished.get(order_id)

    def get(self, order_id: int) -> OrderState | None:
        """The order with an OrderID(37); None when it is unknown or forgotten."""
        return self.live.get(order_id) or self.finished.get(order_id)

    def order_ids_of(self, firm: str) -> Collection[int]:
        """What the ClOrdIDs of a firm lead to, some of it several times, or finished; the sides of quotes have none."""
        return self._order_ids.get(firm, {}).values()

    def name(self, order: OrderState) -> None:
        """Let the order's current ClOrdID lead to it."""
        self._names_of(order.firm)[order.cl_ord_id] = order.order_id

    def retire(self, firm: str, cl_ord_id: str, order_id: int) -> None:
        """Let a ClOrdID that is not the order's current one lead to it, for as long as retired ones are remembered."""
        self._names_of(firm)[cl_ord_id] = order_id
        self.retired.append((firm, cl_ord_id, order_id))
        while len(self.retired) > self._finished_orders_max:
            self._forget_name(*self.retired.popleft())

    def keep(self, order: OrderState) -> None:
        """Keep the order's newest state: as live while anything of it is left, else as finished."""
        if self.on_change is not None:
            self.on_change(self.get(order.order_id), order)
        if order.leaves_qty_lots:
            self.live[order.order_id] = order
            return
        self.live.pop(order.order_id, None)
        self.finished[order.order_id] = order
        while len(self.finished) > self._finished_orders_max:
            _, forgotten = self.finished.popitem(last=False)
            self._forget_name(forgotten.firm, forgotten.cl_ord_id, forgotten.order_id)

    def check(self) -> None:
        """Assert that quantities add up and that every ClOrdID leads where it should."""
        for order in self.live.values():
            assert order.cum_qty_lots + order.leaves_qty_lots <= order.qty_lots
            assert order.leaves_qty_lots > 0
            assert order.cum_qty_lots >= 0
            self._check_name(order)
        for order in self.finished.values():
            assert order.leaves_qty_lots == 0
            assert order.cum_qty_lots <= order.qty_lots
            self._check_name(order)
        assert not self.live.keys() & self.finished.keys()
        known = len(self.live) + len(self.finished) + len(self.retired)
        assert sum(map(len, self._order_ids.values())) <= known, "a ClOrdID was not forgotten"

    def _check_name(self, order: OrderState) -> None:
        if order.cl_ord_id:  # the sides of a quote have none
            assert self._order_ids[order.firm][order.cl_ord_id] == order.order_id

    def _names_of(self, firm: str) -> dict[str, int]:
        names = self._order_ids.get(firm)
        if names is None:
            names = self._order_ids[firm] = {}
        return names

    def _forget_name(self, firm: str, cl_ord_id: str, order_id: int) -> None:
        # Once its order was forgotten, the firm may have used the ClOrdID again: that one stays.
        names = self._order_ids.get(firm)
        if names is not None and names.get(cl_ord_id) == order_id:
            del names[cl_ord_id]
