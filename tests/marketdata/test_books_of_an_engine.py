"""The feed of an engine under random commands of all kinds: whoever reads it has the engine's public book and phase."""

import random
from collections.abc import Iterator

import pytest

from marketdata.book import Book
from marketdata.fix.messages import FIX44, FIX50SP2, Dialect
from marketdata.fix.requests import ENTRY_TYPES, Wish
from marketdata.fix.views import View, ViewKey
from marketdata.messages import BookIncrement, BookSnapshot, Level, decode_increment, encode, public_increment
from marketdata.replica import Replica
from marketdata.statistics import Day
from matcher.events import InstrumentDefined
from matcher.increments import MarketDataIncrement
from matcher.instruments import Instrument
from matcher.orders import BUY, SELL, Side
from matcher.phases import AUCTIONS, COLLECTING
from tests.matcher.random_commands import new_engine, seeded_commands

from .conftest import NOW_NS
from .fix_reader import Client, revised, shown_of

COMMANDS = 4_000
SEEDS = (1, 2, 3)


class Feed:
    """An engine, and the books that follow from what it publishes."""

    def __init__(self) -> None:
        self.engine = new_engine()
        self.instruments: dict[str, Instrument] = {}
        self.books: dict[str, Book] = {}
        self._days: dict[str, Day] = {}

    def run(self, seed: int) -> Iterator[list[BookIncrement]]:
        """Do commands; gives the increments of each, one for a symbol at most, when they are in the books."""
        match_ids: dict[str, int] = {}
        for input_seq, command in seeded_commands(seed, COMMANDS, match_ids):
            output = self.engine.apply(command, input_seq)
            for event in output.events:
                if isinstance(event, InstrumentDefined):
                    self._define(event.instrument)
            yield [self._publish(increment) for increment in output.increments]
            match_ids |= {symbol: self.engine.match_count(symbol) for symbol in self.books}

    def _define(self, instrument: Instrument) -> None:
        symbol = instrument.symbol
        self.instruments[symbol] = instrument
        if symbol not in self.books:
            self.books[symbol] = Book(symbol, phase=instrument.rules.initial_phase)

    def _publish(self, increment: MarketDataIncrement) -> BookIncrement:
        instrument = self.instruments[increment.symbol]
        statistics = self._days.setdefault(increment.symbol, Day()).take(increment, instrument)
        public = decode_increment(encode(public_increment(increment, instrument, statistics)))
        self.books[increment.symbol].apply(public)
        return public


def rows(levels: list[Level]) -> list[tuple[int, int, int]]:
    return [(level.price_ticks, level.qty_lots, level.order_count) for level in levels]


def queues(book: Book) -> dict[tuple[Side, int], dict[int, int]]:
    """By side and price, what each order shows."""
    places: list[tuple[Side, int]] = [(BUY, level.price_ticks) for level in book.bids()]
    places += [(SELL, level.price_ticks) for level in book.asks()]
    return {place: {order.entry_id: order.qty_lots for order in book.orders(*place)} for place in places}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_books_are_the_engines_after_every_command(seed: int) -> None:
    feed, phases = Feed(), set[str]()
    auction_trades = imbalances = 0
    for increments in feed.run(seed):
        for symbol, book in feed.books.items():
            phase = book.phase.phase
            assert (rows(book.bids()), rows(book.asks())) == feed.engine.levels(symbol)
            assert queues(book) == feed.engine.queues(symbol)
            assert (phase, book.md_seq) == (feed.engine.phase_of(symbol)[0], feed.engine.md_seq(symbol))
            assert phase not in COLLECTING or not (book.bids() or book.asks())
            assert phase in AUCTIONS or book.indicative is None
            phases.add(phase)
            imbalances += book.indicative is not None and book.indicative.imbalance_qty_lots > 0
        auction_trades += sum(not trade.aggressor_side for increment in increments for trade in increment.trades)
    assert phases >= {*COLLECTING, "3", "H"}
    assert auction_trades > 10
    assert imbalances > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_a_reader_that_loses_repeats_and_reorders_is_never_wrong_without_saying_so(seed: int) -> None:
    """Increments come late, twice or never; a reader that noticed a loss asks for a snapshot sooner or later."""
    feed, choices = Feed(), random.Random(seed)
    states: dict[str, list[BookSnapshot]] = {}
    replicas: dict[str, Replica] = {}
    on_their_way: list[BookIncrement] = []
    losses = 0
    for increments in feed.run(seed):
        for symbol, book in feed.books.items():
            if symbol not in states:
                states[symbol] = [Book(symbol, phase=feed.instruments[symbol].rules.initial_phase).snapshot()]
                replicas[symbol] = Replica(symbol)
                replicas[symbol].on_snapshot(states[symbol][0])
            states[symbol] += [book.snapshot()] * (book.md_seq - len(states[symbol]) + 1)
        for increment in increments:
            on_their_way += [increment] * choices.choice((0, 2, *(1,) * 20))
        if choices.random() < 0.1:
            choices.shuffle(on_their_way)
        while len(on_their_way) > choices.choice((0, 0, 0, 3)):
            replica = replicas[on_their_way[0].symbol]
            was_current = replica.is_current
            replica.on_increment(on_their_way.pop(0))
            losses += was_current and not replica.is_current
            if not replica.is_current and choices.random() < 0.3:
                replica.on_snapshot(feed.books[replica.symbol].snapshot())
            assert replica.book.snapshot() == states[replica.symbol][replica.md_seq]
    assert losses > 10
    for symbol, replica in replicas.items():
        replica.on_head(feed.books[symbol].md_seq)
        replica.on_snapshot(feed.books[symbol].snapshot())
        assert replica.is_current
        assert replica.book.snapshot() == states[symbol][-1]


@pytest.mark.parametrize("dialect", [FIX44, FIX50SP2], ids=["4.4", "5.0SP2"])
@pytest.mark.parametrize(
    "wish",
    [Wish(0, ENTRY_TYPES), Wish(2, ENTRY_TYPES), Wish(0, ENTRY_TYPES, is_by_order=True)],
    ids=["levels", "best 2", "orders"],
)
def test_a_fix_client_has_the_same_book_statistics_and_trades(dialect: Dialect, wish: Wish) -> None:
    feed = Feed()
    views: dict[str, View] = {}
    clients: dict[str, Client] = {}
    trades: dict[str, dict[str, tuple[str, str]]] = {}
    for increments in feed.run(seed=4):
        for increment in increments:
            symbol, book = increment.symbol, feed.books[increment.symbol]
            if symbol not in views:
                views[symbol], clients[symbol] = View(symbol, ViewKey(dialect, wish)), Client()
                clients[symbol].on_snapshot(views[symbol].snapshot(book, now_ns=NOW_NS))
                continue
            if text := views[symbol].increment(increment, book):
                clients[symbol].on_increment(text)
            trades[symbol] = revised(trades.get(symbol, {}), increment)
            assert clients[symbol].shown == shown_of(book, wish.depth, by_order=wish.is_by_order)
            assert clients[symbol].trades == trades[symbol]
    assert len(views) > 1
