"""Views of one book: whoever applies what a view tells has exactly what the book shows, however narrow."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.book import Book
from marketdata.candles import Tape
from marketdata.messages import BookIncrement
from marketdata.replica import Change
from marketdata.websocket.requests import ViewKey
from marketdata.websocket.views import Candles, view_of
from marketdata.websocket.watches import Watch, decode_head
from matcher.increments import TradePrint
from matcher.orders import BUY, SELL

from .conftest import SYMBOL, increment_streams, public

KEYS = [
    ViewKey("book", depth, view)  # type: ignore[arg-type]
    for depth in (0, 1, 2, 12)
    for view in ("levels", "orders")
]


def taken(watch: Watch, payload: bytes) -> Change:
    return watch.on_message(decode_head(payload), payload)[0]


@pytest.mark.parametrize("key", KEYS, ids=str)
@given(increment_streams(), st.integers(0, 10))
def test_a_reader_of_any_depth_has_the_best_levels_after_each_message(
    key: ViewKey, stream: list[BookIncrement], joined_at: int
) -> None:
    book, with_orders = Book(SYMBOL, tick="0.01", lot="1"), key.view == "orders"
    for increment in stream[:joined_at]:
        book.apply(increment)
    view, watch = view_of(key, book, Tape()), Watch(SYMBOL, key)
    assert taken(watch, view.snapshot()) is Change.RESTORED
    for increment in stream[joined_at:]:
        book.apply(increment)
        payload = view.increment(increment)
        if payload:
            assert taken(watch, payload) is Change.APPLIED
        seen, whole = watch.replica.book.snapshot(with_orders=with_orders), book.snapshot(with_orders=with_orders)
        assert (seen.bids, seen.asks) == (whole.bids[: key.depth or None], whole.asks[: key.depth or None])
        assert (seen.phase, seen.indicative, seen.trades) == (whole.phase, whole.indicative, whole.trades)
        late = Watch(SYMBOL, key)
        assert taken(late, view.snapshot()) is Change.RESTORED
        assert late.replica.book.snapshot(with_orders=with_orders).bids == seen.bids


@pytest.mark.parametrize("key", KEYS, ids=str)
@given(stream=increment_streams(), dropped=st.integers(0, 29))
def test_a_reader_of_any_depth_notices_what_it_missed(key: ViewKey, stream: list[BookIncrement], dropped: int) -> None:
    book = Book(SYMBOL, tick="0.01", lot="1")
    view, watch = view_of(key, book, Tape()), Watch(SYMBOL, key)
    taken(watch, view.snapshot())
    payloads = []
    for increment in stream:
        book.apply(increment)
        payloads.append(view.increment(increment))
    told = [payload for payload in payloads if payload]
    for number, payload in enumerate(told):
        if number != dropped:
            taken(watch, payload)
    assert watch.replica.is_current == (dropped + 1 >= len(told))


def test_only_the_whole_book_tells_of_every_increment() -> None:
    book = Book(SYMBOL, tick="0.01", lot="1")
    deep, best = (view_of(ViewKey("book", depth), book, Tape()) for depth in (0, 1))
    told = []
    for increment in (public(1, ("0", BUY, 100, 5)), public(2, ("0", BUY, 99, 5)), public(3, ("2", BUY, 100, 0))):
        book.apply(increment)
        told.append([json.loads(payload) if payload else None for payload in map_increment(deep, best, increment)])
    assert [(whole["prev_md_seq"], whole["md_seq"]) for whole, _ in told] == [(0, 1), (1, 2), (2, 3)]
    assert told[1][1] is None
    assert (told[2][1]["prev_md_seq"], told[2][1]["md_seq"]) == (1, 3)
    assert told[2][1]["levels"] == [
        ["2", "1", "1.00", "0", 100, 0, 0, []],
        ["0", "1", "0.99", "5", 99, 5, 1, []],
    ]


def map_increment(deep: object, best: object, increment: BookIncrement) -> list[bytes]:
    return [view.increment(increment) for view in (deep, best)]  # type: ignore[attr-defined]


def test_trades_statistics_and_status_tell_of_what_concerns_them() -> None:
    book, tape = Book(SYMBOL, tick="0.01", lot="1"), Tape()
    views = {channel: view_of(ViewKey(channel), book, tape) for channel in ("trades", "statistics", "status")}  # type: ignore[arg-type]
    quiet = public(1, ("0", SELL, 100, 5))
    traded = public(2, ("2", SELL, 100, 0), trades=(TradePrint(1, 100, 5, BUY),))
    book.apply(quiet)
    assert not any(view.increment(quiet) for view in views.values())
    book.apply(traded)
    told = json.loads(views["trades"].increment(traded))
    assert (told["type"], told["prev_md_seq"], told["md_seq"]) == ("increment", 0, 2)
    assert [(each["match_id"], each["price"], each["qty"]) for each in told["trades"]] == [(1, "1.00", "5")]
    assert not views["status"].increment(traded)
    assert json.loads(views["status"].snapshot())["phase"]["phase"] == "3"


def test_match_ids_show_what_a_snapshot_does_not_reach_back_to() -> None:
    book = Book(SYMBOL, tick="0.01", lot="1")
    view = view_of(ViewKey("trades"), book, Tape())
    for number in range(1, 62):
        book.apply(public(number, trades=(TradePrint(number, 100, 5, BUY),)))
    told = json.loads(view.snapshot())
    assert [each["match_id"] for each in told["trades"]] == list(range(12, 62))


def test_candles_are_told_when_they_are_asked_for() -> None:
    book, tape = Book(SYMBOL, tick="0.01", lot="1"), Tape()
    view = view_of(ViewKey("candles", length_s=60), book, tape)
    assert isinstance(view, Candles)
    for number in (1, 2):
        traded = public(number, trades=(TradePrint(number, 100 + number, 5, BUY),))
        book.apply(traded)
        assert view.gather(tape.take(traded.trades))
        assert view.increment(traded) == b""
    told = json.loads(view.flush())
    assert (told["length_s"], told["prev_md_seq"], told["md_seq"]) == (60, 0, 2)
    (candle,) = told["candles"]
    assert (candle["open"], candle["high"], candle["low"], candle["close"]) == ("1.01", "1.02", "1.01", "1.02")
    assert (candle["volume"], candle["volume_lots"], candle["trade_count"]) == ("10", 10, 2)
    assert view.flush() == b""
    assert json.loads(view.snapshot())["candles"] == told["candles"]
