"""Commands onto the order logs, against a real server: batches, order, fairness, and when it is too much."""

import random
from collections import defaultdict
from typing import Any

import msgspec
import pytest

from bus.connection import Bus
from bus.records import RECORD_VERSION, OrdRecord
from matcher.commands import (
    ClientRequest,
    GatewayStarted,
    MassCancel,
    MassQuote,
    OrderMassStatusRequest,
    OrderStatusRequest,
    QuoteCancel,
    QuoteEntry,
    RefusedRequest,
)
from matcher.instruments import Increment, Instrument
from matcher.rejects import RejectReason
from tests.gateway.sequencer_desk import BOOT, Desk
from tests.jetstream import Server
from tests.processes import until


async def subject(bus: Bus, stream: str, seq: int) -> str:
    reply = await bus.request_json(f"$JS.API.STREAM.MSG.GET.{stream}", {"seq": seq})
    return str(reply["message"]["subject"])


async def test_a_life_begins_with_record_1_on_every_shard(logs: Bus) -> None:
    desk = Desk(logs)
    desk.sequencer.announce("gw1", 5)
    await desk.drained()
    for shard in range(2):
        assert await desk.records(shard) == [OrdRecord(RECORD_VERSION, "gw1", BOOT, 1, [GatewayStarted("gw1", 5)])]
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


@pytest.mark.parametrize(
    ("request_type", "terms"),
    [
        (MassCancel, ("c", "7", "", False)),
        (OrderMassStatusRequest, ("m", "7", "")),
        (QuoteCancel, ("q", "4")),
    ],
)
async def test_a_request_about_all_goes_to_each_shard_and_is_durable_on_all(
    logs: Bus, request_type: type[ClientRequest], terms: tuple[Any, ...]
) -> None:
    desk = Desk(logs)
    desk.ask(request_type, "", *terms)
    desk.submit("A")
    assert desk.progress.durable_msg_seq_num == 0
    await desk.drained()
    assert desk.progress.durable_msg_seq_num == 2
    for shard in range(2):
        assert (await desk.records(shard))[0].commands == desk.sent[:1]
        assert await subject(logs, f"ORD{shard}", 1) == f"ord.{shard}.%"


async def test_a_mass_quote_goes_to_the_shard_of_its_symbols(logs: Bus) -> None:
    desk = Desk(logs)
    desk.ask(MassQuote, "", "q", [QuoteEntry("e", "X", 1, 1, 2, 1)])
    desk.submit()
    await desk.drained()
    assert [record.commands for record in await desk.records(1)] == [desk.sent]
    assert await desk.records(0) == []
    assert desk.progress.durable_msg_seq_num == 1


async def test_a_request_about_all_neither_overtakes_nor_is_overtaken(logs: Bus) -> None:
    desk = Desk(logs)
    desk.submit("A")  # fills the window
    desk.submit(*"AAAABqqAB", *"AqBA")
    await desk.drained()
    assert await desk.batches() == ["A", "AAA", "B", "A", "qq", "AA", "B", "q", "B", "A"]
    assert await desk.batches(1) == ["qqq"]
    assert desk.progress.durable_msg_seq_num == 14


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


async def test_a_symbol_that_is_defined_at_run_time_goes_to_its_shard(logs: Bus) -> None:
    desk = Desk(logs)
    desk.sequencer.define(Instrument("NEW", Increment(1, 2), Increment(1, 0), 100, "USD", 1))
    desk.submit("NEW")
    await desk.drained()
    assert [command.symbol for record in await desk.records(1) for command in record.commands[-1:]] == ["NEW"]


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


REQUESTS = {
    "a symbol": (OrderStatusRequest, "X", ("c", "", "1")),
    "no symbol of the venue": (OrderStatusRequest, "nope", ("c", "", "1")),
    "entries of another shard": (MassQuote, "", ("q-1", [QuoteEntry("e", "X", 0, 0, 0, 0)])),
    "every shard": (MassCancel, "", ("c", "7", "", False)),
    "every shard again": (QuoteCancel, "", ("q-2", "4")),
}


@pytest.mark.parametrize("name", list(REQUESTS))
async def test_a_refusal_goes_where_its_request_would(logs: Bus, name: str) -> None:
    """A gateway that starts again may take it instead: each shard must see that it has had it."""
    request_type, symbol, terms = REQUESTS[name]
    desk = Desk(logs)
    desk.ask(request_type, symbol, *terms)
    desk.sequencer.flush()
    await desk.drained()
    taken = [await desk.records(shard) for shard in range(2)]
    request = desk.sent[0]
    refusal = RefusedRequest(
        "S", 1, 2, 1, 2, "F", symbol, "D", RejectReason.THROTTLED, "", 0, "c", "", "", "", "", "", "", ""
    )
    desk.progress.begin(1, 2)
    desk.sequencer.submit(request, desk.progress, refusal=refusal)
    desk.sequencer.flush()
    await desk.drained()
    for shard in range(2):
        refused = (await desk.records(shard))[len(taken[shard]) :]
        assert [record.commands for record in refused] == [[refusal] for _ in taken[shard]]
    assert desk.progress.durable_msg_seq_num == 2
