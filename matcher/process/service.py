"""
The process around one shard's engine: it leads the shard, or stands by until it does.

Theory of operation. The log in and the log out are the whole truth; a matcher keeps nothing that they do not give back.
Each EXEC record says how far ORD was consumed. Whoever leads has written an empty record with a new epoch behind the
last one: from then on any older leader's write is refused by the stream. So any number of replicas of a shard may run;
one leads, the others follow both logs and are ready to.

A matcher that starts asks who leads (`leadership`). If nobody does, it takes a new epoch first, so that no older leader
can write any more, and only then rebuilds its engine, from the newest snapshot and the ORD records up to where EXEC
answers, and goes on live (`leader`). Else it rebuilds it in the same way and follows (`standby`).

A standby takes over by writing its epoch behind what it finds to be the end of EXEC, and reads up to there. Should two
try, the stream takes one record, and the other goes on standing by. A leader that finds itself fenced ends, because its
engine may be ahead of what is answered; its supervisor starts it again, and it stands by.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import structlog

from bus import background
from bus.connection import Bus, BusError, PubAck, PubFailure
from bus.places import Teller
from bus.publisher import WRONG_LAST_SEQ, ChainPublisher, Fenced, store_after
from bus.reader import LogReader, LogTrimmed
from bus.records import encode_exec
from bus.subjects import exec_stream, exec_subject, ord_stream
from configs.loader import Venue, check_reloadable, replica_name
from matcher.books.snapshot import SnapshotError
from matcher.engine.engine import Engine
from matcher.process import leadership, snapshot_files
from matcher.process.leader import Handover, Leader
from matcher.process.leadership import (
    HandedOver,
    Leading,
    Leads,
    Question,
    Silence,
    TakeOver,
    Watch,
    encode_handed_over,
)
from matcher.process.logs import LogBroken, Position, read_ord, read_position
from matcher.process.metrics import MatcherMetrics
from matcher.process.retention import Retention, own_place
from matcher.process.snapshot_taker import ForkingTaker, Snapshots, SnapshotTaker
from matcher.process.standby import Standby

log = structlog.get_logger()

HANDOVER_PATIENCE_S: Final = 5.0
"""How long a leader that has handed over waits to see that another one matches."""
STANDBY_PATIENCE_HEARTBEATS: Final = 5
"""A standby that has not asked for so long does not count as one."""
EPOCH_ATTEMPTS_MAX: Final = 20
"""How often a starting matcher tries to be the next writer of an EXEC that others write to."""
_EPOCH_RETRY_S: Final = 0.25
_LATER_REPLICA_WAITS_S: Final = 0.5
"""Replicas that start together ask one after the other, so that the first one leads."""


class MatcherService:
    """One replica of one shard's matcher."""

    def __init__(
        self,
        bus: Bus,
        venue: Venue,
        shard: int,
        snapshots: Path,
        metrics: MatcherMetrics,
        *,
        replica: int = 1,
        taker: SnapshotTaker | None = None,
    ) -> None:
        """
        Args:
            bus: Connected.
            venue: The configuration.
            shard: Which.
            snapshots: The directory of this replica's snapshots.
            metrics: Told of everything.
            replica: Which of the shard's replicas this is, from 1.
            taker: Writes the snapshots; None: forked children.
        """
        self._bus = bus
        self._shard = shard
        self._venue = venue
        self._config = venue.config.matcher
        self._directory = snapshots
        self._metrics = metrics
        self._replica = replica
        self._snapshots = Snapshots(
            snapshots,
            taker or ForkingTaker(snapshots),
            every_inputs=self._config.snapshot_every_inputs,
            on_mark=self._on_mark,
            on_pause=metrics.snapshot_seconds.observe,
            keep_log_days=venue.config.nats.keep_log_days,
        )
        name, log_in = replica_name(shard, replica), ord_stream(shard)
        self._places = Teller(bus, name, lambda: {log_in: own_place(snapshots)})
        self._leader: Leader | None = None
        self._standby: Standby | None = None
        self._leading: Leading | None = None
        self._stack = AsyncExitStack()
        self.engine: Engine
        self._reader: LogReader

    @property
    def is_leading(self) -> bool:
        """Whether this replica leads."""
        return self._leader is not None

    async def start(self) -> None:
        """
        Lead the shard if nobody does, or else stand by; should that fail, or be canceled, `close` is done.

        Raises:
            BusError: JetStream does not answer, or takes no record.
            Fenced: Another matcher leads this shard, and was faster each time.
            ForeignStream: An instrument has other units in the log than in the configuration.
            LogBroken: The logs do not fit each other, or a record cannot be read.
            LogGap: A log has lost records.
        """
        try:
            if await self._is_led():
                await self._stand_by_anew()
            else:
                await self._lead_anew()
        except BaseException:  # raised again; a start that is canceled leaves no subscription behind either
            await self.close()
            raise
        log.info("recovered", shard=self._shard, replica=self._replica, **self._facts())

    async def run(self, stop: asyncio.Event) -> None:
        """
        Match, or stand by, until `stop` is set.

        Raises:
            BusError: NATS went away in the middle of a hand-over.
            Diverged: This engine answers otherwise than the leader's.
            Fenced: Another matcher leads this shard.
            ForeignStream: An instrument has other units in the log than in the configuration.
            LogBroken: A record cannot be read; nothing of it was applied.
            LogGap: A log has lost records.
        """
        telling = background.start(self._places.keep(), name="places")
        try:
            while not stop.is_set():
                if self._leader is not None:
                    await self._run_leader(self._leader, stop)
                else:
                    assert self._standby is not None
                    await self._run_standby(self._standby, stop)
        finally:
            telling.cancel()
            await self.close()

    async def close(self) -> None:
        """Lead, follow and read no more; `run` ends with this."""
        self._snapshots.close()
        if self._leading is not None:
            await self._leading.stop()  # else whoever starts next would find that this one leads
        await self._stack.aclose()

    def reconfigure(self, venue: Venue) -> None:
        """
        Go by another configuration: a leader announces what is new; a standby keeps it for when it leads.

        Raises:
            ConfigError: Instruments would get other units, or other shards; nothing is announced.
        """
        if self._leader is not None:
            self._leader.reconfigure(venue)
        else:
            check_reloadable(self._venue.config.shards, self._venue.instruments | self.engine.instruments, venue)
        self._venue = venue

    def _facts(self) -> dict[str, Any]:
        if self._leader is not None:
            return {"leads": True, "leader_epoch": self._leader.leader_epoch, "input_seq": self.engine.last_input_seq}
        return {"leads": False, "input_seq": self.engine.last_input_seq}

    def _on_mark(self, input_seq: int, state_hash: str) -> None:
        self._metrics.snapshots.inc()
        if self._leader is not None:
            self._leader.note_mark(input_seq, state_hash)
        elif self._standby is not None:
            self._standby.note_mark(input_seq, state_hash)

    # Who leads

    def _question(self) -> Question:
        return Question(self._replica, self._standby.consumed_input_seq if self._standby is not None else -1)

    async def _is_led(self) -> bool:
        """Whether another replica leads; a silent one is given some time to answer."""
        patience_s = self._config.takeover_after_ms / 1000
        answer = await leadership.ask(self._bus, self._shard, self._question(), timeout_s=patience_s)
        if answer is Silence.NOBODY and self._replica > 1:
            await asyncio.sleep(_LATER_REPLICA_WAITS_S * (self._replica - 1))
            answer = await leadership.ask(self._bus, self._shard, self._question(), timeout_s=patience_s)
        return isinstance(answer, Leads)

    async def _stand_by_anew(self) -> None:
        position = await self._read_position()
        await self._rebuild(position)
        self._stand_by(position)

    async def _say_that_we_lead(self, position: Position) -> None:
        """At once when the epoch is written, before what may take long: else others would find that nobody leads."""
        says = Leads(self._replica, position.leader_epoch + 1, position.consumed_input_seq)
        self._leading = Leading(
            self._bus,
            self._shard,
            lambda: self._leader.says() if self._leader is not None else says,
            standby_patience_s=STANDBY_PATIENCE_HEARTBEATS * self._config.heartbeat_ms / 1000,
        )
        await self._leading.start()

    async def _lead_anew(self) -> None:
        """
        Take a new epoch, then rebuild the engine, and lead.

        A failure to write the epoch may hide a success, and the own record cannot be told from that of another matcher
        that takes the same epoch at the same time. So after any failure the position is read anew, and one more epoch
        is taken; unless somebody else leads by then.
        """
        answer: PubAck | PubFailure | None = None
        for attempt in range(1, EPOCH_ATTEMPTS_MAX + 1):
            position = await self._read_position()
            answer = await self._write_epoch(position)
            if isinstance(answer, PubAck):
                await self._say_that_we_lead(position)
                await self._rebuild(position)
                await self._begin_to_lead(position.leader_epoch + 1, answer.seq)
                return
            log.warning("epoch_not_taken", shard=self._shard, attempt=attempt, why=answer.description)
            if await self._is_led():
                await self._stand_by_anew()
                return
            if answer.code not in WRONG_LAST_SEQ:
                await asyncio.sleep(_EPOCH_RETRY_S)  # such as a cluster that elects the stream's leader
        assert isinstance(answer, PubFailure)
        stream = exec_stream(self._shard)
        if answer.code in WRONG_LAST_SEQ:
            raise Fenced(f"another matcher writes {stream} all the time; let one matcher run for each shard")
        raise BusError(f"{stream} takes no record: {answer.description}")

    async def _read_position(self) -> Position:
        return await read_position(self._bus, self._shard)

    async def _write_epoch(self, position: Position) -> PubAck | PubFailure:
        record = encode_exec(
            shard=self._shard,
            leader_epoch=position.leader_epoch + 1,
            first_input_seq=position.consumed_input_seq + 1,
            last_input_seq=position.consumed_input_seq,
            events=[],
            increments=[],
        )
        return await store_after(self._bus, exec_subject(self._shard), record, last_seq=position.exec_seq)

    async def _begin_to_lead(self, leader_epoch: int, exec_seq: int) -> None:
        assert self._leading is not None
        venue = self._venue
        publisher = ChainPublisher(
            self._bus,
            stream=exec_stream(self._shard),
            subject=exec_subject(self._shard),
            last_seq=exec_seq,
        )
        leader = Leader(
            self._bus,
            venue,
            replica=self._replica,
            engine=self.engine,
            reader=self._reader,
            publisher=publisher,
            leader_epoch=leader_epoch,
            leading=self._leading,
            snapshots=self._snapshots,
            metrics=self._metrics,
        )
        await leader.begin()
        self._leader, self._standby = leader, None
        if self._venue is not venue:  # it was reloaded meanwhile
            leader.reconfigure(self._venue)
        self._metrics.lead(leader_epoch, self.engine)

    def _stand_by(self, position: Position) -> None:
        self._leader = None
        self._standby = Standby(
            self._bus, self.engine, self._reader, position, snapshots=self._snapshots, metrics=self._metrics
        )
        self._metrics.stand_by(self.engine)

    # Roles

    async def _run_leader(self, leader: Leader, stop: asyncio.Event) -> None:
        retention = Retention(
            self._bus, lambda: self._venue, self._shard, self._directory, self._metrics, replica=self._replica
        )
        trimming = background.start(retention.keep(), name="retention")
        try:
            handover = await leader.run(stop)
        finally:
            trimming.cancel()
        if handover is not None:
            await self._hand_over(leader, handover)

    async def _hand_over(self, leader: Leader, handover: Handover) -> None:
        """Let a standby lead, follow it, and tell whoever asked for it; should it fail, we stand by like others."""
        position = Position(leader.exec_seq, leader.leader_epoch, self.engine.last_input_seq)
        self._stand_by(position)
        standby = self._standby
        assert standby is not None
        assert self._leading is not None
        self._leading.hand_over(handover.to_replica, TakeOver(position.exec_seq, position.leader_epoch))
        await self._leading.stop()
        log.info("handed_over", shard=self._shard, to_replica=handover.to_replica, exec_seq=position.exec_seq)
        self._telling = background.start(self._tell(handover, standby), name="tell of the hand-over")

    async def _tell(self, handover: Handover, standby: Standby) -> None:
        """Tell whoever asked that another replica matches, once it does."""
        try:
            async with asyncio.timeout(HANDOVER_PATIENCE_S):
                await standby.until_consumed(standby.consumed_input_seq + 1)
            pause_ms = (time.perf_counter() - handover.began_s) * 1000
            leads = await leadership.ask(self._bus, self._shard, self._question(), timeout_s=HANDOVER_PATIENCE_S)
        except TimeoutError:
            done = HandedOver(f"replica {handover.to_replica} of shard {self._shard} did not take over; see its log")
        else:
            replica = leads.replica if isinstance(leads, Leads) else handover.to_replica
            done = HandedOver("", replica, standby.leader_epoch, round(pause_ms, 3))
        try:
            self._bus.publish_now(handover.reply_subject, encode_handed_over(done))
        except BusError as error:
            log.warning("handover_untold", reason=str(error))

    async def _run_standby(self, standby: Standby, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        following = asyncio.create_task(standby.follow())
        watch = Watch(
            self._bus,
            self._config,
            shard=self._shard,
            asks=self._question,
            epochs_in_a_row=lambda: standby.epochs_in_a_row,
        )
        watching = asyncio.create_task(self._take_over_when_due(standby, watch))
        tasks: set[asyncio.Future[Any]] = {stopping, following, watching, standby.diverged}
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
            if watching in ended:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                if await background.unless_set(stop, self._begin_to_lead(*watching.result())):
                    log.info("took_over", shard=self._shard, replica=self._replica, **self._facts())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_over_when_due(self, standby: Standby, watch: Watch) -> tuple[int, int]:
        """Write our epoch when it is our turn; returns it and its place in EXEC, when all before it is read."""
        while True:
            why = await watch.until_it_is_our_turn()
            if isinstance(why, TakeOver):
                await standby.until_read(why.exec_seq)
                position = Position(why.exec_seq, why.leader_epoch, standby.consumed_input_seq)
            else:
                log.warning("leader_lost", shard=self._shard, why=why.value)
                position = await self._read_position_patiently()
            if position.leader_epoch <= standby.leader_epoch or isinstance(why, TakeOver):
                answer = await self._write_epoch(position)
                if isinstance(answer, PubAck):
                    await self._say_that_we_lead(position)
                    await standby.until_read(position.exec_seq)
                    self._metrics.takeovers.inc()
                    return position.leader_epoch + 1, answer.seq
                log.info("leadership_not_taken", shard=self._shard, why=answer.description)

    async def _read_position_patiently(self) -> Position:
        while True:
            try:
                return await self._read_position()
            except BusError as error:
                log.warning("takeover_waits", shard=self._shard, why=str(error))
                await asyncio.sleep(self._config.heartbeat_ms / 1000)

    # Recovery

    async def _rebuild(self, position: Position) -> None:
        """Bring the engine to where EXEC answers, in silence."""
        # In a thread, so that whoever asks meanwhile whether we lead is answered.
        self.engine = await asyncio.to_thread(self._restore, position.consumed_input_seq)
        self._reader = LogReader(self._bus, stream=ord_stream(self._shard), start_seq=self.engine.last_input_seq + 1)
        await self._reader.start()
        self._stack.push_async_callback(self._reader.stop)
        try:
            while self.engine.last_input_seq < position.consumed_input_seq:
                left = position.consumed_input_seq - self.engine.last_input_seq
                for message in await self._reader.next_batch(min(left, self._config.batch_records_max)):
                    record = read_ord(self._shard, message)
                    self.engine.apply_record(
                        record.gateway_id, record.boot, record.record_number, record.commands, message.seq
                    )
        except LogTrimmed as error:
            raise LogBroken(
                f"{error.stream} was trimmed and begins at sequence {error.first_seq}, but {self._directory} has no "
                f"snapshot of input {error.first_seq - 1} or later that can be used; copy the snapshots of another "
                "replica of this shard, or of a backup, to there"
            ) from error

    def _restore(self, consumed_input_seq: int) -> Engine:
        orders_max, finished_orders_max = self._config.orders_max, self._config.finished_orders_max
        for path in snapshot_files.newest_first(self._directory, input_seq_max=consumed_input_seq):
            try:
                engine = Engine.restore(
                    path.read_bytes(), orders_max=orders_max, finished_orders_max=finished_orders_max
                )
                if engine.shard != self._shard:
                    raise SnapshotError(f"the snapshot is of shard {engine.shard}, not {self._shard}")
            except (OSError, SnapshotError) as error:
                log.warning("snapshot_ignored", path=str(path), reason=str(error))
                continue
            log.info("snapshot_loaded", path=str(path), input_seq=engine.last_input_seq)
            return engine
        return Engine(self._shard, orders_max=orders_max, finished_orders_max=finished_orders_max)
