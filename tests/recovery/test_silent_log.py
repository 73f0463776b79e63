"""Log or matcher falls silent under requests: their senders are told, nobody waits for ever, each is answered once."""

import asyncio
import os
import signal
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient, FixClientError, Received
from tests.recovery.traders import Traders
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

TIME = "20260101-00:00:00"
BOUNDS = {"doubt_after_ms": 300, "hold_max_ms": 900, "silence_max_ms": 2500, "window_records": 1}
NEWS = "35=B"


class Trader:
    """One session over all its connections; by ClOrdID, what it was answered."""

    def __init__(self, port: int, comp_id: str) -> None:
        self._port, self._comp_id = port, comp_id
        self._store = MemoryStore()
        self._heard = asyncio.Event()
        self.news: list[str] = []
        self.answers: dict[str, list[str]] = defaultdict(list)

    async def log_on(self) -> None:
        self.client = await FixClient.connect(
            "127.0.0.1",
            self._port,
            begin_string="FIX.4.4",
            sender_comp_id=self._comp_id,
            password=f"example-{self._comp_id.lower()}",
            store=self._store,
            on_message=self._note,
        )

    async def log_on_when_welcome(self) -> None:
        async with asyncio.timeout(30):
            while True:
                try:
                    return await self.log_on()
                except FixClientError:
                    await asyncio.sleep(0.1)

    def order(self, name: str, side: str, terms: str) -> None:
        self.client.send(f"35=D\x0111={name}\x0155=AAPL\x0154={side}\x0138=1\x01{terms}\x0160={TIME}\x01")

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self._heard.clear()
                await self._heard.wait()

    def _note(self, message: Received) -> None:
        fields = message.fields
        match fields["35"]:
            case "B":
                self.news.append(message.text)
            case "9":
                self.answers[fields["11"]].append(f"9 {fields['58'].partition(':')[0]}")
            case "r":
                self.answers[fields["11"]].append("r")
            case _:
                said = fields.get("58", "").partition(":")[0]
                self.answers[fields["11"]].append(f"150={fields['150']} {said}".strip())
        self._heard.set()


def scraped(venue: RunningVenue, metric: str) -> float:
    """A metric of the gateway, as Prometheus reads it."""
    port = venue.processes["gateway"].details["metrics_port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        lines = str(page.read().decode()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{metric} "))


@pytest.fixture(params=["native", "quickfix"])
async def venue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RunningVenue]:
    config = ephemeral_config(tmp_path, gateway={"engine": request.param, **BOUNDS})
    async with RunningVenue(config, tmp_path / "data") as running:
        yield running


async def test_requests_to_a_paused_log_are_held_refused_when_too_old_and_answered_once(venue: RunningVenue) -> None:
    buyer, seller = Trader(venue.fix_port, "FIRMA1"), Trader(venue.fix_port, "FIRMB1")
    for trader in (buyer, seller):
        await trader.log_on()
    for number in range(20):
        seller.order(f"s-{number}", "2", "40=2\x0144=189.50")
    for name in ("r-1", "r-2"):
        buyer.order(name, "1", "40=2\x0144=100.00")
    await seller.until(lambda: len(seller.answers) == 20)
    await buyer.until(lambda: len(buyer.answers) == 2)

    nats_server = venue.processes["nats-server"].pid
    os.kill(nats_server, signal.SIGSTOP)
    try:
        early = [f"early-{number}" for number in range(5)]
        for name in early:
            buyer.order(name, "1", "40=1")
        await buyer.until(lambda: bool(buyer.news))
        late = [f"late-{number}" for number in range(5)]
        for name in late:
            buyer.order(name, "1", "40=1")
        order = f"55=AAPL\x0154=1\x0138=1\x0160={TIME}\x01"
        buyer.client.send(f"35=G\x0111=g-1\x0141=r-1\x0140=2\x0144=101.00\x01{order}")
        buyer.client.send(f"35=F\x0111=f-1\x0141=r-1\x01{order}")
        buyer.client.send("35=H\x0111=r-2\x0155=AAPL\x0154=1\x01")
        buyer.client.send(f"35=q\x0111=q-1\x01530=7\x0160={TIME}\x01")

        async with asyncio.timeout(30):
            for trader in (buyer, seller):
                assert "does not answer; log on again later" in await asyncio.shield(trader.client.closed)
        with pytest.raises(FixClientError, match="does not answer; log on again later"):
            await buyer.log_on()
        assert len(buyer.news) == 1
        assert seller.news == []  # nothing of it waits
        assert set(buyer.answers) == {"r-1", "r-2"}
    finally:
        os.kill(nats_server, signal.SIGCONT)

    told = buyer.answers
    for trader in (buyer, seller):
        await trader.log_on_when_welcome()
    asked = {*early, *late, "g-1", "f-1"}
    await buyer.until(lambda: asked <= buyer.answers.keys() and [len(told[name]) for name in ("r-2", "q-1")] == [3, 2])
    assert {name: told[name] for name in late} == {name: ["150=8 HELD_TOO_LONG"] for name in late}
    assert (told["g-1"], told["f-1"], told["q-1"]) == (["9 HELD_TOO_LONG"], ["150=4"], ["r", "r"])
    assert told["r-2"] == ["150=0", "150=I", "150=4"]  # the status request, then the mass cancel
    executed = [name for name in early if told[name] == ["150=0", "150=F"]]
    assert [told[name] for name in early if name not in executed] == [["150=8 HELD_TOO_LONG"]] * (5 - len(executed))

    refused = [name for name in (*early, *late) if name not in executed]
    for name in refused:
        buyer.client.send(f"35=H\x0111={name}\x0155=AAPL\x0154=1\x01")
    await buyer.until(lambda: all(len(told[name]) > 1 for name in refused))
    assert [told[name][1:] for name in refused] == [["150=I UNKNOWN_ORDER"]] * len(refused)
    await seller.until(lambda: sum("150=F" in each for each in seller.answers.values()) == len(executed))
    assert len(buyer.news) == 1
    for trader in (buyer, seller):
        await trader.client.logout()


async def test_requests_that_a_paused_matcher_has_are_told_of_and_answered_when_it_goes_on(venue: RunningVenue) -> None:
    trader = Trader(venue.fix_port, "FIRMA1")
    await trader.log_on()
    matchers = [process.pid for name, process in venue.processes.items() if name.startswith("matcher")]
    for pid in matchers:
        os.kill(pid, signal.SIGSTOP)
    try:
        trader.order("a-1", "1", "40=2\x0144=100.00")
        await trader.until(lambda: bool(trader.news))
        assert "148=the venue's matching engine does not answer" in trader.news[0]
        async with asyncio.timeout(30):
            why = await asyncio.shield(trader.client.closed)
        assert "the venue's matching engine does not answer; log on again later" in why
    finally:
        for pid in matchers:
            os.kill(pid, signal.SIGCONT)
    await trader.log_on_when_welcome()
    await trader.until(lambda: "a-1" in trader.answers)
    assert (trader.answers["a-1"], len(trader.news)) == (["150=0"], 1)
    await trader.client.logout()


async def test_firms_that_trade_on_through_silences_of_the_log_find_nothing_lost_split_or_twice(tmp_path: Path) -> None:
    """Orders are refused in records that may be stored already, and come to light in either version."""
    bounds = BOUNDS | {"silence_max_ms": 60_000}
    async with RunningVenue(ephemeral_config(tmp_path, gateway=bounds), tmp_path / "data") as venue:
        traders = Traders(venue, ["TEST1", "TEST2", "BRK.B"])
        for _ in range(3):
            await traders.until_answered(100)
            refused = await asyncio.to_thread(scraped, venue, "gateway_held_too_long_total")
            nats_server = venue.processes["nats-server"].pid
            os.kill(nats_server, signal.SIGSTOP)
            async with asyncio.timeout(30):
                while await asyncio.to_thread(scraped, venue, "gateway_held_too_long_total") == refused:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            os.kill(nats_server, signal.SIGCONT)
        await traders.until_answered(100)
        await traders.leave()
        traders.audit(answered_min=300)
        assert traders.news > 0
        assert await asyncio.to_thread(scraped, venue, "gateway_stalls_total") > 0
