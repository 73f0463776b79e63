"""One price for all: the call auction (AUCTION)."""

from matcher.events import OrderExpired
from matcher.increments import Indicative
from simulators.reference import matching, prices
from simulators.reference.memory import Entry, Market, Venue

NOTHING = Indicative(0, 0, "", 0)


def indicative(venue: Venue, market: Market) -> Indicative:
    """What an uncrossing would give now."""
    found = clearing(venue, market)
    if found is None:
        return NOTHING
    price, qty, surplus = found
    return Indicative(price, qty, "1" if surplus > 0 else "2" if surplus < 0 else "", abs(surplus))


def clearing(venue: Venue, market: Market) -> tuple[int, int, int] | None:
    """The price of the uncrossing, its quantity and its surplus (of buyers if above 0); None if nothing would trade."""
    reference = market.last_trade_ticks or market.reference_ticks
    buyers, sellers = venue.resting(market.symbol, "1"), venue.resting(market.symbol, "2")
    offers = []
    for price in _candidates(market, [e.stands_at for e in buyers + sellers if e.stands_at], reference):
        bought = sum(e.state.leaves_qty_lots for e in buyers if not e.stands_at or e.stands_at >= price)
        sold = sum(e.state.leaves_qty_lots for e in sellers if not e.stands_at or e.stands_at <= price)
        offers.append((price, min(bought, sold), bought - sold))
    most = max(qty for _, qty, _ in offers)
    if not most:
        return None
    offers = [offer for offer in offers if offer[1] == most]
    least = min(abs(surplus) for _, _, surplus in offers)
    offers = [offer for offer in offers if abs(offer[2]) == least]
    if all(surplus > 0 for _, _, surplus in offers):
        return max(offers)
    if all(surplus < 0 for _, _, surplus in offers):
        return min(offers)
    return min(offers, key=lambda offer: (abs(offer[0] - reference), offer[0]))


def _candidates(market: Market, limits: list[int], reference: int) -> list[int]:
    """All ticks that exist from the lowest to the highest limit or reference, and the limits themselves."""
    below = prices.rounded(market.instrument, reference, -1)
    above = prices.rounded(market.instrument, reference, 1)
    nearest = min((p for p in (below, above) if p), key=lambda p: (abs(p - reference), p))
    bounds = [*limits, nearest]
    ticks = [p for p in range(min(bounds), max(bounds) + 1) if prices.is_price(market.instrument, p)]
    return sorted({*ticks, *limits})


def uncross(venue: Venue, market: Market) -> None:
    """Trade all that can trade at one price, and end what was for this auction only."""
    while (found := clearing(venue, market)) is not None:
        _pair(venue, market, found[0])
        market.anchor_ticks = market.last_trade_ticks
    for side in "12":
        for entry in venue.resting(market.symbol, side):
            if not entry.stands_at:
                venue.cancel_unasked(entry, "U")
    for entry in venue.live(market.symbol):
        if entry.queued and entry.state.time_in_force in "27":
            venue.end(entry, "C")
            venue.tell(OrderExpired, entry.state)
    market.is_collected = False


def _pair(venue: Venue, market: Market, price: int) -> None:
    """Let the fronts of both queues trade until one of them does not want the price."""
    while True:
        buyer = _front(venue, market, "1", price)
        seller = _front(venue, market, "2", price)
        if buyer is None or seller is None:
            return
        if matching.are_alternatives(venue, buyer, seller):
            matching.give_way(venue, max(buyer, seller, key=lambda e: e.state.order_id))
            continue
        qty = min(buyer.state.leaves_qty_lots, seller.state.leaves_qty_lots)
        matching.trade(venue, market, buyer, seller, price, qty=qty, asked=False, auction=True)


def _front(venue: Venue, market: Market, side: str, price: int) -> Entry | None:
    for entry in venue.resting(market.symbol, side):
        wants = not entry.stands_at or (entry.stands_at >= price if side == "1" else entry.stands_at <= price)
        return entry if wants else None
    return None
