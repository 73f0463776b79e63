"""
What an order's reports say beyond those of a plain one: its instructions restated, and where it stands. Pure.

Each version says it in its own words where it has them; what it lacks comes with the later version's tag, since only a
client that used that tag gets it back (`FIX.md`, "Versions").
"""

from gateway.fix.dialects import Dialect
from gateway.fix.report_fields import Texts, with_fields
from gateway.fix.words import (
    CANCEL_ON_HALT,
    EXEC_INST_OF_PEG,
    MARKET_IF_TOUCHED,
    POST_ONLY,
    TRAILING_STOP_PEG,
    TRAILS,
)
from matcher.contradictions import WAITING
from matcher.instructions import (
    AWAITS_REFERENCE,
    BASIS_POINTS,
    DOWN,
    LAST_TRADE,
    REFERENCE_PRICE,
    SHOWS_ALL,
    SLIDE_IF_TAKING,
    UP,
    Instructions,
)
from matcher.orders import BUY, PEGGED, STOP, OrderState
from sessions.fix_text import utc_timestamp


def with_instructions(body: str, order: OrderState, instructions: Instructions, texts: Texts, dialect: Dialect) -> str:
    """Complete the ExecutionReport(8) of an order that has instructions."""
    fields = {
        **_time_fields(instructions, dialect),
        **_exec_inst(order, instructions, dialect),
        **_shown(instructions, texts, dialect),
        **_place(order, instructions, texts, dialect),
        "66": instructions.list_id,
        "299": instructions.quote_entry_id,
        "2362": instructions.self_match_id,
        "2964": instructions.self_match_instruction,
        "7001": "S" if instructions.post_only == SLIDE_IF_TAKING else "",
    }
    if order.ord_type in WAITING:
        fields |= _trigger(order, instructions, texts, dialect)
    return with_fields(body, fields)


def _time_fields(instructions: Instructions, dialect: Dialect) -> dict[str, str]:
    return {
        "432": str(instructions.expire_date) if instructions.expire_date else "",
        "126": utc_timestamp(instructions.expire_ns)[: dialect.time_chars] if instructions.expire_ns else "",
    }


def _exec_inst(order: OrderState, instructions: Instructions, dialect: Dialect) -> dict[str, str]:
    """ExecInst(18), and PegPriceType(1094) where the version has it."""
    letters = []
    if instructions.post_only:
        letters.append(POST_ONLY)
    if instructions.cancel_on_halt:
        letters.append(CANCEL_ON_HALT)
    trails = instructions.trail_offset and order.ord_type in WAITING
    if dialect.is_newest:
        peg = TRAILING_STOP_PEG if trails else instructions.peg_price_type
        return {"18": " ".join(letters), "1094": peg}
    if instructions.peg_price_type:
        letters.append(EXEC_INST_OF_PEG[instructions.peg_price_type])
    if trails:
        letters.append(TRAILS)
    return {"18": " ".join(letters)}


def _shown(instructions: Instructions, texts: Texts, dialect: Dialect) -> dict[str, str]:
    fields = {"110": texts.qty(instructions.min_qty_lots) if instructions.min_qty_lots else ""}
    if instructions.display_qty_lots != SHOWS_ALL:
        fields["1138" if dialect.is_newest else "111"] = texts.qty(instructions.display_qty_lots)
    return fields


def _place(order: OrderState, instructions: Instructions, texts: Texts, dialect: Dialect) -> dict[str, str]:
    """Where it stands: at its price, pegged, slid, or nowhere yet."""
    fields: dict[str, str] = {}
    working_price_ticks = instructions.working_price_ticks
    if order.ord_type == PEGGED:
        fields |= _offset(instructions.peg_offset_ticks, "", texts, dialect) if instructions.peg_offset_ticks else {}
        if dialect.peg_offset_type and working_price_ticks and instructions.held != AWAITS_REFERENCE:
            fields["839"] = texts.price(working_price_ticks)
    elif working_price_ticks:
        fields["44"] = texts.price(working_price_ticks)
    if dialect.peg_offset_type and instructions.held and order.leaves_qty_lots:
        fields["636"] = "N"
    return fields


def _trigger(order: OrderState, instructions: Instructions, texts: Texts, dialect: Dialect) -> dict[str, str]:
    usual = UP if order.side == BUY else DOWN
    direction = instructions.trigger_direction
    price_type = instructions.trigger_price_type
    fields = {
        "99": texts.price(instructions.stop_price_ticks) if instructions.stop_price_ticks else "",
        "1107": "" if price_type == LAST_TRADE else price_type,
    }
    if price_type == REFERENCE_PRICE:
        fields |= {"1107": LAST_TRADE, "1108": "3"}
    if direction not in ("", usual):
        if order.ord_type == STOP and dialect.peg_offset_type:
            fields["40"] = MARKET_IF_TOUCHED
        else:
            fields["1109"] = direction
    if instructions.trail_offset:
        fields |= _offset(instructions.trail_offset, instructions.trail_offset_type, texts, dialect)
    return fields


def _offset(offset: int, offset_type: str, texts: Texts, dialect: Dialect) -> dict[str, str]:
    """PegOffsetValue(211): basis points, ticks, or in FIX 4.2 a price."""
    if offset_type == BASIS_POINTS:
        return {"211": str(offset), "836": BASIS_POINTS}
    if not dialect.peg_offset_type:
        return {"211": texts.price_offset(offset)}
    return {"211": str(offset), "836": "2"}
