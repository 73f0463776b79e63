"""
What was sent, across a crash: which answers of EXEC each session's store already holds.

The engine's own store is the truth about what was sent. A mark only says from where to compare: "when EXEC<k> had been
handed over up to `positions[k]`, the session's next message was number `next_msg_seq_num`". After a crash the answers
behind the positions are rendered again; one whose body is among the messages stored from that number on has been sent,
the others have not. Rendering depends on the event alone, so equal answers give equal bodies.

Marks are written to one small file each second. An old one costs time, never an answer; none at all means comparing
from the beginning. The file also says which life wrote it, so that the next one counts as later even if the clock was
set back meanwhile.
"""

from collections import Counter
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bus.streams import LogState
from bus.subjects import exec_stream
from gateway.fix.report_fields import POSS_RESEND, possible_resend
from sessions.port import Engine
from venue import durable_file

log = structlog.get_logger()

_VERSION: Final = 1


class SentMark(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where one session stood."""

    session_epoch: int
    next_msg_seq_num: int
    positions: list[int]
    """By shard: the last EXEC record of which every answer for this session is stored."""
    read_positions: list[int] = []
    """Of a drop copy, by shard: its client has surely read everything up to this EXEC record (`drop_copy.readings`)."""
    doubtful_positions: list[int] = []
    """Of a drop copy, by shard: up to here it may have read what it gets since its numbers began anew."""

    @property
    def needed_positions(self) -> list[int]:
        """By shard: the session asks for no EXEC record up to this one, whatever happens to it."""
        return [min(pair) for pair in zip(self.positions, self.read_positions or self.positions, strict=True)]


class _MarksFile(msgspec.Struct, frozen=True):
    version: int
    gateway_id: str
    marks: dict[str, SentMark]
    boot: int = 0


def path_of(data_dir: Path, gateway_id: str) -> Path:
    """Where a gateway keeps its marks."""
    return data_dir / f"gateway-{gateway_id}.marks"


def later(one: SentMark | None, other: SentMark | None) -> SentMark | None:
    """Of two marks of one session, the one that was made later: its store went on from gateway to gateway."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda mark: (mark.session_epoch, mark.next_msg_seq_num, mark.positions))


def next_boot(path: Path, now_ns: int) -> int:
    """The number of a new life: the time, or one more than the last life's if that is greater."""
    try:
        return max(now_ns, msgspec.json.decode(path.read_bytes(), type=_MarksFile).boot + 1)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return now_ns  # `load` reports what is wrong with the file


def load(path: Path, gateway_id: str, shards: int) -> dict[str, SentMark]:
    """The marks by session; none when there is no usable file."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_MarksFile)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("sent_marks_ignored", path=str(path), reason=str(error))
        return {}
    if file.version != _VERSION or file.gateway_id != gateway_id:
        log.warning("sent_marks_ignored", path=str(path), reason=f"version {file.version} of {file.gateway_id}")
        return {}
    return {session_id: mark for session_id, mark in file.marks.items() if len(mark.positions) == shards}


def store(path: Path, gateway_id: str, marks: dict[str, SentMark], *, boot: int = 0) -> None:
    """
    Replace the marks, whole and durably; blocks.

    Raises:
        OSError: The disk refuses.
    """
    durable_file.replace(path, msgspec.json.encode(_MarksFile(_VERSION, gateway_id, marks, boot)))


class AlreadySent:
    """Tells answers that a former life sent from those that it did not, for one session."""

    def __init__(self, engine: Engine, session_id: str, mark: SentMark | None, shards: int) -> None:
        known = mark is not None and mark.session_epoch == engine.epoch(session_id)
        self.positions = list(mark.positions) if mark is not None else [0] * shards
        self._is_marked = mark is not None
        begin = mark.next_msg_seq_num if mark is not None and known else 1
        self._doubtful = mark.doubtful_positions if mark is not None else []
        self._bodies = Counter(comparable(body) for _, body in engine.sent_bodies(session_id, begin))

    def skip_trimmed(self, shard: int, first_seq: int) -> bool:
        """
        Go on where EXEC begins, if that is behind the position.

        Returns:
            Whether answers may be missing: a session without a mark is new, or was sent what no log has any more.
        """
        if self.positions[shard] + 1 >= first_seq:
            return False
        self.positions[shard] = first_seq - 1
        return self._is_marked

    def claims(self, shard: int, exec_seq: int, body: str) -> bool:
        """Whether this answer was sent already; each stored message speaks for one answer."""
        if exec_seq <= self.positions[shard]:
            return True
        key = comparable(body)
        if self._bodies[key] <= 0:
            return False
        self._bodies[key] -= 1
        return True

    def to_send(self, shard: int, exec_seq: int, body: str) -> str:
        """An answer that was not sent in this epoch, as it is sent now: it says so if an earlier one may have it."""
        return possible_resend(body) if self._doubtful and exec_seq <= self._doubtful[shard] else body


def skip_trimmed(session_id: str, sent: AlreadySent, shard: int, state: LogState) -> None:
    """Go on where the log begins with a session that needs what is not there any more, and tell of it."""
    missed_seq = sent.positions[shard] + 1
    if sent.skip_trimmed(shard, state.first_seq):
        log.error(
            "reports_trimmed",
            session=session_id,
            reason=f"{exec_stream(shard)} was trimmed and begins at sequence {state.first_seq}, but this session needs "
            f"it from {missed_seq} on: it was not configured for so long, or the marks are an old backup's; reports in "
            "between are lost, and its client should ask for its orders by OrderMassStatusRequest(AF)",
        )


def comparable(body: str) -> tuple[str, ...]:
    """A body's fields, sorted: an engine's store may keep them in another order, and PossResend(97) not at all."""
    return tuple(sorted(field for field in body.split("\x01") if field != POSS_RESEND))
