"""
The public view of a command: what it changed in one symbol, as few increments as can hold it.

Readers apply them one by one and never see a crossed book, not even in between; how they are cut is said by
`MarketDataIncrement`.
"""

from typing import Final

from matcher.books.market import NO_NEWS, Market, News
from matcher.increments import (
    INCREMENT_ENTRIES_MAX,
    LevelAction,
    LevelChange,
    MarketDataIncrement,
    ShownOrder,
    TradePrint,
)

# Levels in the order in which they are told when one increment cannot hold them: what makes room before what is new.
_DELETES_FIRST: Final[dict[LevelAction, int]] = {"2": 0, "1": 1, "0": 2}


def increments(market: Market, input_seq: int, transact_ns: int) -> list[MarketDataIncrement]:
    """
    All that changed in public since the last call; empty if nothing did.

    In one increment bids stand first and best first; in several, entries stand as `MarketDataIncrement` says.
    """
    touched = len(market.book.touched_since.entries)
    levels = market.book.take_changes()
    trades = market.prints
    if trades:
        market.prints = []
        market.seen_prints = 0
        market.stops.entered.clear()
        market.base_price_ticks = market.last_price_ticks
    else:
        trades = []  # the market's own list is what later trades go into
    news = market.take_news() if market.has_news else NO_NEWS
    if not (levels or trades or news != NO_NEWS):
        return []
    entries = len(trades) + len(levels) + len(news.revisions)
    if entries + touched > INCREMENT_ENTRIES_MAX:  # many were touched, but not all are told: not those of gone levels
        touched = sum(len(level.orders) for level in levels)
    if entries + touched > INCREMENT_ENTRIES_MAX:
        return _several(market, levels, trades, (input_seq, transact_ns), news)
    market.md_seq += 1
    if news is NO_NEWS:
        return [MarketDataIncrement(market.symbol, market.md_seq, input_seq, transact_ns, levels, trades)]
    return [MarketDataIncrement(market.symbol, market.md_seq, input_seq, transact_ns, levels, trades, *news)]


def _several(
    market: Market, levels: list[LevelChange], trades: list[TradePrint], cause: tuple[int, int], news: News
) -> list[MarketDataIncrement]:
    # No command opens a level before it has emptied the ones that it crosses, so telling all deletes before all
    # new levels never shows a bid at or above an ask. The sort is stable: best first among equals, as before.
    levels = sorted(levels, key=lambda change: _DELETES_FIRST[change.action])
    parts = _parts(levels, trades)
    told: list[MarketDataIncrement] = []
    for number, (part_levels, part_trades) in enumerate(parts, 1):
        market.md_seq += 1
        # A phase comes first and holds from there on, an indicative price last: it is what the whole command left.
        first = news if number == 1 else NO_NEWS
        said = first._replace(indicative=news.indicative if number == len(parts) else None)
        head = (market.symbol, market.md_seq, *cause)
        told.append(MarketDataIncrement(*head, part_levels, part_trades, *said))
    return told


def _parts(levels: list[LevelChange], trades: list[TradePrint]) -> list[tuple[list[LevelChange], list[TradePrint]]]:
    """Fill one increment after the other."""
    starts = range(0, len(trades), INCREMENT_ENTRIES_MAX)
    parts: list[tuple[list[LevelChange], list[TradePrint]]]
    parts = [([], trades[start : start + INCREMENT_ENTRIES_MAX]) for start in starts] or [([], [])]
    room = INCREMENT_ENTRIES_MAX - len(parts[-1][1])
    for level in levels:
        left: LevelChange | None = level
        while left is not None:
            if room < 1 + bool(left.orders):  # not even one of its orders
                parts.append(([], []))
                room = INCREMENT_ENTRIES_MAX
            first, left = _cut(left, room - 1)
            parts[-1][0].append(first)
            room -= 1 + len(first.orders)
    return parts


def _cut(level: LevelChange, orders_max: int) -> tuple[LevelChange, LevelChange | None]:
    """A level with as many of its orders as may be told, and what is left to tell after that."""
    if len(level.orders) <= orders_max:
        return level, None
    # What is new before what is gone, so that the level is not empty in between.
    orders = sorted(level.orders, key=lambda order: order.change_lots != order.qty_lots)
    later = orders[orders_max:]
    first = LevelChange(
        level.action,
        level.side,
        level.price_ticks,
        level.qty_lots - sum(order.change_lots for order in later),
        level.order_count - sum(map(_change_of_count, later)),
        orders[:orders_max],
    )
    return first, LevelChange("1", level.side, level.price_ticks, level.qty_lots, level.order_count, later)


def _change_of_count(order: ShownOrder) -> int:
    if order.qty_lots == order.change_lots:
        return 1
    return 0 if order.qty_lots else -1
