"""
How far the clients of drop copies have read, as they have shown by their answers.

That a message was sent does not say that it was read. After a client's 141=Y nothing of what was sent before is sent
again by FIX's own means; but a drop copy goes on where its client stopped. So each second a client that was handed more
is asked by TestRequest(1), and with its answer it has read all that was handed to it before. What it is handed between
two such answers it may have read or not: that is sent again after a reset, with PossResend(97)=Y.

Positions are, by shard, the last EXEC record up to which everything was handed over, or read.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from gateway.sent_marks import SentMark
from sessions.port import Engine

_UNKNOWN: Final = -1
"""What a client was handed before is not known: it is asked in any case."""
PATIENCE_LOOKS: Final = 10
"""After so many looks without an answer a client is asked anew, the next time after twice as many. A question among
what it asks to be sent again becomes a gap fill, which nobody answers; and who is far behind needs time."""


class Reading:
    """How far one client has read."""

    def __init__(self, read: list[int], doubtful: list[int]) -> None:
        self.read = read
        self.doubtful = doubtful
        self.handed = 0  # messages that were handed over when it had read up to there
        self.is_asked = False
        self.looks = 0
        """Since it was asked."""
        self.patience_looks = PATIENCE_LOOKS

    def forget_question(self) -> None:
        """No answer comes any more."""
        self.is_asked = False
        self.patience_looks = PATIENCE_LOOKS


class Readings:
    """The readings of all drop copies of a gateway."""

    def __init__(self, engine: Engine, positions: list[int], handed: Mapping[str, int]) -> None:
        """
        Args:
            engine: Has the sessions.
            positions: By shard, how far everything was handed over; changes as the gateway goes on.
            handed: By session, the messages handed over; changes likewise.
        """
        self._engine = engine
        self._positions = positions
        self._handed = handed
        self.by_session: dict[str, Reading] = {}
        """Of the drop copies that go on."""
        self._torn: list[list[int]] = []  # what is doubtful of those whose numbers began anew as the last life ended

    def begin(self, session_id: str, mark: SentMark | None) -> SentMark | None:
        """
        Go on with a session from its mark; without one it has read all that is there now.

        Returns:
            The mark; of a session whose numbers began anew in the last moment of a former life, another one.
        """
        if mark is None:
            self.by_session[session_id] = Reading(list(self._positions), [])
            return None
        read = mark.read_positions or mark.positions  # it was of another kind when it has none
        epoch = self._engine.epoch(session_id)
        if mark.session_epoch < epoch:
            mark = SentMark(epoch, 1, list(read), list(read), list(self._positions))
            self._torn.append(mark.doubtful_positions)
        self.by_session[session_id] = Reading(list(read), mark.doubtful_positions)
        self.by_session[session_id].handed = _UNKNOWN
        return mark

    def note_ends(self, ends: Sequence[int]) -> None:
        """
        By shard, where the log ends: a former life, or another gateway, may have handed over all of it.

        To be called behind `begin`, before anything is handed over.
        """
        for doubtful in self._torn:
            doubtful[:] = ends
        self._torn.clear()

    def end(self, session_id: str) -> None:
        """The session is another gateway's."""
        self.by_session.pop(session_id, None)

    def marked(self, session_id: str, mark: SentMark) -> SentMark:
        """A session's mark with its reading, if it is a drop copy."""
        reading = self.by_session.get(session_id)
        if reading is None:
            return mark
        return SentMark(mark.session_epoch, mark.next_msg_seq_num, mark.positions, list(reading.read), reading.doubtful)

    def rewound(self, session_id: str) -> SentMark:
        """The mark of a session whose numbers have just begun anew: it goes on from what it has read."""
        reading = self.by_session[session_id]
        reading.forget_question()
        reading.handed = _UNKNOWN
        reading.doubtful = list(self._positions)
        return SentMark(self._engine.epoch(session_id), 1, list(reading.read), list(reading.read), reading.doubtful)

    def forget_question(self, session_id: str) -> None:
        """The session's connection has ended, and no answer comes any more."""
        if (reading := self.by_session.get(session_id)) is not None:
            reading.forget_question()

    def look(self, session_ids: Iterable[str]) -> None:
        """Ask those that were handed something they may not have read; the others have read all that is there."""
        for session_id in session_ids:
            reading = self.by_session.get(session_id)
            if reading is None or self._awaits(reading):
                continue
            handed, positions = self._handed[session_id], list(self._positions)
            if handed == reading.handed:
                reading.read = positions
            elif session_id in self._engine.sessions_up:
                reading.is_asked = True
                reading.looks = 0
                self._engine.confirm(session_id, partial(self._note_read, reading, handed, positions))

    def _awaits(self, reading: Reading) -> bool:
        if not reading.is_asked:
            return False
        reading.looks += 1
        if reading.looks < reading.patience_looks:
            return True
        reading.is_asked = False
        reading.patience_looks *= 2
        return False

    def _note_read(self, reading: Reading, handed: int, positions: list[int]) -> None:
        if reading.is_asked:
            reading.forget_question()
            reading.handed = handed
            reading.read = positions
