"""
Requests about many orders: OrderMassCancelRequest(q) and OrderMassStatusRequest(AF), as `FIX.md` states them. Pure.

One that names no symbol is for every shard: its command has no symbol, and the sequencer puts it onto each.
"""

from collections.abc import Mapping
from typing import Final, Literal

from gateway.fix.fields import (
    HARMLESS_TAGS,
    HEADER_TAGS,
    RequestContext,
    TradedInstruments,
    check_authorized,
    check_echoed_text,
    check_present,
    check_tags,
    quoted,
    read_id,
    read_optional_side,
    unsupported,
)
from matcher.commands import MassCancel, OrderMassStatusRequest

MASS_CANCEL_TAGS: Final = frozenset(("11", "54", "55", "530", "7002"))
MASS_STATUS_TAGS: Final = frozenset(("54", "55", "584", "585"))
"""Tags that make the commands."""

_OF_SYMBOL: Final = "1"
_CANCEL_SCOPES: Final[Mapping[str, Literal["1", "7"]]] = {"1": "1", "7": "7"}
_STATUS_SCOPES: Final[Mapping[str, Literal["1", "7", "8"]]] = {"1": "1", "7": "7", "8": "8"}
_SESSION_ONLY: Final[Mapping[str, bool]] = {"S": True, "F": False}


def read_mass_cancel(fields: Mapping[str, str], instruments: TradedInstruments, context: RequestContext) -> MassCancel:
    """
    Read a mass cancel.

    Raises:
        FieldRefused: The first fault.
    """
    check_present(fields, "q", "11", "530")
    _check_symbol(fields, "q", "530")
    check_authorized(fields)
    cl_ord_id = read_id(fields, "11")
    symbol = _symbol(fields, instruments)
    side = read_optional_side(fields)
    scope = _CANCEL_SCOPES.get(fields["530"])
    if scope is None:
        advice = "send 1 (of a symbol) or 7 (all)"
        raise unsupported("530", f"MassCancelRequestType(530) {quoted(fields['530'])} is not taken here; {advice}")
    _check_scope(symbol, fields, "530")
    check_tags(fields, HEADER_TAGS | HARMLESS_TAGS | MASS_CANCEL_TAGS)
    of_session_only = _SESSION_ONLY.get(fields.get("7002", "F"))
    if of_session_only is None:
        advice = "send S (of this session) or F (of the firm)"
        raise unsupported("7002", f"MassScope(7002) {quoted(fields['7002'])} is not taken here; {advice}")
    return MassCancel(*context.head(symbol), cl_ord_id, scope, side, of_session_only)


def read_mass_status_request(
    fields: Mapping[str, str], instruments: TradedInstruments, context: RequestContext
) -> OrderMassStatusRequest:
    """
    Read a mass status request.

    Raises:
        FieldRefused: The first fault.
    """
    check_present(fields, "AF", "584", "585")
    _check_symbol(fields, "AF", "585")
    check_authorized(fields)
    symbol = _symbol(fields, instruments)
    side = read_optional_side(fields)
    scope = _STATUS_SCOPES.get(fields["585"])
    if scope is None:
        advice = "send 1 (of a symbol), 7 (all of the firm) or 8 (all of this session)"
        raise unsupported("585", f"MassStatusReqType(585) {quoted(fields['585'])} is not taken here; {advice}")
    _check_scope(symbol, fields, "585")
    check_tags(fields, HEADER_TAGS | HARMLESS_TAGS | MASS_STATUS_TAGS)
    check_echoed_text(fields, "584", "MassStatusReqID")
    return OrderMassStatusRequest(*context.head(symbol), fields["584"], scope, side)


def _check_symbol(fields: Mapping[str, str], msg_type: str, scope_tag: str) -> None:
    if fields[scope_tag] == _OF_SYMBOL:
        check_present(fields, msg_type, "55")


def _symbol(fields: Mapping[str, str], instruments: TradedInstruments) -> str:
    """The symbol that is asked about; empty for all of them."""
    return instruments.find(fields["55"]).instrument.symbol if fields.get("55") else ""


def _check_scope(symbol: str, fields: Mapping[str, str], scope_tag: str) -> None:
    """A symbol goes with the scope of a symbol only; else raises FieldRefused."""
    if symbol and fields[scope_tag] != _OF_SYMBOL:
        text = f"Symbol(55) {quoted(symbol)} does not go with {scope_tag}={fields[scope_tag]}; leave it out, or send 1"
        raise unsupported("55", text)
