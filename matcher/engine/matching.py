"""
The match: an incoming order against what rests, level by level (MATCH-1 to MATCH-3).

On its way it meets orders of its own firm (SMP-1 to SMP-3), the end of a price corridor (CORRIDOR-1), icebergs, and
legs of lists and sides of quotes, whose keepers hear of each fill at once. A plain order that meets plain orders passes
four comparisons more than the bare loop, and nothing else of all this.
"""

from typing import Final

from matcher.books.book_side import NO_LIMIT, BookSide, is_iceberg, shown_qty_lots
from matcher.books.floor import Floor
from matcher.books.list_book import are_legs_of_one
from matcher.books.market import Market
from matcher.engine import phase_changes
from matcher.engine.answer import Answer
from matcher.engine.leaving import after_fill, cancel, give_way, leg_traded, tell_keepers
from matcher.engine.transitions import canceled, decremented, filled, refilled, with_instructions
from matcher.events import OrderRestated, RestatementReason
from matcher.increments import TradePrint
from matcher.instructions import (
    ALLOW_SELF_MATCH,
    CANCEL_BOTH,
    CANCEL_INCOMING,
    CANCEL_RESTING,
    DECREMENT_BOTH,
)
from matcher.orders import OrderState

_SELF_MATCH: Final = "it would have traded with another order of your firm (2362, 2964)"


def match(incoming: OrderState, limit_ticks: int, market: Market, floor: Floor, answer: Answer) -> OrderState:
    """
    Trade until the incoming order is filled or canceled, or crosses nothing more, or may not go on.

    Args:
        incoming: What of it is left comes back; it is neither on the book nor kept.
        limit_ticks: The worst price at which it trades; 0 for any.
        market: Its symbol's; when a corridor ends the match, it is in a volatility auction afterwards.
        floor: What all share.
        answer: Where trades are told.
    """
    opposite = market.book.opposite(incoming.side)
    displayed, hidden = opposite.displayed, opposite.hidden
    limit_key = opposite.key(limit_ticks) if limit_ticks else NO_LIMIT
    orders = floor.orders
    corridor = market.corridor() if market.has_corridor else None
    while (
        incoming.leaves_qty_lots
        and (level := displayed.best if hidden.best is None else opposite.front) is not None
        and level.key <= limit_key
    ):
        resting = orders.live[next(iter(level.order_ids))]
        if resting.firm == incoming.firm and not may_trade(incoming, resting, floor):
            incoming = _prevent(incoming, resting, market, floor, answer)
            continue
        if corridor is not None and not corridor[0] <= level.price_ticks <= corridor[1]:
            phase_changes.begin_volatility_auction(market, floor, answer)
            break
        is_simple = resting.instructions is None
        qty_lots = resting.leaves_qty_lots if is_simple else shown_qty_lots(resting)
        qty_lots = min(qty_lots, incoming.leaves_qty_lots)
        price_ticks = level.price_ticks
        incoming = filled(incoming, price_ticks, qty_lots)
        if is_simple:
            opposite.take(resting, qty_lots)
            resting = filled(resting, price_ticks, qty_lots)
            orders.keep(resting)
        else:
            resting = _fill_special(resting, price_ticks, qty_lots, opposite, floor)
        match_id = market.last_match_id = market.last_match_id + 1
        index = answer.traded(incoming, resting, match_id, price_ticks, qty_lots)
        market.prints.append(TradePrint(match_id, price_ticks, qty_lots, incoming.side))
        market.trade_memory.append(
            (incoming.order_id, resting.order_id, price_ticks, qty_lots, answer.input_seq, index)
        )
        market.last_price_ticks = price_ticks
        if incoming.instructions is not None:
            tell_keepers(incoming, qty_lots, market, floor, answer)
        if not is_simple:
            after_fill(resting, qty_lots, market, floor, answer)
    return incoming


def may_trade(incoming: OrderState, resting: OrderState, floor: Floor) -> bool:
    """Whether two orders of one firm may trade with each other in continuous trading."""
    if are_legs_of_one(incoming, resting):
        return False
    return not _is_self_match(incoming, resting) or self_match_instruction(incoming, floor) == ALLOW_SELF_MATCH


def self_match_instruction(incoming: OrderState, floor: Floor) -> str:
    """What becomes of the two orders of a self-match, by the incoming one (SMP-2)."""
    instructions = incoming.instructions
    if instructions is not None and instructions.self_match_instruction:
        return instructions.self_match_instruction
    if floor.limits.any:
        return floor.limits.self_match_instruction(incoming.firm, incoming.session_id) or CANCEL_INCOMING
    return CANCEL_INCOMING


def _is_self_match(incoming: OrderState, resting: OrderState) -> bool:
    """Whether two orders of one firm are one party (SMP-1)."""
    ids = [order.instructions.self_match_id if order.instructions else "" for order in (incoming, resting)]
    return ids[0] == ids[1]


def _prevent(incoming: OrderState, resting: OrderState, market: Market, floor: Floor, answer: Answer) -> OrderState:
    """Let a self-match not happen (SMP-2); gives what is left of the incoming order."""
    instruction = self_match_instruction(incoming, floor)
    if are_legs_of_one(incoming, resting):
        give_way(resting, incoming, market, floor, answer)
        return incoming
    if instruction == CANCEL_RESTING:
        cancel(resting, market, floor, answer, "19", _SELF_MATCH)
    elif instruction == DECREMENT_BOTH:
        incoming = _decrement(incoming, resting, market, floor, answer)
    else:
        restatement: RestatementReason = "20" if instruction == CANCEL_BOTH else "18"
        incoming = canceled(incoming)
        answer.rest_canceled(incoming, _SELF_MATCH, restatement)
        if instruction == CANCEL_BOTH:
            cancel(resting, market, floor, answer, restatement, _SELF_MATCH)
    for order in (incoming, floor.orders.get(resting.order_id)):
        if order is not None and not order.leaves_qty_lots and is_leg(order):
            leg_traded(order, market, floor, answer)  # before anything can trade with the other leg
    return incoming


def _decrement(incoming: OrderState, resting: OrderState, market: Market, floor: Floor, answer: Answer) -> OrderState:
    qty_lots = min(incoming.leaves_qty_lots, resting.leaves_qty_lots)
    if qty_lots == incoming.leaves_qty_lots:
        incoming = canceled(incoming)
        answer.rest_canceled(incoming, _SELF_MATCH, "5")
    else:
        incoming = decremented(incoming, qty_lots)
        answer.tell(OrderRestated, incoming, "5", _SELF_MATCH)
    if qty_lots == resting.leaves_qty_lots:
        cancel(resting, market, floor, answer, "5", _SELF_MATCH)
    else:
        after = decremented(resting, qty_lots)
        market.book.side(resting.side).update(resting, after)
        floor.orders.keep(after)
        answer.tell_unasked(OrderRestated, after, "5", _SELF_MATCH)
    return incoming


def _fill_special(resting: OrderState, price_ticks: int, qty_lots: int, opposite: BookSide, floor: Floor) -> OrderState:
    """
    Let a resting order with instructions trade; it comes back as it stood right after the trade.

    An iceberg whose slice ran out then shows a new one, at the back of its price (ICE-1), which is not told (ICE-2).
    """
    opposite.take(resting, qty_lots)
    after = filled(resting, price_ticks, qty_lots)
    if is_iceberg(resting):
        after = with_instructions(after, shown_qty_lots=shown_qty_lots(resting) - qty_lots)
        if after.leaves_qty_lots and not shown_qty_lots(after):
            opposite.remove(after)
            back = refilled(after)
            opposite.add(back)
            floor.orders.keep(back)
            return after
    floor.orders.keep(after)
    return after


def is_leg(order: OrderState) -> bool:
    """Whether the order is one of a list."""
    return order.instructions is not None and bool(order.instructions.list_id)
