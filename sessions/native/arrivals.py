"""
What waits for an application, in order, bounded however long it holds.

Messages are bounded by their connections not being read. A session that comes and goes meanwhile, time and again,
leaves two notes at most between two of its messages: that it was up for a while in which it said nothing is not told.
"""

from typing import NamedTuple

from sessions.delivery import Inbound, SessionDown, SessionUp


class _Up(NamedTuple):
    at: int
    messages_in: int


class Arrivals:
    """The arrivals of all sessions of one application."""

    def __init__(self) -> None:
        self.items: list[Inbound | None] = []
        """Messages are appended here; None stands for a session that came and went."""
        self._ups: dict[str, _Up] = {}  # by session: where it last came up

    def note(self, told: SessionUp | SessionDown, messages_in: int) -> None:
        """
        Add what happened to a session.

        Args:
            told: That it is up, or down.
            messages_in: The messages that it has sent so far; as many as before: it has said nothing since.
        """
        up = self._ups.get(told.session_id)
        if up is not None and up.messages_in == messages_in:
            self.items[up.at] = told if isinstance(told, SessionUp) else None
            return
        if isinstance(told, SessionUp):
            self._ups[told.session_id] = _Up(len(self.items), messages_in)
        self.items.append(told)

    def take(self) -> list[Inbound]:
        """All of it; then nothing waits."""
        taken, self.items = self.items, []
        if not self._ups:
            return taken  # type: ignore[return-value]  # where nobody came up, nobody came and went
        self._ups = {}
        return [item for item in taken if item is not None]
