"""
The sessions of an engine: those that are here, each in its seat, and those that another gateway may have.

A session is here as long as this process holds the lock of its journal. When a client logs on whose session is
elsewhere, it waits while the session is fetched (`sessions.port.Moves`).
"""

from collections.abc import Callable, Container, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sessions import logon
from sessions.accounts import Account
from sessions.journal.errors import JournalError
from sessions.journal.locks import JournalLocks
from sessions.native.lobby import Guest
from sessions.native.seat import Seat, SeatMaker
from sessions.port import EngineError

if TYPE_CHECKING:
    from sessions.native.connection import Connection

UNKNOWN: Final = "unknown_session"


def open_locks(directory: Path) -> JournalLocks:
    """
    Open the locks of the journals in a directory.

    Raises:
        EngineError: They cannot be opened.
    """
    try:
        return JournalLocks(directory)
    except JournalError as error:
        raise EngineError(str(error)) from error


class Seats:
    """Seats by session id, and the `sessions.port.Moves` of sessions; iterates over the seats."""

    def __init__(
        self,
        maker: SeatMaker,
        locks: JournalLocks,
        authenticate: Callable[[str, dict[str, str]], logon.Refusal | None],
        venue_comp_id: str,
    ) -> None:
        """
        Args:
            maker: Opens journals.
            locks: Says whose they are.
            authenticate: Checks a session's Logon, given its fields.
            venue_comp_id: Whom a client has to ask for.
        """
        self.on_wanted: Callable[[str], None] = self.refuse_waiting
        """See `Moves.on_wanted`."""
        self._maker = maker
        self._locks = locks
        self._authenticate = authenticate
        self._venue_comp_id = venue_comp_id
        self._seats: dict[str, Seat] = {}
        self._elsewhere: set[str] = set()
        self._waiting: dict[str, tuple[Guest, Connection]] = {}
        self._given_up_in = 0
        self._given_up_out = 0

    def __getitem__(self, session_id: str) -> Seat:
        """
        Look up the seat of a session that is here.

        Raises:
            KeyError: It is not.
        """
        return self._seats[session_id]

    def __iter__(self) -> Iterator[Seat]:
        """Every seat."""
        return iter(self._seats.values())

    def shift(self, step_ns: int) -> None:
        """The clock was set by so much: see `Session.shift`."""
        for seat in self:
            seat.session.shift(step_ns)

    def __len__(self) -> int:
        """How many sessions are here."""
        return len(self._seats)

    def __contains__(self, session_id: object) -> bool:
        """See `Moves.__contains__`."""
        return session_id in self._seats

    @property
    def messages_in(self) -> int:
        """Application messages received here, of sessions that moved away as well."""
        return self._given_up_in + sum(seat.messages_in for seat in self)

    @property
    def messages_out(self) -> int:
        """Application messages sent or stored here, of sessions that moved away as well."""
        return self._given_up_out + sum(seat.messages_out for seat in self)

    def of_kind(self, kind: str) -> list[Seat]:
        """The seats of one kind of session."""
        return [seat for seat in self if seat.account.kind == kind]

    def open(self, account: Account, *, is_home: bool) -> None:
        """
        Let a session log on: at its home it is here, unless another gateway has it; else it is fetched when wanted.

        Raises:
            EngineError: Its journal or dictionary cannot be opened.
        """
        session_id = account.key.session_id
        if not (is_home and self.take(account)):
            self._elsewhere.add(session_id)

    def open_all(self, accounts: Iterable[Account], homes: Container[str]) -> None:
        """
        Let sessions log on; `homes` are the ids of those whose home it is.

        Raises:
            EngineError: As `open`.
        """
        for account in accounts:
            self.open(account, is_home=account.key.session_id in homes)

    def add(self, account: Account) -> None:
        """
        Put a session here: a new one, one that was removed, or one that was elsewhere.

        Raises:
            EngineError: It is here already, still being logged out, or another gateway has it, or its journal cannot be
                opened.
        """
        session_id = account.key.session_id
        if session_id in self._seats:
            self._seats[session_id].come_back(account)
        elif not self.take(account):
            self._elsewhere.add(session_id)
            raise EngineError(f"session {session_id} is at another gateway, which has not given it up")

    def remove(self, session_id: str) -> Seat | None:
        """Let a session log on no more; its seat, if it is here, stays for what is still sent to it."""
        self._elsewhere.discard(session_id)
        seat = self._seats.get(session_id)
        if seat is not None:
            seat.is_removed = True
        return seat

    def find(self, guest: Guest, connection: "Connection") -> Seat | str | None:
        """A guest's seat; in one word why there is none; or None: the guest waits for it."""
        session_id = guest.key.session_id
        seat = self._seats.get(session_id)
        if guest.target_comp_id != self._venue_comp_id or (seat is not None and seat.is_removed):
            return UNKNOWN
        if seat is not None:
            return "duplicate_identity" if seat.connection is not None else seat
        if session_id not in self._elsewhere:
            return UNKNOWN
        if session_id in self._waiting:
            return "duplicate_identity"
        self._waiting[session_id] = guest, connection
        self.on_wanted(session_id)
        return None

    def leave(self, connection: "Connection") -> None:
        """A connection is gone: if it waited, it does so no more."""
        for session_id, (_, waiting) in list(self._waiting.items()):
            if waiting is connection:
                del self._waiting[session_id]

    def close(self) -> None:
        """Close all journals; the sessions stay ours until `free`."""
        for seat in self:
            seat.journal.close()

    def free(self) -> None:
        """Let other gateways have the sessions: all of them is on disk."""
        self._locks.close()

    # sessions.port.Moves

    def take(self, account: Account) -> bool:
        """See `Moves.take`."""
        if not self._locks.take(account.key.session_id):
            return False
        self._make(account)
        return True

    def give_up(self, session_id: str) -> bool:
        """See `Moves.give_up`."""
        seat = self._seats[session_id]
        if seat.connection is not None:
            return False
        seat.journal.close()
        del self._seats[session_id]
        self._given_up_in += seat.messages_in
        self._given_up_out += seat.messages_out
        self._elsewhere.add(session_id)
        self._locks.free(session_id)
        return True

    def seat_waiting(self, session_id: str) -> None:
        """See `Moves.seat_waiting`."""
        if (waiting := self._waiting.pop(session_id, None)) is not None:
            guest, connection = waiting
            connection.find_seat(guest)

    def refuse_waiting(self, session_id: str, reason: str = "session_elsewhere") -> None:
        """See `Moves.refuse_waiting`."""
        if (waiting := self._waiting.pop(session_id, None)) is not None:
            _, connection = waiting
            connection.turn_away(reason)

    def _make(self, account: Account) -> None:
        session_id = account.key.session_id
        try:
            self._seats[session_id] = self._maker.make(account, partial(self._authenticate, session_id))
        except EngineError:
            self._locks.free(session_id)
            raise
        self._elsewhere.discard(session_id)
