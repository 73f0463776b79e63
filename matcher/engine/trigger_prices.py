"""
What a stop's trigger price is just now (STOP-2), and where a trailing stop stands by it (TRAIL-1).

Best prices are those of displayed orders, and there are none while the public book is empty.
"""

from typing import Final

from matcher.books.market import Market
from matcher.books.stops import PriceRange
from matcher.instructions import (
    BASIS_POINTS,
    BEST_BID,
    BEST_OFFER,
    LAST_TRADE,
    REFERENCE_PRICE,
    UP,
    Instructions,
    TriggerPriceType,
)
from matcher.orders import PRICE_TICKS_MAX

_ALL: Final[tuple[TriggerPriceType, ...]] = (LAST_TRADE, BEST_OFFER, BEST_BID, REFERENCE_PRICE)
_BPS: Final = 10_000


def trigger_price_ticks(price_type: TriggerPriceType, market: Market) -> int:
    """The price that sets off stops of this type, as it stands; 0 if there is none."""
    if price_type == LAST_TRADE:
        return market.last_price_ticks
    if price_type == REFERENCE_PRICE:
        return market.reference_price_ticks
    if market.book.is_dark:
        return 0
    return (market.book.asks if price_type == BEST_OFFER else market.book.bids).best_displayed_ticks


def all_trigger_prices(market: Market) -> tuple[int, ...]:
    """The prices of all types, in one order."""
    return tuple(trigger_price_ticks(price_type, market) for price_type in _ALL)


def ranges_since_last_look(market: Market) -> dict[TriggerPriceType, PriceRange]:
    """The lowest and highest value of each trigger price that there is since this was asked last."""
    ranges = {
        price_type: (price_ticks, price_ticks)
        for price_type, price_ticks in zip(_ALL, all_trigger_prices(market), strict=True)
        if price_ticks
    }
    if LAST_TRADE in ranges:
        low, high = traded_range(market, market.seen_prints)
        opening = market.opening_price_ticks or low
        ranges[LAST_TRADE] = min(low, opening), max(high, opening)
        market.opening_price_ticks = 0
    market.seen_prints = len(market.prints)
    return ranges


def traded_range(market: Market, begin: int) -> PriceRange:
    """The lowest and highest of the last trade and of the command's trades from the `begin`th on."""
    prices = [trade.price_ticks for trade in market.prints[begin:]]
    prices.append(market.last_price_ticks)
    return min(prices), max(prices)


def is_reached(instructions: Instructions, price_range: PriceRange) -> bool:
    """Whether a trigger price rose to the stop price, or fell to it."""
    low, high = price_range
    if instructions.trigger_direction == UP:
        return 0 < instructions.stop_price_ticks <= high
    return low <= instructions.stop_price_ticks


def trailed_stop_ticks(instructions: Instructions, price_ticks: int) -> int:
    """Where a trailing stop stands at its distance from a trigger price."""
    offset = instructions.trail_offset
    if instructions.trail_offset_type == BASIS_POINTS:
        offset = max(1, price_ticks * offset // _BPS)
    stop_price_ticks = price_ticks + (offset if instructions.trigger_direction == UP else -offset)
    return max(1, min(PRICE_TICKS_MAX, stop_price_ticks))
