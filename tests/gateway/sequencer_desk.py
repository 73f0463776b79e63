"""A session's requests through a sequencer, onto the logs of a real server."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bus.connection import Bus
from bus.records import OrdRecord, decode_ord
from bus.streams import ensure_shard, last_seq
from configs.loader import GatewayConfig, Venue, VenueConfig
from gateway.metrics import GatewayMetrics
from gateway.sequencer import Sequencer
from gateway.session_progress import SessionProgress
from matcher.commands import (
    ClientRequest,
    MassCancel,
    OrderStatusRequest,
)
from matcher.instruments import Increment, Instrument
from tests.jetstream import LOG_BYTES_MAX, read_messages
from tests.processes import until

BOOT = 77
SHARDS = {"A": 0, "B": 0, "C": 0, "X": 1}


class Desk:
    """A session's requests through a sequencer of one record on its way at a time."""

    def __init__(self, bus: Bus, **config: int) -> None:
        settings = {"window_records": 1, "batch_commands_max": 3, "pending_commands_max": 10} | config
        instruments = {
            symbol: Instrument(symbol, Increment(1, 2), Increment(1, 0), 100, "USD", shard)
            for symbol, shard in SHARDS.items()
        }
        venue = Venue(VenueConfig(shards=2, gateway=GatewayConfig(**settings)), instruments)
        self.bus = bus
        self.crowded: list[bool] = []
        self.progress = SessionProgress()
        self.metrics = GatewayMetrics(CollectorRegistry())
        self.sequencer = Sequencer(bus, venue, boot=BOOT, metrics=self.metrics, on_crowded=self.crowded.append)
        self.sent: list[ClientRequest] = []

    def submit(self, *symbols: str) -> None:
        """One request for each symbol, `q` for a mass cancel of all, then a flush."""
        for symbol in symbols:
            if symbol == "q":
                self.ask(MassCancel, "", "c", "7", "", False)
            else:
                self.ask(OrderStatusRequest, symbol, "c", "", "1")
        self.sequencer.flush()

    def ask(self, request_type: type[ClientRequest], symbol: str, *terms: Any) -> None:
        """One request, without a flush."""
        number = len(self.sent) + 1
        request = request_type("S", 1, number, number - 1, number, "F", symbol, *terms)
        self.progress.begin(1, number)
        self.sent.append(request)
        self.sequencer.submit(request, self.progress)

    async def drained(self) -> None:
        lanes = self.sequencer._lanes
        await until(lambda: not any(lane.waiting or lane._publisher.in_flight for lane in lanes))

    async def records(self, shard: int = 0) -> list[OrdRecord]:
        stream = f"ORD{shard}"
        count = await last_seq(self.bus, stream)
        messages = await read_messages(self.bus, stream, count) if count else []
        return [decode_ord(message.payload) for message in messages]

    async def batches(self, shard: int = 0) -> list[str]:
        """Each record as the symbols of its requests."""
        return ["".join(request.symbol or "q" for request in record.commands) for record in await self.records(shard)]  # type: ignore[union-attr]


@pytest.fixture
async def logs(bus: Bus) -> Bus:
    for shard in range(2):
        await ensure_shard(bus, shard, max_bytes=LOG_BYTES_MAX, replicas=1)
    return bus
