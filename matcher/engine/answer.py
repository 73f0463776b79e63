"""
The answer to one command while it is being worked out: its private events, numbered as they come.

Each method fills in what all events of the command share, so that the rules say only what happened to which order. The
events of plain orders have a method each; `tell` and `tell_unasked` take any other.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from matcher.commands import CancelOrder, RefusedRequest, ReplaceOrder
from matcher.events import (
    CancelRejected,
    Event,
    GatewayAdmitted,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderStatusReported,
    RequestRefused,
    RestatementReason,
    SessionMark,
)
from matcher.orders import REJECTED, OrderState
from matcher.rejects import RejectReason

NOBODY: Final = ""
"""Requester of what nobody asked for."""


class Answer(msgspec.Struct):
    """Collects the events of one command; a struct because one is made for each, and these are made at less cost."""

    input_seq: int
    first_index: int
    """event_index of its first event."""
    transact_ns: int
    requester: str
    events: list[Event] = []

    def accepted(self, order: OrderState) -> None:
        """The order was taken."""
        index = self.first_index + len(self.events)
        self.events.append(OrderAccepted(self.input_seq, index, self.transact_ns, self.requester, order))

    def traded(self, incoming: OrderState, resting: OrderState, match_id: int, price_ticks: int, qty_lots: int) -> int:
        """Two orders traded and are now as given; the incoming side is told first. Gives the index of its event."""
        index = self.first_index + len(self.events)
        input_seq, transact_ns = self.input_seq, self.transact_ns
        self.events += (
            OrderFilled(input_seq, index, transact_ns, self.requester, incoming, match_id, price_ticks, qty_lots, True),
            OrderFilled(input_seq, index + 1, transact_ns, NOBODY, resting, match_id, price_ticks, qty_lots, False),
        )
        return index

    def auctioned(self, bought: OrderState, sold: OrderState, match_id: int, price_ticks: int, qty_lots: int) -> int:
        """Two orders traded in an uncrossing, which nobody asked for. Gives the index of the buy side's event."""
        index = self.first_index + len(self.events)
        for order in (bought, sold):
            self.tell_unasked(OrderFilled, order, match_id, price_ticks, qty_lots, False, True)
        return index

    def rejected(self, order: OrderState, reason: RejectReason, text: str) -> None:
        """The order was not taken."""
        self.events.append(OrderRejected(*self._head(), order, reason, text))

    def rest_canceled(self, order: OrderState, text: str, restatement: RestatementReason = "") -> None:
        """What was left of an incoming order could not stay."""
        self.events.append(OrderCanceled(*self._head(), order, order.cl_ord_id, "", text, restatement))

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

    def status_reported(
        self, order: OrderState, ord_status_req_id: str, reason: RejectReason | None = None, text: str = ""
    ) -> None:
        """The order stands like this; with a reason, it is unknown."""
        self.events.append(OrderStatusReported(*self._head(), order, ord_status_req_id, reason, text))

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

    def tell(self, kind: Callable[..., Event], *fields: object) -> None:
        """An event that answers the requester: its own fields, in their order."""
        self.events.append(kind(*self._head(), *fields))

    def tell_unasked(self, kind: Callable[..., Event], *fields: object) -> None:
        """An event that nobody asked for."""
        index = self.first_index + len(self.events)
        self.events.append(kind(self.input_seq, index, self.transact_ns, NOBODY, *fields))

    def _head(self) -> tuple[int, int, int, str]:
        return self.input_seq, self.first_index + len(self.events), self.transact_ns, self.requester
