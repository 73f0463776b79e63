"""
The files of a session's journal: their names and order, a sparse index into each, and what is whole in them.

A journal is a chain of files, `<epoch>-<position>-<day>.journal`. Each goes on where the one before it ended, and
begins with the session's numbers at that point, so that the older ones can be dropped.
"""

import os
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final

from sessions.journal.errors import JournalError, JournalUnreadable
from sessions.journal.records import (
    HEADER_BYTES_MAX,
    ForeignFile,
    Frame,
    Header,
    decode_frame,
    decode_header,
    frame_size,
)

SUFFIX: Final = ".journal"
_NAME: Final = re.compile(r"(\d{19,20})-(\d{20})-(\d{8})\.journal")
_CHUNK_BYTES: Final = 1 << 18
_INDEX_BYTES: Final = 1 << 15
"""One index entry for so many bytes of a file: what is read in vain to find a message, at most."""


class Segment:
    """One file of a journal."""

    __slots__ = ("_first_outbound", "_numbers", "_offsets", "day", "epoch", "path", "position", "size")

    def __init__(self, path: Path, *, epoch: int, position: int, day: int, size: int) -> None:
        """
        Args:
            path: The file.
            epoch: Of the session's numbers in it.
            position: Bytes of the epoch before it.
            day: As in 20261120; 0 for none.
            size: Bytes that are whole.
        """
        self.path = path
        self.epoch = epoch
        self.position = position
        self.day = day
        self.size = size
        self._first_outbound = 0  # not known yet
        self._numbers: array[int] | None = None
        self._offsets: array[int] | None = None

    @classmethod
    def named(cls, directory: Path, *, epoch: int, position: int, day: int) -> "Segment":
        """A file that is yet to be written."""
        path = directory / f"{epoch:019d}-{position:020d}-{day:08d}{SUFFIX}"
        return cls(path, epoch=epoch, position=position, day=day, size=0)

    @property
    def end(self) -> int:
        """Bytes of the epoch up to the end of this file."""
        return self.position + self.size

    @property
    def first_outbound(self) -> int:
        """
        The first MsgSeqNum whose message may stand in this file or a later one.

        Raises:
            JournalUnreadable: The file cannot be read.
        """
        if not self._first_outbound:
            self._first_outbound = self._whole_header().next_outbound
        return self._first_outbound

    def begin_index(self, next_outbound: int) -> None:
        """Begin an empty index, for a file that grows or is read from its start."""
        self._first_outbound = next_outbound
        self._numbers = array("Q")
        self._offsets = array("Q")

    def index(self, offset: int, next_outbound: int) -> None:
        """Say that a frame stands at an offset, and what the next MsgSeqNum was before it."""
        assert self._numbers is not None
        assert self._offsets is not None
        if not self._offsets or offset - self._offsets[-1] >= _INDEX_BYTES:
            self._numbers.append(next_outbound)
            self._offsets.append(offset)

    @property
    def index_bytes(self) -> int:
        """Memory taken by the index."""
        return sum(len(part) * part.itemsize for part in (self._numbers, self._offsets) if part is not None)

    def header(self, session_id: str) -> Header | None:
        """
        Read the header; None if it is torn.

        Raises:
            JournalError: The file is of another version, session or place.
        """
        with _open_to_read(self.path) as file:
            data = _read(file, self.path, HEADER_BYTES_MAX, 0)
        try:
            header = decode_header(data)
        except ForeignFile as error:
            raise JournalError(f"{self.path} {error}.") from None
        if header is None:
            return None
        if header.session_id != session_id:
            raise JournalError(f"{self.path} is the journal of session {header.session_id}, not of {session_id}.")
        if (header.epoch, header.position) != (self.epoch, self.position):
            raise JournalError(f"{self.path} was written under another name; give it back that name.")
        return header

    def frames(self, offset: int, end: int) -> Iterator[tuple[int, Frame]]:
        """Offset and frame of the whole frames from an offset on, up to `end` or to the first that is not whole."""
        with _open_to_read(self.path) as file:
            chunk, at = b"", 0
            while offset < end:
                size = frame_size(chunk, at)
                if at + size > len(chunk):
                    if offset + size > end:
                        return
                    chunk, at = _read(file, self.path, min(max(size, _CHUNK_BYTES), end - offset), offset), 0
                    if len(chunk) < size:
                        return
                    continue
                frame = decode_frame(chunk, at, epoch=self.epoch, position=self.position + offset)
                if frame is None:
                    return
                yield offset, frame
                offset += size
                at += size

    def frames_with(self, begin: int, end: int) -> Iterator[Frame]:
        """
        All frames up to the offset `end` that may hold messages from number `begin` on, and few before them.

        Raises:
            JournalUnreadable: What was written is not there any more.
        """
        if self._offsets is None or self._numbers is None:
            self._read_index()
        reached = self._offset_before(begin)
        for offset, frame in self.frames(reached, end):
            yield frame
            reached = offset + frame.size
        if reached < end:
            raise _damaged(self.path, f"at byte {reached}")

    def _offset_before(self, number: int) -> int:
        assert self._numbers is not None
        assert self._offsets is not None
        if not self._offsets:
            return self.size
        return self._offsets[max(bisect_right(self._numbers, number) - 1, 0)]

    def _read_index(self) -> None:
        header = self._whole_header()
        next_outbound = header.next_outbound
        self.begin_index(next_outbound)
        for offset, frame in self.frames(header.size, self.size):
            self.index(offset, next_outbound)
            next_outbound = frame.next_outbound

    def _whole_header(self) -> Header:
        with _open_to_read(self.path) as file:
            data = _read(file, self.path, HEADER_BYTES_MAX, 0)
        with suppress(ForeignFile):
            if (header := decode_header(data)) is not None:
                return header
        raise _damaged(self.path, "at its beginning")


def segments_in(directory: Path) -> list[Segment]:
    """
    The files of a journal, oldest first; none if there is no such directory.

    Raises:
        JournalError: A file is not named as those of a journal are.
    """
    if not directory.is_dir():
        return []
    with os.scandir(directory) as entries:
        found = [_named_segment(entry) for entry in entries if entry.name.endswith(SUFFIX)]
    return sorted(found, key=lambda segment: (segment.epoch, segment.position))


def _named_segment(entry: os.DirEntry[str]) -> Segment:
    match = _NAME.fullmatch(entry.name)
    if match is None:
        raise JournalError(f"{entry.path} is not named as a journal's file is; move it away.")
    epoch, position, day = map(int, match.groups())
    return Segment(Path(entry.path), epoch=epoch, position=position, day=day, size=entry.stat().st_size)


def _damaged(path: Path, where: str) -> JournalUnreadable:
    remedy = "restore it from a copy, or agree on a reset with the client"
    return JournalUnreadable(path, f"{path} is damaged {where}; {remedy}.")


def _open_to_read(path: Path) -> FileIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise JournalUnreadable(path, f"{path} cannot be read: {error.strerror}.") from error


def _read(file: FileIO, path: Path, size: int, offset: int) -> bytes:
    try:
        return os.pread(file.fileno(), size, offset)
    except OSError as error:
        raise JournalUnreadable(path, f"{path} cannot be read: {error.strerror}.") from error
