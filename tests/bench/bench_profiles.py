"""
The price of each durability profile, side by side in one run: orders a second, latency, and syncs of the disk by order.

    ./.venv/bin/python -m tests.bench.bench_profiles [--seconds 6] [--rounds 2] [--profiles durable fast cluster]

Each profile has a venue of its own, and they take turns, window by window and round by round, so that a machine that
drifts drifts for all of them. Syncs are counted by strace (Debian: strace), in a run of their own, because who is
watched is slower. Prints one JSON line for each profile and window.
"""

import argparse
import asyncio
import json
import shutil
import signal
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.bench.bench_venue import load
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

SYNCS = ("fsync", "fdatasync", "syncfs", "sync_file_range", "sync")
WINDOWS = (1, 200, 2000)


def load_arguments(profile: str, window: int, seconds: float) -> list[str]:
    door = ["--sender", "FIRMA1", "--symbols", "TEST1", "--profile", profile]
    return [*door, "--window", str(window), "--seconds", str(seconds), "--warmup", "0"]


async def count_syncs(venue: RunningVenue, profile: str, window: int, seconds: float) -> dict[str, float]:
    """Syncs for each order answered, by process."""
    watchers = {}
    with tempfile.TemporaryDirectory() as directory:
        for name, process in venue.processes.items():
            told = Path(directory) / name
            command = ("strace", "-f", "-c", "-U", "name,calls", "-e", f"trace={','.join(SYNCS)}", "-o", str(told))
            watcher = await asyncio.create_subprocess_exec(
                *command, "-p", str(process.pid), stderr=asyncio.subprocess.PIPE
            )
            assert watcher.stderr is not None
            await watcher.stderr.readline()  # "attached"
            watchers[name] = (watcher, told)
        summary = await load(venue, load_arguments(profile, window, seconds))
        counts = {}
        for name, (watcher, told) in watchers.items():
            watcher.send_signal(signal.SIGINT)
            await watcher.communicate()
            counts[name] = sum_of_calls(told.read_text())
    return {name: round(count / summary["orders_answered"], 3) for name, count in counts.items() if count}


def sum_of_calls(summary: str) -> int:
    """Calls of all kinds in a summary of strace with the columns name and calls."""
    rows = [line.split() for line in summary.splitlines()]
    return sum(int(row[1]) for row in rows if len(row) == 2 and row[0] in SYNCS)


async def measure(options: argparse.Namespace) -> None:
    results: dict[tuple[str, int], list[dict[str, Any]]] = {}
    async with AsyncExitStack() as stack:
        venues = {}
        for profile in options.profiles:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            config = ephemeral_config(directory, durability=profile)
            venues[profile] = await stack.enter_async_context(RunningVenue(config, directory / "data"))
            await load(venues[profile], load_arguments(profile, 200, 2))
        for _ in range(options.rounds):
            for window in WINDOWS:
                for profile, venue in venues.items():
                    summary = await load(venue, load_arguments(profile, window, options.seconds))
                    results.setdefault((profile, window), []).append(summary)
        for (profile, window), summaries in results.items():
            line: dict[str, Any] = {"profile": profile, "window": window}
            line["orders_per_s"] = [round(each["orders_per_s"]) for each in summaries]
            for name in ("p50", "p99"):
                line[f"{name}_us"] = statistics.median(each["latency_us"][name] for each in summaries)
            if shutil.which("strace"):
                line["syncs_per_order"] = await count_syncs(venues[profile], profile, window, 2)
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--profiles", nargs="+", default=["durable", "fast"], choices=["durable", "fast", "cluster"])
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
