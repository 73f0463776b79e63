"""What one command told the public stays as it was told: what later commands of the same batch do is told by them."""

from matcher.commands import NewOrder
from matcher.engine.engine import Engine
from matcher.orders import BUY, DAY, LIMIT, SELL, Side
from tests.matcher.desk import instruments


def test_an_increment_without_trades_does_not_get_those_of_the_next_command() -> None:
    engine = Engine(0, instruments("TEST"), orders_max=100, finished_orders_max=100)

    def order(number: int, side: Side) -> NewOrder:
        return NewOrder(f"{side}1", 1, number, 0, number, side, "TEST", f"c{number}", "", side, LIMIT, DAY, 100, 5)

    rested = engine.apply(order(1, BUY), 1).increments
    traded = engine.apply(order(2, SELL), 2).increments
    assert [len(increment.trades) for increment in (*rested, *traded)] == [0, 1]
