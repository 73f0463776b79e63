"""Market data over WebSocket: what readers are sent, over real sockets, from a real log."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus.connection import Bus
from configs.loader import Venue
from marketdata.book import Book
from matcher.increments import Indicative, PhaseChange, TradePrint, TradeRevision
from matcher.orders import BUY, SELL
from matcher.phases import OPENING_AUCTION

from .conftest import INSTRUMENT, NOW_NS, OTHER, SYMBOL, increment_of, public
from .exec_log import Log, serving, until
from .websockets_in_tests import Line, Site, line, site

LEVELS = [("0", BUY, 100, 5), ("0", SELL, 102, 7), ("1", BUY, 100, 4), ("2", SELL, 102, 0)]
INCREMENTS = [increment_of(number, level) for number, level in enumerate(LEVELS, 1)]  # type: ignore[arg-type]
BOOK = {"channel": "book", "depth": 0, "view": "levels"}


@pytest.fixture
async def where(bus: Bus, exec_log: Log, venue: Venue, path: Path) -> AsyncIterator[Site]:
    """A WebSocket process beside a market-data process that reads `exec_log`."""
    assert not exec_log.records  # it is there before anybody reads it
    async with serving(bus, venue, path), site(bus, venue) as running:
        yield running


@pytest.fixture
async def reader(where: Site) -> AsyncIterator[Line]:
    async with line(where) as connected:
        yield connected


def book_after(number: int) -> Book:
    book = Book(SYMBOL, tick="0.01", lot="1")
    for md_seq, level in enumerate(LEVELS[:number], 1):
        book.apply(public(md_seq, level))  # type: ignore[arg-type]
    return book


def plain(message: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(message))


async def subscribe(reader: Line, channel: str, **more: Any) -> dict[str, Any]:
    """The snapshot of AAPL that begins a subscription."""
    answer = await reader.ask(op="subscribe", id="1", channel=channel, symbols=[SYMBOL], **more)
    assert (answer["type"], answer["symbols"]) == ("subscribed", [SYMBOL])
    return await reader.next()


async def test_a_book_is_a_snapshot_and_then_the_increments_of_the_bus(
    where: Site, reader: Line, exec_log: Log
) -> None:
    await exec_log.write(INCREMENTS[0])
    await where.at(SYMBOL, 1)
    answer = await reader.ask(op="subscribe", id="1", channel="book", symbols=[SYMBOL])
    assert answer == {"type": "subscribed", "id": "1", "symbols": [SYMBOL], **BOOK}
    assert await reader.next() == plain(book_after(1).snapshot()) | BOOK
    await exec_log.write(INCREMENTS[1], INCREMENTS[2])
    for number in (2, 3):
        bare = msgspec.structs.replace(public(number, LEVELS[number - 1]).levels[0], orders=[])  # type: ignore[arg-type]
        expected = msgspec.structs.replace(public(number), levels=[bare])
        assert await reader.next() == plain(expected) | BOOK | {"prev_md_seq": number - 1}


async def test_orders_are_told_where_they_are_asked_for(where: Site, reader: Line, exec_log: Log) -> None:
    await exec_log.write(INCREMENTS[0])
    await where.at(SYMBOL, 1)
    snapshot = await subscribe(reader, "book", view="orders", depth=3)
    assert snapshot["bids"] == [["1.00", "5", 100, 5, 1, [[100, "5", 5]]]]
    assert (snapshot["has_orders"], snapshot["depth"]) == (True, 3)
    await exec_log.write(INCREMENTS[1])
    assert (await reader.next())["levels"] == [["0", "2", "1.02", "7", 102, 7, 1, [[102, "7", 7]]]]


async def test_trades_come_with_their_aggressor_and_what_becomes_of_them(
    where: Site, reader: Line, exec_log: Log
) -> None:
    await where.at(SYMBOL, 0)
    assert (await subscribe(reader, "trades"))["trades"] == []
    await exec_log.write(increment_of(1, trades=(TradePrint(1, 100, 5, SELL),)))
    told = await reader.next()
    assert (told["md_seq"], told["trades"][0]["match_id"], told["trades"][0]["aggressor_side"]) == (1, 1, "2")
    await exec_log.write(INCREMENTS[1])
    await exec_log.write(increment_of(3, revisions=(TradeRevision(1, 100, 0),)))
    told = await reader.next()
    assert (told["md_seq"], told["prev_md_seq"], told["revisions"][0]["qty"]) == (3, 1, "0")
    snapshot = await reader.ask(op="snapshot", id="x", channel="trades", symbols=[SYMBOL])
    assert (snapshot["type"], snapshot["md_seq"], snapshot["trades"]) == ("snapshot", 3, [])


async def test_statistics_are_the_whole_day_each_time(where: Site, reader: Line, exec_log: Log) -> None:
    await where.at(SYMBOL, 0)
    assert (await subscribe(reader, "statistics"))["statistics"] is None
    await exec_log.write(increment_of(1, trades=(TradePrint(1, 100, 5, SELL), TradePrint(2, 102, 5, SELL))))
    day = (await reader.next())["statistics"]
    assert (day["open"], day["high"], day["low"], day["last"], day["vwap"], day["volume"]) == (
        *("1.00", "1.02", "1.00", "1.02", "1.0100", "10"),
    )


async def test_status_is_phase_and_indicative_price(where: Site, reader: Line, exec_log: Log) -> None:
    await where.at(SYMBOL, 0)
    assert (await subscribe(reader, "status"))["phase"]["phase"] == "3"
    phase = PhaseChange(OPENING_AUCTION, NOW_NS, "")
    await exec_log.write(increment_of(1, phase=phase, indicative=Indicative(100, 5, BUY, 2)))
    told = await reader.next()
    assert (told["phase"]["phase"], told["indicative"]["price"], told["indicative"]["imbalance_qty"]) == (
        *("2", "1.00", "2"),
    )


async def test_candles_are_history_first_and_then_what_changes(where: Site, reader: Line, exec_log: Log) -> None:
    await exec_log.write(increment_of(1, trades=(TradePrint(1, 100, 5, SELL),)))
    await where.at(SYMBOL, 1)
    snapshot = await subscribe(reader, "candles", length_s=3600)
    assert [(each["close"], each["trade_count"], each["is_complete"]) for each in snapshot["candles"]] == [
        ("1.00", 1, True)
    ]
    await exec_log.write(
        increment_of(2, trades=(TradePrint(2, 103, 5, SELL),)), increment_of(3, trades=(TradePrint(3, 101, 1, BUY),))
    )
    count = 1
    while count < 3:  # one message or two, as the clock will have it
        told = await reader.next()
        (candle,) = told["candles"]
        count = candle["trade_count"]
    assert (told["channel"], told["length_s"], told["md_seq"]) == ("candles", 3600, 3)
    assert (candle["open"], candle["high"], candle["close"], candle["volume"]) == ("1.00", "1.03", "1.01", "11")


async def test_a_star_is_all_symbols_and_an_id_ends_all_of_them(where: Site, reader: Line, exec_log: Log) -> None:
    await where.at(SYMBOL, 0)
    await where.at(OTHER.symbol, 0)
    answer = await reader.ask(op="subscribe", id="all", channel="book", symbols="*", depth=1)
    assert answer["symbols"] == [SYMBOL, OTHER.symbol]
    assert {(await reader.next())["symbol"], (await reader.next())["symbol"]} == {SYMBOL, OTHER.symbol}
    assert where.metric("subscriptions") == 2
    assert await reader.ask(op="unsubscribe", id="all") == {"type": "unsubscribed", "id": "all"}
    assert where.metric("subscriptions") == 0
    await exec_log.write(INCREMENTS[0])
    await where.at(SYMBOL, 1)
    assert await reader.ask(op="ping", id="p") == {"type": "pong", "id": "p"}


async def test_a_checksum_is_of_the_book_as_the_reader_has_it(where: Site, reader: Line, exec_log: Log) -> None:
    await exec_log.write(*INCREMENTS[:3])
    await where.at(SYMBOL, 3)
    snapshot = await subscribe(reader, "book", depth=1)
    told = await reader.ask(op="checksum", id="c", symbol=SYMBOL, depth=1)
    assert told == {
        "type": "checksum",
        "id": "c",
        "symbol": SYMBOL,
        "depth": 1,
        "view": "levels",
        "md_seq": 3,
        "told_md_seq": 3,
        "checksum": snapshot["checksum"],
    }
    assert (await reader.ask(op="checksum", symbol=SYMBOL))["checksum"] == book_after(3).checksum()


async def test_symbols_come_with_tick_and_lot(where: Site, reader: Line) -> None:
    await where.at(OTHER.symbol, 0)
    await where.at(SYMBOL, 0)
    assert (await reader.ask(op="symbols", id="s"))["symbols"] == [
        {"symbol": SYMBOL, "tick": str(INSTRUMENT.tick), "lot": str(INSTRUMENT.lot)},
        {"symbol": OTHER.symbol, "tick": str(OTHER.tick), "lot": str(OTHER.lot)},
    ]


async def test_one_message_is_made_for_all_who_see_the_same(where: Site, exec_log: Log) -> None:
    await where.at(SYMBOL, 0)
    async with line(where) as first, line(where) as second, line(where) as third:
        for each in (first, second, third):
            await subscribe(each, "book")
        made = where.metric("messages_encoded_total", channel="book")
        await exec_log.write(INCREMENTS[0])
        told = [await each.next() for each in (first, second, third)]
        assert told[0] == told[1] == told[2]
        assert where.metric("messages_encoded_total", channel="book") == made + 1
        assert where.metric("connections") == 3
    await until(lambda: where.metric("connections") == 0)
    assert where.metric("subscriptions") == 0


async def test_without_market_data_a_book_is_stale_and_comes_back_with_a_snapshot(
    bus: Bus, exec_log: Log, venue: Venue, path: Path
) -> None:
    async with site(bus, venue) as where, line(where) as reader:
        async with serving(bus, venue, path):
            await exec_log.write(INCREMENTS[0])
            await where.at(SYMBOL, 1)
            await subscribe(reader, "book")
        assert await reader.next() == {"type": "stale", "symbol": SYMBOL, "md_seq": 1, **BOOK}
        async with line(where) as late:
            assert (await subscribe(late, "book", depth=1))["type"] == "stale"
            refused = await late.ask(op="checksum", id="c", symbol=SYMBOL)
            assert (refused["type"], refused["code"]) == ("error", "STALE")
            await exec_log.write(INCREMENTS[1])
            async with serving(bus, venue, path):
                for each in (reader, late):
                    told = await each.next()
                    while (told["type"], told["md_seq"]) == ("snapshot", 1):
                        told = await each.next()
                    assert told["md_seq"] == 2
                await exec_log.write(INCREMENTS[2])
                assert (await reader.next())["prev_md_seq"] == 2
