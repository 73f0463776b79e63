"""What the native engine keeps for each session that it knows: account, journal, state machine, and its connection."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sessions.accounts import Account
from sessions.dictionary.dictionary import Dictionary, DictionaryError, Strictness
from sessions.journal.group import JournalGroup
from sessions.journal.journal import JournalError, SessionJournal
from sessions.native.events import SessionSettings
from sessions.native.logon import Authenticate
from sessions.native.session import Session
from sessions.port import EngineError

if TYPE_CHECKING:
    from sessions.native.connection import Connection

_DICTIONARIES: Final = Path(__file__).parents[2] / "configs" / "fix"
_XML: Final = {"FIX.4.2": ("FIX42.xml",), "FIX.4.4": ("FIX44.xml",), "FIXT.1.1": ("FIXT11.xml", "FIX50SP2.xml")}
_STRICTNESS: Final = Strictness(unknown_tags=False, unspoken_messages=False)
"""Fields and messages that the venue does not know reach the application, which answers with its own words."""
_NUMBERS_AHEAD: Final = 10_000
"""Of a session whose messages are not kept: one write and one sync for so many; after a kill, a gap of as many."""


class Seat:
    """One session of the engine, whether its client is there or not."""

    def __init__(self, account: Account, session: Session, journal: SessionJournal) -> None:
        self.account = account
        self.session_id = account.key.session_id
        self.session = session
        self.journal = journal
        self.connection: Connection | None = None
        self.messages_in = 0
        self.messages_out = 0
        self.uncommitted = 0
        """Messages given to `send` that the journal has not written yet."""
        self._committed = self._awaited = (0, journal.place)  # `messages_out`, and where they end in the journal
        self._stored = 0
        self._confirmations = 0
        self._on_read: Callable[[], None] | None = None
        self.is_paused = False
        """Its connection is not read, because its application holds."""
        self.is_removed = False
        """It may not log on; its journal still takes what it is sent, for its return."""

    @property
    def peer_is_loopback(self) -> bool:
        """Its client is connected, from this machine."""
        return self.connection is not None and self.connection.peer_is_loopback

    def come_back(self, account: Account) -> None:
        """
        Let the session log on again that was removed.

        Raises:
            EngineError: It was not removed, is still being logged out, or is of another kind now.
        """
        if not self.is_removed:
            raise EngineError(f"session {self.session_id} is there already; remove it first")
        if self.connection is not None:
            raise EngineError(f"session {self.session_id} is still being logged out; try again in a moment")
        if self.account.kind != account.kind:
            raise EngineError(f"session {self.session_id} is of another kind than before; restart the gateway")
        self.account = account
        self.is_removed = False

    def send(self, bodies: list[str], now_ns: int) -> None:
        """Number messages and give them to the journal and the output queue."""
        self.session.send(bodies, now_ns)
        self.messages_out += len(bodies)
        self.uncommitted += len(bodies)

    def confirm(self, on_read: Callable[[], None], now_ns: int) -> None:
        """See `Engine.confirm`."""
        self._confirmations += 1
        self._on_read = on_read
        self.session.test(self._test_req_id, now_ns)

    def note_answer(self, test_req_id: str) -> None:
        """The client has answered a TestRequest(1)."""
        if test_req_id == self._test_req_id and self._on_read is not None:
            on_read, self._on_read = self._on_read, None
            on_read()

    @property
    def _test_req_id(self) -> str:
        return f"read {self._confirmations}"

    def commit(self, *, is_inbound_delivered: bool) -> None:
        """
        Write to the journal all that happened; only then may output leave.

        What only arrived waits for the next answer, or the end of the connection: a write, and in the durable profile a
        sync, that would stand before the sync of that answer.

        Args:
            is_inbound_delivered: Everything received was handed to the application; else a restart asks for it again.

        Raises:
            JournalError: It cannot be written.
        """
        if is_inbound_delivered:
            self.journal.note_inbound(self.session.next_inbound)
        self.journal.commit(inbound_may_wait=self.connection is not None)
        if self.uncommitted:
            self.uncommitted = 0
            self._committed = self.messages_out, self.journal.place

    def count_unstored(self) -> int:
        """
        Count the messages given to `send` that are not known to be on disk.

        Under steady load the newest commit is never there yet; so one is awaited, and then the newest of that moment.
        """
        if self.journal.is_on_disk(self._awaited[1]):
            self._stored, _ = self._awaited
            self._awaited = self._committed
        if self.journal.is_on_disk(self._committed[1]):
            self._stored, _ = self._committed
        return self.messages_out - self._stored


class SeatMaker:
    """Opens seats; sessions of one version share a dictionary."""

    def __init__(self, venue_comp_id: str, directory: Path, group: JournalGroup, *, logon_timeout_s: float) -> None:
        """
        Args:
            venue_comp_id: Our CompID.
            directory: Of all journals.
            group: Syncs them.
            logon_timeout_s: See `SessionSettings`.
        """
        self._venue_comp_id = venue_comp_id
        self._directory = directory
        self._group = group
        self._logon_timeout_s = logon_timeout_s
        self._dictionaries: dict[str, Dictionary] = {}

    def make(self, account: Account, authenticate: Authenticate) -> Seat:
        """
        Open a session's journal and state machine.

        Raises:
            EngineError: The journal or the dictionary cannot be opened.
        """
        key = account.key
        settings = SessionSettings(
            session_id=key.session_id,
            begin_string=key.begin_string,
            sender_comp_id=self._venue_comp_id,
            target_comp_id=key.comp_id,
            # Market data sent again would be history at the price of news: a resend request for it gets a gap fill.
            keeps_messages=account.kind != "marketdata",
            logon_timeout_s=self._logon_timeout_s,
        )
        try:
            dictionary = self._dictionary(key.begin_string)
            journal = SessionJournal.open(
                self._directory,
                key.session_id,
                epoch=time.time_ns(),
                group=self._group,
                numbers_ahead=0 if settings.keeps_messages else _NUMBERS_AHEAD,
            )
        except (OSError, JournalError, DictionaryError) as error:
            raise EngineError(f"session {key.session_id} cannot be opened: {error}") from error
        return Seat(account, Session(settings, journal, dictionary, authenticate), journal)

    def _dictionary(self, begin_string: str) -> Dictionary:
        if begin_string not in self._dictionaries:
            paths = [_DICTIONARIES / name for name in _XML[begin_string]]
            self._dictionaries[begin_string] = Dictionary.load(*paths, strictness=_STRICTNESS)
        return self._dictionaries[begin_string]
