"""
Readers of market data over NATS, WebSocket and FIX have the engine's book after every message, whatever dies.

Traders ask for orders of every kind, and an operator has auctions, halts, busts and ends of days, while processes are
killed in turn. Everything that any reader had after any message is compared with the logs; in the end all of them are
at the same numbers.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bus.connection import Bus
from matcher.operator_commands import (
    BustTrade,
    CorrectTrade,
    EndTradingDay,
    OperatorCommand,
    SetPhase,
    SetReferencePrice,
    TimerCommand,
)
from matcher.phases import (
    CLOSING_AUCTION,
    CONTINUOUS,
    HALT,
    OPENING_AUCTION,
    POST_CLOSE,
    PRE_OPEN,
    VOLATILITY_AUCTION,
    Phase,
)
from simulators.torture.auditor import Auditor
from simulators.torture.trader import Trader
from tests.marketdata.logged_books import Verdict, judge, last_numbers
from tests.marketdata.transports import Readers
from tests.processes import until
from venue.ephemeral import ephemeral_config, free_ports
from venue.operator_desk import OperatorDesk
from venue.up import RunningVenue

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning")
"""nats-py does not close a connection that ended during its handshake, as one does through a proxy of nobody."""

SYMBOLS = ("TEST1", "TEST2", "BRK.B")
"""On two shards."""
SESSIONS = {"FIRMA1": "FIX.4.4", "FIRMA2": "FIXT.1.1", "FIRMB1": "FIX.4.4", "FIRMC1": "FIXT.1.1"}
READERS = "readers"
VICTIMS = ("matcher-0", "marketdata", READERS, "nats-server", "websocket", "gateway", "matcher-1")
"""Processes that are killed; and the readers, whose connections are cut."""
ORDERS = {
    *("40=1", "40=2", "40=3", "40=4", "40=K", "40=P", "59=0", "59=1", "59=3", "59=4", "59=6", "59=7"),
    *("iceberg", "hidden", "trailing", "post-only", "minimum quantity", "of a list"),
}
"""What has to be taken in every run."""
REQUEST_INTERVAL_S = 0.02
AUCTION_NS = 200_000_000


class AnyTrader(Trader):
    """Asks for the kinds of orders, too, that torture has not."""

    def ask(self) -> None:
        chance = self.flow._random.random()
        if chance > 0.12 or not self.client.is_up:
            super().ask()
            return
        symbol = self.flow._symbol()
        price, tomorrow = self.flow._price(symbol), f"{datetime.now(UTC) + timedelta(days=1):%Y%m%d}"
        terms = (
            f"40=2\x0144={price}\x0159=0\x01",  # for the day
            f"40=2\x0144={price}\x0159=6\x01432={tomorrow}\x01",
            f"40=2\x0144={price}\x0159=2\x01",  # at the opening, and at the close
            f"40=2\x0144={price}\x0159=7\x01",
            "40=K\x0159=1\x01",  # market with left over as limit
            "18=P\x0140=P\x0159=1\x01111=2\x01",  # a pegged iceberg
        )
        self.send(self.flow._order(self.flow._random.choice(terms), symbol=symbol))


class Operator:
    """Interferes with one symbol after the other."""

    def __init__(self, venue: RunningVenue, readers: Readers, chance: random.Random) -> None:
        self._venue = venue
        self._readers = readers
        self._chance = chance
        self._count = 0
        self._days = 0

    async def interfere(self) -> None:
        """Do something to each symbol."""
        async with self._desk() as desk:
            for symbol in SYMBOLS:
                await self._one(desk, symbol)

    async def resume(self) -> None:
        """Have continuous trading everywhere."""
        async with self._desk() as desk:
            for symbol in SYMBOLS:
                await self._phase(desk, symbol, CONTINUOUS)

    async def _one(self, desk: OperatorDesk, symbol: str) -> None:
        match self._chance.choice(
            ["opening", "closing", "volatility", "halt", "halt-auction", "pre-open", "bust", "correct", "day"]
        ):
            case "opening":
                await self._phase(desk, symbol, OPENING_AUCTION, AUCTION_NS)
            case "closing":
                await self._phase(desk, symbol, CLOSING_AUCTION, AUCTION_NS)
                await self._told(symbol, POST_CLOSE)
                await self._phase(desk, symbol, CONTINUOUS)
            case "volatility":
                await self._phase(desk, symbol, VOLATILITY_AUCTION, AUCTION_NS)
            case "halt":
                await self._phase(desk, symbol, HALT)
                await self._phase(desk, symbol, CONTINUOUS)
            case "halt-auction":
                await self._phase(desk, symbol, HALT)
                await self._phase(desk, symbol, CONTINUOUS, AUCTION_NS)
            case "pre-open":
                await self._phase(desk, symbol, PRE_OPEN)
                await self._some_orders()
                await self._phase(desk, symbol, CONTINUOUS)
            case "day":
                await self._end_day(desk, symbol)
            case _ as what if trades := self._readers.nats.replicas[symbol].trades:
                trade = self._chance.choice(trades)
                head = *self._head(symbol), trade.match_id
                busted, corrected = BustTrade(*head, ""), CorrectTrade(*head, trade.price_ticks + 1, 1, "")
                await self._give(desk, symbol, busted if what == "bust" else corrected)

    async def _some_orders(self) -> None:
        await asyncio.sleep(0.1)  # as long as any other phase; what comes in it is up to the traders

    async def _told(self, symbol: str, phase: Phase) -> None:
        await until(lambda: self._readers.nats.replicas[symbol].phase.phase == phase)

    async def _phase(self, desk: OperatorDesk, symbol: str, phase: Phase, length_ns: int = 0) -> None:
        head = self._head(symbol)
        ends_ns = head[1] + length_ns if length_ns else 0
        await self._give(desk, symbol, SetPhase(*head, phase, ends_ns, length_ns // 2, 7 * bool(length_ns), "as asked"))
        if length_ns:
            await self._some_orders()

    async def _end_day(self, desk: OperatorDesk, symbol: str) -> None:
        self._days += 1
        head = self._head(symbol)
        day = f"{datetime.now(UTC) + timedelta(days=self._days):%Y%m%d}"
        reference = SetReferencePrice(*head, self._venue.venue.instruments[symbol].reference_price_ticks)
        await self._give(desk, symbol, reference, EndTradingDay(symbol, head[1], day))

    async def _give(self, desk: OperatorDesk, symbol: str, command: OperatorCommand, *following: TimerCommand) -> None:
        await desk.give(self._venue.venue.instruments[symbol].shard, command, *following)

    def _head(self, symbol: str) -> tuple[str, int, str]:
        self._count += 1
        return f"test-{self._count}", time.time_ns(), symbol

    @asynccontextmanager
    async def _desk(self) -> AsyncIterator[OperatorDesk]:
        bus = await Bus.connect(self._venue.venue.config.nats.url, name="operator")
        try:
            yield OperatorDesk(bus, shards=self._venue.venue.config.shards, patience_s=30)
        finally:
            await bus.close()


class Run:
    """A venue that trades, and is read over all transports."""

    def __init__(self, venue: RunningVenue, readers: Readers, seed: int) -> None:
        self.readers = readers
        self._venue = venue
        self._chance = random.Random(seed)
        self._operator = Operator(venue, readers, self._chance)
        self._auditor = Auditor(shards=venue.venue.config.shards)
        instruments = [venue.venue.instruments[symbol] for symbol in SYMBOLS]
        self._traders = [
            AnyTrader(
                comp_id,
                version,
                [venue.fix_port],
                instruments=instruments,
                seed=seed,
                auditor=self._auditor,
                see=self._auditor.see,
            )
            for comp_id, version in SESSIONS.items()
        ]

    async def trade(self, victims: list[str], *, answered_each: int) -> Verdict:
        """Trade and interfere; kill one of them after the other; come to rest, and judge."""
        await until(lambda: self.readers.have_begun)
        running = [asyncio.create_task(trader.client.run()) for trader in self._traders]
        trading = [asyncio.create_task(trader.trade_for_ever(REQUEST_INTERVAL_S)) for trader in self._traders]
        for victim in victims:
            await self._answered(answered_each)
            await self._operator.interfere()
            await (self._cut_readers() if victim == READERS else self._kill(victim))
        await self._answered(answered_each)
        await self._operator.interfere()
        await self._operator.resume()
        for task in trading:
            task.cancel()
        await self._rest()
        verdict = await self._judge()
        for trader in self._traders:
            trader.client.stop()
        await asyncio.gather(*running)
        return verdict

    async def _kill(self, name: str) -> None:
        process = self._venue.processes[name]
        await self._venue.wait_ready(name, generation=process.generation)
        generation = process.generation
        os.kill(process.pid, signal.SIGKILL)
        await self._venue.wait_ready(name, generation=generation + 1)

    async def _cut_readers(self) -> None:
        """Everybody misses something."""
        self.readers.cut()
        await self._answered(10)
        self.readers.reconnect()

    async def _answered(self, count: int) -> None:
        """Await so many more answers to each trader."""
        goals = {comp_id: self._auditor.requests.answered_of(comp_id) + count for comp_id in SESSIONS}
        await until(lambda: all(self._auditor.requests.answered_of(comp_id) >= goals[comp_id] for comp_id in goals))

    async def _rest(self) -> None:
        """Await all answers; the last ones are to orders that show in every view."""
        await until(lambda: not any(trader.unanswered for trader in self._traders))
        await until(lambda: all(trader.client.is_up for trader in self._traders))
        for trader in self._traders:
            for symbol in SYMBOLS:
                trader.send(trader.flow.out_of_reach(symbol))
        await until(lambda: not any(trader.unanswered for trader in self._traders))

    async def _judge(self) -> Verdict:
        bus = await Bus.connect(self._venue.venue.config.nats.url, name="test")
        try:
            last = await last_numbers(bus, self._venue.venue)
            await until(lambda: self.readers.are_at({symbol: last[symbol] for symbol in SYMBOLS}))
            return await judge(bus, self._venue.venue, self.readers.ledger)
        finally:
            await bus.close()


@asynccontextmanager
async def run_of(directory: Path, seed: int) -> AsyncIterator[Run]:
    config = ephemeral_config(directory, websocket={"port": free_ports(1)[0]}, marketdata={"checkpoint_interval_s": 1})
    async with (
        RunningVenue(config, directory / "data", restart_delays_s=(0.0,)) as venue,
        Readers(venue, SYMBOLS, can_be_cut=True) as readers,
    ):
        yield Run(venue, readers, seed)


def audit(verdict: Verdict, readers: Readers) -> None:
    """All were right at every number they had, had most of them, and had something to recover from."""
    for name in ("kinds", "orders", "compared", "unseen"):
        print(name, dict(getattr(verdict, name)))  # noqa: T201 - for the report of a failure
    print("losses", dict(readers.losses))  # noqa: T201 - as above
    assert (verdict.differences, readers.refusals) == ([], [])
    assert verdict.compared["the engine"] > 500
    for name in readers.names:
        assert verdict.compared[name] > verdict.increments // 2
        assert readers.losses[name] > 0
    assert verdict.orders.keys() >= ORDERS
    assert verdict.kinds["trades"] > 100


async def test_whatever_is_killed_all_transports_have_the_engines_book(tmp_path: Path) -> None:
    async with run_of(tmp_path, seed=1) as run:
        verdict = await run.trade(list(VICTIMS), answered_each=45)
    audit(verdict, run.readers)


@pytest.mark.long
async def test_a_hundred_kills_and_interventions(tmp_path: Path) -> None:
    seed = int(os.environ.get("OUTCRY_SEED", time.time_ns() % 10**6))
    print(f"seed {seed}")  # noqa: T201 - for the report of a failure
    victims = random.Random(seed).choices(VICTIMS, k=100)
    async with run_of(tmp_path, seed) as run:
        verdict = await run.trade(victims, answered_each=40)
    audit(verdict, run.readers)
    assert {name for name, count in verdict.kinds.items() if not count} == set()
    assert verdict.kinds["uncrossed"] > 100
