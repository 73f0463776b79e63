"""
A session's journal: what was sent, and both next sequence numbers, append-only.

What happens is buffered, and `commit` writes it with one `write(2)` as one frame: a commit is there as a whole or not
at all, after a kill at any byte. Whether and when it survives a power failure is the group's affair
(`group`), the bytes are `records`'s, the files `files`'s, opening after a crash
`recovery`'s.

Bounds. A file is closed when it has grown to `segment_bytes`; the oldest files are dropped when all together would
pass `bytes_max`, or belong to more earlier days or epochs than are kept. So the messages that fall out of the reach of
a resend are the oldest ones: `oldest_kept` says where it begins. Memory is an index entry of 16 bytes for each 32 KiB
of those files that were written, or read for a resend, since opening.

Ahead. A session whose messages are not kept may have its numbers written `numbers_ahead` too high: then most messages
need no write and no sync. After a kill it goes on that much higher, and its client fills the gap.

One process may have a journal open at a time.
"""

import datetime
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sessions.journal.errors import JournalError, JournalUnreadable
from sessions.journal.files import Segment
from sessions.journal.group import JournalGroup, SyncWork
from sessions.journal.limits import DEFAULT_LIMITS, JournalLimits, first_kept
from sessions.journal.records import NUMBER_MAX, Run, encode_frame, encode_header, messages_of
from sessions.journal.recovery import Recovered, recover

__all__ = ["DEFAULT_LIMITS", "JournalError", "JournalLimits", "JournalUnreadable", "SessionJournal"]

_CLOSED: Final = -1


class SessionJournal:
    """The journal of one session; all methods are called on one thread."""

    __slots__ = (
        "__weakref__",
        "_changed",
        "_committed_inbound",
        "_committed_outbound",
        "_day",
        "_directory",
        "_file",
        "_group",
        "_inbound_changed",
        "_limits",
        "_numbers_ahead",
        "_outdated",
        "_retired",
        "_runs",
        "_segment_due",
        "_segments",
        "_session_id",
        "_synced",
        "_unsynced_directories",
        "epoch",
        "next_inbound",
        "next_outbound",
    )

    def __init__(
        self, directory: Path, session_id: str, limits: JournalLimits, group: JournalGroup | None, found: Recovered
    ) -> None:
        """Use `open`."""
        newest = found.segments[-1] if found.segments else None
        self.epoch = newest.epoch if newest else 0
        """When the numbers last began anew, ns since 1970 UTC; grows with each reset."""
        self.next_outbound = found.next_outbound
        """The MsgSeqNum that the next message to the client will have."""
        self.next_inbound = found.next_inbound
        """The MsgSeqNum expected of the client next."""
        self._session_id = session_id
        self._directory = directory
        self._limits = limits
        self._numbers_ahead = 0
        self._group = group if group is not None and group.syncs else None
        self._segments = found.segments
        self._day = newest.day if newest else 0
        self._synced = found.synced
        self._committed_outbound = found.next_outbound
        self._committed_inbound = found.next_inbound
        self._runs: list[Run] = []
        self._changed = False
        self._inbound_changed = False
        self._segment_due = False  # the next commit begins a new file
        self._file = _CLOSED
        self._retired: list[int] = []  # files of ours that are written no more, and not synced yet
        self._outdated: list[Path] = []  # to delete after the next sync
        self._unsynced_directories: list[Path] = []

    @classmethod
    def open(
        cls,
        directory: Path,
        session_id: str,
        *,
        epoch: int,
        limits: JournalLimits = DEFAULT_LIMITS,
        group: JournalGroup | None = None,
        numbers_ahead: int = 0,
    ) -> "SessionJournal":
        """
        Open a session's journal, or begin one; no file stays open until the first commit.

        What a kill or power failure left torn is cut and logged as `journal_tail_cut`.

        Args:
            directory: Of all sessions' journals; made if need be.
            session_id: As in `FIX.4.4:FIRMA1`.
            epoch: Of a journal that begins now, ns since 1970 UTC; an existing journal has its own.
            limits: How much is kept.
            group: Syncs what is committed; without one, nothing is synced.
            numbers_ahead: By so much the next number may be written too high until `close`.

        Raises:
            JournalError: A file is of another version or session, is damaged where it was complete before, or
                cannot be read or written.
        """
        own_directory = directory / quote(session_id, safe="")
        found = recover(own_directory, session_id)
        journal = cls(own_directory, session_id, limits, group, found)
        journal._numbers_ahead = numbers_ahead
        if found.segments:
            journal._doubt(found.in_doubt)
            journal._drop_outdated()
        else:
            journal._begin_directory()
            journal._begin_epoch(epoch)
            journal.rest()
        return journal

    @property
    def oldest_kept(self) -> int:
        """
        The lowest MsgSeqNum from which on `sent` gives all; those before it fell out of the bounds.

        Raises:
            JournalError: A file cannot be read.
        """
        return next(segment for segment in self._segments if segment.epoch == self.epoch).first_outbound

    @property
    def bytes_on_disk(self) -> int:
        """Bytes of all files, without what is not committed."""
        return sum(segment.size for segment in self._segments)

    @property
    def place(self) -> tuple[int, int]:
        """Epoch, and position in it, up to which all is committed."""
        return self.epoch, self._segments[-1].end

    def is_on_disk(self, place: tuple[int, int]) -> bool:
        """Whether the disk is known to hold all that was committed up to a place; always, if nothing is ever synced."""
        epoch, position = place
        if self._group is None:
            return True
        # The first round of a new epoch also syncs the files of the one before.
        return self._synced >= position if epoch == self.epoch else self._synced > 0

    @property
    def index_bytes(self) -> int:
        """Memory taken by the index."""
        return sum(segment.index_bytes for segment in self._segments)

    def append_sent(self, first_msg_seq_num: int, messages: list[bytes]) -> None:
        """
        Keep application messages with consecutive numbers; `next_outbound` is then the one after the last.

        Args:
            first_msg_seq_num: At least `next_outbound`; numbers left out were admin messages'.
            messages: Whole, as sent. The list is the journal's from now on.

        Raises:
            ValueError: A number would be used twice.
        """
        if first_msg_seq_num < self.next_outbound:
            raise ValueError(f"{self._session_id}: MsgSeqNum {first_msg_seq_num} is below {self.next_outbound}")
        self.note_outbound(first_msg_seq_num + len(messages))
        if messages:
            self._runs.append((first_msg_seq_num, messages))
            self._changed = True

    def note_outbound(self, next_outbound: int) -> None:
        """
        Say which number the next message to the client has: admin messages took those before it.

        Raises:
            ValueError: A number would be used twice.
        """
        if not self.next_outbound <= next_outbound <= NUMBER_MAX:
            raise ValueError(f"{self._session_id}: next outbound {next_outbound} after {self.next_outbound}")
        self.next_outbound = next_outbound
        if next_outbound > self._committed_outbound:
            self._changed = True

    def note_inbound(self, next_inbound: int) -> None:
        """
        Say which number is expected of the client next; it may go back, when messages are asked for again.

        Raises:
            ValueError: Not a sequence number.
        """
        if not 1 <= next_inbound <= NUMBER_MAX:
            raise ValueError(f"{self._session_id}: next inbound {next_inbound}")
        if next_inbound != self.next_inbound:
            self.next_inbound = next_inbound
            self._inbound_changed = True

    def commit(self, *, inbound_may_wait: bool = False) -> None:
        """
        Write all that happened since the last commit, at once and whole; nothing happened, nothing is written.

        Args:
            inbound_may_wait: If nothing was sent, leave the number expected of the client for a later commit. Should
                it be lost until then, the client is asked to send again what came meanwhile: nothing else is.

        Raises:
            JournalError: It could not be written; it stays buffered, and the next commit tries again.
        """
        if self._changed or (self._inbound_changed and not inbound_may_wait):
            ahead = self._numbers_ahead if self.next_outbound > self._committed_outbound else 0
            self._commit(max(self._committed_outbound, min(self.next_outbound + ahead, NUMBER_MAX)))

    def _commit(self, next_outbound: int) -> None:
        if self._segment_due or self._segments[-1].size >= self._limits.segment_bytes:
            segment, header = self._next_segment()
        else:
            segment, header = self._segments[-1], b""
        offset = segment.size + len(header)
        frame = encode_frame(
            self._runs,
            epoch=self.epoch,
            position=segment.position + offset,
            synced=self._synced,
            next_outbound=next_outbound,
            next_inbound=self.next_inbound,
        )
        self._write(segment, header + frame if header else frame)
        segment.index(offset, self._committed_outbound)
        self._committed_outbound, self._committed_inbound = next_outbound, self.next_inbound
        self._runs = []
        self._changed = self._inbound_changed = False
        if header:
            self._drop_outdated()

    def reset(self, epoch: int) -> None:
        """
        Begin the numbers anew at 1 and 1, in a new file, at once; what is buffered goes to the old one before.

        Args:
            epoch: ns since 1970 UTC; one more than the old epoch is taken if it is not above that.

        Raises:
            JournalError: It could not be written; the old epoch goes on.
        """
        self.commit()
        self._begin_epoch(max(epoch, self.epoch + 1))
        self._drop_outdated()

    def roll(self, day: datetime.date) -> None:
        """Begin a session day: the next commit goes to a new file of that day. The numbers go on, and so do resends."""
        number = day.year * 10_000 + day.month * 100 + day.day
        if number != self._day:
            self.commit()
            self._day = number
            self._segment_due = True

    def sent(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """
        MsgSeqNum and text of the application messages from `begin` to `end`, ascending, committed or not.

        Given are those of the call's moment; numbers in between that are missing were admin messages'.

        Raises:
            JournalUnreadable: A file is damaged or cannot be read; messages before that place were given.
        """
        stored = [(segment, segment.size) for segment in self._reaching(begin)] if begin <= end else []
        return self._messages(stored, list(self._runs), begin, end)

    def rest(self) -> None:
        """Close the file until the next commit, for a session that is down for a while."""
        if self._file != _CLOSED:
            self._retire(self._file)
            self._file = _CLOSED

    def close(self) -> None:
        """
        Commit and close; the group, closed after its journals, syncs what it has not yet.

        Raises:
            JournalError: The commit could not be written.
        """
        try:
            self.commit()
            if self._committed_outbound != self.next_outbound:
                self._commit(self.next_outbound)
        finally:
            self.rest()

    def begin_sync(self) -> SyncWork:
        """For the group: hand over all that is written and not known to be on disk."""
        work = SyncWork(
            files=[] if self._file == _CLOSED else [self._file],
            retired=self._retired,
            directories=self._unsynced_directories,
            outdated=self._outdated,
            epoch=self.epoch,
            position=self._segments[-1].end,
        )
        self._retired, self._unsynced_directories, self._outdated = [], [], []
        return work

    def end_sync(self, work: SyncWork) -> None:
        """For the group: it is on disk."""
        if work.epoch == self.epoch:
            self._synced = work.position

    def _begin_directory(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"{self._directory} cannot be made: {error.strerror}.") from error
        if self._group is not None:
            self._unsynced_directories.append(self._directory.parent)

    def _begin_epoch(self, epoch: int) -> None:
        """Write the first file of an epoch; it is the epoch's beginning, so without it nothing has changed."""
        segment = Segment.named(self._directory, epoch=epoch, position=0, day=self._day)
        header = encode_header(self._session_id, epoch=epoch, position=0, synced=0, next_outbound=1, next_inbound=1)
        segment.begin_index(1)
        self._write(segment, header)
        self.epoch = epoch
        self.next_outbound = self._committed_outbound = 1
        self.next_inbound = self._committed_inbound = 1
        self._synced = 0

    def _next_segment(self) -> tuple[Segment, bytes]:
        """The file after the newest one, not yet written, and its header."""
        position = self._segments[-1].end
        segment = Segment.named(self._directory, epoch=self.epoch, position=position, day=self._day)
        segment.begin_index(self._committed_outbound)
        header = encode_header(
            self._session_id,
            epoch=self.epoch,
            position=position,
            synced=self._synced,
            next_outbound=self._committed_outbound,
            next_inbound=self._committed_inbound,
        )
        return segment, header

    def _write(self, segment: Segment, data: bytes) -> None:
        """Append to the newest file, or begin the next one, with one write; all or nothing."""
        is_new = segment is not (self._segments[-1] if self._segments else None)
        if is_new:
            self.rest()
        try:
            if self._file == _CLOSED:
                self._file = os.open(segment.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
                os.ftruncate(self._file, segment.size)  # a write that failed may have left a part
            written = os.write(self._file, data)
        except OSError as error:
            self._give_up(segment, is_new=is_new)
            raise JournalError(f"{segment.path} cannot be written: {error.strerror}.") from error
        if written != len(data):
            self._give_up(segment, is_new=is_new)
            raise JournalError(f"{segment.path} cannot be written: the disk is full; free some space.")
        segment.size += written
        if is_new:
            self._segments.append(segment)
            self._segment_due = False
        if self._group is not None:
            if is_new:
                self._unsynced_directories.append(self._directory)
            self._group.mark(self)

    def _give_up(self, segment: Segment, *, is_new: bool) -> None:
        """Take back what a failed write left; should that fail too, it is done when the file is opened again."""
        if self._file != _CLOSED:
            with suppress(OSError):
                os.ftruncate(self._file, segment.size)
        self.rest()
        if is_new:
            with suppress(OSError):
                segment.path.unlink(missing_ok=True)

    def _doubt(self, segments: list[Segment]) -> None:
        """Have files synced that an earlier process wrote: the venue goes by them from now on."""
        if self._group is not None and segments:
            try:
                for segment in segments:
                    self._retire(os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC))
            except OSError as error:
                raise JournalError(f"{self._directory} cannot be synced: {error.strerror}.") from error
            self._unsynced_directories.append(self._directory)

    def _retire(self, file: int) -> None:
        """Leave a file; a round that may be in flight still syncs it, so with a group only the next one closes it."""
        if self._group is None:
            os.close(file)
        else:
            self._retired.append(file)
            self._group.mark(self)

    def _drop_outdated(self) -> None:
        """Drop the oldest files beyond the bounds; with a group, after the next sync has put the newest on disk."""
        keep = first_kept(self._segments, self._limits)
        outdated = [segment.path for segment in self._segments[:keep]]
        del self._segments[:keep]
        if not outdated:
            return
        if self._group is not None:
            self._outdated += outdated
            self._group.mark(self)
        else:
            for path in outdated:
                path.unlink(missing_ok=True)

    def _reaching(self, begin: int) -> list[Segment]:
        """The files that hold the messages from a number on, oldest first."""
        found: list[Segment] = []
        for segment in reversed(self._segments):
            if segment.epoch != self.epoch:
                break
            found.append(segment)
            if segment.first_outbound <= begin:
                break
        return found[::-1]

    def _messages(
        self, stored: list[tuple[Segment, int]], buffered: list[Run], begin: int, end: int
    ) -> Iterator[tuple[int, bytes]]:
        for segment, size in stored:
            if segment.first_outbound > end or segment not in self._segments:  # dropped since the call
                continue
            for frame in segment.frames_with(begin, size):
                yield from messages_of(frame, begin, end)
                if frame.next_outbound > end:
                    break
        for first, messages in buffered:
            yield from (pair for pair in enumerate(messages, first) if begin <= pair[0] <= end)
