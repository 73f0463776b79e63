"""Pegged orders: where they stand, when they move, and when they are parked (PEG-1 to PEG-4)."""

import pytest

from matcher.instructions import MARKET_PEG, MID_PRICE_PEG, PRIMARY_PEG, PegPriceType
from matcher.instruments import TickBand
from matcher.orders import BUY, GOOD_TILL_DATE, PEGGED, SELL, Side
from matcher.phases import CONTINUOUS, HALT
from tests.matcher.desk import Desk


def with_market(**rules: object) -> Desk:
    """Firm B bids 10 at 100 (order 1) and offers 10 at 105 (order 2)."""
    desk = Desk(**rules)
    desk.new("bid", BUY, 10, 100, session="B1")
    desk.new("offer", SELL, 10, 105, session="B1")
    return desk


def peg(desk: Desk, cl_ord_id: str, side: Side, price_ticks: int = 0, **said: object) -> list[str]:
    return desk.new(cl_ord_id, side, 5, price_ticks, ord_type=PEGGED, **{"peg_price_type": PRIMARY_PEG, **said})


@pytest.mark.parametrize(
    ("side", "to", "offset", "stands_at"),
    [
        (BUY, PRIMARY_PEG, 0, 100),
        (BUY, PRIMARY_PEG, -2, 98),
        (BUY, PRIMARY_PEG, 3, 103),
        (SELL, PRIMARY_PEG, 0, 105),
        (SELL, PRIMARY_PEG, -1, 104),
        (BUY, MARKET_PEG, -2, 103),
        (SELL, MARKET_PEG, 2, 102),
        (BUY, MID_PRICE_PEG, 0, 102),
        (SELL, MID_PRICE_PEG, 0, 103),
        (BUY, MID_PRICE_PEG, 1, 103),
    ],
)
def test_where_a_pegged_order_stands(side: Side, to: PegPriceType, offset: int, stands_at: int) -> None:
    """PEG-1: reference and offset; the middle is rounded down for a buy order and up for a sell order."""
    desk = with_market()
    assert peg(desk, "p", side, peg_price_type=to, peg_offset_ticks=offset) == [
        f"A1 accepted #3 p 0+5/5 NEW at {stands_at}"
    ]


def test_a_pegged_order_is_displayed_and_moves_with_its_reference() -> None:
    """PEG-3, PEG-4: to the back of its new price; moves are not told."""
    desk = with_market()
    peg(desk, "p", BUY, peg_offset_ticks=-1)
    assert desk.increment == "3: new bid 5@99 x1"
    assert desk.new("b101", BUY, 10, 101, session="B1") == ["B1 accepted #4 b101 0+10/10 NEW"]
    assert desk.increment == "4: new bid 10@101 x1, change bid 15@100 x2, delete bid 0@99 x0"
    assert desk.cancel("c", "bid", BUY, session="B1") == ["B1 canceled by c for bid #1 bid 0+0/10 CANCELED"]
    desk.new("bid2", BUY, 10, 100, session="B1")
    assert desk.new("s", SELL, 15, 100, session="C1")[-1] == "filled 5@100 match 2 resting #3 p 5+0/5 FILLED at 100"


def test_moves_are_told_if_asked_for() -> None:
    """PEG-3: restatement 3; a move in a round that nobody asked for."""
    desk = with_market()
    peg(desk, "p", BUY, reports_moves=True)
    assert desk.new("b101", BUY, 10, 101, session="B1") == [
        "B1 accepted #4 b101 0+10/10 NEW",
        "restated 3 #3 p 0+5/5 NEW at 101",
    ]


def test_a_pegged_order_is_no_reference() -> None:
    """PEG-1: neither for itself nor for others, alone at its price or not."""
    desk = with_market()
    peg(desk, "p1", BUY, peg_offset_ticks=1)
    assert peg(desk, "p2", BUY, peg_offset_ticks=1) == ["A1 accepted #4 p2 0+5/5 NEW at 101"]
    desk.new("b101", BUY, 1, 101, session="B1")
    assert desk.levels[0] == [(102, 10, 2), (101, 1, 1), (100, 10, 1)]
    desk.cancel("c1", "b101", BUY, session="B1")
    assert desk.levels[0] == [(101, 10, 2), (100, 10, 1)]


def test_a_hidden_order_is_no_reference() -> None:
    """PEG-1."""
    desk = with_market()
    desk.new("hidden", BUY, 10, 102, display_qty_lots=0, session="B1")
    assert peg(desk, "p", BUY) == ["A1 accepted #4 p 0+5/5 NEW at 100"]


def test_the_limit_bounds_a_pegged_order() -> None:
    """PEG-2: Price(44)."""
    desk = with_market()
    assert peg(desk, "p", BUY, 101) == ["A1 accepted #3 p 0+5/5 NEW at 100"]
    desk.new("b103", BUY, 10, 103, session="B1")
    assert desk.levels[0] == [(103, 10, 1), (101, 5, 1), (100, 10, 1)]


def test_a_pegged_order_never_trades_by_its_own_move() -> None:
    """PEG-2: it is cut back to one tick before the best order of any kind, and comes forward when that is gone."""
    desk = with_market()
    desk.new("hidden", SELL, 10, 103, display_qty_lots=0, session="B1")
    assert peg(desk, "p", BUY, peg_price_type=MARKET_PEG) == ["A1 accepted #4 p 0+5/5 NEW at 102"]
    assert peg(desk, "q", SELL, peg_price_type=MARKET_PEG)[0].endswith("#5 q 0+5/5 NEW at 103")
    desk.cancel("c", "hidden", SELL, session="B1")
    desk.cancel("d", "q", SELL)
    assert desk.levels[0] == [(104, 5, 1), (100, 10, 1)]


def test_a_pegged_order_trades_when_others_come() -> None:
    """PEG-4."""
    desk = with_market()
    peg(desk, "p", BUY, peg_offset_ticks=2)
    assert desk.new("s", SELL, 7, 100, session="C1") == [
        "C1 accepted #4 s 0+7/7 NEW",
        "C1 filled 5@102 match 1 incoming #4 s 5+2/7 PARTIALLY_FILLED",
        "filled 5@102 match 1 resting #3 p 5+0/5 FILLED at 102",
        "C1 filled 2@100 match 2 incoming #4 s 7+0/7 FILLED",
        "filled 2@100 match 2 resting #1 bid 2+8/10 PARTIALLY_FILLED",
    ]


def test_without_its_reference_it_is_parked_and_comes_back() -> None:
    """PEG-3: both are told, restatement 11."""
    desk = with_market()
    peg(desk, "p", BUY)
    assert desk.cancel("c", "bid", BUY, session="B1") == [
        "B1 canceled by c for bid #1 bid 0+0/10 CANCELED",
        "restated 11 #3 p 0+5/5 NEW waits P",
    ]
    assert desk.levels == ([], [(105, 10, 1)])
    assert peg(desk, "mid", BUY, peg_price_type=MID_PRICE_PEG) == ["A1 accepted #4 mid 0+5/5 NEW waits P"]
    assert desk.new("again", BUY, 10, 99, session="B1") == [
        "B1 accepted #5 again 0+10/10 NEW",
        "restated 11 #3 p 0+5/5 NEW at 99",
        "restated 11 #4 mid 0+5/5 NEW at 102",
    ]


def test_pegged_orders_are_parked_outside_of_continuous_trading() -> None:
    """PEG-4."""
    desk = with_market()
    peg(desk, "p", BUY)
    assert "restated 11 #3 p 0+5/5 NEW waits P" in desk.set_phase(HALT)
    assert desk.levels == ([(100, 10, 1)], [(105, 10, 1)])
    assert "restated 11 #3 p 0+5/5 NEW at 100" in desk.set_phase(CONTINUOUS)


def test_a_parked_order_can_be_canceled_and_replaced() -> None:
    """PEG-3, REPLACE-3."""
    desk = Desk()
    peg(desk, "p", BUY)
    assert desk.replace("r", "p", BUY, 4, ord_type=PEGGED, peg_price_type=PRIMARY_PEG) == [
        "A1 replaced p #1 r 0+4/4 NEW waits P"
    ]
    assert desk.replace("s", "r", BUY, 4, 98) == ["A1 replaced r #1 s 0+4/4 NEW"]
    assert desk.levels[0] == [(98, 4, 1)]
    desk.replace("t", "s", BUY, 4, ord_type=PEGGED, peg_price_type=PRIMARY_PEG)
    assert desk.levels[0] == []
    assert desk.cancel("c", "t", BUY) == ["A1 canceled by c for t #1 t 0+0/4 CANCELED"]


def test_prices_are_rounded_away_from_the_other_side() -> None:
    """PEG-2, TICK-1."""
    desk = Desk(tick_bands=[TickBand(100, 10)])
    desk.new("bid", BUY, 10, 100, session="B1")
    desk.new("offer", SELL, 10, 130, session="B1")
    assert peg(desk, "b", BUY, peg_price_type=MID_PRICE_PEG)[0].endswith("NEW at 110")
    assert peg(desk, "s", SELL, peg_price_type=MID_PRICE_PEG)[0].endswith("NEW at 120")
    assert peg(desk, "n", BUY, peg_price_type=MARKET_PEG)[0].endswith("NEW at 110")


def test_they_move_in_order_of_order_id() -> None:
    """PEG-3: both come to 101, the older one first, whatever their queue was before."""
    desk = with_market()
    peg(desk, "p1", BUY)
    peg(desk, "p2", BUY)
    desk.replace("p1b", "p1", BUY, 9, ord_type=PEGGED, peg_price_type=PRIMARY_PEG)
    desk.new("b101", BUY, 1, 101, session="B1")
    fills = desk.new("s", SELL, 15, 101, session="C1")
    assert [line.split()[6] for line in fills if line.startswith("filled")] == ["b101", "p1b", "p2"]


def test_a_hidden_pegged_order() -> None:
    """PEG-4, HIDE-1."""
    desk = with_market()
    assert peg(desk, "p", BUY, peg_offset_ticks=1, display_qty_lots=0) == ["A1 accepted #3 p 0+5/5 NEW at 101"]
    assert desk.increment is None
    assert desk.new("s", SELL, 5, 101, session="C1")[2] == "filled 5@101 match 1 resting #3 p 5+0/5 FILLED at 101"


def test_a_pegged_order_expires_like_any_other() -> None:
    """GTD-1: parked or not."""
    desk = Desk()
    desk.new("p", BUY, 5, ord_type=PEGGED, peg_price_type=PRIMARY_PEG, time_in_force=GOOD_TILL_DATE, expire_ns=10**6)
    assert desk.fire_timers(10**6) == ["expired #1 p 0+0/5 EXPIRED"]
