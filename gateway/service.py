"""
A gateway as a whole: its parts, and the order in which they begin and end.

    FIX engine -> order_entry -> sequencer -> ORD        EXEC -> executions -> FIX engine
               -> drop_copy.desk <- EXEC
               -> marketdata.fix.feed <- book reader <- md

First it recovers: it reads from EXEC what it has not sent yet, and tells each session from where to go on. Only then
does it open its door.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from bus import background
from bus.connection import Bus
from bus.places import Teller, gateway_reader
from bus.streams import check_units, ensure_shard
from configs.loader import Venue
from gateway import definitions
from gateway.drop_copy.copies import DropCopies
from gateway.drop_copy.desk import DropCopyDesk
from gateway.drop_copy.replay import Replayer
from gateway.drop_copy.trade_capture import TradeCapture
from gateway.drop_copy.trading_days import TradingDays
from gateway.executions import Executions
from gateway.fix.inbound import Inbound
from gateway.fix.outbound import Reports
from gateway.log_places import LogPlaces
from gateway.log_watch import LogWatch
from gateway.metrics import GatewayMetrics
from gateway.moves import SessionMoves
from gateway.order_entry import OrderEntry
from gateway.reload import Reload, resume
from gateway.sent_marks import next_boot, path_of
from gateway.sequencer import Sequencer
from marketdata.client import BookReader
from marketdata.fix.feed import FixFeed
from marketdata.metrics import FeedMetrics
from matcher.events import SessionMark
from matcher.instruments import Instrument
from sessions.accounts import Accounts
from sessions.port import Application, Engine


class Gateway:
    """One gateway of a venue."""

    def __init__(
        self,
        bus: Bus,
        venue: Venue,
        data_dir: Path,
        *,
        open_engine: Callable[[Mapping[str, Application]], Engine],
    ) -> None:
        """
        Put the parts together; nothing is read or written yet but the engine's stores.

        Args:
            bus: Connected.
            venue: As this gateway sees it.
            data_dir: Has the engine's stores and the sent marks.
            open_engine: Given the applications by kind of session.

        Raises:
            EngineError: The engine cannot be opened.
        """
        config = venue.config
        self._bus = bus
        self._venue = venue
        self._traded = dict(venue.instruments)
        self._metrics = GatewayMetrics()
        marks_path = path_of(data_dir, config.gateway.id)
        self._boot = next_boot(marks_path, time.time_ns())
        self._accounts = accounts = Accounts(venue)
        self._sequencer = Sequencer(bus, venue, boot=self._boot, metrics=self._metrics, on_crowded=self._on_crowded)
        self._inbound, self._reports = Inbound(venue.instruments), Reports(venue.instruments)
        self._order_entry = OrderEntry(self._inbound, self._sequencer, accounts, self._metrics)
        self._feed = FixFeed(self._send, venue, FeedMetrics(), now_ns=time.time_ns)
        # It reads no book yet: the feed names each symbol that a session subscribes to.
        self._books = BookReader(bus, (), self._feed.on_change, with_orders=True)
        self._feed.attach(self._books)
        self._copies = DropCopies(self._reports)
        self._copies.follow(accounts, venue.owners)
        self._trades = TradeCapture(
            self._copies,
            venue.instruments,
            TradingDays(venue),
            shards=config.shards,
            owners=venue.owners,
            send=self._send,
            now_ns=time.time_ns,
        )
        self._desk = DropCopyDesk(self._copies, self._trades, shards=config.shards, send=self._send)
        self._engine = open_engine({"orders": self._order_entry, "marketdata": self._feed, "dropcopy": self._desk})
        self._here = self._those_here(self._order_entry.progress)
        self._executions = Executions(
            bus,
            self._engine,
            self._reports,
            sessions=self._here,
            gateway_id=config.gateway.id,
            boot=self._boot,
            shards=config.shards,
            marks_path=marks_path,
            metrics=self._metrics,
            on_defined=self._define,
            on_answered=self._sequencer.note_answered,
            copies=self._copies,
            drop_copies=self._those_here(self._copies.readers),
        )
        self._executions.on_events = self._trades.on_events
        self._desk.follow = self._executions.follow
        self._replayer = Replayer(
            bus, self._executions.positions, send=self._send, sessions_up=lambda: self._engine.sessions_up
        )
        self._desk.attach(self._replayer)
        places = LogPlaces(venue, accounts, self._executions, data_dir)
        self._places = Teller(bus, gateway_reader(config.gateway.id), places.places)
        self._order_entry.note_numbers = self._executions.note_numbers
        self._order_entry.log_out = self._engine.log_out
        self._watch = LogWatch(
            config.gateway,
            self._sequencer,
            metrics=self._metrics,
            sessions_up=lambda: self._engine.sessions_up & self._order_entry.progress.keys(),
            send=self._send,
            log_out=self._engine.log_out,
            close_logons=partial(self._engine.close_logons, "orders"),
            open_logons=partial(self._engine.open_logons, "orders"),
        )
        self._moves = SessionMoves(
            bus,
            venue,
            engine=self._engine,
            accounts=accounts,
            order_entry=self._order_entry,
            executions=self._executions,
        )
        self._session_marks: dict[str, SessionMark] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def recover(self) -> None:
        """
        Begin a new life in the log, and send what the last one did not.

        Raises:
            BusError: JetStream does not answer.
            ExecutionsBroken: The marks are of another log, or EXEC cannot be read.
            ForeignStream: The streams are another venue's, or were written with other units or on other shards.
        """
        config = self._venue.config
        units = [self._venue.units_of(shard) for shard in range(config.shards)]
        await check_units(self._bus, units)
        for shard in range(config.shards):
            await ensure_shard(
                self._bus,
                shard,
                max_bytes=config.nats.log_max_bytes,
                replicas=config.replicas,
                units=units[shard],
            )
        exec_ends = await definitions.ends(self._bus, config.shards)
        self._sequencer.announce(config.gateway.id, self._boot)
        for instrument in await definitions.learn(self._bus, exec_ends, gateway_id=config.gateway.id, boot=self._boot):
            self._define(instrument)
        self._session_marks = await self._executions.recover()
        for session_id in self._here:
            resume(self._engine, self._order_entry, session_id, self._session_marks.get(session_id))

    async def open(self, read_again: Callable[[], Venue], reload_wanted: asyncio.Event) -> None:
        """
        Let clients log on.

        Args:
            read_again: Loads the configuration.
            reload_wanted: Set when that is to be done.

        Raises:
            EngineError: The port is in use, or the engine refuses its settings.
        """
        reload = Reload(
            self._venue,
            read_again,
            accounts=self._accounts,
            engine=self._engine,
            order_entry=self._order_entry,
            executions=self._executions,
            marks=self._session_marks,
            traded=self._traded,
            on_sessions=self._follow,
        )
        if self._engine.moves is not None:
            await self._moves.start(self._engine.moves)
        await self._books.start()
        self._show_metrics()
        self._engine.start()
        self._tasks = [
            background.start(reload.keep(reload_wanted), name="reload"),
            background.start(self._watch.keep(), name="log watch"),
            background.start(self._replayer.keep(), name="replay"),
            background.start(self._places.keep(), name="places"),
        ]

    async def close(self) -> None:
        """Log all clients out, and note how far all were sent what is theirs."""
        for task in self._tasks:
            task.cancel()
        await self._moves.stop()
        await self._executions.stop()
        await self._books.stop()
        await asyncio.to_thread(self._engine.stop)
        self._executions.close()

    def _send(self, session_id: str, bodies: list[str]) -> None:
        self._engine.send(session_id, bodies)

    def _those_here(self, session_ids: Iterable[str]) -> list[str]:
        """Without those that another gateway has."""
        moves = self._engine.moves
        return [session_id for session_id in session_ids if moves is None or session_id in moves]

    def _follow(self, accounts: Accounts, owners: Mapping[str, str]) -> None:
        self._copies.follow(accounts, owners)
        self._trades.follow(owners)

    def _on_crowded(self, crowded: bool) -> None:
        (self._engine.hold_inbound if crowded else self._engine.release_inbound)("orders")

    def _define(self, instrument: Instrument) -> None:
        self._traded[instrument.symbol] = instrument
        for part in (self._sequencer, self._inbound, self._reports, self._feed, self._desk):
            part.define(instrument)

    def _show_metrics(self) -> None:
        engine, sequencer, watch = self._engine, self._sequencer, self._watch
        self._metrics.watch(
            {
                "gateway_sessions_up": ("FIX sessions that are logged on.", lambda: len(engine.sessions_up)),
                "gateway_commands_waiting": ("Commands in no record yet.", lambda: sequencer.commands_waiting),
                "gateway_requests_held": ("Requests that have to wait long.", lambda: watch.requests_held),
                "gateway_messages_in": ("Application messages received.", lambda: engine.messages_in),
                "gateway_messages_out": ("Application messages sent or stored.", lambda: engine.messages_out),
            }
        )
        self._metrics.watch_engine(engine)
