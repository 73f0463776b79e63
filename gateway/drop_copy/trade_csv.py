"""A day's trades as CSV: a row for each side of a trade and for what became of it, and totals by symbol. Pure."""

import csv
from collections.abc import Iterable, Mapping
from typing import IO, Final

import msgspec

from gateway.drop_copy.trade_day import SymbolDay
from gateway.drop_copy.trade_messages import TradeEvent
from gateway.fix.report_fields import exec_id, order_id_text
from marketdata.statistics import average_text
from matcher.events import OrderFilled, TradeBusted
from matcher.instruments import Increment
from matcher.orders import BUY
from sessions.fix_text import utc_timestamp

SIDE_COLUMNS: Final = (
    *("trade_date", "transact_time", "symbol", "match_id", "exec_type", "exec_id", "exec_ref_id", "side", "firm"),
    *("session", "account", "order_id", "cl_ord_id", "last_qty", "last_px", "currency", "liquidity"),
)
"""Of the file of sides. exec_type: trade, bust (what is undone) or correction (what is right now)."""
TOTAL_COLUMNS: Final = (
    *("trade_date", "symbol", "currency", "trade_count", "volume", "value", "open", "high", "low", "last", "vwap"),
)
"""Of the file of totals. value: the sum of price times quantity."""


class Units(msgspec.Struct):
    """What the numbers about an instrument mean."""

    tick: Increment
    lot: Increment
    currency: str


class SideRows:
    """The file of sides, row by row."""

    def __init__(self, file: IO[str], trade_date: str, units: Mapping[str, Units], firm: str | None = None) -> None:
        """
        Args:
            file: Gets the rows.
            trade_date: The trading day, `YYYYMMDD`.
            units: By symbol; all that are told of.
            firm: Whose sides; None: everybody's.
        """
        self.count = 0
        self._trade_date = trade_date
        self._units = units
        self._firm = firm
        self._csv = csv.writer(file)
        self._csv.writerow(SIDE_COLUMNS)

    def write(self, shard: int, event: TradeEvent) -> None:
        """Write a side of a trade, or what became of it."""
        order = event.order
        if self._firm is not None and order.firm != self._firm:
            return
        units = self._units[order.symbol]
        exec_type, liquidity, ref_id = "trade", _liquidity(event), ""
        if not isinstance(event, OrderFilled):
            exec_type = "bust" if isinstance(event, TradeBusted) else "correction"
            ref_id = f"{shard}-{event.ref_input_seq}-{event.ref_event_index}"
        self.count += 1
        self._csv.writerow(
            (
                *(self._trade_date, utc_timestamp(event.transact_ns), order.symbol, event.match_id, exec_type),
                *(exec_id(shard, event), ref_id, "buy" if order.side == BUY else "sell", order.firm),
                *(order.session_id, order.account, order_id_text(shard, order.order_id), order.cl_ord_id),
                *(units.lot.text(event.last_qty_lots), units.tick.text(event.last_price_ticks)),
                *(units.currency, liquidity),
            )
        )


def write_totals(file: IO[str], trade_date: str, units: Mapping[str, Units], days: Iterable[SymbolDay]) -> None:
    """Write the file of totals: what the feed said of the day, in these units."""
    rows = csv.writer(file)
    rows.writerow(TOTAL_COLUMNS)
    for day in sorted(days, key=lambda each: each.symbol):
        own, sums = units[day.symbol], day.sums
        value = Increment(own.tick.units * own.lot.units, own.tick.places + own.lot.places)
        prices = (sums.open_ticks, sums.high_ticks, sums.low_ticks, sums.last_ticks)
        rows.writerow(
            (
                *(trade_date, day.symbol, own.currency, sums.trade_count),
                *(own.lot.text(sums.volume_lots), value.text(sums.value)),
                *(own.tick.text(price_ticks) if sums.trade_count else "" for price_ticks in prices),
                average_text(own.tick, sums.value, sums.volume_lots),
            )
        )


def _liquidity(event: TradeEvent) -> str:
    if not isinstance(event, OrderFilled):
        return ""
    return "auction" if event.is_auction else "taker" if event.is_aggressor else "maker"
