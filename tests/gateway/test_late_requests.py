"""Requests that were held too long: what is refused in their place, and that a matcher answers one of the two, once."""

from typing import Any

import pytest

from gateway.fix.outbound import Reports
from gateway.late_requests import LateRequests
from matcher.commands import (
    CancelOrder,
    ClientRequest,
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
from matcher.engine.engine import Engine
from matcher.events import Event, PrivateEvent
from matcher.instruments import Increment, Instrument
from matcher.rejects import RejectReason

AAPL = Instrument("AAPL", Increment(1, 2), Increment(1, 0), 100, "USD", 0)
LATE = LateRequests({"AAPL": AAPL}, hold_max_ms=5000)
SESSION = "FIX.4.4:FIRMA1"
TEXT = "the venue's log did not take this within 5 s; nothing was done"


def head(number: int, symbol: str = "AAPL") -> tuple[Any, ...]:
    return SESSION, 1, number, number - 1, 1_795_176_000_000_000_000 + number, "FIRMA", symbol


LEG = ListedOrder("l-1", "", "1", "2", "0", 100, 5, None)
RISKY: dict[str, ClientRequest] = {
    "D": NewOrder(*head(2), "a-1", "", "1", "2", "0", 18950, 5),
    "G": ReplaceOrder(*head(2), "a-2", "a-1", "1", "2", "0", 18950, 5),
    "E": NewOrderList(*head(2), "list-1", "1", [LEG, LEG]),
    "i": MassQuote(*head(2, ""), "q-1", [QuoteEntry("e", "AAPL", 100, 5, 200, 5)]),
}
HARMLESS: list[Command] = [
    CancelOrder(*head(2), "a-2", "a-1", "1"),
    OrderStatusRequest(*head(2), "a-1", "", "1"),
    OrderMassStatusRequest(*head(2, ""), "m-1", "7", ""),
    MassCancel(*head(2, ""), "q-1", "7", "", False),
    QuoteCancel(*head(2, ""), "q-1", "4"),
    RefusedRequest(*head(2), "D", RejectReason.INVALID_QTY, "no", 38, "a-1", *[""] * 7),
    GatewayStarted("gw1", 1),
]


@pytest.mark.parametrize("msg_type", list(RISKY))
def test_what_adds_risk_is_refused_under_its_own_name(msg_type: str) -> None:
    request = RISKY[msg_type]
    refusal = LATE.in_place_of(request)
    assert isinstance(refusal, RefusedRequest)
    for name in ("session_id", "session_epoch", "msg_seq_num", "durable_msg_seq_num", "received_ns", "firm", "symbol"):
        assert getattr(refusal, name) == getattr(request, name)
    assert (refusal.msg_type, refusal.reason, refusal.text) == (msg_type, RejectReason.HELD_TOO_LONG, TEXT)
    assert LATE.in_place_of(refusal) is refusal


@pytest.mark.parametrize("request_", HARMLESS, ids=lambda each: type(each).__name__)
def test_what_takes_risk_away_and_what_only_asks_stays_as_it_is(request_: Command) -> None:
    assert LATE.in_place_of(request_) is request_


ANSWERS = {
    "D": "35=8|6=0|11=a-1|14=0|17=0-3-0|37=NONE|38=5|39=8|40=2|44=189.50|54=1|55=AAPL|58=HELD_TOO_LONG: {}|59=0|"
    "60=20261120-12:00:00.000|103=4|150=8|151=0|",
    "G": "35=9|11=a-2|37=NONE|39=8|41=a-1|58=HELD_TOO_LONG: {}|60=20261120-12:00:00.000|102=99|434=2|",
    "E": "35=N|60=20261120-12:00:00.000|66=list-1|68=0|73=0|82=1|83=1|429=1|431=7|444=HELD_TOO_LONG: {}|",
    "i": "35=b|58=HELD_TOO_LONG: {}|117=q-1|297=5|300=4|",
}


@pytest.mark.parametrize("msg_type", list(RISKY))
def test_the_refusal_is_answered_as_the_gateway_answers_such_a_request(msg_type: str) -> None:
    engine = Engine(0, [AAPL], orders_max=10, finished_orders_max=10)
    (event,) = engine.apply(LATE.in_place_of(RISKY[msg_type]), 3).events  # type: ignore[arg-type]
    [(session_id, body)] = Reports({"AAPL": AAPL}).render(event, shard=0)
    assert (session_id, body.replace("\x01", "|")) == (SESSION, ANSWERS[msg_type].format(TEXT))


def test_an_order_without_a_price_is_refused_without_one() -> None:
    refusal = LATE.in_place_of(NewOrder(*head(2), "a-1", "", "1", "1", "0", 0, 5))
    assert isinstance(refusal, RefusedRequest)
    assert (refusal.price, refusal.order_qty, refusal.ord_type) == ("", "5", "1")


# A record in two versions


RECORDS: list[list[Command]] = [
    [GatewayStarted("gw1", 1)],
    [NewOrder(*head(2), "a-1", "", "1", "2", "0", 100, 5)],
    [
        NewOrder(*head(3), "a-2", "", "1", "2", "0", 101, 5),
        CancelOrder(*head(4), "a-3", "a-1", "1"),
        ReplaceOrder(*head(5), "a-4", "a-2", "1", "2", "0", 102, 5),
    ],
    [OrderStatusRequest(*head(6), "a-2", "", "1")],
]


def answered(*deliveries: tuple[int, bool]) -> tuple[list[tuple[int, str]], int]:
    """A matcher reads (number, was rewritten) in this order: each answer with its input, and how many orders live."""
    engine = Engine(0, [AAPL], orders_max=10, finished_orders_max=10)
    events: list[Event] = []
    for input_seq, (number, is_rewritten) in enumerate(deliveries, 1):
        commands = RECORDS[number - 1]
        if is_rewritten:
            commands = [LATE.in_place_of(command) for command in commands]
        events += engine.apply_record("gw1", 7, number, commands, input_seq)[0]
    told = [each for each in events if isinstance(each, PrivateEvent) and each.requester_session_id]
    return [
        (each.input_seq, f"{type(each).__name__} {getattr(each, 'reason', None) or ''}".strip()) for each in told
    ], (engine.live_order_count)


DONE = ["OrderAccepted", "OrderCanceled", "OrderReplaced"]
REFUSED = ["RequestRefused HELD_TOO_LONG", "OrderCanceled", "RequestRefused HELD_TOO_LONG"]


@pytest.mark.parametrize(
    ("deliveries", "fate"),
    [
        ([False, True], DONE),
        ([True, False], REFUSED),
        ([True, True], REFUSED),
        ([False, False, True], DONE),
        ([True, False, True], REFUSED),
    ],
)
def test_of_a_record_and_its_rewritten_self_the_first_in_the_log_counts_and_no_request_is_split(
    deliveries: list[bool], fate: list[str]
) -> None:
    versions = [(3, is_rewritten) for is_rewritten in deliveries]
    answers, live_orders = answered((1, False), (2, False), *versions, (4, False), (4, True))
    assert [said for seq, said in answers if seq == 3] == fate
    assert [said for seq, said in answers if seq == 2] == ["OrderAccepted"]
    assert len([seq for seq, _ in answers if seq > 3]) == 1  # the status request, once
    assert live_orders == (1 if fate == DONE else 0)


def test_a_rewritten_record_that_comes_before_its_turn_is_a_hole_like_any_other() -> None:
    answers, _ = answered((1, False), (3, True), (2, False), (3, False), (3, True))
    assert [said for seq, said in answers if seq == 4] == DONE
    assert len(answers) == 4
