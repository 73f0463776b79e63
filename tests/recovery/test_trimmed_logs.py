"""A venue whose logs are trimmed under load loses nothing of what a gateway had not sent, or others had not read."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from bus.connection import Bus
from bus.records import encode_ord
from bus.streams import last_seq
from bus.subjects import GATEWAY_SYMBOL, ord_stream, ord_subject
from marketdata.checkpoint import CHECKPOINT_FILE, before
from matcher.commands import GatewayStarted
from matcher.process.retention import own_place
from tests.jetstream import store
from tests.processes import kill
from tests.recovery.traders import Traders
from tests.recovery.trimming import are_trimmed, look, readers_have_told, snapshots_of
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

OFTEN = 4


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[RunningVenue]:
    config = ephemeral_config(
        tmp_path, matcher={"snapshot_every_inputs": OFTEN}, marketdata={"checkpoint_interval_s": 1}
    )
    async with RunningVenue(config, tmp_path / "data") as running:
        yield running


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
        await fill_until_it_is_in_two_snapshots(bus, shard, asked_seq, snapshots_of(venue, shard))


async def fill_until_it_is_in_two_snapshots(bus: Bus, shard: int, input_seq: int, snapshots: Path) -> None:
    """What fills the log is a gateway that begins again and again."""
    boots = count(1)
    async with asyncio.timeout(30):
        while own_place(snapshots).seq < input_seq:
            boot = next(boots)
            record = encode_ord(gateway_id="test", boot=boot, record_number=1, commands=[GatewayStarted("test", boot)])
            await store(bus, ord_subject(shard, GATEWAY_SYMBOL), record)
            await asyncio.sleep(0.01)


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
    for shard in range(shards):
        await look(bus, venue, shard)
        assert await are_trimmed(bus, shard)
    await bus.close()
    await kill(venue, "gateway")
    await traders.until_answered(50)
    for shard in range(shards):
        await kill(venue, f"matcher-{shard}")
    await kill(venue, "marketdata")
    await kill(venue, "nats-server")
    await traders.until_answered(50)
    await traders.leave()
    traders.audit(answered_min=400)
    await the_rest_can_be_replayed(venue)
    await without_checkpoints_market_data_says_what_it_needs_and_is_not_started_again(venue)


async def the_rest_can_be_replayed(venue: RunningVenue) -> None:
    """With the matchers' snapshots; without them it is told what is missing."""
    done = await replay_log(venue, venue.data_dir)
    assert done.returncode == 0, done.stderr
    assert ["since the snapshot of input" in line for line in done.stdout.splitlines()] == [True, True]
    elsewhere = await replay_log(venue, venue.data_dir / "elsewhere")
    assert elsewhere.returncode == 78
    assert re.fullmatch(
        r"outcry replay-log: ORD0 was trimmed and begins at sequence \d+, EXEC0 at \d+, and no snapshot on this "
        "machine goes on from there; run this where a matcher of the shard keeps its snapshots, and name their data "
        "directory with --data",
        elsewhere.stderr.splitlines()[-1],
    )


async def replay_log(venue: RunningVenue, data_dir: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-P", "-m", "venue", "replay-log", "--config", str(venue.config_path)]
    return await asyncio.to_thread(
        subprocess.run, [*command, "--data", str(data_dir)], capture_output=True, text=True, check=False, timeout=60
    )


async def without_checkpoints_market_data_says_what_it_needs_and_is_not_started_again(venue: RunningVenue) -> None:
    process, path = venue.processes["marketdata"], venue.data_dir / CHECKPOINT_FILE
    generation = process.generation
    os.kill(process.pid, signal.SIGSTOP)  # so it writes none meanwhile
    for checkpoint in (path, before(path)):
        checkpoint.unlink()
    os.kill(process.pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        failure = await venue.supervisor.wait_failed()
    assert failure.refused
    assert re.fullmatch(
        r"marketdata cannot work as configured: EXEC\d was trimmed and begins at sequence \d+, but there is no "
        rf"checkpoint that goes so far; give back {path} from a backup, or EXEC\d as it was before",
        str(failure),
    )
    assert (process.generation, process.running) == (generation + 1, False)
