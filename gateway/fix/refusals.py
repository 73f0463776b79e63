"""
Refusals of orders as FIX: ExecutionReport(8) about no order, OrderCancelReject(9), BusinessMessageReject(j). Pure.

They echo what the client sent as far as FIX allows those values: the client's own engine would refuse them otherwise.
"""

from gateway.fix.dialects import Dialect
from gateway.fix.report_fields import (
    NO_SYMBOL,
    NONE,
    UNDISCLOSED_SIDE,
    decimal_field,
    dialect_of,
    enum_field,
    exec_id,
    field,
    order_id_text,
    refusal_text,
    transact_time,
)
from matcher.events import CancelRejected, OrderStatusReported, PrivateEvent, RequestRefused
from matcher.orders import REJECTED
from matcher.rejects import RejectReason


def unknown_order(event: OrderStatusReported, shard: int) -> str:
    """The answer to H about an order that the venue does not have."""
    return refused_execution(
        dialect_of(event.requester_session_id),
        event,
        shard,
        reason=event.reason or RejectReason.UNKNOWN_ORDER,
        text=event.text,
        cl_ord_id=event.order.cl_ord_id,
        side=event.order.side,
        symbol=event.order.symbol,
        ord_status_req_id=event.ord_status_req_id,
        is_status=True,
    )


def refused_order(event: RequestRefused, shard: int) -> str:
    """The answer to a D or H that the gateway refused."""
    return refused_execution(
        dialect_of(event.requester_session_id),
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


def refused_execution(
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
    """An ExecutionReport(8) about no order."""
    exec_type = "I" if is_status and not dialect.exec_trans_type else REJECTED
    report_id = "0" if is_status else exec_id(shard, event)
    return (
        f"35=8\x016=0\x01{field('11', cl_ord_id)}14=0\x01"
        f"17={report_id}\x01{exec_trans_type(dialect, is_status=is_status)}37={NONE}\x01"
        f"{decimal_field('38', order_qty)}39={REJECTED}\x01{enum_field('40', ord_type, dialect.ord_types)}"
        f"{decimal_field('44', price)}54={side if side in dialect.sides else UNDISCLOSED_SIDE}\x01"
        f"55={symbol or NO_SYMBOL}\x0158={refusal_text(reason, text)}\x01"
        f"{enum_field('59', time_in_force, dialect.times_in_force)}60={transact_time(dialect, event)}\x01"
        f"103={dialect.ord_rej_reasons[reason]}\x01150={exec_type}\x01151=0\x01"
        f"{ord_status_req_id_field(dialect, ord_status_req_id)}"
    )


def cancel_rejected(event: CancelRejected, shard: int) -> str:
    """The matcher's refusal of a cancel or replace."""
    return _order_cancel_reject(
        event,
        order_id=order_id_text(shard, event.order_id),
        ord_status=event.ord_status,
        cl_ord_id=event.cl_ord_id,
        orig_cl_ord_id=event.orig_cl_ord_id,
        response_to=event.response_to,
        reason=event.reason,
        text=event.text,
    )


def refused_cancel(event: RequestRefused, _shard: int) -> str:
    """The gateway's refusal of a cancel or replace."""
    return _order_cancel_reject(
        event,
        order_id=NONE,
        ord_status=REJECTED,
        cl_ord_id=event.cl_ord_id,
        orig_cl_ord_id=event.orig_cl_ord_id,
        response_to="1" if event.msg_type == "F" else "2",
        reason=event.reason,
        text=event.text,
    )


def _order_cancel_reject(
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
    dialect = dialect_of(event.requester_session_id)
    return (
        f"35=9\x0111={cl_ord_id or NONE}\x0137={order_id}\x0139={ord_status}\x0141={orig_cl_ord_id or NONE}\x01"
        f"58={refusal_text(reason, text)}\x0160={transact_time(dialect, event)}\x01"
        f"102={dialect.cxl_rej_reasons[reason]}\x01434={response_to}\x01"
    )


def refused_message(event: RequestRefused, _shard: int) -> str:
    """The answer to a message that is not taken at all."""
    return business_message_reject(
        dialect_of(event.requester_session_id),
        ref_seq_num=str(event.msg_seq_num),
        ref_msg_type=event.msg_type,
        ref_id=event.cl_ord_id,
        reason=event.reason,
        text=event.text,
    )


def business_message_reject(
    dialect: Dialect, *, ref_seq_num: str, ref_msg_type: str, ref_id: str, reason: RejectReason, text: str
) -> str:
    """A BusinessMessageReject(j); what it names of the message is fit to be echoed."""
    return (
        f"35=j\x0145={ref_seq_num}\x0158={refusal_text(reason, text)}\x01372={ref_msg_type or NONE}\x01"
        f"{field('379', ref_id)}380={dialect.business_reject_reasons[reason]}\x01"
    )


def exec_trans_type(dialect: Dialect, *, is_status: bool) -> str:
    """ExecTransType(20), where the version has it: 0 new, 3 status."""
    if not dialect.exec_trans_type:
        return ""
    return "20=3\x01" if is_status else "20=0\x01"


def ord_status_req_id_field(dialect: Dialect, ord_status_req_id: str) -> str:
    """OrdStatusReqID(790), where the version has it and the client gave one."""
    return f"790={ord_status_req_id}\x01" if ord_status_req_id and dialect.ord_status_req_id else ""
