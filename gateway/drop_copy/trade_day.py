"""
The trades of one trading day off the execution logs, side by side, and their sums. Pure.

A day ends for a symbol where the log says so, as it does for the feed, and not where a clock does. What the firms were
told and what the public was told is gathered apart: at the end both sides of each trade are the same as its print, or
the difference is named.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from gateway.drop_copy.trade_messages import TradeEvent
from gateway.drop_copy.trading_days import TradingDays
from marketdata.statistics import Sums
from matcher.events import Event, OrderFilled, TradeBusted, TradeCorrected
from matcher.increments import MarketDataIncrement
from matcher.orders import BUY, SELL

OnSide = Callable[[int, TradeEvent], None]
"""Told of a shard and an event of it."""

_PUBLIC: Final = ""
"""The view that is nobody's side."""
_VIEWS: Final = {_PUBLIC: "the feed", BUY: "the buying side", SELL: "the selling side"}


class Tape:
    """Trades of one symbol in the order of their numbers, 16 bytes each."""

    def __init__(self) -> None:
        self._first_match_id = 0
        self._price_ticks = array("q")
        self._qty_lots = array("q")

    @property
    def last_match_id(self) -> int:
        """Of the newest trade; 0 if there is none."""
        return self._first_match_id + len(self._qty_lots) - 1 if self._qty_lots else 0

    def add(self, match_id: int, price_ticks: int, qty_lots: int) -> None:
        """Take the next trade."""
        if not self._qty_lots:
            self._first_match_id = match_id
        self._price_ticks.append(price_ticks)
        self._qty_lots.append(qty_lots)

    def revise(self, match_id: int, price_ticks: int, qty_lots: int) -> None:
        """Put a trade right, without any quantity if it was undone; one of an earlier day is not on this tape."""
        place = match_id - self._first_match_id
        if 0 <= place < len(self._qty_lots):
            self._price_ticks[place] = price_ticks if qty_lots else 0
            self._qty_lots[place] = qty_lots

    def sums(self) -> Sums:
        """Of all that was not undone."""
        return Sums().and_then(zip(self._price_ticks, self._qty_lots, strict=True))

    @property
    def content(self) -> tuple[int, "array[int]", "array[int]"]:
        """All of it, to be compared at little cost."""
        return self._first_match_id, self._price_ticks, self._qty_lots

    def trades(self) -> dict[int, tuple[int, int]]:
        """Price in ticks and quantity in lots by number, without those that were undone."""
        both = zip(self._price_ticks, self._qty_lots, strict=True)
        return {number: trade for number, trade in enumerate(both, self._first_match_id) if trade[1]}


class _Part:
    """Of one symbol, what lies between two ends of a trading day."""

    def __init__(self, *, is_wanted: bool) -> None:
        self.is_wanted = is_wanted
        """It follows the day before; else its end will say what it is."""
        self.tapes = {view: Tape() for view in _VIEWS}
        self.undecided: list[tuple[int, TradeEvent]] = []
        self.ended_day = ""
        self.ended_input_seq = 0

    def has(self, event: TradeEvent) -> bool:
        """Whether an event came before its end; a trade is known by its number: an input may have both."""
        if isinstance(event, OrderFilled):
            return event.match_id <= self.tapes[_PUBLIC].last_match_id
        return event.input_seq <= self.ended_input_seq

    def take(self, event: TradeEvent) -> None:
        tape, number, qty_lots = self.tapes[event.order.side], event.match_id, event.last_qty_lots
        if isinstance(event, OrderFilled):
            tape.add(number, event.last_price_ticks, qty_lots)
        else:
            tape.revise(number, event.last_price_ticks, 0 if isinstance(event, TradeBusted) else qty_lots)

    def difference(self, symbol: str) -> str:
        """The first thing that somebody was told otherwise; empty if there is none."""
        public = self.tapes[_PUBLIC]
        for view, tape in self.tapes.items():
            if tape.content != public.content and (differing := tape.trades().items() ^ public.trades().items()):
                number = min(number for number, _ in differing)
                return f"{symbol}: trade {number} is not on {_VIEWS[view]} what it is on the feed"
        return ""


class SymbolDay(msgspec.Struct, frozen=True):
    """What a day was for one symbol."""

    symbol: str
    sums: Sums
    is_over: bool
    difference: str
    """The first trade of which a firm was told something else than the public; empty if there is none."""


class TradeDay:
    """
    Gathers one trading day.

    Args:
        date: The trading day, `YYYYMMDD`.
        days: By the calendar: which day precedes it, and of which one is what no end has been seen of.
        on_side: Told of each side and each change of one, in the order of its shard.
    """

    def __init__(self, date: str, days: TradingDays, on_side: OnSide) -> None:
        self._date = date
        self._days = days
        self._on_side = on_side
        self._current: dict[str, _Part] = {}
        self._ended: dict[str, list[_Part]] = {}
        self._found: dict[str, SymbolDay] = {}

    def take(self, shard: int, events: Iterable[Event], increments: Sequence[MarketDataIncrement]) -> None:
        """Take a whole answer of a matcher: all records that consume the same inputs."""
        sides = [each for each in events if isinstance(each, OrderFilled | TradeBusted | TradeCorrected)]
        for each in sorted([*increments, *sides], key=lambda news: news.input_seq):  # of one input the prints first
            if isinstance(each, MarketDataIncrement):
                if each.symbol not in self._found:
                    self._take_public(each)
            elif each.order.symbol not in self._found:
                self._take_side(shard, each)
        for symbol, parts in self._ended.items():
            for part in parts:
                self._close(symbol, part)
        self._ended.clear()

    def is_over(self, symbols: Iterable[str]) -> bool:
        """Whether nothing of the day can follow for any of these."""
        return all(symbol in self._found and self._found[symbol].is_over for symbol in symbols)

    def finish(self) -> list[SymbolDay]:
        """The day symbol by symbol; of one that has not ended so far, what there is."""
        for symbol, part in self._current.items():
            if symbol not in self._found and (part.is_wanted or self._is_of_date(symbol, part)):
                self._keep(symbol, part)
        return sorted(self._found.values(), key=lambda day: day.symbol)

    def _take_public(self, increment: MarketDataIncrement) -> None:
        part = self._part(increment.symbol)
        tape = part.tapes[_PUBLIC]
        for trade in increment.trades:
            tape.add(trade.match_id, trade.price_ticks, trade.qty_lots)
        for revision in increment.revisions:
            tape.revise(revision.match_id, revision.price_ticks, revision.qty_lots)
        if increment.ended_day:
            part.ended_day, part.ended_input_seq = increment.ended_day, increment.input_seq
            self._ended.setdefault(increment.symbol, []).append(part)
            self._current[increment.symbol] = _Part(is_wanted=self._is_before(increment))

    def _take_side(self, shard: int, event: TradeEvent) -> None:
        symbol = event.order.symbol
        ended = (part for part in self._ended.get(symbol, ()) if part.has(event))
        part = next(ended, None) or self._part(symbol)
        part.take(event)
        if part.is_wanted:
            self._on_side(shard, event)
        else:
            part.undecided.append((shard, event))

    def _is_before(self, end: MarketDataIncrement) -> bool:
        """Whether what follows an end of a day is of the day; behind an older one there is another end first."""
        day_before = self._days.end_before(end.symbol, self._date).trading_date
        return day_before <= end.ended_day < self._date

    def _part(self, symbol: str) -> _Part:
        return self._current.setdefault(symbol, _Part(is_wanted=False))

    def _close(self, symbol: str, part: _Part) -> None:
        if symbol not in self._found and part.ended_day >= self._date:
            if part.is_wanted or part.ended_day == self._date:
                self._keep(symbol, part)
            else:
                self._found[symbol] = SymbolDay(symbol, Sums(), True, "")

    def _keep(self, symbol: str, part: _Part) -> None:
        for shard, event in part.undecided:
            self._on_side(shard, event)
        sums = part.tapes[_PUBLIC].sums()
        self._found[symbol] = SymbolDay(symbol, sums, bool(part.ended_day), part.difference(symbol))

    def _is_of_date(self, symbol: str, part: _Part) -> bool:
        first = next((event for _, event in part.undecided), None)
        return first is not None and self._days.date_of(symbol, first.transact_ns) == self._date
