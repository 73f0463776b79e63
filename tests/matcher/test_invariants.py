"""`Engine.check` notices a state that cannot be: each row damages a healthy engine in one way."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from matcher.books.book import Book
from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.engine.engine import Engine
from matcher.instructions import Instructions
from matcher.orders import BUY, PEGGED, SELL, STOP
from tests.matcher.desk import Desk

ICEBERG, STOPPED, PEG, DATED = 6, 7, 8, 9
"""OrderIDs of the special orders."""


def healthy() -> Engine:
    """Bids 1 and 2 at 100, bid 3 at 99, an ask at 101, one finished order, and special ones that wait or follow."""
    desk = Desk()
    for number, price_ticks in ((1, 100), (2, 100), (3, 99)):
        desk.new(f"b{number}", BUY, 10, price_ticks)
    desk.new("s1", SELL, 5, 101)
    desk.new("s2", SELL, 5, 102)
    desk.cancel("c1", "s2", SELL)
    desk.new("ice", BUY, 10, 98, display_qty_lots=3)
    desk.new("stop", BUY, 1, ord_type=STOP, stop_price_ticks=110)
    desk.new("peg", BUY, 1, ord_type=PEGGED, peg_price_type="5", peg_offset_ticks=-5)
    desk.new("dated", BUY, 1, 90, time_in_force="6", expire_ns=10**18)
    return desk.engine


def floor(engine: Engine) -> Floor:
    return engine._floor


def market(engine: Engine) -> Market:
    return floor(engine).markets["TEST"]


def book(engine: Engine) -> Book:
    return market(engine).book


def change(engine: Engine, order_id: int, **fields: object) -> None:
    live = floor(engine).orders.live
    live[order_id] = replace(live[order_id], **fields)


def wrong_sum(engine: Engine) -> None:
    book(engine).bids.displayed.best.qty_lots += 1  # type: ignore[union-attr]


def wrong_reserve(engine: Engine) -> None:
    book(engine).bids.displayed.levels[-98].reserve_qty_lots += 1


def wrong_best(engine: Engine) -> None:
    bids = book(engine).bids.displayed
    bids.best = bids.levels[-99]


def wrong_queue(engine: Engine) -> None:
    levels = book(engine).bids.displayed.levels
    levels[-99].order_ids[1] = levels[-100].order_ids.pop(1)


def crossed(engine: Engine) -> None:
    asks, order = book(engine).asks, floor(engine).orders.live[4]
    asks.remove(order)
    change(engine, 4, price_ticks=100)
    asks.add(floor(engine).orders.live[4])
    book(engine).touched_since.clear()


def lost_order(engine: Engine) -> None:
    del floor(engine).orders.live[1]


def order_off_the_book(engine: Engine) -> None:
    book(engine).bids.remove(floor(engine).orders.live[3])
    book(engine).touched_since.clear()


def quantity_from_nowhere(engine: Engine) -> None:
    change(engine, 4, cum_qty_lots=1)


def finished_with_a_rest(engine: Engine) -> None:
    finished = floor(engine).orders.finished
    finished[5] = replace(finished[5], leaves_qty_lots=1)


def name_that_leads_elsewhere(engine: Engine) -> None:
    floor(engine).orders._order_ids["A"]["b1"] = 2


def name_of_nothing(engine: Engine) -> None:
    floor(engine).orders._order_ids["A"]["nothing"] = 77


def unpublished_change(engine: Engine) -> None:
    book(engine).touched_since.levels[-100] = 0


def slice_above_what_is_left(engine: Engine) -> None:
    said = floor(engine).orders.live[ICEBERG].instructions
    assert said is not None
    change(engine, ICEBERG, instructions=replace(said, shown_qty_lots=11))


def dangling_trigger(engine: Engine) -> None:
    """The order is gone, its trigger is not."""
    del floor(engine).orders.live[STOPPED]


def stop_without_a_trigger(engine: Engine) -> None:
    market(engine).stops.remove(floor(engine).orders.live[STOPPED])


def trigger_of_another_price(engine: Engine) -> None:
    said = floor(engine).orders.live[STOPPED].instructions
    assert said is not None
    change(engine, STOPPED, instructions=replace(said, stop_price_ticks=111))


def forgotten_peg(engine: Engine) -> None:
    market(engine).pegs.clear()


def forgotten_expiry(engine: Engine) -> None:
    market(engine).expiries.clear()


def held_on_the_book(engine: Engine) -> None:
    change(engine, 1, instructions=Instructions(held="C"))


def held_twice(engine: Engine) -> None:
    market(engine).at_close[1] = None


def dark_for_no_reason(engine: Engine) -> None:
    book(engine).is_dark = True


def released_and_never_worked(engine: Engine) -> None:
    market(engine).released[1] = None


@pytest.mark.parametrize(
    "damage",
    [
        wrong_sum,
        wrong_reserve,
        wrong_best,
        wrong_queue,
        crossed,
        lost_order,
        order_off_the_book,
        quantity_from_nowhere,
        finished_with_a_rest,
        name_that_leads_elsewhere,
        name_of_nothing,
        unpublished_change,
        slice_above_what_is_left,
        dangling_trigger,
        stop_without_a_trigger,
        trigger_of_another_price,
        forgotten_peg,
        forgotten_expiry,
        held_on_the_book,
        held_twice,
        dark_for_no_reason,
        released_and_never_worked,
    ],
)
def test_check_notices(damage: Callable[[Engine], None]) -> None:
    engine = healthy()
    engine.check()
    damage(engine)
    with pytest.raises((AssertionError, KeyError)):
        engine.check()
