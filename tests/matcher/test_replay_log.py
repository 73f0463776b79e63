"""`./outcry replay-log`: the logs alone give everything again, and a difference is told with its place."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from bus.records import encode_exec
from bus.subjects import exec_subject
from configs.loader import MatcherConfig
from matcher.process.logs import LogBroken
from matcher.process.replay import Diverged
from matcher.process.replay_log import Replayed, replay_shard
from tests.jetstream import store
from tests.matcher.shard_house import House, is_taking_a_snapshot
from tests.processes import until
from tests.recovery.traders import Traders
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

OFTEN = 5


@pytest.fixture
async def traded(house: House) -> House:
    """A shard with a log, two leaders and some snapshots."""
    await house.gateway.start()
    for _ in range(2):
        async with house.matching(snapshot_every_inputs=OFTEN) as service:
            for price_ticks in range(90, 90 + OFTEN):
                input_seq = await house.gateway.buy(price_ticks)
                await house.answered(input_seq)
            await until(lambda: not is_taking_a_snapshot(service))
    return house


async def replay(house: House) -> Replayed:
    paths = list(house.snapshots.glob("*.snapshot"))
    return await replay_shard(house.bus, 0, MatcherConfig(snapshot_every_inputs=OFTEN), paths)


async def test_the_logs_alone_give_every_answer_state_and_snapshot_again(traded: House) -> None:
    done = await replay(traded)
    records = await traded.exec_records()
    assert (done.inputs, done.exec_records) == (records[-1].last_input_seq, len(records))
    assert done.snapshots == len(list(traded.snapshots.glob("*.snapshot"))) > 0
    assert done.state_hash


async def test_what_is_not_answered_yet_is_left_alone(traded: House) -> None:
    before = await replay(traded)
    await traded.gateway.buy()
    assert (await replay(traded)).state_hash == before.state_hash


async def test_an_answer_that_the_log_does_not_give_is_told_with_its_place(traded: House) -> None:
    last = (await traded.exec_records())[-1]
    input_seq = await traded.gateway.buy()
    record = encode_exec(
        shard=0,
        leader_epoch=last.leader_epoch,
        first_input_seq=last.last_input_seq + 1,
        last_input_seq=input_seq,
        events=[],
        increments=[],
    )
    exec_seq = await store(traded.bus, exec_subject(0), record)
    with pytest.raises(Diverged, match=f"^EXEC0 sequence {exec_seq} answers inputs .* otherwise than this build does"):
        await replay(traded)


async def test_a_snapshot_that_is_not_the_state_at_its_input_is_named(traded: House) -> None:
    path = max(traded.snapshots.glob("*.snapshot"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Diverged, match=f"^the snapshot {path} is not the state at input {int(path.stem)} of the log"):
        await replay(traded)


async def test_a_record_that_cannot_be_read_is_told_with_its_place(traded: House) -> None:
    exec_seq = await store(traded.bus, exec_subject(0), b"garbage")
    with pytest.raises(LogBroken, match=f"^EXEC0 sequence {exec_seq}: a record of 7 bytes does not decode"):
        await replay(traded)


def run_command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-P", "-m", "venue", "replay-log", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


async def test_the_command_works_while_the_venue_is_up_and_when_it_is_down(tmp_path: Path) -> None:
    config = ephemeral_config(tmp_path, matcher={"snapshot_every_inputs": 50})
    arguments = ["--config", str(config), "--data", str(tmp_path / "data")]
    async with RunningVenue(config, tmp_path / "data") as venue:
        traders = Traders(venue, ["TEST1", "TEST2"])
        await traders.until_answered(100)
        await traders.leave()
        up = await asyncio.to_thread(run_command, *arguments)
    down = await asyncio.to_thread(run_command, *arguments)
    for told in (up, down):
        assert told.returncode == 0
        lines = told.stdout.splitlines()
        assert [line.partition(":")[0] for line in lines] == ["shard 0", "shard 1"]
        assert all("all the same" in line for line in lines)


def test_a_shard_that_is_not_there_and_a_venue_that_never_was_are_one_sentence_each(tmp_path: Path) -> None:
    config = str(ephemeral_config(tmp_path))
    told = run_command("--config", config, "--data", str(tmp_path / "none"), "--shard", "7")
    assert told.returncode == 78
    assert "--shard 7, but" in told.stderr
    told = run_command("--config", config, "--data", str(tmp_path / "none"))
    assert told.returncode == 78
    assert told.stderr.splitlines()[-1].endswith("is no venue's data directory; name the one with the logs with --data")
