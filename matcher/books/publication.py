"""
The public view of a command: what it changed in one symbol, as few increments as can hold it.

Readers apply them one by one and never see a crossed book, not even in between; how they are cut is said by
`MarketDataIncrement`.
"""

from typing import Final

from matcher.books.market import Market
from matcher.increments import (
    INCREMENT_ENTRIES_MAX,
    Indicative,
    LevelAction,
    LevelChange,
    MarketDataIncrement,
    PhaseChange,
    TradePrint,
    TradeRevision,
)

# Levels in the order in which they are told when one increment cannot hold them: what makes room before what is new.
_DELETES_FIRST: Final[dict[LevelAction, int]] = {"2": 0, "1": 1, "0": 2}


def increments(market: Market, input_seq: int, transact_ns: int) -> list[MarketDataIncrement]:
    """
    All that changed in public since the last call; empty if nothing did.

    In one increment bids stand first and best first; in several, entries stand as `MarketDataIncrement` says.
    """
    levels = market.book.take_changes()
    trades = market.prints
    if trades:
        market.prints = []
        market.seen_prints = 0
        market.stops.entered.clear()
        market.base_price_ticks = market.last_price_ticks
    else:
        trades = []  # the market's own list is what later trades go into
    if market.has_news:
        return _with_news(market, levels, trades, input_seq, transact_ns)
    entries = len(levels) + len(trades)
    if not entries:
        return []
    if entries > INCREMENT_ENTRIES_MAX:
        return _several(market, levels, trades, (input_seq, transact_ns))
    market.md_seq += 1
    return [MarketDataIncrement(market.symbol, market.md_seq, input_seq, transact_ns, levels, trades)]


def _with_news(
    market: Market, levels: list[LevelChange], trades: list[TradePrint], input_seq: int, transact_ns: int
) -> list[MarketDataIncrement]:
    """The same with a change of phase, an indicative price or revised trades in it."""
    phase, indicative, revisions = market.take_news()
    if len(levels) + len(trades) + len(revisions) > INCREMENT_ENTRIES_MAX:
        news = (phase, indicative, revisions)
        return _several(market, levels, trades, (input_seq, transact_ns), news)
    if not (levels or trades or phase or indicative or revisions):
        return []
    market.md_seq += 1
    head = (market.symbol, market.md_seq, input_seq, transact_ns)
    return [MarketDataIncrement(*head, levels, trades, phase, indicative, revisions)]


_News = tuple[PhaseChange | None, Indicative | None, list[TradeRevision]]


def _several(
    market: Market,
    levels: list[LevelChange],
    trades: list[TradePrint],
    cause: tuple[int, int],
    news: _News = (None, None, []),
) -> list[MarketDataIncrement]:
    phase, indicative, revisions = news
    # No command opens a level before it has emptied the ones that it crosses, so telling all deletes before all
    # new levels never shows a bid at or above an ask. The sort is stable: best first among equals, as before.
    levels = sorted(levels, key=lambda change: _DELETES_FIRST[change.action])
    parts: list[MarketDataIncrement] = []
    count = len(trades) + len(levels)
    for begin in range(0, count, INCREMENT_ENTRIES_MAX):
        end = begin + INCREMENT_ENTRIES_MAX
        part = levels[max(0, begin - len(trades)) : max(0, end - len(trades))]
        market.md_seq += 1
        # A phase comes first and holds from there on, an indicative price last: it is what the whole command left.
        parts.append(
            MarketDataIncrement(
                market.symbol,
                market.md_seq,
                *cause,
                part,
                trades[begin:end],
                phase if begin == 0 else None,
                indicative if end >= count else None,
                revisions if begin == 0 else [],
            )
        )
    return parts
