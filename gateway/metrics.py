"""
What Prometheus sees of a gateway: base units, few labels, never an order id.

What is counted for each message is counted in plain integers, which Prometheus reads when it scrapes: a counter of its
own client costs about a microsecond each time, a histogram three.
"""

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from typing import Any, Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from matcher.events import Event

_SECONDS: Final = (
    0.0001, 0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10
)  # fmt: skip
_BOUNDS_NS: Final = [int(bound * 1e9) for bound in _SECONDS]
_COUNTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_ENGINE_COUNTS: Final = (
    # metric, what it counts, label, attribute of the engine or its tally
    ("gateway_logons", "Logons accepted.", "", "logons"),
    ("gateway_logons_refused", "Logons refused, by reason.", "reason", "logons_refused"),
    ("gateway_connections_refused", "Connections closed before they had a session, by reason.", "reason",
     "connections_refused"),
    ("gateway_connections_closed", "Connections closed by their session, by reason.", "reason", "connections_closed"),
    ("gateway_session_rejects", "Reject(3)s sent, by SessionRejectReason(373).", "reason", "rejects_sent"),
    ("gateway_garbled", "Times bytes were skipped that are no message, by reason.", "reason", "garbled"),
    ("gateway_slow_readers_cut", "Clients disconnected for not reading.", "", "slow_readers_cut"),
)  # fmt: skip
_NAMED_REQUESTS: Final = frozenset("DFGH")


class GatewayMetrics(Collector):
    """Metrics of one gateway process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._registry = registry
        self._requests: Tally[str] = Tally()
        self._answers: Tally[type] = Tally()
        self._rejects: Tally[str] = Tally()
        self.throttled = 0
        """Requests that were too much for their session's throttle."""
        self.throttle_logouts = 0
        """Sessions logged out because they did not stop even then."""
        self.stalls = 0
        """Times that there were no answers for so long that sessions were told."""
        self.held_too_long = 0
        """Requests that were made refusals because the log did not take them in time."""
        self._answer_buckets = [0] * (len(_BOUNDS_NS) + 1)
        self._answer_sum_ns = 0
        self._engine: object = None
        registry.register(self)
        self.ord_publish_seconds = Histogram(
            "gateway_ord_publish_seconds", "An ORD record until it is durable.", buckets=_SECONDS, registry=registry
        )
        self.batch_commands = Histogram(
            "gateway_batch_commands", "Commands in one ORD record.", buckets=_COUNTS, registry=registry
        )
        self.exec_lag = Gauge("gateway_exec_lag_records", "EXEC records not yet read.", ["shard"], registry=registry)
        self.undeliverable = Counter(
            "gateway_undeliverable", "Reports of sessions that are no longer configured.", registry=registry
        )

    def watch(self, readings: dict[str, tuple[str, Callable[[], float]]]) -> None:
        """Gauges that are read when scraped: name -> (what it is, reading)."""
        for name, (documentation, reading) in readings.items():
            Gauge(name, documentation, registry=self._registry).set_function(reading)

    def watch_engine(self, engine: object) -> None:
        """
        Read the counts of a FIX engine when scraped.

        Args:
            engine: Has some of the attributes in `_ENGINE_COUNTS`, or a `tally` that has them: QuickFIX tells nothing
                of connections that came to no session, nor of what its own session layer rejects.
        """
        self._engine = getattr(engine, "tally", engine)

    def count_request(self, msg_type: str) -> None:
        """One request came in."""
        self._requests[msg_type if msg_type in _NAMED_REQUESTS else "other"] += 1

    def count_answer(self, event: Event, now_ns: int) -> None:
        """One report of `event` goes out."""
        self._answers[type(event)] += 1
        if event.requester_session_id:
            latency_ns = max(0, now_ns - event.transact_ns)  # the clock may have been set back between the two
            self._answer_sum_ns += latency_ns
            self._answer_buckets[bisect_left(_BOUNDS_NS, latency_ns)] += 1
        reason = getattr(event, "reason", None)
        if reason is not None:
            self._rejects[reason] += 1

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """From Prometheus, on a scrape."""
        answers = Tally({kind.__name__: count for kind, count in self._answers.copy().items()})
        yield _counter("gateway_requests", "Requests received.", "msg_type", self._requests.copy())
        yield _counter("gateway_answers", "Reports handed to sessions.", "event", answers)
        yield _counter("gateway_rejects", "Refusals, by reason.", "reason", self._rejects.copy())
        yield CounterMetricFamily("gateway_throttled", "Requests beyond their session's throttle.", self.throttled)
        yield CounterMetricFamily(
            "gateway_throttle_logouts", "Sessions logged out for sending on and on.", self.throttle_logouts
        )
        yield CounterMetricFamily("gateway_stalls", "Times that clients were told they have to wait.", self.stalls)
        yield CounterMetricFamily(
            "gateway_held_too_long", "Requests refused because the log did not take them in time.", self.held_too_long
        )
        yield self._answer_seconds()
        for name, documentation, label, attribute in _ENGINE_COUNTS:
            count = getattr(self._engine, attribute, None)
            if isinstance(count, Tally):
                yield _counter(name, documentation, label, count.copy())
            elif count is not None:
                yield CounterMetricFamily(name, documentation, value=count)

    def _answer_seconds(self) -> HistogramMetricFamily:
        total = 0
        buckets = []
        for bound, count in zip([*map(str, _SECONDS), "+Inf"], self._answer_buckets, strict=True):
            total += count
            buckets.append((bound, total))
        documentation = "From a request's arrival to the hand-over of its answer."
        return HistogramMetricFamily(
            "gateway_answer_seconds", documentation, buckets=buckets, sum_value=self._answer_sum_ns / 1e9
        )


def _counter(name: str, documentation: str, label: str, counts: Tally[Any]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, documentation, labels=[label])
    for value, count in counts.items():
        family.add_metric([str(value)], count)
    return family
