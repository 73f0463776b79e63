"""
What is remembered of each trade, so that it can be busted or corrected: six integers, for a symbol's newest trades.

Matches are numbered without gaps, so a trade is found by counting back from the newest; nothing is kept by name.
"""

from collections import deque
from typing import Final

import msgspec

from matcher.books.order_index import OrderIndex

Trade = tuple[int, int, int, int, int, int]
"""
Order id of the side that was told first, and of the other; price in ticks, quantity in lots (0: busted); input_seq of
both fills, and event_index of the first; the other's is the next one.
"""


class TradesState(msgspec.Struct, frozen=True, array_like=True):
    """All that is remembered, oldest first; the last is the symbol's last match."""

    trades: list[Trade]


class TradeMemory:
    """
    The last trades of one symbol.

    Args:
        trades_max: How many; then the oldest are forgotten.
    """

    __slots__ = ("_trades", "append")

    def __init__(self, trades_max: int) -> None:
        self._trades: Final[deque[Trade]] = deque(maxlen=trades_max)
        self.append: Final = self._trades.append
        """Remember the trade that is the symbol's newest now."""

    def find(self, match_id: int, last_match_id: int) -> Trade | None:
        """A trade as it stands; None if it is unknown, forgotten or busted."""
        place = self._place(match_id, last_match_id)
        if place is None or not self._trades[place][3]:
            return None
        return self._trades[place]

    def revise(self, match_id: int, last_match_id: int, *, price_ticks: int, qty_lots: int) -> None:
        """Let a trade that `find` knows have another price and quantity; 0 for busted."""
        place = self._place(match_id, last_match_id)
        assert place is not None
        first_id, second_id, _, _, input_seq, event_index = self._trades[place]
        self._trades[place] = (first_id, second_id, price_ticks, qty_lots, input_seq, event_index)

    def state(self, orders: OrderIndex) -> TradesState:
        """
        All of it, for a snapshot.

        What begins with trades of orders that are forgotten is forgotten with them: nobody can find these any more.
        """
        trades = self._trades
        while trades and not (orders.get(trades[0][0]) and orders.get(trades[0][1])):
            trades.popleft()
        return TradesState(list(trades))

    def refill(self, state: TradesState) -> None:
        """Take over what a snapshot has."""
        self._trades.extend(state.trades)

    def __len__(self) -> int:
        """How many trades are remembered."""
        return len(self._trades)

    def _place(self, match_id: int, last_match_id: int) -> int | None:
        place = len(self._trades) - 1 - (last_match_id - match_id)
        return place if 0 <= place < len(self._trades) else None
