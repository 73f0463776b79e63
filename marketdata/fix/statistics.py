"""A trading day's statistics as entries of W and X: each MDEntryType(269) is there once at most, or not at all."""

from collections.abc import Iterable
from typing import Final

from marketdata.messages import Statistics
from sessions.fix_text import SOH

OPENING_PRICE: Final = "4"
CLOSING_PRICE: Final = "5"
SESSION_HIGH: Final = "7"
SESSION_LOW: Final = "8"
VWAP: Final = "9"
TRADE_VOLUME: Final = "B"
PREVIOUS_CLOSE: Final = "e"
STATISTICS: Final = (OPENING_PRICE, CLOSING_PRICE, SESSION_HIGH, SESSION_LOW, VWAP, TRADE_VOLUME, PREVIOUS_CLOSE)
"""MDEntryType(269)."""


def statistics_entries(statistics: Statistics | None, entry_types: Iterable[str]) -> dict[str, str]:
    """The fields behind MDEntryType(269) of those wanted, as far as there are numbers."""
    if statistics is None:
        return {}
    close = _price(statistics.previous_close)
    if close and statistics.ended_day:
        close += f"272={statistics.ended_day}{SOH}"
    entries = {
        OPENING_PRICE: _price(statistics.open),
        CLOSING_PRICE: close,
        SESSION_HIGH: _price(statistics.high),
        SESSION_LOW: _price(statistics.low),
        VWAP: _price(statistics.vwap),
        TRADE_VOLUME: _volume(statistics),
        PREVIOUS_CLOSE: close,
    }
    return {entry_type: entries[entry_type] for entry_type in entry_types if entries.get(entry_type)}


def _price(price: str) -> str:
    return f"270={price}{SOH}" if price else ""


def _volume(statistics: Statistics) -> str:
    """With the last price: FIX 4.2 wants one in every entry of a W."""
    return f"270={statistics.last}{SOH}271={statistics.volume}{SOH}" if statistics.trade_count else ""
