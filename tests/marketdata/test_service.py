"""The market-data process and its readers over a real JetStream server."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from bus.connection import Bus, MessageCallback, NobodyThere
from bus.reader import LogMessage
from bus.subjects import md_subject
from configs.loader import Venue
from marketdata import checkpoint
from marketdata.book import Book
from marketdata.client import BookReader
from marketdata.messages import BookIncrement, BookSnapshot, decode_increment, decode_reply, encode
from marketdata.metrics import ServiceMetrics
from marketdata.replica import Change, Replica
from marketdata.service import FeedBroken, MarketDataService
from matcher.increments import MarketDataIncrement
from matcher.orders import BUY, SELL
from tests.jetstream import Server
from venue import durable_file

from .conftest import SYMBOL, increment_of, public
from .exec_log import PATIENCE_S, Log, serving, until

REPOSITORY = Path(__file__).parents[2]
LEVELS = [("0", BUY, 100, 5), ("0", SELL, 102, 7), ("1", BUY, 100, 4), ("2", SELL, 102, 0)]
INCREMENTS = [increment_of(number, level) for number, level in enumerate(LEVELS, 1)]  # type: ignore[arg-type]


def book_after(number: int, *, with_orders: bool = False) -> BookSnapshot:
    book = Book(SYMBOL, tick="0.01", lot="1")
    for md_seq, level in enumerate(LEVELS[:number], 1):
        book.apply(public(md_seq, level))  # type: ignore[arg-type]
    return book.snapshot(with_orders=with_orders)


@asynccontextmanager
async def reading(bus: Bus, *, audit_interval_s: float = 0.02) -> AsyncIterator[tuple[BookReader, list[str]]]:
    """A reader of AAPL, and what was said about it."""
    said: list[str] = []

    def on_change(replica: Replica, change: Change, increment: BookIncrement | None) -> None:
        said.append(f"{change.name} {increment.md_seq if increment else replica.md_seq}")

    reader = BookReader(bus, [SYMBOL], on_change, audit_interval_s=audit_interval_s)
    await reader.start()
    try:
        yield reader, said
    finally:
        await reader.stop()


async def test_each_increment_is_published_once_in_order_as_json(
    bus: Bus,
    exec_log: Log,
    venue: Venue,
    path: Path,
) -> None:
    published: list[bytes] = []
    await bus.subscribe(md_subject(SYMBOL), lambda _subject, payload, _reply: published.append(payload))
    async with serving(bus, venue, path):
        await exec_log.write()  # a new leader's record has no increments
        await exec_log.write(INCREMENTS[0], INCREMENTS[1])
        await exec_log.write(INCREMENTS[2])
        await until(lambda: len(published) == 3)
    assert published == [encode(public(number, level)) for number, level in enumerate(LEVELS[:3], 1)]  # type: ignore[arg-type]


async def test_a_snapshot_holds_what_was_published_so_far(bus: Bus, exec_log: Log, venue: Venue, path: Path) -> None:
    async with serving(bus, venue, path) as service:
        await exec_log.write(*INCREMENTS)
        await until(lambda: service.books[SYMBOL].md_seq == 4)
        assert decode_reply(await bus.request("md-snapshot", b"AAPL")) == book_after(4)
        assert decode_reply(await bus.request("md-snapshot", b'{"symbol":"AAPL","depth":1}')).depth == 1
        refusal = json.loads(await bus.request("md-snapshot", b"XYZ"))
        assert refusal == {
            "type": "error",
            "reason": "UNKNOWN_SYMBOL",
            "text": "'XYZ' is not traded here; see the venue's instruments file",
        }


async def test_a_reader_that_comes_late_joins_and_follows(bus: Bus, exec_log: Log, venue: Venue, path: Path) -> None:
    async with serving(bus, venue, path) as service:
        await exec_log.write(INCREMENTS[0])
        await until(lambda: service.books[SYMBOL].md_seq == 1)
        async with reading(bus) as (reader, said):
            await until(lambda: said == ["RESTORED 1"])
            await exec_log.write(INCREMENTS[1])
            await exec_log.write(INCREMENTS[2])
            await until(lambda: said == ["RESTORED 1", "APPLIED 2", "APPLIED 3"])
            assert reader.replicas[SYMBOL].book.snapshot() == book_after(3)


async def test_nobody_is_given_a_book_that_is_older_than_the_log(
    bus: Bus, exec_log: Log, venue: Venue, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Books that are built again from the log are old ones until its end is reached."""
    for increment in INCREMENTS[:3]:
        await exec_log.write(increment)
    half_way, go_on, take = asyncio.Event(), asyncio.Event(), MarketDataService._take

    async def pause(service: MarketDataService, shard: int, stream: str, message: LogMessage) -> None:
        if message.seq == 3:
            half_way.set()
            await go_on.wait()
        await take(service, shard, stream, message)

    monkeypatch.setattr(MarketDataService, "_take", pause)
    service, stop = MarketDataService(venue, bus, path, ServiceMetrics(CollectorRegistry())), asyncio.Event()
    await service.start()
    running = asyncio.create_task(service.run(stop))
    async with reading(bus, audit_interval_s=0.02) as (reader, said):
        await half_way.wait()
        with pytest.raises(NobodyThere):
            await bus.request("md-snapshot", b"AAPL")
        await until(lambda: not reader.is_available)
        go_on.set()
        await until(lambda: reader.is_available and "RESTORED 3" in said)
        assert set(said) == {"LOST 0", "RESTORED 3"}
    stop.set()
    await running


async def test_a_service_that_starts_again_goes_on_after_its_checkpoint(
    bus: Bus,
    exec_log: Log,
    venue: Venue,
    path: Path,
) -> None:
    async with serving(bus, venue, path) as service:
        await exec_log.write(INCREMENTS[0])
        await exec_log.write(INCREMENTS[1])
        await until(lambda: service.books[SYMBOL].md_seq == 2)
    await exec_log.write(INCREMENTS[2])
    published: list[int] = []
    await bus.subscribe(
        md_subject(SYMBOL), lambda _subject, payload, _reply: published.append(decode_increment(payload).md_seq)
    )
    async with serving(bus, venue, path) as service:
        await exec_log.write(INCREMENTS[3])
        await until(lambda: service.books[SYMBOL].md_seq == 4)
        assert service.books[SYMBOL].snapshot() == book_after(4)
        await until(lambda: published == [3, 4])


async def test_a_checkpoint_is_written_while_the_service_runs(
    bus: Bus, exec_log: Log, venue: Venue, path: Path
) -> None:
    often = msgspec.structs.replace(venue.config.marketdata, checkpoint_interval_s=0)
    venue = msgspec.structs.replace(venue, config=msgspec.structs.replace(venue.config, marketdata=often))
    async with serving(bus, venue, path):
        await exec_log.write(INCREMENTS[0])
        await until(path.exists)
        saved = checkpoint.load(path)
        assert saved is not None
        assert ([position.seq for position in saved.positions], saved.books) == ([1], [book_after(1, with_orders=True)])


async def test_what_came_after_the_checkpoint_is_published_again_and_readers_drop_it(
    bus: Bus,
    exec_log: Log,
    venue: Venue,
    path: Path,
) -> None:
    async with serving(bus, venue, path) as service:
        await exec_log.write(INCREMENTS[0])
        await until(lambda: service.books[SYMBOL].md_seq == 1)
        await service.save()
        early = path.read_bytes()
        async with reading(bus, audit_interval_s=60) as (reader, said):
            await exec_log.write(INCREMENTS[1])
            await until(lambda: reader.replicas[SYMBOL].is_current and reader.replicas[SYMBOL].md_seq == 2)
            said.clear()
            again: list[int] = []
            await bus.subscribe(
                md_subject(SYMBOL), lambda _subject, payload, _reply: again.append(decode_increment(payload).md_seq)
            )
            late_path = path.with_name("killed before the next checkpoint")
            late_path.write_bytes(early)
            async with serving(bus, venue, late_path):
                await until(lambda: again == [2])
                await exec_log.write(INCREMENTS[2])
                await until(lambda: "APPLIED 3" in said)
            assert said == ["APPLIED 3"]
            assert reader.replicas[SYMBOL].book.snapshot() == book_after(3)


async def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


async def belong_to_another_log(path: Path) -> None:
    saved = checkpoint.load(path)
    assert saved is not None
    positions = [checkpoint.LogPosition(position.seq, position.crc32 ^ 1) for position in saved.positions]
    durable_file.replace(path, checkpoint.encode(msgspec.structs.replace(saved, positions=positions)))


async def be_ahead_of_the_log(path: Path) -> None:
    saved = checkpoint.load(path)
    assert saved is not None
    positions = [checkpoint.LogPosition(1000, position.crc32) for position in saved.positions]
    durable_file.replace(path, checkpoint.encode(msgspec.structs.replace(saved, positions=positions)))


async def be_of_more_shards(path: Path) -> None:
    saved = checkpoint.load(path)
    assert saved is not None
    positions = [*saved.positions, checkpoint.LogPosition(0, 0)]
    durable_file.replace(path, checkpoint.encode(msgspec.structs.replace(saved, positions=positions)))


@pytest.mark.parametrize("spoil", [damage, belong_to_another_log, be_ahead_of_the_log, be_of_more_shards])
async def test_a_checkpoint_that_cannot_be_trusted_is_left_and_the_log_read_from_its_start(
    bus: Bus,
    exec_log: Log,
    venue: Venue,
    path: Path,
    spoil: Callable[[Path], Awaitable[None]],
) -> None:
    async with serving(bus, venue, path) as service:
        await exec_log.write(INCREMENTS[0])
        await exec_log.write(INCREMENTS[1])
        await until(lambda: service.books[SYMBOL].md_seq == 2)
    await spoil(path)
    published: list[int] = []
    await bus.subscribe(
        md_subject(SYMBOL), lambda _subject, payload, _reply: published.append(decode_increment(payload).md_seq)
    )
    async with serving(bus, venue, path) as service:
        await until(lambda: published == [1, 2])
        assert service.books[SYMBOL].snapshot() == book_after(2)


@pytest.mark.parametrize(
    ("increment", "sentence"),
    [
        (INCREMENTS[2], "EXEC0 record 2 does not follow the books: AAPL: increment 3 came where 2 was due; delete "),
        (
            increment_of(2, ("0", SELL, 100, 1)),
            "EXEC0 record 2 does not follow the books: AAPL: crossed at 2: bid 100, ask 100 ticks; delete ",
        ),
        (increment_of(1, symbol="GONE"), "EXEC0 record 2 is about 'GONE', which no record before it defined; restore"),
    ],
    ids=["gap", "crossed", "unknown symbol"],
)
async def test_a_log_that_contradicts_the_books_stops_the_service(
    bus: Bus,
    exec_log: Log,
    venue: Venue,
    path: Path,
    *,
    increment: MarketDataIncrement,
    sentence: str,
) -> None:
    service = MarketDataService(venue, bus, path, ServiceMetrics(CollectorRegistry()))
    await service.start()
    await exec_log.write(INCREMENTS[0])
    await exec_log.write(increment)
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(PATIENCE_S):
            await service.run(asyncio.Event())
    (broken,) = caught.value.exceptions
    assert isinstance(broken, FeedBroken)
    assert str(broken).startswith(sentence)
    assert not path.exists()


class LossyBus(Bus):
    """Another process's view of a bus that loses some increments on the way to it."""

    def __init__(self, real: Bus, lost: set[int]) -> None:
        self.real = real
        self.lost = lost

    @property
    def is_connected(self) -> bool:
        return self.real.is_connected

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self.real.on_reconnect(callback)

    async def request(self, subject: str, payload: bytes, timeout_s: float = 2.0) -> bytes:
        return await self.real.request(subject, payload, timeout_s)

    async def subscribe(self, subject: str, callback: MessageCallback) -> Callable[[], Awaitable[None]]:
        def on_message(subject: str, payload: bytes, reply: str) -> None:
            md_seq = decode_increment(payload).md_seq
            if md_seq in self.lost:
                self.lost.discard(md_seq)
            else:
                callback(subject, payload, reply)

        return await self.real.subscribe(subject, on_message)


@pytest.mark.parametrize("lost", [2, 4], ids=["in the middle", "the last one"])
async def test_a_reader_repairs_what_it_lost(bus: Bus, exec_log: Log, venue: Venue, path: Path, lost: int) -> None:
    async with serving(bus, venue, path), reading(LossyBus(bus, {lost})) as (reader, said):
        await until(lambda: said == ["RESTORED 0"])
        for increment in INCREMENTS:
            await exec_log.write(increment)
        replica = reader.replicas[SYMBOL]
        await until(lambda: replica.is_current and replica.md_seq == 4)
        assert replica.book.snapshot() == book_after(4)
        assert f"LOST {lost - 1}" in said


async def test_a_reader_says_when_nobody_publishes_any_more(bus: Bus, exec_log: Log, venue: Venue, path: Path) -> None:
    async with reading(bus) as (reader, said):
        async with serving(bus, venue, path):
            await exec_log.write(INCREMENTS[0])
            await until(lambda: reader.replicas[SYMBOL].md_seq == 1 and reader.replicas[SYMBOL].is_current)
            said.clear()
        await until(lambda: not reader.is_available)
        assert said == ["LOST 1"]
        async with serving(bus, venue, path):
            await until(lambda: reader.is_available and reader.replicas[SYMBOL].is_current)
            assert said == ["LOST 1", "RESTORED 1"]


async def test_service_and_reader_outlive_a_restart_of_the_server(
    server: Server,
    bus: Bus,
    exec_log: Log,
    venue: Venue,
    path: Path,
) -> None:
    async with serving(bus, venue, path), reading(bus) as (reader, _):
        replica = reader.replicas[SYMBOL]
        await exec_log.write(INCREMENTS[0])
        await until(lambda: replica.is_current and replica.md_seq == 1)
        server.kill()
        await until(lambda: not bus.is_connected)
        server.start()
        await until(lambda: bus.is_connected)
        for increment in INCREMENTS[1:]:
            await exec_log.write(increment)
        await until(lambda: replica.is_current and replica.md_seq == 4)
        assert replica.book.snapshot() == book_after(4)


async def test_a_reader_whose_connection_was_away_vouches_for_nothing_until_it_has_asked(
    bus: Bus, exec_log: Log, venue: Venue, path: Path
) -> None:
    """No increment and no audit reveals what was published meanwhile."""
    async with serving(bus, venue, path), reading(bus, audit_interval_s=60) as (reader, said):
        await exec_log.write(INCREMENTS[0])
        replica = reader.replicas[SYMBOL]
        await until(lambda: replica.is_current and replica.md_seq == 1)
        said.clear()
        await bus._reconnected()
        assert said == ["LOST 1"]
        await until(lambda: said == ["LOST 1", "RESTORED 1"])
    assert not replica.is_current


class Process:
    """`./outcry marketdata` as a process of its own."""

    def __init__(self, url: str, config: Path, data: Path) -> None:
        command = [sys.executable, "-m", "marketdata", "--config", config, "--data", data, "--nats", url]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        self.popen = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE, text=True)

    async def ended(self) -> tuple[int, str]:
        async with asyncio.timeout(PATIENCE_S):
            _, errors = await asyncio.to_thread(self.popen.communicate)
        return self.popen.returncode, errors


@pytest.fixture
async def process(server: Server, tmp_path: Path) -> AsyncIterator[Process]:
    (tmp_path / "venue.toml").write_text("shards = 1\n[marketdata]\nmetrics_port = 0\n")
    (tmp_path / "instruments.toml").write_text('[instruments]\nAAPL = { tick = "0.01", reference_price = "100" }\n')
    started = Process(server.url, tmp_path / "venue.toml", tmp_path / "data")
    yield started
    if started.popen.poll() is None:
        started.popen.kill()
        started.popen.communicate()


async def test_the_process_stops_when_told_to_and_leaves_a_checkpoint(
    bus: Bus,
    exec_log: Log,
    process: Process,
    path: Path,
) -> None:
    await exec_log.write(INCREMENTS[0], INCREMENTS[1])
    async with reading(bus) as (reader, _):
        await until(lambda: reader.replicas[SYMBOL].md_seq == 2)
    process.popen.send_signal(signal.SIGTERM)
    status, errors = await process.ended()
    assert status == 0, errors
    saved = checkpoint.load(path)
    assert saved is not None
    assert saved.books == [book_after(2, with_orders=True)]


async def test_the_process_refuses_a_broken_log_in_one_sentence(exec_log: Log, process: Process) -> None:
    await exec_log.write(INCREMENTS[1])
    status, errors = await process.ended()
    assert status == 78, errors
    assert "EXEC0 record 1 does not follow the books: AAPL: increment 2 came where 1 was due" in errors
    assert "Traceback" not in errors
