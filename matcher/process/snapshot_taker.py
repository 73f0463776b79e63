"""
Takes snapshots without stopping the matching: a forked child writes what the engine was at that moment.

The child has the engine as it stood between two records (copy on write), and nothing else to do: it closes all that it
inherited, dumps, writes a file, reads it back, restores an engine from it and compares the state hashes. Its word, the
hash, comes through a pipe; a child that says nothing has failed, which costs one line in the log. The parent gives the
file its name, so a snapshot counts only when the parent says so.

A fork costs the parent the copying of its page tables, and then a page for each that it changes while the child works.
"""

import asyncio
import gc
import os
import signal
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final, NoReturn, Protocol

import structlog

from bus import background
from matcher.books.snapshot import SnapshotError
from matcher.engine.engine import Engine
from matcher.process import snapshot_files

log = structlog.get_logger()

CHILD_NICENESS: Final = 10
"""It must not take the processor from those whose orders wait."""
CHILD_PATIENCE_S: Final = 600.0
"""A child that takes longer hangs, as on a disk that does not answer: it is ended, and the next one can be taken."""
_FAULT: Final = "fault: "
_STATE_HASH_LENGTH: Final = 64
_DESCRIPTORS_KEPT: Final = 3


class SnapshotTaker(Protocol):
    """How a matcher has its engine written."""

    def take(self, engine: Engine, on_taken: Callable[[Path | None, str], None]) -> None:
        """
        Write the engine as it stands.

        Args:
            engine: Goes on at once.
            on_taken: Called later with the file, to be named or removed, and the state hash; or with None, and why not.
        """

    def close(self) -> None:
        """Give up what is being written."""


class ForkingTaker:
    """Forks a child for each snapshot; one at a time."""

    def __init__(self, directory: Path) -> None:
        """Files that an earlier life left unfinished are removed."""
        self._directory = directory
        self._child: tuple[int, int] | None = None
        snapshot_files.remove_unfinished(directory)

    def take(self, engine: Engine, on_taken: Callable[[Path | None, str], None]) -> None:
        """See `SnapshotTaker.take`."""
        assert self._child is None, "one snapshot at a time"
        path = snapshot_files.unfinished(self._directory, engine.last_input_seq)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            _be_the_child(engine, path, writing)
        os.close(writing)
        self._child = pid, reading
        said: list[bytes] = []
        loop = asyncio.get_running_loop()
        self._overdue = loop.call_later(CHILD_PATIENCE_S, os.kill, pid, signal.SIGKILL)

        def on_readable() -> None:
            if data := os.read(reading, 1 << 16):
                said.append(data)
                return
            self._reap()
            _tell(b"".join(said).decode(errors="replace"), path, on_taken)

        loop.add_reader(reading, on_readable)

    def close(self) -> None:
        """End a child that still writes; what it wrote is removed at the next start."""
        if self._child is not None:
            os.kill(self._child[0], signal.SIGKILL)
            self._reap()

    def _reap(self) -> None:
        assert self._child is not None
        pid, reading = self._child
        self._overdue.cancel()
        asyncio.get_running_loop().remove_reader(reading)
        os.close(reading)
        os.waitpid(pid, 0)
        self._child = None


def _tell(said: str, path: Path, on_taken: Callable[[Path | None, str], None]) -> None:
    if len(said) == _STATE_HASH_LENGTH and not said.startswith(_FAULT):
        on_taken(path, said)
    else:
        ended_early = "the child that wrote it ended early; is there enough memory, and does the disk answer?"
        on_taken(None, said.removeprefix(_FAULT) or ended_early)


def _be_the_child(engine: Engine, path: Path, writing: int) -> NoReturn:
    """
    Write the snapshot, say its hash, and end, whatever happens: nothing of the parent's may run here.

    Sockets are closed first: were the parent killed meanwhile, its server must see that at once.
    """
    status = 1
    try:
        os.dup2(writing, _DESCRIPTORS_KEPT)
        os.closerange(_DESCRIPTORS_KEPT + 1, os.sysconf("SC_OPEN_MAX"))
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        gc.disable()  # a collection would write to every page, and so copy it
        os.nice(CHILD_NICENESS)
        os.write(_DESCRIPTORS_KEPT, _written(engine, path).encode())
        status = 0
    finally:
        os._exit(status)


def _written(engine: Engine, path: Path) -> str:
    """Write and verify; returns the state hash, or what went wrong."""
    try:
        snapshot = engine.dump()
        state_hash = sha256(snapshot).hexdigest()
        snapshot_files.write(path, snapshot)
        read_back = engine.restored(path.read_bytes())
        if read_back.state_hash() != state_hash:
            return f"{_FAULT}what was read back is another state; is the disk or the memory failing?"
    except (OSError, SnapshotError) as error:
        return f"{_FAULT}{error}"
    return state_hash


class Snapshots:
    """
    When snapshots are taken, and which count.

    They are taken at the same inputs by all replicas, so that their state hashes can be compared. One counts once EXEC
    holds the answers to everything inside it.
    """

    def __init__(
        self,
        directory: Path,
        taker: SnapshotTaker,
        *,
        every_inputs: int,
        on_mark: Callable[[int, str], None],
        on_pause: Callable[[float], None] = lambda _seconds: None,
        keep_log_days: int = 0,
    ) -> None:
        """
        Args:
            directory: Of the files.
            taker: Writes them.
            every_inputs: Input sequences between two snapshots.
            on_mark: Told input sequence and state hash of each snapshot that was written and counts.
            on_pause: Told how long matching stood still for one.
            keep_log_days: See `snapshot_files.count`.
        """
        self._directory = directory
        self._taker = taker
        self._every_inputs = every_inputs
        self._on_mark = on_mark
        self._on_pause = on_pause
        self._keep_log_days = keep_log_days
        self._is_taking = False
        self._uncovered: tuple[int, Path, str] | None = None
        self._consumed_input_seq = 0

    def inputs_left(self, input_seq: int) -> int:
        """How many input sequences there are from here to the next snapshot."""
        return self._every_inputs - input_seq % self._every_inputs

    def take_if_due(self, engine: Engine) -> None:
        """To be called between two records, at least wherever `inputs_left` ends."""
        input_seq = engine.last_input_seq
        if input_seq % self._every_inputs or not input_seq or self._is_taking or self._uncovered is not None:
            return
        began = time.perf_counter()
        self._is_taking = True
        try:
            self._taker.take(engine, lambda path, said: self._on_taken(input_seq, path, said))
        except OSError as error:
            self._on_taken(input_seq, None, error.strerror or str(error))
        self._on_pause(time.perf_counter() - began)

    def note_consumed(self, input_seq: int) -> None:
        """EXEC answers ORD up to here."""
        self._consumed_input_seq = input_seq
        if self._uncovered is not None:
            self._count_if_covered(*self._uncovered)

    def close(self) -> None:
        """Take no more."""
        self._taker.close()

    def _on_taken(self, input_seq: int, path: Path | None, said: str) -> None:
        self._is_taking = False
        if path is None:
            log.error("snapshot_not_written", directory=str(self._directory), input_seq=input_seq, reason=said)
        else:
            self._uncovered = input_seq, path, said
            self._count_if_covered(input_seq, path, said)

    def _count_if_covered(self, input_seq: int, path: Path, state_hash: str) -> None:
        if input_seq <= self._consumed_input_seq:
            self._uncovered = None
            self._counting = background.start(self._count(input_seq, path, state_hash), name="count snapshot")

    async def _count(self, input_seq: int, path: Path, state_hash: str) -> None:
        try:
            size = await asyncio.to_thread(
                snapshot_files.count, self._directory, input_seq, path, keep_log_days=self._keep_log_days
            )
        except OSError as error:
            log.error("snapshot_not_written", directory=str(self._directory), input_seq=input_seq, reason=str(error))
            return
        log.info("snapshot_written", input_seq=input_seq, bytes=size)
        self._on_mark(input_seq, state_hash)
