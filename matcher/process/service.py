"""
The process around one engine: reads ORD<k> in order, answers on EXEC<k>.

Theory of operation. The log in and the log out are the whole truth; a matcher keeps nothing that they do not give back.
Each EXEC record says how far ORD was consumed, and is written with the sequence that it must have, so an answer and
the mark that the question is answered become durable together, once. A starting matcher reads the last EXEC record,
takes a new epoch, and writes an empty record with it: from then on any older leader's write is refused. It rebuilds
its engine from the newest snapshot and the ORD records up to the mark, whose answers it throws away because they are
in EXEC already, and then goes on live.

Leadership. The newest epoch leads. A leader that finds itself fenced raises `Fenced` and ends with status 78, after
which no supervisor starts it again: if it came back it would fence its successor in turn, and two matchers that were
configured for one shard by mistake would take it from each other for ever. So the one that started last stays. What
interferes before the own epoch is written is another matter: mostly the last write of a leader that was just killed,
still on its way. Then the position is read anew, a few times.

Whatever waits in ORD while the last writes are on their way is answered by the next write (micro-batching): an idle
venue adds no delay, and the cost of a write is shared the more the busier it is.

A leader is a writer on ORD<k> too (`own_records`): before it answers anything it announces what of the configuration
the log does not have yet (`announcements`), and while it leads it says what time it is (`clock`).
"""

import asyncio
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from bus import background
from bus.connection import Bus, BusError, PubAck, PubFailure
from bus.publisher import BATCH_RECORDS_MAX, WRONG_LAST_SEQ, ChainPublisher, Fenced, store_after
from bus.reader import LogMessage, LogReader
from bus.records import RecordError, decode_exec, decode_ord, encode_exec, encode_parts
from bus.streams import ForeignStream, last_seq, read_record
from bus.subjects import exec_stream, exec_subject, ord_stream, status_subject
from configs.loader import Venue, check_reloadable
from matcher.books.snapshot import SnapshotError
from matcher.engine.engine import Engine
from matcher.events import Event, OperatorAnswered
from matcher.increments import MarketDataIncrement
from matcher.instruments import Instrument
from matcher.operator_commands import DefineInstrument, Limits, SetLimits
from matcher.process import clock, snapshot_files, status
from matcher.process.announcements import announcements
from matcher.process.clock import Clock
from matcher.process.metrics import MatcherMetrics
from matcher.process.own_records import OwnRecords, writer_id

log = structlog.get_logger()

EXEC_WRITES_MAX: Final = 2
"""EXEC writes on their way at once: one being stored while the next is prepared."""
WHOLE_ITEMS_MAX: Final = 3_000
"""Events and increments in one EXEC record; those of a longer answer are spread over several."""
PART_BYTES: Final = 1 << 16
"""Of such a record: whoever reads them takes one at a time, some ms of work, and does other work between two."""
_ITEM_BYTES: Final = 512
"""More than an event takes on average."""
_PARTS_MAX: Final = BATCH_RECORDS_MAX // 2
EPOCH_ATTEMPTS_MAX: Final = 20
"""How often a starting matcher tries to be the next writer of an EXEC that others write to."""
ANNOUNCEMENT_PATIENCE_S: Final = 10.0
"""How long a starting matcher waits for its announcements to be stored before it answers without them."""


class LogBroken(Exception):
    """A log cannot be gone on from; the message names stream and sequence, and says what to do."""


class _Position(msgspec.Struct, frozen=True):
    """Where EXEC stands when a matcher starts."""

    exec_seq: int
    leader_epoch: int
    consumed_input_seq: int


class MatcherService:
    """One shard's matcher."""

    def __init__(self, bus: Bus, venue: Venue, shard: int, snapshots: Path, metrics: MatcherMetrics) -> None:
        self._bus = bus
        self._shard = shard
        self._writer_id = writer_id(shard)
        self._venue = venue
        self._config = venue.config.matcher
        self._snapshots = snapshots
        self._metrics = metrics
        self._bytes_max = bus.payload_bytes_max // 2
        self._next_snapshot_seq = 0
        self._saving: asyncio.Task[None] | None = None
        self._consumed_seq = 0
        self._unsaved: tuple[int, bytes] | None = None
        self._clock_wakes = asyncio.Event()
        self._known = dict(venue.instruments)
        """Of all shards, as the configurations have them that this process went by."""
        self._defined: dict[str, Instrument] = {}
        self._limits: dict[tuple[str, str], Limits] = {}
        """What this process has announced, which the engine may not have read yet."""

    async def start(self) -> None:
        """
        Take over the shard: a new epoch, the engine as it stood at the last answer, and the configuration announced.

        Raises:
            BusError: JetStream does not answer, or takes no record.
            Fenced: Another matcher leads this shard, and was faster each time.
            ForeignStream: An instrument has other units in the log than in the configuration.
            LogBroken: The logs do not fit each other, or a record cannot be read.
        """
        position = await self._lead()
        self.engine = self._restore(position.consumed_input_seq)
        self._next_snapshot_seq = self.engine.last_input_seq + self._config.snapshot_every_inputs
        self._reader = LogReader(self._bus, stream=ord_stream(self._shard), start_seq=self.engine.last_input_seq + 1)
        await self._reader.start()
        try:
            await self._catch_up(position.consumed_input_seq)
            await self._announce()
            self._end_status = await self._bus.subscribe(status_subject(self._shard), self._on_status_request)
        except (LogBroken, ForeignStream):
            await self._reader.stop()
            raise
        self._metrics.epoch.set(self._epoch)
        self._metrics.watch(self.engine)
        log.info(
            "recovered", shard=self._shard, leader_epoch=self._epoch, consumed_input_seq=position.consumed_input_seq
        )

    async def run(self, stop: asyncio.Event) -> None:
        """
        Match until `stop` is set.

        Raises:
            Fenced: Another matcher leads this shard.
            LogBroken: A record cannot be read; nothing of it was applied.
        """
        stopping = asyncio.create_task(stop.wait())
        working = asyncio.create_task(self._match_for_ever())
        timing = asyncio.create_task(clock.keep(self._clock, self._own_records, self._clock_wakes))
        endings: set[asyncio.Future[Any]] = {stopping, working, timing, self._publisher.failed}
        ended, _ = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, working, timing):
            task.cancel()
        await asyncio.gather(stopping, working, timing, return_exceptions=True)
        await self._reader.stop()
        if self._bus.is_connected:
            await self._end_status()
        for ending in ended:
            ending.result()

    async def _match_for_ever(self) -> None:
        while True:
            batch = await self._reader.next_batch(self._config.batch_records_max)
            self._metrics.lag.set(batch[-1].pending)
            events, increments = self._apply(batch)
            self._clock_wakes.set()
            await self._write(batch[0].seq, batch[-1].seq, events, increments)
            self._snapshot_when_due()

    def _apply(self, batch: list[LogMessage]) -> tuple[list[Event], list[MarketDataIncrement]]:
        events: list[Event] = []
        increments: list[MarketDataIncrement] = []
        commands = 0
        began = time.perf_counter()
        for message in batch:
            try:
                record = decode_ord(message.payload)
            except RecordError as error:
                raise LogBroken(f"{ord_stream(self._shard)} sequence {message.seq}: {error}") from error
            answers = self.engine.apply_record(
                record.gateway_id, record.boot, record.record_number, record.commands, message.seq
            )
            if record.gateway_id == self._writer_id:
                _tell_of_refusals(answers[0])
            events += answers[0]
            increments += answers[1]
            commands += len(record.commands)
        self._metrics.apply_seconds.observe(time.perf_counter() - began)
        self._metrics.batch_commands.observe(commands)
        self._metrics.commands.inc(commands)
        self._metrics.count_events(events)
        return events, increments

    async def _write(
        self,
        first_input_seq: int,
        last_input_seq: int,
        events: list[Event],
        increments: list[MarketDataIncrement],
    ) -> None:
        began = time.perf_counter()

        def on_durable() -> None:
            self._consumed_seq = last_input_seq
            self._metrics.consumed.set(last_input_seq)
            self._metrics.exec_write_seconds.observe(time.perf_counter() - began)
            self._save_when_covered()

        await self._publisher.publish(self._records(first_input_seq, last_input_seq, events, increments), on_durable)

    def _records(
        self, first: int, last: int, events: list[Event], increments: list[MarketDataIncrement]
    ) -> list[bytes]:
        """One record; or for a long answer several, which are stored together and consume with the last."""
        items = len(events) + len(increments)
        if items <= WHOLE_ITEMS_MAX and len(whole := self._encode(first, last, events, increments)) <= self._bytes_max:
            return [whole]
        # An answer of millions of events makes larger records, not more of them than one batch may have.
        bytes_max = min(max(PART_BYTES, items * _ITEM_BYTES // _PARTS_MAX), self._bytes_max)
        return [
            *(self._encode(first, first - 1, part, []) for part in encode_parts(events, bytes_max=bytes_max)),
            *(self._encode(first, first - 1, [], part) for part in encode_parts(increments, bytes_max=bytes_max)),
            self._encode(first, last, [], []),
        ]

    def _encode(
        self,
        first: int,
        last: int,
        events: list[Event] | msgspec.Raw,
        increments: list[MarketDataIncrement] | msgspec.Raw,
    ) -> bytes:
        return encode_exec(
            shard=self._shard,
            leader_epoch=self._epoch,
            first_input_seq=first,
            last_input_seq=last,
            events=events,
            increments=increments,
        )

    # Recovery

    async def _lead(self) -> _Position:
        """
        Take a new epoch and write it.

        A failure may hide a success, and the own record cannot be told from that of another matcher that takes the
        same epoch at the same time. So after any failure the position is read anew, and one more epoch is taken.
        """
        stream, subject = exec_stream(self._shard), exec_subject(self._shard)
        answer: PubAck | PubFailure | None = None
        for attempt in range(1, EPOCH_ATTEMPTS_MAX + 1):
            position = await self._read_position()
            self._consumed_seq = position.consumed_input_seq
            self._epoch = position.leader_epoch + 1
            record = self._encode(position.consumed_input_seq + 1, position.consumed_input_seq, [], [])
            answer = await store_after(self._bus, subject, record, last_seq=position.exec_seq)
            if isinstance(answer, PubAck):
                self._publisher = ChainPublisher(
                    self._bus, stream=stream, subject=subject, last_seq=answer.seq, window_max=EXEC_WRITES_MAX
                )
                return position
            log.warning("epoch_not_taken", shard=self._shard, attempt=attempt, why=answer.description)
        assert isinstance(answer, PubFailure)
        if answer.code in WRONG_LAST_SEQ:
            raise Fenced(f"another matcher writes {stream} all the time; let one matcher run for each shard")
        raise BusError(f"{stream} takes no record: {answer.description}")

    async def _read_position(self) -> _Position:
        stream = exec_stream(self._shard)
        exec_seq = await last_seq(self._bus, stream)
        if not exec_seq:
            return _Position(0, 0, 0)
        stored = await read_record(self._bus, stream, exec_seq)
        if stored is None:
            raise LogBroken(f"{stream} sequence {exec_seq} is its newest, but it cannot be read; restore the store")
        try:
            record = decode_exec(stored.payload)
        except RecordError as error:
            raise LogBroken(f"{stream} sequence {exec_seq}: {error}") from error
        if record.shard != self._shard:
            raise LogBroken(f"{stream} sequence {exec_seq} is of shard {record.shard}, not {self._shard}")
        ord_seq = await last_seq(self._bus, ord_stream(self._shard))
        if record.last_input_seq > ord_seq:
            raise LogBroken(
                f"{stream} answers {ord_stream(self._shard)} up to sequence {record.last_input_seq}, but that log ends "
                f"at {ord_seq}: orders were lost by the store; restore it from its backup"
            )
        return _Position(exec_seq, record.leader_epoch, record.last_input_seq)

    def _restore(self, consumed_input_seq: int) -> Engine:
        orders_max, finished_orders_max = self._config.orders_max, self._config.finished_orders_max
        for path in snapshot_files.newest_first(self._snapshots, input_seq_max=consumed_input_seq):
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

    async def _catch_up(self, consumed_input_seq: int) -> None:
        """Apply what is answered already, in silence."""
        while self.engine.last_input_seq < consumed_input_seq:
            left = consumed_input_seq - self.engine.last_input_seq
            self._apply(await self._reader.next_batch(min(left, self._config.batch_records_max)))

    # The venue's own commands

    async def _announce(self) -> None:
        """
        Begin to write to ORD: the configuration, and what is due already.

        Whoever is admitted by this leader writes after it: so nobody's order meets an instrument that is configured
        but not defined yet.
        """
        self._clock = Clock(self.engine, self._venue)
        self._own_records = OwnRecords(self._bus, shard=self._shard, leader_epoch=self._epoch)
        self._own_records.begin(time.time_ns())
        self._put_announcements()
        try:
            async with asyncio.timeout(ANNOUNCEMENT_PATIENCE_S):
                await self._own_records.settle()
        except TimeoutError:
            log.warning("announcements_wait", stream=ord_stream(self._shard), hint="is the log full?")

    def reconfigure(self, venue: Venue) -> None:
        """
        Announce what another configuration says, to hold from now on; ports and bounds of the process stay.

        Raises:
            ConfigError: Instruments would get other units, or other shards; nothing is announced.
        """
        check_reloadable(self._venue.config.shards, self._known | self.engine.instruments, venue)
        self._known |= venue.instruments
        self._venue = venue
        self._put_announcements()
        self._clock.reconfigure(venue)
        self._clock_wakes.set()

    def _put_announcements(self) -> None:
        batch = announcements(
            self._venue,
            self._shard,
            defined=self.engine.instruments,
            instruments={**self.engine.configured_instruments, **self._defined},
            limits={**self.engine.configured_limits, **self._limits},
            received_ns=time.time_ns(),
        )
        for command in (command for _, commands in batch for command in commands):
            if isinstance(command, DefineInstrument):
                self._defined[command.symbol] = command.instrument
            elif isinstance(command, SetLimits):
                self._limits[command.firm, command.session_id] = command.limits
        if batch:
            log.info("configuration_announced", shard=self._shard, commands=sum(len(each) for _, each in batch))
        self._own_records.put(batch)

    def _on_status_request(self, _subject: str, payload: bytes, reply_subject: str) -> None:
        if not reply_subject:
            return  # nobody waits for an answer
        try:
            self._bus.publish_now(reply_subject, status.answer(self.engine, payload, leader_epoch=self._epoch))
        except BusError:
            log.warning("status_unsent", reply_subject=reply_subject)

    # Snapshots

    def _snapshot_when_due(self) -> None:
        input_seq = self.engine.last_input_seq
        busy = self._unsaved is not None or (self._saving is not None and not self._saving.done())
        if input_seq < self._next_snapshot_seq or busy:
            return
        self._next_snapshot_seq = input_seq + self._config.snapshot_every_inputs
        with self._metrics.snapshot_seconds.time():
            self._unsaved = input_seq, self.engine.dump()
        self._save_when_covered()

    def _save_when_covered(self) -> None:
        """A snapshot counts only once EXEC holds the answers to all that is inside it."""
        if self._unsaved is not None and self._unsaved[0] <= self._consumed_seq:
            self._saving = background.start(self._save(*self._unsaved), name="save snapshot")
            self._unsaved = None

    async def _save(self, input_seq: int, snapshot: bytes) -> None:
        try:
            await asyncio.to_thread(snapshot_files.write, self._snapshots, input_seq, snapshot)
        except OSError as error:
            log.error("snapshot_not_written", directory=str(self._snapshots), reason=error.strerror)
        else:
            self._metrics.snapshots.inc()
            log.info("snapshot_written", input_seq=input_seq, bytes=len(snapshot))


def _tell_of_refusals(answers: list[Event]) -> None:
    for answer in answers:
        if isinstance(answer, OperatorAnswered) and answer.reason is not None:
            log.warning("configuration_refused", reason=answer.reason, text=answer.text)
