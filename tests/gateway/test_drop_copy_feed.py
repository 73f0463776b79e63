"""
A drop copy's feed from EXEC: from its first Logon on, each report once over crashes, and after a reset from where its
client has read on, against a real server and an engine in memory.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bus.connection import Bus, BusError
from bus.records import encode_exec
from bus.streams import LogState, ensure_shard, log_state
from bus.subjects import exec_subject
from gateway import catch_up, sent_marks
from gateway import executions as executions_module
from gateway.drop_copy.copies import DropCopies
from gateway.drop_copy.readings import PATIENCE_LOOKS, Readings
from gateway.executions import Executions
from gateway.fix.outbound import Reports
from gateway.metrics import GatewayMetrics
from gateway.sent_marks import SentMark
from matcher.events import GatewayAdmitted, OrderAccepted
from matcher.instruments import Increment, Instrument
from matcher.orders import OrderState
from sessions.accounts import Account
from sessions.port import SessionKey
from tests.gateway.memory_engine import MemoryEngine
from tests.jetstream import LOG_BYTES_MAX, store
from tests.processes import until

A1, DC = "FIX.4.4:A1", "FIX.4.4:DC"
TEST = Instrument("TEST", Increment(1, 2), Increment(1, 0), 100, "USD", 0)
READER = Account(SessionKey("FIX.4.4", "DC"), "READERS", "dropcopy", "", ("F",))
SHARDS = 2


class House:
    """The execution logs of two shards, an owner and a reader, and lives of a gateway one after the other."""

    def __init__(self, bus: Bus, directory: Path) -> None:
        self.bus = bus
        self.engine = MemoryEngine(A1, DC)
        self.marks_path = directory / "gateway.marks"
        self._input_seq = 0

    @asynccontextmanager
    async def life(self, boot: int) -> AsyncIterator[Executions]:
        reports = Reports({"TEST": TEST})
        copies = DropCopies(reports)
        copies.follow([READER], {"A1": "F"})
        executions = Executions(
            self.bus,
            self.engine,
            reports,
            sessions=[A1],
            gateway_id="gw1",
            boot=boot,
            shards=SHARDS,
            marks_path=self.marks_path,
            metrics=GatewayMetrics(CollectorRegistry()),
            copies=copies,
            drop_copies=[DC],
        )
        for shard in range(SHARDS):
            await self._write(shard, GatewayAdmitted(self._next(), 0, 1, "", "gw1", boot, []))
        async with asyncio.timeout(20):
            await executions.recover()
        try:
            yield executions
        finally:
            await executions.stop()
            self.engine.crash()
            self.engine.sessions_up.clear()
            self.engine.questions.clear()

    async def accept(self, *names: str, shard: int = 0) -> None:
        """One EXEC record that accepts orders of these ClOrdIDs; returns when their owner was told."""
        seq = self._next()
        orders = [OrderState(1, A1, "F", name, "", "TEST", "1", "2", "0", 5, 10, 10, 0, 0, "0") for name in names]
        before = len(self.engine.stored[A1])
        await self._write(shard, *(OrderAccepted(seq, place, seq, A1, order) for place, order in enumerate(orders)))
        await until(lambda: len(self.engine.stored[A1]) + len(self.engine.waiting[A1]) >= before + len(names))

    async def _write(self, shard: int, *events: GatewayAdmitted | OrderAccepted) -> None:
        seqs = [event.input_seq for event in events]
        record = encode_exec(
            shard=shard,
            leader_epoch=1,
            first_input_seq=min(seqs),
            last_input_seq=max(seqs),
            events=list(events),
            increments=[],
        )
        await store(self.bus, exec_subject(shard), record)

    def _next(self) -> int:
        self._input_seq += 1
        return self._input_seq

    def log_on(self, executions: Executions) -> None:
        self.engine.sessions_up.add(DC)
        executions.follow(DC)

    async def read(self, executions: Executions) -> None:
        """The client is asked whether it has read all, and says so."""
        executions._readings.look([DC])
        self.engine.questions.pop(DC)()

    @property
    def copied(self) -> list[str]:
        """ClOrdID(11) of each copy in the store, with a star behind those with PossResend(97)=Y."""
        return [
            next(field[3:] for field in body.split("\x01") if field.startswith("11=")) + "*" * ("\x0197=Y\x01" in body)
            for body in self.engine.stored[DC]
        ]

    async def copies(self, *names: str) -> None:
        await until(lambda: len(self.copied) >= len(names))
        assert self.copied == list(names)


@pytest.fixture
async def house(bus: Bus, tmp_path: Path) -> House:
    for shard in range(SHARDS):
        await ensure_shard(bus, shard, max_bytes=LOG_BYTES_MAX, replicas=1)
    return House(bus, tmp_path)


async def test_the_feed_begins_with_the_first_logon(house: House) -> None:
    async with house.life(1) as executions:
        await house.accept("a1")
        house.log_on(executions)
        await house.accept("a2")
        await house.accept("a3", shard=1)
        await house.copies("a2", "a3")


async def test_a_session_that_never_logged_on_keeps_nothing(house: House) -> None:
    async with house.life(1):
        await house.accept("a1")
    async with house.life(2):
        await house.accept("a2")
    assert house.copied == []
    assert DC not in sent_marks.load(house.marks_path, "gw1", SHARDS)


async def test_it_goes_on_over_crashes_whether_its_client_is_there_or_not(house: House) -> None:
    async with house.life(1) as executions:
        house.log_on(executions)
        house.engine.is_storing = False
        await house.accept("a1", "a2")
        await until(lambda: len(house.engine.waiting[DC]) == 2)
        house.engine.store_waiting(1)
    async with house.life(2):
        await house.accept("a3")
        await house.copies("a1", "a2", "a3")
    async with house.life(3) as executions:
        house.log_on(executions)
        await house.accept("a4")
        await house.copies("a1", "a2", "a3", "a4")


async def test_after_a_reset_it_gets_again_what_it_may_not_have_read(house: House) -> None:
    async with house.life(1) as executions:
        house.log_on(executions)
        await house.accept("a1")
        await house.read(executions)
        await house.accept("a2")
        await house.accept("a3", shard=1)
        await house.copies("a1", "a2", "a3")
        house.engine.reset(DC)
        executions.follow(DC)
        await until(lambda: len(house.copied) == 2)
        assert sorted(house.copied) == ["a2*", "a3*"]
        await house.accept("a4")
        await until(lambda: len(house.copied) == 3)
        assert house.copied[-1] == "a4"


async def test_who_has_read_all_gets_nothing_again(house: House) -> None:
    async with house.life(1) as executions:
        house.log_on(executions)
        await house.accept("a1", "a2")
        await house.read(executions)
        house.engine.reset(DC)
        executions.follow(DC)
        await house.accept("a3")
        await house.copies("a3")


async def test_an_answer_to_an_old_question_says_nothing_of_what_came_later(house: House) -> None:
    async with house.life(1) as executions:
        house.log_on(executions)
        await house.accept("a1")
        executions._readings.look([DC])
        answer = house.engine.questions.pop(DC)
        await house.accept("a2")
        answer()
        house.engine.reset(DC)
        executions.follow(DC)
        await house.copies("a2*")
        answer()  # of before the reset
        house.engine.reset(DC)
        executions.follow(DC)
        await house.copies("a2*")


async def test_a_reset_while_it_is_sent_again_begins_once_more(house: House) -> None:
    async with house.life(1) as executions:
        house.log_on(executions)
        names = [f"a{number}" for number in range(50)]
        for name in names:
            await house.accept(name)
        for _ in range(5):
            house.engine.reset(DC)
            executions.follow(DC)
            await asyncio.sleep(0)
        await house.copies(*(f"{name}*" for name in names))


async def test_a_crash_in_the_middle_of_what_is_sent_again_repeats_nothing(house: House) -> None:
    async with house.life(1) as executions:
        house.log_on(executions)
        await house.accept("a1", "a2", "a3")
        await house.copies("a1", "a2", "a3")
        house.engine.reset(DC)
        house.engine.is_storing = False
        executions.follow(DC)
        await until(lambda: len(house.engine.waiting[DC]) == 3)
        house.engine.store_waiting(1)
    async with house.life(2):
        await house.accept("a4")
        await house.copies("a1*", "a2*", "a3*", "a4")


async def test_a_reset_that_the_last_life_did_not_notice_is_noticed_by_the_next(house: House) -> None:
    async with house.life(1) as executions:
        house.log_on(executions)
        await house.accept("a1")
        await house.copies("a1")
    house.engine.reset(DC)
    async with house.life(2):
        await house.copies("a1*")
        await house.accept("a2")
        await house.copies("a1*", "a2")


async def test_a_reset_without_a_logon_is_noticed_at_the_next_turn(house: House) -> None:
    async with house.life(1) as executions:
        house.log_on(executions)
        await house.accept("a1")
        await house.copies("a1")
        house.engine.reset(DC)
        executions.write_marks()
        await house.copies("a1*")


async def test_what_comes_after_a_reset_of_which_nobody_has_told_yet_is_behind_what_it_missed(house: House) -> None:
    """An engine resets the numbers when it reads the Logon, and tells of that a moment later."""
    async with house.life(1) as executions:
        house.log_on(executions)
        await house.accept("a1")
        await house.copies("a1")
        house.engine.reset(DC)
        await house.accept("a2")
        executions.follow(DC)
        await house.accept("a3")
        await house.copies("a1*", "a2*", "a3")


async def test_marks_say_what_was_read_and_keep_the_log_for_it(house: House) -> None:
    async with house.life(1) as executions:
        house.log_on(executions)
        await house.accept("a1")
        await house.read(executions)
        read = list(executions.positions)
        await house.accept("a2")
        executions.write_marks()
        executions.write_marks()
        mark = sent_marks.load(house.marks_path, "gw1", SHARDS)[DC]
        assert mark.read_positions == read
        assert mark.positions == executions.positions
        assert mark.needed_positions == read
        assert sent_marks.load(house.marks_path, "gw1", SHARDS)[A1].needed_positions == executions.positions


async def test_what_a_client_has_read_is_on_file_soon_though_nothing_more_happens(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an idle venue: no other record comes, and no other message is sent."""
    monkeypatch.setattr(executions_module, "MARK_INTERVAL_S", 0.01)
    async with house.life(1) as executions:
        house.log_on(executions)
        await house.accept("a1", "a2")
        await until(lambda: DC in house.engine.questions)
        positions = list(executions.positions)
        assert executions.stored_marks[DC].read_positions != positions
        house.engine.questions.pop(DC)()
        await until(lambda: sent_marks.load(house.marks_path, "gw1", SHARDS)[DC].needed_positions == positions)
        assert executions.positions == positions


async def test_a_client_that_was_sent_nothing_is_not_asked(house: House) -> None:
    async with house.life(1) as executions:
        house.log_on(executions)
        executions._readings.look([DC])
        assert house.engine.questions == {}
        await house.accept("a1")
        executions._readings.look([DC])
        executions._readings.look([DC])
        assert list(house.engine.questions) == [DC]


async def test_a_question_without_an_answer_is_asked_anew_after_twice_the_time(house: House) -> None:
    """It may have been among what the client asked to be sent again, and have become a gap fill."""
    async with house.life(1) as executions:
        house.log_on(executions)
        await house.accept("a1")
        asked_at = []
        for look in range(4 * PATIENCE_LOOKS):
            executions._readings.look([DC])
            if house.engine.questions.pop(DC, None) is not None:
                asked_at.append(look)
        assert asked_at == [0, PATIENCE_LOOKS, 3 * PATIENCE_LOOKS]
        executions.follow(DC)
        await house.read(executions)
        house.engine.reset(DC)
        executions.follow(DC)
        await house.accept("a2")
        await house.copies("a2")


async def test_who_logs_on_before_it_was_fetched_again_misses_nothing(house: House) -> None:
    """Another gateway asked for it, and its client came back here in that moment."""
    async with house.life(1) as executions:
        house.log_on(executions)
        await house.accept("a1")
        await house.copies("a1")
        executions.leave(DC)
        await house.accept("a2")
        executions.follow(DC)
        await executions.fetch(DC, is_new=False)
        await house.accept("a3")
        await house.copies("a1", "a2", "a3")


async def test_a_reset_while_the_log_is_silent_waits_for_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = 3

    async def state(bus: Bus, stream: str) -> LogState:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise BusError("no answer")
        return await log_state(bus, stream)

    async with house.life(1) as executions:
        house.log_on(executions)
        await house.accept("a1")
        await house.copies("a1")
        monkeypatch.setattr(catch_up, "log_state", state)
        house.engine.reset(DC)
        executions.follow(DC)
        await house.copies("a1*")
        assert refusals == 0


async def test_a_session_whose_every_logon_was_refused_is_not_sent_the_whole_log(house: House) -> None:
    """A refusal uses a MsgSeqNum(34) of the session's, too."""
    async with house.life(1):
        await house.accept("a1")
    house.engine.refusals[DC] = 1
    async with house.life(2) as executions:
        assert DC not in executions.sessions
        await house.accept("a2")
        house.log_on(executions)
        await house.accept("a3")
        await house.copies("a3")


def test_a_reset_that_nobody_noticed_makes_all_doubtful_that_is_there(house: House) -> None:
    """A gateway that died may have been ahead of this one; what comes later is nobody's yet."""
    readings = Readings(house.engine, [3, 4], {DC: 0})  # type: ignore[arg-type]  # all that it needs
    house.engine.reset(DC)
    mark = readings.begin(DC, SentMark(1, 9, [3, 4], [2, 2]))
    readings.note_ends([5, 6])
    readings.note_ends([7, 8])
    assert mark == SentMark(2, 1, [2, 2], [2, 2], [5, 6])
