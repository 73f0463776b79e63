"""The replay at the end of torture: it finds what differs, and says what it could not look at any more."""

from pathlib import Path
from typing import Any

import pytest

from bus.records import decode_exec, encode_exec
from bus.streams import last_seq, log_state, read_record, trim
from bus.subjects import exec_subject
from configs.loader import MatcherConfig, NatsConfig, Venue, VenueConfig
from matcher.process.logs import LogBroken, first_answer_after
from matcher.process.snapshot_files import directory_of
from simulators.torture.replay import replay
from tests.jetstream import Server, store
from tests.matcher.conftest import bus, house, server  # noqa: F401 - fixtures
from tests.matcher.shard_house import TEST, House
from tests.processes import until

BASE = 5


@pytest.fixture
def venue(server: Server) -> Venue:  # noqa: F811
    config = VenueConfig(nats=NatsConfig(url=server.url), matcher=MatcherConfig(snapshot_every_inputs=BASE))
    return Venue(config, {"TEST": TEST})


@pytest.fixture
async def traded(house: House, tmp_path: Path) -> House:  # noqa: F811
    """A shard with a log and a snapshot at BASE."""
    house.snapshots = directory_of(tmp_path, 0, 1)
    async with house.matching(snapshot_every_inputs=BASE):
        await house.answered(await house.gateway.start())
        while await last_seq(house.bus, "ORD0") < BASE:
            await house.answered(await house.gateway.buy())
        await until((house.snapshots / f"{BASE:020d}.snapshot").exists)
        for _ in range(3):
            await house.answered(await house.gateway.buy())
    return house


async def trim_behind_base(house: House) -> None:  # noqa: F811
    begin = await first_answer_after(house.bus, 0, BASE, await log_state(house.bus, "EXEC0"))
    await trim(house.bus, "ORD0", BASE + 1)
    await trim(house.bus, "EXEC0", begin)


async def answer_otherwise(house: House) -> None:  # noqa: F811
    """The newest answer once more, to a record that is its own question's repetition and so has no answer."""
    newest = await read_record(house.bus, "EXEC0", await last_seq(house.bus, "EXEC0"))
    assert newest is not None
    record = decode_exec(newest.payload)
    house.gateway.records -= 1
    input_seq = await house.gateway.write([house.gateway.order("1", 10, 100)])
    fields: dict[str, Any] = {name: getattr(record, name) for name in ("shard", "leader_epoch", "events", "increments")}
    answer = encode_exec(**fields, first_input_seq=record.last_input_seq + 1, last_input_seq=input_seq)
    await store(house.bus, exec_subject(0), answer)


async def test_a_whole_log_is_replayed_whole(traded: House, venue: Venue, tmp_path: Path) -> None:
    done = await replay(venue, tmp_path, 0)
    assert (done.records, done.differences, done.unchecked) == (await last_seq(traded.bus, "ORD0"), [], "")


async def test_of_a_trimmed_log_the_rest_is_replayed_and_the_past_is_named(
    traded: House, venue: Venue, tmp_path: Path
) -> None:
    await trim_behind_base(traded)
    done = await replay(venue, tmp_path, 0)
    assert (done.records, done.differences) == (await last_seq(traded.bus, "ORD0") - BASE, [])
    assert done.unchecked == (
        f"ORD0 up to sequence {BASE} and its answers were not replayed: the log was trimmed, and the state there is a "
        "snapshot's"
    )


@pytest.mark.parametrize("is_trimmed", [False, True])
async def test_an_answer_that_a_replay_does_not_give_is_a_difference(
    traded: House, venue: Venue, tmp_path: Path, is_trimmed: bool
) -> None:
    if is_trimmed:
        await trim_behind_base(traded)
    await answer_otherwise(traded)
    (difference, *_) = (await replay(venue, tmp_path, 0)).differences
    assert difference.startswith("shard 0: the log has ")


async def test_a_trimmed_log_without_a_snapshot_cannot_be_replayed(traded: House, venue: Venue, tmp_path: Path) -> None:
    await trim_behind_base(traded)
    for path in traded.snapshots.iterdir():
        path.unlink()
    with pytest.raises(LogBroken, match="and no snapshot on this machine goes on from there"):
        await replay(venue, tmp_path, 0)


async def test_a_record_that_cannot_be_read_is_told_with_its_place(traded: House, venue: Venue, tmp_path: Path) -> None:
    exec_seq = await store(traded.bus, exec_subject(0), b"garbage")
    with pytest.raises(LogBroken, match=f"^EXEC0 sequence {exec_seq}: a record of 7 bytes does not decode"):
        await replay(venue, tmp_path, 0)
