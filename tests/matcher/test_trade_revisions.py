"""Trades that are busted or corrected: what both orders are told, and what everybody sees."""

from typing import Any

import pytest

from matcher.orders import BUY, PRICE_TICKS_MAX, SELL, STOP
from tests.matcher.venue_desk import DONE, VenueDesk, leg


def after_a_trade() -> VenueDesk:
    """Match 1: `a` of 10 buys 4 at 101 from `s` of 4, which is filled by that. Input 4; the events are 1 and 2."""
    desk = VenueDesk()
    desk.new("s", SELL, 4, 101, session="B1")
    desk.new("a", BUY, 10, 101)
    return desk


def test_a_bust_takes_the_fill_from_both_and_returns_nothing_to_the_book() -> None:
    """BUST-1: the buyer first; the live order is NEW again, the filled one CANCELED."""
    desk = after_a_trade()
    assert desk.bust(1) == [
        "busted 4@101 match 1 of 4.1 to 0 #2 a 0+6/10 NEW",
        "busted 4@101 match 1 of 4.2 to 0 #1 s 0+0/4 CANCELED",
        DONE,
    ]
    assert desk.public == ["revised match 1 0@101"]
    assert desk.engine.levels("TEST") == ([(101, 6, 1)], [])
    assert desk.status("s", SELL, session="B1") == ["B1 status known #1 s 0+0/4 CANCELED"]


def test_each_side_is_told_by_the_name_of_its_own_fill() -> None:
    """BUST-1: when the seller came in, his fill was told first."""
    desk = VenueDesk()
    desk.new("b", BUY, 5, 100)
    desk.new("s", SELL, 2, 100, session="B1")
    assert desk.bust(1)[:2] == [
        "busted 2@100 match 1 of 4.2 to 0 #1 b 0+3/5 NEW",
        "busted 2@100 match 1 of 4.1 to 0 #2 s 0+0/2 CANCELED",
    ]


def test_of_several_trades_one_is_busted() -> None:
    """BUST-1: quantity and value of the others stay."""
    desk = after_a_trade()
    desk.new("s2", SELL, 3, 100, session="B1")
    assert desk.bust(1)[0] == "busted 4@101 match 1 of 4.1 to 303 #2 a 3+3/10 PARTIALLY_FILLED"


def test_a_trade_is_busted_once() -> None:
    """BUST-1: the second time, and for one that never was, UNKNOWN_TRADE."""
    desk = after_a_trade()
    desk.bust(1)
    for match_id in (1, 0, 2, -1):
        assert desk.bust(match_id) == ["operator op: UNKNOWN_TRADE"]
        assert desk.public == []


def test_a_correction_of_the_price_changes_the_value() -> None:
    """CORRECT-1."""
    desk = after_a_trade()
    assert desk.correct(1, 99, 4) == [
        "corrected 4@99 match 1 of 4.1 to 396 #2 a 4+6/10 PARTIALLY_FILLED",
        "corrected 4@99 match 1 of 4.2 to 396 #1 s 4+0/4 FILLED",
        DONE,
    ]
    assert desk.public == ["revised match 1 4@99"]


def test_a_correction_of_the_quantity_is_a_bust_of_the_difference() -> None:
    """CORRECT-1: what is corrected again, or busted then, is the trade as it stands."""
    desk = after_a_trade()
    assert desk.correct(1, 101, 1) == [
        "corrected 1@101 match 1 of 4.1 to 101 #2 a 1+6/10 PARTIALLY_FILLED",
        "corrected 1@101 match 1 of 4.2 to 101 #1 s 1+0/4 CANCELED",
        DONE,
    ]
    assert desk.correct(1, 101, 2) == ["operator op: INVALID_COMMAND"]
    assert desk.bust(1) == [
        "busted 1@101 match 1 of 4.1 to 0 #2 a 0+6/10 NEW",
        "busted 1@101 match 1 of 4.2 to 0 #1 s 0+0/4 CANCELED",
        DONE,
    ]


@pytest.mark.parametrize("terms", [(0, 4), (PRICE_TICKS_MAX + 1, 4), (101, 0), (101, 5), (101, -1)])
def test_what_cannot_be_corrected(terms: tuple[int, int]) -> None:
    desk = after_a_trade()
    assert desk.correct(1, *terms) == ["operator op: INVALID_COMMAND"]
    assert desk.correct(2, *terms) == ["operator op: UNKNOWN_TRADE"]
    assert desk.correct(1, *terms, symbol="NONE") == ["operator op: UNKNOWN_SYMBOL"]
    assert desk.bust(1, symbol="NONE") == ["operator op: UNKNOWN_SYMBOL"]


def test_no_price_moves_by_a_correction() -> None:
    """CORRECT-1: no stop fires."""
    desk = after_a_trade()
    desk.new("stop", SELL, 1, ord_type=STOP, stop_price_ticks=90, session="C1")
    assert desk.correct(1, 90, 4)[-1] == DONE
    assert desk.status("stop", SELL, session="C1") == ["C1 status known #3 stop 0+1/1 NEW waits T stop 90"]


def test_a_trade_of_an_auction_can_be_busted() -> None:
    """BUST-1, AUCTION-2: the buy side was told first."""
    desk = VenueDesk()
    desk.set_phase("2")
    desk.new("s", SELL, 4, 101, session="B1")
    desk.new("b", BUY, 4, 101)
    desk.set_phase("3")
    assert desk.bust(1)[:2] == [
        "busted 4@101 match 1 of 6.0 to 0 #2 b 0+0/4 CANCELED",
        "busted 4@101 match 1 of 6.1 to 0 #1 s 0+0/4 CANCELED",
    ]


def test_a_trade_is_remembered_while_both_orders_are() -> None:
    """BUST-1."""
    desk = VenueDesk(finished_orders_max=2)
    for number in range(2):
        desk.new(f"s{number}", SELL, 1, 101, session="B1")
        desk.new(f"b{number}", BUY, 1, 101)
    assert desk.bust(1) == ["operator op: UNKNOWN_TRADE"]
    assert desk.bust(2)[-1] == DONE


def test_of_the_trades_of_a_symbol_the_last_ones_are_remembered() -> None:
    """BUST-1: no more than finished orders, also if the orders still live."""
    desk = VenueDesk(finished_orders_max=3)
    desk.new("s", SELL, 10, 101, session="B1")
    desk.new("b", BUY, 1, 101)
    desk.replace("b2", "b", BUY, 2, 101)
    for number in range(3):
        desk.new(f"c{number}", BUY, 1, 101)
    assert desk.bust(1) == ["operator op: UNKNOWN_TRADE"]
    assert desk.bust(4)[-1] == DONE


def test_trades_are_remembered_over_a_restart() -> None:
    """BUST-1: also that one is busted."""
    desk = after_a_trade()
    desk.new("s2", SELL, 1, 101, session="B1")
    desk.bust(1)
    desk.restart()
    assert desk.bust(1) == ["operator op: UNKNOWN_TRADE"]
    assert desk.correct(2, 100, 1)[-1] == DONE


def test_a_replace_after_a_bust_counts_from_what_is_left() -> None:
    """BUST-1, REPLACE-1: leaves become the new total less CumQty."""
    desk = after_a_trade()
    desk.bust(1)
    assert desk.replace("a2", "a", BUY, 10, 101) == ["A1 replaced a #2 a2 0+10/10 NEW"]


def test_a_list_is_told_of_the_bust_of_its_leg() -> None:
    """LIST-4: also when it was done already; nothing that was canceled comes back."""
    desk = VenueDesk()
    desk.new_list("L", "1", leg("x", BUY, 1, 100), leg("y", BUY, 1, 90))
    desk.new("s", SELL, 1, 100, session="B1")
    assert desk.outputs[-1].events[-1].list_order_status == "6"  # type: ignore[union-attr]
    assert desk.bust(1) == [
        "busted 1@100 match 1 of 4.2 to 0 #1 x 0+0/1 CANCELED",
        "busted 1@100 match 1 of 4.1 to 0 #3 s 0+0/1 CANCELED",
        DONE,
        "list L done: x CANCELED 0, y CANCELED 0",
    ]


def test_the_command_fields_are_repeated() -> None:
    """TradeBusted and TradeCorrected carry the operator's text, and nobody as requester."""
    desk = after_a_trade()
    events: list[Any] = []
    for request in (lambda: desk.correct(1, 99, 4), lambda: desk.bust(1)):
        request()
        events += desk.outputs[-1].events[:2]
    assert {(event.text, event.requester_session_id) for event in events} == {("a slip", "")}


def test_a_snapshot_leaves_out_the_trades_of_forgotten_orders() -> None:
    """BUST-1: memory of trades ends with that of their orders, and both engines are the same afterwards."""
    desk = VenueDesk(finished_orders_max=2)
    for number in range(5):
        desk.new(f"s{number}", SELL, 1, 101, session="B1")
        desk.new(f"b{number}", BUY, 1, 101)
    assert len(desk.engine._floor.markets["TEST"].trade_memory) == 2
    desk.new("big", SELL, 2, 101, session="B1")
    desk.new("b5", BUY, 1, 101)
    desk.new("b6", BUY, 1, 101)
    desk.restart()
    assert len(desk.engine._floor.markets["TEST"].trade_memory) == 1
    assert desk.bust(6) == ["operator op: UNKNOWN_TRADE"]
    assert desk.bust(7)[-1] == DONE
