"""
What a drop copy asks for of the past: read from EXEC again, in between what happens now.

One request at a time is served by a gateway, each in small pieces, with a pause as long as the piece took: so live
reports wait for a piece at most, some ms, and for half of the time nobody reads. Sessions take turns, so that one that
asks and asks holds up its own requests. A request ends when it has all that it
asked for, at `REPORTS_MAX`, or with its session. A request may *join* (trade capture that goes on): in each shard it is
read to where the gateway stands, and in that moment what comes next is given to whoever goes on with it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple, Protocol

import structlog

from bus.connection import Bus, BusError
from bus.reader import LogGap, LogMessage, LogReader
from bus.records import RecordError, decode_events, decode_exec
from bus.streams import LogState, log_state
from bus.subjects import exec_stream
from gateway.drop_copy.exec_index import first_of_input, first_where, read_exec
from gateway.drop_copy.spans import Span
from gateway.fix.report_fields import ReportError
from matcher.events import Event, GatewayAdmitted, InstrumentDefined

log = structlog.get_logger()

REPORTS_MAX: Final = 10_000
"""Reports that answer one request; those of one input, which are not divided, may be more."""
WAITING_MAX: Final = 4
"""Requests of one session that may wait."""
TOO_MANY: Final = f"{WAITING_MAX} requests of this session wait already; send it again when one has been answered"
"""What is said of one more."""
PIECE_BYTES: Final = 1 << 14
"""Of EXEC, that are read in one turn of the event loop: about a millisecond of work."""
CLOCKS_APART_NS: Final = 5 * 10**9
"""By so much a gateway's clock may be ahead of that of the server that stores the log."""


class Outcome(NamedTuple):
    """How a request ended."""

    reports: int
    last_input_seqs: dict[int, int]
    """By shard: everything up to this input that was asked for has been sent."""
    is_cut: bool
    """There is more: `REPORTS_MAX` were sent."""
    fault: str
    """Why it came to an end too early; else empty."""


class Job(Protocol):
    """One request."""

    session_id: str
    shards: Sequence[int]
    """Those that it asks about."""
    spans: Sequence[Span]
    """What is to be read of them."""
    joins: bool

    def begin(self, last_input_seqs: dict[int, int], /) -> None:
        """What was asked for is there; by shard, the last input that there is an answer to."""

    def refuse(self, span: Span, fault: str, /) -> None:
        """It is not; nothing was sent."""

    def body_of(self, event: Event, shard: int) -> str | None:
        """The report of an event, if it is to have one."""

    def join(self, shard: int, exec_seq: int) -> None:
        """What is behind this record is not read for the job."""

    def end(self, outcome: Outcome) -> None:
        """All was sent."""


class _Refused(Exception):
    def __init__(self, span: Span, fault: str) -> None:
        super().__init__(fault)
        self.span = span


class _Cut(Exception):
    """`REPORTS_MAX` were sent."""


class Replayer:
    """Serves the requests of all drop copies of a gateway, one after the other."""

    def __init__(
        self,
        bus: Bus,
        positions: list[int],
        *,
        send: Callable[[str, list[str]], None],
        sessions_up: Callable[[], Collection[str]],
    ) -> None:
        """
        Args:
            bus: Connected.
            positions: By shard, the last record of EXEC that was handed over; changes as the gateway goes on.
            send: Sends bodies to a session.
            sessions_up: The sessions that are logged on.
        """
        self._bus = bus
        self._positions = positions
        self._send = send
        self._sessions_up = sessions_up
        self._waiting: deque[Job] = deque()
        self._is_wanted = asyncio.Event()
        self._reading: _Reading | None = None
        self._turns: dict[str, None] = {}  # sessions that were served, the last one at the end

    def submit(self, job: Job) -> bool:
        """Have a request served when its turn comes; returns False if too many of its session wait."""
        if sum(other.session_id == job.session_id for other in self._waiting) >= WAITING_MAX:
            return False
        self._waiting.append(job)
        self._is_wanted.set()
        return True

    def forget(self, session_id: str) -> None:
        """A session is down: serve its requests no more, even if it is up again at once."""
        self._drop(lambda job: job.session_id == session_id)

    def withdraw(self, job: Job) -> None:
        """Serve a request no more; it is not told."""
        self._drop(lambda other: other is job)

    def _drop(self, is_dropped: Callable[[Job], bool]) -> None:
        self._waiting = deque(job for job in self._waiting if not is_dropped(job))
        if self._reading is not None and is_dropped(self._reading.job):
            self._reading.is_dropped = True

    async def keep(self) -> None:
        """Serve whatever comes, until this is cancelled."""
        while True:
            await self._is_wanted.wait()
            if self._waiting:
                await self._serve(self._next())
            else:
                self._is_wanted.clear()

    def _next(self) -> Job:
        """The oldest request of the session that has waited longest for a turn."""
        turns = [*self._turns]
        job = min(self._waiting, key=lambda job: turns.index(job.session_id) if job.session_id in self._turns else -1)
        self._waiting.remove(job)
        self._turns.pop(job.session_id, None)
        self._turns[job.session_id] = None
        return job

    async def _serve(self, job: Job) -> None:
        reading = _Reading(self._bus, job, self._positions, send=self._send, sessions_up=self._sessions_up)
        self._reading = reading
        fault = ""
        try:
            await reading.begin()
            await reading.run()
        except _Refused as refused:
            if not reading.is_over:
                job.refuse(refused.span, str(refused))
            return
        except _Cut:
            reading.is_cut = True
        except (BusError, LogGap, RecordError, ReportError) as error:
            log.warning("replay_ended", session=job.session_id, reason=str(error))
            fault = "the venue's log cannot be read at the moment; ask again"
        for span in job.spans[reading.spans_read :]:
            job.join(span.shard, self._positions[span.shard])
        if not reading.is_over:
            job.end(Outcome(reading.reports, reading.last_input_seqs, reading.is_cut, fault))


class _Reading:
    """One request being served."""

    def __init__(
        self,
        bus: Bus,
        job: Job,
        positions: list[int],
        *,
        send: Callable[[str, list[str]], None],
        sessions_up: Callable[[], Collection[str]],
    ) -> None:
        self._bus = bus
        self.job = job
        self._positions = positions
        self._send = send
        self._sessions_up = sessions_up
        self._places: list[int] = []
        self.spans_read = 0
        self.reports = 0
        self.last_input_seqs: dict[int, int] = {}
        self._last_sent: tuple[int, int] | None = None  # shard and input
        self.is_cut = False
        self.is_dropped = False

    @property
    def is_over(self) -> bool:
        """Nobody is there any more to be told."""
        return self.is_dropped or self.job.session_id not in self._sessions_up()

    async def begin(self) -> None:
        """Find where each span begins."""
        last_input_seqs = {}
        for shard in self.job.shards:
            seq = self._positions[shard]
            last = await read_exec(self._bus, exec_stream(shard), seq) if seq else None
            last_input_seqs[shard] = last.last_input_seq if last is not None else 0
        for span in self.job.spans:
            newest = last_input_seqs[span.shard]
            if span.begin_input_seq > newest:
                raise _Refused(span, f"the newest input of shard {span.shard} is {newest}; ask for older ones")
            stream = exec_stream(span.shard)
            self._places.append(await self._begin_of(span, stream, await log_state(self._bus, stream)))
        if not self.is_over:
            self.job.begin(last_input_seqs)

    async def _begin_of(self, span: Span, stream: str, state: LogState) -> int:
        if span.begin_ns:
            since_ns = span.begin_ns - CLOCKS_APART_NS
            place = await first_where(self._bus, stream, state, lambda record: record.stored_ns >= since_ns)
        else:
            place = await first_of_input(self._bus, stream, state, span.begin_input_seq)
        is_asked_for = span.begin_ns or span.begin_input_seq
        if place == state.first_seq > 1 and is_asked_for and await self._is_trimmed(span, stream, place):
            text = f"the log of shard {span.shard} does not go back so far any more; ask from a later place on"
            raise _Refused(span, text)
        return place

    async def _is_trimmed(self, span: Span, stream: str, first_seq: int) -> bool:
        if span.begin_ns:
            return True
        first = await read_exec(self._bus, stream, first_seq)
        return first is None or first.first_input_seq > span.begin_input_seq

    async def run(self) -> None:
        """Send what was asked for, shard by shard."""
        for span, place in zip(self.job.spans, self._places, strict=True):
            await self._read(span, place)
            if self.is_over:
                return
            self.spans_read += 1

    async def _read(self, span: Span, place: int) -> None:
        positions, shard = self._positions, span.shard
        target = positions[shard]
        if place > target:
            self.job.join(shard, target)
            return
        reader = LogReader(self._bus, stream=exec_stream(shard), start_seq=place)
        await reader.start()
        try:
            loop = asyncio.get_running_loop()
            while not self.is_over:
                messages = await reader.next_batch(bytes_max=PIECE_BYTES)
                began_s = loop.time()
                is_past = self._take(span, [each for each in messages if self.job.joins or each.seq <= target])
                if is_past or messages[-1].seq >= (positions[shard] if self.job.joins else target):
                    self.job.join(shard, messages[-1].seq)
                    return
                await asyncio.sleep(loop.time() - began_s)
        finally:
            await reader.stop()

    def _take(self, span: Span, messages: list[LogMessage]) -> bool:
        """Send what some records have; returns whether the span ends there."""
        bodies: list[str] = []
        try:
            for message in messages:
                record = decode_exec(message.payload)
                events = decode_events(record)
                if span.is_past(events, record.first_input_seq):
                    return True
                self._take_events(span, events, bodies)
        finally:
            if bodies and not self.is_over:
                self._send(self.job.session_id, bodies)
        return False

    def _take_events(self, span: Span, events: list[Event], bodies: list[str]) -> None:
        for event in events:
            if isinstance(event, GatewayAdmitted | InstrumentDefined) or not span.has(event):
                continue
            body, place = self.job.body_of(event, span.shard), (span.shard, event.input_seq)
            if body is not None and self.reports >= REPORTS_MAX and place != self._last_sent:
                self.last_input_seqs[span.shard] = event.input_seq - 1
                raise _Cut
            self.last_input_seqs[span.shard] = event.input_seq
            if body is not None:
                self._last_sent = place
                bodies.append(body)
                self.reports += 1
