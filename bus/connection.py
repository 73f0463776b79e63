"""
One process's connection to NATS: publish, request, subscribe, and acknowledged publishes to JetStream.

The connection comes back by itself for ever. While it is away `publish_now` raises at once and acknowledged publishes
fail with `NO_CONNECTION`: nothing is buffered here, because what was buffered across an outage would arrive late and
out of order. Whoever publishes keeps what is not acknowledged and sends it again (`publisher`).
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import nats
import nats.errors
import structlog

from bus import background
from bus.client import DirectClient, Taker

log = structlog.get_logger()

CONNECT_PATIENCE_S: Final = 15.0
_TIMEOUT_CHECK_S: Final = 0.1
_PENDING_BYTES_MAX: Final = 8 * 1024 * 1024


class BusError(Exception):
    """NATS or JetStream refused or did not answer; the message is one sentence."""


class NobodyThere(BusError):
    """Nobody listens to the subject of a request."""


class PubAck(msgspec.Struct, frozen=True):
    """JetStream stored the record, as durably as the stream promises."""

    seq: int


class PubFailure(msgspec.Struct, frozen=True):
    """JetStream did not store the record, or nobody knows whether it did (TIMED_OUT, NO_CONNECTION)."""

    code: int
    description: str


NO_CONNECTION: Final = PubFailure(-1, "not connected to NATS")
CLOSED: Final = PubFailure(-3, "this process closed its connection")
TIMED_OUT: Final = PubFailure(-2, "no acknowledgement in time")
NO_RESPONDERS: Final = 503

AckCallback = Callable[[PubAck | PubFailure], None]
MessageCallback = Callable[[str, bytes, str], None]


class _AckError(msgspec.Struct):
    err_code: int = 0
    code: int = 0
    description: str = ""


class _AckReply(msgspec.Struct):
    seq: int = 0
    error: _AckError | None = None


_decode_ack = msgspec.json.Decoder(_AckReply).decode


class Bus:
    """A connection, made by `connect`; all methods belong to the event loop that made it."""

    def __init__(self, client: DirectClient, inbox: str, publish_timeout_s: float) -> None:
        self._client = client
        self._ack_prefix = f"{inbox}.ack."
        self._inbox = inbox
        self._publish_timeout_s = publish_timeout_s
        self._loop = asyncio.get_running_loop()
        self._next_token = 0
        self._broken_at_token = 0
        """Publishes before this one were made on a connection that broke."""
        self._waiting: dict[int, tuple[float, AckCallback]] = {}
        self._on_reconnect: list[Callable[[], None]] = []
        self._closing = False
        self._was_connected = False
        self._tells_first_outage = True
        self._away_since_s: float | None = None
        """When the outage began that lasts, if one does; each is logged once at its begin and once at its end."""
        self._timeouts = background.start(self._fail_late_acks(), name="ack time-outs")

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        name: str,
        publish_timeout_s: float = 2.0,
        patience_s: float = CONNECT_PATIENCE_S,
        is_command: bool = False,
    ) -> "Bus":
        """
        Connect to a NATS server, waiting a while for it to be there.

        Args:
            url: Such as `nats://127.0.0.1:4222`; of a cluster the URLs of all servers, with commas between.
            name: Of this process, as the server lists it.
            publish_timeout_s: How long `publish_acked` waits for an acknowledgement.
            patience_s: How long to try.
            is_command: Of somebody at a terminal, who reads the exception and no log: it does not tell of a server
                that is not there yet.

        Raises:
            BusError: No server at `url` in that time.
        """
        inbox = f"_INBOX.{name}.{os.urandom(6).hex()}"
        client = DirectClient()
        self = cls(client, inbox, publish_timeout_s)
        self._tells_first_outage = not is_command
        options: dict[str, Any] = {
            "name": name,
            "inbox_prefix": inbox,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.1,
            "ping_interval": 3,
            "max_outstanding_pings": 2,
            "pending_size": -1,  # publish fails at once while disconnected
            "skip_subject_validation": True,  # subjects come from bus.subjects only
            "reconnected_cb": self._reconnected,
            "disconnected_cb": self._disconnected,
            "error_cb": self._on_error,
        }
        try:
            await _connect_patiently(client, url, options, patience_s)
        except BusError:
            self._timeouts.cancel()
            raise
        self._end_outage("nats_connected")
        self._was_connected = True
        await client.take(f"{self._ack_prefix}*", self._on_ack)
        return self

    async def close(self) -> None:
        """Flush what was published and close; acknowledgements still awaited fail with CLOSED."""
        self._closing = True
        self._timeouts.cancel()
        waiting, self._waiting = self._waiting, {}
        for _, on_ack in waiting.values():
            on_ack(CLOSED)
        if self._client.is_connected:
            try:
                await self._client.flush(1)
            except (nats.errors.Error, TimeoutError):
                log.warning("nats_flush_failed")
        await self._client.close()

    @property
    def is_connected(self) -> bool:
        """Whether a server is reachable right now."""
        return bool(self._client.is_connected)

    @property
    def pending_bytes(self) -> int:
        """Bytes handed over but not yet written to the socket."""
        return self._client.unwritten_bytes

    @property
    def payload_bytes_max(self) -> int:
        """The largest payload that the server takes."""
        return int(self._client.max_payload)

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called each time the connection came back; returns what ends that."""
        self._on_reconnect.append(callback)
        return lambda: self._on_reconnect.remove(callback)

    def publish_now(
        self, subject: str, payload: bytes, *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """
        Publish without waiting and without any acknowledgement.

        Raises:
            BusError: Not connected.
        """
        try:
            self._client.write_publish(subject, payload, reply, headers)
        except nats.errors.Error as error:
            raise BusError(f"cannot publish to {subject}: {type(error).__name__}") from error

    async def publish_all(self, messages: list[tuple[str, bytes]]) -> None:
        """
        Publish without acknowledgement, with one write, waiting while too much is unsent.

        Args:
            messages: Subject and payload of each; at least one.

        Raises:
            BusError: Not connected, or the server takes nothing for seconds.
        """
        try:
            self._client.write_publish_all(messages)
            if self.pending_bytes > _PENDING_BYTES_MAX:
                await self._client.flush()
        except (nats.errors.Error, TimeoutError) as error:
            raise BusError(f"cannot publish to {messages[0][0]}: {type(error).__name__}") from error

    def publish_acked(
        self, subject: str, payload: bytes, on_ack: AckCallback, *, headers: dict[str, str] | None = None
    ) -> None:
        """
        Publish to a stream; `on_ack` is called exactly once, later, with the answer, a time-out or NO_CONNECTION.

        Args:
            subject: A subject of the stream.
            payload: The record.
            on_ack: Called on the event loop, never from within this call.
            headers: JetStream's, such as Nats-Expected-Last-Sequence.
        """
        token = self._next_token
        self._next_token += 1
        self._waiting[token] = (self._loop.time() + self._publish_timeout_s, on_ack)
        try:
            self.publish_now(subject, payload, reply=f"{self._ack_prefix}{token}", headers=headers)
        except BusError:
            del self._waiting[token]
            self._loop.call_soon(on_ack, NO_CONNECTION)

    async def request(self, subject: str, payload: bytes, timeout_s: float = 2.0) -> bytes:
        """
        Ask and await one reply.

        Raises:
            BusError: Nobody answers this subject (`NobodyThere`), or not in time, or not connected.
        """
        task = asyncio.current_task()
        assert task is not None
        canceled_before = task.cancelling()
        try:
            reply = await self._client.request(subject, payload, timeout=timeout_s)
        except nats.errors.NoRespondersError as error:
            raise NobodyThere(f"nobody listens to {subject}") from error
        except (nats.errors.Error, TimeoutError) as error:
            raise BusError(f"no answer on {subject}: {type(error).__name__}") from error
        finally:
            # Python 3.11's wait_for, inside nats-py, forgets a cancellation that comes in the same turn as the answer.
            if task.cancelling() > canceled_before:
                raise asyncio.CancelledError
        return bytes(reply.data)

    async def request_json(self, subject: str, body: object = None, timeout_s: float = 5.0) -> dict[str, Any]:
        """
        Call a JetStream API subject.

        Raises:
            BusError: No answer, or the API's own error with its code.
        """
        payload = b"" if body is None else msgspec.json.encode(body)
        reply: dict[str, Any] = msgspec.json.decode(await self.request(subject, payload, timeout_s))
        if error := reply.get("error"):
            raise ApiError(int(error.get("err_code", 0)), f"{subject}: {error.get('description')}")
        return reply

    async def subscribe(self, subject: str, callback: MessageCallback) -> Callable[[], Awaitable[None]]:
        """Call `callback(subject, payload, reply)` for each message; returns what ends the subscription."""
        return await self._client.take(subject, lambda to, reply, payload, _headers: callback(to, payload, reply))

    async def subscribe_raw(self, subject: str, callback: Taker) -> Callable[[], Awaitable[None]]:
        """As `subscribe`, with the headers as they came: for `reader`, whose bound is JetStream's flow control."""
        return await self._client.take(subject, callback)

    def new_inbox(self) -> str:
        """A subject that only this connection listens to."""
        return f"{self._inbox}.{os.urandom(6).hex()}"

    async def _disconnected(self) -> None:
        self._broken_at_token = self._next_token
        if not self._closing:
            self._begin_outage()

    async def _reconnected(self) -> None:
        self._end_outage("nats_reconnected")
        # What was on its way when the connection broke is not coming back; its publishers need not wait for a time-out.
        # What was published since on the new one, which carries messages before nats-py calls this, will be answered.
        lost = [self._waiting.pop(token) for token in list(self._waiting) if token < self._broken_at_token]
        for _, on_ack in lost:
            on_ack(NO_CONNECTION)
        for callback in list(self._on_reconnect):
            callback()

    async def _on_error(self, error: Exception) -> None:
        # Also where nats-py reports exceptions of our callbacks: those are ours, and end the process.
        if not isinstance(error, nats.errors.Error | OSError | TimeoutError):
            context = {"message": "a NATS callback failed", "exception": error, "future": asyncio.current_task()}
            self._loop.call_exception_handler(context)
        elif self._client.is_connected and self._away_since_s is None and not _breaks_connection(error):
            log.warning("nats_error", error=_told(error))
        elif not self._closing:
            self._begin_outage(error=_told(error))  # one of many attempts to connect, if it has not begun before

    def _begin_outage(self, **facts: str) -> None:
        if self._away_since_s is None and (self._was_connected or self._tells_first_outage):
            self._away_since_s = self._loop.time()
            log.warning("nats_disconnected" if self._was_connected else "nats_unreachable", **facts)

    def _end_outage(self, event: str) -> None:
        if self._away_since_s is not None:
            log.info(event, away_s=round(self._loop.time() - self._away_since_s, 1))
            self._away_since_s = None

    def _on_ack(self, subject: str, _reply: str, payload: bytes, headers: bytes | None) -> None:
        token = int(subject[len(self._ack_prefix) :])
        waiting = self._waiting.pop(token, None)
        if waiting is not None:  # else it had timed out; its publisher has moved on
            waiting[1](_read_ack(payload, headers))

    async def _fail_late_acks(self) -> None:
        while True:
            await asyncio.sleep(_TIMEOUT_CHECK_S)
            now = self._loop.time()
            late = []
            for token, (deadline, _) in self._waiting.items():  # in order of their deadlines
                if deadline > now:
                    break
                late.append(token)
            for token in late:
                # an earlier time-out's callback may have been the end of this one
                if (waiting := self._waiting.pop(token, None)) is not None:
                    waiting[1](TIMED_OUT)


class ApiError(BusError):
    """JetStream's API refused; `err_code` is its own number."""

    def __init__(self, err_code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.err_code = err_code


def _read_ack(payload: bytes, headers: bytes | None) -> PubAck | PubFailure:
    if not payload:
        return PubFailure(_status(headers), "no stream listens on this subject")
    reply = _decode_ack(payload)
    if reply.error is not None:
        return PubFailure(reply.error.err_code or reply.error.code, reply.error.description)
    return PubAck(reply.seq)


def _status(headers: bytes | None) -> int:
    """Of an answer that the server itself gives: `NATS/1.0 503`."""
    words = (headers or b"").split(maxsplit=2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


async def _connect_patiently(client: DirectClient, url: str, options: dict[str, Any], patience_s: float) -> None:
    """Nats-py's own first connect never gives up when it may reconnect; this one waits a stated time."""
    try:
        async with asyncio.timeout(patience_s):
            await client.connect(url.split(","), **options)
    except (OSError, nats.errors.Error, TimeoutError) as error:
        cause = type(client.last_error or error).__name__
        await client.close()
        raise BusError(f"no NATS server at {url} ({cause}); start one, or name another with --nats") from error


def _breaks_connection(error: Exception) -> bool:
    """Whether nats-py, which tells of this error while it still counts itself as connected, connects anew next."""
    if isinstance(error, TimeoutError):  # an OSError too, but here a flush that took too long
        return False
    return isinstance(error, OSError | nats.errors.UnexpectedEOF)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
