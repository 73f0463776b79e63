"""
What becomes of a trade later reaches drop copy and trade capture, as it happens and by request; sessions of either
engine are asked whether they have read.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway import sent_marks
from gateway.sent_marks import SentMark
from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient
from venue.up import RunningVenue

from .runner import TRANSACT_TIME
from .test_operator import operator
from .wire import DEADLINE_S, log_on


class Desk:
    """One session, and what it was sent."""

    def __init__(self, comp_id: str, begin_string: str = "FIX.4.4") -> None:
        self.comp_id = comp_id
        self._begin_string = begin_string
        self._received: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def connect(self, venue: RunningVenue) -> None:
        self.client = await FixClient.connect(
            "127.0.0.1",
            venue.fix_port,
            begin_string=self._begin_string,
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


async def trade(desks: list[Desk]) -> tuple[str, dict[str, str], list[dict[str, str]]]:
    """Subscribe to trades, then make one; its name, ExecID(17) of its fills by Side(54), and its AE."""
    reader, seller, buyer = desks
    reader.client.send("35=AD\x01568=t-1\x01569=0\x01263=1\x01")
    assert [(await reader.next("AQ"))["750"] for _ in range(2)] == ["0", "1"]
    seller.order("a-1", "2")
    assert (await seller.next("8"))["150"] == "0"
    buyer.order("b-1", "1")
    copies = [await reader.next("8") for _ in range(4)]
    return (
        copies[-1]["527"],
        {copy["54"]: copy["17"] for copy in copies if copy["150"] == "F"},
        [await reader.next("AE") for _ in range(2)],
    )


async def test_a_bust_is_told_to_drop_copy_and_trade_capture_and_names_what_it_undoes(
    venue: RunningVenue, desks: list[Desk]
) -> None:
    reader = desks[0]
    match_id, fills, sides = await trade(desks)
    assert {side["54"]: side["571"] for side in sides} == fills
    assert {(side["487"], side["325"]) for side in sides} == {("0", "Y")}
    assert {side["880"] for side in sides} == {match_id}
    await operator(venue, "bust", "TEST1", match_id.rpartition("-")[2], "--text", "by agreement")
    busts = [await reader.next("8") for _ in range(2)]
    assert {(bust["150"], bust["54"], bust["19"]) for bust in busts} == {("H", side, fills[side]) for side in "12"}
    undone = [await reader.next("AE") for _ in range(2)]
    assert {(each["487"], each["856"], each["54"], each["572"]) for each in undone} == {
        ("1", "6", side, fills[side]) for side in "12"
    }
    assert {each["571"] for each in undone} == {bust["17"] for bust in busts}


async def test_a_correction_is_told_to_drop_copy_and_trade_capture_with_its_new_values(
    venue: RunningVenue, desks: list[Desk]
) -> None:
    """And then the bust of what was corrected: each names the fill, not what came in between."""
    reader = desks[0]
    match_id, fills, live = await trade(desks)
    number = match_id.rpartition("-")[2]
    await operator(venue, "correct", "TEST1", number, "--price", "99.50", "--qty", "4", "--text", "a slip")
    corrections = [await reader.next("8") for _ in range(2)]
    values = {(each["150"], each["54"], each["19"], each["31"], each["32"], each["58"]) for each in corrections}
    assert values == {("G", side, fills[side], "99.50", "4", "a slip") for side in "12"}
    corrected = [await reader.next("AE") for _ in range(2)]
    assert {
        (each["487"], each["856"], each["325"], each["54"], each["572"], each["31"], each["32"], each["58"])
        for each in corrected
    } == {("2", "5", "Y", side, fills[side], "99.50", "4", "a slip") for side in "12"}
    assert {each["571"] for each in corrected} == {each["17"] for each in corrections}
    await operator(venue, "bust", "TEST1", number, "--text", "by agreement")
    busts = [await reader.next("8") for _ in range(2)]
    assert {(each["150"], each["54"], each["19"]) for each in busts} == {("H", side, fills[side]) for side in "12"}
    busted = [await reader.next("AE") for _ in range(2)]
    assert {(each["487"], each["856"], each["572"]) for each in busted} == {("1", "6", fills[side]) for side in "12"}
    live += corrected + busted
    assert {each["880"] for each in live} == {match_id}
    for version in ("FIX.4.4", "FIXT.1.1"):
        await is_the_same_by_request(venue, reader, version, live)


async def is_the_same_by_request(venue: RunningVenue, reader: Desk, version: str, live: list[dict[str, str]]) -> None:
    """A snapshot has the AE that were sent as it happened, in their order, and says that it is one."""
    asking = reader
    if version != "FIX.4.4":
        asking = Desk("DC1", version)
        await asking.connect(venue)
    asking.client.send("35=AD\x01568=t-2\x01569=0\x01")
    assert (await asking.next("AQ"))["750"] == "0"
    snapshot = [await asking.next("AE") for _ in live]
    assert (await asking.next("AQ"))["748"] == str(len(live))
    told = ("17", "31", "32", "54", "487", "571", "572", "856", "880")
    assert [[each.get(tag) for tag in told] for each in snapshot] == [[each.get(tag) for tag in told] for each in live]
    assert {each["325"] for each in snapshot} == {"N"}
    if asking is not reader:
        await asking.client.logout()


def read_mark(venue: RunningVenue, session_id: str) -> SentMark:
    """What is on file of a session."""
    config = venue.venue.config
    path = sent_marks.path_of(venue.data_dir, config.gateway.id)
    return sent_marks.load(path, config.gateway.id, config.shards)[session_id]


async def test_a_client_that_was_sent_more_is_asked_once_whether_it_has_read_it(shared_venue: RunningVenue) -> None:
    """By TestRequest(1), until it answers; then only when it was sent more. What it has read is on file soon."""
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
        mark = read_mark(shared_venue, "FIX.4.4:DC1")
        assert mark.read_positions == mark.positions
    reader.cut()
    trader.cut()
