"""A log is trimmed only behind both checkpoints, so market data goes on from either; without any it says so."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bus.connection import Bus
from bus.places import MARKETDATA, Place, told
from bus.streams import trim
from configs.loader import Venue
from marketdata.checkpoint import before
from marketdata.metrics import ServiceMetrics
from marketdata.service import FeedBroken, MarketDataService
from matcher.orders import BUY

from .conftest import SYMBOL, increment_of
from .exec_log import PATIENCE_S, Log, serving, until

INCREMENTS = [increment_of(number, ("0", BUY, 100 + number, 5)) for number in range(1, 10)]


async def write(exec_log: Log, service: MarketDataService, count: int) -> None:
    """So many records, each taken and in a checkpoint of its own."""
    for _ in range(count):
        await exec_log.write(INCREMENTS[exec_log.records])
        await until(lambda: service.books[SYMBOL].md_seq == exec_log.records)
        await service.save()


async def test_its_place_is_the_record_before_the_older_checkpoint(
    bus: Bus, exec_log: Log, venue: Venue, path: Path
) -> None:
    async with serving(bus, venue, path) as service:
        await write(exec_log, service, 1)
        await service._places.tell()
        assert await told(bus, "EXEC0", MARKETDATA) is None  # the one before may be damaged, or absent
        await write(exec_log, service, 4)
        await service._places.tell()
        assert await told(bus, "EXEC0", MARKETDATA) == Place(3)


@pytest.mark.parametrize("is_damaged", [False, True])
async def test_a_service_goes_on_after_a_trim_from_either_checkpoint(
    bus: Bus, exec_log: Log, venue: Venue, path: Path, is_damaged: bool
) -> None:
    async with serving(bus, venue, path) as service:
        await write(exec_log, service, 5)
        await service._places.tell()
        newest, older = path.read_bytes(), before(path).read_bytes()
    place = await told(bus, "EXEC0", MARKETDATA)
    assert place is not None
    await trim(bus, "EXEC0", place.seq + 1)
    path.write_bytes(newest[:-1] if is_damaged else newest)  # as they were when it told its place
    before(path).write_bytes(older)
    async with serving(bus, venue, path) as service:
        await exec_log.write(INCREMENTS[5])
        await until(lambda: service.books[SYMBOL].md_seq == 6)
        assert [level.price for level in service.books[SYMBOL].snapshot().bids] == [
            f"1.0{number}" for number in range(6, 0, -1)
        ]


async def test_without_a_checkpoint_that_goes_so_far_it_says_what_it_needs(
    bus: Bus, exec_log: Log, venue: Venue, path: Path
) -> None:
    for increment in INCREMENTS[:4]:
        await exec_log.write(increment)
    await trim(bus, "EXEC0", 3)
    service = MarketDataService(venue, bus, path, ServiceMetrics(CollectorRegistry()))
    await service.start()
    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(service.run(asyncio.Event()), PATIENCE_S)
    (error,) = raised.value.exceptions
    assert isinstance(error, FeedBroken)
    assert str(error) == (
        "EXEC0 was trimmed and begins at sequence 3, but there is no checkpoint that goes so far; give back "
        f"{path} from a backup, or EXEC0 as it was before"
    )
