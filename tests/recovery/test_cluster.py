"""
Promises 1 to 5 on three JetStream servers, two gateways and two matchers for each shard, while single ones are lost.

Servers are killed with their stores intact, as a machine that restarts. What a whole machine takes with it is the same
to the others: connections that break, and a leader that is elected anew.
"""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bus.connection import Bus, BusError
from bus.places import tell
from bus.streams import log_state, trim
from bus.subjects import exec_stream, ord_stream
from configs.loader import replica_name
from matcher.process import retention
from matcher.process.retention import own_place
from tests.processes import kill, until
from tests.recovery.traders import Traders
from tests.recovery.trimming import are_trimmed, look, readers_have_told, snapshots_of
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

SYMBOLS = ["TEST1", "TEST2"]
SERVERS = ("nats-server-1", "nats-server-2", "nats-server-3")
OFTEN = 25


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[RunningVenue]:
    config = ephemeral_config(
        tmp_path,
        durability="cluster",
        matcher={"standbys": 1, "snapshot_every_inputs": OFTEN},
        marketdata={"checkpoint_interval_s": 1},
    )
    async with RunningVenue(config, tmp_path / "data") as running:
        yield running


async def leader_of(venue: RunningVenue, stream: str) -> str:
    """The process name of the server that leads a stream, as soon as one does."""
    bus = await Bus.connect(venue.venue.config.nats.url, name="observer")
    try:
        async with asyncio.timeout(60):
            while not (leader := await _leader(bus, stream)):
                pass
    finally:
        await bus.close()
    return next(name for name in SERVERS if server_name(venue, name) == leader)


async def _leader(bus: Bus, stream: str) -> str:
    with suppress(BusError):
        info: dict[str, Any] = await bus.request_json(f"$JS.API.STREAM.INFO.{stream}")
        assert info["config"]["num_replicas"] == len(SERVERS)
        return str(info["cluster"].get("leader", ""))
    return ""


def server_name(venue: RunningVenue, name: str) -> str:
    """What a process calls itself among the servers."""
    configuration = (venue.data_dir / f"nats-{name.rpartition('-')[2]}" / "nats.conf").read_text()
    found = re.search(r"^server_name: (.+)$", configuration, re.MULTILINE)
    assert found is not None
    return str(json.loads(found[1]))


async def test_the_loss_of_any_one_server_loses_nothing(cluster: RunningVenue) -> None:
    """The leaders of both logs of a shard, one after the other, and one that leads nothing special."""
    traders = Traders(cluster, SYMBOLS)
    await traders.until_answered(50)
    for stream in (ord_stream(0), exec_stream(0)):
        await kill(cluster, await leader_of(cluster, stream))
        await traders.until_answered(50)
    await traders.leave()
    traders.audit(answered_min=100)


async def test_a_rolling_restart_of_everything_loses_nothing(cluster: RunningVenue) -> None:
    traders = Traders(cluster, SYMBOLS)
    await traders.until_answered(30)
    for name in (*SERVERS, "matcher-0", "matcher-0-2", "gateway", "matcher-1", "matcher-1-2", "marketdata"):
        process = cluster.processes[name]
        generation = process.generation
        process.send_signal(signal.SIGTERM)
        await cluster.wait_ready(name, generation=generation + 1)
        await traders.until_answered(20)
    await traders.leave()
    traders.audit(answered_min=200)


async def test_without_a_majority_nothing_is_acknowledged_and_all_is_answered_when_it_is_back(
    cluster: RunningVenue,
) -> None:
    traders = Traders(cluster, SYMBOLS)
    await traders.until_answered(30)
    stopped = [cluster.processes[name].pid for name in SERVERS[:2]]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        await until(lambda: traders.news > 0)  # they are told that their requests wait
        answered = traders.answered
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    await traders.until_answered(30)
    assert traders.answered > answered
    await traders.leave()
    traders.audit(answered_min=60)


async def test_a_log_is_trimmed_though_the_server_that_leads_it_is_lost_in_the_middle(
    cluster: RunningVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a first step has taken away is away on the others too, and the next look goes on from there."""
    bus = await Bus.connect(cluster.venue.config.nats.url, name="test")
    traders = Traders(cluster, SYMBOLS)
    await readers_have_told(bus, cluster.venue.config.shards)
    lost: list[str] = []

    async def lose_the_leader_after_a_step(bus: Bus, stream: str, first_seq: int) -> None:
        await trim(bus, stream, first_seq)
        if not lost:
            lost.append(await leader_of(cluster, stream))
            os.kill(cluster.processes[lost[0]].pid, signal.SIGKILL)

    monkeypatch.setattr(retention, "STEP_RECORDS", 5)
    monkeypatch.setattr(retention, "trim", lose_the_leader_after_a_step)
    async with asyncio.timeout(60):
        while not await look_brings_about_a_trim(bus, cluster):
            pass
    await cluster.wait_ready(lost[0], generation=2)
    assert (await log_state(bus, ord_stream(0))).first_seq > OFTEN
    await bus.close()
    await kill(cluster, "matcher-0")
    await kill(cluster, "matcher-0-2")
    await traders.until_answered(30)
    await traders.leave()
    traders.audit(answered_min=50)


async def look_brings_about_a_trim(bus: Bus, venue: RunningVenue) -> bool:
    """Look once, with the standby's place as it is now; returns whether both logs are trimmed."""
    with suppress(BusError):  # as a leader that looks again later
        await tell(bus, ord_stream(0), replica_name(0, 2), own_place(snapshots_of(venue, 0, replica=2)))
        await look(bus, venue, 0)
        return await are_trimmed(bus, 0)
    return False
