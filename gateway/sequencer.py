"""
From the sessions onto the log: commands of all sessions become ORD records, one lane per shard.

A record holds commands of one symbol in arrival order. What arrives while a lane's window of records is on its way
waits, and goes into the next record of its symbol: an idle lane sends at once, a busy one sends fuller records.
Commands about a whole shard, a mass cancel or a mass quote, neither overtake others nor are overtaken.

The window is kept by `bus.publisher.WindowPublisher`; records are numbered per lane and per life of the gateway
(`boot`), and the first of each lane is `GatewayStarted`, so that a matcher takes each record once, in order, whatever
happened on the way, and nothing from a former life any more.

While the log is silent requests are *held*: those on their way, whose fate nobody knows, and those that wait. What is
held too long is written anew as its refusal (`late_requests`), in the same record, under the same number and in the
same place. The matcher takes each number once, so of a request and its refusal it takes the one that reached the log
first, and each record answers for the same requests in either version. Only EXEC knows which it was. A matcher may be
silent too: then the log has the requests, and what waits is the answer.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from bus.connection import Bus
from bus.publisher import Sent, WindowPublisher
from bus.records import encode_ord
from bus.subjects import GATEWAY_SYMBOL, ord_subject
from configs.loader import GatewayConfig, Venue
from gateway.fix.news import Cause, Held
from gateway.late_requests import LateRequests
from gateway.metrics import GatewayMetrics
from gateway.session_progress import SessionProgress
from matcher.commands import (
    ClientRequest,
    Command,
    GatewayStarted,
    MassCancel,
    MassQuote,
    OrderMassStatusRequest,
    QuoteCancel,
    RefusedRequest,
)
from matcher.instruments import Instrument

_Waiting = tuple[Command, SessionProgress | None, float]
"""A command, whose it is, and when it was received, as the event loop counts."""
_Queues = dict[str, list[_Waiting]]
LOG_FULL: Final = 10077
"""JetStream's code of a stream that has reached its bound."""
_ABOUT_ALL: Final = "\x01"
"""In place of a symbol, none of which has it: commands about the whole shard. It is the only queue of its `_Queues`."""


class Silence(NamedTuple):
    """How long the oldest request of a shard has waited, and for whom; 0 if none waits."""

    seconds: float
    cause: Cause


class Sequencer:
    """Puts commands onto the order logs; all methods belong to the event loop."""

    def __init__(
        self,
        bus: Bus,
        venue: Venue,
        *,
        boot: int,
        metrics: GatewayMetrics,
        on_crowded: Callable[[bool], None] = lambda _crowded: None,
    ) -> None:
        """
        Args:
            bus: Connected.
            venue: Gives the gateway's id, the shard of each symbol and the bounds.
            boot: Greater than in any former life of this gateway: the ns since 1970 UTC at which it began.
            metrics: Told of records and their latency.
            on_crowded: Called with True when too many commands wait for JetStream, with False when few do again.
        """
        config = venue.config.gateway
        self._shard_of = {symbol: instrument.shard for symbol, instrument in venue.instruments.items()}
        self._late = LateRequests(venue.instruments, hold_max_ms=config.hold_max_ms)
        self._loop = asyncio.get_running_loop()
        self._lanes = [
            _Lane(
                bus,
                config,
                shard=shard,
                boot=boot,
                metrics=metrics,
                late_requests=self._late,
                after_sending=self._check_room,
            )
            for shard in range(venue.config.shards)
        ]
        self._crowded_at = config.pending_commands_max
        self._crowded = False
        self._on_crowded = on_crowded

    def define(self, instrument: Instrument) -> None:
        """An instrument is traded from now on."""
        self._shard_of[instrument.symbol] = instrument.shard
        self._late.define(instrument)

    def announce(self, gateway_id: str, received_ns: int) -> None:
        """Begin this life on every shard; to be called before any other command."""
        for lane in self._lanes:
            lane.put(GATEWAY_SYMBOL, GatewayStarted(gateway_id, received_ns), None, self._loop.time())
        self.flush()

    def submit(
        self,
        command: ClientRequest,
        progress: SessionProgress,
        *,
        refusal: RefusedRequest | None = None,
        waited_s: float = 0.0,
    ) -> None:
        """
        Queue a client's request; `flush` sends what is queued.

        Args:
            command: Says where it goes.
            progress: Of its session.
            refusal: Goes there in its place. Whether a request is too much for its session may be judged differently
                by a gateway that starts again; because both go to the same shards, each takes one of them.
            waited_s: How long ago it was received, if it had to wait for us.
        """
        shard = self._shard_of.get(command.symbol)
        since_s = self._loop.time() - waited_s
        if shard is not None:
            self._lanes[shard].put(command.symbol, refusal or command, progress, since_s)
        else:
            self._submit_elsewhere(command, refusal or command, progress, since_s)

    def _submit_elsewhere(
        self, request: ClientRequest, command: ClientRequest, progress: SessionProgress, since_s: float
    ) -> None:
        """Queue a command where its request belongs that names no symbol of ours: about a shard, all, or none."""
        if isinstance(request, MassQuote):
            self._lanes[self._shard_of[request.entries[0].symbol]].put_about_all(command, progress, since_s)
        elif isinstance(request, MassCancel | OrderMassStatusRequest | QuoteCancel):
            progress.spread(request.msg_seq_num, len(self._lanes))
            for lane in self._lanes:
                lane.put_about_all(command, progress, since_s)
        else:  # the first shard answers for the gateway
            self._lanes[0].put(GATEWAY_SYMBOL, command, progress, since_s)

    def flush(self) -> None:
        """Send what waits, as far as the windows have room."""
        for lane in self._lanes:
            lane.flush()
        self._check_room()

    @property
    def commands_waiting(self) -> int:
        """Commands that are in no record yet, in the fullest lane."""
        return max(lane.waiting for lane in self._lanes)

    # While there is no answer

    def note_answered(self, shard: int, input_seq: int) -> None:
        """All that the shard's ORD has up to this sequence is answered in EXEC."""
        self._lanes[shard].note_answered(input_seq)

    def silence(self, now_s: float) -> Silence:
        """That of the shard that has been silent longest."""
        return max((lane.silence(now_s) for lane in self._lanes), key=lambda silence: silence.seconds)

    def held(self, now_s: float, after_s: float) -> dict[str, Held]:
        """By session: its requests that wait for a shard which has been silent for longer than that."""
        numbers: dict[str, set[int]] = {}
        for lane in self._lanes:
            if lane.silence(now_s).seconds > after_s:
                for session_id, held in lane.held().items():
                    numbers.setdefault(session_id, set()).update(held)
        return {session_id: Held(len(each), min(each), max(each)) for session_id, each in numbers.items()}

    def refuse_late(self, now_s: float) -> None:
        """Write anew what is on its way and has been held too long; what waits is looked at when it is sent."""
        for lane in self._lanes:
            lane.refuse_late(now_s)

    def _check_room(self) -> None:
        waiting = self.commands_waiting
        if not self._crowded and waiting >= self._crowded_at:
            self._crowded = True
            self._on_crowded(True)
        elif self._crowded and waiting <= self._crowded_at // 2:
            self._crowded = False
            self._on_crowded(False)


class _Record(msgspec.Struct):
    # A record on its way: what is in it, as it was sent last.
    number: int
    queue: list[_Waiting]
    sent: Sent


class _Unanswered(NamedTuple):
    # A record that is stored and not answered yet.
    seq: int
    published_at: float
    numbers: dict[str, list[int]]


class _Lane:
    """One shard's queue of commands, by symbol, and its window of records."""

    def __init__(
        self,
        bus: Bus,
        config: GatewayConfig,
        *,
        shard: int,
        boot: int,
        metrics: GatewayMetrics,
        late_requests: LateRequests,
        after_sending: Callable[[], None],
    ) -> None:
        self._gateway_id = config.id
        self._hold_max_s = config.hold_max_ms / 1000
        self._late_requests = late_requests
        self._loop = asyncio.get_running_loop()
        self._on_the_way: deque[_Record] = deque()
        self._unanswered: deque[_Unanswered] = deque()
        self._answered_seq = 0
        self._shard = shard
        self._boot = boot
        self._commands_max = config.batch_commands_max
        self._metrics = metrics
        self._after_sending = after_sending
        self._record_number = 0
        self._by_symbol: _Queues = {}
        self._behind: deque[_Queues] = deque()  # what came after a command about the whole shard, or is one
        self.waiting = 0
        self._publisher = WindowPublisher(
            bus,
            window_max=config.window_records,
            on_room=self._on_room,
            on_latency=metrics.ord_publish_seconds.observe,
        )

    def put(self, symbol: str, command: Command, progress: SessionProgress | None, since_s: float) -> None:
        """Queue one command."""
        by_symbol = self._behind[-1] if self._behind else self._by_symbol
        if _ABOUT_ALL in by_symbol:
            by_symbol = {}
            self._behind.append(by_symbol)
        queue = by_symbol.get(symbol)
        if queue is None:
            queue = by_symbol[symbol] = []
        queue.append((command, progress, since_s))
        self.waiting += 1

    def put_about_all(self, command: Command, progress: SessionProgress | None, since_s: float) -> None:
        """Queue one command behind all that waits, and before all that comes."""
        last = self._behind[-1] if self._behind else self._by_symbol
        if last and _ABOUT_ALL not in last:
            last = {}
            self._behind.append(last)
        last.setdefault(_ABOUT_ALL, []).append((command, progress, since_s))
        self.waiting += 1

    def flush(self) -> None:
        """Send records while there is something to send and room to send it."""
        while self._by_symbol and self._publisher.has_room:
            symbol = next(iter(self._by_symbol))  # the symbol that has waited longest, or all
            queue = self._by_symbol.pop(symbol)
            if len(queue) > self._commands_max:
                self._by_symbol[symbol] = queue[self._commands_max :]  # at the end: the other symbols come first
                queue = queue[: self._commands_max]
            elif not self._by_symbol and self._behind:
                self._by_symbol = self._behind.popleft()
            self._send(symbol, queue)

    def note_answered(self, input_seq: int) -> None:
        """ORD is answered up to there."""
        self._answered_seq = max(self._answered_seq, input_seq)
        while self._unanswered and self._unanswered[0].seq <= self._answered_seq:
            self._unanswered.popleft()

    def silence(self, now_s: float) -> Silence:
        """How long the oldest record has waited, be it for the log or for the matcher, which needs the log as well."""
        oldest_at, failure = self._publisher.oldest_at, self._publisher.failure
        log_s = 0.0 if oldest_at is None else now_s - oldest_at
        matcher_s = now_s - self._unanswered[0].published_at if self._unanswered else 0.0
        if matcher_s > 2 * log_s:  # a log that fell silent may have done so in between
            return Silence(matcher_s, Cause.MATCHER_SILENT)
        is_full = failure is not None and failure.code == LOG_FULL
        return Silence(max(log_s, matcher_s), Cause.LOG_FULL if is_full else Cause.LOG_SILENT)

    def held(self) -> dict[str, list[int]]:
        """By session, the MsgSeqNum(34) of all that is stored and not answered, on its way, or waits."""
        numbers: dict[str, list[int]] = {}
        for stored in self._unanswered:
            for session_id, each in stored.numbers.items():
                numbers.setdefault(session_id, []).extend(each)
        for record in self._on_the_way:
            _note_numbers(record.queue, numbers)
        for by_symbol in (self._by_symbol, *self._behind):
            _note_numbers(chain.from_iterable(by_symbol.values()), numbers)
        return numbers

    def refuse_late(self, now_s: float) -> None:
        """Write anew the records on their way that hold something too old."""
        for record in self._on_the_way:
            if self._refuse_late(record.queue, now_s):
                self._publisher.rewrite(record.sent, self._encode(record.number, record.queue))

    def _refuse_late(self, queue: list[_Waiting], now_s: float) -> bool:
        """Put refusals in the place of what is too old; says whether there was any."""
        if not self._hold_max_s or queue[0][2] + self._hold_max_s >= now_s:  # the oldest stands first
            return False
        refused = 0
        for at, (command, progress, since_s) in enumerate(queue):
            if since_s + self._hold_max_s < now_s:
                instead = self._late_requests.in_place_of(command)
                refused += instead is not command
                queue[at] = instead, progress, since_s
        self._metrics.held_too_long += refused
        return bool(refused)

    def _send(self, symbol: str, queue: list[_Waiting]) -> None:
        self.waiting -= len(queue)
        self._record_number += 1
        self._refuse_late(queue, self._loop.time())
        self._metrics.batch_commands.observe(len(queue))
        subject = ord_subject(self._shard, GATEWAY_SYMBOL if symbol == _ABOUT_ALL else symbol)
        sent = self._publisher.publish(subject, self._encode(self._record_number, queue), self._end_oldest)
        self._on_the_way.append(_Record(self._record_number, queue, sent))

    def _encode(self, record_number: int, queue: list[_Waiting]) -> bytes:
        return encode_ord(
            gateway_id=self._gateway_id,
            boot=self._boot,
            record_number=record_number,
            commands=[command for command, _, _ in queue],
        )

    def _end_oldest(self) -> None:
        record = self._on_the_way.popleft()  # records become durable in order
        for command, progress, _ in record.queue:
            if progress is not None:
                progress.end(command.session_epoch, command.msg_seq_num)  # type: ignore[union-attr] # has a session
        if record.sent.seq > self._answered_seq:
            numbers = _note_numbers(record.queue, {})
            self._unanswered.append(_Unanswered(record.sent.seq, record.sent.published_at, numbers))

    def _on_room(self) -> None:
        if self._by_symbol:
            self.flush()
            self._after_sending()


def _note_numbers(queue: Iterable[_Waiting], numbers: dict[str, list[int]]) -> dict[str, list[int]]:
    """Add the requests in a queue, by session."""
    for command, progress, _ in queue:
        if progress is not None:
            numbers.setdefault(command.session_id, []).append(command.msg_seq_num)  # type: ignore[union-attr] # as above
    return numbers
