"""
What is wrong with a request: each check as a function that gives the refusal, or None when all is well.

The checks stand in the order of `RejectReason`, so that of two faults the one that is named is always the same. None of
them changes anything. The texts are for Text(58); each says what to do.
"""

from typing import Final

from matcher.books.floor import Floor
from matcher.books.limit_book import Account
from matcher.books.market import Market
from matcher.commands import CancelOrder, NewOrder, ReplaceOrder
from matcher.contradictions import AT_ONCE, WAITING, fault_of
from matcher.engine import bounds
from matcher.engine.incoming import RESTING_TIMES, would_take
from matcher.engine.incoming import slid_price_ticks as slid
from matcher.engine.trigger_prices import trigger_price_ticks
from matcher.instructions import AWAITS_LIST, AWAITS_TRIGGER, LAST_TRADE, SLIDE_IF_TAKING
from matcher.orders import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    GOOD_TILL_DATE,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    PEGGED,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
    OrderState,
    OrdType,
)
from matcher.phases import (
    CONTINUOUS,
    NEW_AND_REPLACE_PHASES,
    OPENING_AUCTION,
    PHASE_NAMES,
    PRE_OPEN,
    VOLATILITY_AUCTION,
    Phase,
)
from matcher.rejects import Refusal, RejectReason, untraded

_STANDING: Final[tuple[OrdType, ...]] = (LIMIT, PEGGED)


def refusal_of_new(
    command: NewOrder,
    market: Market | None,
    floor: Floor,
    *,
    beside: Account | None = None,
    ahead: int = 0,
    waits: bool = False,
) -> Refusal | None:
    """
    Why a new order is not taken.

    Args:
        command: The order.
        market: The symbol's; None when it is not traded here.
        floor: All that the shard knows.
        beside: What the same request asks for besides, for limits; None for nothing.
        ahead: How many orders of the same request stand before this one.
        waits: It is a leg that does not come in yet.
    """
    if market is None:
        return untraded(command.symbol)
    refusal = _refusal_of_terms(command, market, floor) or _refusal_of_cl_ord_id(command, floor)
    if refusal is None and (market.is_bounded or floor.limits.any):
        refusal = bounds.refusal_of_bounds(command, None, market, floor, beside)
    is_simple = command.instructions is None and command.ord_type == LIMIT
    if refusal is None and not is_simple and not waits and market.phase == CONTINUOUS:
        refusal = _refusal_of_book(command, market)
    if refusal is not None:
        return refusal
    if len(floor.orders.live) + ahead >= floor.orders_max and (waits or _may_rest(command, market)):
        return RejectReason.BOOK_FULL, "the venue holds as many orders as it can; cancel some, or try again later"
    return None


def refusal_of_cancel(command: CancelOrder, order: OrderState | None, floor: Floor) -> Refusal | None:
    """
    Why a cancel changes nothing.

    Args:
        command: The request.
        order: What its OrigClOrdID(41) leads to; None when it is unknown.
        floor: All that the shard knows.
    """
    return _refusal_of_cl_ord_id(command, floor) or _refusal_of_orig_cl_ord_id(command, order)


def refusal_of_replace(
    command: ReplaceOrder, order: OrderState | None, market: Market | None, floor: Floor, *, keeps_place: bool
) -> Refusal | None:
    """
    Why a replace changes nothing.

    Args:
        command: The request.
        order: What its OrigClOrdID(41) leads to; None when it is unknown.
        market: The symbol's that it names; None when that is not traded here.
        floor: All that the shard knows.
        keeps_place: It leaves the order where it is in the queue.
    """
    if market is None:
        return untraded(command.symbol)
    is_current = order is not None and order.leaves_qty_lots and order.cl_ord_id == command.orig_cl_ord_id
    refusal = (
        _refusal_of_kind(command, order if is_current else None)
        or _refusal_of_terms(command, market, floor)
        or _refusal_of_cl_ord_id(command, floor)
        or _refusal_of_orig_cl_ord_id(command, order)
    )
    if refusal is None and (market.is_bounded or floor.limits.any):
        refusal = bounds.refusal_of_bounds(command, order, market, floor)
    if refusal is not None or order is None:
        return refusal
    comes_in = not keeps_place and market.phase == CONTINUOUS and command.qty_lots > order.cum_qty_lots
    return _refusal_of_post_only(command, market) if comes_in else None


# Terms


def _refusal_of_terms(command: NewOrder | ReplaceOrder, market: Market, floor: Floor) -> Refusal | None:
    # The gateway checks the first before; here it keeps the books whole, whatever is in the log.
    refusal: Refusal | None = None
    is_sound = (  # as most are, and then there is nothing to ask `fault_of`
        command.instructions is None
        and command.ord_type == LIMIT
        and command.time_in_force != GOOD_TILL_DATE
        and 0 < command.qty_lots <= QTY_LOTS_MAX
        and 0 < command.price_ticks <= PRICE_TICKS_MAX
    )
    if not is_sound:
        instructions = command.instructions
        refusal = fault_of(command.ord_type, command.time_in_force, command.price_ticks, command.qty_lots, instructions)
        if refusal is None and instructions is not None:
            refusal = _refusal_of_trail(command, market) or _refusal_of_expiry(command, market)
    if refusal is None and market.has_tick_bands:
        refusal = _refusal_of_ticks(command, market)
    if refusal is None and floor.limits.any and floor.limits.is_blocked(command.firm, command.session_id):
        refusal = RejectReason.BLOCKED, "the operator blocked your firm or session; ask the venue's operator"
    if refusal is None and (market.phase != CONTINUOUS or command.time_in_force == AT_THE_OPENING):
        refusal = _refusal_of_phase(command, market)
    return refusal


def _refusal_of_trail(command: NewOrder | ReplaceOrder, market: Market) -> Refusal | None:
    instructions = command.instructions
    assert instructions is not None
    if instructions.trail_offset and not instructions.stop_price_ticks:
        price_type = instructions.trigger_price_type or LAST_TRADE
        if not trigger_price_ticks(price_type, market):
            return RejectReason.INVALID_STOP_PRICE, "there is no price to trail yet; send StopPx(99) to begin with"
    return None


def _refusal_of_expiry(command: NewOrder | ReplaceOrder, market: Market) -> Refusal | None:
    instructions = command.instructions
    assert instructions is not None
    if 0 < instructions.expire_ns <= command.received_ns:
        return RejectReason.INVALID_EXPIRY, "ExpireTime(126) is past; send a later one"
    if 0 < instructions.expire_date <= int(market.trading_date or 0):
        text = f"ExpireDate(432) {instructions.expire_date} has ended; send a later one"
        return RejectReason.INVALID_EXPIRY, text
    return None


def _refusal_of_ticks(command: NewOrder | ReplaceOrder, market: Market) -> Refusal | None:
    stop_price_ticks = command.instructions.stop_price_ticks if command.instructions is not None else 0
    for name, price_ticks in (("Price(44)", command.price_ticks), ("StopPx(99)", stop_price_ticks)):
        if price_ticks and not market.ticks.has(price_ticks):
            step = market.instrument.tick.text(market.ticks.step_ticks(price_ticks))
            return RejectReason.PRICE_OFF_TICK, f"{name} must be a multiple of {step} there; round it"
    return None


def _refusal_of_phase(command: NewOrder | ReplaceOrder, market: Market) -> Refusal | None:
    text = _unfit_for_phase(command, market.phase)
    if not text:
        return None
    return RejectReason.PHASE_NOT_ALLOWED, f"{market.symbol} is in phase {PHASE_NAMES[market.phase]}: {text}"


def _unfit_for_phase(command: NewOrder | ReplaceOrder, phase: Phase) -> str:
    """Why an order of this kind is not taken in a phase (PHASE-1, OPEN-1, CLOSE-1); empty if it is."""
    instructions = command.instructions
    if phase not in NEW_AND_REPLACE_PHASES:
        return "orders can only be canceled; send new ones when trading goes on"
    if command.time_in_force == AT_THE_OPENING and phase not in (PRE_OPEN, OPENING_AUCTION):
        return "an order at the opening (59=2) comes too late; send another TimeInForce(59)"
    if command.time_in_force == AT_THE_CLOSE and phase == VOLATILITY_AUCTION:
        return "an order at the close (59=7) is not taken; send it when trading goes on"
    if phase != CONTINUOUS and (command.time_in_force in AT_ONCE or command.ord_type == MARKET_TO_LIMIT):
        return "nothing trades at once, as 59=3, 59=4 and 40=K ask for; send it when trading goes on"
    if phase != CONTINUOUS and instructions is not None and (instructions.min_qty_lots or instructions.post_only):
        return "nothing trades at once, so leave out MinQty(110) and post-only (18=6)"
    return ""


# Names


def _refusal_of_cl_ord_id(command: NewOrder | CancelOrder | ReplaceOrder, floor: Floor) -> Refusal | None:
    if floor.orders.find(command.firm, command.cl_ord_id) is None:
        return None
    text = f"ClOrdID(11) {command.cl_ord_id} was used before by your firm; choose a new one"
    return RejectReason.DUPLICATE_CL_ORD_ID, text


def _refusal_of_orig_cl_ord_id(command: CancelOrder | ReplaceOrder, order: OrderState | None) -> Refusal | None:
    orig_cl_ord_id = command.orig_cl_ord_id
    if order is None:
        text = f"OrigClOrdID(41) {orig_cl_ord_id} is no order of your firm, or finished too long ago"
        return RejectReason.UNKNOWN_ORDER, text
    if command.symbol != order.symbol or command.side != order.side:
        text = f"Symbol(55) and Side(54) must stay {order.symbol} and {order.side}"
        return RejectReason.SYMBOL_OR_SIDE_CHANGED, text
    if not order.leaves_qty_lots:
        return RejectReason.TOO_LATE, f"order {orig_cl_ord_id} is finished; nothing is left to change"
    if orig_cl_ord_id != order.cl_ord_id:
        text = f"OrigClOrdID(41) {orig_cl_ord_id} was replaced; name the last accepted one, {order.cl_ord_id}"
        return RejectReason.TOO_LATE, text
    return None


def _refusal_of_kind(command: ReplaceOrder, order: OrderState | None) -> Refusal | None:
    """What an order may become (REPLACE-3); one that is unknown or finished passes on to the checks of that."""
    held = order.instructions.held if order is not None and order.instructions is not None else ""
    if held == AWAITS_TRIGGER:
        if command.ord_type not in WAITING:
            return RejectReason.UNSUPPORTED_ORD_TYPE, "a waiting stop stays one; send OrdType(40)=3, 4 or J"
    elif command.ord_type not in (_STANDING if order is not None and held != AWAITS_LIST else (*_STANDING, *WAITING)):
        text = "a resting order stays a limit or pegged order; send OrdType(40)=2 or P"
        return RejectReason.UNSUPPORTED_ORD_TYPE, text
    if command.time_in_force not in RESTING_TIMES and command.time_in_force != AT_THE_CLOSE:
        text = "a resting order stays on the book; send TimeInForce(59)=0, 1, 6 or 7, or cancel it"
        return RejectReason.UNSUPPORTED_TIME_IN_FORCE, text
    if held == AWAITS_LIST:
        text = "an order that waits for its list cannot be changed; cancel the list and send it anew"
        return RejectReason.UNSUPPORTED_INSTRUCTION, text
    return None


# What there is room for


def _refusal_of_book(command: NewOrder, market: Market) -> Refusal | None:
    needs_opposite = command.ord_type in (MARKET, MARKET_TO_LIMIT) and command.time_in_force != AT_THE_CLOSE
    if needs_opposite and market.book.opposite(command.side).front is None:
        text = f"nothing to trade this order (40={command.ord_type}) with; send a limit order (40=2)"
        return RejectReason.NO_OPPOSITE_SIDE, text
    return _refusal_of_post_only(command, market)


def _refusal_of_post_only(command: NewOrder | ReplaceOrder, market: Market) -> Refusal | None:
    instructions = command.instructions
    if instructions is None or not instructions.post_only:
        return None
    if command.ord_type != LIMIT or command.time_in_force == AT_THE_CLOSE:
        return None
    if not would_take(command.side, command.price_ticks, market):
        return None
    if instructions.post_only == SLIDE_IF_TAKING and slid(command.side, command.price_ticks, market):
        return None
    return RejectReason.POST_ONLY_WOULD_TAKE, "this post-only order (18=6) would trade; send a price farther away"


def _may_rest(command: NewOrder, market: Market) -> bool:
    """Whether an order may come to live, and needs room for that."""
    if command.ord_type in WAITING:
        return True
    if command.time_in_force in AT_ONCE:
        return False
    if command.ord_type != MARKET or market.phase != CONTINUOUS or command.time_in_force == AT_THE_CLOSE:
        return True
    rules = market.instrument.rules
    return rules.market_rest == "rest" and bool(rules.protection_ticks)
