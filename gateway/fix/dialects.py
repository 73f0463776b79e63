"""
What differs in a report from one FIX version to the next, and the codes that stand for each refusal.

Each `RejectReason` has one row in `REJECT_CODES`, in the codes of FIX 5.0SP2. An older version that lacks a code gets
its own word for "other", so that a client with a stock dictionary accepts every message; Text(58) has the name anyway.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from matcher.rejects import RejectReason


class RejectCodes(msgspec.Struct, frozen=True):
    """The codes of one reason, as FIX 5.0SP2 has them."""

    ord_rej_reason: str
    """OrdRejReason(103) of an ExecutionReport(8)."""
    cxl_rej_reason: str
    """CxlRejReason(102) of an OrderCancelReject(9)."""
    business_reject_reason: str
    """BusinessRejectReason(380) of a BusinessMessageReject(j)."""


REJECT_CODES: Final[Mapping[RejectReason, RejectCodes]] = MappingProxyType(
    {
        RejectReason.THROTTLED: RejectCodes("99", "99", "8"),
        RejectReason.UNSUPPORTED_MESSAGE: RejectCodes("99", "99", "3"),
        RejectReason.MISSING_TAG: RejectCodes("99", "99", "5"),
        RejectReason.NOT_AUTHORIZED: RejectCodes("0", "2", "6"),
        RejectReason.INVALID_CL_ORD_ID: RejectCodes("99", "99", "0"),
        RejectReason.UNKNOWN_SYMBOL: RejectCodes("1", "1", "2"),
        RejectReason.UNSUPPORTED_SIDE: RejectCodes("11", "99", "0"),
        RejectReason.UNSUPPORTED_ORD_TYPE: RejectCodes("11", "99", "0"),
        RejectReason.UNSUPPORTED_TIME_IN_FORCE: RejectCodes("11", "99", "0"),
        RejectReason.UNSUPPORTED_INSTRUCTION: RejectCodes("11", "99", "0"),
        RejectReason.CONTRADICTORY_INSTRUCTIONS: RejectCodes("11", "99", "0"),
        RejectReason.INVALID_QTY: RejectCodes("13", "99", "0"),
        RejectReason.INVALID_PRICE: RejectCodes("99", "99", "0"),
        RejectReason.INVALID_STOP_PRICE: RejectCodes("99", "99", "0"),
        RejectReason.INVALID_EXPIRY: RejectCodes("99", "99", "0"),
        RejectReason.PRICE_OFF_TICK: RejectCodes("18", "18", "0"),
        RejectReason.HELD_TOO_LONG: RejectCodes("4", "99", "4"),
        RejectReason.BLOCKED: RejectCodes("0", "2", "6"),
        RejectReason.PHASE_NOT_ALLOWED: RejectCodes("2", "2", "4"),
        RejectReason.DUPLICATE_CL_ORD_ID: RejectCodes("6", "6", "0"),
        RejectReason.UNKNOWN_ORDER: RejectCodes("5", "1", "1"),
        RejectReason.SYMBOL_OR_SIDE_CHANGED: RejectCodes("99", "99", "0"),
        RejectReason.TOO_LATE: RejectCodes("4", "0", "0"),
        RejectReason.QTY_ABOVE_LIMIT: RejectCodes("3", "99", "0"),
        RejectReason.NOTIONAL_ABOVE_LIMIT: RejectCodes("3", "99", "0"),
        RejectReason.PRICE_OUTSIDE_BAND: RejectCodes("16", "8", "0"),
        RejectReason.OPEN_ORDERS_ABOVE_LIMIT: RejectCodes("3", "99", "0"),
        RejectReason.EXPOSURE_ABOVE_LIMIT: RejectCodes("25", "99", "0"),
        RejectReason.QUOTE_PROTECTION: RejectCodes("99", "99", "0"),
        RejectReason.NO_OPPOSITE_SIDE: RejectCodes("99", "99", "0"),
        RejectReason.POST_ONLY_WOULD_TAKE: RejectCodes("99", "99", "0"),
        RejectReason.BOOK_FULL: RejectCodes("3", "99", "0"),
        RejectReason.UNKNOWN_TRADE: RejectCodes("99", "99", "0"),
        RejectReason.INVALID_COMMAND: RejectCodes("99", "99", "0"),
    }
)


QUOTE_REJECT_REASONS: Final[Mapping[RejectReason, str]] = MappingProxyType(
    {
        RejectReason.NOT_AUTHORIZED: "9",
        RejectReason.UNKNOWN_SYMBOL: "1",
        RejectReason.INVALID_PRICE: "8",
        RejectReason.PRICE_OFF_TICK: "8",
        RejectReason.HELD_TOO_LONG: "4",
        RejectReason.BLOCKED: "9",
        RejectReason.PHASE_NOT_ALLOWED: "2",
        RejectReason.DUPLICATE_CL_ORD_ID: "6",
        RejectReason.UNKNOWN_ORDER: "5",
        RejectReason.TOO_LATE: "4",
        RejectReason.QTY_ABOVE_LIMIT: "3",
        RejectReason.NOTIONAL_ABOVE_LIMIT: "3",
        RejectReason.PRICE_OUTSIDE_BAND: "8",
        RejectReason.OPEN_ORDERS_ABOVE_LIMIT: "3",
        RejectReason.EXPOSURE_ABOVE_LIMIT: "3",
        RejectReason.BOOK_FULL: "3",
    }
)
"""QuoteRejectReason(300) and QuoteEntryRejectReason(368); any other reason is 99, which FIX 4.2 does not have."""

_RESTATEMENT_CODES: Final[Mapping[str, str]] = {
    "H": "6",
    "B": "8",
    **dict.fromkeys(("L", "Q", "U"), "99"),
    **{reason: reason for reason in ("1", "3", "5", "11", "12", "13", "18", "19", "20")},
}
"""ExecRestatementReason(378) by the engine's; what the client brought about itself (C, M) has none."""


class Dialect(msgspec.Struct, frozen=True):
    """One FIX version as this venue speaks it: what its reports have, lack and call differently."""

    name: str
    exec_trans_type: bool
    """Reports have ExecTransType(20), and a fill's ExecType(150) is the OrdStatus(39)."""
    last_liquidity_ind: bool
    """Fills have LastLiquidityInd(851)."""
    trd_match_id: bool
    """Fills have TrdMatchID(880), AggressorIndicator(1057), and 851=4 in an auction; for want of it 527 names them."""
    ord_status_req_id: bool
    """Status reports echo OrdStatusReqID(790)."""
    is_newest: bool
    """
    FIX 5.0SP2's own words: ExecType(150)=L, PegPriceType(1094), DisplayQty(1138), MarketSegmentID(1300),
    MassActionReportID(1369), ListRejectReason(1386). Older versions say 150=D, ExecInst(18), MaxFloor(111), or nothing.
    """
    peg_offset_type: bool
    """Offsets have PegOffsetType(836), and WorkingIndicator(636), PeggedPrice(839) and OrdType(40)=J exist."""
    time_chars: int
    """Length of TransactTime(60): 21 with milliseconds, 24 with microseconds."""
    sides: frozenset[str]
    """Values of Side(54) that may be echoed in a refusal."""
    ord_types: frozenset[str]
    """Values of OrdType(40) that may be echoed in a refusal."""
    times_in_force: frozenset[str]
    """Values of TimeInForce(59) that may be echoed in a refusal."""
    ord_rej_reasons: Mapping[RejectReason, str]
    cxl_rej_reasons: Mapping[RejectReason, str]
    business_reject_reasons: Mapping[RejectReason, str]
    restatement_reasons: Mapping[str, str]
    """ExecRestatementReason(378) by the engine's reason; one that is not here has no field."""
    other_restatement_reason: str
    other_quote_reject_reason: str
    """QuoteRejectReason(300) for what has no code; empty: no field."""


def _known_or(other: str, known: str, code_name: str) -> Mapping[RejectReason, str]:
    codes = frozenset(known.split())
    chosen = {reason: str(getattr(row, code_name)) for reason, row in REJECT_CODES.items()}
    return MappingProxyType({reason: code if code in codes else other for reason, code in chosen.items()})


def _restatements(other: str, known: str) -> Mapping[str, str]:
    codes = frozenset(known.split())
    return MappingProxyType({reason: code if code in codes else other for reason, code in _RESTATEMENT_CODES.items()})


FIX42: Final = Dialect(
    name="FIX.4.2",
    exec_trans_type=True,
    last_liquidity_ind=False,
    trd_match_id=False,
    ord_status_req_id=False,
    is_newest=False,
    peg_offset_type=False,
    time_chars=21,
    sides=frozenset("123456789"),
    ord_types=frozenset("123456789ABCDEFGHIP"),
    times_in_force=frozenset("0123456"),
    ord_rej_reasons=_known_or("0", "0 1 2 3 4 5 6 7 8", "ord_rej_reason"),
    cxl_rej_reasons=_known_or("2", "0 1 2 3", "cxl_rej_reason"),
    business_reject_reasons=_known_or("0", "0 1 2 3 4 5", "business_reject_reason"),
    other_restatement_reason="4",
    restatement_reasons=_restatements("4", "0 1 2 3 4 5"),
    other_quote_reject_reason="",
)
FIX44: Final = Dialect(
    name="FIX.4.4",
    exec_trans_type=False,
    last_liquidity_ind=True,
    trd_match_id=False,
    ord_status_req_id=True,
    is_newest=False,
    peg_offset_type=True,
    time_chars=21,
    sides=frozenset("123456789ABCDEFG"),
    ord_types=frozenset("12346789DEGIJKLMP"),
    times_in_force=frozenset("01234567"),
    ord_rej_reasons=_known_or("99", "0 1 2 3 4 5 6 7 8 9 10 11 13 14 15 99", "ord_rej_reason"),
    cxl_rej_reasons=_known_or("99", "0 1 2 3 4 5 6 99", "cxl_rej_reason"),
    business_reject_reasons=_known_or("0", "0 1 2 3 4 5 6 7", "business_reject_reason"),
    other_restatement_reason="99",
    restatement_reasons=_restatements("99", "0 1 2 3 4 5 6 7 8 9 10 99"),
    other_quote_reject_reason="99",
)
FIX50SP2: Final = Dialect(
    name="FIX.5.0SP2",
    exec_trans_type=False,
    last_liquidity_ind=True,
    trd_match_id=True,
    ord_status_req_id=True,
    is_newest=True,
    peg_offset_type=True,
    time_chars=24,
    sides=frozenset("123456789ABCDEFGH"),
    ord_types=frozenset("123456789ABCDEFGHIJKLMPQRS"),
    times_in_force=frozenset("0123456789ABC"),
    ord_rej_reasons=_known_or("99", "0 1 2 3 4 5 6 11 13 16 18 25 99", "ord_rej_reason"),
    cxl_rej_reasons=_known_or("99", "0 1 2 3 4 5 6 7 8 18 99", "cxl_rej_reason"),
    business_reject_reasons=_known_or("0", "0 1 2 3 4 5 6 7 8", "business_reject_reason"),
    other_restatement_reason="99",
    restatement_reasons=_restatements("99", "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 99"),
    other_quote_reject_reason="99",
)

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({"FIX.4.2": FIX42, "FIX.4.4": FIX44, "FIXT.1.1": FIX50SP2})
"""By BeginString(8); FIXT.1.1 carries FIX 5.0SP2."""
