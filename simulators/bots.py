"""
Trading bots: firms' computers that make a market, trade against it and follow it, over real FIX sessions.

Each bot has one session, one strategy (`strategies`) and an `Account` of its own. A `Floor` runs them at a common
rate. All choices come from one seed; answers come when they come, so two runs are alike, not equal. A session that is
lost is taken up again with its sequence numbers, and its account goes on: nothing may be missing or double afterwards.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any, Final

import msgspec
import structlog

from configs.loader import BEGIN_STRINGS, SessionConfig, Venue
from matcher.orders import BUY, Side, TimeInForce
from matcher.phases import Phase
from sessions.native.events import MemoryStore
from simulators.bot_account import Account, LiveOrder, conservation, fills_of
from simulators.fix_client import FixClient, FixClientError, Received
from simulators.histogram import Histogram
from simulators.order_messages import cancel_order, limit_order, read_answer, replace_order, transact_time
from simulators.strategies import Issue, MarketMaker, MomentumTrader, NoiseTaker, Strategy

CERTIFICATION_SYMBOLS: Final = frozenset({"TEST1", "TEST2"})
"""Bots never trade these."""
UNANSWERED_MAX: Final = 500
"""Requests that a bot keeps in flight at most; beyond it, it waits."""
SETTLE_TIMEOUT_S: Final = 10.0

_TICK_S: Final = 0.01
_RECONNECT_S: Final = 0.2
_IDLE_TURN: Final = 0.25  # requests that a turn without any counts for
_SENT_MESSAGES_KEPT: Final = 20_000

log = structlog.get_logger()


class BotIdentity(msgspec.Struct, frozen=True):
    """Who a bot is to the venue."""

    begin_string: str
    comp_id: str
    password: str


class Bot:
    """One session and its trader. As `Desk`, it turns what the strategy wants into requests."""

    def __init__(self, identity: BotIdentity, strategy: Strategy, floor: "Floor", prefix: str) -> None:
        self.identity = identity
        self.account = Account({symbol: issue.instrument for symbol, issue in floor.issues.items()})
        self.reconnects = 0
        self._strategy = strategy
        self._floor = floor
        self._prefix = prefix
        self._count = 0
        self._store = MemoryStore(messages_max=_SENT_MESSAGES_KEPT)
        self._client: FixClient | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """Logged on."""
        return self._client is not None and self._client.is_up

    @property
    def is_idle(self) -> bool:
        """No order lives and no request is unanswered."""
        return not self.account.orders and not self.account.unanswered

    async def start(self) -> None:
        """
        Log on with fresh sequence numbers, and from then on come back whenever the session is lost.

        Raises:
            FixClientError: The first logon failed.
        """
        client = await self._connect(reset=True)
        self._keeper = asyncio.create_task(self._keep(client), name=f"session of {self.identity.comp_id}")

    async def stop(self) -> None:
        """Log out."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._client is not None:
            await self._client.logout()

    def act(self, issue: Issue, rng: random.Random) -> bool:
        """Let the strategy have its turn; False when the bot must wait for the venue."""
        if not self.is_up or self.account.unanswered >= UNANSWERED_MAX:
            return False
        self._strategy.act(self, issue, rng)
        return True

    def cancel_all(self) -> None:
        """Ask to cancel whatever lives and is not being changed already."""
        for order in list(self.account.orders.values()):
            if self.account.unanswered >= UNANSWERED_MAX or not self.is_up:
                return
            if order.is_accepted and not order.is_changing:
                self.cancel(order)

    def enter(self, issue: Issue, side: Side, price_ticks: int, units: int, time_in_force: TimeInForce) -> None:
        """Send a limit order."""
        instrument, qty_lots = issue.instrument, units * issue.unit_lots
        order = LiveOrder(self._new_id(), instrument.symbol, side, price_ticks, qty_lots)
        body = limit_order(
            cl_ord_id=order.cl_ord_id,
            symbol=instrument.symbol,
            side=side,
            price=instrument.tick.text(price_ticks),
            qty=instrument.lot.text(qty_lots),
            time_in_force=time_in_force,
            transact_time=transact_time(),
        )
        self.account.new(order, msg_seq_num=self._send(body), sent_ns=time.perf_counter_ns())

    def cancel(self, order: LiveOrder) -> None:
        """Ask to cancel."""
        cl_ord_id = self._new_id()
        body = cancel_order(
            cl_ord_id=cl_ord_id,
            orig_cl_ord_id=order.cl_ord_id,
            symbol=order.symbol,
            side=order.side,
            transact_time=transact_time(),
        )
        self.account.cancel(cl_ord_id, order, msg_seq_num=self._send(body), sent_ns=time.perf_counter_ns())

    def reprice(self, order: LiveOrder, price_ticks: int) -> None:
        """Ask for another price, same quantity."""
        cl_ord_id, instrument = self._new_id(), self._floor.issues[order.symbol].instrument
        body = replace_order(
            cl_ord_id=cl_ord_id,
            orig_cl_ord_id=order.cl_ord_id,
            symbol=order.symbol,
            side=order.side,
            price=instrument.tick.text(price_ticks),
            qty=instrument.lot.text(order.qty_lots),
            transact_time=transact_time(),
        )
        number, sent_ns = self._send(body), time.perf_counter_ns()
        self.account.replace(cl_ord_id, order, price_ticks, msg_seq_num=number, sent_ns=sent_ns)

    def _send(self, body: str) -> int:
        assert self._client is not None
        return self._client.send(body)

    def _new_id(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"

    async def _connect(self, *, reset: bool) -> FixClient:
        identity, floor = self.identity, self._floor
        self._client = await FixClient.connect(
            floor.host,
            floor.port,
            begin_string=identity.begin_string,
            sender_comp_id=identity.comp_id,
            target_comp_id=floor.target_comp_id,
            password=identity.password,
            on_message=self._on_message,
            store=self._store,
            reset=reset,
        )
        return self._client

    async def _keep(self, client: FixClient) -> None:
        """Come back whenever the session is lost."""
        while True:
            reason = await asyncio.shield(client.closed)
            log.warning("bot_session_lost", comp_id=self.identity.comp_id, reason=reason)
            client = await self._return()
            self.reconnects += 1

    async def _return(self) -> FixClient:
        reason = ""
        while True:
            try:
                return await self._connect(reset=False)
            except FixClientError as error:
                if str(error) != reason:  # one line for a venue that is away, not one for each attempt
                    reason = str(error)
                    log.info("bot_not_back_yet", comp_id=self.identity.comp_id, reason=reason)
                await asyncio.sleep(_RECONNECT_S)

    def _on_message(self, message: Received) -> None:
        answer = read_answer(message.fields)
        if answer is None:
            return
        sent_ns = self.account.on_answer(answer)
        if sent_ns is not None:
            self._floor.answered(message.received_ns - sent_ns)
        elif answer.exec_type == "F" and answer.side == BUY:
            self._floor.traded(answer.symbol, answer.last_px)


class Floor:
    """All bots of a run, and what they share: the instruments, the clock and the latencies."""

    def __init__(
        self, venue: Venue, *, host: str, port: int, symbols: Sequence[str], rate: float, seed: int, run_tag: str
    ) -> None:
        """
        Set up a floor; no session is opened yet.

        Args:
            venue: Gives sessions, passwords and instruments.
            host: Where the gateway listens.
            port: Its FIX port.
            symbols: What to trade; at least one.
            rate: Requests a second over all bots, about; may be changed at any time.
            seed: Fixes all choices of the bots.
            run_tag: Part of each ClOrdID(11), so that no two runs against one venue share one.
        """
        self.host = host
        self.port = port
        self.target_comp_id = venue.config.comp_id
        self.rate = rate
        self.issues = {symbol: Issue.of(venue.instruments[symbol]) for symbol in symbols}
        self.latencies = Histogram()
        """From sending a request to reading its answer, since the start."""
        self.recent_latencies = Histogram()
        """The same, for whoever takes it and puts a new one in its place."""
        self.postponed = 0
        """Turns that a bot could not take, its session being down or too much unanswered."""
        self._rng = random.Random(seed)  # noqa: S311 -- a simulation that must repeat, not a secret
        self.bots = [
            Bot(identity, strategy, self, f"{run_tag}-{index}-")
            for index, (identity, strategy) in enumerate(zip(_identities(venue), _strategies(), strict=False))
        ]
        self._pacer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """
        Open all sessions and begin to trade.

        Raises:
            FixClientError: A session was refused.
        """
        for bot in self.bots:
            await bot.start()
        self._pacer = asyncio.create_task(self._pace(), name="bots")

    async def stop(self) -> None:
        """Stop trading, cancel everything, wait for the last answer, log out."""
        if self._pacer is not None:
            self._pacer.cancel()
            await asyncio.gather(self._pacer, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._settle(), SETTLE_TIMEOUT_S)
        await asyncio.gather(*(bot.stop() for bot in self.bots))

    @property
    def requests(self) -> int:
        """Sent so far."""
        return sum(bot.account.requests.total() for bot in self.bots)

    @property
    def trades(self) -> int:
        """Trades so far, as seen by their buyers."""
        return fills_of((bot.account for bot in self.bots), BUY)

    def answered(self, latency_ns: int) -> None:
        """A bot's request was answered."""
        self.latencies.record(latency_ns)
        self.recent_latencies.record(latency_ns)

    def traded(self, symbol: str, last_px: str) -> None:
        """A bot bought."""
        issue = self.issues[symbol]
        issue.tape.append(issue.instrument.tick.count(last_px))

    def enter_phase(self, symbol: str, phase: Phase) -> None:
        """A symbol is in this phase from now on: the bots ask for nothing that it does not take."""
        self.issues[symbol].phase = phase

    def summary(self) -> dict[str, Any]:
        """What happened, for the report of a run; complete after `stop`."""
        accounts = [bot.account for bot in self.bots]
        requests: Counter[str] = sum((Counter[str](account.requests) for account in accounts), Counter())
        return {
            "requests": requests.total(),
            "orders": requests["D"],
            "executions": sum(account.fills.total() for account in accounts),
            "trades": self.trades,
            "rejects": dict(sum((account.rejects for account in accounts), Counter[str]())),
            "latency_us": self.latencies.summary_us(),
            "unanswered": sum(account.unanswered for account in accounts),
            "postponed": self.postponed,
            "reconnects": sum(bot.reconnects for bot in self.bots),
            "conservation": conservation(accounts),
        }

    async def _pace(self) -> None:
        issues = list(self.issues.values())
        due, last_s = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            now_s = time.monotonic()
            due = min(due + (now_s - last_s) * self.rate, self.rate)  # never more than a second's worth at once
            last_s = now_s
            self._rng.choice(issues).move(self._rng)
            while due >= 1:
                due -= self._turn(issues)

    def _turn(self, issues: list[Issue]) -> float:
        """Let one bot act; returns how much of the rate it used up: something in any case, so that turns end."""
        bot, issue = self._rng.choice(self.bots), self._rng.choice(issues)
        before = bot.account.requests.total()
        if not bot.act(issue, self._rng):
            self.postponed += 1
        return max(_IDLE_TURN, bot.account.requests.total() - before)

    async def _settle(self) -> None:
        while not all(bot.is_idle for bot in self.bots):
            for bot in self.bots:
                bot.cancel_all()
            await asyncio.sleep(_TICK_S)


def _identities(venue: Venue) -> list[BotIdentity]:
    """One for each order session of the configuration, in all FIX versions."""
    sessions = [session for _, session in venue.sessions() if session.kind == "orders"]
    return [_identity(session, index) for index, session in enumerate(sessions)]


def _identity(session: SessionConfig, index: int) -> BotIdentity:
    versions = [version for version in BEGIN_STRINGS if version in session.versions]
    return BotIdentity(versions[(index + 1) % len(versions)], session.comp_id, session.password)


def _strategies() -> Iterator[Strategy]:
    """Half of the bots make a market, so that both sides of every book stay filled."""
    return cycle([MarketMaker(), NoiseTaker(), MarketMaker(), MomentumTrader(), MarketMaker(), NoiseTaker()])


def tradable_symbols(venue: Venue) -> list[str]:
    """All instruments but those for certification, in the order of the file."""
    return [symbol for symbol in venue.instruments if symbol not in CERTIFICATION_SYMBOLS]
