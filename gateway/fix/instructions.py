"""
Everything that an order says beyond side, type, price, quantity and time, read from its tags: `FIX.md`, "Instructions".

An order that says any of it takes this way; plain ones never come here. Tags are read in any order, and all faults are
found before one is named: the first in the order of `RejectReason`, as everywhere. Pure.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final, NamedTuple, TypeVar, get_args

from gateway.fix.fields import (
    ACCEPTED_TAGS,
    Decimals,
    FieldRefused,
    check_echoed_text,
    check_tags,
    quoted,
    read_limit_ticks,
    read_lots,
    read_ticks,
    unsupported,
)
from gateway.fix.words import (
    ALL_OR_NONE,
    CANCEL_ON_HALT,
    EXEC_INST_OF_PEG,
    MARKET_IF_TOUCHED,
    POST_ONLY,
    TRAILING_STOP_PEG,
    TRAILS,
)
from matcher.contradictions import WAITING, fault_of
from matcher.instructions import (
    BASIS_POINTS,
    BEST_BID,
    BEST_OFFER,
    DOWN,
    LAST_TRADE,
    REFERENCE_PRICE,
    REJECT_IF_TAKING,
    SHOWS_ALL,
    SLIDE_IF_TAKING,
    TICKS,
    UP,
    Instructions,
    OffsetType,
    PegPriceType,
    PostOnly,
    SelfMatchInstruction,
    TriggerDirection,
    TriggerPriceType,
)
from matcher.orders import (
    AT_THE_CLOSE,
    BUY,
    DAY,
    GOOD_TILL_CANCEL,
    GOOD_TILL_DATE,
    MARKET,
    MARKET_TO_LIMIT,
    PRICE_TICKS_MAX,
    STOP,
    OrdType,
    Side,
    TimeInForce,
)
from matcher.rejects import PRECEDENCE, RejectReason
from sessions.native.messages import read_timestamp

INSTRUCTION_TAGS: Final = frozenset(
    (
        *("18", "99", "110", "111", "126", "210", "211", "432", "835", "836", "1094", "1100", "1101", "1102", "1107"),
        *("1108", "1109", "1138", "2362", "2964", "7001", "7004"),
    )
)
"""Tags that make the instructions of an order."""

_ORD_TYPES: Final[Mapping[str, OrdType]] = {value: value for value in get_args(OrdType)} | {MARKET_IF_TOUCHED: STOP}
_RESTING_ORD_TYPES: Final = {
    value: ord_type for value, ord_type in _ORD_TYPES.items() if ord_type not in (MARKET, MARKET_TO_LIMIT)
}
_TIMES_IN_FORCE: Final[Mapping[str, TimeInForce]] = {value: value for value in get_args(TimeInForce)}
_RESTING_TIMES: Final = {
    value: _TIMES_IN_FORCE[value] for value in (DAY, GOOD_TILL_CANCEL, GOOD_TILL_DATE, AT_THE_CLOSE)
}
_TAGS: Final = ACCEPTED_TAGS | INSTRUCTION_TAGS

_PEG_OF_EXEC_INST: Final = {letter: peg for peg, letter in EXEC_INST_OF_PEG.items()}
_PEG_PRICE_TYPES: Final[Mapping[str, PegPriceType]] = {peg: peg for peg in EXEC_INST_OF_PEG}
_EXEC_INSTS: Final = frozenset((TRAILS, ALL_OR_NONE, POST_ONLY, CANCEL_ON_HALT, *_PEG_OF_EXEC_INST))
_TRIGGER_PRICE_TYPES: Final[Mapping[str, TriggerPriceType]] = {
    value: value for value in (LAST_TRADE, BEST_OFFER, BEST_BID)
}
_GLOBAL_SCOPE: Final = "3"
_DIRECTIONS: Final[Mapping[str, TriggerDirection]] = {UP: UP, DOWN: DOWN}
_POST_ONLY_ACTIONS: Final[Mapping[str, PostOnly]] = {"R": REJECT_IF_TAKING, "S": SLIDE_IF_TAKING}
_SELF_MATCH: Final[Mapping[str, SelfMatchInstruction]] = {value: value for value in get_args(SelfMatchInstruction)[1:]}
_FLAGS: Final[Mapping[str, bool]] = {"Y": True, "N": False}
_ONE_VALUE: Final = {"835": ("PegMoveType", "0"), "1100": ("TriggerType", "4"), "1101": ("TriggerAction", "1")}
"""Tags accepted with the value only that says what happens anyway."""

_PRICE_OFFSET: Final = "0"
_BASIS_POINTS_MAX: Final = 9_999
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_NAMED_TAG: Final = re.compile(r"\(([0-9]+)")

_PLAIN: Final = Instructions()
_NO_PEG: Final[tuple[PegPriceType, bool]] = ("", False)
_SOME_OFFSET: Final[tuple[int, OffsetType]] = (1, TICKS)

_Value = TypeVar("_Value")


class Terms(NamedTuple):
    """What an order says of itself, read."""

    ord_type: OrdType
    time_in_force: TimeInForce
    price_ticks: int
    qty_lots: int
    instructions: Instructions | None


def read_terms(
    fields: Mapping[str, str], decimals: Decimals, side: Side, received_ns: int, *, is_replace: bool = False
) -> Terms:
    """
    Read an order that may say anything.

    Args:
        fields: Its tags, of which OrdType(40) and OrderQty(38) are there, and Price(44) for the types that need it.
        decimals: The units of its symbol.
        side: Side(54), already read.
        received_ns: When the request came.
        is_replace: It gives new terms to an order that is there.

    Raises:
        FieldRefused: The first fault in the order of `RejectReason`.
    """
    ord_type = _read_ord_type(fields, is_replace=is_replace)
    time_in_force = _read_time_in_force(fields, is_replace=is_replace)
    check_tags(fields, _TAGS, decimals.instrument)
    reading = _Reading(fields, decimals, side, ord_type)
    instructions: Instructions | None = reading.instructions(received_ns)
    qty_lots = reading.attempt(0, lambda: decimals.qty_lots(fields["38"]))
    price_ticks = reading.attempt(1, lambda: read_limit_ticks(fields, ord_type, decimals))
    reading.check(fault_of(ord_type, time_in_force, price_ticks, qty_lots, instructions))
    if instructions == _PLAIN:
        instructions = None
    return Terms(ord_type, time_in_force, price_ticks, qty_lots, instructions)


def _read_ord_type(fields: Mapping[str, str], *, is_replace: bool) -> OrdType:
    ord_type = (_RESTING_ORD_TYPES if is_replace else _ORD_TYPES).get(fields["40"])
    if ord_type is not None:
        return ord_type
    text = f"OrdType(40) {quoted(fields['40'])}"
    if is_replace:
        text += ": what rests or waits stays a limit (2), pegged (P), stop (3, J) or stop-limit (4) order; send its own"
    else:
        text += " is not taken here; send 1, 2, 3, 4, J, K or P"
    raise FieldRefused(RejectReason.UNSUPPORTED_ORD_TYPE, "40", text)


def _read_time_in_force(fields: Mapping[str, str], *, is_replace: bool) -> TimeInForce:
    time_in_force = (_RESTING_TIMES if is_replace else _TIMES_IN_FORCE).get(fields.get("59") or DAY)
    if time_in_force is not None:
        return time_in_force
    text = f"TimeInForce(59) {quoted(fields['59'])}"
    if is_replace:
        text += ": an order that is there already is day, GTC, GTD or at the close; send 0, 1, 6 or 7, or cancel it"
    else:
        text += " is not taken here; send 0 (day), 1 (GTC), 2, 3 (IOC), 4 (FOK), 6 (GTD) or 7"
    raise FieldRefused(RejectReason.UNSUPPORTED_TIME_IN_FORCE, "59", text)


class _Reading:
    """One order's instructions while they are read; faults are collected."""

    def __init__(self, fields: Mapping[str, str], decimals: Decimals, side: Side, ord_type: OrdType) -> None:
        self._fields = fields
        self._instrument = decimals.instrument
        self._side = side
        self._ord_type = ord_type
        self._faults: list[FieldRefused] = []
        self._exec_insts = frozenset(fields["18"].split()) if "18" in fields else frozenset()

    def attempt(self, otherwise: _Value, read: Callable[[], _Value]) -> _Value:
        """Read one value; a fault is noted, and what is given instead hides no other."""
        try:
            return read()
        except FieldRefused as fault:
            self._faults.append(fault)
            return otherwise

    def check(self, fault: tuple[RejectReason, str] | None) -> None:
        """Raise the first of all faults, this one included, if there is any."""
        if fault is not None:
            text = fault[1].replace(f"OrdType(40)={self._ord_type}", f"OrdType(40)={self._fields['40']}")  # J is sent
            named = _NAMED_TAG.search(text)
            self._faults.append(FieldRefused(fault[0], named[1] if named else "", text))
        if self._faults:
            raise min(self._faults, key=lambda refusal: PRECEDENCE[refusal.reason])

    def instructions(self, received_ns: int) -> Instructions:
        """All of them; faults are told by `check`."""
        self.attempt(None, self._check_exec_insts)
        for tag, (name, value) in _ONE_VALUE.items():
            self.attempt("", lambda tag=tag, name=name, value=value: self._word(tag, name, {value: value}, ""))  # type: ignore[misc]
        peg_price_type, trails = self.attempt(_NO_PEG, self._peg)
        offset, offset_type = self.attempt(_SOME_OFFSET, lambda: self._offset(peg_price_type, trails=trails))
        return Instructions(
            expire_date=self.attempt(1, self._expire_date),
            expire_ns=self.attempt(1, lambda: self._expire_ns(received_ns)),
            trigger_price_type=self.attempt("", self._trigger_price_type),
            trigger_direction=self.attempt("", self._trigger_direction),
            stop_price_ticks=self.attempt(1, self._stop_price_ticks),
            trail_offset=offset if trails else 0,
            trail_offset_type=offset_type if trails else "",
            peg_price_type=peg_price_type,
            peg_offset_ticks=0 if trails else offset,
            display_qty_lots=self.attempt(SHOWS_ALL, self._display_qty_lots),
            min_qty_lots=self.attempt(0, self._min_qty_lots),
            post_only=self.attempt("", self._post_only),
            self_match_id=self.attempt("", self._self_match_id),
            self_match_instruction=self.attempt(
                "", lambda: self._word("2964", "SelfMatchPreventionInstruction", _SELF_MATCH, "")
            ),
            cancel_on_halt=CANCEL_ON_HALT in self._exec_insts,
            reports_moves=self.attempt(False, lambda: self._word("7004", "ReportMoves", _FLAGS, False)),
        )

    def _word(self, tag: str, name: str, words: Mapping[str, _Value], otherwise: _Value) -> _Value:
        """A field with an enumeration; what stands there instead of it if the field is left out."""
        text = self._fields.get(tag)
        if text is None:
            return otherwise
        value = words.get(text)
        if value is None:
            advice = f"send {' or '.join(words)}, or leave it out"
            raise unsupported(tag, f"{name}({tag}) {quoted(text)}: {advice}")
        return value

    def _check_exec_insts(self) -> None:
        unknown = sorted(self._exec_insts - _EXEC_INSTS)
        if unknown:
            advice = f"send some of {' '.join(sorted(_EXEC_INSTS - {ALL_OR_NONE}))}"
            text = f"ExecInst(18) {quoted(unknown[0])} is not carried out here; {advice}"
            raise unsupported("18", text)
        if ALL_OR_NONE in self._exec_insts:
            text = "all or none (ExecInst(18)=G) is not offered; send FOK (59=4), or MinQty(110), IOC (59=3) with it"
            raise unsupported("18", text)

    # Triggers

    def _stop_price_ticks(self) -> int:
        given = {tag: self._fields[tag] for tag in ("99", "1102") if tag in self._fields}
        ticks = {
            read_ticks(text, self._instrument, tag, RejectReason.INVALID_STOP_PRICE) for tag, text in given.items()
        }
        if len(ticks) > 1:
            raise _contradiction("99", "StopPx(99) and TriggerPrice(1102) are one price; send one of them")
        return ticks.pop() if ticks else 0

    def _trigger_price_type(self) -> TriggerPriceType:
        given = self._word("1107", "TriggerPriceType", _TRIGGER_PRICE_TYPES, "")
        scope = self._word("1108", "TriggerPriceTypeScope", {"1": "1", _GLOBAL_SCOPE: _GLOBAL_SCOPE}, "1")
        if scope == _GLOBAL_SCOPE:
            if given not in ("", LAST_TRADE):
                raise _contradiction("1108", "the reference price (1108=3) goes with 1107=2; best prices are 1108=1")
            return REFERENCE_PRICE
        return given or (LAST_TRADE if self._ord_type in WAITING else "")

    def _trigger_direction(self) -> TriggerDirection:
        given = self._word("1109", "TriggerPriceDirection", _DIRECTIONS, "")
        if self._ord_type not in WAITING:
            return given
        is_take_profit = self._fields["40"] == MARKET_IF_TOUCHED
        usual: TriggerDirection = UP if (self._side == BUY) != is_take_profit else DOWN
        if is_take_profit and given not in ("", usual):
            raise _contradiction("1109", f"OrdType(40)=J waits for the better price; send 1109={usual}, or 40=3")
        return given or usual

    # Pegs, and stops that trail

    def _peg(self) -> tuple[PegPriceType, bool]:
        """What the order is pegged to, and whether it is a trailing stop."""
        given = self._fields.get("1094")
        trails = TRAILS in self._exec_insts or given == TRAILING_STOP_PEG
        pegs = {peg for letter, peg in _PEG_OF_EXEC_INST.items() if letter in self._exec_insts}
        if given is not None and given != TRAILING_STOP_PEG:
            pegs.add(self._word("1094", "PegPriceType", _PEG_PRICE_TYPES, ""))
        if len(pegs) + trails > 1:
            raise _contradiction("1094", "ExecInst(18) and PegPriceType(1094) name several prices to follow; send one")
        return (pegs.pop() if pegs else ""), trails

    def _offset(self, peg_price_type: PegPriceType, *, trails: bool) -> tuple[int, OffsetType]:
        """PegOffsetValue(211) and what it is in."""
        text, offset_type = self._fields.get("211"), self._fields.get("836", _PRICE_OFFSET)
        if not (trails or peg_price_type):
            if text is not None or "836" in self._fields:
                raise _contradiction(
                    "211", "PegOffsetValue(211) is for trailing and pegged orders; send 18 or 1094 too"
                )
            return 0, ""
        if text is None:
            if trails:
                advice = "a trailing stop needs PegOffsetValue(211), the distance that it keeps; send it"
                raise FieldRefused(RejectReason.INVALID_STOP_PRICE, "211", advice)
            return 0, ""
        allowed = (_PRICE_OFFSET, TICKS, BASIS_POINTS) if trails else (_PRICE_OFFSET, TICKS)
        if offset_type not in allowed:
            advice = f"send {', '.join(sorted(allowed))}"
            raise unsupported("836", f"PegOffsetType(836) {quoted(offset_type)}: {advice}")
        return self._offset_in(text, offset_type, trails=trails)

    def _offset_in(self, text: str, offset_type: str, *, trails: bool) -> tuple[int, OffsetType]:
        reason = RejectReason.INVALID_STOP_PRICE if trails else RejectReason.INVALID_PRICE
        sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
        if offset_type == _PRICE_OFFSET:
            is_zero = not digits.strip("0.")
            count = 0 if is_zero and digits else read_ticks(digits, self._instrument, "211", reason)
        else:
            count = int(digits) if _WHOLE_NUMBER.fullmatch(digits) else -1
        greatest = _BASIS_POINTS_MAX if offset_type == BASIS_POINTS else PRICE_TICKS_MAX
        if not (trails <= count <= greatest) or (trails and sign < 0):
            wanted = "distance above 0" if trails else "number"
            bound = self._instrument.tick.text(greatest) if offset_type == _PRICE_OFFSET else greatest
            advice = f"send a {wanted}, at most {bound} with PegOffsetType(836)={offset_type}"
            raise FieldRefused(reason, "211", f"PegOffsetValue(211) {quoted(text)}: {advice}")
        return sign * count, (BASIS_POINTS if offset_type == BASIS_POINTS else TICKS)

    # What is shown, and what it may do

    def _display_qty_lots(self) -> int:
        given = {tag: self._fields[tag] for tag in ("111", "210", "1138") if tag in self._fields}
        lots = {read_lots(text, self._instrument, tag, least=0) for tag, text in given.items()}
        if len(lots) > 1:
            raise _contradiction("111", "MaxFloor(111), MaxShow(210) and DisplayQty(1138) are one quantity; send one")
        return lots.pop() if lots else SHOWS_ALL

    def _min_qty_lots(self) -> int:
        return read_lots(self._fields["110"], self._instrument, "110", least=0) if "110" in self._fields else 0

    def _post_only(self) -> PostOnly:
        action = self._word("7001", "PostOnlyAction", _POST_ONLY_ACTIONS, "")
        if POST_ONLY in self._exec_insts:
            return action or REJECT_IF_TAKING
        if action:
            raise _contradiction("7001", "PostOnlyAction(7001) is for post-only orders; send ExecInst(18)=6 too")
        return ""

    def _self_match_id(self) -> str:
        if "2362" not in self._fields:
            return ""
        check_echoed_text(self._fields, "2362", "SelfMatchPreventionID")
        return self._fields["2362"]

    # Time

    def _expire_date(self) -> int:
        text = self._fields.get("432")
        if text is None:
            return 0
        try:
            if len(text) == 8 and text.isdigit():
                date.fromisoformat(text)
                return int(text)
        except ValueError:
            pass
        raise FieldRefused(RejectReason.INVALID_EXPIRY, "432", f"ExpireDate(432) {quoted(text)}: send YYYYMMDD")

    def _expire_ns(self, received_ns: int) -> int:
        text = self._fields.get("126")
        if text is None:
            return 0
        expire_ns = read_timestamp(text)
        if expire_ns is None:
            advice = "send YYYYMMDD-HH:MM:SS, in UTC"
            raise FieldRefused(RejectReason.INVALID_EXPIRY, "126", f"ExpireTime(126) {quoted(text)}: {advice}")
        if expire_ns <= received_ns:
            advice = "it has passed; send a later time"
            raise FieldRefused(RejectReason.INVALID_EXPIRY, "126", f"ExpireTime(126) {quoted(text)}: {advice}")
        return expire_ns


def _contradiction(tag: str, text: str) -> FieldRefused:
    return FieldRefused(RejectReason.CONTRADICTORY_INSTRUCTIONS, tag, text)
