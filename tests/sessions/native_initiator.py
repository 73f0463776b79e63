"""Our own session core as a client on a socket: whoever waits for something moves it on meanwhile."""

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from sessions.fix_text import SOH
from sessions.native.events import LoggedOff, LoggedOn, MemoryStore, NumbersReset, RejectSent, SessionSettings
from sessions.native.session import Session
from sessions.native.states import State
from sessions.port import InboundMessage
from tests.sessions.native_talk import DICTIONARIES
from tests.sessions.raw_client import order_body

DEADLINE_S = 120.0
POLL_S = 0.002


class NativeInitiator:
    """See `test_interop.Client`."""

    def __init__(self, begin_string: str, comp_id: str, port: int) -> None:
        self.is_up = False
        self.received: list[tuple[int, int, str]] = []
        """Epoch, MsgSeqNum and ExecID of each report handed over."""
        self.sent: list[tuple[int, int, str]] = []
        self._port = port
        self._epoch = 1
        self._begins_epoch = False
        self._resets = False
        self._is_wanted = True
        self._socket: socket.socket | None = None
        self._pending = memoryview(b"")  # taken from the session, not yet by the socket
        self._store = MemoryStore(messages_max=200_000)
        self._begin_string = begin_string
        self._comp_id = comp_id
        self._session = self._make_session()

    def send(self, first: int, count: int) -> None:
        bodies = ["35=D\x01" + order_body(f"o{n}").replace("|", SOH) for n in range(first, first + count)]
        number = self._session.next_outbound
        self.sent += [(self._epoch, number + n, f"o{first + n}") for n in range(count)]
        self._session.send(bodies, time.time_ns())
        self._move()

    def log_out(self) -> None:
        self._is_wanted = False
        self._session.log_out("good night", time.time_ns())

    def log_on(self, *, reset: bool) -> None:
        self._is_wanted = True
        self._resets = reset
        self._store.note_inbound(self._session.next_inbound)
        self._session = self._make_session()

    def received_count(self) -> int:
        return len(self.received)

    def wait_for(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, "the condition never came true"
            self._move()

    def told(self) -> tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]:
        return self.sent, self.received

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _make_session(self) -> Session:
        settings = SessionSettings(
            session_id=f"{self._begin_string}:{self._comp_id}",
            begin_string=self._begin_string,
            sender_comp_id=self._comp_id,
            target_comp_id="OUTCRY",
            is_initiator=True,
            logon_body=f"553={self._comp_id}\x01554=example-{self._comp_id.lower()}\x01",
            resets_on_logon=self._resets,
        )
        return Session(settings, self._store, DICTIONARIES[self._begin_string])

    def _move(self) -> None:
        """Connect if need be, read what is there, write what waits."""
        if self._socket is None:
            if self._is_wanted:
                self._connect()
            return
        readable, _, _ = select.select([self._socket], [self._socket] if self._pending else [], [], POLL_S)
        data = self._read() if readable else None
        now_ns = time.time_ns()
        if data == b"":
            self._disconnect(now_ns)
            return
        self._digest(self._session.receive(data, now_ns) if data else [])
        self._digest(self._session.tick(now_ns))
        self._write(now_ns)
        if self._session.state is State.CLOSING:
            self._disconnect(now_ns)

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._pending = memoryview(b"")
        now_ns = time.time_ns()
        self._digest(self._session.connect(now_ns))
        self._write(now_ns)

    def _read(self) -> bytes:
        """What is there; nothing when the connection is gone."""
        assert self._socket is not None
        try:
            return self._socket.recv(1 << 16)
        except OSError:
            return b""

    def _write(self, now_ns: int) -> None:
        """Write what the socket takes, and never wait: an acceptor may write too, and not read meanwhile."""
        assert self._socket is not None
        with suppress(OSError):  # a connection that is gone says so when it is read
            while self._pending or (data := self._session.take_output(now_ns)):
                self._pending = self._pending or memoryview(data)
                self._pending = self._pending[self._socket.send(self._pending) :]

    def _disconnect(self, now_ns: int) -> None:
        assert self._socket is not None
        self._socket.close()
        self._socket = None
        self._digest(self._session.disconnect(now_ns))

    def _digest(self, events: list[object]) -> None:
        for event in events:
            match event:
                case InboundMessage(fields=dict(fields)):
                    self.received.append((self._epoch, int(fields["34"]), fields["17"]))
                case NumbersReset():
                    self._begins_epoch = True  # with the Logon that is answered: one may be turned away before
                case LoggedOn():
                    self.is_up = True
                    self._epoch += self._begins_epoch
                    self._begins_epoch = False
                    if self._resets:  # once only: a cut connection goes on
                        self._resets = False
                        self._session.settings = self._make_session().settings
                case RejectSent():
                    raise AssertionError(event)
                case LoggedOff():
                    self.is_up = False
