"""
Market data to many readers, on recorded flow: latency from matching to receipt, and what a message and a reader cost.

    ./.venv/bin/python -m tests.bench.bench_feed [--transport websocket|nats|fix] [--readers 1,100,1000] [--times 3]

A whole venue: JetStream, matcher, market data, and `websocket` or a gateway where readers come through them. It is
asked what the busiest second of the recorded flow (`busiest_second`) asked of its market, at 1 and at 10 times its
speed, over the gateway's own sequencer. A second is short, so it is played `--times` times at each speed, each time on
a symbol of its own whose book was made by what the file has before; readers change over to it. All of that once while
everybody reads, and once more when one more reader has stopped to.

Latency counts from the time of the record in EXEC, which JetStream sets as it takes the matcher's answer, until the
message is read from a socket; what the matcher took before that is not in it. `from_request` counts from when the
request was given to the sequencer. Two readers note it: the one that subscribed first and the one that subscribed last;
all others are in a process of their own and only read. CPU is that of each process from the first request until the
last byte has been read by everybody. Prints one JSON line for each number of readers.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop
from prometheus_client import CollectorRegistry

from bus.connection import Bus
from bus.records import decode_exec, decode_increments
from bus.streams import last_seq, read_record
from bus.subjects import exec_stream
from gateway.metrics import GatewayMetrics
from gateway.sequencer import Sequencer
from gateway.session_progress import SessionProgress
from simulators.flow_instruments import instruments_file
from tests.bench.bench_pipeline import VenueWithoutGateway
from tests.bench.bench_venue import rss_kib
from tests.bench.busiest_second import BusySecond, Commands, busiest_window, recordings, requests_of
from tests.bench.feed_readers import READERS, password
from venue.ephemeral import ephemeral_config, free_ports
from venue.up import RunningVenue

SPEEDS: Final = (1, 10)
EXEC: Final = exec_stream(0)
FIRM: Final = "FIRMA"
SESSION: Final = "FIX.4.4:BENCH"
UNSENT_MAX: Final = 500
"""Requests before the second that may wait for JetStream."""
SERVERS: Final = {"websocket": "websocket", "nats": "nats-server", "fix": "gateway"}
"""By transport: the process that the readers are connected to."""
SETTLE_S: Final = 0.3
PATIENCE_S: Final = 60.0


class Readers:
    """A process of readers (`feed_readers`), as those give orders to it."""

    def __init__(self, process: asyncio.subprocess.Process, count: int) -> None:
        self.pid = process.pid
        self.count = count
        self._process = process

    async def order(self, **order: Any) -> dict[str, Any]:
        """Have something done."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        """What it says when it has done something."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the readers' process has ended; what it said is above"
        return json.loads(line)  # type: ignore[no-any-return]


@asynccontextmanager
async def readers_of(transport: str, port: int, names: list[str], *, notes: bool) -> AsyncIterator[Readers]:
    """Readers that are connected."""
    arguments = ["--transport", transport, "--port", str(port), "--names", ",".join(names)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.feed_readers", *arguments, *(["--notes"] if notes else [])),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    readers = Readers(process, len(names))
    try:
        await readers.answer()
        yield readers
    finally:
        process.kill()
        await process.wait()


class Driver:
    """Asks the venue what the recording asked of its market, as a gateway would."""

    def __init__(self, bus: Bus, venue: RunningVenue, busy: BusySecond) -> None:
        gateway = msgspec.structs.replace(venue.venue.config.gateway, id="bench")
        config = msgspec.structs.replace(venue.venue.config, gateway=gateway)
        boot = time.time_ns()
        self._sequencer = Sequencer(
            bus,
            msgspec.structs.replace(venue.venue, config=config),
            boot=boot,
            metrics=GatewayMetrics(CollectorRegistry()),
        )
        self._sequencer.announce("bench", boot)
        self._progress = SessionProgress()
        self._busy = busy
        self._commands = {
            symbol: Commands(instrument, busy.units, session_id=SESSION, firm=FIRM)
            for symbol, instrument in venue.venue.instruments.items()
        }
        self._msg_seq_num = 0

    async def make_book(self, symbol: str) -> None:
        """All that came before the second, as fast as it goes."""
        for request in self._busy.before:
            self._submit(symbol, request)
            if self._sequencer.commands_waiting >= UNSENT_MAX:
                self._sequencer.flush()
                while self._sequencer.commands_waiting >= UNSENT_MAX // 2:  # noqa: ASYNC110 - has no event
                    await asyncio.sleep(0.001)
        self._sequencer.flush()

    async def play(self, symbol: str, speed: int) -> None:
        """The second; a request that is due goes at once, with others of the same millisecond."""
        begin_ns = time.perf_counter_ns()
        for offset_ns, request in self._busy.second:
            left_ns = begin_ns + offset_ns // speed - time.perf_counter_ns()
            if left_ns > 0:
                self._sequencer.flush()
                await asyncio.sleep(left_ns / 1e9)
            self._submit(symbol, request)
        self._sequencer.flush()

    def _submit(self, symbol: str, request: Any) -> None:
        self._msg_seq_num += 1
        self._progress.begin(1, self._msg_seq_num)
        command = self._commands[symbol].command(request, msg_seq_num=self._msg_seq_num, received_ns=time.time_ns())
        self._sequencer.submit(command, self._progress)


class Stage:
    """A venue, its driver, and its readers."""

    def __init__(self, venue: RunningVenue, bus: Bus, driver: Driver, busy: BusySecond) -> None:
        self.venue = venue
        self.bus = bus
        self.driver = driver
        self.busy = busy
        self.md_seq: dict[str, int] = {}
        """Of each book when its second begins."""
        self.noting: list[Readers] = []
        self.crowd: list[Readers] = []
        self.stopping: list[Readers] = []

    @property
    def reading(self) -> list[Readers]:
        """In the order in which they subscribe."""
        return [self.noting[0], *self.crowd, *self.noting[1:], *self.stopping]

    @property
    def pids(self) -> dict[str, int]:
        """Of all processes whose CPU counts."""
        pids = {name: process.pid for name, process in self.venue.processes.items()}
        return pids | {"readers": self.crowd[0].pid if self.crowd else self.noting[0].pid}

    async def watch(self, symbol: str) -> None:
        """Have everybody who reads change over to a symbol."""
        for readers in self.reading:
            await readers.order(do="watch", symbol=symbol)
        await self.settle()

    async def settle(self) -> int:
        """Wait until all has been read; returns the bytes of all so far."""
        return sum([(await readers.order(do="settle"))["bytes"] for readers in self.reading])

    async def stop(self, symbols: list[str]) -> None:
        """One reader stops reading."""
        for readers in self.stopping:
            await readers.order(do="stop", symbols=symbols)
        self.stopping.clear()
        await asyncio.sleep(SETTLE_S)

    async def make_book(self, symbol: str) -> None:
        """Bring the book of a symbol to what it was before the second."""
        exec_seq = await last_seq(self.bus, EXEC)
        await self.driver.make_book(symbol)
        seen = 0
        async with asyncio.timeout(PATIENCE_S):
            while seen < len(self.busy.before):  # every request changes the book, unless the venue refuses it
                await asyncio.sleep(SETTLE_S)
                seen = max(await matched_ns(self.bus, symbol, exec_seq), default=0)
        self.md_seq[symbol] = seen


class Play(msgspec.Struct):
    """What came of seconds that were played at one speed."""

    messages: int = 0
    deliveries: int = 0
    """Of each message, one to each who reads."""
    records: int = 0
    wall_s: float = 0.0
    bytes_read: int = 0
    cpu_s: Counter[str] = msgspec.field(default_factory=Counter)
    from_matching_ns: list[list[int]] = msgspec.field(default_factory=list)
    """By noting reader."""
    from_request_ns: list[int] = msgspec.field(default_factory=list)
    missed: int = 0
    """Messages that a noting reader did not get, because it was given a snapshot instead."""
    conflations: int = 0
    """Of all readers."""

    def figures(self, stage: Stage) -> dict[str, Any]:
        """For the JSON line."""
        return {
            "messages": self.messages,
            "exec_records": self.records,
            "seconds_until_all_was_read": round(self.wall_s, 2),
            "first_us": quantiles(self.from_matching_ns[0]),
            "last_us": quantiles(self.from_matching_ns[-1]),
            "from_request_us": quantiles(self.from_request_ns),
            "missed_by_those_who_note": self.missed,
            "conflations": self.conflations,
            "bytes_per_delivery": round(self.bytes_read / self.deliveries),
            "cpu_us_per_message": {name: round(1e6 * used / self.messages, 1) for name, used in self.cpu_s.items()},
            "cpu_us_per_delivery": {
                name: round(1e6 * self.cpu_s[name] / self.deliveries, 2)
                for name in ("marketdata", "nats-server", "websocket", "gateway", "readers")
                if name in stage.pids
            },
        }


async def play(stage: Stage, transport: str, symbol: str, speed: int, into: Play) -> None:
    """Play the second once; what came of it is added."""
    await stage.watch(symbol)
    conflations_before = conflations(stage.venue) if transport == "websocket" else 0
    bytes_before = await stage.settle()
    record_before = await last_seq(stage.bus, EXEC)
    cpu_before_s = {name: cpu_s(pid) for name, pid in stage.pids.items()}
    begin_s = time.perf_counter()
    await stage.driver.play(symbol, speed)
    last_md_seq = stage.md_seq[symbol] + len(stage.busy.second)
    reached = [await readers.order(do="reach", md_seq=last_md_seq) for readers in stage.noting]
    bytes_now = await stage.settle()
    into.wall_s += time.perf_counter() - begin_s
    for name, pid in stage.pids.items():
        into.cpu_s[name] += cpu_s(pid) - cpu_before_s[name]
    into.messages += len(stage.busy.second)
    into.deliveries += len(stage.busy.second) * sum(readers.count for readers in stage.reading)
    into.bytes_read += bytes_now - bytes_before
    into.conflations += (conflations(stage.venue) - conflations_before) if transport == "websocket" else 0
    matched = await matched_ns(stage.bus, symbol, record_before)
    assert len(matched) == len(stage.busy.second), "the venue refused something of the recording"
    into.records += len({stored_ns for stored_ns, _ in matched.values()})
    into.from_matching_ns += [[] for _ in range(len(reached) - len(into.from_matching_ns))]
    for place, answer in enumerate(reached):
        (arrivals,) = answer["arrivals"]
        into.missed += len(matched) - len(arrivals)
        for md_seq, arrived_ns in arrivals:
            stored_ns, received_ns = matched[md_seq]
            into.from_matching_ns[place].append(arrived_ns - stored_ns)
            into.from_request_ns.append(arrived_ns - received_ns)


async def matched_ns(bus: Bus, symbol: str, after_seq: int) -> dict[int, tuple[int, int]]:
    """By md_seq: when JetStream received the record of an increment, and when its request was received."""
    matched: dict[int, tuple[int, int]] = {}
    for seq in range(after_seq + 1, await last_seq(bus, EXEC) + 1):
        record = await read_record(bus, EXEC, seq)
        assert record is not None
        for increment in decode_increments(decode_exec(record.payload)):
            if increment.symbol == symbol:
                matched[increment.md_seq] = record.stored_ns, increment.transact_ns
    return matched


async def measure(options: argparse.Namespace, busy: BusySecond, readers: int) -> dict[str, Any]:
    """One number of readers."""
    transport: str = options.transport
    plays = [(stopped, speed) for stopped in (False, True) for speed in SPEEDS for _ in range(options.times)]
    symbols = [f"PLAY{number}" for number in range(len(plays) + 1)]
    names = [f"READ{number}" for number in range(readers + 1)]  # the last one will stop
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = venue_file(directory, options, busy, symbols, names)
        kind = RunningVenue if transport == "fix" else VenueWithoutGateway
        venue = await stack.enter_async_context(kind(config, directory / "data"))
        bus = await Bus.connect(venue.venue.config.nats.url, name="bench")
        stack.push_async_callback(bus.close)
        stage = Stage(venue, bus, Driver(bus, venue, busy), busy)
        for symbol in symbols:
            await stage.make_book(symbol)
        memory_kib = await admit(stack, stage, transport, symbols[0], names)
        await play(stage, transport, symbols[0], 1, Play())  # so that everything has been used once
        done = {plan: Play() for plan in plays}
        for place, (symbol, plan) in enumerate(zip(symbols[1:], plays, strict=True)):
            if plan[0] and stage.stopping:
                await stage.stop(symbols[place + 1 :])
            await play(stage, transport, symbol, plan[1], done[plan])
        server = venue.processes[SERVERS[transport]].pid
        return {
            "transport": transport,
            "readers": readers,
            "durability": options.durability,
            "times": options.times,
            "kib_per_reader": round(memory_kib / max(1, readers - 1), 1) if readers > 1 else None,
            "server_rss_mib_at_end": round(rss_kib(server) / 1024, 1),
            "conflations_with_the_stopped_one": conflations(venue) if transport == "websocket" else None,
            **{
                f"{'one_stopped' if stopped else 'all_read'}_{speed}x": each.figures(stage)
                for (stopped, speed), each in done.items()
            },
        }


async def admit(stack: AsyncExitStack, stage: Stage, transport: str, symbol: str, names: list[str]) -> int:
    """Connect all readers and have them watch a book; returns by how many KiB all but the first made a server grow."""
    ports = {"websocket": stage.venue.websocket_port, "nats": nats_port(stage.venue)}
    port = stage.venue.fix_port if transport == "fix" else ports[transport]

    async def enter(some: list[str], *, notes: bool) -> list[Readers]:
        if not some:
            return []
        readers = await stack.enter_async_context(readers_of(transport, port, some, notes=notes))
        await readers.order(do="watch", symbol=symbol)
        await readers.order(do="settle")
        return [readers]

    server = stage.venue.processes[SERVERS[transport]].pid
    first, *others, last, stopping = names if len(names) > 2 else [names[0], "", names[1]]
    stage.noting += await enter([first], notes=True)
    before_kib = rss_kib(server)
    stage.crowd += await enter(others, notes=False)
    stage.noting += await enter([last] if last else [], notes=True)
    grown_kib = rss_kib(server) - before_kib
    stage.stopping += await enter([stopping], notes=False)
    return grown_kib


def venue_file(
    directory: Path, options: argparse.Namespace, busy: BusySecond, symbols: list[str], names: list[str]
) -> Path:
    """One shard that trades the recorded instrument under so many names, and lets the readers in."""
    instruments = [msgspec.structs.replace(busy.instrument, symbol=symbol) for symbol in symbols]
    path = directory / "instruments.toml"
    path.write_text(instruments_file(instruments))
    websocket: dict[str, Any] = {"port": 0}
    if options.transport == "websocket":
        port, metrics_port = free_ports(2)
        # Our readers answer no ping, and say nothing for a while.
        websocket = {"port": port, "metrics_port": metrics_port, "ping_interval_s": 600}
    sessions = [{"comp_id": name, "password": password(name), "kind": "marketdata"} for name in names]
    firms = [{"name": FIRM, "sessions": [{"comp_id": "FIRMA1", "password": password("FIRMA1")}]}]
    if options.transport == "fix":
        firms.append({"name": "READERS", "sessions": sessions})
    return ephemeral_config(
        directory,
        instruments=str(path),
        shards=1,
        durability=options.durability,
        firms=firms,
        websocket=websocket,
        gateway={"hold_max_ms": 0},  # on a machine that is too busy, too, all of the recording is asked for
    )


def nats_port(venue: RunningVenue) -> int:
    return int(venue.venue.config.nats.url.rpartition(":")[2])


def cpu_s(pid: int) -> float:
    """CPU seconds of all threads of a process, by the kernel's clock of them (see `clock_getcpuclockid`)."""
    return time.clock_gettime((~pid << 3) | 2)


def conflations(venue: RunningVenue) -> int:
    """How often a WebSocket reader was left out so far."""
    metrics_port = venue.processes["websocket"].details["metrics_port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as page:
        lines = page.read().decode().splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("websocket_conflations_total"))))


def quantiles(latencies_ns: list[int]) -> dict[str, int]:
    ordered = sorted(latencies_ns) or [0]
    return {
        name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] // 1000
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }


async def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """All numbers of readers, in venues of their own."""
    busy = requests_of(busiest_window(recordings()))
    lines: list[dict[str, Any]] = []
    for readers in map(int, options.readers.split(",")):
        line = {
            "file": busy.window.path.name,
            "rows": [busy.window.first_row, busy.window.last_row],
            "requests_before": len(busy.before),
            "requests": len(busy.second),
            **await measure(options, busy, readers),
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        lines.append(line)
    return lines


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    """Measure and print; returns what was printed."""
    parser = argparse.ArgumentParser(prog="bench_feed")
    parser.add_argument("--transport", choices=READERS, default="websocket")
    parser.add_argument("--readers", default="1,100,1000", metavar="N,N", help="how many read; one more stops to")
    parser.add_argument("--times", type=int, default=3, help="how often the second is played at each speed")
    parser.add_argument("--durability", default="durable", choices=["durable", "fast"])
    return uvloop.run(run(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
