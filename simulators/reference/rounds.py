"""What a command set off, kind by kind, until nothing is left (ORDER-2, STOP-4, STOP-5, TRAIL-2, PEG-3)."""

from matcher.events import OrderRestated
from simulators.reference import lists, matching, prices, quotes
from simulators.reference.memory import Entry, Market, Venue


def settle(venue: Venue, market: Market) -> None:
    """Go round until a whole round did nothing."""
    busy = True
    while busy:
        busy = False
        while lists.react(venue, market):
            busy = True
        busy = _fire_stops(venue, market) or busy
        busy = _follow(venue, market) or busy
        busy = quotes.pull_protected(venue, market) or busy


def _fire_stops(venue: Venue, market: Market) -> bool:
    if not market.is_continuous:
        return False
    reached = []
    for entry in venue.live(market.symbol):
        if entry.said.held != "T":
            continue
        if entry.said.trigger_price_type in ("", "2"):
            high, low = entry.high_ticks, entry.low_ticks
        else:
            high = low = prices.trigger_price(venue, market, entry.said)
        entry.high_ticks = entry.low_ticks = 0
        if prices.is_reached(entry, high, low):
            reached.append(entry)
    reached.sort(key=_turn)
    for entry in reached:
        matching.trigger(venue, entry, asked=False)
    for entry in reached:
        matching.enter(venue, entry, asked=False)
    return bool(reached)


def _turn(entry: Entry) -> tuple[bool, int, int]:
    """Rises first, the lowest first; then falls, the highest first; then in order of OrderID."""
    rises = prices.waits_for_rise(entry.state.side, entry.said)
    stop = entry.said.stop_price_ticks
    return (not rises, stop if rises else -stop, entry.state.order_id)


def _follow(venue: Venue, market: Market) -> bool:
    """Pegged and trailing orders follow what they look at; True if one moved."""
    moved = False
    for entry in venue.live(market.symbol):
        if entry.state.ord_type == "P":
            moved = _follow_peg(venue, market, entry) or moved
        elif entry.said.held == "T" and entry.said.trail_offset and market.is_continuous:
            moved = _trail(venue, market, entry) or moved
    return moved


def _follow_peg(venue: Venue, market: Market, entry: Entry) -> bool:
    price = prices.pegged(venue, market, entry.state.side, entry.state.price_ticks, entry.said)
    was = entry.said.working_price_ticks if not entry.said.held else 0
    if price == was:
        return False
    if price:
        entry.instruct(held="", working_price_ticks=price)
        venue.place(entry)
    else:
        entry.queued = 0
        entry.instruct(held="P", working_price_ticks=0, shown_qty_lots=0)
    if not price or not was:
        venue.tell(OrderRestated, entry.state, "11", "")
    elif entry.said.reports_moves:
        venue.tell(OrderRestated, entry.state, "3", "")
    return True


def _trail(venue: Venue, market: Market, entry: Entry) -> bool:
    stop = prices.trailed(venue, market, entry.state.side, entry.said)
    rises = prices.waits_for_rise(entry.state.side, entry.said)
    was = entry.said.stop_price_ticks
    if not stop or (was and (stop >= was if rises else stop <= was)):
        return False
    entry.instruct(stop_price_ticks=stop)
    if entry.said.reports_moves:
        venue.tell(OrderRestated, entry.state, "3", "")
    return True
