"""A session that comes to a gateway while it runs, and whose client does not wait until it has all that it missed."""

import asyncio
from pathlib import Path

import pytest

from bus.connection import Bus
from bus.streams import LogState, ensure_shard, log_state
from gateway import catch_up, sent_marks
from gateway.executions import Executions
from tests.gateway.test_executions import A1, SHARDS, House
from tests.jetstream import LOG_BYTES_MAX
from tests.processes import until

NEW = "FIX.4.4:NEW"


class SilentLog:
    """JetStream does not say what EXEC holds, until it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers = asyncio.Event()
        monkeypatch.setattr(catch_up, "log_state", self._state)

    async def _state(self, bus: Bus, stream: str) -> LogState:
        await self.answers.wait()
        return await log_state(bus, stream)


@pytest.fixture
async def house(bus: Bus, tmp_path: Path) -> House:
    for shard in range(SHARDS):
        await ensure_shard(bus, shard, max_bytes=LOG_BYTES_MAX, replicas=1)
    house = House(bus, tmp_path)
    for kept in (house.engine.stored, house.engine.waiting):
        kept[NEW] = []
    house.engine.epochs[NEW], house.engine.refusals[NEW] = 1, 0
    return house


async def accepted(house: House, executions: Executions, name: str, session_id: str) -> None:
    """The gateway has read that such an order was taken."""
    before = executions.positions[0]
    await house.accept(name, session_id=session_id)
    await until(lambda: executions.positions[0] > before)


async def test_a_new_session_is_told_what_it_did_before_the_gateway_was_ready_for_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was configured, and its client logged on and traded at once."""
    async with house.life(1) as executions:
        log = SilentLog(monkeypatch)
        fetching = asyncio.create_task(executions.fetch(NEW, is_new=True))
        await until(lambda: executions.is_behind(NEW))
        executions.note_numbers(NEW)
        await accepted(house, executions, "n1", NEW)
        log.answers.set()
        await fetching
        assert not executions.is_behind(NEW)
        await house.accept("n2", session_id=NEW)
        await house.sends("n1", "n2", session_id=NEW)


async def test_a_session_whose_numbers_begin_anew_while_it_is_fetched_goes_on_from_its_mark(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was about to be given up when its client came back, with 141=Y."""
    async with house.life(1) as executions:
        await accepted(house, executions, "a1", A1)
        executions.leave(A1)
        await accepted(house, executions, "a2", A1)
        log = SilentLog(monkeypatch)
        fetching = asyncio.create_task(executions.fetch(A1, is_new=False))
        await until(lambda: executions.is_behind(A1))
        house.engine.reset(A1)
        executions.note_numbers(A1)
        log.answers.set()
        await fetching
        await house.accept("a3")
        await house.sends("a2", "a3")


async def test_what_a_session_was_handed_is_in_its_store_before_its_last_mark_says_so(house: House) -> None:
    async with house.life(1) as executions:
        house.engine.is_storing = False
        await accepted(house, executions, "a1", A1)
        executions.write_marks()
        before = executions.stored_marks[A1]
        stopping = asyncio.create_task(executions.stop_copying(A1))
        await until(lambda: A1 not in executions.sessions)
        executions.write_marks()
        assert sent_marks.load(house.marks_path, "gw1", SHARDS)[A1] == before
        house.engine.store_waiting()
        await stopping
        assert sent_marks.load(house.marks_path, "gw1", SHARDS)[A1].positions == executions.positions
