"""Where a pegged order belongs just now (PEG-1, PEG-2)."""

from matcher.books.market import Market
from matcher.instructions import MARKET_PEG, PRIMARY_PEG
from matcher.orders import BUY, PRICE_TICKS_MAX, OrderState
from matcher.phases import CONTINUOUS

References = tuple[int, int]
"""The best bid and the best offer that pegged orders look at; 0 where there is none."""


def references(market: Market) -> References:
    """Best prices of displayed orders that are not pegged."""
    return market.book.bids.best_unpegged_ticks, market.book.asks.best_unpegged_ticks


def view(market: Market) -> tuple[int, ...]:
    """All prices on which the place of any pegged order depends; empty outside of continuous trading."""
    if market.phase != CONTINUOUS:
        return ()
    return *references(market), market.book.bids.best_price_ticks, market.book.asks.best_price_ticks


def peg_price_ticks(order: OrderState, market: Market, known: References | None = None) -> int:
    """
    The price at which a pegged order should stand; 0 if it has to be parked.

    Args:
        order: On the book or not; itself it is no reference.
        market: Its symbol's.
        known: What `references` gives, if it is known already.
    """
    if market.phase != CONTINUOUS:
        return 0
    is_buy = order.side == BUY
    wanted = _wanted(order, known or references(market))
    if wanted is None:
        return 0
    if order.price_ticks:
        wanted = min(wanted, order.price_ticks) if is_buy else max(wanted, order.price_ticks)
    wanted = max(1, min(wanted, PRICE_TICKS_MAX))
    opposite = market.book.opposite(order.side).best_price_ticks
    if is_buy:
        return market.ticks.down(min(wanted, opposite - 1) if opposite else wanted)
    return market.ticks.up(max(wanted, opposite + 1) if opposite else wanted)


def _wanted(order: OrderState, known: References) -> int | None:
    instructions = order.instructions
    assert instructions is not None
    bid, offer = known
    is_buy = order.side == BUY
    if instructions.peg_price_type in (PRIMARY_PEG, MARKET_PEG):
        own, other = (bid, offer) if is_buy else (offer, bid)
        reference = own if instructions.peg_price_type == PRIMARY_PEG else other
        if not reference:
            return None
    elif bid and offer:
        reference = (bid + offer) // 2 if is_buy else (bid + offer + 1) // 2
    else:
        return None
    return reference + instructions.peg_offset_ticks
