"""What readers do wrong: each has one defined answer, and the connection stays unless it goes on."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from bus.connection import Bus
from configs.loader import Venue

from .conftest import SYMBOL
from .exec_log import until
from .websockets_in_tests import Line, Site, line, site

LIMITS = {"subscriptions_max": 3, "connections_max": 2, "requests_per_second": 1000, "errors_per_minute": 5}


@pytest.fixture
async def where(bus: Bus, venue: Venue) -> AsyncIterator[Site]:
    """A WebSocket process alone: no book is current, but everything can be asked."""
    async with site(bus, venue, **LIMITS) as running:
        yield running


@pytest.fixture
async def reader(where: Site) -> AsyncIterator[Line]:
    async with line(where) as connected:
        yield connected


def of(**more: Any) -> str:
    return json.dumps({"op": "subscribe", "id": "1", "channel": "book", "symbols": [SYMBOL], **more})


FAULTS = [
    ("{", "NOT_JSON", "not JSON: "),
    ("[1]", "NOT_JSON", 'not a JSON object; send one such as {"op":"symbols"}'),
    (b"\xff\xfe", "NOT_JSON", "not JSON: "),
    (b'{"op":"p\xffng"}', "NOT_JSON", "not JSON: "),
    ("[" * 20_000, "NOT_JSON", "not JSON: "),
    ("x" * 65_537, "TOO_LARGE", "65537 bytes; send 65536 at most"),
    ("{}", "UNKNOWN_OP", "op None; choose one of subscribe, snapshot, unsubscribe, checksum, symbols, ping"),
    (of(op="buy"), "UNKNOWN_OP", "op 'buy'; choose one of "),
    (of(op="y" * 1000), "UNKNOWN_OP", f"op '{'y' * 59}...; choose one of "),
    (of(id=1), "BAD_REQUEST", "id is text of at most 64 characters"),
    (of(id="i" * 65), "BAD_REQUEST", "id is text of at most 64 characters"),
    (of(id=""), "BAD_REQUEST", 'id is missing; a subscription is ended by its id, such as "1"'),
    (of(colour="red"), "BAD_REQUEST", "Object contains unknown field `colour`; see the page of the protocol"),
    (of(depth="1"), "BAD_REQUEST", "Expected `int`, got `str` - at `$.depth`; see the page of the protocol"),
    ('{"op":"checksum"}', "BAD_REQUEST", "Object missing required field `symbol`; see the page of the protocol"),
    (
        of(channel="candle"),
        "UNKNOWN_CHANNEL",
        "channel 'candle'; choose one of book, trades, statistics, candles, status",
    ),
    (of(view="lots"), "UNKNOWN_VIEW", "view 'lots'; choose one of levels, orders"),
    (of(depth=-1), "BAD_DEPTH", "depth -1; 0 is the whole book, 1 to 1000 the best levels of each side"),
    (of(depth=1001), "BAD_DEPTH", "depth 1001; "),
    (of(channel="candles", length_s=7), "BAD_LENGTH", "length_s 7; choose one of 1, 10, 60, 300, 3600"),
    (of(symbols=["XYZ"]), "UNKNOWN_SYMBOL", '\'XYZ\' is not traded here; send {"op":"symbols"} for those that are'),
    (of(channel="trades", depth=3), "BAD_REQUEST", "depth and view are of the book; trades has none"),
    (of(symbols=[]), "BAD_REQUEST", "symbols []; send a list such as "),
    (of(symbols=SYMBOL), "BAD_REQUEST", f"symbols '{SYMBOL}'; send a list such as "),
    ('{"op":"unsubscribe","id":"9"}', "UNKNOWN_ID", "id 9 is not subscribed; nothing to end"),
    ('{"op":"checksum","symbol":"XYZ"}', "UNKNOWN_SYMBOL", "'XYZ' is not traded here"),
    ('{"op":"checksum","symbol":"AAPL"}', "STALE", "nobody vouches for the book of AAPL now; ask again"),
    ('{"op":"checksum","symbol":"AAPL","depth":-1}', "BAD_DEPTH", "depth -1; 0 is the whole book"),
]


@pytest.mark.parametrize(
    ("message", "code", "text"), FAULTS, ids=[f"{n} {code}" for n, (_, code, _) in enumerate(FAULTS)]
)
async def test_a_fault_has_its_answer_and_the_connection_stays(
    reader: Line, where: Site, message: str | bytes, code: str, text: str
) -> None:
    await reader.send(message)
    answer = await reader.next()
    assert (answer["type"], answer["code"]) == ("error", code)
    assert answer["text"].startswith(text)
    assert where.metric("errors_total", code=code) == 1
    assert where.metric("subscriptions") == 0
    assert (await reader.ask(op="ping", id="p"))["type"] == "pong"


async def test_an_error_names_the_request(reader: Line) -> None:
    assert (await reader.ask(op="unsubscribe", id="mine"))["id"] == "mine"
    assert (await reader.ask(op="subscribe", id="mine", channel="x", symbols="*"))["id"] == "mine"


async def test_an_id_is_used_once_at_a_time_and_a_view_is_subscribed_once(reader: Line) -> None:
    await reader.send(of())
    assert [(await reader.next())["type"] for _ in range(2)] == ["subscribed", "stale"]
    await reader.send(of(depth=1))
    assert (await reader.next())["code"] == "DUPLICATE_ID"
    await reader.send(of(id="2"))
    assert (await reader.next())["code"] == "ALREADY_SUBSCRIBED"
    assert (await reader.ask(op="unsubscribe", id="1"))["type"] == "unsubscribed"
    await reader.send(of())
    assert (await reader.next())["type"] == "subscribed"


async def test_beyond_the_subscriptions_of_a_connection_nothing_of_a_request_is_done(reader: Line, where: Site) -> None:
    answer = await reader.ask(op="subscribe", id="1", channel="book", symbols="*")
    assert len(answer["symbols"]) == 2
    await reader.next(), await reader.next()
    refused = await reader.ask(op="subscribe", id="2", channel="trades", symbols="*")
    assert (refused["code"], refused["text"]) == (
        "TOO_MANY_SUBSCRIPTIONS",
        "2 more beside 2, and at most 3 may be; ask for fewer, or unsubscribe some",
    )
    assert where.metric("subscriptions") == 2


async def test_too_many_requests_are_refused(bus: Bus, venue: Venue) -> None:
    async with site(bus, venue, requests_per_second=2, errors_per_minute=100) as where, line(where) as reader:
        for _ in range(50):
            await reader.send({"op": "ping"})
        answers = [(await reader.next()).get("code", "pong") for _ in range(50)]
    assert answers[:4] == ["pong"] * 4
    assert answers.count("TOO_FAST") > 30


async def test_whoever_goes_on_making_errors_is_disconnected(reader: Line, where: Site) -> None:
    for _ in range(6):
        await reader.send("?")
    answers = [await reader.next() for _ in range(6)]
    assert {answer["code"] for answer in answers} == {"NOT_JSON"}
    with pytest.raises(ConnectionClosed) as closed:
        await reader.next()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "too many requests that could not be met")
    assert where.metric("connections_cut_total", reason="errors") == 1
    await until(lambda: where.metric("connections") == 0)


async def test_a_message_far_too_large_is_not_even_read(reader: Line, where: Site) -> None:
    await reader.send("x" * 300_000)
    with pytest.raises(ConnectionClosed) as closed:
        await reader.next()
    assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
    await until(lambda: where.metric("connections") == 0)
    assert where.metric("connections_cut_total", reason="too_large") == 1


async def test_a_message_in_pieces_is_one_message(reader: Line) -> None:
    await reader.connection.send(iter(['{"op":"pi', "", 'ng","id":"p"}']))
    assert await reader.next() == {"type": "pong", "id": "p"}


async def test_connections_beyond_the_limit_are_turned_away(where: Site) -> None:
    async with line(where), line(where):
        with pytest.raises(InvalidStatus) as refused:
            await connect(where.url, proxy=None)
        assert refused.value.response.status_code == 503
    await until(lambda: where.metric("connections") == 0)
    async with line(where) as next_one:
        assert (await next_one.ask(op="ping"))["type"] == "pong"


HANDSHAKE = "GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n"
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n"
KEY = "AAAAAAAAAAAAAAAAAAAAAA=="


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (HANDSHAKE.format("/", UPGRADE.format(KEY)), 101),
        (HANDSHAKE.format("/feed", UPGRADE.format(KEY)), 404),
        (HANDSHAKE.format("/", ""), 426),
        (HANDSHAKE.format("/", UPGRADE.format("short")), 400),
        (HANDSHAKE.format("/", UPGRADE.format(KEY)).replace("GET", "POST"), 405),
        (HANDSHAKE.format("/", UPGRADE.format(KEY)).replace("1.1", "1.0"), 505),
        ("\r\n\r\n", 0),
        ("8=FIX.4.4\x019=5\x0135=A\x01" * 1000, 0),
    ],
)
async def test_only_an_upgrade_at_the_root_is_served(where: Site, request_text: str, status: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", where.server.port)
    writer.write(request_text.encode())
    first = (await reader.readline()).decode()
    assert first.startswith(f"HTTP/1.1 {status} ") if status else not first or first.startswith("HTTP/1.1 4")
    writer.close()
    await until(lambda: where.metric("connections") == 0)


@pytest.mark.parametrize("path", ["/", "/feed"])
@pytest.mark.parametrize("early", [Frame(Opcode.CLOSE, b"").serialize(mask=True), b"\xff" * 20], ids=["close", "noise"])
async def test_what_comes_behind_a_handshake_without_waiting_concerns_nobody_else(
    where: Site, path: str, early: bytes
) -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    reader, writer = await asyncio.open_connection("127.0.0.1", where.server.port)
    writer.write(HANDSHAKE.format(path, UPGRADE.format(KEY)).encode() + early)
    assert await reader.read() == b""
    writer.close()
    await until(lambda: where.metric("connections") == 0)
    assert not failures


async def test_web_pages_connect_only_from_where_they_may(bus: Bus, venue: Venue) -> None:
    async with site(bus, venue, allowed_origins=("https://good.example",)) as where:
        for origin in ("https://good.example", None):
            async with connect(where.url, origin=origin, proxy=None) as connection:  # type: ignore[arg-type]
                assert (await Line(connection).ask(op="ping"))["type"] == "pong"
        with pytest.raises(InvalidStatus) as refused:
            await connect(where.url, origin="https://bad.example", proxy=None)  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403
        assert where.metric("connections_refused_total", status="403") == 1
