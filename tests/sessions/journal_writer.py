"""
Processes that write a journal until they are killed.

`python journal_writer.py <directory> <seed>` answers each line on its input with a fresh process, forked to spare the
start of an interpreter. That one says who it is, opens the journal, and says after each commit where it stands
(`pid epoch next`), until it is killed. What it writes at which number is a function of seed and epoch, so a reader can
tell what must be there.
"""

import datetime
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from sessions.journal.journal import JournalLimits, SessionJournal

SESSION = "FIX.4.4:FIRMA1"
LIMITS = JournalLimits(segment_bytes=1 << 16, bytes_max=1 << 20, days_kept=2, epochs_kept=2)
EPOCH_STEP = 1_000
RESET_IN = 400


def batch(seed: int, epoch: int, first: int) -> tuple[list[bytes], int]:
    """The commit that begins at a number: its messages, and how many admin messages follow them."""
    chance = random.Random(f"{seed} {epoch} {first}")
    count = chance.choice((0, 1, 3, 50, 2000)) if chance.random() < 0.5 else chance.randrange(8)
    admin = chance.randrange(3) if count else 1
    pad = b"x" * chance.choice((0, 10, 150))
    return [b"%d of %d to %d %s" % (first + i, epoch, first + count + admin, pad) for i in range(count)], admin


def commits(seed: int, epoch: int, first: int) -> Iterator[tuple[int, list[bytes], int]]:
    """All commits of an epoch from one that begins at a number: number, messages, and the next number after it."""
    while True:
        messages, admin = batch(seed, epoch, first)
        yield first, messages, first + len(messages) + admin
        first += len(messages) + admin


def inbound_at(next_outbound: int) -> int:
    """The next inbound number that is committed together with a next outbound one."""
    return 1 if next_outbound == 1 else 2 * next_outbound + 7


def say(epoch: int, next_outbound: int) -> None:
    """One line in one write."""
    os.write(1, b"%d %d %d\n" % (os.getpid(), epoch, next_outbound))


def write_for_ever(directory: Path, seed: int) -> None:
    """Open and write; only the first epoch number has to come from somewhere."""
    say(0, 0)
    journal = SessionJournal.open(directory, SESSION, epoch=EPOCH_STEP, limits=LIMITS)
    chance = random.Random()
    while True:
        say(journal.epoch, journal.next_outbound)
        if chance.randrange(RESET_IN) == 0:
            journal.reset(journal.epoch + EPOCH_STEP)
            continue
        if chance.randrange(100) == 0:
            journal.roll(datetime.date(2026, 1, 1) + datetime.timedelta(days=chance.randrange(300)))
        first = journal.next_outbound
        messages, admin = batch(seed, journal.epoch, first)
        journal.append_sent(first, messages)
        journal.note_outbound(first + len(messages) + admin)
        journal.note_inbound(inbound_at(journal.next_outbound))
        journal.commit()


def main() -> None:
    """Fork a writer for each line; the kernel collects the dead."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    directory, seed = Path(sys.argv[1]), int(sys.argv[2])
    for _ in sys.stdin:
        if os.fork() == 0:
            try:
                write_for_ever(directory, seed)
            finally:
                os._exit(1)


if __name__ == "__main__":
    main()
