"""
From the sessions onto the log: commands of all sessions become ORD records, one lane per shard.

A record holds commands of one symbol in arrival order. What arrives while a lane's window of records is on its way
waits, and goes into the next record of its symbol: an idle lane sends at once, a busy one sends fuller records.
Commands about a whole shard, a mass cancel or a mass quote, neither overtake others nor are overtaken.

The window is kept by `bus.publisher.WindowPublisher`; records are numbered per lane and per life of the gateway
(`boot`), and the first of each lane is `GatewayStarted`, so that a matcher takes each record once, in order, whatever
happened on the way, and nothing from a former life any more.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from bus.connection import Bus
from bus.publisher import WindowPublisher
from bus.records import encode_ord
from bus.subjects import GATEWAY_SYMBOL, ord_subject
from configs.loader import GatewayConfig, Venue
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

_Waiting = tuple[Command, SessionProgress | None]
_Queues = dict[str, list[_Waiting]]
_ABOUT_ALL: Final = "\x01"
"""In place of a symbol, none of which has it: commands about the whole shard. It is the only queue of its `_Queues`."""


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
        self._lanes = [
            _Lane(bus, config, shard=shard, boot=boot, metrics=metrics, after_sending=self._check_room)
            for shard in range(venue.config.shards)
        ]
        self._crowded_at = config.pending_commands_max
        self._crowded = False
        self._on_crowded = on_crowded

    def define(self, instrument: Instrument) -> None:
        """An instrument is traded from now on."""
        self._shard_of[instrument.symbol] = instrument.shard

    def announce(self, gateway_id: str, received_ns: int) -> None:
        """Begin this life on every shard; to be called before any other command."""
        for lane in self._lanes:
            lane.put(GATEWAY_SYMBOL, GatewayStarted(gateway_id, received_ns), None)
        self.flush()

    def submit(
        self, command: ClientRequest, progress: SessionProgress, *, refusal: RefusedRequest | None = None
    ) -> None:
        """
        Queue a client's request; `flush` sends what is queued.

        Args:
            command: Says where it goes.
            progress: Of its session.
            refusal: Goes there in its place. Whether a request is too much for its session may be judged differently
                by a gateway that starts again; because both go to the same shards, each takes one of them.
        """
        shard = self._shard_of.get(command.symbol)
        if shard is not None:
            self._lanes[shard].put(command.symbol, refusal or command, progress)
        else:
            self._submit_elsewhere(command, refusal or command, progress)

    def _submit_elsewhere(self, request: ClientRequest, command: ClientRequest, progress: SessionProgress) -> None:
        """Queue a command where its request belongs that names no symbol of ours: about a shard, all, or none."""
        if isinstance(request, MassQuote):
            self._lanes[self._shard_of[request.entries[0].symbol]].put_about_all(command, progress)
        elif isinstance(request, MassCancel | OrderMassStatusRequest | QuoteCancel):
            progress.spread(request.msg_seq_num, len(self._lanes))
            for lane in self._lanes:
                lane.put_about_all(command, progress)
        else:  # the first shard answers for the gateway
            self._lanes[0].put(GATEWAY_SYMBOL, command, progress)

    def flush(self) -> None:
        """Send what waits, as far as the windows have room."""
        for lane in self._lanes:
            lane.flush()
        self._check_room()

    @property
    def commands_waiting(self) -> int:
        """Commands that are in no record yet, in the fullest lane."""
        return max(lane.waiting for lane in self._lanes)

    def _check_room(self) -> None:
        waiting = self.commands_waiting
        if not self._crowded and waiting >= self._crowded_at:
            self._crowded = True
            self._on_crowded(True)
        elif self._crowded and waiting <= self._crowded_at // 2:
            self._crowded = False
            self._on_crowded(False)


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
        after_sending: Callable[[], None],
    ) -> None:
        self._gateway_id = config.id
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

    def put(self, symbol: str, command: Command, progress: SessionProgress | None) -> None:
        """Queue one command."""
        by_symbol = self._behind[-1] if self._behind else self._by_symbol
        if _ABOUT_ALL in by_symbol:
            by_symbol = {}
            self._behind.append(by_symbol)
        queue = by_symbol.get(symbol)
        if queue is None:
            queue = by_symbol[symbol] = []
        queue.append((command, progress))
        self.waiting += 1

    def put_about_all(self, command: Command, progress: SessionProgress | None) -> None:
        """Queue one command behind all that waits, and before all that comes."""
        last = self._behind[-1] if self._behind else self._by_symbol
        if last and _ABOUT_ALL not in last:
            last = {}
            self._behind.append(last)
        last.setdefault(_ABOUT_ALL, []).append((command, progress))
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

    def _send(self, symbol: str, queue: list[_Waiting]) -> None:
        self.waiting -= len(queue)
        self._record_number += 1
        record = encode_ord(
            gateway_id=self._gateway_id,
            boot=self._boot,
            record_number=self._record_number,
            commands=[command for command, _ in queue],
        )
        self._metrics.batch_commands.observe(len(queue))
        subject = ord_subject(self._shard, GATEWAY_SYMBOL if symbol == _ABOUT_ALL else symbol)
        self._publisher.publish(subject, record, lambda: _end_all(queue))

    def _on_room(self) -> None:
        if self._by_symbol:
            self.flush()
            self._after_sending()


def _end_all(queue: Iterable[_Waiting]) -> None:
    for command, progress in queue:
        if progress is not None:
            progress.end(command.session_epoch, command.msg_seq_num)  # type: ignore[union-attr] # has a session
