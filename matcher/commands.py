"""
What can be asked of a matcher: the commands, in the order of their FIX messages.

A command is one request of one client (or of the venue itself) about one symbol. It carries everything that its
answer depends on, the time included, so that a replay of the log gives the same answer. The codec is msgspec's:
each command is an array that begins with its tag, see `bus/WIRE.md`.

Who asked is named for ever by (session_id, session_epoch, msg_seq_num). Within one session and epoch, commands for one
symbol reach the matcher in rising order of MsgSeqNum(34); one that does not rise has been seen and is dropped.
"""

import msgspec

from matcher.orders import OrdType, Side, TimeInForce
from matcher.rejects import RejectReason


class Request(msgspec.Struct, frozen=True, array_like=True):
    """What every client request begins with."""

    session_id: str
    """BeginString and the client's CompID, such as `FIX.4.4:FIRMA1`."""
    session_epoch: int
    """Grows each time the session's sequence numbers start again from 1 (ResetSeqNumFlag(141))."""
    msg_seq_num: int
    """MsgSeqNum(34) of the request."""
    durable_msg_seq_num: int
    """All of the session's requests up to this MsgSeqNum were in the log when this one was published."""
    received_ns: int
    """When the gateway received it, in ns since 1970 UTC: the only clock a matcher knows."""
    firm: str
    symbol: str


class NewOrder(Request, frozen=True, array_like=True, tag="D"):
    """NewOrderSingle(D)."""

    cl_ord_id: str
    account: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    price_ticks: int
    """0 for a market order."""
    qty_lots: int


class CancelOrder(Request, frozen=True, array_like=True, tag="F"):
    """OrderCancelRequest(F): cancel all that is left of `orig_cl_ord_id`."""

    cl_ord_id: str
    orig_cl_ord_id: str
    side: Side


class ReplaceOrder(Request, frozen=True, array_like=True, tag="G"):
    """OrderCancelReplaceRequest(G): `qty_lots` is the new total, what was filled included."""

    cl_ord_id: str
    orig_cl_ord_id: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    price_ticks: int
    qty_lots: int


class OrderStatusRequest(Request, frozen=True, array_like=True, tag="H"):
    """OrderStatusRequest(H): never changes anything."""

    cl_ord_id: str
    ord_status_req_id: str
    """OrdStatusReqID(790), echoed; empty when the client gave none."""
    side: Side


class RefusedRequest(Request, frozen=True, array_like=True, tag="R"):
    """
    A request that the gateway could not turn into any of the above.

    It travels through the log like the others, so that its refusal is answered exactly once too, whatever is
    killed. The texts are the client's own, echoed in the answer; empty when it gave none.
    """

    msg_type: str
    """MsgType(35) of the request: D is answered by 8, F and G by 9, H by 8, all others by j."""
    reason: RejectReason
    text: str
    """For Text(58): what was wrong, with the tag, and what to do."""
    ref_tag: int
    """The tag at fault, 0 when there is none."""
    cl_ord_id: str
    orig_cl_ord_id: str
    ord_status_req_id: str
    side: str
    ord_type: str
    time_in_force: str
    price: str
    order_qty: str


class GatewayStarted(msgspec.Struct, frozen=True, array_like=True, tag="g"):
    """
    A gateway begins a new life; records of its former lives that come later are ignored.

    Answered by `GatewayAdmitted`, which tells it from which MsgSeqNum on each session must be asked to resend.
    """

    gateway_id: str
    received_ns: int


class EndTradingDay(msgspec.Struct, frozen=True, array_like=True, tag="e"):
    """The trading day ends for one symbol: DAY orders expire, in order of entry."""

    symbol: str
    received_ns: int
    trading_date: str
    """The day that ends, `YYYYMMDD`; a second one for the same day and symbol changes nothing."""


ClientRequest = NewOrder | CancelOrder | ReplaceOrder | OrderStatusRequest | RefusedRequest
Command = ClientRequest | GatewayStarted | EndTradingDay
