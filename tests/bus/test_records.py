"""The records' codec: everything comes back as it was, the bytes stay what they were, and nothing else is read."""

from contextlib import suppress
from itertools import pairwise
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.records import (
    RECORD_VERSION,
    OrdRecord,
    RecordError,
    decode_events,
    decode_exec,
    decode_increments,
    decode_ord,
    encode_exec,
    encode_ord,
    split,
)
from matcher.commands import (
    CancelOrder,
    Command,
    EndTradingDay,
    GatewayStarted,
    NewOrder,
    OrderStatusRequest,
    RefusedRequest,
    ReplaceOrder,
)
from matcher.events import (
    CancelRejected,
    Event,
    GatewayAdmitted,
    LevelChange,
    MarketDataIncrement,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderStatusReported,
    RequestRefused,
    SessionMark,
    TradePrint,
)
from matcher.orders import OrderState
from matcher.rejects import RejectReason

ASKED = ("S", 1, 2, 1, 3, "F", "A")
ORDER = OrderState(1, "S", "F", "c", "acc", "A", "1", "2", "0", 5, 10, 6, 4, 20, "1")
CAUSED = (9, 0, 3, "S")
TEXTS = ("1", "2", "0", "1.5", "x")
REASON = RejectReason.TOO_LATE

GOLDEN_ORDER = "9f01a153a146a163a3616363a141a131a132a130050a060414a131"
GOLDEN: list[tuple[Any, str]] = [
    (NewOrder(*ASKED, "c", "acc", "1", "2", "0", 5, 10), "9fa144a15301020103a146a141a163a3616363a131a132a130050a"),
    (CancelOrder(*ASKED, "d", "c", "1"), "9ba146a15301020103a146a141a164a163a131"),
    (ReplaceOrder(*ASKED, "d", "c", "1", "2", "1", 5, 10), "9fa147a15301020103a146a141a164a163a131a132a131050a"),
    (OrderStatusRequest(*ASKED, "c", "q", "2"), "9ba148a15301020103a146a141a163a171a132"),
    (
        RefusedRequest(*ASKED, "D", REASON, "why", 44, "c", "o", "q", *TEXTS),
        "dc0014a152a15301020103a146a141a144a8544f4f5f4c415445a37768792ca163a16fa171a131a132a130a3312e35a178",
    ),
    (GatewayStarted("gw1", 3), "93a167a367773103"),
    (EndTradingDay("A", 3, "20260105"), "94a165a14103a83230323630313035"),
    (OrderAccepted(*CAUSED, ORDER), f"96a141090003a153{GOLDEN_ORDER}"),
    (OrderRejected(*CAUSED, ORDER, REASON, "t"), f"98a14a090003a153{GOLDEN_ORDER}a8544f4f5f4c415445a174"),
    (OrderFilled(*CAUSED, ORDER, 7, 5, 4, True), f"9aa146090003a153{GOLDEN_ORDER}070504c3"),
    (OrderCanceled(*CAUSED, ORDER, "d", "c", ""), f"99a143090003a153{GOLDEN_ORDER}a164a163a0"),
    (OrderReplaced(*CAUSED, ORDER, "b"), f"97a150090003a153{GOLDEN_ORDER}a162"),
    (OrderExpired(*CAUSED, ORDER), f"96a158090003a153{GOLDEN_ORDER}"),
    (
        CancelRejected(*CAUSED, "A", "1", 0, "8", "d", "c", REASON, "t"),
        "9da139090003a153a141a13100a138a164a163a8544f4f5f4c415445a174",
    ),
    (OrderStatusReported(*CAUSED, ORDER, "q", None, ""), f"99a149090003a153{GOLDEN_ORDER}a171c0a0"),
    (
        RequestRefused(*CAUSED, 2, "D", REASON, "t", 44, "A", "c", "o", "q", *TEXTS),
        "dc0013a152090003a15302a144a8544f4f5f4c415445a1742ca141a163a16fa171a131a132a130a3312e35a178",
    ),
    (GatewayAdmitted(*CAUSED, "gw1", 4, [SessionMark("S", 1, 2)]), "98a147090003a153a3677731049193a1530102"),
    (
        MarketDataIncrement("A", 1, 9, 3, [LevelChange("0", "1", 5, 6, 1)], [TradePrint(7, 5, 4, "1")]),
        "96a14101090391" + "95a130a131050601" + "91" + "94070504a131",
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


def test_records_are_what_they_have_always_been() -> None:
    ord_record = encode_ord(gateway_id="gw1", boot=4, record_number=7, commands=[GatewayStarted("gw1", 3)])
    assert ord_record.hex() == "9501a3677731040791" + "93a167a367773103"
    assert exec_record([]).hex() == "97010102030490" + "90"


def any_of(struct: Any) -> st.SearchStrategy[Any]:
    """Any values of a struct's types; integers are of 64 bits, as everywhere in the venue."""
    special: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(-(2**63), 2**63 - 1),
        OrderState: st.deferred(lambda: any_of(OrderState)),
        list[SessionMark]: st.deferred(lambda: st.lists(any_of(SessionMark), max_size=3)),
    }
    hints = get_type_hints(struct)
    return st.builds(struct, **{name: special.get(hint, st.from_type(hint)) for name, hint in hints.items()})


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
    sentence = "record version 2, but this build reads version 1; use the build that wrote the log"
    with pytest.raises(RecordError, match=sentence):
        decode_ord(msgspec.msgpack.encode([2, "gw1", 4, 7, []]))
    with pytest.raises(RecordError, match=sentence):
        decode_exec(msgspec.msgpack.encode([2, 1, 2, 3, 4, [], []]))


def test_a_later_version_is_named_even_where_its_contents_are_unknown() -> None:
    with pytest.raises(RecordError, match="record version 2, but this build reads version 1"):
        decode_ord(msgspec.msgpack.encode([2, "gw1", {"new": "shape"}]))
    with pytest.raises(RecordError, match="record version 2, but this build reads version 1"):
        decode_exec(msgspec.msgpack.encode([2, {"new": "shape"}]))


def test_events_that_do_not_decode_name_their_inputs() -> None:
    record = decode_exec(msgspec.msgpack.encode([1, 1, 2, 3, 4, [["?", 1]], [["A"]]]))
    with pytest.raises(RecordError, match="the events of inputs from 3 on do not decode: "):
        decode_events(record)
    with pytest.raises(RecordError, match="the increments of inputs from 3 on do not decode: "):
        decode_increments(record)


@given(st.lists(st.integers(1, 60)), st.integers(20, 200))
def test_parts_are_in_order_within_the_bound_and_as_few_as_that_allows(lengths: list[int], bytes_max: int) -> None:
    events: list[Event] = [OrderReplaced(number, 0, 0, "", ORDER, "x" * n) for number, n in enumerate(lengths, 1)]
    parts = split(events, bytes_max=bytes_max)
    assert [event for part in parts for event in part] == events
    assert all(parts)
    for part in parts:
        assert len(part) == 1 or size(part) <= bytes_max
    for part, following in pairwise(parts):
        assert size([*part, following[0]]) > bytes_max


def size(events: list[Event]) -> int:
    return sum(len(msgspec.msgpack.encode(event)) for event in events)


def exec_record(events: list[Event], increments: list[MarketDataIncrement] | None = None) -> bytes:
    return encode_exec(
        shard=1, leader_epoch=2, first_input_seq=3, last_input_seq=4, events=events, increments=increments or []
    )
