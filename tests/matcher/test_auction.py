"""What an uncrossing does with the orders that were collected; its price alone is in `test_auction_price`."""

from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.instruments import TradingRules
from matcher.orders import AT_THE_CLOSE, AT_THE_OPENING, BUY, GOOD_TILL_CANCEL, MARKET, SELL, STOP
from tests.matcher.venue_desk import DONE, VenueDesk, leg

OPENING_ENDS_NS = 5_000
OTHER_FIRM = "B1"


def in_auction(rules: TradingRules | None = None) -> VenueDesk:
    desk = VenueDesk(rules)
    assert desk.set_phase("2", ends_ns=OPENING_ENDS_NS) == [DONE]
    return desk


def end(desk: VenueDesk) -> list[str]:
    return desk.fire_timer(OPENING_ENDS_NS)


def test_an_auction_from_beginning_to_end() -> None:
    """AUCTION-1 to AUCTION-3, AUCTION-5, BOOK-3: one price, the buy side told first, then the book is shown."""
    desk = in_auction()
    assert desk.public == ["phase 2 until 5000"]
    desk.new("b1", BUY, 10, 102)
    assert desk.public == []
    desk.new("b2", BUY, 5, 101)
    desk.new("s1", SELL, 4, 99, session=OTHER_FIRM)
    assert desk.public == ["indicative 4@102 bid 6 over"]
    desk.new("s2", SELL, 7, 100, session=OTHER_FIRM)
    assert desk.public == ["indicative 11@101 bid 4 over"]
    desk.new("s3", SELL, 9, 103, session=OTHER_FIRM)
    assert desk.public == []
    assert end(desk) == [
        "filled 4@101 match 1 auction #1 b1 4+6/10 PARTIALLY_FILLED",
        "filled 4@101 match 1 auction #3 s1 4+0/4 FILLED",
        "filled 6@101 match 2 auction #1 b1 10+0/10 FILLED",
        "filled 6@101 match 2 auction #4 s2 6+1/7 PARTIALLY_FILLED",
        "filled 1@101 match 3 auction #2 b2 1+4/5 PARTIALLY_FILLED",
        "filled 1@101 match 3 auction #4 s2 7+0/7 FILLED",
    ]
    assert desk.public == [
        "phase 3 until 0",
        "new bid 4@101",
        "new ask 9@103",
        "trade 4@101",
        "trade 6@101",
        "trade 1@101",
    ]


def test_nothing_to_trade_gives_no_price() -> None:
    """AUCTION-5: an indicative price that is gone is told as none."""
    desk = in_auction()
    desk.new("b1", BUY, 10, 102)
    desk.new("s1", SELL, 4, 99)
    assert desk.cancel("c1", "s1", SELL) == ["A1 canceled by c1 for s1 #2 s1 0+0/4 CANCELED"]
    assert desk.public == ["indicative 0@0"]
    assert end(desk) == []
    assert desk.public == ["phase 3 until 0", "new bid 10@102"]


def test_market_orders_trade_first_and_their_rest_is_canceled() -> None:
    """AUCTION-2, AUCTION-3, PHASE-1: buy side first, each side in queue order."""
    desk = in_auction()
    desk.new("s1", SELL, 2, 99)
    desk.new("b1", BUY, 2, 105)
    desk.new("b2", BUY, 3, ord_type=MARKET)
    desk.new("b3", BUY, 3, ord_type=MARKET)
    desk.new("s2", SELL, 2, ord_type=MARKET)
    assert end(desk) == [
        "filled 2@105 match 1 auction #3 b2 2+1/3 PARTIALLY_FILLED",
        "filled 2@105 match 1 auction #5 s2 2+0/2 FILLED",
        "filled 1@105 match 2 auction #3 b2 3+0/3 FILLED",
        "filled 1@105 match 2 auction #1 s1 1+1/2 PARTIALLY_FILLED",
        "filled 1@105 match 3 auction #4 b3 1+2/3 PARTIALLY_FILLED",
        "filled 1@105 match 3 auction #1 s1 2+0/2 FILLED",
        "canceled (U) #4 b3 1+0/3 CANCELED",
    ]
    assert desk.engine.levels("TEST") == ([(105, 2, 1)], [])


def test_only_market_orders_trade_at_the_last_price_or_before_any_at_the_reference() -> None:
    """AUCTION-1."""
    desk = in_auction()
    desk.new("b1", BUY, 3, ord_type=MARKET)
    desk.new("s1", SELL, 3, ord_type=MARKET)
    assert desk.public == ["indicative 3@100"]
    end(desk)
    desk.new("b2", BUY, 1, 104)
    desk.new("s2", SELL, 1, 104, session=OTHER_FIRM)
    desk.set_phase("2", ends_ns=9_000)
    desk.new("b3", BUY, 3, ord_type=MARKET)
    desk.new("s3", SELL, 3, ord_type=MARKET)
    assert desk.public == ["indicative 3@104"]


def test_full_size_trades_displayed_before_hidden() -> None:
    """AUCTION-2, AUCTION-4, ICE-1, HIDE-1: icebergs with all they have, hidden orders last, a new slice in place."""
    desk = in_auction()
    desk.new("hidden", SELL, 4, 100, display_qty_lots=0)
    desk.new("iceberg", SELL, 9, 100, display_qty_lots=2)
    desk.new("plain", SELL, 5, 100)
    desk.new("buy", BUY, 8, 100, session=OTHER_FIRM)
    assert end(desk) == [
        "filled 8@100 match 1 auction #4 buy 8+0/8 FILLED",
        "filled 8@100 match 1 auction #2 iceberg 8+1/9 PARTIALLY_FILLED shows 1",
    ]
    assert desk.public == ["phase 3 until 0", "new ask 6@100", "trade 8@100"]
    # The iceberg kept its place before the plain order; the hidden one comes last.
    assert desk.new("next", BUY, 10, 100, session=OTHER_FIRM)[2::2] == [
        "filled 1@100 match 2 resting #2 iceberg 9+0/9 FILLED",
        "filled 5@100 match 3 resting #3 plain 5+0/5 FILLED",
        "filled 4@100 match 4 resting #1 hidden 4+0/4 FILLED",
    ]


def test_self_matches_are_allowed_in_an_uncrossing() -> None:
    """SMP-3."""
    desk = in_auction()
    desk.new("b1", BUY, 3, 100)
    desk.new("s1", SELL, 3, 100)
    assert len(end(desk)) == 2


def test_at_the_opening_orders_expire_with_the_auction() -> None:
    """OPEN-1, AUCTION-3: in order of OrderID, after the market orders; those for the close go on waiting."""
    desk = in_auction()
    desk.new("b1", BUY, 5, 101, time_in_force=AT_THE_OPENING)
    desk.new("close", BUY, 5, 101, time_in_force=AT_THE_CLOSE)
    desk.new("s1", SELL, 2, 101, session=OTHER_FIRM)
    desk.new("s2", SELL, 9, 107, time_in_force=AT_THE_OPENING, session=OTHER_FIRM)
    assert end(desk) == [
        "filled 2@101 match 1 auction #1 b1 2+3/5 PARTIALLY_FILLED",
        "filled 2@101 match 1 auction #3 s1 2+0/2 FILLED",
        "expired #1 b1 2+0/5 EXPIRED",
        "expired #4 s2 0+0/9 EXPIRED",
    ]
    assert desk.status("close", BUY) == ["A1 status known #2 close 0+5/5 NEW waits C"]


def test_at_the_close_orders_wait_for_their_auction_and_expire_with_it() -> None:
    """CLOSE-1, PHASE-6."""
    desk = VenueDesk()
    assert desk.new("late", SELL, 5, 99, time_in_force=AT_THE_CLOSE) == ["A1 accepted #1 late 0+5/5 NEW waits C"]
    desk.new("bid", BUY, 3, 99, time_in_force=GOOD_TILL_CANCEL, session=OTHER_FIRM)
    assert desk.engine.levels("TEST") == ([(99, 3, 1)], [])
    assert desk.set_phase("4", ends_ns=8_000) == [DONE]
    assert desk.public == ["phase 4 until 8000", "delete bid 0@99", "indicative 3@99 ask 2 over"]
    desk.new("later", BUY, 1, 98, time_in_force=AT_THE_CLOSE)
    assert desk.fire_timer(8_000) == [
        "filled 3@99 match 1 auction #2 bid 3+0/3 FILLED",
        "filled 3@99 match 1 auction #1 late 3+2/5 PARTIALLY_FILLED",
        "expired #1 late 3+0/5 EXPIRED",
        "expired #3 later 0+0/1 EXPIRED",
    ]
    assert desk.public == ["phase 5 until 0", "trade 3@99"]


def test_stops_look_at_the_price_of_the_auction_when_it_is_over() -> None:
    """AUCTION-3, STOP-4."""
    desk = in_auction()
    desk.new("stop", BUY, 1, ord_type=STOP, stop_price_ticks=103, session="C1")
    desk.new("b1", BUY, 2, 104)
    desk.new("s1", SELL, 2, 104, session=OTHER_FIRM)
    desk.new("s2", SELL, 5, 106, session=OTHER_FIRM)
    assert end(desk) == [
        "filled 2@104 match 1 auction #2 b1 2+0/2 FILLED",
        "filled 2@104 match 1 auction #3 s1 2+0/2 FILLED",
        "triggered #1 stop 0+1/1 NEW",
        "filled 1@106 match 2 incoming #1 stop 1+0/1 FILLED",
        "filled 1@106 match 2 resting #4 s2 1+4/5 PARTIALLY_FILLED",
    ]


def test_of_two_legs_only_one_trades_and_what_is_left_is_auctioned_again() -> None:
    """AUCTION-2, OCO-1: the price counted both legs; without the second the book would stay crossed."""
    desk = in_auction()
    desk.new_list("L", "1", leg("x", BUY, 10, 102), leg("y", BUY, 10, 102))
    desk.new("s1", SELL, 20, 98, session=OTHER_FIRM)
    desk.new("b1", BUY, 5, 99, session="C1")
    assert end(desk) == [
        "filled 10@100 match 1 auction #1 x 10+0/10 FILLED",
        "filled 10@100 match 1 auction #3 s1 10+10/20 PARTIALLY_FILLED",
        "canceled (L) #2 y 0+0/10 CANCELED",
        "filled 5@98 match 2 auction #4 b1 5+0/5 FILLED",
        "filled 5@98 match 2 auction #3 s1 15+5/20 PARTIALLY_FILLED",
        "list L done: x FILLED 10, y CANCELED 0",
    ]


def test_legs_of_one_list_do_not_trade_with_each_other() -> None:
    """OCO-1: the one with the higher OrderID gives way."""
    desk = in_auction()
    desk.new_list("L", "1", leg("x", BUY, 10, 102), leg("y", SELL, 10, 98))
    assert end(desk) == ["canceled (L) #2 y 0+0/10 CANCELED", "list L executing: x NEW 0, y CANCELED 0"]
    assert desk.engine.levels("TEST") == ([(102, 10, 1)], [])


def test_an_auction_goes_on_after_a_restart() -> None:
    """AUCTION-5: what was collected, the indicative price and the end are in the snapshot."""
    desk = in_auction()
    desk.new("b1", BUY, 10, 102)
    desk.new("s1", SELL, 4, 99, session=OTHER_FIRM)
    desk.restart()
    desk.new("s2", SELL, 4, 99, session=OTHER_FIRM)
    assert desk.public == ["indicative 8@102 bid 2 over"]
    assert desk.engine.next_deadline_ns == OPENING_ENDS_NS
    assert len(end(desk)) == 4


def test_the_book_is_uncrossed_also_out_of_the_pre_opening() -> None:
    """PHASE-2."""
    desk = VenueDesk()
    desk.set_phase("1")
    desk.new("b1", BUY, 1, 105)
    desk.new("s1", SELL, 1, 95, session=OTHER_FIRM)
    assert desk.set_phase("3") == [
        "filled 1@100 match 1 auction #1 b1 1+0/1 FILLED",
        "filled 1@100 match 1 auction #2 s1 1+0/1 FILLED",
        DONE,
    ]


ORDERS = st.lists(
    st.tuples(st.sampled_from((BUY, SELL)), st.sampled_from((0, *range(95, 106))), st.integers(1, 20), st.booleans()),
    max_size=25,
)


@settings(deadline=None)
@given(ORDERS)
def test_after_any_auction_the_book_is_not_crossed(
    orders: list[tuple[str, int, int, bool]],
) -> None:
    """BOOK-2, AUCTION-1: what is left cannot trade, both sides traded the same, no more than the indicative said."""
    desk = in_auction()
    for number, (side, price_ticks, qty_lots, is_hidden) in enumerate(orders):
        special = {"display_qty_lots": 0} if is_hidden and price_ticks else {}
        ord_type = "2" if price_ticks else MARKET
        desk.new(f"o{number}", "1" if side == BUY else "2", qty_lots, price_ticks, ord_type=ord_type, **special)
    shown = [line for output in desk.outputs for line in output.increments if line.indicative]
    promised = shown[-1].indicative if shown else None
    end(desk)
    trades = [trade for increment in desk.outputs[-1].increments for trade in increment.trades]
    assert sum(trade.qty_lots for trade in trades) == (promised.qty_lots if promised else 0)
    assert {trade.price_ticks for trade in trades} <= ({promised.price_ticks} if promised else set())
    # Whoever comes now with one lot at the best opposite price of the other side meets nobody on his own side.
    book = desk.engine._floor.markets["TEST"].book
    if book.bids.front and book.asks.front:
        assert book.bids.front.price_ticks < book.asks.front.price_ticks
