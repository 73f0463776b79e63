"""
The fields of a FIX request, one by one: which tags may be there, and each value read or refused.

A tag is used, known to be harmless, or refused: an instruction that this venue does not carry out is never silently
dropped. A check that fails raises `FieldRefused`, which `inbound` turns into the request's answer. Pure.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeVar

import msgspec

from matcher.contradictions import PRICED, PRICELESS
from matcher.instruments import Instrument, InvalidDecimal, NotAMultiple
from matcher.orders import (
    BUY,
    DAY,
    FILL_OR_KILL,
    GOOD_TILL_CANCEL,
    IMMEDIATE_OR_CANCEL,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
    SELL,
    STOP,
    OrdType,
    Side,
    TimeInForce,
)
from matcher.rejects import RejectReason

ECHO_CHARS_MAX: Final = 64
"""Client texts are echoed in a refusal up to this length; Account(1) and OrdStatusReqID(790) may be no longer."""

_REMEMBERED_MAX: Final = 4096

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,36}")

_SIDES: Final[Mapping[str, Side]] = {BUY: BUY, SELL: SELL}

PLAIN_ORD_TYPES: Final[Mapping[str, OrdType]] = {MARKET: MARKET, LIMIT: LIMIT}
PLAIN_TIMES_IN_FORCE: Final[Mapping[str, TimeInForce]] = {
    DAY: DAY,
    GOOD_TILL_CANCEL: GOOD_TILL_CANCEL,
    IMMEDIATE_OR_CANCEL: IMMEDIATE_OR_CANCEL,
    FILL_OR_KILL: FILL_OR_KILL,
}
PLAIN_RESTING_ORD_TYPES: Final[Mapping[str, OrdType]] = {LIMIT: LIMIT}
PLAIN_RESTING_TIMES: Final[Mapping[str, TimeInForce]] = {DAY: DAY, GOOD_TILL_CANCEL: GOOD_TILL_CANCEL}
"""What an order may say that has no special instruction at all: nearly every order. Others go by `instructions`."""

_TAG_NAMES: Final = {
    "11": "ClOrdID",
    "38": "OrderQty",
    "40": "OrdType",
    "41": "OrigClOrdID",
    "44": "Price",
    "54": "Side",
    "55": "Symbol",
    "66": "ListID",
    "68": "TotNoOrders",
    "73": "NoOrders",
    "117": "QuoteID",
    "295": "NoQuoteEntries",
    "296": "NoQuoteSets",
    "298": "QuoteCancelType",
    "299": "QuoteEntryID",
    "530": "MassCancelRequestType",
    "584": "MassStatusReqID",
    "585": "MassStatusReqType",
    "1385": "ContingencyType",
}
_REQUIRED_TAGS: Final = {
    "D": ("11", "38", "40", "54", "55"),
    "F": ("11", "41", "54", "55"),
    "G": ("11", "38", "40", "41", "54", "55"),
    "H": ("11", "54", "55"),
    "E": ("11", "38", "40", "54", "55"),  # of each of its orders; what the list itself needs says `lists`
}
_ORDER_MSG_TYPES: Final = ("D", "G", "E")

_DECIMAL_NAMES: Final = {
    "38": "OrderQty",
    "44": "Price",
    "99": "StopPx",
    "110": "MinQty",
    "111": "MaxFloor",
    "132": "BidPx",
    "133": "OfferPx",
    "134": "BidSize",
    "135": "OfferSize",
    "210": "MaxShow",
    "211": "PegOffsetValue",
    "1102": "TriggerPrice",
    "1138": "DisplayQty",
}
_PRICELESS_NAMES: Final = {MARKET: "a market order", STOP: "a stop order", MARKET_TO_LIMIT: "a market-to-limit order"}


def _tags(text: str) -> frozenset[str]:
    return frozenset(text.split())


HEADER_TAGS: Final = _tags("8 9 10 34 35 43 49 50 52 56 57 89 93 97 122 142 143 347 369 370 627 628 629 630 1129 1156")
"""Header and trailer: the engine's business. 115 is NOT_AUTHORIZED; 90, 91, 128, 129, 145, 212 and 213 are refused."""

USED_TAGS: Final = _tags("1 11 38 40 41 44 54 55 59 790")
"""Tags that make the command of a plain order, of a cancel and of a status request."""

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

ACCEPTED_TAGS: Final = HEADER_TAGS | USED_TAGS | HARMLESS_TAGS
PLAIN_TAGS: Final = ACCEPTED_TAGS - {"97"}
"""What a plain order has; PossResend(97) asks for more than its terms."""


class FieldRefused(Exception):
    """A check failed; `text` says what was wrong, with the tag, and what to do."""

    def __init__(self, reason: RejectReason, ref_tag: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.ref_tag = ref_tag
        self.text = text


def unsupported(tag: str, text: str) -> FieldRefused:
    """An instruction that is not carried out here."""
    return FieldRefused(RejectReason.UNSUPPORTED_INSTRUCTION, tag, text)


class RequestContext(msgspec.Struct, frozen=True):
    """What the caller knows of a request besides its tags; see `matcher.commands.Request`."""

    session_id: str
    session_epoch: int
    msg_seq_num: int
    durable_msg_seq_num: int
    received_ns: int
    firm: str

    def head(self, symbol: str) -> tuple[str, int, int, int, int, str, str]:
        """What every command begins with."""
        return (
            self.session_id,
            self.session_epoch,
            self.msg_seq_num,
            self.durable_msg_seq_num,
            self.received_ns,
            self.firm,
            symbol,
        )


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
            ticks = read_ticks(text, self.instrument, "44", RejectReason.INVALID_PRICE)
            remember(self._ticks_of, text, ticks)
        return ticks

    def qty_lots(self, text: str) -> int:
        """Whole lots of OrderQty(38), 1 to QTY_LOTS_MAX; raises FieldRefused."""
        lots = self._lots_of.get(text)
        if lots is None:
            lots = read_lots(text, self.instrument, "38", least=1)
            remember(self._lots_of, text, lots)
        return lots


class TradedInstruments:
    """The instruments that are traded now, by symbol."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._decimals = {instrument.symbol: Decimals(instrument) for instrument in instruments}

    def define(self, instrument: Instrument) -> None:
        """Take a new instrument, or new rules of one, which mean nothing here: its units never change."""
        self._decimals[instrument.symbol] = Decimals(instrument)

    def find(self, symbol: str) -> Decimals:
        """The units of Symbol(55); raises FieldRefused."""
        decimals = self._decimals.get(symbol)
        if decimals is None:
            text = f"Symbol(55) {quoted(symbol)} is not traded here; send one of the venue's symbols"
            raise FieldRefused(RejectReason.UNKNOWN_SYMBOL, "55", text)
        return decimals


def check_required(fields: Mapping[str, str], msg_type: str) -> None:
    """The tags that the message needs are there, and no firm speaks for another; else raises FieldRefused."""
    get = fields.get
    for tag in _REQUIRED_TAGS[msg_type]:
        if not get(tag):
            raise _missing_tags(fields, msg_type)
    if get("40") in PRICED and not get("44") and msg_type in _ORDER_MSG_TYPES:
        raise _missing_tags(fields, msg_type)
    if "115" in fields:
        check_authorized(fields)


def check_authorized(fields: Mapping[str, str]) -> None:
    """No firm speaks for another; else raises FieldRefused."""
    if "115" in fields:
        text = "OnBehalfOfCompID(115) is not granted to any session; send each firm's requests on its own session"
        raise FieldRefused(RejectReason.NOT_AUTHORIZED, "115", text)


def check_present(fields: Mapping[str, str], msg_type: str, *tags: str) -> None:
    """These tags are there and not empty; else raises FieldRefused."""
    missing = sorted((tag for tag in tags if not fields.get(tag)), key=int)
    if missing:
        names = ", ".join(f"{_TAG_NAMES[tag]}({tag})" for tag in missing)
        raise FieldRefused(RejectReason.MISSING_TAG, missing[0], f"MsgType(35) {msg_type} also needs {names}")


def _missing_tags(fields: Mapping[str, str], msg_type: str) -> FieldRefused:
    needed = list(_REQUIRED_TAGS[msg_type])
    if fields.get("40") in PRICED and msg_type in _ORDER_MSG_TYPES:
        needed.append("44")
    try:
        check_present(fields, msg_type, *needed)
    except FieldRefused as refusal:
        return refusal
    raise AssertionError("only called when a tag is missing")


def read_id(fields: Mapping[str, str], tag: str) -> str:
    """ClOrdID(11), OrigClOrdID(41), or another id by which the client names something; raises FieldRefused."""
    text = fields[tag]
    if not _ID.fullmatch(text):
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


def read_optional_side(fields: Mapping[str, str]) -> Side | Literal[""]:
    """Side(54) where both are meant if it is left out; raises FieldRefused."""
    return read_side(fields) if fields.get("54") else ""


def check_tags(fields: Mapping[str, str], accepted: frozenset[str], instrument: Instrument | None = None) -> None:
    """Nothing is asked for that is not carried out, and echoed texts are fit for the wire; else raises FieldRefused."""
    if not accepted.issuperset(fields):
        _check_other_tags(fields, accepted, instrument)
    check_texts(fields)


def check_texts(fields: Mapping[str, str]) -> None:
    """Texts that travel with the order and come back are short and fit for the wire; else raises FieldRefused."""
    if "1" in fields:
        check_echoed_text(fields, "1", "Account")
    if "790" in fields:
        check_echoed_text(fields, "790", "OrdStatusReqID")


def _check_other_tags(fields: Mapping[str, str], accepted: frozenset[str], instrument: Instrument | None) -> None:
    refused = [
        tag
        for tag, value in fields.items()
        if tag not in accepted
        and value not in HARMLESS_VALUES.get(tag, ())
        and not (tag == "15" and instrument is not None and value == instrument.currency)
    ]
    if refused:
        refused.sort(key=lambda tag: (tag_number(tag), tag))
        named = ", ".join(f"{printable(tag)[:8]}={quoted(fields[tag])}" for tag in refused[:8])
        text = f"not carried out here: {named}; send the request without these tags"
        raise unsupported(refused[0], text)


def check_echoed_text(fields: Mapping[str, str], tag: str, name: str) -> None:
    """A text that comes back in reports is short and fit for the wire; else raises FieldRefused."""
    text = fields[tag]
    if len(text) > ECHO_CHARS_MAX or not (text.isascii() and text.isprintable()):
        advice = f"send at most {ECHO_CHARS_MAX} printable ASCII characters"
        raise unsupported(tag, f"{name}({tag}) {quoted(text)}: {advice}")


def read_limit_ticks(fields: Mapping[str, str], ord_type: OrdType, decimals: Decimals) -> int:
    """Price(44) in ticks, 0 where there is none and the type needs none; raises FieldRefused."""
    text = fields.get("44")
    if ord_type in PRICELESS:
        if text:
            advice = "leave it out, or send OrdType(40) 2"
            raise FieldRefused(
                RejectReason.INVALID_PRICE, "44", f"Price(44) {quoted(text)} on {_PRICELESS_NAMES[ord_type]}; {advice}"
            )
        return 0
    return decimals.price_ticks(text) if text else 0


def read_lots(text: str, instrument: Instrument, tag: str, *, least: int) -> int:
    """Whole lots, `least` to QTY_LOTS_MAX, of a quantity; raises FieldRefused."""
    try:
        lots = instrument.lot.count(text)
    except (InvalidDecimal, NotAMultiple):
        lots = -1
    if least <= lots <= QTY_LOTS_MAX:
        return lots
    advice = f"send a multiple of {instrument.lot}, at most {instrument.lot.text(QTY_LOTS_MAX)}"
    raise FieldRefused(RejectReason.INVALID_QTY, tag, f"{_DECIMAL_NAMES[tag]}({tag}) {quoted(text)}: {advice}")


def read_ticks(text: str, instrument: Instrument, tag: str, reason: RejectReason) -> int:
    """
    Whole ticks, 1 to PRICE_TICKS_MAX, of a price.

    Raises:
        FieldRefused: PRICE_OFF_TICK for what is no multiple of the tick, else `reason`.
    """
    tick, name = instrument.tick, f"{_DECIMAL_NAMES[tag]}({tag}) {quoted(text)}"
    try:
        ticks = tick.count(text)
    except InvalidDecimal:
        ticks = 0
    except NotAMultiple:
        # A price both off tick and above the bound is invalid, which stands first; hence the rounded count.
        ticks = int(text.partition(".")[0]) * 10**tick.places // tick.units
        if ticks < PRICE_TICKS_MAX:
            advice = f"send a multiple of the tick {tick}"
            raise FieldRefused(RejectReason.PRICE_OFF_TICK, tag, f"{name}: {advice}") from None
        ticks = 0
    if 1 <= ticks <= PRICE_TICKS_MAX:
        return ticks
    raise FieldRefused(reason, tag, f"{name}: send a plain decimal above 0, at most {tick.text(PRICE_TICKS_MAX)}")


def remember(translations: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Keep what a decimal is in whole units, or the other way round; too many of them are forgotten all at once."""
    if len(translations) >= _REMEMBERED_MAX:
        translations.clear()
    translations[key] = value


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
