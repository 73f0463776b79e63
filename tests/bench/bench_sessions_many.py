"""
Many sessions: what 500 of them cost when they are idle, and how 10,000 orders a second from all of them fare.

    ./.venv/bin/python -m tests.bench.bench_sessions_many [--sessions 500] [--seconds 15] [--rates 10000,8000,...]

Idle: a venue with one session, then one with all, each logged on with HeartBtInt(108)=5: the gateway's memory, its CPU
time for heartbeats, and the gaps between the heartbeats that it sends. Loaded: `./outcry bench` in a process of its own
sends at a given rate from all sessions in turn over all instruments, while twenty more sessions stay idle and watch
their heartbeats. If the venue, or this machine, cannot keep up, the next lower rate is tried; half of the rate that is
kept up follows, for the latency below saturation. Prints one JSON line.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from simulators.histogram import Histogram
from tests.bench.bench_venue import cpu_s, load, rss_kib
from tests.sessions.raw_client import frame, timestamp
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

HEART_BT_INT_S: Final = 5
WATCHERS: Final = 20
SESSIONS_PER_FIRM: Final = 10
STEADY_SHARE: Final = 0.98
"""A rate is kept up when so much of it is answered while it lasts, and all of it in the end."""
SETTLE_S: Final = 2.0
BEGIN: Final = "FIX.4.4"
SOH: Final = "\x01"


class IdleSession(asyncio.Protocol):
    """A client that logs on, answers each heartbeat with its own, and notes when they come."""

    def __init__(self, comp_id: str) -> None:
        self.is_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heartbeats_ns: list[int] = []
        self.is_lost = False
        self._comp_id = comp_id
        self._next_seq = 1
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log on."""
        self._transport = transport
        password = f"example-{self._comp_id.lower()}"
        self._send("A", f"98=0|108={HEART_BT_INT_S}|141=Y|553={self._comp_id}|554={password}|")

    def data_received(self, data: bytes) -> None:
        """Answer; messages this small and rare come whole."""
        now_ns = time.perf_counter_ns()
        if b"\x0135=A\x01" in data:
            self.is_up.set_result(None)
        elif b"\x0135=0\x01" in data:
            self.heartbeats_ns.append(now_ns)
            self._send("0", "")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - lost is lost
        """Note it."""
        self.is_lost = True
        if not self.is_up.done():
            self.is_up.set_exception(ConnectionError(f"{self._comp_id} was not let in"))

    def leave(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _send(self, msg_type: str, body: str) -> None:
        text = f"35={msg_type}|34={self._next_seq}|49={self._comp_id}|52={timestamp()}|56=OUTCRY|{body}"
        self._next_seq += 1
        self._transport.write(frame(BEGIN, text.replace("|", SOH)))


@asynccontextmanager
async def idle_sessions(venue: RunningVenue, comp_ids: list[str]) -> AsyncIterator[list[IdleSession]]:
    """Sessions that are up inside."""
    loop, sessions = asyncio.get_running_loop(), []
    for comp_id in comp_ids:
        _, session = await loop.create_connection(
            lambda comp_id=comp_id: IdleSession(comp_id), "127.0.0.1", venue.fix_port
        )
        await session.is_up
        sessions.append(session)
    try:
        yield sessions
        assert not any(session.is_lost for session in sessions), "an idle session was cut off"
    finally:
        for session in sessions:
            session.leave()


def heartbeat_gaps(sessions: list[IdleSession]) -> dict[str, Any]:
    """How far apart heartbeats came, in ms; on time is `HEART_BT_INT_S`."""
    gaps = Histogram()
    for session in sessions:
        for earlier, later in zip(session.heartbeats_ns, session.heartbeats_ns[1:], strict=False):
            gaps.record(later - earlier)
    summary = {name: round(us / 1000, 1) for name, us in gaps.summary_us().items()}
    return {"sessions": len(sessions), "gaps": gaps.count, "gap_ms": summary}


@asynccontextmanager
async def venue_with(comp_ids: list[str], durability: str) -> AsyncIterator[RunningVenue]:
    """A venue with these sessions, of FIX 4.4 only, ten to a firm."""
    sessions = [
        {"comp_id": comp_id, "password": f"example-{comp_id.lower()}", "versions": [BEGIN]} for comp_id in comp_ids
    ]
    firms = [
        {"name": f"FIRM{first}", "sessions": sessions[first : first + SESSIONS_PER_FIRM]}
        for first in range(0, len(sessions), SESSIONS_PER_FIRM)
    ]
    with tempfile.TemporaryDirectory() as directory:
        config = ephemeral_config(Path(directory), durability=durability, firms=firms)
        async with RunningVenue(config, Path(directory) / "data") as venue:
            yield venue


async def measure_idle(venue: RunningVenue, comp_ids: list[str], seconds: float) -> dict[str, Any]:
    """Memory and CPU time of the gateway while its sessions only heartbeat."""
    gateway = venue.processes["gateway"].pid
    before_kib = rss_kib(gateway)
    async with idle_sessions(venue, comp_ids) as sessions:
        await asyncio.sleep(SETTLE_S)
        begun_s = cpu_s(Path(f"/proc/{gateway}/stat"))[1]
        begun = sum(len(session.heartbeats_ns) for session in sessions)
        await asyncio.sleep(seconds)
        return {
            "rss_kib_before_logon": before_kib,
            "rss_kib": rss_kib(gateway),
            "cpu_s": round(cpu_s(Path(f"/proc/{gateway}/stat"))[1] - begun_s, 3),
            "heartbeats": sum(len(session.heartbeats_ns) for session in sessions) - begun,
            **heartbeat_gaps(sessions),
        }


async def measure_load(
    venue: RunningVenue, senders: list[str], watchers: list[str], *, rate: int, seconds: float
) -> dict[str, Any]:
    """One run at one rate."""
    gateway = Path(f"/proc/{venue.processes['gateway'].pid}/stat")
    async with idle_sessions(venue, watchers) as sessions:
        begun_s = cpu_s(gateway)[1]
        said = await load(
            venue, ["--sender", ",".join(senders), "--rate", str(rate), "--seconds", str(seconds), "--warmup", "3"]
        )
        used_s = cpu_s(gateway)[1] - begun_s
        return {
            "rate": rate,
            "is_steady": said["orders_per_s"] >= STEADY_SHARE * rate and not said["unanswered"] and not said["errors"],
            **{name: said[name] for name in ("orders_per_s", "unanswered", "latency_us", "send_lag_us", "errors")},
            "symbols": len(said["config"]["symbols"]),
            "gateway_cpu_s": round(used_s, 1),
            "gateway_rss_kib": rss_kib(venue.processes["gateway"].pid),
            "heartbeats": heartbeat_gaps(sessions),
        }


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    senders = [f"LOAD{n}" for n in range(options.sessions)]
    watchers = [f"IDLE{n}" for n in range(WATCHERS)]
    load_before = os.getloadavg()
    async with venue_with(senders[:1], options.durability) as venue:
        one = await measure_idle(venue, senders[:1], options.seconds)
    runs = []
    async with venue_with([*senders, *watchers], options.durability) as venue:
        all_ = await measure_idle(venue, senders, options.seconds)
        load_between = os.getloadavg()
        for rate in options.rates:
            runs.append(await measure_load(venue, senders, watchers, rate=rate, seconds=options.seconds))
            if runs[-1]["is_steady"]:
                runs.append(await measure_load(venue, senders, watchers, rate=rate // 2, seconds=options.seconds))
                break
    more = options.sessions - 1
    heartbeats = all_["heartbeats"] - one["heartbeats"]
    return {
        "sessions": options.sessions,
        "durability": options.durability,
        "heart_bt_int_s": HEART_BT_INT_S,
        "cpus": os.cpu_count(),
        "loadavg_1m": {"before": load_before[0], "idle": load_between[0], "end": os.getloadavg()[0]},
        "idle_one": one,
        "idle_all": all_,
        "rss_bytes_per_idle_session": (all_["rss_kib"] - one["rss_kib"]) * 1024 // more,
        "cpu_us_per_heartbeat_each_way": round((all_["cpu_s"] - one["cpu_s"]) * 1e6 / max(heartbeats, 1)),
        "loaded": runs,
        "steady_orders_per_s": next((run["orders_per_s"] for run in runs if run["is_steady"]), None),
    }


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure and print; returns what was printed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--durability", default="durable", choices=["durable", "fast"])
    parser.add_argument(
        "--rates",
        type=lambda text: [int(rate) for rate in text.split(",")],
        default=[10_000, 8_000, 6_000, 5_000, 4_000, 3_000, 2_000],
        help="orders a second over all sessions, tried in turn until one is kept up",
    )
    result = asyncio.run(measure(parser.parse_args(argv)))
    sys.stdout.write(json.dumps(result) + "\n")
    return result


if __name__ == "__main__":
    main()
