"""Orders that depend on each other: one cancels the other, one triggers the others."""

import pytest

from matcher.commands import ListedOrder
from matcher.orders import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    BUY,
    FILL_OR_KILL,
    GOOD_TILL_DATE,
    IMMEDIATE_OR_CANCEL,
    MARKET,
    PEGGED,
    SELL,
    STOP,
    STOP_LIMIT,
)
from tests.matcher.venue_desk import DONE, VenueDesk, leg, told_event

OCO, OTO = "1", "2"
B = "B1"


def test_a_list_that_is_taken() -> None:
    """LIST-2: all legs accepted, the status, then the active legs are worked in order."""
    desk = VenueDesk()
    desk.new("s", SELL, 1, 101, session=B)
    assert desk.new_list("L", OCO, leg("x", BUY, 5, 99), leg("y", BUY, 5, 101)) == [
        "A1 accepted #2 x 0+5/5 NEW",
        "A1 accepted #3 y 0+5/5 NEW",
        "A1 list L executing: x NEW 0, y NEW 0",
        "A1 filled 1@101 match 1 incoming #3 y 1+4/5 PARTIALLY_FILLED",
        "filled 1@101 match 1 resting #1 s 1+0/1 FILLED",
        "canceled (L) #2 x 0+0/5 CANCELED",
        "list L executing: x CANCELED 0, y PARTIALLY_FILLED 1",
    ]
    assert desk.public == ["new bid 4@101", "delete ask 0@101", "trade 1@101 bid"]


def test_if_the_first_leg_trades_on_entry_the_second_never_becomes_active() -> None:
    """OCO-1."""
    desk = VenueDesk()
    desk.new("s", SELL, 9, 101, session=B)
    assert desk.new_list("L", OCO, leg("x", BUY, 5, 101), leg("y", BUY, 5, 101)) == [
        "A1 accepted #2 x 0+5/5 NEW",
        "A1 accepted #3 y 0+5/5 NEW",
        "A1 list L executing: x NEW 0, y NEW 0",
        "A1 filled 5@101 match 1 incoming #2 x 5+0/5 FILLED",
        "filled 5@101 match 1 resting #1 s 5+4/9 PARTIALLY_FILLED",
        "canceled (L) #3 y 0+0/5 CANCELED",
        "list L done: x FILLED 5, y CANCELED 0",
    ]


def test_in_one_sweep_both_legs_can_never_fill() -> None:
    """OCO-1: the other leg is gone before the sweep comes to it; what follows it trades."""
    desk = VenueDesk()
    desk.new_list("L", OCO, leg("x", SELL, 5, 100), leg("y", SELL, 5, 101))
    desk.new("z", SELL, 5, 102, session="C1")
    assert desk.new("b", BUY, 8, 105, session=B) == [
        "B1 accepted #4 b 0+8/8 NEW",
        "B1 filled 5@100 match 1 incoming #4 b 5+3/8 PARTIALLY_FILLED",
        "filled 5@100 match 1 resting #1 x 5+0/5 FILLED",
        "canceled (L) #2 y 0+0/5 CANCELED",
        "B1 filled 3@102 match 2 incoming #4 b 8+0/8 FILLED",
        "filled 3@102 match 2 resting #3 z 3+2/5 PARTIALLY_FILLED",
        "list L done: x FILLED 5, y CANCELED 0",
    ]


def test_a_partial_fill_cancels_the_other_leg_too() -> None:
    """OCO-1: "trades at all"; the rest of the one that traded goes on."""
    desk = VenueDesk()
    desk.new_list("L", OCO, leg("x", SELL, 5, 100), leg("y", SELL, 5, 101))
    assert desk.new("b", BUY, 1, 100, session=B)[3:] == [
        "canceled (L) #2 y 0+0/5 CANCELED",
        "list L executing: x PARTIALLY_FILLED 1, y CANCELED 0",
    ]
    assert desk.new("b2", BUY, 1, 100, session=B)[3:] == []
    assert desk.cancel("c", "x", SELL) == [
        "A1 canceled by c for x #1 x 2+0/5 CANCELED",
        "list L done: x CANCELED 2, y CANCELED 0",
    ]


def test_a_take_profit_and_a_stop() -> None:
    """OCO-1, STOP-1: triggering alone does not cancel the other leg; the trade that follows it does."""
    desk = VenueDesk()
    desk.new_list(
        "L", OCO, leg("profit", SELL, 5, 110), leg("stop", SELL, 5, 94, ord_type=STOP_LIMIT, stop_price_ticks=95)
    )
    desk.trade(95)
    assert [told_event(event) for event in desk.outputs[-1].events[3:]] == ["triggered #2 stop 0+5/5 NEW"]
    assert desk.engine.levels("TEST")[1] == [(94, 5, 1), (110, 5, 1)]
    assert desk.new("b", BUY, 2, 94, session=B)[1:] == [
        "B1 filled 2@94 match 2 incoming #5 b 2+0/2 FILLED",
        "filled 2@94 match 2 resting #2 stop 2+3/5 PARTIALLY_FILLED",
        "canceled (L) #1 profit 0+0/5 CANCELED",
        "list L executing: profit CANCELED 0, stop PARTIALLY_FILLED 2",
    ]


@pytest.mark.parametrize("canceled", ["x", "y"])
def test_canceling_a_leg_cancels_the_other(canceled: str) -> None:
    """LIST-3: also by another session of the firm."""
    desk = VenueDesk()
    desk.new_list("L", OCO, leg("x", BUY, 5, 90), leg("y", BUY, 5, 91))
    other = "y" if canceled == "x" else "x"
    events = desk.cancel("c", canceled, BUY, session="A2")
    assert [event.split(" #")[0] for event in events] == [
        f"A2 canceled by c for {canceled}",
        "canceled (L)",
        "list L done: x CANCELED 0, y CANCELED 0",
    ]
    assert f" {other} " in events[1]
    assert desk.engine.live_order_count == 0


def test_a_replaced_leg_stays_one() -> None:
    """REPLACE-1: it keeps its list, whatever the replace says."""
    desk = VenueDesk()
    desk.new_list("L", OCO, leg("x", SELL, 5, 100), leg("y", SELL, 5, 101))
    assert desk.replace("x2", "x", SELL, 5, 99) == ["A1 replaced x #1 x2 0+5/5 NEW"]
    assert desk.new("b", BUY, 5, 99, session=B)[3:] == [
        "canceled (L) #2 y 0+0/5 CANCELED",
        "list L done: x2 FILLED 5, y CANCELED 0",
    ]


def test_a_replace_to_what_is_filled_ends_the_leg() -> None:
    """REPLACE-1, LIST-4."""
    desk = VenueDesk()
    desk.new_list("L", OTO, leg("x", SELL, 5, 100), leg("y", BUY, 5, 90))
    desk.new("b", BUY, 2, 100, session=B)
    assert desk.replace("x2", "x", SELL, 2, 100) == [
        "A1 replaced x #1 x2 2+0/2 FILLED",
        "triggered #2 y 0+5/5 NEW",
        "list L executing: x2 FILLED 2, y NEW 0",
    ]


def test_the_second_order_waits_until_the_first_is_filled_completely() -> None:
    """OTO-1: held L; a partial fill does not set it free."""
    desk = VenueDesk()
    assert desk.new_list("L", OTO, leg("x", BUY, 5, 100), leg("y", SELL, 5, 105)) == [
        "A1 accepted #1 x 0+5/5 NEW",
        "A1 accepted #2 y 0+5/5 NEW waits L",
        "A1 list L executing: x NEW 0, y NEW 0",
    ]
    assert desk.public == ["new bid 5@100"]
    assert desk.new("s", SELL, 4, 100, session=B)[3:] == ["list L executing: x PARTIALLY_FILLED 4, y NEW 0"]
    desk.restart()
    assert desk.new("s2", SELL, 1, 100, session=B)[3:] == [
        "triggered #2 y 0+5/5 NEW",
        "list L executing: x FILLED 5, y NEW 0",
    ]
    assert desk.public == ["delete bid 0@100", "new ask 5@105", "trade 1@100 ask"]


def test_the_first_order_may_trade_at_once() -> None:
    """OTO-1, ORDER-2: the others come in after its own work, and trade if they can; they are told first."""
    desk = VenueDesk()
    desk.new("s", SELL, 5, 100, session=B)
    desk.new("b", BUY, 9, 95, session=B)
    legs = (
        leg("x", BUY, 5, ord_type=MARKET),
        leg("y", SELL, 3, 95),
        leg("z", SELL, 5, ord_type=STOP, stop_price_ticks=90),
    )
    assert desk.new_list("L", OTO, *legs)[4:] == [
        "A1 filled 5@100 match 1 incoming #3 x 5+0/5 FILLED",
        "filled 5@100 match 1 resting #1 s 5+0/5 FILLED",
        "triggered #4 y 0+3/3 NEW",
        "triggered #5 z 0+5/5 NEW waits T stop 90",
        "filled 3@95 match 2 incoming #4 y 3+0/3 FILLED",
        "filled 3@95 match 2 resting #2 b 3+6/9 PARTIALLY_FILLED",
        "canceled (L) #5 z 0+0/5 CANCELED stop 90",
        "list L done: x FILLED 5, y FILLED 3, z CANCELED 0",
    ]


def test_two_orders_that_were_set_free_cancel_each_other() -> None:
    """OTO-1 and OCO-1: one-triggers-a-one-cancels-other."""
    desk = VenueDesk()
    desk.new_list(
        "L", OTO, leg("x", BUY, 5, 100), leg("y", SELL, 5, 105), leg("z", SELL, 5, ord_type=STOP, stop_price_ticks=90)
    )
    desk.new("s", SELL, 5, 100, session=B)
    assert desk.new("b", BUY, 1, 105, session=B)[3:] == [
        "canceled (L) #3 z 0+0/5 CANCELED stop 90",
        "list L executing: x FILLED 5, y PARTIALLY_FILLED 1, z CANCELED 0",
    ]


@pytest.mark.parametrize("kind", ["cancel", "expiry", "day"])
def test_if_the_first_order_ends_otherwise_the_others_are_canceled(kind: str) -> None:
    """OTO-1: also after a partial fill."""
    desk = VenueDesk()
    first = leg("x", BUY, 5, 100, time_in_force=GOOD_TILL_DATE, expire_ns=5_000) if kind == "expiry" else None
    waiting = leg("y", SELL, 5, 105, time_in_force="1")
    desk.new_list("L", OTO, first or leg("x", BUY, 5, 100), waiting)
    desk.new("s", SELL, 1, 100, session=B)
    ends = {
        "cancel": lambda: desk.cancel("c", "x", BUY),
        "expiry": lambda: desk.fire_timer(5_000),
        "day": lambda: desk.end_day("20250303"),
    }
    status = "CANCELED" if kind == "cancel" else "EXPIRED"
    assert ends[kind]()[1:] == [
        "canceled (L) #2 y 0+0/5 CANCELED",
        f"list L done: x {status} 1, y CANCELED 0",
    ]


def test_canceling_an_order_that_waits_cancels_the_others_that_wait() -> None:
    """LIST-3: the first goes on."""
    desk = VenueDesk()
    desk.new_list("L", OTO, leg("x", BUY, 5, 100), leg("y", SELL, 5, 105), leg("z", SELL, 5, 106))
    assert desk.cancel("c", "y", SELL) == [
        "A1 canceled by c for y #2 y 0+0/5 CANCELED",
        "canceled (L) #3 z 0+0/5 CANCELED",
        "list L executing: x NEW 0, y CANCELED 0, z CANCELED 0",
    ]
    assert desk.new("s", SELL, 5, 100, session=B)[3:] == ["list L done: x FILLED 5, y CANCELED 0, z CANCELED 0"]


def test_orders_are_set_free_only_where_the_phase_takes_orders() -> None:
    """OTO-1: until then they go on waiting; here the closing auction fills the first, the next day takes the other."""
    desk = VenueDesk()
    desk.set_phase("4", ends_ns=5_000)
    desk.new_list("L", OTO, leg("x", BUY, 5, 100), leg("y", SELL, 5, 105, time_in_force="1"))
    desk.new("s", SELL, 5, 100, session=B)
    assert desk.fire_timer(5_000)[2:] == ["list L executing: x FILLED 5, y NEW 0"]
    assert desk.status("y", SELL) == ["A1 status known #2 y 0+5/5 NEW waits L"]
    desk.restart()
    assert desk.set_phase("1") == [DONE, "triggered #2 y 0+5/5 NEW"]
    assert desk.status("y", SELL) == ["A1 status known #2 y 0+5/5 NEW"]


def test_a_leg_that_waits_cannot_be_replaced() -> None:
    """REPLACE-3."""
    desk = VenueDesk()
    desk.new_list("L", OTO, leg("x", BUY, 5, 100), leg("y", SELL, 5, 105))
    assert desk.replace("y2", "y", SELL, 5, 106) == ["A1 replace rejected UNSUPPORTED_INSTRUCTION y2 for y #2 NEW"]


def test_a_leg_that_meets_its_other_leg_cancels_it() -> None:
    """OCO-1: whatever self-match prevention would say; it goes on against the others."""
    desk = VenueDesk()
    desk.new("b", BUY, 1, 99, session=B)
    assert desk.new_list("L", OCO, leg("x", BUY, 5, 100), leg("y", SELL, 5, 99))[3:] == [
        "canceled (L) #2 x 0+0/5 CANCELED",
        "A1 filled 1@99 match 1 incoming #3 y 1+4/5 PARTIALLY_FILLED",
        "filled 1@99 match 1 resting #1 b 1+0/1 FILLED",
        "list L executing: x CANCELED 0, y PARTIALLY_FILLED 1",
    ]


def test_fill_or_kill_counts_one_leg_only() -> None:
    """LIMIT-1, OCO-1: what would be gone after the first leg's fill cannot be reached."""
    desk = VenueDesk()
    desk.new_list("L", OCO, leg("x", SELL, 5, 100), leg("y", SELL, 5, 100))
    events = desk.new("fok", BUY, 6, 100, time_in_force=FILL_OR_KILL, session=B)
    assert [event.split(" ")[1] for event in events] == ["accepted", "canceled"]
    assert desk.new("fok2", BUY, 5, 100, time_in_force=FILL_OR_KILL, session=B)[1].startswith("B1 filled 5@100")


REFUSED: dict[str, tuple[str, tuple[ListedOrder, ...], str]] = {
    "one order": (OCO, (leg("x", BUY, 1, 90),), "UNSUPPORTED_INSTRUCTION"),
    "three of one-cancels-other": (OCO, tuple(leg(c, BUY, 1, 90) for c in "xyz"), "UNSUPPORTED_INSTRUCTION"),
    "four": (OTO, tuple(leg(c, BUY, 1, 90) for c in "wxyz"), "UNSUPPORTED_INSTRUCTION"),
    "59=3": (
        OCO,
        (leg("x", BUY, 1, 90), leg("y", BUY, 1, 90, time_in_force=IMMEDIATE_OR_CANCEL)),
        "UNSUPPORTED_INSTRUCTION",
    ),
    "59=4": (OTO, (leg("x", BUY, 1, 90, time_in_force=FILL_OR_KILL), leg("y", BUY, 1, 90)), "UNSUPPORTED_INSTRUCTION"),
    "59=2": (
        OTO,
        (leg("x", BUY, 1, 90, time_in_force=AT_THE_OPENING), leg("y", BUY, 1, 90)),
        "UNSUPPORTED_INSTRUCTION",
    ),
    "59=7": (OTO, (leg("x", BUY, 1, 90), leg("y", BUY, 1, 90, time_in_force=AT_THE_CLOSE)), "UNSUPPORTED_INSTRUCTION"),
    "pegged": (
        OTO,
        (leg("x", BUY, 1, 90), leg("y", BUY, 1, ord_type=PEGGED, peg_price_type="5")),
        "UNSUPPORTED_INSTRUCTION",
    ),
    "quantity": (OTO, (leg("x", BUY, 1, 90), leg("y", BUY, 0, 90)), "INVALID_QTY"),
    "the first that is at fault": (OTO, (leg("x", BUY, 1, 0), leg("y", BUY, 0, 90)), "INVALID_PRICE"),
    "a ClOrdID that was used": (OTO, (leg("x", BUY, 1, 90), leg("old", BUY, 1, 90)), "DUPLICATE_CL_ORD_ID"),
    "one ClOrdID twice": (OTO, (leg("x", BUY, 1, 90), leg("x", BUY, 1, 90)), "DUPLICATE_CL_ORD_ID"),
    "a market order with nothing to meet": (
        OTO,
        (leg("x", BUY, 1, ord_type=MARKET), leg("y", BUY, 1, 90)),
        "NO_OPPOSITE_SIDE",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_list_is_refused_whole(name: str) -> None:
    """LIST-1: each leg with the same reason, then the list; nothing is used up."""
    desk = VenueDesk()
    desk.new("old", BUY, 1, 80)
    contingency, legs, reason = REFUSED[name]
    kind = "1" if contingency == OCO else "2"
    rows = ", ".join(f"{order.cl_ord_id} REJECTED 0" for order in legs)
    assert desk.new_list("L", kind, *legs) == [  # type: ignore[arg-type]
        *(f"A1 rejected {reason} {order.cl_ord_id}" for order in legs),
        f"A1 list L rejected {reason}: {rows}",
    ]
    assert desk.engine.live_order_count == 1
    assert desk.new_list("L", OCO, leg("x", BUY, 1, 90), leg("y", BUY, 1, 91))[0] == "A1 accepted #2 x 0+1/1 NEW"


def test_an_order_that_waits_needs_no_opposite_side_yet() -> None:
    """LIST-1, OTO-1: when it comes in and there is none, it is canceled."""
    desk = VenueDesk()
    assert desk.new_list("L", OTO, leg("x", BUY, 1, 100), leg("y", BUY, 1, ord_type=MARKET))[2].startswith(
        "A1 list L executing"
    )
    events = desk.new("s", SELL, 1, 100, session=B)[3:]
    assert [event.split(" ")[0] for event in events] == ["triggered", "canceled", "list"]


def test_a_list_id_is_known_as_long_as_one_of_its_orders_is() -> None:
    """LIST-1: per firm; then it may be used again."""
    desk = VenueDesk(finished_orders_max=2)
    desk.new_list("L", OCO, leg("x", BUY, 1, 90), leg("y", BUY, 1, 91))
    assert desk.new_list("L", OCO, leg("v", BUY, 1, 90), leg("w", BUY, 1, 91))[0] == "A1 rejected DUPLICATE_CL_ORD_ID v"
    assert desk.new_list("L", OCO, leg("x", BUY, 1, 90), leg("y", BUY, 1, 91), session=B)[0].startswith("B1 accepted")
    desk.cancel("c", "x", BUY)
    assert desk.new_list("L", OCO, leg("v", BUY, 1, 90), leg("w", BUY, 1, 91))[0] == "A1 rejected DUPLICATE_CL_ORD_ID v"
    for number in range(2):
        desk.new(f"o{number}", BUY, 1, 90)
        desk.cancel(f"d{number}", f"o{number}", BUY)
    assert desk.new_list("L", OCO, leg("v", BUY, 1, 90), leg("w", BUY, 1, 91))[0].startswith("A1 accepted")
    desk.restart()
    desk.cancel("e", "v", BUY)
    for number in range(3):
        desk.new_list(f"M{number}", OCO, leg(f"m{number}", BUY, 1, 90), leg(f"n{number}", BUY, 1, 90))
        desk.cancel(f"f{number}", f"m{number}", BUY)
    assert len(desk.engine._floor.lists.state().lists) <= 3, "lists were not forgotten"


def test_a_list_of_an_unknown_symbol() -> None:
    """LIST-1."""
    desk = VenueDesk()
    events = desk.new_list("L", OCO, leg("x", BUY, 1, 90), leg("y", BUY, 1, 91), symbol="NONE")
    assert events[-1] == "A1 list L rejected UNKNOWN_SYMBOL: x REJECTED 0, y REJECTED 0"
