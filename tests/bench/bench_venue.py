"""
The whole venue under load: orders answered per second, latency, and microseconds of CPU per order, part by part.

    ./.venv/bin/python -m tests.bench.bench_venue [--seconds 60] [--engine native] [-- BENCH OPTIONS]

Starts a venue of its own in a temporary directory, runs `./outcry bench` against it as a process of its own, and reads
the CPU time of each process, and of each thread of the gateway, and their memory over time, from /proc. Prints one
JSON line.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

MEMORY_SAMPLES = 8
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(stat: Path) -> tuple[str, float]:
    """Name and CPU seconds, user and system, of a process or thread."""
    text = stat.read_text()
    fields = text.rpartition(")")[2].split()
    return text.partition("(")[2].rpartition(")")[0], (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def rss_kib(pid: int) -> int:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def usage(venue: RunningVenue) -> dict[str, float]:
    """CPU seconds so far, by process, and by thread of the gateway; of load generators, those that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = {"load generator": ended.ru_utime + ended.ru_stime}
    for name, process in venue.processes.items():
        seconds[name] = cpu_s(Path(f"/proc/{process.pid}/stat"))[1]
    gateway = Path(f"/proc/{venue.processes['gateway'].pid}/task")
    for thread in gateway.iterdir():
        seconds[f"gateway thread {thread.name}"] = cpu_s(thread / "stat")[1]
    return seconds


async def sample_memory(venue: RunningVenue, memory: dict[str, list[float]], interval_s: float) -> None:
    """Note the resident memory of every process, in MiB, at equal intervals."""
    while True:
        for name, process in venue.processes.items():
            memory[name].append(round(rss_kib(process.pid) / 1024, 1))
        await asyncio.sleep(interval_s)


async def load(venue: RunningVenue, arguments: list[str]) -> dict[str, Any]:
    """Run the load generator; returns its summary."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "venue", "bench", "--config", str(venue.config_path), *arguments,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    return json.loads(output)  # type: ignore[no-any-return]


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        config = ephemeral_config(Path(directory), durability=options.durability, gateway={"engine": options.engine})
        async with RunningVenue(config, Path(directory) / "data") as venue:
            common = ["--profile", options.durability, *options.bench]
            await load(venue, [*common, "--seconds", "2"])
            before = usage(venue)
            memory: dict[str, list[float]] = {name: [] for name in venue.processes}
            sampling = asyncio.create_task(sample_memory(venue, memory, options.seconds / MEMORY_SAMPLES))
            summary = await load(venue, [*common, "--seconds", str(options.seconds), "--warmup", "0"])
            sampling.cancel()
            after = usage(venue)
            orders = summary["orders_answered"]
            summary["cpu_us_per_order"] = {
                name: round((after[name] - before.get(name, 0)) * 1e6 / orders, 1)
                for name in after
                if after[name] - before.get(name, 0) > 0.02 * options.seconds
            }
            summary["rss_mib"] = memory
            return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--durability", default="durable", choices=["durable", "fast"])
    parser.add_argument("--engine", default="native", choices=["native", "quickfix"])
    parser.add_argument("bench", nargs="*", default=["--sender", "FIRMA1", "--symbols", "TEST1", "--window", "200"])
    sys.stdout.write(json.dumps(asyncio.run(measure(parser.parse_args()))) + "\n")


if __name__ == "__main__":
    main()
