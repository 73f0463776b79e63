"""What Prometheus sees of a gateway."""

import asyncio
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from configs.loader import ONE_MACHINE, load
from gateway.metrics import GatewayMetrics
from matcher.events import CancelRejected, OrderAccepted, OrderFilled, OrderStatusReported
from matcher.orders import OrderState
from matcher.rejects import RejectReason
from sessions.native.engine import NativeEngine

ORDER = OrderState(1, "S", "F", "c", "", "A", "1", "2", "0", 5, 10, 10, 0, 0, "0")
RECEIVED_NS = 1_767_605_400_000_000_000


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> GatewayMetrics:
    return GatewayMetrics(registry)


def accepted(requester: str = "S") -> OrderAccepted:
    return OrderAccepted(1, 0, RECEIVED_NS, requester, ORDER)


def test_requests_are_counted_by_type_and_the_rest_together(
    metrics: GatewayMetrics, registry: CollectorRegistry
) -> None:
    for msg_type in ("D", "D", "F", "AB", "\x01"):
        metrics.count_request(msg_type)
    counts = {name: registry.get_sample_value("gateway_requests_total", {"msg_type": name}) for name in "DFGH"}
    assert counts == {"D": 2, "F": 1, "G": None, "H": None}
    assert registry.get_sample_value("gateway_requests_total", {"msg_type": "other"}) == 2


def test_answers_are_counted_by_event_and_refusals_by_reason(
    metrics: GatewayMetrics, registry: CollectorRegistry
) -> None:
    metrics.count_answer(accepted(), RECEIVED_NS)
    for _ in range(2):
        refused = CancelRejected(1, 0, RECEIVED_NS, "S", "A", "1", 0, "8", "d", "c", RejectReason.TOO_LATE, "")
        metrics.count_answer(refused, RECEIVED_NS)
    metrics.count_answer(OrderStatusReported(1, 0, RECEIVED_NS, "S", ORDER, "q", None, ""), RECEIVED_NS)
    assert registry.get_sample_value("gateway_answers_total", {"event": "OrderAccepted"}) == 1
    assert registry.get_sample_value("gateway_answers_total", {"event": "CancelRejected"}) == 2
    assert registry.get_sample_value("gateway_rejects_total", {"reason": "TOO_LATE"}) == 2


@pytest.mark.parametrize(
    ("latency_ns", "bucket"),
    [(0, "0.0001"), (100_000, "0.0001"), (100_001, "0.00025"), (10**10, "10"), (10**10 + 1, "+Inf")],
)
def test_an_answer_is_in_the_bucket_of_its_latency(
    metrics: GatewayMetrics, registry: CollectorRegistry, latency_ns: int, bucket: str
) -> None:
    metrics.count_answer(accepted(), RECEIVED_NS + latency_ns)
    cumulative = {
        sample.labels["le"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "gateway_answer_seconds_bucket"
    }
    assert next(bound for bound, count in cumulative.items() if count == 1) == bucket
    assert list(cumulative.values()) == sorted(cumulative.values())
    assert registry.get_sample_value("gateway_answer_seconds_count") == 1
    assert registry.get_sample_value("gateway_answer_seconds_sum") == latency_ns / 1e9


def test_what_nobody_asked_for_has_no_latency(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    metrics.count_answer(OrderFilled(1, 0, RECEIVED_NS, "", ORDER, 1, 5, 10, False), RECEIVED_NS + 1)
    assert registry.get_sample_value("gateway_answers_total", {"event": "OrderFilled"}) == 1
    assert registry.get_sample_value("gateway_answer_seconds_count") == 0


def test_readings_are_taken_when_scraped(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    sessions: list[str] = []
    metrics.watch({"gateway_sessions_up": ("FIX sessions that are logged on.", lambda: len(sessions))})
    sessions.append("S")
    assert registry.get_sample_value("gateway_sessions_up") == 1
    assert b"# HELP gateway_sessions_up FIX sessions that are logged on." in generate_latest(registry)


ENGINE_COUNTS = {
    "gateway_logons",
    "gateway_logons_refused",
    "gateway_connections_refused",
    "gateway_connections_closed",
    "gateway_session_rejects",
    "gateway_garbled",
    "gateway_slow_readers_cut",
}


def names(registry: CollectorRegistry) -> set[str]:
    return {family.name for family in registry.collect()}


async def test_our_own_engine_tells_all_its_counts(
    metrics: GatewayMetrics, registry: CollectorRegistry, tmp_path: Path
) -> None:
    assert not ENGINE_COUNTS & names(registry)
    engine = NativeEngine(load(ONE_MACHINE), data_dir=tmp_path, loop=asyncio.get_running_loop(), applications={})
    metrics.watch_engine(engine)
    engine.tally.logons += 2
    engine.tally.logons_refused["credentials"] += 3
    engine.tally.connections_refused["unknown_session"] += 4
    engine.tally.connections_closed["silent"] += 5
    engine.tally.rejects_sent[5] += 6
    engine.tally.garbled["checksum"] += 7
    engine.tally.slow_readers_cut += 8
    assert names(registry) >= ENGINE_COUNTS
    assert registry.get_sample_value("gateway_logons_total") == 2
    assert registry.get_sample_value("gateway_logons_refused_total", {"reason": "credentials"}) == 3
    assert registry.get_sample_value("gateway_connections_refused_total", {"reason": "unknown_session"}) == 4
    assert registry.get_sample_value("gateway_connections_closed_total", {"reason": "silent"}) == 5
    assert registry.get_sample_value("gateway_session_rejects_total", {"reason": "5"}) == 6
    assert registry.get_sample_value("gateway_garbled_total", {"reason": "checksum"}) == 7
    assert registry.get_sample_value("gateway_slow_readers_cut_total") == 8
    await engine.close()


def test_an_engine_that_counts_less_has_fewer_metrics(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    metrics.watch_engine(SimpleNamespace(logons=1, logons_refused=Counter(heartbeat=2), slow_readers_cut=0))
    assert ENGINE_COUNTS & names(registry) == {"gateway_logons", "gateway_logons_refused", "gateway_slow_readers_cut"}
    assert registry.get_sample_value("gateway_logons_refused_total", {"reason": "heartbeat"}) == 2


def test_the_readme_names_every_metric() -> None:
    root = ONE_MACHINE.parents[1]
    sources = ("gateway/metrics.py", "gateway/service.py", "matcher/process/metrics.py", "marketdata/metrics.py")
    metric = r"(?:gateway|fix_feed|matcher|marketdata)_[a-z_]+"
    exposed = {name for source in sources for name in re.findall(rf'"({metric})"', (root / source).read_text())}
    tables = (root / "README.md").read_text().partition("## Monitoring")[2]
    assert set(re.findall(rf"`({metric})", tables)) == exposed
