"""A venue whose logs are trimmed under load loses nothing of what a gateway had not sent, or others had not read."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from itertools import count, product
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bus.connection import Bus
from bus.places import MARKETDATA, Place, gateway_reader, told
from bus.records import encode_ord
from bus.streams import last_seq, log_state
from bus.subjects import GATEWAY_SYMBOL, exec_stream, ord_stream, ord_subject
from matcher.commands import GatewayStarted
from matcher.process.metrics import MatcherMetrics
from matcher.process.retention import Retention, own_place
from tests.jetstream import store
from tests.recovery.traders import Traders
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

OFTEN = 4
IN_NINE_DAYS_NS = time.time_ns() + 9 * 24 * 3600 * 10**9


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[RunningVenue]:
    config = ephemeral_config(
        tmp_path, matcher={"snapshot_every_inputs": OFTEN}, marketdata={"checkpoint_interval_s": 1}
    )
    async with RunningVenue(config, tmp_path / "data") as running:
        yield running


async def kill(venue: RunningVenue, name: str, *, generation: int) -> None:
    os.kill(venue.processes[name].pid, signal.SIGKILL)
    await venue.wait_ready(name, generation=generation)


async def readers_have_told(bus: Bus, shards: int) -> None:
    """They do as soon as they have a place, and then once a minute."""
    async with asyncio.timeout(30):
        for shard, reader in product(range(shards), (gateway_reader("gw1"), MARKETDATA)):
            while ((await told(bus, exec_stream(shard), reader)) or Place(0)).seq < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def pause_the_gateway_before_it_reads_all(bus: Bus, venue: RunningVenue) -> None:
    """What the traders asked last is answered while it is paused, and is in two snapshots of each shard."""
    matchers = [venue.processes[f"matcher-{shard}"].pid for shard in range(venue.venue.config.shards)]
    for pid in matchers:
        os.kill(pid, signal.SIGSTOP)
    ends = [await last_seq(bus, ord_stream(shard)) for shard in range(len(matchers))]
    async with asyncio.timeout(30):
        for shard, end in enumerate(ends):
            while await last_seq(bus, ord_stream(shard)) == end:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    os.kill(venue.processes["gateway"].pid, signal.SIGSTOP)
    for shard, pid in enumerate(matchers):
        asked_seq = await last_seq(bus, ord_stream(shard))
        os.kill(pid, signal.SIGCONT)
        await fill_until_it_is_in_two_snapshots(bus, shard, asked_seq, venue.data_dir / "snapshots" / str(shard))


async def fill_until_it_is_in_two_snapshots(bus: Bus, shard: int, input_seq: int, snapshots: Path) -> None:
    """What fills the log is a gateway that begins again and again."""
    boots = count(1)
    async with asyncio.timeout(30):
        while own_place(snapshots).seq < input_seq:
            boot = next(boots)
            record = encode_ord(gateway_id="test", boot=boot, record_number=1, commands=[GatewayStarted("test", boot)])
            await store(bus, ord_subject(shard, GATEWAY_SYMBOL), record)
            await asyncio.sleep(0.01)


async def trim(bus: Bus, venue: RunningVenue) -> None:
    for shard in range(venue.venue.config.shards):
        snapshots = venue.data_dir / "snapshots" / str(shard)
        retention = Retention(bus, lambda: venue.venue, shard, snapshots, MatcherMetrics(CollectorRegistry()))
        await retention.look(IN_NINE_DAYS_NS)
        assert (await log_state(bus, ord_stream(shard))).first_seq > 1
        assert (await log_state(bus, exec_stream(shard))).first_seq > 1


async def test_a_gateway_that_is_away_over_a_trim_gets_all_that_its_sessions_miss_and_everybody_starts_again(
    venue: RunningVenue,
) -> None:
    shards = venue.venue.config.shards
    symbols = [venue.venue.symbols_of(shard)[0] for shard in range(shards)]
    bus = await Bus.connect(venue.venue.config.nats.url, name="test")
    traders = Traders(venue, symbols)
    await traders.until_answered(150)
    await readers_have_told(bus, shards)
    await pause_the_gateway_before_it_reads_all(bus, venue)
    await trim(bus, venue)
    await bus.close()
    await kill(venue, "gateway", generation=2)
    await traders.until_answered(50)
    for shard in range(shards):
        await kill(venue, f"matcher-{shard}", generation=2)
    await kill(venue, "marketdata", generation=2)
    await kill(venue, "nats-server", generation=2)
    await traders.until_answered(50)
    await traders.leave()
    traders.audit(answered_min=400)

    command = [sys.executable, "-P", "-m", "venue", "replay-log", "--config", str(venue.config_path)]
    done = await asyncio.to_thread(
        subprocess.run, [*command, "--data", str(venue.data_dir)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all("since the snapshot of input" in line for line in done.stdout.splitlines())
