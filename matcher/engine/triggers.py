"""The firing of stops whose price was reached (STOP-2, STOP-4, STOP-5)."""

from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.engine.answer import Answer
from matcher.engine.incoming import work
from matcher.engine.transitions import triggered
from matcher.engine.trigger_prices import is_reached, ranges_since_last_look, traded_range
from matcher.events import OrderTriggered
from matcher.instructions import LAST_TRADE
from matcher.orders import OrderState
from matcher.phases import CONTINUOUS


def fire(market: Market, floor: Floor, answer: Answer) -> bool:
    """
    Trigger all stops whose condition holds, then let each come in; true if there were any.

    One that is taken off by another (a leg of a list, say) between its triggering and its turn does not come in.
    """
    if market.phase != CONTINUOUS or not market.stops:
        return False
    due = _take_due(market, floor)
    for order in due:
        floor.orders.keep(order)
        market.released[order.order_id] = None
        answer.tell_unasked(OrderTriggered, order)
    for order in due:
        if order.order_id in market.released:
            del market.released[order.order_id]
            work(order, market, floor, answer)
    return bool(due)


def _take_due(market: Market, floor: Floor) -> list[OrderState]:
    entered = dict(market.stops.entered)
    live = floor.orders.live
    due: list[OrderState] = []
    for order_id in market.stops.take_due(ranges_since_last_look(market)):
        order = live[order_id]
        if order_id in entered and not _is_reached_since(order, entered[order_id], market):
            market.stops.add(order)
        else:
            due.append(triggered(order))
    market.stops.entered.clear()
    return due


def _is_reached_since(order: OrderState, begin: int, market: Market) -> bool:
    """Whether a stop that came in in the middle of a command is reached by what happened after that."""
    instructions = order.instructions
    assert instructions is not None
    if instructions.trigger_price_type != LAST_TRADE:
        return True
    return is_reached(instructions, traded_range(market, begin))
