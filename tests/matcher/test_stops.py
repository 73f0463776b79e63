"""Stops and take-profits: what sets them off, when, and in which order (STOP-1 to STOP-5)."""

import pytest

from matcher.events import OrderTriggered
from matcher.instructions import (
    BEST_BID,
    BEST_OFFER,
    DOWN,
    LAST_TRADE,
    REFERENCE_PRICE,
    UP,
    TriggerDirection,
    TriggerPriceType,
)
from matcher.orders import BUY, IMMEDIATE_OR_CANCEL, MARKET, SELL, STOP, STOP_LIMIT
from matcher.phases import CONTINUOUS, HALT, PRE_OPEN
from tests.matcher.desk import Desk

REST_OF_MARKET = "(the rest of a market order (40=1) does not stay on the book)"
NOTHING_OPPOSITE = "(NO_OPPOSITE_SIDE: nothing to trade this triggered market order with)"


def test_a_stop_waits_off_the_book_until_its_price_trades() -> None:
    """STOP-1, STOP-5: told as triggered after the trade, then worked as a market order; nobody asked for that."""
    desk = Desk()
    assert desk.new("st", BUY, 5, ord_type=STOP, stop_price_ticks=102) == [
        "A1 accepted #1 st 0+5/5 NEW waits T stop 102"
    ]
    assert desk.increment is None
    desk.new("s1", SELL, 3, 102, session="B1")
    desk.new("s2", SELL, 3, 103, session="B1")
    assert desk.new("b1", BUY, 3, 102, session="C1") == [
        "C1 accepted #4 b1 0+3/3 NEW",
        "C1 filled 3@102 match 1 incoming #4 b1 3+0/3 FILLED",
        "filled 3@102 match 1 resting #2 s1 3+0/3 FILLED",
        "triggered #1 st 0+5/5 NEW",
        "filled 3@103 match 2 incoming #1 st 3+2/5 PARTIALLY_FILLED",
        "filled 3@103 match 2 resting #3 s2 3+0/3 FILLED",
        f"canceled {REST_OF_MARKET} #1 st 3+0/5 CANCELED",
    ]
    assert desk.increment == (
        "3: delete ask 0@102 x0, delete ask 0@103 x0, trade 3@102 match 1 by bid, trade 3@103 match 2 by bid"
    )


def test_a_stop_limit_becomes_a_limit_order_and_rests() -> None:
    """STOP-5; it carries OrdType(40)=2 from then on."""
    desk = Desk()
    desk.new("sl", SELL, 5, 98, ord_type=STOP_LIMIT, stop_price_ticks=99)
    desk.trade(99)
    assert desk.levels == ([], [(98, 5, 1)])
    [triggered] = [event for event in desk.outputs[-1].events if isinstance(event, OrderTriggered)]
    assert (triggered.order.ord_type, triggered.order.price_ticks) == ("2", 98)
    assert desk.cancel("c", "sl", SELL) == ["A1 canceled by c for sl #1 sl 0+0/5 CANCELED"]


def test_a_triggered_market_order_that_finds_nothing_is_canceled() -> None:
    """STOP-5."""
    desk = Desk()
    desk.new("st", BUY, 5, ord_type=STOP, stop_price_ticks=102)
    desk.trade(102)
    assert desk.status("st", BUY) == ["A1 status known #1 st 0+0/5 CANCELED"]
    assert f"canceled {NOTHING_OPPOSITE} #1 st 0+0/5 CANCELED" in [
        line for output in desk.outputs for line in desk.told(output)
    ]


@pytest.mark.parametrize(
    ("side", "direction", "stop_ticks", "not_yet", "fires"),
    [
        (BUY, "", 102, 101, 102),
        (BUY, UP, 102, 101, 105),
        (BUY, DOWN, 98, 99, 98),
        (SELL, "", 98, 99, 98),
        (SELL, DOWN, 98, 99, 97),
        (SELL, UP, 102, 101, 102),
    ],
)
def test_directions(side: str, direction: TriggerDirection, stop_ticks: int, not_yet: int, fires: int) -> None:
    """STOP-1: U for buy and D for sell by default; the other direction makes a take-profit."""
    desk = Desk()
    desk.trade(100)
    limit_ticks = 1 if side == BUY else 200
    desk.new(
        "st",
        side,  # type: ignore[arg-type]
        5,
        limit_ticks,
        ord_type=STOP_LIMIT,
        stop_price_ticks=stop_ticks,
        trigger_direction=direction,
    )
    desk.trade(not_yet)
    assert desk.levels == ([], [])
    desk.trade(fires)
    assert desk.levels == (([(1, 5, 1)], []) if side == BUY else ([], [(200, 5, 1)]))


@pytest.mark.parametrize(
    ("price_type", "stop_ticks", "what"),
    [
        (LAST_TRADE, 101, lambda desk: desk.new("b", BUY, 1, 101, session="C1")),
        (BEST_OFFER, 102, lambda desk: desk.cancel("c", "offer", SELL, session="B1")),
        (BEST_BID, 96, lambda desk: desk.new("b96", BUY, 1, 96, session="B1")),
        (REFERENCE_PRICE, 102, lambda desk: desk.set_reference_price(102)),
    ],
)
def test_what_sets_off_a_stop(price_type: TriggerPriceType, stop_ticks: int, what: object) -> None:
    """STOP-2: each of the four prices, and none of the others."""
    desk = Desk()
    desk.new("bid", BUY, 1, 95, session="B1")
    desk.new("offer", SELL, 1, 101, session="B1")
    desk.new("offer2", SELL, 1, 103, session="B1")
    desk.new("st", BUY, 5, 1, ord_type=STOP_LIMIT, stop_price_ticks=stop_ticks, trigger_price_type=price_type)
    assert desk.status("st", BUY)[0].endswith(f"waits T stop {stop_ticks}")
    what(desk)  # type: ignore[operator]
    assert desk.status("st", BUY) == ["A1 status known #4 st 0+5/5 NEW"]


def test_hidden_orders_set_off_nothing() -> None:
    """STOP-2: best prices are those of displayed orders; an empty side triggers nothing."""
    desk = Desk()
    desk.new("st", BUY, 5, 1, ord_type=STOP_LIMIT, stop_price_ticks=96, trigger_price_type=BEST_BID)
    desk.new("hidden", BUY, 1, 99, display_qty_lots=0, session="B1")
    assert desk.status("st", BUY)[0].endswith("waits T stop 96")
    desk.new("iceberg", BUY, 9, 96, display_qty_lots=1, session="B1")
    assert desk.status("st", BUY) == ["A1 status known #1 st 0+5/5 NEW"]


def test_the_extremes_of_a_sweep_count_not_only_its_last_trade() -> None:
    """STOP-2: a sweep from 101 to 103 has been at 101, though it ended above."""
    desk = Desk()
    desk.trade(105)
    desk.new("fall", SELL, 1, 110, ord_type=STOP_LIMIT, stop_price_ticks=101)
    desk.new("deep", SELL, 1, 110, ord_type=STOP_LIMIT, stop_price_ticks=100)
    for price_ticks in (101, 103):
        desk.new(f"s{price_ticks}", SELL, 1, price_ticks, session="B1")
    assert desk.new("b", BUY, 2, 103, session="C1")[-2:] == [
        "filled 1@103 match 3 resting #6 s103 1+0/1 FILLED",
        "triggered #3 fall 0+1/1 NEW",
    ]


def test_a_condition_that_holds_on_entry_triggers_at_once() -> None:
    """STOP-3: accepted, triggered, then what it does, all in answer to its client."""
    desk = Desk()
    desk.trade(100)
    desk.new("s1", SELL, 2, 101, session="B1")
    assert desk.new("st", BUY, 2, ord_type=STOP, stop_price_ticks=100) == [
        "A1 accepted #4 st 0+2/2 NEW waits T stop 100",
        "A1 triggered #4 st 0+2/2 NEW",
        "A1 filled 2@101 match 2 incoming #4 st 2+0/2 FILLED",
        "filled 2@101 match 2 resting #3 s1 2+0/2 FILLED",
    ]


def test_without_a_trade_nothing_is_reached() -> None:
    """STOP-3: none yet triggers nothing."""
    desk = Desk()
    assert desk.new("st", SELL, 2, 1, ord_type=STOP_LIMIT, stop_price_ticks=10**8) == [
        "A1 accepted #1 st 0+2/2 NEW waits T stop 100000000"
    ]


def test_the_last_trade_of_the_day_before_counts() -> None:
    """STOP-3."""
    desk = Desk()
    desk.trade(100)
    desk.end_day("20250102")
    assert desk.new("st", SELL, 2, 99, ord_type=STOP_LIMIT, stop_price_ticks=100)[1] == "A1 triggered #3 st 0+2/2 NEW"


def test_all_that_are_due_are_told_first_rises_before_falls() -> None:
    """STOP-5: lowest rise first, then highest fall; the same price in order of OrderID; then each is worked in turn."""
    desk = Desk()
    desk.trade(100)
    for name, side, price_ticks in (
        ("fall95", SELL, 95),
        ("rise105", BUY, 105),
        ("fall96", SELL, 96),
        ("rise102", BUY, 102),
        ("rise102b", BUY, 102),
    ):
        limit_ticks = 90 if side == BUY else 110
        desk.new(name, side, 1, limit_ticks, ord_type=STOP_LIMIT, stop_price_ticks=price_ticks)  # type: ignore[arg-type]
    desk.set_phase(HALT)
    desk.set_phase(PRE_OPEN)
    desk.new("reference", BUY, 1, 1, ord_type=STOP_LIMIT, stop_price_ticks=95, trigger_price_type=REFERENCE_PRICE)
    desk.set_phase(CONTINUOUS)
    desk.new("s95", SELL, 1, 95, session="B1")
    desk.new("s105", SELL, 1, 105, session="B1")
    lines = desk.new("sweep", BUY, 2, 105, session="C1")
    assert [line for line in lines if line.startswith("triggered")] == [
        "triggered #6 rise102 0+1/1 NEW",
        "triggered #7 rise102b 0+1/1 NEW",
        "triggered #4 rise105 0+1/1 NEW",
        "triggered #5 fall96 0+1/1 NEW",
        "triggered #3 fall95 0+1/1 NEW",
    ]


def test_a_stop_sets_off_the_next_one() -> None:
    """ORDER-2, STOP-5: round after round."""
    desk = Desk()
    for price_ticks in (101, 102, 103):
        desk.new(f"s{price_ticks}", SELL, 1, price_ticks, session="B1")
    desk.new("second", BUY, 1, ord_type=STOP, stop_price_ticks=102)
    desk.new("first", BUY, 1, ord_type=STOP, stop_price_ticks=101)
    assert desk.new("b", BUY, 1, 101, session="C1") == [
        "C1 accepted #6 b 0+1/1 NEW",
        "C1 filled 1@101 match 1 incoming #6 b 1+0/1 FILLED",
        "filled 1@101 match 1 resting #1 s101 1+0/1 FILLED",
        "triggered #5 first 0+1/1 NEW",
        "filled 1@102 match 2 incoming #5 first 1+0/1 FILLED",
        "filled 1@102 match 2 resting #2 s102 1+0/1 FILLED",
        "triggered #4 second 0+1/1 NEW",
        "filled 1@103 match 3 incoming #4 second 1+0/1 FILLED",
        "filled 1@103 match 3 resting #3 s103 1+0/1 FILLED",
    ]


def test_stops_fire_in_continuous_trading_only() -> None:
    """STOP-4: they wait in a halt and while orders are collected, and are looked at when trading goes on."""
    desk = Desk()
    desk.new("st", BUY, 2, 1, ord_type=STOP_LIMIT, stop_price_ticks=101, trigger_price_type=REFERENCE_PRICE)
    desk.set_phase(HALT)
    assert [line for line in desk.set_reference_price(101) if "triggered" in line] == []
    assert [line for line in desk.set_phase(PRE_OPEN) if "triggered" in line] == []
    assert "triggered #1 st 0+2/2 NEW" in desk.set_phase(CONTINUOUS)


def test_a_stop_is_canceled_and_replaced_where_it_waits() -> None:
    """REPLACE-3: by another stop only."""
    desk = Desk()
    desk.trade(100)
    desk.new("st", BUY, 5, ord_type=STOP, stop_price_ticks=105)
    assert desk.replace("r1", "st", BUY, 5, 104)[0].startswith("A1 replace rejected UNSUPPORTED_ORD_TYPE r1 for st #3")
    assert desk.replace("r2", "st", BUY, 4, 107, ord_type=STOP_LIMIT, stop_price_ticks=106) == [
        "A1 replaced st #3 r2 0+4/4 NEW waits T stop 106"
    ]
    assert desk.replace("r3", "r2", BUY, 3, 107, ord_type=STOP_LIMIT, stop_price_ticks=99) == [
        "A1 replaced r2 #3 r3 0+3/3 NEW waits T stop 99",
        "A1 triggered #3 r3 0+3/3 NEW",
    ]
    assert desk.replace("r4", "r3", BUY, 3, ord_type=STOP, stop_price_ticks=120)[0].startswith(
        "A1 replace rejected UNSUPPORTED_ORD_TYPE"
    )
    desk.cancel("c3", "r3", BUY)
    desk.new("other", BUY, 5, ord_type=STOP, stop_price_ticks=105)
    assert desk.cancel("c", "other", BUY) == ["A1 canceled by c for other #4 other 0+0/5 CANCELED stop 105"]
    desk.trade(105)
    assert desk.status("other", BUY) == ["A1 status known #4 other 0+0/5 CANCELED stop 105"]


def test_an_immediate_stop_takes_what_there_is_when_it_fires() -> None:
    """LIMIT-1, STOP-5."""
    desk = Desk()
    desk.new("st", BUY, 5, 103, ord_type=STOP_LIMIT, time_in_force=IMMEDIATE_OR_CANCEL, stop_price_ticks=102)
    desk.new("s", SELL, 2, 103, session="B1")
    desk.trade(102)
    assert desk.status("st", BUY) == ["A1 status known #1 st 2+0/5 CANCELED"]
    assert desk.new("m", BUY, 1, ord_type=MARKET)[0] == "A1 rejected NO_OPPOSITE_SIDE #0 m 0+0/1 REJECTED"


def test_a_stop_expires_with_its_day() -> None:
    """DAY-1."""
    desk = Desk()
    desk.new("st", BUY, 5, ord_type=STOP, stop_price_ticks=102)
    assert desk.end_day("20250102") == ["expired #1 st 0+0/5 EXPIRED stop 102"]
    desk.trade(102)
