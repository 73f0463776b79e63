"""One session of the QuickFIX engine: its store, its two queues, and the moments at which sending has to wait."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import structlog

from sessions.accounts import Account
from sessions.delivery import Inbound
from sessions.fatal import stop_process
from sessions.quickfix.intake import Intake
from sessions.quickfix.outbox import Outbox
from sessions.quickfix.store import SessionStore

log = structlog.get_logger(__name__)


class EngineSession:
    """What the engine knows of one session; `handle` and `make_message` are QuickFIX's side of it."""

    def __init__(self, account: Account, venue_comp_id: str, store_directory: Path) -> None:
        begin_string, comp_id = account.key.begin_string, account.key.comp_id
        self.account = account
        self.session_id = account.key.session_id
        self.store = SessionStore(
            store_directory, begin_string=begin_string, venue_comp_id=venue_comp_id, client_comp_id=comp_id
        )
        self.epoch = 0
        self.messages_in = 0
        self.handle: Any = None  # QuickFIX's session: alive as long as its acceptor
        self.make_message: Callable[[str], Any]
        self.connection_thread_id: int | None = None  # the kernel's
        self.intake: Intake[Inbound]
        self.outbox: Outbox
        self._logging_on = False
        self._logging_out = False
        self._confirmations = 0
        self._asked: tuple[str, Callable[[], None]] | None = None  # one value: it is set and taken on two threads

    def begin_logon(self) -> None:
        """
        Let nothing be sent until `end_logon`.

        QuickFIX sends its Logon a moment before it takes the session for logged on. A message of that moment would be
        stored, counted and not sent, and the client would learn of the gap with the next message only.
        """
        self.outbox.sending.acquire()
        self._logging_on = True

    def end_logon(self) -> None:
        """Send again, if `begin_logon` was called."""
        if self._logging_on:
            self._logging_on = False
            self.outbox.sending.release()

    def log_out(self, text: str, sessions_up: Collection[str]) -> None:
        """See `Engine.log_out`; QuickFIX lets no session return that it was told to log out, until it is told to."""
        if self.session_id not in sessions_up:
            return
        self._logging_out = True
        self.handle.logout(text)
        if self.session_id not in sessions_up:  # it ended by itself a moment ago
            self.end_log_out()

    def end_log_out(self) -> None:
        """Let the session log on again, if `log_out` was called."""
        if self._logging_out:
            self._logging_out = False
            self.handle.logon()

    def confirm(self, on_read: Callable[[], None]) -> None:
        """See `Engine.confirm`; `on_read` is called on the connection's thread."""
        self._confirmations += 1
        test_req_id = f"read {self._confirmations}"
        self._asked = test_req_id, on_read
        self.outbox.put([f"35=1\x01112={test_req_id}\x01"])

    def note_answer(self, test_req_id: str) -> None:
        """The client has answered a TestRequest(1)."""
        asked = self._asked
        if asked is not None and asked[0] == test_req_id:
            self._asked = None
            asked[1]()

    def send_one(self, body: str) -> None:
        """Store one body under the next MsgSeqNum, and send it if the client is connected; on the outbox's thread."""
        try:
            if not self.handle.send(self.make_message(body)):
                raise OSError(f"the store of {self.session_id} cannot be written; look for a full disk")
        except BaseException:
            stop_process("send")

    def undo_reset(self) -> None:
        """Bring back what a refused Logon with 141=Y wiped, and move what was sent since then to where it belongs."""
        with self.outbox.sending:
            sent_since = [body for _, body in self.store.sent_bodies(1)]
            self.store.restore()
            self.handle.refresh()
            for body in sent_since:
                self.send_one(body)
        log.warning("fix_refused_reset_undone", session=self.session_id, messages_moved=len(sent_since))
