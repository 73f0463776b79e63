"""The units of a log's symbols stand in its metadata, and others are refused before anything is written."""

import pytest

from bus.connection import Bus, BusError
from bus.streams import ForeignStream, add_units, check_units, ensure_shard, read_units

BYTES_MAX = 64 * 1024 * 1024
UNITS = {"AAPL": "tick 0.01, lot 1", "BRK.B": "tick 0.01, lot 1"}


async def ensure(bus: Bus, units: dict[str, str]) -> None:
    await ensure_shard(bus, 0, max_bytes=BYTES_MAX, replicas=1, units=units)


async def test_the_same_units_are_taken_again(bus: Bus) -> None:
    await ensure(bus, UNITS)
    await ensure(bus, UNITS)


async def test_symbols_may_be_added_and_then_belong_to_it(bus: Bus) -> None:
    await ensure(bus, UNITS)
    await ensure(bus, UNITS | {"SAP": "tick 0.02, lot 1"})
    assert await read_units(bus, 0) == UNITS | {"SAP": "tick 0.02, lot 1"}
    with pytest.raises(
        ForeignStream, match=r"ORD0 was written with SAP at tick 0\.02, lot 1, but now it has tick 0.01"
    ):
        await ensure(bus, UNITS | {"SAP": "tick 0.01, lot 1"})


async def test_a_symbol_that_is_no_longer_configured_goes_on_in_its_log(bus: Bus) -> None:
    await ensure(bus, UNITS)
    await ensure(bus, {"AAPL": UNITS["AAPL"]})
    assert await read_units(bus, 0) == UNITS


async def test_a_symbol_that_is_configured_on_another_shard_now_is_refused_and_may_return(bus: Bus) -> None:
    moved = [{"AAPL": UNITS["AAPL"]}, {"SAP": "tick 0.02, lot 1"}]
    await ensure(bus, moved[0])
    await ensure_shard(bus, 1, max_bytes=BYTES_MAX, replicas=1, units=moved[1])
    with pytest.raises(
        ForeignStream,
        match=r"ORD0 was written with AAPL at tick 0\.01, lot 1, but now it is on shard 1; give it back its shard with "
        r"shard = 0 in the line of AAPL in the instruments file, or begin with an empty data directory",
    ):
        await check_units(bus, [{}, moved[0] | moved[1]])
    assert [await read_units(bus, shard) for shard in range(2)] == moved
    await check_units(bus, moved)


@pytest.mark.parametrize("shards", [1, 3])
async def test_another_number_of_shards_that_moves_symbols_is_refused_by_its_name(bus: Bus, shards: int) -> None:
    for shard, symbol in enumerate(UNITS):
        await ensure_shard(bus, shard, max_bytes=BYTES_MAX, replicas=1, units={symbol: UNITS[symbol]})
    fault = f"; shards = {shards}, and the logs are those of 2: make it 2 again, or begin with an empty"
    with pytest.raises(ForeignStream, match=fault):
        await check_units(bus, [*([{}] * (shards - 1)), UNITS])
    with pytest.raises(BusError, match="stream not found"):
        await read_units(bus, 2)


async def test_shards_may_be_added_for_new_symbols(bus: Bus) -> None:
    await ensure(bus, UNITS)
    await check_units(bus, [UNITS, {"SAP": "tick 0.02, lot 1"}])


async def test_units_of_a_symbol_that_is_defined_at_run_time_are_noted(bus: Bus) -> None:
    await ensure(bus, UNITS)
    await add_units(bus, 0, {"SAP": "tick 0.02, lot 1"})
    assert await read_units(bus, 0) == UNITS | {"SAP": "tick 0.02, lot 1"}
    with pytest.raises(ForeignStream, match="SAP at"):
        await add_units(bus, 0, {"SAP": "tick 0.02, lot 10"})


@pytest.mark.parametrize("unit", ["tick 0.05, lot 1", "tick 0.01, lot 100"])
async def test_another_tick_or_lot_is_refused(bus: Bus, unit: str) -> None:
    await ensure(bus, UNITS)
    with pytest.raises(ForeignStream, match=f"AAPL at tick 0.01, lot 1, but now it has {unit}; give it back its line"):
        await check_units(bus, [UNITS | {"AAPL": unit}])
    with pytest.raises(ForeignStream, match="AAPL at tick"):
        await ensure(bus, UNITS | {"AAPL": unit})
