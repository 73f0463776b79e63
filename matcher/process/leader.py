"""
A matcher that leads its shard: reads ORD in order, and answers on EXEC.

Whatever waits in ORD while the last writes are on their way is answered by the next write (micro-batching): an idle
venue adds no delay, and the cost of a write is shared the more the busier it is. Each EXEC record says how far ORD was
consumed, and is written with the sequence that it must have, so an answer and the mark that the question is answered
become durable together, once.

A leader is a writer on ORD<k> too (`own_records`): before it answers anything it announces what of the configuration
the log does not have yet (`announcements`), and while it leads it says what time it is (`clock`).
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from bus.connection import Bus, BusError
from bus.publisher import BATCH_RECORDS_MAX, ChainPublisher
from bus.reader import LogMessage, LogReader
from bus.records import StateMark, encode_exec, encode_parts
from bus.subjects import handover_subject, ord_stream, status_subject
from configs.loader import Venue, check_reloadable
from matcher.engine.engine import Engine
from matcher.events import Event, OperatorAnswered
from matcher.increments import MarketDataIncrement
from matcher.instruments import Instrument
from matcher.operator_commands import DefineInstrument, Limits, SetLimits
from matcher.process import clock, status
from matcher.process.announcements import announcements
from matcher.process.clock import Clock
from matcher.process.leadership import HandedOver, Leading, Leads, encode_handed_over
from matcher.process.logs import read_ord
from matcher.process.metrics import MatcherMetrics
from matcher.process.own_records import OwnRecords, writer_id
from matcher.process.snapshot_taker import Snapshots

log = structlog.get_logger()

WHOLE_ITEMS_MAX: Final = 3_000
"""Events and increments in one EXEC record; those of a longer answer are spread over several."""
PART_BYTES: Final = 1 << 16
"""Of such a record: whoever reads them takes one at a time, some ms of work, and does other work between two."""
_ITEM_BYTES: Final = 512
"""More than an event takes on average."""
_PARTS_MAX: Final = BATCH_RECORDS_MAX // 2
ANNOUNCEMENT_PATIENCE_S: Final = 10.0
"""How long a matcher that begins to lead waits for its announcements to be stored before it answers without them."""


class Handover(NamedTuple):
    """What somebody asked for, and when."""

    reply_subject: str
    """Where that one waits for an answer."""
    to_replica: int
    began_s: float
    """Matching ended then, on the clock of `time.perf_counter`."""


class Leader:
    """Leads one shard from one epoch on."""

    def __init__(
        self,
        bus: Bus,
        venue: Venue,
        *,
        replica: int,
        engine: Engine,
        reader: LogReader,
        publisher: ChainPublisher,
        leader_epoch: int,
        leading: Leading,
        snapshots: Snapshots,
        metrics: MatcherMetrics,
    ) -> None:
        """
        Args:
            bus: Connected.
            venue: The configuration.
            replica: Who this is.
            engine: Stands at the end of what EXEC answers.
            reader: Reads ORD from there.
            publisher: Writes EXEC behind the epoch's record.
            leader_epoch: Which that was.
            leading: Tells others already that this one leads.
            snapshots: Takes them.
            metrics: Told of everything.
        """
        self.engine = engine
        self.leader_epoch = leader_epoch
        self._bus = bus
        self._venue = venue
        self._replica = replica
        self._shard = engine.shard
        self._writer_id = writer_id(engine.shard)
        self._reader = reader
        self._publisher = publisher
        self._snapshots = snapshots
        self._metrics = metrics
        self._batch_records_max = venue.config.matcher.batch_records_max
        self._bytes_max = bus.payload_bytes_max // 2
        self._consumed_input_seq = engine.last_input_seq
        self._marks: list[StateMark] = []
        self._clock = Clock(engine, venue)
        self._clock_wakes = asyncio.Event()
        self._own_records = OwnRecords(bus, shard=self._shard, leader_epoch=leader_epoch)
        self._known = dict(venue.instruments)
        """Of all shards, as the configurations have them that this process went by."""
        self._defined: dict[str, Instrument] = {}
        self._limits: dict[tuple[str, str], Limits] = {}
        """What this process has announced, which the engine may not have read yet."""
        self._leading = leading
        self._handover: asyncio.Future[Handover] = asyncio.get_running_loop().create_future()

    async def begin(self) -> None:
        """
        Say to everybody that this matcher leads; to be called once, before `run`.

        Whoever is admitted by this leader writes after its announcements: so nobody's order meets an instrument that
        is configured but not defined yet.

        Raises:
            BusError: NATS does not answer.
            ForeignStream: An instrument has other units in the log than in the configuration.
        """
        self._own_records.begin(time.time_ns())
        self._put_announcements()
        try:
            async with asyncio.timeout(ANNOUNCEMENT_PATIENCE_S):
                await self._own_records.settle()
        except TimeoutError:
            log.warning("announcements_wait", stream=ord_stream(self._shard), hint="is the log full?")
        self._ends = [
            await self._bus.subscribe(status_subject(self._shard), self._on_status_request),
            await self._bus.subscribe(handover_subject(self._shard), self._on_handover_request),
        ]

    async def run(self, stop: asyncio.Event) -> Handover | None:
        """
        Match until `stop` is set, or somebody asks for the leadership to be handed over.

        Returns:
            None, or to whom; all answers are stored then, and nothing is matched here any more.

        Raises:
            Fenced: Another matcher leads this shard.
            LogBroken: A record cannot be read; nothing of it was applied.
            LogGap: ORD has lost records.
        """
        stopping = asyncio.create_task(stop.wait())
        working = asyncio.create_task(self._match_until_handover())
        timing = asyncio.create_task(clock.keep(self._clock, self._own_records, self._clock_wakes))
        endings: set[asyncio.Future[Any]] = {stopping, working, timing, self._publisher.failed}
        ended, _ = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, working, timing):
            task.cancel()
        await asyncio.gather(stopping, working, timing, return_exceptions=True)
        if working not in ended or working.exception() is not None:
            await self._leading.stop()
        if self._bus.is_connected:
            for end in self._ends:
                await end()
        for ending in ended:
            ending.result()
        return self._handover.result() if working in ended else None

    @property
    def exec_seq(self) -> int:
        """Where EXEC ends, as far as this leader wrote it."""
        return self._publisher.end_seq

    async def _match_until_handover(self) -> None:
        while not self._handover.done():
            left = self._snapshots.inputs_left(self.engine.last_input_seq)
            batch = await self._reader.next_batch(min(self._batch_records_max, left))
            if batch:
                await self._answer(batch)
        await self._publisher.settle()

    async def _answer(self, batch: list[LogMessage]) -> None:
        self._metrics.lag.set(batch[-1].pending)
        events, increments = self._apply(batch)
        self._clock_wakes.set()
        await self._write(batch[0].seq, batch[-1].seq, events, increments)
        self._snapshots.take_if_due(self.engine)

    def _apply(self, batch: list[LogMessage]) -> tuple[list[Event], list[MarketDataIncrement]]:
        events: list[Event] = []
        increments: list[MarketDataIncrement] = []
        commands = 0
        began = time.perf_counter()
        for message in batch:
            record = read_ord(self._shard, message)
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
            self._consumed_input_seq = last_input_seq
            self._metrics.consumed.set(last_input_seq)
            self._metrics.exec_write_seconds.observe(time.perf_counter() - began)
            self._snapshots.note_consumed(last_input_seq)

        await self._publisher.publish(self._records(first_input_seq, last_input_seq, events, increments), on_durable)

    def _records(
        self, first: int, last: int, events: list[Event], increments: list[MarketDataIncrement]
    ) -> list[bytes]:
        """One record; or for a long answer several, which are stored together and consume with the last."""
        items = len(events) + len(increments)
        marks, self._marks = self._marks, []
        if items <= WHOLE_ITEMS_MAX:
            whole = self._encode(first, last, events, increments, marks)
            if len(whole) <= self._bytes_max:
                return [whole]
        # An answer of millions of events makes larger records, not more of them than one batch may have.
        bytes_max = min(max(PART_BYTES, items * _ITEM_BYTES // _PARTS_MAX), self._bytes_max)
        return [
            *(self._encode(first, first - 1, part, []) for part in encode_parts(events, bytes_max=bytes_max)),
            *(self._encode(first, first - 1, [], part) for part in encode_parts(increments, bytes_max=bytes_max)),
            self._encode(first, last, [], [], marks),
        ]

    def _encode(
        self,
        first: int,
        last: int,
        events: list[Event] | msgspec.Raw,
        increments: list[MarketDataIncrement] | msgspec.Raw,
        marks: Sequence[StateMark] = (),
    ) -> bytes:
        return encode_exec(
            shard=self._shard,
            leader_epoch=self.leader_epoch,
            first_input_seq=first,
            last_input_seq=last,
            events=events,
            increments=increments,
            marks=marks,
        )

    # The venue's own commands

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

    def note_mark(self, input_seq: int, state_hash: str) -> None:
        """Have the next record tell the replicas what the state was."""
        self._marks.append(StateMark(input_seq, state_hash))

    def says(self) -> Leads:
        """What is true of this leader right now."""
        return Leads(self._replica, self.leader_epoch, self._consumed_input_seq)

    def _on_handover_request(self, _subject: str, _payload: bytes, reply_subject: str) -> None:
        if not reply_subject or self._handover.done():
            return
        replica = self._leading.best_standby
        if replica is None:
            refusal = HandedOver(f"shard {self._shard} has no standby; set matcher.standbys, and start the venue anew")
            self._bus.publish_now(reply_subject, encode_handed_over(refusal))
            return
        self._handover.set_result(Handover(reply_subject, replica, time.perf_counter()))
        self._reader.release()

    def _on_status_request(self, _subject: str, payload: bytes, reply_subject: str) -> None:
        if not reply_subject:
            return  # nobody waits for an answer
        try:
            self._bus.publish_now(reply_subject, status.answer(self.engine, payload, leader_epoch=self.leader_epoch))
        except BusError:
            log.warning("status_unsent", reply_subject=reply_subject)


def _tell_of_refusals(answers: list[Event]) -> None:
    for answer in answers:
        if isinstance(answer, OperatorAnswered) and answer.reason is not None:
            log.warning("configuration_refused", reason=answer.reason, text=answer.text)
