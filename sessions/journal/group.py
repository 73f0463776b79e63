"""
Group commit: many journals and many batches share one round of syncing, which runs in a thread of its own.

A disk may be so quick that the way to the thread and back costs more than the sync. Where `QUICK_ROUNDS` small rounds
in a row took no longer than `QUICK_S` each, the next small one is done on the event loop at once, until one takes
longer: so a disk that is slow, or becomes slow, holds up the loop in one of twenty rounds at most.

At most one round is in flight. All that becomes dirty meanwhile goes into the next one, so under load a round grows
instead of queueing, and an idle group does nothing at all. When bytes may leave is the profile's affair:

| profile   | `when_synced` calls back                | what a power failure can take back         |
|-----------|-----------------------------------------|--------------------------------------------|
| `durable` | after the round that covers the commits | nothing that has left                      |
| `fast`    | at once                                 | the commits of the last 50 ms or so        |
| `none`    | at once                                 | whatever the kernel had not written itself |

No profile loses a commit when only the process dies: what was written is the kernel's.
"""

import asyncio
import ctypes
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, Literal, NoReturn, Protocol

import msgspec

from sessions.fatal import stop_process
from venue.durable_file import sync_directory

SyncProfile = Literal["durable", "fast", "none"]

FAST_INTERVAL_S: Final = 0.05
"""Between two rounds of the profile `fast`."""
SINGLE_SYNCS_MAX: Final = 4
"""Files that are synced one by one; for more, one sync of the whole file system is cheaper (measured)."""
QUICK_S: Final = 0.001
QUICK_ROUNDS: Final = 20
_SMALL_ROUND_JOURNALS: Final = 2


class SyncWork(msgspec.Struct):
    """What one journal needs from a round."""

    files: list[int]
    """Descriptors to sync; they stay open at least until the round after this one begins."""
    retired: list[int]
    """Descriptors to sync and close: files that were left for others."""
    directories: list[Path]
    """To sync after the files: those with new names in them."""
    outdated: list[Path]
    """To delete when the rest is on disk."""
    epoch: int
    position: int
    """How far the journal's epoch is on disk after the round."""


class Syncable(Protocol):
    """A journal, as a group sees it."""

    def begin_sync(self) -> SyncWork:
        """Hand over all that was written and is not known to be on disk."""

    def end_sync(self, work: SyncWork) -> None:
        """It is on disk now."""


def _stop(error: BaseException) -> NoReturn:
    """After a failed sync nobody knows what the disk holds, and a second one may succeed without having written it."""
    try:
        raise error
    except BaseException:  # for the log
        stop_process("journal_sync")


class JournalGroup:
    """Syncs the journals of a process. All methods are called on the event loop's thread."""

    def __init__(
        self,
        profile: SyncProfile,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        on_failure: Callable[[BaseException], object] = _stop,
    ) -> None:
        """
        Args:
            profile: When bytes may leave.
            loop: Where callbacks run; the running loop if not given.
            on_failure: Called when a round fails; none of its callbacks are, then or later.
        """
        self.profile: Final = profile
        self.rounds = 0
        """Rounds completed."""
        self._loop = loop or asyncio.get_running_loop()
        self._on_failure = on_failure
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal-sync")
        self._dirty: dict[Syncable, None] = {}
        self._waiting: list[Callable[[], object]] = []  # for the next round
        self._covered: list[Callable[[], object]] = []  # by the round in flight
        self._in_flight = False
        self._quick_rounds = 0  # in a row
        self._failed = False
        self._timer: asyncio.Handle | None = None

    @property
    def syncs(self) -> bool:
        """Whether journals are synced at all."""
        return self.profile != "none"

    @property
    def callbacks_waiting(self) -> int:
        """How many callbacks of `when_synced` the disk has not let go yet."""
        return len(self._waiting) + len(self._covered)

    def mark(self, journal: Syncable) -> None:
        """Say that a journal was written to."""
        if self.syncs:
            self._dirty[journal] = None
            self._schedule()

    def when_synced(self, callback: Callable[[], object]) -> None:
        """
        Call back when all that is committed now may be acted upon; never before this returns, and in order of calls.

        The callbacks that wait are as many as their callers let there be.
        """
        if self.profile == "durable" and self._dirty:
            self._waiting.append(callback)
        elif self.profile == "durable" and self._in_flight:
            self._covered.append(callback)
        else:
            self._loop.call_soon(callback)

    async def synced(self) -> None:
        """Wait as `when_synced` does."""
        done = self._loop.create_future()
        self.when_synced(partial(_resolve, done))
        await done

    async def close(self) -> None:
        """Sync what is dirty, in every profile that syncs; the journals are closed before."""
        while (self._dirty or self._in_flight) and not self._failed:
            done = self._loop.create_future()
            (self._waiting if self._dirty else self._covered).append(partial(_resolve, done))
            self._start_round()
            await done
        self._executor.shutdown()

    def _schedule(self) -> None:
        if self._timer is None and not self._in_flight:
            if self.profile == "durable":  # after this turn of the loop, so that all its commits share the round
                self._timer = self._loop.call_soon(self._start_round)
            else:
                self._timer = self._loop.call_later(FAST_INTERVAL_S, self._start_round)

    def _start_round(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._in_flight or not self._dirty:
            return
        self._in_flight = True
        self._covered, self._waiting = self._waiting, []
        works = [(journal, journal.begin_sync()) for journal in self._dirty]
        self._dirty.clear()
        if self._quick_rounds >= QUICK_ROUNDS and _is_small([work for _, work in works]):
            try:
                took_s = _timed_sync([work for _, work in works])
            except Exception as error:
                self._fail(error)
            else:
                self._end_round(works, took_s)
        else:
            future = self._loop.run_in_executor(self._executor, _timed_sync, [work for _, work in works])
            future.add_done_callback(partial(self._end_round_of_thread, works))

    def _end_round_of_thread(self, works: list[tuple[Syncable, SyncWork]], future: asyncio.Future[float]) -> None:
        error = future.exception()
        if error is not None:
            self._fail(error)
        else:
            self._end_round(works, future.result())

    def _fail(self, error: BaseException) -> None:
        self._failed = True  # and in flight for ever, so that nothing goes on
        self._on_failure(error)

    def _end_round(self, works: list[tuple[Syncable, SyncWork]], took_s: float) -> None:
        self._in_flight = False
        if took_s > QUICK_S:
            self._quick_rounds = 0
        elif _is_small([work for _, work in works]):
            self._quick_rounds += 1
        self.rounds += 1
        for journal, work in works:
            journal.end_sync(work)
        for callback in self._covered:
            self._loop.call_soon(callback)
        self._covered = []
        if self._dirty:
            self._schedule()


def _is_small(works: list[SyncWork]) -> bool:
    """A few files to sync, and nothing to make known, close or delete."""
    return len(works) <= _SMALL_ROUND_JOURNALS and not any(
        work.retired or work.directories or work.outdated for work in works
    )


def _timed_sync(works: list[SyncWork]) -> float:
    """As `sync`; returns how long it took, in seconds."""
    began = time.perf_counter()
    sync(works)
    return time.perf_counter() - began


def sync(works: Iterable[SyncWork]) -> None:
    """
    Put works on disk, then delete what is outdated; blocks.

    Raises:
        OSError: Something may not be on disk.
    """
    works = list(works)
    retired = [file for work in works for file in work.retired]
    try:
        _sync_files([file for work in works for file in work.files] + retired)
    finally:
        for file in retired:
            os.close(file)
    for directory in {directory for work in works for directory in work.directories}:
        sync_directory(directory)
    for work in works:
        for path in work.outdated:
            path.unlink(missing_ok=True)


def _sync_files(files: list[int]) -> None:
    if len(files) > SINGLE_SYNCS_MAX and _SYNCFS is not None and len({os.fstat(file).st_dev for file in files}) == 1:
        if _SYNCFS(files[0]) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return
    for file in files:
        os.fsync(file)


def _resolve(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


_SYNCFS: Final = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
"""Linux: sync all of a file's file system; Python does not offer it."""
