"""
How a journal is opened after whatever happened: what is whole in it stands, a torn tail is cut, nothing is guessed.

The newest epoch's files are read from the last place that was known to be on disk, frame by frame. What follows the
last whole frame is a commit that a kill or a power failure cut off, and is cut, with all files after it. There is one
exception: a later header or frame says that the disk had confirmed what is broken now. Then something else damaged it,
what stood there may have been sent, and the journal is refused.

An epoch of which nothing is whole never began: the one before it stands.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog

from sessions.journal.errors import JournalError
from sessions.journal.files import Segment, segments_in
from sessions.journal.records import FRAME_MAGIC, Header, decode_frame
from venue.durable_file import sync_directory

log = structlog.get_logger(__name__)


class Recovered(msgspec.Struct):
    """A journal as it stands after opening."""

    segments: list[Segment]
    """All files, oldest first, earlier epochs too; none if nothing of any epoch is there."""
    in_doubt: list[Segment]
    """Those that may not be on disk, only in the kernel's memory: the process was killed before they were synced."""
    synced: int
    """Position in the epoch up to which the disk is known to hold it."""
    next_outbound: int
    next_inbound: int


def recover(directory: Path, session_id: str) -> Recovered:
    """
    Read a session's files and cut what is torn.

    Raises:
        JournalError: A file is of another version or session, cannot be read, or is damaged where it was safe.
    """
    segments = segments_in(directory)
    while segments:
        begin = next(i for i, segment in enumerate(segments) if segment.epoch == segments[-1].epoch)
        epoch = _Epoch(directory, session_id, segments[begin:])
        if epoch.replay():
            return Recovered(
                segments[:begin] + epoch.segments,
                epoch.replayed if epoch.synced < epoch.segments[-1].end else [],
                epoch.synced,
                epoch.next_outbound,
                epoch.next_inbound,
            )
        segments = segments[:begin]
    return Recovered([], [], 0, 1, 1)


class _Epoch:
    """The files of one epoch, being replayed."""

    def __init__(self, directory: Path, session_id: str, segments: list[Segment]) -> None:
        self.segments = segments
        self.replayed: list[Segment] = []
        self.synced = 0
        self.next_outbound = 1
        self.next_inbound = 1
        self._directory = directory
        self._session_id = session_id
        self._headers: dict[int, Header | None] = {}  # by position

    def replay(self) -> bool:
        """Read from where the disk may not hold all, cut at the first break; whether anything is left."""
        start = self._first_in_doubt()
        for i in range(start, len(self.segments)):
            segment = self.segments[i]
            if not self._goes_on(i, start):
                self._cut(i, 0)
                break
            whole = self._replay_segment(segment)
            self.replayed.append(segment)
            if whole < segment.size:
                self._cut(i, whole)
                break
        return bool(self.segments)

    def _first_in_doubt(self) -> int:
        """The file from which on the journal is read: what is before it was on disk, and has its full length."""
        gaps = [i for i in range(1, len(self.segments)) if self.segments[i - 1].end != self.segments[i].position]
        first = min([len(self.segments) - 1, *(gap - 1 for gap in gaps)])
        while first > 0 and not self._stands_on_disk(first):
            first -= 1
        return first

    def _stands_on_disk(self, i: int) -> bool:
        """Whether a file has a header that says that all before it was on disk."""
        header = self._header(self.segments[i])
        return header is not None and header.synced >= header.position

    def _goes_on(self, i: int, start: int) -> bool:
        """Whether a file has a header, and begins where the one before it, just replayed, ended."""
        header = self._header(self.segments[i])
        if header is None:
            return False
        if i == start:
            self.next_outbound, self.next_inbound = header.next_outbound, header.next_inbound
        elif (header.position, header.next_outbound, header.next_inbound) != (
            self.segments[i - 1].end,
            self.next_outbound,
            self.next_inbound,
        ):
            return False
        self.synced = header.synced
        return True

    def _replay_segment(self, segment: Segment) -> int:
        """Take the numbers from the file's whole frames; returns where they end."""
        header = self._header(segment)
        assert header is not None
        segment.begin_index(header.next_outbound)
        end = header.size
        for offset, frame in segment.frames(end, segment.size):
            segment.index(offset, self.next_outbound)
            self.synced, self.next_outbound, self.next_inbound = frame.synced, frame.next_outbound, frame.next_inbound
            end = offset + frame.size
        return end

    def _header(self, segment: Segment) -> Header | None:
        if segment.position not in self._headers:
            self._headers[segment.position] = segment.header(self._session_id)
        return self._headers[segment.position]

    def _cut(self, i: int, whole: int) -> None:
        """Cut file `i` to its first bytes and drop those after it, unless the disk had confirmed what is broken."""
        broken = self.segments[i]
        if any(synced > broken.position + whole for synced in self._confirmations(i, whole)):
            raise JournalError(
                f"{broken.path} is damaged at byte {whole}, where it was complete before; restore it from a copy, or"
                " move the session's directory away and agree with the client on a reset."
            )
        bytes_cut = sum(segment.size for segment in self.segments[i:]) - whole
        log.warning(
            "journal_tail_cut", session_id=self._session_id, file=str(broken.path), at_byte=whole, bytes_cut=bytes_cut
        )
        for segment in reversed(self.segments[i + 1 :] if whole else self.segments[i:]):
            segment.path.unlink()
        if whole:
            os.truncate(broken.path, whole)
            broken.size = whole
        del self.segments[i + 1 if whole else i :]
        sync_directory(self._directory)

    def _confirmations(self, i: int, whole: int) -> Iterator[int]:
        """All that is still legible after a break about how much the disk holds."""
        for segment in self.segments[i:]:
            header = self._header(segment)
            if header is not None and segment is not self.segments[i]:
                yield header.synced
            yield from _legible_marks(segment, whole if segment is self.segments[i] else 0)


def _legible_marks(segment: Segment, offset: int) -> Iterator[int]:
    """What the whole frames after an offset say is on disk, wherever they begin."""
    data = segment.path.read_bytes()
    at = data.find(FRAME_MAGIC, offset)
    while at >= 0:
        frame = decode_frame(data, at, epoch=segment.epoch, position=segment.position + at)
        if frame is not None:
            yield frame.synced
        at = data.find(FRAME_MAGIC, at + 1)
