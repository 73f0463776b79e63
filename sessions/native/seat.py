"""What the native engine keeps for each session that it knows: account, journal, state machine, and its connection."""

import time
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
        self.is_paused = False
        """Its connection is not read, because its application holds."""
        self.is_removed = False
        """It ends with its connection."""

    def send(self, bodies: list[str], now_ns: int) -> None:
        """Number messages and give them to the journal and the output queue."""
        self.session.send(bodies, now_ns)
        self.messages_out += len(bodies)
        self.uncommitted += len(bodies)

    def commit(self, *, is_inbound_delivered: bool) -> None:
        """
        Write to the journal all that happened; only then may output leave.

        Args:
            is_inbound_delivered: Everything received was handed to the application; else a restart asks for it again.

        Raises:
            JournalError: It cannot be written.
        """
        if is_inbound_delivered:
            self.journal.note_inbound(self.session.next_inbound)
        self.journal.commit()
        self.uncommitted = 0


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
            journal = SessionJournal.open(self._directory, key.session_id, epoch=time.time_ns(), group=self._group)
        except (OSError, JournalError, DictionaryError) as error:
            raise EngineError(f"session {key.session_id} cannot be opened: {error}") from error
        return Seat(account, Session(settings, journal, dictionary, authenticate), journal)

    def _dictionary(self, begin_string: str) -> Dictionary:
        if begin_string not in self._dictionaries:
            paths = [_DICTIONARIES / name for name in _XML[begin_string]]
            self._dictionaries[begin_string] = Dictionary.load(*paths, strictness=_STRICTNESS)
        return self._dictionaries[begin_string]
