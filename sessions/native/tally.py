"""What the native engine's sessions told, counted for metrics and written to the log."""

from collections import Counter

import structlog

from sessions.delivery import SessionDown, SessionUp
from sessions.native.events import (
    Closing,
    Event,
    Garbled,
    LoggedOff,
    LoggedOn,
    LogonRefused,
    NumbersReset,
    RejectReceived,
    RejectSent,
    SentUnreadable,
)
from sessions.native.messages import printable
from sessions.port import SessionKey

log = structlog.get_logger(__name__)


class Tally:
    """Counts since the engine was made."""

    def __init__(self) -> None:
        self.sessions_up: set[str] = set()
        """The sessions that are logged on."""
        self.logons = 0
        """Logons accepted."""
        self.logons_refused: Counter[str] = Counter()
        """Logons refused, by reason: see `sessions.logon` and `events.LogonRefused`."""
        self.connections_refused: Counter[str] = Counter()
        """Connections closed before they had a session, by reason."""
        self.connections_closed: Counter[str] = Counter()
        """Connections that a session closed, by reason."""
        self.rejects_sent: Counter[int] = Counter()
        """Messages rejected, by SessionRejectReason(373)."""
        self.garbled: Counter[str] = Counter()
        """Bytes skipped, by reason: see `framing.Garbage`."""
        self.slow_readers_cut = 0
        """Clients that did not read what they were sent."""

    def note(self, session_id: str, event: Event) -> SessionUp | SessionDown | None:
        """Count an event that is no message; returns what the application is to be told of it."""
        match event:
            case LoggedOn():
                self.logons += 1
                self.sessions_up.add(session_id)
                return SessionUp(session_id)
            case LoggedOff():
                self.sessions_up.discard(session_id)
                return SessionDown(session_id)
            case Garbled(reason=reason):
                self.garbled[reason] += 1
            case RejectSent(reason=number):
                self.rejects_sent[number] += 1
            case _:
                self._note_odd(session_id, event)
        return None

    def turn_away(self, peer: str, reason: str, guest: SessionKey | None) -> None:
        """Count a connection that came to no session, from whoever it said that it was, if it did."""
        self.connections_refused[reason] += 1
        said = {} if guest is None else {"begin_string": guest.begin_string, "comp_id": printable(guest.comp_id)[:64]}
        log.info("fix_connection_refused", peer=peer, reason=reason, **said)

    def cut_slow_reader(self, session_id: str, messages_waiting: int) -> None:
        """Count a client that does not read."""
        self.slow_readers_cut += 1
        log.warning("fix_slow_reader_cut", session=session_id, messages_waiting=messages_waiting)

    def _note_odd(self, session_id: str, event: Event) -> None:
        match event:
            case LogonRefused(reason=reason, text=text):
                self.logons_refused[reason] += 1
                log.warning("fix_logon_refused", session=session_id, reason=reason, text=text)
            case RejectReceived(fields=fields):
                log.warning(
                    "fix_client_rejected_message",
                    session=session_id,
                    ref_msg_seq_num=fields.get("45"),
                    ref_tag=fields.get("371"),
                    text=fields.get("58"),
                )
            case Closing(reason=reason, text=text):
                self.connections_closed[reason] += 1
                log.info("fix_connection_closed", session=session_id, reason=reason, text=text)
            case SentUnreadable(file=file, text=text):
                log.error("fix_journal_damaged", session=session_id, file=file, reason=text)
            case NumbersReset(epoch=epoch):
                log.info("fix_numbers_reset", session=session_id, epoch=epoch)
