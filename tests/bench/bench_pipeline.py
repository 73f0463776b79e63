"""
The path without the FIX engine: commands fed straight into the sequencer, reports rendered and counted at the end.

    ./.venv/bin/python -m tests.bench.bench_pipeline [--orders 200000] [--window 2000] [--durability durable]

Real processes (JetStream, matchers, market data) and the gateway's own sequencer, log readers and report rendering, in
a closed window; only QuickFIX and the translation of its text are left out. Prints one JSON line.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from bus.connection import Bus
from gateway.executions import Executions
from gateway.fix.outbound import Reports
from gateway.metrics import GatewayMetrics
from gateway.sequencer import Sequencer
from gateway.session_progress import SessionProgress
from matcher.commands import CancelOrder, NewOrder
from matcher.orders import BUY, DAY, LIMIT, SELL
from tests.bench.bench_venue import cpu_s, rss_kib
from venue.ephemeral import ephemeral_config
from venue.supervised_process import ProcessSpec
from venue.up import RunningVenue

SESSION = "FIX.4.4:BENCH"


class VenueWithoutGateway(RunningVenue):
    def _specs(self, held: int) -> list[ProcessSpec]:
        return [spec for spec in super()._specs(held) if spec.name != "gateway"]


class CountingEngine:
    """Takes the place of a FIX engine: counts the reports, and tells when each request has its first answer."""

    def __init__(self) -> None:
        self.reports = 0
        self.answers = 0
        self.changed = asyncio.Event()

    def epoch(self, _session_id: str) -> int:
        return 1

    def next_outbound(self, _session_id: str) -> int:
        return self.reports + 1

    def outbound_waiting(self, _session_id: str) -> int:
        return 0

    def sent_bodies(self, _session_id: str, _begin: int) -> list[tuple[int, str]]:
        return []

    def send(self, _session_id: str, bodies: list[str]) -> None:
        self.reports += len(bodies)
        self.answers += sum("\x01150=F\x01" not in body for body in bodies)
        self.changed.set()


def flow(orders: int, symbols: list[str], prices: dict[str, int]) -> list[NewOrder | CancelOrder]:
    """Two thirds new orders around one price, so that about a third of them trade; one third cancels."""
    chance = random.Random(1)
    commands: list[NewOrder | CancelOrder] = []
    sides: dict[str, tuple[str, Any]] = {}
    for number in range(1, orders + 1):
        head = (SESSION, 1, number, 0, number, "BENCH")
        if sides and number % 3 == 0:
            orig, (symbol, side) = sides.popitem()
            commands.append(CancelOrder(*head, symbol, f"c{number}", orig, side))
            continue
        symbol = symbols[number % len(symbols)]
        side = BUY if chance.random() < 0.5 else SELL
        price = prices[symbol] + chance.randint(-5, 5)
        commands.append(NewOrder(*head, symbol, f"o{number}", "", side, LIMIT, DAY, price, chance.randint(1, 9)))
        sides[f"o{number}"] = (symbol, side)
    return commands


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        config = ephemeral_config(Path(directory), durability=options.durability)
        async with VenueWithoutGateway(config, Path(directory) / "data") as venue:
            bus = await Bus.connect(venue.venue.config.nats.url, name="bench")
            summary = await drive(venue, bus, options, Path(directory))
            await bus.close()
            return summary


async def drive(venue: RunningVenue, bus: Bus, options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    instruments = venue.venue.instruments
    symbols = options.symbols.split(",")
    commands = flow(options.orders, symbols, {name: i.reference_price_ticks for name, i in instruments.items()})
    engine = CountingEngine()
    metrics = GatewayMetrics()
    boot = time.time_ns()
    sequencer = Sequencer(bus, venue.venue, boot=boot, metrics=metrics)
    executions = Executions(
        bus,
        engine,  # type: ignore[arg-type] # offers what executions ask of an engine
        Reports(instruments),
        sessions=[SESSION],
        gateway_id="gw1",
        boot=boot,
        shards=venue.venue.config.shards,
        marks_path=directory / "marks",
        metrics=metrics,
    )
    sequencer.announce("gw1", boot)
    await executions.recover()
    progress = SessionProgress()
    own = Path("/proc/self/stat")
    pids = {name: process.pid for name, process in venue.processes.items()}
    before = {name: cpu_s(Path(f"/proc/{pid}/stat"))[1] for name, pid in pids.items()} | {"gateway part": cpu_s(own)[1]}
    began = time.perf_counter()
    sent = 0
    while engine.answers < len(commands):
        while sent < len(commands) and sent - engine.answers < options.window:
            progress.begin(1, sent + 1)
            sequencer.submit(commands[sent], progress)
            sent += 1
        sequencer.flush()
        engine.changed.clear()
        await asyncio.wait_for(engine.changed.wait(), 30)
    seconds = time.perf_counter() - began
    after = {name: cpu_s(Path(f"/proc/{pid}/stat"))[1] for name, pid in pids.items()} | {"gateway part": cpu_s(own)[1]}
    await executions.stop()
    return {
        "durability": options.durability,
        "symbols": symbols,
        "window": options.window,
        "orders": len(commands),
        "orders_per_s": round(len(commands) / seconds),
        "reports": engine.reports,
        "cpu_us_per_order": {name: round((after[name] - before[name]) * 1e6 / len(commands), 1) for name in after},
        "rss_mib": {name: round(rss_kib(pid) / 1024, 1) for name, pid in pids.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--window", type=int, default=2000)
    parser.add_argument("--durability", default="durable", choices=["durable", "fast"])
    parser.add_argument("--symbols", default="TEST1")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.write(json.dumps(runner.run(measure(options))) + "\n")


if __name__ == "__main__":
    main()
