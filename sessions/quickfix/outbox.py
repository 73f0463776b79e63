"""
The way out: a queue and a sending thread per session, so that a client that does not read stalls only its own thread.

`put` never blocks. When more messages wait than the bound allows, the outbox asks each time for the session to be cut
off; the thread then gets on, because without a connection a message only goes to the session's store.
"""

import queue
import threading
from collections.abc import Callable


class Outbox:
    """Sends one session's bodies in order; the thread starts with the first of them."""

    def __init__(
        self,
        session_id: str,
        send_one: Callable[[str], None],
        *,
        messages_max: int,
        on_overflow: Callable[["Outbox"], None],
    ) -> None:
        """
        Args:
            session_id: Names the thread.
            send_one: Sends one body; called on the outbox's thread with `sending` held; may block.
            messages_max: Messages that may wait.
            on_overflow: Called by `put`, on its caller's thread, whenever more of them wait; it cuts the session off.
        """
        self.sending = threading.Lock()
        """Held while a message is being sent; who takes it keeps the session's store still."""
        self._session_id = session_id
        self._send_one = send_one
        self._messages_max = messages_max
        self._on_overflow = on_overflow
        self._batches: queue.SimpleQueue[list[str] | None] = queue.SimpleQueue()
        self._messages_put = 0  # written by the caller of `put` only
        self._messages_sent = 0  # written by the thread only
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """Messages that wait or are being sent."""
        return self._messages_put - self._messages_sent

    @property
    def messages_sent(self) -> int:
        """Messages sent since the outbox was made."""
        return self._messages_sent

    @property
    def native_thread_id(self) -> int | None:
        """The kernel's id of the sending thread; None before the first message."""
        return self._thread.native_id if self._thread else None

    @property
    def session_id(self) -> str:
        """The session served."""
        return self._session_id

    def put(self, bodies: list[str]) -> None:
        """Queue bodies, in order; never blocks. Called on one thread only."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"send {self._session_id}", daemon=True)
            self._thread.start()
        self._messages_put += len(bodies)
        self._batches.put(bodies)
        if self.waiting > self._messages_max:
            self._on_overflow(self)

    def close(self) -> None:
        """Take no more; what waits is still sent."""
        self._batches.put(None)

    def join(self, timeout_s: float) -> bool:
        """After `close`: wait until all is sent; whether it was in time."""
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (bodies := self._batches.get()) is not None:
            for body in bodies:
                with self.sending:
                    self._send_one(body)
                self._messages_sent += 1
