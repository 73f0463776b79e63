"""The planner: what each kind of row asks of a venue, and what it does about what a file leaves out."""

import pytest

from matcher.orders import BUY, DAY, IMMEDIATE_OR_CANCEL, SELL, Side
from simulators.flow import Planner
from simulators.flow_requests import (
    AnyRequest,
    CancelRequest,
    ExpectedFill,
    FlowUnits,
    NewRequest,
    ReplaceRequest,
)
from simulators.recorded.rows import FlowEvent, FlowKind, RecordedBook

NEW, REDUCE, RESIZE = FlowKind.NEW, FlowKind.REDUCE, FlowKind.RESIZE
DELETE, EXECUTE, NOTHING = FlowKind.DELETE, FlowKind.EXECUTE, FlowKind.NOTHING


class Tape:
    """Rows of one symbol, planned as they are written down."""

    def __init__(self, *, takers_are_recorded: bool = False, corrected_levels: int = 0) -> None:
        self.planner = Planner(
            id_prefix="r", takers_are_recorded=takers_are_recorded, corrected_levels=corrected_levels
        )
        self.rows = 0
        self.increments = 0

    def row(
        self,
        kind: FlowKind,
        order_ref: str = "",
        side: Side | None = None,
        price: int = 0,
        qty: int = 0,
        *,
        book: RecordedBook | None = None,
    ) -> list[AnyRequest]:
        self.rows += 1
        step = self.planner.plan(FlowEvent(self.rows, 0, "OAK", kind, order_ref, side, price, qty, book))
        self.increments = step.increments
        return list(step.requests)

    @property
    def book(self) -> RecordedBook:
        return self.planner.book("OAK").top()


def book(*, bids: dict[int, int], asks: dict[int, int]) -> RecordedBook:
    return RecordedBook(tuple(bids.items()), tuple(asks.items()))


def test_a_new_row_is_a_day_limit_order() -> None:
    assert Tape().row(NEW, "7", BUY, 100, 30) == [NewRequest("r-1-7", "OAK", BUY, 100, 30, DAY)]


def test_a_partial_cancel_is_a_replace_to_the_smaller_total_and_names_the_last_cl_ord_id() -> None:
    tape = Tape()
    tape.row(NEW, "7", BUY, 100, 30)
    assert tape.row(REDUCE, "7", qty=10) == [ReplaceRequest("r-2-7", "OAK", BUY, "r-1-7", 100, 20)]
    assert tape.row(RESIZE, "7", qty=5) == [ReplaceRequest("r-3-7", "OAK", BUY, "r-2-7", 100, 5)]


def test_the_smaller_total_includes_what_was_filled() -> None:
    tape = Tape()
    tape.row(NEW, "7", BUY, 100, 30)
    tape.row(EXECUTE, "7", BUY, 100, 12)
    assert tape.row(REDUCE, "7", qty=8) == [ReplaceRequest("r-3-7", "OAK", BUY, "r-1-7", 100, 22)]
    assert tape.book == book(bids={100: 10}, asks={})


@pytest.mark.parametrize("last", [(DELETE, 0), (REDUCE, 30), (RESIZE, 0)])
def test_a_row_that_leaves_nothing_is_a_cancel(last: tuple[FlowKind, int]) -> None:
    tape = Tape()
    tape.row(NEW, "7", SELL, 100, 30)
    kind, qty = last
    assert tape.row(kind, "7", qty=qty) == [CancelRequest("r-2-7", "OAK", SELL, "r-1-7")]
    assert tape.book == book(bids={}, asks={})


def test_an_execution_is_an_opposite_immediate_order_that_must_fill_the_recorded_one() -> None:
    tape = Tape()
    tape.row(NEW, "7", SELL, 100, 30)
    tape.row(NEW, "8", SELL, 100, 30)
    assert tape.row(EXECUTE, "7", SELL, 100, 30) == [
        NewRequest("r-3-take3", "OAK", BUY, 100, 30, IMMEDIATE_OR_CANCEL, (ExpectedFill("r-1-7", 100, 30),))
    ]
    assert tape.planner.counts.executable == tape.planner.counts.executions == 1


def test_an_execution_that_no_incoming_order_could_cause_becomes_a_reduction() -> None:
    tape = Tape()
    tape.row(NEW, "7", SELL, 100, 30)
    tape.row(NEW, "8", SELL, 100, 30)
    assert tape.row(EXECUTE, "8", SELL, 100, 10) == [ReplaceRequest("r-3-8", "OAK", SELL, "r-2-8", 100, 20)]
    assert (tape.planner.counts.executions, tape.planner.counts.executable) == (1, 0)


def test_a_replace_keeps_the_place_in_the_queue() -> None:
    tape = Tape()
    tape.row(NEW, "7", SELL, 100, 30)
    tape.row(NEW, "8", SELL, 100, 30)
    tape.row(REDUCE, "7", qty=1)
    (take,) = tape.row(EXECUTE, "7", SELL, 100, 29)
    assert isinstance(take, NewRequest)
    assert take.fills == (ExpectedFill("r-3-7", 100, 29),)


def test_a_hidden_trade_asks_for_nothing() -> None:
    assert Tape().row(NOTHING) == []


def test_a_row_about_an_order_that_has_traded_away_asks_for_nothing() -> None:
    tape = Tape()
    tape.row(NEW, "7", SELL, 100, 30)
    tape.row(EXECUTE, "7", SELL, 100, 30)
    assert tape.row(DELETE, "7") == []
    assert tape.row(RESIZE, "7", qty=4) == []
    assert tape.planner.counts.nothing_left == 2


def test_each_request_is_one_increment() -> None:
    tape = Tape()
    tape.row(NEW, "7", SELL, 100, 30)
    tape.row(NOTHING)
    assert tape.increments == 1
    tape.row(EXECUTE, "7", SELL, 100, 10)
    tape.row(DELETE, "7")
    assert tape.increments == 3


def test_what_a_new_order_would_cross_is_gone_and_is_canceled_first() -> None:
    tape = Tape()
    tape.row(NEW, "7", SELL, 100, 30)
    assert tape.row(NEW, "8", BUY, 100, 5) == [
        CancelRequest("r-2-7", "OAK", SELL, "r-1-7"),
        NewRequest("r-3-8", "OAK", BUY, 100, 5, DAY),
    ]


def test_where_takers_are_recorded_a_new_order_trades_on_arrival() -> None:
    tape = Tape(takers_are_recorded=True)
    tape.row(NEW, "7", SELL, 100, 30)
    tape.row(NEW, "8", SELL, 101, 30)
    assert tape.row(NEW, "9", BUY, 101, 70) == [
        NewRequest("r-3-9", "OAK", BUY, 101, 70, DAY, (ExpectedFill("r-1-7", 100, 30), ExpectedFill("r-2-8", 101, 30)))
    ]
    assert tape.book == book(bids={101: 10}, asks={})
    assert tape.row(DELETE, "7") == [], "the venue has done it already"
    assert tape.row(RESIZE, "9", qty=4) == [ReplaceRequest("r-4-9", "OAK", BUY, "r-3-9", 101, 64)]


def test_the_first_recorded_book_stands_for_its_row_and_all_before_it() -> None:
    tape = Tape()
    first = book(bids={100: 30, 99: 5}, asks={102: 7})
    assert tape.row(DELETE, "1", BUY, 100, 4, book=first) == [
        NewRequest("r-1-seed", "OAK", BUY, 100, 30, DAY),
        NewRequest("r-2-seed", "OAK", BUY, 99, 5, DAY),
        NewRequest("r-3-seed", "OAK", SELL, 102, 7, DAY),
    ]
    assert tape.book == first


def test_rows_about_orders_never_introduced_are_about_the_stand_in_at_their_price() -> None:
    tape = Tape()
    tape.row(NOTHING, book=book(bids={100: 30}, asks={102: 7}))
    tape.row(NEW, "9", BUY, 100, 50)
    assert tape.row(DELETE, "1", BUY, 100, 4) == [ReplaceRequest("r-4-seed", "OAK", BUY, "r-1-seed", 100, 26)]
    (take,) = tape.row(EXECUTE, "2", BUY, 100, 26)
    assert isinstance(take, NewRequest)
    assert take.fills == (ExpectedFill("r-4-seed", 100, 26),), "it stands before all that came later"
    assert tape.row(DELETE, "3", BUY, 100, 4) == [], "nothing of it is left"


def test_an_execution_of_an_order_never_introduced_enters_it_first() -> None:
    assert Tape().row(EXECUTE, "1", BUY, 100, 26) == [
        NewRequest("r-1-seed", "OAK", BUY, 100, 26, DAY),
        NewRequest("r-2-take1", "OAK", SELL, 100, 26, IMMEDIATE_OR_CANCEL, (ExpectedFill("r-1-seed", 100, 26),)),
    ]


def test_an_execution_proves_that_nothing_better_rests_beside_it() -> None:
    tape = Tape()
    tape.row(NEW, "7", BUY, 101, 3)
    tape.row(NEW, "8", BUY, 100, 3)
    cancel, take = tape.row(EXECUTE, "8", BUY, 100, 3)
    assert cancel == CancelRequest("r-3-7", "OAK", BUY, "r-1-7")
    assert isinstance(take, NewRequest)
    assert take.fills == (ExpectedFill("r-2-8", 100, 3),)


def test_a_corrected_file_brings_its_levels_into_line_after_each_row() -> None:
    tape = Tape(corrected_levels=1)
    tape.row(NOTHING, book=book(bids={100: 5}, asks={103: 5}))
    # A better bid comes, and goes again; meanwhile 100 has shrunk and 103 has grown, out of the file's sight.
    tape.row(NEW, "7", BUY, 101, 4, book=book(bids={101: 4}, asks={103: 5}))
    assert tape.row(DELETE, "7", BUY, 101, 4, book=book(bids={100: 2}, asks={103: 9})) == [
        CancelRequest("r-4-7", "OAK", BUY, "r-3-7"),
        ReplaceRequest("r-5-seed", "OAK", BUY, "r-1-seed", 100, 2),
        NewRequest("r-6-seed", "OAK", SELL, 103, 4, DAY),
    ]
    assert tape.book == book(bids={100: 2}, asks={103: 9})


def test_a_corrected_file_cancels_what_is_better_than_the_best_recorded_level() -> None:
    tape = Tape(corrected_levels=1)
    tape.row(NOTHING, book=book(bids={100: 5}, asks={103: 5}))
    tape.row(NEW, "7", BUY, 101, 4, book=book(bids={101: 4}, asks={103: 5}))
    tape.row(NOTHING, book=book(bids={99: 1}, asks={103: 5}))
    assert tape.book == book(bids={99: 1}, asks={103: 5})


@pytest.mark.parametrize("executed", ["8", "unknown"])
def test_a_corrected_file_gives_an_executed_order_the_place_that_its_execution_proves(executed: str) -> None:
    tape = Tape(corrected_levels=1)
    tape.row(NEW, "7", BUY, 100, 4, book=book(bids={}, asks={}))
    tape.row(NEW, "7", BUY, 100, 4, book=book(bids={100: 4}, asks={}))
    tape.row(NEW, "8", BUY, 100, 6, book=book(bids={100: 10}, asks={}))
    requests = tape.row(EXECUTE, executed, BUY, 100, 6, book=book(bids={100: 4}, asks={}))
    takes = [request for request in requests if isinstance(request, NewRequest) and request.fills]
    (take,) = takes
    assert sum(fill.qty for fill in take.fills) == take.qty == 6
    assert tape.planner.counts.executable == 1
    assert tape.book == book(bids={100: 4}, asks={})
    if executed == "8":
        assert take.fills == (ExpectedFill("r-2-8", 100, 6),)


def test_cl_ord_ids_stay_within_what_a_venue_takes() -> None:
    (request,) = Tape().row(NEW, "x" * 60, BUY, 100, 1)
    assert len(request.cl_ord_id) == 36


def test_requests_in_fix_carry_exact_decimals() -> None:
    units = FlowUnits(price_places=2, qty_places=8)
    new = NewRequest("a", "BTC/USD", BUY, 23647, 200000001, DAY)
    assert units.body(new, "20260102-03:04:05") == (
        "35=D|11=a|21=1|38=2.00000001|40=2|44=236.47|54=1|55=BTC/USD|59=0|60=20260102-03:04:05|".replace("|", "\x01")
    )
    replace = ReplaceRequest("b", "BTC/USD", BUY, "a", 23647, 7)
    assert units.body(replace, "20260102-03:04:05") == (
        "35=G|11=b|21=1|38=0.00000007|40=2|41=a|44=236.47|54=1|55=BTC/USD|60=20260102-03:04:05|".replace("|", "\x01")
    )
    cancel = CancelRequest("c", "BTC/USD", BUY, "b")
    assert units.body(cancel, "20260102-03:04:05") == (
        "35=F|11=c|41=b|54=1|55=BTC/USD|60=20260102-03:04:05|".replace("|", "\x01")
    )
    assert (units.price("236.4700"), units.qty("2.00000001")) == (23647, 200000001)
