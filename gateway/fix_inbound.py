"""
FIX requests to commands: D, F, G and H of FIX 4.2, 4.4 and 5.0SP2, as `FIX.md` states them.

Every request gives exactly one command. A faulty one gives a `RefusedRequest` with the first fault in the order of
`RejectReason`; nothing that a client can write raises. The order of the checks is here, each check in `fix_fields`.

Pure: the caller says when the request came and who sent it.
"""

from collections.abc import Callable, Mapping

import msgspec

from gateway.fix_fields import (
    ECHO_CHARS_MAX,
    Decimals,
    FieldRefused,
    check_instructions,
    check_required,
    printable,
    quoted,
    read_cl_ord_id,
    read_limit_ticks,
    read_ord_type,
    read_resting_ord_type,
    read_resting_time_in_force,
    read_side,
    read_time_in_force,
    tag_number,
)
from matcher.commands import (
    CancelOrder,
    ClientRequest,
    NewOrder,
    OrderStatusRequest,
    RefusedRequest,
    ReplaceOrder,
)
from matcher.instruments import Instrument
from matcher.rejects import RejectReason


class RequestContext(msgspec.Struct, frozen=True):
    """What the caller knows of a request besides its tags; see `matcher.commands.Request`."""

    session_id: str
    session_epoch: int
    msg_seq_num: int
    durable_msg_seq_num: int
    received_ns: int
    firm: str


class Inbound:
    """Reads requests about a fixed set of instruments."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._decimals = {symbol: Decimals(instrument) for symbol, instrument in instruments.items()}
        self._readers: dict[str, Callable[[Mapping[str, str], RequestContext], ClientRequest]] = {
            "D": self._new_order,
            "F": self._cancel_order,
            "G": self._replace_order,
            "H": self._order_status_request,
        }

    def to_command(self, fields: Mapping[str, str], context: RequestContext) -> ClientRequest:
        """
        Translate one application message; never raises, whatever the fields hold.

        Args:
            fields: Tag to value, as `sessions.fix_text.parse` reads them.
            context: Who sent it, and when.
        """
        try:
            reader = self._readers.get(fields.get("35", ""))
            if reader is None:
                raise _unsupported_message(fields)
            return reader(fields, context)
        except FieldRefused as refusal:
            return refused(fields, context, refusal.reason, ref_tag=refusal.ref_tag, text=refusal.text)

    def _new_order(self, fields: Mapping[str, str], context: RequestContext) -> NewOrder:
        check_required(fields, "D")
        cl_ord_id = read_cl_ord_id(fields, "11")
        decimals, side = self._decimals_of(fields), read_side(fields)
        ord_type, time_in_force = read_ord_type(fields), read_time_in_force(fields)
        account = fields.get("1", "")
        check_instructions(fields, decimals.instrument)
        qty_lots = decimals.qty_lots(fields["38"])
        return NewOrder(
            context.session_id,
            context.session_epoch,
            context.msg_seq_num,
            context.durable_msg_seq_num,
            context.received_ns,
            context.firm,
            decimals.instrument.symbol,
            cl_ord_id,
            account,
            side,
            ord_type,
            time_in_force,
            read_limit_ticks(fields, ord_type, decimals),
            qty_lots,
        )

    def _cancel_order(self, fields: Mapping[str, str], context: RequestContext) -> CancelOrder:
        check_required(fields, "F")
        cl_ord_id, orig_cl_ord_id = read_cl_ord_id(fields, "11"), read_cl_ord_id(fields, "41")
        decimals, side = self._decimals_of(fields), read_side(fields)
        check_instructions(fields, decimals.instrument)
        return CancelOrder(
            context.session_id,
            context.session_epoch,
            context.msg_seq_num,
            context.durable_msg_seq_num,
            context.received_ns,
            context.firm,
            decimals.instrument.symbol,
            cl_ord_id,
            orig_cl_ord_id,
            side,
        )

    def _replace_order(self, fields: Mapping[str, str], context: RequestContext) -> ReplaceOrder:
        check_required(fields, "G")
        cl_ord_id, orig_cl_ord_id = read_cl_ord_id(fields, "11"), read_cl_ord_id(fields, "41")
        decimals, side = self._decimals_of(fields), read_side(fields)
        ord_type, time_in_force = read_resting_ord_type(fields), read_resting_time_in_force(fields)
        check_instructions(fields, decimals.instrument)
        qty_lots = decimals.qty_lots(fields["38"])
        return ReplaceOrder(
            context.session_id,
            context.session_epoch,
            context.msg_seq_num,
            context.durable_msg_seq_num,
            context.received_ns,
            context.firm,
            decimals.instrument.symbol,
            cl_ord_id,
            orig_cl_ord_id,
            side,
            ord_type,
            time_in_force,
            read_limit_ticks(fields, ord_type, decimals),
            qty_lots,
        )

    def _order_status_request(self, fields: Mapping[str, str], context: RequestContext) -> OrderStatusRequest:
        check_required(fields, "H")
        cl_ord_id = read_cl_ord_id(fields, "11")
        decimals, side = self._decimals_of(fields), read_side(fields)
        check_instructions(fields, decimals.instrument)
        return OrderStatusRequest(
            context.session_id,
            context.session_epoch,
            context.msg_seq_num,
            context.durable_msg_seq_num,
            context.received_ns,
            context.firm,
            decimals.instrument.symbol,
            cl_ord_id,
            fields.get("790", ""),
            side,
        )

    def _decimals_of(self, fields: Mapping[str, str]) -> Decimals:
        decimals = self._decimals.get(fields["55"])
        if decimals is None:
            text = f"Symbol(55) {quoted(fields['55'])} is not traded here; send one of the venue's symbols"
            raise FieldRefused(RejectReason.UNKNOWN_SYMBOL, "55", text)
        return decimals


def refused(
    fields: Mapping[str, str], context: RequestContext, reason: RejectReason, *, ref_tag: str, text: str
) -> RefusedRequest:
    """
    A request as its own refusal, for `to_command` and for callers with a reason of their own.

    The client's texts are kept to be echoed: printable ASCII, at most `ECHO_CHARS_MAX` characters.

    Args:
        fields: The request's tags.
        context: Who sent it, and when.
        reason: Why it is refused.
        ref_tag: The tag at fault; empty when there is none.
        text: What was wrong, with the tag, and what to do.
    """

    def echo(tag: str) -> str:
        return printable(fields.get(tag, ""))[:ECHO_CHARS_MAX]

    return RefusedRequest(
        session_id=context.session_id,
        session_epoch=context.session_epoch,
        msg_seq_num=context.msg_seq_num,
        durable_msg_seq_num=context.durable_msg_seq_num,
        received_ns=context.received_ns,
        firm=context.firm,
        symbol=echo("55"),
        msg_type=echo("35"),
        reason=reason,
        text=text,
        ref_tag=tag_number(ref_tag),
        cl_ord_id=echo("11"),
        orig_cl_ord_id=echo("41"),
        ord_status_req_id=echo("790"),
        side=echo("54"),
        ord_type=echo("40"),
        time_in_force=echo("59"),
        price=echo("44"),
        order_qty=echo("38"),
    )


def _unsupported_message(fields: Mapping[str, str]) -> FieldRefused:
    msg_type = fields.get("35", "")
    text = f"MsgType(35) {quoted(msg_type)} is not taken here; send D, F, G or H"
    if msg_type == "V":
        text += "; market data is on a session of kind marketdata"
    return FieldRefused(RejectReason.UNSUPPORTED_MESSAGE, "35", text)
