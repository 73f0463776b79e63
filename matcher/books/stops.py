"""
The orders of one symbol that wait for a price: which of them are due when the price is there, and in which order.

Per trigger price and direction a queue is sorted by stop price and OrderID: so a look costs nothing when no stop is
reached, and firing thousands costs no more than each of them alone.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from sortedcontainers import SortedList

from matcher.instructions import UP, Instructions, TriggerDirection, TriggerPriceType
from matcher.orders import OrderState

_NEVER: Final = 2**62
"""Behind all prices: the key of a trailing stop that waits for a price to begin with (TRAIL-1)."""
PriceRange = tuple[int, int]
"""The lowest and the highest value that a trigger price had since the last look; the same if it is but one."""


class Stops:
    """Stop orders that wait for their trigger."""

    __slots__ = ("_queues", "entered", "trail_view", "trailing")

    def __init__(self) -> None:
        self._queues: Final[dict[tuple[TriggerPriceType, TriggerDirection], SortedList]] = {}
        self.trailing: Final[dict[int, None]] = {}
        """Those that follow their trigger price."""
        self.entered: Final[dict[int, int]] = {}
        """How many trades the command that is being done had made when a stop came in: these do not trigger it."""
        self.trail_view: tuple[int, ...] | None = None
        """The trigger prices by which all trailing stops stand where they should; None when that is not known."""

    def __bool__(self) -> bool:
        return any(self._queues.values())

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def order_ids(self) -> Iterable[int]:
        """All that wait, in no order of meaning."""
        return (order_id for queue in self._queues.values() for _, order_id in queue)

    def add(self, order: OrderState) -> None:
        """Let a stop wait."""
        instructions = _instructions_of(order)
        name = (instructions.trigger_price_type, instructions.trigger_direction)
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = SortedList()
        queue.add((_key(instructions), order.order_id))
        if instructions.trail_offset:
            self.trailing[order.order_id] = None
            self.trail_view = None

    def remove(self, order: OrderState) -> None:
        """Let a stop wait no longer."""
        instructions = _instructions_of(order)
        name = (instructions.trigger_price_type, instructions.trigger_direction)
        self._queues[name].remove((_key(instructions), order.order_id))
        self._forget(order.order_id)

    def take_due(self, ranges: Mapping[TriggerPriceType, PriceRange]) -> list[int]:
        """
        Take out all whose price was reached: first those that wait for a rise, lowest stop price first, then those that
        wait for a fall, highest first; the same price in order of OrderID (STOP-5).

        Args:
            ranges: By trigger price; one that does not exist triggers nothing.
        """
        due: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        for (price_type, direction), queue in self._queues.items():
            if queue and price_type in ranges:
                low, high = ranges[price_type]
                reached = queue.bisect_left(((high if direction == UP else -low) + 1, 0))
                due[direction == UP] += queue[:reached]
                del queue[:reached]
        order_ids = [order_id for falls in (True, False) for _, order_id in sorted(due[falls])]
        for order_id in order_ids:
            self._forget(order_id)
        return order_ids

    def check(self, orders: Mapping[int, OrderState]) -> None:
        """Assert that all wait where their instructions say."""
        for name, queue in self._queues.items():
            for key, order_id in queue:
                instructions = _instructions_of(orders[order_id])
                assert (instructions.trigger_price_type, instructions.trigger_direction) == name
                assert _key(instructions) == key
                assert (order_id in self.trailing) == bool(instructions.trail_offset)
        assert self.trailing.keys() <= set(self.order_ids())
        assert not self.entered

    def _forget(self, order_id: int) -> None:
        self.trailing.pop(order_id, None)
        self.entered.pop(order_id, None)


def _key(instructions: Instructions) -> int:
    if instructions.trigger_direction == UP:
        return instructions.stop_price_ticks or _NEVER
    return -instructions.stop_price_ticks


def _instructions_of(order: OrderState) -> Instructions:
    assert order.instructions is not None, f"order {order.order_id} waits for nothing"
    return order.instructions
