"""What Prometheus sees of market data: the process's own metrics, and those of the FIX feed inside the gateway."""

from collections.abc import Mapping
from functools import partial

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from marketdata.book import Book


class ServiceMetrics:
    """Metrics of the market-data process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.increments = Counter(
            "marketdata_increments_published", "Increments published on md.<symbol>.", registry=registry
        )
        self.unsent = Counter(
            "marketdata_increments_unsent",
            "Increments that NATS could not take; readers notice and ask for a snapshot.",
            registry=registry,
        )
        self.snapshots = Counter(
            "marketdata_snapshot_requests", "Answers on md-snapshot.", ["answer"], registry=registry
        )
        self.checkpoints = Counter("marketdata_checkpoints", "Checkpoints written.", registry=registry)
        self.position = Gauge(
            "marketdata_exec_position", "Last EXEC record in the books, by shard.", ["shard"], registry=registry
        )
        self.lag = Gauge(
            "marketdata_exec_lag_records", "EXEC records still to be read, by shard.", ["shard"], registry=registry
        )
        self._md_seq = Gauge("marketdata_md_seq", "Last increment of the book.", ["symbol"], registry=registry)
        self._levels = Gauge("marketdata_levels", "Price levels in the book.", ["symbol", "side"], registry=registry)

    def watch(self, books: Mapping[str, Book]) -> None:
        """Read each book's number and size when scraped, so that the hot path pays nothing."""
        for symbol, book in books.items():
            self._md_seq.labels(symbol).set_function(partial(getattr, book, "md_seq"))
            self._levels.labels(symbol, "bid").set_function(partial(getattr, book, "bid_levels"))
            self._levels.labels(symbol, "ask").set_function(partial(getattr, book, "ask_levels"))


class FeedMetrics:
    """Metrics of the FIX market-data feed."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.subscriptions = Gauge(
            "fix_feed_subscriptions", "Symbols subscribed to over FIX, all sessions together.", registry=registry
        )
        self.messages = Counter(
            "fix_feed_messages", "Messages sent to FIX market-data sessions.", ["msg_type"], registry=registry
        )
        self.lost_books = Counter(
            "fix_feed_lost_books", "Times a book stopped being current and was withdrawn.", registry=registry
        )
