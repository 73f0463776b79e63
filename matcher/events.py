"""
What a matcher says happened, to those whom it concerns; what everybody may see stands in `increments`.

Private events become FIX messages to sessions: one event is one report (a trade is two `OrderFilled`, one per side,
with one match_id). (shard, input_seq, event_index) names an event for ever; ExecID(17) is those three numbers.
Commands never go unanswered: each client request and each operator's command yields at least one private event, except
one that is dropped as already seen.

The codec is msgspec's, as for commands: see `bus/WIRE.md`.
"""

from typing import Literal

import msgspec

from matcher.increments import MarketDataIncrement
from matcher.instruments import Instrument
from matcher.orders import OrderState, OrdStatus
from matcher.rejects import RejectReason

RestatementReason = Literal["", "1", "3", "5", "11", "12", "13", "18", "19", "20", "C", "L", "H", "B", "Q", "M", "U"]
"""
ExecRestatementReason(378) of what nobody asked for, and letters of our own where FIX has only 99 (other); empty: none.

1 renewed for the next day, 3 repriced, 5 partial decline of quantity (self-match decrement), 11 parked or unparked
pegged order, 18/19/20 self-match prevention took the incoming, the resting, both orders; C the rest may not stay,
L another order of its list, H halt, B blocked by the operator, Q quote protection, M mass cancel, U uncrossing.
"""


class PrivateEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What every private event begins with."""

    input_seq: int
    """Stream sequence in ORD of the record that caused it."""
    event_index: int
    """Position among the private events of that record, from 0."""
    transact_ns: int
    """TransactTime(60): `received_ns` of the command that caused it."""
    requester_session_id: str
    """The session whose request this answers; empty when nobody asked (a resting order's fill, an expiry)."""


class OrderAccepted(PrivateEvent, frozen=True, array_like=True, tag="A"):
    """The order was taken: 8 with 150=0."""

    order: OrderState


class OrderRejected(PrivateEvent, frozen=True, array_like=True, tag="J"):
    """A well-formed D was refused by the engine: 8 with 150=8. `order.order_id` is 0."""

    order: OrderState
    reason: RejectReason
    text: str


class OrderFilled(PrivateEvent, frozen=True, array_like=True, tag="F"):
    """One side of one trade, at the resting order's price: 8 with 150=F (150=1/2 in FIX 4.2)."""

    order: OrderState
    match_id: int
    """Per symbol, from 1; the same on both sides: TrdMatchID(880)."""
    last_price_ticks: int
    """LastPx(31)."""
    last_qty_lots: int
    """LastQty(32)."""
    is_aggressor: bool
    """This side was the incoming order: LastLiquidityInd(851) 2, else 1."""
    is_auction: bool = False
    """A trade of an uncrossing: LastLiquidityInd(851) 4, and nobody is the aggressor."""


class OrderCanceled(PrivateEvent, frozen=True, array_like=True, tag="C"):
    """
    What was left was canceled: 8 with 150=4; also the unfilled rest of IOC, FOK and market orders.

    For a cancel request, `cl_ord_id` is the request's and `orig_cl_ord_id` the canceled order's; else
    `cl_ord_id` is the order's and `orig_cl_ord_id` is empty.
    """

    order: OrderState
    cl_ord_id: str
    orig_cl_ord_id: str
    text: str
    """Why, for Text(58), when the client did not ask for it; else empty."""
    restatement_reason: RestatementReason = ""


class OrderReplaced(PrivateEvent, frozen=True, array_like=True, tag="P"):
    """The order has new terms: 8 with 150=5. `order` already has the new ClOrdID(11)."""

    order: OrderState
    orig_cl_ord_id: str


class OrderTriggered(PrivateEvent, frozen=True, array_like=True, tag="T"):
    """A stop, or a leg of a list, became active: 8 with 150=L; what it then does follows as events of its own."""

    order: OrderState


class OrderRestated(PrivateEvent, frozen=True, array_like=True, tag="D"):
    """The venue changed the order's terms unasked (a new price, less quantity, parked): 8 with 150=D."""

    order: OrderState
    restatement_reason: RestatementReason
    text: str


class TradeBusted(PrivateEvent, frozen=True, array_like=True, tag="H"):
    """One side of a trade was undone: 8 with 150=H and ExecRefID(19)."""

    order: OrderState
    match_id: int
    ref_input_seq: int
    ref_event_index: int
    """(shard, ref_input_seq, ref_event_index) is the ExecID(17) of the undone fill, for ExecRefID(19)."""
    last_price_ticks: int
    last_qty_lots: int
    text: str


class TradeCorrected(PrivateEvent, frozen=True, array_like=True, tag="K"):
    """One side of a trade has another price or quantity: 8 with 150=G and ExecRefID(19)."""

    order: OrderState
    match_id: int
    ref_input_seq: int
    ref_event_index: int
    last_price_ticks: int
    last_qty_lots: int
    text: str


class OrderExpired(PrivateEvent, frozen=True, array_like=True, tag="X"):
    """The order's time is over (its day, its date, its auction): 8 with 150=C."""

    order: OrderState


class CancelRejected(PrivateEvent, frozen=True, array_like=True, tag="9"):
    """A cancel (F) or replace (G) changed nothing: 9."""

    symbol: str
    response_to: Literal["1", "2"]
    """CxlRejResponseTo(434): 1 for F, 2 for G."""
    order_id: int
    """0 when the order is unknown: OrderID(37) is then NONE."""
    ord_status: OrdStatus
    """OrdStatus(39): REJECTED when the order is unknown."""
    cl_ord_id: str
    orig_cl_ord_id: str
    reason: RejectReason
    text: str


class OrderStatusReported(PrivateEvent, frozen=True, array_like=True, tag="I"):
    """The answer to H: 8 with 150=I and 17=0. An unknown order has `order_id` 0, status REJECTED and a reason."""

    order: OrderState
    ord_status_req_id: str
    reason: RejectReason | None
    text: str


class OrderMassStatusReported(PrivateEvent, frozen=True, array_like=True, tag="AF"):
    """One row of the answer to AF: 8 with 150=I, 584, 911 and 912; a single row with no order when none lives."""

    order: OrderState | None
    symbol: str
    mass_status_req_id: str
    tot_num_reports: int
    """TotNumReports(911) on this shard."""
    is_last: bool
    """LastRptRequested(912)."""


class MassCancelReported(PrivateEvent, frozen=True, array_like=True, tag="r"):
    """The answer of one shard to q: OrderMassCancelReport(r); the canceled orders were told before it."""

    symbol: str
    cl_ord_id: str
    scope: Literal["1", "7"]
    side: Literal["", "1", "2"]
    total_affected_orders: int
    """TotalAffectedOrders(533) on this shard."""
    reason: RejectReason | None
    text: str


class LeggedOrder(msgspec.Struct, frozen=True, array_like=True):
    """Where one order of a list stands."""

    cl_ord_id: str
    qty_lots: int
    leaves_qty_lots: int
    cum_qty_lots: int
    cum_value: int
    ord_status: OrdStatus


class ListStatusReported(PrivateEvent, frozen=True, array_like=True, tag="N"):
    """A list was taken or refused, or one of its orders has another status: ListStatus(N), to its session."""

    session_id: str
    firm: str
    symbol: str
    list_id: str
    list_order_status: Literal["3", "6", "7"]
    """ListOrderStatus(431): 3 executing, 6 all done, 7 rejected."""
    orders: list[LeggedOrder]
    reason: RejectReason | None
    text: str


class QuoteEntryRefused(msgspec.Struct, frozen=True, array_like=True):
    """One entry of a mass quote that was not taken; the others were."""

    quote_entry_id: str
    reason: RejectReason
    text: str


class MassQuoteAcknowledged(PrivateEvent, frozen=True, array_like=True, tag="b"):
    """The answer to i and Z: MassQuoteAcknowledgement(b); fills that it led to follow."""

    quote_id: str
    quote_status: Literal["0", "1", "4", "5"]
    """QuoteStatus(297): 0 accepted, 1 canceled for the symbol, 4 canceled all, 5 rejected."""
    refused: list[QuoteEntryRefused]
    reason: RejectReason | None
    text: str


class QuotesPulled(PrivateEvent, frozen=True, array_like=True, tag="Q"):
    """Quotes ended unasked (protection, phase, block): b with 297=1 and a text, to the session that entered them."""

    session_id: str
    symbol: str
    quote_entry_ids: list[str]
    restatement_reason: RestatementReason
    text: str


class RequestRefused(PrivateEvent, frozen=True, array_like=True, tag="R"):
    """A `RefusedRequest` came through the log; its fields are repeated so that the gateway can answer from it."""

    msg_seq_num: int
    msg_type: str
    reason: RejectReason
    text: str
    ref_tag: int
    symbol: str
    cl_ord_id: str
    orig_cl_ord_id: str
    ord_status_req_id: str
    side: str
    ord_type: str
    time_in_force: str
    price: str
    order_qty: str


class SessionMark(msgspec.Struct, frozen=True, array_like=True):
    """How far the log goes for one FIX session."""

    session_id: str
    session_epoch: int
    durable_msg_seq_num: int
    """Every request up to this MsgSeqNum is in the log; requests above it may be."""


class GatewayAdmitted(PrivateEvent, frozen=True, array_like=True, tag="G"):
    """The answer to `GatewayStarted`: where each session known to this shard stands."""

    gateway_id: str
    boot: int
    sessions: list[SessionMark]


class InstrumentDefined(PrivateEvent, frozen=True, array_like=True, tag="Y"):
    """
    An instrument is traded from now on, or has new rules, or a gateway began its life and is told of all of them.

    It is for all who translate its units.
    """

    instrument: Instrument


class OperatorAnswered(PrivateEvent, frozen=True, array_like=True, tag="O"):
    """The answer to one operator's command: done, or why not."""

    request_id: str
    reason: RejectReason | None
    text: str


Event = (
    OrderAccepted
    | OrderRejected
    | OrderFilled
    | OrderCanceled
    | OrderReplaced
    | OrderTriggered
    | OrderRestated
    | OrderExpired
    | TradeBusted
    | TradeCorrected
    | CancelRejected
    | OrderStatusReported
    | OrderMassStatusReported
    | MassCancelReported
    | ListStatusReported
    | MassQuoteAcknowledged
    | QuotesPulled
    | RequestRefused
    | GatewayAdmitted
    | InstrumentDefined
    | OperatorAnswered
)


class Output(msgspec.Struct, frozen=True, gc=False):
    """What one command gave: private events in order, and public increments: mostly one, or none."""

    events: list[Event]
    increments: list[MarketDataIncrement]
