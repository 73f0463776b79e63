"""What everybody sees: the view from scratch, and how it differs from before the command (BOOK, AUCTION-5)."""

from typing import Any

from matcher.increments import INCREMENT_ENTRIES_MAX, LevelChange, MarketDataIncrement, TradePrint
from matcher.phases import AUCTIONS
from simulators.reference import auction
from simulators.reference.memory import Market, Venue, View


def view(venue: Venue, market: Market) -> View:
    """What the public sees: displayed quantity, and the number of displayed orders."""
    seen: View = {}
    for side in "12":
        for entry in venue.resting(market.symbol, side):
            if not entry.is_hidden and not market.is_collected:
                qty, count = seen.get((side, entry.stands_at), (0, 0))
                seen[side, entry.stands_at] = (qty + entry.offers, count + 1)
    return seen


def increments(venue: Venue, market: Market) -> list[MarketDataIncrement]:
    """What changed in public: bids best first, then asks best first; too much for one increment is cut up."""
    before, now = market.before, view(venue, market)
    touched = [key for key in before.keys() | now.keys() if before.get(key) != now.get(key)]
    touched.sort(key=lambda key: (key[0], key[1] if key[0] == "2" else -key[1]))
    levels = [_change(side, price, before, now) for side, price in touched]
    entries: list[LevelChange | TradePrint] = [*market.trades, *levels]
    if len(entries) > INCREMENT_ENTRIES_MAX:
        entries = [*market.trades, *(level for action in "210" for level in levels if level.action == action)]
    indicative = None
    if market.phase in AUCTIONS:
        shown = auction.indicative(venue, market)
        indicative = shown if shown != market.indicative else None
        market.indicative = shown
    news = (market.phase_change, indicative, market.revisions)
    if not entries and news == (None, None, []):
        return []
    cuts = range(0, max(1, len(entries)), INCREMENT_ENTRIES_MAX)
    told = []
    for cut in cuts:
        is_last = cut + INCREMENT_ENTRIES_MAX >= len(entries)
        # The phase holds from the first on; the indicative price is what the whole command left.
        first = (market.phase_change, market.revisions) if not cut else (None, [])
        part = entries[cut : cut + INCREMENT_ENTRIES_MAX]
        told.append(_increment(venue, market, part, first[0], indicative if is_last else None, first[1]))
    return told


def _increment(
    venue: Venue, market: Market, entries: list[LevelChange | TradePrint], *first: Any
) -> MarketDataIncrement:
    market.md_seq += 1
    levels = [entry for entry in entries if isinstance(entry, LevelChange)]
    trades = [entry for entry in entries if isinstance(entry, TradePrint)]
    head = (market.symbol, market.md_seq, venue.input_seq, venue.command.received_ns)
    return MarketDataIncrement(*head, levels, trades, *first)


def _change(side: Any, price: int, before: View, now: View) -> LevelChange:
    action: Any = "0" if (side, price) not in before else "1" if (side, price) in now else "2"
    return LevelChange(action, side, price, *now.get((side, price), (0, 0)))
