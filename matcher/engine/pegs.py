"""Orders that follow a price, once the stops have fired: pegged orders and trailing stops (PEG-3, PEG-4, TRAIL-2)."""

from typing import Final

from matcher.books.book_side import standing_price_ticks
from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.engine.answer import Answer
from matcher.engine.peg_prices import peg_price_ticks, references, view
from matcher.engine.transitions import refilled, with_instructions
from matcher.engine.trigger_prices import all_trigger_prices, trailed_stop_ticks, trigger_price_ticks
from matcher.events import OrderRestated
from matcher.instructions import AWAITS_REFERENCE, ON_BOOK, UP
from matcher.orders import PEGGED, OrderState
from matcher.phases import CONTINUOUS

_PARKED: Final = "there is no price that this order is pegged to now; it waits"
_UNPARKED: Final = "the price that this order is pegged to is there again"
_MOVED: Final = ""


def follow(market: Market, floor: Floor, answer: Answer) -> bool:
    """
    Let all that follow a price take their place by it, in order of OrderID; true if any moved.

    Costs nothing while the prices are those of the last time.
    """
    peg_view = view(market) if market.pegs else None
    followers = [*market.pegs] if peg_view != market.peg_view else []
    trail_view = _trail_view(market)
    # A pegged order that moves may move the best price that a trailing stop behind it follows.
    if trail_view != market.stops.trail_view or (followers and market.phase == CONTINUOUS):
        followers += market.stops.trailing
    known = references(market)
    moved = False
    for order_id in sorted(followers):
        order = floor.orders.live[order_id]
        if order.ord_type == PEGGED:
            moved |= _follow_reference(order, known, market, floor, answer)
        else:
            moved |= _trail(order, market, floor, answer)
    # What moved may have moved the prices that the others were looked at by.
    market.stops.trail_view = None if moved else trail_view
    market.peg_view = None if moved else peg_view
    return moved


def _trail_view(market: Market) -> tuple[int, ...] | None:
    if not market.stops.trailing or market.phase != CONTINUOUS:
        return market.stops.trail_view
    return all_trigger_prices(market)


def _follow_reference(order: OrderState, known: tuple[int, int], market: Market, floor: Floor, answer: Answer) -> bool:
    instructions = order.instructions
    assert instructions is not None
    price_ticks = peg_price_ticks(order, market, known)
    was_parked = instructions.held == AWAITS_REFERENCE
    if price_ticks == (0 if was_parked else standing_price_ticks(order)):
        return False
    side = market.book.side(order.side)
    if was_parked:
        del market.parked[order.order_id]
    else:
        side.remove(order)
    held = ON_BOOK if price_ticks else AWAITS_REFERENCE
    order = with_instructions(order, held=held, shown_qty_lots=0, working_price_ticks=price_ticks)
    if price_ticks:
        order = refilled(order)
        side.add(order)
    else:
        market.parked[order.order_id] = None
    floor.orders.keep(order)
    if was_parked or not price_ticks:
        answer.tell_unasked(OrderRestated, order, "11", _UNPARKED if price_ticks else _PARKED)
    elif instructions.reports_moves:
        answer.tell_unasked(OrderRestated, order, "3", _MOVED)
    return True


def _trail(order: OrderState, market: Market, floor: Floor, answer: Answer) -> bool:
    instructions = order.instructions
    assert instructions is not None
    price_ticks = trigger_price_ticks(instructions.trigger_price_type, market)
    if not price_ticks:
        return False
    stop_price_ticks = trailed_stop_ticks(instructions, price_ticks)
    goes_down = instructions.trigger_direction == UP
    was_ticks = instructions.stop_price_ticks
    if was_ticks and (stop_price_ticks >= was_ticks if goes_down else stop_price_ticks <= was_ticks):
        return False
    market.stops.remove(order)
    order = with_instructions(order, stop_price_ticks=stop_price_ticks)
    market.stops.add(order)
    floor.orders.keep(order)
    if instructions.reports_moves:
        answer.tell_unasked(OrderRestated, order, "3", _MOVED)
    return True
