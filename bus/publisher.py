"""
Ordered, durable publishing to a log: two ways, for its two kinds of writer.

`WindowPublisher` is for ORD, where many gateways write. It keeps a bounded window of records on their way; when one
fails, or its acknowledgement is late, the whole window goes out again in order (go-back-N). Repeats and holes in the
log are harmless, because a matcher takes only the record numbered one above the last. For the same reason a record may
be written anew under its number while nobody knows whether it is stored: of its versions the first in the log counts.

`ChainPublisher` is for EXEC, where one leader writes. Each write expects to be the next of the stream
(Nats-Expected-Last-Sequence), so the stream itself keeps a second writer out. After a failure the tail is read back to
learn what was stored, and only the rest is sent again; a tail that is not ours means another leader has taken over.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from bus.connection import CLOSED, Bus, BusError, PubAck, PubFailure
from bus.streams import last_seq, read_record

log = structlog.get_logger()

BATCH_RECORDS_MAX: Final = 1000
"""Records in one atomic batch at most: JetStream's own bound."""
WRONG_LAST_SEQ: Final = (10071, 10164)
"""Codes of a `PubFailure`: the stream's last record is another one than expected."""
_EXPECTED_LAST_SEQ: Final = "Nats-Expected-Last-Sequence"
_RETRY_S: Final = 0.05
_RETRY_MAX_S: Final = 1.0


class Sent(msgspec.Struct):
    """A record on its way: what `WindowPublisher.rewrite` is told about."""

    subject: str
    payload: bytes
    on_durable: Callable[[], None]
    published_at: float
    """When it was first sent, as the event loop counts."""
    acked: bool = False
    sent_at: float = 0.0
    seq: int = 0
    """Its stream sequence, once it is stored; if it was stored more than once, one of them."""


class WindowPublisher:
    """A bounded window of records on their way to one stream, made durable in order."""

    def __init__(
        self,
        bus: Bus,
        *,
        window_max: int,
        on_room: Callable[[], None],
        on_latency: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._bus = bus
        self._window_max = window_max
        self._on_room = on_room
        self._on_latency = on_latency
        self._window: deque[Sent] = deque()
        self._attempt = 0
        self._rewinding = False
        self._retry_s = _RETRY_S
        self._loop = asyncio.get_running_loop()
        self.failure: PubFailure | None = None
        """The last one, if nothing was acknowledged since."""

    @property
    def has_room(self) -> bool:
        """Whether `publish` may be called."""
        return len(self._window) < self._window_max and not self._rewinding

    @property
    def in_flight(self) -> int:
        """Records published but not known to be durable."""
        return len(self._window)

    @property
    def oldest_at(self) -> float | None:
        """When the oldest record that is not known to be durable was first sent, as the event loop counts."""
        return self._window[0].published_at if self._window else None

    def publish(self, subject: str, payload: bytes, on_durable: Callable[[], None]) -> Sent:
        """Send the next record; `on_durable` is called once it and all before it are stored, in whatever version."""
        assert self.has_room
        self._check_size(subject, payload)
        sent = Sent(subject, payload, on_durable, self._loop.time())
        self._window.append(sent)
        self._send(sent)
        return sent

    def rewrite(self, sent: Sent, payload: bytes) -> None:
        """
        Send something else from now on in a record's place, under the same number; a former version may be stored.

        Whoever reads the log takes the first version that it finds, so each must answer for the same requests.
        """
        self._check_size(sent.subject, payload)
        sent.payload = payload

    def _check_size(self, subject: str, payload: bytes) -> None:
        bytes_max = self._bus.payload_bytes_max
        assert len(payload) <= bytes_max, f"a record of {len(payload)} bytes is too large for {subject}"

    def _send(self, sent: Sent) -> None:
        attempt = self._attempt
        sent.acked = False
        sent.sent_at = self._loop.time()

        def on_ack(answer: PubAck | PubFailure) -> None:
            if attempt != self._attempt or answer is CLOSED:
                return
            if isinstance(answer, PubFailure):
                self._rewind(answer)
            else:
                sent.acked, sent.seq = True, answer.seq
                self._retry_s = _RETRY_S
                self.failure = None
                self._on_latency(self._loop.time() - sent.sent_at)
                self._advance()

        self._bus.publish_acked(sent.subject, sent.payload, on_ack)

    def _advance(self) -> None:
        window = self._window
        while window and window[0].acked:
            window.popleft().on_durable()
        self._on_room()

    def _rewind(self, failure: PubFailure) -> None:
        log.warning("ord_window_rewound", records=len(self._window), code=failure.code, why=failure.description)
        self.failure = failure
        self._attempt += 1
        self._rewinding = True
        self._loop.call_later(self._retry_s, self._resend)
        self._retry_s = min(2 * self._retry_s, _RETRY_MAX_S)  # a full log stays full for a while

    def _resend(self) -> None:
        if not self._bus.is_connected:
            self._loop.call_later(_RETRY_S, self._resend)
            return
        self._rewinding = False
        for sent in self._window:
            self._send(sent)


class Fenced(Exception):
    """Another writer has taken over the stream: this one must stop, and must not take it back."""


async def store_after(bus: Bus, subject: str, payload: bytes, *, last_seq: int) -> PubAck | PubFailure:
    """Try once to store a record as the successor of the stream's record `last_seq`."""
    answered: asyncio.Future[PubAck | PubFailure] = asyncio.get_running_loop().create_future()

    def on_ack(answer: PubAck | PubFailure) -> None:
        if not answered.done():
            answered.set_result(answer)

    bus.publish_acked(subject, payload, on_ack, headers={_EXPECTED_LAST_SEQ: str(last_seq)})
    return await answered


class _Link(msgspec.Struct):
    payloads: list[bytes]
    last_seq: int
    """Stream sequence that the last of the payloads will have."""
    on_durable: Callable[[], None]


class ChainPublisher:
    """
    The only writer of one stream, as long as it is; each entry is stored whole or not at all, and one at a time.

    One at a time, because a sequence number says that a record is there, not whose it is: of two writes on their way
    the first would be refused when another writer came between, and the second be taken, behind a stranger's record.
    """

    def __init__(self, bus: Bus, *, stream: str, subject: str, last_seq: int) -> None:
        self._bus = bus
        self._stream = stream
        self._subject = subject
        self._end_seq = last_seq
        self._link: _Link | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._attempt = 0
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends with Fenced, or with what else makes it impossible to go on."""

    async def publish(self, payloads: list[bytes], on_durable: Callable[[], None]) -> None:
        """
        Send the next entry, when the one before is stored.

        Args:
            payloads: One record, or several that JetStream stores as one atomic batch, at most BATCH_RECORDS_MAX.
            on_durable: Called once the entry and all before it are stored.

        Raises:
            Fenced: Another writer has taken over.
        """
        # JetStream would refuse both each time, and the chain would try for ever.
        assert 1 <= len(payloads) <= BATCH_RECORDS_MAX, f"{len(payloads)} records in one entry of {self._stream}"
        assert max(map(len, payloads)) <= self._bus.payload_bytes_max, f"a record too large for {self._stream}"
        await self.settle()
        self._end_seq += len(payloads)
        self._link = _Link(payloads, self._end_seq, on_durable)
        self._send(self._link)

    @property
    def end_seq(self) -> int:
        """Stream sequence of the last record that was given to `publish`, or of the one before the first."""
        return self._end_seq

    async def settle(self) -> None:
        """
        Wait until all is stored.

        Raises:
            Fenced: Another writer has taken over.
        """
        while self._link is not None and not self.failed.done():
            self._room.clear()
            await self._room.wait()  # a failure sets it too
        if self.failed.done():
            self.failed.result()

    def _send(self, link: _Link) -> None:
        attempt = self._attempt

        def on_ack(answer: PubAck | PubFailure) -> None:
            if attempt != self._attempt or answer is CLOSED:
                return
            if isinstance(answer, PubAck):
                self._end(link)
            else:
                self._recover(link, answer)

        expected = str(link.last_seq - len(link.payloads))
        if len(link.payloads) == 1:
            headers = {_EXPECTED_LAST_SEQ: expected}
            self._bus.publish_acked(self._subject, link.payloads[0], on_ack, headers=headers)
            return
        batch_id = os.urandom(12).hex()
        for number, payload in enumerate(link.payloads, 1):
            headers = {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
            if number == 1:
                headers[_EXPECTED_LAST_SEQ] = expected
            if number == len(link.payloads):
                headers["Nats-Batch-Commit"] = "1"
                self._bus.publish_acked(self._subject, payload, on_ack, headers=headers)
            else:
                self._publish_part(payload, headers)

    def _publish_part(self, payload: bytes, headers: dict[str, str]) -> None:
        try:
            self._bus.publish_now(self._subject, payload, headers=headers)
        except BusError:
            log.warning("exec_batch_part_not_sent", stream=self._stream)  # the commit fails for the same reason

    def _end(self, link: _Link) -> None:
        self._attempt += 1
        self._link = None
        link.on_durable()
        self._room.set()

    def _recover(self, link: _Link, failure: PubFailure) -> None:
        log.warning("exec_tail_in_doubt", stream=self._stream, code=failure.code, why=failure.description)
        self._attempt += 1
        task = asyncio.create_task(self._recover_tail(link), name=f"recover {self._stream}")
        task.add_done_callback(self._after_recovery)

    async def _recover_tail(self, link: _Link) -> None:
        while True:
            await asyncio.sleep(_RETRY_S)
            try:
                stored_seq = await last_seq(self._bus, self._stream)
                tail = await read_record(self._bus, self._stream, stored_seq) if stored_seq else None
            except BusError as error:
                log.warning("exec_tail_unreadable", stream=self._stream, why=str(error))
                continue
            break
        if stored_seq == link.last_seq - len(link.payloads):
            self._send(link)
        elif stored_seq == link.last_seq and tail is not None and tail.payload == link.payloads[-1]:
            self._end(link)
        else:
            raise Fenced(
                f"{self._stream} was written by another matcher at sequence {stored_seq}; this one stops: "
                "let one matcher run for each shard"
            )

    def _after_recovery(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self.failed.done():
            self.failed.set_exception(error)
            self._room.set()
