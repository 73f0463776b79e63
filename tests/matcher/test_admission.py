"""Which records and requests are taken, and which are harmless repeats."""

import pytest

from matcher.commands import Command, GatewayStarted, NewOrder, OrderStatusRequest
from matcher.engine.engine import Engine
from matcher.events import (
    GatewayAdmitted,
    InstrumentDefined,
    OrderAccepted,
    OrderRejected,
    OrderStatusReported,
    SessionMark,
)
from matcher.operator_commands import DefineInstrument, EndTradingDay
from matcher.orders import BUY
from tests.matcher.desk import instruments


def new_engine() -> Engine:
    return Engine(0, instruments("TEST", "OTHER"), orders_max=100, finished_orders_max=100)


def order(number: int, *, session: str = "A1", epoch: int = 1, durable: int = 0, symbol: str = "TEST") -> NewOrder:
    cl_ord_id = f"{session}-{epoch}-{number}"
    return NewOrder(session, epoch, number, durable, number, "A", symbol, cl_ord_id, "", BUY, "2", "0", 100, 1)


class Log:
    """Records of a shard, one after the other; tells which ClOrdIDs were accepted, `admitted` for a gateway."""

    def __init__(self) -> None:
        self.engine = new_engine()
        self.input_seq = 0

    def write(self, gateway_id: str, boot: int, number: int, *commands: Command) -> list[str]:
        self.input_seq += 2
        events, _ = self.engine.apply_record(gateway_id, boot, number, list(commands), self.input_seq)
        assert [(e.input_seq, e.event_index) for e in events] == [(self.input_seq, i) for i in range(len(events))]
        events = [event for event in events if not isinstance(event, InstrumentDefined)]
        return [event.order.cl_ord_id if isinstance(event, OrderAccepted) else "admitted" for event in events]


def test_a_life_begins_with_record_1_and_its_records_follow_one_by_one() -> None:
    log = Log()
    assert log.write("gw1", 5, 1, GatewayStarted("gw1", 0), order(1)) == ["admitted", "A1-1-1"]
    assert log.write("gw1", 5, 2, order(2), order(3)) == ["A1-1-2", "A1-1-3"]
    assert log.write("gw1", 5, 3, order(4)) == ["A1-1-4"]


@pytest.mark.parametrize(
    ("boot", "number"),
    [(5, 2), (5, 1), (5, 4), (4, 1), (4, 3), (6, 3), (6, 1)],
    ids=["repeat", "older", "hole", "former life", "former life, right number", "unknown life", "no GatewayStarted"],
)
def test_any_other_record_is_ignored_whole(boot: int, number: int) -> None:
    log = Log()
    log.write("gw1", 5, 1, GatewayStarted("gw1", 0))
    log.write("gw1", 5, 2, order(1))
    assert log.write("gw1", boot, number, order(2, durable=9)) == []
    assert log.engine.last_input_seq == log.input_seq
    assert log.write("gw1", 5, 3, order(2)) == ["A1-1-2"]
    marks = log.engine._floor.admission.session_marks()
    assert marks == [SessionMark("A1", 1, 0)], "an ignored record says nothing about sessions"


def test_a_repeated_beginning_is_ignored() -> None:
    log = Log()
    log.write("gw1", 5, 1, GatewayStarted("gw1", 0))
    assert log.write("gw1", 5, 1, GatewayStarted("gw1", 0)) == []
    assert log.write("gw1", 4, 1, GatewayStarted("gw1", 0)) == []


def test_a_beginning_that_is_not_record_1_is_ignored() -> None:
    log = Log()
    assert log.write("gw1", 5, 2, GatewayStarted("gw1", 0)) == []
    assert log.write("gw1", 5, 1, GatewayStarted("gw1", 0)) == ["admitted"]


def test_records_of_an_unknown_gateway_are_ignored() -> None:
    log = Log()
    assert log.write("gw1", 5, 1, order(1)) == []
    assert log.write("gw1", 0, 1, order(1)) == []


def test_a_rewound_window_is_taken_once() -> None:
    log = Log()
    log.write("gw1", 5, 1, GatewayStarted("gw1", 0))
    window = [(2, order(1)), (3, order(2)), (4, order(3))]
    taken = [log.write("gw1", 5, *window[i]) for i in (0, 2, 0, 1, 2, 1, 2)]
    assert taken == [["A1-1-1"], [], [], ["A1-1-2"], ["A1-1-3"], [], []]


def test_a_new_life_ends_the_former_one() -> None:
    log = Log()
    log.write("gw1", 5, 1, GatewayStarted("gw1", 0))
    log.write("gw1", 9, 1, GatewayStarted("gw1", 0))
    assert log.write("gw1", 5, 2, order(1)) == []
    assert log.write("gw1", 9, 2, order(1)) == ["A1-1-1"]


def test_gateways_number_their_records_each_for_itself() -> None:
    log = Log()
    log.write("gw1", 5, 1, GatewayStarted("gw1", 0))
    log.write("gw2", 3, 1, GatewayStarted("gw2", 0))
    assert log.write("gw2", 3, 2, order(1, session="B1")) == ["B1-1-1"]
    assert log.write("gw1", 5, 2, order(1)) == ["A1-1-1"]


def test_an_empty_record_counts() -> None:
    log = Log()
    log.write("gw1", 5, 1, GatewayStarted("gw1", 0))
    assert log.write("gw1", 5, 2) == []
    assert log.write("gw1", 5, 3, order(1)) == ["A1-1-1"]


def test_the_admission_says_how_far_the_log_goes_for_each_session() -> None:
    engine = new_engine()
    begin = [GatewayStarted("gw1", 0)]
    engine.apply_record("gw1", 5, 1, begin, 1)
    told = [
        order(7, durable=5),
        order(8, durable=4),
        order(3, durable=6),  # seen already, but what it says about durability still holds
        order(9, session="B1", epoch=2, durable=8),
        order(9, session="B1", epoch=1, durable=50),
        order(1, session="C1", epoch=1, durable=70),
        order(1, session="C1", epoch=2, durable=0),
    ]
    engine.apply_record("gw1", 5, 2, list(told), 2)
    assert engine.apply_record("gw1", 6, 1, [GatewayStarted("gw1", 77)], 9) == (
        [
            InstrumentDefined(9, 0, 77, "", engine.instruments["TEST"]),
            InstrumentDefined(9, 1, 77, "", engine.instruments["OTHER"]),
            GatewayAdmitted(
                input_seq=9,
                event_index=2,
                transact_ns=77,
                requester_session_id="",
                gateway_id="gw1",
                boot=6,
                sessions=[SessionMark("A1", 1, 6), SessionMark("B1", 2, 8), SessionMark("C1", 2, 0)],
            ),
        ],
        [],
    )


def taken(*commands: NewOrder) -> list[str]:
    engine = new_engine()
    events = [event for command in commands for event in engine.apply(command, 1).events]
    return [event.order.cl_ord_id for event in events if isinstance(event, OrderAccepted)]


def test_a_msg_seq_num_that_does_not_rise_was_seen() -> None:
    assert taken(order(1), order(1), order(5), order(3), order(5), order(6)) == ["A1-1-1", "A1-1-5", "A1-1-6"]


def test_a_greater_epoch_starts_afresh_and_ends_the_former_one() -> None:
    assert taken(order(5), order(1, epoch=2), order(6, epoch=1), order(2, epoch=2)) == [
        "A1-1-5",
        "A1-2-1",
        "A1-2-2",
    ]


def test_each_session_and_symbol_rises_by_itself() -> None:
    assert taken(order(5), order(3, symbol="OTHER"), order(2, session="B1"), order(4)) == [
        "A1-1-5",
        "A1-1-3",
        "B1-1-2",
    ]


def test_all_symbols_that_are_not_traded_here_rise_together() -> None:
    engine = new_engine()
    answers = [engine.apply(order(number, symbol=symbol), 1).events for number, symbol in ((5, "X"), (4, "Y"), (6, ""))]
    assert [len(events) for events in answers] == [1, 0, 1]


def test_what_was_asked_about_a_symbol_before_it_was_traded_stays_seen() -> None:
    engine = new_engine()
    [rejected] = engine.apply(order(5, symbol="NEW"), 1).events
    assert isinstance(rejected, OrderRejected)
    [new] = instruments("NEW")
    engine.apply(DefineInstrument("op", 0, "NEW", new), 2)
    assert engine.apply(order(5, symbol="NEW"), 3).events == []
    [accepted] = engine.apply(order(6, symbol="NEW"), 4).events
    assert isinstance(accepted, OrderAccepted)


def test_a_repeat_gives_nothing_whatever_it_asks() -> None:
    engine = new_engine()
    status = OrderStatusRequest("A1", 1, 1, 0, 0, "A", "TEST", "a1", "", BUY)
    [first] = engine.apply(status, 1).events
    assert isinstance(first, OrderStatusReported)
    assert engine.apply(status, 2).events == []


def test_inputs_only_rise() -> None:
    engine = new_engine()
    engine.apply_record("gw1", 5, 1, [GatewayStarted("gw1", 0)], 4)
    with pytest.raises(AssertionError, match="input 4 after input 4"):
        engine.apply_record("gw1", 5, 2, [], 4)
    with pytest.raises(AssertionError, match="input 3 after input 4"):
        engine.apply(EndTradingDay("TEST", 0, "20250102"), 3)


def test_a_record_gives_its_increments_in_order() -> None:
    engine = new_engine()
    commands = [GatewayStarted("gw1", 0), order(1), order(2, symbol="OTHER"), order(3)]
    events, increments = engine.apply_record("gw1", 5, 1, commands, 4)
    assert [event.event_index for event in events] == [0, 1, 2, 3, 4, 5]
    assert [(i.symbol, i.md_seq, i.input_seq) for i in increments] == [("TEST", 1, 4), ("OTHER", 1, 4), ("TEST", 2, 4)]
