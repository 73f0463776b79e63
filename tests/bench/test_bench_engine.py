"""The engine's benchmark runs, does the work it says, and prints the same checksum for the same work."""

import io

from matcher.commands import CancelOrder, NewOrder, ReplaceOrder
from tests.bench.bench_engine import SyntheticTrader, lobster_commands, measure

LOBSTER = """time,type,order_id,size,price,direction
34200.1,1,11,100,2231800,1
34200.2,2,11,40,2231800,1
34200.3,4,11,10,2231800,1
34200.4,5,0,10,2231800,1
34200.5,3,11,50,2231800,1
34200.6,4,12,7,2238200,-1
"""


def test_recorded_messages_become_the_requests_that_repeat_them() -> None:
    commands = list(lobster_commands(io.StringIO(LOBSTER)))
    told = [
        (type(c).__name__, c.cl_ord_id, c.side, c.price_ticks, c.qty_lots, c.time_in_force)
        if isinstance(c, NewOrder | ReplaceOrder)
        else (type(c).__name__, c.cl_ord_id, c.side)
        for c in commands
    ]
    assert told == [
        ("NewOrder", "11", "1", 22318, 100, "0"),
        ("ReplaceOrder", "r2", "1", 22318, 60, "0"),
        ("NewOrder", "x3", "2", 22318, 10, "3"),
        ("CancelOrder", "c5", "1"),
        ("NewOrder", "12", "2", 22382, 7, "0"),
        ("NewOrder", "x6", "1", 22382, 7, "3"),
    ]
    assert isinstance(commands[3], CancelOrder)
    assert commands[3].orig_cl_ord_id == "r2"
    assert measure("lobster", [], commands)["events"] == {
        "OrderAccepted": 4,
        "OrderCanceled": 1,
        "OrderFilled": 4,
        "OrderReplaced": 1,
    }


def test_the_synthetic_book_keeps_its_size_and_its_checksum() -> None:
    lines = []
    for _ in range(2):
        trader = SyntheticTrader(100)
        lines.append(measure("resting_100", trader.fill(), [trader.next() for _ in range(2000)]))
    first, second = lines
    assert first["state_hash"] == second["state_hash"]
    assert first["resting_orders"] == 100
    assert 80 < int(str(first["resting_orders_at_end"])) < 120
