"""EXEC to sessions, each report once: over restarts in every phase, against a real server and an engine in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from bus.connection import Bus
from bus.reader import LogReader
from bus.records import decode_events, decode_exec, encode_exec
from bus.streams import ensure_shard, last_seq, trim
from bus.subjects import exec_stream, exec_subject
from gateway import sent_marks
from gateway.exec_log import ExecutionsBroken
from gateway.executions import Executions
from gateway.fix.outbound import Reports
from gateway.metrics import GatewayMetrics
from gateway.sent_marks import SentMark
from matcher.events import Event, GatewayAdmitted, InstrumentDefined, OrderAccepted, SessionMark
from matcher.instruments import Increment, Instrument
from matcher.orders import OrderState
from tests.gateway.memory_engine import MemoryEngine
from tests.jetstream import LOG_BYTES_MAX, read_messages, store
from tests.processes import until

A1, B1 = "FIX.4.4:A1", "FIX.4.2:B1"
TEST = Instrument("TEST", Increment(1, 2), Increment(1, 0), 100, "USD", 0)
SHARDS = 2


class House:
    """The execution logs of two shards, the engine's stores, and lives of a gateway one after the other."""

    def __init__(self, bus: Bus, directory: Path) -> None:
        self.bus = bus
        self.engine = MemoryEngine(A1, B1)
        self.marks_path = directory / "gateway.marks"
        self.registry = CollectorRegistry()
        self._input_seq = 0
        self.defined: list[str] = []

    def _on_defined(self, instrument: Instrument) -> None:
        self.defined.append(instrument.symbol)
        self._reports.define(instrument)

    def executions(self, boot: int) -> Executions:
        self.registry = CollectorRegistry()
        self._reports = Reports({"TEST": TEST})
        return Executions(
            self.bus,
            self.engine,
            self._reports,
            sessions=[A1, B1],
            gateway_id="gw1",
            boot=boot,
            shards=SHARDS,
            marks_path=self.marks_path,
            metrics=GatewayMetrics(self.registry),
            on_defined=self._on_defined,
        )

    @asynccontextmanager
    async def life(self, boot: int) -> AsyncIterator[Executions]:
        """A gateway from its recovery to its sudden end."""
        executions = self.executions(boot)
        await self.admit(boot)
        async with asyncio.timeout(20):
            await executions.recover()
        try:
            yield executions
        finally:
            await executions.stop()
            self.engine.crash()

    async def admit(self, boot: int, sessions: tuple[tuple[SessionMark, ...], ...] = ((), ())) -> None:
        for shard in range(SHARDS):
            await self.write(shard, GatewayAdmitted(*self._cause(""), "gw1", boot, list(sessions[shard])))

    async def accept(self, *names: str, session_id: str = A1, shard: int = 0) -> None:
        """One EXEC record that accepts orders of these ClOrdIDs."""
        orders = [
            OrderState(1, session_id, "F", name, "", "TEST", "1", "2", "0", 5, 10, 10, 0, 0, "0") for name in names
        ]
        await self.write(shard, *(OrderAccepted(*self._cause(session_id), order) for order in orders))

    async def write(self, shard: int, *events: Event) -> None:
        record = encode_exec(
            shard=shard, leader_epoch=1, first_input_seq=1, last_input_seq=1, events=list(events), increments=[]
        )
        await store(self.bus, exec_subject(shard), record)

    def _cause(self, session_id: str) -> tuple[int, int, int, str]:
        self._input_seq += 1
        return self._input_seq, 0, self._input_seq, session_id

    def sent(self, session_id: str = A1) -> list[str]:
        """ClOrdID(11) of each report that the session's store holds."""
        return [cl_ord_id(body) for body in self.engine.stored[session_id]]

    async def sends(self, *names: str, session_id: str = A1) -> None:
        """Await that exactly these have been sent, and that nothing else was on its way."""
        await until(lambda: len(self.sent(session_id)) >= len(names))
        assert self.sent(session_id) == list(names)


def cl_ord_id(body: str) -> str:
    return next(field[3:] for field in body.split("\x01") if field.startswith("11="))


@pytest.fixture
async def house(bus: Bus, tmp_path: Path) -> House:
    for shard in range(SHARDS):
        await ensure_shard(bus, shard, max_bytes=LOG_BYTES_MAX, replicas=1)
    return House(bus, tmp_path)


async def test_reports_go_to_their_sessions_in_the_order_of_the_log(house: House) -> None:
    async with house.life(1):
        await house.accept("a1", "a2")
        await house.accept("b1", session_id=B1)
        await house.accept("a3")
        await house.sends("a1", "a2", "a3")
        await house.sends("b1", session_id=B1)


async def test_an_instrument_that_is_defined_at_run_time_is_known_to_the_reports_that_follow(house: House) -> None:
    new = Instrument("NEW", Increment(5, 2), Increment(1, 0), 100, "USD", 0)
    order = OrderState(1, A1, "F", "n1", "", "NEW", "1", "2", "0", 5, 10, 10, 0, 0, "0")
    async with house.life(1):
        await house.write(0, InstrumentDefined(*house._cause(""), new), OrderAccepted(*house._cause(A1), order))
        await house.sends("n1")
    assert house.defined == ["NEW"]
    assert "44=0.25" in house.engine.stored[A1][0]


async def test_both_shards_are_read(house: House) -> None:
    async with house.life(1):
        await house.accept("a1", shard=0)
        await house.sends("a1")
        await house.accept("a2", shard=1)
        await house.sends("a1", "a2")


async def test_what_was_answered_while_no_gateway_ran_is_sent_by_the_next_life(house: House) -> None:
    await house.accept("a1", "a2")
    async with house.life(1):
        await house.sends("a1", "a2")


async def test_after_a_crash_without_any_marks_nothing_is_sent_twice(house: House) -> None:
    async with house.life(1):
        await house.accept("a1", "a2")
        await house.sends("a1", "a2")
    house.marks_path.unlink()
    async with house.life(2):
        await house.accept("a3")
        await house.sends("a1", "a2", "a3")


async def test_what_was_handed_over_and_not_stored_is_sent_by_the_next_life(house: House) -> None:
    async with house.life(1):
        house.engine.is_storing = False
        await house.accept("a1", "a2", "a3")
        await until(lambda: len(house.engine.waiting[A1]) == 3)
        house.engine.store_waiting(1)
    async with house.life(2):
        await house.accept("a4")
        await house.sends("a1", "a2", "a3", "a4")


async def test_after_marks_were_written_only_what_came_later_is_compared(house: House) -> None:
    async with house.life(1) as executions:
        await house.accept("a1", "a2")
        await house.sends("a1", "a2")
        executions.write_marks()  # notes what is stored, for the next turn
        executions.write_marks()
        await house.accept("a3")
        await house.sends("a1", "a2", "a3")
    house.engine.stored[A1][:2] = ["35=8\x0111=other\x01"] * 2  # before the mark: not looked at any more
    async with house.life(2):
        await house.accept("a4")
        await house.sends("other", "other", "a3", "a4")


async def test_a_crash_during_recovery_is_recovered_from(house: House) -> None:
    await house.accept("a1", "a2", "a3")
    recovering = house.executions(1)
    house.engine.is_storing = False
    waiting = asyncio.create_task(recovering.recover())  # nobody admits it
    await until(lambda: len(house.engine.waiting[A1]) == 3)
    house.engine.store_waiting(2)
    waiting.cancel()
    await recovering.stop()
    house.engine.crash()
    async with house.life(2):
        await house.sends("a1", "a2", "a3")
    async with house.life(3):
        await house.accept("a4")
        await house.sends("a1", "a2", "a3", "a4")


async def test_many_lives_send_each_report_once(house: House) -> None:
    expected = []
    for boot in range(1, 8):
        async with house.life(boot) as executions:
            for place in range(3):
                expected.append(f"{boot}-{place}")
                await house.accept(expected[-1], shard=0)
                await until(lambda: len(house.sent()) == len(expected))
                if (boot + place) % 3 == 0:
                    executions.write_marks()
    assert house.sent() == expected


async def test_equal_reports_of_two_answers_are_both_sent(house: House) -> None:
    """Only a report that is stored as often as it was answered has been sent each time."""
    event = OrderAccepted(1, 0, 1, A1, OrderState(1, A1, "F", "a1", "", "TEST", "1", "2", "0", 5, 10, 10, 0, 0, "0"))
    async with house.life(1):
        await house.write(0, event)
        await house.sends("a1")
    await house.write(0, event)
    async with house.life(2):
        await house.sends("a1", "a1")


async def test_a_mark_moves_only_when_the_store_holds_what_was_handed_over(house: House) -> None:
    async with house.life(1) as executions:
        executions.write_marks()
        positions = [await last_seq(house.bus, exec_stream(shard)) for shard in range(SHARDS)]
        begun = SentMark(1, 1, positions)
        assert sent_marks.load(house.marks_path, "gw1", SHARDS)[A1] == begun
        house.engine.is_storing = False
        await house.accept("a1")
        await until(lambda: len(house.engine.waiting[A1]) == 1)
        executions.write_marks()
        executions.write_marks()
        assert sent_marks.load(house.marks_path, "gw1", SHARDS)[A1].positions[0] <= positions[0]
        house.engine.store_waiting()
        executions.write_marks()
        executions.write_marks()
        assert sent_marks.load(house.marks_path, "gw1", SHARDS)[A1] == SentMark(1, 2, [positions[0] + 1, positions[1]])


async def test_a_session_that_began_anew_does_not_get_its_old_reports_again(house: House) -> None:
    async with house.life(1) as executions:
        await house.accept("a1", "a2")
        await house.sends("a1", "a2")
        house.engine.reset(A1)
        executions.note_numbers(A1)
        await house.accept("a3")
        await house.sends("a3")
    async with house.life(2):
        await house.accept("a4")
        await house.sends("a3", "a4")


async def test_an_admission_of_another_life_or_gateway_is_not_ours(house: House) -> None:
    executions = house.executions(boot=5)
    recovering = asyncio.create_task(executions.recover())
    await house.admit(4)
    await house.write(0, GatewayAdmitted(1, 0, 1, "", "gw2", 5, []))
    await house.write(1, GatewayAdmitted(1, 0, 1, "", "gw2", 5, []))
    await house.accept("a1")
    await house.sends("a1")  # what a former life did not send is sent all the same
    assert not recovering.done()
    await house.admit(5)
    async with asyncio.timeout(20):
        await recovering
    await executions.stop()


async def test_recovery_tells_how_far_the_log_is_for_each_session_in_its_newest_epoch(house: House) -> None:
    executions = house.executions(1)
    first = (SessionMark(A1, 1, 90), SessionMark(B1, 3, 7))
    second = (SessionMark(A1, 2, 4), SessionMark(B1, 3, 9))
    await house.admit(1, (first, second))
    async with asyncio.timeout(20):
        assert await executions.recover() == {A1: SessionMark(A1, 2, 4), B1: SessionMark(B1, 3, 9)}
    await executions.stop()


async def test_a_report_of_a_session_that_is_no_longer_configured_is_counted_and_holds_nobody_up(house: House) -> None:
    async with house.life(1):
        await house.accept("gone", session_id="FIX.4.4:GONE")
        await house.accept("a1")
        await house.sends("a1")
        assert house.registry.get_sample_value("gateway_undeliverable_total") == 1


async def test_marks_that_cannot_be_written_are_told_and_trading_goes_on(house: House, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    house.marks_path = tmp_path / "file" / "gateway.marks"
    async with house.life(1) as executions:
        executions.write_marks()
        await house.accept("a1")
        await house.sends("a1")


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        (None, "EXEC0 sequence 1: a record of 7 bytes does not decode"),
        ("NOPE", "EXEC0 sequence 1: the log has an order in 'NOPE'; put it back into the instruments file"),
    ],
)
async def test_a_log_that_cannot_be_read_on_ends_the_process(house: House, event: str | None, fault: str) -> None:
    contexts: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
    if event is None:
        await store(house.bus, exec_subject(0), b"garbage")
    else:
        order = OrderState(1, A1, "F", "a1", "", event, "1", "2", "0", 5, 10, 10, 0, 0, "0")
        await house.write(0, OrderAccepted(1, 0, 1, A1, order))
    executions = house.executions(1)
    recovering = asyncio.create_task(executions.recover())
    await until(lambda: bool(contexts))
    recovering.cancel()
    await executions.stop()
    error = contexts[0]["exception"]
    assert isinstance(error, ExecutionsBroken)
    assert str(error).startswith(fault)


async def least_sent(executions: Executions) -> int:
    """Of shard 0, when all marks are written that can be."""
    for _ in range(2):
        executions.write_marks()
    return min(mark.positions[0] for mark in executions.stored_marks.values())


async def test_what_a_session_was_not_sent_before_a_trim_is_sent_after_it(house: House) -> None:
    async with house.life(1) as executions:
        await house.accept("a1", "a2")
        await house.sends("a1", "a2")
        await least_sent(executions)
        house.engine.is_storing = False  # a slow disk: what comes now is on its way when the gateway dies
        await house.accept("a3")
        await house.accept("a4")
        await until(lambda: len(house.engine.waiting[A1]) == 2)
        place = await least_sent(executions)
    await house.accept("a5")  # while no gateway runs
    assert place > 0
    await trim(house.bus, "EXEC0", place + 1)
    with capture_logs() as logs:
        async with house.life(2):
            await house.sends("a1", "a2", "a3", "a4", "a5")
    assert [line for line in logs if line["event"] == "reports_trimmed"] == []


async def test_without_marks_a_trimmed_log_is_compared_from_its_beginning(house: House) -> None:
    """What was taken away has been sent to all: else it would be there."""
    async with house.life(1) as executions:
        await house.accept("a1")
        await house.sends("a1")
        place = await least_sent(executions)
        await house.accept("a2")
        await house.sends("a1", "a2")
    house.marks_path.unlink()
    await trim(house.bus, "EXEC0", place + 1)
    await house.accept("a3")
    async with house.life(2):
        await house.accept("a4")
        await house.sends("a1", "a2", "a3", "a4")


async def test_a_mark_before_the_beginning_of_the_log_is_told_and_the_others_are_served(house: House) -> None:
    for name in ("lost", "a1", "a2"):
        await house.accept(name)
    marks = {A1: SentMark(1, 1, [0, 0]), B1: SentMark(1, 1, [0, 0])}
    sent_marks.store(house.marks_path, "gw1", marks)
    await trim(house.bus, "EXEC0", 2)
    with capture_logs() as logs:
        async with house.life(1):
            await house.sends("a1", "a2")
    told = [line for line in logs if line["event"] == "reports_trimmed"]
    assert [line["session"] for line in told] == [A1, B1]
    assert told[0]["reason"].startswith(
        "EXEC0 was trimmed and begins at sequence 2, but this session needs it from 1 on: it was not configured for so"
    )


async def test_a_gateway_that_lags_sends_nothing_again_to_a_session_that_comes_from_another(house: House) -> None:
    """The other one was ahead, and its last mark is from before: up to the end of the log the store is compared."""
    async with house.life(1) as executions:
        executions.leave(A1)
        await executions._readers[0].stop()  # this gateway was paused
        await house.accept("late")
        (message,) = await read_messages(house.bus, "EXEC0", 1, start_seq=executions.positions[0] + 1)
        (event,) = decode_events(decode_exec(message.payload))
        house.engine.stored[A1] += [body for _, body in house._reports.render(event, shard=0)]  # by the other gateway
        fetching = asyncio.create_task(executions.fetch(A1, is_new=False))
        await until(lambda: A1 in executions._catching_up or fetching.done())
        on_messages = partial(executions._on_messages, 0)
        reader = LogReader(house.bus, stream="EXEC0", start_seq=message.seq, on_messages=on_messages)
        executions._readers[0] = reader
        await reader.start()
        await fetching
        await house.accept("next")
        await house.sends("late", "next")


async def test_marks_of_another_log_are_refused(house: House) -> None:
    sent_marks.store(house.marks_path, "gw1", {A1: SentMark(1, 1, [40, 0]), B1: SentMark(1, 1, [40, 0])})
    executions = house.executions(1)
    with pytest.raises(ExecutionsBroken, match="is at EXEC0 sequence 40, but that log ends at 0: it is another log"):
        await executions.recover()
