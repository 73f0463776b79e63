"""Orders that ask for so much at once: MinQty(110) and fill-or-kill (MIN-1, LIMIT-1)."""

import pytest

from matcher.instructions import (
    ALLOW_SELF_MATCH,
    CANCEL_BOTH,
    CANCEL_INCOMING,
    CANCEL_RESTING,
    DECREMENT_BOTH,
    SelfMatchInstruction,
)
from matcher.orders import BUY, FILL_OR_KILL, IMMEDIATE_OR_CANCEL, MARKET, SELL
from tests.matcher.desk import Desk
from tests.matcher.venue_desk import VenueDesk, leg

MIN_NOT_FILLED = "(the book cannot fill MinQty(110) of this order at once)"
FOK_NOT_FILLED = "(the book cannot fill all of this FillOrKill order (59=4) at once)"


def test_at_least_so_much_trades_at_once_or_nothing_does() -> None:
    """MIN-1: the rest of one that trades rests, and MinQty counts no more."""
    desk = Desk()
    desk.new("s", SELL, 4, 101, session="B1")
    assert desk.new("m5", BUY, 10, 101, min_qty_lots=5) == [
        "A1 accepted #2 m5 0+10/10 NEW",
        f"A1 canceled {MIN_NOT_FILLED} #2 m5 0+0/10 CANCELED",
    ]
    assert desk.increment is None
    assert desk.new("m4", BUY, 10, 101, min_qty_lots=4) == [
        "A1 accepted #3 m4 0+10/10 NEW",
        "A1 filled 4@101 match 1 incoming #3 m4 4+6/10 PARTIALLY_FILLED",
        "filled 4@101 match 1 resting #1 s 4+0/4 FILLED",
    ]
    assert desk.new("s2", SELL, 1, 101, session="B1")[2].startswith("filled 1@101 match 2 resting #3 m4")


def test_min_qty_of_immediate_and_market_orders() -> None:
    """MIN-1."""
    desk = Desk()
    desk.new("s", SELL, 4, 101, session="B1")
    desk.new("s2", SELL, 4, 105, session="B1")
    assert desk.new("i", BUY, 9, 101, time_in_force=IMMEDIATE_OR_CANCEL, min_qty_lots=5)[1:] == [
        f"A1 canceled {MIN_NOT_FILLED} #3 i 0+0/9 CANCELED"
    ]
    assert desk.new("m", BUY, 9, ord_type=MARKET, min_qty_lots=9)[1:] == [
        f"A1 canceled {MIN_NOT_FILLED} #4 m 0+0/9 CANCELED"
    ]
    assert len(desk.new("n", BUY, 9, ord_type=MARKET, min_qty_lots=8)) == 6


@pytest.mark.parametrize("instruction", [CANCEL_INCOMING, DECREMENT_BOTH])
def test_a_leg_that_is_gone_by_then_stands_in_nobodys_way(instruction: SelfMatchInstruction) -> None:
    """
    MIN-1, OCO-1: the first leg, of another party of the firm, trades and takes the second off the book.

    So the second, of the own party, is never met, and the 3 of firm B behind it can be reached.
    """
    desk = VenueDesk()
    desk.new_list("L", "1", leg("x", SELL, 5, 101, self_match_id="y"), leg("y", SELL, 5, 101))
    desk.new("s", SELL, 3, 102, session="B1")
    asked = desk.new("m", BUY, 9, 102, min_qty_lots=8, self_match_instruction=instruction)
    assert [line for line in asked if "canceled" in line or "incoming" in line] == [
        "A1 filled 5@101 match 1 incoming #4 m 5+4/9 PARTIALLY_FILLED",
        "canceled (L) #2 y 0+0/5 CANCELED",
        "A1 filled 3@102 match 2 incoming #4 m 8+1/9 PARTIALLY_FILLED",
    ]


def test_min_qty_says_nothing_in_a_replace() -> None:
    """MIN-1: later it counts no more."""
    desk = Desk()
    desk.new("b", BUY, 10, 100)
    desk.new("s", SELL, 4, 101, session="B1")
    assert desk.replace("r", "b", BUY, 10, 101, min_qty_lots=9)[1] == (
        "A1 filled 4@101 match 1 incoming #1 r 4+6/10 PARTIALLY_FILLED"
    )


@pytest.mark.parametrize(
    ("instruction", "fok_lots", "min_lots"),
    [
        (ALLOW_SELF_MATCH, 12, 12),
        (CANCEL_INCOMING, 4, 4),
        (CANCEL_BOTH, 4, 4),
        (CANCEL_RESTING, 9, 9),
        (DECREMENT_BOTH, 4, 9),
    ],
)
def test_what_self_match_prevention_keeps_back_does_not_count(
    instruction: SelfMatchInstruction, fok_lots: int, min_lots: int
) -> None:
    """
    LIMIT-1: on the way up stand 4 of firm B, 3 of the own firm, 5 of firm B.

    A fill-or-kill order that loses some of itself is not filled; MinQty may be reached all the same.
    """

    def offers() -> Desk:
        desk = Desk()
        desk.new("s1", SELL, 4, 101, session="B1")
        desk.new("own", SELL, 3, 102)
        desk.new("s2", SELL, 5, 103, session="B1")
        return desk

    def trades(qty_lots: int, **said: object) -> bool:
        return any("incoming" in line for line in offers().new("b", BUY, qty_lots, 103, **said))  # type: ignore[arg-type]

    fok = {"time_in_force": FILL_OR_KILL, "self_match_instruction": instruction}
    assert trades(fok_lots, **fok)
    assert not trades(fok_lots + 1, **fok)
    assert trades(20, min_qty_lots=min_lots, self_match_instruction=instruction)
    assert not trades(20, min_qty_lots=min_lots + 1, self_match_instruction=instruction)


def test_only_prices_inside_the_corridor_count() -> None:
    """LIMIT-1, CORRIDOR-1: what would start an auction does not fill."""
    desk = Desk(static_corridor_bps=500, volatility_auction_ns=10**9)
    desk.new("s1", SELL, 4, 105, session="B1")
    desk.new("s2", SELL, 4, 106, session="B1")
    assert desk.new("f", BUY, 5, 106, time_in_force=FILL_OR_KILL)[1:] == [
        f"A1 canceled {FOK_NOT_FILLED} #3 f 0+0/5 CANCELED"
    ]
    assert len(desk.new("g", BUY, 4, 106, time_in_force=FILL_OR_KILL)) == 3
