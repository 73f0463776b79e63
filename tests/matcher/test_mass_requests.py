"""Many orders at once: canceled by q, reported by AF."""

import pytest

from matcher.commands import QuoteEntry
from matcher.orders import AT_THE_CLOSE, BUY, PEGGED, SELL, STOP
from tests.matcher.venue_desk import VenueDesk, leg


def with_orders() -> VenueDesk:
    """Of firm A: a1 and a stop on TEST, o1 on OTHER, a sell order of its session A2; of firm B one more."""
    desk = VenueDesk()
    desk.new("o1", BUY, 1, 90, symbol="OTHER")
    desk.new("a1", BUY, 1, 90)
    desk.new("b1", BUY, 1, 90, session="B1")
    desk.new("stop", BUY, 1, ord_type=STOP, stop_price_ticks=120)
    desk.new("a2", SELL, 1, 110, session="A2")
    return desk


def test_a_mass_cancel_goes_symbol_by_symbol_in_order_of_order_id() -> None:
    """MASS-1, ORDER-4: wherever the orders wait, whichever session entered them; nobody else's."""
    desk = with_orders()
    assert desk.mass_cancel() == [
        "A1 canceled (M) #2 a1 0+0/1 CANCELED",
        "A1 canceled (M) #4 stop 0+0/1 CANCELED stop 120",
        "A1 canceled (M) #5 a2 0+0/1 CANCELED",
        "A1 canceled (M) #1 o1 0+0/1 CANCELED",
        "A1 mass cancel done 4",
    ]
    assert [line.symbol for line in desk.outputs[-1].increments] == ["TEST", "OTHER"]
    assert desk.engine.live_order_count == 1


def test_the_scopes_of_a_mass_cancel() -> None:
    """MASS-1: one symbol, one side, the own session, and all of them together."""
    desk = with_orders()
    assert desk.mass_cancel(symbol="OTHER")[-1] == "A1 mass cancel done 1"
    desk = with_orders()
    assert desk.mass_cancel(side=SELL) == ["A1 canceled (M) #5 a2 0+0/1 CANCELED", "A1 mass cancel done 1"]
    desk = with_orders()
    assert desk.mass_cancel(of_session_only=True, session="A2")[-1] == "A2 mass cancel done 1"
    desk = with_orders()
    assert desk.mass_cancel(symbol="TEST", side=BUY, of_session_only=True)[-1] == "A1 mass cancel done 2"


def test_nothing_to_cancel_is_a_success_and_an_unknown_symbol_is_not() -> None:
    """MASS-1."""
    desk = VenueDesk()
    assert desk.mass_cancel() == ["A1 mass cancel done 0"]
    assert desk.mass_cancel(symbol="NONE") == ["A1 mass cancel UNKNOWN_SYMBOL 0"]


def test_quotes_legs_pegs_and_orders_for_the_close_are_among_them() -> None:
    """MASS-1, QUOTE-2, LIST-4: what it set off comes after its answer."""
    desk = VenueDesk()
    desk.new("base", BUY, 1, 95, session="B1")
    desk.quote(QuoteEntry("q", "TEST", 90, 1, 110, 1))
    desk.new_list("L", "2", leg("x", BUY, 1, 90), leg("y", SELL, 1, 110))
    desk.new("peg", BUY, 1, ord_type=PEGGED, peg_price_type="5")
    desk.new("close", BUY, 1, 90, time_in_force=AT_THE_CLOSE)
    assert desk.mass_cancel(symbol="TEST") == [
        "A1 canceled (M) #2 q 0+0/1 CANCELED",
        "A1 canceled (M) #3 q 0+0/1 CANCELED",
        "A1 canceled (M) #4 x 0+0/1 CANCELED",
        "A1 canceled (M) #5 y 0+0/1 CANCELED",
        "A1 canceled (M) #6 peg 0+0/1 CANCELED at 95",
        "A1 canceled (M) #7 close 0+0/1 CANCELED",
        "A1 mass cancel done 6",
        "list L done: x CANCELED 0, y CANCELED 0",
    ]
    assert desk.quote(QuoteEntry("q", "TEST", 90, 1, 110, 1)) == ["A1 quotes taken"]


def test_half_a_list_canceled_by_side_takes_the_other_half_with_it() -> None:
    """LIST-3: by restatement L, after the answer to q."""
    desk = VenueDesk()
    desk.new_list("L", "1", leg("x", BUY, 1, 90), leg("y", SELL, 1, 110))
    assert desk.mass_cancel(side=SELL) == [
        "A1 canceled (M) #2 y 0+0/1 CANCELED",
        "A1 mass cancel done 1",
        "canceled (L) #1 x 0+0/1 CANCELED",
        "list L done: x CANCELED 0, y CANCELED 0",
    ]


def test_a_mass_status_reports_in_order_of_order_id_and_changes_nothing() -> None:
    """STATUS-1: of the firm over all symbols, of the session, of a symbol, of a side."""
    desk = with_orders()
    before = desk.engine.levels("TEST")
    assert desk.mass_status("7") == [
        "A1 status #1 o1 0+1/1 NEW of 4",
        "A1 status #2 a1 0+1/1 NEW of 4",
        "A1 status #4 stop 0+1/1 NEW waits T stop 120 of 4",
        "A1 status #5 a2 0+1/1 NEW of 4 last",
    ]
    assert desk.mass_status("8", session="A2") == ["A2 status #5 a2 0+1/1 NEW of 1 last"]
    assert [line[-8:] for line in desk.mass_status("1", symbol="TEST")] == ["NEW of 3", "120 of 3", "f 3 last"]
    assert desk.mass_status("7", side=SELL) == ["A1 status #5 a2 0+1/1 NEW of 1 last"]
    assert desk.engine.levels("TEST") == before
    assert desk.public == []


def test_nothing_to_report_is_told_in_one_row() -> None:
    """STATUS-1: also of a symbol that is not traded here."""
    desk = VenueDesk()
    assert desk.mass_status("7") == ["A1 status none of 0 last"]
    assert desk.mass_status("1", symbol="NONE") == ["A1 status none of 0 last"]


@pytest.mark.parametrize(("others", "replaces"), [(20, 2), (0, 9)], ids=["a full book", "a long past"])
def test_a_firm_is_found_by_its_names_or_in_the_books_whichever_are_fewer(others: int, replaces: int) -> None:
    """MASS-1, STATUS-1: nobody else's orders, each once however many ClOrdIDs led to it, the sides of quotes too."""
    desk = VenueDesk()
    desk.new("a0", BUY, 1, 90)
    for number in range(replaces):
        desk.replace(f"a{number + 1}", f"a{number}", BUY, 1, 90)
    for number in range(others):
        desk.new(f"b{number}", BUY, 1, 90, session="B1")
    desk.new("gone", BUY, 1, 90)
    desk.cancel("c", "gone", BUY)
    desk.quote(QuoteEntry("q", "TEST", 90, 1, 110, 1))
    bid = others + 3
    assert desk.mass_status("7") == [
        f"A1 status #1 a{replaces} 0+1/1 NEW of 3",
        f"A1 status #{bid} q 0+1/1 NEW of 3",
        f"A1 status #{bid + 1} q 0+1/1 NEW of 3 last",
    ]
    assert desk.mass_cancel()[-1] == "A1 mass cancel done 3"
    assert desk.mass_status("7") == ["A1 status none of 0 last"]
