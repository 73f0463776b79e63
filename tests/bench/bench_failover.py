"""
How long a client waits for an answer when something fails: the pause that it sees, many times over.

    ./.venv/bin/python -m tests.bench.bench_failover [--times 20] [--cases kill stop handover alone stream-leader]

One session sends an order each 10 ms, which rests and is never the same twice, so that the time from each order to its
answer is known. A pause is the longest such time between the fault and the moment when answers are quick again.

- `kill`: kill -9 of the leading matcher, with a hot standby; `alone`: without one
- `stop`: SIGSTOP of the leading matcher, with a hot standby, which ends by the leader being fenced
- `handover`: `./outcry handover`
- `stream-leader`: kill -9 of the JetStream server that leads the order log of the shard, of three

Prints one JSON line for each case.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from bus.connection import Bus
from bus.subjects import handover_subject, lead_subject, ord_stream
from matcher.process.leadership import Question, decode_handed_over
from simulators.fix_client import FixClient, Received
from simulators.order_messages import transact_time
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

BETWEEN_ORDERS_S: Final = 0.01
QUIET_S: Final = 1.0
"""Answers are quick for so long before a fault."""
SETTLE_S: Final = 3.0
"""After a fault, for the pause to end."""
SYMBOL: Final = "TEST1"


class Probe:
    """Sends orders, and knows how long each answer took."""

    def __init__(self) -> None:
        self._sent_s: dict[str, float] = {}
        self._count = 0
        self.waits_s: list[tuple[float, float]] = []
        """When an order was sent, and how long its answer took."""

    async def run(self, venue: RunningVenue) -> None:
        client = await FixClient.connect(
            "127.0.0.1",
            venue.fix_port,
            begin_string="FIX.4.4",
            sender_comp_id="FIRMA1",
            password="example-firma1",
            on_message=self._on_message,
        )
        try:
            while True:
                self._count += 1
                cl_ord_id = f"p{self._count}"
                self._sent_s[cl_ord_id] = time.perf_counter()
                client.send(
                    f"35=D\x0111={cl_ord_id}\x0155={SYMBOL}\x0154=1\x0138=1\x0140=2\x0144=1.00\x0159=0\x0160={transact_time()}\x01"
                )
                await asyncio.sleep(BETWEEN_ORDERS_S)
        finally:
            client.abort()

    def _on_message(self, message: Received) -> None:
        sent_s = self._sent_s.pop(message.fields.get("11", ""), None)
        if sent_s is not None:
            self.waits_s.append((sent_s, time.perf_counter() - sent_s))

    async def pause_s(self, fault: Callable[[], Awaitable[Any]]) -> float:
        """The longest wait that a fault causes."""
        await asyncio.sleep(QUIET_S)
        began_s = time.perf_counter()
        await fault()
        await asyncio.sleep(SETTLE_S)
        while self._sent_s and min(self._sent_s.values()) < began_s + SETTLE_S:  # noqa: ASYNC110 - mostly a clock
            await asyncio.sleep(BETWEEN_ORDERS_S)
        return max(wait for sent, wait in self.waits_s if began_s - QUIET_S / 2 <= sent <= began_s + SETTLE_S)


class Faults:
    """What is done to a running venue."""

    def __init__(self, venue: RunningVenue, bus: Bus) -> None:
        self._venue = venue
        self._bus = bus
        self._shard = venue.venue.instruments[SYMBOL].shard
        self.told_ms: list[float] = []
        """What hand-overs say of themselves."""

    async def kill(self) -> None:
        os.kill(self._venue.processes[await self._leader()].pid, signal.SIGKILL)

    async def stop(self) -> None:
        pid = self._venue.processes[await self._leader()].pid
        os.kill(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(SETTLE_S - 0.5, os.kill, pid, signal.SIGCONT)

    async def handover(self) -> None:
        done = decode_handed_over(await self._bus.request(handover_subject(self._shard), b"", 10.0))
        assert not done.error, done.error
        self.told_ms.append(done.pause_ms)

    async def stream_leader(self) -> None:
        info = await self._bus.request_json(f"$JS.API.STREAM.INFO.{ord_stream(self._shard)}")
        for number in range(1, 4):
            text = (self._venue.data_dir / f"nats-{number}" / "nats.conf").read_text()
            if json.dumps(info["cluster"]["leader"]) in text:
                os.kill(self._venue.processes[f"nats-server-{number}"].pid, signal.SIGKILL)

    async def _leader(self) -> str:
        question = msgspec.json.encode(Question(0, -1))
        told = json.loads(await self._bus.request(lead_subject(self._shard), question))
        replica = told["replica"]
        return f"matcher-{self._shard}" if replica == 1 else f"matcher-{self._shard}-{replica}"

    async def until_all_ready(self) -> None:
        for name, process in self._venue.processes.items():
            await self._venue.wait_ready(name, process.generation)


async def measure(case: str, times: int, durability: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        if case == "stream-leader":
            durability = "cluster"
        standbys = 0 if case == "alone" else 1
        config = ephemeral_config(Path(directory), durability=durability, matcher={"standbys": standbys})
        venue = RunningVenue(config, Path(directory) / "data", restart_delays_s=(0.0,))
        async with venue:
            bus = await Bus.connect(venue.venue.config.nats.url, name="bench")
            faults, probe = Faults(venue, bus), Probe()
            fault = {
                "kill": faults.kill,
                "alone": faults.kill,
                "stop": faults.stop,
                "handover": faults.handover,
                "stream-leader": faults.stream_leader,
            }[case]
            probing = asyncio.create_task(probe.run(venue))
            pauses_ms = []
            for _ in range(times):
                pauses_ms.append(round(await probe.pause_s(fault) * 1000, 1))
                await faults.until_all_ready()
            probing.cancel()
            await bus.close()
        usual = sorted(wait for _, wait in probe.waits_s)
        return {
            "case": case,
            "durability": durability,
            "times": times,
            "usual_ms": {"p50": round(usual[len(usual) // 2] * 1000, 2)},
            "pause_ms": {"p50": statistics.median(pauses_ms), "worst": max(pauses_ms), "all": pauses_ms},
            "handovers_say_ms": sorted(faults.told_ms),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--durability", default="durable", choices=["durable", "fast"])
    cases = ["kill", "stop", "handover", "alone", "stream-leader"]
    parser.add_argument("--cases", nargs="+", default=cases, choices=cases)
    options = parser.parse_args()
    for case in options.cases:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            told = runner.run(measure(case, options.times, options.durability))
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
