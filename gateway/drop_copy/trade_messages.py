"""
Trade capture over FIX: TradeCaptureReportRequest(AD) read, its Ack(AQ) and TradeCaptureReport(AE) written. Pure.

A side of a trade is one AE, named by the ExecID(17) of its fill; the two sides share TrdMatchID(880). What becomes of
it later, a bust or a correction, is another AE that names the first. FIX 4.2 has none of these messages.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from gateway.drop_copy.copies import Owner, parties
from gateway.fix.fields import HEADER_TAGS, printable, quoted, tag_number
from gateway.fix.report_fields import (
    NO_SYMBOL,
    NONE,
    TextsBySymbol,
    dialect_of,
    exec_id,
    field,
    order_id_text,
    report_text,
    transact_time,
)
from matcher.events import OrderFilled, TradeBusted, TradeCorrected
from sessions.fix_text import pairs
from sessions.native.messages import read_timestamp

TRADE_REQUEST_TAGS: Final = frozenset(("54", "55", "60", "75", "263", "448", "453", "568", "569", "580"))
"""Tags that make a request."""
HARMLESS_TRADE_REQUEST_TAGS: Final = frozenset(("22", "48", "58", "354", "355", "447", "452"))

SNAPSHOT: Final = "0"
SUBSCRIBE: Final = "1"
UNSUBSCRIBE: Final = "2"
"""SubscriptionRequestType(263)."""

SUCCESSFUL: Final = "0"
UNKNOWN_INSTRUMENT: Final = "1"
UNSUPPORTED_TYPE: Final = "8"
NOT_AUTHORIZED: Final = "9"
OTHER: Final = "99"
"""TradeRequestResult(749)."""
ACCEPTED: Final = "0"
COMPLETED: Final = "1"
REJECTED: Final = "2"
"""TradeRequestStatus(750)."""

_TRADE_REQUEST_TYPES: Final = ("0", "1")
_TRADE_REQUEST_TYPES_OF_FIX: Final = frozenset("01234")
"""What a refusal can echo."""
_SUBSCRIPTION_TYPES: Final = (SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE)
_DATE_CHARS: Final = 8
_AUTO_MATCH: Final = "4"
_CALL_AUCTION: Final = "7"
"""MatchType(574)."""

TradeEvent = OrderFilled | TradeBusted | TradeCorrected
_CHANGES: Final = {OrderFilled: ("0", "0"), TradeBusted: ("1", "6"), TradeCorrected: ("2", "5")}
"""TradeReportTransType(487) and TradeReportType(856): new, cancel, replace; submit, cancel, no/was."""


class TradeRequest(msgspec.Struct, frozen=True):
    """AD: the sides that are wanted."""

    request_id: str
    request_type: str
    """TradeRequestType(569), as it was sent."""
    subscription: Literal["0", "1", "2"]
    symbol: str
    """Empty: all."""
    party: str
    """The firm or session whose sides they are; empty: all."""
    side: str
    """Empty: both."""
    first_date: str
    """TradeDate(75), `YYYYMMDD`, of the first trading day; empty: today."""
    last_date: str
    """Empty: no end."""
    begin_ns: int
    end_ns: int
    """From and until TransactTime(60), the latter not included; 0 bounds nothing."""

    def wants(self, event: TradeEvent, owner: Owner, trading_date: str) -> bool:
        """Whether a side is among them."""
        order = event.order
        return (
            self.symbol in ("", order.symbol)
            and self.party in ("", owner.firm, owner.comp_id)
            and self.side in ("", order.side)
            and self.begin_ns <= event.transact_ns
            and (not self.end_ns or event.transact_ns < self.end_ns)
            and self.first_date <= trading_date
            and (not self.last_date or trading_date <= self.last_date)
        )


class TradeRequestRefused(Exception):
    """A request to answer with AQ that rejects it."""

    def __init__(self, result: str, text: str) -> None:
        super().__init__(text)
        self.result = result
        """TradeRequestResult(749)."""


def read_trade_request(text: str, *, is_traded: Callable[[str], bool], may_read: Callable[[str], bool]) -> TradeRequest:
    """
    Read AD.

    Args:
        text: The whole message.
        is_traded: Whether there is such an instrument.
        may_read: Whether the session gets the reports of such a firm or session.

    Raises:
        TradeRequestRefused: The first fault.
    """
    fields = pairs(text)
    first = dict(reversed(fields))
    if first.get("569", "") not in _TRADE_REQUEST_TYPES:
        raise TradeRequestRefused(
            UNSUPPORTED_TYPE,
            f"TradeRequestType(569) {quoted(first.get('569', ''))} is not taken here; send 0 (all) or 1 (those named)",
        )
    subscription = first.get("263") or SNAPSHOT
    if subscription not in _SUBSCRIPTION_TYPES:
        advice = "send 0 (snapshot), 1 (and updates) or 2 (no more)"
        raise TradeRequestRefused(OTHER, f"SubscriptionRequestType(263) {quoted(subscription)}: {advice}")
    _check_tags(first)
    _check_values(first, is_traded, may_read)
    parties_named = list(dict.fromkeys(value for tag, value in fields if tag == "448"))
    if len(parties_named) > 1:
        raise TradeRequestRefused(OTHER, "PartyID(448) may be there once; ask for each firm or session apart")
    dates, times = _dates(fields), _times(fields)
    if len(times) not in (0, len(dates)):
        raise TradeRequestRefused(
            OTHER, "TransactTime(60) stands behind TradeDate(75); send both in each of NoDates(580)"
        )
    if subscription == SUBSCRIBE and (len(dates) == 2 or len(times) == 2):
        raise TradeRequestRefused(OTHER, "a subscription (263=1) has no end; send one date or time in NoDates(580)")
    return TradeRequest(
        request_id(first),
        first["569"],
        subscription,  # type: ignore[arg-type]  # one of those
        first.get("55", ""),
        first.get("448", ""),
        first.get("54", ""),
        dates[0] if dates else "",
        dates[-1] if dates and subscription != SUBSCRIBE else "",
        times[0] if times else 0,
        times[1] if len(times) > 1 else 0,
    )


def request_id(fields: Mapping[str, str]) -> str:
    """TradeRequestID(568), fit to be echoed."""
    return report_text(fields.get("568", ""))


def _check_tags(fields: Mapping[str, str]) -> None:
    known = HEADER_TAGS | TRADE_REQUEST_TAGS | HARMLESS_TRADE_REQUEST_TAGS
    refused = sorted(fields.keys() - known, key=tag_number)
    if refused:
        named = ", ".join(f"{printable(tag)[:8]}={quoted(fields[tag])}" for tag in refused[:8])
        raise TradeRequestRefused(OTHER, f"not looked at here: {named}; send the request without these tags")


def _check_values(fields: Mapping[str, str], is_traded: Callable[[str], bool], may_read: Callable[[str], bool]) -> None:
    symbol, party, side = fields.get("55", ""), fields.get("448", ""), fields.get("54", "")
    if symbol and not is_traded(symbol):
        text = f"Symbol(55) {quoted(symbol)} is not traded here; send one of the venue's symbols, or none"
        raise TradeRequestRefused(UNKNOWN_INSTRUMENT, text)
    if party and not may_read(party):
        text = f"PartyID(448) {quoted(party)} is no firm or session whose reports this session gets"
        raise TradeRequestRefused(NOT_AUTHORIZED, f"{text}; leave it out, or send another")
    if side not in ("", "1", "2"):
        raise TradeRequestRefused(OTHER, f"Side(54) {quoted(side)} is not taken here; send 1 (buy), 2 (sell) or none")


def _dates(fields: list[tuple[str, str]]) -> tuple[str, ...]:
    dates = tuple(value for tag, value in fields if tag == "75")
    if any(len(date) != _DATE_CHARS or read_timestamp(f"{date}-00:00:00") is None for date in dates):
        raise TradeRequestRefused(OTHER, "TradeDate(75) is a date such as 20260105; send one, or two in rising order")
    if len(dates) > 2 or list(dates) != sorted(dates):
        raise TradeRequestRefused(OTHER, "NoDates(580) is 1 or 2, in rising order; send the first and the last date")
    return dates


def _times(fields: list[tuple[str, str]]) -> list[int]:
    times = [read_timestamp(value) for tag, value in fields if tag == "60"]
    known = [time_ns for time_ns in times if time_ns is not None]
    if len(known) < len(times):
        raise TradeRequestRefused(OTHER, "TransactTime(60) is a UTC time such as 20260105-09:30:00; send one, or two")
    if len(known) > 2 or len(set(known)) < len(known) or known != sorted(known):
        raise TradeRequestRefused(OTHER, "NoDates(580) is 1 or 2, in rising order; send the begin and the end")
    return known


def trade_request_ack(
    request_id_text: str, fields: Mapping[str, str], result: str, status: str, *, reports: int | None = None, text: str
) -> str:
    """
    AQ.

    Args:
        request_id_text: TradeRequestID(568), or empty.
        fields: What the request said in 55, 263 and 569.
        result: TradeRequestResult(749).
        status: TradeRequestStatus(750).
        reports: TotNumTradeReports(748), when all were sent.
        text: Text(58), or empty.
    """
    total = "" if reports is None else f"748={reports}\x01"
    subscription = fields.get("263", "")
    kind = fields.get("569", "")
    return (
        f"35=AQ\x0155={report_text(fields.get('55', '')) or NO_SYMBOL}\x01{field('58', text)}"
        f"{field('263', subscription if subscription in _SUBSCRIPTION_TYPES else '')}"
        f"568={request_id_text or NONE}\x01569={kind if kind in _TRADE_REQUEST_TYPES_OF_FIX else '0'}\x01"
        f"{total}749={result}\x01750={status}\x01"
    )


def trade_capture_report(
    event: TradeEvent,
    shard: int,
    texts: TextsBySymbol,
    *,
    owner: Owner,
    reader: str,
    request_id_text: str,
    trading_date: str,
    is_update: bool,
) -> str:
    """
    AE: one side of a trade, or what became of it.

    Args:
        event: The side.
        shard: Its.
        texts: Of its instrument's units.
        owner: Whose side it is.
        reader: The session that gets it, in its version.
        request_id_text: TradeRequestID(568) of its request.
        trading_date: TradeDate(75).
        is_update: It has happened just now, and is no part of a snapshot.
    """
    dialect, order, own = dialect_of(reader), event.order, texts.of(event.order)
    trans_type, report_type = _CHANGES[type(event)]
    name = exec_id(shard, event)
    match_id = f"{order.symbol}-{event.match_id}"
    text = "" if isinstance(event, OrderFilled) else event.text
    ref = "" if isinstance(event, OrderFilled) else f"572={shard}-{event.ref_input_seq}-{event.ref_event_index}\x01"
    named = ids = match_type = ""
    account = field("1", order.account)
    order_ids = f"37={order_id_text(shard, order.order_id)}\x01{field('11', order.cl_ord_id)}"
    if dialect.is_newest:
        taker = ""
        if isinstance(event, OrderFilled):
            match_type = f"574={_CALL_AUCTION if event.is_auction else _AUTO_MATCH}\x01"
            taker = "" if event.is_auction else f"1057={'Y' if event.is_aggressor else 'N'}\x01"
            taker += f"1444={'4' if event.is_auction else '2' if event.is_aggressor else '1'}\x01"
        named = f"{parties(owner, reader)}{account}{field('58', text)}{taker}{order_ids}"
        ids = f"1003={match_id}\x01"
    else:
        named = f"{order_ids}{parties(owner, reader)}{account}{field('58', text)}"
    return (
        f"35=AE\x0117={name}\x0131={own.price(event.last_price_ticks)}\x0132={own.qty(event.last_qty_lots)}\x01"
        f"55={order.symbol}\x0160={transact_time(dialect, event)}\x0175={trading_date}\x01"
        f"325={'Y' if is_update else 'N'}\x01487={trans_type}\x01552=1\x0154={order.side}\x01{named}"
        f"568={request_id_text}\x01570=N\x01571={name}\x01{ref}{match_type}856={report_type}\x01880={match_id}\x01{ids}"
    )
