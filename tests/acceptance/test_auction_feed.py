"""A day's phases on the FIX feed of a whole venue: an auction as its readers see it, and a trade that is busted."""

import asyncio
import re

from simulators.fix_client import FixClient
from venue.up import RunningVenue

from .runner import TRANSACT_TIME
from .test_operator import operator
from .wire import DEADLINE_S

PHASES = "35=e|324=s1|55=TEST1|263=1|"
BOOK = "35=V|262=m1|263=1|264=0|265=1|267=5|269=0|269=1|269=2|269=A|269=Q|146=1|55=TEST1|"
_ENVELOPE = re.compile(r"^8=.*?\|56=\w+\||\|10=\d+\|$|(?<=\|)(60|779|272|273|341|345)=[^|]*\|")


class Session:
    """
    One client; what it received is told without header, trailer and times.

    RptSeq(83) is left out too, and seen to rise from X to X: the end of a day has a number, but shows nothing.
    """

    def __init__(self) -> None:
        self._md_seq = 0
        self._received: asyncio.Queue[str] = asyncio.Queue()

    async def connect(self, venue: RunningVenue, comp_id: str) -> None:
        self._client = await FixClient.connect(
            "127.0.0.1",
            venue.fix_port,
            begin_string="FIXT.1.1",
            sender_comp_id=comp_id,
            password=f"example-{comp_id.lower()}",
            on_message=lambda message: self._received.put_nowait(message.text.replace("\x01", "|")),
        )

    async def close(self) -> None:
        await self._client.logout()

    def send(self, text: str) -> None:
        self._client.send(text.replace("|", "\x01"))

    async def next(self) -> str:
        text = await asyncio.wait_for(self._received.get(), DEADLINE_S)
        msg_type = re.search(r"\|35=(\w+)\|", text)
        assert msg_type is not None
        if msg_type[1] == "X":
            md_seq = int(text.split("|83=")[1].split("|")[0])
            assert md_seq > self._md_seq
            self._md_seq = md_seq
        body = re.sub("(?<=until )[0-9:.-]+", "then", _ENVELOPE.sub("", re.sub(r"\|83=\d+", "", text)))
        return f"{msg_type[1]} {body.removesuffix('|')}"

    async def order(self, cl_ord_id: str, side: str, qty: int, price: str) -> None:
        """Enter an order that is taken."""
        self.send(f"35=D|11={cl_ord_id}|38={qty}|40=2|44={price}|54={side}|55=TEST1|59=0|60={TRANSACT_TIME}|")
        assert "|150=0|" in await self.next()


async def test_an_auction_and_a_bust_as_the_readers_of_the_feed_see_them(venue: RunningVenue) -> None:
    reader, buyer, seller = Session(), Session(), Session()
    for session, comp_id in ((reader, "MD1"), (buyer, "FIRMA1"), (seller, "FIRMB1")):
        await session.connect(venue, comp_id)
    reader.send(BOOK)
    assert await reader.next() == "W 262=m1|55=TEST1|1682=17|268=1|269=J"
    reader.send(PHASES)
    assert await reader.next() == "f 324=s1|55=TEST1|625=3|326=17|58=continuous trading"
    await buyer.order("b1", "1", 10, "100.00")
    assert await reader.next() == "X 262=m1|268=1|279=0|269=0|55=TEST1|270=100.00|271=10|346=1"

    await operator(venue, "phase", "opening auction", "TEST1", "--auction", "3600", "--text", "the second")
    assert (
        await reader.next()
        == "f 324=s1|55=TEST1|625=2|326=21|58=opening auction until then UTC at the earliest: the second"
    )
    assert await reader.next() == "X 262=m1|268=1|279=2|269=0|55=TEST1|270=100.00"
    await seller.order("s1", "2", 4, "99.00")
    price = "270=100.00|271=4|276=I"
    surplus = "270=100.00|271=6|276=I|277=P"
    assert await reader.next() == f"X 262=m1|268=2|279=0|269=Q|55=TEST1|{price}|279=0|269=A|55=TEST1|{surplus}"
    reader.send(BOOK.replace("m1", "m2").replace("263=1", "263=0"))
    assert await reader.next() == f"W 262=m2|55=TEST1|1682=21|268=2|269=Q|{price}|269=A|{surplus}"

    await operator(venue, "phase", "continuous", "TEST1")
    assert await reader.next() == "f 324=s1|55=TEST1|625=3|326=17|58=continuous trading"
    trade = "279=0|269=2|278=1|55=TEST1|270=100.00|271=4|1003=1|574=7"
    gone = "279=2|269=Q|55=TEST1|279=2|269=A|55=TEST1"
    level = "279=0|269=0|55=TEST1|270=100.00|271=6|346=1"
    assert await reader.next() == f"X 262=m1|268=4|{trade}|{gone}|{level}"

    await operator(venue, "correct", "TEST1", "1", "--price", "99.50", "--qty", "3")
    assert await reader.next() == "X 262=m1|268=1|279=1|269=2|278=1|55=TEST1|270=99.50|271=3|1003=1"
    await operator(venue, "bust", "TEST1", "1")
    assert await reader.next() == "X 262=m1|268=1|279=2|269=2|278=1|55=TEST1|270=99.50|1003=1"

    await operator(venue, "halt", "TEST1")
    assert await reader.next() == "f 324=s1|55=TEST1|326=2|58=halt"
    for session in (reader, buyer, seller):
        await session.close()
