"""
Reading one stream in order, from a given sequence, without gaps, for as long as it takes.

A raw push consumer (AckNone) with idle heartbeats and flow control feeds a queue. Whatever happens to it (server
restart, lost connection, a consumer that fell silent, a gap) has one cure: a new consumer from the next sequence on,
with a new delivery subject, so that nothing from the old one can be mistaken for the new one's.

Flow control is answered when the reader's owner has taken everything that came before it, so the server never has
more than its window on the way, and the queue here is bounded by that.
"""

import asyncio
import re
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog

from bus import background
from bus.client import Taker
from bus.connection import ApiError, Bus, BusError
from bus.streams import STREAM_NOT_FOUND, log_state, read_record

log = structlog.get_logger()

TURN_BYTES: Final = 1 << 16
"""Of records handed over in one turn of the event loop, unless one alone is larger: some ms of work."""
TURNS_LEFT_FREE: Final = 8
"""Of the event loop, before more of what waits already is handed over: so that the connection is read on meanwhile."""
HEARTBEAT_S: Final = 0.3
_SILENCE_MAX_S: Final = 3 * HEARTBEAT_S
_RETRY_S: Final = 0.1
_SEQ_TOKEN: Final = 5  # $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>
_PENDING_TOKEN: Final = 8
_LAST_SENT: Final = re.compile(rb"\r\nNats-Last-Stream: *(\d+)\r\n")
_STALLED: Final = re.compile(rb"\r\nNats-Consumer-Stalled: *(\S+)\r\n")


class LogMessage(msgspec.Struct, frozen=True):
    """One record of a stream, with its place in it."""

    seq: int
    payload: bytes
    pending: int
    """Records of the stream that were still behind it when it was delivered."""


class LogGap(Exception):
    """A stream does not have the records that were to be read; the message is one sentence."""


class LogTrimmed(LogGap):
    """They were at its beginning, which was taken away (`streams.trim`); nothing else is missing."""

    def __init__(self, stream: str, wanted_seq: int, first_seq: int) -> None:
        super().__init__(
            f"{stream} was trimmed and begins at sequence {first_seq}, but is to be read from {wanted_seq} on; give "
            "back the snapshot, checkpoint or marks that go so far, or restore the store from its backup"
        )
        self.stream = stream
        self.first_seq = first_seq


class LogReader:
    """
    Reads `stream` from `start_seq` on.

    The owner calls `start`, and either awaits `next_batch` or has given `on_messages`. What `on_messages` raises ends
    the reading and goes to the event loop's exception handler; so does `LogGap`.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        stream: str,
        start_seq: int,
        on_messages: Callable[[list[LogMessage]], None] | None = None,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._next_seq = start_seq
        self._on_messages = on_messages
        self._queue: deque[LogMessage | str] = deque()  # a str is a flow-control subject, to answer when reached
        self._wake = asyncio.Event()
        self._last_heard = 0.0
        self._loop = asyncio.get_running_loop()
        self._broken = asyncio.Event()
        self._is_released = False
        self._gap_ends_at = 0
        self._gap: LogGap | None = None
        self._unsubscribe: Callable[[], Awaitable[None]] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to read; returns at once."""
        self._forget_reconnects = self._bus.on_reconnect(self._broken.set)
        self._tasks.append(background.start(self._keep_consuming(), name=f"read {self._stream}"))
        if self._on_messages is not None:
            self._tasks.append(background.start(self._hand_over(self._on_messages), name=f"hand {self._stream}"))

    async def stop(self) -> None:
        """End reading."""
        self._forget_reconnects()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._drop_consumer()

    async def next_batch(self, messages_max: int = 1000, *, bytes_max: int = sys.maxsize) -> list[LogMessage]:
        """
        Wait for the next records, in order; at least one, at most `messages_max`, and none after `bytes_max`.

        Raises:
            LogGap: The stream does not have the next one any more; `LogTrimmed` if it was trimmed.
        """
        batch: list[LogMessage] = []
        room = bytes_max
        while not batch:
            if not self._queue:
                if self._gap is not None:
                    raise self._gap
                if self._is_released:
                    self._is_released = False
                    return batch
                self._wake.clear()
                await self._wake.wait()
            while self._queue and len(batch) < messages_max and room > 0:
                item = self._queue.popleft()
                if isinstance(item, str):
                    self._answer_flow_control(item)
                else:
                    batch.append(item)
                    room -= len(item.payload)
        return batch

    def release(self) -> None:
        """Have a `next_batch` that waits, or the next one that would, return with nothing."""
        self._is_released = True
        self._wake.set()

    async def _hand_over(self, on_messages: Callable[[list[LogMessage]], None]) -> None:
        while True:
            batch = await self.next_batch(bytes_max=TURN_BYTES)
            on_messages(batch)
            # A long answer must not starve the rest of the process, nor what follows it on the same connection.
            for _ in range(TURNS_LEFT_FREE if self._queue else 1):
                await asyncio.sleep(0)

    async def _keep_consuming(self) -> None:
        told_of: tuple[type[BusError], int] | None = None
        while True:
            self._broken.clear()
            try:
                await self._consume_anew()
                told_of = None
                await self._until_broken()
                if self._gap_ends_at and await self._ends_at_gap():
                    return
            except BusError as error:
                cause = (type(error), error.err_code if isinstance(error, ApiError) else 0)
                if cause != told_of:  # once, not at each attempt
                    self._tell_of_waiting(error)
                told_of = cause
                await asyncio.sleep(_RETRY_S)

    async def _ends_at_gap(self) -> bool:
        """Whether the gap is the stream's own; at its beginning it is a trim, else a loss. If not, reading goes on."""
        if await read_record(self._bus, self._stream, self._next_seq) is not None:
            log.warning("log_reader_gap", stream=self._stream, expected_seq=self._next_seq, seq=self._gap_ends_at)
            return False  # only its delivery was lost, such as between the servers of a cluster
        begin = (await log_state(self._bus, self._stream)).first_seq
        if self._gap_ends_at <= begin:
            self._gap = LogTrimmed(self._stream, self._next_seq, begin)
        else:
            self._gap = LogGap(
                f"{self._stream} has lost its records {self._next_seq} to {self._gap_ends_at - 1}; restore the store "
                "from its backup"
            )
        self._wake.set()
        return True

    def _tell_of_waiting(self, error: BusError) -> None:
        # A venue's first start makes its streams while those who read them start as well: nothing to worry about.
        is_first_start = isinstance(error, ApiError) and error.err_code == STREAM_NOT_FOUND and self._next_seq == 1
        tell = log.info if is_first_start else log.warning
        tell("log_reader_waits", stream=self._stream, next_seq=self._next_seq, why=str(error))

    async def _consume_anew(self) -> None:
        await self._drop_consumer()
        deliver_subject = self._bus.new_inbox()
        self._unsubscribe = await self._bus.subscribe_raw(deliver_subject, self._receiver())
        self._last_heard = self._loop.time()
        self._is_first_of_consumer = True
        self._gap_ends_at = 0
        name = deliver_subject.rpartition(".")[2]
        await self._bus.request_json(
            f"$JS.API.CONSUMER.CREATE.{self._stream}.{name}",
            {"stream_name": self._stream, "config": self._consumer_config(name, deliver_subject)},
        )

    def _consumer_config(self, name: str, deliver_subject: str) -> dict[str, Any]:
        return {
            "name": name,
            "deliver_subject": deliver_subject,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._next_seq,
            "ack_policy": "none",
            "max_deliver": 1,
            "idle_heartbeat": int(HEARTBEAT_S * 1e9),
            "flow_control": True,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": 5_000_000_000,
        }

    async def _until_broken(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_SILENCE_MAX_S):
                    await self._broken.wait()
            except TimeoutError:
                if self._loop.time() - self._last_heard < _SILENCE_MAX_S:
                    continue
                log.warning("log_reader_heard_nothing", stream=self._stream, next_seq=self._next_seq)
            return

    async def _drop_consumer(self) -> None:
        unsubscribe, self._unsubscribe = self._unsubscribe, None
        if unsubscribe is not None and self._bus.is_connected:
            await unsubscribe()

    def _receiver(self) -> Taker:
        """A callback that is deaf once a newer consumer has been made."""
        generation = object()
        self._generation = generation

        def on_message(_subject: str, reply: str, payload: bytes, headers: bytes | None) -> None:
            if self._generation is generation:
                self._receive(reply, payload, headers)

        return on_message

    def _receive(self, reply: str, payload: bytes, headers: bytes | None) -> None:
        self._last_heard = self._loop.time()
        tokens = reply.split(".")
        if len(tokens) > _PENDING_TOKEN and tokens[1] == "ACK":
            self._receive_record(int(tokens[_SEQ_TOKEN]), int(tokens[_PENDING_TOKEN]), payload)
        elif reply:
            self._enqueue(reply)  # flow control request
        else:
            self._check_delivered(headers)
            stalled = _stalled(headers)
            if stalled and not (self._queue and self._queue[-1] == stalled):  # the same one waits already
                self._enqueue(stalled)

    def _receive_record(self, seq: int, pending: int, payload: bytes) -> None:
        if seq < self._next_seq or self._broken.is_set():
            return
        if seq > self._next_seq:
            self._miss_until(seq)
            return
        self._is_first_of_consumer = False
        self._next_seq = seq + 1
        self._enqueue(LogMessage(seq, payload, pending))

    def _check_delivered(self, headers: bytes | None) -> None:
        """The last deliveries before a silence may be lost; only the heartbeat tells that they were sent."""
        match = _LAST_SENT.search(headers or b"")
        if match is not None and int(match[1]) >= self._next_seq and not self._broken.is_set():
            self._miss_until(int(match[1]) + 1)

    def _miss_until(self, seq: int) -> None:
        if self._is_first_of_consumer:  # it was asked for what was to come next
            self._gap_ends_at = seq
        else:
            log.warning("log_reader_gap", stream=self._stream, expected_seq=self._next_seq, seq=seq)
        self._broken.set()

    def _enqueue(self, item: LogMessage | str) -> None:
        self._queue.append(item)
        self._wake.set()

    def _answer_flow_control(self, subject: str) -> None:
        try:
            self._bus.publish_now(subject, b"")
        except BusError:
            self._broken.set()


def _stalled(headers: bytes | None) -> str:
    """The subject on which a stalled consumer awaits an answer, from an idle heartbeat's headers."""
    match = _STALLED.search(headers or b"")
    return match[1].decode() if match is not None else ""
