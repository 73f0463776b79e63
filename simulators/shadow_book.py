"""
A price-time book of our own orders at a venue: what the venue should hold when it has done all that it was asked.

It shares nothing with the matcher, so that real flow is checked against a second opinion. Pure; integers only.
"""

from typing import Final

import msgspec
from sortedcontainers import SortedDict

from matcher.orders import BUY, SELL, Side
from simulators.recorded.rows import RecordedBook


class ShadowOrder(msgspec.Struct, eq=False):
    """One resting order; `qty - leaves_qty` has been filled."""

    order_ref: str
    """Its id in the recorded file; empty for an order that stands in for ones the file never introduced."""
    cl_ord_id: str
    side: Side
    price: int
    qty: int
    leaves_qty: int

    @property
    def is_stand_in(self) -> bool:
        """It holds the place of orders that the file never introduced."""
        return not self.order_ref


class ShadowFill(msgspec.Struct, frozen=True):
    """What a resting order gives to an incoming one, at its own price."""

    order: ShadowOrder
    qty: int


class ShadowLevel(msgspec.Struct, eq=False):
    """One price of one side: its orders by ClOrdID of entry, the oldest first."""

    orders: dict[int, ShadowOrder]
    qty: int

    @property
    def front(self) -> ShadowOrder:
        """The oldest order."""
        return next(iter(self.orders.values()))


class ShadowBook:
    """One symbol's book."""

    def __init__(self) -> None:
        self._sides: Final = {BUY: SortedDict(), SELL: SortedDict()}

    def levels(self, side: Side) -> list[tuple[int, ShadowLevel]]:
        """Price and level, best first."""
        return [(_price(side, key), level) for key, level in self._sides[side].items()]

    def best(self, side: Side) -> tuple[int, ShadowLevel] | None:
        """Price and level of the best price, or None."""
        if not self._sides[side]:
            return None
        key, level = self._sides[side].peekitem(0)
        return _price(side, key), level

    def level(self, side: Side, price: int) -> ShadowLevel | None:
        """The level at a price, or None."""
        level: ShadowLevel | None = self._sides[side].get(_key(side, price))
        return level

    def better_than(self, side: Side, price: int) -> list[ShadowOrder]:
        """Orders at prices strictly better than `price`, in the order in which they would trade."""
        levels = self.levels_better_than(side, price)
        return [order for _, level in levels for order in level.orders.values()]

    def top(self, levels: int | None = None) -> RecordedBook:
        """Price and quantity of the best levels; None: of all."""
        bids, asks = (
            tuple((_price(side, key), level.qty) for key, level in _first(self._sides[side], levels))
            for side in (BUY, SELL)
        )
        return RecordedBook(bids, asks)

    def levels_better_than(self, side: Side, price: int) -> list[tuple[int, ShadowLevel]]:
        """Price and level of prices strictly better than `price`, best first."""
        keys = self._sides[side].irange(maximum=_key(side, price), inclusive=(True, False))
        return [(_price(side, key), self._sides[side][key]) for key in keys]

    def add(self, order: ShadowOrder) -> None:
        """Rest an order, behind all at its price."""
        level = self._sides[order.side].setdefault(_key(order.side, order.price), ShadowLevel({}, 0))
        level.orders[id(order)] = order
        level.qty += order.leaves_qty

    def reduce(self, order: ShadowOrder, qty: int) -> None:
        """Take `qty` from what is left of an order, which keeps its place; with nothing left it is gone."""
        side, key = self._sides[order.side], _key(order.side, order.price)
        level = side[key]
        assert 0 < qty <= order.leaves_qty, (order, qty)
        order.leaves_qty -= qty
        level.qty -= qty
        if not order.leaves_qty:
            del level.orders[id(order)]
            if not level.orders:
                del side[key]

    def match(self, side: Side, price: int, qty: int) -> list[ShadowFill]:
        """Trade an incoming order of `side` with what rests at `price` or better, and say with whom."""
        against: Side = SELL if side == BUY else BUY
        limit = _key(against, price)
        fills: list[ShadowFill] = []
        while qty and self._sides[against] and self._sides[against].peekitem(0)[0] <= limit:
            order = self._sides[against].peekitem(0)[1].front
            fill = ShadowFill(order, min(qty, order.leaves_qty))
            self.reduce(order, fill.qty)
            qty -= fill.qty
            fills.append(fill)
        return fills


def _key(side: Side, price: int) -> int:
    """Best price first in either side's order."""
    return -price if side == BUY else price


_price = _key  # the key's own inverse


def _first(levels: SortedDict, count: int | None) -> list[tuple[int, ShadowLevel]]:
    return [(key, levels[key]) for key in levels.islice(0, count)]
