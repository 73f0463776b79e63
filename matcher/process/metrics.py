"""What Prometheus sees of a matcher: base units, few labels, never an order id."""

from collections import Counter as Tally
from functools import partial
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from bus.streams import LogState
from matcher.engine.engine import Engine
from matcher.events import Event, InstrumentDefined, OrderRejected

_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_COUNTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class MatcherMetrics:
    """Metrics of one matcher process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._registry = registry
        self._engine: Engine | None = None
        self._symbols: set[str] = set()
        self.commands = Counter("matcher_commands", "Commands read from ORD.", registry=registry)
        self._events = Counter("matcher_events", "Private events, by kind.", ["kind"], registry=registry)
        self._rejects = Counter("matcher_rejects", "Refusals, by reason.", ["reason"], registry=registry)
        self.apply_seconds = Histogram(
            "matcher_apply_seconds", "Applying one batch of records.", buckets=_SECONDS, registry=registry
        )
        self.batch_commands = Histogram(
            "matcher_batch_commands", "Commands answered by one EXEC write.", buckets=_COUNTS, registry=registry
        )
        self.exec_write_seconds = Histogram(
            "matcher_exec_write_seconds", "An EXEC write until it is durable.", buckets=_SECONDS, registry=registry
        )
        self.lag = Gauge("matcher_lag_records", "ORD records not yet read.", registry=registry)
        self.consumed = Gauge(
            "matcher_consumed_input_seq", "Last ORD record whose answer is durable.", registry=registry
        )
        self.epoch = Gauge("matcher_leader_epoch", "Epoch of this leader.", registry=registry)
        self.snapshots = Counter("matcher_snapshots", "Snapshots written.", registry=registry)
        self.snapshot_seconds = Histogram(
            "matcher_snapshot_seconds", "Matching stands still for a snapshot.", buckets=_SECONDS, registry=registry
        )

        self._log_first = Gauge(
            "matcher_log_first_seq", "Oldest record of a log, as the leader saw it last.", ["log"], registry=registry
        )
        self._log_bytes = Gauge(
            "matcher_log_bytes", "What a log holds, as the leader saw it last.", ["log"], registry=registry
        )
        self.log_trims = Counter("matcher_log_trims", "Times that a log was trimmed.", registry=registry)

        self.takeovers = Counter("matcher_takeovers", "Times that this process took over.", registry=registry)
        self._leads = Gauge("matcher_leads", "1 if this process leads its shard, 0 if it stands by.", registry=registry)
        self._live = Gauge("matcher_resting_orders", "Orders that rest on the books.", registry=registry)
        self._finished = Gauge("matcher_remembered_orders", "Finished orders still remembered.", registry=registry)
        self._levels = Gauge("matcher_book_levels", "Price levels.", ["symbol", "side"], registry=registry)
        self._trades = Gauge("matcher_matches", "Matches since the log began.", ["symbol"], registry=registry)

    def lead(self, leader_epoch: int, engine: Engine) -> None:
        """This process leads from now on."""
        self._leads.set(1)
        self.epoch.set(leader_epoch)
        self._watch(engine)

    def stand_by(self, engine: Engine) -> None:
        """This process stands by from now on."""
        self._leads.set(0)
        self._watch(engine)

    def _watch(self, engine: Engine) -> None:
        """Read the engine's own counts when scraped, so that the hot path pays nothing."""
        self._live.set_function(lambda: engine.live_order_count)
        self._finished.set_function(lambda: engine.finished_order_count)
        self._engine = engine
        self._watch_symbols()

    def show_log(self, stream: str, state: LogState) -> None:
        """What a log holds."""
        self._log_first.labels(stream).set(state.first_seq)
        self._log_bytes.labels(stream).set(state.bytes)

    def count_events(self, events: list[Event]) -> None:
        """Count a batch's private events, and its refusals by reason; instruments that it defined are watched too."""
        for kind, count in Tally(map(type, events)).items():
            self._events.labels(kind.__name__).inc(count)
            if kind is InstrumentDefined:
                self._watch_symbols()
            if kind is OrderRejected or hasattr(kind, "reason"):
                self._count_refusals([event for event in events if type(event) is kind])

    def _watch_symbols(self) -> None:
        engine = self._engine
        if engine is None:
            return  # what is caught up with at a start is watched at its end
        for symbol in engine.symbols:
            if symbol not in self._symbols:
                self._symbols.add(symbol)
                self._levels.labels(symbol, "bid").set_function(partial(_level_count, engine, symbol, 0))
                self._levels.labels(symbol, "ask").set_function(partial(_level_count, engine, symbol, 1))
                self._trades.labels(symbol).set_function(partial(engine.match_count, symbol))

    def _count_refusals(self, events: list[Event]) -> None:
        for event in events:
            if (reason := getattr(event, "reason", None)) is not None:
                self._rejects.labels(reason).inc()


def _level_count(engine: Engine, symbol: str, side: int) -> int:
    return engine.level_counts(symbol)[side]
