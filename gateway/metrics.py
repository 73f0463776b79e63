"""What Prometheus sees of a gateway: base units, few labels, never an order id."""

from collections.abc import Callable
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from matcher.events import Event

_SECONDS: Final = (
    0.0001, 0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10
)  # fmt: skip
_COUNTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class GatewayMetrics:
    """Metrics of one gateway process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._registry = registry
        requests = Counter("gateway_requests", "Requests received.", ["msg_type"], registry=registry)
        self._requests = {msg_type: requests.labels(msg_type) for msg_type in "DFGH"}
        self._other_requests = requests.labels("other")
        self._answers = Counter("gateway_answers", "Reports handed to sessions.", ["event"], registry=registry)
        self._answer_of: dict[type, Counter] = {}
        self._rejects = Counter("gateway_rejects", "Refusals, by reason.", ["reason"], registry=registry)
        self.answer_seconds = Histogram(
            "gateway_answer_seconds",
            "From a request's arrival to the hand-over of its first answer.",
            buckets=_SECONDS,
            registry=registry,
        )
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

    def count_request(self, msg_type: str) -> None:
        """One request came in."""
        self._requests.get(msg_type, self._other_requests).inc()

    def count_answer(self, event: Event, now_ns: int) -> None:
        """One report of `event` goes out."""
        kind = type(event)
        answers = self._answer_of.get(kind)
        if answers is None:
            answers = self._answer_of[kind] = self._answers.labels(kind.__name__)
        answers.inc()
        if event.requester_session_id:
            self.answer_seconds.observe((now_ns - event.transact_ns) / 1e9)
        reason = getattr(event, "reason", None)
        if reason is not None:
            self._rejects.labels(reason).inc()
