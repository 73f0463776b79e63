"""`Engine.check` notices a state that cannot be: each row damages a healthy engine in one way."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from matcher.engine import Engine
from matcher.orders import BUY, SELL
from tests.matcher.desk import Desk


def healthy() -> Engine:
    """Bids 1 and 2 at 100, bid 3 at 99, an ask at 101, one finished order."""
    desk = Desk()
    for number, price_ticks in ((1, 100), (2, 100), (3, 99)):
        desk.new(f"b{number}", BUY, 10, price_ticks)
    desk.new("s1", SELL, 5, 101)
    desk.new("s2", SELL, 5, 102)
    desk.cancel("c1", "s2", SELL)
    return desk.engine


def wrong_sum(engine: Engine) -> None:
    engine._books["TEST"].bids.best.qty_lots += 1  # type: ignore[union-attr]


def wrong_best(engine: Engine) -> None:
    bids = engine._books["TEST"].bids
    bids.best = bids._levels[-99]


def crossed(engine: Engine) -> None:
    book = engine._books["TEST"]
    order = replace(engine._orders.live[4], price_ticks=100)
    book.asks.take(engine._orders.live[4], 5)
    engine._orders.live[4] = order
    book.asks.add(order)
    book.forget_changes()


def lost_order(engine: Engine) -> None:
    del engine._orders.live[1]


def order_off_the_book(engine: Engine) -> None:
    book = engine._books["TEST"]
    book.bids.take(engine._orders.live[3], 10)
    book.forget_changes()


def quantity_from_nowhere(engine: Engine) -> None:
    engine._orders.live[4] = replace(engine._orders.live[4], cum_qty_lots=1)


def finished_with_a_rest(engine: Engine) -> None:
    engine._orders.finished[5] = replace(engine._orders.finished[5], leaves_qty_lots=1)


def name_that_leads_elsewhere(engine: Engine) -> None:
    engine._orders._order_ids["A"]["b1"] = 2


def name_of_nothing(engine: Engine) -> None:
    engine._orders._order_ids["A"]["nothing"] = 77


def unpublished_change(engine: Engine) -> None:
    engine._books["TEST"]._before[-100] = (0, 0)


@pytest.mark.parametrize(
    "damage",
    [
        wrong_sum,
        wrong_best,
        crossed,
        lost_order,
        order_off_the_book,
        quantity_from_nowhere,
        finished_with_a_rest,
        name_that_leads_elsewhere,
        name_of_nothing,
        unpublished_change,
    ],
)
def test_check_notices(damage: Callable[[Engine], None]) -> None:
    engine = healthy()
    engine.check()
    damage(engine)
    with pytest.raises((AssertionError, KeyError)):
        engine.check()
