"""What a FIX client with a given wish is told: whole messages, and for every depth the book that it ends with."""

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.book import Book
from marketdata.fix.messages import FIX44, FIX50SP2, Dialect
from marketdata.fix.requests import ENTRY_TYPES, Wish
from marketdata.fix.views import View, ViewKey
from marketdata.messages import BookIncrement, Statistics, public_increment
from matcher.increments import (
    Indicative,
    LevelAction,
    LevelChange,
    MarketDataIncrement,
    PhaseChange,
    ShownOrder,
    TradePrint,
    TradeRevision,
)
from matcher.orders import BUY, SELL
from matcher.phases import CLOSING_AUCTION, POST_CLOSE

from .conftest import INSTRUMENT, NOW_NS, SYMBOL, increment_streams, public
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


def by_order(dialect: Dialect = FIX44, entry_types: tuple[str, ...] = EVERYTHING) -> View:
    return View(SYMBOL, ViewKey(dialect, Wish(0, entry_types, is_by_order=True)))


def queue_of(*orders: tuple[int, int], md_seq: int, action: LevelAction = "1") -> BookIncrement:
    """The orders at 99 ticks to buy that changed: entry id and lots; two lots were there before."""
    lots = sum(lots for _, lots in orders) + (2 if action == "1" else 0)
    shown_orders = [ShownOrder(entry_id, lots, lots) for entry_id, lots in orders]
    level = LevelChange(action, BUY, 99, lots, len(orders), shown_orders)
    return public_increment(
        MarketDataIncrement(SYMBOL, md_seq, 100 + md_seq, NOW_NS, [level], [], None, None, []), INSTRUMENT
    )


@pytest.fixture
def queue() -> Book:
    book = Book(SYMBOL)
    book.apply(queue_of((4, 5), (6, 2), md_seq=1, action="0"))
    return book


def test_order_by_order_every_order_is_an_entry_the_oldest_first(queue: Book) -> None:
    assert shown(by_order().snapshot(queue, now_ns=NOW_NS)) == (
        "55=AAPL|268=2|269=0|278=O4|270=0.99|271=5|269=0|278=O6|270=0.99|271=2|83=1|"
    )


def test_order_by_order_an_x_says_who_left_who_changed_and_who_came(queue: Book) -> None:
    view = by_order()
    view.snapshot(queue, now_ns=NOW_NS)
    change = queue_of((4, 0), (6, 1), (7, 9), md_seq=2)
    level = msgspec.structs.replace(change.levels[0], qty_lots=10, qty="10", order_count=2)
    change = msgspec.structs.replace(change, levels=[level])
    queue.apply(change)
    assert shown(view.increment(change, queue)) == (
        "268=3|279=2|269=0|278=O4|55=AAPL|270=0.99|279=1|269=0|278=O6|55=AAPL|270=0.99|271=1|"
        "279=0|269=0|278=O7|55=AAPL|270=0.99|271=9|83=2|"
    )
    gone = public(3, ("2", BUY, 99, 0))
    queue.apply(gone)
    assert shown(view.increment(gone, queue)) == (
        "268=2|279=2|269=0|278=O6|55=AAPL|270=0.99|279=2|269=0|278=O7|55=AAPL|270=0.99|83=3|"
    )


def test_order_by_order_shows_the_sides_asked_for_only(book: Book) -> None:
    view = by_order(entry_types=("1",))
    assert "269=0" not in shown(view.snapshot(book, now_ns=NOW_NS))
    book.apply(change := public(3, ("1", BUY, 100, 2)))
    assert not view.increment(change, book)


DAY = Statistics(2, "1.02", "1.03", "1.01", "1.03", "1.0225", "9", "0.98", 102, 103, 101, 103, 98, 9, 921, "20260920")
FIRST_DAY = msgspec.structs.replace(DAY, previous_close="", previous_close_ticks=0, ended_day="")
NEXT_DAY = Statistics(0, "", "", "", "", "", "0", "1.03", 0, 0, 0, 0, 103, 0, 0, "20260921")
NUMBERS = ("4", "5", "7", "8", "9", "B", "e")


def with_day(md_seq: int, day: Statistics) -> BookIncrement:
    return msgspec.structs.replace(public(md_seq), statistics=day)


def test_statistics_are_entries_of_w_as_far_as_there_are_numbers() -> None:
    book, view = Book(SYMBOL), view_of(entry_types=NUMBERS)
    assert shown(view.snapshot(book, now_ns=NOW_NS)) == "55=AAPL|83=0|268=0|"
    book.apply(with_day(1, DAY))
    assert shown(view.snapshot(book, now_ns=NOW_NS)) == (
        "55=AAPL|268=7|269=4|270=1.02|269=5|270=0.98|272=20260920|269=7|270=1.03|269=8|270=1.01|269=9|270=1.0225|"
        "269=B|270=1.03|271=9|269=e|270=0.98|272=20260920|83=1|"
    )


def test_statistics_that_changed_are_entries_of_x() -> None:
    book, view = Book(SYMBOL), view_of(entry_types=NUMBERS)
    book.apply(with_day(1, FIRST_DAY))
    view.snapshot(book, now_ns=NOW_NS)
    more = msgspec.structs.replace(FIRST_DAY, vwap="1.0230", volume="10")
    book.apply(change := with_day(2, more))
    assert shown(view.increment(change, book)) == (
        "268=2|279=1|269=9|55=AAPL|270=1.0230|279=1|269=B|55=AAPL|270=1.03|271=10|83=2|"
    )
    book.apply(change := with_day(3, NEXT_DAY))
    assert shown(view.increment(change, book)) == (
        "268=7|279=2|269=4|55=AAPL|279=2|269=7|55=AAPL|279=2|269=8|55=AAPL|279=2|269=9|55=AAPL|279=2|269=B|55=AAPL|"
        "279=0|269=5|55=AAPL|270=1.03|272=20260921|279=0|269=e|55=AAPL|270=1.03|272=20260921|83=3|"
    )


def test_the_checksum_is_in_a_w_for_whom_it_was_asked(book: Book) -> None:
    view = View(SYMBOL, ViewKey(FIX44, Wish(1, ("0",), has_checksum=True)))
    text = "0|1.00|3;0|0.99|5;1|1.02|6;1|1.03|1;"
    assert shown(view.snapshot(book, now_ns=NOW_NS)) == (
        f"55=AAPL|9010={zlib.crc32(text.encode())}|268=1|269=0|270=1.00|271=3|346=1|83=2|"
    )
    assert "9010" not in view.withdrawal(book, now_ns=NOW_NS)
