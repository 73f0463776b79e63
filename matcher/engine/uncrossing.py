"""
The end of a call auction: all that can trade trades at one price (AUCTION-2 to AUCTION-4), and what it would be until
then (AUCTION-5). `auction` finds the price.

A leg of a list that trades takes its other leg off the book in the middle of it, though the price counted both. So what
is left is looked at again, until nothing more can trade; without such legs, the first time is the only one.
"""

from collections.abc import Iterator
from typing import Final, Literal

from matcher.books.auction import AuctionResult, Interest
from matcher.books.book_side import BookSide
from matcher.books.floor import Floor
from matcher.books.list_book import are_legs_of_one
from matcher.books.market import NO_INDICATIVE, Market
from matcher.engine import leaving
from matcher.engine.answer import Answer
from matcher.engine.transitions import filled, refilled
from matcher.increments import Indicative, TradePrint
from matcher.orders import AT_THE_CLOSE, AT_THE_OPENING, BUY, SELL, OrderState, Side

_FOR_THE_AUCTION: Final = (AT_THE_OPENING, AT_THE_CLOSE)
_MARKET_REST: Final = "what is left of a market order (40=1) when the auction ends does not stay on the book"


def uncross(market: Market, floor: Floor, answer: Answer) -> None:
    """Trade all that can at the price of the auction; then end what was in it for the auction only."""
    while (result := _interest(market).result(_reference(market))).qty_lots:
        _trade(result, market, floor, answer)
    market.interest = None
    book = market.book
    for side in (book.bids, book.asks):
        for order_id in _market_orders(side):
            leaving.cancel(floor.orders.live[order_id], market, floor, answer, "U", _MARKET_REST)
    live = floor.orders.live
    for order_id in sorted(each for each in book.order_ids() if live[each].time_in_force in _FOR_THE_AUCTION):
        leaving.expire(live[order_id], market, floor, answer)


def show_indicative(market: Market) -> None:
    """Work out what the auction would give if it ended now; `publication` tells it if it is news."""
    result = _interest(market).result(_reference(market))
    if not result.qty_lots:
        market.next_indicative = NO_INDICATIVE
        return
    longer: Side | Literal[""] = ""
    if result.surplus_lots:
        longer = BUY if result.surplus_lots > 0 else SELL
    market.next_indicative = Indicative(result.price_ticks, result.qty_lots, longer, abs(result.surplus_lots))


def _reference(market: Market) -> int:
    return market.last_price_ticks or market.reference_price_ticks


def _interest(market: Market) -> Interest:
    """All that is collected: built when an auction is looked at first, then kept up with what each command touched."""
    if market.interest is None:
        market.interest = Interest(market.ticks)
        for side in (market.book.bids, market.book.asks):
            for price_ticks in {level.price_ticks for level in side.levels()}:
                market.interest.set(side.side, price_ticks, side.total_at(price_ticks))
        return market.interest
    for of_side, price_ticks in market.book.touched():
        market.interest.set(of_side, price_ticks, market.book.side(of_side).total_at(price_ticks))
    return market.interest


def _market_orders(side: BookSide) -> list[int]:
    level = next(side.levels(), None)
    return list(level.order_ids) if level is not None and not level.price_ticks else []


def _trade(result: AuctionResult, market: Market, floor: Floor, answer: Answer) -> None:
    """Pair the fronts of both queues as long as both would trade at the price."""
    price_ticks = result.price_ticks
    live = floor.orders.live
    buys = _executable(market.book.bids, price_ticks)
    sells = _executable(market.book.asks, price_ticks)
    buy, sell = next(buys, 0), next(sells, 0)
    while buy and sell:
        if buy not in live:
            buy = next(buys, 0)
        elif sell not in live:
            sell = next(sells, 0)
        elif are_legs_of_one(live[buy], live[sell]):
            leaving.give_way(live[max(buy, sell)], live[min(buy, sell)], market, floor, answer)
        else:
            _pair((live[buy], live[sell]), price_ticks, market, floor, answer)


def _executable(side: BookSide, price_ticks: int) -> Iterator[int]:
    """The order ids of all that would trade at a price, as they stand now, market orders first."""
    limit_key = side.key(price_ticks)
    found = [level for level in side.levels() if level.key <= limit_key]
    return iter([order_id for level in found for order_id in level.order_ids])


def _pair(sides: tuple[OrderState, OrderState], price_ticks: int, market: Market, floor: Floor, answer: Answer) -> None:
    buy, sell = sides
    qty_lots = min(buy.leaves_qty_lots, sell.leaves_qty_lots)
    bought, sold = (_after(order, price_ticks, qty_lots, market) for order in sides)
    match_id = market.next_match_id()
    event_index = answer.auctioned(bought, sold, match_id, price_ticks, qty_lots)
    market.note_trade(price_ticks)
    market.prints.append(TradePrint(match_id, price_ticks, qty_lots, ""))
    market.trade_memory.append((buy.order_id, sell.order_id, price_ticks, qty_lots, answer.input_seq, event_index))
    for order in (bought, sold):
        floor.orders.keep(order)
    for order in (bought, sold):
        leaving.after_fill(order, qty_lots, market, floor, answer)


def _after(order: OrderState, price_ticks: int, qty_lots: int, market: Market) -> OrderState:
    """An order after its trade, and its place on the book with it; an iceberg shows a new slice in place."""
    side = market.book.side(order.side)
    after = refilled(filled(order, price_ticks, qty_lots))
    if not after.leaves_qty_lots:
        side.remove(order)
    elif order.instructions is None:
        side.take(order, qty_lots)
    else:
        side.update(order, after)
    return after
