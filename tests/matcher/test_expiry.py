"""What ends by time: the day, a date, a moment, an auction."""

import pytest

from matcher.commands import QuoteEntry
from matcher.orders import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    BUY,
    GOOD_TILL_CANCEL,
    GOOD_TILL_DATE,
    PEGGED,
    SELL,
    STOP,
)
from tests.matcher.venue_desk import DONE, VenueDesk, leg


def test_the_end_of_the_day_takes_what_is_of_the_day() -> None:
    """DAY-1: DAY orders wherever they wait, in order of OrderID; neither those good till canceled nor a later date."""
    desk = VenueDesk()
    desk.new("day", BUY, 1, 90)
    desk.new("gtc", BUY, 1, 90, time_in_force=GOOD_TILL_CANCEL)
    desk.new("today", BUY, 1, 91, time_in_force=GOOD_TILL_DATE, expire_date=20250303)
    desk.new("tomorrow", BUY, 1, 91, time_in_force=GOOD_TILL_DATE, expire_date=20250304)
    desk.new("stop", SELL, 1, ord_type=STOP, stop_price_ticks=50)
    desk.new("peg", SELL, 1, ord_type=PEGGED, peg_price_type="5")
    desk.new("close", SELL, 1, 120, time_in_force=AT_THE_CLOSE)
    desk.new("moment", SELL, 1, 121, time_in_force=GOOD_TILL_DATE, expire_ns=9_000)
    desk.quote(QuoteEntry("q", "TEST", 80, 1, 130, 1))
    desk.new("other", BUY, 1, 90, symbol="OTHER")
    assert desk.end_day("20250303") == [
        "expired #1 day 0+0/1 EXPIRED",
        "expired #3 today 0+0/1 EXPIRED",
        "expired #5 stop 0+0/1 EXPIRED stop 50",
        "expired #6 peg 0+0/1 EXPIRED at 121",
        "expired #7 close 0+0/1 EXPIRED",
        "expired #9 q 0+0/1 EXPIRED",
        "expired #10 q 0+0/1 EXPIRED",
    ]
    assert desk.engine.live_order_count == 4


def test_orders_for_the_opening_that_never_came_expire_with_the_day() -> None:
    """DAY-1, OPEN-1."""
    desk = VenueDesk()
    desk.set_phase("1")
    desk.new("open", BUY, 1, 90, time_in_force=AT_THE_OPENING)
    assert desk.end_day("20250303") == ["expired #1 open 0+0/1 EXPIRED"]


def test_a_day_ends_once() -> None:
    """EndTradingDay: the same day again, or an older one, changes nothing; nor does one of an unknown symbol."""
    desk = VenueDesk()
    desk.end_day("20250303")
    desk.new("day", BUY, 1, 90)
    assert desk.end_day("20250303") == desk.end_day("20250302") == desk.end_day("20250304", symbol="NONE") == []
    assert desk.end_day("20250304") == ["expired #1 day 0+0/1 EXPIRED"]


def test_orders_good_till_a_moment_expire_in_order_of_their_time() -> None:
    """GTD-1: then by OrderID; one at or after the timer."""
    desk = VenueDesk()
    for cl_ord_id, expire_ns in (("c", 3_000), ("a", 2_000), ("b", 2_000), ("d", 4_000)):
        desk.new(cl_ord_id, BUY, 1, 90, time_in_force=GOOD_TILL_DATE, expire_ns=expire_ns)
    assert desk.engine.next_deadline_ns == 2_000
    assert desk.fire_timer(1_999) == []
    assert desk.engine.deadlines_due(2_000) == {"TEST": 2_000}
    assert desk.fire_timer(3_000) == [
        "expired #2 a 0+0/1 EXPIRED",
        "expired #3 b 0+0/1 EXPIRED",
        "expired #1 c 0+0/1 EXPIRED",
    ]
    assert desk.engine.next_deadline_ns == 4_000
    assert desk.fire_timer(3_000) == []


def test_deadlines_are_forgotten_with_their_orders_and_follow_replaces() -> None:
    """GTD-1, REPLACE-2."""
    desk = VenueDesk()
    desk.new("a", BUY, 1, 90, time_in_force=GOOD_TILL_DATE, expire_ns=2_000)
    desk.new("b", BUY, 1, 90, time_in_force=GOOD_TILL_DATE, expire_ns=3_000)
    desk.cancel("c", "a", BUY)
    assert desk.engine.next_deadline_ns == 3_000
    desk.replace("b2", "b", BUY, 1, 90, time_in_force=GOOD_TILL_DATE, expire_ns=5_000)
    assert desk.engine.next_deadline_ns == 5_000
    desk.replace("b3", "b2", BUY, 1, 90)
    assert desk.engine.next_deadline_ns == 0
    desk.new("d", BUY, 1, 91, time_in_force=GOOD_TILL_DATE, expire_ns=7_000)
    desk.new("s", SELL, 1, 91, session="B1")
    assert desk.engine.next_deadline_ns == 0


def test_deadlines_are_there_after_a_restart() -> None:
    """GTD-1, PHASE-6."""
    desk = VenueDesk()
    desk.new("a", BUY, 1, 90, time_in_force=GOOD_TILL_DATE, expire_ns=2_000, symbol="OTHER")
    desk.set_phase("2", ends_ns=1_500)
    desk.restart()
    assert desk.engine.deadlines_due(2_000) == {"TEST": 1_500, "OTHER": 2_000}


@pytest.mark.parametrize("expire_ns", [5_000, 6_000])
def test_an_auction_ends_before_what_is_good_as_long_as_it(expire_ns: int) -> None:
    """GTD-1, PHASE-6: in order of time, of the same time the auction first, however late the timer comes."""
    desk = VenueDesk()
    desk.set_phase("2", ends_ns=5_000)
    desk.new("b", BUY, 2, 100, time_in_force=GOOD_TILL_DATE, expire_ns=expire_ns)
    desk.new("s", SELL, 1, 100, session="B1")
    assert desk.fire_timer(9_000) == [
        "filled 1@100 match 1 auction #1 b 1+1/2 PARTIALLY_FILLED",
        "filled 1@100 match 1 auction #2 s 1+0/1 FILLED",
        "expired #1 b 1+0/2 EXPIRED",
    ]


def test_what_ended_before_the_auction_is_not_in_it() -> None:
    """GTD-1."""
    desk = VenueDesk()
    desk.set_phase("2", ends_ns=5_000)
    desk.new("b", BUY, 2, 100, time_in_force=GOOD_TILL_DATE, expire_ns=4_999)
    desk.new("s", SELL, 1, 100, session="B1")
    assert desk.fire_timer(9_000) == ["expired #1 b 0+0/2 EXPIRED"]


def test_both_legs_of_a_list_expire_with_the_day() -> None:
    """DAY-1, LIST-4: each with its own event, then the list is done."""
    desk = VenueDesk()
    desk.new_list("L", "1", leg("x", BUY, 1, 90), leg("y", BUY, 1, 91))
    assert desk.end_day("20250303") == [
        "expired #1 x 0+0/1 EXPIRED",
        "expired #2 y 0+0/1 EXPIRED",
        "list L done: x EXPIRED 0, y EXPIRED 0",
    ]


EXPIRED_ALREADY = {
    "a time that has come": {"expire_ns": 1_000},
    "a time that is past": {"expire_ns": 999},
    "a day that has ended": {"expire_date": 20250303},
}


@pytest.mark.parametrize("name", EXPIRED_ALREADY)
def test_an_order_that_would_have_expired_already(name: str) -> None:
    """GTD-1."""
    desk = VenueDesk()
    desk.end_day("20250303")
    answer = desk.new("x", BUY, 1, 90, time_in_force=GOOD_TILL_DATE, **EXPIRED_ALREADY[name])
    assert answer == ["A1 rejected INVALID_EXPIRY x"]
    assert desk.set_phase("5") == [DONE]
