"""
From the log back to the sessions: EXEC records become reports, each sent once.

Only what JetStream has stored is ever delivered by a stream's reader, so a report leaves only after the order and its
answer are durable. Positions and marks (`sent_marks`) make a restarted gateway go on where the last one stopped.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from bus import background
from bus.connection import Bus
from bus.reader import LogMessage, LogReader
from bus.streams import LogState
from bus.subjects import exec_stream
from gateway import sent_marks
from gateway.catch_up import CatchUp, Held, exec_states
from gateway.drop_copy.copies import DropCopies
from gateway.drop_copy.readings import Readings
from gateway.exec_log import ExecutionsBroken, broken, read_events
from gateway.fix.outbound import Report, ReportError, Reports
from gateway.mark_keeper import MarkKeeper
from gateway.metrics import GatewayMetrics
from gateway.sent_marks import AlreadySent, SentMark, skip_trimmed
from matcher.events import Event, GatewayAdmitted, InstrumentDefined, SessionMark
from matcher.instruments import Instrument
from sessions.port import Engine

log = structlog.get_logger()

MARK_INTERVAL_S: Final = 1.0
JOIN_LOOK_S: Final = 0.001
_OF_THE_VENUE: Final = (GatewayAdmitted, InstrumentDefined)
"""They are reported to no session."""


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
        copies: DropCopies | None = None,
        drop_copies: Iterable[str] = (),
    ) -> None:
        self._bus = bus
        self._engine = engine
        self._reports = reports
        self._gateway_id = gateway_id
        self._boot = boot
        self._metrics = metrics
        self._on_defined = on_defined
        self._on_answered = on_answered
        marks = sent_marks.load(marks_path, gateway_id, shards)
        self._copies = copies or DropCopies(reports)
        self._sessions = [*sessions, *(each for each in drop_copies if each in marks or self._was_sent(each))]
        self._epochs = {session_id: engine.epoch(session_id) for session_id in self._sessions}
        self._handed = dict.fromkeys(self._sessions, 0)
        self._positions = [0] * shards
        self._readings = Readings(engine, self._positions, self._handed)
        self._marks = MarkKeeper(
            marks,
            engine,
            self._readings,
            positions=self._positions,
            handed=self._handed,
            store=partial(sent_marks.store, marks_path, gateway_id, boot=boot),
        )
        self._marks_path = marks_path
        self._followed = self._readings.by_session
        for session_id in self._sessions:
            self._begin_reading(session_id)
        self._already_sent = {
            session_id: AlreadySent(engine, session_id, self._marks.of.get(session_id), shards)
            for session_id in self._sessions
        }
        self._recovering = [True] * shards
        self._readers: list[LogReader] = []
        self._admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._session_marks: dict[str, SessionMark] = {}
        self._marking: asyncio.Task[None] | None = None
        self._catching_up: dict[str, CatchUp | Held] = {}
        self._fetching: set[str] = set()
        self._rewinding: dict[str, asyncio.Task[None]] = {}
        self.on_events: Callable[[int, list[tuple[int, list[Event]]]], None] | None = None
        """Told of a shard's records of EXEC when their reports are sent: sequence and events of each."""

    @property
    def positions(self) -> list[int]:
        """By shard: the last record of EXEC that was handed over."""
        return self._positions

    @property
    def sessions(self) -> list[str]:
        """The sessions that are here and have all that they missed."""
        return self._sessions

    @property
    def stored_marks(self) -> Mapping[str, SentMark]:
        """By session: the marks that are on file."""
        return self._marks.stored

    async def recover(self) -> dict[str, SessionMark]:
        """
        Send what a former life did not, and wait until every shard has admitted this life.

        Returns:
            By session: how far its requests are in the log, of its newest epoch there.

        Raises:
            ExecutionsBroken: The marks are of another log.
        """
        log_states = await exec_states(self._bus, len(self._positions))
        for shard, state in enumerate(log_states):
            self._begin_at_marks(shard, state)
        self._readings.note_ends([state.last_seq for state in log_states])
        for shard, position in enumerate(self._positions):
            reader = LogReader(
                self._bus,
                stream=exec_stream(shard),
                start_seq=position + 1,
                on_messages=partial(self._on_messages, shard),
            )
            self._readers.append(reader)
            await reader.start()
        await self._admitted
        self._already_sent.clear()
        self.write_marks()  # this life is on file before it takes a request
        self._marking = background.start(self._mark_for_ever(), name="sent marks")
        return self._session_marks

    def _begin_at_marks(self, shard: int, state: LogState) -> None:
        """Begin where the session is that was sent least, or where the log begins."""
        for session_id, sent in self._already_sent.items():
            skip_trimmed(session_id, sent, shard, state)
        position = min((sent.positions[shard] for sent in self._already_sent.values()), default=state.first_seq - 1)
        if position > state.last_seq:
            raise ExecutionsBroken(
                f"{self._marks_path} is at {exec_stream(shard)} sequence {position}, but that log ends at "
                f"{state.last_seq}: it is another log; restore the one that belongs to it, or begin with an empty data "
                "directory"
            )
        self._positions[shard] = position

    async def stop(self) -> None:
        """End reading; `close` writes the last marks when the engine has stopped."""
        for reader in self._readers:
            await reader.stop()
        for rewinding in self._rewinding.values():
            rewinding.cancel()
        await asyncio.gather(*self._rewinding.values(), return_exceptions=True)
        if self._marking is not None:
            self._marking.cancel()
            await asyncio.gather(self._marking, return_exceptions=True)
        self._marks.choose(self._sessions)

    def close(self) -> None:
        """Write the marks of a clean end: the engine has stopped, and stored all that it was given."""
        self._marks.promote(self._sessions)
        self._marks.store()

    def note_numbers(self, session_id: str) -> None:
        """Look whether the session's numbers began anew: its store then holds none of what was sent before."""
        if session_id not in self._handed:
            return  # `fetch` looks at them when it begins
        epoch = self._engine.epoch(session_id)
        if epoch == self._epochs[session_id]:
            return
        if session_id in self._followed:
            self._rewind(session_id, epoch)
            return
        if session_id in self._catching_up:
            return  # its mark stays behind meanwhile
        self._epochs[session_id] = epoch
        self._marks.choose([session_id], next_msg_seq_num=1)
        self._marks.promote([session_id])
        self._marks.store()

    def follow(self, session_id: str) -> None:
        """A drop copy has logged on: for the first time, and gets all copies from now on; or it goes on."""
        if session_id in self._handed:
            self._readings.forget_question(session_id)
            self.note_numbers(session_id)
            return
        if session_id in self._marks.of:
            return  # not for the first time: `fetch` is about to go on from its mark
        epoch = self._epochs[session_id] = self._engine.epoch(session_id)
        self._handed[session_id] = 0
        self._readings.begin(session_id, None)
        self._marks.put(session_id, self._readings.marked(session_id, SentMark(epoch, 1, list(self._positions))))
        self._sessions.append(session_id)
        self._marks.store()

    def _was_sent(self, session_id: str) -> bool:
        """Whether a session was ever sent a message, the answer to a refused Logon apart."""
        return any(True for _ in self._engine.sent_bodies(session_id, 1))

    def _begin_reading(self, session_id: str) -> None:
        """Go on with a session from its mark, if it is a drop copy."""
        if session_id in self._copies.readers:
            mark = self._readings.begin(session_id, self._marks.of.get(session_id))
            if mark is not None:
                self._marks.put(session_id, mark)

    def _rewind(self, session_id: str, epoch: int) -> None:
        """A drop copy's numbers began anew: it goes on from where its client has surely read."""
        self._epochs[session_id] = epoch
        self._marks.put(session_id, self._readings.rewound(session_id))
        self._marks.store()
        if session_id in self._sessions:
            self._sessions.remove(session_id)
        if session_id in self._rewinding:
            self._rewinding[session_id].cancel()
        self._catching_up[session_id] = Held()
        self._rewinding[session_id] = background.start(self._go_back(session_id), name=f"rewind {session_id}")

    async def _go_back(self, session_id: str) -> None:
        while self._engine.outbound_waiting(session_id):  # noqa: ASYNC110 - until its store has what was handed over
            await asyncio.sleep(JOIN_LOOK_S)
        log_states = await exec_states(self._bus, len(self._positions))
        if self._rewinding.get(session_id) is not asyncio.current_task():
            return  # they began anew once more
        await self._catch_up(session_id, self._marks.of[session_id], log_states)
        if self._rewinding.get(session_id) is asyncio.current_task():
            del self._rewinding[session_id]

    async def fetch(self, session_id: str, *, is_new: bool, gateway_ids: Iterable[str] = ()) -> None:
        """
        Send reports of one more session: first what it missed, then all; returns when it has what it missed.

        Args:
            session_id: The engine has it. One that was removed in this life misses nothing: it was sent to all along.
            is_new: No shard has ever seen it, so there is nothing to miss.
            gateway_ids: Other gateways, where it may have been since it was here.
        """
        if session_id not in self._handed:
            self._fetching.add(session_id)
            try:
                await self._fetch(session_id, list(self._positions) if is_new else None, gateway_ids)
            finally:
                self._fetching.discard(session_id)

    async def _fetch(self, session_id: str, begin: list[int] | None, gateway_ids: Iterable[str]) -> None:
        shards = len(self._positions)
        log_states = await exec_states(self._bus, shards)
        if session_id in self._handed:
            return
        mark = self._marks.of.get(session_id)
        for gateway_id in gateway_ids:
            theirs = sent_marks.load(sent_marks.path_of(self._marks_path.parent, gateway_id), gateway_id, shards)
            mark = sent_marks.later(mark, theirs.get(session_id))
        if mark is None and begin is not None:
            mark = SentMark(self._engine.epoch(session_id), 1, begin)
        if mark is None and session_id in self._copies.readers and not self._was_sent(session_id):
            return  # it begins with its first Logon: `follow`
        if mark is not None:
            self._marks.put(session_id, mark)
        self._begin_reading(session_id)
        self._readings.note_ends([state.last_seq for state in log_states])
        self._epochs[session_id] = self._engine.epoch(session_id)
        self._handed[session_id] = 0
        await self._catch_up(session_id, self._marks.of.get(session_id), log_states)

    async def _catch_up(self, session_id: str, mark: SentMark | None, log_states: Sequence[LogState]) -> None:
        """Send a session what it missed; from then on it is sent what is read."""
        already_sent = AlreadySent(self._engine, session_id, mark, len(self._positions))
        for shard, state in enumerate(log_states):
            skip_trimmed(session_id, already_sent, shard, state)
        catch_up = self._catching_up[session_id] = CatchUp(
            self._bus,
            already_sent=already_sent,
            bodies_of=partial(self._bodies_of, session_id),
            deliver=lambda bodies: self._deliver_missed(session_id, catch_up, bodies),
            positions=self._positions,
            ends=[state.last_seq for state in log_states],
        )
        await catch_up.run()
        # Where it was ahead of our reader, that one is about to get there.
        while any(catch_up.takes(shard, position + 1) for shard, position in enumerate(self._positions)):  # noqa: ASYNC110
            await asyncio.sleep(JOIN_LOOK_S)
        if self._catching_up.get(session_id) is catch_up:
            del self._catching_up[session_id]
            self._sessions.append(session_id)

    def _deliver_missed(self, session_id: str, catch_up: CatchUp, bodies: list[str]) -> None:
        if self._catching_up.get(session_id) is catch_up:  # else its numbers began anew, and another one has begun
            self._deliver(session_id, bodies)

    async def stop_copying(self, session_id: str) -> None:
        """A drop copy is not configured any more; should it return, it goes on from where it stopped (`fetch`)."""
        while self.is_behind(session_id):  # noqa: ASYNC110
            await asyncio.sleep(JOIN_LOOK_S)
        if session_id in self._sessions:
            mark = self._let_go(session_id)
            while self._engine.outbound_waiting(session_id):  # noqa: ASYNC110 - the mark is not true before
                await asyncio.sleep(JOIN_LOOK_S)
            self._put_down(session_id, mark)

    def is_behind(self, session_id: str) -> bool:
        """Whether a session is being sent what it missed, or again what it may not have read."""
        return session_id in self._fetching or session_id in self._rewinding

    def leave(self, session_id: str) -> None:
        """
        Send a session nothing more: it goes on, here or elsewhere, from where its mark stands, on file then.

        To be called when its store has all that it was handed; a drop copy that has never logged on has no mark.
        """
        if session_id in self._sessions:
            self._put_down(session_id, self._let_go(session_id))

    def _let_go(self, session_id: str) -> SentMark:
        """Hand a session nothing more; returns what is its mark once its store has all that it was handed."""
        mark = self._marks.now(session_id)
        self._sessions.remove(session_id)
        self._readings.end(session_id)
        del self._handed[session_id]
        return mark

    def _put_down(self, session_id: str, mark: SentMark) -> None:
        self._marks.put(session_id, mark)
        self._marks.store()

    def _bodies_of(self, session_id: str, shard: int, message: LogMessage) -> list[str]:
        """One session's reports in a record."""
        if session_id in self._followed:
            copies = [self._copies.of_reader(session_id, event, shard) for event in self._events(shard, message)]
            return [body for body in copies if body is not None]
        of_orders = (each for each in self._events(shard, message) if type(each) not in _OF_THE_VENUE)
        reports = (report for event in of_orders for report in self._render(shard, message.seq, event))
        return [body for to, body in reports if to == session_id]

    def _deliver(self, session_id: str, bodies: list[str]) -> None:
        if session_id in self._followed and self._engine.epoch(session_id) != self._epochs[session_id]:
            self.note_numbers(session_id)  # nobody has told of its Logon yet: what it missed is to come before these
            return
        self._handed[session_id] += len(bodies)
        self._engine.send(session_id, bodies)

    def write_marks(self) -> None:
        """Take one turn: write what holds by now, and note what may hold at the next turn."""
        self._take_turn()
        self._marks.store()

    async def _mark_for_ever(self) -> None:
        """
        A turn each second: a candidate chosen at one is promoted at a later one, if all of it is stored by then.

        So a mark never says more than the session's store, be the disk ever so slow; QuickFIX's is given that second.
        """
        while True:
            await asyncio.sleep(MARK_INTERVAL_S)
            self._readings.look(self._sessions)
            self._take_turn()
            await asyncio.to_thread(self._marks.store)

    def _take_turn(self) -> None:
        for session_id in list(self._followed):
            self.note_numbers(session_id)  # they may begin anew while it is up and says nothing
        self._marks.turn(self._sessions)

    def _on_messages(self, shard: int, messages: list[LogMessage]) -> None:
        outbox: dict[str, list[str]] = {}
        taken = []
        for message in messages:
            taken.append((message.seq, self._take(shard, message, outbox)))
            self._positions[shard] = message.seq
        for session_id, bodies in outbox.items():
            self._deliver(session_id, bodies)
        if self.on_events is not None:
            self.on_events(shard, taken)
        self._metrics.exec_lag.labels(str(shard)).set(messages[-1].pending)

    def _take(self, shard: int, message: LogMessage, outbox: dict[str, list[str]]) -> list[Event]:
        now_ns = time.time_ns()
        recovering = self._recovering[shard]
        events = self._events(shard, message)
        for event in events:
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
            if self._followed:
                self._copy(shard, message.seq, event, outbox)
        return events

    def _copy(self, shard: int, exec_seq: int, event: Event, outbox: dict[str, list[str]]) -> None:
        """Give an event's copies to the drop copies that get one, but to those that have it."""
        for session_id, body in self._copies.of(event, shard):
            if session_id not in self._followed:
                continue  # it is at another gateway, or has never logged on
            if (behind := self._catching_up.get(session_id)) is not None and behind.takes(shard, exec_seq):
                continue
            if not self._recovering[shard]:
                outbox.setdefault(session_id, []).append(body)
            elif not (already_sent := self._already_sent[session_id]).claims(shard, exec_seq, body):
                outbox.setdefault(session_id, []).append(already_sent.to_send(shard, exec_seq, body))

    def _events(self, shard: int, message: LogMessage) -> list[Event]:
        last_input_seq, events = read_events(shard, message)
        self._on_answered(shard, last_input_seq)
        return events

    def _render(self, shard: int, exec_seq: int, event: Event) -> list[Report]:
        try:
            return self._reports.render(event, shard=shard)
        except ReportError as error:
            raise broken(shard, exec_seq, error) from error

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
