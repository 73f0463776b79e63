"""
Requests that are being served, all but V: whose they are, and under which id.

An id is a session's own. It is in use from a request to its last answer: with 263=1 until 263=2 or the session's end.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

from marketdata.fix.messages import UNKNOWN_ID, BusinessReject, Fields


class IdInUse(Exception):
    """Another request of the session has the same id; the text says what to do."""


class Asker:
    """
    One request of one session.

    Args:
        session_id: Whose it is.
        req_id: What its session calls it.
        is_subscribed: 263=1: it is told of changes, too.
        fields: Of the message.
    """

    def __init__(self, session_id: str, req_id: str, *, is_subscribed: bool, fields: Fields) -> None:
        self.session_id = session_id
        self.req_id = req_id
        self.is_subscribed = is_subscribed
        self.fields = fields

    @property
    def size(self) -> int:
        """As how many symbols it counts in `fix_subscriptions_max`."""
        return 1


OneAsker = TypeVar("OneAsker", bound=Asker)


class Askers(Generic[OneAsker]):
    """
    The askers of one kind, of all sessions.

    Args:
        tag: Of their id, such as 324.
        name: The name of that tag.
    """

    def __init__(self, tag: str, name: str) -> None:
        self._id_name = f"{name}({tag})"
        self._sessions: dict[str, dict[str, OneAsker]] = {}

    def count(self, session_id: str) -> int:
        """How many symbols a session has asked for and is still to be told about."""
        return sum(asker.size for asker in self._sessions.get(session_id, {}).values())

    def is_repeat(self, session_id: str, req_id: str, fields: Fields) -> bool:
        """
        Whether the session layer sent a request once more that is being served.

        Raises:
            IdInUse: It is another request with the same id.
        """
        if req_id not in self._sessions.get(session_id, {}):
            return False
        if fields.first("43") == "Y":
            return True
        raise IdInUse(f"{self._id_name}={req_id} is in use; end it first, or choose another")

    def add(self, asker: OneAsker) -> None:
        """Begin to serve a request."""
        self._sessions.setdefault(asker.session_id, {})[asker.req_id] = asker

    def of(self, session_id: str, req_id: str) -> OneAsker:
        """
        The request with this id.

        Raises:
            BusinessReject: There is none.
        """
        asker = self._sessions.get(session_id, {}).get(req_id)
        if asker is None:
            raise BusinessReject(
                UNKNOWN_ID, f"{self._id_name}={req_id} is not subscribed; nothing to end", ref_id=req_id
            )
        return asker

    def of_session(self, session_id: str) -> Iterator[OneAsker]:
        """All of a session; they may be removed meanwhile."""
        yield from list(self._sessions.get(session_id, {}).values())

    def remove(self, asker: OneAsker) -> None:
        """The request is served, or ended."""
        of_session = self._sessions[asker.session_id]
        del of_session[asker.req_id]
        if not of_session:
            del self._sessions[asker.session_id]


class AskerDesk(Generic[OneAsker]):
    """What answers one kind of request, and goes on telling those who asked to be told."""

    def __init__(self, askers: Askers[OneAsker]) -> None:
        """Without anybody who asks."""
        self.askers = askers

    def end(self, session_id: str, req_id: str) -> None:
        """
        End a subscription.

        Raises:
            BusinessReject: There is none.
        """
        self._forget(self.askers.of(session_id, req_id))

    def end_session(self, session_id: str) -> None:
        """Forget all that a session asked for."""
        for asker in self.askers.of_session(session_id):
            self._forget(asker)

    def _forget(self, asker: OneAsker) -> None:
        """The request is served, or ended: no more is told."""
        raise NotImplementedError
