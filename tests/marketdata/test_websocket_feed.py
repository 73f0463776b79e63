"""What `Feed` does when its venue refuses, falls silent or goes away: against a venue that does as the test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

from marketdata.book import Book
from marketdata.messages import FeedError
from marketdata.replica import Change
from marketdata.websocket import client
from marketdata.websocket.client import Feed, FeedRefused

from .conftest import SYMBOL
from .exec_log import until

Request = dict[str, Any]
Answers = Iterable[dict[str, Any] | str]


def key_of(request: Request) -> dict[str, Any]:
    names = {"book": ("depth", "view"), "candles": ("length_s",)}.get(request["channel"], ())
    return {"channel": request["channel"]} | {name: request[name] for name in names}


def snapshot_of(request: Request, symbol: str, md_seq: int = 0) -> dict[str, Any]:
    book = Book(symbol)
    book.md_seq = md_seq
    if request["channel"] == "book":
        return msgspec.to_builtins(book.snapshot()) | key_of(request)
    told = {"type": "snapshot", "symbol": symbol, "md_seq": md_seq, "transact_ns": 0, "trades": []}
    return told | key_of(request)


def begun(request: Request, symbols: Iterable[str] | None = None) -> Answers:
    """What a venue that is well answers."""
    if request["op"] in ("subscribe", "snapshot"):
        chosen = list(symbols if symbols is not None else request["symbols"])
        if request["op"] == "subscribe":
            yield {"type": "subscribed", "id": request["id"], "symbols": chosen} | key_of(request)
        for symbol in chosen:
            yield snapshot_of(request, symbol)


def silent(_request: Request) -> Answers:
    return ()


def refused(code: str, request_id: str = "") -> dict[str, Any]:
    return {"type": "error", "id": request_id, "code": code, "text": "because"}


class Venue:
    """Notes what it is asked, and answers as `answer` says."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections: list[ServerConnection] = []
        self.answer: Callable[[Request], Answers] = begun

    async def converse(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        async for text in connection:
            request = json.loads(text)
            self.requests.append(request)
            for message in self.answer(request):
                await connection.send(message if isinstance(message, str) else json.dumps(message))

    async def tell(self, *messages: dict[str, Any] | str) -> None:
        for message in messages:
            await self.connections[-1].send(message if isinstance(message, str) else json.dumps(message))

    async def hang_up(self) -> None:
        await self.connections[-1].close()

    def asked(self, op: str) -> list[Request]:
        return [request for request in self.requests if request["op"] == op]


@pytest.fixture
async def venue() -> Venue:
    return Venue()


@pytest.fixture
async def server(venue: Venue) -> AsyncIterator[Server]:
    async with serve(venue.converse, "127.0.0.1", 0) as listening:
        yield listening


@pytest.fixture
async def feed(server: Server) -> AsyncIterator[Feed]:
    port = next(iter(server.sockets)).getsockname()[1]
    async with Feed(f"ws://127.0.0.1:{port}", check_interval_s=0.01) as connected:
        yield connected


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "REFUSED_PAUSE_S", 0.0)
    monkeypatch.setattr(client, "TOO_FAST_PAUSE_S", 0.0)


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("channel", ["book", "trades"])
async def test_what_a_new_connection_refuses_is_not_current_and_is_asked_for_again(
    venue: Venue, feed: Feed, channel: Any
) -> None:
    """A process that was just started may not know a symbol that was added at run time."""
    await feed.subscribe(channel, [SYMBOL])
    replica = next(iter(feed._watches.values())).replica
    await until(lambda: replica.is_current)
    venue.answer = lambda request: (
        [refused("UNKNOWN_SYMBOL", request["id"])] if request["op"] == "subscribe" else begun(request)
    )
    venue.requests.clear()
    await venue.hang_up()
    await until(lambda: len(venue.asked("subscribe")) > 3)
    assert not replica.is_current
    assert not venue.asked("snapshot"), "a snapshot that nothing follows would pass for the newest book"
    venue.answer = begun
    await until(lambda: replica.is_current)


async def test_all_that_is_lost_at_once_is_asked_for_at_once(venue: Venue, feed: Feed) -> None:
    """Else a venue of many symbols would cut its readers off for asking too fast."""
    symbols = [f"S{number}" for number in range(300)]
    venue.answer = lambda request: begun(request, symbols) if request["op"] == "subscribe" else ()
    await feed.subscribe("book")
    await until(lambda: all(feed.replica(symbol).is_current for symbol in symbols))
    venue.requests.clear()
    key = {"channel": "book", "depth": 0, "view": "levels"}
    await venue.tell(*({"type": "stale", "symbol": symbol, "md_seq": 0} | key for symbol in symbols))
    await until(lambda: sum(len(request["symbols"]) for request in venue.asked("snapshot")) >= len(symbols))
    assert len(venue.asked("snapshot")) < 10
    venue.answer = begun
    await until(lambda: all(feed.replica(symbol).is_current for symbol in symbols))


async def test_a_subscription_that_waits_for_its_answer_goes_on_over_the_next_connection(
    venue: Venue, feed: Feed
) -> None:
    venue.answer = silent
    waiting = asyncio.create_task(feed.subscribe("book", [SYMBOL]))
    await until(lambda: bool(venue.asked("subscribe")))
    venue.answer = begun
    await venue.hang_up()
    assert await waiting == "s1"
    await until(lambda: feed.replica(SYMBOL).is_current)


@pytest.mark.usefixtures("no_pauses")
async def test_who_asks_too_fast_asks_again(venue: Venue, feed: Feed) -> None:
    venue.answer = lambda request: [refused("TOO_FAST")] if len(venue.asked("subscribe")) == 1 else begun(request)
    await feed.subscribe("book", [SYMBOL])
    assert len(venue.asked("subscribe")) == 2


async def test_an_answer_is_read_even_while_nobody_takes_updates(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "UPDATES_MAX", 3)
    await feed.subscribe("book", ["A", "B", "C", "D"])
    await until(lambda: feed._updates.qsize() == 3)
    await feed.subscribe("trades", ["A", "B", "C", "D"])
    assert feed._updates.qsize() < 8
    told = set()
    async for update in feed:
        told.add((update.symbol, update.key.channel))
        if len(told) == 8:
            break
    assert told == {(symbol, channel) for symbol in "ABCD" for channel in ("book", "trades")}


async def test_what_is_unsubscribed_is_not_current_any_more_and_its_view_can_be_had_again(
    venue: Venue, feed: Feed
) -> None:
    first = await feed.subscribe("book", [SYMBOL])
    replica = feed.replica(SYMBOL)
    await until(lambda: replica.is_current)
    await feed.unsubscribe(first)
    assert not replica.is_current
    with pytest.raises(KeyError):
        feed.replica(SYMBOL)
    with pytest.raises(FeedRefused, match="UNKNOWN_ID: id s1 is not subscribed; nothing to end"):
        await feed.unsubscribe(first)
    await feed.subscribe("book", [SYMBOL])
    await until(lambda: feed.replica(SYMBOL).is_current)
    assert [request["op"] for request in venue.requests if request["op"] != "checksum"] == [
        *("subscribe", "unsubscribe", "subscribe"),
    ]


async def test_ending_one_subscription_leaves_another_of_the_same_view(venue: Venue, feed: Feed) -> None:
    venue.answer = lambda request: (
        begun(request, ["A", "B"] if request["symbols"] == "*" else None) if "symbols" in request else ()
    )
    everything = await feed.subscribe("book")
    await feed.subscribe("book", ["NEW"])
    await until(lambda: feed.replica("NEW").is_current)
    await feed.unsubscribe(everything)
    assert feed.replica("NEW").is_current
    await venue.hang_up()
    await until(lambda: not feed.replica("NEW").is_current)
    await until(lambda: feed.replica("NEW").is_current)


async def test_what_came_for_a_star_is_asked_for_by_name_over_the_next_connection(venue: Venue, feed: Feed) -> None:
    venue.answer = lambda request: begun(request, ["A", "B"]) if request["op"] == "subscribe" else ()
    await feed.subscribe("book")
    await venue.hang_up()
    await until(lambda: len(venue.asked("subscribe")) == 2)
    assert [request["symbols"] for request in venue.asked("subscribe")] == ["*", ["A", "B"]]


async def test_a_subscription_that_nobody_waits_for_any_more_is_ended_when_it_is_answered(
    venue: Venue, feed: Feed
) -> None:
    venue.answer = silent
    waiting = asyncio.create_task(feed.subscribe("book", [SYMBOL]))
    await until(lambda: bool(venue.asked("subscribe")))
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    await venue.tell(*begun(venue.requests[0]))
    await until(lambda: bool(venue.asked("unsubscribe")))
    assert venue.asked("unsubscribe") == [{"op": "unsubscribe", "id": "s1"}]
    assert not feed._watches


async def test_nothing_is_current_after_the_end(venue: Venue, feed: Feed) -> None:
    await feed.subscribe("book", [SYMBOL])
    replica = feed.replica(SYMBOL)
    await until(lambda: replica.is_current)
    await feed.__aexit__()
    assert not replica.is_current
    assert len(venue.connections) == 1


@pytest.mark.parametrize("message", ["{", '{"type":"snapshot","channel":"book","symbol":"AAPL","view":"levels"}'])
async def test_what_is_no_message_of_the_feed_is_told_to_the_reader(venue: Venue, feed: Feed, message: str) -> None:
    await feed.subscribe("book", [SYMBOL])
    await venue.tell(message)
    taking = asyncio.create_task(take_all(feed))
    with pytest.raises(FeedError, match=r"ws://127.0.0.1:\d+ sends what is no message of this feed: "):
        await taking
    assert not feed.replica(SYMBOL).is_current


async def take_all(feed: Feed) -> None:
    async for update in feed:
        assert update.change is Change.RESTORED
