"""
Which ticks are prices: an instrument's tick may be coarser for high prices (TICK-1).

A price is a multiple of the step of the band that it lies in. Without bands every tick is a price, and so it is below
the first band. Both roundings give 0 where there is no price to round to.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from matcher.instruments import TickBand
from matcher.orders import PRICE_TICKS_MAX


class TickTable:
    """
    The prices of one instrument.

    Args:
        bands: As in `TradingRules.tick_bands`, rising.
    """

    __slots__ = ("_begins", "_steps", "has_all")

    def __init__(self, bands: Sequence[TickBand]) -> None:
        self._begins: Final = [1, *(band.from_price_ticks for band in bands)]
        self._steps: Final = [1, *(band.step_ticks for band in bands)]
        self.has_all: Final = not bands
        """Every tick is a price."""

    def has(self, price_ticks: int) -> bool:
        """Whether this is a price, from 1 to PRICE_TICKS_MAX."""
        return 0 < price_ticks <= PRICE_TICKS_MAX and not price_ticks % self.step_ticks(price_ticks)

    def step_ticks(self, price_ticks: int) -> int:
        """Of what a price here must be a multiple."""
        return self._steps[max(0, bisect_right(self._begins, price_ticks) - 1)]

    def down(self, price_ticks: int) -> int:
        """The highest price that is not above this; 0 if there is none."""
        price_ticks = min(price_ticks, PRICE_TICKS_MAX)
        for band in range(bisect_right(self._begins, price_ticks) - 1, -1, -1):
            rounded = price_ticks - price_ticks % self._steps[band]
            if rounded >= self._begins[band]:
                return rounded
            price_ticks = self._begins[band] - 1
        return 0

    def up(self, price_ticks: int) -> int:
        """The lowest price that is not below this; 0 if there is none."""
        price_ticks = max(price_ticks, 1)
        for band in range(bisect_right(self._begins, price_ticks) - 1, len(self._begins)):
            begin = max(price_ticks, self._begins[band])
            rounded = begin + -begin % self._steps[band]
            if rounded > PRICE_TICKS_MAX:
                return 0
            if band + 1 == len(self._begins) or rounded < self._begins[band + 1]:
                return rounded
        return 0

    def nearest(self, price_ticks: int) -> int:
        """The price that is nearest; of two, the lower."""
        down, up = self.down(price_ticks), self.up(price_ticks)
        if not down or not up:
            return down or up
        return down if price_ticks - down <= up - price_ticks else up
