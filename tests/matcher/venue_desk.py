"""
A desk for everything that is not a plain order: phases, auctions, limits, lists, quotes, and the operator's commands.

It tells events as `desk` does, and its own ones likewise. Time stands still unless `now_ns` is moved.
"""

from collections.abc import Iterable
from typing import Any, Literal

from msgspec.structs import replace

from matcher.commands import (
    ListedOrder,
    MassCancel,
    MassQuote,
    NewOrderList,
    OrderMassStatusRequest,
    QuoteCancel,
    QuoteEntry,
)
from matcher.engine.engine import Engine
from matcher.events import (
    Event,
    InstrumentDefined,
    ListStatusReported,
    MassCancelReported,
    MassQuoteAcknowledged,
    OperatorAnswered,
    OrderCanceled,
    OrderFilled,
    OrderMassStatusReported,
    OrderRejected,
    OrderRestated,
    QuotesPulled,
    TradeBusted,
    TradeCorrected,
)
from matcher.increments import MarketDataIncrement
from matcher.instructions import Instructions
from matcher.instruments import Increment, Instrument, TradingRules
from matcher.operator_commands import (
    BustTrade,
    CorrectTrade,
    DefineInstrument,
    Limits,
    ScheduledPhase,
    SetLimits,
    SetPhase,
    TimerFired,
)
from matcher.orders import DAY, LIMIT, OrderState, OrdType, Side, TimeInForce
from matcher.phases import Phase
from tests.matcher.desk import STATUS, Desk, _told_order, told

DONE = "operator op: done"
SIDES: dict[str, str] = {"": "", "1": " bid", "2": " ask"}


def instrument(symbol: str = "TEST", rules: TradingRules | None = None, **changes: Any) -> Instrument:
    fields = {"tick": Increment(1, 2), "lot": Increment(1, 0), "reference_price_ticks": 100, "currency": "USD"}
    return Instrument(symbol, **{**fields, "shard": 0, "rules": rules or TradingRules(), **changes})


def leg(
    cl_ord_id: str,
    side: Side,
    qty_lots: int,
    price_ticks: int = 0,
    *,
    ord_type: OrdType = LIMIT,
    time_in_force: TimeInForce = DAY,
    **instructions: Any,
) -> ListedOrder:
    special = Instructions(**instructions) if instructions else None
    return ListedOrder(cl_ord_id, "acc", side, ord_type, time_in_force, price_ticks, qty_lots, special)


class VenueDesk(Desk):
    """
    Session A1 of firm A and the operator, on TEST unless told otherwise.

    Args:
        rules: Of TEST; OTHER has none.
        orders_max: Of the engine.
        finished_orders_max: Of the engine.
    """

    def __init__(
        self, rules: TradingRules | None = None, *, orders_max: int = 100, finished_orders_max: int = 100
    ) -> None:
        self._bounds = {"orders_max": orders_max, "finished_orders_max": finished_orders_max}
        super().__init__(Engine(0, **self._bounds))
        self.now_ns = 1_000
        for defined in (instrument("TEST", rules), instrument("OTHER")):
            self.define(defined)

    def apply(self, command: Any) -> list[str]:
        super().apply(command)
        return [told_event(event) for event in self.outputs[-1].events]

    def restart(self) -> None:
        """Go on with an engine that was restored from a snapshot of this one."""
        restored = Engine.restore(self.engine.dump(), **self._bounds)
        assert restored.state_hash() == self.engine.state_hash()
        restored.check()
        self.engine = restored

    @property
    def public(self) -> list[str]:
        """What the last command told the public."""
        return [line for increment in self.outputs[-1].increments for line in told_public(increment)]

    # Clients

    def new_list(
        self,
        list_id: str,
        contingency_type: Literal["1", "2"],
        *legs: ListedOrder,
        session: str = "A1",
        symbol: str = "TEST",
    ) -> list[str]:
        return self.apply(NewOrderList(*self._head(session, symbol), list_id, contingency_type, list(legs)))

    def mass_cancel(
        self,
        *,
        symbol: str = "",
        side: Literal["", "1", "2"] = "",
        of_session_only: bool = False,
        session: str = "A1",
    ) -> list[str]:
        scope: Literal["1", "7"] = "1" if symbol else "7"
        return self.apply(MassCancel(*self._head(session, symbol), "q1", scope, side, of_session_only))

    def mass_status(
        self, scope: Literal["1", "7", "8"], *, symbol: str = "", side: Literal["", "1", "2"] = "", session: str = "A1"
    ) -> list[str]:
        return self.apply(OrderMassStatusRequest(*self._head(session, symbol), "af1", scope, side))

    def quote(self, *entries: QuoteEntry, session: str = "A1") -> list[str]:
        return self.apply(MassQuote(*self._head(session, ""), "i1", list(entries)))

    def cancel_quotes(self, symbol: str = "", *, session: str = "A1") -> list[str]:
        return self.apply(QuoteCancel(*self._head(session, symbol), "z1", "1" if symbol else "4"))

    # The venue

    def set_phase(  # type: ignore[override]
        self,
        phase: Phase,
        *,
        ends_ns: int = 0,
        random_end_ns_max: int = 0,
        seed: int = 0,
        symbol: str = "TEST",
        text: str = "",
    ) -> list[str]:
        return self.apply(SetPhase("op", self.now_ns, symbol, phase, ends_ns, random_end_ns_max, seed, text))

    def schedule(self, scheduled_ns: int, phase: Phase, *, ends_ns: int = 0, symbol: str = "TEST") -> list[str]:
        return self.apply(ScheduledPhase(symbol, self.now_ns, scheduled_ns, phase, ends_ns, 0, 0))

    def fire_timer(self, now_ns: int, *, symbol: str = "TEST") -> list[str]:
        self.now_ns = now_ns
        return self.apply(TimerFired(symbol, now_ns))

    def define(self, defined: Instrument, *, request_id: str = "op") -> list[str]:
        return self.apply(DefineInstrument(request_id, self.now_ns, defined.symbol, defined))

    def set_limits(  # type: ignore[override]
        self, firm: str, session_id: str = "", *, request_id: str = "op", limits: Limits | None = None, **changes: Any
    ) -> list[str]:
        return self.apply(SetLimits(request_id, self.now_ns, "", firm, session_id, limits or Limits(**changes)))

    def bust(self, match_id: int, *, symbol: str = "TEST") -> list[str]:
        return self.apply(BustTrade("op", self.now_ns, symbol, match_id, "a slip"))

    def correct(self, match_id: int, price_ticks: int, qty_lots: int, *, symbol: str = "TEST") -> list[str]:
        return self.apply(CorrectTrade("op", self.now_ns, symbol, match_id, price_ticks, qty_lots, "a slip"))

    @property
    def _now_ns(self) -> int:
        return self.now_ns

    def _head(self, session: str, symbol: str) -> tuple[str, int, int, int, int, str, str]:
        number = self.input_seq + 1
        return session, 1, number, number - 1, self.now_ns, session[0], symbol


def told_event(event: Event) -> str:
    return _told_of_many(event) or _told_of_one(event)


def _told_of_one(event: Event) -> str:
    what: str
    match event:
        case OrderFilled(is_auction=True):
            what = f"filled {event.last_qty_lots}@{event.last_price_ticks} match {event.match_id} auction"
        case OrderCanceled(orig_cl_ord_id="") if event.restatement_reason:
            what = f"canceled ({event.restatement_reason})"
        case OrderRestated():
            what = f"restated ({event.restatement_reason})"
        case TradeBusted() | TradeCorrected():
            name = f"{event.ref_input_seq}.{event.ref_event_index} to {event.order.cum_value}"
            done = "busted" if isinstance(event, TradeBusted) else "corrected"
            what = f"{done} {event.last_qty_lots}@{event.last_price_ticks} match {event.match_id} of {name}"
        case _:
            return told([_named(event)])[0]
    return f"{event.requester_session_id} {what} {_order(event.order)}".strip()


def _told_of_many(event: Event) -> str:
    match event:
        case OrderMassStatusReported():
            order = _order(event.order) if event.order else "none"
            what = f"status {order} of {event.tot_num_reports}{' last' if event.is_last else ''}"
        case MassCancelReported():
            what = f"mass cancel {event.reason or 'done'} {event.total_affected_orders}"
        case ListStatusReported():
            rows = ", ".join(f"{row.cl_ord_id} {STATUS[row.ord_status]} {row.cum_qty_lots}" for row in event.orders)
            status = {"3": "executing", "6": "done", "7": "rejected"}[event.list_order_status]
            what = f"list {event.list_id} {status}{f' {event.reason}' if event.reason else ''}: {rows}"
        case MassQuoteAcknowledged():
            status = {"0": "taken", "1": "canceled", "4": "all canceled", "5": "rejected"}[event.quote_status]
            refused = [f"{entry.quote_entry_id} {entry.reason}" for entry in event.refused]
            what = " ".join([f"quotes {status}", *([event.reason] if event.reason else []), *refused])
        case QuotesPulled():
            what = f"{event.session_id} quotes pulled ({event.restatement_reason}) {event.quote_entry_ids}"
        case OrderRejected():
            what = f"rejected {event.reason} {event.order.cl_ord_id}"
        case InstrumentDefined():
            what = f"defined {event.instrument.symbol}"
        case OperatorAnswered():
            what = f"operator {event.request_id}: {event.reason or 'done'}"
        case _:
            return ""
    return f"{event.requester_session_id} {what}".strip()


def _order(order: OrderState) -> str:
    said = order.instructions
    return _told_order(replace(order, cl_ord_id=order.cl_ord_id or (said.quote_entry_id if said else "")))


def _named(event: Any) -> Any:
    """The event with the id of a quote in the place of the ClOrdID that its sides do not have."""
    order = getattr(event, "order", None)
    if order is None or order.instructions is None or not order.instructions.quote_entry_id:
        return event
    return replace(event, order=replace(order, cl_ord_id=order.instructions.quote_entry_id))


def told_public(increment: MarketDataIncrement) -> Iterable[str]:
    if increment.phase is not None:
        yield f"phase {increment.phase.phase} until {increment.phase.ends_ns}"
    for level in increment.levels:
        action = {"0": "new", "1": "change", "2": "delete"}[level.action]
        yield f"{action}{SIDES[level.side]} {level.qty_lots}@{level.price_ticks}"
    for trade in increment.trades:
        yield f"trade {trade.qty_lots}@{trade.price_ticks}{SIDES[trade.aggressor_side]}"
    if increment.indicative is not None:
        shown = increment.indicative
        surplus = f"{SIDES[shown.imbalance_side]} {shown.imbalance_qty_lots} over" if shown.imbalance_side else ""
        yield f"indicative {shown.qty_lots}@{shown.price_ticks}{surplus}"
    for revision in increment.revisions:
        yield f"revised match {revision.match_id} {revision.qty_lots}@{revision.price_ticks}"
