"""A matcher that stands by: it follows the leader, notices a difference, and takes over when the leader is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus import background
from bus.connection import Bus, NobodyThere
from bus.publisher import Fenced
from bus.records import StateMark, encode_exec
from bus.streams import last_seq
from bus.subjects import exec_subject, handover_subject, ord_subject
from matcher.engine.engine import Engine
from matcher.events import GatewayAdmitted, OrderAccepted
from matcher.process import leader as leader_module
from matcher.process.leadership import Question, Silence, ask, decode_handed_over
from matcher.process.logs import LogBroken
from matcher.process.replay import Diverged, Replay
from matcher.process.service import MatcherService
from tests.jetstream import store
from tests.matcher.shard_house import House, is_taking_a_snapshot
from tests.processes import until

QUICK: dict[str, Any] = {"heartbeat_ms": 10, "takeover_after_ms": 100}


@asynccontextmanager
async def running(service: MatcherService) -> AsyncIterator[asyncio.Task[None]]:
    """A matcher from start to stop, however it ends."""
    await service.start()
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


async def until_level(standby: MatcherService, input_seq: int) -> None:
    await until(lambda: standby.engine.last_input_seq >= input_seq)


async def kill(service: MatcherService, task: "asyncio.Task[None]") -> None:
    """As the death of its process: it answers nobody, reads nothing and writes nothing any more."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert service._leader is not None
    assert service._leading is not None
    await service._leading.stop()
    service._leader._publisher._attempt += 1


async def test_a_second_matcher_stands_by_and_has_the_leaders_state(house: House) -> None:
    leader, standby = house.matcher(**QUICK), house.matcher(replica=2, **QUICK)
    async with running(leader), running(standby):
        assert (leader.is_leading, standby.is_leading) == (True, False)
        await house.gateway.start()
        for price_ticks in range(90, 120):
            input_seq = await house.gateway.buy(price_ticks)
        await house.answered(input_seq)
        await until_level(standby, leader.engine.last_input_seq)
        assert standby.engine.state_hash() == leader.engine.state_hash()


async def test_a_standby_is_never_ahead_of_what_is_answered(house: House) -> None:
    leader, standby = house.matcher(**QUICK), house.matcher(replica=2, heartbeat_ms=10_000, takeover_after_ms=60_000)
    async with running(leader) as leading, running(standby):
        await house.answered(await house.gateway.start())
        level = leader.engine.last_input_seq
        await until_level(standby, level)
        await kill(leader, leading)
        await house.gateway.buy()
        assert standby.engine.last_input_seq == level


async def test_a_standby_takes_over_when_its_leader_is_gone_and_answers_what_waited(house: House) -> None:
    leader, standby = house.matcher(**QUICK), house.matcher(replica=2, **QUICK)
    async with running(leader) as leading, running(standby):
        await house.answered(await house.gateway.start())
        await kill(leader, leading)
        records = await house.answered(await house.gateway.buy())
        assert standby.is_leading
    assert [type(event) for event in house.answers(records)] == [GatewayAdmitted, OrderAccepted]
    assert [record.leader_epoch for record in records] == sorted(record.leader_epoch for record in records)


async def test_of_two_standbys_one_takes_over_and_the_other_follows_it(house: House) -> None:
    matchers = [house.matcher(replica=replica, **QUICK) for replica in (1, 2, 3)]
    async with running(matchers[0]) as leading, running(matchers[1]), running(matchers[2]):
        await house.answered(await house.gateway.start())
        await kill(matchers[0], leading)
        input_seq = await house.gateway.buy()
        await house.answered(input_seq)
        assert [each.is_leading for each in matchers[1:]].count(True) == 1
        for each in matchers[1:]:
            await until_level(each, input_seq)
        assert matchers[1].engine.state_hash() == matchers[2].engine.state_hash()


async def test_a_silent_leader_is_given_some_time_and_then_fenced(house: House) -> None:
    """It is paused with an answer in hand; what it writes when it goes on is refused by the stream."""
    leader, standby = house.matcher(**QUICK), house.matcher(replica=2, **QUICK)
    async with running(leader) as leading, running(standby):
        await house.answered(await house.gateway.start())
        assert leader._leading is not None
        leader._leading._on_question = lambda *_: None  # type: ignore[method-assign]
        await leader._leading.stop()
        await leader._leading.start()  # it listens, and is silent
        await until(lambda: standby.is_leading)
        records = await house.answered(await house.gateway.buy())
        with pytest.raises(Fenced):
            await leading
    assert len(house.answers(records)) == 2


# Told to stop while it begins to lead


@pytest.fixture
async def full_log(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """ORD takes no record, so whoever begins to lead waits for its announcements; here it would do so for ever."""
    monkeypatch.setattr(leader_module, "ANNOUNCEMENT_PATIENCE_S", 10**6)
    return house


async def fill(house: House) -> None:
    info = await house.bus.request_json("$JS.API.STREAM.INFO.ORD0")
    bound = {"max_msgs": info["state"]["messages"]}
    await house.bus.request_json("$JS.API.STREAM.UPDATE.ORD0", info["config"] | bound)


async def make_room(house: House) -> None:
    info = await house.bus.request_json("$JS.API.STREAM.INFO.ORD0")
    await house.bus.request_json("$JS.API.STREAM.UPDATE.ORD0", info["config"] | {"max_msgs": -1})


async def until_epoch(house: House, leader_epoch: int) -> None:
    async with asyncio.timeout(30):
        while (await house.exec_records())[-1].leader_epoch < leader_epoch:
            pass


async def nobody_leads(house: House) -> bool:
    return await ask(house.bus, 0, Question(9, -1), timeout_s=10) is Silence.NOBODY


async def test_a_standby_that_is_told_to_stop_in_the_middle_of_a_takeover_ends_at_once(full_log: House) -> None:
    """Its epoch is written already; whoever is next takes another one, and answers what waited."""
    house = full_log
    leader, standby, stop = house.matcher(**QUICK), house.matcher(replica=2, **QUICK), asyncio.Event()
    async with running(leader) as leading:
        await standby.start()
        standing_by = asyncio.create_task(standby.run(stop))
        await house.answered(await house.gateway.start())
        await fill(house)
        await kill(leader, leading)
        await until_epoch(house, 2)
        stop.set()
        async with asyncio.timeout(30):
            await standing_by
    assert not standby.is_leading
    assert await nobody_leads(house)
    await make_room(house)
    async with house.matching(**QUICK):
        records = await house.answered(await house.gateway.buy())
    assert records[-1].leader_epoch == 3
    assert [type(event) for event in house.answers(records)] == [GatewayAdmitted, OrderAccepted]


async def test_a_matcher_that_is_told_to_stop_before_it_leads_ends_at_once(full_log: House) -> None:
    house, stop = full_log, asyncio.Event()
    await fill(house)
    starting = asyncio.create_task(background.unless_set(stop, house.matcher(**QUICK).start()))
    async with asyncio.timeout(30):
        while await nobody_leads(house):
            pass
        stop.set()
        assert not await starting
    assert await nobody_leads(house)


async def ask_to_hand_over(bus: Bus) -> Any:
    return decode_handed_over(await bus.request(handover_subject(0), b"", 10.0))


async def test_a_leader_hands_over_and_then_stands_by_itself(house: House) -> None:
    leader, standby = house.matcher(**QUICK), house.matcher(replica=2, **QUICK)
    async with running(leader), running(standby):
        await house.answered(await house.gateway.start())
        await until(lambda: leader._leading is not None and leader._leading.best_standby == 2)
        done = await ask_to_hand_over(house.bus)
        assert (done.error, done.replica, done.leader_epoch) == ("", 2, 2)
        assert (leader.is_leading, standby.is_leading) == (False, True)
        input_seq = await house.gateway.buy()
        records = await house.answered(input_seq)
        await until_level(leader, input_seq)
        assert leader.engine.state_hash() == standby.engine.state_hash()
        await until(lambda: standby._leading is not None and standby._leading.best_standby == 1)
        assert (await ask_to_hand_over(house.bus)).replica == 1  # and back
        records = await house.answered(await house.gateway.buy())
    assert [type(event) for event in house.answers(records)] == [GatewayAdmitted, OrderAccepted, OrderAccepted]


async def test_without_a_standby_nothing_is_handed_over(house: House) -> None:
    async with house.matching(**QUICK) as leader:
        assert "shard 0 has no standby; set matcher.standbys" in (await ask_to_hand_over(house.bus)).error
        await house.answered(await house.gateway.start())
        assert leader.is_leading
    with pytest.raises(NobodyThere):
        await ask_to_hand_over(house.bus)


# What a standby does not believe


async def next_exec(house: House, **changes: Any) -> int:
    """Write to EXEC what no leader would."""
    [*_, last] = await house.exec_records()
    record: dict[str, Any] = {
        "shard": 0,
        "leader_epoch": last.leader_epoch,
        "first_input_seq": last.last_input_seq + 1,
        "last_input_seq": last.last_input_seq,
        "events": [],
        "increments": [],
    }
    return await store(house.bus, exec_subject(0), encode_exec(**(record | changes)))


@asynccontextmanager
async def following(house: House) -> AsyncIterator["asyncio.Task[None]"]:
    """A standby whose leader is gone, and that is patient about it."""
    patient: dict[str, Any] = {"heartbeat_ms": 10_000, "takeover_after_ms": 60_000}
    leader, standby = house.matcher(**patient), house.matcher(replica=2, **patient)
    async with running(leader) as leading, running(standby) as task:
        await house.answered(await house.gateway.start())
        await until_level(standby, leader.engine.last_input_seq)
        await kill(leader, leading)
        yield task


async def test_an_answer_that_is_not_ours_stops_the_standby(house: House) -> None:
    async with following(house) as task:
        input_seq = await house.gateway.buy()
        exec_seq = await next_exec(house, last_input_seq=input_seq)
        with pytest.raises(Diverged, match=rf"^EXEC0 sequence {exec_seq} answers inputs \d+ to {input_seq} otherwise"):
            await task


async def test_answers_with_a_hole_stop_the_standby(house: House) -> None:
    async with following(house) as task:
        exec_seq = await next_exec(house, first_input_seq=50, last_input_seq=60)
        with pytest.raises(LogBroken, match=rf"^EXEC0 sequence {exec_seq}: epoch 1 answers from input 50 on, but"):
            await task


async def test_an_older_leaders_record_stops_the_standby(house: House) -> None:
    async with following(house) as task:
        exec_seq = await next_exec(house, leader_epoch=0)
        with pytest.raises(LogBroken, match=rf"^EXEC0 sequence {exec_seq}: epoch 0 answers .* but epoch 1"):
            await task


@pytest.mark.parametrize(
    ("payload", "fault"),
    [(b"garbage", "a record of 7 bytes does not decode"), (msgspec.msgpack.encode([9]), "record version 9")],
)
async def test_a_record_of_exec_that_cannot_be_read_stops_the_standby(house: House, payload: bytes, fault: str) -> None:
    async with following(house) as task:
        exec_seq = await store(house.bus, exec_subject(0), payload)
        with pytest.raises(LogBroken, match=f"^EXEC0 sequence {exec_seq}: {fault}"):
            await task


async def test_a_record_of_ord_that_cannot_be_read_stops_the_standby_once_it_is_answered(house: House) -> None:
    async with following(house) as task:
        input_seq = await store(house.bus, ord_subject(0, "TEST"), b"garbage")
        await next_exec(house, last_input_seq=input_seq)
        with pytest.raises(LogBroken, match=f"^ORD0 sequence {input_seq}: a record of 7 bytes does not decode"):
            await task


async def test_a_standby_that_was_given_a_wrong_answer_writes_nothing(house: House) -> None:
    async with following(house) as task:
        exec_seq = await next_exec(house, last_input_seq=await house.gateway.buy())
        await asyncio.gather(task, return_exceptions=True)
        assert await last_seq(house.bus, "EXEC0") == exec_seq


# Marks and snapshots


async def test_replicas_take_snapshots_at_the_same_inputs_and_compare_their_states(house: House) -> None:
    often = QUICK | {"snapshot_every_inputs": 5}
    leader, standby = house.matcher(**often), house.matcher(replica=2, **often)
    async with running(leader), running(standby):
        await house.gateway.start()
        for _ in range(4):
            for _ in range(5):
                await house.answered(await house.gateway.buy())
            await until(lambda: not any(is_taking_a_snapshot(each) for each in (leader, standby)))
        records = await house.answered(await house.gateway.buy())
        marks = {mark.input_seq: mark.state_hash for record in records for mark in record.marks}
        assert marks
        assert all(input_seq % 5 == 0 for input_seq in marks)
        ours, theirs = kept_snapshots(house.snapshots), kept_snapshots(house.snapshots.with_name("snapshots-2"))
        assert ours.keys() & theirs.keys()
        for input_seq in sorted(ours.keys() & theirs.keys() & marks.keys()):
            for content in (ours[input_seq], theirs[input_seq]):
                engine = Engine.restore(content, orders_max=100, finished_orders_max=100)
                assert engine.state_hash() == marks[input_seq]


def kept_snapshots(directory: Path) -> dict[int, bytes]:
    """By input; an older one may make room meanwhile."""
    found = {}
    for path in directory.glob("*.snapshot"):
        with suppress(FileNotFoundError):
            found[int(path.stem)] = path.read_bytes()
    return found


@pytest.mark.parametrize("leader_speaks_first", [True, False])
def test_a_state_that_is_not_the_leaders_is_noticed_whoever_speaks_first(leader_speaks_first: bool) -> None:
    replay = Replay(Engine(0, orders_max=10, finished_orders_max=10))
    theirs, ours = StateMark(5, "a" * 64), StateMark(5, "b" * 64)
    record = encode_exec(
        shard=0, leader_epoch=1, first_input_seq=1, last_input_seq=0, events=[], increments=[], marks=[theirs]
    )
    steps = [lambda: replay.begin(7, record), lambda: replay.note_own_mark(ours)]
    first, second = steps if leader_speaks_first else steps[::-1]
    first()
    with pytest.raises(
        Diverged, match=r"^EXEC0 .*says that the state at input 5 had hash aaaa.*, but here it had bbbb"
    ):
        second()


def test_the_same_state_is_no_difference() -> None:
    replay = Replay(Engine(0, orders_max=10, finished_orders_max=10))
    replay.note_own_mark(StateMark(5, "a" * 64))
    record = encode_exec(
        shard=0,
        leader_epoch=1,
        first_input_seq=1,
        last_input_seq=0,
        events=[],
        increments=[],
        marks=[StateMark(5, "a" * 64)],
    )
    replay.begin(7, record)
