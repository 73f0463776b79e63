"""What everybody sees: the view from scratch, and how it differs from before the command (BOOK, AUCTION-5)."""

from typing import Any

from matcher.increments import INCREMENT_ENTRIES_MAX, LevelChange, MarketDataIncrement, ShownOrder, TradePrint
from matcher.phases import AUCTIONS
from simulators.reference import auction
from simulators.reference.memory import Market, Venue, View


def view(venue: Venue, market: Market) -> View:
    """What the public sees: displayed orders, and how much each of them displays."""
    seen: View = {}
    for side in "12":
        for entry in venue.resting(market.symbol, side):
            if not entry.is_hidden and not market.is_collected:
                seen.setdefault((side, entry.stands_at), {})[entry.entry_id] = entry.offers
    return seen


def increments(venue: Venue, market: Market) -> list[MarketDataIncrement]:
    """What changed in public: bids best first, then asks best first; too much for one increment is cut up."""
    before, now = market.before, view(venue, market)
    touched = [key for key in before.keys() | now.keys() if before.get(key) != now.get(key)]
    touched.sort(key=lambda key: (key[0], key[1] if key[0] == "2" else -key[1]))
    levels = [_change(side, price, before, now) for side, price in touched]
    indicative = None
    if market.phase in AUCTIONS:
        shown = auction.indicative(venue, market)
        indicative = shown if shown != market.indicative else None
        market.indicative = shown
    if not levels and not market.trades and (*_first(market), indicative) == (None, [], "", None):
        return []
    parts = [[*market.trades, *levels]]
    size = len(market.trades) + len(market.revisions) + sum(1 + len(level.orders) for level in levels)
    if size > INCREMENT_ENTRIES_MAX:
        parts = _cut(market.trades, [level for action in "210" for level in levels if level.action == action])
    told = []
    for part in parts:
        # The phase holds from the first on; the indicative price is what the whole command left.
        phase, revisions, ended_day = _first(market) if part is parts[0] else (None, [], "")
        told.append(
            _increment(venue, market, part, phase, indicative if part is parts[-1] else None, revisions, ended_day)
        )
    return told


def _first(market: Market) -> tuple[Any, Any, str]:
    return market.phase_change, market.revisions, market.ended_day


def _cut(trades: list[TradePrint], levels: list[LevelChange]) -> list[list[Any]]:
    """As many entries as fit, one after the other; a level that does not fit is told in several steps."""
    parts: list[list[Any]] = [[]]
    sizes = [0]
    for trade in trades:
        if sizes[-1] == INCREMENT_ENTRIES_MAX:
            parts.append([])
            sizes.append(0)
        parts[-1].append(trade)
        sizes[-1] += 1
    for level in levels:
        orders, is_first = level.orders, True
        while is_first or orders:
            if sizes[-1] + 1 + bool(orders) > INCREMENT_ENTRIES_MAX:
                parts.append([])
                sizes.append(0)
            room = INCREMENT_ENTRIES_MAX - sizes[-1] - 1
            if len(orders) > room:
                orders = [*filter(_is_new, orders), *(order for order in orders if not _is_new(order))]
            step, orders = orders[:room], orders[room:]
            parts[-1].append(_step(level, step, orders, is_first=is_first))
            sizes[-1] += 1 + len(step)
            is_first = False
    return parts


def _step(level: LevelChange, step: list[ShownOrder], later: list[ShownOrder], *, is_first: bool) -> LevelChange:
    """A level without what is told of it later."""
    qty, count = level.qty_lots, level.order_count
    for order in later:
        qty -= order.change_lots
        count -= _is_new(order)
        count += not order.qty_lots
    return LevelChange(level.action if is_first else "1", level.side, level.price_ticks, qty, count, step)


def _is_new(order: ShownOrder) -> bool:
    return order.qty_lots == order.change_lots


def _increment(venue: Venue, market: Market, entries: list[Any], *news: Any) -> MarketDataIncrement:
    market.md_seq += 1
    levels = [entry for entry in entries if isinstance(entry, LevelChange)]
    trades = [entry for entry in entries if isinstance(entry, TradePrint)]
    head = (market.symbol, market.md_seq, venue.input_seq, venue.command.received_ns)
    return MarketDataIncrement(*head, levels, trades, *news)


def _change(side: Any, price: int, before: View, now: View) -> LevelChange:
    was, shown = before.get((side, price), {}), now.get((side, price), {})
    if not shown:
        return LevelChange("2", side, price, 0, 0)
    changed = [
        ShownOrder(entry_id, shown.get(entry_id, 0), shown.get(entry_id, 0) - was.get(entry_id, 0))
        for entry_id in sorted(was.keys() | shown.keys())
        if was.get(entry_id) != shown.get(entry_id)
    ]
    return LevelChange("1" if was else "0", side, price, sum(shown.values()), len(shown), changed)
