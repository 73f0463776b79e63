"""
Market data to many readers: latency from publishing to receipt, and what a message and a reader cost.

    ./.venv/bin/python -m tests.bench.bench_feed [--transport websocket] [--readers 1,100,1000] [--seconds 5]

A NATS server, `./outcry websocket` for that transport, a publisher with a fixed rate in place of the market-data
process, and readers of one symbol's whole book. Two of them measure: the one that subscribed first and the one that
subscribed last; all others are in a process of their own and only read. Each number of readers is measured twice, the
second time with one more that never reads. Prints one JSON line for each.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import uvloop

from bus.connection import Bus
from bus.subjects import MD_SNAPSHOT_SUBJECT, md_subject
from marketdata.book import Book
from marketdata.messages import BookIncrement, FeedHeads, LevelUpdate, decode_request, encode
from tests.bench.bench_venue import cpu_s, rss_kib
from tests.jetstream import Server
from venue.ephemeral import ephemeral_config, free_ports

SYMBOL: Final = "AAPL"
LEVELS: Final = 500
DELIVERIES_PER_S: Final = 50_000
"""Of all readers together; the rate of messages is lowered to it."""
RATE_MAX: Final = 1_000
HELLO: Final = {
    "websocket": (
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ),
    "nats": b'CONNECT {"verbose":false}\r\n',
}


def subscription(transport: str) -> bytes:
    """What a reader sends after its hello."""
    if transport == "nats":
        return f"SUB {md_subject(SYMBOL)} 1\r\nPING\r\n".encode()
    return masked({"op": "subscribe", "id": "1", "channel": "book", "symbols": [SYMBOL]})


def masked(request: dict[str, Any]) -> bytes:
    """A request as a WebSocket frame; zeros as its mask leave the text as it is."""
    text = json.dumps(request).encode()
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


class Sink(asyncio.Protocol):
    """Reads and forgets; the first reply to its subscription is awaited, so that all are in place."""

    def __init__(self, transport: str) -> None:
        self._kind = transport
        self._heard = b""
        self.is_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(HELLO[self._kind])
        if self._kind == "nats":
            transport.write(subscription("nats"))

    def data_received(self, data: bytes) -> None:
        if self.is_ready.done():
            self.take(data)
            return
        self._heard += data
        if self._kind == "websocket" and b"\r\n\r\n" in self._heard and b"subscribed" not in self._heard:
            self.transport.write(subscription("websocket"))
        if b"PONG" in self._heard or b'"type":"snapshot"' in self._heard:
            self.is_ready.set_result(None)

    def take(self, data: bytes) -> None:
        """Whatever comes once it is subscribed."""


class Probe(Sink):
    """Notes how long each message took."""

    def __init__(self, transport: str) -> None:
        super().__init__(transport)
        self.latencies_ns: list[int] = []
        self._rest = b""

    def take(self, data: bytes) -> None:
        now_ns = time.time_ns()
        pieces = (self._rest + data).split(b'"transact_ns":')
        for piece in pieces[1:]:
            if len(piece) > 19 and b'"trades":[]' in piece:  # whole as far as it matters
                self.latencies_ns.append(now_ns - int(piece[:19]))
        last = pieces[-1]
        self._rest = b"" if b'"trades":[]' in last or len(pieces) == 1 else b'"transact_ns":' + last


async def connect(kind: type[Sink], transport: str, port: int) -> Any:
    _, sink = await asyncio.get_running_loop().create_connection(lambda: kind(transport), "127.0.0.1", port)
    await sink.is_ready
    return sink


async def sink_many(transport: str, port: int, count: int) -> None:
    """The program of the process that only reads: says when all are subscribed, and stays."""
    sinks = [await connect(Sink, transport, port) for _ in range(count)]
    sys.stdout.write(f"{len(sinks)}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


class Publisher:
    """In place of the market-data process."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._book = Book(SYMBOL, tick="0.01", lot="1", has_orders=False)
        self._apply("0", range(LEVELS))

    async def start(self) -> None:
        await self._bus.subscribe(MD_SNAPSHOT_SUBJECT, self._answer)

    async def publish(self, rate: int, seconds: float) -> int:
        """Publish at a fixed rate; returns how many."""
        loop, begin_s = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        count = int(rate * seconds)
        for number in range(count):
            delay_s = begin_s + number / rate - loop.time()
            if delay_s > 0:
                await asyncio.sleep(delay_s)
            increment = self._apply("1", (number % LEVELS, (number + 7) % LEVELS))
            self._bus.publish_now(md_subject(SYMBOL), encode(increment))
        return count

    def _apply(self, action: Any, places: Any) -> BookIncrement:
        number = self._book.md_seq + 1
        levels = [LevelUpdate(action, "1", f"{100 - p / 100:.2f}", f"{number}", 10_000 - p, number, 1) for p in places]
        increment = BookIncrement(SYMBOL, number, number, time.time_ns(), levels, [])
        self._book.apply(increment)
        return increment

    def _answer(self, _subject: str, payload: bytes, reply: str) -> None:
        heads = FeedHeads({SYMBOL: self._book.md_seq}, {SYMBOL: self._book.checksum()})
        self._bus.publish_now(reply, encode(heads if decode_request(payload).heads else self._book.snapshot()))


@contextmanager
def process(*command: str, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    running = subprocess.Popen(command, text=True, **options)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def connect_and_never_read(stack: ExitStack, transport: str, port: int) -> None:
    """Over WebSocket it also asks for so many snapshots that it is behind from the start."""
    lazy = stack.enter_context(socket.socket())
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.connect(("127.0.0.1", port))
    lazy.sendall(HELLO[transport])
    if transport == "websocket":
        lazy.recv(4096)
    lazy.sendall(subscription(transport))
    if transport == "websocket":
        lazy.sendall(90 * masked({"op": "snapshot", "channel": "book", "symbols": [SYMBOL]}))


async def measure(options: argparse.Namespace, readers: int, *, with_lazy: bool) -> dict[str, Any]:
    transport = options.transport
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = Server(directory / "jetstream")
        server.start()
        stack.callback(server.kill)
        bus = await Bus.connect(server.url, name="bench")
        publisher = Publisher(bus)
        await publisher.start()
        if transport == "websocket":
            port, metrics_port = free_ports(2)
            section = {"port": port, "metrics_port": metrics_port, "connections_max": 5000}
            config = ephemeral_config(directory, websocket=section)
            arguments = ("--config", str(config), "--data", str(directory / "data"), "--nats", server.url)
            command = (sys.executable, "-P", "-m", "marketdata.websocket", *arguments)
            serving = stack.enter_context(process(*command, stderr=(directory / "log").open("w")))
            pid = serving.pid
            await reachable(port)
        else:
            assert server.process is not None
            port, pid = server.port, server.process.pid
        first = await connect(Probe, transport, port)
        before_kib = rss_kib(pid)
        if readers > 2:
            command = (sys.executable, "-m", "tests.bench.bench_feed", "--sink", str(readers - 2))
            sinks = stack.enter_context(
                process(*command, "--transport", transport, "--port", str(port), stdout=subprocess.PIPE)
            )
            assert sinks.stdout is not None
            await asyncio.to_thread(sinks.stdout.readline)
        last = await connect(Probe, transport, port) if readers > 1 else first
        rate = min(RATE_MAX, DELIVERIES_PER_S // readers)
        await publisher.publish(rate, 1)
        per_reader_kib = (rss_kib(pid) - before_kib) / max(1, readers - 1)
        if with_lazy:
            connect_and_never_read(stack, transport, port)
        await asyncio.sleep(0.5)
        for probe in (first, last):
            probe.latencies_ns.clear()
        stat = Path(f"/proc/{pid}/stat")
        cpu_before_s = cpu_s(stat)[1]
        sent = await publisher.publish(rate, options.seconds)
        await asyncio.sleep(0.5)  # what is on its way
        used_s = cpu_s(stat)[1] - cpu_before_s
        received = {"first": len(first.latencies_ns), "last": len(last.latencies_ns)}
        await bus.close()
        conflated = {"conflations": conflations(metrics_port)} if transport == "websocket" else {}
        return {
            "transport": transport,
            "readers": readers,
            "one_never_reads": with_lazy,
            "messages_per_s": rate,
            "sent": sent,
            "received": received,
            "first_us": quantiles(first.latencies_ns),
            "last_us": quantiles(last.latencies_ns),
            "server_cpu_percent": round(100 * used_s / options.seconds, 1),
            "cpu_us_per_message": round(1e6 * used_s / sent, 1),
            "cpu_us_per_message_and_reader": round(1e6 * used_s / sent / readers, 2),
            "kib_per_reader": round(per_reader_kib, 1),
            **conflated,
        }


def conflations(metrics_port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as page:
        lines = page.read().decode().splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("websocket_conflations_total"))))


async def reachable(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return


def quantiles(latencies_ns: list[int]) -> dict[str, int]:
    ordered = sorted(latencies_ns) or [0]
    return {
        name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] // 1000
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }


async def run(options: argparse.Namespace) -> None:
    if options.sink:
        await sink_many(options.transport, options.port, options.sink)
        return
    for readers in map(int, options.readers.split(",")):
        for with_lazy in (False, True):
            sys.stdout.write(json.dumps(await measure(options, readers, with_lazy=with_lazy)) + "\n")
            sys.stdout.flush()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench_feed")
    parser.add_argument("--transport", choices=HELLO, default="websocket")
    parser.add_argument("--readers", default="1,100,1000", metavar="N,N")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--sink", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    uvloop.run(run(parser.parse_args(argv)))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
