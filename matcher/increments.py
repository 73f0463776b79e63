"""
What everybody may see: the public view of a command, symbol by symbol, as increments to a book that readers keep.

While orders are collected (before the opening, in an auction) the public book is empty: it would be crossed, and says
less than the indicative price. When trading goes on, the levels come back as new ones.
"""

from typing import Final, Literal

import msgspec

from matcher.orders import Side
from matcher.phases import Phase

INCREMENT_ENTRIES_MAX: Final = 3500
"""
Levels, their orders and trades in one increment at most, so that it fits into a message of NATS (1 MiB by default) as
JSON too.

The longest trade of any instrument is some 235 bytes of JSON; a level and an order are shorter.
"""

LevelAction = Literal["0", "1", "2"]
"""MDUpdateAction(279): new, change, delete."""


class ShownOrder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    One order that shows something else than before the command, at the level that tells of it.

    A known entry id keeps its place with another quantity, or leaves; an unknown one stands behind all others.
    """

    entry_id: int
    """MDEntryID(278), per symbol, from 1: it rises along each queue. An order that loses its place gets another."""
    qty_lots: int
    """What it shows now; 0: it is gone."""
    change_lots: int
    """By how much that is more than before: `qty_lots` for an order that is new here."""


class LevelChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One price level after the command, if it or one of its orders differs from before."""

    action: LevelAction
    side: Side
    price_ticks: int
    qty_lots: int
    """What the level holds now; 0 with action 2."""
    order_count: int
    orders: list[ShownOrder] = []
    """Those that changed, by entry id; none with action 2, where all of them are gone."""


class TradePrint(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One match: MDEntryType(269)=2."""

    match_id: int
    price_ticks: int
    qty_lots: int
    aggressor_side: Side | Literal[""]
    """Empty in an uncrossing, where nobody is the aggressor."""


class PhaseChange(msgspec.Struct, frozen=True, array_like=True):
    """The symbol is in another phase from here on."""

    phase: Phase
    ends_ns: int
    """When an auction ends at the earliest; 0 if that is not known."""
    text: str
    """Why, if it was not the schedule."""


class Indicative(msgspec.Struct, frozen=True, array_like=True):
    """
    What an auction would give if it ended now; all 0 if nothing would trade.

    It is all 0 again after each change to another phase, which does not tell it once more.
    """

    price_ticks: int
    qty_lots: int
    imbalance_side: Literal["", "1", "2"]
    imbalance_qty_lots: int


class TradeRevision(msgspec.Struct, frozen=True, array_like=True):
    """A trade that was busted (quantity 0) or corrected."""

    match_id: int
    price_ticks: int
    qty_lots: int


class MarketDataIncrement(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    What one command changed in the public view of one symbol; applied whole, the book is never crossed.

    A command that changed more than `INCREMENT_ENTRIES_MAX` levels, orders and trades gives several in a row: first all
    trades, then the levels that are gone, the ones that changed and the new ones. None of these steps makes either
    side better than it was, except new levels, when all that stood in their way is gone: so the book is not crossed in
    between either. A level with more orders than fit is told in several of them: each time with what it holds by all
    that is told of it so far. `md_seq` is contiguous per symbol, from 1: RptSeq(83).
    """

    symbol: str
    md_seq: int
    input_seq: int
    transact_ns: int
    levels: list[LevelChange]
    trades: list[TradePrint]
    phase: PhaseChange | None = None
    """Comes first: it holds for the levels of the same increment."""
    indicative: Indicative | None = None
    revisions: list[TradeRevision] = []
    ended_day: str = ""
    """The trading day that ended with this, `YYYYMMDD`: what is traded from here on belongs to the next."""
