"""
What a matcher says happened.

Private events become FIX messages to sessions: one event is one report (a trade is two `OrderFilled`, one per side,
with one match_id). `MarketDataIncrement` is the public view of the same command: one, or several in a row where one
would be too large for a message (`INCREMENT_ENTRIES_MAX`). (shard, input_seq, event_index) names
a private event for ever; ExecID(17) is those three numbers. Commands never go unanswered: each yields at least one
private event, except one that is dropped as already seen.

The codec is msgspec's, as for commands: see `bus/WIRE.md`.
"""

from typing import Final, Literal

import msgspec

from matcher.orders import OrderState, OrdStatus, Side
from matcher.rejects import RejectReason


class PrivateEvent(msgspec.Struct, frozen=True, array_like=True):
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


class OrderReplaced(PrivateEvent, frozen=True, array_like=True, tag="P"):
    """The order has new terms: 8 with 150=5. `order` already has the new ClOrdID(11)."""

    order: OrderState
    orig_cl_ord_id: str


class OrderExpired(PrivateEvent, frozen=True, array_like=True, tag="X"):
    """A DAY order reached the end of its day: 8 with 150=C."""

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


Event = (
    OrderAccepted
    | OrderRejected
    | OrderFilled
    | OrderCanceled
    | OrderReplaced
    | OrderExpired
    | CancelRejected
    | OrderStatusReported
    | RequestRefused
    | GatewayAdmitted
)

INCREMENT_ENTRIES_MAX: Final = 3500
"""
Levels and trades in one increment at most, so that it fits into a message of NATS (1 MiB by default) as JSON too.

The longest trade of any instrument is some 235 bytes of JSON, and a level is shorter.
"""

LevelAction = Literal["0", "1", "2"]
"""MDUpdateAction(279): new, change, delete."""


class LevelChange(msgspec.Struct, frozen=True, array_like=True):
    """One price level after the command, if it differs from before."""

    action: LevelAction
    side: Side
    price_ticks: int
    qty_lots: int
    """What the level holds now; 0 with action 2."""
    order_count: int


class TradePrint(msgspec.Struct, frozen=True, array_like=True):
    """One match: MDEntryType(269)=2."""

    match_id: int
    price_ticks: int
    qty_lots: int
    aggressor_side: Side


class MarketDataIncrement(msgspec.Struct, frozen=True, array_like=True):
    """
    What one command changed in the public view of one symbol; applied whole, the book is never crossed.

    A command that changed more than `INCREMENT_ENTRIES_MAX` levels and trades gives several in a row: first all
    trades, then the levels that are gone, the ones that changed and the new ones. None of these steps makes either
    side better than it was, except new levels, when all that stood in their way is gone: so the book is not crossed in
    between either. Levels carry their final state after the command, in whichever increment they are. `md_seq` is
    contiguous per symbol, from 1: RptSeq(83).
    """

    symbol: str
    md_seq: int
    input_seq: int
    transact_ns: int
    levels: list[LevelChange]
    trades: list[TradePrint]


class Output(msgspec.Struct, frozen=True):
    """What one command gave: private events in order, and public increments: mostly one, or none."""

    events: list[Event]
    increments: list[MarketDataIncrement]
