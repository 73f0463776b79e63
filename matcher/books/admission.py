"""
What has been seen already: the marks that make a repeated record or request harmless, however often it comes.

Records. A gateway numbers its records per shard from 1, and rewinds its window when one may be lost (go-back-N).
Only the record after the last one of its current life (*boot*) is taken; any other is a repeat, comes out of turn, or
belongs to a former life. A life begins with record 1, whose first command is `GatewayStarted`.

Requests. A client request is named by (session, epoch, MsgSeqNum). Per session and *lane*, which is a symbol of this
shard or, for all else, the empty string, these rise; one that does not rise has been seen.
"""

from typing import Final

from matcher.commands import ClientRequest
from matcher.events import SessionMark

NO_SYMBOL: Final = ""
"""The lane of requests that name no symbol of this shard."""


class Admission:
    """The marks of gateways and sessions of one shard."""

    __slots__ = ("gateways", "lanes", "sessions")

    def __init__(self) -> None:
        self.gateways: Final[dict[str, tuple[int, int]]] = {}
        """By gateway id: its boot, and the number of the last record taken."""
        self.sessions: Final[dict[str, tuple[int, int]]] = {}
        """By session id: its latest epoch, and the greatest durable MsgSeqNum(34) told in that epoch."""
        self.lanes: Final[dict[tuple[str, str], tuple[int, int]]] = {}
        """By (session id, lane): epoch and MsgSeqNum(34) of the last request taken."""

    def admits_record(self, gateway_id: str, boot: int, record_number: int, *, begins_life: bool) -> bool:
        """
        Whether a record is to be applied; if so, it is marked as seen.

        Args:
            gateway_id: Who wrote it.
            boot: The gateway's life.
            record_number: Its number in that life.
            begins_life: Its first command is `GatewayStarted`.
        """
        known_boot, last = self.gateways.get(gateway_id, (0, 0))
        first = begins_life and record_number == 1 and boot > known_boot
        if first or (boot == known_boot and last and record_number == last + 1):
            self.gateways[gateway_id] = (boot, record_number)
            return True
        return False

    def admits_request(self, request: ClientRequest, lane: str) -> bool:
        """Whether a client request is new; it is marked as seen, and what it says of its session is noted anyway."""
        session_id = request.session_id
        told = (request.session_epoch, request.durable_msg_seq_num)
        if told > self.sessions.get(session_id, (-1, -1)):
            self.sessions[session_id] = told
        name = (request.session_epoch, request.msg_seq_num)
        if name <= self.lanes.get((session_id, lane), (-1, -1)):
            return False
        self.lanes[session_id, lane] = name
        return True

    def open_lane(self, lane: str) -> None:
        """
        Give a symbol that is traded from now on a lane of its own.

        What was asked about it until now went through the lane of all else, and stays seen.
        """
        taken = [(session_id, name) for (session_id, of), name in self.lanes.items() if of == NO_SYMBOL]
        self.lanes.update({(session_id, lane): name for session_id, name in taken})

    def session_mark(self, session_id: str) -> SessionMark | None:
        """How far the log goes for one session, if it was ever seen."""
        known = self.sessions.get(session_id)
        return None if known is None else SessionMark(session_id, *known)

    def session_marks(self) -> list[SessionMark]:
        """How far the log goes for each session, in the order in which they were first seen."""
        return [SessionMark(session_id, epoch, durable) for session_id, (epoch, durable) in self.sessions.items()]
