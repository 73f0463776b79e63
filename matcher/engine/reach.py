"""
What an incoming order could trade at once, without trading: FOK and MinQty(110) are answered by it (LIMIT-1, MIN-1).

It walks the orders as the match would, self-matches and corridor included, so it costs no more than the match itself.
"""

from matcher.books.book_side import NO_LIMIT, Level, shown_qty_lots
from matcher.books.floor import Floor
from matcher.books.list_book import are_legs_of_one
from matcher.books.market import Market
from matcher.engine.matching import is_leg, may_trade, self_match_instruction
from matcher.instructions import CANCEL_RESTING, DECREMENT_BOTH
from matcher.orders import OrderState


def reaches(incoming: OrderState, qty_lots: int, limit_ticks: int, market: Market, floor: Floor) -> bool:
    """
    Whether an incoming order would trade at least so much at once.

    Args:
        incoming: As it comes in.
        qty_lots: At most its leaves.
        limit_ticks: The worst price at which it trades; 0 for any.
        market: Its symbol's, in continuous trading.
        floor: What all share.
    """
    opposite = market.book.opposite(incoming.side)
    limit_key = opposite.key(limit_ticks) if limit_ticks else NO_LIMIT
    if opposite.total_to(limit_key) < qty_lots:
        return False
    low, high = market.corridor()
    walk = _Walk(incoming, qty_lots, floor)
    for level in opposite.levels():
        if level.key > limit_key or walk.passes(level, is_in_corridor=low <= level.price_ticks <= high):
            break
    return walk.traded_lots >= qty_lots


class _Walk:
    """How far an incoming order would come."""

    def __init__(self, incoming: OrderState, wanted_lots: int, floor: Floor) -> None:
        self.traded_lots = 0
        self._open_lots = incoming.leaves_qty_lots
        self._incoming = incoming
        self._wanted_lots = wanted_lots
        self._floor = floor
        self._lists: set[tuple[str, str]] = set()

    def passes(self, level: Level, *, is_in_corridor: bool) -> bool:
        """Trade with a level's orders, first with what they show; true when that ends the walk."""
        live = self._floor.orders.live
        reserve_lots = 0
        for order_id in level.order_ids:
            order = live[order_id]
            if self._is_gone_by_then(order):
                continue
            if order.firm == self._incoming.firm and not may_trade(self._incoming, order, self._floor):
                if self._ends_at_own(order):
                    return True
                continue
            if not is_in_corridor:
                return True
            reserve_lots += order.leaves_qty_lots - shown_qty_lots(order)
            if self._trades(shown_qty_lots(order)):
                return True
        return self._trades(reserve_lots)

    def _trades(self, qty_lots: int) -> bool:
        qty_lots = min(qty_lots, self._open_lots)
        self.traded_lots += qty_lots
        self._open_lots -= qty_lots
        return self.traded_lots >= self._wanted_lots or not self._open_lots

    def _ends_at_own(self, order: OrderState) -> bool:
        if are_legs_of_one(self._incoming, order):
            return False
        instruction = self_match_instruction(self._incoming, self._floor)
        if instruction == DECREMENT_BOTH:
            self._open_lots -= min(self._open_lots, order.leaves_qty_lots)
            return not self._open_lots
        return instruction != CANCEL_RESTING

    def _is_gone_by_then(self, order: OrderState) -> bool:
        """Whether a leg of its list was met before: that one trades or ends, and takes this one off first (OCO-1)."""
        if not is_leg(order):
            return False
        assert order.instructions is not None
        key = (order.firm, order.instructions.list_id)
        if key in self._lists:
            return True
        self._lists.add(key)
        return False
