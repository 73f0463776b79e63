"""What a FIX client with a given wish is told: whole messages, and for every depth the book that it ends with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.book import Book
from marketdata.fix_messages import ENTRY_TYPES, FIX44, FIX50SP2, Dialect, Wish
from marketdata.fix_views import View, ViewKey
from marketdata.messages import BookIncrement
from matcher.increments import Indicative, PhaseChange, TradePrint, TradeRevision
from matcher.orders import BUY, SELL
from matcher.phases import CLOSING_AUCTION, POST_CLOSE

from .conftest import NOW_NS, SYMBOL, increment_streams, public
from .fix_reader import Client, revised, shown_of

EVERYTHING = ("0", "1", "2")


def view_of(dialect: Dialect = FIX44, depth: int = 0, entry_types: tuple[str, ...] = EVERYTHING) -> View:
    return View(SYMBOL, ViewKey(dialect, Wish(depth, entry_types)))


def shown(text: str) -> str:
    return text.replace("\x01", "|")


@pytest.fixture
def book() -> Book:
    book = Book(SYMBOL)
    book.apply(public(1, ("0", BUY, 99, 5), ("0", BUY, 100, 3), ("0", SELL, 102, 7), ("0", SELL, 103, 1)))
    book.apply(public(2, ("1", SELL, 102, 6), trades=(TradePrint(1, 102, 1, BUY),)))
    return book


SWEEP = public(
    3,
    ("0", BUY, 103, 4),
    ("2", SELL, 102, 0),
    ("2", SELL, 103, 0),
    trades=(TradePrint(2, 102, 6, BUY), TradePrint(3, 103, 1, BUY)),
)


def test_a_snapshot_holds_both_sides_the_last_trade_and_its_number(book: Book) -> None:
    assert shown(view_of().snapshot(book, now_ns=NOW_NS)) == (
        "55=AAPL|268=5|"
        "269=0|270=1.00|271=3|346=1|269=0|270=0.99|271=5|346=1|"
        "269=1|270=1.02|271=6|346=1|269=1|270=1.03|271=1|346=1|"
        "269=2|270=1.02|271=1|272=20260921|273=14:13:22.123|83=2|"
    )


def test_a_snapshot_in_50sp2_names_time_trade_and_aggressor(book: Book) -> None:
    assert shown(view_of(FIX50SP2, depth=1).snapshot(book, now_ns=NOW_NS)) == (
        "55=AAPL|779=20260921-14:13:22.123456|1682=17|268=3|269=0|270=1.00|271=3|346=1|269=1|270=1.02|271=6|346=1|"
        "269=2|270=1.02|271=1|272=20260921|273=14:13:22.123456|1003=1|2446=1|83=2|"
    )


def test_an_increment_tells_trades_first_then_what_left_then_what_came(book: Book) -> None:
    view = view_of()
    view.snapshot(book, now_ns=NOW_NS)
    book.apply(SWEEP)
    assert shown(view.increment(SWEEP, book)) == (
        "268=5|"
        "279=0|269=2|278=2|55=AAPL|270=1.02|271=6|272=20260921|273=14:13:23.123|"
        "279=0|269=2|278=3|55=AAPL|270=1.03|271=1|272=20260921|273=14:13:23.123|"
        "279=2|269=1|55=AAPL|270=1.02|279=2|269=1|55=AAPL|270=1.03|"
        "279=0|269=0|55=AAPL|270=1.03|271=4|346=1|83=3|"
    )


def test_a_level_that_leaves_the_window_is_deleted_and_one_that_enters_is_new(book: Book) -> None:
    view = view_of(FIX50SP2, depth=1, entry_types=("0", "1"))
    view.snapshot(book, now_ns=NOW_NS)
    increment = public(3, ("2", SELL, 102, 0), ("0", BUY, 101, 9))
    book.apply(increment)
    assert shown(view.increment(increment, book)) == (
        "268=4|279=2|269=0|55=AAPL|270=1.00|279=2|269=1|55=AAPL|270=1.02|"
        "279=0|269=0|55=AAPL|270=1.01|271=9|346=1|279=0|269=1|55=AAPL|270=1.03|271=1|346=1|83=3|"
    )


@pytest.mark.parametrize(
    ("depth", "entry_types", "increment"),
    [
        (1, ("0", "1"), public(3, ("1", BUY, 99, 4))),
        (0, ("1",), public(3, ("1", BUY, 99, 4))),
        (0, ("2",), public(3, ("1", BUY, 99, 4))),
    ],
    ids=["below the window", "the other side", "no trade"],
)
def test_an_increment_without_anything_that_was_asked_for_is_not_sent(
    book: Book, depth: int, entry_types: tuple[str, ...], increment: BookIncrement
) -> None:
    view = view_of(depth=depth, entry_types=entry_types)
    view.snapshot(book, now_ns=NOW_NS)
    book.apply(increment)
    assert view.increment(increment, book) == ""


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        (FIX44, "55=AAPL|83=0|268=0|"),
        (FIX50SP2, "55=AAPL|779=20260921-14:13:20.123456|1682=17|268=1|269=J|83=0|"),
    ],
)
def test_an_empty_book_says_so(dialect: Dialect, text: str) -> None:
    assert shown(view_of(dialect).snapshot(Book(SYMBOL), now_ns=NOW_NS)) == text


def test_a_withdrawn_book_has_no_entries(book: Book) -> None:
    assert shown(view_of().withdrawal(book, now_ns=NOW_NS)) == "55=AAPL|83=2|268=0|"


def test_an_auction_has_a_price_and_an_imbalance_that_are_marked_as_not_firm(book: Book) -> None:
    view = view_of(entry_types=ENTRY_TYPES)
    view.snapshot(book, now_ns=NOW_NS)
    begins = public(3, phase=PhaseChange(CLOSING_AUCTION, 0, ""), indicative=Indicative(102, 7, SELL, 4))
    book.apply(begins)
    assert shown(view.increment(begins, book)) == (
        "268=2|279=0|269=Q|55=AAPL|270=1.02|271=7|276=I|279=0|269=A|55=AAPL|270=1.02|271=4|276=I|277=Q|83=3|"
    )
    in_w = "269=Q|270=1.02|271=7|276=I|269=A|270=1.02|271=4|276=I|277=Q|83=3|"
    assert shown(view_of(entry_types=("A", "Q")).snapshot(book, now_ns=NOW_NS)) == f"55=AAPL|268=2|{in_w}"
    moves = public(4, indicative=Indicative(102, 9, "", 0))
    book.apply(moves)
    assert shown(view.increment(moves, book)) == (
        "268=2|279=2|269=A|55=AAPL|279=1|269=Q|55=AAPL|270=1.02|271=9|276=I|83=4|"
    )
    ends = public(5, trades=(TradePrint(2, 102, 9, ""),), phase=PhaseChange(POST_CLOSE, 0, ""))
    book.apply(ends)
    assert shown(view.increment(ends, book)) == (
        "268=2|279=0|269=2|278=2|55=AAPL|270=1.02|271=9|272=20260921|273=14:13:25.123|279=2|269=Q|55=AAPL|83=5|"
    )


def test_in_50sp2_a_snapshot_states_the_phase_and_a_trade_of_an_auction_its_kind(book: Book) -> None:
    view = view_of(FIX50SP2, entry_types=("2",))
    ends = public(3, trades=(TradePrint(2, 102, 9, ""),), phase=PhaseChange(POST_CLOSE, 0, ""))
    book.apply(ends)
    trade = "270=1.02|271=9|272=20260921|273=14:13:23.123456|1003=2|574=7|83=3|"
    assert shown(view.increment(ends, book)) == f"268=1|279=0|269=2|278=2|55=AAPL|{trade}"
    assert shown(view.snapshot(book, now_ns=NOW_NS)) == (
        f"55=AAPL|779=20260921-14:13:23.123456|1682=26|268=1|269=2|{trade}"
    )


@pytest.mark.parametrize(("dialect", "trade_id"), [(FIX44, ""), (FIX50SP2, "1003=1|")])
def test_a_trade_is_corrected_and_busted_by_its_number(book: Book, dialect: Dialect, trade_id: str) -> None:
    view = view_of(dialect, entry_types=("2",))
    corrected, busted = (
        public(3, revisions=(TradeRevision(1, 101, 1),)),
        public(4, revisions=(TradeRevision(1, 101, 0),)),
    )
    for increment, entry in (
        (corrected, f"279=1|269=2|278=1|55=AAPL|270=1.01|271=1|{trade_id}83=3|"),
        (busted, f"279=2|269=2|278=1|55=AAPL|270=1.01|{trade_id}83=4|"),
    ):
        book.apply(increment)
        assert shown(view.increment(increment, book)) == f"268=1|{entry}"
    assert view_of(dialect, entry_types=("0",)).increment(busted, book) == ""


@given(stream=increment_streams(), depth=st.integers(0, 6), joins_at=st.integers(0, 30))
def test_every_client_has_the_book_of_its_depth_after_every_message(
    stream: list[BookIncrement], depth: int, joins_at: int
) -> None:
    for dialect in (FIX44, FIX50SP2):
        book, view, client = Book(SYMBOL), view_of(dialect, depth, ENTRY_TYPES), Client()
        joined, trades = False, dict[str, tuple[str, str]]()
        for increment in stream:
            if increment.md_seq > joins_at and not joined:
                client.on_snapshot(view.snapshot(book, now_ns=NOW_NS))
                joined = True
            book.apply(increment)
            if joined:
                if text := view.increment(increment, book):
                    client.on_increment(text)
                    assert client.rpt_seq == increment.md_seq
                trades = revised(trades, increment)
                assert client.shown == shown_of(book, depth)
                assert client.trades == trades
