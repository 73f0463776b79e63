"""The public book order by order (BOOK-4): who keeps his place keeps his entry id, who loses it gets another."""

from matcher.engine.engine import Engine
from matcher.increments import LevelChange
from matcher.orders import BUY, SELL
from matcher.phases import CONTINUOUS, OPENING_AUCTION
from tests.matcher.desk import Desk


def shown(desk: Desk) -> dict[int, list[tuple[int, int, int]]]:
    """By price, what the last command told of each order: (entry_id, qty_lots, change_lots)."""
    return {
        level.price_ticks: [(order.entry_id, order.qty_lots, order.change_lots) for order in level.orders]
        for increment in desk.outputs[-1].increments
        for level in increment.levels
    }


def test_each_order_gets_the_next_entry_id_of_its_symbol() -> None:
    desk = Desk()
    desk.new("b1", BUY, 10, 100)
    assert shown(desk) == {100: [(1, 10, 10)]}
    desk.new("s1", SELL, 7, 102)
    assert shown(desk) == {102: [(2, 7, 7)]}
    desk.new("b2", BUY, 5, 100)
    assert shown(desk) == {100: [(3, 5, 5)]}


def test_an_order_that_trades_or_shrinks_keeps_its_place() -> None:
    """M2: a smaller quantity keeps the place."""
    desk = Desk()
    desk.new("b1", BUY, 10, 100)
    desk.new("b2", BUY, 5, 100)
    desk.new("s1", SELL, 4, 100, session="B1")
    assert shown(desk) == {100: [(1, 6, -4)]}
    desk.replace("b1a", "b1", BUY, 8, 100)
    assert shown(desk) == {100: [(1, 4, -2)]}


def test_a_larger_quantity_loses_the_place() -> None:
    desk = Desk()
    desk.new("b1", BUY, 10, 100)
    desk.new("b2", BUY, 5, 100)
    desk.replace("b1a", "b1", BUY, 12, 100)
    assert shown(desk) == {100: [(1, 0, -10), (3, 12, 12)]}


def test_a_level_that_is_gone_takes_its_orders_with_it() -> None:
    desk = Desk()
    desk.new("b1", BUY, 10, 100)
    desk.new("b2", BUY, 5, 100)
    desk.new("s1", SELL, 15, 100, session="B1")
    (increment,) = desk.outputs[-1].increments
    assert increment.levels == [LevelChange("2", BUY, 100, 0, 0)]


def test_the_next_slice_of_an_iceberg_is_another_entry() -> None:
    desk = Desk()
    desk.new("ice", BUY, 10, 100, display_qty_lots=4)
    desk.new("plain", BUY, 5, 100)
    desk.new("s1", SELL, 4, 100, session="B1")
    assert shown(desk) == {100: [(1, 0, -4), (3, 4, 4)]}
    desk.new("s2", SELL, 6, 100, session="B1")
    assert shown(desk) == {100: [(2, 0, -5), (3, 3, -1)]}


def test_hidden_orders_have_no_entry() -> None:
    desk = Desk()
    desk.new("dark", BUY, 10, 100, display_qty_lots=0)
    assert desk.outputs[-1].increments == []
    desk.new("b1", BUY, 5, 100)
    assert shown(desk) == {100: [(1, 5, 5)]}


def test_after_an_auction_the_queues_come_back_in_their_order() -> None:
    """BOOK-3, BOOK-4."""
    desk = Desk()
    desk.new("b1", BUY, 10, 100)
    desk.new("b2", BUY, 5, 100)
    desk.set_phase(OPENING_AUCTION)
    assert shown(desk) == {100: []}
    desk.new("b3", BUY, 3, 100)
    desk.new("s1", SELL, 4, 100, session="B1")
    assert shown(desk) == {}
    desk.set_phase(CONTINUOUS)
    assert shown(desk) == {100: [(1, 6, 6), (2, 5, 5), (3, 3, 3)]}


def test_the_end_of_a_day_is_told() -> None:
    """BOOK-5."""
    desk = Desk()
    desk.end_day("20260105")
    (increment,) = desk.outputs[-1].increments
    assert (increment.ended_day, increment.levels) == ("20260105", [])
    desk.end_day("20260105")
    assert desk.outputs[-1].increments == []


def test_a_snapshot_keeps_the_entry_ids() -> None:
    desk = Desk()
    desk.new("b1", BUY, 10, 100)
    desk.new("s1", SELL, 10, 101, display_qty_lots=4)
    desk.cancel("x1", "b1", BUY)
    desk.new("b2", BUY, 5, 100)
    desk.engine = Engine.restore(desk.engine.dump(), orders_max=100, finished_orders_max=100)
    desk.new("b3", BUY, 1, 100)
    assert shown(desk) == {100: [(4, 1, 1)]}
    desk.new("s2", SELL, 2, 100, session="B1")
    assert shown(desk) == {100: [(3, 3, -2)]}
