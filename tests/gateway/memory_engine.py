"""An engine without a network: it keeps what it was given to send, as a real engine's store does across a crash."""

from collections.abc import Callable, Iterable


class MemoryEngine:
    """Behaves as `sessions.port.Engine` says; a test decides when its store has caught up."""

    def __init__(self, *session_ids: str) -> None:
        self.stored: dict[str, list[str]] = {session_id: [] for session_id in session_ids}
        self.waiting: dict[str, list[str]] = {session_id: [] for session_id in session_ids}
        self.epochs = dict.fromkeys(session_ids, 1)
        self.refusals = dict.fromkeys(session_ids, 0)
        """By session: messages of the engine's own that used a number."""
        self.is_storing = True
        self.sessions_up: set[str] = set()
        self.questions: dict[str, Callable[[], None]] = {}
        """By session: what its client was asked by `confirm`, and has not answered."""

    def confirm(self, session_id: str, on_read: Callable[[], None]) -> None:
        self.questions[session_id] = on_read

    def store_waiting(self, count: int | None = None) -> None:
        """The store takes so many of the waiting messages of each session, or all."""
        for session_id, waiting in self.waiting.items():
            taken, self.waiting[session_id] = waiting[:count], waiting[len(waiting[:count]) :]
            self.stored[session_id] += taken

    def crash(self) -> None:
        """What no store held is gone."""
        for waiting in self.waiting.values():
            waiting.clear()
        self.is_storing = True

    def reset(self, session_id: str) -> None:
        """The client asked for its sequence numbers to begin anew."""
        self.epochs[session_id] += 1
        self.stored[session_id].clear()

    def epoch(self, session_id: str) -> int:
        return self.epochs[session_id]

    def resume_inbound(self, session_id: str, next_msg_seq_num: int) -> None:
        raise NotImplementedError

    def next_outbound(self, session_id: str) -> int:
        return len(self.stored[session_id]) + self.refusals[session_id] + 1

    def outbound_waiting(self, session_id: str) -> int:
        return len(self.waiting[session_id])

    def sent_bodies(self, session_id: str, begin_msg_seq_num: int) -> Iterable[tuple[int, str]]:
        return list(enumerate(self.stored[session_id], 1))[begin_msg_seq_num - 1 :]

    def start(self) -> None:
        raise NotImplementedError

    def send(self, session_id: str, bodies: list[str]) -> None:
        self.waiting[session_id] += bodies
        if self.is_storing:
            self.store_waiting()

    def log_out(self, session_id: str, text: str) -> None:
        raise NotImplementedError

    def hold_inbound(self, kind: str) -> None:
        raise NotImplementedError

    def release_inbound(self, kind: str) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError
