"""
The worst that one command can ask for, through a whole venue: the answer's time, and what others feel meanwhile.

    ./.venv/bin/python -m tests.bench.bench_worst_venue [--share 0.1] [--durability durable]

The cases of `bench_worst_cases`, each asked over FIX of a venue of its own. Two sessions of the gateway own the orders
and read their reports. In a process of its own, `WATCHERS` sessions with HeartBtInt(108)=5 do nothing but note when
heartbeats come, and one sends an order each 50 ms to another shard. Told are the first and the last report after the
command; and from the quiet seconds before it, and from the command to the last report and a heartbeat interval
longer: the worst round trip of those orders, and the longest time between two heartbeats. One JSON line for each case.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import uvloop

from configs.schedules import PHASES
from matcher.phases import CONTINUOUS, OPENING_AUCTION, PHASE_NAMES
from simulators.fix_client import FixClient, Received
from simulators.order_messages import transact_time
from tests.bench.bench_sessions_many import BEGIN, HEART_BT_INT_S, IdleSession
from tests.bench.bench_worst_cases import CASES, LEVELS
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

WATCHERS: Final = 20
"""Their heartbeats are spread over the interval, so that a pause of the gateway cannot fall between them."""
PROBE_S: Final = 0.05
WINDOW: Final = 2_000
"""Orders that are on their way at once while a case is prepared."""
MID_PRICE: Final = 10_000
"""Cents."""
ANSWER_S: Final = 60.0


class Trader:
    """A session that enters orders and counts what it is told."""

    def __init__(self) -> None:
        self.accepted = 0
        self.told_ns: list[int] = []
        """When each report came, beginning with `listen`."""
        self.wanted = 0
        self.is_done = asyncio.Event()
        self._client: FixClient
        self._kind = ""

    async def log_on(self, venue: RunningVenue, comp_id: str) -> None:
        """Connect."""
        self._client = await FixClient.connect(
            "127.0.0.1",
            venue.fix_port,
            begin_string=BEGIN,
            sender_comp_id=comp_id,
            password=f"example-{comp_id.lower()}",
            on_message=self._on_message,
        )

    async def log_out(self) -> None:
        """Leave; a session that was cut off before says so."""
        assert self._client.is_up, f"the session was cut off: {self._client.closed.result()}"
        await self._client.logout()

    async def enter(self, bodies: list[str]) -> None:
        """Enter orders, and wait until all are accepted."""
        self.accepted = 0
        for sent, body in enumerate(bodies):
            while sent - self.accepted >= WINDOW:
                self.is_done.clear()
                await asyncio.wait_for(self.is_done.wait(), ANSWER_S)
            self._client.send(f"{body}60={transact_time()}\x01")
            if sent % 100 == 0:
                await asyncio.sleep(0)
        while self.accepted < len(bodies):
            self.is_done.clear()
            await asyncio.wait_for(self.is_done.wait(), ANSWER_S)

    def listen(self, kind: str, wanted: int) -> None:
        """Count from now on the reports with this field, until so many have come."""
        self._kind, self.wanted, self.told_ns = f"\x01{kind}\x01", wanted, []
        self.is_done.clear()

    def send(self, body: str) -> None:
        """Send the message that is measured."""
        self._client.send(f"{body}60={transact_time()}\x01")

    async def hear(self) -> None:
        """Wait for all that was listened for."""
        while len(self.told_ns) < self.wanted:
            self.is_done.clear()
            await asyncio.wait_for(self.is_done.wait(), ANSWER_S)

    def _on_message(self, message: Received) -> None:
        text = message.text
        if self._kind and self._kind in text:
            self.told_ns.append(message.received_ns)
        elif "\x01150=0\x01" in text:
            self.accepted += 1
        elif "\x01150=8\x01" in text or "\x0135=3\x01" in text or "\x0135=j\x01" in text:
            raise AssertionError(f"refused: {text}")
        self.is_done.set()


def order(cl_ord_id: str, side: str, price: int, qty: int = 1, *, more: str = "", symbol: str = "TEST1") -> str:
    """The body of a limit order (40=2) of the day, unless `more` says something else."""
    terms = more or f"40=2\x0144={price / 100:.2f}\x0159=0\x01"
    return f"35=D\x0111={cl_ord_id}\x0154={side}\x0155={symbol}\x0138={qty}\x01{terms}"


async def sweep(size: int, _venue: RunningVenue, owner: Trader, other: Trader) -> int:
    """See `bench_worst_cases.sweep`. All of them give the time of their command."""
    await owner.enter([order(f"s{n}", "2", MID_PRICE + n % LEVELS) for n in range(size)])
    await quiet()
    owner.listen("150=F", size)
    other.listen("150=F", size)
    began_ns = time.perf_counter_ns()
    limit = (MID_PRICE + LEVELS) / 100
    other.send(order("sweep", "1", 0, size, more=f"40=2\x0144={limit:.2f}\x0159=3\x01"))
    return began_ns


async def mass_cancel(size: int, _venue: RunningVenue, owner: Trader, other: Trader) -> int:
    """See `bench_worst_cases.mass_cancel`."""
    await owner.enter([order(f"s{n}", "2", MID_PRICE + n % LEVELS) for n in range(size)])
    await quiet()
    owner.listen("150=4", size)
    other.listen("150=4", 0)
    began_ns = time.perf_counter_ns()
    owner.send("35=q\x0111=q\x01530=1\x0155=TEST1\x01")
    return began_ns


async def auction(size: int, venue: RunningVenue, owner: Trader, other: Trader) -> int:
    """See `bench_worst_cases.auction`; its time includes the start of the operator's program."""
    await operate(venue, OPENING_AUCTION, "--auction", "3600")
    half = size // 2
    await owner.enter([order(f"b{n}", "1", MID_PRICE + n % LEVELS) for n in range(half)])
    await other.enter([order(f"s{n}", "2", MID_PRICE - n % LEVELS) for n in range(half)])
    await quiet()
    owner.listen("150=F", half)
    other.listen("150=F", half)
    began_ns = time.perf_counter_ns()
    await operate(venue, CONTINUOUS)
    return began_ns


async def stops(size: int, _venue: RunningVenue, owner: Trader, other: Trader) -> int:
    """See `bench_worst_cases.stops`."""
    await other.enter([order(f"s{n}", "2", MID_PRICE + n % LEVELS) for n in range(size + 1)])
    terms = "40=3\x0159=0\x0199={:.2f}\x01"
    await owner.enter([order(f"t{n}", "1", 0, more=terms.format((MID_PRICE - n % LEVELS) / 100)) for n in range(size)])
    await quiet()
    owner.listen("150=F", size)
    other.listen("150=F", size + 2)
    began_ns = time.perf_counter_ns()
    other.send(order("spark", "1", MID_PRICE))
    return began_ns


ASKED: Final = {"sweep": sweep, "mass_cancel": mass_cancel, "auction": auction, "stops": stops}
"""The same names as `CASES`."""


async def quiet() -> None:
    """Give each watcher two heartbeats, and so an interval between them, while nothing happens."""
    await asyncio.sleep(2 * HEART_BT_INT_S + 1)


async def operate(venue: RunningVenue, phase: Any, *more: str) -> None:
    """Put TEST1 into another phase."""
    name = next(name for name in PHASES if PHASES[name] == phase)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "venue", "operator", "--config", str(venue.config_path), "phase", name, "TEST1", *more),
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0, f"TEST1 did not come into phase {PHASE_NAMES[phase]}"


async def measure(name: str, size: int, durability: str) -> dict[str, Any]:
    """One case; the figures for one JSON line."""
    comp_ids = ["OWNER", "OTHER", "PROBE", *(f"WATCH{n}" for n in range(WATCHERS))]
    firms = [
        {
            "name": comp_id,
            "sessions": [{"comp_id": comp_id, "password": f"example-{comp_id.lower()}", "versions": [BEGIN]}],
        }
        for comp_id in comp_ids
    ]
    with tempfile.TemporaryDirectory() as directory:
        config = ephemeral_config(Path(directory), durability=durability, firms=firms)
        async with RunningVenue(config, Path(directory) / "data") as venue:
            return await _measure_in(venue, name, size)


async def _measure_in(venue: RunningVenue, name: str, size: int) -> dict[str, Any]:
    probe = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.bench_worst_venue", "--probe", str(venue.fix_port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    assert probe.stdout is not None
    assert await probe.stdout.readline() == b"up\n", "the probe did not log on"
    owner, other = Trader(), Trader()
    await owner.log_on(venue, "OWNER")
    await other.log_on(venue, "OTHER")
    began_ns = await ASKED[name](size, venue, owner, other)
    await asyncio.gather(owner.hear(), other.hear())
    await asyncio.sleep(2 * HEART_BT_INT_S + 1)
    told = sorted(owner.told_ns + other.told_ns)
    memory = {part: hwm_mib(process.pid) for part, process in venue.processes.items()}
    output, _ = await probe.communicate(b"end\n")
    seen = json.loads(output)
    await owner.log_out()
    await other.log_out()
    return {
        "case": name,
        "orders": size,
        "reports": len(told),
        "first_report_ms": round((told[0] - began_ns) / 1e6, 1),
        "last_report_ms": round((told[-1] - began_ns) / 1e6, 1),
        "before": felt(seen, began_ns - HEART_BT_INT_S * 10**9, began_ns, is_over=True),
        "during": felt(seen, began_ns, told[-1]),
        "peak_rss_mib": memory,
    }


def felt(seen: dict[str, Any], begin_ns: int, end_ns: int, *, is_over: bool = False) -> dict[str, Any]:
    """
    The worst of a stretch of time, in ms: of orders sent, and of heartbeat intervals that had a part in it.

    Args:
        seen: What the probe saw.
        begin_ns: Of the stretch, by the machine's monotonic clock.
        end_ns: Likewise.
        is_over: Only intervals that ended in it, so that what came afterwards does not count.
    """
    trips = [took_ns for sent_ns, took_ns in seen["trips"] if begin_ns <= sent_ns <= end_ns]
    gaps = [
        later - earlier
        for beats in seen["heartbeats_ns"]
        for earlier, later in pairwise(beats)
        if begin_ns <= later and earlier <= end_ns and not (is_over and later > end_ns)
    ]
    return {
        "orders": len(trips),
        "round_trip_ms": round(max(trips, default=0) / 1e6, 1),
        "gaps": len(gaps),
        "heartbeat_gap_ms": round(max(gaps, default=0) / 1e6, 1),
    }


def hwm_mib(pid: int) -> float:
    """The most memory that a process ever had resident."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024, 1)


# The probe, in a process of its own


async def watch(port: int) -> None:
    """Log on, say so, watch until a line comes in, then print what was seen."""
    loop = asyncio.get_running_loop()
    watchers = []
    for number in range(WATCHERS):
        _, watcher = await loop.create_connection(lambda n=number: IdleSession(f"WATCH{n}"), "127.0.0.1", port)
        await watcher.is_up
        watchers.append(watcher)
        await asyncio.sleep(HEART_BT_INT_S / WATCHERS)
    trips: list[tuple[int, int]] = []
    sent_ns: dict[str, int] = {}

    def on_message(message: Received) -> None:
        began_ns = sent_ns.pop(message.fields.get("11", ""), 0)
        if began_ns:
            trips.append((began_ns, message.received_ns - began_ns))

    client = await FixClient.connect(
        "127.0.0.1",
        port,
        begin_string=BEGIN,
        sender_comp_id="PROBE",
        password="example-probe",
        on_message=on_message,
    )
    sys.stdout.write("up\n")
    sys.stdout.flush()
    ended = loop.run_in_executor(None, sys.stdin.readline)
    due_s, number = loop.time(), 0
    while not ended.done():
        number += 1
        due_s += PROBE_S
        await asyncio.sleep(due_s - loop.time())
        sent_ns[f"p{number}"] = time.perf_counter_ns()  # a late one counts from when it left: its own process was late
        client.send(order(f"p{number}", "1", MID_PRICE, symbol="TEST2") + f"60={transact_time()}\x01")
        await client.drain()
    trips += [(began_ns, int(ANSWER_S * 1e9)) for began_ns in sent_ns.values()]
    sys.stdout.write(
        json.dumps({"trips": trips, "heartbeats_ns": [watcher.heartbeats_ns for watcher in watchers]}) + "\n"
    )
    assert not any(watcher.is_lost for watcher in watchers), "a watcher was cut off"
    for watcher in watchers:
        watcher.leave()
    await client.logout()


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    """Measure and print; returns what was printed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--share", type=float, default=1.0, help="of the full sizes")
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    parser.add_argument("--durability", default="durable", choices=["durable", "fast"])
    parser.add_argument("--probe", type=int, default=0, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if options.probe:
            runner.run(watch(options.probe))
            return []
        lines = []
        for name in options.cases:
            size = round(CASES[name][1] * options.share)
            lines.append(runner.run(measure(name, size, options.durability)))
            sys.stdout.write(json.dumps(lines[-1]) + "\n")
            sys.stdout.flush()
        return lines


if __name__ == "__main__":
    main()
