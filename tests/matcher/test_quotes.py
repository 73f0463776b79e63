"""Mass quotes, their replacement and withdrawal, and the protection of those who send them."""

import pytest

from matcher.commands import QuoteEntry
from matcher.instruments import TickBand, TradingRules
from matcher.orders import BUY, QTY_LOTS_MAX, SELL
from tests.matcher.venue_desk import DONE, VenueDesk

B = "B1"


def entry(
    name: str, bid: tuple[int, int] = (0, 0), offer: tuple[int, int] = (0, 0), *, symbol: str = "TEST"
) -> QuoteEntry:
    """A quote of lots at prices: (quantity, price)."""
    return QuoteEntry(name, symbol, bid[1], bid[0], offer[1], offer[0])


def test_a_quote_is_two_orders_that_are_not_told_of() -> None:
    """QUOTE-1, QUOTE-2: the message is answered once; fills are told as fills."""
    desk = VenueDesk()
    assert desk.quote(entry("q", (5, 99), (5, 101))) == ["A1 quotes taken"]
    assert desk.public == ["new bid 5@99", "new ask 5@101"]
    assert desk.new("b", BUY, 2, 101, session=B)[1:] == [
        "B1 filled 2@101 match 1 incoming #3 b 2+0/2 FILLED",
        "filled 2@101 match 1 resting #2 q 2+3/5 PARTIALLY_FILLED",
    ]


def test_a_quote_may_trade_as_it_comes_in() -> None:
    """QUOTE-2: after the answer; a firm's own orders are not traded with (SMP-1)."""
    desk = VenueDesk()
    desk.new("s", SELL, 2, 99, session=B)
    assert desk.quote(entry("q", (5, 99), (5, 101))) == [
        "A1 quotes taken",
        "A1 filled 2@99 match 1 incoming #2 q 2+3/5 PARTIALLY_FILLED",
        "filled 2@99 match 1 resting #1 s 2+0/2 FILLED",
    ]
    assert desk.engine.levels("TEST") == ([(99, 3, 1)], [(101, 5, 1)])


def test_a_new_quote_replaces_both_sides_at_once() -> None:
    """QUOTE-1, QUOTE-4: OrderID and fills go on; the new quantity is what is open then."""
    desk = VenueDesk()
    desk.quote(entry("q", (5, 99), (5, 101)))
    desk.new("b", BUY, 2, 101, session=B)
    assert desk.quote(entry("q", (4, 101), (6, 103))) == ["A1 quotes taken"]
    assert desk.public == ["new bid 4@101", "delete bid 0@99", "delete ask 0@101", "new ask 6@103"]
    assert desk.new("b2", BUY, 6, 103, session=B)[2] == "filled 6@103 match 2 resting #2 q 8+0/8 FILLED"


def test_a_side_that_was_filled_begins_anew() -> None:
    """QUOTE-4."""
    desk = VenueDesk()
    desk.quote(entry("q", (5, 99), (5, 101)))
    desk.new("b", BUY, 5, 101, session=B)
    desk.quote(entry("q", (5, 99), (5, 101)))
    assert desk.new("b2", BUY, 1, 101, session=B)[2] == "filled 1@101 match 2 resting #4 q 1+4/5 PARTIALLY_FILLED"


PLACES = {
    "less at the same price": ((3, 99), ["#1 q", "#3 other"]),
    "the same": ((5, 99), ["#1 q", "#3 other"]),
    "more": ((6, 99), ["#3 other", "#1 q"]),
    "away and back": (None, ["#3 other", "#1 q"]),
}


@pytest.mark.parametrize("name", PLACES)
def test_which_quotes_keep_their_place(name: str) -> None:
    """QUOTE-1: the same price and not more quantity; else the back of the queue."""
    desk = VenueDesk()
    desk.quote(entry("q", (5, 99), (5, 101)))
    desk.new("other", BUY, 5, 99, session="C1")
    bid, order = PLACES[name]
    for again in (bid,) if bid else ((5, 98), (5, 99)):
        desk.quote(entry("q", again, (5, 101)))
    fills = desk.new("s", SELL, 20, 99, session=B)[2::2]
    assert [" ".join(fill.split(" ")[5:7]) for fill in fills] == order


def test_quantity_0_pulls_a_side() -> None:
    """QUOTE-1: without a word; of a side that is not there, too."""
    desk = VenueDesk()
    desk.quote(entry("q", (5, 99), (5, 101)))
    assert desk.quote(entry("q", (0, 0), (5, 101))) == ["A1 quotes taken"]
    assert desk.public == ["delete bid 0@99"]
    assert desk.quote(entry("q")) == ["A1 quotes taken"]
    assert desk.quote(entry("q")) == ["A1 quotes taken"]
    assert desk.engine.live_order_count == 0


def test_new_prices_do_not_meet_the_firms_own_old_ones() -> None:
    """QUOTE-3: all that moves leaves the book before any of it comes in."""
    desk = VenueDesk()
    desk.quote(entry("q1", (5, 99), (5, 101)), entry("q2", (5, 98), (5, 102)))
    assert desk.quote(entry("q1", (5, 103), (5, 105)), entry("q2", (5, 102), (5, 106))) == ["A1 quotes taken"]
    assert desk.engine.levels("TEST") == ([(103, 5, 1), (102, 5, 1)], [(105, 5, 1), (106, 5, 1)])


def test_entries_come_in_one_by_one_bid_first() -> None:
    """QUOTE-3, ORDER-4: each symbol gives its own increment, in the order of definition."""
    desk = VenueDesk()
    desk.quote(entry("o", (1, 99), (1, 101), symbol="OTHER"), entry("t", (1, 99), (1, 101)))
    assert [line.symbol for line in desk.outputs[-1].increments] == ["TEST", "OTHER"]
    desk.new("b", BUY, 1, 101, session=B, symbol="OTHER")
    assert desk.outputs[-1].events[-1].order.order_id == 2  # type: ignore[union-attr]


def test_quotes_belong_to_the_session_that_sent_them_last() -> None:
    """QUOTE-4: it gets the fills, and hears of their end."""
    desk = VenueDesk()
    desk.quote(entry("q1", (5, 99), (5, 101)), entry("q2", (5, 98), (5, 102)))
    desk.quote(entry("q1", (5, 99), (5, 101)), session="A2")
    assert desk.set_phase("H") == ["A2 quotes pulled (H) ['q1']", "A1 quotes pulled (H) ['q2']", DONE]


REFUSED: dict[str, tuple[QuoteEntry, str]] = {
    "symbol": (entry("x", (1, 99), (1, 101), symbol="NONE"), "UNKNOWN_SYMBOL"),
    "quantity": (entry("x", (QTY_LOTS_MAX + 1, 99), (1, 101)), "INVALID_QTY"),
    "a negative quantity": (entry("x", (-1, 99), (1, 101)), "INVALID_QTY"),
    "no price": (entry("x", (1, 0), (1, 101)), "INVALID_PRICE"),
    "crossed": (entry("x", (1, 102), (1, 101)), "INVALID_PRICE"),
    "locked": (entry("x", (1, 101), (1, 101)), "INVALID_PRICE"),
    "off the steps": (entry("x", (1, 203), (1, 210)), "PRICE_OFF_TICK"),
    "too much": (entry("x", (60, 99), (1, 101)), "QTY_ABOVE_LIMIT"),
    "outside the band": (entry("x", (1, 10), (1, 101)), "PRICE_OUTSIDE_BAND"),
    "quantity and price": (entry("x", (-1, 0), (1, 101)), "INVALID_QTY"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_entry_at_fault_is_refused_and_the_others_are_taken(name: str) -> None:
    """QUOTE-2: what the refused one had before stays; all refused is a refused message."""
    desk = VenueDesk(TradingRules(tick_bands=[TickBand(200, 10)], qty_lots_max=50, price_band_bps=9_000))
    desk.set_reference_price(150)
    desk.quote(entry("x", (1, 98), (1, 102)))
    refused, reason = REFUSED[name]
    assert desk.quote(refused, entry("y", (1, 99), (1, 101))) == [f"A1 quotes taken x {reason}"]
    assert desk.engine.levels("TEST") == ([(99, 1, 1), (98, 1, 1)], [(101, 1, 1), (102, 1, 1)])
    assert desk.quote(refused) == [f"A1 quotes rejected x {reason}"]


def test_an_id_stands_once_in_a_message() -> None:
    """QUOTE-4: per symbol."""
    desk = VenueDesk()
    assert desk.quote(entry("x", (1, 98)), entry("x", (1, 97)), entry("x", (1, 96), symbol="OTHER")) == [
        "A1 quotes taken x CONTRADICTORY_INSTRUCTIONS"
    ]
    assert desk.engine.levels("TEST") == ([(98, 1, 1)], [])


def test_a_full_venue_takes_no_new_sides_but_new_prices() -> None:
    """QUOTE-1, BOOK_FULL: sides that are pulled in the same message make room."""
    desk = VenueDesk(orders_max=2)
    assert desk.quote(entry("x", (1, 98), (1, 102)), entry("y", (1, 98))) == ["A1 quotes taken y BOOK_FULL"]
    assert desk.quote(entry("x", (1, 97), (1, 103))) == ["A1 quotes taken"]
    assert desk.quote(entry("x", (0, 0), (1, 103)), entry("y", (1, 96))) == ["A1 quotes taken"]


def test_quotes_in_an_auction() -> None:
    """PHASE-1: they wait in it like other limit orders, and may be pulled."""
    desk = VenueDesk()
    desk.set_phase("2", ends_ns=5_000)
    desk.quote(entry("q", (5, 99), (5, 101)))
    desk.new("s", SELL, 2, 95, session=B)
    assert desk.fire_timer(5_000) == [
        "filled 2@99 match 1 auction #1 q 2+3/5 PARTIALLY_FILLED",
        "filled 2@99 match 1 auction #3 s 2+0/2 FILLED",
    ]
    desk.set_phase("5")
    assert desk.quote(entry("q", (5, 99))) == ["A1 quotes rejected q PHASE_NOT_ALLOWED"]
    assert desk.quote(entry("q")) == ["A1 quotes taken"]


def test_a_quote_cancel_pulls_by_symbol_or_all() -> None:
    """Z: of the firm, whichever session sent them; nothing there is a success."""
    desk = VenueDesk()
    desk.quote(entry("t", (1, 99), (1, 101)), entry("o", (1, 99), symbol="OTHER"))
    desk.quote(entry("b", (1, 98)), session=B)
    desk.new("order", BUY, 1, 97)
    assert desk.cancel_quotes("TEST", session="A2") == ["A2 quotes canceled"]
    assert desk.engine.levels("TEST") == ([(98, 1, 1), (97, 1, 1)], [])
    assert desk.cancel_quotes() == ["A1 quotes all canceled"]
    assert desk.cancel_quotes() == ["A1 quotes all canceled"]
    assert desk.engine.live_order_count == 2
    assert desk.cancel_quotes("NONE") == ["A1 quotes rejected UNKNOWN_SYMBOL"]


def test_quotes_are_not_found_as_orders() -> None:
    """QUOTE-4: they have no ClOrdID(11), and their QuoteEntryID(299) is none."""
    desk = VenueDesk()
    desk.quote(entry("q", (1, 99)))
    assert desk.cancel("c", "q", BUY) == ["A1 cancel rejected UNKNOWN_ORDER c for q #0 REJECTED"]
    assert desk.cancel("c", "", BUY) == ["A1 cancel rejected UNKNOWN_ORDER c for  #0 REJECTED"]


def protected(**limits: int) -> VenueDesk:
    desk = VenueDesk()
    desk.set_limits("A", quote_window_ns=1_000, **limits)
    desk.quote(entry("q1", (5, 99), (5, 101)), entry("q2", (5, 98), (5, 102)))
    desk.quote(entry("o", (5, 99), symbol="OTHER"))
    return desk


def test_too_many_fills_pull_all_quotes_of_the_symbol_after_the_command() -> None:
    """MMP-1, ORDER-2: the sweep that reached the limit trades to its end."""
    desk = protected(quote_fills_max=2)
    assert desk.new("b", BUY, 7, 105, session=B)[1:] == [
        "B1 filled 5@101 match 1 incoming #6 b 5+2/7 PARTIALLY_FILLED",
        "filled 5@101 match 1 resting #2 q1 5+0/5 FILLED",
        "B1 filled 2@102 match 2 incoming #6 b 7+0/7 FILLED",
        "filled 2@102 match 2 resting #4 q2 2+3/5 PARTIALLY_FILLED",
        "A1 quotes pulled (Q) ['q1', 'q2']",
    ]
    assert desk.engine.levels("TEST") == ([], [])
    assert desk.engine.levels("OTHER") == ([(99, 5, 1)], [])


def test_new_quotes_are_refused_until_the_firm_cancels_its_quotes() -> None:
    """MMP-1: also after a restart; pulling sides needs no leave."""
    desk = protected(quote_qty_lots_max=4)
    desk.new("b", BUY, 4, 101, session=B)
    desk.restart()
    assert desk.quote(entry("q1", (5, 99))) == ["A1 quotes rejected q1 QUOTE_PROTECTION"]
    assert desk.quote(entry("q1")) == ["A1 quotes taken"]
    assert desk.quote(entry("o", (5, 98), symbol="OTHER")) == ["A1 quotes taken"]
    desk.cancel_quotes("TEST")
    assert desk.quote(entry("q1", (5, 99))) == ["A1 quotes taken"]


def test_fills_count_within_the_window_only() -> None:
    """MMP-1: by received_ns of the commands, the current one included; counted over a restart."""
    desk = protected(quote_fills_max=2)
    desk.new("b1", BUY, 1, 101, session=B)
    desk.now_ns += 1_000
    assert len(desk.new("b2", BUY, 1, 101, session=B)) == 3
    desk.restart()
    desk.now_ns += 999
    assert desk.new("b3", BUY, 1, 101, session=B)[3:] == ["A1 quotes pulled (Q) ['q1', 'q2']"]


def test_fills_of_orders_do_not_count_nor_those_of_others() -> None:
    """MMP-1."""
    desk = protected(quote_fills_max=2)
    desk.new("a", SELL, 5, 100)
    desk.quote(entry("z", (0, 0), (1, 100)), session="C1")
    assert len(desk.new("b", BUY, 7, 101, session=B)) == 7
    assert desk.engine.levels("TEST")[1] == [(101, 4, 1), (102, 5, 1)]


def test_a_quote_that_trades_as_it_comes_in_counts_each_fill() -> None:
    """MMP-1: the firm's own message can reach the limit."""
    desk = protected(quote_fills_max=2)
    for number in range(3):
        desk.new(f"s{number}", SELL, 1, 100, session=B)
    assert desk.quote(entry("q1", (5, 100), (5, 103)))[-1] == "A1 quotes pulled (Q) ['q1', 'q2']"
