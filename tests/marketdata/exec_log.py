"""An execution log as a matcher writes it, and a service that reads it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from bus.connection import Bus, PubAck, PubFailure
from bus.records import encode_exec
from bus.subjects import exec_subject
from configs.loader import Venue
from marketdata.metrics import ServiceMetrics
from marketdata.service import MarketDataService
from matcher.events import InstrumentDefined
from matcher.increments import MarketDataIncrement
from matcher.instruments import Instrument

PATIENCE_S = 15


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event of its own
            await asyncio.sleep(0.005)


class Log:
    """EXEC0, written as a matcher writes it."""

    def __init__(self, own_bus: Bus) -> None:
        self.bus = own_bus
        self.records = 0

    async def write(self, *increments: MarketDataIncrement, defined: tuple[Instrument, ...] = ()) -> None:
        """One record that defines these instruments and holds these increments."""
        self.records += 1
        payload = encode_exec(
            shard=0,
            leader_epoch=1,
            first_input_seq=self.records,
            last_input_seq=self.records,
            events=[InstrumentDefined(1, place, 1, "", instrument) for place, instrument in enumerate(defined)],
            increments=list(increments),
        )
        stored: asyncio.Future[PubAck | PubFailure] = asyncio.get_running_loop().create_future()
        self.bus.publish_acked(exec_subject(0), payload, stored.set_result)
        assert isinstance(await stored, PubAck)


@asynccontextmanager
async def serving(bus: Bus, venue: Venue, path: Path) -> AsyncIterator[MarketDataService]:
    """A service that answers, on a connection of its own, as in its process; ends with its last checkpoint."""
    stop = asyncio.Event()
    own_bus = await Bus.connect(bus._client.connected_url.geturl(), name="marketdata")
    service = MarketDataService(venue, own_bus, path, ServiceMetrics(CollectorRegistry()))
    await service.start()
    running = asyncio.create_task(service.run(stop))
    try:
        await until(lambda: service.is_answering)
        yield service
    finally:
        stop.set()
        await running
        await own_bus.close()
