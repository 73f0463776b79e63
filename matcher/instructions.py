"""
What an order may say beyond side, type, price, quantity and time: everything a plain limit order does not carry.

Most orders are plain and have no `Instructions` at all, which costs them one empty field. Values are FIX's characters
where FIX has them. What changes while the order works (the slice on show, the price it stands at, a stop that trails)
is part of the same value, so that an order is still one immutable struct.
"""

from typing import Final, Literal

import msgspec

TriggerPriceType = Literal["", "2", "1", "3", "R"]
"""TriggerPriceType(1107): what sets off a stop; empty for an order that waits for nothing."""
LAST_TRADE: Final = "2"
BEST_OFFER: Final = "1"
BEST_BID: Final = "3"
REFERENCE_PRICE: Final = "R"
"""The reference price that the operator feeds: 1107=2 with TriggerPriceTypeScope(1108)=3 (global)."""

TriggerDirection = Literal["", "U", "D"]
"""TriggerPriceDirection(1109): the price rises to StopPx(99), or falls to it."""
UP: Final = "U"
DOWN: Final = "D"

OffsetType = Literal["", "1", "2"]
"""PegOffsetType(836): basis points or ticks."""
BASIS_POINTS: Final = "1"
TICKS: Final = "2"

PegPriceType = Literal["", "2", "4", "5"]
"""PegPriceType(1094)."""
MID_PRICE_PEG: Final = "2"
MARKET_PEG: Final = "4"
PRIMARY_PEG: Final = "5"

PostOnly = Literal["", "R", "S"]
"""ExecInst(18)=6: refuse the order if any of it would trade, or move its price away until it does not."""
REJECT_IF_TAKING: Final = "R"
SLIDE_IF_TAKING: Final = "S"

SelfMatchInstruction = Literal["", "0", "1", "2", "3", "4"]
"""SelfMatchPreventionInstruction(2964), and 4 of our own; empty: what the firm's limits say."""
ALLOW_SELF_MATCH: Final = "0"
CANCEL_INCOMING: Final = "1"
CANCEL_RESTING: Final = "2"
CANCEL_BOTH: Final = "3"
DECREMENT_BOTH: Final = "4"

Held = Literal["", "T", "C", "P", "L"]
"""Why a live order is not on the book: WorkingIndicator(636)=N."""
ON_BOOK: Final = ""
AWAITS_TRIGGER: Final = "T"
AWAITS_CLOSE: Final = "C"
"""TimeInForce(59)=7: enters the book when the closing auction begins."""
AWAITS_REFERENCE: Final = "P"
"""A pegged order without a price to be pegged to."""
AWAITS_LIST: Final = "L"
"""A leg of a list whose first order is not filled yet."""

DISPLAY_SLICES_MAX: Final = 1_000
"""Slices that an iceberg may be cut into: each is a trade of its own when one order takes them all."""

SHOWS_ALL: Final = -1
"""`display_qty_lots` of an order that shows everything; 0 shows nothing."""


class Instructions(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Everything special about an order. The defaults are those of a plain one."""

    # Time
    expire_date: int = 0
    """ExpireDate(432) of a good-till-date order, YYYYMMDD: it lives until that trading day ends; 0 for none."""
    expire_ns: int = 0
    """ExpireTime(126) of a good-till-date order, in ns since 1970 UTC; 0 for none."""
    # Triggers
    trigger_price_type: TriggerPriceType = ""
    trigger_direction: TriggerDirection = ""
    stop_price_ticks: int = 0
    """StopPx(99), TriggerPrice(1102); a trailing stop's moves."""
    trail_offset: int = 0
    """PegOffsetValue(211) of a trailing stop, in `trail_offset_type`; 0 for a stop that stands still."""
    trail_offset_type: OffsetType = ""
    # Pegs
    peg_price_type: PegPriceType = ""
    peg_offset_ticks: int = 0
    """PegOffsetValue(211), signed: added to the price that the order is pegged to."""
    # What is shown, and what it may do
    display_qty_lots: int = SHOWS_ALL
    """DisplayQty(1138), MaxFloor(111): the slice of an iceberg; 0 for a hidden order."""
    min_qty_lots: int = 0
    """MinQty(110): at once at least so much, or nothing."""
    post_only: PostOnly = ""
    self_match_id: str = ""
    """SelfMatchPreventionID(2362); empty: the firm."""
    self_match_instruction: SelfMatchInstruction = ""
    cancel_on_halt: bool = False
    """ExecInst(18)=K."""
    reports_moves: bool = False
    """Each new price of a pegged or trailing order is reported (150=D 378=3); off unless asked for."""
    # Of a list or a quote
    list_id: str = ""
    """ListID(66) of the list that it is a leg of."""
    quote_entry_id: str = ""
    """QuoteEntryID(299) of the quote that it is one side of."""
    # While it works
    held: Held = ON_BOOK
    shown_qty_lots: int = 0
    """What of an iceberg is on show now; at most its leaves."""
    working_price_ticks: int = 0
    """Where it stands if not at Price(44): pegged, slid, or the rest of an order without a price; 0 if at Price(44)."""
