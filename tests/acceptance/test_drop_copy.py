"""A bust reaches drop copy and trade capture; sessions of either engine are asked whether they have read."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient
from venue.up import RunningVenue

from .runner import TRANSACT_TIME
from .test_operator import operator
from .wire import DEADLINE_S, log_on


class Desk:
    """One session, and what it was sent."""

    def __init__(self, comp_id: str) -> None:
        self.comp_id = comp_id
        self._received: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def connect(self, venue: RunningVenue) -> None:
        self.client = await FixClient.connect(
            "127.0.0.1",
            venue.fix_port,
            begin_string="FIX.4.4",
            sender_comp_id=self.comp_id,
            password=f"example-{self.comp_id.lower()}",
            store=MemoryStore(),
            reset=True,
            on_message=lambda message: self._received.put_nowait(message.fields),
        )

    def order(self, cl_ord_id: str, side: str) -> None:
        order = f"11={cl_ord_id}\x0138=10\x0140=2\x0144=100.00\x0154={side}\x0155=TEST1\x0159=0\x01"
        self.client.send(f"35=D\x01{order}60={TRANSACT_TIME}\x01")

    async def next(self, msg_type: str) -> dict[str, str]:
        """The next message, which is of this type."""
        message = await asyncio.wait_for(self._received.get(), DEADLINE_S)
        assert message["35"] == msg_type, message
        return message


@pytest.fixture
async def desks(venue: RunningVenue) -> AsyncIterator[list[Desk]]:
    desks = [Desk(comp_id) for comp_id in ("DC1", "FIRMA1", "FIRMB1")]
    for desk in desks:
        await desk.connect(venue)
    yield desks
    for desk in desks:
        await desk.client.logout()


async def test_a_bust_is_told_to_drop_copy_and_trade_capture_and_names_what_it_undoes(
    venue: RunningVenue, desks: list[Desk]
) -> None:
    reader, seller, buyer = desks
    reader.client.send("35=AD\x01568=t-1\x01569=0\x01263=1\x01")
    assert [(await reader.next("AQ"))["750"] for _ in range(2)] == ["0", "1"]
    seller.order("a-1", "2")
    assert (await seller.next("8"))["150"] == "0"
    buyer.order("b-1", "1")
    copies = [await reader.next("8") for _ in range(4)]
    fills = {copy["54"]: copy["17"] for copy in copies if copy["150"] == "F"}
    sides = [await reader.next("AE") for _ in range(2)]
    assert {side["54"]: side["571"] for side in sides} == fills
    assert {(side["487"], side["325"]) for side in sides} == {("0", "Y")}
    match_id = copies[-1]["527"]
    assert {side["880"] for side in sides} == {match_id}
    await operator(venue, "bust", "TEST1", match_id.rpartition("-")[2], "--text", "by agreement")
    busts = [await reader.next("8") for _ in range(2)]
    assert {(bust["150"], bust["54"], bust["19"]) for bust in busts} == {("H", side, fills[side]) for side in "12"}
    undone = [await reader.next("AE") for _ in range(2)]
    assert {(each["487"], each["856"], each["54"], each["572"]) for each in undone} == {
        ("1", "6", side, fills[side]) for side in "12"
    }
    assert {each["571"] for each in undone} == {bust["17"] for bust in busts}


async def test_a_client_that_was_sent_more_is_asked_once_whether_it_has_read_it(shared_venue: RunningVenue) -> None:
    """By TestRequest(1), until it answers; then only when it was sent more."""
    reader = await log_on("FIX.4.4", "DC1", shared_venue.fix_port)
    trader = await log_on("FIX.4.4", "FIRMA1", shared_venue.fix_port)
    for number in range(2):
        order = [("11", f"read-{number}"), ("54", "1"), ("55", "TEST1"), ("60", TRANSACT_TIME)]
        trader.send([("35", "D"), *order, ("38", "1"), ("40", "2"), ("44", "0.10")])
        await trader.expect("8")
        while (await reader.expect("8"))["11"] != f"read-{number}":
            pass  # of tests before this one
        asked = sum("35=1|" in line for line in reader.history)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await reader.receive()
        assert sum("35=1|" in line for line in reader.history) - asked == 1
    reader.cut()
    trader.cut()
