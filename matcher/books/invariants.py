"""What is always true of a trading floor between two commands, as assertions; costs as much as there are orders."""

from collections import Counter

from matcher.books.book_side import is_iceberg, standing_price_ticks
from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.instructions import AWAITS_CLOSE, AWAITS_LIST, AWAITS_REFERENCE, AWAITS_TRIGGER
from matcher.orders import PEGGED, STOP, STOP_LIMIT, OrderState
from matcher.phases import COLLECTING, CONTINUOUS, HALT


def check(floor: Floor) -> None:
    """
    Assert every invariant.

    Raises:
        AssertionError: What does not hold.
        KeyError: Something refers to an order that does not live.
    """
    orders = floor.orders
    orders.check()
    held: Counter[int] = Counter()
    for market in floor.markets.values():
        _check_market(market, floor)
        here = [*market.book.order_ids(), *market.held_ids()]
        held.update(here)
        assert all(orders.live[order_id].symbol == market.symbol for order_id in here)
    assert held == Counter(orders.live.keys()), "not every live order rests or waits in one place"
    floor.limits.check(orders.live.values())
    assert not floor.lists.touched, "the status of a list was not told"
    assert not floor.quotes.tripping, "quotes were not pulled"


def _check_market(market: Market, floor: Floor) -> None:
    live = floor.orders.live
    market.book.check(live)
    market.stops.check(live)
    assert market.book.is_dark or market.phase not in COLLECTING, "a book is shown while orders are collected"
    assert not market.book.is_dark or market.phase in (*COLLECTING, HALT), "a book is dark for no reason"
    if not market.book.is_dark:
        _check_not_crossed(market)
    assert not market.prints
    assert not market.released, "an order was told to be active and did not come in"
    assert market.base_price_ticks == market.last_price_ticks
    for order_id in market.book.order_ids():
        _check_on_book(live[order_id])
    _check_waiting(market, live)
    _check_indexes(market, live)


def _check_not_crossed(market: Market) -> None:
    bid, offer = market.book.bids.best_price_ticks, market.book.asks.best_price_ticks
    assert not bid or not offer or bid < offer, f"{market.symbol} is crossed"


def _check_on_book(order: OrderState) -> None:
    instructions = order.instructions
    if instructions is None:
        return
    assert not instructions.held
    if is_iceberg(order):
        # It may be more than `display_qty_lots`: what its client makes smaller is so from the next slice on.
        assert 0 < instructions.shown_qty_lots <= order.leaves_qty_lots
    else:
        assert not instructions.shown_qty_lots
    assert (order.ord_type == PEGGED) <= bool(standing_price_ticks(order))


def _check_waiting(market: Market, live: dict[int, OrderState]) -> None:
    for held, order_ids in (
        (AWAITS_TRIGGER, list(market.stops.order_ids())),
        (AWAITS_CLOSE, list(market.at_close)),
        (AWAITS_REFERENCE, list(market.parked)),
        (AWAITS_LIST, list(market.unlisted)),
    ):
        for order_id in order_ids:
            instructions = live[order_id].instructions
            assert instructions is not None
            assert (instructions.held, instructions.shown_qty_lots) == (held, 0)
    if market.phase != CONTINUOUS:
        assert market.parked.keys() == market.pegs.keys(), "a pegged order is not parked"
    assert market.has_followers or not (market.stops or market.pegs)


def _check_indexes(market: Market, live: dict[int, OrderState]) -> None:
    """Whatever is looked up by something else than its OrderID is what the live orders say, no more and no less."""
    special = [order for order in live.values() if order.symbol == market.symbol and order.instructions is not None]
    expiries = sorted(
        (order.instructions.expire_ns, order.order_id)
        for order in special
        if order.instructions is not None and order.instructions.expire_ns
    )
    assert list(market.expiries) == expiries
    pegs = {order.order_id for order in special if order.ord_type == PEGGED}
    assert pegs == market.pegs.keys()
    stops = {order.order_id for order in special if order.ord_type in (STOP, STOP_LIMIT)}
    assert stops - market.unlisted.keys() == set(market.stops.order_ids())
