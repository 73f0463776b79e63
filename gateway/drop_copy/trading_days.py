"""Which trading day a moment belongs to: TradeDate(75) of a trade, and where the current day began."""

from configs.loader import Venue
from matcher.instruments import Instrument

_HOUR_NS = 3600 * 10**9
_LONGEST_DAY_NS = 25 * _HOUR_NS
"""From one end of a trading day to the next; a day of 23 hours may follow it, so two of them are longer."""


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

    def first_begin(self, now_ns: int) -> int:
        """The least `begin_of` of all instruments."""
        return min((self.begin_of(symbol, now_ns) for symbol in self._groups), default=now_ns)

    def _day(self, symbol: str, at_ns: int) -> tuple[int, int, str]:
        group = self._groups.get(symbol, "")
        day = self._days.get(group)
        if day is None or not day[0] <= at_ns < day[1]:
            begin_ns = self._venue.last_day_end(group, at_ns).ended_ns
            end = self._venue.last_day_end(group, begin_ns + _LONGEST_DAY_NS)
            day = self._days[group] = begin_ns, end.ended_ns, end.trading_date
        return day
