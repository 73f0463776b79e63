"""A session that other gateways ask for: who gets it, and what has to be done before. Over a real bus."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import msgspec
import pytest

from bus.connection import Bus
from bus.subjects import gateway_subject
from configs.loader import ONE_MACHINE, load
from gateway.moves import GivenUp, GiveUp, SessionMoves
from sessions.accounts import Accounts
from tests.gateway.memory_engine import MemoryEngine
from tests.processes import until

A1 = "FIX.4.4:FIRMA1"


class Here:
    """Gateway gw1 with one session: its seats, and what it sends."""

    def __init__(self) -> None:
        self.engine = MemoryEngine(A1)
        self.engine.is_storing = False
        self.seats = {A1}
        self.left: list[str] = []
        self.is_catching_up = False

    # sessions.port.Moves

    def __contains__(self, session_id: object) -> bool:
        return session_id in self.seats

    def give_up(self, session_id: str) -> bool:
        assert self.left == [session_id]
        self.seats.remove(session_id)
        del self.engine.waiting[session_id]  # as a real engine, which knows nothing of it from now on
        return True

    # gateway.executions.Executions

    def leave(self, session_id: str) -> None:
        self.left.append(session_id)

    def is_behind(self, session_id: str) -> bool:
        assert session_id in self.seats
        return self.is_catching_up


@pytest.fixture
def here() -> Here:
    return Here()


@pytest.fixture
async def moves(bus: Bus, here: Here) -> AsyncIterator[SessionMoves]:
    venue = load(ONE_MACHINE)
    moves = SessionMoves(
        bus,
        venue,
        engine=here.engine,  # type: ignore[arg-type]  # these parts are all that it needs
        accounts=Accounts(venue),
        order_entry=SimpleNamespace(progress={}),  # type: ignore[arg-type]
        executions=here,  # type: ignore[arg-type]
    )
    await moves.start(here)  # type: ignore[arg-type]
    yield moves
    await moves.stop()


async def keeps(bus: Bus) -> bool:
    """What gw1 answers to another gateway that asks for the session."""
    answer = await bus.request(gateway_subject("gw1"), msgspec.json.encode(GiveUp(A1)), 5)
    return msgspec.json.decode(answer, type=GivenUp).keeps


@pytest.mark.usefixtures("moves")
async def test_of_two_gateways_that_ask_at_once_the_first_gets_the_session(bus: Bus, here: Here) -> None:
    here.engine.send(A1, ["35=8\x01"])
    asking = [asyncio.create_task(keeps(bus)) for _ in range(2)]
    await until(asking[1].done)
    here.engine.store_waiting()
    assert [await each for each in asking] == [False, True]
    assert await keeps(bus) is False  # it has it no more


async def test_a_session_that_is_still_being_sent_what_it_missed_is_given_up_behind_that(
    bus: Bus, here: Here, moves: SessionMoves
) -> None:
    here.is_catching_up = True
    asking = asyncio.create_task(keeps(bus))
    await until(lambda: A1 in moves._giving_up)
    assert here.left == []
    here.is_catching_up = False
    assert await asking is False
    assert here.left == [A1]
