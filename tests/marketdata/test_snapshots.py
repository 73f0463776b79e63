"""Answers to snapshot requests: every request is answered, and a large book can be fetched in parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata import snapshots
from marketdata.book import Book
from marketdata.messages import BookSnapshot, FeedHeads, Refusal, SnapshotRequest, encode
from marketdata.snapshots import SnapshotDesk, cut, join
from matcher.orders import BUY, SELL

from .conftest import public


@pytest.fixture
def book() -> Book:
    book = Book("AAPL", tick="0.01", lot="1")
    bids = [("0", BUY, ticks, 1) for ticks in range(90, 100)]
    asks = [("0", SELL, ticks, 1) for ticks in range(101, 106)]
    book.apply(public(1, *bids, *asks))  # type: ignore[arg-type]
    return book


@pytest.fixture
def desk(book: Book) -> SnapshotDesk:
    return SnapshotDesk({"AAPL": book, "MSFT": Book("MSFT")})


def test_a_symbol_is_answered_with_its_whole_book(desk: SnapshotDesk, book: Book) -> None:
    assert desk.answer(b"AAPL") == book.snapshot()


def test_a_depth_is_answered_with_the_best_levels(desk: SnapshotDesk, book: Book) -> None:
    assert desk.answer(b'{"symbol":"AAPL","depth":2}') == book.snapshot(2)


def test_heads_say_how_far_every_book_is(desk: SnapshotDesk) -> None:
    assert desk.answer(b'{"heads":true}') == FeedHeads({"AAPL": 1, "MSFT": 0})


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(b"XYZ", "UNKNOWN_SYMBOL"), (b"", "UNKNOWN_SYMBOL"), (b"{}", "UNKNOWN_SYMBOL"), (b"{", "BAD_REQUEST")],
)
def test_a_request_that_cannot_be_met_is_answered_with_the_reason(
    desk: SnapshotDesk, payload: bytes, reason: str
) -> None:
    reply = desk.answer(payload)
    assert isinstance(reply, Refusal)
    assert reply.reason == reason


def test_parts_are_of_one_moment_while_the_book_moves_on(
    desk: SnapshotDesk, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "cut", lambda snapshot: cut(snapshot, levels_max=4))
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


@given(bids=st.integers(0, 9), asks=st.integers(0, 9), levels_max=st.integers(1, 20))
def test_what_is_cut_and_joined_is_the_same(bids: int, asks: int, levels_max: int) -> None:
    book = Book("AAPL")
    levels = [("0", BUY, 10 - n, 1) for n in range(bids)] + [("0", SELL, 11 + n, 1) for n in range(asks)]
    book.apply(public(1, *levels))  # type: ignore[arg-type]
    parts = cut(book.snapshot(), levels_max)
    assert all(len(part.bids) + len(part.asks) <= levels_max for part in parts)
    assert [(part.part, part.parts) for part in parts] == [(n, len(parts)) for n in range(1, len(parts) + 1)]
    assert join(parts) == book.snapshot()
