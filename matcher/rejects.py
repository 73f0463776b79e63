"""
Why a request is refused: one name per reason, in the order in which the checks run.

Two faults at once give the reason that stands first. The gateway checks down to HELD_TOO_LONG, the engine the rest;
and what would harm its books the engine checks again, whatever is in the log: UNKNOWN_SYMBOL, UNSUPPORTED_ORD_TYPE,
UNSUPPORTED_TIME_IN_FORCE, CONTRADICTORY_INSTRUCTIONS, INVALID_QTY, INVALID_PRICE, INVALID_STOP_PRICE, INVALID_EXPIRY
and PRICE_OFF_TICK. The last two are for the operator's own commands.
The name is the venue's own stable code: it begins Text(58) of the answer, and labels the metric.
`gateway/fix/dialects.py` maps each name, once, to OrdRejReason(103), CxlRejReason(102) or BusinessRejectReason(380).
"""

from enum import StrEnum
from typing import Final


class RejectReason(StrEnum):
    """The refusals of this venue, in order of precedence."""

    THROTTLED = "THROTTLED"
    UNSUPPORTED_MESSAGE = "UNSUPPORTED_MESSAGE"
    MISSING_TAG = "MISSING_TAG"
    NOT_AUTHORIZED = "NOT_AUTHORIZED"
    INVALID_CL_ORD_ID = "INVALID_CL_ORD_ID"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    UNSUPPORTED_SIDE = "UNSUPPORTED_SIDE"
    UNSUPPORTED_ORD_TYPE = "UNSUPPORTED_ORD_TYPE"
    UNSUPPORTED_TIME_IN_FORCE = "UNSUPPORTED_TIME_IN_FORCE"
    UNSUPPORTED_INSTRUCTION = "UNSUPPORTED_INSTRUCTION"
    CONTRADICTORY_INSTRUCTIONS = "CONTRADICTORY_INSTRUCTIONS"
    INVALID_QTY = "INVALID_QTY"
    INVALID_PRICE = "INVALID_PRICE"
    INVALID_STOP_PRICE = "INVALID_STOP_PRICE"
    INVALID_EXPIRY = "INVALID_EXPIRY"
    PRICE_OFF_TICK = "PRICE_OFF_TICK"
    HELD_TOO_LONG = "HELD_TOO_LONG"
    BLOCKED = "BLOCKED"
    PHASE_NOT_ALLOWED = "PHASE_NOT_ALLOWED"
    DUPLICATE_CL_ORD_ID = "DUPLICATE_CL_ORD_ID"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    SYMBOL_OR_SIDE_CHANGED = "SYMBOL_OR_SIDE_CHANGED"
    TOO_LATE = "TOO_LATE"
    QTY_ABOVE_LIMIT = "QTY_ABOVE_LIMIT"
    NOTIONAL_ABOVE_LIMIT = "NOTIONAL_ABOVE_LIMIT"
    PRICE_OUTSIDE_BAND = "PRICE_OUTSIDE_BAND"
    OPEN_ORDERS_ABOVE_LIMIT = "OPEN_ORDERS_ABOVE_LIMIT"
    EXPOSURE_ABOVE_LIMIT = "EXPOSURE_ABOVE_LIMIT"
    QUOTE_PROTECTION = "QUOTE_PROTECTION"
    NO_OPPOSITE_SIDE = "NO_OPPOSITE_SIDE"
    POST_ONLY_WOULD_TAKE = "POST_ONLY_WOULD_TAKE"
    BOOK_FULL = "BOOK_FULL"
    UNKNOWN_TRADE = "UNKNOWN_TRADE"
    INVALID_COMMAND = "INVALID_COMMAND"


PRECEDENCE: Final = {reason: place for place, reason in enumerate(RejectReason)}
"""Of two faults, the one with the lower number is the answer."""
Refusal = tuple[RejectReason, str]
"""Why not, and the sentence for Text(58)."""


def untraded(symbol: str) -> Refusal:
    """The refusal of a client's request about a symbol that is not traded here."""
    return RejectReason.UNKNOWN_SYMBOL, f"Symbol(55) {symbol} is not traded here; see the instrument list"


def untraded_on_shard(symbol: str) -> Refusal:
    """The same of an operator's command, which names the shard itself."""
    return RejectReason.UNKNOWN_SYMBOL, f"{symbol} is not traded on this shard; see the instrument list"
