"""
A trading desk for tests: sends commands with few words, and tells what came of them in one line per event.

An event reads `[session] what order`, an order `#1 a1 4+6/10 PARTIALLY_FILLED` (OrderID, ClOrdID, CumQty + LeavesQty /
OrderQty, OrdStatus), then what is special about it: `waits T`, `shows 5`, `at 101` (where it stands if not at its
price), `stop 99`. No session in front: nobody asked. An increment reads as its levels, then its trades.
"""

from typing import Any

from matcher.commands import (
    CancelOrder,
    Command,
    NewOrder,
    OrderStatusRequest,
    ReplaceOrder,
)
from matcher.engine.engine import Engine
from matcher.events import (
    CancelRejected,
    Event,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderRestated,
    OrderStatusReported,
    OrderTriggered,
    Output,
)
from matcher.increments import MarketDataIncrement
from matcher.instructions import SHOWS_ALL, Instructions
from matcher.instruments import Increment, Instrument, TradingRules
from matcher.operator_commands import (
    DefineInstrument,
    EndTradingDay,
    Limits,
    SetLimits,
    SetPhase,
    SetReferencePrice,
    TimerFired,
)
from matcher.orders import DAY, LIMIT, STOP, STOP_LIMIT, OrderState, OrdType, Side, TimeInForce
from matcher.phases import PHASE_NAMES, Phase

STATUS = {"0": "NEW", "1": "PARTIALLY_FILLED", "2": "FILLED", "4": "CANCELED", "8": "REJECTED", "C": "EXPIRED"}
SIDE = {"1": "bid", "2": "ask", "": "nobody"}
ACTION = {"0": "new", "1": "change", "2": "delete"}


def instruments(*symbols: str, shard: int = 0, **rules: Any) -> list[Instrument]:
    cent, one = Increment(1, 2), Increment(1, 0)
    return [Instrument(symbol, cent, one, 100, "USD", shard, "", TradingRules(**rules)) for symbol in symbols]


class Desk:
    """Session A1 of firm A trades TEST, unless told otherwise; every command is a record of its own."""

    def __init__(
        self, engine: Engine | None = None, *, orders_max: int = 100, finished_orders_max: int = 100, **rules: Any
    ) -> None:
        self.engine = engine or Engine(
            0, instruments("TEST", "OTHER", **rules), orders_max=orders_max, finished_orders_max=finished_orders_max
        )
        self.input_seq = self.engine.last_input_seq
        self.outputs: list[Output] = []

    def apply(self, command: Command) -> list[str]:
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

    @staticmethod
    def told(output: Output) -> list[str]:
        """One line per event of an answer."""
        return told(output.events)

    @property
    def levels(self) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """The public book of TEST."""
        return self.engine.levels("TEST")

    # Clients

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
        poss_resend: bool = False,
        **instructions: Any,
    ) -> list[str]:
        head = self._head(session, symbol)
        terms = (side, ord_type, time_in_force, price_ticks, qty_lots)
        said = Instructions(**instructions) if instructions else None
        return self.apply(NewOrder(*head, cl_ord_id, "acc", *terms, said, poss_resend))

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
        price_ticks: int = 0,
        *,
        ord_type: OrdType = LIMIT,
        time_in_force: TimeInForce = DAY,
        session: str = "A1",
        symbol: str = "TEST",
        **instructions: Any,
    ) -> list[str]:
        terms = (side, ord_type, time_in_force, price_ticks, qty_lots)
        said = Instructions(**instructions) if instructions else None
        return self.apply(ReplaceOrder(*self._head(session, symbol), cl_ord_id, orig_cl_ord_id, *terms, said))

    def status(self, cl_ord_id: str, side: Side, *, session: str = "A1", symbol: str = "TEST") -> list[str]:
        return self.apply(OrderStatusRequest(*self._head(session, symbol), cl_ord_id, "q", side))

    def trade(self, price_ticks: int, qty_lots: int = 1) -> None:
        """Firms Y and Z trade at a price that no other order stands in the way of."""
        self.new(f"y{self.input_seq}", "2", qty_lots, price_ticks, session="Y1")
        self.new(f"z{self.input_seq}", "1", qty_lots, price_ticks, session="Z1")
        assert self.outputs[-1].increments[0].trades, "that was no trade"

    # The venue

    def end_day(self, trading_date: str, *, symbol: str = "TEST") -> list[str]:
        return self.apply(EndTradingDay(symbol, self._now_ns, trading_date))

    def fire_timers(self, now_ns: int, *, symbol: str = "TEST") -> list[str]:
        return self.apply(TimerFired(symbol, now_ns))

    def set_phase(self, phase: Phase, *, ends_ns: int = 0, symbol: str = "TEST") -> list[str]:
        return self.apply(SetPhase("op", self._now_ns, symbol, phase, ends_ns, 0, 0, ""))

    def set_reference_price(self, price_ticks: int, *, symbol: str = "TEST") -> list[str]:
        return self.apply(SetReferencePrice("op", self._now_ns, symbol, price_ticks))

    def set_limits(self, firm: str, session: str = "", **limits: Any) -> list[str]:
        return self.apply(SetLimits("op", self._now_ns, "", firm, session, Limits(**limits)))

    def define(self, instrument: Instrument) -> list[str]:
        return self.apply(DefineInstrument("op", self._now_ns, instrument.symbol, instrument))

    @property
    def _now_ns(self) -> int:
        return (self.input_seq + 1) * 1000

    def _head(self, session: str, symbol: str) -> tuple[str, int, int, int, int, str, str]:
        number = self.input_seq + 1
        return session, 1, number, number - 1, number * 1000, session[0], symbol


def told(events: list[Event]) -> list[str]:
    return [_told(event) for event in events]


def _told(event: Event) -> str:
    what: Any
    match event:
        case OrderFilled(order=order):
            role = "auctioned" if event.is_auction else "incoming" if event.is_aggressor else "resting"
            what = f"filled {event.last_qty_lots}@{event.last_price_ticks} match {event.match_id}"
            what = f"{what} {role} {_told_order(order)}"
        case OrderAccepted(order=order):
            what = f"accepted {_told_order(order)}"
        case OrderRejected(order=order):
            what = f"rejected {event.reason} {_told_order(order)}"
        case OrderCanceled(order=order):
            by = f"by {event.cl_ord_id} for {event.orig_cl_ord_id}" if event.orig_cl_ord_id else f"({event.text})"
            why = f"{event.restatement_reason} " if event.restatement_reason else ""
            what = f"canceled {why}{by} {_told_order(order)}"
        case OrderReplaced(order=order):
            what = f"replaced {event.orig_cl_ord_id} {_told_order(order)}"
        case OrderExpired(order=order):
            what = f"expired {_told_order(order)}"
        case OrderTriggered(order=order):
            what = f"triggered {_told_order(order)}"
        case OrderRestated(order=order):
            what = f"restated {event.restatement_reason} {_told_order(order)}"
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
    return f"#{order.order_id} {order.cl_ord_id} {quantities} {STATUS[order.ord_status]}{_told_special(order)}"


def _told_special(order: OrderState) -> str:
    said = order.instructions
    if said is None or order.ord_status == "8":
        return ""
    what = ""
    if said.held:
        what += f" waits {said.held}"
    if order.ord_type in (STOP, STOP_LIMIT):
        what += f" stop {said.stop_price_ticks}"
    if said.working_price_ticks:
        what += f" at {said.working_price_ticks}"
    if said.display_qty_lots not in (SHOWS_ALL, 0) and said.shown_qty_lots:
        what += f" shows {said.shown_qty_lots}"
    return what


def told_in_public(increment: MarketDataIncrement) -> str:
    levels = [
        f"{ACTION[level.action]} {SIDE[level.side]} {level.qty_lots}@{level.price_ticks} x{level.order_count}"
        for level in increment.levels
    ]
    trades = [
        f"trade {trade.qty_lots}@{trade.price_ticks} match {trade.match_id} by {SIDE[trade.aggressor_side]}"
        for trade in increment.trades
    ]
    news = [f"phase {PHASE_NAMES[increment.phase.phase]}"] if increment.phase else []
    if increment.indicative:
        indicative = increment.indicative
        imbalance = f"{SIDE[indicative.imbalance_side]} {indicative.imbalance_qty_lots}"
        news.append(f"indicative {indicative.qty_lots}@{indicative.price_ticks} {imbalance}")
    news += [f"revised match {each.match_id} {each.qty_lots}@{each.price_ticks}" for each in increment.revisions]
    return f"{increment.md_seq}: {', '.join(news + levels + trades)}"
