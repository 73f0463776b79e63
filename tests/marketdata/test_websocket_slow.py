"""Readers that do not read: they are conflated or cut, and nobody else notices."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from bus.connection import Bus
from bus.subjects import MD_SNAPSHOT_SUBJECT, md_subject
from configs.loader import Venue
from marketdata.book import Book
from marketdata.messages import BookIncrement, FeedHeads, decode_request, encode
from marketdata.websocket import connection
from matcher.orders import BUY

from .conftest import SYMBOL, public
from .exec_log import until
from .websockets_in_tests import Line, Site, line, site

LEVELS = 200


class Publisher:
    """In place of the market-data process: publishes as fast as it is told to, and answers for the book."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.levels = LEVELS
        self.book = Book(SYMBOL, tick="0.01", lot="1")

    async def start(self) -> None:
        await self.bus.subscribe(MD_SNAPSHOT_SUBJECT, self._answer)

    def publish(self, count: int) -> None:
        for _ in range(count):
            self.bus.publish_now(md_subject(SYMBOL), encode(self._next()))

    def _next(self) -> BookIncrement:
        """Large ones: `levels` levels change their quantity."""
        number = self.book.md_seq + 1
        action = "0" if number == 1 else "1"
        increment = public(number, *((action, BUY, ticks, number) for ticks in range(1, self.levels + 1)))  # type: ignore[arg-type]
        without_orders = [level_without_orders(level) for level in increment.levels]
        self.book.has_orders = False
        increment = BookIncrement(SYMBOL, number, number, increment.transact_ns, without_orders, [])
        self.book.apply(increment)
        return increment

    def _answer(self, _subject: str, payload: bytes, reply: str) -> None:
        heads = FeedHeads({SYMBOL: self.book.md_seq}, {SYMBOL: self.book.checksum()})
        self.bus.publish_now(reply, encode(heads if decode_request(payload).heads else self.book.snapshot()))


def level_without_orders(level: Any) -> Any:
    return type(level)(*(getattr(level, name) for name in level.__struct_fields__[:-1]))


@pytest.fixture
async def publisher(bus: Bus) -> Publisher:
    publisher = Publisher(bus)
    await publisher.start()
    return publisher


@asynccontextmanager
async def lazy_line(where: Site) -> AsyncIterator[Line]:
    """A reader with hardly any buffer of its own."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", where.server.port))
    raw.setblocking(False)
    async with connect(where.url, sock=raw, max_size=None, max_queue=1, compression=None, ping_interval=None) as lazy:
        yield Line(lazy)


async def begin(reader: Line, **more: Any) -> None:
    """Subscribe, and take the first snapshot."""
    await reader.ask(op="subscribe", id="1", channel="book", symbols=[SYMBOL], **more)
    assert (await reader.next())["type"] == "snapshot"


@asynccontextmanager
async def taking(reader: Line) -> AsyncIterator[list[int]]:
    """A reader that reads all the time: the numbers of what it was told."""
    taken: list[int] = []

    async def take_all() -> None:
        while True:
            taken.append((await reader.next())["md_seq"])

    task = asyncio.create_task(take_all())
    yield taken
    task.cancel()


async def take_for_ever(reader: Line) -> None:
    while True:
        await reader.next()


async def publish_until(publisher: Publisher, condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            publisher.publish(20)
            await asyncio.sleep(0)  # the sockets' turn


async def test_a_reader_that_does_not_read_gets_a_snapshot_and_the_others_get_everything(
    bus: Bus, venue: Venue, publisher: Publisher
) -> None:
    publisher.publish(1)
    async with site(bus, venue, unsent_kb_max=64) as where, line(where) as good, lazy_line(where) as lazy:
        await where.at(SYMBOL, 1)
        await begin(good)
        await begin(lazy)
        async with taking(good) as taken:
            await publish_until(publisher, lambda: where.metric("messages_left_out_total") > 50)
            await until(lambda: taken[-1:] == [publisher.book.md_seq])
        assert taken == list(range(2, publisher.book.md_seq + 1))
        assert where.metric("conflations_total") == 1
        assert where.metric("unsent_bytes") > 64 * 1024

        increments, told = 0, await lazy.next()
        while told["type"] == "increment":
            increments += 1
            told = await lazy.next()
        assert increments < publisher.book.md_seq - 50
        assert (told["md_seq"], told["checksum"]) == (publisher.book.md_seq, publisher.book.checksum())
        publisher.publish(1)
        told = await lazy.next()
        assert (told["type"], told["prev_md_seq"], told["md_seq"]) == (
            "increment",
            publisher.book.md_seq - 1,
            publisher.book.md_seq,
        )


@pytest.mark.parametrize("depth", [0, 100])
async def test_nothing_is_made_for_those_who_are_all_behind(
    bus: Bus, venue: Venue, publisher: Publisher, depth: int
) -> None:
    publisher.publish(1)
    async with site(bus, venue, unsent_kb_max=64) as where, line(where) as good, lazy_line(where) as lazy:
        await where.at(SYMBOL, 1)
        await begin(lazy, depth=depth)
        await publish_until(publisher, lambda: where.metric("messages_left_out_total") > 5)
        await where.at(SYMBOL, publisher.book.md_seq)
        left_out = where.metric("messages_left_out_total")
        encoded = where.metric("messages_encoded_total", channel="book")
        publisher.publish(50)
        await until(lambda: where.metric("messages_left_out_total") == left_out + 50)
        assert where.metric("messages_encoded_total", channel="book") == encoded
        await begin(good, depth=depth)  # for one who comes later all is as it should be

        told = await lazy.next()
        while told["type"] == "increment":
            told = await lazy.next()
        assert told["md_seq"] == publisher.book.md_seq
        assert told["bids"] == json.loads(encode(publisher.book.snapshot(depth)))["bids"]
        publisher.publish(1)
        for reader in (good, lazy):
            told = await reader.next()
            assert (told["type"], told["prev_md_seq"], told["md_seq"]) == (
                "increment",
                publisher.book.md_seq - 1,
                publisher.book.md_seq,
            )


async def test_a_reader_that_does_not_read_is_cut_where_that_is_configured(
    bus: Bus, venue: Venue, publisher: Publisher
) -> None:
    publisher.publish(1)
    configured = site(bus, venue, unsent_kb_max=64, slow_reader="cut")
    async with configured as where, line(where) as good, lazy_line(where) as lazy:
        await where.at(SYMBOL, 1)
        await begin(good)
        await begin(lazy)
        async with taking(good) as taken:
            await publish_until(publisher, lambda: where.metric("connections_cut_total", reason="slow") == 1)
            await until(lambda: where.metric("connections") == 1)
            await until(lambda: taken[-1:] == [publisher.book.md_seq])
        assert taken == list(range(2, publisher.book.md_seq + 1))
        assert where.metric("subscriptions") == 1
        with pytest.raises(ConnectionClosed):
            await take_for_ever(lazy)


async def test_what_a_reader_left_while_it_was_behind_is_not_sent(bus: Bus, venue: Venue, publisher: Publisher) -> None:
    """Its request waits in the socket with everything else until it has read what was written."""
    publisher.publish(1)
    async with site(bus, venue, unsent_kb_max=64) as where, lazy_line(where) as lazy:
        await where.at(SYMBOL, 1)
        await begin(lazy)
        await publish_until(publisher, lambda: where.metric("messages_left_out_total") > 5)
        await lazy.send({"op": "unsubscribe", "id": "1"})
        told = await lazy.next()
        while told["type"] != "snapshot":
            told = await lazy.next()
        assert (await lazy.next())["type"] == "unsubscribed"
        assert (await lazy.ask(op="ping"))["type"] == "pong"


@pytest.fixture
def small_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unsent waits in the process, hardly anything in the kernel."""
    monkeypatch.setattr(connection, "_KERNEL_BYTES_MAX", 4096)


@pytest.mark.usefixtures("small_kernel")
@pytest.mark.parametrize("slow_reader", ["conflate", "cut"])
async def test_a_snapshot_larger_than_what_may_be_unsent_is_followed_by_increments(
    bus: Bus, venue: Venue, publisher: Publisher, slow_reader: str
) -> None:
    """Else a reader of a deep and busy book would be given one snapshot after the other, or cut by the first."""
    publisher.levels = 2_000
    publisher.publish(1)
    configured = site(bus, venue, unsent_kb_max=16, slow_reader=slow_reader)
    async with configured as where, lazy_line(where) as lazy:
        await where.at(SYMBOL, 1)
        lazy.connection.transport.pause_reading()
        await lazy.send({"op": "subscribe", "id": "1", "channel": "book", "symbols": [SYMBOL]})
        await until(lambda: where.metric("subscriptions") == 1)
        publisher.levels = 1
        publisher.publish(5)
        await where.at(SYMBOL, 6)
        assert where.metric("unsent_bytes") > 16 * 1024
        lazy.connection.transport.resume_reading()
        told = [await lazy.next() for _ in range(7)]
        assert [(each["type"], each.get("md_seq")) for each in told] == [
            ("subscribed", None),
            ("snapshot", 1),
            *(("increment", number) for number in range(2, 7)),
        ]
        assert where.metric("conflations_total") == 0


@pytest.mark.usefixtures("small_kernel")
async def test_a_snapshot_that_was_asked_for_comes_even_to_a_reader_that_is_behind(
    bus: Bus, venue: Venue, publisher: Publisher
) -> None:
    publisher.levels = 2_000
    publisher.publish(1)
    async with site(bus, venue, unsent_kb_max=16) as where, lazy_line(where) as lazy:
        await where.at(SYMBOL, 1)
        requests = [
            {"op": "snapshot", "channel": "book", "symbols": [SYMBOL], "depth": depth} for depth in range(990, 1000)
        ]
        frames = [Frame(Opcode.TEXT, json.dumps(each).encode()).serialize(mask=True) for each in requests]
        lazy.connection.transport.pause_reading()
        lazy.connection.transport.write(b"".join(frames))
        await until(lambda: where.metric("conflations_total") == 1)
        lazy.connection.transport.resume_reading()
        assert {(await lazy.next())["depth"] for _ in requests} == set(range(990, 1000))


async def test_a_connection_that_answers_nothing_is_cut(bus: Bus, venue: Venue) -> None:
    async with site(bus, venue, ping_interval_s=1) as where, line(where) as alive:
        _reader, writer = await asyncio.open_connection("127.0.0.1", where.server.port)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await until(lambda: where.metric("connections_cut_total", reason="silent") == 1)
        assert (await alive.ask(op="ping"))["type"] == "pong"
        writer.close()


async def test_a_server_that_stops_says_so(bus: Bus, venue: Venue) -> None:
    async with site(bus, venue) as where, connect(where.url, proxy=None) as connection:
        await where.server.stop()
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "this process stops; come again")
