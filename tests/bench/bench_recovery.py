"""
What a restart costs: replay of a log of a million orders, a cold start with and without snapshot, a snapshot itself.

    ./.venv/bin/python -m tests.bench.bench_recovery [--orders 1000000]

One session fills the log of one shard through a whole venue: 60 % new orders, 30 % cancels, 10 % replaces. Then the
matcher is killed, with and without its snapshots; the time is that from the kill until it leads and has announced
itself. The replay is that of `./outcry replay-log`. A snapshot's pause is what the matcher says of itself
(`matcher_snapshot_seconds`), beside the time that the same dump takes when matching waits for it. One JSON line.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

import uvloop

from bus.connection import Bus
from matcher.engine.engine import Engine
from matcher.process.replay_log import replay_shard
from tests.bench.bench_venue import load
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

SNAPSHOT_EVERY_INPUTS: Final = 2_000
RESTARTS: Final = 3


async def restart_s(venue: RunningVenue, name: str) -> float:
    """From the kill of a matcher until it is ready again."""
    process = venue.processes[name]
    generation = process.generation
    began = time.perf_counter()
    os.kill(process.pid, signal.SIGKILL)
    await venue.wait_ready(name, generation=generation + 1)
    return round(time.perf_counter() - began, 3)


def snapshot_pauses_ms(venue: RunningVenue, name: str) -> dict[str, float]:
    """How long matching stood still for snapshots, by the matcher's own metrics."""
    port = venue.processes[name].details["metrics_port"]
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    said = {
        what: float(re.findall(rf"^matcher_snapshot_seconds_{what} (\S+)$", text, re.MULTILINE)[0])
        for what in ("sum", "count")
    }
    return {"snapshots": said["count"], "mean_ms": round(said["sum"] / max(said["count"], 1) * 1000, 2)}


def dump_ms(snapshot: Path) -> dict[str, float]:
    """The same state, dumped while matching waits."""
    engine = Engine.restore(snapshot.read_bytes(), orders_max=10**7, finished_orders_max=10**6)
    began = time.perf_counter()
    size = len(engine.dump())
    return {
        "live_orders": engine.live_order_count,
        "mib": round(size / 2**20, 1),
        "ms": round((time.perf_counter() - began) * 1000, 1),
    }


async def measure(orders: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        config = ephemeral_config(Path(directory), matcher={"snapshot_every_inputs": SNAPSHOT_EVERY_INPUTS})
        async with RunningVenue(config, Path(directory) / "data", restart_delays_s=(0.0,)) as venue:
            shard = venue.venue.instruments["TEST1"].shard
            name, snapshots = f"matcher-{shard}", Path(directory) / "data" / "snapshots" / str(shard)
            door = ["--sender", "FIRMA1", "--symbols", "TEST1", "--profile", "durable", "--window", "2000"]
            loaded = await load(venue, [*door, "--orders", str(orders), "--warmup", "0"])
            told: dict[str, Any] = {"orders": loaded["orders_answered"], "orders_per_s": loaded["orders_per_s"]}
            told["fork"] = snapshot_pauses_ms(venue, name)
            newest = max(snapshots.glob("*.snapshot"))
            told["dump"] = dump_ms(newest)
            told["restart_with_snapshot_s"] = [await restart_s(venue, name) for _ in range(RESTARTS)]
            shutil.rmtree(snapshots)
            told["restart_without_s"] = await restart_s(venue, name)
            bus = await Bus.connect(venue.venue.config.nats.url, name="bench")
            done = await replay_shard(bus, shard, venue.venue.config.matcher, [])
            await bus.close()
            told["replay"] = {
                "inputs": done.inputs,
                "commands": done.commands,
                "commands_per_s": round(done.commands / done.seconds),
            }
            return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--orders", type=int, default=1_000_000)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.write(json.dumps(runner.run(measure(options.orders))) + "\n")


if __name__ == "__main__":
    main()
