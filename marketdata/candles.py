"""
Candles: the trades of one symbol, in intervals of several lengths, put right when a trade is busted or corrected.

Each candle is built from trades alone, by their time and in their order; so everybody who has the same trades has the
same candles. A candle during which trades were missed says so. High and low cannot be taken back without the trades, so
the last `TRADES_REMEMBERED` are kept. A revision of an older one changes nothing; of a candle that began before them, a
revision changes volume and count only.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from sortedcontainers import SortedDict

from marketdata.messages import RevisedTrade, Trade

LENGTHS_S: Final = (1, 10, 60, 300, 3600)
CANDLES_KEPT: Final = 300
"""Of each length, those in which something was traded."""
TRADES_REMEMBERED: Final = 5_000

_NS: Final = 1_000_000_000

Place = tuple[int, int]
"""Which candle: its length in seconds, and when it begins in ns."""


class Candle(msgspec.Struct, gc=False):
    """What was traded in one interval; a `trade_count` of 0 is a candle whose trades were all busted."""

    start_ns: int
    first_match_id: int
    open_ticks: int = 0
    high_ticks: int = 0
    low_ticks: int = 0
    close_ticks: int = 0
    volume_lots: int = 0
    trade_count: int = 0
    is_complete: bool = True
    """False if trades in it may be missing here."""

    def add(self, price_ticks: int, qty_lots: int) -> None:
        """Take the next trade."""
        if not self.trade_count:
            self.open_ticks = self.high_ticks = self.low_ticks = price_ticks
        self.high_ticks = max(self.high_ticks, price_ticks)
        self.low_ticks = min(self.low_ticks, price_ticks)
        self.close_ticks = price_ticks
        self.volume_lots += qty_lots
        self.trade_count += 1


class _Print(msgspec.Struct, frozen=True, gc=False):
    """A trade as it stands now; 0 lots: busted."""

    transact_ns: int
    price_ticks: int
    qty_lots: int


class Tape:
    """The candles of one symbol."""

    def __init__(self, *, candles_kept: int = CANDLES_KEPT, trades_remembered: int = TRADES_REMEMBERED) -> None:
        self._candles_kept = candles_kept
        self._trades_remembered = trades_remembered
        self._series: dict[int, SortedDict[int, Candle]] = {length_s: SortedDict() for length_s in LENGTHS_S}
        self._prints: dict[int, _Print] = {}
        self._last_match_id = 0
        self._last_ns = 0

    def candles(self, length_s: int) -> list[Candle]:
        """Those that are kept, oldest first."""
        return list(self._series[length_s].values())

    def candle(self, place: Place) -> Candle:
        """One candle as it stands now; one that is not kept has no trades."""
        length_s, start_ns = place
        candle: Candle = self._series[length_s].get(start_ns) or Candle(start_ns, 0)
        return candle

    def take(self, trades: Iterable[Trade], revisions: Iterable[RevisedTrade] = ()) -> set[Place]:
        """Take what an increment tells, first its trades; returns the candles that are others now."""
        changed: set[Place] = set()
        for trade in trades:
            if trade.match_id > self._last_match_id:
                changed.update(self._add(trade))
        for revision in revisions:
            changed.update(self._revise(revision.match_id, revision.price_ticks, revision.qty_lots))
        return changed

    def take_up(self, trades: list[Trade]) -> set[Place]:
        """
        Go on from a snapshot's last trades, which stand as they were revised, the busted ones left out.

        What was traded before them and not seen is missing, and the candles around the hole say so; a bust of one of
        them that was never seen looks the same.
        """
        changed: set[Place] = set()
        stands = {trade.match_id: trade for trade in trades}
        oldest = min(stands, default=0)
        for match_id, seen in list(self._prints.items()):
            if oldest and match_id >= oldest:
                now = stands.get(match_id)
                price_ticks, qty_lots = (now.price_ticks, now.qty_lots) if now else (seen.price_ticks, 0)
                if (price_ticks, qty_lots) != (seen.price_ticks, seen.qty_lots):
                    changed.update(self._revise(match_id, price_ticks, qty_lots))
        return changed | self.take(trades)

    def _add(self, trade: Trade) -> Iterator[Place]:
        if trade.match_id != self._last_match_id + 1:
            yield from self._tell_of_hole(trade.transact_ns)
        self._last_match_id, self._last_ns = trade.match_id, trade.transact_ns
        self._prints[trade.match_id] = _Print(trade.transact_ns, trade.price_ticks, trade.qty_lots)
        if len(self._prints) > self._trades_remembered:
            del self._prints[next(iter(self._prints))]
        for place in _places(trade.transact_ns):
            self._candle_at(place, trade.match_id).add(trade.price_ticks, trade.qty_lots)
            self._forget_oldest(place[0])
            yield place

    def _tell_of_hole(self, until_ns: int) -> Iterator[Place]:
        """Trades are missing between the last one seen and the one that is about to be added."""
        for place in _places(self._last_ns) if self._last_ns else ():
            if (candle := self._series[place[0]].get(place[1])) is not None:
                candle.is_complete = False
                yield place
        for place in _places(until_ns):
            self._candle_at(place, self._last_match_id + 1).is_complete = False

    def _candle_at(self, place: Place, match_id: int) -> Candle:
        series = self._series[place[0]]
        candle: Candle | None = series.get(place[1])
        if candle is None:
            candle = series[place[1]] = Candle(place[1], match_id)
        return candle

    def _forget_oldest(self, length_s: int) -> None:
        if len(self._series[length_s]) > self._candles_kept:
            self._series[length_s].popitem(0)

    def _revise(self, match_id: int, price_ticks: int, qty_lots: int) -> Iterator[Place]:
        before = self._prints.get(match_id)
        if before is None or not before.qty_lots:  # a trade that was busted stays so
            return
        now = self._prints[match_id] = _Print(before.transact_ns, price_ticks, qty_lots)
        for place in _places(before.transact_ns):
            candle = self._series[place[0]].get(place[1])
            if candle is not None:
                self._rebuild(place, candle, before, now)
                yield place

    def _rebuild(self, place: Place, candle: Candle, before: _Print, now: _Print) -> None:
        if candle.first_match_id < next(iter(self._prints)):
            candle.volume_lots += now.qty_lots - before.qty_lots
            candle.trade_count += bool(now.qty_lots) - bool(before.qty_lots)
        else:
            rebuilt = Candle(candle.start_ns, candle.first_match_id, is_complete=candle.is_complete)
            for each in self._prints.values():
                if each.qty_lots and _start(each.transact_ns, place[0]) == place[1]:
                    rebuilt.add(each.price_ticks, each.qty_lots)
            candle = self._series[place[0]][place[1]] = rebuilt
        if not candle.trade_count:
            del self._series[place[0]][place[1]]


def _start(transact_ns: int, length_s: int) -> int:
    return transact_ns - transact_ns % (length_s * _NS)


def _places(transact_ns: int) -> Iterator[Place]:
    return ((length_s, _start(transact_ns, length_s)) for length_s in LENGTHS_S)
