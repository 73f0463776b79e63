"""What a replace costs an order of its place in the queue, as one table (REPLACE-2)."""

from typing import Any

import pytest

from matcher.orders import AT_THE_CLOSE, BUY, DAY, GOOD_TILL_CANCEL, GOOD_TILL_DATE, SELL
from tests.matcher.desk import Desk

OLD: dict[str, Any] = {"price_ticks": 100, "qty_lots": 10}
ICEBERG: dict[str, Any] = {**OLD, "display_qty_lots": 4}
HIDDEN: dict[str, Any] = {**OLD, "display_qty_lots": 0}
TIMED: dict[str, Any] = {**OLD, "time_in_force": GOOD_TILL_DATE, "expire_ns": 10**12}
POST: dict[str, Any] = {**OLD, "post_only": "S"}

KEEPS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": (OLD, {}),
    "less": (OLD, {"qty_lots": 9}),
    "time in force": (OLD, {"time_in_force": GOOD_TILL_CANCEL}),
    "an end": (OLD, {"time_in_force": GOOD_TILL_DATE, "expire_ns": 10**12}),
    "another end": (TIMED, {"expire_ns": 2 * 10**12}),
    "a date": (TIMED, {"expire_ns": 0, "expire_date": 20300101}),
    "no end": (TIMED, {"time_in_force": DAY, "expire_ns": 0}),
    "a slice": (ICEBERG, {"display_qty_lots": 5}),
    "cancel on halt": (OLD, {"cancel_on_halt": True}),
    "reports": (OLD, {"reports_moves": True}),
    "self-match": (OLD, {"self_match_id": "X", "self_match_instruction": "2"}),
    "less of an iceberg": (ICEBERG, {"qty_lots": 3, "display_qty_lots": 3}),
    "less of a hidden order": (HIDDEN, {"qty_lots": 3}),
    "less of a post-only order": (POST, {"qty_lots": 3}),
}
LOSES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "more": (OLD, {"qty_lots": 11}),
    "post-only": (OLD, {"post_only": "R"}),
    "no longer post-only": (POST, {"post_only": ""}),
    "an iceberg": (OLD, {"display_qty_lots": 4}),
    "no iceberg": (ICEBERG, {"display_qty_lots": -1}),
    "more of an iceberg": (ICEBERG, {"qty_lots": 11}),
    "minimum": (OLD, {"min_qty_lots": 1}),
}


def meets_first(before: dict[str, Any], change: dict[str, Any]) -> str:
    """Two bids at 100 of one kind, the older one replaced: which one does an ask meet first?"""
    desk = Desk()
    desk.new("old", BUY, **before)
    desk.new("young", BUY, **before)
    replaced = desk.replace("old2", "old", BUY, **(before | change))
    assert replaced[0].startswith("A1 replaced old #1 old2")
    return desk.new("s", SELL, 1, 100, session="B1")[2].split()[6]


@pytest.mark.parametrize("name", KEEPS)
def test_keeps_its_place(name: str) -> None:
    """REPLACE-2."""
    assert meets_first(*KEEPS[name]) == "old2"


@pytest.mark.parametrize("name", LOSES)
def test_loses_its_place(name: str) -> None:
    """REPLACE-2."""
    assert meets_first(*LOSES[name]) == "young"


def test_at_the_close_is_another_place() -> None:
    """REPLACE-2, CLOSE-1: 59=7 leaves the book, and comes back behind the others."""
    desk = Desk()
    desk.new("old", BUY, 10, 100)
    desk.new("young", BUY, 10, 100)
    assert desk.replace("r", "old", BUY, 10, 100, time_in_force=AT_THE_CLOSE) == [
        "A1 replaced old #1 r 0+10/10 NEW waits C"
    ]
    assert desk.levels[0] == [(100, 10, 1)]
    assert desk.replace("s", "r", BUY, 10, 100) == ["A1 replaced r #1 s 0+10/10 NEW"]
    assert desk.new("x", SELL, 1, 100, session="B1")[2].split()[6] == "young"


def test_an_end_that_is_replaced_away_does_not_come() -> None:
    """REPLACE-2, GTD-1."""
    desk = Desk()
    desk.new("a", BUY, 10, 100, time_in_force=GOOD_TILL_DATE, expire_ns=10**6)
    desk.replace("b", "a", BUY, 10, 100, time_in_force=GOOD_TILL_DATE, expire_ns=2 * 10**6)
    assert desk.fire_timers(10**6) == []
    assert desk.fire_timers(2 * 10**6) == ["expired #1 b 0+0/10 EXPIRED"]


def test_what_was_decremented_may_be_asked_for_again() -> None:
    """REPLACE-1, SMP-2: leaves are the new total less CumQty(14); more than was open goes to the back."""
    desk = Desk()
    desk.new("own", SELL, 5, 101)
    desk.new("b", BUY, 2, 101, self_match_instruction="4")
    assert desk.status("own", SELL) == ["A1 status known #1 own 0+3/5 NEW"]
    assert desk.replace("r", "own", SELL, 5, 101) == ["A1 replaced own #1 r 0+5/5 NEW"]
