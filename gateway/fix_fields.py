"""
The fields of a FIX request, one by one: which tags may be there, and each value read or refused.

A tag is used, known to be harmless, or refused: an instruction that this venue does not carry out is never silently
dropped. A check that fails raises `FieldRefused`, which `fix_inbound` turns into the request's answer. Pure.
"""

import re
from collections.abc import Mapping
from typing import Final

from matcher.instruments import Instrument, InvalidDecimal, NotAMultiple
from matcher.orders import (
    BUY,
    DAY,
    FILL_OR_KILL,
    GOOD_TILL_CANCEL,
    IMMEDIATE_OR_CANCEL,
    LIMIT,
    MARKET,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
    SELL,
    OrdType,
    Side,
    TimeInForce,
)
from matcher.rejects import RejectReason

ECHO_CHARS_MAX: Final = 64
"""Client texts are echoed in a refusal up to this length; Account(1) and OrdStatusReqID(790) may be no longer."""

_REMEMBERED_TEXTS_MAX: Final = 4096

_CL_ORD_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,36}")

_SIDES: Final[Mapping[str, Side]] = {BUY: BUY, SELL: SELL}
_ORD_TYPES: Final[Mapping[str, OrdType]] = {MARKET: MARKET, LIMIT: LIMIT}
_TIMES_IN_FORCE: Final[Mapping[str, TimeInForce]] = {
    DAY: DAY,
    GOOD_TILL_CANCEL: GOOD_TILL_CANCEL,
    IMMEDIATE_OR_CANCEL: IMMEDIATE_OR_CANCEL,
    FILL_OR_KILL: FILL_OR_KILL,
}
_RESTING_ORD_TYPES: Final[Mapping[str, OrdType]] = {LIMIT: LIMIT}
_RESTING_TIMES: Final[Mapping[str, TimeInForce]] = {DAY: DAY, GOOD_TILL_CANCEL: GOOD_TILL_CANCEL}

_TAG_NAMES: Final = {
    "11": "ClOrdID",
    "38": "OrderQty",
    "40": "OrdType",
    "41": "OrigClOrdID",
    "44": "Price",
    "54": "Side",
    "55": "Symbol",
}
_REQUIRED_TAGS: Final = {
    "D": ("11", "38", "40", "54", "55"),
    "F": ("11", "41", "54", "55"),
    "G": ("11", "38", "40", "41", "54", "55"),
    "H": ("11", "54", "55"),
}


def _tags(text: str) -> frozenset[str]:
    return frozenset(text.split())


HEADER_TAGS: Final = _tags("8 9 10 34 35 43 49 50 52 56 57 89 93 97 122 142 143 347 369 370 627 628 629 630 1129 1156")
"""Header and trailer: the engine's business. 115 is NOT_AUTHORIZED; 90, 91, 128, 129, 145, 212 and 213 are refused."""

USED_TAGS: Final = _tags("1 11 38 40 41 44 54 55 59 790")
"""Tags that make the command."""

HARMLESS_TAGS: Final = _tags(
    "21 22 37 47 48 58 60 76 77 81 100 106 107 109 114 167 204 207 354 355 376 377 439 440 447 448 452 453 460 461 "
    "523 526 528 529 581 582 583 660 802 803 1028 1029 1030 1031 1032 1133 1724 1725 1726 1815 2376 2404 2422 2593 "
    "2594 2595"
)
"""Tags that say who, why or for the record, not how to trade: accepted, and not echoed."""

HARMLESS_VALUES: Final[Mapping[str, frozenset[str]]] = {
    "63": frozenset("0"),
    "121": frozenset("N"),
    "423": frozenset("2"),
    "854": frozenset("0"),
    "1128": frozenset("9"),
}
"""Tags accepted with these values only, which say what happens anyway. So is Currency(15) with the instrument's own."""

_ACCEPTED_TAGS: Final = HEADER_TAGS | USED_TAGS | HARMLESS_TAGS


class FieldRefused(Exception):
    """A check failed; `text` says what was wrong, with the tag, and what to do."""

    def __init__(self, reason: RejectReason, ref_tag: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.ref_tag = ref_tag
        self.text = text


class Decimals:
    """One instrument's prices and quantities; each text is read once, since a day's flow repeats few of them."""

    __slots__ = ("_lots_of", "_ticks_of", "instrument")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self._ticks_of: dict[str, int] = {}
        self._lots_of: dict[str, int] = {}

    def price_ticks(self, text: str) -> int:
        """Whole ticks of Price(44), 1 to PRICE_TICKS_MAX; raises FieldRefused."""
        ticks = self._ticks_of.get(text)
        if ticks is None:
            ticks = _price_ticks(text, self.instrument)
            _remember(self._ticks_of, text, ticks)
        return ticks

    def qty_lots(self, text: str) -> int:
        """Whole lots of OrderQty(38), 1 to QTY_LOTS_MAX; raises FieldRefused."""
        lots = self._lots_of.get(text)
        if lots is None:
            lots = _qty_lots(text, self.instrument)
            _remember(self._lots_of, text, lots)
        return lots


def check_required(fields: Mapping[str, str], msg_type: str) -> None:
    """The tags that the message needs are there, and no firm speaks for another; else raises FieldRefused."""
    get = fields.get
    for tag in _REQUIRED_TAGS[msg_type]:
        if not get(tag):
            raise _missing_tags(fields, msg_type)
    if get("40") == LIMIT and not get("44") and msg_type in ("D", "G"):
        raise _missing_tags(fields, msg_type)
    if "115" in fields:
        text = "OnBehalfOfCompID(115) is not granted to any session; send each firm's requests on its own session"
        raise FieldRefused(RejectReason.NOT_AUTHORIZED, "115", text)


def _missing_tags(fields: Mapping[str, str], msg_type: str) -> FieldRefused:
    needed = list(_REQUIRED_TAGS[msg_type])
    if fields.get("40") == LIMIT and msg_type in ("D", "G"):
        needed.append("44")
    missing = sorted((tag for tag in needed if not fields.get(tag)), key=int)
    names = ", ".join(f"{_TAG_NAMES[tag]}({tag})" for tag in missing)
    return FieldRefused(RejectReason.MISSING_TAG, missing[0], f"MsgType(35) {msg_type} also needs {names}")


def read_cl_ord_id(fields: Mapping[str, str], tag: str) -> str:
    """ClOrdID(11) or OrigClOrdID(41), as `tag` says; raises FieldRefused."""
    text = fields[tag]
    if not _CL_ORD_ID.fullmatch(text):
        advice = "send 1 to 36 of A-Z, a-z, 0-9, _ and -"
        raise FieldRefused(RejectReason.INVALID_CL_ORD_ID, tag, f"{_TAG_NAMES[tag]}({tag}) {quoted(text)}: {advice}")
    return text


def read_side(fields: Mapping[str, str]) -> Side:
    """Side(54); raises FieldRefused."""
    side = _SIDES.get(fields["54"])
    if side is None:
        text = f"Side(54) {quoted(fields['54'])} is not taken here; send 1 (buy) or 2 (sell)"
        raise FieldRefused(RejectReason.UNSUPPORTED_SIDE, "54", text)
    return side


def read_ord_type(fields: Mapping[str, str]) -> OrdType:
    """OrdType(40) of a new order; raises FieldRefused."""
    ord_type = _ORD_TYPES.get(fields["40"])
    if ord_type is None:
        text = f"OrdType(40) {quoted(fields['40'])} is not taken here; send 1 (market) or 2 (limit)"
        raise FieldRefused(RejectReason.UNSUPPORTED_ORD_TYPE, "40", text)
    return ord_type


def read_resting_ord_type(fields: Mapping[str, str]) -> OrdType:
    """OrdType(40) of an order that rests already; raises FieldRefused."""
    ord_type = _RESTING_ORD_TYPES.get(fields["40"])
    if ord_type is None:
        text = f"OrdType(40) {quoted(fields['40'])}: a resting order stays a limit order; send 2"
        raise FieldRefused(RejectReason.UNSUPPORTED_ORD_TYPE, "40", text)
    return ord_type


def read_time_in_force(fields: Mapping[str, str]) -> TimeInForce:
    """TimeInForce(59) of a new order, DAY when left out; raises FieldRefused."""
    time_in_force = _TIMES_IN_FORCE.get(fields.get("59") or DAY)
    if time_in_force is None:
        text = f"TimeInForce(59) {quoted(fields['59'])} is not taken here; send 0 (day), 1 (GTC), 3 (IOC) or 4 (FOK)"
        raise FieldRefused(RejectReason.UNSUPPORTED_TIME_IN_FORCE, "59", text)
    return time_in_force


def read_resting_time_in_force(fields: Mapping[str, str]) -> TimeInForce:
    """TimeInForce(59) of an order that rests already, DAY when left out; raises FieldRefused."""
    time_in_force = _RESTING_TIMES.get(fields.get("59") or DAY)
    if time_in_force is None:
        text = f"TimeInForce(59) {quoted(fields['59'])}: a resting order stays day or GTC; send 0 or 1, or cancel it"
        raise FieldRefused(RejectReason.UNSUPPORTED_TIME_IN_FORCE, "59", text)
    return time_in_force


def check_instructions(fields: Mapping[str, str], instrument: Instrument) -> None:
    """Nothing is asked for that is not carried out, and echoed texts are fit for the wire; else raises FieldRefused."""
    if not _ACCEPTED_TAGS.issuperset(fields):
        _check_other_tags(fields, instrument)
    if "1" in fields:
        _check_echoed_text(fields, "1", "Account")
    if "790" in fields:
        _check_echoed_text(fields, "790", "OrdStatusReqID")


def _check_other_tags(fields: Mapping[str, str], instrument: Instrument) -> None:
    unsupported = [
        tag
        for tag, value in fields.items()
        if tag not in _ACCEPTED_TAGS
        and value not in HARMLESS_VALUES.get(tag, ())
        and not (tag == "15" and value == instrument.currency)
    ]
    if unsupported:
        unsupported.sort(key=lambda tag: (tag_number(tag), tag))
        named = ", ".join(f"{printable(tag)[:8]}={quoted(fields[tag])}" for tag in unsupported[:8])
        text = f"not carried out here: {named}; send the request without these tags"
        raise FieldRefused(RejectReason.UNSUPPORTED_INSTRUCTION, unsupported[0], text)


def _check_echoed_text(fields: Mapping[str, str], tag: str, name: str) -> None:
    # These two travel with the order and come back in every report, so they must be short and fit for the wire.
    text = fields[tag]
    if len(text) > ECHO_CHARS_MAX or not (text.isascii() and text.isprintable()):
        advice = f"send at most {ECHO_CHARS_MAX} printable ASCII characters"
        raise FieldRefused(RejectReason.UNSUPPORTED_INSTRUCTION, tag, f"{name}({tag}) {quoted(text)}: {advice}")


def read_limit_ticks(fields: Mapping[str, str], ord_type: OrdType, decimals: Decimals) -> int:
    """Price(44) in ticks, which a limit order has and a market order (0) has not; raises FieldRefused."""
    if ord_type == LIMIT:
        return decimals.price_ticks(fields["44"])
    if fields.get("44"):
        text = f"Price(44) {quoted(fields['44'])} on a market order; leave it out, or send OrdType(40) 2"
        raise FieldRefused(RejectReason.INVALID_PRICE, "44", text)
    return 0


def _qty_lots(text: str, instrument: Instrument) -> int:
    # Whole lots, 1 to QTY_LOTS_MAX, of OrderQty(38).
    try:
        lots = instrument.lot.count(text)
    except (InvalidDecimal, NotAMultiple):
        lots = 0
    if 1 <= lots <= QTY_LOTS_MAX:
        return lots
    advice = f"send a multiple of {instrument.lot}, at most {instrument.lot.text(QTY_LOTS_MAX)}"
    raise FieldRefused(RejectReason.INVALID_QTY, "38", f"OrderQty(38) {quoted(text)}: {advice}")


def _price_ticks(text: str, instrument: Instrument) -> int:
    # Whole ticks, 1 to PRICE_TICKS_MAX, of Price(44).
    tick = instrument.tick
    try:
        ticks = tick.count(text)
    except InvalidDecimal:
        ticks = 0
    except NotAMultiple:
        # A price both off tick and above the bound is INVALID_PRICE, which stands first; hence the rounded count.
        ticks = int(text.partition(".")[0]) * 10**tick.places // tick.units
        if ticks < PRICE_TICKS_MAX:
            advice = f"send a multiple of the tick {tick}"
            raise FieldRefused(RejectReason.PRICE_OFF_TICK, "44", f"Price(44) {quoted(text)}: {advice}") from None
        ticks = 0
    if 1 <= ticks <= PRICE_TICKS_MAX:
        return ticks
    advice = f"send a plain decimal above 0, at most {tick.text(PRICE_TICKS_MAX)}"
    raise FieldRefused(RejectReason.INVALID_PRICE, "44", f"Price(44) {quoted(text)}: {advice}")


def _remember(counts: dict[str, int], text: str, count: int) -> None:
    if len(counts) >= _REMEMBERED_TEXTS_MAX:
        counts.clear()
    counts[text] = count


def tag_number(tag: str) -> int:
    """A tag as a number, 0 for what is none."""
    return int(tag) if tag.isascii() and tag.isdigit() and len(tag) <= 6 else 0


def quoted(text: str) -> str:
    """A client's text as a sentence may show it: printable, in quotes, cut after 20 characters."""
    shown = printable(text)
    return f"'{shown[:20]}...'" if len(shown) > 20 else f"'{shown}'"


def printable(text: str) -> str:
    """The text with `?` for all that is not printable ASCII."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
