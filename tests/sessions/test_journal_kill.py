"""kill -9 at random moments: all that was said to be committed is there, and nothing half."""

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sessions.journal.journal import SessionJournal
from tests.processes import is_alive
from tests.sessions import journal_writer
from tests.sessions.journal_writer import EPOCH_STEP, LIMITS, SESSION, commits, inbound_at

ROOT = Path(__file__).parents[2]
LIFE_S_MAX = 0.03


class Writers:
    """One writer after the other, and what they said."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        assert process.stdout
        self._input = process.stdin
        self._output = process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._text = b""

    def start(self) -> int:
        """The new writer's pid, as soon as it runs."""
        self._input.write(b"\n")
        self._input.flush()
        lines: list[tuple[int, int, int]] = []
        while not lines:
            assert select.select([self._output], [], [], 30)[0], "no writer came"
            lines = self.lines()
        return lines[0][0]

    def lines(self) -> list[tuple[int, int, int]]:
        """What was said since: pid, epoch, next outbound."""
        try:
            while data := os.read(self._output, 1 << 16):
                self._text += data
        except BlockingIOError:
            pass
        *whole, self._text = self._text.split(b"\n")
        return [tuple(map(int, line.split())) for line in whole]  # type: ignore[misc]


@contextmanager
def writers(directory: Path, seed: int) -> Iterator[Writers]:
    command = [sys.executable, journal_writer.__file__, str(directory), str(seed)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        try:
            yield Writers(process)
        finally:
            process.kill()


def kill_again_and_again(directory: Path, *, seed: int, kills: int) -> None:
    chance = random.Random(seed)
    epoch, verified = EPOCH_STEP, 1
    with writers(directory, seed) as running:
        for _ in range(kills):
            pid = running.start()
            time.sleep(chance.random() ** 2 * LIFE_S_MAX)
            os.kill(pid, signal.SIGKILL)
            while is_alive(pid):
                time.sleep(0.0002)
            said = [line[1:] for line in running.lines()]
            journal = SessionJournal.open(directory, SESSION, epoch=EPOCH_STEP, limits=LIMITS)
            assert (journal.epoch, journal.next_outbound) >= max(said, default=(0, 0))
            if journal.epoch != epoch:
                epoch, verified = journal.epoch, 1
            verify(journal, seed, verified)
            verified = journal.next_outbound
        verify(journal, seed, 1)


def verify(journal: SessionJournal, seed: int, first: int) -> None:
    """From a commit that begins at a number on, whole commits are there and nothing else."""
    expected: list[tuple[int, bytes]] = []
    end = first
    for begin, messages, after in commits(seed, journal.epoch, first):
        if begin >= journal.next_outbound:
            break
        expected += enumerate(messages, begin)
        end = after
    assert journal.next_outbound == end
    assert journal.next_inbound == inbound_at(end)
    assert list(journal.sent(first, end)) == [pair for pair in expected if pair[0] >= journal.oldest_kept]


def test_what_was_committed_survives_hundreds_of_kills(tmp_path: Path):
    kill_again_and_again(tmp_path, seed=1, kills=300)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 6))
def test_what_was_committed_survives_thousands_of_kills(tmp_path: Path, seed: int):
    kill_again_and_again(tmp_path, seed=seed, kills=2_000)
