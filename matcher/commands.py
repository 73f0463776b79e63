"""
What clients can ask of a matcher: the commands, in the order of their FIX messages; `operator_commands` has the rest.

A command is one request of one client (or of the venue itself) about one symbol. It carries everything that its
answer depends on, the time included, so that a replay of the log gives the same answer. The codec is msgspec's:
each command is an array that begins with its tag, see `bus/WIRE.md`.

Who asked is named for ever by (session_id, session_epoch, msg_seq_num). Within one session and epoch, commands for one
symbol reach the matcher in rising order of MsgSeqNum(34); one that does not rise has been seen and is dropped.
"""

from typing import Literal

import msgspec

from matcher.instructions import Instructions
from matcher.operator_commands import OperatorCommand, TimerCommand
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
    """0 for an order without a price."""
    qty_lots: int
    instructions: Instructions | None = None
    """None for a plain order."""
    is_poss_resend: bool = False
    """PossResend(97)=Y: if the ClOrdID(11) is known, this asks for the state of the order that has it."""


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
    instructions: Instructions | None = None
    """All of them, as in a new order: what is left out here is no longer there."""


class OrderStatusRequest(Request, frozen=True, array_like=True, tag="H"):
    """OrderStatusRequest(H): never changes anything."""

    cl_ord_id: str
    ord_status_req_id: str
    """OrdStatusReqID(790), echoed; empty when the client gave none."""
    side: Side


class OrderMassStatusRequest(Request, frozen=True, array_like=True, tag="AF"):
    """OrderMassStatusRequest(AF): one status report for each live order of the firm; never changes anything."""

    mass_status_req_id: str
    """MassStatusReqID(584)."""
    scope: Literal["1", "7", "8"]
    """MassStatusReqType(585): orders of the symbol, of the firm, or of the session."""
    side: Literal["", "1", "2"]


class MassCancel(Request, frozen=True, array_like=True, tag="q"):
    """OrderMassCancelRequest(q): cancel all live orders of the firm in a scope; with no symbol, of the whole shard."""

    cl_ord_id: str
    scope: Literal["1", "7"]
    """MassCancelRequestType(530): of the symbol, or all."""
    side: Literal["", "1", "2"]
    of_session_only: bool
    """Only orders that this session entered."""


class ListedOrder(msgspec.Struct, frozen=True, array_like=True):
    """One order of a list."""

    cl_ord_id: str
    account: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    price_ticks: int
    qty_lots: int
    instructions: Instructions | None


class NewOrderList(Request, frozen=True, array_like=True, tag="E"):
    """
    NewOrderList(E): orders that depend on each other; taken whole or not at all.

    Three orders with contingency 2: when the first is filled, the other two become one-cancels-other.
    """

    list_id: str
    """ListID(66): unique per firm, as a ClOrdID is."""
    contingency_type: Literal["1", "2"]
    """ContingencyType(1385): 1 one-cancels-other (2 orders), 2 one-triggers-other (2 or 3 orders)."""
    orders: list[ListedOrder]


class QuoteEntry(msgspec.Struct, frozen=True, array_like=True):
    """Both sides of one quote; a side with quantity 0 is pulled."""

    quote_entry_id: str
    """QuoteEntryID(299): unique per firm and symbol; a later entry with it replaces both sides."""
    symbol: str
    bid_price_ticks: int
    bid_qty_lots: int
    offer_price_ticks: int
    offer_qty_lots: int


class MassQuote(Request, frozen=True, array_like=True, tag="i"):
    """MassQuote(i): every entry's symbol is on this shard. `symbol` is empty."""

    quote_id: str
    """QuoteID(117)."""
    entries: list[QuoteEntry]


class QuoteCancel(Request, frozen=True, array_like=True, tag="Z"):
    """QuoteCancel(Z): pull the firm's quotes of the symbol, or all of the shard; also ends quote protection."""

    quote_id: str
    scope: Literal["1", "4"]
    """QuoteCancelType(298): of the symbol, or all."""


class RefusedRequest(Request, frozen=True, array_like=True, tag="R"):
    """
    A request that the gateway could not turn into any of the above.

    It travels through the log like the others, so that its refusal is answered exactly once too, whatever is
    killed. The texts are the client's own, echoed in the answer; empty when it gave none.
    """

    msg_type: str
    """MsgType(35) of the request, which says what answers it."""
    reason: RejectReason
    text: str
    """For Text(58): what was wrong, with the tag, and what to do."""
    ref_tag: int
    """The tag at fault, 0 when there is none."""
    cl_ord_id: str
    """ClOrdID(11), or the id that the message has in its place: ListID(66), QuoteID(117), MassStatusReqID(584)."""
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

    Answered by `InstrumentDefined` for each instrument of the shard, then by `GatewayAdmitted`, which tells it from
    which MsgSeqNum on each session must be asked to resend. The leading matcher and the operator's program write so.
    """

    gateway_id: str
    received_ns: int


ClientRequest = (
    NewOrder
    | CancelOrder
    | ReplaceOrder
    | OrderStatusRequest
    | OrderMassStatusRequest
    | MassCancel
    | NewOrderList
    | MassQuote
    | QuoteCancel
    | RefusedRequest
)
Command = ClientRequest | GatewayStarted | TimerCommand | OperatorCommand
