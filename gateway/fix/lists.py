"""Orders that depend on each other: NewOrderList(E) to its command, as `FIX.md` states it. Pure."""

from collections.abc import Mapping
from typing import Final, Literal

from gateway.fix.fields import (
    HEADER_TAGS,
    FieldRefused,
    RequestContext,
    TradedInstruments,
    check_authorized,
    check_present,
    check_required,
    check_tags,
    quoted,
    read_id,
    read_side,
    unsupported,
)
from gateway.fix.instructions import read_terms
from matcher.commands import ListedOrder, NewOrderList
from sessions.fix_text import split_group

LIST_TAGS: Final = frozenset(("66", "67", "68", "73", "1385"))
"""Tags that make the command; ListSeqNo(67) stands in each order."""
HARMLESS_LIST_TAGS: Final = frozenset(("390", "394", "433", "893"))
"""How the list is bid for and worked: at once, by this venue, in one message."""

_OUTSIDE_TAGS: Final = HEADER_TAGS | LIST_TAGS - {"67"} | HARMLESS_LIST_TAGS
_CONTINGENCIES: Final[Mapping[str, Literal["1", "2"]]] = {"1": "1", "2": "2"}
_ORDER_COUNTS: Final[Mapping[str, tuple[int, ...]]] = {"1": (2,), "2": (2, 3)}


def read_order_list(text: str, instruments: TradedInstruments, context: RequestContext) -> NewOrderList:
    """
    Read a list.

    Args:
        text: The whole message.
        instruments: What is traded.
        context: Who sent it, and when.

    Raises:
        FieldRefused: The list, or the first order of it that is at fault, cannot be taken.
    """
    message, entries = split_group(text, "11", _OUTSIDE_TAGS)
    check_present(message, "E", "66", "68", "73", "1385")
    for entry in entries:
        check_required(entry, "E")
    check_authorized(message)
    list_id = read_id(message, "66")
    for entry in entries:
        read_id(entry, "11")
    symbol = entries[0]["55"] if entries else ""
    if symbol:
        instruments.find(symbol)
    contingency_type = _CONTINGENCIES.get(message["1385"])
    if contingency_type is None:
        advice = "send 1 (one cancels the other) or 2 (one triggers the others)"
        raise unsupported("1385", f"ContingencyType(1385) {quoted(message['1385'])} is not taken here; {advice}")
    _check_count(message, len(entries), contingency_type)
    check_tags(message, _OUTSIDE_TAGS)
    in_sequence = [*enumerate(_in_sequence(entries), 1)]
    orders = [_listed_order(entry, number, symbol, instruments, context) for number, entry in in_sequence]
    return NewOrderList(*context.head(symbol), list_id, contingency_type, orders)


def _check_count(message: Mapping[str, str], count: int, contingency_type: str) -> None:
    allowed = _ORDER_COUNTS[contingency_type]
    if count not in allowed:
        text = f"a list with ContingencyType(1385)={contingency_type} has {' or '.join(map(str, allowed))} orders"
        raise unsupported("73", f"{text}, not {count}; send so many")
    for tag, name in (("68", "TotNoOrders"), ("73", "NoOrders")):
        if message[tag] != str(count):
            raise unsupported(tag, f"{name}({tag}) {quoted(message[tag])} is not {count}; send the list whole")
    if message.get("893", "Y") != "Y":
        raise unsupported("893", "LastFragment(893) must be Y; send the list in one message")


def _in_sequence(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    """The orders by ListSeqNo(67), which counts them from 1."""
    numbers = [entry.get("67", "") for entry in entries]
    expected = [str(number) for number in range(1, len(entries) + 1)]
    if sorted(numbers) != expected:
        raise unsupported("67", f"ListSeqNo(67) must number the orders {', '.join(expected)}; send it in each")
    return [entries[numbers.index(number)] for number in expected]


def _listed_order(
    entry: dict[str, str], number: int, symbol: str, instruments: TradedInstruments, context: RequestContext
) -> ListedOrder:
    try:
        if entry["55"] != symbol:
            advice = f"all orders of a list are about one; send {quoted(symbol)} in all"
            raise unsupported("55", f"Symbol(55) {quoted(entry['55'])}: {advice}")
        decimals, side = instruments.find(symbol), read_side(entry)
        own = {tag: value for tag, value in entry.items() if tag != "67"}
        terms = read_terms(own, decimals, side, context.received_ns)
    except FieldRefused as refusal:
        raise FieldRefused(refusal.reason, refusal.ref_tag, f"order {number} of the list: {refusal.text}") from None
    return ListedOrder(entry["11"], entry.get("1", ""), side, *terms)
