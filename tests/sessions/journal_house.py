"""Small journals and what stands in them: what the journal's tests have in common."""

from pathlib import Path

from sessions.journal.journal import JournalLimits, SessionJournal

SESSION = "FIX.4.4:FIRMA1"
EPOCH = 1_763_000_000_000_000_000
SMALL = JournalLimits(segment_bytes=500, bytes_max=4_000, days_kept=2, epochs_kept=2)


def opened(
    directory: Path, *, limits: JournalLimits | None = None, epoch: int = EPOCH, numbers_ahead: int = 0
) -> SessionJournal:
    return SessionJournal.open(
        directory, SESSION, epoch=epoch, limits=limits or JournalLimits(), numbers_ahead=numbers_ahead
    )


def text(number: int) -> bytes:
    return b"8=FIX.4.4|34=%d|" % number


def send(journal: SessionJournal, count: int) -> None:
    """Commit a batch."""
    first = journal.next_outbound
    journal.append_sent(first, [text(number) for number in range(first, first + count)])
    journal.commit()


def numbers(journal: SessionJournal, begin: int = 1, end: int = 10**9) -> list[int]:
    """The numbers of what was sent, each with its own text."""
    found = list(journal.sent(begin, end))
    assert all(message == text(number) for number, message in found)
    return [number for number, _ in found]


def standing(journal: SessionJournal) -> tuple[int, int, int]:
    return journal.epoch, journal.next_outbound, journal.next_inbound


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*/*.journal"))


def only_file(directory: Path) -> Path:
    (file,) = files(directory)
    return file
