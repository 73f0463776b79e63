"""
From the sessions onto the log: commands of all sessions become ORD records, one lane per shard.

A record holds commands of one symbol in arrival order. What arrives while a lane's window of records is on its way
waits, and goes into the next record of its symbol: an idle lane sends at once, a busy one sends fuller records.

The window is kept by `bus.publisher.WindowPublisher`; records are numbered per lane and per life of the gateway
(`boot`), and the first of each lane is `GatewayStarted`, so that a matcher takes each record once, in order, whatever
happened on the way, and nothing from a former life any more.
"""

from collections.abc import Callable, Iterable

from bus.connection import Bus
from bus.publisher import WindowPublisher
from bus.records import encode_ord
from bus.subjects import GATEWAY_SYMBOL, ord_subject
from configs.loader import GatewayConfig, Venue
from gateway.metrics import GatewayMetrics
from gateway.session_progress import SessionProgress
from matcher.commands import ClientRequest, Command, EndTradingDay, GatewayStarted

_Waiting = tuple[Command, SessionProgress | None]


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

    def announce(self, gateway_id: str, received_ns: int) -> None:
        """Begin this life on every shard; to be called before any other command."""
        for lane in self._lanes:
            lane.put(GATEWAY_SYMBOL, GatewayStarted(gateway_id, received_ns), None)
        self.flush()

    def submit(self, command: ClientRequest, progress: SessionProgress) -> None:
        """Queue a client's request; `flush` sends what is queued."""
        shard = self._shard_of.get(command.symbol)
        if shard is None:  # a refusal of an unknown symbol: the first shard answers for the gateway
            self._lanes[0].put(GATEWAY_SYMBOL, command, progress)
        else:
            self._lanes[shard].put(command.symbol, command, progress)

    def end_trading_day(self, received_ns: int, trading_date: str) -> None:
        """Queue the end of the day for every symbol, and send."""
        for symbol, shard in self._shard_of.items():
            self._lanes[shard].put(symbol, EndTradingDay(symbol, received_ns, trading_date), None)
        self.flush()

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
        self._by_symbol: dict[str, list[_Waiting]] = {}
        self.waiting = 0
        self._publisher = WindowPublisher(
            bus,
            window_max=config.window_records,
            on_room=self._on_room,
            on_latency=metrics.ord_publish_seconds.observe,
        )

    def put(self, symbol: str, command: Command, progress: SessionProgress | None) -> None:
        """Queue one command."""
        queue = self._by_symbol.get(symbol)
        if queue is None:
            queue = self._by_symbol[symbol] = []
        queue.append((command, progress))
        self.waiting += 1

    def flush(self) -> None:
        """Send records while there is something to send and room to send it."""
        while self._by_symbol and self._publisher.has_room:
            symbol = next(iter(self._by_symbol))  # the symbol that has waited longest
            queue = self._by_symbol.pop(symbol)
            if len(queue) > self._commands_max:
                self._by_symbol[symbol] = queue[self._commands_max :]  # at the end: the other symbols come first
                queue = queue[: self._commands_max]
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
        self._publisher.publish(ord_subject(self._shard, symbol), record, lambda: _end_all(queue))

    def _on_room(self) -> None:
        if self._by_symbol:
            self.flush()
            self._after_sending()


def _end_all(queue: Iterable[_Waiting]) -> None:
    for command, progress in queue:
        if progress is not None:
            progress.end(command.session_epoch, command.msg_seq_num)  # type: ignore[union-attr] # has a session
