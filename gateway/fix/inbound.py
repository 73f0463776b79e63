"""
FIX requests to commands, in FIX 4.2, 4.4 and 5.0SP2, as `FIX.md` states them.

Every request gives exactly one command. A faulty one gives a `RefusedRequest` with the first fault in the order of
`RejectReason`; nothing that a client can write raises. The order of the checks is here, each check in `fields`.
What only few orders say is read by `instructions`, requests of more than one order by `lists`, `quotes` and
`mass_requests`.

Pure: the caller says when the request came and who sent it.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from gateway.fix.fields import (
    ACCEPTED_TAGS,
    ECHO_CHARS_MAX,
    PLAIN_ORD_TYPES,
    PLAIN_RESTING_ORD_TYPES,
    PLAIN_RESTING_TIMES,
    PLAIN_TAGS,
    PLAIN_TIMES_IN_FORCE,
    Decimals,
    FieldRefused,
    RequestContext,
    TradedInstruments,
    check_required,
    check_tags,
    check_texts,
    printable,
    quoted,
    read_id,
    read_limit_ticks,
    read_side,
    tag_number,
)
from gateway.fix.instructions import read_terms
from gateway.fix.lists import read_order_list
from gateway.fix.mass_requests import read_mass_cancel, read_mass_status_request
from gateway.fix.quotes import read_mass_quote, read_quote_cancel
from matcher.commands import (
    CancelOrder,
    ClientRequest,
    NewOrder,
    OrderStatusRequest,
    RefusedRequest,
    ReplaceOrder,
)
from matcher.instruments import Instrument
from matcher.orders import DAY, Side
from matcher.rejects import RejectReason

__all__ = ("ID_TAGS", "Inbound", "RequestContext", "refused", "throttled")

_Reader = Callable[[Mapping[str, str], RequestContext], ClientRequest]
_GroupReader = Callable[[str, TradedInstruments, RequestContext], ClientRequest]

ID_TAGS: Final[Mapping[str, str]] = {"E": "66", "i": "117", "Z": "117", "AF": "584"}
"""By message: what names it in place of ClOrdID(11)."""


class Inbound:
    """Reads requests about the instruments that are traded."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = TradedInstruments(instruments.values())
        self._readers: dict[str, _Reader] = {
            "D": self._new_order,
            "F": self._cancel_order,
            "G": self._replace_order,
            "H": self._order_status_request,
            "q": self._mass_cancel,
            "AF": self._mass_status_request,
        }
        self._group_readers: dict[str, _GroupReader] = {
            "E": read_order_list,
            "i": read_mass_quote,
            "Z": read_quote_cancel,
        }

    def define(self, instrument: Instrument) -> None:
        """An instrument is traded from now on, or has new rules."""
        self._instruments.define(instrument)

    def to_command(self, fields: Mapping[str, str], context: RequestContext, text: str = "") -> ClientRequest:
        """
        Translate one application message; never raises, whatever the fields hold.

        Args:
            fields: Tag to value, as `sessions.fix_text.parse` reads them.
            context: Who sent it, and when.
            text: The message as it came, which lists and quotes need for their repeating groups.
        """
        try:
            msg_type = fields.get("35", "")
            reader = self._readers.get(msg_type)
            if reader is not None:
                return reader(fields, context)
            group_reader = self._group_readers.get(msg_type)
            if group_reader is None:
                raise _unsupported_message(fields)
            return group_reader(text, self._instruments, context)
        except FieldRefused as refusal:
            return refused(fields, context, refusal.reason, ref_tag=refusal.ref_tag, text=refusal.text)

    def _new_order(self, fields: Mapping[str, str], context: RequestContext) -> NewOrder:
        check_required(fields, "D")
        cl_ord_id = read_id(fields, "11")
        decimals, side = self._instruments.find(fields["55"]), read_side(fields)
        ord_type = PLAIN_ORD_TYPES.get(fields["40"])
        time_in_force = PLAIN_TIMES_IN_FORCE.get(fields.get("59") or DAY)
        if ord_type is None or time_in_force is None or not PLAIN_TAGS.issuperset(fields):
            return _special_order(fields, context, cl_ord_id, decimals, side)
        account = fields.get("1", "")
        check_texts(fields)
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
        cl_ord_id, orig_cl_ord_id = read_id(fields, "11"), read_id(fields, "41")
        decimals, side = self._instruments.find(fields["55"]), read_side(fields)
        check_tags(fields, ACCEPTED_TAGS, decimals.instrument)
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
        cl_ord_id, orig_cl_ord_id = read_id(fields, "11"), read_id(fields, "41")
        decimals, side = self._instruments.find(fields["55"]), read_side(fields)
        ord_type = PLAIN_RESTING_ORD_TYPES.get(fields["40"])
        time_in_force = PLAIN_RESTING_TIMES.get(fields.get("59") or DAY)
        if ord_type is None or time_in_force is None or not ACCEPTED_TAGS.issuperset(fields):
            terms = read_terms(fields, decimals, side, context.received_ns, is_replace=True)
            return ReplaceOrder(*context.head(decimals.instrument.symbol), cl_ord_id, orig_cl_ord_id, side, *terms)
        check_texts(fields)
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
        cl_ord_id = read_id(fields, "11")
        decimals, side = self._instruments.find(fields["55"]), read_side(fields)
        check_tags(fields, ACCEPTED_TAGS, decimals.instrument)
        return OrderStatusRequest(*context.head(decimals.instrument.symbol), cl_ord_id, fields.get("790", ""), side)

    def _mass_cancel(self, fields: Mapping[str, str], context: RequestContext) -> ClientRequest:
        return read_mass_cancel(fields, self._instruments, context)

    def _mass_status_request(self, fields: Mapping[str, str], context: RequestContext) -> ClientRequest:
        return read_mass_status_request(fields, self._instruments, context)


def _special_order(
    fields: Mapping[str, str], context: RequestContext, cl_ord_id: str, decimals: Decimals, side: Side
) -> NewOrder:
    """An order that says more than a plain one."""
    terms = read_terms(fields, decimals, side, context.received_ns)
    return NewOrder(
        *context.head(decimals.instrument.symbol),
        cl_ord_id,
        fields.get("1", ""),
        side,
        *terms,
        is_poss_resend=fields.get("97") == "Y",
    )


def throttled(fields: Mapping[str, str], context: RequestContext, command: ClientRequest, text: str) -> RefusedRequest:
    """
    A request, whatever it says, as the refusal of one too many; about the symbol of its command.

    Args:
        fields: The request's tags.
        context: Who sent it, and when.
        command: What `to_command` made of it.
        text: The session's allowance, and what to do.
    """
    refusal = refused(fields, context, RejectReason.THROTTLED, ref_tag="", text=text)
    return msgspec.structs.replace(refusal, symbol=command.symbol)


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
        cl_ord_id=echo(ID_TAGS.get(fields.get("35", ""), "11")),
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
    text = f"MsgType(35) {quoted(msg_type)} is not taken here; send D, F, G, H, E, q, AF, i or Z"
    if msg_type in ("V", "e"):
        text += "; market data is on a session of kind marketdata"
    return FieldRefused(RejectReason.UNSUPPORTED_MESSAGE, "35", text)
