"""Answers to snapshot requests: every request is answered, and a large book can be fetched in parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata import snapshots
from marketdata.book import Book
from marketdata.history import History
from marketdata.messages import (
    BookSnapshot,
    FeedHeads,
    Range,
    Refusal,
    SnapshotRequest,
    decode_reply,
    encode,
    public_increment,
)
from marketdata.snapshots import SnapshotDesk, cut, join
from matcher.increments import LevelChange, MarketDataIncrement, ShownOrder
from matcher.orders import BUY, SELL

from .conftest import INSTRUMENT, public


@pytest.fixture
def book() -> Book:
    book = Book("AAPL", tick="0.01", lot="1")
    bids = [("0", BUY, ticks, 1) for ticks in range(90, 100)]
    asks = [("0", SELL, ticks, 1) for ticks in range(101, 106)]
    book.apply(public(1, *bids, *asks))  # type: ignore[arg-type]
    return book


@pytest.fixture
def desk(book: Book) -> SnapshotDesk:
    return SnapshotDesk({"AAPL": book, "MSFT": Book("MSFT")}, History(1000))


def test_orders_are_told_to_those_who_ask(desk: SnapshotDesk, book: Book) -> None:
    reply = desk.answer(b'{"symbol":"AAPL","orders":true}')
    assert reply == book.snapshot(with_orders=True) != book.snapshot()


def test_past_increments_are_told_as_they_were_published(book: Book) -> None:
    history = History(10_000)
    desk = SnapshotDesk({"AAPL": book}, history)
    published = [encode(public(1))]
    history.keep("AAPL", 1, published[0])
    for md_seq in (2, 3):
        book.apply(public(md_seq, ("0", BUY, md_seq, 1)))
        published.append(encode(public(md_seq, ("0", BUY, md_seq, 1))))
        history.keep("AAPL", md_seq, published[-1])
    reply = decode_reply(encode(desk.answer(b'{"symbol":"AAPL","from_md_seq":2}')))
    assert isinstance(reply, Range)
    assert (reply.symbol, reply.next_md_seq, [bytes(each) for each in reply.increments]) == ("AAPL", 0, published[1:])
    reply = desk.answer(b'{"symbol":"AAPL","from_md_seq":1,"to_md_seq":2}')
    assert isinstance(reply, Range)
    assert [bytes(each) for each in reply.increments] == published[:2]


@pytest.mark.parametrize("request_", [b'{"symbol":"AAPL","from_md_seq":1}', b'{"symbol":"AAPL","from_md_seq":9}'])
def test_a_range_that_is_gone_or_not_there_yet_is_refused(desk: SnapshotDesk, request_: bytes) -> None:
    reply = desk.answer(request_)
    assert isinstance(reply, Refusal)
    assert reply.reason == "RANGE_GONE"


def test_a_symbol_is_answered_with_its_whole_book(desk: SnapshotDesk, book: Book) -> None:
    assert desk.answer(b"AAPL") == book.snapshot()


def test_a_depth_is_answered_with_the_best_levels(desk: SnapshotDesk, book: Book) -> None:
    assert desk.answer(b'{"symbol":"AAPL","depth":2}') == book.snapshot(2)


def test_heads_say_how_far_every_book_is_and_what_its_checksum_is_there(desk: SnapshotDesk, book: Book) -> None:
    assert desk.answer(b'{"heads":true}') == FeedHeads({"AAPL": 1, "MSFT": 0}, {"AAPL": book.checksum(), "MSFT": 0})


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"XYZ", "UNKNOWN_SYMBOL"),
        (b"", "UNKNOWN_SYMBOL"),
        (b"{}", "UNKNOWN_SYMBOL"),
        (b"\0" * 1_000_000, "UNKNOWN_SYMBOL"),
        (b"{", "BAD_REQUEST"),
        (b'{"symbol":"AAPL","depth":%d}' % 2**63, "BAD_REQUEST"),
    ],
)
def test_a_request_that_cannot_be_met_is_answered_with_the_reason(
    desk: SnapshotDesk, payload: bytes, reason: str
) -> None:
    reply = desk.answer(payload)
    assert isinstance(reply, Refusal)
    assert reply.reason == reason
    assert len(encode(reply)) < 1_000


def test_parts_are_of_one_moment_while_the_book_moves_on(
    desk: SnapshotDesk, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "cut", lambda snapshot: cut(snapshot, entries_max=4))
    whole = book.snapshot()
    first = desk.answer(b"AAPL")
    assert isinstance(first, BookSnapshot)
    book.apply(public(2, ("2", BUY, 99, 0)))
    parts = [first]
    for number in range(2, first.parts + 1):
        part = desk.answer(encode(SnapshotRequest(symbol="AAPL", md_seq=1, part=number)))
        assert isinstance(part, BookSnapshot)
        parts.append(part)
    assert [len(part.bids) + len(part.asks) for part in parts] == [4, 4, 4, 3]
    assert join(parts) == whole


def test_a_part_that_is_no_longer_kept_is_refused(desk: SnapshotDesk) -> None:
    reply = desk.answer(encode(SnapshotRequest(symbol="AAPL", md_seq=1, part=2)))
    assert reply == Refusal("PART_EXPIRED", "part 2 of snapshot 1 of AAPL is gone; ask for part 1 again")


@given(
    bids=st.lists(st.integers(1, 5), max_size=9),
    asks=st.lists(st.integers(1, 5), max_size=9),
    entries_max=st.integers(2, 20),
    with_orders=st.booleans(),
)
def test_what_is_cut_and_joined_is_the_same(
    bids: list[int], asks: list[int], entries_max: int, with_orders: bool
) -> None:
    """Each level has so many orders; one with more than fit goes on in the next part."""
    book = Book("AAPL")
    changes = [
        LevelChange("0", side, price_ticks, count, count, [ShownOrder(n, 1, 1) for n in range(1, count + 1)])
        for side, first, step, counts in ((BUY, 10, -1, bids), (SELL, 11, 1, asks))
        for price_ticks, count in zip(range(first, first + step * len(counts), step), counts, strict=True)
    ]
    book.apply(public_increment(MarketDataIncrement("AAPL", 1, 1, 1, changes, []), INSTRUMENT))
    whole = book.snapshot(with_orders=with_orders)
    parts = cut(whole, entries_max)
    for part in parts:
        assert sum(1 + len(level.orders) for level in (*part.bids, *part.asks)) <= entries_max
    assert [(part.part, part.parts) for part in parts] == [(n, len(parts)) for n in range(1, len(parts) + 1)]
    assert join(parts) == whole
    assert Book.of_snapshot(join(parts)).snapshot(with_orders=with_orders) == whole
