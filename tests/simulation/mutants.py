"""
The venue's own code with one rule of each kind broken: the simulation must notice each.

Each is a patch of the real code for the time of one test; nothing but a test can reach it.
"""

from collections.abc import Callable
from typing import Any

import pytest

from bus import publisher
from bus.connection import PubAck
from bus.publisher import ChainPublisher, WindowPublisher
from bus.reader import LogMessage, LogReader
from bus.streams import last_seq
from gateway.session_progress import SessionProgress
from matcher.books.admission import Admission
from matcher.engine.engine import Engine
from matcher.process import snapshot_files
from matcher.process.logs import Position
from matcher.process.retention import Retention
from matcher.process.service import MatcherService
from matcher.process.standby import Standby

Mutant = Callable[[pytest.MonkeyPatch], None]


def a_writer_that_expects_nothing(patch: pytest.MonkeyPatch) -> None:
    """EXEC takes whatever any leader writes, were it a former one."""
    patch.setattr(publisher, "_EXPECTED_LAST_SEQ", "Nothing-Expected")


def a_writer_that_fences_no_one(patch: pytest.MonkeyPatch) -> None:
    """After a failure a leader goes on behind whatever it finds, instead of looking whose it is."""

    async def recover_tail(self: ChainPublisher, link: Any) -> None:
        link.last_seq = await last_seq(self._bus, self._stream) + len(link.payloads)
        self._end_seq = link.last_seq
        self._send(link)

    patch.setattr(ChainPublisher, "_recover_tail", recover_tail)


def a_leader_without_an_epoch(patch: pytest.MonkeyPatch) -> None:
    """It answers at once, so nothing keeps the one before from going on."""

    async def write_epoch(_self: MatcherService, position: Position) -> PubAck:
        return PubAck(position.exec_seq)

    patch.setattr(MatcherService, "_write_epoch", write_epoch)


def a_leader_that_did_not_read_on(patch: pytest.MonkeyPatch) -> None:
    """A standby leads from where it happens to be, not from the end of EXEC."""

    async def until_read(_self: Standby, _exec_seq: int) -> None:
        return

    patch.setattr(Standby, "until_read", until_read)


def a_fenced_leader_that_goes_on(patch: pytest.MonkeyPatch) -> None:
    """What another one wrote in its place it takes for its own."""

    async def recover_tail(self: ChainPublisher, link: Any) -> None:
        self._end(link)

    patch.setattr(ChainPublisher, "_recover_tail", recover_tail)


def a_gateway_that_sends_one_record_again(patch: pytest.MonkeyPatch) -> None:
    """Of a window it repeats what failed, not what came after it too."""

    def resend(self: WindowPublisher) -> None:
        self._rewinding = False
        for sent in self._window:
            if not sent.acked:
                self._send(sent)

    patch.setattr(WindowPublisher, "_resend", resend)


def a_gateway_that_believes_too_early(patch: pytest.MonkeyPatch) -> None:
    """It tells the log that all that it has taken is durable."""
    patch.setattr(SessionProgress, "durable_msg_seq_num", property(lambda self: self._last))


def a_matcher_that_counts_no_records(patch: pytest.MonkeyPatch) -> None:
    """It takes every record, whatever its number."""
    patch.setattr(Admission, "admits_record", lambda *_, **__: True)


def a_matcher_that_has_no_marks(patch: pytest.MonkeyPatch) -> None:
    """It takes every request, were it the same again."""
    patch.setattr(Admission, "admits_request", lambda *_: True)


def a_reader_that_sees_no_gap(patch: pytest.MonkeyPatch) -> None:
    """It goes on with whatever comes next."""

    def receive_record(self: LogReader, seq: int, pending: int, payload: bytes) -> None:
        if seq >= self._next_seq:
            self._next_seq = seq + 1
            self._enqueue(LogMessage(seq, payload, pending))

    patch.setattr(LogReader, "_receive_record", receive_record)


def a_reader_that_takes_repeats(patch: pytest.MonkeyPatch) -> None:
    """It hands over what it had before."""
    receive_record = LogReader._receive_record

    def receive(self: LogReader, seq: int, pending: int, payload: bytes) -> None:
        if seq == self._next_seq - 1:
            self._enqueue(LogMessage(seq, payload, pending))
        receive_record(self, seq, pending, payload)

    patch.setattr(LogReader, "_receive_record", receive)


def a_reader_that_misses_the_last(patch: pytest.MonkeyPatch) -> None:
    """It does not look at what a heartbeat says was sent."""
    patch.setattr(LogReader, "_check_delivered", lambda *_: None)


def a_matcher_that_trusts_its_newest_snapshot(patch: pytest.MonkeyPatch) -> None:
    """It loads one that is ahead of what EXEC answers."""
    newest_first = snapshot_files.newest_first
    patch.setattr(snapshot_files, "newest_first", lambda directory, **_: newest_first(directory))
    patch.setattr("matcher.process.snapshot_taker.Snapshots._count_if_covered", _count_at_once)


def _count_at_once(self: Any, input_seq: int, path: Any, _state_hash: str) -> None:
    self._uncovered = None
    snapshot_files.count(self._directory, input_seq, path)


def a_matcher_that_forgets_a_session(patch: pytest.MonkeyPatch) -> None:
    """What it restores from a snapshot lacks the marks of the gateways."""
    restore = Engine.restore.__func__  # type: ignore[attr-defined]

    def forget(cls: type[Engine], snapshot: bytes, **bounds: int) -> Engine:
        engine: Engine = restore(cls, snapshot, **bounds)
        engine._floor.admission.sessions.clear()
        return engine

    patch.setattr(Engine, "restore", classmethod(forget))


def a_leader_that_trims_for_itself(patch: pytest.MonkeyPatch) -> None:
    """It does not ask how far the others have come."""

    async def place_of(_self: Retention, _stream: str, _reader: str, *, wanted_seq: int = 1) -> int:
        return max(wanted_seq, 10**9)

    patch.setattr(Retention, "_place_of", place_of)


MUTANTS: tuple[Mutant, ...] = (
    a_writer_that_expects_nothing,
    a_writer_that_fences_no_one,
    a_leader_without_an_epoch,
    a_fenced_leader_that_goes_on,
    a_gateway_that_sends_one_record_again,
    a_matcher_that_counts_no_records,
    a_matcher_that_has_no_marks,
    a_matcher_that_forgets_a_session,
    a_reader_that_sees_no_gap,
    a_reader_that_takes_repeats,
)
RARELY_NOTICED: tuple[Mutant, ...] = (
    a_leader_that_did_not_read_on,
    a_gateway_that_believes_too_early,
    a_reader_that_misses_the_last,
    a_matcher_that_trusts_its_newest_snapshot,
    a_leader_that_trims_for_itself,
)
"""In one seed of a hundred, or fewer: it takes two misfortunes at once."""
