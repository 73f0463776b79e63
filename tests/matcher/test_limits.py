"""What firms and sessions may do, how it is counted, and what happens to those who may nothing."""

from typing import Any

import pytest

from matcher.commands import QuoteEntry
from matcher.instruments import Increment, TradingRules
from matcher.operator_commands import Limits
from matcher.orders import BUY, IMMEDIATE_OR_CANCEL, MARKET, SELL, STOP
from tests.matcher.venue_desk import DONE, VenueDesk, instrument, leg

# A tick of TEST is 0.01, a lot is 1, the reference price 1.00: 100 lots at the reference are worth 100.
AT_THE_LIMIT: dict[str, tuple[dict[str, Any], tuple[int, int], tuple[int, int], str]] = {
    # limits, the order that is still taken, and the one that is not: (lots, price in ticks); 0 is a market order
    "quantity": ({"qty_lots_max": 10}, (10, 90), (11, 90), "QTY_ABOVE_LIMIT"),
    "notional": ({"notional_max": 9}, (10, 90), (10, 91), "NOTIONAL_ABOVE_LIMIT"),
    "notional of a market order": ({"notional_max": 10}, (10, 0), (11, 0), "NOTIONAL_ABOVE_LIMIT"),
    "exposure": ({"exposure_max": 9}, (10, 90), (10, 91), "EXPOSURE_ABOVE_LIMIT"),
}


@pytest.mark.parametrize("whose", [("A", ""), ("A", "A1")], ids=["firm", "session"])
@pytest.mark.parametrize("name", AT_THE_LIMIT)
def test_what_is_at_the_limit_and_what_is_above(name: str, whose: tuple[str, str]) -> None:
    """LIMIT-2: of the firm and of the session, exactly."""
    limits, taken, refused, reason = AT_THE_LIMIT[name]
    desk = VenueDesk()
    desk.new("offer", SELL, 100, 100, session="B1")
    assert desk.set_limits(*whose, **limits) == [DONE]
    for cl_ord_id, (qty_lots, price_ticks) in (("x", refused), ("y", taken)):
        answer = desk.new(cl_ord_id, BUY, qty_lots, price_ticks, ord_type="2" if price_ticks else MARKET)
        assert answer[0].startswith("A1 accepted") if cl_ord_id == "y" else answer == [f"A1 rejected {reason} x"]


def test_open_orders_are_counted_wherever_they_wait() -> None:
    """LIMIT-2: of the session and of the firm, over all symbols; an order that ends makes room."""
    desk = VenueDesk()
    desk.new("before", BUY, 1, 90)
    desk.set_limits("A", open_orders_max=3)
    desk.set_limits("A", "A2", open_orders_max=1)
    desk.new("stop", BUY, 1, ord_type=STOP, stop_price_ticks=120)
    desk.new("other", BUY, 1, 90, session="A2", symbol="OTHER")
    assert desk.new("x", BUY, 1, 90) == ["A1 rejected OPEN_ORDERS_ABOVE_LIMIT x"]
    desk.cancel("c", "before", BUY)
    assert desk.new("x", BUY, 1, 90, session="A2") == ["A2 rejected OPEN_ORDERS_ABOVE_LIMIT x"]
    assert desk.new("x", BUY, 1, 90)[0].startswith("A1 accepted")
    assert desk.new("y", BUY, 1, 90, time_in_force=IMMEDIATE_OR_CANCEL) == ["A1 rejected OPEN_ORDERS_ABOVE_LIMIT y"]
    desk.new("s", SELL, 1, 90, session="B1")
    assert desk.new("y", BUY, 1, 90)[0].startswith("A1 accepted")


def test_exposure_follows_fills_and_the_reference_price() -> None:
    """LIMIT-2: what is open counts at its limit, an order without a price at the reference price of now."""
    desk = VenueDesk()
    desk.set_limits("A", exposure_max=20)
    desk.new("priced", BUY, 10, 90)  # 9.00
    desk.new("stop", BUY, 10, ord_type=STOP, stop_price_ticks=300)  # 10.00
    assert desk.new("x", BUY, 2, 90) == ["A1 rejected EXPOSURE_ABOVE_LIMIT x"]
    desk.new("s", SELL, 1, 90, session="B1")  # leaves 8.10
    assert desk.new("x", BUY, 2, 90)[0].startswith("A1 accepted")  # 1.80: 19.90
    desk.set_reference_price(101)  # 20.00
    assert desk.new("y", BUY, 1, 1) == ["A1 rejected EXPOSURE_ABOVE_LIMIT y"]
    desk.set_reference_price(50)
    assert desk.new("y", BUY, 1, 1)[0].startswith("A1 accepted")


def test_values_are_exact_whatever_the_decimal_places() -> None:
    """LIMIT-2: a tick of 0.000001 and a lot of 0.001; over symbols of different decimal places, without rounding."""
    desk = VenueDesk()
    desk.define(instrument("FINE", tick=Increment(1, 6), lot=Increment(1, 3), reference_price_ticks=10**6))
    desk.set_limits("A", exposure_max=1)
    desk.new("a", BUY, 99, 100)  # 99.00
    assert desk.outputs[-1].events[0].order.ord_status == "8"  # type: ignore[union-attr]
    desk.new("b", BUY, 1, 99)  # 0.99
    assert desk.new("c", BUY, 100, 100_001, symbol="FINE") == ["A1 rejected EXPOSURE_ABOVE_LIMIT c"]  # 0.0100001
    assert desk.new("d", BUY, 100, 100_000, symbol="FINE")[0].startswith("A1 accepted")  # 0.01


def test_a_replace_is_checked_with_its_new_terms_in_place_of_the_old() -> None:
    """LIMIT-2: open orders do not refuse it, nor exposure if it does not add to it."""
    desk = VenueDesk()
    desk.new("a", BUY, 10, 90)
    desk.new("b", BUY, 10, 90)
    desk.set_limits("A", open_orders_max=1, exposure_max=17, qty_lots_max=20)
    assert desk.replace("a2", "a", BUY, 9, 95)[0].startswith("A1 replaced")  # 9.00 to 8.55: less, if too much
    assert desk.replace("a3", "a2", BUY, 10, 95) == ["A1 replace rejected EXPOSURE_ABOVE_LIMIT a3 for a2 #1 NEW"]
    assert desk.replace("a3", "a2", BUY, 8, 95)[0].startswith("A1 replaced")
    assert desk.replace("a4", "a3", BUY, 8, 100)[0].startswith("A1 replaced")  # 7.60 to 8.00: 17.00
    assert desk.replace("a5", "a4", BUY, 21, 1) == ["A1 replace rejected QTY_ABOVE_LIMIT a5 for a4 #1 NEW"]


def test_the_limits_of_the_instrument_hold_for_all() -> None:
    """LIMIT-2."""
    desk = VenueDesk(TradingRules(qty_lots_max=10, notional_max=8))
    assert desk.new("x", BUY, 11, 1) == ["A1 rejected QTY_ABOVE_LIMIT x"]
    assert desk.new("x", BUY, 10, 81, session="B1") == ["B1 rejected NOTIONAL_ABOVE_LIMIT x"]
    assert desk.new("x", BUY, 10, 80)[0].startswith("A1 accepted")


def test_of_two_faults_the_one_that_stands_first_is_named() -> None:
    """ORDER-1, LIMIT-2."""
    desk = VenueDesk(TradingRules(price_band_bps=1_000, qty_lots_max=50))
    desk.set_limits("A", exposure_max=1, notional_max=2)
    assert desk.new("x", BUY, 51, 300) == ["A1 rejected QTY_ABOVE_LIMIT x"]
    assert desk.new("x", BUY, 3, 300) == ["A1 rejected NOTIONAL_ABOVE_LIMIT x"]
    assert desk.new("x", BUY, 1, 111) == ["A1 rejected PRICE_OUTSIDE_BAND x"]
    assert desk.new("x", BUY, 1, 101) == ["A1 rejected EXPOSURE_ABOVE_LIMIT x"]


def test_legs_and_quotes_count_for_those_after_them() -> None:
    """LIMIT-2, LIST-1: a request that would be too much as a whole is not taken in parts."""
    desk = VenueDesk()
    desk.set_limits("A", open_orders_max=3)
    legs = [leg(name, BUY, 1, 90) for name in ("x", "y", "z")]
    assert desk.new_list("L", "2", *legs)[0] == "A1 accepted #1 x 0+1/1 NEW"
    desk.cancel("c", "x", BUY)
    desk.set_limits("A", open_orders_max=2)
    again = [leg(name, BUY, 1, 90) for name in ("x2", "y2", "z2")]
    assert desk.new_list("L2", "2", *again) == [
        "A1 rejected OPEN_ORDERS_ABOVE_LIMIT x2",
        "A1 rejected OPEN_ORDERS_ABOVE_LIMIT y2",
        "A1 rejected OPEN_ORDERS_ABOVE_LIMIT z2",
        "A1 list L2 rejected OPEN_ORDERS_ABOVE_LIMIT: x2 REJECTED 0, y2 REJECTED 0, z2 REJECTED 0",
    ]
    assert desk.quote(QuoteEntry("q1", "TEST", 90, 1, 110, 1), QuoteEntry("q2", "TEST", 91, 1, 0, 0)) == [
        "A1 quotes taken q2 OPEN_ORDERS_ABOVE_LIMIT"
    ]


def test_limits_change_at_run_time_and_hold_from_the_next_request_on() -> None:
    """SetLimits: new ones replace the old ones whole; none at all lifts them."""
    desk = VenueDesk()
    desk.set_limits("A", qty_lots_max=5, open_orders_max=1)
    desk.set_limits("A", qty_lots_max=7)
    assert desk.new("x", BUY, 8, 90) == ["A1 rejected QTY_ABOVE_LIMIT x"]
    desk.new("y", BUY, 7, 90)
    desk.new("z", BUY, 7, 90)
    desk.set_limits("A")
    assert desk.new("x", BUY, 8, 90)[0].startswith("A1 accepted")


def test_accounts_are_there_after_a_restart() -> None:
    """LIMIT-2: counted anew from the live orders."""
    desk = VenueDesk()
    desk.set_limits("A", open_orders_max=1)
    desk.new("a", BUY, 1, 90)
    desk.restart()
    assert desk.new("x", BUY, 1, 90) == ["A1 rejected OPEN_ORDERS_ABOVE_LIMIT x"]
    desk.cancel("c", "a", BUY)
    assert desk.new("x", BUY, 1, 90)[0].startswith("A1 accepted")


def test_a_block_cancels_all_and_lets_nothing_in_until_it_is_lifted() -> None:
    """BLOCK-1, ORDER-4: symbol by symbol, orders before quotes; F, H and the like go on."""
    desk = VenueDesk()
    desk.new("a", BUY, 1, 90)
    desk.quote(QuoteEntry("q", "TEST", 80, 1, 120, 1))
    desk.new("stop", BUY, 1, ord_type=STOP, stop_price_ticks=120, session="A2")
    desk.new("b", BUY, 1, 90, session="B1")
    desk.new("o", BUY, 1, 90, symbol="OTHER")
    assert desk.set_limits("A", is_blocked=True) == [
        "canceled (B) #1 a 0+0/1 CANCELED",
        "canceled (B) #4 stop 0+0/1 CANCELED stop 120",
        "A1 quotes pulled (B) ['q']",
        "canceled (B) #6 o 0+0/1 CANCELED",
        DONE,
    ]
    assert desk.engine.live_order_count == 1
    assert desk.new("x", BUY, 1, 90, session="A2") == ["A2 rejected BLOCKED x"]
    assert desk.replace("x", "a", BUY, 1, 90) == ["A1 replace rejected BLOCKED x for a #1 CANCELED"]
    assert desk.quote(QuoteEntry("q", "TEST", 80, 1, 120, 1)) == ["A1 quotes rejected BLOCKED"]
    assert desk.new_list("L", "1", leg("x", BUY, 1, 90), leg("y", BUY, 1, 90))[0] == "A1 rejected BLOCKED x"
    assert desk.status("a", BUY) == ["A1 status known #1 a 0+0/1 CANCELED"]
    desk.set_limits("A")
    assert desk.new("x", BUY, 1, 90)[0].startswith("A1 accepted")


def test_a_session_can_be_blocked_alone() -> None:
    """BLOCK-1."""
    desk = VenueDesk()
    desk.new("a", BUY, 1, 90)
    desk.new("a2", BUY, 1, 90, session="A2")
    assert desk.set_limits("A", "A2", is_blocked=True) == ["canceled (B) #2 a2 0+0/1 CANCELED", DONE]
    assert desk.new("x", BUY, 1, 90, session="A2") == ["A2 rejected BLOCKED x"]
    assert desk.new("x", BUY, 1, 90)[0].startswith("A1 accepted")


def test_the_configuration_says_only_what_is_new() -> None:
    """CONFIG-1: what the operator set outlives a restart of the matcher; a block is the operator's alone."""
    desk = VenueDesk()
    first = Limits(qty_lots_max=5)
    assert desk.set_limits("A", request_id="", limits=first) == ["operator : done"]
    desk.set_limits("A", qty_lots_max=7, is_blocked=True)
    desk.restart()
    desk.set_limits("A", request_id="", limits=first)
    assert desk.engine.configured_limits == {("A", ""): first}
    desk.set_limits("A", request_id="", limits=Limits(qty_lots_max=6))
    assert desk.new("x", BUY, 1, 90) == ["A1 rejected BLOCKED x"]
    desk.set_limits("A", qty_lots_max=6)
    assert desk.new("x", BUY, 7, 90) == ["A1 rejected QTY_ABOVE_LIMIT x"]


INVALID: list[tuple[str, dict[str, Any]]] = [
    ("", {"qty_lots_max": 1}),
    ("A", {"qty_lots_max": -1}),
    ("A", {"quote_window_ns": -1}),
    ("A", {"quote_fills_max": 1}),
    ("A", {"quote_qty_lots_max": 1}),
]


@pytest.mark.parametrize(("firm", "limits"), INVALID)
def test_limits_that_cannot_be_set(firm: str, limits: dict[str, Any]) -> None:
    desk = VenueDesk()
    assert desk.set_limits(firm, **limits) == ["operator op: INVALID_COMMAND"]
    assert desk.new("x", BUY, 1, 90)[0].startswith("A1 accepted")
