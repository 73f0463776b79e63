"""Market and market-to-limit orders: how far they go, and what becomes of the rest (MARKET-1, MARKET-2, MTL-1)."""

from matcher.instruments import TickBand
from matcher.orders import (
    BUY,
    FILL_OR_KILL,
    GOOD_TILL_CANCEL,
    IMMEDIATE_OR_CANCEL,
    MARKET,
    MARKET_TO_LIMIT,
    SELL,
    TimeInForce,
)
from tests.matcher.desk import Desk

REST_OF_MARKET = "(the rest of a market order (40=1) does not stay on the book)"
REST_OF_IOC = "(the rest of an ImmediateOrCancel order (59=3) does not stay on the book)"
FOK_NOT_FILLED = "(the book cannot fill all of this FillOrKill order (59=4) at once)"


def with_offers(**rules: object) -> Desk:
    """Firm B offers 5 at each of 101 to 104, orders 1 to 4."""
    desk = Desk(**rules)
    for price_ticks in range(101, 105):
        desk.new(f"s{price_ticks}", SELL, 5, price_ticks, session="B1")
    return desk


def test_protection_bounds_a_market_order() -> None:
    """MARKET-1, MARKET-2: it trades up to two ticks beyond the best offer, the rest is canceled."""
    desk = with_offers(protection_ticks=2)
    assert desk.new("m", BUY, 20, ord_type=MARKET) == [
        "A1 accepted #5 m 0+20/20 NEW",
        "A1 filled 5@101 match 1 incoming #5 m 5+15/20 PARTIALLY_FILLED",
        "filled 5@101 match 1 resting #1 s101 5+0/5 FILLED",
        "A1 filled 5@102 match 2 incoming #5 m 10+10/20 PARTIALLY_FILLED",
        "filled 5@102 match 2 resting #2 s102 5+0/5 FILLED",
        "A1 filled 5@103 match 3 incoming #5 m 15+5/20 PARTIALLY_FILLED",
        "filled 5@103 match 3 resting #3 s103 5+0/5 FILLED",
        f"A1 canceled {REST_OF_MARKET} #5 m 15+0/20 CANCELED",
    ]
    assert desk.levels == ([], [(104, 5, 1)])


def test_the_rest_of_a_market_order_rests_at_its_protection_price() -> None:
    """MARKET-2: with `market_rest = rest`; there it is an order like any other."""
    desk = with_offers(protection_ticks=2, market_rest="rest")
    assert desk.new("m", BUY, 20, ord_type=MARKET)[-2:] == [
        "filled 5@103 match 3 resting #3 s103 5+0/5 FILLED",
        "A1 restated 3 #5 m 15+5/20 PARTIALLY_FILLED at 103",
    ]
    assert desk.levels == ([(103, 5, 1)], [(104, 5, 1)])
    assert desk.status("m", BUY) == ["A1 status known #5 m 15+5/20 PARTIALLY_FILLED at 103"]
    assert desk.new("x", SELL, 5, 103, session="C1")[2] == "filled 5@103 match 4 resting #5 m 20+0/20 FILLED at 103"


def test_what_of_a_market_order_may_rest() -> None:
    """MARKET-2: only what asks for it by protection, the instrument's rule, and 59=0, 1 or 6."""

    def rests(time_in_force: TimeInForce, **rules: object) -> bool:
        desk = with_offers(**rules)
        desk.new("m", BUY, 30, ord_type=MARKET, time_in_force=time_in_force)
        return bool(desk.levels[0])

    assert rests("0", protection_ticks=9, market_rest="rest")
    assert rests("1", protection_ticks=9, market_rest="rest")
    assert not rests("3", protection_ticks=9, market_rest="rest")
    assert not rests("0", protection_ticks=9, market_rest="cancel")
    assert not rests("0", protection_ticks=0, market_rest="rest")


def test_a_market_order_to_sell_is_bounded_downward_and_by_the_lowest_price() -> None:
    """MARKET-1."""
    desk = Desk(protection_ticks=2, market_rest="rest")
    for price_ticks in (1, 2, 5):
        desk.new(f"b{price_ticks}", BUY, 1, price_ticks, session="B1")
    desk.new("m5", SELL, 2, ord_type=MARKET)
    assert desk.levels == ([(2, 1, 1), (1, 1, 1)], [(3, 1, 1)])
    desk.cancel("c", "m5", SELL)
    desk.new("m2", SELL, 3, ord_type=MARKET)
    assert desk.levels == ([], [(1, 1, 1)])


def test_a_protection_price_is_one_of_the_tick_table() -> None:
    """MARKET-1, TICK-1: rounded toward the order's own side."""
    desk = Desk(protection_ticks=7, market_rest="rest", tick_bands=[TickBand(100, 5)])
    desk.new("s", SELL, 1, 100, session="B1")
    desk.new("m", BUY, 3, ord_type=MARKET)
    assert desk.levels == ([(105, 2, 1)], [])
    desk.new("n", SELL, 5, ord_type=MARKET, session="B1")
    assert desk.levels == ([], [(98, 3, 1)])


def test_an_empty_opposite_side_refuses_market_orders() -> None:
    """MARKET-1, MTL-1; a hidden order is a side."""
    for ord_type in (MARKET, MARKET_TO_LIMIT):
        desk = Desk()
        desk.new("b", BUY, 5, 100, session="B1")
        assert desk.new("m", BUY, 5, ord_type=ord_type) == ["A1 rejected NO_OPPOSITE_SIDE #0 m 0+0/5 REJECTED"]
        desk.new("h", SELL, 5, 101, display_qty_lots=0, session="B1")
        assert desk.new("m", BUY, 5, ord_type=ord_type) == [
            "A1 accepted #3 m 0+5/5 NEW",
            "A1 filled 5@101 match 1 incoming #3 m 5+0/5 FILLED",
            "filled 5@101 match 1 resting #2 h 5+0/5 FILLED",
        ]
        assert desk.increment == "2: trade 5@101 match 1 by bid"


def test_a_market_to_limit_order_takes_one_price_and_rests_there() -> None:
    """MTL-1."""
    desk = with_offers()
    assert desk.new("k", BUY, 8, ord_type=MARKET_TO_LIMIT, time_in_force=GOOD_TILL_CANCEL) == [
        "A1 accepted #5 k 0+8/8 NEW",
        "A1 filled 5@101 match 1 incoming #5 k 5+3/8 PARTIALLY_FILLED",
        "filled 5@101 match 1 resting #1 s101 5+0/5 FILLED",
        "A1 restated 3 #5 k 5+3/8 PARTIALLY_FILLED at 101",
    ]
    assert desk.levels == ([(101, 3, 1)], [(102, 5, 1), (103, 5, 1), (104, 5, 1)])
    assert desk.status("k", BUY) == ["A1 status known #5 k 5+3/8 PARTIALLY_FILLED at 101"]


def test_the_rest_of_an_immediate_market_to_limit_order_is_canceled() -> None:
    """MTL-1: 59=3; with 59=4 it is filled at the best price, or not at all."""
    desk = with_offers()
    ioc = desk.new("k", BUY, 8, ord_type=MARKET_TO_LIMIT, time_in_force=IMMEDIATE_OR_CANCEL)
    assert ioc[3:] == [f"A1 canceled {REST_OF_IOC} #5 k 5+0/8 CANCELED"]
    assert desk.new("f", BUY, 6, ord_type=MARKET_TO_LIMIT, time_in_force=FILL_OR_KILL) == [
        "A1 accepted #6 f 0+6/6 NEW",
        f"A1 canceled {FOK_NOT_FILLED} #6 f 0+0/6 CANCELED",
    ]
    assert desk.levels[0] == []


def test_a_replaced_market_to_limit_rest_is_a_limit_order() -> None:
    """REPLACE-3: its price is given now, and it loses its place."""
    desk = with_offers()
    desk.new("k", BUY, 8, ord_type=MARKET_TO_LIMIT)
    assert desk.replace("r", "k", BUY, 8, ord_type=MARKET_TO_LIMIT)[0].startswith(
        "A1 replace rejected UNSUPPORTED_ORD_TYPE"
    )
    assert desk.replace("r", "k", BUY, 8, 102) == [
        "A1 replaced k #5 r 5+3/8 PARTIALLY_FILLED",
        "A1 filled 3@102 match 2 incoming #5 r 8+0/8 FILLED",
        "filled 3@102 match 2 resting #2 s102 3+2/5 PARTIALLY_FILLED",
    ]
