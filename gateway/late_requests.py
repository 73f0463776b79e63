"""
Requests that were held too long, as their own refusals. Pure.

While the venue's log does not answer, requests wait in the gateway, and the market goes on without them. What would
add risk, an order, a list, a quote, or a change of one, is no longer what its sender wants after some seconds: it
becomes a `RefusedRequest` in its own place, with its own name. What takes risk away is better done late than never, and
what only asks is answered as things stand then: F, q, Z, H and AF stay as they are. All requests that go to several
shards are among these, so no request is done on one shard and refused on another.
"""

from collections.abc import Mapping

from gateway.fix.report_fields import TextsBySymbol
from matcher.commands import Command, MassQuote, NewOrder, NewOrderList, RefusedRequest, ReplaceOrder
from matcher.instruments import Instrument
from matcher.rejects import RejectReason


class LateRequests:
    """Makes refusals of requests about the instruments that are traded."""

    def __init__(self, instruments: Mapping[str, Instrument], *, hold_max_ms: int) -> None:
        self._texts = TextsBySymbol(instruments)
        self._text = f"the venue's log did not take this within {hold_max_ms / 1000:g} s; nothing was done"

    def define(self, instrument: Instrument) -> None:
        """An instrument is traded from now on."""
        self._texts.define(instrument)

    def in_place_of(self, command: Command) -> Command:
        """What goes onto the log when a command is too old: its refusal, or itself."""
        match command:
            case NewOrder() | ReplaceOrder():
                return self._refused_order(command)
            case NewOrderList(list_id=list_id):
                return self._refused(command, "E", cl_ord_id=list_id)
            case MassQuote(quote_id=quote_id):
                return self._refused(command, "i", cl_ord_id=quote_id)
            case _:
                return command

    def _refused_order(self, command: NewOrder | ReplaceOrder) -> RefusedRequest:
        texts = self._texts.of_symbol(command.symbol)
        is_new = isinstance(command, NewOrder)
        return self._refused(
            command,
            "D" if is_new else "G",
            cl_ord_id=command.cl_ord_id,
            orig_cl_ord_id="" if isinstance(command, NewOrder) else command.orig_cl_ord_id,
            side=command.side,
            ord_type=command.ord_type,
            time_in_force=command.time_in_force,
            price=texts.price(command.price_ticks) if command.price_ticks else "",
            order_qty=texts.qty(command.qty_lots),
        )

    def _refused(
        self,
        command: NewOrder | ReplaceOrder | NewOrderList | MassQuote,
        msg_type: str,
        *,
        cl_ord_id: str,
        orig_cl_ord_id: str = "",
        side: str = "",
        ord_type: str = "",
        time_in_force: str = "",
        price: str = "",
        order_qty: str = "",
    ) -> RefusedRequest:
        return RefusedRequest(
            command.session_id,
            command.session_epoch,
            command.msg_seq_num,
            command.durable_msg_seq_num,
            command.received_ns,
            command.firm,
            command.symbol,
            msg_type,
            RejectReason.HELD_TOO_LONG,
            self._text,
            0,
            cl_ord_id,
            orig_cl_ord_id,
            "",
            side,
            ord_type,
            time_in_force,
            price,
            order_qty,
        )
