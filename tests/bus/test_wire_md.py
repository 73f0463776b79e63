"""`bus/WIRE.md` held against the code: every table names the fields that are written, and the examples decode."""

import re
import types
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

import bus
from bus.connection import Bus
from bus.records import (
    RECORD_VERSION,
    ExecRecord,
    OrdRecord,
    StateMark,
    decode_events,
    decode_exec,
    decode_increments,
    decode_ord,
    encode_exec,
    encode_ord,
)
from bus.streams import ensure_shard
from bus.subjects import exec_subject, ord_subject, symbol_token
from matcher.commands import Command, ListedOrder, NewOrder, QuoteEntry, Request
from matcher.events import (
    Event,
    LeggedOrder,
    OrderAccepted,
    PrivateEvent,
    QuoteEntryRefused,
    SessionMark,
)
from matcher.increments import (
    Indicative,
    LevelChange,
    MarketDataIncrement,
    PhaseChange,
    ShownOrder,
    TradePrint,
    TradeRevision,
)
from matcher.instructions import Instructions
from matcher.instruments import Increment, Instrument, TickBand, TradingRules
from matcher.operator_commands import Limits, OperatorRequest
from matcher.orders import PRICE_TICKS_MAX, QTY_LOTS_MAX, OrderState
from matcher.rejects import RejectReason
from tests.jetstream import LOG_BYTES_MAX

PAGE = (Path(bus.__path__[0]) / "WIRE.md").read_text()
HEADS = (Request, OperatorRequest, PrivateEvent)
"""What tagged structs begin with; their tables number from 1, after the tag."""
STRUCTS: list[Any] = [
    *(OrdRecord, ExecRecord, StateMark, *HEADS, Instructions, OrderState, ListedOrder, QuoteEntry),
    *(Instrument, Increment, TradingRules, TickBand, Limits, SessionMark, LeggedOrder, QuoteEntryRefused),
    *(MarketDataIncrement, LevelChange, ShownOrder, TradePrint, PhaseChange, Indicative, TradeRevision),
    *get_args(Command),
    *get_args(Event),
]
RAW = {"events": list[Event], "increments": list[MarketDataIncrement]}
"""What an ExecRecord keeps encoded."""


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of each row of each table in the section of this heading, head rows left out."""
    section = re.split(r"^#+ ", f"\n{PAGE}".split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    for table in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
        for line in table.splitlines()[2:]:
            yield [cell.strip() for cell in line.strip("|").split("|")]


def wire_type(hint: Any) -> str:
    """An annotation in the page's words."""
    match get_origin(hint):
        case origin if origin is Literal:
            return chars(get_args(hint))
        case origin if origin is list:
            return f"list of {wire_type(get_args(hint)[0])}"
        case origin if origin in (Union, types.UnionType):
            members = get_args(hint)
            if set(members) in ({*get_args(Command)}, {*get_args(Event)}):
                return "Command" if NewOrder in members else "Event"
            if all(get_origin(member) is Literal for member in members):
                return chars([value for member in members for value in get_args(member)])
            (member,) = (member for member in members if member is not types.NoneType)
            return f"{wire_type(member)} or nil"
    return {int: "int", str: "text", bool: "bool", RejectReason: "reason"}.get(hint) or str(hint.__name__)


def chars(values: Collection[str]) -> str:
    """A choice of values, the empty one last."""
    return " ".join(["char", *filter(None, values), *(["or empty"] if "" in values else [])])


def elements(struct: Any) -> Iterator[list[str]]:
    """Place, name and type of each element as the code writes it; a head that the page states once is one row."""
    place = 0
    if struct.__struct_config__.tag is not None:
        yield ["0", "tag", f"`{struct.__struct_config__.tag}`"]
        place = 1
    elif struct in HEADS:
        place = 1
    names = struct.__struct_fields__
    for head in HEADS:
        if issubclass(struct, head) and struct is not head:
            count = len(head.__struct_fields__)
            yield [f"{place}-{place + count - 1}", head.__name__, ""]
            place, names = place + count, names[count:]
    hints = get_type_hints(struct) | (RAW if struct is ExecRecord else {})
    for number, name in enumerate(names, place):
        yield [str(number), name, wire_type(hints[name])]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: str(struct.__name__))
def test_each_table_is_what_the_code_writes(struct: Any) -> None:
    assert struct.__struct_config__.array_like
    listed = list(rows(f"### {struct.__name__}"))
    assert [row[:3] for row in listed] == list(elements(struct))
    assert all(row[3] for row in listed)


def test_the_page_has_a_table_for_every_struct_and_no_other() -> None:
    headed = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    assert sorted(headed) == sorted(struct.__name__ for struct in STRUCTS)


def test_the_newest_revision_is_the_version_that_is_written() -> None:
    assert next(rows("# The logs: streams, subjects, records"))[1] == str(RECORD_VERSION)


def test_the_page_states_the_bounds() -> None:
    assert f"{PRICE_TICKS_MAX:,} ticks" in PAGE
    assert f"{QTY_LOTS_MAX:,} lots" in " ".join(PAGE.split())


def test_the_listed_symbols_are_escaped_so() -> None:
    listed = [row for row in rows("## Subjects") if len(row) == 2 and "<" not in row[0] and "md" not in row[0]]
    symbols = [[cell.strip("`") for cell in row] for row in listed if not row[0].startswith(("`ord", "`exec"))]
    assert len(symbols) == 8
    assert [symbol_token(symbol) for symbol, _ in symbols] == [token for _, token in symbols]


def test_the_subjects_are_these() -> None:
    listed = [row[0].strip("`") for row in rows("## Subjects")]
    assert ord_subject(1, "AAPL") == listed[0].replace("<k>", "1").replace("<symbol>", "AAPL")
    assert ord_subject(1, "") == listed[1].replace("<k>", "1")
    assert exec_subject(1) == listed[2].replace("<k>", "1")


async def test_the_streams_have_the_settings_that_the_page_lists(bus: Bus) -> None:
    await ensure_shard(bus, 3, max_bytes=LOG_BYTES_MAX, replicas=1)
    settings = {row[0]: row[1] for row in rows("## Streams") if len(row) == 3}
    for stream in ("ORD3", "EXEC3"):
        config = (await bus.request_json(f"$JS.API.STREAM.INFO.{stream}"))["config"]
        assert (config["max_bytes"], config["num_replicas"]) == (LOG_BYTES_MAX, 1)
        for name in settings.keys() - {"max_bytes", "num_replicas", "duplicate_window"}:
            assert settings[name] == (str(config[name]).lower() if isinstance(config[name], bool) else config[name])


def example(name: str) -> bytes:
    """The bytes of an example, its comments left out."""
    text = PAGE.split(f"```hex {name}\n", 1)[1].split("```", 1)[0]
    return bytes.fromhex(" ".join(line.partition("#")[0] for line in text.splitlines()))


NEW_ORDER = NewOrder(
    *("FIX.4.4:FIRMA1", 1, 2, 1, 1_767_605_400_000_000_000, "FIRMA", "AAPL"),
    *("a-1", "", "1", "2", "0", 18950, 100),
)
ORDER = OrderState(1, "FIX.4.4:FIRMA1", "FIRMA", "a-1", "", "AAPL", "1", "2", "0", 18950, 100, 100, 0, 0, "0")
ACCEPTED = OrderAccepted(7, 0, NEW_ORDER.received_ns, "FIX.4.4:FIRMA1", ORDER)
BID = MarketDataIncrement(
    "AAPL", 1, 7, NEW_ORDER.received_ns, [LevelChange("0", "1", 18950, 100, 1, [ShownOrder(1, 100, 100)])], []
)


def test_the_ord_example_is_what_it_says() -> None:
    record = OrdRecord(RECORD_VERSION, "gw1", 1_767_605_399_000_000_000, 2, [NEW_ORDER])
    assert decode_ord(example("ord")) == record
    assert example("ord") == encode_ord(
        gateway_id="gw1", boot=record.boot, record_number=record.record_number, commands=[NEW_ORDER]
    )


def test_the_exec_example_is_what_it_says() -> None:
    record = decode_exec(example("exec"))
    assert (record.shard, record.leader_epoch, record.first_input_seq, record.last_input_seq) == (1, 3, 7, 7)
    assert decode_events(record) == [ACCEPTED]
    assert decode_increments(record) == [BID]
    assert example("exec") == encode_exec(
        shard=1, leader_epoch=3, first_input_seq=7, last_input_seq=7, events=[ACCEPTED], increments=[BID]
    )


@pytest.mark.parametrize("name", ["ord", "exec"])
def test_each_comment_of_an_example_is_its_element(name: str) -> None:
    """The comments are the elements in order: arrays by their length, the rest as Python writes them."""
    told = [line.partition("# ")[2] for line in PAGE.split(f"```hex {name}\n", 1)[1].split("```", 1)[0].splitlines()]
    assert told == list(described(msgspec.msgpack.decode(example(name))))


def described(value: Any) -> Iterator[str]:
    if not isinstance(value, list):
        yield repr(value)
        return
    yield f"array of {len(value)}"
    for element in value:
        yield from described(element)
