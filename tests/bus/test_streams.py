"""The units of a log's symbols stand in its metadata, and others are refused before anything is written."""

import pytest

from bus.connection import Bus
from bus.streams import ForeignStream, add_units, ensure_shard, read_units

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


async def test_a_symbol_that_is_configured_on_another_shard_now_is_refused(bus: Bus) -> None:
    await ensure(bus, UNITS)
    with pytest.raises(ForeignStream, match=r"AAPL at tick 0\.01, lot 1, but now it is on another shard; give it back"):
        await ensure_shard(bus, 0, max_bytes=BYTES_MAX, replicas=1, units={}, elsewhere=["AAPL"])


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
        await ensure(bus, UNITS | {"AAPL": unit})
