"""
What is wrong with the terms of an order by themselves, whatever the book, the phase and the instrument.

One place for both who ask: the gateway, which has a client to answer, and the engine, whose books must stay whole
whatever is in the log. RULES.md, "Contradictions", is this module as a table; the texts are for Text(58).
"""

from typing import Final

from matcher.instructions import DISPLAY_SLICES_MAX, SHOWS_ALL, Instructions
from matcher.orders import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    FILL_OR_KILL,
    GOOD_TILL_DATE,
    IMMEDIATE_OR_CANCEL,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    PEGGED,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
    STOP,
    STOP_LIMIT,
    OrdType,
    TimeInForce,
)
from matcher.rejects import Refusal, RejectReason

PRICELESS: Final = frozenset((MARKET, STOP, MARKET_TO_LIMIT))
"""Types that have no Price(44). A pegged order may have one, limit and stop-limit orders must."""
PRICED: Final = frozenset((LIMIT, STOP_LIMIT))
WAITING: Final = frozenset((STOP, STOP_LIMIT))
"""Types that wait for a trigger."""
AT_ONCE: Final = frozenset((IMMEDIATE_OR_CANCEL, FILL_OR_KILL))
"""Times in force of what never rests."""
_ONE_AUCTION: Final = frozenset((AT_THE_OPENING, AT_THE_CLOSE))
_PLAIN: Final = Instructions()


def fault_of(
    ord_type: OrdType, time_in_force: TimeInForce, price_ticks: int, qty_lots: int, instructions: Instructions | None
) -> Refusal | None:
    """
    Find the first fault of an order's terms, in the order of `RejectReason`; None when there is none.

    Args:
        ord_type: OrdType(40).
        time_in_force: TimeInForce(59).
        price_ticks: Price(44); 0 for none.
        qty_lots: OrderQty(38), of a replace the new total.
        instructions: What else the order says; None for a plain one.
    """
    if instructions is None:
        if ord_type == LIMIT:  # by far the most, and only these three things can be wrong
            if time_in_force == GOOD_TILL_DATE:
                return _fault_of_numbers(ord_type, price_ticks, qty_lots) or _fault_of_expiry(time_in_force, _PLAIN)
            return _fault_of_numbers(ord_type, price_ticks, qty_lots)
        instructions = _PLAIN
    return (
        _contradiction(ord_type, time_in_force, qty_lots, instructions)
        or _fault_of_numbers(ord_type, price_ticks, qty_lots)
        or _fault_of_stop_price(ord_type, instructions)
        or _fault_of_expiry(time_in_force, instructions)
    )


def _contradiction(
    ord_type: OrdType, time_in_force: TimeInForce, qty_lots: int, instructions: Instructions
) -> Refusal | None:
    text = (
        _triggers_nothing(ord_type, instructions)
        or _wrong_peg(ord_type, time_in_force, instructions)
        or _wrong_auction(ord_type, time_in_force)
        or _wrong_post_only(ord_type, time_in_force, instructions)
        or _wrong_display(ord_type, time_in_force, qty_lots, instructions)
        or _wrong_min_qty(ord_type, time_in_force, qty_lots, instructions)
    )
    return (RejectReason.CONTRADICTORY_INSTRUCTIONS, text) if text else None


def _triggers_nothing(ord_type: OrdType, instructions: Instructions) -> str:
    if ord_type in WAITING:
        return ""
    if instructions.stop_price_ticks or instructions.trigger_price_type or instructions.trigger_direction:
        return f"OrdType(40)={ord_type} waits for no trigger; leave out StopPx(99), 1107 and 1109, or send 40=3 or 4"
    if instructions.trail_offset:
        return f"OrdType(40)={ord_type} does not trail; leave out ExecInst(18)=a or 1094=8, or send 40=3 or 4"
    return ""


def _wrong_peg(ord_type: OrdType, time_in_force: TimeInForce, instructions: Instructions) -> str:
    if ord_type != PEGGED:
        if instructions.peg_price_type or instructions.peg_offset_ticks:
            return f"OrdType(40)={ord_type} is not pegged; leave out PegPriceType(1094) and 211, or send 40=P"
        return ""
    if not instructions.peg_price_type:
        return "a pegged order (40=P) must say to what; send PegPriceType(1094)=2, 4 or 5, or ExecInst(18)=M, P or R"
    if time_in_force in AT_ONCE or time_in_force in _ONE_AUCTION:
        return f"a pegged order (40=P) rests, which TimeInForce(59)={time_in_force} does not; send 59=0, 1 or 6"
    return ""


def _wrong_auction(ord_type: OrdType, time_in_force: TimeInForce) -> str:
    if time_in_force in _ONE_AUCTION and ord_type not in (MARKET, LIMIT):
        return (
            f"TimeInForce(59)={time_in_force} is for one auction, which OrdType(40)={ord_type} misses; send 40=1 or 2"
        )
    return ""


def _wrong_post_only(ord_type: OrdType, time_in_force: TimeInForce, instructions: Instructions) -> str:
    if not instructions.post_only:
        return ""
    if ord_type in PRICELESS:
        return f"a post-only order (18=6) may not take, OrdType(40)={ord_type} does nothing else; leave out one of them"
    if time_in_force in AT_ONCE:
        return f"a post-only order (18=6) may not take, TimeInForce(59)={time_in_force} must; leave out one of them"
    if instructions.min_qty_lots:
        return "a post-only order (18=6) may not take, MinQty(110) must; leave out one of them"
    return ""


def _wrong_display(ord_type: OrdType, time_in_force: TimeInForce, qty_lots: int, instructions: Instructions) -> str:
    display = instructions.display_qty_lots
    if display == SHOWS_ALL:
        return ""
    if ord_type in PRICELESS:
        return f"OrdType(40)={ord_type} does not rest, so nothing of it is shown; leave out the display quantity"
    if time_in_force in AT_ONCE:
        return f"TimeInForce(59)={time_in_force} does not rest, so nothing is shown; leave out the display quantity"
    if display > qty_lots > 0:
        return "the display quantity is above OrderQty(38); send at most that"
    if 0 < display * DISPLAY_SLICES_MAX < qty_lots:
        return f"the display quantity is less than one in {DISPLAY_SLICES_MAX} of OrderQty(38); show more"
    return ""


def _wrong_min_qty(ord_type: OrdType, time_in_force: TimeInForce, qty_lots: int, instructions: Instructions) -> str:
    min_qty = instructions.min_qty_lots
    if not min_qty:
        return ""
    if time_in_force == FILL_OR_KILL:
        return "TimeInForce(59)=4 means all of it, MinQty(110) some; leave out one of them"
    if ord_type in WAITING or ord_type == PEGGED:
        return f"OrdType(40)={ord_type} does not trade on entry, as MinQty(110) must; leave out one of them"
    if min_qty > qty_lots > 0:
        return "MinQty(110) is above OrderQty(38); send at most that"
    return ""


def _fault_of_numbers(ord_type: OrdType, price_ticks: int, qty_lots: int) -> Refusal | None:
    if not 0 < qty_lots <= QTY_LOTS_MAX:
        return RejectReason.INVALID_QTY, f"OrderQty(38) must be 1 to {QTY_LOTS_MAX} lots"
    if 0 < price_ticks <= PRICE_TICKS_MAX:
        if ord_type in PRICELESS:
            return RejectReason.INVALID_PRICE, f"OrdType(40)={ord_type} has no Price(44); leave it out, or send 40=2"
    elif price_ticks or ord_type in PRICED:
        return RejectReason.INVALID_PRICE, f"Price(44) must be 1 to {PRICE_TICKS_MAX} ticks"
    return None


def _fault_of_stop_price(ord_type: OrdType, instructions: Instructions) -> Refusal | None:
    stop_price_ticks = instructions.stop_price_ticks
    if not 0 <= stop_price_ticks <= PRICE_TICKS_MAX:
        return RejectReason.INVALID_STOP_PRICE, f"StopPx(99) must be 1 to {PRICE_TICKS_MAX} ticks"
    if ord_type in WAITING and not stop_price_ticks and not instructions.trail_offset:
        text = "a stop order waits for a price; send StopPx(99), or PegOffsetValue(211) and ExecInst(18)=a to trail"
        return RejectReason.INVALID_STOP_PRICE, text
    if instructions.trail_offset < 0 or bool(instructions.trail_offset) != bool(instructions.trail_offset_type):
        return (
            RejectReason.INVALID_STOP_PRICE,
            "a trailing stop's PegOffsetValue(211) must be above 0, with its type(836)",
        )
    return None


def _fault_of_expiry(time_in_force: TimeInForce, instructions: Instructions) -> Refusal | None:
    times = (instructions.expire_date != 0) + (instructions.expire_ns != 0)
    if time_in_force == GOOD_TILL_DATE:
        if times != 1:
            text = "TimeInForce(59)=6 ends at a date or a time; send one of ExpireDate(432) and ExpireTime(126)"
            return RejectReason.INVALID_EXPIRY, text
    elif times:
        text = f"ExpireDate(432) and ExpireTime(126) say nothing with TimeInForce(59)={time_in_force}; send 59=6"
        return RejectReason.INVALID_EXPIRY, text
    return None
