"""Logs are trimmed behind snapshots and readers, never before; and everybody goes on from what is left."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from bus.connection import Bus
from bus.places import MARKETDATA, Place, gateway_reader, tell
from bus.reader import LogTrimmed
from bus.records import decode_exec
from bus.streams import LogState, ensure_shard, last_seq, log_state, read_record
from configs.loader import FurtherGateway, GatewayConfig, MatcherConfig, NatsConfig, Venue, VenueConfig
from matcher.process import retention as retention_module
from matcher.process.logs import LogBroken
from matcher.process.metrics import MatcherMetrics
from matcher.process.replay_log import Replayed, replay_shard
from matcher.process.retention import Retention, own_place
from tests.jetstream import LOG_BYTES_MAX, read_messages
from tests.matcher.shard_house import TEST, House
from tests.processes import until

OFTEN = 5
GATEWAY = gateway_reader("gw1")
DAY_NS = 24 * 3600 * 10**9


def in_days(days: int) -> int:
    return time.time_ns() + days * DAY_NS


LATER = in_days(9)
"""With `keep_log_days = 7` all that was stored until now is old enough."""


def retention(
    house: House, *, replica: int = 1, keep_log_days: int = 7, registry: CollectorRegistry | None = None, **config: Any
) -> Retention:
    venue = Venue(VenueConfig(nats=NatsConfig(keep_log_days=keep_log_days), **config), {"TEST": TEST})
    snapshots = house.snapshots if replica == 1 else house.snapshots.with_name(f"snapshots-{replica}")
    metrics = MatcherMetrics(registry or CollectorRegistry())
    return Retention(house.bus, lambda: venue, 0, snapshots, metrics, replica=replica)


async def trade(house: House, inputs: int, **config: Any) -> str:
    """Have so many inputs more answered, and a snapshot each few of them; returns the state hash at the end."""
    async with house.matching(snapshot_every_inputs=OFTEN, **config) as service:
        for _ in range(inputs):
            input_seq = await house.gateway.buy(90 + house.gateway.orders % 20)
            await house.answered(input_seq)
            if input_seq % OFTEN == 0:
                await until((house.snapshots / f"{input_seq:020d}.snapshot").exists)
        return service.engine.state_hash()


def inputs_of(snapshots: Path) -> list[int]:
    return sorted(int(path.stem) for path in snapshots.glob("*.snapshot"))


async def readers_are_at(house: House, exec_seq: int, *readers: str) -> None:
    for reader in readers or (GATEWAY, MARKETDATA):
        await tell(house.bus, "EXEC0", reader, Place(exec_seq))


async def logs(house: House) -> tuple[LogState, LogState]:
    return await log_state(house.bus, "ORD0"), await log_state(house.bus, "EXEC0")


async def begins(house: House) -> tuple[int, int]:
    return tuple(state.first_seq for state in await logs(house))  # type: ignore[return-value]


async def first_input_answered(house: House) -> int:
    """By the oldest record of EXEC."""
    record = await read_record(house.bus, "EXEC0", (await begins(house))[1])
    assert record is not None
    return decode_exec(record.payload).first_input_seq


@pytest.fixture
async def traded(house: House) -> House:
    """A shard with four snapshots, of which three are kept, and readers that have read all."""
    await house.gateway.start()
    await trade(house, 21)
    await until(lambda: len(inputs_of(house.snapshots)) == 3)
    await readers_are_at(house, await last_seq(house.bus, "EXEC0"))
    return house


async def test_logs_are_trimmed_behind_the_second_newest_snapshot(traded: House) -> None:
    _, second, _ = inputs_of(traded.snapshots)
    registry = CollectorRegistry()
    with capture_logs() as told:
        await retention(traded, registry=registry).look(LATER)
    assert (await begins(traded))[0] == second + 1
    assert await first_input_answered(traded) == second + 1
    assert [line["stream"] for line in told if line["event"] == "log_trimmed"] == ["ORD0", "EXEC0"]
    assert registry.get_sample_value("matcher_log_trims_total") == 2
    assert registry.get_sample_value("matcher_log_first_seq", {"log": "ORD0"}) == second + 1
    assert registry.get_sample_value("matcher_log_bytes", {"log": "ORD0"}) == (await logs(traded))[0].bytes


async def test_another_look_changes_nothing(traded: House) -> None:
    await retention(traded).look(LATER)
    before = await begins(traded)
    with capture_logs() as told:
        await retention(traded).look(LATER)
    assert told == []
    assert await begins(traded) == before


async def test_trimming_in_steps_comes_to_the_same(traded: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "STEP_RECORDS", 2)
    purged: list[int] = []

    async def trim(bus: Bus, stream: str, first_seq: int) -> None:
        purged.append(first_seq)
        await bus.request_json(f"$JS.API.STREAM.PURGE.{stream}", {"seq": first_seq})

    monkeypatch.setattr(retention_module, "trim", trim)
    _, second, _ = inputs_of(traded.snapshots)
    await retention(traded).look(LATER)
    assert purged[: purged.index(second + 1) + 1] == [*range(3, second + 1, 2), second + 1]
    assert (await begins(traded))[0] == second + 1


@pytest.mark.parametrize(("keep_log_days", "days"), [(7, 6), (1, 0), (30, 29), (0, 10_000)])
async def test_what_is_not_old_enough_stays(traded: House, keep_log_days: int, days: int) -> None:
    await retention(traded, keep_log_days=keep_log_days).look(in_days(days))
    assert await begins(traded) == (1, 1)


async def test_the_base_is_the_newest_snapshot_that_is_old_enough(traded: House) -> None:
    first, second, third = inputs_of(traded.snapshots)
    stored_ns = {}
    for seq in (first, second, third):
        record = await read_record(traded.bus, "ORD0", seq)
        assert record is not None
        stored_ns[seq] = record.stored_ns
    base = retention(traded)._base
    assert await base(stored_ns[first]) == 0
    assert await base(stored_ns[second]) == first
    assert await base(stored_ns[third]) == second
    assert await base(LATER) == second  # the newest has none after it


async def test_the_days_to_keep_end_as_the_configuration_says_now(house: House) -> None:
    venues = [Venue(VenueConfig(trading_day_end=end), {"TEST": TEST}) for end in ("10:00", "12:00")]
    trimming = Retention(house.bus, lambda: venues[0], 0, house.snapshots, MatcherMetrics(CollectorRegistry()))
    before = trimming._oldest_kept_ns(LATER // DAY_NS * DAY_NS)
    del venues[0]  # a reload
    assert trimming._oldest_kept_ns(LATER // DAY_NS * DAY_NS) == before + DAY_NS // 12


# What keeps a log


@pytest.mark.parametrize("absent", [GATEWAY, MARKETDATA])
async def test_a_reader_that_never_told_its_place_keeps_exec_and_is_named_once(house: House, absent: str) -> None:
    await house.gateway.start()
    await trade(house, 21)
    await readers_are_at(house, 30, *{GATEWAY, MARKETDATA} - {absent})
    trimming = retention(house)
    with capture_logs() as told:
        await trimming.look(LATER)
        await trimming.look(LATER)
    ord_first, exec_first = await begins(house)
    assert ord_first > 1
    assert exec_first == 1
    assert [line["reason"] for line in told if line["event"] == "log_kept"] == [
        f"EXEC0 is not trimmed, because {absent} has never told how far it needs it no more; start it, or remove it "
        "from the configuration"
    ]


async def test_a_gateway_beside_the_first_is_waited_for_as_well(traded: House) -> None:
    further = GatewayConfig(further=(FurtherGateway("gw2", 9999),))
    await retention(traded, gateway=further).look(LATER)
    assert (await begins(traded))[1] == 1


async def test_exec_begins_behind_the_reader_that_has_come_least_far(traded: House) -> None:
    await tell(traded.bus, "EXEC0", GATEWAY, Place(4, "FIX.4.4:A1"))
    trimming = retention(traded)
    with capture_logs() as told:
        await trimming.look(LATER)
        await tell(traded.bus, "EXEC0", GATEWAY, Place(6, "FIX.4.4:A1"))
        await trimming.look(LATER)
    assert (await begins(traded))[1] == 7
    assert [line["reason"] for line in told if line["event"] == "log_kept"] == [
        "EXEC0 is kept from sequence 5 on, because gateway-gw1, for FIX.4.4:A1, needs it"
    ]


async def test_one_snapshot_alone_is_not_trusted(house: House) -> None:
    await house.gateway.start()
    await trade(house, OFTEN)
    assert len(inputs_of(house.snapshots)) == 1
    await readers_are_at(house, 1000)
    await retention(house).look(LATER)
    assert await begins(house) == (1, 1)


async def test_a_damaged_snapshot_does_not_count(traded: House) -> None:
    first, *damaged = sorted(traded.snapshots.glob("*.snapshot"))
    damaged[-1].write_bytes(damaged[-1].read_bytes()[:-20])
    await retention(traded).look(LATER)
    assert (await begins(traded))[0] == int(first.stem) + 1
    assert own_place(traded.snapshots).seq == int(damaged[0].stem)


async def test_without_two_whole_snapshots_nothing_is_trimmed(traded: House) -> None:
    _, *damaged = sorted(traded.snapshots.glob("*.snapshot"))
    for path in damaged:
        path.write_bytes(b"not a snapshot")
    with capture_logs() as told:
        await retention(traded).look(LATER)
    assert await begins(traded) == (1, 1)
    assert [line["reason"].partition(" cannot")[0] for line in told] == [str(path) for path in reversed(damaged)]


async def test_a_standby_keeps_what_its_own_snapshots_do_not_cover(traded: House) -> None:
    first, second, _ = inputs_of(traded.snapshots)
    trimming = retention(traded, matcher=MatcherConfig(standbys=1))
    await trimming.look(LATER)
    assert await begins(traded) == (1, 1)  # it has told nothing
    for place, begin in ((first - 1, 1), (second - 1, first + 1), (second + 100, second + 1)):
        await tell(traded.bus, "ORD0", "matcher-0-2", Place(place))
        await trimming.look(LATER)
        assert (await begins(traded))[0] == begin


async def test_a_log_that_was_made_when_purges_were_denied_keeps_everything_and_says_so_once(
    traded: House,
) -> None:
    info = await traded.bus.request_json("$JS.API.STREAM.INFO.ORD0")
    await traded.bus.request_json("$JS.API.STREAM.UPDATE.ORD0", info["config"] | {"deny_purge": True})
    trimming = retention(traded)
    with capture_logs() as told:
        await trimming.look(LATER)
        await trimming.look(LATER)
    assert await begins(traded) == (1, 1)
    assert [line["reason"].partition(",")[0] for line in told] == [
        "ORD0 was made by a build that denied purges for ever"
    ]


# Who goes on


async def test_a_matcher_that_starts_after_a_trim_has_the_same_state(house: House) -> None:
    await house.gateway.start()
    state_hash = await trade(house, 23)
    await readers_are_at(house, 1000)
    await retention(house).look(LATER)
    assert (await begins(house))[0] > 1
    async with house.matching() as service:
        assert service.engine.state_hash() == state_hash


async def test_the_newest_snapshot_may_be_damaged_after_a_trim(house: House) -> None:
    await house.gateway.start()
    state_hash = await trade(house, 23)
    await readers_are_at(house, 1000)
    await retention(house).look(LATER)
    newest = max(house.snapshots.glob("*.snapshot"))
    newest.write_bytes(newest.read_bytes()[:-20])
    async with house.matching() as service:
        assert service.engine.state_hash() == state_hash


async def test_without_a_snapshot_that_goes_so_far_a_matcher_says_what_it_needs(traded: House) -> None:
    await retention(traded).look(LATER)
    begin, _ = await begins(traded)
    for path in traded.snapshots.glob("*.snapshot"):
        path.write_bytes(b"not a snapshot")
    with pytest.raises(
        LogBroken,
        match=f"^ORD0 was trimmed and begins at sequence {begin}, but {traded.snapshots} has no snapshot of input "
        f"{begin - 1} or later that can be used; copy the snapshots of another replica",
    ):
        await traded.matcher().start()


async def test_a_standby_without_snapshots_says_so_and_with_those_of_the_leader_it_stands_by(traded: House) -> None:
    await retention(traded).look(LATER)
    async with traded.matching() as leader:
        with pytest.raises(LogBroken, match="snapshots-2 has no snapshot of input"):
            await traded.matcher(replica=2).start()
        copies = traded.snapshots.with_name("snapshots-2")
        copies.mkdir(exist_ok=True)
        for path in traded.snapshots.glob("*.snapshot"):
            (copies / path.name).write_bytes(path.read_bytes())
        standby = traded.matcher(replica=2)
        await standby.start()
        assert not standby.is_leading
        assert standby.engine.state_hash() == leader.engine.state_hash()
        await standby.close()


async def test_a_leader_that_was_paused_may_trim_when_it_wakes_up(house: House) -> None:
    """Its snapshots are older, so its base is behind that of the leader of today, whoever of them is first."""
    await house.gateway.start()
    await trade(house, 12)
    paused = house.snapshots.with_name("snapshots-2")
    paused.mkdir()
    for path in house.snapshots.glob("*.snapshot"):
        (paused / path.name).write_bytes(path.read_bytes())
    state_hash = await trade(house, 18)
    await readers_are_at(house, 1000)
    await tell(house.bus, "ORD0", "matcher-0", own_place(house.snapshots))
    await tell(house.bus, "ORD0", "matcher-0-2", own_place(paused))
    standbys = MatcherConfig(standbys=1)
    old, new = retention(house, replica=2, matcher=standbys), retention(house, matcher=standbys)
    await old.look(LATER)
    begin, _ = await begins(house)
    assert begin == own_place(paused).seq + 1
    await tell(house.bus, "ORD0", "matcher-0-2", own_place(house.snapshots))  # another one stands by in its place
    await new.look(LATER)
    assert (await begins(house))[0] == own_place(house.snapshots).seq + 1 > begin
    after = await logs(house)
    await old.look(LATER)
    assert await logs(house) == after
    async with house.matching() as service:
        assert service.engine.state_hash() == state_hash


async def test_a_leading_matcher_looks_by_itself_and_tells_its_own_place(
    traded: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "FIRST_LOOK_S", 0)
    monkeypatch.setattr(retention_module, "time", SimpleNamespace(time_ns=lambda: LATER))
    _, second, _ = inputs_of(traded.snapshots)
    async with traded.matching():
        async with asyncio.timeout(20):
            while (await begins(traded))[0] == 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await begins(traded))[0] == second + 1
        place = await retention_module.told(traded.bus, "ORD0", "matcher-0")
    assert place == Place(second)


async def test_a_look_that_finds_no_jetstream_is_told_and_comes_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "FIRST_LOOK_S", 0)
    monkeypatch.setattr(retention_module, "LOOK_INTERVAL_S", 0.001)
    looks = iter(["stream not found", None, None])
    done = asyncio.Event()

    async def look(_now_ns: int) -> None:
        failure = next(looks, "end")
        if failure == "end":
            done.set()
        elif failure is not None:
            raise LogBroken(failure)

    trimming = retention(house)
    trimming.look = look  # type: ignore[method-assign]
    with capture_logs() as told:
        keeping = asyncio.create_task(trimming.keep())
        await asyncio.wait_for(done.wait(), 20)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert [(line["event"], line["why"]) for line in told] == [("retention_waits", "stream not found")]


# The replay


async def replay(house: House) -> Replayed:
    paths = list(house.snapshots.glob("*.snapshot"))
    return await replay_shard(house.bus, 0, MatcherConfig(snapshot_every_inputs=OFTEN), paths)


async def test_a_trimmed_log_is_replayed_from_the_oldest_snapshot_and_gives_the_same_state(traded: House) -> None:
    whole = await replay(traded)
    _, second, _ = inputs_of(traded.snapshots)
    await retention(traded).look(LATER)
    done = await replay(traded)
    assert (done.begins_at, done.inputs, done.state_hash) == (second, whole.inputs - second, whole.state_hash)
    assert done.snapshots == 1
    assert f"since the snapshot of input {second}, answered by" in done.line()


async def test_a_replay_passes_over_a_snapshot_that_is_damaged(traded: House) -> None:
    whole = await replay(traded)
    _, second, third = sorted(traded.snapshots.glob("*.snapshot"))
    await retention(traded).look(LATER)
    second.write_bytes(b"not a snapshot")
    done = await replay(traded)
    assert (done.begins_at, done.state_hash) == (int(third.stem), whole.state_hash)


async def test_a_replay_without_any_snapshot_that_goes_on_says_so(traded: House) -> None:
    await retention(traded).look(LATER)
    begin = await begins(traded)
    for path in traded.snapshots.glob("*.snapshot"):
        path.unlink()
    with pytest.raises(
        LogBroken, match=f"^ORD0 was trimmed and begins at sequence {begin[0]}, EXEC0 at {begin[1]}, and no snapshot"
    ):
        await replay(traded)


async def test_whoever_reads_what_was_trimmed_is_told_so(traded: House) -> None:
    await retention(traded).look(LATER)
    begin, _ = await begins(traded)
    with pytest.raises(LogTrimmed, match=f"^ORD0 was trimmed and begins at sequence {begin}, but is to be read from 2"):
        await read_messages(traded.bus, "ORD0", 1, start_seq=2)


async def test_an_empty_shard_is_left_alone(bus: Bus, tmp_path: Path) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    with capture_logs() as told:
        await retention(House(bus, tmp_path)).look(LATER)
    assert told == []
    assert await last_seq(bus, "EXEC0") == 0
