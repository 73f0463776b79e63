"""
How fast the session layer alone is: each engine, in a process of its own, answers every order with 1.5 reports.

    python -m tests.bench.bench_session [--orders N] [--window N] [--sync none|fast|durable]

No bus, no matcher, no gateway: an order comes in over TCP, its fields are read, one report is sent, and for every
second order another one. The engine keeps its store: QuickFIX its FileStore, ours its journal. The client is a plain
socket that writes orders made before the clock starts, `window` of them unanswered at a time, and counts answers; when
the clock has stopped it looks whether every report came once, in order. Both engines run one after the other, three
times each, so that a busy machine disturbs both.

One JSON line per run, and one with the ratio of the medians.
"""

import argparse
import asyncio
import os
import re
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from sessions.fix_text import parse
from sessions.port import InboundMessage
from tests.sessions.house import free_port, venue_on
from tests.sessions.raw_client import frame, order_body, timestamp

ROOT: Final = Path(__file__).resolve().parents[2]
ENGINES: Final = ("quickfix", "native")
SOH: Final = "\x01"
BEGIN: Final = "FIX.4.4"
COMP_ID: Final = "FIRMA1"
_CLOCK_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Answering:
    """One report for each order, two for every second one."""

    engine: Any

    def __init__(self) -> None:
        self._orders = 0

    def on_logon(self, session_id: str) -> None:
        """Nothing."""

    def on_logout(self, session_id: str) -> None:
        """Nothing."""

    def on_messages(self, messages: list[InboundMessage]) -> None:
        """Answer."""
        bodies = []
        for message in messages:
            fields = message.fields or parse(message.text)
            self._orders += 1
            n = self._orders
            head = f"35=8\x016=0\x0111={fields['11']}\x0114=0\x01"
            rest = (
                f"37={n}\x0138={fields['38']}\x0139=0\x0140=2\x0144={fields['44']}\x0154={fields['54']}\x0155=TEST1\x01"
            )
            tail = "59=0\x0160=20261120-21:04:05.678901\x01150=0\x01151=100\x01"
            bodies.append(f"{head}17=1-{n}-0\x01{rest}{tail}")
            if n % 2 == 0:
                bodies.append(f"{head}17=1-{n}-1\x0131=101.25\x0132=50\x01{rest}{tail}")
        self.engine.send(messages[0].session_id, bodies)


def serve(engine_name: str, data_dir: Path, port: int, sync: str) -> None:
    """The engine's process."""
    import uvloop  # noqa: PLC0415 - only here

    loop = uvloop.new_event_loop()
    application = Answering()
    applications = {"orders": application, "marketdata": application, "dropcopy": application}
    venue = venue_on(port)
    if engine_name == "native":
        from sessions.native.engine import NativeEngine  # noqa: PLC0415 - one engine a process

        application.engine = NativeEngine(
            venue,
            data_dir=data_dir,
            loop=loop,
            applications=applications,
            sync_profile=sync,  # type: ignore[arg-type]
        )
    else:
        from sessions.quickfix.engine import QuickFixEngine  # noqa: PLC0415 - one engine a process

        application.engine = QuickFixEngine(venue, data_dir=data_dir, loop=loop, applications=applications)
    application.engine.start()
    print("ready", flush=True)  # noqa: T201 - the client waits for it
    asyncio.set_event_loop(loop)
    loop.run_forever()


@contextmanager
def server(engine_name: str, data_dir: Path, port: int, sync: str) -> Iterator[subprocess.Popen[str]]:
    """Start an engine's process, and end it."""
    command = [
        sys.executable,
        "-m",
        "tests.bench.bench_session",
        "--serve",
        engine_name,
        str(data_dir),
        str(port),
        sync,
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    assert process.stdout is not None
    with process.stdout:
        try:
            assert "ready\n" in iter(process.stdout.readline, ""), "the engine did not start"
            yield process
        finally:
            process.kill()
            process.wait()


def logon() -> bytes:
    return message("A", 1, f"98=0|108=30|553={COMP_ID}|554=example-{COMP_ID.lower()}|")


def message(msg_type: str, number: int, body: str) -> bytes:
    text = f"35={msg_type}|34={number}|49={COMP_ID}|52={timestamp()}|56=OUTCRY|{body}"
    return frame(BEGIN, text.replace("|", SOH))


def exchange(port: int, orders: list[bytes], expected: int, window: int) -> tuple[float, bytes]:
    """Send all orders, not more than `window` unanswered; the seconds it took, and all that came back."""
    received: list[bytes] = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(logon())
        received.append(connection.recv(1 << 16))
        assert b"\x0135=A\x01" in received[0], received[0]
        connection.setblocking(False)
        begun = time.perf_counter()
        answers = sent = 0
        pending = memoryview(b"")
        while answers < expected:
            if not pending and sent < len(orders):
                room = min(window - (sent - answers * 2 // 3), 500, len(orders) - sent)
                if room > 0:
                    pending = memoryview(b"".join(orders[sent : sent + room]))
                    sent += room
            readable, writable, _ = select.select([connection], [connection] if pending else [], [], 30)
            assert readable or writable, f"nothing for 30 s after {answers} answers"
            if writable:
                pending = pending[connection.send(pending) :]
            if readable:
                data = connection.recv(1 << 20)
                assert data, "the engine closed the connection"
                received.append(data)
                answers += data.count(b"\x0135=8\x01")
        return time.perf_counter() - begun, b"".join(received)


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS_PER_S


def measure(engine_name: str, *, orders: int, window: int, sync: str) -> dict[str, Any]:
    """One run of one engine."""
    port = free_port()
    expected = orders + orders // 2
    with tempfile.TemporaryDirectory() as directory, server(engine_name, Path(directory), port, sync) as process:
        messages = [message("D", n + 2, order_body(f"o{n}")) for n in range(orders)]
        before_s = cpu_s(process.pid)
        elapsed_s, received = exchange(port, messages, expected, window)
        used_s = cpu_s(process.pid) - before_s
    check(received, orders)
    return {
        "engine": engine_name,
        "orders": orders,
        "orders_per_s": round(orders / elapsed_s),
        "cpu_us_per_order": round(used_s / orders * 1e6, 1),
    }


def check(received: bytes, orders: int) -> None:
    """Every report once, in order, under consecutive numbers."""
    exec_ids = re.findall(rb"\x0117=1-(\d+)-(\d)\x01", received)
    wanted = [(str(n).encode(), b"%d" % k) for n in range(1, orders + 1) for k in range(1 + (n % 2 == 0))]
    assert exec_ids == wanted, "a report is missing, repeated or out of order"
    numbers = [int(number) for number in re.findall(rb"\x0134=(\d+)\x01", received)]
    assert numbers == list(range(1, len(wanted) + 2)), "MsgSeqNums are not consecutive"


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    """Run both engines and print what they did; returns it too."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--window", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sync", choices=("none", "fast", "durable"), default="none", help="of our journal")
    options = parser.parse_args(argv)
    results = []
    for _ in range(options.runs):
        for engine_name in ENGINES:
            orders = options.orders if engine_name == "native" else max(options.orders // 4, 1)
            result = measure(engine_name, orders=orders, window=options.window, sync=options.sync)
            results.append(result)
            print(msgspec.json.encode(result).decode(), flush=True)  # noqa: T201 - the result
    medians = {
        name: statistics.median(result["orders_per_s"] for result in results if result["engine"] == name)
        for name in ENGINES
    }
    ratio = {"sync": options.sync, **medians, "ratio": round(medians["native"] / medians["quickfix"], 2)}
    print(msgspec.json.encode(ratio).decode())  # noqa: T201 - the result
    return [*results, ratio]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        main()
