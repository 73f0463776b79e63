"""
What a leader answered against what this engine answers: the comparison behind a standby and `./outcry replay-log`.

Pure. EXEC says up to where in ORD each record answers; the engine is given just that much, and its events and
increments must be the same. So an engine that replays is never ahead of what is durable, and a difference is found at
the record in which it begins.
"""

from typing import Final

from bus.reader import LogMessage
from bus.records import ExecRecord, StateMark, decode_events, decode_increments, encode_items
from bus.subjects import exec_stream
from matcher.engine.engine import Engine
from matcher.events import Event
from matcher.increments import MarketDataIncrement
from matcher.process.logs import LogBroken, read_exec, read_ord

MARKS_MAX: Final = 8
"""Marks that wait for their other half; the oldest are forgotten."""


class Diverged(Exception):
    """This engine answers otherwise than the log says; the message names stream and sequence, and says what to do."""


class Replay:
    """Leads an engine along EXEC."""

    def __init__(self, engine: Engine, *, leader_epoch: int = 0) -> None:
        """
        Args:
            engine: Stands at an input whose answer is the end of an EXEC record.
            leader_epoch: Of the record before the first that is given.
        """
        self.engine = engine
        self.leader_epoch = leader_epoch
        self.epochs_in_a_row = 0
        """Leaders that took over since anything was answered."""
        self._parts: list[ExecRecord] = []
        self._events: list[Event] = []
        self._increments: list[MarketDataIncrement] = []
        self._marks: dict[int, str] = {}
        self._own_marks: dict[int, str] = {}

    @property
    def consumed_input_seq(self) -> int:
        """ORD is replayed up to here."""
        return self.engine.last_input_seq

    def begin(self, exec_seq: int, payload: bytes) -> ExecRecord:
        """
        Take the next record of EXEC; then `apply` what it answers, and `end`.

        Raises:
            Diverged: A mark is not ours.
            LogBroken: The record cannot be read, or does not follow the one before.
        """
        shard = self.engine.shard
        record = read_exec(shard, exec_seq, payload)
        if record.leader_epoch < self.leader_epoch or record.first_input_seq != self.consumed_input_seq + 1:
            raise LogBroken(
                f"{exec_stream(shard)} sequence {exec_seq}: epoch {record.leader_epoch} answers from input "
                f"{record.first_input_seq} on, but epoch {self.leader_epoch} had answered up to input "
                f"{self.consumed_input_seq}; restore the store"
            )
        if record.leader_epoch > self.leader_epoch:
            self.leader_epoch = record.leader_epoch
            self.epochs_in_a_row += 1
            self._parts.clear()  # of an answer that its leader did not finish
        for mark in record.marks:
            self._marks[mark.input_seq] = mark.state_hash
            self._compare_marks(exec_seq)
        return record

    def apply(self, message: LogMessage) -> int:
        """
        Give the engine a record of ORD; returns how many commands it has.

        Raises:
            LogBroken: It cannot be read.
        """
        record = read_ord(self.engine.shard, message)
        events, increments = self.engine.apply_record(
            record.gateway_id, record.boot, record.record_number, record.commands, message.seq
        )
        self._events += events
        self._increments += increments
        return len(record.commands)

    def end(self, exec_seq: int, record: ExecRecord) -> None:
        """
        Compare: the record that `begin` gave, with all that it answers applied.

        Raises:
            Diverged: Its answers are not ours.
        """
        if record.last_input_seq < record.first_input_seq:  # an epoch, a mark, or a part of a long answer
            if len(record.events) > 1 or len(record.increments) > 1:
                self._parts.append(record)
            return
        self.epochs_in_a_row = 0
        if not self._is_same(record):
            shard, inputs = self.engine.shard, f"{record.first_input_seq} to {record.last_input_seq}"
            raise Diverged(
                f"{exec_stream(shard)} sequence {exec_seq} answers inputs {inputs} otherwise than this build does; "
                "run the build that wrote the log"
            )
        self._parts.clear()
        self._events.clear()
        self._increments.clear()

    def note_own_mark(self, mark: StateMark) -> None:
        """
        Say which state hash this engine had.

        Raises:
            Diverged: The leader's was another.
        """
        self._own_marks[mark.input_seq] = mark.state_hash
        self._compare_marks(0)

    def _is_same(self, record: ExecRecord) -> bool:
        if not self._parts:
            own = encode_items(self._events), encode_items(self._increments)
            return own == (bytes(record.events), bytes(record.increments))
        parts = [*self._parts, record]
        events = [event for part in parts for event in decode_events(part)]
        increments = [increment for part in parts for increment in decode_increments(part)]
        return (events, increments) == (self._events, self._increments)

    def _compare_marks(self, exec_seq: int) -> None:
        for input_seq in [seq for seq in self._marks if seq in self._own_marks]:
            theirs, ours = self._marks.pop(input_seq), self._own_marks.pop(input_seq)
            if theirs != ours:
                stream = exec_stream(self.engine.shard)
                where = f"{stream} sequence {exec_seq}" if exec_seq else stream
                raise Diverged(
                    f"{where} says that the state at input {input_seq} had hash {theirs[:16]}, but here it had "
                    f"{ours[:16]}; run the build that wrote the log"
                )
        _forget_oldest(self._marks)
        _forget_oldest(self._own_marks)


def _forget_oldest(marks: dict[int, str]) -> None:
    while len(marks) > MARKS_MAX:
        del marks[next(iter(marks))]
