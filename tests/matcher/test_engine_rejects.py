"""Every refusal of the engine, one row each: the request, the answer; and of two faults, the one that is named."""

from collections.abc import Callable

import pytest

from matcher.commands import RefusedRequest
from matcher.events import RequestRefused
from matcher.orders import (
    BUY,
    FILL_OR_KILL,
    IMMEDIATE_OR_CANCEL,
    MARKET,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
    SELL,
)
from matcher.rejects import RejectReason
from tests.matcher.desk import Desk

Request = Callable[[Desk], list[str]]


def desk_with_orders() -> Desk:
    """Bids only: `live` (now `named`, once `former`), `done` canceled by `gone`; no asks; full."""
    desk = Desk(orders_max=2)
    desk.new("former", BUY, 10, 100)
    desk.replace("named", "former", BUY, 10, 99)
    desk.new("done", BUY, 10, 98)
    desk.cancel("gone", "done", BUY)
    desk.new("other", BUY, 10, 97, symbol="OTHER")
    return desk


NEW: dict[str, tuple[Request, str]] = {
    "symbol": (lambda d: d.new("x", BUY, 10, 100, symbol="ZZZ"), "UNKNOWN_SYMBOL #0 x 0+0/10"),
    "no quantity": (lambda d: d.new("x", BUY, 0, 100), "INVALID_QTY #0 x 0+0/0"),
    "quantity": (lambda d: d.new("x", BUY, QTY_LOTS_MAX + 1, 100), f"INVALID_QTY #0 x 0+0/{QTY_LOTS_MAX + 1}"),
    "no price": (lambda d: d.new("x", BUY, 10, 0), "INVALID_PRICE #0 x 0+0/10"),
    "price": (lambda d: d.new("x", BUY, 10, PRICE_TICKS_MAX + 1), "INVALID_PRICE #0 x 0+0/10"),
    "id of a live order": (lambda d: d.new("named", BUY, 10, 100), "DUPLICATE_CL_ORD_ID #0 named 0+0/10"),
    "former id": (lambda d: d.new("former", BUY, 10, 100), "DUPLICATE_CL_ORD_ID #0 former 0+0/10"),
    "id of a finished order": (lambda d: d.new("done", BUY, 10, 100), "DUPLICATE_CL_ORD_ID #0 done 0+0/10"),
    "id of a cancel": (lambda d: d.new("gone", BUY, 10, 100), "DUPLICATE_CL_ORD_ID #0 gone 0+0/10"),
    "empty side": (lambda d: d.new("x", BUY, 10, ord_type=MARKET), "NO_OPPOSITE_SIDE #0 x 0+0/10"),
    "full": (lambda d: d.new("x", BUY, 10, 100), "BOOK_FULL #0 x 0+0/10"),
    "symbol, quantity": (lambda d: d.new("x", BUY, 0, 100, symbol="ZZZ"), "UNKNOWN_SYMBOL #0 x 0+0/0"),
    "quantity, price": (lambda d: d.new("x", BUY, 0, 0), "INVALID_QTY #0 x 0+0/0"),
    "price, id": (lambda d: d.new("named", BUY, 1, 0), "INVALID_PRICE #0 named 0+0/1"),
    "id, empty side": (lambda d: d.new("named", BUY, 1, ord_type=MARKET), "DUPLICATE_CL_ORD_ID #0 named 0+0/1"),
    "id, full": (lambda d: d.new("named", BUY, 1, 100), "DUPLICATE_CL_ORD_ID #0 named 0+0/1"),
}


@pytest.mark.parametrize("name", NEW)
def test_new_order_is_rejected(name: str) -> None:
    desk = desk_with_orders()
    request, answer = NEW[name]
    before = desk.engine.levels("TEST")
    assert request(desk) == [f"A1 rejected {answer} REJECTED"]
    assert (desk.increment, desk.engine.levels("TEST")) == (None, before)


CHANGE: dict[str, tuple[Request, str]] = {
    "cancel, id used": (
        lambda d: d.cancel("done", "named", BUY),
        "cancel rejected DUPLICATE_CL_ORD_ID done for named #1 NEW",
    ),
    "cancel, its own id": (
        lambda d: d.cancel("named", "named", BUY),
        "cancel rejected DUPLICATE_CL_ORD_ID named for named #1 NEW",
    ),
    "cancel, unknown": (
        lambda d: d.cancel("x", "nothing", BUY),
        "cancel rejected UNKNOWN_ORDER x for nothing #0 REJECTED",
    ),
    "cancel, symbol": (
        lambda d: d.cancel("x", "named", BUY, symbol="OTHER"),
        "cancel rejected SYMBOL_OR_SIDE_CHANGED x for named #1 NEW",
    ),
    "cancel, unknown symbol": (
        lambda d: d.cancel("x", "named", BUY, symbol="ZZZ"),
        "cancel rejected SYMBOL_OR_SIDE_CHANGED x for named #1 NEW",
    ),
    "cancel, side": (
        lambda d: d.cancel("x", "named", SELL),
        "cancel rejected SYMBOL_OR_SIDE_CHANGED x for named #1 NEW",
    ),
    "cancel, finished": (
        lambda d: d.cancel("x", "done", BUY),
        "cancel rejected TOO_LATE x for done #2 CANCELED",
    ),
    "cancel, by the id of a cancel": (
        lambda d: d.cancel("x", "gone", BUY),
        "cancel rejected TOO_LATE x for gone #2 CANCELED",
    ),
    "cancel, former id": (
        lambda d: d.cancel("x", "former", BUY),
        "cancel rejected TOO_LATE x for former #1 NEW",
    ),
    "cancel, id used and unknown": (
        lambda d: d.cancel("done", "nothing", BUY),
        "cancel rejected DUPLICATE_CL_ORD_ID done for nothing #0 REJECTED",
    ),
    "cancel, side and finished": (
        lambda d: d.cancel("x", "done", SELL),
        "cancel rejected SYMBOL_OR_SIDE_CHANGED x for done #2 CANCELED",
    ),
    "replace, to market": (
        lambda d: d.replace("x", "named", BUY, 10, 99, ord_type=MARKET),
        "replace rejected UNSUPPORTED_ORD_TYPE x for named #1 NEW",
    ),
    "replace, to IOC": (
        lambda d: d.replace("x", "named", BUY, 10, 99, time_in_force=IMMEDIATE_OR_CANCEL),
        "replace rejected UNSUPPORTED_TIME_IN_FORCE x for named #1 NEW",
    ),
    "replace, to FOK": (
        lambda d: d.replace("x", "named", BUY, 10, 99, time_in_force=FILL_OR_KILL),
        "replace rejected UNSUPPORTED_TIME_IN_FORCE x for named #1 NEW",
    ),
    "replace, quantity": (
        lambda d: d.replace("x", "named", BUY, 0, 99),
        "replace rejected INVALID_QTY x for named #1 NEW",
    ),
    "replace, price": (
        lambda d: d.replace("x", "named", BUY, 10, 0),
        "replace rejected INVALID_PRICE x for named #1 NEW",
    ),
    "replace, id used": (
        lambda d: d.replace("other", "named", BUY, 10, 99),
        "replace rejected DUPLICATE_CL_ORD_ID other for named #1 NEW",
    ),
    "replace, unknown": (
        lambda d: d.replace("x", "nothing", BUY, 10, 99),
        "replace rejected UNKNOWN_ORDER x for nothing #0 REJECTED",
    ),
    "replace, side": (
        lambda d: d.replace("x", "named", SELL, 10, 99),
        "replace rejected SYMBOL_OR_SIDE_CHANGED x for named #1 NEW",
    ),
    "replace, symbol": (
        lambda d: d.replace("x", "named", BUY, 10, 99, symbol="OTHER"),
        "replace rejected SYMBOL_OR_SIDE_CHANGED x for named #1 NEW",
    ),
    "replace, finished": (
        lambda d: d.replace("x", "done", BUY, 10, 99),
        "replace rejected TOO_LATE x for done #2 CANCELED",
    ),
    "replace, former id": (
        lambda d: d.replace("x", "former", BUY, 10, 99),
        "replace rejected TOO_LATE x for former #1 NEW",
    ),
    "replace, quantity and unknown": (
        lambda d: d.replace("x", "nothing", BUY, 0, 99),
        "replace rejected INVALID_QTY x for nothing #0 REJECTED",
    ),
}


@pytest.mark.parametrize("name", CHANGE)
def test_cancel_and_replace_are_rejected(name: str) -> None:
    desk = desk_with_orders()
    request, answer = CHANGE[name]
    before = desk.engine.levels("TEST")
    assert request(desk) == [f"A1 {answer}"]
    assert (desk.increment, desk.engine.levels("TEST")) == (None, before)


def test_other_firms_orders_are_unknown_and_their_cl_ord_ids_are_free() -> None:
    desk = desk_with_orders()
    assert desk.cancel("x", "named", BUY, session="B1") == ["B1 cancel rejected UNKNOWN_ORDER x for named #0 REJECTED"]
    assert desk.cancel("named", "y", BUY, session="B1") == ["B1 cancel rejected UNKNOWN_ORDER named for y #0 REJECTED"]


def test_a_refused_request_does_not_use_up_its_cl_ord_id() -> None:
    desk = Desk()
    assert "NO_OPPOSITE_SIDE" in desk.new("a1", BUY, 10, ord_type=MARKET)[0]
    assert "UNKNOWN_ORDER" in desk.cancel("a1", "nothing", BUY)[0]
    assert desk.new("a1", BUY, 10, 100) == ["A1 accepted #1 a1 0+10/10 NEW"]


def test_a_full_book_still_trades_and_has_room_again_after_a_cancel() -> None:
    desk = desk_with_orders()
    ioc = desk.new("ioc", SELL, 1, 99, time_in_force=IMMEDIATE_OR_CANCEL, session="B1")
    assert ioc[1].startswith("B1 filled 1@99")
    desk.cancel("c", "named", BUY)
    assert "accepted" in desk.new("x", BUY, 10, 100)[0]


def test_the_limits_themselves_are_accepted() -> None:
    desk = Desk()
    assert desk.new("a1", BUY, QTY_LOTS_MAX, PRICE_TICKS_MAX) == [
        f"A1 accepted #1 a1 0+{QTY_LOTS_MAX}/{QTY_LOTS_MAX} NEW"
    ]
    desk.new("s1", SELL, QTY_LOTS_MAX, PRICE_TICKS_MAX, session="B1")
    assert desk.outputs[-1].events[1].order.cum_value == QTY_LOTS_MAX * PRICE_TICKS_MAX < 2**63
    desk.engine.dump()


def test_every_reject_says_what_to_do() -> None:
    for request, _ in (*NEW.values(), *CHANGE.values()):
        desk = desk_with_orders()
        request(desk)
        [event] = desk.outputs[-1].events
        assert event.text
        assert "\x01" not in event.text


def test_a_request_that_the_gateway_refused_is_answered_with_its_own_words() -> None:
    desk = Desk()
    texts = ("price is not a multiple", 44, "a1", "a0", "req", "1", "2", "0", "1.005", "7")
    request = RefusedRequest("A1", 1, 17, 16, 99, "A", "TEST", "D", RejectReason.PRICE_OFF_TICK, *texts)
    desk.apply(request)
    assert desk.outputs[-1].events == [
        RequestRefused(
            input_seq=1,
            event_index=0,
            transact_ns=99,
            requester_session_id="A1",
            msg_seq_num=17,
            msg_type="D",
            reason=RejectReason.PRICE_OFF_TICK,
            text="price is not a multiple",
            ref_tag=44,
            symbol="TEST",
            cl_ord_id="a1",
            orig_cl_ord_id="a0",
            ord_status_req_id="req",
            side="1",
            ord_type="2",
            time_in_force="0",
            price="1.005",
            order_qty="7",
        )
    ]
    assert desk.increment is None
