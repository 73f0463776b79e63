"""
From the log back to the sessions: EXEC records become reports, each sent once.

Only what JetStream has stored is ever delivered by a stream's reader, so a report leaves only after the order and its
answer are durable. Positions and marks (`sent_marks`) make a restarted gateway go on where the last one stopped.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bus import background
from bus.connection import Bus
from bus.reader import LogMessage, LogReader
from bus.records import RecordError, decode_events, decode_exec
from bus.streams import last_seq
from bus.subjects import exec_stream
from gateway import sent_marks
from gateway.fix_outbound import Report, ReportError, Reports
from gateway.metrics import GatewayMetrics
from gateway.sent_marks import AlreadySent, SentMark
from matcher.events import Event, GatewayAdmitted, InstrumentDefined, SessionMark
from matcher.instruments import Instrument
from sessions.port import Engine

log = structlog.get_logger()

MARK_INTERVAL_S: Final = 1.0
ADMISSION_PATIENCE_S: Final = 5.0
"""After each of these, a gateway that no matcher has answered says which it waits for."""


class ExecutionsBroken(Exception):
    """EXEC cannot be read on; the message names stream and sequence, and says what to do."""


class _Candidate(msgspec.Struct, frozen=True):
    """A mark that holds once the session has stored everything that was handed to it by then."""

    mark: SentMark
    handed: int


class Executions:
    """Reads EXEC of every shard and hands reports to the engine."""

    def __init__(
        self,
        bus: Bus,
        engine: Engine,
        reports: Reports,
        *,
        sessions: Iterable[str],
        gateway_id: str,
        boot: int,
        shards: int,
        marks_path: Path,
        metrics: GatewayMetrics,
        on_defined: Callable[[Instrument], None] = lambda _instrument: None,
    ) -> None:
        self._bus = bus
        self._engine = engine
        self._reports = reports
        self._gateway_id = gateway_id
        self._boot = boot
        self._marks_path = marks_path
        self._metrics = metrics
        self._on_defined = on_defined
        self._marks = sent_marks.load(marks_path, gateway_id, shards)
        self._candidates: dict[str, _Candidate] = {}
        self._sessions = list(sessions)
        self._returned: set[str] = set()  # their marks stay as an earlier life left them
        self._epochs = {session_id: engine.epoch(session_id) for session_id in self._sessions}
        self._handed = dict.fromkeys(self._sessions, 0)
        self._already_sent = {
            session_id: AlreadySent(engine, session_id, self._marks.get(session_id), shards)
            for session_id in self._sessions
        }
        self._positions = [
            min((sent.positions[shard] for sent in self._already_sent.values()), default=0) for shard in range(shards)
        ]
        self._recovering = [True] * shards
        self._readers = [
            LogReader(
                bus,
                stream=exec_stream(shard),
                start_seq=self._positions[shard] + 1,
                on_messages=partial(self._on_messages, shard),
            )
            for shard in range(shards)
        ]
        self._admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._session_marks: dict[str, SessionMark] = {}
        self._marking: asyncio.Task[None] | None = None

    async def recover(self) -> dict[str, SessionMark]:
        """
        Send what a former life did not, and wait until every shard has admitted this life.

        Returns:
            By session: how far its requests are in the log, of its newest epoch there.

        Raises:
            ExecutionsBroken: The marks are of another log.
        """
        await self._check_positions()
        for reader in self._readers:
            await reader.start()
        await self._until_admitted()
        self._already_sent.clear()
        self._store_marks(self._next_marks())  # this life is on file before it takes a request
        self._marking = background.start(self._mark_for_ever(), name="sent marks")
        return self._session_marks

    async def _check_positions(self) -> None:
        for shard, position in enumerate(self._positions):
            if position > (end := await last_seq(self._bus, exec_stream(shard))):
                raise ExecutionsBroken(
                    f"{self._marks_path} is at {exec_stream(shard)} sequence {position}, but that log ends at {end}: "
                    "it is another log; restore the one that belongs to it, or begin with an empty data directory"
                )

    async def _until_admitted(self) -> None:
        while not self._admitted.done():
            await asyncio.wait([self._admitted], timeout=ADMISSION_PATIENCE_S)
            if not self._admitted.done():
                waiting = [shard for shard, recovering in enumerate(self._recovering) if recovering]
                log.warning("gateway_awaits_matchers", shards=waiting, hint="is a matcher running for each of them?")

    async def stop(self) -> None:
        """End reading; `close` writes the last marks when the engine has stopped."""
        for reader in self._readers:
            await reader.stop()
        if self._marking is not None:
            self._marking.cancel()
            await asyncio.gather(self._marking, return_exceptions=True)
        self._choose_candidates(self._sessions)

    def close(self) -> None:
        """Write the marks of a clean end: the engine has stopped, and stored all that it was given."""
        self._promote_candidates(self._sessions)
        self._store_marks(dict(self._marks))

    def note_numbers(self, session_id: str) -> None:
        """Look whether the session's numbers began anew: its store then holds none of what was sent before."""
        epoch = self._engine.epoch(session_id)
        if epoch == self._epochs.get(session_id):
            return
        self._epochs[session_id] = epoch
        self._returned.discard(session_id)
        mark = SentMark(epoch, 1, list(self._positions))
        self._candidates[session_id] = _Candidate(mark, self._handed[session_id])
        self._promote_candidates([session_id])
        self._store_marks(dict(self._marks))

    def add_session(self, session_id: str) -> bool:
        """
        Send reports of one more session, from now on.

        Returns:
            Whether a former life knew it, and what it missed since comes with the next start: its mark waits for that.
        """
        if session_id in self._handed:  # it was removed in this life: its reports went on into its store
            return False
        self._sessions.append(session_id)
        self._epochs[session_id] = self._engine.epoch(session_id)
        self._handed[session_id] = 0
        mark = self._marks.get(session_id)
        missed = (
            mark is not None and mark.session_epoch == self._epochs[session_id] and mark.positions != self._positions
        )
        if missed:
            self._returned.add(session_id)
        return missed

    def write_marks(self) -> None:
        """Take one turn: write what holds by now, and note what may hold at the next turn."""
        self._store_marks(self._next_marks())

    async def _mark_for_ever(self) -> None:
        """
        A turn each second: a candidate chosen at one is promoted at a later one, if all of it is stored by then.

        So a mark never says more than the session's store, be the disk ever so slow; QuickFIX's is given that second.
        """
        while True:
            await asyncio.sleep(MARK_INTERVAL_S)
            await asyncio.to_thread(self._store_marks, self._next_marks())

    def _next_marks(self) -> dict[str, SentMark]:
        self._promote_candidates(self._sessions)
        self._choose_candidates(set(self._sessions) - self._candidates.keys())
        return dict(self._marks)

    def _choose_candidates(self, session_ids: Iterable[str]) -> None:
        for session_id in session_ids:
            if session_id in self._returned:
                continue
            epoch, number = self._engine.epoch(session_id), self._engine.next_outbound(session_id)
            mark = SentMark(epoch, number, list(self._positions))
            self._candidates[session_id] = _Candidate(mark, self._handed[session_id])

    def _promote_candidates(self, session_ids: Iterable[str]) -> None:
        for session_id in session_ids:
            candidate = self._candidates.get(session_id)
            stored = self._handed[session_id] - self._engine.outbound_waiting(session_id)
            if candidate is not None and stored >= candidate.handed:
                self._marks[session_id] = candidate.mark
                del self._candidates[session_id]

    def _store_marks(self, marks: dict[str, SentMark]) -> None:
        try:
            sent_marks.store(self._marks_path, self._gateway_id, marks, boot=self._boot)
        except OSError as error:
            log.error("sent_marks_not_written", path=str(self._marks_path), reason=error.strerror)

    def _on_messages(self, shard: int, messages: list[LogMessage]) -> None:
        outbox: dict[str, list[str]] = {}
        for message in messages:
            self._take(shard, message, outbox)
            self._positions[shard] = message.seq
        for session_id, bodies in outbox.items():
            self._handed[session_id] += len(bodies)
            self._engine.send(session_id, bodies)
        self._metrics.exec_lag.labels(str(shard)).set(messages[-1].pending)

    def _take(self, shard: int, message: LogMessage, outbox: dict[str, list[str]]) -> None:
        try:
            events = decode_events(decode_exec(message.payload))
        except RecordError as error:
            raise ExecutionsBroken(f"{exec_stream(shard)} sequence {message.seq}: {error}") from error
        now_ns = time.time_ns()
        recovering = self._recovering[shard]
        for event in events:
            if type(event) is GatewayAdmitted:
                self._on_admitted(shard, event)
                continue
            if type(event) is InstrumentDefined:
                self._on_defined(event.instrument)
                continue
            for session_id, body in self._render(shard, message.seq, event):
                if session_id not in self._handed:
                    self._metrics.undeliverable.inc()  # its session was taken out of the configuration
                elif not (recovering and self._already_sent[session_id].claims(shard, message.seq, body)):
                    outbox.setdefault(session_id, []).append(body)
                    self._metrics.count_answer(event, now_ns)

    def _render(self, shard: int, exec_seq: int, event: Event) -> list[Report]:
        try:
            return self._reports.render(event, shard=shard)
        except ReportError as error:
            raise ExecutionsBroken(f"{exec_stream(shard)} sequence {exec_seq}: {error}") from error

    def _on_admitted(self, shard: int, event: GatewayAdmitted) -> None:
        if event.gateway_id != self._gateway_id or event.boot != self._boot:
            return
        self._recovering[shard] = False
        for mark in event.sessions:
            known = self._session_marks.get(mark.session_id)
            if known is None or _place(mark) > _place(known):
                self._session_marks[mark.session_id] = mark
        if not any(self._recovering) and not self._admitted.done():
            self._admitted.set_result(None)


def _place(mark: SessionMark) -> tuple[int, int]:
    return mark.session_epoch, mark.durable_msg_seq_num
