"""The venue's own commands, against a real server: what a leading matcher writes onto ORD, and what it does not."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from bus.connection import Bus
from bus.records import decode_events, decode_exec, decode_increments, decode_ord, encode_ord
from bus.streams import ForeignStream, ensure_shard, last_seq
from bus.subjects import ord_subject, status_subject
from configs.instruments_file import GroupHours
from configs.limits import FirmLimits
from configs.loader import ConfigError, FirmConfig, MatcherConfig, Venue, VenueConfig
from matcher.commands import Command, GatewayStarted, NewOrder
from matcher.events import Event, OrderAccepted, OrderExpired
from matcher.increments import MarketDataIncrement
from matcher.instructions import Instructions
from matcher.instruments import Increment, Instrument, TradingRules
from matcher.operator_commands import (
    DefineInstrument,
    EndTradingDay,
    Limits,
    ScheduledPhase,
    SetLimits,
    SetPhase,
    TimerFired,
)
from matcher.phases import CLOSED, CONTINUOUS, HALT, OPENING_AUCTION
from matcher.process import leader as leader_module
from matcher.process.metrics import MatcherMetrics
from matcher.process.own_records import writer_id
from matcher.process.service import MatcherService
from matcher.process.status import InstrumentStatus, LimitsStatus, decode_status, encode_request
from matcher.schedule import DailyChange, Schedule
from tests.jetstream import LOG_BYTES_MAX, read_messages, store
from tests.processes import until

A = Instrument("A", Increment(1, 2), Increment(1, 0), 100, "USD", 0)
B = Instrument("B", Increment(5, 2), Increment(1, 0), 100, "USD", 0)


def venue(*instruments: Instrument, hours: dict[str, GroupHours] | None = None, **config: Any) -> Venue:
    return Venue(VenueConfig(**config), {each.symbol: each for each in instruments}, hours or {})


class House:
    """One shard's logs and its matchers, of any configuration."""

    def __init__(self, bus: Bus, directory: Path) -> None:
        self.bus = bus
        self.directory = directory
        self._orders = 0

    def matcher(self, configured: Venue) -> MatcherService:
        return MatcherService(
            self.bus, configured, 0, self.directory / "snapshots", MatcherMetrics(CollectorRegistry())
        )

    @asynccontextmanager
    async def matching(self, configured: Venue) -> AsyncIterator[MatcherService]:
        service = self.matcher(configured)
        await service.start()
        stop = asyncio.Event()
        running = asyncio.create_task(service.run(stop))
        try:
            yield service
        finally:
            stop.set()
            await running

    async def commands(self, writer_id: str = "matcher-0") -> list[Command]:
        """What one writer has put onto ORD, all its lives in a row, times left out."""
        count = await last_seq(self.bus, "ORD0")
        records = [decode_ord(each.payload) for each in (await read_messages(self.bus, "ORD0", count) if count else [])]
        return [timeless(each) for record in records if record.gateway_id == writer_id for each in record.commands]

    async def ends_of_day(self) -> list[Command]:
        return [each for each in await self.commands() if isinstance(each, EndTradingDay)]

    async def events(self) -> list[Event]:
        count = await last_seq(self.bus, "EXEC0")
        messages = await read_messages(self.bus, "EXEC0", count)
        return [event for message in messages for event in decode_events(decode_exec(message.payload))]

    async def increments(self) -> list[MarketDataIncrement]:
        count = await last_seq(self.bus, "EXEC0")
        messages = await read_messages(self.bus, "EXEC0", count)
        return [increment for message in messages for increment in decode_increments(decode_exec(message.payload))]

    async def write(self, *commands: Command) -> None:
        """Put commands onto ORD as a gateway does that begins anew for each."""
        self._orders += 1
        begins: list[Command] = [GatewayStarted("gw1", 1), *commands]
        record = encode_ord(gateway_id="gw1", boot=self._orders, record_number=1, commands=begins)
        await store(self.bus, ord_subject(0, "A"), record)

    def order(self, **instructions: Any) -> NewOrder:
        number = self._orders + 1
        asked = ("FIX.4.4:F1", 1, number, number - 1, time.time_ns(), "F", "A")
        said = Instructions(**instructions) if instructions else None
        return NewOrder(*asked, f"c{number}", "", "1", "2", "6" if said else "0", 100, 10, said)


def timeless(command: Command) -> Command:
    return msgspec.structs.replace(command, received_ns=0)


async def soon(condition: Callable[[], bool]) -> None:
    await until(condition, 20)


@pytest.fixture
async def house(bus: Bus, tmp_path: Path) -> House:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    return House(bus, tmp_path)


BEGIN = GatewayStarted("matcher-0", 0)


def end_of_day(symbol: str) -> EndTradingDay:
    """The last one that has passed, by the default configuration: 22:00 UTC."""
    now = datetime.now(UTC)
    ended = now.replace(hour=22, minute=0, second=0, microsecond=0)
    return EndTradingDay(symbol, 0, f"{ended if ended <= now else ended - timedelta(days=1):%Y%m%d}")


async def test_the_configuration_is_in_the_log_before_the_matcher_answers_anything(house: House) -> None:
    await house.write(house.order())  # waits in the log
    limits = FirmLimits(self_match="allow")
    configured = venue(A, B, firms=(FirmConfig("F", (), limits),))
    service = house.matcher(configured)
    await service.start()
    assert await house.commands() == [
        BEGIN,
        DefineInstrument("", 0, "A", A),
        end_of_day("A"),
        DefineInstrument("", 0, "B", B),
        end_of_day("B"),
        SetLimits("", 0, "", "F", "", Limits(self_match_instruction="0")),
    ]
    assert await last_seq(house.bus, "EXEC0") == 1  # its epoch
    await service.close()


async def test_a_matcher_that_starts_again_announces_only_what_is_new(house: House) -> None:
    async with house.matching(venue(A)) as first:
        await soon(lambda: "A" in first.engine.instruments)
    wider = msgspec.structs.replace(A, rules=TradingRules(price_band_bps=500))
    for configured in (venue(A), venue(wider, B), venue(wider, B)):
        service = house.matcher(configured)
        await service.start()
        await service.close()
    own = [each for each in await house.commands() if not isinstance(each, EndTradingDay)]
    announced_twice = [DefineInstrument("", 0, "A", wider), DefineInstrument("", 0, "B", B)]  # the log was not read yet
    assert own == [BEGIN, DefineInstrument("", 0, "A", A), BEGIN, BEGIN, *announced_twice, BEGIN, *announced_twice]
    async with house.matching(venue(wider, B)) as last:
        await soon(lambda: last.engine.instruments == {"A": wider, "B": B})
        await soon(lambda: last.engine.trading_date("B") != "")
    defined = [event.instrument for event in await house.events() if type(event).__name__ == "InstrumentDefined"]
    assert defined.count(wider) + defined.count(A) + defined.count(B) == len(defined)
    assert last.engine.configured_instruments == {"A": wider, "B": B}


async def test_an_instrument_in_other_units_than_the_log_has_stops_the_start(house: House) -> None:
    async with house.matching(venue(A)) as first:
        await soon(lambda: "A" in first.engine.instruments)
    with pytest.raises(
        ForeignStream, match="A has currency USD in the log of shard 0, but EUR in the instruments file"
    ):
        await house.matcher(venue(msgspec.structs.replace(A, currency="EUR"))).start()


async def test_what_an_operator_changed_outlives_a_restart_until_the_file_says_something_new(house: House) -> None:
    configured = venue(A, firms=(FirmConfig("F", (), FirmLimits(open_orders_max=5)),))
    halved, blocked = Limits(open_orders_max=2), Limits(open_orders_max=2, is_blocked=True)
    async with house.matching(configured) as service:
        await soon(lambda: ("F", "") in service.engine.limits)
        await house.write(SetLimits("op", 1, "", "F", "", halved))
        await house.write(SetLimits("op", 1, "", "F", "", blocked))
        await soon(lambda: service.engine.limits[("F", "")] == blocked)
    async with house.matching(configured) as service:
        await soon(lambda: service.engine.trading_date("A") != "")
        assert service.engine.limits[("F", "")] == blocked
    changed = venue(A, firms=(FirmConfig("F", (), FirmLimits(open_orders_max=7)),))
    async with house.matching(changed) as service:
        await soon(lambda: service.engine.limits[("F", "")] == Limits(open_orders_max=7, is_blocked=True))


async def test_the_last_end_of_day_comes_with_a_definition_and_is_repeated_by_each_leader(house: House) -> None:
    for said in (2, 3):
        async with house.matching(venue(A)):
            async with asyncio.timeout(20):
                while len(ends := await house.ends_of_day()) < said:
                    pass
    assert ends == [end_of_day("A")] * 3


async def test_an_order_good_till_a_time_expires_when_that_comes_though_nobody_asks(house: House) -> None:
    async with house.matching(venue(A)) as service:
        await soon(lambda: "A" in service.engine.instruments)
        expire_ns = time.time_ns() + 300_000_000
        await house.write(house.order(expire_ns=expire_ns))
        await soon(lambda: service.engine.live_order_count == 1)
        began_ns = time.time_ns()
        await soon(lambda: service.engine.live_order_count == 0)
        assert expire_ns <= time.time_ns() < max(began_ns, expire_ns) + 900_000_000  # not only at the next second
    (fired,) = [each for each in await house.commands() if isinstance(each, TimerFired)]
    assert fired.symbol == "A"
    kinds = [type(event) for event in await house.events() if isinstance(event, OrderAccepted | OrderExpired)]
    assert kinds == [OrderAccepted, OrderExpired]


async def test_an_order_whose_time_passed_while_no_matcher_ran_expires_at_the_next_start(house: House) -> None:
    async with house.matching(venue(A)) as service:
        await soon(lambda: "A" in service.engine.instruments)
        await house.write(house.order(expire_ns=time.time_ns() + 200_000_000))
        await soon(lambda: service.engine.live_order_count == 1)
    async with house.matching(venue(A)) as service:
        await soon(lambda: service.engine.live_order_count == 0)
    assert type((await house.events())[-1]).__name__ in ("OrderExpired", "OperatorAnswered")


def at_phase(now: datetime, phase: Any, length_s: int = 0) -> GroupHours:
    """Hours by which a phase began one or two minutes ago, whatever weekday it is."""
    at = (now - timedelta(minutes=1)).time().replace(second=0, microsecond=0)
    change = DailyChange(at, phase, length_s * 1_000_000_000)
    return GroupHours(UTC, None, Schedule(UTC, frozenset(range(7)), frozenset(), (change,)))


async def test_the_phase_of_the_schedule_is_said_and_a_halt_stays(house: House) -> None:
    grouped = msgspec.structs.replace(A, group="G", rules=TradingRules(initial_phase=CLOSED))
    now = datetime.now(UTC)
    configured = venue(grouped, hours={"G": at_phase(now, CONTINUOUS)})
    async with house.matching(configured) as service:
        await soon(lambda: "A" in service.engine.instruments and service.engine.phase_of("A")[0] == CONTINUOUS)
        await house.write(SetPhase("op", 1, "A", HALT, 0, 0, 0, "news"))
        await soon(lambda: service.engine.phase_of("A")[0] == HALT)
    async with house.matching(configured) as service:
        await soon(lambda: service.engine.trading_date("A") != "")
        assert service.engine.phase_of("A")[0] == HALT
    phases = [each for each in await house.commands() if isinstance(each, ScheduledPhase)]
    assert {(each.phase, each.ends_ns, each.seed) for each in phases} == {(CONTINUOUS, 0, 0)}


async def test_an_auction_that_was_over_before_the_matcher_came_ends_at_once(house: House) -> None:
    grouped = msgspec.structs.replace(A, group="G", rules=TradingRules(initial_phase=CLOSED))
    configured = venue(grouped, hours={"G": at_phase(datetime.now(UTC), OPENING_AUCTION, length_s=30)})
    async with house.matching(configured) as service:
        await soon(lambda: "A" in service.engine.instruments and service.engine.phase_of("A")[0] == CONTINUOUS)
    (increment,) = [each for each in await house.increments() if each.phase is not None and each.phase.phase == "3"]
    assert increment.symbol == "A"


async def test_an_auction_of_the_schedule_ends_by_the_clock(house: House) -> None:
    """It began a while ago, and ends in about a second: its length is made so."""
    grouped = msgspec.structs.replace(A, group="G", rules=TradingRules(initial_phase=CLOSED))
    now = datetime.now(UTC)
    began = (now - timedelta(minutes=1)).replace(second=0, microsecond=0)
    length_s = int((now - began).total_seconds()) + 2
    configured = venue(grouped, hours={"G": at_phase(now, OPENING_AUCTION, length_s)})
    async with house.matching(configured) as service:
        await soon(lambda: "A" in service.engine.instruments and service.engine.phase_of("A")[0] == OPENING_AUCTION)
        ends_ns = service.engine.phase_of("A")[1]
        assert ends_ns == int(began.timestamp() + length_s) * 1_000_000_000
        await soon(lambda: service.engine.phase_of("A")[0] == CONTINUOUS)
        assert ends_ns <= time.time_ns() < ends_ns + 900_000_000


async def test_another_configuration_holds_without_a_restart(house: House) -> None:
    async with house.matching(venue(A)) as service:
        await soon(lambda: "A" in service.engine.instruments)
        service.reconfigure(venue(A, B, firms=(FirmConfig("F", (), FirmLimits(open_orders_max=7)),)))
        await soon(lambda: "B" in service.engine.instruments and ("F", "") in service.engine.limits)
        with pytest.raises(ConfigError, match=r"A is traded with tick 0\.01, but has 0\.05"):
            service.reconfigure(venue(msgspec.structs.replace(A, tick=Increment(5, 2))))
        await soon(lambda: service.engine.trading_date("B") != "")
        assert service.engine.instruments == {"A": A, "B": B}


async def test_a_change_that_is_taken_back_at_once_does_not_stay(house: House) -> None:
    """The engine has not read the first announcement when the next is made."""

    def bounded(open_orders_max: int, price_band_bps: int) -> Venue:
        rules = TradingRules(price_band_bps=price_band_bps)
        limits = FirmLimits(open_orders_max=open_orders_max)
        return venue(msgspec.structs.replace(A, rules=rules), firms=(FirmConfig("F", (), limits),))

    async with house.matching(bounded(7, 70)) as service:
        await soon(lambda: ("F", "") in service.engine.limits)
        service.reconfigure(bounded(8, 80))
        service.reconfigure(bounded(7, 70))
        service.reconfigure(venue(B, firms=bounded(7, 70).config.firms))
        await soon(lambda: "B" in service.engine.instruments)
        assert service.engine.instruments["A"].rules.price_band_bps == 70
        assert service.engine.limits["F", ""].open_orders_max == 7


async def test_what_a_fenced_leader_still_writes_is_passed_over(house: House) -> None:
    async with house.matching(venue(A)) as old:
        await soon(lambda: "A" in old.engine.instruments and old.engine.trading_date("A") != "")
    count = await last_seq(house.bus, "ORD0")
    written = [decode_ord(each.payload) for each in await read_messages(house.bus, "ORD0", count)]
    async with house.matching(venue(A)) as new:
        before = await last_seq(house.bus, "ORD0")
        late = encode_ord(
            gateway_id=writer_id(0),
            boot=written[-1].boot,
            record_number=written[-1].record_number + 1,
            commands=[SetPhase("late", 1, "A", HALT, 0, 0, 0, "")],
        )
        await store(house.bus, ord_subject(0, "A"), late)
        await soon(lambda: new.engine.last_input_seq > before)
        assert new.engine.phase_of("A")[0] == CONTINUOUS


async def test_a_full_order_log_delays_the_start_for_a_while_only(
    bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader_module, "ANNOUNCEMENT_PATIENCE_S", 0.2)
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    info = await bus.request_json("$JS.API.STREAM.INFO.ORD0")
    await bus.request_json("$JS.API.STREAM.UPDATE.ORD0", info["config"] | {"max_bytes": 1})
    with capture_logs() as logs:
        async with House(bus, tmp_path).matching(venue(A)):
            pass
    assert [line["hint"] for line in logs if line["event"] == "announcements_wait"] == ["is the log full?"]


async def test_an_announcement_that_is_refused_is_logged(house: House) -> None:
    strange = msgspec.structs.replace(A, rules=TradingRules(static_corridor_bps=100))  # no length of its auction
    with capture_logs() as logs:
        async with house.matching(venue(strange)):
            await soon(lambda: any(line["event"] == "configuration_refused" for line in logs))
    (refused,) = [line for line in logs if line["event"] == "configuration_refused"]
    assert "volatility_auction_ns" in refused["text"]


async def test_the_operator_can_ask_how_things_stand(house: House) -> None:
    configured = venue(A, B, firms=(FirmConfig("F", (), FirmLimits(open_orders_max=7)),))
    async with house.matching(configured) as service:
        await soon(lambda: "B" in service.engine.instruments and service.engine.trading_date("B") != "")
        await soon(lambda: ("F", "") in service.engine.limits)
        said = decode_status(await house.bus.request(status_subject(0), encode_request(0)))
        rest = decode_status(await house.bus.request(status_subject(0), encode_request(1)))
        garbled = decode_status(await house.bus.request(status_subject(0), b"\xff"))
    trading_date = end_of_day("A").trading_date
    assert said.instruments == [
        InstrumentStatus("A", CONTINUOUS, 0, "1.00", "", trading_date),
        InstrumentStatus("B", CONTINUOUS, 0, "5.00", "", trading_date),
    ]
    assert said.limits == [LimitsStatus("F", "", Limits(open_orders_max=7))]
    assert (said.shard, said.leader_epoch, said.has_more) == (0, 1, False)
    assert [each.symbol for each in rest.instruments] == ["B"]
    assert garbled.instruments == said.instruments


async def test_instruments_that_are_defined_later_have_their_metrics(house: House) -> None:
    registry = CollectorRegistry()
    service = MatcherService(house.bus, venue(A), 0, house.directory / "snapshots", MatcherMetrics(registry))
    await service.start()
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    await soon(lambda: registry.get_sample_value("matcher_matches", {"symbol": "A"}) == 0)
    assert registry.get_sample_value("matcher_book_levels", {"symbol": "A", "side": "ask"}) == 0
    stop.set()
    await running


async def test_a_shard_without_instruments_has_a_quiet_clock(house: House) -> None:
    async with house.matching(Venue(VenueConfig(matcher=MatcherConfig()), {})):
        pass
    assert await house.commands() == [BEGIN]
