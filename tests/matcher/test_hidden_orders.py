"""Hidden orders: nobody sees them, and they stand behind all that is displayed at their price (HIDE-1, MATCH-1)."""

from matcher.orders import BUY, FILL_OR_KILL, SELL
from tests.matcher.desk import Desk


def fills(lines: list[str]) -> list[str]:
    return [f"{line.split()[1]} {line.split()[6]}" for line in lines if line.startswith("filled")]


def test_a_hidden_order_is_not_in_the_public_book() -> None:
    """HIDE-1, BOOK-1."""
    desk = Desk()
    assert desk.new("h", BUY, 10, 100, display_qty_lots=0) == ["A1 accepted #1 h 0+10/10 NEW"]
    assert (desk.increment, desk.levels) == (None, ([], []))
    assert desk.replace("r", "h", BUY, 8, 101, display_qty_lots=0) == ["A1 replaced h #1 r 0+8/8 NEW"]
    assert desk.increment is None
    assert desk.new("s", SELL, 3, 101, session="B1")[2] == "filled 3@101 match 1 resting #1 r 3+5/8 PARTIALLY_FILLED"
    assert desk.increment == "1: trade 3@101 match 1 by ask"
    assert desk.cancel("c", "r", BUY) == ["A1 canceled by c for r #1 r 3+0/8 CANCELED"]
    assert desk.increment is None


def test_hidden_orders_trade_last_at_their_price_and_before_worse_prices() -> None:
    """MATCH-1, MATCH-2: also behind displayed orders that came later, and behind the reserve of icebergs."""
    desk = Desk()
    desk.new("hidden1", BUY, 2, 100, display_qty_lots=0)
    desk.new("hidden2", BUY, 2, 100, display_qty_lots=0)
    desk.new("worse", BUY, 2, 99)
    desk.new("iceberg", BUY, 4, 100, display_qty_lots=1)
    desk.new("better", BUY, 1, 101, display_qty_lots=0)
    desk.new("plain", BUY, 2, 100)
    assert fills(desk.new("s", SELL, 13, 99, session="B1")) == [
        "1@101 better",
        "1@100 iceberg",
        "2@100 plain",
        "1@100 iceberg",
        "1@100 iceberg",
        "1@100 iceberg",
        "2@100 hidden1",
        "2@100 hidden2",
        "2@99 worse",
    ]


def test_a_hidden_order_takes_like_any_other() -> None:
    """HIDE-1: its rest is hidden."""
    desk = Desk()
    desk.new("s", SELL, 4, 101, session="B1")
    desk.new("h", BUY, 10, 102, display_qty_lots=0)
    assert desk.increment == "2: delete ask 0@101 x0, trade 4@101 match 1 by bid"
    assert desk.levels == ([], [])


def test_the_book_is_never_crossed_hidden_orders_included() -> None:
    """BOOK-2."""
    desk = Desk()
    desk.new("h", SELL, 4, 101, display_qty_lots=0, session="B1")
    assert fills(desk.new("b", BUY, 10, 105)) == ["4@101 h"]
    assert desk.levels == ([(105, 6, 1)], [])


def test_hidden_quantity_and_reserve_count_for_fill_or_kill() -> None:
    """LIMIT-1."""
    desk = Desk()
    desk.new("iceberg", SELL, 10, 101, display_qty_lots=1, session="B1")
    desk.new("hidden", SELL, 5, 102, display_qty_lots=0, session="B1")
    assert len(desk.new("f1", BUY, 16, 102, time_in_force=FILL_OR_KILL)) == 2
    lines = desk.new("f2", BUY, 15, 102, time_in_force=FILL_OR_KILL)
    assert lines[-1] == "filled 5@102 match 11 resting #2 hidden 5+0/5 FILLED"


def test_becoming_hidden_or_not_loses_the_place() -> None:
    """REPLACE-2."""
    desk = Desk()
    desk.new("a", BUY, 2, 100)
    desk.new("b", BUY, 2, 100)
    desk.replace("a2", "a", BUY, 2, 100, display_qty_lots=0)
    assert desk.increment == "3: change bid 2@100 x1"
    desk.replace("a3", "a2", BUY, 2, 100)
    assert desk.levels[0] == [(100, 4, 2)]
    assert fills(desk.new("s", SELL, 4, 100, session="B1")) == ["2@100 b", "2@100 a3"]


def test_a_smaller_hidden_order_keeps_its_place() -> None:
    """REPLACE-2."""
    desk = Desk()
    desk.new("a", BUY, 2, 100, display_qty_lots=0)
    desk.new("b", BUY, 2, 100, display_qty_lots=0)
    desk.replace("a2", "a", BUY, 1, 100, display_qty_lots=0)
    assert fills(desk.new("s", SELL, 3, 100, session="B1")) == ["1@100 a2", "2@100 b"]
