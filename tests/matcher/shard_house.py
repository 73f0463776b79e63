"""One shard's logs on a real server, a gateway that writes to them, and matchers that come and go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from bus.connection import Bus
from bus.records import ExecRecord, decode_events, decode_exec, decode_increments, encode_ord
from bus.streams import log_state
from bus.subjects import ord_subject
from configs.loader import MatcherConfig, Venue, VenueConfig
from matcher.commands import Command, GatewayStarted, NewOrder
from matcher.events import Event, InstrumentDefined
from matcher.increments import MarketDataIncrement
from matcher.instruments import Increment, Instrument
from matcher.operator_commands import DefineInstrument, Limits, SetLimits
from matcher.process.metrics import MatcherMetrics
from matcher.process.service import MatcherService
from tests.jetstream import read_messages, store

TEST = Instrument("TEST", Increment(1, 2), Increment(1, 0), 100, "USD", 0)


class Gateway:
    """Writes ORD records of one life of a gateway: orders of one client for TEST."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.orders = 0
        self.records = 0
        self.input_seqs: list[int] = []
        """Where its records stand in ORD."""

    async def start(self) -> int:
        return await self.write([GatewayStarted("gw1", 1)])

    async def write(self, commands: list[Command]) -> int:
        """Returns the record's sequence."""
        self.records += 1
        record = encode_ord(gateway_id="gw1", boot=1, record_number=self.records, commands=commands)
        self.input_seqs.append(await store(self._bus, ord_subject(0, "TEST"), record))
        return self.input_seqs[-1]

    def order(self, side: str, qty_lots: int, price_ticks: int) -> NewOrder:
        self.orders += 1
        asked = ("FIX.4.4:A1", 1, self.orders, self.orders - 1, 1000 + self.orders, "A", "TEST")
        return NewOrder(*asked, f"c{self.orders}", "", side, "2", "0", price_ticks, qty_lots)

    async def buy(self, price_ticks: int = 100) -> int:
        return await self.write([self.order("1", 10, price_ticks)])


class House:
    """One shard's logs and matchers."""

    def __init__(self, bus: Bus, directory: Path) -> None:
        self.bus = bus
        self.snapshots = directory / "snapshots"
        self.gateway = Gateway(bus)

    def matcher(self, *, replica: int = 1, **config: Any) -> MatcherService:
        venue = Venue(VenueConfig(matcher=MatcherConfig(**config)), {"TEST": TEST})
        snapshots = self.snapshots if replica == 1 else self.snapshots.with_name(f"snapshots-{replica}")
        metrics = MatcherMetrics(CollectorRegistry())
        return MatcherService(self.bus, venue, 0, snapshots, metrics, replica=replica)

    @asynccontextmanager
    async def matching(self, **config: Any) -> AsyncIterator[MatcherService]:
        """A matcher from start to stop."""
        service = self.matcher(**config)
        await service.start()
        stop = asyncio.Event()
        running = asyncio.create_task(service.run(stop))
        try:
            yield service
        finally:
            stop.set()
            await running

    async def define(self) -> None:
        """Put TEST into the log, and a firm that may trade with itself, as if the venue had run before."""
        commands: list[Command] = [
            GatewayStarted("earlier", 1),
            DefineInstrument("", 1, "TEST", TEST),
            SetLimits("earlier", 1, "", "A", "", Limits(self_match_instruction="0")),
        ]
        record = encode_ord(gateway_id="earlier", boot=1, record_number=1, commands=commands)
        await store(self.bus, ord_subject(0, "TEST"), record)

    def answers(self, records: list[ExecRecord]) -> list[Event]:
        """What the gateway's own records gave; not what it is told of instruments when it begins."""
        own = [event for event in events_of(records) if event.input_seq in self.gateway.input_seqs]
        return [event for event in own if not isinstance(event, InstrumentDefined)]

    async def answered(self, input_seq: int) -> list[ExecRecord]:
        """All EXEC records, once ORD is consumed up to `input_seq`."""
        async with asyncio.timeout(30):
            while True:
                records = await self.exec_records()
                if records and records[-1].last_input_seq >= input_seq:
                    return records

    async def exec_records(self) -> list[ExecRecord]:
        state = await log_state(self.bus, "EXEC0")
        count = state.last_seq - state.first_seq + 1
        messages = await read_messages(self.bus, "EXEC0", count, start_seq=state.first_seq) if count else []
        return [decode_exec(message.payload) for message in messages]


def is_taking_a_snapshot(service: MatcherService) -> bool:
    """Whether one is written, awaits its answers, or is given its name."""
    snapshots = service._snapshots
    counting: asyncio.Task[None] | None = getattr(snapshots, "_counting", None)
    return snapshots._is_taking or snapshots._uncovered is not None or not (counting is None or counting.done())


def events_of(records: list[ExecRecord]) -> list[Event]:
    return [event for record in records for event in decode_events(record)]


def increments_of(records: list[ExecRecord]) -> list[MarketDataIncrement]:
    return [increment for record in records for increment in decode_increments(record)]


def epochs(records: list[ExecRecord]) -> list[int]:
    return [record.leader_epoch for record in records]
