"""
What the public books were, by the logs alone, and whether readers of the feed saw the same.

The truth comes twice from the logs of a venue: from EXEC, every book after every increment; and from ORD, through a
fresh engine, after every command. Readers note in a `Ledger` what they had after each message. `judge` compares all
three, number by number.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from hashlib import blake2b
from typing import Any

import msgspec

from bus.connection import Bus
from bus.reader import LogMessage, LogReader
from bus.records import decode_events, decode_exec, decode_increments, decode_ord
from bus.streams import last_seq
from bus.subjects import exec_stream, ord_stream
from configs.loader import Venue
from marketdata.book import Book
from marketdata.messages import BookIncrement, Level, Statistics, decode_increment, encode, public_increment
from marketdata.statistics import Day
from matcher.engine.engine import Engine
from matcher.events import Event, InstrumentDefined, OrderAccepted
from matcher.increments import MarketDataIncrement
from matcher.instruments import Instrument
from matcher.orders import BUY, SELL, OrderState, Side

from .fix_reader import shown_of

KEPT_BYTES_MAX = 4_000
"""Of one part of one state; of what is longer, the digest is kept."""
TOLD_MAX = 10
READ_PATIENCE_S = 60

Parts = dict[str, bytes]
"""
What a reader had of a book, or was told, by name: `levels`, `orders` (the queues), `all` (a snapshot of everything
else, too), and of a FIX client `singles` (statistics, auction) and `trades` (those in the message).
"""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def part(content: Any) -> bytes:
    """Something that is to be compared."""
    encoded = _encode(content)
    return encoded if len(encoded) <= KEPT_BYTES_MAX else blake2b(encoded, digest_size=16).digest()


def levels_of(book: Book) -> list[list[tuple[int, int, int]]]:
    """Bids and asks, best first."""
    return [
        [(each.price_ticks, each.qty_lots, each.order_count) for each in side] for side in (book.bids(), book.asks())
    ]


def orders_of(book: Book) -> list[list[tuple[int, list[tuple[int, int]]]]]:
    """Bids and asks, best first, each price with its queue."""

    def queue(side: Side, level: Level) -> tuple[int, list[tuple[int, int]]]:
        orders = book.orders(side, level.price_ticks)
        return level.price_ticks, [(order.entry_id, order.qty_lots) for order in orders]

    return [[queue(BUY, level) for level in book.bids()], [queue(SELL, level) for level in book.asks()]]


def parts_of(book: Book, *, with_orders: bool) -> Parts:
    """All of a book that a reader keeps."""
    parts = {"levels": part(levels_of(book)), "all": part(_encode(book.snapshot()))}
    return parts | ({"orders": part(orders_of(book))} if with_orders else {})


class Ledger:
    """What each reader had of each book at each number."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], dict[int, Parts]] = defaultdict(dict)
        """By reader and symbol."""
        self.contradictions: list[str] = []

    def see(self, reader: str, symbol: str, md_seq: int, parts: Parts) -> None:
        """A reader has this at a number, perhaps not for the first time."""
        before = self.seen[reader, symbol].setdefault(md_seq, {})
        for name, content in parts.items():
            if before.setdefault(name, content) != content:
                self.contradictions.append(f"{reader} has two different {name} of {symbol} at {md_seq}")


class Verdict(msgspec.Struct):
    """What came of a comparison."""

    last: dict[str, int] = msgspec.field(default_factory=dict)
    """The newest number of each symbol."""
    increments: int = 0
    compared: Counter[str] = msgspec.field(default_factory=Counter)
    """By reader: states that were compared."""
    unseen: Counter[str] = msgspec.field(default_factory=Counter)
    """By reader: increments that change levels, orders or trades, and that it went past."""
    kinds: Counter[str] = msgspec.field(default_factory=Counter)
    """What happened in the run: trades, revisions, days, and the phases by their values."""
    orders: Counter[str] = msgspec.field(default_factory=Counter)
    """What was taken, see `kinds_of`."""
    differences: list[str] = msgspec.field(default_factory=list)

    def differ(self, difference: str) -> None:
        if len(self.differences) < TOLD_MAX:
            self.differences.append(difference)


async def records(bus: Bus, stream: str) -> AsyncIterator[LogMessage]:
    """All records that a stream has now."""
    newest = await last_seq(bus, stream)
    reader = LogReader(bus, stream=stream, start_seq=1)
    await reader.start()
    try:
        seq = 0
        while seq < newest:
            async with asyncio.timeout(READ_PATIENCE_S):
                batch = await reader.next_batch()
            for message in batch:
                seq = message.seq
                yield message
    finally:
        await reader.stop()


async def last_numbers(bus: Bus, venue: Venue) -> dict[str, int]:
    """The newest md_seq of each symbol, as the logs have it."""
    last: dict[str, int] = {}
    for shard in range(venue.config.shards):
        async for message in records(bus, exec_stream(shard)):
            last |= {each.symbol: each.md_seq for each in decode_increments(decode_exec(message.payload))}
    return last


async def judge(bus: Bus, venue: Venue, ledger: Ledger) -> Verdict:
    """Compare all that readers saw, and the engine, with EXEC."""
    verdict = Verdict(differences=ledger.contradictions[:TOLD_MAX])
    for shard in range(venue.config.shards):
        answered = [decode_exec(message.payload) async for message in records(bus, exec_stream(shard))]
        engine = WatchedEngine(venue, shard)
        async for message in records(bus, ord_stream(shard)):
            if answered and message.seq <= answered[-1].last_input_seq:
                engine.take(message)
                await asyncio.sleep(0)  # the readers go on, or the venue would take them for dead
        logged = _LoggedShard(ledger, engine.states, verdict)
        for record in answered:
            for event in decode_events(record):
                logged.hear(event)
            for increment in decode_increments(record):
                logged.take(increment)
            await asyncio.sleep(0)
    for (reader, symbol), seen in ledger.seen.items():
        for md_seq in seen:
            if md_seq > verdict.last.get(symbol, 0):
                verdict.differ(f"{reader} has {symbol} at {md_seq}, which is not in the log")
    return verdict


class WatchedEngine(Engine):
    """A fresh engine, whose books are looked at after every command."""

    def __init__(self, venue: Venue, shard: int) -> None:
        config = venue.config.matcher
        super().__init__(shard, orders_max=config.orders_max, finished_orders_max=config.finished_orders_max)
        self.states: dict[tuple[str, int], Parts] = {}
        """By symbol and number, after the last increment of each command."""

    def take(self, message: LogMessage) -> None:
        """Apply a record of ORD."""
        record = decode_ord(message.payload)
        self.apply_record(record.gateway_id, record.boot, record.record_number, record.commands, message.seq)

    def apply(self, command: Any, input_seq: int) -> Any:
        """As the engine's."""
        output = super().apply(command, input_seq)
        for symbol in {increment.symbol: None for increment in output.increments}:
            levels, queues = self.levels(symbol), self.queues(symbol)
            orders = [
                [(ticks, list(queues[side, ticks].items())) for ticks, _, _ in of_side]
                for side, of_side in zip((BUY, SELL), levels, strict=True)
            ]
            self.states[symbol, self.md_seq(symbol)] = {"levels": part(levels), "orders": part(orders)}
        return output


class _LoggedShard:
    # The books of one EXEC, one increment after the other.

    def __init__(self, ledger: Ledger, engine_states: dict[tuple[str, int], Parts], verdict: Verdict) -> None:
        self._readers: dict[str, list[tuple[str, dict[int, Parts]]]] = defaultdict(list)
        for (reader, symbol), seen in ledger.seen.items():
            self._readers[symbol].append((reader, seen))
        self._engine_states = engine_states
        self._verdict = verdict
        self._instruments: dict[str, Instrument] = {}
        self._books: dict[str, Book] = {}
        self._days: dict[str, Day] = {}
        self._tallies: dict[str, _Tally] = {}

    def hear(self, event: Event) -> None:
        if isinstance(event, InstrumentDefined):
            self._define(event.instrument)
        elif isinstance(event, OrderAccepted):
            self._verdict.orders.update(kinds_of(event.order))

    def _define(self, instrument: Instrument) -> None:
        symbol = instrument.symbol
        self._instruments[symbol] = instrument
        if symbol not in self._books:
            phase = instrument.rules.initial_phase
            self._books[symbol] = Book(symbol, tick=str(instrument.tick), lot=str(instrument.lot), phase=phase)
            self._days[symbol], self._tallies[symbol] = Day(), _Tally()
            self._compare(self._books[symbol], None)

    def take(self, increment: MarketDataIncrement) -> None:
        symbol, instrument, verdict = increment.symbol, self._instruments[increment.symbol], self._verdict
        statistics = self._days[symbol].take(increment, instrument)
        told = decode_increment(encode(public_increment(increment, instrument, statistics)))
        book = self._books[symbol]
        book.apply(told)
        self._tallies[symbol].take(increment)
        if (counted := self._tallies[symbol].differs_from(book.statistics)) is not None:
            verdict.differ(f"statistics of {symbol} at {told.md_seq} are {book.statistics}, but counted {counted}")
        verdict.increments += 1
        verdict.last[symbol] = told.md_seq
        verdict.kinds.update(trades=len(told.trades), revisions=len(told.revisions), days=bool(told.ended_day))
        verdict.kinds.update(uncrossed=sum(not trade.aggressor_side for trade in told.trades))
        verdict.kinds.update({f"phase {told.phase.phase}": 1} if told.phase else {})
        self._compare(book, told)

    def _compare(self, book: Book, told: BookIncrement | None) -> None:
        symbol, md_seq = book.symbol, book.md_seq
        expected = parts_of(book, with_orders=True) | {
            "singles": part(singles_of(book)),
            "trades": part(_trades_told(told)) if told else b"",
        }
        if (engine := self._engine_states.get((symbol, md_seq))) is not None:
            self._compare_one("the engine", symbol, md_seq, engine, expected)
        for reader, seen in self._readers[symbol]:
            if (parts := seen.pop(md_seq, None)) is not None:
                self._compare_one(reader, symbol, md_seq, parts, expected)
            elif told is not None and (told.levels or told.trades or told.revisions):
                self._verdict.unseen[reader] += 1

    def _compare_one(self, who: str, symbol: str, md_seq: int, parts: Parts, expected: Parts) -> None:
        self._verdict.compared[who] += 1
        for name, content in parts.items():
            if content != expected[name]:
                said, right = _readable(content), _readable(expected[name])
                self._verdict.differ(f"{who}: {name} of {symbol} at {md_seq} are {said}, in the log {right}")


class _Tally:
    # A day's trades, counted anew each time.

    def __init__(self) -> None:
        self._trades: dict[int, tuple[int, int]] = {}
        self._previous_close_ticks = 0
        self._ended_day = ""
        self._has_changed = False

    def take(self, increment: MarketDataIncrement) -> None:
        self._has_changed = bool(increment.trades or increment.revisions or increment.ended_day)
        self._trades |= {trade.match_id: (trade.price_ticks, trade.qty_lots) for trade in increment.trades}
        for revision in increment.revisions:
            if revision.match_id in self._trades:
                self._trades[revision.match_id] = revision.price_ticks, revision.qty_lots
        if increment.ended_day:
            valid = [price for price, lots in self._trades.values() if lots]
            self._previous_close_ticks = valid[-1] if valid else self._previous_close_ticks
            self._ended_day = increment.ended_day
            self._trades.clear()

    def differs_from(self, told: Statistics | None) -> tuple[Any, ...] | None:
        """What was counted, if it has changed and is not what was told."""
        if not self._has_changed:
            return None
        valid = [(price, lots) for price, lots in self._trades.values() if lots]
        prices = [price for price, _ in valid] or [0]
        volume, value = sum(lots for _, lots in valid), sum(price * lots for price, lots in valid)
        counted = (len(valid), prices[0], max(prices), min(prices), prices[-1], volume, value)
        counted += (self._previous_close_ticks, self._ended_day)
        if told is None:
            return counted
        names = (
            "trade_count open_ticks high_ticks low_ticks last_ticks volume_lots value previous_close_ticks ended_day"
        )
        return counted if counted != tuple(getattr(told, name) for name in names.split()) else None


def kinds_of(order: OrderState) -> list[str]:
    """OrdType(40), TimeInForce(59), and what its instructions are about."""
    kinds = [f"40={order.ord_type}", f"59={order.time_in_force}"]
    if (said := order.instructions) is None:
        return kinds
    has = {
        "iceberg": said.display_qty_lots > 0,
        "hidden": said.display_qty_lots == 0,
        "trailing": bool(said.trail_offset),
        "post-only": bool(said.post_only),
        "minimum quantity": bool(said.min_qty_lots),
        "of a list": bool(said.list_id),
    }
    return kinds + [name for name, is_so in has.items() if is_so]


def singles_of(book: Book) -> list[list[str]]:
    """What a FIX client is told once at most, by MDEntryType(269)."""
    return sorted([name, told] for (name, _), told in shown_of(book, 0).items() if name not in "01")


def _trades_told(told: BookIncrement) -> list[tuple[str, int, int, int]]:
    new = [("0", trade.match_id, trade.price_ticks, trade.qty_lots) for trade in told.trades]
    return new + [
        ("1" if each.qty_lots else "2", each.match_id, each.price_ticks, each.qty_lots) for each in told.revisions
    ]


def _readable(content: bytes) -> str:
    try:
        return str(_decode(content))
    except msgspec.DecodeError:
        return content.hex()
