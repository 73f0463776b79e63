"""The units of a log's symbols stand in its metadata, and others are refused before anything is written."""

import pytest

from bus.connection import Bus
from bus.streams import ForeignStream, ensure_shard

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
    with pytest.raises(ForeignStream, match=r"ORD0 was written with SAP at tick 0\.02, lot 1, but now it is not on"):
        await ensure(bus, UNITS)


@pytest.mark.parametrize("unit", ["tick 0.05, lot 1", "tick 0.01, lot 100"])
async def test_another_tick_or_lot_is_refused(bus: Bus, unit: str) -> None:
    await ensure(bus, UNITS)
    with pytest.raises(ForeignStream, match=f"AAPL at tick 0.01, lot 1, but now it has {unit}; give it back its line"):
        await ensure(bus, UNITS | {"AAPL": unit})
