"""A FIX client on a plain socket, independent of any engine: it sends what a test says, right or wrong."""

import re
import socket
import time
from datetime import UTC, datetime

from sessions.fix_text import SOH, pairs, parse

DEADLINE_S = 10.0
_MESSAGE = re.compile(rb"8=FIX[^\x01]*\x019=(\d+)\x01")


class Received(str):
    """One message as it came, with its fields at hand."""

    @property
    def fields(self) -> dict[str, str]:
        return parse(self)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return pairs(self)

    def __getitem__(self, tag: str) -> str:  # type: ignore[override]
        return self.fields[tag]

    @property
    def msg_type(self) -> str:
        return self.fields["35"]


class Disconnected(Exception):
    """The venue closed the connection."""


def timestamp(offset_s: float = 0.0) -> str:
    return datetime.fromtimestamp(time.time() + offset_s, UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def frame(begin_string: str, content: str) -> bytes:
    """Add BeginString, BodyLength and CheckSum to what stands between them."""
    body = content.encode("utf-8", "surrogateescape")
    head = f"8={begin_string}{SOH}9={len(body)}{SOH}".encode() + body
    return head + f"10={sum(head) % 256:03d}{SOH}".encode()


class RawClient:
    def __init__(self, port: int, begin_string: str, comp_id: str, *, next_seq: int = 1, receive_buffer: int = 0):
        self.begin_string = begin_string
        self.comp_id = comp_id
        self.next_seq = next_seq
        self.received: list[Received] = []
        self._buffer = b""
        self._socket = socket.socket()
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.connect(("127.0.0.1", port))

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    @property
    def session_id(self) -> str:
        return f"{self.begin_string}:{self.comp_id}"

    def compose(
        self, msg_type: str, body: str = "", *, seq: int | None = None, header: str = "", sent: str = ""
    ) -> bytes:
        """Build a message; `body` is written with | for SOH and takes the next MsgSeqNum unless `seq` is given."""
        if seq is None:
            seq, self.next_seq = self.next_seq, self.next_seq + 1
        text = f"35={msg_type}|34={seq}|49={self.comp_id}|{header}52={sent or timestamp()}|56=OUTCRY|{body}"
        return frame(self.begin_string, text.replace("|", SOH))

    def send(self, msg_type: str, body: str = "", *, seq: int | None = None, header: str = "", sent: str = "") -> None:
        self.send_bytes(self.compose(msg_type, body, seq=seq, header=header, sent=sent))

    def send_bytes(self, data: bytes) -> None:
        self._socket.sendall(data)

    def log_on(self, *, password: str | None = None, heart_bt_int: int = 30, more: str = "") -> Received:
        """Send a Logon and wait for the answer, Logon or Logout."""
        password = f"example-{self.comp_id.lower()}" if password is None else password
        version = "1137=9|" if self.begin_string == "FIXT.1.1" else ""
        self.send("A", f"98=0|108={heart_bt_int}|{more}553={self.comp_id}|554={password}|{version}")
        return self.expect("A", "5")

    def log_out(self) -> None:
        self.send("5")
        self.expect("5")
        self.expect_disconnect()

    def order(self, cl_ord_id: str, **how: object) -> None:
        self.send("D", order_body(cl_ord_id), **how)  # type: ignore[arg-type]

    def expect(self, *msg_types: str, deadline_s: float = DEADLINE_S) -> Received:
        """The next message of one of these types; others are kept in `received` and passed over."""
        end = time.monotonic() + deadline_s
        while True:
            message = self.receive(end - time.monotonic())
            if message.msg_type in msg_types:
                return message

    def expect_disconnect(self, deadline_s: float = DEADLINE_S) -> None:
        """Read on until the venue closes."""
        end = time.monotonic() + deadline_s
        try:
            while True:
                self.receive(end - time.monotonic())
        except Disconnected:
            return

    def receive(self, deadline_s: float = DEADLINE_S) -> Received:
        """The next message of any type."""
        end = time.monotonic() + deadline_s
        while (message := self._take()) is None:
            self._socket.settimeout(max(end - time.monotonic(), 0.001))
            try:
                data = self._socket.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Disconnected
            self._buffer += data
        self.received.append(message)
        return message

    def _take(self) -> Received | None:
        head = _MESSAGE.match(self._buffer)
        if head is None:
            return None
        end = head.end() + int(head[1]) + len("10=000|")
        if len(self._buffer) < end:
            return None
        data, self._buffer = self._buffer[:end], self._buffer[end:]
        assert data == frame(self.begin_string, data[head.end() : -7].decode()), data
        return Received(data.decode())


def order_body(cl_ord_id: str) -> str:
    return f"11={cl_ord_id}|21=1|38=100|40=2|44=101.25|54=1|55=TEST1|59=0|60={timestamp()}|"
