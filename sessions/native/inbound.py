"""
The way into a session, pure: which MsgSeqNum is next, what came too early, and what has to be asked for.

Missing messages are asked for in chunks: one ResendRequest(2) at a time, the next when its last number is there. What
came before its turn is kept, within bounds, and taken when it is next; what did not fit is simply asked for as well.
"""

from typing import NamedTuple

from sessions.native.events import SessionSettings


class Early(NamedTuple):
    """A message that came before its turn."""

    message: bytes
    received_ns: int


class Inbound:
    """One session's receiving side."""

    def __init__(self, settings: SessionSettings, next_msg_seq_num: int) -> None:
        self.next_msg_seq_num = next_msg_seq_num
        self.asked_ns = 0
        """When missing messages were last asked for; 0 while none are."""
        self._settings = settings
        self._early: dict[int, Early | None] = {}  # None: it was dealt with, only its number has to be passed
        self._early_bytes = 0
        self._highest = 0  # the highest number seen
        self._asked_end = 0

    @property
    def is_missing_some(self) -> bool:
        """A number beyond the next one was seen."""
        return self._highest >= self.next_msg_seq_num

    def keep(self, number: int, early: Early | None) -> None:
        """Note a message that came before its turn; None for one that needs nothing more than its number."""
        self._highest = max(self._highest, number)
        size = len(early.message) if early is not None else 0
        is_room = self._early_bytes + size <= self._settings.ahead_bytes_max
        if is_room and len(self._early) < self._settings.ahead_messages_max and number not in self._early:
            self._early[number] = early
            self._early_bytes += size

    def take_next(self) -> Early | None:
        """Pass the numbers that were dealt with; the kept message whose turn it is then, which does not pass it yet."""
        while self._early and self.next_msg_seq_num in self._early:
            early = self._early.pop(self.next_msg_seq_num)
            if early is not None:
                self._early_bytes -= len(early.message)
                return early
            self.next_msg_seq_num += 1
        return None

    def jump(self, new_seq_no: int) -> None:
        """A SequenceReset(4): everything below is not to be waited for."""
        self.next_msg_seq_num = new_seq_no
        for number in [number for number in self._early if number < new_seq_no]:
            early = self._early.pop(number)
            self._early_bytes -= len(early.message) if early is not None else 0

    def ask(self, now_ns: int) -> tuple[int, int] | None:
        """What a ResendRequest(2) is to ask for now: the first and the last number; None when none is due."""
        if not self.is_missing_some:
            self._asked_end = self.asked_ns = 0
            return None
        patience_ns = int(self._settings.resend_patience_s * 1e9)
        if self._asked_end >= self.next_msg_seq_num and now_ns - self.asked_ns < patience_ns:
            return None
        begin = self.next_msg_seq_num
        end = min([begin + self._settings.resend_chunk - 1, self._highest, *self._first_early()])
        self._asked_end, self.asked_ns = end, now_ns
        return begin, end

    def trust(self, now_ns: int) -> None:
        """The other side sends what is missing without being asked (789): ask only if that takes too long."""
        self._asked_end, self.asked_ns = self._highest, now_ns

    def shift(self, step_ns: int) -> None:
        """The clock was set: see `Session.shift`."""
        if self.asked_ns:
            self.asked_ns += step_ns

    def forget_asking(self) -> None:
        """The connection is gone: what is missing is asked for on the next one; what was kept is dropped."""
        self._early.clear()
        self._early_bytes = self._highest = self._asked_end = self.asked_ns = 0

    def reset(self) -> None:
        """Begin again from 1."""
        self.next_msg_seq_num = 1
        self.forget_asking()

    def _first_early(self) -> list[int]:
        return [min(self._early) - 1] if self._early else []
