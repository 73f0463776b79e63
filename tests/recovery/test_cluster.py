"""
Promises 1 to 5 on three JetStream servers, two gateways and two matchers for each shard, while single ones are lost.

Servers are killed with their stores intact, as a machine that restarts. What a whole machine takes with it is the same
to the others: connections that break, and a leader that is elected anew.
"""

import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bus.connection import Bus
from bus.subjects import exec_stream, ord_stream
from tests.processes import until
from tests.recovery.traders import Traders
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

SYMBOLS = ["TEST1", "TEST2"]
SERVERS = ("nats-server-1", "nats-server-2", "nats-server-3")


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[RunningVenue]:
    config = ephemeral_config(tmp_path, durability="cluster", matcher={"standbys": 1})
    async with RunningVenue(config, tmp_path / "data") as running:
        yield running


async def leader_of(venue: RunningVenue, stream: str) -> str:
    """The process name of the server that leads a stream."""
    bus = await Bus.connect(venue.venue.config.nats.url, name="observer")
    try:
        info: dict[str, Any] = await bus.request_json(f"$JS.API.STREAM.INFO.{stream}")
    finally:
        await bus.close()
    assert len(info["cluster"]["replicas"]) == 2
    for name in SERVERS:
        number = name.rpartition("-")[2]
        configuration = (venue.data_dir / f"nats-{number}" / "nats.conf").read_text()
        if f"server_name: {json.dumps(info['cluster']['leader'])}" in configuration:
            return name
    raise AssertionError(f"{stream} is led by {info['cluster']['leader']}, which is none of ours")


async def kill(venue: RunningVenue, name: str) -> None:
    process = venue.processes[name]
    generation = process.generation
    os.kill(process.pid, signal.SIGKILL)
    await venue.wait_ready(name, generation=generation + 1)


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
