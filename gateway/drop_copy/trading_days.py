"""Which trading day a moment belongs to: TradeDate(75) of a trade, and where the current day began."""

from configs.loader import Venue
from matcher.instruments import Instrument
from matcher.schedule import DayEnd
from sessions.native.messages import read_timestamp

_HOUR_NS = 3600 * 10**9
_LONGEST_DAY_NS = 25 * _HOUR_NS
"""From one end of a trading day to the next; a day of 23 hours may follow it, so two of them are longer."""


def midnight_ns(date: str) -> int:
    """The beginning of a day in UTC, which is one: `YYYYMMDD`."""
    time_ns = read_timestamp(f"{date}-00:00:00")
    assert time_ns is not None, date
    return time_ns


class TradingDays:
    """The trading days of the instruments that are traded."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._groups = {symbol: instrument.group for symbol, instrument in venue.instruments.items()}
        self._days: dict[str, tuple[int, int, str]] = {}  # by group: the day that was asked for last

    def define(self, instrument: Instrument) -> None:
        """An instrument is traded from now on."""
        self._groups[instrument.symbol] = instrument.group

    def date_of(self, symbol: str, at_ns: int) -> str:
        """The trading day of a moment, `YYYYMMDD`: one that ends at 22:00 begins at that time of the day before."""
        return self._day(symbol, at_ns)[2]

    def begin_of(self, symbol: str, now_ns: int) -> int:
        """When the trading day of a moment began, in ns since 1970 UTC."""
        return self._day(symbol, now_ns)[0]

    def first_begin_of(self, date: str) -> int:
        """When the first of the instruments begins a trading day, `YYYYMMDD`."""
        return min((self.end_before(symbol, date).ended_ns for symbol in self._groups), default=midnight_ns(date))

    def first_begin(self, now_ns: int) -> int:
        """The least `begin_of` of all instruments."""
        return min((self.begin_of(symbol, now_ns) for symbol in self._groups), default=now_ns)

    def end_before(self, symbol: str, date: str) -> DayEnd:
        """The newest end of a trading day before this one, `YYYYMMDD`: there it begins."""
        group = self._groups.get(symbol, "")
        end = self._venue.last_day_end(group, midnight_ns(date) + 2 * _LONGEST_DAY_NS)
        while end.trading_date >= date:
            end = self._venue.last_day_end(group, end.ended_ns - 1)
        return end

    def _day(self, symbol: str, at_ns: int) -> tuple[int, int, str]:
        group = self._groups.get(symbol, "")
        day = self._days.get(group)
        if day is None or not day[0] <= at_ns < day[1]:
            begin_ns = self._venue.last_day_end(group, at_ns).ended_ns
            end = self._venue.last_day_end(group, begin_ns + _LONGEST_DAY_NS)
            day = self._days[group] = begin_ns, end.ended_ns, end.trading_date
        return day
