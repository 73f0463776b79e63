"""The operator and a whole venue: a halt that clients feel, and an instrument that is defined while it runs."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient
from venue.up import RunningVenue

from .runner import TRANSACT_TIME
from .wire import DEADLINE_S

REPOSITORY = Path(__file__).parents[2]
NEW = '[instruments]\nNEW = { tick = "0.05", reference_price = "10.00", shard = 1 }\n'


class Trader:
    """One session, whose numbers outlive its connections."""

    def __init__(self, comp_id: str) -> None:
        self.comp_id = comp_id
        self._store = MemoryStore()
        self._received: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._orders = 0

    async def connect(self, venue: RunningVenue) -> None:
        self._client = await FixClient.connect(
            "127.0.0.1",
            venue.fix_port,
            begin_string="FIX.4.4",
            sender_comp_id=self.comp_id,
            password=f"example-{self.comp_id.lower()}",
            store=self._store,
            on_message=lambda message: self._received.put_nowait(message.fields),
        )

    async def close(self) -> None:
        await self._client.logout()

    async def buy(self, symbol: str, price: str) -> dict[str, str]:
        """Enter an order; returns its first answer."""
        self._orders += 1
        order = f"11=o{self._orders}\x0138=10\x0140=2\x0144={price}\x0154=1\x0155={symbol}\x0159=0\x01"
        self._client.send(f"35=D\x01{order}60={TRANSACT_TIME}\x01")
        return await asyncio.wait_for(self._received.get(), DEADLINE_S)

    async def sees(self, symbol: str, best_bid: str) -> None:
        """Ask for snapshots of one level until this is the best bid; the feed may be behind for a moment."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                self._orders += 1
                wanted = "263=0\x01264=1\x01267=1\x01269=0\x01146=1"
                self._client.send(f"35=V\x01262=r{self._orders}\x01{wanted}\x0155={symbol}\x01")
                if (await self._received.get()).get("270") == best_bid:
                    return


async def operator(venue: RunningVenue, *arguments: str | Path) -> str:
    """Give an order that is to succeed; returns what was said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "venue", "operator", *map(str, arguments), "--config", str(venue.config_path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    said, complained = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert (process.returncode, complained.decode()) == (0, "")
    return said.decode()


@pytest.fixture
async def trader(venue: RunningVenue) -> AsyncIterator[Trader]:
    trader = Trader("FIRMA1")
    await trader.connect(venue)
    yield trader
    await trader.close()


async def test_a_halt_refuses_orders_and_a_resumption_takes_them_again(venue: RunningVenue, trader: Trader) -> None:
    assert await operator(venue, "halt", "TEST1", "--text", "news pending") == "TEST1: halted\n"
    refused = await trader.buy("TEST1", "100.00")
    assert refused["150"] == "8"
    assert refused["58"].startswith("PHASE_NOT_ALLOWED")
    assert (await trader.buy("TEST2", "100.00"))["150"] == "0"
    assert await operator(venue, "resume", "TEST1") == "TEST1: resumed\n"
    assert (await trader.buy("TEST1", "100.00"))["150"] == "0"


async def test_an_instrument_that_is_defined_at_run_time_trades_at_once_and_after_every_process_was_killed(
    venue: RunningVenue, trader: Trader, tmp_path: Path
) -> None:
    assert (await trader.buy("NEW", "10.05"))["58"].startswith("UNKNOWN_SYMBOL")
    path = tmp_path / "new.toml"
    path.write_text(NEW)
    assert await operator(venue, "define", path) == "NEW: defined on shard 1\n"
    watcher = Trader("MD1")
    await watcher.connect(venue)
    while (taken := await trader.buy("NEW", "10.05")).get(58, "").startswith("UNKNOWN_SYMBOL"):
        pass  # the gateway has not read of it yet
    assert (taken["150"], taken["44"]) == ("0", "10.05")
    assert (await trader.buy("NEW", "10.01"))["58"].startswith("PRICE_OFF_TICK")
    await watcher.sees("NEW", "10.05")

    for name in ("matcher-1", "marketdata", "gateway"):
        process = venue.processes[name]
        generation = process.generation
        os.kill(process.pid, signal.SIGKILL)
        await venue.wait_ready(name, generation + 1)
    await trader.connect(venue)
    await watcher.connect(venue)
    assert (await trader.buy("NEW", "10.10"))["150"] == "0"
    await watcher.sees("NEW", "10.10")
    assert "NEW: continuous trading, reference 10.00" in await operator(venue, "status", "NEW")
    await watcher.close()
