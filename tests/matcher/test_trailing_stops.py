"""Stops that follow their trigger price at a distance, one way only (TRAIL-1, TRAIL-2)."""

from matcher.instructions import BASIS_POINTS, BEST_BID, DOWN, MID_PRICE_PEG, REFERENCE_PRICE, TICKS
from matcher.orders import BUY, PEGGED, SELL, STOP, STOP_LIMIT
from tests.matcher.desk import Desk


def stop_of(desk: Desk, cl_ord_id: str, side: str) -> int:
    [line] = desk.status(cl_ord_id, side)  # type: ignore[arg-type]
    return int(line.split(" stop ")[1])


def test_a_trailing_stop_follows_upward_for_a_sell_order_and_never_back() -> None:
    """TRAIL-1."""
    desk = Desk()
    desk.trade(100)
    assert desk.new("t", SELL, 5, 1, ord_type=STOP_LIMIT, trail_offset=3, trail_offset_type=TICKS) == [
        "A1 accepted #3 t 0+5/5 NEW waits T stop 97"
    ]
    for traded, stop in ((99, 97), (104, 101), (102, 101), (110, 107)):
        desk.trade(traded)
        assert stop_of(desk, "t", SELL) == stop
    desk.trade(107)
    assert desk.levels == ([], [(1, 5, 1)])


def test_a_trailing_stop_follows_downward_for_a_buy_order() -> None:
    """TRAIL-1."""
    desk = Desk()
    desk.trade(100)
    desk.new("t", BUY, 5, 1, ord_type=STOP_LIMIT, trail_offset=3, trail_offset_type=TICKS)
    for traded, stop in ((101, 103), (95, 98), (97, 98)):
        desk.trade(traded)
        assert stop_of(desk, "t", BUY) == stop
    desk.trade(98)
    assert desk.levels == ([(1, 5, 1)], [])


def test_a_distance_in_basis_points_is_at_least_one_tick() -> None:
    """TRAIL-1: 150 basis points of 1000 are 15 ticks, of 30 they are one."""
    desk = Desk()
    desk.set_reference_price(1000)
    basis = {"trail_offset": 150, "trail_offset_type": BASIS_POINTS, "trigger_price_type": REFERENCE_PRICE}
    assert desk.new("t", SELL, 5, 1, ord_type=STOP_LIMIT, **basis)[0].endswith("waits T stop 985")
    desk.set_reference_price(1100)
    assert stop_of(desk, "t", SELL) == 1084
    desk.set_reference_price(30)
    assert desk.new("u", BUY, 5, 1, ord_type=STOP_LIMIT, **basis)[0].endswith("waits T stop 31")


def test_a_given_stop_price_is_where_it_starts() -> None:
    """TRAIL-1: it is pulled to the distance when it is farther away, in the first round."""
    desk = Desk()
    desk.trade(100)
    near = {"trail_offset": 3, "trail_offset_type": TICKS, "reports_moves": True}
    assert desk.new("near", SELL, 5, 1, ord_type=STOP_LIMIT, stop_price_ticks=99, **near) == [
        "A1 accepted #3 near 0+5/5 NEW waits T stop 99"
    ]
    assert desk.new("far", SELL, 5, 1, ord_type=STOP_LIMIT, stop_price_ticks=90, **near) == [
        "A1 accepted #4 far 0+5/5 NEW waits T stop 90",
        "restated 3 #4 far 0+5/5 NEW waits T stop 97",
    ]


def test_moves_are_reported_only_if_asked_for() -> None:
    """TRAIL-2: in order of OrderID, after the stops have fired."""
    desk = Desk()
    desk.trade(100)
    trail = {"trail_offset": 3, "trail_offset_type": TICKS}
    desk.new("told", SELL, 5, 1, ord_type=STOP_LIMIT, reports_moves=True, **trail)
    desk.new("silent", SELL, 5, 1, ord_type=STOP_LIMIT, **trail)
    desk.new("fires", BUY, 1, 1, ord_type=STOP_LIMIT, stop_price_ticks=101)
    desk.new("s", SELL, 1, 101, session="B1")
    assert desk.new("b", BUY, 1, 101, session="C1")[3:] == [
        "triggered #5 fires 0+1/1 NEW",
        "restated 3 #3 told 0+5/5 NEW waits T stop 98",
    ]
    assert stop_of(desk, "silent", SELL) == 98


def test_a_trail_without_a_price_needs_a_start() -> None:
    """TRAIL-1: INVALID_STOP_PRICE; with StopPx(99) it waits for the price."""
    desk = Desk()
    trail = {"trail_offset": 3, "trail_offset_type": TICKS}
    for price_type in ("2", BEST_BID):
        assert desk.new("t", SELL, 5, ord_type=STOP, trigger_price_type=price_type, **trail) == [
            "A1 rejected INVALID_STOP_PRICE #0 t 0+0/5 REJECTED"
        ]
    assert desk.new("t", SELL, 5, ord_type=STOP, stop_price_ticks=90, **trail) == [
        "A1 accepted #1 t 0+5/5 NEW waits T stop 90"
    ]
    desk.trade(100)
    assert stop_of(desk, "t", SELL) == 97


def test_a_stop_price_stays_above_zero() -> None:
    """TRAIL-1."""
    desk = Desk()
    desk.trade(2)
    trail = {"trail_offset": 5, "trail_offset_type": TICKS}
    assert desk.new("t", SELL, 5, ord_type=STOP, **trail) == ["A1 accepted #3 t 0+5/5 NEW waits T stop 1"]


def test_a_smaller_quantity_leaves_a_trailing_stop_where_it_is() -> None:
    """REPLACE-2."""
    desk = Desk()
    desk.trade(100)
    trail = {"trail_offset": 3, "trail_offset_type": TICKS, "trigger_price_type": "2", "trigger_direction": "D"}
    desk.new("t", SELL, 5, 1, ord_type=STOP_LIMIT, **trail)
    desk.trade(110)
    desk.trade(108)
    again = desk.replace("r", "t", SELL, 4, 1, ord_type=STOP_LIMIT, stop_price_ticks=107, **trail)
    assert again == ["A1 replaced t #3 r 0+4/4 NEW waits T stop 107"]
    anew = desk.replace("s", "r", SELL, 4, 1, ord_type=STOP_LIMIT, **trail)
    assert anew == ["A1 replaced r #3 s 0+4/4 NEW waits T stop 105"]


def test_a_trailing_stop_follows_a_best_price_that_a_pegged_order_moved() -> None:
    """TRAIL-2, ORDER-2: in the same round, before the stops of the next one bring that price back."""
    desk = Desk()
    desk.trade(100)
    desk.new("b", BUY, 5, 100, session="B1")
    desk.new("low", BUY, 5, 98, session="B1")
    desk.new("offer", SELL, 5, 102, session="B1")
    desk.new("p", BUY, 5, ord_type=PEGGED, peg_price_type=MID_PRICE_PEG, peg_offset_ticks=-1)
    buy_low = {"trigger_price_type": BEST_BID, "trigger_direction": DOWN, "stop_price_ticks": 99}
    desk.new("d", BUY, 5, 101, ord_type=STOP_LIMIT, **buy_low)
    trail = {"trail_offset": 3, "trail_offset_type": TICKS, "trigger_price_type": BEST_BID, "reports_moves": True}
    assert desk.new("t", BUY, 5, ord_type=STOP, **trail)[0].endswith("stop 103")
    assert desk.new("s", SELL, 5, 100, session="C1")[-2:] == [
        "restated 3 #8 t 0+5/5 NEW waits T stop 102",
        "triggered #7 d 0+5/5 NEW",
    ]
    assert desk.levels[0][0] == (101, 5, 1)
    assert stop_of(desk, "t", BUY) == 102
