"""The public book takes what can be true of it, and nothing else."""

import pytest

from marketdata.book import TRADES_KEPT, Book, BookError
from marketdata.messages import BookSnapshot, Level, Trade
from matcher.events import TradePrint
from matcher.orders import BUY, SELL

from .conftest import NOW_NS, public


def book_of(*levels: tuple[str, str, int, int]) -> Book:
    book = Book("AAPL", tick="0.01", lot="1")
    book.apply(public(1, *levels))  # type: ignore[arg-type]
    return book


def test_levels_stand_best_first_with_the_last_trades() -> None:
    book = book_of(("0", BUY, 99, 5), ("0", BUY, 100, 3), ("0", SELL, 102, 7), ("0", SELL, 101, 1))
    book.apply(public(2, ("2", SELL, 101, 0), ("1", SELL, 102, 6), trades=(TradePrint(1, 101, 1, BUY),)))
    second_ns = NOW_NS + 2_000_000_000
    assert book.snapshot() == BookSnapshot(
        symbol="AAPL",
        md_seq=2,
        transact_ns=second_ns,
        tick="0.01",
        lot="1",
        depth=0,
        bids=[Level("1.00", "3", 100, 3, 1), Level("0.99", "5", 99, 5, 1)],
        asks=[Level("1.02", "6", 102, 6, 1)],
        trades=[Trade(1, "1.01", "1", 101, 1, BUY, second_ns)],
    )


def test_a_depth_keeps_the_best_of_each_side() -> None:
    book = book_of(("0", BUY, 99, 5), ("0", BUY, 100, 3), ("0", SELL, 102, 7), ("0", SELL, 101, 1))
    snapshot = book.snapshot(1)
    assert (snapshot.depth, snapshot.bids, snapshot.asks) == (
        1,
        [Level("1.00", "3", 100, 3, 1)],
        [Level("1.01", "1", 101, 1, 1)],
    )


def test_a_book_of_a_snapshot_is_the_same_book() -> None:
    book = book_of(("0", BUY, 99, 5), ("0", SELL, 101, 1))
    assert Book.of_snapshot(book.snapshot()).snapshot() == book.snapshot()


def test_only_the_last_trades_are_kept() -> None:
    book = Book("AAPL")
    for number in range(1, TRADES_KEPT + 11):
        book.apply(public(number, trades=(TradePrint(number, 100, 1, BUY),)))
    assert [trade.match_id for trade in book.trades] == list(range(11, TRADES_KEPT + 11))


@pytest.mark.parametrize(
    ("levels", "why"),
    [
        ([("0", BUY, 100, 1)], "already there"),
        ([("1", BUY, 99, 1)], "not there"),
        ([("2", SELL, 105, 0)], "not there"),
        ([("1", BUY, 100, 0)], "action 1 with 0 lots"),
        ([("2", BUY, 100, 2)], "action 2 with 2 lots"),
    ],
)
def test_an_increment_that_contradicts_the_book_changes_nothing(
    levels: list[tuple[str, str, int, int]], why: str
) -> None:
    book = book_of(("0", BUY, 100, 3))
    before = book.snapshot()
    with pytest.raises(BookError, match=why):
        book.apply(public(2, *levels))  # type: ignore[arg-type]
    assert book.snapshot() == before


@pytest.mark.parametrize("md_seq", [1, 3])
def test_an_increment_out_of_turn_is_refused(md_seq: int) -> None:
    book = book_of(("0", BUY, 100, 3))
    with pytest.raises(BookError, match=f"increment {md_seq} came where 2 was due"):
        book.apply(public(md_seq, ("0", BUY, 99, 1)))


@pytest.mark.parametrize("ask_ticks", [99, 100])
def test_a_crossed_book_is_noticed(ask_ticks: int) -> None:
    book = book_of(("0", BUY, 100, 3))
    with pytest.raises(BookError, match="crossed at 2"):
        book.apply(public(2, ("0", SELL, ask_ticks, 1)))


def test_a_snapshot_with_levels_out_of_order_is_refused() -> None:
    snapshot = book_of(("0", BUY, 99, 5), ("0", BUY, 100, 3)).snapshot()
    snapshot.bids.reverse()
    with pytest.raises(BookError, match="not best first"):
        Book.of_snapshot(snapshot)


def test_a_snapshot_cut_to_a_depth_is_no_beginning() -> None:
    with pytest.raises(BookError, match="not whole"):
        Book.of_snapshot(book_of(("0", BUY, 99, 5)).snapshot(1))
