"""
The reference engine: QuickFIX C++ behind `sessions.port`. The only module of the venue that imports `quickfix`.

QuickFIX reads each connection on a thread of its own, keeps the session protocol and calls back. A callback does next
to nothing: the message's text goes into the `Intake` of its application, which the event loop empties in batches. What
the venue sends goes into the session's `Outbox`, whose thread hands it to QuickFIX, which stores it and then sends it.

    client -> connection thread -> fromApp -> Intake -> event loop -> Application.on_messages
    client <- QuickFIX <- store <- sending thread <- Outbox <- event loop <- Engine.send

What QuickFIX does that a caller has to know:

- Importing it sets SIGINT to its default action: install signal handlers after importing this module.
- An exception that it does not expect in a callback would leave a process that neither exits nor serves. So every
  callback ends the process instead (`fatal.stop_process`), which then recovers as from any crash.
- It resets sequence numbers for a Logon with 141=Y before it asks who that is; `store` helps to undo it.
- It listens on all interfaces, whatever the host; with a loopback host its sessions refuse other addresses.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from threading import get_ident, get_native_id
from typing import Any, Final

import quickfix as fix
import structlog

from configs.consistency import is_loopback
from configs.loader import Venue
from sessions import logon
from sessions.accounts import Account, Accounts
from sessions.delivery import Inbound, SessionDown, SessionUp, deliver
from sessions.fatal import stop_process
from sessions.fix_text import parse
from sessions.port import Application, EngineError, InboundMessage
from sessions.quickfix import blocked_socket, dictionaries, groups
from sessions.quickfix.descriptors import LowDescriptors
from sessions.quickfix.intake import Intake
from sessions.quickfix.outbox import Outbox
from sessions.quickfix.ports import check_port
from sessions.quickfix.python_thread import keep_state, release_state
from sessions.quickfix.session import EngineSession
from sessions.quickfix.settings import dictionary_names, session_settings

log = structlog.get_logger(__name__)

# A thread that waits for the interpreter asks for it after this many seconds. With Python's default of 5 ms, a message
# waits that long for the event loop's thread several times: 21 ms for an echo instead of 0.3 ms, measured.
sys.setswitchinterval(5e-5)

INBOUND_MESSAGES_MAX: Final = 10_000
"""Messages of one application that may wait for the event loop; beyond it connections are not read."""

_FLUSH_S: Final = 1.0
_LOGOUT_S: Final = 4.0
_POLL_S: Final = 0.01
# QuickFIX drops a group's last entry if no field follows; it writes its own CheckSum(10).
_GROUP_END: Final = "10=0\x01"
_EXPECTED_IN_FROM_APP: Final = (fix.IncorrectTagValue,)
_EXPECTED_IN_FROM_ADMIN: Final = (fix.RejectLogon,)


class QuickFixEngine:
    """
    `sessions.port.Engine` on QuickFIX's ThreadedSocketAcceptor and FileStore.

    For metrics: `sessions_up` (ids), `logons`, `logons_refused` (by reason), `slow_readers_cut`, `messages_in` and
    `messages_out`, all since the engine was made.
    """

    def __init__(
        self,
        venue: Venue,
        *,
        data_dir: Path,
        loop: asyncio.AbstractEventLoop,
        applications: Mapping[str, Application],
        inbound_messages_max: int = INBOUND_MESSAGES_MAX,
    ) -> None:
        """
        Open every session's store; nothing listens yet.

        Args:
            venue: Gives the sessions, host, port and the bound of the outboxes.
            data_dir: Stores and dictionaries are kept in `fix/` below it; made if it is not there.
            loop: The event loop on whose thread the applications are called.
            applications: By kind of session, such as "orders"; each kind that a session has.
            inbound_messages_max: Messages of one application that may wait for the loop.

        Raises:
            EngineError: The stores cannot be opened, or QuickFIX refuses a setting.
        """
        gateway = venue.config.gateway
        self._port, self._loopback = gateway.fix_port, is_loopback(gateway.fix_host)
        self._accounts = Accounts(venue)
        self._loop = loop
        self._stopped = False
        self.slow_readers_cut = 0
        directory = data_dir / "fix"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._open(venue.config.comp_id, directory)
        except (OSError, dictionaries.DictionaryError, fix.ConfigError, fix.RuntimeError) as error:
            raise EngineError(f"the FIX engine cannot use {directory}: {error}") from error
        self._intakes = {
            kind: Intake[Inbound](loop, partial(deliver, application), items_max=inbound_messages_max)
            for kind, application in applications.items()
        }
        for session in self._sessions.values():
            session.intake = self._intakes[session.account.kind]
            session.outbox = Outbox(
                session.session_id,
                session.send_one,
                messages_max=gateway.outbound_messages_max,
                on_overflow=self._cut_slow_reader,
            )

    @property
    def moves(self) -> None:
        """See `Engine.moves`: its sessions stay."""

    @property
    def sessions_up(self) -> set[str]:
        """The sessions that are logged on."""
        return self._callbacks.sessions_up

    @property
    def logons(self) -> int:
        """Logons accepted."""
        return self._callbacks.logons

    @property
    def logons_refused(self) -> Counter[str]:
        """Logons refused, by reason: see `sessions.logon`."""
        return self._callbacks.logons_refused

    @property
    def messages_in(self) -> int:
        """Application messages received."""
        return sum(session.messages_in for session in self._sessions.values())

    @property
    def messages_out(self) -> int:
        """Application messages sent or, for want of a connection, stored."""
        return sum(session.outbox.messages_sent for session in self._sessions.values())

    def inbound_waiting(self, kind: str) -> int:
        """Messages of one kind of session that wait for the event loop."""
        return len(self._intakes[kind])

    def outbound_waiting(self, session_id: str) -> int:
        """Messages that wait for a session's sending thread."""
        return self._sessions[session_id].outbox.waiting

    def epoch(self, session_id: str) -> int:
        """See `Engine.epoch`: when the numbers last began anew, in ns since 1970 UTC."""
        return self._sessions[session_id].epoch

    def resume_inbound(self, session_id: str, next_msg_seq_num: int) -> None:
        """See `Engine.resume_inbound`."""
        self._sessions[session_id].handle.setNextTargetMsgSeqNum(next_msg_seq_num)

    def next_outbound(self, session_id: str) -> int:
        """See `Engine.next_outbound`; messages that wait in the outbox come first."""
        return int(self._sessions[session_id].handle.getExpectedSenderNum())

    def sent_bodies(self, session_id: str, begin_msg_seq_num: int) -> Iterable[tuple[int, str]]:
        """See `Engine.sent_bodies`; fields are sorted by tag, and market-data sessions keep no bodies."""
        return self._sessions[session_id].store.sent_bodies(begin_msg_seq_num)

    def start(self) -> None:
        """See `Engine.start`."""
        check_port(self._port)
        try:
            self._acceptor.start()
        except (fix.ConfigError, fix.RuntimeError) as error:
            raise EngineError(f"the FIX engine cannot listen on port {self._port}: {error}") from error
        log.info("fix_engine_started", port=self._port, sessions=len(self._sessions))

    def send(self, session_id: str, bodies: list[str]) -> None:
        """See `Engine.send`."""
        self._sessions[session_id].outbox.put(bodies)

    def log_out(self, session_id: str, text: str) -> None:
        """See `Engine.log_out`."""
        self._sessions[session_id].log_out(text, self.sessions_up)

    def confirm(self, session_id: str, on_read: Callable[[], None]) -> None:
        """See `Engine.confirm`."""
        if session_id in self.sessions_up:
            self._sessions[session_id].confirm(lambda: self._in_loop(on_read))

    def _in_loop(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(callback)

    def close_logons(self, kind: str, text: str) -> None:
        """See `Engine.close_logons`."""
        self._accounts.closed[kind] = text

    def open_logons(self, kind: str) -> None:
        """See `Engine.open_logons`."""
        self._accounts.closed.pop(kind, None)

    def hold_inbound(self, kind: str) -> None:
        """See `Engine.hold_inbound`."""
        self._intakes[kind].hold()

    def release_inbound(self, kind: str) -> None:
        """See `Engine.release_inbound`."""
        self._intakes[kind].release()

    def stop(self) -> None:
        """
        See `Engine.stop`; takes a few seconds at most, longer only for what still has to be stored.

        What was received but not yet delivered is dropped: it is not durable, so the next life asks for it again.
        """
        if self._stopped:
            return
        self._stopped = True
        for intake in self._intakes.values():
            intake.close()
        sessions = list(self._sessions.values())
        for session in sessions:
            session.outbox.close()
        _wait_until(lambda: not any(session.outbox.waiting for session in sessions), _FLUSH_S)
        for session in sessions:
            session.handle.logout("the venue is closing")
            if session.outbox.waiting:
                self._shut_down_socket(session)
        _wait_until(lambda: not self.sessions_up, _LOGOUT_S)
        self._acceptor.stop(True)  # waits for the connections' threads
        for session in sessions:
            while not session.outbox.join(_FLUSH_S):
                log.info("fix_outbox_being_stored", session=session.session_id, messages=session.outbox.waiting)
        self._release()
        log.info("fix_engine_stopped")

    def _open(self, venue_comp_id: str, directory: Path) -> None:
        """Make QuickFIX's objects; they stay referred to until `_release`, because QuickFIX refers to them too."""
        paths = dictionaries.write(directory / "dictionaries")
        sessions = [EngineSession(account, venue_comp_id, directory) for account in self._accounts]
        self._sessions = {session.session_id: session for session in sessions}
        ids = {session.session_id: _quickfix_id(session, venue_comp_id) for session in sessions}
        self._settings = fix.SessionSettings()
        for session in sessions:
            session.store.restore()  # a crash may have come between a reset and the agreement to it
            session.make_message = _message_maker(session.account, paths)
            self._settings.set(ids[session.session_id], self._dictionary(session.account, paths))
        self._callbacks = _Callbacks(self._sessions, self._accounts, peer_is_loopback=self._loopback)
        self._store_factory = fix.FileStoreFactory(str(directory))
        self._acceptor: Any = fix.ThreadedSocketAcceptor(self._callbacks, self._store_factory, self._settings)
        for session in sessions:
            session.handle = fix.Session.lookupSession(ids[session.session_id])
            session.epoch = session.store.epoch() or session.store.agree()

    def _dictionary(self, account: Account, paths: Mapping[str, Path]) -> Any:
        dictionary = fix.Dictionary()
        settings = session_settings(account, port=self._port, loopback_only=self._loopback, dictionaries=paths)
        for name, value in settings.items():
            dictionary.setString(name, value)
        return dictionary

    def _release(self) -> None:
        """Let QuickFIX's objects go, users before what they use; no session handle may be used from here on."""
        for session in self._sessions.values():
            session.handle = None
        self._acceptor = None
        self._callbacks.close()
        self._store_factory = self._settings = None

    def _cut_slow_reader(self, outbox: Outbox) -> None:
        session = self._sessions[outbox.session_id]
        if session.session_id in self.sessions_up and self._shut_down_socket(session):
            self.slow_readers_cut += 1
            log.warning("fix_slow_reader_cut", session=session.session_id, messages_waiting=outbox.waiting)

    def _shut_down_socket(self, session: EngineSession) -> bool:
        """End a session's connection if one of its two threads is stuck in it."""
        threads = (session.outbox.native_thread_id, session.connection_thread_id)
        return any(blocked_socket.shut_down(thread, local_port=self._port) for thread in threads if thread)


class _Callbacks(fix.Application):  # type: ignore[misc] # quickfix has no types
    """
    What QuickFIX calls: on its connections' threads and, for `toApp`, on the outboxes'.

    A connection's thread serves one session, noted at its Logon, so that `fromApp` need not ask QuickFIX which.
    """

    def __init__(self, sessions: Mapping[str, EngineSession], accounts: Accounts, *, peer_is_loopback: bool) -> None:
        super().__init__()
        self.sessions_up: set[str] = set()
        self.logons = 0
        self.logons_refused: Counter[str] = Counter()
        self._sessions = sessions
        self._session_of_thread: dict[int, EngineSession] = {}
        self._accounts = accounts
        self._peer_is_loopback = peer_is_loopback
        self._descriptors = LowDescriptors()

    def close(self) -> None:
        """Give back what only a running engine needs."""
        self._descriptors.close()

    def onCreate(self, session_id: Any) -> None:  # noqa: N802 - the names are QuickFIX's
        """Do nothing: the engine knows its sessions."""

    def toAdmin(self, message: Any, session_id: Any) -> None:  # noqa: ARG002, N802
        """Prepare for the close that follows a Logout(5); session messages go out as QuickFIX makes them."""
        try:
            if message.getHeader().getField(35) == "5":
                self._descriptors.free_some()
        except BaseException:  # none may go on into C++, where nobody would tell of it
            stop_process("toAdmin")

    def toApp(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Do nothing: what the venue sends goes out as it is, the first time and when it is sent again."""

    def onLogon(self, session_id: Any) -> None:  # noqa: N802
        """Tell the application that the session is up."""
        try:
            session = self._session(session_id)
            session.end_logon()
            self._descriptors.occupy()
            self.logons += 1
            self.sessions_up.add(session.session_id)
            session.intake.put(SessionUp(session.session_id))
        except BaseException:  # as in `toAdmin`
            stop_process("onLogon")

    def onLogout(self, session_id: Any) -> None:  # noqa: N802
        """Tell the application that the session is down; QuickFIX also calls this for a Logon that came to nothing."""
        try:
            session = self._session(session_id)
            session.end_logon()
            if session.session_id in self.sessions_up:
                self.sessions_up.discard(session.session_id)
                session.end_log_out()
                session.intake.put(SessionDown(session.session_id))
            release_state()
        except BaseException:  # as in `toAdmin`
            stop_process("onLogout")

    def fromAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Decide about a Logon(A); log a Reject(3), since a client that rejects our messages needs a look."""
        try:
            fields = parse(message.toString())
            if fields["35"] == "A":
                self._decide_logon(self._session(session_id), fields)
            elif fields["35"] == "0" and "112" in fields:
                self._session(session_id).note_answer(fields["112"])
            elif fields["35"] == "3":
                log.warning(
                    "fix_client_rejected_message",
                    session=self._session(session_id).session_id,
                    ref_msg_seq_num=fields.get("45"),
                    ref_tag=fields.get("371"),
                    text=fields.get("58"),
                )
        except _EXPECTED_IN_FROM_ADMIN:
            raise
        except BaseException:
            stop_process("fromAdmin")

    def fromApp(self, message: Any, session_id: Any) -> None:  # noqa: ARG002, N802
        """Hand an application message over; QuickFIX counts it as received when this returns."""
        try:
            received_ns = time.time_ns()
            session = self._session_of_thread[get_ident()]
            text = message.toString()
            if not text.isascii():  # bytes that are no UTF-8 come as lone surrogates, which nothing can encode
                text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            _check_groups(text)
            session.messages_in += 1
            session.intake.put(InboundMessage(session.session_id, session.epoch, received_ns, text))
        except _EXPECTED_IN_FROM_APP:
            raise
        except BaseException:
            stop_process("fromApp")

    def _session(self, session_id: Any) -> EngineSession:
        begin_string, client = session_id.getBeginString().getValue(), session_id.getTargetCompID().getValue()
        return self._sessions[f"{begin_string}:{client}"]

    def _decide_logon(self, session: EngineSession, fields: dict[str, str]) -> None:
        refusal = logon.check(self._accounts, session.account.key, fields, peer_is_loopback=self._peer_is_loopback)
        if not session.store.is_agreed():
            if refusal is None and fields.get("141") == "Y":
                session.epoch = session.store.agree()
            else:
                session.undo_reset()
        if refusal is not None:
            self.logons_refused[refusal.reason] += 1
            log.warning("fix_logon_refused", session=session.session_id, reason=refusal.reason)
            raise fix.RejectLogon(refusal.text)
        keep_state()
        session.connection_thread_id = get_native_id()
        self._session_of_thread[get_ident()] = session
        session.begin_logon()  # `onLogon` or `onLogout` follows, whatever happens


def _quickfix_id(session: EngineSession, venue_comp_id: str) -> Any:
    return fix.SessionID(session.account.key.begin_string, venue_comp_id, session.account.key.comp_id)


def _check_groups(text: str) -> None:
    """
    Refuse a message whose groups are miscounted, from which AllowUnknownMsgFields keeps QuickFIX.

    Raises:
        fix.IncorrectTagValue: QuickFIX answers Reject(3) with 373=5 and the count's tag.
    """
    if (tag := groups.miscounted(text)) is not None:
        raise fix.IncorrectTagValue(int(tag))


def _message_maker(account: Account, paths: Mapping[str, Path]) -> Callable[[str], Any]:
    """
    Give what turns a session's bodies into QuickFIX messages.

    Plainly and fast, except for what has groups, which keep their order only with a dictionary. Each session has its
    own, read when first needed: it notes the order of a group's fields when first asked, and not in a thread-safe way.
    """
    names = dictionary_names(account.key.begin_string)
    parsed: list[Any] = []

    def make(body: str) -> Any:
        if not groups.has_groups(body):
            return fix.Message(body, False)
        if not parsed:
            parsed.extend([fix.DataDictionary(str(paths[name])) for name in names])
        return fix.Message(body + _GROUP_END, *parsed, False)

    return make


def _wait_until(condition: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(_POLL_S)
