"""
Events to FIX reports: ExecutionReport(8), OrderCancelReject(9), BusinessMessageReject(j), as `FIX.md` states them.

A body is a function of the event, its shard and the session's FIX version alone: a gateway that starts again renders
the same text, and sees by comparison what it had already sent. Body fields stand in rising order of their tags.
"""

import re
from collections.abc import Mapping
from typing import Final, assert_never

from gateway.reports import DIALECTS, Dialect
from matcher.events import (
    CancelRejected,
    Event,
    GatewayAdmitted,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderStatusReported,
    PrivateEvent,
    RequestRefused,
)
from matcher.instruments import Instrument
from matcher.orders import REJECTED, OrderState
from matcher.rejects import RejectReason
from sessions.fix_text import utc_timestamp

Report = tuple[str, str]
"""session_id and body: `35=8|...` with SOH for |, without header and trailer."""

NONE: Final = "NONE"
"""OrderID(37) of an order that the venue does not know, and any required id that the client left out."""
UNDISCLOSED_SIDE: Final = "7"
"""Side(54) of a refusal whose request had none that FIX knows."""
NO_SYMBOL: Final = "[N/A]"
"""Symbol(55) of a refusal whose request had none; FIX's own word for it."""

_REMEMBERED_TEXTS_MAX: Final = 4096
_DECIMAL: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,18})?")


class ReportError(Exception):
    """An event that cannot be reported; the message is one sentence for the operator."""


class _Texts:
    # One instrument's prices and quantities as decimal text, each written once: a day's flow repeats few of them.

    __slots__ = ("_instrument", "_prices", "_qtys")

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._prices: dict[int, str] = {}
        self._qtys: dict[int, str] = {}

    def price(self, ticks: int) -> str:
        text = self._prices.get(ticks)
        if text is None:
            text = self._instrument.tick.text(ticks)
            _remember(self._prices, ticks, text)
        return text

    def qty(self, lots: int) -> str:
        text = self._qtys.get(lots)
        if text is None:
            text = self._instrument.lot.text(lots)
            _remember(self._qtys, lots, text)
        return text

    def average(self, order: OrderState) -> str:
        # AvgPx(6): as many places as the tick has, and up to four more where the average needs them.
        if not order.cum_qty_lots:
            return "0"
        ticks, rest = divmod(order.cum_value, order.cum_qty_lots)
        if not rest:
            return self.price(ticks)
        return self._instrument.tick.ratio_text(order.cum_value, order.cum_qty_lots)


class Reports:
    """Renders the private events of any shard, about a fixed set of instruments."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._texts = {symbol: _Texts(instrument) for symbol, instrument in instruments.items()}

    def render(self, event: Event, *, shard: int) -> list[Report]:
        """
        Write one event's reports: usually one, none for `GatewayAdmitted`.

        A cancel or replace that one session of a firm makes on an order of another gives two, with one ExecID(17):
        first to the order's session, then to the requester.

        Raises:
            ReportError: The event is about an instrument or a FIX version that this venue does not have.
        """
        match event:
            case OrderAccepted(order=order):
                reports = [(order.session_id, self._executed(order.session_id, event, shard, exec_type="0"))]
            case OrderFilled(order=order):
                reports = [(order.session_id, self._filled(event, shard))]
            case OrderCanceled():
                reports = [(session_id, self._canceled(session_id, event, shard)) for session_id in _both(event)]
            case OrderReplaced():
                reports = [(session_id, self._replaced(session_id, event, shard)) for session_id in _both(event)]
            case OrderExpired(order=order):
                reports = [(order.session_id, self._executed(order.session_id, event, shard, exec_type="C"))]
            case OrderRejected(order=order):
                reports = [(order.session_id, self._rejected(event, shard))]
            case CancelRejected():
                reports = [(event.requester_session_id, _cancel_rejected(event, shard))]
            case OrderStatusReported():
                reports = [(event.requester_session_id, self._status_reported(event, shard))]
            case RequestRefused():
                reports = [(event.requester_session_id, _request_refused(event, shard))]
            case GatewayAdmitted():
                reports = []
            case _:
                assert_never(event)
        return reports

    def _executed(self, session_id: str, event: OrderAccepted | OrderExpired, shard: int, *, exec_type: str) -> str:
        return _execution_report(
            _dialect(session_id),
            self._texts_of(event.order),
            event.order,
            event,
            shard,
            exec_type=exec_type,
            cl_ord_id=event.order.cl_ord_id,
        )

    def _replaced(self, session_id: str, event: OrderReplaced, shard: int) -> str:
        return _execution_report(
            _dialect(session_id),
            self._texts_of(event.order),
            event.order,
            event,
            shard,
            exec_type="5",
            cl_ord_id=event.order.cl_ord_id,
            orig_cl_ord_id=_field("41", event.orig_cl_ord_id),
        )

    def _canceled(self, session_id: str, event: OrderCanceled, shard: int) -> str:
        return _execution_report(
            _dialect(session_id),
            self._texts_of(event.order),
            event.order,
            event,
            shard,
            exec_type="4",
            cl_ord_id=event.cl_ord_id,
            orig_cl_ord_id=_field("41", event.orig_cl_ord_id),
            text=_field("58", event.text),
        )

    def _filled(self, event: OrderFilled, shard: int) -> str:
        order = event.order
        dialect, texts = _dialect(order.session_id), self._texts_of(order)
        return _execution_report(
            dialect,
            texts,
            order,
            event,
            shard,
            exec_type=order.ord_status if dialect.exec_trans_type else "F",
            cl_ord_id=order.cl_ord_id,
            last=f"31={texts.price(event.last_price_ticks)}\x0132={texts.qty(event.last_qty_lots)}\x01",
            tail=_trade(dialect, event),
        )

    def _rejected(self, event: OrderRejected, shard: int) -> str:
        dialect = _dialect(event.order.session_id)
        return _execution_report(
            dialect,
            self._texts_of(event.order),
            event.order,
            event,
            shard,
            exec_type="8",
            cl_ord_id=event.order.cl_ord_id,
            text=f"58={_refusal_text(event.reason, event.text)}\x01",
            ord_rej_reason=f"103={dialect.ord_rej_reasons[event.reason]}\x01",
        )

    def _status_reported(self, event: OrderStatusReported, shard: int) -> str:
        dialect, order = _dialect(event.requester_session_id), event.order
        if not order.order_id or event.reason:
            return _unknown_order(dialect, event, shard)
        return _execution_report(
            dialect,
            self._texts_of(order),
            order,
            event,
            shard,
            exec_type=order.ord_status if dialect.exec_trans_type else "I",
            cl_ord_id=order.cl_ord_id,
            text=_field("58", event.text),
            tail=_ord_status_req_id(dialect, event.ord_status_req_id),
            is_status=True,
        )

    def _texts_of(self, order: OrderState) -> _Texts:
        texts = self._texts.get(order.symbol)
        if texts is None:
            raise ReportError(f"the log has an order in {order.symbol!r}; put it back into the instruments file")
        return texts


def exec_id(shard: int, event: PrivateEvent) -> str:
    """ExecID(17) of an event: its name for ever, unique in the venue."""
    return f"{shard}-{event.input_seq}-{event.event_index}"


def order_id_text(shard: int, order_id: int) -> str:
    """OrderID(37): unique in the venue; NONE for an order that it never took."""
    return f"{shard}-{order_id}" if order_id else NONE


def _execution_report(
    dialect: Dialect,
    texts: _Texts,
    order: OrderState,
    event: PrivateEvent,
    shard: int,
    *,
    exec_type: str,
    cl_ord_id: str,
    orig_cl_ord_id: str = "",
    last: str = "",
    text: str = "",
    ord_rej_reason: str = "",
    tail: str = "",
    is_status: bool = False,
) -> str:
    # One string for every 8 about a known order; optional fields come ready, with their tag and SOH, or empty.
    account = f"1={order.account}\x01" if order.account else ""
    price = f"44={texts.price(order.price_ticks)}\x01" if order.price_ticks else ""
    return (
        f"35=8\x01{account}6={texts.average(order)}\x0111={cl_ord_id}\x0114={texts.qty(order.cum_qty_lots)}\x01"
        f"17={'0' if is_status else exec_id(shard, event)}\x01{_exec_trans_type(dialect, is_status)}{last}"
        f"37={order_id_text(shard, order.order_id)}\x0138={texts.qty(order.qty_lots)}\x01"
        f"39={order.ord_status}\x0140={order.ord_type}\x01{orig_cl_ord_id}{price}54={order.side}\x01"
        f"55={order.symbol}\x01{text}59={order.time_in_force}\x01"
        f"60={_transact_time(dialect, event)}\x01{ord_rej_reason}150={exec_type}\x01"
        f"151={texts.qty(order.leaves_qty_lots)}\x01{tail}"
    )


def _trade(dialect: Dialect, event: OrderFilled) -> str:
    # What only a fill has, after LeavesQty(151): the trade's name, the same on both sides, and who took liquidity.
    if not dialect.last_liquidity_ind:
        return ""
    match_id = f"{event.order.symbol}-{event.match_id}"
    liquidity = "2" if event.is_aggressor else "1"
    if not dialect.trd_match_id:
        return f"527={match_id}\x01851={liquidity}\x01"
    return f"851={liquidity}\x01880={match_id}\x011057={'Y' if event.is_aggressor else 'N'}\x01"


def _unknown_order(dialect: Dialect, event: OrderStatusReported, shard: int) -> str:
    reason = event.reason or RejectReason.UNKNOWN_ORDER
    return _refused_execution(
        dialect,
        event,
        shard,
        reason=reason,
        text=event.text,
        cl_ord_id=event.order.cl_ord_id,
        side=event.order.side,
        symbol=event.order.symbol,
        ord_status_req_id=event.ord_status_req_id,
        is_status=True,
    )


def _request_refused(event: RequestRefused, shard: int) -> str:
    dialect = _dialect(event.requester_session_id)
    if event.msg_type in ("D", "H"):
        return _refused_execution(
            dialect,
            event,
            shard,
            reason=event.reason,
            text=event.text,
            cl_ord_id=event.cl_ord_id,
            side=event.side,
            symbol=event.symbol,
            order_qty=event.order_qty,
            ord_type=event.ord_type,
            price=event.price,
            time_in_force=event.time_in_force,
            ord_status_req_id=event.ord_status_req_id,
            is_status=event.msg_type == "H",
        )
    if event.msg_type in ("F", "G"):
        return _order_cancel_reject(
            dialect,
            event,
            order_id=NONE,
            ord_status=REJECTED,
            cl_ord_id=event.cl_ord_id,
            orig_cl_ord_id=event.orig_cl_ord_id,
            response_to="1" if event.msg_type == "F" else "2",
            reason=event.reason,
            text=event.text,
        )
    return _business_message_reject(dialect, event)


def _refused_execution(
    dialect: Dialect,
    event: PrivateEvent,
    shard: int,
    *,
    reason: RejectReason,
    text: str,
    cl_ord_id: str,
    side: str,
    symbol: str,
    order_qty: str = "",
    ord_type: str = "",
    price: str = "",
    time_in_force: str = "",
    ord_status_req_id: str = "",
    is_status: bool,
) -> str:
    # An 8 about no order. It echoes what the client sent as far as FIX allows those values: the client's own engine
    # would refuse the report otherwise.
    exec_type = "I" if is_status and not dialect.exec_trans_type else REJECTED
    return (
        f"35=8\x016=0\x01{_field('11', cl_ord_id)}14=0\x01"
        f"17={'0' if is_status else exec_id(shard, event)}\x01{_exec_trans_type(dialect, is_status)}37={NONE}\x01"
        f"{_decimal_field('38', order_qty)}39={REJECTED}\x01{_enum_field('40', ord_type, dialect.ord_types)}"
        f"{_decimal_field('44', price)}54={side if side in dialect.sides else UNDISCLOSED_SIDE}\x01"
        f"55={symbol or NO_SYMBOL}\x0158={_refusal_text(reason, text)}\x01"
        f"{_enum_field('59', time_in_force, dialect.times_in_force)}60={_transact_time(dialect, event)}\x01"
        f"103={dialect.ord_rej_reasons[reason]}\x01150={exec_type}\x01151=0\x01"
        f"{_ord_status_req_id(dialect, ord_status_req_id)}"
    )


def _cancel_rejected(event: CancelRejected, shard: int) -> str:
    return _order_cancel_reject(
        _dialect(event.requester_session_id),
        event,
        order_id=order_id_text(shard, event.order_id),
        ord_status=event.ord_status,
        cl_ord_id=event.cl_ord_id,
        orig_cl_ord_id=event.orig_cl_ord_id,
        response_to=event.response_to,
        reason=event.reason,
        text=event.text,
    )


def _order_cancel_reject(
    dialect: Dialect,
    event: PrivateEvent,
    *,
    order_id: str,
    ord_status: str,
    cl_ord_id: str,
    orig_cl_ord_id: str,
    response_to: str,
    reason: RejectReason,
    text: str,
) -> str:
    return (
        f"35=9\x0111={cl_ord_id or NONE}\x0137={order_id}\x0139={ord_status}\x0141={orig_cl_ord_id or NONE}\x01"
        f"58={_refusal_text(reason, text)}\x0160={_transact_time(dialect, event)}\x01"
        f"102={dialect.cxl_rej_reasons[reason]}\x01434={response_to}\x01"
    )


def _business_message_reject(dialect: Dialect, event: RequestRefused) -> str:
    return (
        f"35=j\x0145={event.msg_seq_num}\x0158={_refusal_text(event.reason, event.text)}\x01"
        f"372={event.msg_type or NONE}\x01{_field('379', event.cl_ord_id)}"
        f"380={dialect.business_reject_reasons[event.reason]}\x01"
    )


def _dialect(session_id: str) -> Dialect:
    dialect = DIALECTS.get(session_id.partition(":")[0])
    if dialect is None:
        raise ReportError(f"session {session_id!r} is of no FIX version spoken here; use one of {', '.join(DIALECTS)}")
    return dialect


def _both(event: OrderCanceled | OrderReplaced) -> tuple[str, ...]:
    requester, owner = event.requester_session_id, event.order.session_id
    return (owner,) if requester in ("", owner) else (owner, requester)


def _transact_time(dialect: Dialect, event: PrivateEvent) -> str:
    return utc_timestamp(event.transact_ns)[: dialect.time_chars]


def _exec_trans_type(dialect: Dialect, is_status: bool) -> str:
    if not dialect.exec_trans_type:
        return ""
    return "20=3\x01" if is_status else "20=0\x01"


def _ord_status_req_id(dialect: Dialect, ord_status_req_id: str) -> str:
    return f"790={ord_status_req_id}\x01" if ord_status_req_id and dialect.ord_status_req_id else ""


def _refusal_text(reason: RejectReason, text: str) -> str:
    return f"{reason}: {text}" if text else str(reason)


def _field(tag: str, value: str) -> str:
    return f"{tag}={value}\x01" if value else ""


def _decimal_field(tag: str, value: str) -> str:
    return f"{tag}={value}\x01" if _DECIMAL.fullmatch(value) else ""


def _enum_field(tag: str, value: str, allowed: frozenset[str]) -> str:
    return f"{tag}={value}\x01" if value in allowed else ""


def _remember(texts: dict[int, str], number: int, text: str) -> None:
    if len(texts) >= _REMEMBERED_TEXTS_MAX:
        texts.clear()
    texts[number] = text
