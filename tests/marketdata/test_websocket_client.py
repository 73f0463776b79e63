"""
The reader over WebSocket against a real log, a real market-data process and an engine under random commands.

Whatever is lost, repeated or reordered on the way: a replica that says it is current is a book that the engine had.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bus.connection import Bus
from configs.loader import Venue
from marketdata.book import Book
from marketdata.candles import LENGTHS_S, Tape
from marketdata.messages import BookSnapshot, public_increment
from marketdata.replica import Change
from marketdata.websocket.client import Feed, FeedRefused, Update
from marketdata.websocket.payloads import CandlesTold
from marketdata.websocket.requests import ViewKey
from marketdata.websocket.watches import Watch, decode_head
from matcher.events import InstrumentDefined
from matcher.increments import MarketDataIncrement
from matcher.instruments import Instrument
from tests.matcher.random_commands import new_engine, seeded_commands

from .conftest import SYMBOL
from .exec_log import PATIENCE_S, Log, serving, until
from .websockets_in_tests import Site, line, site

COMMANDS = 3_000
VIEWS = [(0, "levels"), (0, "orders"), (1, "levels"), (3, "orders")]


class Run:
    """What an engine did under random commands, increment by increment, and the book after each."""

    def __init__(self, seed: int) -> None:
        engine, match_ids = new_engine(), dict[str, int]()
        self.instruments: dict[str, Instrument] = {}
        self.records: list[tuple[list[Instrument], list[MarketDataIncrement]]] = []
        for input_seq, command in seeded_commands(seed, COMMANDS, match_ids):
            output = engine.apply(command, input_seq)
            defined = [event.instrument for event in output.events if isinstance(event, InstrumentDefined)]
            self.instruments = {each.symbol: each for each in defined} | self.instruments
            self.records.append((defined, output.increments))
            match_ids |= {symbol: engine.match_count(symbol) for symbol in self.instruments}
        self.levels = {symbol: engine.levels(symbol) for symbol in self.instruments}

    async def write(self, log: Log, begin: int, end: int) -> None:
        """Write a part of the run to the log, some commands to a record."""
        for start in range(begin, end, 25):
            chunk = self.records[start : min(start + 25, end)]
            defined = tuple(instrument for instruments, _ in chunk for instrument in instruments)
            await log.write(*(each for _, increments in chunk for each in increments), defined=defined)


@pytest.fixture
def run() -> Run:
    return Run(seed=11)


@pytest.fixture
def venue(venue: Venue, run: Run) -> Venue:
    return Venue(venue.config, run.instruments)


def states_of(books: dict[str, Book]) -> dict[str, dict[int, BookSnapshot]]:
    return {symbol: {book.md_seq: book.snapshot(with_orders=True)} for symbol, book in books.items()}


class History:
    """Every state of every book, as the market-data process had it."""

    def __init__(self, service: Any) -> None:
        self.states = states_of(service.books)
        self._service = service
        apply = Book.apply

        def remember(book: Book, increment: Any) -> None:
            apply(book, increment)
            if self._service.books.get(book.symbol) is book:
                self.states.setdefault(book.symbol, {})[book.md_seq] = book.snapshot(with_orders=True)

        self.patched = remember

    def shows(self, watch: Watch) -> bool:
        """Whether a reader's book is one that there was, with this number, cut to the reader's view."""
        return self.is_state(watch.replica.book, watch.key.depth, watch.key.view == "orders")

    def is_state(self, book: Book, depth: int, with_orders: bool) -> bool:
        state = self.states[book.symbol].get(book.md_seq)
        if state is None:
            return False
        seen = book.snapshot(with_orders=with_orders)
        if not with_orders:
            state = Book.of_snapshot(state).snapshot()
        depth = depth or None  # type: ignore[assignment]
        return (
            (seen.bids, seen.asks) == (state.bids[:depth], state.asks[:depth])
            and (seen.phase, seen.indicative) == (state.phase, state.indicative)
            and seen.trades == state.trades
            and seen.statistics == state.statistics
        )


@pytest.fixture
async def where(
    bus: Bus, exec_log: Log, venue: Venue, path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Site, History]]:
    assert not exec_log.records
    async with serving(bus, venue, path) as service, site(bus, venue) as running:
        history = History(service)
        monkeypatch.setattr(Book, "apply", history.patched)
        yield running, history


@pytest.mark.parametrize(("depth", "view"), VIEWS)
async def test_after_each_message_a_reader_has_a_book_that_the_venue_had(
    where: tuple[Site, History], exec_log: Log, run: Run, depth: int, view: str
) -> None:
    running, history = where
    async with line(running) as reader:
        await run.write(exec_log, 0, 100)
        symbols = list(run.instruments)
        for symbol in symbols:
            await until(lambda symbol=symbol: running.reader.replicas[symbol].is_current)
        await reader.ask(op="subscribe", id="1", channel="book", symbols=symbols, depth=depth, view=view)
        key = ViewKey("book", depth, view)  # type: ignore[arg-type]
        watches = {symbol: Watch(symbol, key) for symbol in symbols}
        await run.write(exec_log, 100, COMMANDS)
        messages = 0
        while not all(is_at_end(watch, history) for watch in watches.values()):
            async with asyncio.timeout(PATIENCE_S):
                payload = str(await reader.connection.recv()).encode()
            watch = watches[decode_head(payload).symbol]
            change, _ = watch.on_message(decode_head(payload), payload)
            assert change in (Change.APPLIED, Change.RESTORED)
            assert history.shows(watch)
            messages += 1
        assert messages > 200
        for symbol, watch in watches.items():
            bids, asks = run.levels[symbol]
            book = watch.replica.book
            assert [(each.price_ticks, each.qty_lots, each.order_count) for each in book.bids()] == bids[
                : depth or None
            ]
            assert [(each.price_ticks, each.qty_lots, each.order_count) for each in book.asks()] == asks[
                : depth or None
            ]


def is_at_end(watch: Watch, history: History) -> bool:
    """Whether a book shows what the venue's last one shows; a narrow view may end with a lower number."""
    last, depth = plain(history, watch.replica.symbol), watch.key.depth
    if not depth:
        return watch.replica.md_seq == last.md_seq
    return (watch.replica.bids, watch.replica.asks) == (last.bids[:depth], last.asks[:depth])


@asynccontextmanager
async def disturbed(url: str, seed: int) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A way to a server on which messages are lost, repeated and reordered, until the event is set."""
    chance, is_calm = random.Random(seed), asyncio.Event()

    async def relay(client: ServerConnection) -> None:
        async with connect(url, max_size=None, compression=None, proxy=None) as venue:

            async def pass_on() -> None:
                with suppress(ConnectionClosed):
                    async for message in client:
                        await venue.send(message)
                await venue.close()

            passing = asyncio.create_task(pass_on())
            held: list[str] = []
            with suppress(ConnectionClosed):
                async for message in venue:
                    held += disturb(str(message))
                    if chance.random() < 0.1 and not is_calm.is_set():
                        continue  # until the next ones are there
                    if chance.random() < 0.1 and not is_calm.is_set():
                        chance.shuffle(held)
                    while held:
                        await client.send(held.pop(0))
            passing.cancel()

    def disturb(message: str) -> list[str]:
        if is_calm.is_set() or json.loads(message)["type"] not in ("increment", "snapshot", "stale"):
            return [message]
        return [message] * chance.choice((0, 2, *(1,) * 20))

    async with serve(relay, "127.0.0.1", 0, max_size=None, compression=None) as proxy:
        yield f"ws://127.0.0.1:{next(iter(proxy.sockets)).getsockname()[1]}", is_calm


async def gather_updates(feed: Feed, updates: list[Update], history: History, depth: int, view: str) -> None:
    async for update in feed:
        if update.replica.is_current:
            assert history.is_state(update.replica.book, depth, view == "orders")
        updates.append(update)


@pytest.mark.parametrize(("depth", "view"), VIEWS)
async def test_what_is_lost_repeated_and_reordered_is_noticed_and_repaired(
    where: tuple[Site, History], exec_log: Log, run: Run, depth: int, view: Any
) -> None:
    running, history = where
    updates: list[Update] = []
    async with disturbed(running.url, seed=5) as (url, is_calm), Feed(url, check_interval_s=0.005) as feed:
        await feed.subscribe("book", depth=depth, view=view)
        gathering = asyncio.create_task(gather_updates(feed, updates, history, depth, view))
        await run.write(exec_log, 0, COMMANDS)
        is_calm.set()
        replicas = [feed.replica(symbol, depth=depth, view=view) for symbol in run.instruments]

        def all_is_well() -> bool:
            assert not gathering.done(), gathering.exception()
            return all(
                replica.is_current
                and replica.bids == last.bids[: depth or None]
                and replica.asks == last.asks[: depth or None]
                for replica in replicas
                for last in (plain(history, replica.symbol),)
            )

        await until(all_is_well)
        assert sum(update.change is Change.LOST for update in updates) > 1
        assert sum(update.change is Change.RESTORED for update in updates) > 1
        gathering.cancel()


def plain(history: History, symbol: str) -> BookSnapshot:
    states = history.states[symbol]
    return Book.of_snapshot(states[max(states)]).snapshot()


def candles_of(run: Run, symbol: str) -> Tape:
    """From the increments alone."""
    tape = Tape()
    for _, increments in run.records:
        for each in increments:
            if each.symbol == symbol:
                public = public_increment(each, run.instruments[symbol])
                tape.take(public.trades, public.revisions)
    return tape


@pytest.mark.parametrize("length_s", LENGTHS_S)
async def test_candles_are_those_of_all_trades(
    where: tuple[Site, History], exec_log: Log, run: Run, length_s: int
) -> None:
    expected = {
        (symbol, each.start_ns): (each.open_ticks, each.high_ticks, each.low_ticks, each.close_ticks, each.volume_lots)
        for symbol in run.instruments
        for each in candles_of(run, symbol).candles(length_s)
    }
    have: dict[tuple[str, int], tuple[int, ...]] = {}

    async def gather(feed: Feed) -> None:
        async for update in feed:
            assert isinstance(update.message, CandlesTold)
            for each in update.message.candles:
                prices = each.open_ticks, each.high_ticks, each.low_ticks, each.close_ticks
                have[update.symbol, each.start_ns] = (*prices, each.volume_lots)
                if not each.trade_count:
                    del have[update.symbol, each.start_ns]

    async with Feed(where[0].url) as feed:
        await run.write(exec_log, 0, COMMANDS // 2)
        await feed.subscribe("candles", length_s=length_s)
        gathering = asyncio.create_task(gather(feed))
        await run.write(exec_log, COMMANDS // 2, COMMANDS)
        await until(lambda: gathering.done() or have == expected)
        assert have == expected
        assert len(expected) >= len(run.instruments)
        gathering.cancel()


async def test_a_restart_of_the_market_data_process_is_stale_and_then_a_snapshot(
    bus: Bus, exec_log: Log, venue: Venue, path: Path, run: Run
) -> None:
    symbols = list(run.instruments)
    changes: list[Change] = []

    async def gather(feed: Feed) -> None:
        async for update in feed:
            changes.append(update.change)  # noqa: PERF401 - to be seen while it goes on

    async with site(bus, venue) as running, Feed(running.url, check_interval_s=0.05) as feed:
        async with serving(bus, venue, path):
            await run.write(exec_log, 0, 500)
            await feed.subscribe("book", symbols)
            gathering = asyncio.create_task(gather(feed))
            replicas = [feed.replica(symbol) for symbol in symbols]
            await until(lambda: all(replica.is_current for replica in replicas))
        await until(lambda: not any(replica.is_current for replica in replicas))
        changes.clear()
        await run.write(exec_log, 500, COMMANDS)
        async with serving(bus, venue, path) as service:
            await until(
                lambda: all(
                    replica.is_current
                    and replica.book.snapshot(with_orders=False) == service.books[replica.symbol].snapshot()
                    and [(each.price_ticks, each.qty_lots, each.order_count) for each in replica.bids]
                    == run.levels[replica.symbol][0]
                    for replica in replicas
                )
            )
            assert changes.count(Change.RESTORED) >= len(symbols)
        gathering.cancel()


async def test_a_connection_that_ends_is_made_again(where: tuple[Site, History], exec_log: Log, run: Run) -> None:
    running, history = where
    async with Feed(running.url, check_interval_s=0.05) as feed:
        await feed.subscribe("book", depth=2)
        updates: list[Update] = []
        gathering = asyncio.create_task(gather_updates(feed, updates, history, 2, "levels"))
        await run.write(exec_log, 0, 500)
        await until(lambda: any(update.change is Change.APPLIED for update in updates))
        for connection in list(running.server._house.connections):
            connection.abort()
        await until(lambda: any(update.change is Change.LOST for update in updates))
        await run.write(exec_log, 500, COMMANDS)
        for symbol in run.instruments:
            replica = feed.replica(symbol, depth=2)
            await until(
                lambda replica=replica: replica.is_current and replica.bids == plain(history, replica.symbol).bids[:2]
            )
        assert not gathering.done()
        gathering.cancel()


async def test_what_the_venue_refuses_is_said_where_it_was_asked(where: tuple[Site, History]) -> None:
    async with Feed(where[0].url) as feed:
        with pytest.raises(FeedRefused, match=r"UNKNOWN_SYMBOL: 'XYZ' is not traded here"):
            await feed.subscribe("book", ["XYZ"])
        subscription = await feed.subscribe("trades")
        await feed.unsubscribe(subscription)
        with pytest.raises(FeedRefused, match="UNKNOWN_ID"):
            await feed.unsubscribe(subscription)
        with pytest.raises(KeyError):
            feed.replica(SYMBOL)


async def test_a_book_that_went_wrong_unnoticed_is_found_by_its_checksum(
    where: tuple[Site, History], exec_log: Log, run: Run
) -> None:
    running, _ = where
    async with Feed(running.url, check_interval_s=0.01) as feed:
        await run.write(exec_log, 0, 700)
        await feed.subscribe("book")
        busiest = max(run.instruments, key=lambda symbol: len(plain(where[1], symbol).bids))
        replica = feed.replica(busiest)
        await until(lambda: replica.is_current)
        book = replica.book
        book._bids.popitem(0)
        book._checksum = (-1, 0)
        await until(lambda: replica.is_current and replica.book is not book)
