"""Group commit: who waits for the disk, how rounds are shared, and what happens when a sync fails."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sessions.journal import group as journal_group
from sessions.journal.group import JournalGroup, SyncProfile, SyncWork
from sessions.journal.journal import JournalLimits, SessionJournal

LIMIT_S = 30


class Disk:
    """Stands before the disk: rounds wait here until they are let through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rounds: list[list[SyncWork]] = []
        self.begun = asyncio.Event()
        self._gate = threading.Semaphore(0)
        self._loop = asyncio.get_running_loop()
        self._sync: Callable[[list[SyncWork]], None] = journal_group.sync
        monkeypatch.setattr(journal_group, "sync", self._round)

    def _round(self, works: list[SyncWork]) -> None:
        self.rounds.append(works)
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self._gate.acquire(timeout=LIMIT_S)
        self._sync(works)

    async def round_begins(self) -> list[SyncWork]:
        async with asyncio.timeout(LIMIT_S):
            await self.begun.wait()
        self.begun.clear()
        return self.rounds[-1]

    def let_through(self, rounds: int = 1) -> None:
        self._gate.release(rounds)


@asynccontextmanager
async def group_of(profile: SyncProfile, disk: Disk | None = None) -> AsyncIterator[JournalGroup]:
    group = JournalGroup(profile)
    yield group
    if disk:
        disk.let_through(100)
    async with asyncio.timeout(LIMIT_S):
        await group.close()


def opened(directory: Path, group: JournalGroup, name: str = "A", limits: JournalLimits | None = None):
    return SessionJournal.open(directory, f"FIX.4.4:{name}", epoch=1, limits=limits or JournalLimits(), group=group)


def send(journal: SessionJournal, text: bytes = b"8=FIX.4.4|") -> None:
    journal.append_sent(journal.next_outbound, [text])
    journal.commit()


async def turn() -> None:
    """All that the loop has to do now is done."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_durable_calls_back_after_the_covering_round_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    disk = Disk(monkeypatch)
    async with group_of("durable", disk) as group:
        journal = opened(tmp_path, group)
        send(journal)
        called: list[str] = []
        group.when_synced(lambda: called.append("first"))
        await disk.round_begins()
        send(journal)
        group.when_synced(lambda: called.append("second"))
        await turn()
        assert called == []
        disk.let_through()
        (work,) = await disk.round_begins()
        await turn()
        assert called == ["first"]
        assert work.position == journal.bytes_on_disk
        disk.let_through()
        await group.synced()
        assert called == ["first", "second"]
        journal.close()


async def test_all_that_became_dirty_meanwhile_shares_the_next_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    disk = Disk(monkeypatch)
    async with group_of("durable", disk) as group:
        journals = [opened(tmp_path, group, str(i)) for i in range(20)]
        assert len(await disk.round_begins()) == 20  # they were made in one turn of the loop
        called: list[int] = []
        for i in range(60):
            send(journals[i % 20])
            group.when_synced(lambda i=i: called.append(i))  # type: ignore[misc]
            await turn()
        assert len(disk.rounds) == 1
        disk.let_through(2)
        await group.synced()
        assert called == list(range(60))
        assert [len(works) for works in disk.rounds] == [20, 20]
        for journal in journals:
            journal.close()


async def test_with_nothing_dirty_a_round_in_flight_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    disk = Disk(monkeypatch)
    async with group_of("durable", disk) as group:
        journal = opened(tmp_path, group)
        await disk.round_begins()
        waiting = asyncio.ensure_future(group.synced())
        await turn()
        assert not waiting.done()
        disk.let_through()
        await waiting
        await group.synced()  # and with none in flight, nothing is waited for
        assert group.rounds == 1
        journal.close()


@pytest.mark.parametrize("profile", ["fast", "none"])
async def test_other_profiles_wait_for_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: SyncProfile):
    disk = Disk(monkeypatch)
    async with group_of(profile, disk) as group:
        journal = opened(tmp_path, group)
        called: list[int] = []
        for i in range(3):
            send(journal)
            group.when_synced(lambda i=i: called.append(i))  # type: ignore[misc]
            assert called == list(range(i))  # never before it returns
            await turn()
        assert called == [0, 1, 2]
        await group.synced()
        assert disk.rounds == []
        if profile == "fast":
            await disk.round_begins()  # of itself, a little later
        journal.close()
    assert bool(disk.rounds) == (profile == "fast")


@pytest.mark.parametrize("journals", [1, 3, 30])
async def test_files_and_directories_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journals: int):
    synced: list[str] = []
    real = os.fsync

    def fsync(file: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{file}") if Path("/proc/self/fd").exists() else "")
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    async with group_of("durable") as group:
        opened_journals = [opened(tmp_path, group, str(i)) for i in range(journals)]
        await group.synced()
        if Path("/proc/self/fd").exists():
            assert str(tmp_path) in synced
            assert {str(path) for path in tmp_path.iterdir()} <= set(synced)
            if journals <= journal_group.SINGLE_SYNCS_MAX or journal_group._SYNCFS is None:
                assert {str(path) for path in tmp_path.glob("*/*.journal")} <= set(synced)
        for journal in opened_journals:
            journal.close()


async def test_what_a_killed_process_left_is_synced_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    killed = SessionJournal.open(tmp_path, "FIX.4.4:A", epoch=1)
    send(killed)
    killed.rest()
    disk = Disk(monkeypatch)
    async with group_of("durable", disk) as group:
        journal = opened(tmp_path, group)
        (work,) = await disk.round_begins()
        assert (len(work.retired), work.position) == (1, journal.bytes_on_disk)
        disk.let_through()
        await group.synced()
        journal.close()


async def test_old_files_go_only_when_the_new_one_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    disk = Disk(monkeypatch)
    async with group_of("durable", disk) as group:
        journal = opened(tmp_path, group, limits=JournalLimits(segment_bytes=100, bytes_max=400))
        await disk.round_begins()
        for _ in range(30):
            send(journal)
        first = tmp_path.glob("*/*-00000000000000000000-*.journal")
        kept = list(first)
        assert len(kept) == 1
        assert journal.oldest_kept > 1
        disk.let_through(2)
        await group.synced()
        assert not kept[0].exists()
        assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) == journal.bytes_on_disk
        journal.close()


async def test_closing_syncs_what_is_left_and_closes_every_file(tmp_path: Path):
    for profile in ("durable", "fast", "none"):
        with open(os.devnull) as probe:
            free = probe.fileno()
        async with group_of(profile) as group:  # type: ignore[arg-type]
            journals = [opened(tmp_path / profile, group, str(i)) for i in range(8)]
            for journal in journals:
                send(journal)
                journal.close()
        with open(os.devnull) as probe:
            assert probe.fileno() == free
        assert bool(group.rounds) == (profile != "none")


async def test_a_quick_disk_is_not_handed_to_the_thread_until_it_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whether a round took long is what the clock says, here one that the disk moves."""
    now_s, took_s = 0.0, journal_group.QUICK_S / 2
    threads: list[int] = []
    real = journal_group.sync

    def sync(works: list[SyncWork]) -> None:
        nonlocal now_s
        real(works)
        now_s += took_s
        threads.append(threading.get_ident())

    monkeypatch.setattr(journal_group, "sync", sync)
    monkeypatch.setattr(time, "perf_counter", lambda: now_s)
    async with group_of("durable") as group:
        journal = opened(tmp_path, group)
        await group.synced()

        async def commit(rounds: int) -> list[bool]:
            """Whether each round was done on the loop."""
            threads.clear()
            for _ in range(rounds):
                send(journal)
                await group.synced()
            return [thread == threading.get_ident() for thread in threads]

        assert await commit(journal_group.QUICK_ROUNDS) == [False] * journal_group.QUICK_ROUNDS
        assert await commit(3) == [True] * 3
        took_s = 2 * journal_group.QUICK_S
        assert await commit(3) == [True, False, False]
        took_s = journal_group.QUICK_S / 2
        assert not any(await commit(journal_group.QUICK_ROUNDS))
        others = [opened(tmp_path, group, name) for name in "BCD"]
        threads.clear()
        await group.synced()
        assert threading.get_ident() not in threads  # a large round is the thread's, however quick the disk
        assert all(await commit(3))
        for each in (journal, *others):
            each.close()


async def test_a_sync_that_fails_on_the_loop_is_final_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal_group, "QUICK_ROUNDS", 0)
    failures: list[BaseException] = []
    group = JournalGroup("durable", on_failure=failures.append)
    journal = opened(tmp_path, group)
    await group.synced()

    def fail(_: list[SyncWork]) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(journal_group, "sync", fail)
    called: list[str] = []
    for _ in range(2):
        send(journal)
        group.when_synced(lambda: called.append("never"))
        await turn()
    assert [type(failure) for failure in failures] == [OSError]
    assert called == []
    await group.close()
    for file in journal.begin_sync().files:
        os.close(file)


async def test_a_failed_sync_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(_: list[SyncWork]) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(journal_group, "sync", fail)
    failed = asyncio.get_running_loop().create_future()
    group = JournalGroup("durable", on_failure=failed.set_result)
    journal = opened(tmp_path, group)
    send(journal)
    called: list[str] = []
    group.when_synced(lambda: called.append("never"))
    async with asyncio.timeout(LIMIT_S):
        assert isinstance(await failed, OSError)
    send(journal)
    group.when_synced(lambda: called.append("never"))
    await turn()
    assert called == []
    await group.close()
    for file in journal.begin_sync().files:
        os.close(file)
