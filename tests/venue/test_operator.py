"""The operator's command line, against a real server and a real matcher: what it orders is in the log, and answered."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bus.connection import Bus
from bus.records import OrdRecord, decode_events, decode_exec, decode_ord, encode_ord
from bus.streams import ensure_shard, last_seq
from bus.subjects import ord_subject
from configs.loader import Venue, load
from matcher.commands import Command, GatewayStarted, NewOrder
from matcher.events import OrderFilled, TradeBusted, TradeCorrected
from matcher.operator_commands import (
    BustTrade,
    DefineInstrument,
    EndTradingDay,
    Limits,
    OperatorRequest,
    SetLimits,
    SetPhase,
)
from matcher.phases import CLOSING_AUCTION, CONTINUOUS, HALT
from matcher.process.metrics import MatcherMetrics
from matcher.process.service import MatcherService
from tests.jetstream import LOG_BYTES_MAX, Server, read_messages, store
from tests.processes import until
from venue.ephemeral import ephemeral_config
from venue.operator_desk import OPERATOR, OperatorDesk, OperatorError

REPOSITORY = Path(__file__).parents[2]


class House:
    """Both shards of the shipped venue, matched in this process, and its operator's command line."""

    def __init__(self, bus: Bus, url: str, directory: Path) -> None:
        self.bus = bus
        self.url = url
        self.directory = directory
        self.config_path = ephemeral_config(directory)
        self.venue: Venue = load(self.config_path)
        self.matchers: list[MatcherService] = []
        self._requests = 0

    async def start(self) -> None:
        for shard in range(self.venue.config.shards):
            units = self.venue.units_of(shard)
            await ensure_shard(self.bus, shard, max_bytes=LOG_BYTES_MAX, replicas=1, units=units)
            snapshots = self.directory / f"snapshots-{shard}"
            service = MatcherService(self.bus, self.venue, shard, snapshots, MatcherMetrics(CollectorRegistry()))
            await service.start()
            self.matchers.append(service)

    async def operator(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Run `outcry operator`; returns its exit status, and what it said on either stream."""
        command = [sys.executable, "-m", "venue", "operator", "--config", str(self.config_path), "--nats", self.url]
        process = await asyncio.create_subprocess_exec(
            *command,
            *map(str, arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )
        said, complained = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, said.decode(), complained.decode()

    async def trade(self, symbol: str) -> None:
        """A firm buys from another: 10 at 100.00."""
        commands: list[Command] = [GatewayStarted("gw1", 1)]
        for side, firm in (("1", "FIRMA"), ("2", "FIRMB")):
            self._requests += 1
            number = self._requests
            asked = (f"FIX.4.4:{firm}1", 1, number, number - 1, time.time_ns(), firm, symbol)
            commands.append(NewOrder(*asked, f"c{number}", "", side, "2", "0", 10_000, 10))
        shard = self.venue.instruments[symbol].shard
        record = encode_ord(gateway_id="gw1", boot=self._requests, record_number=1, commands=commands)
        await store(self.bus, ord_subject(shard, symbol), record)
        await until(lambda: self.matchers[shard].engine.match_count(symbol) > 0, 10)

    async def records(self, shard: int = 0) -> list[OrdRecord]:
        """The operator's records in the log."""
        messages = await read_messages(self.bus, f"ORD{shard}", await last_seq(self.bus, f"ORD{shard}"))
        records = [record for each in messages if (record := decode_ord(each.payload)).gateway_id == OPERATOR]
        assert [record.record_number for record in records] == [1] * len(records)
        boots = [record.boot for record in records]
        assert boots == sorted(set(boots))
        return records

    async def ordered(self, shard: int = 0) -> list[OperatorRequest]:
        """The operator's commands in the log."""
        records = await self.records(shard)
        return [each for record in records for each in record.commands if isinstance(each, OperatorRequest)]

    async def told(self, kind: type, shard: int = 0) -> list[object]:
        messages = await read_messages(self.bus, f"EXEC{shard}", await last_seq(self.bus, f"EXEC{shard}"))
        events = [event for each in messages for event in decode_events(decode_exec(each.payload))]
        return [event for event in events if isinstance(event, kind)]


@pytest.fixture
async def house(bus: Bus, server: Server, tmp_path: Path) -> AsyncIterator[House]:
    house = House(bus, server.url, tmp_path)
    await house.start()
    stop = asyncio.Event()
    running = [asyncio.create_task(matcher.run(stop)) for matcher in house.matchers]
    await until(lambda: "TEST2" in house.matchers[1].engine.instruments)
    yield house
    stop.set()
    await asyncio.gather(*running)


async def test_halt_and_resume(house: House) -> None:
    engine = house.matchers[0].engine
    assert await house.operator("halt", "TEST1", "--text", "news pending") == (0, "TEST1: halted\n", "")
    assert engine.phase_of("TEST1")[0] == HALT
    assert await house.operator("resume", "TEST1") == (0, "TEST1: resumed\n", "")
    assert engine.phase_of("TEST1")[0] == CONTINUOUS
    again = "TEST1: is in continuous trading already\n"
    assert await house.operator("resume", "TEST1") == (0, again, "")
    halt, resume, _ = await house.ordered()
    assert isinstance(halt, SetPhase)
    assert (halt.symbol, halt.phase, halt.text, halt.ends_ns) == ("TEST1", HALT, "news pending", 0)
    assert isinstance(resume, SetPhase)
    assert (resume.phase, resume.ends_ns) == (CONTINUOUS, 0)


async def test_several_symbols_on_both_shards(house: House) -> None:
    status, said, _ = await house.operator("halt", "TEST1", "TEST2")
    assert (status, said) == (0, "TEST1: halted\nTEST2: halted\n")
    assert [matcher.engine.phase_of(f"TEST{shard + 1}")[0] for shard, matcher in enumerate(house.matchers)] == [
        HALT
    ] * 2


async def test_an_auction_by_hand(house: House) -> None:
    arguments = ("phase", "closing auction", "TEST1", "--auction", "600", "--random-end", "30")
    assert await house.operator(*arguments) == (0, "TEST1: is in closing auction\n", "")
    phase, ends_ns = house.matchers[0].engine.phase_of("TEST1")
    assert phase == CLOSING_AUCTION
    assert 0 <= ends_ns - time.time_ns() - 600 * 10**9 + 60 * 10**9 < 91 * 10**9
    (command,) = await house.ordered()
    assert isinstance(command, SetPhase)
    assert command.random_end_ns_max == 30 * 10**9


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("halt", "NONE"), "'NONE' is not traded here; `./outcry operator status` lists what is"),
        (("phase", "opening auction", "TEST1"), "--auction SECONDS says how long an auction takes"),
        (("phase", "closed", "TEST1", "--auction", "5"), "--auction SECONDS says how long an auction takes"),
        (("resume", "TEST1", "--random-end", "5"), "--random-end goes with --auction only"),
        (("reference-price", "TEST1", "1.005"), "TEST1: price '1.005' is not a multiple of 0.01"),
        (("correct", "TEST1", "1", "--price", "x", "--qty", "1"), "TEST1: price 'x' is not a plain decimal number"),
        (("limits", "FIRMA"), "no limit is named; `./outcry operator limits --help` lists them"),
        (("block", "NOBODY"), "there is no firm 'NOBODY' in the configuration"),
        (("block", "FIRMA", "--session", "FIRMA1"), "firm FIRMA has no session 'FIRMA1'; name one of FIX.4.2:FIRMA1"),
        (("define", "absent.toml"), "absent.toml: cannot be read: No such file or directory"),
    ],
)
async def test_what_makes_no_sense_is_one_sentence_and_no_record(
    house: House, arguments: tuple[str, ...], fault: str
) -> None:
    status, said, complained = await house.operator(*arguments)
    assert (status, said) == (1, "")
    assert complained.startswith(f"outcry operator: {fault}")
    assert complained.count("\n") == 1
    assert await house.ordered() == []


@pytest.mark.parametrize("arguments", [(), ("jump",), ("bust", "TEST1", "0"), ("halt", "TEST1", "--text", "a|b")])
async def test_arguments_that_cannot_be_understood(house: House, arguments: tuple[str, ...]) -> None:
    status, _, complained = await house.operator(*arguments)
    assert status == 2
    assert complained.startswith("usage: outcry operator")


async def test_a_reference_price_is_a_decimal(house: House) -> None:
    assert await house.operator("reference-price", "TEST1", "101.25") == (0, "TEST1: reference price 101.25\n", "")
    assert house.matchers[0].engine.reference_price_ticks("TEST1") == 10125


async def test_a_trade_is_corrected_and_then_undone(house: House) -> None:
    await house.trade("TEST1")
    status, said, _ = await house.operator("correct", "TEST1", "1", "--price", "99.50", "--qty", "8", "--text", "error")
    assert (status, said) == (0, "TEST1: trade 1 is 8 at 99.50\n")
    corrected = await house.told(TradeCorrected)
    assert [(each.last_price_ticks, each.last_qty_lots) for each in corrected] == [(9950, 8)] * 2  # type: ignore[attr-defined]
    assert await house.operator("bust", "TEST1", "1") == (0, "TEST1: trade 1 is undone\n", "")
    assert len(await house.told(TradeBusted)) == len(await house.told(OrderFilled)) == 2
    status, said, complained = await house.operator("bust", "TEST1", "1")
    assert (status, said) == (1, "")
    assert complained.startswith("TEST1: refused: UNKNOWN_TRADE: ")
    assert [type(each) for each in (await house.ordered())[1:]] == [BustTrade, BustTrade]
    await house.trade("TEST1")
    too_much = await house.operator("correct", "TEST1", "2", "--price", "99.50", "--qty", "11")
    assert "a corrected quantity must be 1 to 10, what the trade has now; a bust undoes it" in too_much[2]


async def test_limits_change_what_is_named_and_leave_the_rest_on_every_shard(house: House) -> None:
    done = "FIRMA on shard 0: has new limits\nFIRMA on shard 1: has new limits\n"
    assert await house.operator("limits", "FIRMA", "--open-orders-max", "5") == (0, done, "")
    arguments = ("--quote-fills-max", "3", "--quote-window-ms", "1500", "--self-match", "cancel both")
    assert await house.operator("limits", "FIRMA", *arguments) == (0, done, "")
    expected = Limits(open_orders_max=5, quote_fills_max=3, quote_window_ns=1_500_000_000, self_match_instruction="3")
    for matcher in house.matchers:
        assert matcher.engine.limits["FIRMA", ""] == expected


async def test_a_block_keeps_the_limits_and_ends(house: House) -> None:
    firm = ("FIRMA", "")
    before = house.matchers[0].engine.limits[firm]
    status, said, _ = await house.operator("block", "FIRMA")
    assert (status, said) == (0, "FIRMA on shard 0: is blocked\nFIRMA on shard 1: is blocked\n")
    assert [matcher.engine.limits[firm].is_blocked for matcher in house.matchers] == [True, True]
    assert (await house.operator("unblock", "FIRMA"))[0] == 0
    was_not = "FIRMA on shard 0: was not blocked\nFIRMA on shard 1: was not blocked\n"
    assert await house.operator("unblock", "FIRMA") == (0, was_not, "")
    assert [matcher.engine.limits[firm] for matcher in house.matchers] == [before, before]
    status, said, _ = await house.operator("block", "FIRMA", "--session", "FIX.4.4:FIRMA1")
    assert (status, said.splitlines()[0]) == (0, "FIX.4.4:FIRMA1 on shard 0: is blocked")
    (*_, command) = await house.ordered()
    assert isinstance(command, SetLimits)
    assert (command.firm, command.session_id, command.limits.is_blocked) == ("FIRMA", "FIX.4.4:FIRMA1", True)


NEW = """
[groups.FUNDS.rules]
price_band_bps = 500

[instruments]
NEW = { tick = "0.05", reference_price = "10.00", group = "FUNDS", shard = 1 }
"""


async def test_an_instrument_is_defined_at_run_time_and_then_known_by_its_symbol(house: House, tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    path.write_text(NEW)
    assert await house.operator("define", path) == (0, "NEW: defined on shard 1\n", "")
    instrument = house.matchers[1].engine.instruments["NEW"]
    assert (instrument.group, instrument.rules.price_band_bps, instrument.shard) == ("FUNDS", 500, 1)
    [record] = await house.records(1)
    assert [type(command) for command in record.commands] == [GatewayStarted, DefineInstrument, EndTradingDay]
    assert house.matchers[1].engine.trading_date("NEW") == record.commands[2].trading_date  # type: ignore[union-attr]
    assert (await house.operator("halt", "NEW"))[0] == 0
    assert (await house.operator("reference-price", "NEW", "10.05"))[0] == 0
    path.write_text(NEW.replace("500", "600"))
    assert (await house.operator("define", path))[0] == 0
    assert house.matchers[1].engine.instruments["NEW"].rules.price_band_bps == 600


async def test_a_file_of_definitions_is_taken_whole_or_not_at_all(house: House, tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    good = NEW.replace("NEW", "GOOD")
    path.write_text(good + 'TEST1 = { tick = "0.05", reference_price = "10.00", shard = 0 }\n')
    status, said, complained = await house.operator("define", path)
    assert (status, said) == (1, "")
    assert "TEST1 is traded at tick 0.01, lot 1 for ever, but the file has tick 0.05, lot 1; give it back" in complained
    assert complained.endswith("; nothing was done\n")
    assert [await house.records(shard) for shard in range(2)] == [[], []]
    path.write_text(good.replace("shard = 1", "shard = 0"))
    assert (await house.operator("define", path))[0] == 0, "not even its units were noted"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('tick = "0.05"', 'tick = "0.01"', "NEW is traded at tick 0.05, lot 1 for ever, but the file has tick 0.01"),
        ("shard = 1", "shard = 0", "NEW is on shard 1 for ever; give it shard = 1"),
        (
            "[groups.FUNDS.rules]",
            '[groups.FUNDS.hours]\nschedule = [{ at = "9:00", phase = "closed" }]\n[groups.FUNDS.rules]',
            "group FUNDS has a schedule, which matchers take from their own configuration",
        ),
        ("price_band_bps = 500", "price_band = 500", "Object contains unknown field `price_band`"),
    ],
)
async def test_a_definition_that_cannot_be_is_refused(
    house: House, tmp_path: Path, old: str, new: str, fault: str
) -> None:
    path = tmp_path / "new.toml"
    path.write_text(NEW)
    assert (await house.operator("define", path))[0] == 0
    path.write_text(NEW.replace(old, new))
    status, said, complained = await house.operator("define", path)
    assert (status, said) == (1, "")
    assert fault in complained


async def test_all_symbols_at_once(house: House) -> None:
    status, said, complained = await house.operator("halt", "--all")
    assert (status, complained) == (0, "")
    assert sorted(said.splitlines()) == sorted(f"{symbol}: halted" for symbol in house.venue.instruments)
    for matcher in house.matchers:
        assert {matcher.engine.phase_of(symbol)[0] for symbol in matcher.engine.instruments} == {HALT}
    assert (await house.operator("resume", "--all"))[0] == 0


@pytest.mark.parametrize("arguments", [("halt",), ("halt", "TEST1", "--all")])
async def test_symbols_or_all_and_not_both(house: House, arguments: tuple[str, ...]) -> None:
    refused = "outcry operator: name the symbols, or give --all for every one that is traded here\n"
    assert await house.operator(*arguments) == (1, "", refused)


async def test_status_says_how_things_stand(house: House) -> None:
    await house.trade("TEST1")
    await house.operator("halt", "TEST2")
    status, said, _ = await house.operator("status", "TEST1", "TEST2")
    assert (status, said.splitlines()) == (
        0,
        ["TEST1: continuous trading, reference 100.00, last 100.00", "TEST2: halt, reference 100.00"],
    )
    status, said, _ = await house.operator("status")
    assert status == 0
    assert "FIRMA on shard 1: self_match_instruction 0" in said.splitlines()
    assert len(said.splitlines()) >= len(house.venue.instruments)
    assert (await house.operator("status", "NONE"))[::2] == (1, "NONE: not traded here\n")


async def test_without_a_matcher_the_answer_is_waited_for_and_then_a_sentence(
    bus: Bus,
    server: Server,
    tmp_path: Path,
) -> None:
    house = House(bus, server.url, tmp_path)
    for shard in range(2):
        units = house.venue.units_of(shard)
        await ensure_shard(bus, shard, max_bytes=LOG_BYTES_MAX, replicas=1, units=units)
    status, said, complained = await house.operator("--patience", "0.5", "halt", "TEST1")
    assert (status, said) == (1, "")
    assert "no matcher of shard 0 answered within 0.5 s; see that one is running" in complained
    assert len(await house.ordered()) == 1  # and a matcher that comes does it
    status, _, complained = await house.operator("--patience", "0.5", "status")
    assert (status, complained.count("no matcher of shard 0 answers")) == (1, 1)


async def test_a_shard_that_does_not_answer_holds_up_no_other(bus: Bus, server: Server, tmp_path: Path) -> None:
    house = House(bus, server.url, tmp_path)
    await house.start()
    stop = asyncio.Event()
    answering = asyncio.create_task(house.matchers[1].run(stop))
    on = [sorted(each.symbol for each in house.venue.instruments.values() if each.shard == k) for k in range(2)]
    status, said, complained = await house.operator("--patience", "0.5", "halt", "--all")
    assert (status, said.splitlines()) == (1, [f"{symbol}: halted" for symbol in on[1]])
    assert complained.startswith(f"{on[0][0]}: no matcher of shard 0 answered within 0.5 s")
    assert complained.endswith(f"; {len(on[0]) - 1} more of shard 0 were not asked\n")
    stop.set()
    await answering


async def test_where_no_venue_has_run_there_is_a_sentence(server: Server, tmp_path: Path) -> None:
    status, _, complained = await House(None, server.url, tmp_path).operator("halt", "TEST1")  # type: ignore[arg-type]
    assert status == 1
    assert "has this venue ever run?" in complained


async def test_commands_of_two_operators_at_once_are_both_done(house: House) -> None:
    """Both begin a life with the same number: one is passed over, notices, and begins another."""
    desks = [OperatorDesk(house.bus, shards=2, patience_s=20) for _ in range(4)]
    commands = [SetPhase(f"op-{number}", number, "TEST1", HALT, 0, 0, 0, "") for number in range(4)]
    answers = await asyncio.gather(*(desk.give(0, each) for desk, each in zip(desks, commands, strict=True)))
    assert [answer.request_id for answer in answers] == [command.request_id for command in commands]
    assert [answer.reason for answer in answers] == [None] * 4


async def test_a_command_that_is_always_overtaken_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = OperatorDesk(house.bus, shards=2, patience_s=20)
    store_record = desk._store

    async def be_overtaken(shard: int, command: SetPhase) -> int:
        begins: list[Command] = [GatewayStarted(OPERATOR, 1)]
        boot = await last_seq(house.bus, "ORD0") + 100
        record = encode_ord(gateway_id=OPERATOR, boot=boot, record_number=1, commands=begins)
        await store(house.bus, ord_subject(0, ""), record)
        return await store_record(shard, command)

    monkeypatch.setattr(desk, "_store", be_overtaken)
    with pytest.raises(OperatorError, match="other operators' commands overtook this one 5 times; it was not done"):
        await desk.give(0, SetPhase("op", 1, "TEST1", HALT, 0, 0, 0, ""))
    assert house.matchers[0].engine.phase_of("TEST1")[0] == CONTINUOUS
