"""Commands onto the order logs, against a real server: batches, order, fairness, and when it is too much."""

import random
from collections import defaultdict

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from bus.connection import Bus
from bus.records import OrdRecord, decode_ord
from bus.streams import ensure_shard, last_seq
from configs.loader import GatewayConfig, Venue, VenueConfig
from gateway.metrics import GatewayMetrics
from gateway.sequencer import Sequencer
from gateway.session_progress import SessionProgress
from matcher.commands import ClientRequest, EndTradingDay, GatewayStarted, OrderStatusRequest
from matcher.instruments import Increment, Instrument
from tests.jetstream import LOG_BYTES_MAX, Server, read_messages
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
        self.sequencer = Sequencer(
            bus, venue, boot=BOOT, metrics=GatewayMetrics(CollectorRegistry()), on_crowded=self.crowded.append
        )
        self.sent: list[ClientRequest] = []

    def submit(self, *symbols: str) -> None:
        """One request for each symbol, then a flush."""
        for symbol in symbols:
            number = len(self.sent) + 1
            request = OrderStatusRequest("S", 1, number, number - 1, number, "F", symbol, "c", "", "1")
            self.progress.begin(1, number)
            self.sent.append(request)
            self.sequencer.submit(request, self.progress)
        self.sequencer.flush()

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
        return ["".join(request.symbol for request in record.commands) for record in await self.records(shard)]  # type: ignore[union-attr]


@pytest.fixture
async def logs(bus: Bus) -> Bus:
    for shard in range(2):
        await ensure_shard(bus, shard, max_bytes=LOG_BYTES_MAX, replicas=1)
    return bus


async def subject(bus: Bus, stream: str, seq: int) -> str:
    reply = await bus.request_json(f"$JS.API.STREAM.MSG.GET.{stream}", {"seq": seq})
    return str(reply["message"]["subject"])


async def test_a_life_begins_with_record_1_on_every_shard(logs: Bus) -> None:
    desk = Desk(logs)
    desk.sequencer.announce("gw1", 5)
    await desk.drained()
    for shard in range(2):
        assert await desk.records(shard) == [OrdRecord(1, "gw1", BOOT, 1, [GatewayStarted("gw1", 5)])]
        assert await subject(logs, f"ORD{shard}", 1) == f"ord.{shard}.%"


async def test_an_idle_lane_sends_at_once(logs: Bus) -> None:
    desk = Desk(logs)
    for _ in range(3):
        desk.submit("A")
        await desk.drained()
    assert await desk.batches() == ["A", "A", "A"]
    assert [record.record_number for record in await desk.records()] == [1, 2, 3]
    assert await subject(logs, "ORD0", 1) == "ord.0.A"


async def test_what_arrives_while_the_window_is_full_goes_into_the_next_records(logs: Bus) -> None:
    desk = Desk(logs)
    for symbol in "AABABA":
        desk.submit(symbol)
    await desk.drained()
    assert await desk.batches() == ["A", "AAA", "BB"]


async def test_a_record_holds_no_more_commands_than_configured_and_of_one_symbol(logs: Bus) -> None:
    desk = Desk(logs)
    desk.submit(*"AAAAAAAB")
    await desk.drained()
    assert await desk.batches() == ["AAA", "B", "AAA", "A"]


async def test_a_busy_symbol_does_not_keep_the_others_waiting(logs: Bus) -> None:
    desk = Desk(logs, pending_commands_max=1000)
    desk.submit(*"A" * 30, *"BC")
    desk.submit(*"A" * 30)
    await desk.drained()
    assert (await desk.batches())[:3] == ["AAA", "B", "C"]


async def test_many_symbols_take_turns(logs: Bus) -> None:
    desk = Desk(logs, pending_commands_max=1000)
    desk.submit(*"ABC" * 9)
    await desk.drained()
    assert await desk.batches() == ["AAA", "BBB", "CCC"] * 3


async def test_each_shard_has_its_own_lane_and_numbers(logs: Bus) -> None:
    desk = Desk(logs)
    desk.submit(*"AXX")
    await desk.drained()
    assert (await desk.batches(0), await desk.batches(1)) == (["A"], ["XX"])
    assert [record.record_number for record in await desk.records(1)] == [1]


async def test_requests_for_symbols_that_nobody_knows_go_to_the_first_shard_in_order(logs: Bus) -> None:
    desk = Desk(logs)
    desk.submit("nope", "*", "")
    await desk.drained()
    (record,) = await desk.records(0)
    assert record.commands == desk.sent
    assert await subject(logs, "ORD0", 1) == "ord.0.%"
    assert await desk.records(1) == []


async def test_the_order_of_each_symbol_is_that_of_arrival(logs: Bus) -> None:
    chance = random.Random(3)
    desk = Desk(logs, window_records=4, pending_commands_max=10_000)
    for _ in range(300):
        desk.submit(*chance.choices("ABCX", k=chance.randint(1, 9)))
        if chance.random() < 0.2:
            await desk.drained()
    await desk.drained()
    stored, sent = defaultdict(list), defaultdict(list)
    for shard in range(2):
        for record in await desk.records(shard):
            for command in record.commands:
                stored[command.symbol].append(command)  # type: ignore[union-attr]
    for request in desk.sent:
        sent[request.symbol].append(request)
    assert stored == sent


async def test_a_request_is_durable_once_it_is_stored_and_not_before(logs: Bus) -> None:
    desk = Desk(logs)
    desk.submit(*"AXA")
    assert desk.progress.durable_msg_seq_num == 0
    await desk.drained()
    assert desk.progress.durable_msg_seq_num == 3


async def test_too_many_waiting_commands_are_told_once_and_again_when_half_are_gone(logs: Bus) -> None:
    desk = Desk(logs)
    desk.submit(*"A" * 12)
    assert desk.sequencer.commands_waiting == 9
    assert desk.crowded == []
    desk.submit("A")
    desk.submit("A")
    assert desk.crowded == [True]
    await desk.drained()
    assert desk.crowded == [True, False]
    desk.submit(*"B" * 13)
    assert desk.crowded == [True, False, True]
    await desk.drained()
    assert desk.crowded == [True, False, True, False]


async def test_the_fullest_lane_decides(logs: Bus) -> None:
    desk = Desk(logs)
    desk.submit(*"A" * 8, *"X" * 8)
    assert desk.crowded == []
    desk.submit(*"X" * 5)
    assert desk.crowded == [True]
    await desk.drained()
    assert desk.crowded == [True, False]


async def test_the_end_of_the_day_goes_to_every_symbol(logs: Bus) -> None:
    desk = Desk(logs)
    desk.sequencer.end_trading_day(9, "20260105")
    await desk.drained()
    ended = [command for shard in range(2) for record in await desk.records(shard) for command in record.commands]
    assert ended == [EndTradingDay(symbol, 9, "20260105") for symbol in "ABCX"]


async def test_a_killed_server_costs_nothing_that_a_matcher_would_take(logs: Bus, server: Server) -> None:
    desk = Desk(logs, window_records=4, pending_commands_max=10_000)
    desk.submit(*"ABC" * 20)
    server.kill()
    await until(lambda: not logs.is_connected)
    desk.submit(*"ABC" * 20)
    server.start()
    await desk.drained()
    taken: list[OrdRecord] = []
    for record in await desk.records():
        if record.record_number == len(taken) + 1:
            taken.append(record)
    assert sum(len(record.commands) for record in taken) == 120
    assert desk.progress.durable_msg_seq_num == 120
    assert msgspec.structs.asdict(taken[0])["boot"] == BOOT
