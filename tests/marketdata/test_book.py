"""The public book takes what can be true of it, and nothing else."""

from zlib import crc32

import pytest

from marketdata.book import TRADES_KEPT, Book, BookError
from marketdata.messages import BookSnapshot, IndicativePrice, Level, MarketPhase, Trade
from matcher.increments import Indicative, PhaseChange, TradePrint, TradeRevision
from matcher.orders import BUY, SELL
from matcher.phases import CLOSING_AUCTION, CONTINUOUS, OPENING_AUCTION, POST_CLOSE, PRE_OPEN

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
        phase=MarketPhase(CONTINUOUS, 0, 0, ""),
        indicative=None,
        bids=[Level("1.00", "3", 100, 3, 1), Level("0.99", "5", 99, 5, 1)],
        asks=[Level("1.02", "6", 102, 6, 1)],
        trades=[Trade(1, "1.01", "1", 101, 1, BUY, second_ns)],
        checksum=crc32(b"0|1.00|3;0|0.99|5;1|1.02|6;"),
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


def test_a_book_begins_in_the_phase_of_its_instrument() -> None:
    assert Book("AAPL", phase=PRE_OPEN).snapshot().phase == MarketPhase(PRE_OPEN, 0, 0, "")


def test_an_auction_empties_the_book_by_its_levels_and_has_an_indicative_price() -> None:
    book = book_of(("0", BUY, 100, 3))
    book.apply(public(2, ("2", BUY, 100, 0), phase=PhaseChange(CLOSING_AUCTION, NOW_NS, "early")))
    assert (book.bids(), book.indicative) == ([], None)
    book.apply(public(3, indicative=Indicative(101, 7, SELL, 2)))
    assert book.phase == MarketPhase(CLOSING_AUCTION, NOW_NS + 2_000_000_000, NOW_NS, "early")
    assert book.indicative == IndicativePrice("1.01", "7", 101, 7, SELL, "2", 2)
    assert Book.of_snapshot(book.snapshot()).snapshot() == book.snapshot()


def test_an_indicative_price_ends_with_its_phase_or_when_nothing_would_trade() -> None:
    book = Book("AAPL")
    book.apply(public(1, phase=PhaseChange(OPENING_AUCTION, 5, ""), indicative=Indicative(101, 7, "", 0)))
    book.apply(public(2, phase=PhaseChange(OPENING_AUCTION, 6, "")))
    assert book.indicative is not None
    book.apply(public(3, indicative=Indicative(0, 0, "", 0)))
    assert book.indicative is None
    book.apply(public(4, indicative=Indicative(101, 7, "", 0)))
    book.apply(public(5, phase=PhaseChange(POST_CLOSE, 0, "")))
    assert book.indicative is None


def test_a_phase_holds_for_the_levels_of_its_own_increment() -> None:
    book = Book("AAPL", phase=OPENING_AUCTION)
    trade = TradePrint(1, 100, 2, "")
    book.apply(public(1, ("0", BUY, 100, 3), trades=(trade,), phase=PhaseChange(CONTINUOUS, 0, "")))
    assert (book.phase.phase, len(book.bids()), book.trades[-1].aggressor_side) == (CONTINUOUS, 1, "")


def test_a_corrected_trade_is_put_right_and_a_busted_one_is_gone() -> None:
    book = Book("AAPL")
    book.apply(public(1, trades=tuple(TradePrint(number, 100, 5, BUY) for number in (1, 2, 3))))
    book.apply(public(2, revisions=(TradeRevision(1, 99, 4), TradeRevision(2, 100, 0), TradeRevision(77, 5, 5))))
    first_ns = NOW_NS + 1_000_000_000
    assert list(book.trades) == [
        Trade(1, "0.99", "4", 99, 4, BUY, first_ns),
        Trade(3, "1.00", "5", 100, 5, BUY, first_ns),
    ]


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
