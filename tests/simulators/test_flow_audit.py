"""The audits: they accept what was planned, and say what differs from it."""

import pytest

from matcher.orders import BUY, DAY, IMMEDIATE_OR_CANCEL, SELL
from simulators.flow_audit import BookAudit, Fill, FillAudit, PublicLevel
from simulators.flow_requests import ExpectedFill, NewRequest
from simulators.recorded.rows import RecordedBook

TAKE = NewRequest("take", "OAK", SELL, 100, 5, IMMEDIATE_OR_CANCEL, (ExpectedFill("rest", 100, 5),))


def sides(maker: str = "rest", price: int = 100, qty: int = 5, match_id: str = "1") -> list[Fill]:
    return [Fill("OAK", cl_ord_id, match_id, price, qty) for cl_ord_id in ("take", maker)]


@pytest.mark.parametrize("order", [1, -1])
def test_both_sides_of_a_planned_trade_count_as_exact_whichever_comes_first(order: int) -> None:
    audit = FillAudit()
    audit.expect(3, TAKE)
    assert audit.missing == 1
    for fill in sides()[::order]:
        audit.on_fill(fill)
    audit.finish()
    assert (audit.expected, audit.exact, audit.missing, audit.first_difference) == (1, 1, 0, None)


@pytest.mark.parametrize(
    "fills",
    [sides(maker="other"), sides(price=99), sides(qty=4), sides()[:1], [], [sides()[0], sides(qty=4)[1]]],
    ids=["another order", "another price", "another quantity", "one side only", "none", "sides disagree"],
)
def test_a_trade_that_is_not_as_planned_is_a_difference(fills: list[Fill]) -> None:
    audit = FillAudit()
    audit.expect(3, TAKE)
    for fill in fills:
        audit.on_fill(fill)
    audit.finish()
    assert audit.exact == 0
    assert audit.first_difference is not None
    assert audit.first_difference.row in (0, 3)


def test_a_trade_that_nobody_planned_is_a_difference() -> None:
    audit = FillAudit()
    audit.expect(1, NewRequest("take", "OAK", SELL, 100, 5, DAY))
    for fill in sides():
        audit.on_fill(fill)
    assert audit.exact == 0
    assert audit.first_difference is not None


def books(compared_levels: int = 2) -> BookAudit:
    audit = BookAudit()
    audit.begin("OAK", 40, compared_levels=compared_levels)
    return audit


def bid(price: int, qty: int) -> PublicLevel:
    return PublicLevel(BUY, price, qty, 1)


def test_a_row_is_compared_with_the_increment_that_ends_it_whenever_that_arrives() -> None:
    audit = books()
    audit.expect("OAK", 1, 0, RecordedBook((), ()))
    assert (audit.compared, audit.equal) == (1, 1), "a row without requests needs no increment"
    audit.expect("OAK", 2, 1, RecordedBook(((100, 5),), ()))
    audit.expect("OAK", 3, 3, RecordedBook(((100, 7),), ((103, 2),)))
    assert audit.waiting == 2
    audit.on_increment("OAK", 41, [bid(100, 5)])
    audit.on_increment("OAK", 42, [bid(100, 7)])
    assert (audit.waiting, audit.equal) == (1, 2)
    audit.on_increment("OAK", 43, [PublicLevel(SELL, 103, 2, 1)])
    assert (audit.waiting, audit.equal, audit.compared, audit.first_difference) == (0, 3, 3, None)


def test_only_the_best_levels_are_compared() -> None:
    audit = books(compared_levels=1)
    audit.on_increment("OAK", 41, [bid(100, 5), bid(99, 6)])
    audit.expect("OAK", 1, 1, RecordedBook(((100, 5), (98, 1)), ()))
    assert audit.equal == 1


def test_a_level_of_nothing_is_gone() -> None:
    audit = books()
    audit.on_increment("OAK", 41, [bid(100, 5), bid(99, 6)])
    audit.on_increment("OAK", 42, [bid(100, 0)])
    audit.expect("OAK", 1, 2, RecordedBook(((99, 6),), ()))
    assert audit.equal == 1


def test_a_book_that_differs_is_told_with_its_row() -> None:
    audit = books()
    audit.expect("OAK", 9, 1, RecordedBook(((100, 5),), ()))
    audit.on_increment("OAK", 41, [bid(100, 6)])
    assert (audit.compared, audit.equal) == (1, 0)
    assert audit.first_difference is not None
    assert (audit.first_difference.symbol, audit.first_difference.row) == ("OAK", 9)


def test_a_repeated_increment_changes_nothing_and_a_lost_one_is_a_difference() -> None:
    audit = books()
    audit.on_increment("OAK", 41, [bid(100, 5)])
    audit.on_increment("OAK", 41, [bid(100, 9)])
    audit.expect("OAK", 1, 1, RecordedBook(((100, 5),), ()))
    assert audit.equal == 1
    audit.expect("OAK", 2, 2, RecordedBook(((100, 6),), ()))
    audit.on_increment("OAK", 43, [bid(100, 7)])
    assert (audit.lost, audit.waiting) == (1, 0)
    assert audit.first_difference is not None


def test_a_fresh_snapshot_replaces_the_book_and_an_old_empty_one_does_not() -> None:
    audit = books()
    audit.on_increment("OAK", 41, [bid(100, 5)])
    audit.on_snapshot("OAK", 41, [])
    audit.expect("OAK", 1, 1, RecordedBook(((100, 5),), ()))
    assert audit.equal == 1
    audit.expect("OAK", 2, 2, RecordedBook(((100, 6),), ()))
    audit.on_snapshot("OAK", 43, [bid(98, 1)])
    audit.expect("OAK", 3, 3, RecordedBook(((98, 1),), ()))
    assert (audit.lost, audit.equal, audit.compared) == (1, 2, 2)


def test_rows_whose_increment_never_came_are_lost() -> None:
    audit = books()
    audit.expect("OAK", 1, 1, RecordedBook((), ()))
    audit.finish()
    assert (audit.lost, audit.compared) == (1, 0)
    assert audit.first_difference is not None
