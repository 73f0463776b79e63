"""The quotes of a shard: which two orders each is, and how fast those of a protected firm were filled (MMP-1)."""

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from matcher.operator_commands import Limits
from matcher.orders import BUY, OrderState

FILLS_REMEMBERED_MAX: Final = 4096
"""Commands with fills of one firm's quotes in one symbol; beyond it the oldest two count as one, at the later time."""

QuoteKey = tuple[str, str]
"""Firm and QuoteEntryID(299), within a symbol."""
_NO_SIDES: Final = (0, 0)


class Fills(msgspec.Struct, array_like=True):
    """What one command filled of a firm's quotes."""

    received_ns: int
    count: int
    qty_lots: int


class ProtectionState(msgspec.Struct, frozen=True, array_like=True):
    """How far one firm's quotes in one symbol are from being pulled."""

    firm: str
    symbol: str
    is_tripped: bool
    fills: list[Fills]


class QuotesState(msgspec.Struct, frozen=True, array_like=True):
    """What cannot be told from the live orders."""

    protection: list[ProtectionState]


class Protection:
    """The fills of one firm's quotes in one symbol within its window."""

    __slots__ = ("_count", "_qty_lots", "fills", "is_tripped")

    def __init__(self, fills: Iterable[Fills] = ()) -> None:
        self.fills: Final = deque(fills)
        self._count = sum(fill.count for fill in self.fills)
        self._qty_lots = sum(fill.qty_lots for fill in self.fills)
        self.is_tripped = False
        """New quotes are refused until the firm cancels its quotes."""

    def note(self, qty_lots: int, received_ns: int, limits: Limits) -> bool:
        """Count a fill; whether it is one too many."""
        fills = self.fills
        while fills and fills[0].received_ns <= received_ns - limits.quote_window_ns:
            gone = fills.popleft()
            self._count -= gone.count
            self._qty_lots -= gone.qty_lots
        if not fills or fills[-1].received_ns != received_ns:
            fills.append(Fills(received_ns, 0, 0))
        fills[-1].count += 1
        fills[-1].qty_lots += qty_lots
        self._count += 1
        self._qty_lots += qty_lots
        if len(fills) > FILLS_REMEMBERED_MAX:
            oldest = fills.popleft()
            fills[0].count += oldest.count
            fills[0].qty_lots += oldest.qty_lots
        return 0 < limits.quote_fills_max <= self._count or 0 < limits.quote_qty_lots_max <= self._qty_lots

    def forget(self) -> None:
        """Count from nothing again."""
        self.fills.clear()
        self._count = self._qty_lots = 0


class QuoteBook:
    """All quotes of a shard, by symbol."""

    __slots__ = ("_protection", "_sides", "tripping")

    def __init__(self) -> None:
        self._sides: Final[dict[str, dict[QuoteKey, tuple[int, int]]]] = {}
        self._protection: Final[dict[tuple[str, str], Protection]] = {}
        self.tripping: Final[dict[tuple[str, str], None]] = {}
        """(firm, symbol) of those whose quotes are to be pulled after what is being done; empty between commands."""

    def __bool__(self) -> bool:
        return any(self._sides.values())

    def sides(self, symbol: str, firm: str, quote_entry_id: str) -> tuple[int, int]:
        """The order ids of bid and offer; 0 for a side that is not there."""
        return self._sides.get(symbol, {}).get((firm, quote_entry_id), _NO_SIDES)

    def has_any(self, symbol: str) -> bool:
        """Whether a symbol has live quotes."""
        return bool(self._sides.get(symbol))

    def order_ids(self, symbol: str, firm: str = "") -> list[int]:
        """All live sides of quotes in a symbol, in no order of meaning: of everybody, or of one firm."""
        quotes = self._sides.get(symbol, {}).items()
        sides = [sides for (of_firm, _), sides in quotes if firm in ("", of_firm)]
        return [order_id for pair in sides for order_id in pair if order_id]

    def note_side(self, order: OrderState) -> None:
        """An order is a side of its quote from now on."""
        assert order.instructions is not None
        quotes = self._sides.setdefault(order.symbol, {})
        key = (order.firm, order.instructions.quote_entry_id)
        bid_id, offer_id = quotes.get(key, _NO_SIDES)
        quotes[key] = (order.order_id, offer_id) if order.side == BUY else (bid_id, order.order_id)

    def note_end(self, order: OrderState) -> None:
        """A side of a quote has ended."""
        assert order.instructions is not None
        quotes = self._sides[order.symbol]
        key = (order.firm, order.instructions.quote_entry_id)
        left = tuple(order_id for order_id in quotes[key] if order_id not in (0, order.order_id))
        if not left:
            del quotes[key]
            return
        bid_id, offer_id = quotes[key]
        quotes[key] = (0, offer_id) if order.side == BUY else (bid_id, 0)

    def note_fill(self, order: OrderState, qty_lots: int, received_ns: int, limits: Limits | None) -> None:
        """A side of a quote was filled; `limits` are its firm's."""
        if limits is None or not limits.quote_window_ns:
            return
        key = (order.firm, order.symbol)
        protection = self._protection.get(key)
        if protection is None:
            protection = self._protection[key] = Protection()
        if protection.note(qty_lots, received_ns, limits) and not protection.is_tripped:
            protection.is_tripped = True
            self.tripping[key] = None

    def is_protected(self, firm: str, symbol: str) -> bool:
        """Whether the firm's quotes were pulled by protection, and it has not canceled them since."""
        protection = self._protection.get((firm, symbol))
        return protection is not None and protection.is_tripped

    def begin_anew(self, firm: str, symbol: str) -> None:
        """The firm canceled its quotes: what was counted is forgotten, and new ones are taken."""
        self._protection.pop((firm, symbol), None)

    def forget_fills(self, firm: str, symbol: str) -> None:
        """The firm's quotes were pulled: what was counted led to it, and counts no more."""
        self._protection[firm, symbol].forget()

    def state(self) -> QuotesState:
        """What a snapshot needs; the sides are among its live orders."""
        return QuotesState(
            [
                ProtectionState(*key, protection.is_tripped, list(protection.fills))
                for key, protection in self._protection.items()
            ]
        )

    def refill(self, state: QuotesState) -> None:
        """Take over what a snapshot has; the sides come by `note_side`."""
        for kept in state.protection:
            protection = self._protection[kept.firm, kept.symbol] = Protection(kept.fills)
            protection.is_tripped = kept.is_tripped
