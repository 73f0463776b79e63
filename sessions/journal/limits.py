"""How much of a session's past its journal keeps, and which of its files go when there is more."""

from typing import Final

import msgspec

from sessions.journal.files import Segment


class JournalLimits(msgspec.Struct, frozen=True):
    """How much of a session's past is kept."""

    segment_bytes: int = 4 << 20
    """A file that has grown to this is followed by a new one; it is larger by one commit at most."""
    bytes_max: int = 1 << 30
    """All files of a session together, exceeded by one commit at most."""
    days_kept: int = 7
    """Session days before the current one whose files are kept."""
    epochs_kept: int = 7
    """Epochs before the current one whose files are kept, for inspection: nothing is resent from them."""

    def __post_init__(self) -> None:
        """Refuse limits under which there would be nothing to resend from."""
        if not 0 < 2 * self.segment_bytes <= self.bytes_max or self.days_kept < 0 or self.epochs_kept < 1:
            raise ValueError("a journal needs room for two segments, and at least the epoch before the current one")


DEFAULT_LIMITS: Final = JournalLimits()


def first_kept(segments: list[Segment], limits: JournalLimits) -> int:
    """Where the files begin that stay, given room for the newest to grow; the newest always stays."""
    bytes_left = limits.bytes_max - max(limits.segment_bytes, segments[-1].size)
    days = {segments[-1].day}
    epochs = {segments[-1].epoch}
    for i in range(len(segments) - 2, -1, -1):
        segment = segments[i]
        bytes_left -= segment.size
        days.add(segment.day)
        epochs.add(segment.epoch)
        if bytes_left < 0 or len(days) > limits.days_kept + 1 or len(epochs) > limits.epochs_kept + 1:
            return i + 1
    return 0
