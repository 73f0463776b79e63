"""
The price of a call auction: at which one price most would trade (AUCTION-1), and what that would be (AUCTION-5).

Theory of operation. Demand falls and supply rises with the price, so the surplus of demand over supply only falls. Of
all prices with a surplus of zero or more the highest trades most with the least surplus, and of all below zero the
lowest does: only these two need to be compared. A price between two limit prices trades what its neighbours do; so the
candidates are runs of ticks, not single ones, and the reference price picks one of the run.

`Interest` keeps the sums of both sides in counting trees over the digits of prices, so that an order changes a few
numbers and a price is found in a few hundred steps, however many levels there are and however far apart they lie.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from matcher.books.tick_table import TickTable
from matcher.orders import BUY, SELL, Side

_BITS: Final = 3
_FANOUT: Final = 1 << _BITS
_SHIFTS: Final = tuple(range(24, -1, -_BITS))
"""Of the levels of a counting tree; keys go up to PRICE_TICKS_MAX + 1, below 2^27."""


class AuctionResult(msgspec.Struct, frozen=True, array_like=True):
    """What an auction gives: its price and quantity, and what the longer side keeps at that price."""

    price_ticks: int
    """0 if nothing trades."""
    qty_lots: int
    surplus_lots: int
    """Demand less supply at the price; all 0 if nothing trades."""


NOTHING_TRADES: Final = AuctionResult(0, 0, 0)
_NOTHING: Final[tuple[dict[int, int], ...]] = tuple({} for _ in _SHIFTS)


class _CountingTree:
    """Quantities at integer keys, and their sums over ranges: changed and asked in a fixed number of steps."""

    __slots__ = ("sums", "total")

    def __init__(self) -> None:
        self.total = 0
        self.sums: Final[tuple[dict[int, int], ...]] = tuple({} for _ in _SHIFTS)
        """By leading digits of the keys, fewer first."""

    def change(self, key: int, change: int) -> None:
        """Add to what is at a key."""
        self.total += change
        for shift, sums in zip(_SHIFTS, self.sums, strict=True):
            place = key >> shift
            quantity = sums.get(place, 0) + change
            if quantity:
                sums[place] = quantity
            else:
                del sums[place]

    def upto(self, key: int) -> int:
        """The sum at all keys up to this one, itself included."""
        below, key = 0, key + 1
        for shift, sums in zip(_SHIFTS, self.sums, strict=True):
            place = key >> shift
            for sibling in range(place - place % _FANOUT, place):
                below += sums.get(sibling, 0)
        return below

    def at_or_below(self, key: int) -> int:
        """The highest key with a quantity that is not above this one; 0 if there is none."""
        below = self.upto(key)
        return self.first_above(below - 1) if below else 0

    def at_or_above(self, key: int) -> int:
        """The lowest key with a quantity that is not below this one; 0 if there is none."""
        below = self.upto(key - 1)
        return self.first_above(below) if below < self.total else 0

    def first_above(self, count: int, other: "_CountingTree | None" = None) -> int:
        """The lowest key up to which this tree, or two together, hold more than `count`; they must hold that much."""
        others = _NOTHING if other is None else other.sums
        place = 0
        for sums, more in zip(self.sums, others, strict=True):
            place *= _FANOUT
            while (here := sums.get(place, 0) + more.get(place, 0)) <= count:
                count -= here
                place += 1
        return place


class Interest:
    """
    What is wanted and offered at which price while orders are collected, hidden and reserve quantity included.

    Args:
        ticks: Which ticks are prices.
    """

    __slots__ = ("_asks", "_bids", "_levels", "_market", "ticks")

    def __init__(self, ticks: TickTable) -> None:
        self.ticks = ticks
        # A bid counts from the next tick on: there demand has lost it. So both trees hold what lowers the surplus.
        self._bids: Final = _CountingTree()
        self._asks: Final = _CountingTree()
        self._market: Final[dict[Side, int]] = {BUY: 0, SELL: 0}
        self._levels: Final[dict[tuple[Side, int], int]] = {}

    def set(self, side: Side, price_ticks: int, qty_lots: int) -> None:
        """What the orders of one side at one price amount to now; price 0 is that of market orders."""
        if not price_ticks:
            self._market[side] = qty_lots
            return
        change = qty_lots - self._levels.get((side, price_ticks), 0)
        if not change:
            return
        if qty_lots:
            self._levels[side, price_ticks] = qty_lots
        else:
            del self._levels[side, price_ticks]
        if side == BUY:
            self._bids.change(price_ticks + 1, change)
        else:
            self._asks.change(price_ticks, change)

    def levels(self) -> dict[tuple[Side, int], int]:
        """A copy of what was set, by side and price; for checks."""
        return dict(self._levels)

    def result(self, reference_price_ticks: int) -> AuctionResult:
        """
        What trades at which price if the auction ends now.

        Args:
            reference_price_ticks: The last trade, or before any the reference price.
        """
        lowest, highest = self._bounds(self.ticks.nearest(reference_price_ticks))
        buying = self._last_with_demand(lowest, highest)
        selling = self._candidate_up(max(buying + 1, lowest), highest)
        if not selling or (buying and self._preference(buying) > self._preference(selling)):
            runs = [self._run_down(buying, lowest)] if not self._surplus(buying) else [(buying, buying)]
        elif not buying or self._preference(selling) > self._preference(buying):
            runs = [(selling, selling)]
        else:
            runs = [self._run_down(buying, lowest), self._run_up(selling, highest)]
        price_ticks = self._nearest(reference_price_ticks, runs)
        qty_lots = min(self._demand(price_ticks), self._supply(price_ticks))
        return AuctionResult(price_ticks, qty_lots, self._surplus(price_ticks)) if qty_lots else NOTHING_TRADES

    # Curves

    def _demand(self, price_ticks: int) -> int:
        return self._market[BUY] + self._bids.total - self._bids.upto(price_ticks)

    def _supply(self, price_ticks: int) -> int:
        return self._market[SELL] + self._asks.upto(price_ticks)

    def _surplus(self, price_ticks: int) -> int:
        return self._demand(price_ticks) - self._supply(price_ticks)

    def _preference(self, price_ticks: int) -> tuple[int, int]:
        """Of two prices the one with the greater preference is better; the same: the reference decides."""
        demand, supply = self._demand(price_ticks), self._supply(price_ticks)
        return min(demand, supply), -abs(demand - supply)

    # Candidates: the ticks from the lowest to the highest limit or reference price, and all limit prices. These may lie
    # beside the ticks if the instrument's steps were changed; left out, they could leave the book crossed.

    def _bounds(self, reference: int) -> tuple[int, int]:
        known = [reference]
        for tree, shift in ((self._bids, 1), (self._asks, 0)):
            if tree.total:
                known += (tree.first_above(0) - shift, tree.first_above(tree.total - 1) - shift)
        return min(known), max(known)

    def _candidate_down(self, price_ticks: int, lowest: int) -> int:
        """The highest candidate that is not above; 0 if there is none."""
        if self.ticks.has_all or price_ticks < lowest:
            return price_ticks if price_ticks >= lowest else 0
        bid, ask = self._bids.at_or_below(price_ticks + 1) - 1, self._asks.at_or_below(price_ticks)
        found = max(self.ticks.down(price_ticks), bid, ask)
        return found if found >= lowest else 0

    def _candidate_up(self, price_ticks: int, highest: int) -> int:
        """The lowest candidate that is not below; 0 if there is none."""
        if self.ticks.has_all or price_ticks > highest:
            return price_ticks if price_ticks <= highest else 0
        bid, ask = self._bids.at_or_above(price_ticks + 1) - 1, self._asks.at_or_above(price_ticks)
        return min(found for found in (self.ticks.up(price_ticks), bid, ask, highest) if found > 0)

    def _last_with_demand(self, lowest: int, highest: int) -> int:
        """The highest candidate at which the surplus is not negative; 0 if there is none."""
        count = self._market[BUY] + self._bids.total - self._market[SELL]
        if count < 0:
            return 0
        if count >= self._bids.total + self._asks.total:
            return highest
        return self._candidate_down(min(highest, self._bids.first_above(count, self._asks) - 1), lowest)

    def _run_down(self, price_ticks: int, lowest: int) -> tuple[int, int]:
        """All the prices down from this one at which demand and supply are the same."""
        changed = max(self._bids.at_or_below(price_ticks), self._asks.at_or_below(price_ticks))
        return max(changed, lowest), price_ticks

    def _run_up(self, price_ticks: int, highest: int) -> tuple[int, int]:
        """All the prices up from this one at which demand and supply are the same."""
        changes = self._bids.at_or_above(price_ticks + 1), self._asks.at_or_above(price_ticks + 1)
        return price_ticks, min([change - 1 for change in changes if change] + [highest])

    def _nearest(self, reference: int, runs: list[tuple[int, int]]) -> int:
        """The candidate within the runs that is nearest to the reference; of two, the lower."""
        found = [candidate for run in runs for candidate in self._candidates_near(reference, *run)]
        return min(found, key=lambda price_ticks: (abs(price_ticks - reference), price_ticks))

    def _candidates_near(self, reference: int, low: int, high: int) -> Iterator[int]:
        """The ends of a run that are candidates, and those on both sides of the reference within it."""
        for price_ticks in (self.ticks.down(min(reference, high)), self.ticks.up(max(reference, low))):
            if low <= price_ticks <= high:
                yield price_ticks
        for price_ticks in (low, high):
            if (BUY, price_ticks) in self._levels or (SELL, price_ticks) in self._levels:
                yield price_ticks
