"""The FIX feed behind the reference engine, read by a FIX client in each version: entries arrive as they were."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from configs.loader import ONE_MACHINE, Venue, load
from marketdata.book import Book
from marketdata.fix.feed import FixFeed
from marketdata.messages import BookIncrement
from marketdata.metrics import FeedMetrics
from marketdata.replica import Change, Replica
from matcher.increments import TradePrint
from matcher.orders import BUY, SELL
from sessions.fix_text import pairs
from sessions.port import InboundMessage
from sessions.quickfix.engine import QuickFixEngine
from simulators.fix_client import FixClient, Received

from .conftest import NOW_NS, SYMBOL, public

REQUEST = "35=V|262=r1|263=1|264=0|265=1|267=3|269=0|269=1|269=2|146=1|55=AAPL|".replace("|", "\x01")
PATIENCE_S = 15


class NoOrders:
    """Order entry without anybody."""

    def on_logon(self, session_id: str) -> None: ...

    def on_logout(self, session_id: str) -> None: ...

    def on_messages(self, messages: list[InboundMessage]) -> None: ...


class Books:
    """One book, moved by the test."""

    is_available = True

    def __init__(self) -> None:
        self.replica = Replica(SYMBOL)
        self.replica.on_snapshot(Book(SYMBOL).snapshot())

    def watch(self, symbol: str) -> Replica:
        assert symbol == SYMBOL
        return self.replica


class House:
    """A gateway's market-data half."""

    def __init__(self, venue: Venue, data_dir: Path) -> None:
        self.port = venue.config.gateway.fix_port
        self.books = Books()
        self.feed = FixFeed(self._send, venue, FeedMetrics(CollectorRegistry()), now_ns=lambda: NOW_NS)
        self.feed.attach(self.books)
        self.engine = QuickFixEngine(
            venue,
            data_dir=data_dir,
            loop=asyncio.get_running_loop(),
            applications={"orders": NoOrders(), "marketdata": self.feed, "dropcopy": NoOrders()},
        )

    def _send(self, session_id: str, bodies: list[str]) -> None:
        self.engine.send(session_id, bodies)

    def publish(self, increment: BookIncrement) -> None:
        assert self.books.replica.on_increment(increment) is Change.APPLIED
        self.feed.on_change(self.books.replica, Change.APPLIED, increment)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    venue = load(ONE_MACHINE)
    config = replace(venue.config, gateway=replace(venue.config.gateway, fix_port=port))
    house = House(replace(venue, config=config), tmp_path)
    house.engine.start()
    yield house
    await asyncio.to_thread(house.engine.stop)


class Client:
    """What came over the wire, without header and trailer, `|` for SOH."""

    def __init__(self) -> None:
        self.received: list[str] = []

    def on_message(self, message: Received) -> None:
        own = {"8", "9", "34", "49", "52", "56", "10"}
        body = [f"{tag}={value}" for tag, value in pairs(message.text) if tag not in own]
        self.received.append("|".join(body))

    async def has(self, number: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.received) < number:  # noqa: ASYNC110 - what it waits for has no event of its own
                await asyncio.sleep(0.005)


TRADE_4 = "272=20260921|273=14:13:22.123"
TRADE_50SP2 = "272=20260921|273=14:13:22.123456|1003=1|2446=1"


@pytest.mark.parametrize(
    ("begin_string", "snapshot", "increment"),
    [
        ("FIX.4.2", "35=W|55=AAPL|83=0|262=r1|268=0", TRADE_4),
        ("FIX.4.4", "35=W|55=AAPL|83=0|262=r1|268=0", TRADE_4),
        ("FIXT.1.1", "35=W|55=AAPL|262=r1|779=20260921-14:13:20.123456|1682=17|268=1|269=J|83=0", TRADE_50SP2),
    ],
)
async def test_w_and_x_arrive_as_they_were_written(
    house: House, begin_string: str, snapshot: str, increment: str
) -> None:
    client = Client()
    session = await FixClient.connect(
        "127.0.0.1",
        house.port,
        begin_string=begin_string,
        sender_comp_id="MD1",
        password="example-md1",
        on_message=client.on_message,
    )
    session.send(REQUEST)
    await client.has(1)
    house.publish(public(1, ("0", SELL, 102, 7), ("0", SELL, 103, 1)))
    house.publish(
        public(2, ("1", SELL, 103, 2), ("0", BUY, 102, 3), ("2", SELL, 102, 0), trades=(TradePrint(1, 102, 7, BUY),))
    )
    session.send("35=D\x0111=c1\x0121=1\x0155=AAPL\x0154=1\x0160=20260921-14:13:20.000\x0138=1\x0140=1\x01")
    await client.has(4)
    w, first, second, refusal = client.received
    assert _sorted_body(w) == _sorted_body(snapshot)
    assert first == (
        "35=X|262=r1|268=2|279=0|269=1|55=AAPL|270=1.02|271=7|346=1|279=0|269=1|55=AAPL|270=1.03|271=1|346=1|83=1"
    )
    assert _as_entries(second) == _as_entries(
        f"35=X|262=r1|268=4|279=0|269=2|278=1|55=AAPL|270=1.02|271=7|{increment}|279=2|269=1|55=AAPL|270=1.02|"
        "279=1|269=1|55=AAPL|270=1.03|271=2|346=1|279=0|269=0|55=AAPL|270=1.02|271=3|346=1|83=2"
    )
    assert refusal.startswith("35=j|45=3|58=this session is for market data")
    await session.logout()


def _sorted_body(text: str) -> list[str]:
    return sorted(text.split("|"))


def _as_entries(text: str) -> list[list[str]]:
    """Head and entries; within an entry QuickFIX orders the fields as its dictionary does."""
    return [sorted(entry.split("|")) for entry in text.replace("|279=", "\n279=").split("\n")]
