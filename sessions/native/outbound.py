"""
The way out of a session, pure: numbers, the store, and the queue of what the connection has not taken yet.

A message gets its number, is stored, then queued; so a number is never used for two messages, whatever happens. A
resend is queued as a promise: it is read from the store and written piece by piece as the connection takes it, before
whatever was sent later. So it costs no memory, and the other side sees every number in order.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from sessions.journal.errors import JournalUnreadable
from sessions.native.events import Store
from sessions.native.messages import Composer

BATCH_MESSAGES: Final = 1_000
"""Messages handed to the connection at once."""

_REJECT: Final = "35=3\x01"


class Outbound:
    """One session's sending side."""

    def __init__(self, composer: Composer, store: Store, *, keeps_messages: bool) -> None:
        self.next_msg_seq_num = store.next_outbound
        self.sent_ns = 0
        """When the last message was written."""
        self.replays_waiting = 0
        self.unreadable: JournalUnreadable | None = None
        """Why a resend came to a stop; the others that waited are given up with it."""
        self._composer = composer
        self._store = store
        self._keeps_messages = keeps_messages
        self._queue: deque[bytes | Iterator[bytes]] = deque()
        self._now_ns = 0

    @property
    def messages_waiting(self) -> int:
        """What the connection has not taken yet; a resend counts as one."""
        return len(self._queue)

    def send(self, bodies: list[str], now_ns: int, *, is_live: bool, is_kept: bool = True) -> None:
        """Number, store and queue messages; while nobody is there they are only stored."""
        first = self.next_msg_seq_num
        self.next_msg_seq_num = first + len(bodies)
        is_kept = is_kept and self._keeps_messages
        if is_live or is_kept:
            messages = self._composer.compose(bodies, first, now_ns)
        if is_kept:
            self._store.append_sent(first, messages)
        else:
            self._store.note_outbound(self.next_msg_seq_num)
        if is_live:
            self._queue.extend(messages)
            self.sent_ns = now_ns

    def replay(self, begin: int, end: int) -> None:
        """Queue what was sent under these numbers, `end` included, to be sent again."""
        self.replays_waiting += 1
        self._queue.append(self._replay(begin, end))

    def sent_bodies(self, begin_msg_seq_num: int) -> Iterator[tuple[int, str]]:
        """MsgSeqNum and body of each application message in the store from a number on; a Reject(3) is not one."""
        for number, message in self._store.sent(begin_msg_seq_num, self.next_msg_seq_num - 1):
            body = self._composer.body_of(message)
            if not body.startswith(_REJECT):
                yield number, body

    def take(self, now_ns: int) -> bytes:
        """The next bytes for the connection, at most `BATCH_MESSAGES` messages; empty when nothing waits."""
        queue = self._queue
        if not self.replays_waiting and len(queue) <= BATCH_MESSAGES:
            data = b"".join(queue)  # type: ignore[arg-type]  # without replays they are all bytes
            queue.clear()
            return data
        self._now_ns = now_ns
        messages: list[bytes] = []
        while queue and len(messages) < BATCH_MESSAGES:
            part = queue[0]
            if isinstance(part, bytes):
                messages.append(part)
                queue.popleft()
            elif (message := self._next_of(part)) is not None:
                messages.append(message)
                self.sent_ns = now_ns
            elif self.unreadable is None:
                queue.popleft()
                self.replays_waiting -= 1
        return b"".join(messages)

    def drop(self) -> None:
        """The connection is gone: what it has not taken stays in the store only."""
        self._queue.clear()
        self.replays_waiting = 0

    def reset(self, epoch: int) -> None:
        """Begin again from 1; a resend of older numbers has nothing to read any more."""
        self._store.reset(epoch)
        self.next_msg_seq_num = 1
        self._give_up_replays()

    def _give_up_replays(self) -> None:
        live = [part for part in self._queue if isinstance(part, bytes)]
        self.drop()
        self._queue.extend(live)

    def _next_of(self, replay: Iterator[bytes]) -> bytes | None:
        try:
            return next(replay, None)
        except JournalUnreadable as error:
            self.unreadable = error
            self._give_up_replays()
            return None

    def _replay(self, begin: int, end: int) -> Iterator[bytes]:
        number = begin
        for stored, message in self._store.sent(begin, end):
            if stored > number:
                yield self._composer.compose_gap_fill(number, stored, self._now_ns)
            yield self._composer.compose_repeat(message, self._now_ns)
            number = stored + 1
        if number <= end:
            yield self._composer.compose_gap_fill(number, end + 1, self._now_ns)
