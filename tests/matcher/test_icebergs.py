"""Icebergs: what they show, when they refill, and where (ICE-1, ICE-2, MATCH-2)."""

from matcher.events import OrderFilled
from matcher.orders import BUY, SELL
from tests.matcher.desk import Desk


def fills(lines: list[str]) -> list[str]:
    """Quantity and ClOrdID of each resting fill."""
    return [f"{line.split()[1]} {line.split()[6]}" for line in lines if line.startswith("filled")]


def test_it_comes_in_with_its_full_size_and_shows_a_slice() -> None:
    """ICE-1."""
    desk = Desk()
    desk.new("s", SELL, 4, 101, session="B1")
    assert desk.new("ice", BUY, 20, 101, display_qty_lots=3) == [
        "A1 accepted #2 ice 0+20/20 NEW",
        "A1 filled 4@101 match 1 incoming #2 ice 4+16/20 PARTIALLY_FILLED",
        "filled 4@101 match 1 resting #1 s 4+0/4 FILLED",
    ]
    assert desk.increment == "2: new bid 3@101 x1, delete ask 0@101 x0, trade 4@101 match 1 by bid"
    assert desk.status("ice", BUY) == ["A1 status known #2 ice 4+16/20 PARTIALLY_FILLED shows 3"]


def test_the_next_slice_goes_to_the_back() -> None:
    """ICE-1, ICE-2: the refill is not told; a fill tells what was on show right after the trade."""
    desk = Desk()
    desk.new("ice", BUY, 10, 100, display_qty_lots=4)
    desk.new("plain", BUY, 5, 100, session="C1")
    assert desk.new("s1", SELL, 4, 100, session="B1") == [
        "B1 accepted #3 s1 0+4/4 NEW",
        "B1 filled 4@100 match 1 incoming #3 s1 4+0/4 FILLED",
        "filled 4@100 match 1 resting #1 ice 4+6/10 PARTIALLY_FILLED",
    ]
    assert desk.levels[0] == [(100, 9, 2)]
    assert desk.increment == "3: change bid 9@100 x2, trade 4@100 match 1 by ask"
    assert fills(desk.new("s2", SELL, 7, 100, session="B1")) == ["5@100 plain", "2@100 ice"]
    assert desk.status("ice", BUY) == ["A1 status known #1 ice 6+4/10 PARTIALLY_FILLED shows 2"]
    assert desk.levels[0] == [(100, 2, 1)]


def test_all_that_is_displayed_trades_before_any_refill() -> None:
    """MATCH-2: one sweep takes every slice and every plain order of the level, then the refilled slices."""
    desk = Desk()
    desk.new("ice1", BUY, 10, 100, display_qty_lots=2)
    desk.new("plain", BUY, 5, 100)
    desk.new("ice2", BUY, 9, 100, display_qty_lots=4)
    assert fills(desk.new("s", SELL, 24, 99, session="B1")) == [
        "2@100 ice1",
        "5@100 plain",
        "4@100 ice2",
        "2@100 ice1",
        "4@100 ice2",
        "2@100 ice1",
        "1@100 ice2",
        "2@100 ice1",
        "2@100 ice1",
    ]
    assert desk.levels == ([], [])


def test_a_slice_that_is_partly_gone_keeps_its_place() -> None:
    """ICE-1: it refills only when it is empty."""
    desk = Desk()
    desk.new("ice", BUY, 10, 100, display_qty_lots=4)
    desk.new("plain", BUY, 5, 100)
    desk.new("s1", SELL, 1, 100, session="B1")
    assert desk.levels[0] == [(100, 8, 2)]
    assert fills(desk.new("s2", SELL, 4, 100, session="B1")) == ["3@100 ice", "1@100 plain"]


def test_the_last_slice_is_what_is_left() -> None:
    """ICE-1."""
    desk = Desk()
    desk.new("ice", BUY, 5, 100, display_qty_lots=4)
    desk.new("s1", SELL, 4, 100, session="B1")
    assert desk.levels[0] == [(100, 1, 1)]
    desk.new("s2", SELL, 1, 100, session="B1")
    assert desk.levels[0] == []
    assert desk.status("ice", BUY) == ["A1 status known #1 ice 5+0/5 FILLED"]


def test_a_fill_tells_the_slice_as_it_stood_right_after() -> None:
    """ICE-2."""
    desk = Desk()
    desk.new("ice", BUY, 10, 100, display_qty_lots=4)
    desk.new("s", SELL, 5, 100, session="B1")
    shown = [
        event.order.instructions.shown_qty_lots
        for event in desk.outputs[-1].events
        if isinstance(event, OrderFilled) and event.order.instructions is not None
    ]
    assert shown == [0, 3]


def test_a_cancel_takes_slice_and_reserve() -> None:
    desk = Desk()
    desk.new("ice", BUY, 10, 100, display_qty_lots=4)
    desk.new("plain", BUY, 5, 100)
    assert desk.cancel("c", "ice", BUY) == ["A1 canceled by c for ice #1 ice 0+0/10 CANCELED"]
    assert desk.increment == "3: change bid 5@100 x1"


def test_a_new_display_quantity_holds_from_the_next_slice_on() -> None:
    """REPLACE-2: it keeps its place."""
    desk = Desk()
    desk.new("ice", BUY, 20, 100, display_qty_lots=4)
    desk.new("plain", BUY, 5, 100)
    assert desk.replace("r", "ice", BUY, 20, 100, display_qty_lots=7) == ["A1 replaced ice #1 r 0+20/20 NEW shows 4"]
    assert desk.increment is None
    assert fills(desk.new("s", SELL, 5, 100, session="B1")) == ["4@100 r", "1@100 plain"]
    assert desk.levels[0] == [(100, 11, 2)]


def test_a_smaller_total_may_make_the_slice_smaller() -> None:
    """REPLACE-2: what is shown is at most the leaves."""
    desk = Desk()
    desk.new("ice", BUY, 20, 100, display_qty_lots=4)
    desk.new("plain", BUY, 5, 100)
    assert desk.replace("r", "ice", BUY, 3, 100, display_qty_lots=3) == ["A1 replaced ice #1 r 0+3/3 NEW shows 3"]
    assert desk.increment == "3: change bid 8@100 x2"
    assert fills(desk.new("s", SELL, 4, 100, session="B1")) == ["3@100 r", "1@100 plain"]


def test_becoming_an_iceberg_or_none_loses_the_place() -> None:
    """REPLACE-2: a fresh slice at the back."""
    desk = Desk()
    desk.new("first", BUY, 10, 100)
    desk.new("second", BUY, 10, 100, display_qty_lots=3)
    desk.new("third", BUY, 1, 100)
    desk.replace("first2", "first", BUY, 10, 100, display_qty_lots=2)
    desk.replace("second2", "second", BUY, 10, 100)
    assert desk.levels[0] == [(100, 13, 3)]
    assert fills(desk.new("s", SELL, 13, 100, session="B1")) == ["1@100 third", "2@100 first2", "10@100 second2"]


def test_a_triggered_stop_limit_may_be_an_iceberg() -> None:
    """ICE-1, STOP-5."""
    desk = Desk()
    desk.new("st", BUY, 10, 99, ord_type="4", stop_price_ticks=101, display_qty_lots=3)
    desk.trade(101)
    assert desk.levels[0] == [(99, 3, 1)]
