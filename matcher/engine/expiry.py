"""
What ends by time: trading days and the orders of a day (DAY-1), orders good till a time (GTD-1), auctions (PHASE-6).

The engine has no clock. It says when the next deadline of a symbol is, somebody who has one writes a `TimerFired` into
the log, and what was due then is done in order of its time.
"""

from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.engine import leaving, phase_changes
from matcher.engine.answer import Answer
from matcher.operator_commands import EndTradingDay, TimerFired
from matcher.orders import AT_THE_CLOSE, AT_THE_OPENING, DAY, GOOD_TILL_DATE, OrderState


def deadline_ns(market: Market) -> int:
    """When the next order or auction of a symbol ends; 0 if none has a time."""
    expire_ns = market.expiries[0][0] if market.expiries else 0
    return min(filter(None, (expire_ns, market.phase_ends_ns)), default=0)


def end_trading_day(command: EndTradingDay, floor: Floor, answer: Answer) -> None:
    """Let the orders of the day expire; a day that is not later than the last one that ended changes nothing."""
    market = floor.markets.get(command.symbol)
    if market is None or command.trading_date <= market.trading_date:
        return
    market.trading_date = market.ended_day = command.trading_date
    market.has_news = True
    for order in floor.live_orders(market):
        if _ends_with(order, int(command.trading_date)):
            leaving.expire(order, market, floor, answer)


def fire_timers(command: TimerFired, floor: Floor, answer: Answer) -> None:
    """Do all that is due, in order of its time: of the same time an auction's end first, then by OrderID."""
    market = floor.markets.get(command.symbol)
    if market is None:
        return
    while 0 < (due_ns := deadline_ns(market)) <= command.received_ns:
        if due_ns == market.phase_ends_ns:
            phase_changes.end_auction(market, floor, answer)
        else:
            _, order_id = market.expiries[0]
            leaving.expire(floor.orders.live[order_id], market, floor, answer)


def _ends_with(order: OrderState, trading_date: int) -> bool:
    if order.time_in_force == GOOD_TILL_DATE:
        assert order.instructions is not None
        return 0 < order.instructions.expire_date <= trading_date
    return order.time_in_force in (DAY, AT_THE_OPENING, AT_THE_CLOSE)
