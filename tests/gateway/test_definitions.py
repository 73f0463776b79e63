"""What a starting gateway learns of instruments: all that the matchers have, whatever is still to be read of EXEC."""

import asyncio

import pytest
from structlog.testing import capture_logs

from bus.connection import Bus
from bus.records import encode_exec
from bus.streams import ensure_shard
from bus.subjects import exec_subject
from gateway import definitions
from gateway.exec_log import ExecutionsBroken
from matcher.events import Event, GatewayAdmitted, InstrumentDefined
from matcher.instruments import Increment, Instrument, TradingRules
from tests.jetstream import LOG_BYTES_MAX, store
from tests.processes import until

SHARDS = 2
BOOT = 7


def instrument(symbol: str, shard: int = 0, price_band_bps: int = 0) -> Instrument:
    rules = TradingRules(price_band_bps=price_band_bps)
    return Instrument(symbol, Increment(1, 2), Increment(1, 0), 100, "USD", shard, "", rules)


def defined(*instruments: Instrument) -> list[Event]:
    return [InstrumentDefined(1, place, 1, "", each) for place, each in enumerate(instruments)]


def admitted(gateway_id: str = "gw1", boot: int = BOOT) -> Event:
    return GatewayAdmitted(1, 9, 1, "", gateway_id, boot, [])


async def write(bus: Bus, shard: int, *events: Event) -> None:
    record = encode_exec(
        shard=shard, leader_epoch=1, first_input_seq=1, last_input_seq=1, events=list(events), increments=[]
    )
    await store(bus, exec_subject(shard), record)


async def learn(bus: Bus, after: list[int]) -> list[Instrument]:
    async with asyncio.timeout(20):
        return await definitions.learn(bus, after, gateway_id="gw1", boot=BOOT)


@pytest.fixture
async def logs(bus: Bus) -> Bus:
    for shard in range(SHARDS):
        await ensure_shard(bus, shard, max_bytes=LOG_BYTES_MAX, replicas=1)
    return bus


async def test_a_gateway_is_told_of_every_instrument_of_every_shard_before_it_is_admitted(logs: Bus) -> None:
    await write(logs, 0, *defined(instrument("OLD", price_band_bps=1)), admitted(boot=BOOT - 1))
    after = await definitions.ends(logs, SHARDS)
    assert after == [1, 0]
    await write(logs, 0, *defined(instrument("A"), instrument("OLD", price_band_bps=2)))
    await write(logs, 0, admitted())
    await write(logs, 1, *defined(instrument("B", 1)), admitted())
    assert await learn(logs, after) == [instrument("A"), instrument("OLD", price_band_bps=2), instrument("B", 1)]


async def test_of_two_definitions_the_later_one_counts_and_none_that_comes_after_the_admission(logs: Bus) -> None:
    await write(logs, 0, *defined(instrument("A", price_band_bps=1)))
    await write(logs, 0, *defined(instrument("A", price_band_bps=2)), admitted("gw2"), admitted(boot=BOOT - 1))
    await write(logs, 0, admitted(), *defined(instrument("B")))
    await write(logs, 1, admitted())
    assert await learn(logs, [0, 0]) == [instrument("A", price_band_bps=2)]


async def test_a_matcher_that_is_not_there_is_waited_for_and_named(logs: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "ADMISSION_PATIENCE_S", 0.05)
    await write(logs, 0, admitted())
    with capture_logs() as told:
        learning = asyncio.create_task(learn(logs, [0, 0]))
        await until(lambda: [1] in [line["shards"] for line in told if line["event"] == "gateway_awaits_matchers"])
        await write(logs, 1, *defined(instrument("B", 1)), admitted())
        assert await learning == [instrument("B", 1)]


async def test_a_record_that_cannot_be_read_ends_the_start(logs: Bus) -> None:
    await store(logs, exec_subject(1), b"garbage")
    with pytest.raises(ExecutionsBroken, match="EXEC1 sequence 1: a record of 7 bytes does not decode"):
        await learn(logs, [0, 0])
