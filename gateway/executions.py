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
from gateway.catch_up import CatchUp
from gateway.fix_outbound import Report, ReportError, Reports
from gateway.metrics import GatewayMetrics
from gateway.sent_marks import AlreadySent, SentMark
from matcher.events import Event, GatewayAdmitted, InstrumentDefined, SessionMark
from matcher.instruments import Instrument
from sessions.port import Engine

log = structlog.get_logger()

MARK_INTERVAL_S: Final = 1.0
JOIN_LOOK_S: Final = 0.001
ADMISSION_PATIENCE_S: Final = 5.0
"""After each of these, a gateway that no matcher has answered says which it waits for."""
AWAITING_HINT: Final = (
    "is a matcher running for each of them? if so, this clock is behind that of an earlier life, and its marks are lost"
)


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
        on_answered: Callable[[int, int], None] = lambda _shard, _input_seq: None,
    ) -> None:
        self._bus = bus
        self._engine = engine
        self._reports = reports
        self._gateway_id = gateway_id
        self._boot = boot
        self._marks_path = marks_path
        self._metrics = metrics
        self._on_defined = on_defined
        self._on_answered = on_answered
        self._marks = sent_marks.load(marks_path, gateway_id, shards)
        self._candidates: dict[str, _Candidate] = {}
        self._sessions = list(sessions)
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
        self._catching_up: dict[str, CatchUp] = {}

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
                log.warning("gateway_awaits_matchers", shards=waiting, hint=AWAITING_HINT)

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
        if epoch == self._epochs.get(session_id) or session_id in self._catching_up:
            return  # while it catches up, its mark stays behind
        self._epochs[session_id] = epoch
        mark = SentMark(epoch, 1, list(self._positions))
        self._candidates[session_id] = _Candidate(mark, self._handed[session_id])
        self._promote_candidates([session_id])
        self._store_marks(dict(self._marks))

    async def fetch(self, session_id: str, *, is_new: bool, gateway_ids: Iterable[str] = ()) -> None:
        """
        Send reports of one more session: first what it missed, then all; returns when it has what it missed.

        Args:
            session_id: The engine has it. One that was removed in this life misses nothing: it was sent to all along.
            is_new: No shard has ever seen it, so there is nothing to miss.
            gateway_ids: Other gateways, where it may have been since it was here.
        """
        if session_id in self._handed:
            return
        shards = len(self._positions)
        mark = self._marks.get(session_id)
        for gateway_id in gateway_ids:
            theirs = sent_marks.load(sent_marks.path_of(self._marks_path.parent, gateway_id), gateway_id, shards)
            mark = sent_marks.later(mark, theirs.get(session_id))
        if mark is None and is_new:
            mark = SentMark(self._engine.epoch(session_id), 1, list(self._positions))
        if mark is not None:
            self._marks[session_id] = mark
        catch_up = self._catching_up[session_id] = CatchUp(
            self._bus,
            already_sent=AlreadySent(self._engine, session_id, mark, shards),
            bodies_of=partial(self._bodies_of, session_id),
            deliver=partial(self._deliver, session_id),
            positions=self._positions,
        )
        self._epochs[session_id] = self._engine.epoch(session_id)
        self._handed[session_id] = 0
        await catch_up.run()
        # Where it was ahead of our reader, that one is about to get there.
        while any(catch_up.takes(shard, position + 1) for shard, position in enumerate(self._positions)):  # noqa: ASYNC110
            await asyncio.sleep(JOIN_LOOK_S)
        del self._catching_up[session_id]
        self._sessions.append(session_id)

    def leave(self, session_id: str) -> None:
        """Send a session nothing more: another gateway takes it from where its mark stands, which is on file then."""
        self._sessions.remove(session_id)
        self._candidates.pop(session_id, None)
        number = self._engine.next_outbound(session_id)
        self._marks[session_id] = SentMark(self._engine.epoch(session_id), number, list(self._positions))
        del self._handed[session_id]
        self._store_marks(dict(self._marks))

    def _bodies_of(self, session_id: str, shard: int, message: LogMessage) -> list[str]:
        """One session's reports in a record."""
        return [
            body
            for event in self._events(shard, message)
            if type(event) is not GatewayAdmitted and type(event) is not InstrumentDefined
            for to, body in self._render(shard, message.seq, event)
            if to == session_id
        ]

    def _deliver(self, session_id: str, bodies: list[str]) -> None:
        self._handed[session_id] += len(bodies)
        self._engine.send(session_id, bodies)

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
            self._deliver(session_id, bodies)
        self._metrics.exec_lag.labels(str(shard)).set(messages[-1].pending)

    def _take(self, shard: int, message: LogMessage, outbox: dict[str, list[str]]) -> None:
        now_ns = time.time_ns()
        recovering = self._recovering[shard]
        for event in self._events(shard, message):
            if type(event) is GatewayAdmitted:
                self._on_admitted(shard, event)
                continue
            if type(event) is InstrumentDefined:
                self._on_defined(event.instrument)
                continue
            for session_id, body in self._render(shard, message.seq, event):
                if session_id not in self._handed:
                    self._metrics.undeliverable.inc()  # its session is at another gateway, or not configured any more
                elif (behind := self._catching_up.get(session_id)) is not None and behind.takes(shard, message.seq):
                    continue
                elif not (recovering and self._already_sent[session_id].claims(shard, message.seq, body)):
                    outbox.setdefault(session_id, []).append(body)
                    self._metrics.count_answer(event, now_ns)

    def _events(self, shard: int, message: LogMessage) -> list[Event]:
        try:
            record = decode_exec(message.payload)
            self._on_answered(shard, record.last_input_seq)
            return decode_events(record)
        except RecordError as error:
            raise ExecutionsBroken(f"{exec_stream(shard)} sequence {message.seq}: {error}") from error

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
