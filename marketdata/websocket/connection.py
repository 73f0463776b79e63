"""
One reader's connection: the WebSocket protocol, its limits, and what happens when it does not read.

The protocol itself is the core of the library `websockets`, which does no I/O; messages to many are framed once (`hub`)
and written to the socket past it. Nothing here waits: what a reader does not take stays in its transport's buffer, up
to a bound. At the bound nothing more is written to it nor read from it until the buffer is empty; or it is cut.
"""

import asyncio
import socket
from collections import deque
from contextlib import suppress
from typing import Final, cast

import structlog
from websockets.datastructures import Headers
from websockets.exceptions import PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Origin

from configs.loader import WebSocketConfig
from marketdata.websocket.desk import Desk
from marketdata.websocket.hub import Hub, Place, text_frame
from marketdata.websocket.metrics import WebSocketMetrics
from marketdata.websocket.payloads import ErrorTold, encode_answer
from marketdata.websocket.requests import BadRequest, decode_request

log = structlog.get_logger()

MESSAGE_BYTES_MAX: Final = 64 * 1024
"""Of a reader's message; a longer one is refused."""
_FRAME_BYTES_MAX: Final = 4 * MESSAGE_BYTES_MAX
"""A message that is even longer is not read to its end: the connection is closed with 1009."""
_KERNEL_BYTES_MAX: Final = 256 * 1024
"""What the kernel may keep for one reader beside our own buffer; left alone it would take megabytes."""
_GATHERED_BYTES_MAX: Final = 64 * 1024
"""What one turn of the event loop may gather for a reader before it is written."""
_DATA: Final = frozenset((Opcode.TEXT, Opcode.BINARY, Opcode.CONT))
_HANDSHAKE_S: Final = 10.0
_LINGER_S: Final = 5.0
"""How long a closed connection may take what was written to it."""
_MINUTE_S: Final = 60.0


class House:
    """What all connections share."""

    def __init__(self, config: WebSocketConfig, hub: Hub, metrics: WebSocketMetrics) -> None:
        self.config = config
        self.hub = hub
        self.metrics = metrics
        self.connections: set[Connection] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self.origins = (
            [*(cast(Origin, each) for each in config.allowed_origins), None] if config.allowed_origins else None
        )
        """What is no web page sends none."""

    def admit(self, connection: "Connection") -> None:
        """Take note of a connection."""
        self.connections.add(connection)
        self._is_empty.clear()
        self.metrics.connections.inc()

    def forget(self, connection: "Connection") -> None:
        """It is there no more."""
        self.connections.discard(connection)
        self.metrics.connections.dec()
        if not self.connections:
            self._is_empty.set()

    async def close(self, patience_s: float) -> None:
        """Tell everybody that this side goes away, and wait a moment for them to hear it."""
        for connection in list(self.connections):
            connection.close(CloseCode.GOING_AWAY, "this process stops; come again")
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._is_empty.wait()
        for connection in list(self.connections):
            connection.abort()

    @property
    def unsent_bytes(self) -> int:
        """What all readers have not taken yet."""
        return sum(connection.unsent_bytes for connection in self.connections)


class Connection(asyncio.Protocol):
    """One reader; the event loop's callbacks, and what `hub.Reader` and `desk.Client` ask for."""

    def __init__(self, house: House) -> None:
        self.is_behind = False
        self._house = house
        self._config = house.config
        self._protocol = ServerProtocol(origins=house.origins, max_size=_FRAME_BYTES_MAX)
        self._desk = Desk(self, house.hub, subscriptions_max=house.config.subscriptions_max)
        self._due: dict[Place, bool] = {}
        """Places of which messages were left out, and whether a snapshot was asked for, watched or not."""
        self._unsent_max = house.config.unsent_kb_max * 1024
        self._fragments: list[bytes] = []
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._allowance = 2.0 * house.config.requests_per_second
        self._allowance_at_s = self._loop.time()
        self._errors_at_s: deque[float] = deque()
        self._was_heard = True
        self._unsent_at_last_look = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of a connection; it has to become a WebSocket soon."""
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES_MAX)
        self._transport.set_write_buffer_limits(high=self._unsent_max, low=0)
        self._house.admit(self)
        self._timer = self._loop.call_later(_HANDSHAKE_S, self._cut, "handshake")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        del exc  # concerns the peer only
        self._timer.cancel()
        self._desk.close()
        self._house.forget(self)

    def data_received(self, data: bytes) -> None:
        """Take in what a reader sent."""
        self._was_heard = True
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._upgrade(event)
            elif isinstance(event, Frame):
                self._take_frame(event)
        if isinstance(self._protocol.parser_exc, PayloadTooBig):
            self._note_cut("too_large")
        self._flush()

    def eof_received(self) -> bool:
        """The reader ended the connection."""
        self._protocol.receive_eof()
        self._flush()
        return False

    def pause_writing(self) -> None:
        """The reader is too far behind: leave it out until it has caught up, or end the connection."""
        self.is_behind = True
        if self._config.slow_reader == "cut":
            self._cut("slow")
            return
        self._transport.pause_reading()
        self._house.metrics.conflated.inc()

    def resume_writing(self) -> None:
        """The reader has all that was written: give it snapshots of what was left out."""
        self._was_heard = True
        self.is_behind = False
        due, self._due = self._due, {}
        for place, is_asked in due.items():
            if is_asked or self._desk.is_watched(place):
                self._house.hub.send_state(self, place, is_asked=is_asked)  # or leave it out again if it is too much
        if not self.is_behind and not self._transport.is_closing():
            self._transport.resume_reading()

    def make_room(self, size: int) -> None:
        """Let so much more wait than usual: one snapshot beside what may be unsent, however large it is."""
        if (room := self._config.unsent_kb_max * 1024 + size) > self._unsent_max:
            self._unsent_max = room
            self._transport.set_write_buffer_limits(high=room, low=0)

    def leave_out(self, place: Place, *, is_asked: bool = False) -> None:
        """Take note that a message of this place was not written, or that a snapshot was asked for and was not."""
        self._due[place] = is_asked or self._due.get(place, False)

    def write(self, frame: bytes) -> None:
        """Write a frame with all others of this turn of the event loop: each write of uvloop's is a system call."""
        if not self._gathered:
            self._loop.call_soon(self._write_gathered)
        self._gathered.append(frame)
        self._gathered_bytes += len(frame)
        if self._gathered_bytes > _GATHERED_BYTES_MAX:
            self._write_gathered()

    def _write_gathered(self) -> None:
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        if gathered and not self._transport.is_closing():
            self._transport.write(b"".join(gathered))

    def answer(self, payload: bytes) -> None:
        """Send the answer to a request."""
        self.write(text_frame(payload))

    def close(self, code: CloseCode, reason: str) -> None:
        """End the connection, telling the reader why."""
        if self._protocol.state is OPEN:
            self._protocol.fail(code, reason)
            self._flush()

    def abort(self) -> None:
        """End the connection without a word."""
        self._transport.abort()

    @property
    def unsent_bytes(self) -> int:
        """What the reader has not taken yet."""
        return self._transport.get_write_buffer_size()

    def _upgrade(self, request: Request) -> None:
        if self._protocol.eof_sent:  # what came behind the handshake, unasked, has ended the connection already
            return
        self._protocol.send_response(self._response(request))
        if self._protocol.state is OPEN:
            self._timer.cancel()
            self._timer = self._loop.call_later(self._config.ping_interval_s, self._look)
        self._flush()

    def _response(self, request: Request) -> Response:
        if len(self._house.connections) > self._config.connections_max:
            response = self._protocol.reject(503, f"{self._config.connections_max} connections are open; try later\n")
        elif request.path != "/":
            response = self._protocol.reject(404, "market data is at /\n")
        else:
            response = self._protocol.accept(request)
        if response.status_code != 101:
            self._house.metrics.refused.labels(str(response.status_code)).inc()
            response.headers.update(Headers({"Cache-Control": "no-store"}))
        return response

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode not in _DATA or self._protocol.state is not OPEN:
            return
        if frame.data:  # a message of endless empty pieces takes no memory
            self._fragments.append(bytes(frame.data))
        if frame.fin:
            payload, self._fragments = b"".join(self._fragments), []
            self._take_message(payload)

    def _take_message(self, payload: bytes) -> None:
        try:
            self._check_allowance()
            if len(payload) > MESSAGE_BYTES_MAX:
                raise BadRequest("TOO_LARGE", f"{len(payload)} bytes; send {MESSAGE_BYTES_MAX} at most")
            self._desk.take(decode_request(payload))
        except BadRequest as bad:
            self._house.metrics.errors.labels(bad.code).inc()
            self.answer(encode_answer(ErrorTold(bad.request_id, bad.code, bad.text)))
            self._count_error()

    def _check_allowance(self) -> None:
        now_s, per_second = self._loop.time(), self._config.requests_per_second
        self._allowance += (now_s - self._allowance_at_s) * per_second
        self._allowance = min(self._allowance, 2.0 * per_second)
        self._allowance_at_s = now_s
        if self._allowance < 1:
            raise BadRequest("TOO_FAST", f"more than {per_second} requests a second; this one was not done")
        self._allowance -= 1

    def _count_error(self) -> None:
        now_s = self._loop.time()
        self._errors_at_s.append(now_s)
        while self._errors_at_s[0] < now_s - _MINUTE_S:
            self._errors_at_s.popleft()
        if len(self._errors_at_s) > self._config.errors_per_minute:
            self._note_cut("errors")
            self.close(CloseCode.POLICY_VIOLATION, "too many requests that could not be met")

    def _look(self) -> None:
        """See from time to time whether there is still somebody: who is asked answers, who is behind reads on."""
        self._timer = self._loop.call_later(self._config.ping_interval_s, self._look)
        unsent = self.unsent_bytes
        if not self._was_heard and (not unsent or unsent >= self._unsent_at_last_look):
            self._cut("silent")
            return
        self._was_heard = False
        self._unsent_at_last_look = unsent
        if not self.is_behind and self._protocol.state is OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    def _flush(self) -> None:
        """Write what the protocol itself has to say, behind all else; an empty piece is the end."""
        self._write_gathered()
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._end()
        if self._protocol.state is not OPEN:
            self._desk.close()

    def _end(self) -> None:
        self._desk.close()
        self._transport.close()
        self._timer.cancel()
        self._timer = self._loop.call_later(_LINGER_S, self._transport.abort)

    def _cut(self, reason: str) -> None:
        if not self._transport.is_closing():
            self._note_cut(reason)
            self._transport.abort()

    def _note_cut(self, reason: str) -> None:
        self._house.metrics.cut.labels(reason).inc()
        peer = self._transport.get_extra_info("peername")
        log.warning("websocket_reader_cut", reason=reason, peer=str(peer), unsent_bytes=self.unsent_bytes)
