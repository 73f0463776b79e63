"""
The marks of one gateway's sessions: chosen, held back until they are true, and written to their file.

A mark says that a session's store holds what was handed over up to some positions, so it counts only when that is so:
a candidate is noted, and takes its place when the store has caught up with it.
"""

import threading
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

import msgspec
import structlog

from gateway.drop_copy.readings import Readings
from gateway.sent_marks import SentMark
from sessions.port import Engine

log = structlog.get_logger()


class _Candidate(msgspec.Struct, frozen=True):
    """A mark that holds once the session has stored everything that was handed to it by then."""

    mark: SentMark
    handed: int


class _Store(Protocol):
    def __call__(self, marks: dict[str, SentMark]) -> None:
        """Write them; raises OSError."""


class MarkKeeper:
    """Keeps the marks of all sessions."""

    def __init__(
        self,
        marks: dict[str, SentMark],
        engine: Engine,
        readings: Readings,
        *,
        positions: list[int],
        handed: Mapping[str, int],
        store: _Store,
    ) -> None:
        """
        Args:
            marks: By session, of the last life.
            engine: Has the sessions.
            readings: Of those that are drop copies.
            positions: By shard, how far everything was handed over; changes as the gateway goes on.
            handed: By session, the messages handed over; changes likewise.
            store: Writes marks to their file, durably.
        """
        self.of = marks
        """By session."""
        self.stored: Mapping[str, SentMark] = {}
        """Those that are on file."""
        self._engine = engine
        self._readings = readings
        self._positions = positions
        self._handed = handed
        self._store = store
        self._candidates: dict[str, _Candidate] = {}
        self._writing = threading.Lock()  # one file, written in a thread each second, and at once where that must be

    def put(self, session_id: str, mark: SentMark) -> None:
        """Give a session a mark that is true already."""
        self._candidates.pop(session_id, None)
        self.of[session_id] = mark

    def now(self, session_id: str, next_msg_seq_num: int = 0) -> SentMark:
        """What a session's mark would be if its store had everything; with 0 its next number is the engine's."""
        number = next_msg_seq_num or self._engine.next_outbound(session_id)
        mark = SentMark(self._engine.epoch(session_id), number, list(self._positions))
        return self._readings.marked(session_id, mark)

    def turn(self, session_ids: Collection[str]) -> None:
        """Promote the candidates that hold by now, and choose new ones."""
        self.promote(session_ids)
        self.choose(set(session_ids) - self._candidates.keys())

    def choose(self, session_ids: Iterable[str], *, next_msg_seq_num: int = 0) -> None:
        """Note what may be the sessions' marks; the number is for `now`."""
        for session_id in session_ids:
            mark = self.now(session_id, next_msg_seq_num)
            self._candidates[session_id] = _Candidate(mark, self._handed[session_id])

    def promote(self, session_ids: Iterable[str]) -> None:
        """Make marks of the candidates that hold."""
        for session_id in session_ids:
            candidate = self._candidates.get(session_id)
            stored = self._handed[session_id] - self._engine.outbound_waiting(session_id)
            if candidate is not None and stored >= candidate.handed:
                self.of[session_id] = self._readings.marked(session_id, candidate.mark)
                del self._candidates[session_id]

    def store(self) -> None:
        """Write the marks; blocks, on any thread. What the disk refuses is told, and written at the next turn."""
        with self._writing:
            marks = self.of.copy()  # of this moment, lest newer ones that are on file be replaced
            try:
                self._store(marks)
            except OSError as error:
                log.error("sent_marks_not_written", reason=str(error))
            else:
                self.stored = marks
