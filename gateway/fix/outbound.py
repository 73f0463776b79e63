"""
Events to FIX reports, as `FIX.md` states them: who gets which message, and ExecutionReport(8) of orders.

A body is a function of the event, its shard and the session's FIX version alone: a gateway that starts again renders
the same text, and sees by comparison what it had already sent. Body fields stand in rising order of their tags.
Refusals are written by `refusals`, answers about many orders by `group_reports`, and what only few orders have
by `special_orders`.
"""

from collections.abc import Callable, Mapping
from typing import Final, assert_never

from gateway.fix.dialects import Dialect
from gateway.fix.group_reports import (
    list_status,
    mass_cancel_report,
    mass_quote_acknowledgement,
    quotes_pulled,
    refused_list,
    refused_mass_cancel,
    refused_quote,
)
from gateway.fix.refusals import (
    cancel_rejected,
    exec_trans_type,
    ord_status_req_id_field,
    refused_cancel,
    refused_execution,
    refused_message,
    refused_order,
    unknown_order,
)
from gateway.fix.report_fields import (
    ReportError,
    TextsBySymbol,
    dialect_of,
    exec_id,
    field,
    order_id_text,
    refusal_text,
    transact_time,
    with_fields,
)
from gateway.fix.special_orders import with_instructions
from matcher.events import (
    CancelRejected,
    Event,
    GatewayAdmitted,
    InstrumentDefined,
    ListStatusReported,
    MassCancelReported,
    MassQuoteAcknowledged,
    OperatorAnswered,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderMassStatusReported,
    OrderRejected,
    OrderReplaced,
    OrderRestated,
    OrderStatusReported,
    OrderTriggered,
    PrivateEvent,
    QuotesPulled,
    RequestRefused,
    TradeBusted,
    TradeCorrected,
)
from matcher.instruments import Instrument
from matcher.orders import OrderState
from matcher.rejects import RejectReason

__all__ = ("Report", "ReportError", "Reports")

Report = tuple[str, str]
"""session_id and body: `35=8|...` with SOH for |, without header and trailer."""

_TRIGGERED_TEXT: Final = "triggered"
_REVISED_EXEC_TYPES: Final = {TradeBusted: "H", TradeCorrected: "G"}
_REVISED_TRANS_TYPES: Final = {TradeBusted: "1", TradeCorrected: "2"}
"""ExecTransType(20) in FIX 4.2: cancel, correct."""


class Reports:
    """Renders the private events of any shard, about the instruments that are traded."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._texts = TextsBySymbol(instruments)

    def define(self, instrument: Instrument) -> None:
        """An instrument is traded from now on, or has new rules."""
        self._texts.define(instrument)

    def render(self, event: Event, *, shard: int) -> list[Report]:
        """
        Write one event's reports: usually one, none for what concerns no session.

        A change that one session of a firm makes to an order of another gives two, with one ExecID(17): first to the
        order's session, then to the requester.

        Raises:
            ReportError: The event is about an instrument or a FIX version that this venue does not have.
        """
        match event:
            case OrderAccepted(order=order) | OrderExpired(order=order):
                reports = [(order.session_id, self._executed(event, shard))]
            case OrderFilled(order=order):
                reports = [(order.session_id, self._filled(event, shard))]
            case OrderCanceled():
                reports = [(session_id, self._canceled(session_id, event, shard)) for session_id in _both(event)]
            case OrderReplaced():
                reports = [(session_id, self._replaced(session_id, event, shard)) for session_id in _both(event)]
            case OrderRejected(order=order):
                reports = [(order.session_id, self._rejected(event, shard))]
            case OrderTriggered(order=order):
                reports = [(order.session_id, self._triggered(event, shard))]
            case OrderRestated(order=order):
                reports = [(order.session_id, self._restated(event, shard))]
            case TradeBusted(order=order) | TradeCorrected(order=order):
                reports = [(order.session_id, self._revised(event, shard))]
            case ListStatusReported(session_id=session_id):
                reports = [(session_id, list_status(event, self._texts.of_symbol(event.symbol)))]
            case QuotesPulled(session_id=session_id):
                reports = [(session_id, quotes_pulled(event))]
            case GatewayAdmitted() | InstrumentDefined() | OperatorAnswered():
                reports = []
            case _:
                reports = [(event.requester_session_id, self._answer(event, shard))]
        return reports

    def _answer(
        self,
        event: CancelRejected
        | OrderStatusReported
        | OrderMassStatusReported
        | MassCancelReported
        | MassQuoteAcknowledged
        | RequestRefused,
        shard: int,
    ) -> str:
        """What only the session that asked gets to see."""
        match event:
            case CancelRejected():
                body = cancel_rejected(event, shard)
            case OrderStatusReported():
                body = self._status_reported(event, shard)
            case OrderMassStatusReported():
                body = self._mass_status_reported(event, shard)
            case MassCancelReported():
                body = mass_cancel_report(event, shard)
            case MassQuoteAcknowledged():
                body = mass_quote_acknowledgement(event, shard)
            case RequestRefused(reason=RejectReason.THROTTLED):
                body = refused_message(event, shard)
            case RequestRefused():
                body = _REFUSALS.get(event.msg_type, refused_message)(event, shard)
            case _:
                assert_never(event)
        return body

    def _executed(self, event: OrderAccepted | OrderExpired, shard: int) -> str:
        order = event.order
        return self._report(order.session_id, order, event, shard, "0" if type(event) is OrderAccepted else "C")

    def _replaced(self, session_id: str, event: OrderReplaced, shard: int) -> str:
        orig_cl_ord_id = field("41", event.orig_cl_ord_id)
        return self._report(session_id, event.order, event, shard, "5", orig_cl_ord_id=orig_cl_ord_id)

    def _canceled(self, session_id: str, event: OrderCanceled, shard: int) -> str:
        body = self._report(
            session_id,
            event.order,
            event,
            shard,
            "4",
            cl_ord_id=event.cl_ord_id,
            orig_cl_ord_id=field("41", event.orig_cl_ord_id),
            text=field("58", event.text),
        )
        code = dialect_of(session_id).restatement_reasons.get(event.restatement_reason)
        return with_fields(body, {"378": code}) if code else body

    def _filled(self, event: OrderFilled, shard: int) -> str:
        order = event.order
        dialect = dialect_of(order.session_id)
        exec_type = order.ord_status if dialect.exec_trans_type else "F"
        tail = _trade(dialect, event)
        return self._report(order.session_id, order, event, shard, exec_type, last=self._last(event), tail=tail)

    def _rejected(self, event: OrderRejected, shard: int) -> str:
        order = event.order
        text = f"58={refusal_text(event.reason, event.text)}\x01"
        ord_rej_reason = f"103={dialect_of(order.session_id).ord_rej_reasons[event.reason]}\x01"
        return self._report(order.session_id, order, event, shard, "8", text=text, ord_rej_reason=ord_rej_reason)

    def _triggered(self, event: OrderTriggered, shard: int) -> str:
        order = event.order
        dialect = dialect_of(order.session_id)
        if dialect.is_newest:
            return self._report(order.session_id, order, event, shard, "L")
        body = self._report(order.session_id, order, event, shard, "D", text=f"58={_TRIGGERED_TEXT}\x01")
        return with_fields(body, {"378": dialect.other_restatement_reason})

    def _restated(self, event: OrderRestated, shard: int) -> str:
        order = event.order
        dialect = dialect_of(order.session_id)
        body = self._report(order.session_id, order, event, shard, "D", text=field("58", event.text))
        code = dialect.restatement_reasons.get(event.restatement_reason, dialect.other_restatement_reason)
        return with_fields(body, {"378": code})

    def _revised(self, event: TradeBusted | TradeCorrected, shard: int) -> str:
        order = event.order
        dialect = dialect_of(order.session_id)
        exec_type = order.ord_status if dialect.exec_trans_type else _REVISED_EXEC_TYPES[type(event)]
        text = field("58", event.text)
        body = self._report(order.session_id, order, event, shard, exec_type, last=self._last(event), text=text)
        fields = {"19": f"{shard}-{event.ref_input_seq}-{event.ref_event_index}"}
        if dialect.exec_trans_type:
            fields["20"] = _REVISED_TRANS_TYPES[type(event)]
        else:
            fields["880" if dialect.trd_match_id else "527"] = f"{order.symbol}-{event.match_id}"
        return with_fields(body, fields)

    def _status_reported(self, event: OrderStatusReported, shard: int) -> str:
        dialect, order = dialect_of(event.requester_session_id), event.order
        if not order.order_id or event.reason:
            return unknown_order(event, shard)
        return self._report(
            event.requester_session_id,
            order,
            event,
            shard,
            order.ord_status if dialect.exec_trans_type else "I",
            text=field("58", event.text),
            tail=ord_status_req_id_field(dialect, event.ord_status_req_id),
            is_status=True,
        )

    def _mass_status_reported(self, event: OrderMassStatusReported, shard: int) -> str:
        dialect, order = dialect_of(event.requester_session_id), event.order
        if order is None:
            return _mass_status_row(
                dialect,
                event,
                shard,
                reason=RejectReason.UNKNOWN_ORDER,
                text=f"no live orders on shard {shard}",
                symbol=event.symbol,
                mass_status_req_id=event.mass_status_req_id,
            )
        exec_type = order.ord_status if dialect.exec_trans_type else "I"
        body = self._report(event.requester_session_id, order, event, shard, exec_type, is_status=True)
        fields = _mass_status_fields(
            dialect, shard, event.mass_status_req_id, event.tot_num_reports, is_last=event.is_last
        )
        return with_fields(body, fields)

    def _last(self, event: OrderFilled | TradeBusted | TradeCorrected) -> str:
        """LastPx(31) and LastQty(32)."""
        texts = self._texts.of(event.order)
        return f"31={texts.price(event.last_price_ticks)}\x0132={texts.qty(event.last_qty_lots)}\x01"

    def _report(
        self,
        session_id: str,
        order: OrderState,
        event: PrivateEvent,
        shard: int,
        exec_type: str,
        *,
        cl_ord_id: str = "",
        orig_cl_ord_id: str = "",
        last: str = "",
        text: str = "",
        ord_rej_reason: str = "",
        tail: str = "",
        is_status: bool = False,
    ) -> str:
        """
        The text of every 8 about a known order.

        ClOrdID(11) is the order's own if none is given; other optional fields come with their tag and SOH, or empty.
        """
        dialect, texts = dialect_of(session_id), self._texts.of(order)
        account = f"1={order.account}\x01" if order.account else ""
        price = f"44={texts.price(order.price_ticks)}\x01" if order.price_ticks else ""
        body = (
            f"35=8\x01{account}6={texts.average(order.cum_value, order.cum_qty_lots)}\x01"
            f"11={cl_ord_id or order.cl_ord_id}\x01"
            f"14={texts.qty(order.cum_qty_lots)}\x0117={'0' if is_status else exec_id(shard, event)}\x01"
            f"{exec_trans_type(dialect, is_status=is_status)}{last}"
            f"37={order_id_text(shard, order.order_id)}\x0138={texts.qty(order.qty_lots)}\x01"
            f"39={order.ord_status}\x0140={order.ord_type}\x01{orig_cl_ord_id}{price}54={order.side}\x01"
            f"55={order.symbol}\x01{text}59={order.time_in_force}\x01"
            f"60={transact_time(dialect, event)}\x01{ord_rej_reason}150={exec_type}\x01"
            f"151={texts.qty(order.leaves_qty_lots)}\x01{tail}"
        )
        if order.instructions is None:
            return body
        return with_instructions(body, order, order.instructions, texts, dialect)


def _trade(dialect: Dialect, event: OrderFilled) -> str:
    # What only a fill has, after LeavesQty(151): the trade's name, the same on both sides, and who took liquidity.
    if not dialect.last_liquidity_ind:
        return ""
    match_id = f"{event.order.symbol}-{event.match_id}"
    if event.is_auction:  # nobody took liquidity; FIX 4.4 has no word for it
        return f"851=4\x01880={match_id}\x01" if dialect.trd_match_id else f"527={match_id}\x01"
    liquidity = "2" if event.is_aggressor else "1"
    if not dialect.trd_match_id:
        return f"527={match_id}\x01851={liquidity}\x01"
    return f"851={liquidity}\x01880={match_id}\x011057={'Y' if event.is_aggressor else 'N'}\x01"


def _refused_mass_status(event: RequestRefused, shard: int) -> str:
    return _mass_status_row(
        dialect_of(event.requester_session_id),
        event,
        shard,
        reason=event.reason,
        text=event.text,
        symbol=event.symbol,
        mass_status_req_id=event.cl_ord_id,
    )


def _mass_status_row(
    dialect: Dialect,
    event: PrivateEvent,
    shard: int,
    *,
    reason: RejectReason,
    text: str,
    symbol: str,
    mass_status_req_id: str,
) -> str:
    """The one row of an answer to AF that has no order."""
    body = refused_execution(
        dialect, event, shard, reason=reason, text=text, cl_ord_id="", side="", symbol=symbol, is_status=True
    )
    return with_fields(body, _mass_status_fields(dialect, shard, mass_status_req_id, 0, is_last=True))


def _mass_status_fields(
    dialect: Dialect, shard: int, mass_status_req_id: str, tot_num_reports: int, *, is_last: bool
) -> dict[str, str]:
    return {
        "584": mass_status_req_id,
        "911": str(tot_num_reports),
        "912": "Y" if is_last else "N",
        "1300": str(shard) if dialect.is_newest else "",
    }


def _both(event: OrderCanceled | OrderReplaced) -> tuple[str, ...]:
    requester, owner = event.requester_session_id, event.order.session_id
    return (owner,) if requester in ("", owner) else (owner, requester)


_REFUSALS: Final[Mapping[str, Callable[[RequestRefused, int], str]]] = {
    "D": refused_order,
    "H": refused_order,
    "F": refused_cancel,
    "G": refused_cancel,
    "E": refused_list,
    "i": refused_quote,
    "Z": refused_quote,
    "q": refused_mass_cancel,
    "AF": _refused_mass_status,
}
"""What answers a request that the gateway refused, by its MsgType(35)."""
