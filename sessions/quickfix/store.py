"""
QuickFIX's FileStore, read from outside: its files, what was sent, and which sequence numbers were agreed upon.

A session's store is four files. `header` indexes `body` (`<MsgSeqNum>,<offset>,<size> ` each), `seqnums` holds both
next numbers, `session` the time of the last reset. A message is in `body` and `header` before the number in `seqnums`
moves on, and is sent after that: what stands at or above the next number was never sent, and its number is used again.

QuickFIX resets a store for any Logon with ResetSeqNumFlag(141)=Y *before* it asks whether the client may log on, by
deleting the four files and making new ones. So the venue keeps hard links to the files of the last agreed store: the
same files under other names. `restore` brings them back; `agree` says that a reset was right and begins a new epoch.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sessions.fix_text import SOH, body_of

_SUFFIXES: Final = ("body", "header", "seqnums", "session")
_ADMIN_MSG_TYPES: Final = frozenset("0A12345")
_INDEX_CHUNK_BYTES: Final = 1 << 16


class SessionStore:
    """The store of one session, whether QuickFIX has it open or not."""

    def __init__(self, directory: Path, *, begin_string: str, venue_comp_id: str, client_comp_id: str) -> None:
        """
        Args:
            directory: FileStorePath of the engine; it exists.
            begin_string: BeginString(8).
            venue_comp_id: SenderCompID on the venue's side.
            client_comp_id: TargetCompID on the venue's side.
        """
        name = f"{begin_string}-{venue_comp_id}-{client_comp_id}"
        self._files = {suffix: directory / f"{name}.{suffix}" for suffix in _SUFFIXES}
        self._agreed_root = directory / "agreed" / name

    def sent_bodies(self, begin_msg_seq_num: int) -> Iterator[tuple[int, str]]:
        """
        MsgSeqNum and body of each application message sent from that number on, in order.

        Bodies are as QuickFIX wrote them: MsgType(35) first, then the fields sorted by tag.
        """
        next_msg_seq_num = self._next_outbound()
        index = {n: place for n, place in self._index(begin_msg_seq_num) if n < next_msg_seq_num}
        if not index:
            return
        with self._files["body"].open("rb") as file:
            for msg_seq_num in sorted(index):
                offset, size = index[msg_seq_num]
                file.seek(offset)
                body = body_of(file.read(size).decode("utf-8", "replace"))
                if body[3 : body.index(SOH)] not in _ADMIN_MSG_TYPES:
                    yield msg_seq_num, body

    def is_agreed(self) -> bool:
        """Whether QuickFIX's files are those of the last agreed store: not after a reset, nor before a first start."""
        links = self._agreed_links()
        return links is not None and all(_same_file(links / suffix, self._files[suffix]) for suffix in _SUFFIXES)

    def agree(self) -> int:
        """
        Take the files as they are for the agreed store: sequence numbers begin anew, and so does the epoch.

        Returns:
            The new epoch: ns since 1970 UTC, above every earlier epoch of the session even if the clock is not.
        """
        before = self._epochs()
        epoch = max([time.time_ns(), *(old + 1 for old in before)])
        draft = self._agreed_root / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for suffix in _SUFFIXES:
            (draft / suffix).hardlink_to(self._files[suffix])
        draft.rename(self._agreed_root / str(epoch))  # the moment of agreement: all or nothing
        for old in before:
            shutil.rmtree(self._agreed_root / str(old))
        return epoch

    def restore(self) -> None:
        """
        Put the agreed files back in place of those that a refused reset made; without an agreed store, do nothing.

        An engine that has the files open must be told to read them anew.
        """
        links = self._agreed_links()
        if links is None:
            return
        for suffix, path in self._files.items():
            if not _same_file(links / suffix, path):
                spare = path.with_name(path.name + ".restored")
                spare.unlink(missing_ok=True)
                spare.hardlink_to(links / suffix)
                spare.replace(path)

    def epoch(self) -> int | None:
        """The epoch of the agreed store; None before the first agreement."""
        return max(self._epochs(), default=None)

    def _epochs(self) -> list[int]:
        if not self._agreed_root.is_dir():
            return []
        return [int(entry.name) for entry in self._agreed_root.iterdir() if entry.name.isdigit()]

    def _agreed_links(self) -> Path | None:
        epoch = self.epoch()
        return None if epoch is None else self._agreed_root / str(epoch)

    def _next_outbound(self) -> int:
        try:
            sender, _, _ = self._files["seqnums"].read_text().partition(":")
        except FileNotFoundError:
            return 1
        return int(sender) if sender.strip() else 1

    def _index(self, begin_msg_seq_num: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """The index from a number on, oldest first; where a number stands twice, the later entry holds."""
        try:
            text = _tail_of_index(self._files["header"], begin_msg_seq_num)
        except FileNotFoundError:
            return
        for entry in text.split():
            msg_seq_num, offset, size = map(int, entry.split(b","))
            if msg_seq_num >= begin_msg_seq_num:
                yield msg_seq_num, (offset, size)


def _tail_of_index(path: Path, begin_msg_seq_num: int) -> bytes:
    """
    Read the end of an index, far enough back to hold every entry from a number on.

    Numbers rise along the file, so it is read backwards: a day's index is long, and a restart asks for little of it.
    """
    with path.open("rb") as file:
        start = file.seek(0, os.SEEK_END)
        tail = b""
        while start > 0:
            size = min(start, _INDEX_CHUNK_BYTES)
            start -= size
            file.seek(start)
            tail = file.read(size) + tail
            first_whole = 0 if start == 0 else tail.find(b" ") + 1
            oldest = tail[first_whole : tail.find(b",", first_whole)]
            if start and first_whole and oldest.isdigit() and int(oldest) < begin_msg_seq_num:
                return tail[first_whole:]
        return tail[: tail.rfind(b" ") + 1]


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False
