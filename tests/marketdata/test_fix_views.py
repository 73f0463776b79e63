"""What a FIX client with a given wish is told: whole messages, and for every depth the book that it ends with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.book import Book
from marketdata.fix_messages import FIX44, FIX50SP2, Dialect, Wish
from marketdata.fix_views import View, ViewKey
from marketdata.messages import BookIncrement
from matcher.events import TradePrint
from matcher.orders import BUY, SELL

from .conftest import NOW_NS, SYMBOL, increment_streams, public

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
        "55=AAPL|779=20260921-14:13:22.123456|268=3|269=0|270=1.00|271=3|346=1|269=1|270=1.02|271=6|346=1|"
        "269=2|270=1.02|271=1|272=20260921|273=14:13:22.123456|1003=1|2446=1|83=2|"
    )


def test_an_increment_tells_trades_first_then_what_left_then_what_came(book: Book) -> None:
    view = view_of()
    view.snapshot(book, now_ns=NOW_NS)
    book.apply(SWEEP)
    assert shown(view.increment(SWEEP, book)) == (
        "268=5|"
        "279=0|269=2|55=AAPL|270=1.02|271=6|272=20260921|273=14:13:23.123|"
        "279=0|269=2|55=AAPL|270=1.03|271=1|272=20260921|273=14:13:23.123|"
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
        (FIX50SP2, "55=AAPL|779=20260921-14:13:20.123456|268=1|269=J|83=0|"),
    ],
)
def test_an_empty_book_says_so(dialect: Dialect, text: str) -> None:
    assert shown(view_of(dialect).snapshot(Book(SYMBOL), now_ns=NOW_NS)) == text


def test_a_withdrawn_book_has_no_entries(book: Book) -> None:
    assert shown(view_of().withdrawal(book, now_ns=NOW_NS)) == "55=AAPL|83=2|268=0|"


class Client:
    """A FIX client's book, kept from the text alone; every entry has to make sense to it."""

    def __init__(self) -> None:
        self.levels: dict[tuple[str, str], str] = {}
        self.trades: list[str] = []
        self.rpt_seq = -1

    def on_snapshot(self, text: str) -> None:
        self.levels, self.trades = {}, []
        for entry in self._entries(text, "269"):
            self._add(entry)

    def on_increment(self, text: str) -> None:
        for entry in self._entries(text, "279"):
            key = (entry["269"], entry["270"])
            if entry["269"] != "2":
                assert (key in self.levels) == (entry["279"] != "0"), "an action that does not fit"
            if entry["279"] == "2":
                del self.levels[key]
            else:
                self._add(entry)

    def _add(self, entry: dict[str, str]) -> None:
        if entry["269"] == "2":
            self.trades.append(entry["270"])
        elif entry["269"] in "01":
            self.levels[entry["269"], entry["270"]] = entry["271"]

    def _entries(self, text: str, first_tag: str) -> list[dict[str, str]]:
        pairs = [(tag, value) for tag, _, value in (field.partition("=") for field in text.split("\x01")[:-1])]
        self.rpt_seq = int(dict(pairs)["83"])
        entries: list[dict[str, str]] = []
        for tag, value in pairs[[tag for tag, _ in pairs].index("268") + 1 :]:
            if tag == first_tag:
                entries.append({})
            entries[-1][tag] = value
        assert len(entries) == int(dict(pairs)["268"])
        return entries


@given(stream=increment_streams(), depth=st.integers(0, 6), joins_at=st.integers(0, 30))
def test_every_client_has_the_book_of_its_depth_after_every_message(
    stream: list[BookIncrement], depth: int, joins_at: int
) -> None:
    for dialect in (FIX44, FIX50SP2):
        book, view, client = Book(SYMBOL), view_of(dialect, depth), Client()
        joined = False
        for increment in stream:
            if increment.md_seq > joins_at and not joined:
                client.on_snapshot(view.snapshot(book, now_ns=NOW_NS))
                joined = True
            book.apply(increment)
            if joined:
                trades_before = len(client.trades)
                if text := view.increment(increment, book):
                    client.on_increment(text)
                    assert client.rpt_seq == increment.md_seq
                assert client.levels == {
                    **{("0", level.price): level.qty for level in book.bids(depth)},
                    **{("1", level.price): level.qty for level in book.asks(depth)},
                }
                assert client.trades[trades_before:] == [trade.price for trade in increment.trades]
