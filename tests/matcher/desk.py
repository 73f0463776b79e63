"""
A trading desk for tests: sends commands with few words, and tells what came of them in one line per event.

An event reads `[session] what order`, an order `#1 a1 4+6/10 PARTIALLY_FILLED` (OrderID, ClOrdID, CumQty + LeavesQty /
OrderQty, OrdStatus). No session in front: nobody asked. An increment reads as its levels, then its trades.
"""

from typing import Any

from matcher.commands import (
    CancelOrder,
    ClientRequest,
    EndTradingDay,
    NewOrder,
    OrderStatusRequest,
    ReplaceOrder,
)
from matcher.engine import Engine
from matcher.events import (
    CancelRejected,
    Event,
    MarketDataIncrement,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderStatusReported,
    Output,
)
from matcher.instruments import Increment, Instrument
from matcher.orders import DAY, LIMIT, OrderState, OrdType, Side, TimeInForce

STATUS = {"0": "NEW", "1": "PARTIALLY_FILLED", "2": "FILLED", "4": "CANCELED", "8": "REJECTED", "C": "EXPIRED"}
SIDE = {"1": "bid", "2": "ask"}
ACTION = {"0": "new", "1": "change", "2": "delete"}


def instruments(*symbols: str, shard: int = 0) -> list[Instrument]:
    return [Instrument(symbol, Increment(1, 2), Increment(1, 0), 100, "USD", shard) for symbol in symbols]


class Desk:
    """Session A1 of firm A trades TEST, unless told otherwise; every command is a record of its own."""

    def __init__(self, engine: Engine | None = None, *, orders_max: int = 100, finished_orders_max: int = 100) -> None:
        self.engine = engine or Engine(
            0, instruments("TEST", "OTHER"), orders_max=orders_max, finished_orders_max=finished_orders_max
        )
        self.input_seq = self.engine.last_input_seq
        self.outputs: list[Output] = []

    def apply(self, command: ClientRequest | EndTradingDay) -> list[str]:
        self.input_seq += 1
        output = self.engine.apply(command, self.input_seq)
        self.engine.check()
        self.outputs.append(output)
        return told(output.events)

    @property
    def increment(self) -> str | None:
        """What the last command told the public."""
        increments = self.outputs[-1].increments
        assert len(increments) <= 1
        return told_in_public(increments[0]) if increments else None

    def new(
        self,
        cl_ord_id: str,
        side: Side,
        qty_lots: int,
        price_ticks: int = 0,
        *,
        ord_type: OrdType = LIMIT,
        time_in_force: TimeInForce = DAY,
        session: str = "A1",
        symbol: str = "TEST",
    ) -> list[str]:
        head = self._head(session, symbol)
        return self.apply(NewOrder(*head, cl_ord_id, "acc", side, ord_type, time_in_force, price_ticks, qty_lots))

    def cancel(
        self, cl_ord_id: str, orig_cl_ord_id: str, side: Side, *, session: str = "A1", symbol: str = "TEST"
    ) -> list[str]:
        return self.apply(CancelOrder(*self._head(session, symbol), cl_ord_id, orig_cl_ord_id, side))

    def replace(
        self,
        cl_ord_id: str,
        orig_cl_ord_id: str,
        side: Side,
        qty_lots: int,
        price_ticks: int,
        *,
        ord_type: OrdType = LIMIT,
        time_in_force: TimeInForce = DAY,
        session: str = "A1",
        symbol: str = "TEST",
    ) -> list[str]:
        terms = (side, ord_type, time_in_force, price_ticks, qty_lots)
        return self.apply(ReplaceOrder(*self._head(session, symbol), cl_ord_id, orig_cl_ord_id, *terms))

    def status(self, cl_ord_id: str, side: Side, *, session: str = "A1", symbol: str = "TEST") -> list[str]:
        return self.apply(OrderStatusRequest(*self._head(session, symbol), cl_ord_id, "q", side))

    def end_day(self, trading_date: str, *, symbol: str = "TEST") -> list[str]:
        return self.apply(EndTradingDay(symbol, self.input_seq, trading_date))

    def _head(self, session: str, symbol: str) -> tuple[str, int, int, int, int, str, str]:
        number = self.input_seq + 1
        return session, 1, number, number - 1, number * 1000, session[0], symbol


def told(events: list[Event]) -> list[str]:
    return [_told(event) for event in events]


def _told(event: Event) -> str:
    what: Any
    match event:
        case OrderFilled(order=order):
            what = f"filled {event.last_qty_lots}@{event.last_price_ticks} match {event.match_id}"
            what = f"{what} {'incoming' if event.is_aggressor else 'resting'} {_told_order(order)}"
        case OrderAccepted(order=order):
            what = f"accepted {_told_order(order)}"
        case OrderRejected(order=order):
            what = f"rejected {event.reason} {_told_order(order)}"
        case OrderCanceled(order=order):
            by = f"by {event.cl_ord_id} for {event.orig_cl_ord_id}" if event.orig_cl_ord_id else f"({event.text})"
            what = f"canceled {by} {_told_order(order)}"
        case OrderReplaced(order=order):
            what = f"replaced {event.orig_cl_ord_id} {_told_order(order)}"
        case OrderExpired(order=order):
            what = f"expired {_told_order(order)}"
        case OrderStatusReported(order=order):
            what = f"status {event.reason or 'known'} {_told_order(order)}"
        case CancelRejected():
            kind = {"1": "cancel", "2": "replace"}[event.response_to]
            what = f"{kind} rejected {event.reason} {event.cl_ord_id} for {event.orig_cl_ord_id}"
            what = f"{what} #{event.order_id} {STATUS[event.ord_status]}"
        case _:
            what = event
    return f"{event.requester_session_id} {what}".strip()


def _told_order(order: OrderState) -> str:
    quantities = f"{order.cum_qty_lots}+{order.leaves_qty_lots}/{order.qty_lots}"
    return f"#{order.order_id} {order.cl_ord_id} {quantities} {STATUS[order.ord_status]}"


def told_in_public(increment: MarketDataIncrement) -> str:
    levels = [
        f"{ACTION[level.action]} {SIDE[level.side]} {level.qty_lots}@{level.price_ticks} x{level.order_count}"
        for level in increment.levels
    ]
    trades = [
        f"trade {trade.qty_lots}@{trade.price_ticks} match {trade.match_id} by {SIDE[trade.aggressor_side]}"
        for trade in increment.trades
    ]
    return f"{increment.md_seq}: {', '.join(levels + trades)}"
