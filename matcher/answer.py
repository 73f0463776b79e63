"""
The answer to one command while it is being worked out: its private events, numbered as they come, and its trades.

One method per event. Each fills in what all events of the command share, so that the rules in `engine` say only what
happened to which order.
"""

from typing import Final

from matcher.commands import CancelOrder, OrderStatusRequest, RefusedRequest, ReplaceOrder
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
    RequestRefused,
    SessionMark,
    TradePrint,
)
from matcher.orders import REJECTED, OrderState
from matcher.rejects import RejectReason

NOBODY: Final = ""
"""Requester of what nobody asked for."""


class Answer:
    """Collects the events and trades of one command."""

    __slots__ = ("_first_index", "events", "input_seq", "requester", "trades", "transact_ns")

    def __init__(self, input_seq: int, first_index: int, transact_ns: int, requester: str) -> None:
        self.input_seq = input_seq
        self.transact_ns = transact_ns
        self.requester = requester
        self.events: list[Event] = []
        self.trades: list[TradePrint] = []
        self._first_index = first_index

    def accepted(self, order: OrderState) -> None:
        """The order was taken."""
        index = self._first_index + len(self.events)
        self.events.append(OrderAccepted(self.input_seq, index, self.transact_ns, self.requester, order))

    def traded(self, incoming: OrderState, resting: OrderState, match_id: int, price_ticks: int, qty_lots: int) -> None:
        """Two orders traded and are now as given; the incoming side is told first."""
        index = self._first_index + len(self.events)
        input_seq, transact_ns = self.input_seq, self.transact_ns
        self.events += (
            OrderFilled(input_seq, index, transact_ns, self.requester, incoming, match_id, price_ticks, qty_lots, True),
            OrderFilled(input_seq, index + 1, transact_ns, NOBODY, resting, match_id, price_ticks, qty_lots, False),
        )
        self.trades.append(TradePrint(match_id, price_ticks, qty_lots, incoming.side))

    def rejected(self, order: OrderState, reason: RejectReason, text: str) -> None:
        """The order was not taken."""
        self.events.append(OrderRejected(*self._head(), order, reason, text))

    def rest_canceled(self, order: OrderState, text: str) -> None:
        """What was left of an incoming order could not stay."""
        self.events.append(OrderCanceled(*self._head(), order, order.cl_ord_id, "", text))

    def canceled(self, order: OrderState, command: CancelOrder) -> None:
        """The client's cancel was done."""
        self.events.append(OrderCanceled(*self._head(), order, command.cl_ord_id, command.orig_cl_ord_id, ""))

    def replaced(self, order: OrderState, command: ReplaceOrder) -> None:
        """The client's replace was done; `order` has its terms."""
        self.events.append(OrderReplaced(*self._head(), order, command.orig_cl_ord_id))

    def cancel_rejected(
        self, command: CancelOrder | ReplaceOrder, order: OrderState | None, reason: RejectReason, text: str
    ) -> None:
        """A cancel or replace of `order`, None if it is unknown, changed nothing."""
        self.events.append(
            CancelRejected(
                *self._head(),
                command.symbol,
                "1" if isinstance(command, CancelOrder) else "2",
                order.order_id if order else 0,
                order.ord_status if order else REJECTED,
                command.cl_ord_id,
                command.orig_cl_ord_id,
                reason,
                text,
            )
        )

    def expired(self, order: OrderState) -> None:
        """The order's trading day ended."""
        self.events.append(OrderExpired(*self._head(), order))

    def status_reported(
        self, order: OrderState, command: OrderStatusRequest, reason: RejectReason | None, text: str
    ) -> None:
        """The order stands like this; with a reason, it is unknown."""
        self.events.append(OrderStatusReported(*self._head(), order, command.ord_status_req_id, reason, text))

    def refused(self, command: RefusedRequest) -> None:
        """The gateway had refused the request already."""
        self.events.append(
            RequestRefused(
                *self._head(),
                command.msg_seq_num,
                command.msg_type,
                command.reason,
                command.text,
                command.ref_tag,
                command.symbol,
                command.cl_ord_id,
                command.orig_cl_ord_id,
                command.ord_status_req_id,
                command.side,
                command.ord_type,
                command.time_in_force,
                command.price,
                command.order_qty,
            )
        )

    def gateway_admitted(self, gateway_id: str, boot: int, sessions: list[SessionMark]) -> None:
        """A gateway's new life was taken note of."""
        self.events.append(GatewayAdmitted(*self._head(), gateway_id, boot, sessions))

    def _head(self) -> tuple[int, int, int, str]:
        return self.input_seq, self._first_index + len(self.events), self.transact_ns, self.requester
