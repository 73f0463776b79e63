"""Self-match prevention: whose orders do not meet, and what becomes of them (SMP-1 to SMP-3)."""

import pytest

from matcher.instructions import (
    ALLOW_SELF_MATCH,
    CANCEL_BOTH,
    CANCEL_INCOMING,
    CANCEL_RESTING,
    DECREMENT_BOTH,
)
from matcher.orders import BUY, SELL
from tests.matcher.desk import Desk

TEXT = "(it would have traded with another order of your firm (2362, 2964))"


def with_own_offer(**said: object) -> Desk:
    """Firm A offers 5 at 101 (order 1), firm B 5 at 102 (order 2)."""
    desk = Desk()
    desk.new("own", SELL, 5, 101, **said)  # type: ignore[arg-type]
    desk.new("theirs", SELL, 5, 102, session="B1")
    return desk


def test_the_rest_of_the_incoming_order_is_canceled_by_default() -> None:
    """SMP-2: 1, restatement 18; what it traded before stands."""
    desk = with_own_offer()
    desk.new("better", SELL, 2, 100, session="B1")
    assert desk.new("b", BUY, 10, 102) == [
        "A1 accepted #4 b 0+10/10 NEW",
        "A1 filled 2@100 match 1 incoming #4 b 2+8/10 PARTIALLY_FILLED",
        "filled 2@100 match 1 resting #3 better 2+0/2 FILLED",
        f"A1 canceled 18 {TEXT} #4 b 2+0/10 CANCELED",
    ]
    assert desk.levels == ([], [(101, 5, 1), (102, 5, 1)])


def test_the_resting_order_may_be_canceled_instead() -> None:
    """SMP-2: 2, restatement 19; the incoming order goes on."""
    desk = with_own_offer()
    assert desk.new("b", BUY, 5, 102, session="A2", self_match_instruction=CANCEL_RESTING) == [
        "A2 accepted #3 b 0+5/5 NEW",
        f"canceled 19 {TEXT} #1 own 0+0/5 CANCELED",
        "A2 filled 5@102 match 1 incoming #3 b 5+0/5 FILLED",
        "filled 5@102 match 1 resting #2 theirs 5+0/5 FILLED",
    ]


def test_or_both() -> None:
    """SMP-2: 3, restatement 20, the incoming order told first."""
    desk = with_own_offer()
    assert desk.new("b", BUY, 5, 102, self_match_instruction=CANCEL_BOTH) == [
        "A1 accepted #3 b 0+5/5 NEW",
        f"A1 canceled 20 {TEXT} #3 b 0+0/5 CANCELED",
        f"canceled 20 {TEXT} #1 own 0+0/5 CANCELED",
    ]


def test_or_the_smaller_quantity_is_taken_off_both() -> None:
    """SMP-2: 4, restatement 5; OrderQty(38) stays, what is missing counts as canceled."""
    desk = with_own_offer()
    assert desk.new("b", BUY, 8, 102, self_match_instruction=DECREMENT_BOTH) == [
        "A1 accepted #3 b 0+8/8 NEW",
        "A1 restated 5 #3 b 0+3/8 NEW",
        f"canceled 5 {TEXT} #1 own 0+0/5 CANCELED",
        "A1 filled 3@102 match 1 incoming #3 b 3+0/8 FILLED",
        "filled 3@102 match 1 resting #2 theirs 3+2/5 PARTIALLY_FILLED",
    ]
    assert desk.new("own2", SELL, 5, 101) == ["A1 accepted #4 own2 0+5/5 NEW"]
    assert desk.new("c", BUY, 2, 102, self_match_instruction=DECREMENT_BOTH) == [
        "A1 accepted #5 c 0+2/2 NEW",
        f"A1 canceled 5 {TEXT} #5 c 0+0/2 CANCELED",
        "restated 5 #4 own2 0+3/5 NEW",
    ]
    assert desk.increment == "5: change ask 3@101 x1"


def test_equal_quantities_cancel_both() -> None:
    """SMP-2: 4."""
    desk = with_own_offer()
    assert desk.new("b", BUY, 5, 101, self_match_instruction=DECREMENT_BOTH)[1:] == [
        f"A1 canceled 5 {TEXT} #2 b 0+0/5 CANCELED".replace("#2", "#3"),
        f"canceled 5 {TEXT} #1 own 0+0/5 CANCELED",
    ]


def test_or_they_trade() -> None:
    """SMP-2: 0."""
    desk = with_own_offer()
    assert desk.new("b", BUY, 5, 101, self_match_instruction=ALLOW_SELF_MATCH)[1:] == [
        "A1 filled 5@101 match 1 incoming #3 b 5+0/5 FILLED",
        "filled 5@101 match 1 resting #1 own 5+0/5 FILLED",
    ]


def test_the_incoming_order_decides() -> None:
    """SMP-2: not the resting one."""
    desk = with_own_offer(self_match_instruction=CANCEL_RESTING)
    assert desk.new("b", BUY, 5, 101)[1] == f"A1 canceled 18 {TEXT} #3 b 0+0/5 CANCELED"


@pytest.mark.parametrize(
    ("of_firm", "of_session", "of_order", "restatement"),
    [
        ("", "", "", "18"),
        (CANCEL_RESTING, "", "", "19"),
        (CANCEL_RESTING, CANCEL_BOTH, "", "20"),
        (CANCEL_RESTING, CANCEL_BOTH, CANCEL_INCOMING, "18"),
        ("", CANCEL_RESTING, "", "19"),
    ],
)
def test_order_then_session_then_firm(of_firm: str, of_session: str, of_order: str, restatement: str) -> None:
    """SMP-2."""
    desk = with_own_offer()
    desk.set_limits("A", self_match_instruction=of_firm)
    desk.set_limits("A", "A1", self_match_instruction=of_session)
    lines = desk.new("b", BUY, 5, 101, self_match_instruction=of_order, reports_moves=True)
    assert lines[1].split("canceled ")[1].split()[0] == restatement


@pytest.mark.parametrize(
    ("resting_id", "incoming_id", "meet"),
    [("", "", False), ("X", "X", False), ("X", "Y", True), ("X", "", True), ("", "X", True)],
)
def test_ids_say_who_is_one_party(resting_id: str, incoming_id: str, meet: bool) -> None:
    """SMP-1: two ids must be the same; if only one order carries one, they may trade."""
    desk = Desk()
    desk.new("own", SELL, 5, 101, self_match_id=resting_id)
    lines = desk.new("b", BUY, 5, 101, self_match_id=incoming_id)
    assert ("filled" in lines[1]) == meet


def test_ids_of_two_firms_are_two() -> None:
    """SMP-1."""
    desk = Desk()
    desk.new("own", SELL, 5, 101, self_match_id="X")
    assert "filled" in desk.new("b", BUY, 5, 101, self_match_id="X", session="B1")[1]


def test_an_iceberg_counts_with_all_its_leaves() -> None:
    """SMP-3: its reserve is decremented too; what it shows is at most what is left."""
    desk = Desk()
    desk.new("own", SELL, 10, 101, display_qty_lots=4)
    assert desk.new("b", BUY, 8, 101, self_match_instruction=DECREMENT_BOTH)[1:] == [
        f"A1 canceled 5 {TEXT} #2 b 0+0/8 CANCELED",
        "restated 5 #1 own 0+2/10 NEW shows 2",
    ]
    assert desk.increment == "2: change ask 2@101 x1"


def test_a_self_match_inside_the_corridor_or_not_starts_no_auction() -> None:
    """SMP-2, CORRIDOR-1: there is no trade, so there is no price to check."""
    desk = Desk(static_corridor_bps=100, volatility_auction_ns=10**9)
    desk.new("own", SELL, 5, 150)
    assert desk.new("b", BUY, 5, 150)[1:] == [f"A1 canceled 18 {TEXT} #2 b 0+0/5 CANCELED"]
