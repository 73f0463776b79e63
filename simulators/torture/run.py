"""
One run: a venue on free ports, traders on it, faults from a seed, and the verdict.

After each fault the venue has to come back: every process ready, every session answered. Half of the time the next
fault does not wait for that, so that recoveries are hurt as well. In the end everybody rests: all requests answered,
what lives asked for, the public books caught up; then the auditor finishes, and the logs are replayed.
"""

import asyncio
import random
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from bus.connection import BusError
from bus.reader import LogGap
from configs.loader import replica_name
from matcher.instruments import Instrument
from matcher.process.logs import LogBroken
from simulators.torture.auditor import Auditor
from simulators.torture.faults import KINDS
from simulators.torture.history import HistoryFile, Said
from simulators.torture.machine import Disk, SlowSync
from simulators.torture.proxy import Proxy
from simulators.torture.replay import Replayed, replay
from simulators.torture.stage import Fault, Stage
from simulators.torture.trader import MarketDataReader, Trader
from simulators.torture.violations import Violation
from venue.data_directory import JETSTREAM, claim_store, open_directory
from venue.ephemeral import ephemeral_config, free_ports
from venue.nats_server import server_address
from venue.process import EngineName
from venue.supervised_process import SupervisorError
from venue.up import RunningVenue

SHARDS: Final = 2
SYMBOLS: Final = ("TEST1", "TEST2", "BRK.B")
"""On two shards."""
SESSIONS: Final = (
    ("FIRMA1", "FIX.4.4"),
    ("FIRMA2", "FIXT.1.1"),
    ("FIRMB1", "FIX.4.4"),
    ("FIRMB2", "FIXT.1.1"),
    ("FIRMC1", "FIX.4.4"),
    ("FIRMC2", "FIXT.1.1"),
)
READERS: Final = (("MD1", "FIXT.1.1"), ("MD2", "FIXT.1.1"))
SELF_MATCH: Final = {"FIRMA": "allow", "FIRMB": "cancel resting", "FIRMC": "decrement both"}
RECOVERY_PATIENCE_S: Final = 60.0
"""How long the venue may take to answer every session again after a fault."""
REST_PATIENCE_S: Final = 120.0
"""How long it may take in the end until all is answered and published."""
PROGRESS_ANSWERS: Final = 3
"""Requests of each session that have to be answered before the venue counts as recovered."""
SNAPSHOT_EVERY_INPUTS: Final = 250
RESTART_DELAYS_S: Final = (0.0,)
"""The supervisor's: with its own, after so many deaths, each restart would wait 5 s."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do."""

    faults: int
    seed: int
    minutes_max: float
    kinds: tuple[str, ...]
    requests_per_s: float
    """Of all sessions together."""
    engine: EngineName | None
    standbys: int = 0
    """Of each shard."""
    gateways: int = 1
    """Sessions may log on at each of them."""
    is_cluster: bool = False
    """Three JetStream servers, each log on all of them."""
    keeps_logs: bool = False
    """Keep what was on the disk of the logs, even if nothing is wrong."""
    is_calm: bool = False
    """Each fault waits until the venue has recovered from the one before."""


class Struck(msgspec.Struct, frozen=True):
    """One fault that happened."""

    number: int
    kind: str
    details: str
    at_s: float
    recovered_s: float | None
    """Until every session was answered again, all processes were ready; None if the next fault did not wait."""
    wait_s: float | None
    """The longest that a client waited for an answer meanwhile."""


class Summary(msgspec.Struct):
    """What came of a run."""

    seed: int
    seconds: float = 0.0
    struck: Counter[str] = msgspec.field(default_factory=Counter)
    skipped: dict[str, str] = msgspec.field(default_factory=dict)
    """Kinds that this machine cannot do, and why."""
    requests: int = 0
    answered: int = 0
    reports: int = 0
    trades: int = 0
    increments: int = 0
    connections: int = 0
    wait_s_max: float = 0.0
    """The longest that a client waited for an answer."""
    waits_s: dict[str, list[float]] = msgspec.field(default_factory=dict)
    """By kind of fault: the longest that a client waited, of each that was recovered from before the next one."""
    recovery_s_max: float = 0.0
    replayed: int = 0
    """ORD records replayed in the end."""
    unchecked: list[str] = msgspec.field(default_factory=list)
    """What could not be replayed."""
    violation_count: int = 0
    violations: list[Violation] = msgspec.field(default_factory=list)


class NotRecovered(Exception):
    """The venue did not come back; the message says what is missing."""


class Torture:
    """One run of a plan."""

    def __init__(self, plan: Plan, directory: Path, tell: Callable[[Struck], None]) -> None:
        """
        Prepare a run.

        Args:
            plan: What to do.
            directory: Exists, empty; receives configuration, data, logs and `history.jsonl`.
            tell: Called after each fault.
        """
        self._plan = plan
        self._directory = directory
        self._tell = tell
        self._chance = random.Random(plan.seed)  # noqa: S311 -- a schedule that must repeat, not a secret
        self._auditor = Auditor(shards=SHARDS, market_data=[comp_id for comp_id, _ in READERS])
        self._summary = Summary(plan.seed)
        self._started_s = time.monotonic()

    async def run(self) -> Summary:
        """Carry it out; raises what keeps a venue from starting (`venue.up.START_FAILURES`)."""
        history = HistoryFile(self._directory / "history.jsonl")

        def see(said: Said) -> None:
            history.see(said)
            self._auditor.see(said)

        try:
            async with self._stage(see) as (stage, readers):
                await self._hurt(stage, readers)
        finally:
            history.close()
        return self._summary

    async def _hurt(self, stage: Stage, readers: list[MarketDataReader]) -> None:
        clients = [trader.client for trader in stage.traders] + [reader.client for reader in readers]
        running = [asyncio.create_task(client.run()) for client in clients]
        interval_s = len(stage.traders) / self._plan.requests_per_s
        trading = [asyncio.create_task(trader.trade_for_ever(interval_s)) for trader in stage.traders]
        try:
            await self._recovered(stage)
            await self._strike_all(stage)
            await self._recovered(stage)
            await self._cancel(trading)
            await self._rest(stage)
            for client in clients:
                client.stop()
            await asyncio.gather(*running)
        except (NotRecovered, SupervisorError) as error:
            self._auditor.findings.add("comes back", str(error))
        finally:
            await self._cancel([*trading, *running])
        await self._judge(stage)
        self._summary.connections = sum(client.connections for client in clients)

    async def _strike_all(self, stage: Stage) -> None:
        kinds = self._kinds(stage)
        deadline_s = self._started_s + 60 * self._plan.minutes_max
        for number in range(1, self._plan.faults + 1):
            if time.monotonic() > deadline_s:
                return
            # In rounds, so that each kind comes about equally often whatever the seed.
            if (number - 1) % len(kinds) == 0:
                self._chance.shuffle(kinds)
            await self._strike(stage, number, kinds[(number - 1) % len(kinds)])

    async def _strike(self, stage: Stage, number: int, fault: Fault) -> None:
        chance = random.Random(f"{self._plan.seed}-{number}")  # noqa: S311 -- as above
        await asyncio.sleep(chance.random() * 0.3)
        self._auditor.requests.take_wait_ns()
        try:
            async with asyncio.timeout(RECOVERY_PATIENCE_S):
                details = await fault.strike(stage, chance)
        except TimeoutError as error:
            raise NotRecovered(f"{fault.name} waited {RECOVERY_PATIENCE_S:g} s for its victim to be there") from error
        except BusError as error:
            raise NotRecovered(f"{fault.name} could not be told to the venue: {error}") from error
        struck_s = time.monotonic()
        self._summary.struck[fault.name] += 1
        recovered_s = wait_s = None
        if chance.random() < 0.5 or self._plan.is_calm:
            await self._recovered(stage)
            recovered_s = time.monotonic() - struck_s
            wait_s = self._auditor.requests.take_wait_ns() / 1e9
            self._summary.recovery_s_max = max(self._summary.recovery_s_max, recovered_s)
            self._summary.waits_s.setdefault(fault.name, []).append(wait_s)
        self._tell(Struck(number, fault.name, details, struck_s - self._started_s, recovered_s, wait_s))

    def _kinds(self, stage: Stage) -> list[Fault]:
        faults = [KINDS[kind]() for kind in self._plan.kinds]
        self._summary.skipped = {fault.name: why for fault in faults if (why := fault.why_not(stage))}
        return [fault for fault in faults if fault.name not in self._summary.skipped]

    async def _recovered(self, stage: Stage) -> None:
        """Await that all processes are ready and every session is answered again; raises NotRecovered."""
        goals = {trader: self._auditor.requests.answered_of(trader.comp_id) for trader in stage.traders}
        waiting = ""
        try:
            async with asyncio.timeout(RECOVERY_PATIENCE_S):
                for name, process in stage.venue.processes.items():
                    waiting = f"{name} is not ready"
                    generation = max(stage.killed.get(name, 0) + 1, process.generation)
                    await stage.venue.wait_ready(name, generation)
                for trader, before in goals.items():
                    waiting = f"{trader.comp_id} is not answered"
                    goal = before + PROGRESS_ANSWERS
                    while self._auditor.requests.answered_of(trader.comp_id) < goal:  # noqa: ASYNC110 - a clock is enough
                        await asyncio.sleep(0.005)
        except TimeoutError as error:
            raise NotRecovered(f"{RECOVERY_PATIENCE_S:g} s after the last fault {waiting}") from error

    async def _rest(self, stage: Stage) -> None:
        """Await that nothing is on its way any more; raises NotRecovered."""

        async def until(condition: Callable[[], bool], what: str) -> None:
            try:
                async with asyncio.timeout(REST_PATIENCE_S):
                    while not condition():  # noqa: ASYNC110 - as above
                        await asyncio.sleep(0.02)
            except TimeoutError as error:
                raise NotRecovered(f"{REST_PATIENCE_S:g} s after the last request {what}") from error

        def all_answered() -> bool:
            return not any(trader.unanswered for trader in stage.traders)

        def all_up() -> bool:
            return all(trader.client.is_up for trader in stage.traders)

        await until(all_answered, "not all requests are answered")
        await until(all_up, "not all sessions are up")
        for trader in stage.traders:
            for symbol in SYMBOLS:
                trader.send(trader.flow.out_of_reach(symbol))
        await until(all_answered, "not all last orders are answered")
        for trader in stage.traders:
            trader.send(trader.flow.all_of_session())
        await until(all_answered, "not all status requests are answered")
        prices = {symbol: stage.venue.venue.instruments[symbol].tick.text(1) for symbol in SYMBOLS}
        for symbol, price in prices.items():
            await until(
                lambda symbol=symbol, price=price: (  # type: ignore[misc]
                    self._auditor.shown_orders(symbol, "1", Decimal(price)) >= len(stage.traders)
                ),
                f"the public book of {symbol} does not show the last orders",
            )

    async def _judge(self, stage: Stage) -> None:
        summary, auditor = self._summary, self._auditor
        auditor.finish()
        for difference in await self._replay(stage):
            auditor.findings.add("replay", difference)
        summary.seconds = time.monotonic() - self._started_s
        summary.requests, summary.answered = auditor.requests.sent, auditor.requests.answered
        summary.reports, summary.trades = auditor.orders.reports, auditor.trades
        summary.increments = auditor.books.increments
        summary.wait_s_max = auditor.requests.wait_ns_max / 1e9
        summary.violation_count = auditor.findings.count
        summary.violations = auditor.findings.violations

    async def _replay(self, stage: Stage) -> list[str]:
        config = stage.venue.venue.config
        differences: list[str] = []
        for shard in range(config.shards):
            try:
                done = await replay(stage.venue.venue, stage.venue.data_dir, shard)
            except (BusError, LogBroken, LogGap, TimeoutError) as error:
                why = str(error) or "its log gives no records"
                done = Replayed(differences=[f"shard {shard} cannot be replayed: {why}"])
            self._summary.replayed += done.records
            self._summary.unchecked += [done.unchecked] * bool(done.unchecked)
            differences += done.differences
        return differences

    @asynccontextmanager
    async def _stage(self, see: Callable[[Said], None]) -> AsyncIterator[tuple[Stage, list[MarketDataReader]]]:
        async with AsyncExitStack() as stack:
            data_dir = open_directory(self._directory / "data")
            claim_store(data_dir)
            if not self._plan.is_cluster:
                (data_dir / JETSTREAM).mkdir(exist_ok=True)
            disk = Disk(None if self._plan.is_cluster else data_dir / JETSTREAM)
            stack.callback(self._keep_logs, disk)
            gateways = [f"gw{n}" for n in range(1, self._plan.gateways + 1)]
            config = ephemeral_config(
                self._directory,
                durability="cluster" if self._plan.is_cluster else "durable",
                shards=SHARDS,
                firms=_firms(gateways),
                matcher=self._matcher(),
                gateway=_further(gateways[1:]),
            )
            venue, ways = await self._venue(config, data_dir, stack)
            await stack.enter_async_context(venue)
            doors = []
            for gateway_id, port in venue.fix_ports.items():
                door = Proxy(f"clients-{venue.gateway_name(gateway_id)}", "127.0.0.1", port)
                await door.start()
                stack.push_async_callback(door.stop)
                doors.append(door)
            traders, readers = self._clients(venue, [door.port for door in doors], see)
            yield Stage(venue, traders, doors, ways, disk, SlowSync()), readers

    def _keep_logs(self, disk: Disk) -> None:
        """The disk is in memory and goes with this process, but whoever looks into a failure needs the logs on it."""
        if disk.directory is None or disk.why_not:
            return
        is_whole = self._summary.seconds and not self._auditor.findings.count
        if self._plan.keeps_logs or not is_whole:
            shutil.copytree(disk.directory, self._directory / "jetstream-kept", dirs_exist_ok=True)
        disk.release()

    def _matcher(self) -> dict[str, int]:
        standbys = {"standbys": self._plan.standbys} if self._plan.standbys else {}
        return {"snapshot_every_inputs": SNAPSHOT_EVERY_INPUTS, **standbys}

    async def _venue(
        self, config: Path, data_dir: Path, stack: AsyncExitStack
    ) -> tuple[RunningVenue, dict[str, Proxy]]:
        """The venue, each process of which reaches JetStream by a way of its own; several servers, all the same way."""
        planned = RunningVenue(config, data_dir, engine=self._plan.engine)
        ways: dict[str, Proxy] = {}
        for name in [] if self._plan.is_cluster else self._names(planned):
            server = server_address(planned.venue.config.nats.url)
            ways[name] = Proxy(f"{name}-nats", server.host, server.port)
            await ways[name].start()
            stack.push_async_callback(ways[name].stop)
        urls = {name: f"nats://127.0.0.1:{way.port}" for name, way in ways.items()}
        venue = RunningVenue(
            config, data_dir, engine=self._plan.engine, nats_urls=urls, restart_delays_s=RESTART_DELAYS_S
        )
        return venue, ways

    def _names(self, venue: RunningVenue) -> list[str]:
        """Of all processes that use JetStream."""
        gateways = [venue.gateway_name(gateway_id) for gateway_id in venue.venue.gateway_ids]
        replicas = range(1, self._plan.standbys + 2)
        matchers = [replica_name(shard, n) for shard in range(venue.venue.config.shards) for n in replicas]
        return [*gateways, *matchers, "marketdata"]

    def _clients(
        self, venue: RunningVenue, ports: list[int], see: Callable[[Said], None]
    ) -> tuple[list[Trader], list[MarketDataReader]]:
        instruments: list[Instrument] = [venue.venue.instruments[symbol] for symbol in SYMBOLS]
        traders = [
            Trader(
                comp_id,
                version,
                ports,
                instruments=instruments,
                seed=self._plan.seed,
                auditor=self._auditor,
                see=see,
            )
            for comp_id, version in SESSIONS
        ]
        readers = [MarketDataReader(comp_id, version, ports, symbols=SYMBOLS, see=see) for comp_id, version in READERS]
        return traders, readers

    @staticmethod
    async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
        tasks = list(tasks)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


def _further(gateways: list[str]) -> dict[str, object]:
    """Gateways beside the first."""
    if not gateways:
        return {}
    ports = zip(gateways, free_ports(len(gateways)), strict=True)
    return {"further": [{"id": gateway_id, "fix_port": port} for gateway_id, port in ports]}


def _firms(gateways: list[str]) -> list[dict[str, object]]:
    firms: dict[str, dict[str, object]] = {}
    for comp_id, kind in [*((name, "orders") for name, _ in SESSIONS), *((name, "marketdata") for name, _ in READERS)]:
        name = comp_id[:-1]
        limits = {"limits": {"self_match": SELF_MATCH[name]}} if name in SELF_MATCH else {}
        firm = firms.setdefault(name, {"name": name, "sessions": [], **limits})
        sessions = firm["sessions"]
        assert isinstance(sessions, list)
        sessions.append(
            {"comp_id": comp_id, "password": f"example-{comp_id.lower()}", "kind": kind, "gateways": gateways}
        )
    return list(firms.values())
