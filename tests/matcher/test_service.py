"""The process around the engine, against a real server: answers, recovery, leadership, and logs that are broken."""

import asyncio
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from bus.connection import Bus, BusError
from bus.publisher import Fenced
from bus.reader import LogGap
from bus.records import encode_exec
from bus.streams import ensure_shard, last_seq
from bus.subjects import exec_subject, ord_subject
from matcher.events import GatewayAdmitted, OrderAccepted, OrderFilled
from matcher.operator_commands import EndTradingDay
from matcher.process import service as service_module
from matcher.process.leader import PART_BYTES
from matcher.process.logs import LogBroken
from matcher.process.service import MatcherService
from tests.jetstream import Server, store
from tests.matcher.shard_house import House, epochs, events_of, increments_of
from tests.processes import until


async def test_the_first_record_is_the_epoch_and_answers_nothing(house: House) -> None:
    async with house.matching():
        record, *_ = await house.exec_records()
    assert (record.shard, record.leader_epoch, record.first_input_seq, record.last_input_seq) == (0, 1, 1, 0)
    assert events_of([record]) == []
    assert increments_of([record]) == []


async def test_each_record_is_answered_by_its_events_and_increments(house: House) -> None:
    async with house.matching():
        await house.gateway.start()
        input_seq = await house.gateway.write([house.gateway.order("1", 10, 100), house.gateway.order("2", 4, 100)])
        records = await house.answered(input_seq)
    events = house.answers(records)
    assert [type(event) for event in events] == [
        *(GatewayAdmitted, OrderAccepted, OrderAccepted, OrderFilled, OrderFilled)
    ]
    assert [(event.input_seq, event.event_index) for event in events[1:]] == [(input_seq, place) for place in range(4)]
    day, *increments = increments_of(records)
    assert (day.md_seq, bool(day.ended_day)) == (1, True)  # the last one, which comes with the definition
    assert [(each.md_seq, each.input_seq) for each in increments] == [(2, input_seq), (3, input_seq)]


async def test_the_answers_cover_the_log_without_gap_or_overlap(house: House) -> None:
    async with house.matching():
        await house.gateway.start()
        for price_ticks in range(90, 110):
            input_seq = await house.gateway.buy(price_ticks)
        records = await house.answered(input_seq)
    ends = [record.last_input_seq for record in records]
    assert [record.first_input_seq for record in records] == [1, *(end + 1 for end in ends[:-1])]
    assert ends[-1] >= input_seq


async def test_a_batch_answers_no_more_records_than_configured(house: House) -> None:
    await house.gateway.start()
    for _ in range(6):
        input_seq = await house.gateway.buy()
    async with house.matching(batch_records_max=3):
        records = await house.answered(input_seq)
    assert max(record.last_input_seq - record.first_input_seq + 1 for record in records) <= 3


async def test_a_repeated_record_is_consumed_and_answered_with_nothing(house: House) -> None:
    async with house.matching():
        await house.gateway.start()
        await house.gateway.buy()
        house.gateway.records -= 1
        house.gateway.orders -= 1
        records = await house.answered(await house.gateway.buy())
    assert [type(event) for event in house.answers(records)] == [GatewayAdmitted, OrderAccepted]


async def test_a_matcher_that_starts_again_goes_on_where_the_last_answer_ends(house: House) -> None:
    async with house.matching() as first:
        await house.gateway.start()
        for price_ticks in (99, 100, 101):
            input_seq = await house.gateway.buy(price_ticks)
        await house.answered(input_seq)
    consumed_seq = (await house.exec_records())[-1].last_input_seq
    service = house.matcher()
    await service.start()
    await abandon(service)
    assert service.engine.state_hash() == first.engine.state_hash()
    async with house.matching():
        records = await house.answered(await house.gateway.buy())
    assert [event.order.order_id for event in events_of(records) if isinstance(event, OrderAccepted)] == [1, 2, 3, 4]
    assert sorted(epochs(records)) == epochs(records)
    second_epoch = records[epochs(records).index(2)]
    assert (second_epoch.first_input_seq, second_epoch.last_input_seq) == (consumed_seq + 1, consumed_seq)


async def test_what_was_written_while_no_matcher_ran_is_answered_by_the_next(house: House) -> None:
    async with house.matching():
        await house.answered(await house.gateway.start())
    input_seq = await house.gateway.buy()
    async with house.matching():
        records = await house.answered(input_seq)
    assert [type(event) for event in house.answers(records)] == [GatewayAdmitted, OrderAccepted]


async def snapshots_taken(house: House, count: int) -> str:
    """Orders enough for so many snapshots; returns the state hash at the end."""
    async with house.matching(snapshot_every_inputs=4) as service:
        await house.gateway.start()
        for number in range(1, 4 * count):
            await house.answered(await house.gateway.buy(100 + number))
            taken = (number + 1) // 4
            while len(list(house.snapshots.glob("*.snapshot"))) < taken:
                await asyncio.gather(asyncio.sleep(0.01))
        return service.engine.state_hash()


async def test_a_snapshot_shortens_the_replay_and_changes_nothing(house: House) -> None:
    state_hash = await snapshots_taken(house, 2)
    with capture_logs() as logs:
        async with house.matching() as service:
            assert service.engine.state_hash() == state_hash
    (loaded,) = (line for line in logs if line["event"] == "snapshot_loaded")
    assert loaded["path"] == str(max(house.snapshots.glob("*.snapshot")))
    assert [line for line in logs if line["event"] == "snapshot_ignored"] == []


TOLD = ("snapshot_ignored", "snapshot_loaded")


async def test_snapshots_that_are_torn_or_cannot_be_read_are_told_and_the_one_before_is_used(house: House) -> None:
    state_hash = await snapshots_taken(house, 3)
    good, torn, unreadable = sorted(house.snapshots.glob("*.snapshot"))
    torn.write_bytes(torn.read_bytes()[:-20])
    unreadable.unlink()
    unreadable.mkdir()  # not even root reads it
    with capture_logs() as logs:
        async with house.matching() as service:
            assert service.engine.state_hash() == state_hash
    told = [(line["event"], line["path"]) for line in logs if line["event"] in TOLD]
    assert told == [*(("snapshot_ignored", str(path)) for path in (unreadable, torn)), ("snapshot_loaded", str(good))]


async def test_without_any_good_snapshot_the_whole_log_is_replayed(house: House) -> None:
    state_hash = await snapshots_taken(house, 2)
    for path in house.snapshots.glob("*.snapshot"):
        path.write_bytes(b"not a snapshot")
    async with house.matching() as service:
        assert service.engine.state_hash() == state_hash


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (msgspec.msgpack.encode([3, "gw1", 1, 3, [], "more"]), "record version 3, but this build reads version 2"),
        (b"garbage", "a record of 7 bytes does not decode"),
        (msgspec.msgpack.encode([2, "gw1", 1, 3, [["?", 1]]]), "Invalid value '?'"),
    ],
)
async def test_a_record_that_cannot_be_read_stops_the_matcher_and_nothing_of_it_is_answered(
    house: House, payload: bytes, fault: str
) -> None:
    service = house.matcher()
    await service.start()
    running = asyncio.create_task(service.run(asyncio.Event()))
    await house.answered(await house.gateway.start())
    input_seq = await store(house.bus, ord_subject(0, "TEST"), payload)
    with pytest.raises(LogBroken, match=f"^ORD0 sequence {input_seq}: .*{re.escape(fault)}"):
        await running
    assert service.engine.last_input_seq < input_seq
    assert (await house.exec_records())[-1].last_input_seq < input_seq


async def test_a_record_that_was_answered_and_can_no_longer_be_read_stops_the_start(house: House) -> None:
    await store(house.bus, ord_subject(0, "TEST"), b"garbage")
    await store(house.bus, exec_subject(0), exec_record(last_input_seq=2))
    with pytest.raises(LogBroken, match=r"^ORD0 sequence 2: a record of 7 bytes does not decode"):
        await house.matcher().start()


def exec_record(*, shard: int = 0, leader_epoch: int = 1, last_input_seq: int = 0) -> bytes:
    return encode_exec(
        shard=shard,
        leader_epoch=leader_epoch,
        first_input_seq=1,
        last_input_seq=last_input_seq,
        events=[],
        increments=[],
    )


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (
            exec_record(last_input_seq=5),
            "EXEC0 answers ORD0 up to sequence 5, but that log ends at 1: orders were lost",
        ),
        (exec_record(shard=3), "EXEC0 sequence 1 is of shard 3, not 0"),
        (b"garbage", "EXEC0 sequence 1: a record of 7 bytes does not decode"),
        (msgspec.msgpack.encode([9]), "EXEC0 sequence 1: record version 9, but this build reads version 2"),
    ],
)
async def test_logs_that_do_not_fit_each_other_stop_the_start_and_stay_as_they_are(
    house: House, payload: bytes, fault: str
) -> None:
    await store(house.bus, exec_subject(0), payload)
    with pytest.raises(LogBroken, match=f"^{fault}"):
        await house.matcher().start()
    assert await last_seq(house.bus, "EXEC0") == 1


async def test_a_leader_that_nobody_hears_is_fenced_by_the_next(house: House) -> None:
    old = house.matcher()
    await old.start()
    running = asyncio.create_task(old.run(asyncio.Event()))
    await house.answered(await house.gateway.start())
    await fall_silent(old)
    async with house.matching() as new:
        assert new.is_leading
        input_seq = await house.gateway.buy()
        with pytest.raises(Fenced, match=r"EXEC0 was written by another matcher .* let one matcher run for each shard"):
            await running
        records = await house.answered(input_seq)
    assert epochs(records) == sorted(epochs(records))
    assert [type(event) for event in house.answers(records)] == [GatewayAdmitted, OrderAccepted]


async def abandon(service: MatcherService) -> None:
    """Start a matcher and leave it at that."""
    await fall_silent(service)
    await service._reader.stop()


async def fall_silent(service: MatcherService) -> None:
    """As if nobody could ask it any more whether it leads."""
    assert service._leader is not None
    assert service._leading is not None
    await service._leading.stop()


async def test_a_write_that_comes_between_does_not_keep_a_matcher_from_leading(house: House) -> None:
    """The last write of a leader that was killed may still be on its way when the next one reads the position."""
    service = house.matcher()
    await interfere(service, house, times=1)
    await service.start()
    records = await house.exec_records()
    assert epochs(records) == [1, 2]
    await abandon(service)


async def test_of_two_matchers_that_start_at_once_one_leads_and_the_other_stands_by(house: House) -> None:
    """Their first records have the same bytes; neither must take the other's for its own."""
    matchers = [house.matcher(), house.matcher()]
    await asyncio.gather(*(each.start() for each in matchers))
    assert sorted(each.is_leading for each in matchers) == [False, True]
    assert len(set(epochs(await house.exec_records()))) == len(epochs(await house.exec_records()))
    for each in matchers:
        if each.is_leading:
            await fall_silent(each)
        await each._reader.stop()


async def test_a_full_log_is_told_as_such(bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "EPOCH_ATTEMPTS_MAX", 2)
    await ensure_shard(bus, 0, max_bytes=1, replicas=1)
    with pytest.raises(BusError, match="EXEC0 takes no record: maximum bytes exceeded"):
        await House(bus, tmp_path).matcher().start()


async def test_a_matcher_that_another_one_always_precedes_gives_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "EPOCH_ATTEMPTS_MAX", 3)
    service = house.matcher()
    await interfere(service, house, times=3)
    with pytest.raises(Fenced, match="another matcher writes EXEC0 all the time; let one matcher run for each shard"):
        await service.start()


async def interfere(service: MatcherService, house: House, *, times: int) -> None:
    """Have somebody else write EXEC each time that the service has read where it ends."""
    read_position = service._read_position
    left = times

    async def read_and_be_overtaken() -> Any:
        nonlocal left
        position = await read_position()
        if left:
            left -= 1
            await store(house.bus, exec_subject(0), exec_record(leader_epoch=position.leader_epoch + 1))
        return position

    service._read_position = read_and_be_overtaken  # type: ignore[method-assign]


async def test_a_large_sweep_is_stored_whole_in_several_records(house: House) -> None:
    gateway = house.gateway
    async with house.matching():
        await gateway.start()
        for _ in range(8):
            input_seq = await gateway.write([gateway.order("2", 1, 100) for _ in range(500)])
        await house.answered(input_seq)
        input_seq = await gateway.write([gateway.order("1", 4000, 100)])
        records = [each for each in await house.answered(input_seq) if each.first_input_seq == input_seq]
    assert len(records) > 2
    assert max(len(record.events) for record in records) <= PART_BYTES + 5  # so that no reader is held up by one
    assert {record.first_input_seq for record in records} == {input_seq}
    assert [record.last_input_seq for record in records] == [*[input_seq - 1] * (len(records) - 1), input_seq]
    events = events_of(records)
    assert [event.event_index for event in events] == list(range(8001))
    assert sum(isinstance(event, OrderFilled) for event in events) == 8000
    assert [len(increment.trades) for increment in increments_of(records)] == [3500, 500]


async def test_whatever_waited_during_an_outage_is_answered_however_much_it_is(house: House) -> None:
    """Events and increments of one batch exceed the server's payload several times over."""
    gateway = house.gateway
    await gateway.start()
    for number in range(40):
        await gateway.write([gateway.order("1", 1, 1 + number * 500 + place) for place in range(500)])
    async with house.matching():
        records = await house.answered(gateway.input_seqs[-1])
    assert max(len(record.events) + len(record.increments) for record in records) <= house.bus.payload_bytes_max // 2
    asked = [each for each in increments_of(records) if each.input_seq in gateway.input_seqs]  # no end of a day
    assert [increment.md_seq for increment in asked] == list(range(1, 20_001))
    assert len(house.answers(records)) == 20_001


async def test_a_killed_server_is_waited_for(house: House, server: Server) -> None:
    async with house.matching():
        await house.answered(await house.gateway.start())
        server.kill()
        await until(lambda: not house.bus.is_connected)
        server.start()
        await until(lambda: house.bus.is_connected)
        records = await house.answered(await house.gateway.buy())
    assert [type(event) for event in house.answers(records)] == [GatewayAdmitted, OrderAccepted]


async def test_the_end_of_the_day_is_answered_like_any_other_command(house: House) -> None:
    async with house.matching():
        await house.gateway.start()
        await house.gateway.buy()
        records = await house.answered(await house.gateway.write([EndTradingDay("TEST", 5, "99990105")]))
    assert type(house.answers(records)[-1]).__name__ == "OrderExpired"


async def test_a_record_that_the_log_has_lost_stops_the_matcher_and_nothing_behind_it_is_answered(
    bus: Bus, tmp_path: Path
) -> None:
    for stream, subjects in (("ORD0", "ord.0.>"), ("EXEC0", "exec.0")):
        await bus.request_json(
            f"$JS.API.STREAM.CREATE.{stream}", {"name": stream, "subjects": [subjects], "allow_atomic": True}
        )
    house = House(bus, tmp_path)
    lost = [await house.gateway.start(), await house.gateway.buy()][1]
    await house.gateway.buy()
    await bus.request_json("$JS.API.STREAM.MSG.DELETE.ORD0", {"seq": lost})
    service = house.matcher()
    await service.start()
    with pytest.raises(LogGap, match=f"^ORD0 has lost its records {lost} to {lost}; restore the store"):
        await asyncio.wait_for(service.run(asyncio.Event()), 20)
    assert (await house.exec_records())[-1].last_input_seq < lost
