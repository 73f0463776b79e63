"""
A trading day in numbers: what was traded so far, kept so that a bust or a correction of any trade of the day counts.

High and low cannot be taken back without knowing all other trades. So the day's trades are kept, 16 bytes each, up to
`TRADES_MAX`; what is older is folded into the sums, and neither a revision of it nor one of an earlier day changes
them.
"""

from array import array
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from marketdata.messages import Statistics
from matcher.increments import MarketDataIncrement, TradePrint, TradeRevision
from matcher.instruments import Increment, Instrument

TRADES_MAX: Final = 200_000
"""Trades of a day that are kept one by one, for each symbol."""
_FOLD: Final = TRADES_MAX // 4


class DayState(msgspec.Struct, frozen=True):
    """All that a day remembers, for a checkpoint."""

    first_match_id: int
    price_ticks: bytes
    """As 64-bit integers of this machine; so are the lots."""
    qty_lots: bytes
    folded: "Sums"
    previous_close_ticks: int
    ended_day: str


class Sums(msgspec.Struct, frozen=True):
    """Of some trades in a row; no price is 0 unless there was no trade."""

    trade_count: int = 0
    open_ticks: int = 0
    high_ticks: int = 0
    low_ticks: int = 0
    last_ticks: int = 0
    volume_lots: int = 0
    value: int = 0

    def and_then(self, trades: Iterable[tuple[int, int]]) -> "Sums":
        """These and more trades: (price_ticks, qty_lots); one that was busted has no lots."""
        count, first, high, low = self.trade_count, self.open_ticks, self.high_ticks, self.low_ticks
        last, volume_lots, value = self.last_ticks, self.volume_lots, self.value
        for price_ticks, qty_lots in trades:
            if qty_lots:
                first = first if count else price_ticks
                high = max(high, price_ticks)
                low = min(low, price_ticks) if count else price_ticks
                count += 1
                last = price_ticks
                volume_lots += qty_lots
                value += price_ticks * qty_lots
        return Sums(count, first, high, low, last, volume_lots, value)


class Day:
    """One symbol's trading day."""

    def __init__(self) -> None:
        self._begin(0, "")

    @classmethod
    def of_state(cls, state: DayState) -> "Day":
        """A day as it stood."""
        day = cls()
        day._begin(state.previous_close_ticks, state.ended_day)
        day._first_match_id = state.first_match_id
        day._price_ticks.frombytes(state.price_ticks)
        day._qty_lots.frombytes(state.qty_lots)
        day._folded = state.folded
        day._sums = day._folded.and_then(day._trades())
        return day

    @property
    def state(self) -> DayState:
        """All of it."""
        kept = self._price_ticks.tobytes(), self._qty_lots.tobytes()
        return DayState(self._first_match_id, *kept, self._folded, self._previous_close_ticks, self._ended_day)

    def take(self, increment: MarketDataIncrement, instrument: Instrument) -> Statistics | None:
        """What the numbers are after an increment; None if it changes none of them."""
        if not (increment.trades or increment.revisions or increment.ended_day):
            return None
        self._add(increment.trades)
        self._revise(increment.revisions)
        if increment.ended_day:
            self._begin(self._sums.last_ticks or self._previous_close_ticks, increment.ended_day)
        return self.statistics(instrument)

    def statistics(self, instrument: Instrument) -> Statistics:
        """The numbers as they are."""
        sums, tick = self._sums, instrument.tick
        return Statistics(
            trade_count=sums.trade_count,
            open=_price_text(tick, sums.open_ticks),
            high=_price_text(tick, sums.high_ticks),
            low=_price_text(tick, sums.low_ticks),
            last=_price_text(tick, sums.last_ticks),
            vwap=average_text(tick, sums.value, sums.volume_lots),
            volume=instrument.lot.text(sums.volume_lots),
            previous_close=_price_text(tick, self._previous_close_ticks),
            open_ticks=sums.open_ticks,
            high_ticks=sums.high_ticks,
            low_ticks=sums.low_ticks,
            last_ticks=sums.last_ticks,
            previous_close_ticks=self._previous_close_ticks,
            volume_lots=sums.volume_lots,
            value=sums.value,
            ended_day=self._ended_day,
        )

    def _begin(self, previous_close_ticks: int, ended_day: str) -> None:
        self._previous_close_ticks = previous_close_ticks
        self._ended_day = ended_day
        self._first_match_id = 0
        self._price_ticks = array("q")
        self._qty_lots = array("q")
        self._folded = self._sums = Sums()

    def _trades(self) -> Iterator[tuple[int, int]]:
        return zip(self._price_ticks, self._qty_lots, strict=True)

    def _add(self, trades: list[TradePrint]) -> None:
        if not trades:
            return
        if not self._price_ticks:
            self._first_match_id = trades[0].match_id
        self._price_ticks.extend(trade.price_ticks for trade in trades)
        self._qty_lots.extend(trade.qty_lots for trade in trades)
        self._sums = self._sums.and_then((trade.price_ticks, trade.qty_lots) for trade in trades)
        if len(self._price_ticks) > TRADES_MAX:
            self._fold()

    def _fold(self) -> None:
        oldest = zip(self._price_ticks[:_FOLD], self._qty_lots[:_FOLD], strict=True)
        self._folded = self._folded.and_then(oldest)
        del self._price_ticks[:_FOLD], self._qty_lots[:_FOLD]
        self._first_match_id += _FOLD

    def _revise(self, revisions: list[TradeRevision]) -> None:
        for revision in revisions:
            place = revision.match_id - self._first_match_id
            if self._first_match_id and 0 <= place < len(self._price_ticks):
                self._price_ticks[place] = revision.price_ticks
                self._qty_lots[place] = revision.qty_lots
        if revisions:  # all trades at once, since no high and no low can be taken back
            self._sums = self._folded.and_then(self._trades())


def _price_text(tick: Increment, price_ticks: int) -> str:
    return tick.text(price_ticks) if price_ticks else ""


def average_text(tick: Increment, value: int, volume_lots: int) -> str:
    """An average price as text, two places finer than the tick; empty without any volume."""
    if not volume_lots:
        return ""
    hundredths = (200 * value + volume_lots) // (2 * volume_lots)
    return Increment(tick.units, tick.places + 2).text(hundredths)
