"""
Answers about many orders as FIX: ListStatus(N), MassQuoteAcknowledgement(b), OrderMassCancelReport(r). Pure.

Each is one shard's: it says which one where the request went to all.
"""

from collections.abc import Sequence
from typing import Final

from gateway.fix.dialects import QUOTE_REJECT_REASONS, Dialect
from gateway.fix.report_fields import (
    NONE,
    Texts,
    dialect_of,
    enum_field,
    exec_id,
    field,
    refusal_text,
    transact_time,
)
from matcher.events import (
    LeggedOrder,
    ListStatusReported,
    MassCancelReported,
    MassQuoteAcknowledged,
    PrivateEvent,
    QuotesPulled,
    RequestRefused,
)
from matcher.rejects import RejectReason

_LIST_STATUS_TYPES: Final = {"3": "4", "6": "5", "7": "1"}
"""ListStatusType(429) by ListOrderStatus(431): execution started, all done, acknowledgement (of the refusal)."""
_LIST_REJECT_REASONS: Final = frozenset(("0", "2", "4", "5", "6", "11"))
"""Codes of OrdRejReason(103) that ListRejectReason(1386) has as well; else it is 99."""
_MASS_CANCEL_REJECTED: Final = "0"
_CANCELED_ALL: Final = "4"
_REJECTED: Final = "5"


def list_status(event: ListStatusReported, texts: Texts) -> str:
    """A list as it stands."""
    return _list_status(
        event,
        dialect_of(event.session_id),
        list_id=event.list_id,
        list_order_status=event.list_order_status,
        legs=[_leg(leg, texts) for leg in event.orders],
        reason=event.reason,
        text=event.text,
    )


def refused_list(event: RequestRefused, _shard: int) -> str:
    """The gateway's refusal of a list; its orders are not told one by one."""
    return _list_status(
        event,
        dialect_of(event.requester_session_id),
        list_id=event.cl_ord_id or NONE,
        list_order_status="7",
        legs=[],
        reason=event.reason,
        text=event.text,
    )


def _list_status(
    event: PrivateEvent,
    dialect: Dialect,
    *,
    list_id: str,
    list_order_status: str,
    legs: Sequence[str],
    reason: RejectReason | None,
    text: str,
) -> str:
    said = refusal_text(reason, text) if reason else text
    count = len(legs)
    return (
        f"35=N\x0160={transact_time(dialect, event)}\x0166={list_id}\x0168={count}\x0173={count}\x01{''.join(legs)}"
        f"82=1\x0183=1\x01429={_LIST_STATUS_TYPES[list_order_status]}\x01431={list_order_status}\x01"
        f"{field('444', said)}{_list_reject_reason(dialect, reason)}"
    )


def _leg(leg: LeggedOrder, texts: Texts) -> str:
    canceled = leg.qty_lots - leg.cum_qty_lots - leg.leaves_qty_lots
    return (
        f"11={leg.cl_ord_id}\x0114={texts.qty(leg.cum_qty_lots)}\x0139={leg.ord_status}\x01"
        f"151={texts.qty(leg.leaves_qty_lots)}\x0184={texts.qty(canceled)}\x01"
        f"6={texts.average(leg.cum_value, leg.cum_qty_lots)}\x01"
    )


def _list_reject_reason(dialect: Dialect, reason: RejectReason | None) -> str:
    if reason is None or not dialect.is_newest:
        return ""
    code = dialect.ord_rej_reasons[reason]
    return f"1386={code if code in _LIST_REJECT_REASONS else '99'}\x01"


def mass_cancel_report(event: MassCancelReported, shard: int) -> str:
    """One shard's answer to q."""
    return _mass_cancel_report(event, shard, scope=event.scope, affected=str(event.total_affected_orders))


def refused_mass_cancel(event: RequestRefused, shard: int) -> str:
    """The gateway's refusal of q."""
    return _mass_cancel_report(event, shard, scope="1" if event.symbol else "7", affected="")


def _mass_cancel_report(event: MassCancelReported | RequestRefused, shard: int, *, scope: str, affected: str) -> str:
    dialect = dialect_of(event.requester_session_id)
    response, why, text = scope, "", event.text
    if event.reason is not None:
        response, text = _MASS_CANCEL_REJECTED, refusal_text(event.reason, event.text)
        why = "1" if event.reason is RejectReason.UNKNOWN_SYMBOL else "99"
    named = f"1300={shard}\x011369={exec_id(shard, event)}\x01" if dialect.is_newest else ""
    return (
        f"35=r\x01{field('11', event.cl_ord_id)}37={shard}-{event.input_seq}\x01"
        f"{enum_field('54', event.side, dialect.sides)}{field('55', event.symbol)}{field('58', text)}"
        f"60={transact_time(dialect, event)}\x01530={scope}\x01531={response}\x01{field('532', why)}"
        f"{field('533', affected)}{named}"
    )


def mass_quote_acknowledgement(event: MassQuoteAcknowledged, shard: int) -> str:
    """The answer to i, or one shard's answer to Z."""
    dialect = dialect_of(event.requester_session_id)
    entries = [
        f"299={entry.quote_entry_id}\x01{_quote_reject_reason('368', dialect, entry.reason)}" for entry in event.refused
    ]
    reason = event.reason or (event.refused[0].reason if event.quote_status == _REJECTED else None)
    why = _quote_reject_reason("300", dialect, reason) if reason else ""
    return (
        f"35=b\x01{field('58', _said(event, shard))}{field('117', event.quote_id)}{_quote_set(entries)}"
        f"297={event.quote_status}\x01{why}"
    )


def _said(event: MassQuoteAcknowledged, shard: int) -> str:
    """Text(58): why it, and each entry that was not taken, is refused; which shard all quotes were pulled on."""
    said = [f"{entry.quote_entry_id}: {refusal_text(entry.reason, entry.text)}" for entry in event.refused]
    if event.reason:
        said.insert(0, refusal_text(event.reason, event.text))
    elif event.text:
        said.insert(0, event.text)
    elif event.quote_status == _CANCELED_ALL:
        said.append(f"shard {shard}")
    return "; ".join(said)


def quotes_pulled(event: QuotesPulled) -> str:
    """Quotes of one symbol that ended unasked."""
    entries = [f"299={entry_id}\x0155={event.symbol}\x01" for entry_id in event.quote_entry_ids]
    return f"35=b\x01{field('58', event.text)}{_quote_set(entries)}297=1\x01"


def refused_quote(event: RequestRefused, _shard: int) -> str:
    """The gateway's refusal of i or Z."""
    why = _quote_reject_reason("300", dialect_of(event.requester_session_id), event.reason)
    said = refusal_text(event.reason, event.text)
    return f"35=b\x0158={said}\x01{field('117', event.cl_ord_id)}297={_REJECTED}\x01{why}"


def _quote_set(entries: Sequence[str]) -> str:
    """The entries that there is something to say of, as the only set."""
    if not entries:
        return ""
    return f"296=1\x01302=1\x01304={len(entries)}\x01295={len(entries)}\x01{''.join(entries)}"


def _quote_reject_reason(tag: str, dialect: Dialect, reason: RejectReason) -> str:
    return field(tag, QUOTE_REJECT_REASONS.get(reason, dialect.other_quote_reject_reason))
