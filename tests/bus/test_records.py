"""The records' codec: everything comes back as it was, the bytes stay what they were, and nothing else is read."""

import types
from contextlib import suppress
from itertools import pairwise
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.records import (
    RECORD_VERSION,
    OrdRecord,
    RecordError,
    decode_definitions,
    decode_events,
    decode_exec,
    decode_increments,
    decode_ord,
    encode_exec,
    encode_ord,
    encode_parts,
)
from matcher.commands import (
    CancelOrder,
    Command,
    GatewayStarted,
    ListedOrder,
    MassCancel,
    MassQuote,
    NewOrder,
    NewOrderList,
    OrderMassStatusRequest,
    OrderStatusRequest,
    QuoteCancel,
    QuoteEntry,
    RefusedRequest,
    ReplaceOrder,
)
from matcher.events import (
    CancelRejected,
    Event,
    GatewayAdmitted,
    InstrumentDefined,
    LeggedOrder,
    ListStatusReported,
    MassCancelReported,
    MassQuoteAcknowledged,
    OperatorAnswered,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderMassStatusReported,
    OrderRejected,
    OrderReplaced,
    OrderRestated,
    OrderStatusReported,
    OrderTriggered,
    QuoteEntryRefused,
    QuotesPulled,
    RequestRefused,
    SessionMark,
    TradeBusted,
    TradeCorrected,
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
from matcher.operator_commands import (
    BustTrade,
    CorrectTrade,
    DefineInstrument,
    EndTradingDay,
    Limits,
    ScheduledPhase,
    SetLimits,
    SetPhase,
    SetReferencePrice,
    TimerFired,
)
from matcher.orders import OrderState
from matcher.rejects import RejectReason

ASKED = ("S", 1, 2, 1, 3, "F", "A")
ORDER = OrderState(1, "S", "F", "c", "acc", "A", "1", "2", "0", 5, 10, 6, 4, 20, "1")
CAUSED = (9, 0, 3, "S")
TEXTS = ("1", "2", "0", "1.5", "x")
REASON = RejectReason.TOO_LATE

STOP = Instructions(trigger_price_type="2", trigger_direction="U", stop_price_ticks=7)
LEG = ListedOrder("c", "acc", "1", "2", "0", 5, 10, None)
RULES = TradingRules([TickBand(100, 5)], 9, 8, 7, 6, 5, 4, 3, 2, "rest", "C")
INSTRUMENT = Instrument("A", Increment(1, 2), Increment(1, 0), 5, "USD", 0, "g", RULES)
ORDERED = ("op-1", 3, "A")

GOLDEN_ORDER = "dc001001a153a146a163a3616363a141a131a132a130050a060414a131c0"
GOLDEN_INSTRUMENT = "98a14192010292010005a355534400a1679b919264050908070605040302a472657374a143"
GOLDEN: list[tuple[Any, str]] = [
    (
        NewOrder(*ASKED, "c", "acc", "1", "2", "0", 5, 10),
        "dc0011a144a15301020103a146a141a163a3616363a131a132a130050ac0c2",
    ),
    (
        NewOrder(*ASKED, "c", "acc", "1", "4", "0", 5, 10, STOP, True),
        "dc0011a144a15301020103a146a141a163a3616363a131a134a130050adc00150000a132a1550700a0a000ff00a0a0a0"
        "c2c2a0a0a00000c3",
    ),
    (CancelOrder(*ASKED, "d", "c", "1"), "9ba146a15301020103a146a141a164a163a131"),
    (ReplaceOrder(*ASKED, "d", "c", "1", "2", "1", 5, 10), "dc0010a147a15301020103a146a141a164a163a131a132a131050ac0"),
    (OrderStatusRequest(*ASKED, "c", "q", "2"), "9ba148a15301020103a146a141a163a171a132"),
    (OrderMassStatusRequest(*ASKED, "m", "7", ""), "9ba24146a15301020103a146a141a16da137a0"),
    (MassCancel(*ASKED, "c", "1", "2", True), "9ca171a15301020103a146a141a163a131a132c3"),
    (
        NewOrderList(*ASKED, "l", "1", [LEG, LEG]),
        "9ba145a15301020103a146a141a16ca1319298a163a3616363a131a132a130050ac098a163a3616363a131a132a130050ac0",
    ),
    (
        MassQuote(*ASKED, "q", [QuoteEntry("e", "A", 4, 10, 6, 10)]),
        "9aa169a15301020103a146a141a1719196a165a141040a060a",
    ),
    (QuoteCancel(*ASKED, "q", "4"), "9aa15aa15301020103a146a141a171a134"),
    (
        RefusedRequest(*ASKED, "D", REASON, "why", 44, "c", "o", "q", *TEXTS),
        "dc0014a152a15301020103a146a141a144a8544f4f5f4c415445a37768792ca163a16fa171a131a132a130a3312e35a178",
    ),
    (GatewayStarted("gw1", 3), "93a167a367773103"),
    (EndTradingDay("A", 3, "20260105"), "94a165a14103a83230323630313035"),
    (TimerFired("A", 3), "93a174a14103"),
    (ScheduledPhase("A", 3, 2, "2", 9, 4, 77), "98a173a1410302a13209044d"),
    (DefineInstrument(*ORDERED, INSTRUMENT), f"95a149a46f702d3103a141{GOLDEN_INSTRUMENT}"),
    (SetPhase(*ORDERED, "H", 0, 0, 0, "why"), "99a153a46f702d3103a141a148000000a3776879"),
    (SetReferencePrice(*ORDERED, 5), "95a170a46f702d3103a14105"),
    (
        SetLimits(*ORDERED, "F", "S", Limits(1, 2, 3, 4, "2", 5, 6, 7, True)),
        "97a14ca46f702d3103a141a146a1539901020304a132050607c3",
    ),
    (BustTrade(*ORDERED, 7, "why"), "96a142a46f702d3103a14107a3776879"),
    (CorrectTrade(*ORDERED, 7, 5, 4, "why"), "98a14ba46f702d3103a141070504a3776879"),
    (OrderAccepted(*CAUSED, ORDER), f"96a141090003a153{GOLDEN_ORDER}"),
    (OrderRejected(*CAUSED, ORDER, REASON, "t"), f"98a14a090003a153{GOLDEN_ORDER}a8544f4f5f4c415445a174"),
    (OrderFilled(*CAUSED, ORDER, 7, 5, 4, True), f"9ba146090003a153{GOLDEN_ORDER}070504c3c2"),
    (OrderCanceled(*CAUSED, ORDER, "d", "c", ""), f"9aa143090003a153{GOLDEN_ORDER}a164a163a0a0"),
    (OrderCanceled(*CAUSED, ORDER, "c", "", "t", "18"), f"9aa143090003a153{GOLDEN_ORDER}a163a0a174a23138"),
    (OrderReplaced(*CAUSED, ORDER, "b"), f"97a150090003a153{GOLDEN_ORDER}a162"),
    (OrderTriggered(*CAUSED, ORDER), f"96a154090003a153{GOLDEN_ORDER}"),
    (OrderRestated(*CAUSED, ORDER, "3", "t"), f"98a144090003a153{GOLDEN_ORDER}a133a174"),
    (OrderExpired(*CAUSED, ORDER), f"96a158090003a153{GOLDEN_ORDER}"),
    (TradeBusted(*CAUSED, ORDER, 7, 8, 2, 5, 4, "t"), f"9ca148090003a153{GOLDEN_ORDER}0708020504a174"),
    (TradeCorrected(*CAUSED, ORDER, 7, 8, 2, 5, 4, "t"), f"9ca14b090003a153{GOLDEN_ORDER}0708020504a174"),
    (
        CancelRejected(*CAUSED, "A", "1", 0, "8", "d", "c", REASON, "t"),
        "9da139090003a153a141a13100a138a164a163a8544f4f5f4c415445a174",
    ),
    (OrderStatusReported(*CAUSED, ORDER, "q", None, ""), f"99a149090003a153{GOLDEN_ORDER}a171c0a0"),
    (OrderMassStatusReported(*CAUSED, ORDER, "A", "m", 2, False), f"9aa24146090003a153{GOLDEN_ORDER}a141a16d02c2"),
    (MassCancelReported(*CAUSED, "A", "c", "1", "", 3, None, ""), "9ca172090003a153a141a163a131a003c0a0"),
    (
        ListStatusReported(*CAUSED, "S", "F", "A", "l", "3", [LeggedOrder("c", 10, 6, 4, 20, "1")], None, ""),
        "9da14e090003a153a153a146a141a16ca1339196a1630a060414a131c0a0",
    ),
    (
        MassQuoteAcknowledged(*CAUSED, "q", "0", [QuoteEntryRefused("e", REASON, "t")], None, ""),
        "9aa162090003a153a171a1309193a165a8544f4f5f4c415445a174c0a0",
    ),
    (QuotesPulled(*CAUSED, "S", "A", ["e"], "Q", "t"), "9aa151090003a153a153a14191a165a151a174"),
    (
        RequestRefused(*CAUSED, 2, "D", REASON, "t", 44, "A", "c", "o", "q", *TEXTS),
        "dc0013a152090003a15302a144a8544f4f5f4c415445a1742ca141a163a16fa171a131a132a130a3312e35a178",
    ),
    (GatewayAdmitted(*CAUSED, "gw1", 4, [SessionMark("S", 1, 2)]), "98a147090003a153a3677731049193a1530102"),
    (InstrumentDefined(*CAUSED, INSTRUMENT), f"96a159090003a153{GOLDEN_INSTRUMENT}"),
    (OperatorAnswered(*CAUSED, "op-1", None, ""), "98a14f090003a153a46f702d31c0a0"),
    (
        MarketDataIncrement(
            "A",
            1,
            9,
            3,
            [LevelChange("0", "1", 5, 6, 1, [ShownOrder(2, 6, 6)])],
            [TradePrint(7, 5, 4, "1")],
            PhaseChange("4", 8, "t"),
            Indicative(5, 4, "2", 3),
            [TradeRevision(6, 5, 0)],
            "20260102",
        ),
        "9aa1410109039196a130a13105060191930206069194070504a13193a13408a174940504a132039193060500a83230323630313032",
    ),
    (
        MarketDataIncrement("A", 1, 9, 3, [LevelChange("0", "1", 5, 6, 1)], [TradePrint(7, 5, 4, "1")]),
        "9aa1410109039196a130a131050601909194070504a131c0c090a0",
    ),
]


@pytest.mark.parametrize(("value", "golden"), GOLDEN, ids=lambda part: type(part).__name__)
def test_the_bytes_are_what_they_have_always_been(value: Any, golden: str) -> None:
    assert msgspec.msgpack.encode(value).hex() == golden


def test_there_are_golden_bytes_of_every_command_and_event() -> None:
    kinds = {type(value) for value, _ in GOLDEN}
    assert kinds == {*get_args(Command), *get_args(Event), MarketDataIncrement}


@pytest.mark.parametrize("command", [value for value, _ in GOLDEN if isinstance(value, get_args(Command))])
def test_each_command_comes_back_from_a_record(command: Command) -> None:
    record = encode_ord(gateway_id="gw1", boot=4, record_number=7, commands=[command, command])
    assert decode_ord(record) == OrdRecord(RECORD_VERSION, "gw1", 4, 7, [command, command])


@pytest.mark.parametrize("event", [value for value, _ in GOLDEN if isinstance(value, get_args(Event))])
def test_each_event_comes_back_from_a_record(event: Event) -> None:
    record = decode_exec(exec_record([event, event]))
    assert (record.shard, record.leader_epoch, record.first_input_seq, record.last_input_seq) == (1, 2, 3, 4)
    assert decode_events(record) == [event, event]
    assert decode_increments(record) == []


def test_increments_come_back_from_a_record() -> None:
    increment = GOLDEN[-1][0]
    record = decode_exec(exec_record([], [increment]))
    assert decode_increments(record) == [increment]
    assert decode_events(record) == []


def test_definitions_are_found_among_other_events() -> None:
    defined = InstrumentDefined(*CAUSED, INSTRUMENT)
    other = OperatorAnswered(*CAUSED, "Y", None, "")
    assert decode_definitions(decode_exec(exec_record([other, defined, other]))) == [defined]
    assert decode_definitions(decode_exec(exec_record([other]))) == []
    assert decode_definitions(decode_exec(exec_record([OrderExpired(*CAUSED, ORDER)]))) == []


def test_records_are_what_they_have_always_been() -> None:
    ord_record = encode_ord(gateway_id="gw1", boot=4, record_number=7, commands=[GatewayStarted("gw1", 3)])
    assert ord_record.hex() == "9502a3677731040791" + "93a167a367773103"
    assert exec_record([]).hex() == "98020102030490" + "90" + "90"


def test_a_record_from_before_there_were_marks_has_none() -> None:
    record = decode_exec(bytes.fromhex("97020102030490" + "90"))
    assert record.marks == []
    assert (record.shard, record.last_input_seq) == (1, 4)


def any_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a type of the vocabulary; integers are of 64 bits, as everywhere in the venue."""
    match get_origin(hint):
        case origin if origin is Literal:
            return st.sampled_from(get_args(hint))
        case origin if origin is list:
            return st.lists(any_of(get_args(hint)[0]), max_size=2)
        case origin if origin in (Union, types.UnionType):
            return st.one_of(*map(any_of, get_args(hint)))
    if issubclass(hint, msgspec.Struct):
        return st.builds(hint, **{name: any_of(field) for name, field in get_type_hints(hint).items()})
    return st.integers(-(2**63), 2**63 - 1) if hint is int else st.from_type(hint)


ANY_COMMAND = st.one_of(*map(any_of, get_args(Command)))
ANY_EVENT = st.one_of(*map(any_of, get_args(Event)))


@given(st.data())
def test_any_commands_come_back(data: st.DataObject) -> None:
    commands = data.draw(st.lists(ANY_COMMAND, max_size=4))
    record = encode_ord(gateway_id=data.draw(st.text()), boot=2**62, record_number=1, commands=commands)
    assert decode_ord(record).commands == commands
    assert decode_ord(record).boot == 2**62


@given(st.lists(ANY_EVENT, max_size=4))
def test_any_events_come_back(events: list[Event]) -> None:
    assert decode_events(decode_exec(exec_record(events))) == events


@given(st.binary())
def test_garbage_is_a_record_error_and_nothing_else(payload: bytes) -> None:
    for decode in (decode_ord, decode_exec):
        with pytest.raises(RecordError):
            decode(payload)


@given(st.data())
def test_a_damaged_record_is_a_record_or_a_record_error(data: st.DataObject) -> None:
    whole = bytearray(encode_ord(gateway_id="gw1", boot=4, record_number=7, commands=[GOLDEN[0][0]]))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    with suppress(RecordError):
        assert isinstance(decode_ord(bytes(whole)), OrdRecord)


@pytest.mark.parametrize("cut", [0, 1, 5, 20])
def test_a_record_that_was_cut_says_so(cut: int) -> None:
    payload = encode_ord(gateway_id="gw1", boot=4, record_number=7, commands=[GOLDEN[0][0]])[:cut]
    with pytest.raises(RecordError, match=f"^a record of {cut} bytes does not decode: "):
        decode_ord(payload)


def test_a_record_of_another_version_names_both() -> None:
    sentence = "record version 3, but this build reads version 2; use the build that wrote the log"
    with pytest.raises(RecordError, match=sentence):
        decode_ord(msgspec.msgpack.encode([3, "gw1", 4, 7, []]))
    with pytest.raises(RecordError, match=sentence):
        decode_exec(msgspec.msgpack.encode([3, 1, 2, 3, 4, [], []]))


def test_a_later_version_is_named_even_where_its_contents_are_unknown() -> None:
    with pytest.raises(RecordError, match="record version 3, but this build reads version 2"):
        decode_ord(msgspec.msgpack.encode([3, "gw1", {"new": "shape"}]))
    with pytest.raises(RecordError, match="record version 3, but this build reads version 2"):
        decode_exec(msgspec.msgpack.encode([3, {"new": "shape"}]))


def test_events_that_do_not_decode_name_their_inputs() -> None:
    record = decode_exec(msgspec.msgpack.encode([2, 1, 2, 3, 4, [["?", 1]], [["A"]]]))
    with pytest.raises(RecordError, match="the events of inputs from 3 on do not decode: "):
        decode_events(record)
    with pytest.raises(RecordError, match="the increments of inputs from 3 on do not decode: "):
        decode_increments(record)


@given(st.lists(st.integers(1, 60)), st.integers(20, 200))
def test_parts_are_in_order_within_the_bound_and_as_few_as_that_allows(lengths: list[int], bytes_max: int) -> None:
    events: list[Event] = [OrderReplaced(number, 0, 0, "", ORDER, "x" * n) for number, n in enumerate(lengths, 1)]
    encoded = encode_parts(events, bytes_max=bytes_max)
    parts = [decode_events(decode_exec(exec_record(part))) for part in encoded]
    assert [event for part in parts for event in part] == events
    assert all(parts)
    for part in parts:
        assert len(part) == 1 or size(part) <= bytes_max
    for part, following in pairwise(parts):
        assert size([*part, following[0]]) > bytes_max


def size(events: list[Event]) -> int:
    return sum(len(msgspec.msgpack.encode(event)) for event in events)


def exec_record(events: list[Event] | msgspec.Raw, increments: list[MarketDataIncrement] | None = None) -> bytes:
    return encode_exec(
        shard=1, leader_epoch=2, first_input_seq=3, last_input_seq=4, events=events, increments=increments or []
    )
