"""What Prometheus sees of the WebSocket process; `WEBSOCKET.md` says what each means."""

from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from marketdata.websocket.requests import CHANNELS


class WebSocketMetrics:
    """Metrics of the WebSocket process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"websocket_{name}", text, labels, registry=registry)

        self.connections = Gauge("websocket_connections", "Open connections.", registry=registry)
        self.subscriptions = Gauge(
            "websocket_subscriptions", "Symbols subscribed to, all connections together.", registry=registry
        )
        self._unsent = Gauge("websocket_unsent_bytes", "Bytes that readers have not taken yet.", registry=registry)
        self.refused = counter("connections_refused", "Connections refused at the handshake, by status.", "status")
        self.cut = counter("connections_cut", "Connections that this side ended, by reason.", "reason")
        self.conflated = counter("conflations", "Times a reader fell behind and was given snapshots instead.")
        self.left_out = counter("messages_left_out", "Messages that were not written to a reader that was behind.")
        self.errors = counter("errors", "Requests that could not be met, by code.", "code")
        self.stale = counter("stale_books", "Times a book stopped being current.")
        encoded = counter("messages_encoded", "Messages made, once for all readers of a view.", "channel")
        sent = counter("messages_sent", "Messages written, once for each reader.", "channel")
        self.encoded = {channel: encoded.labels(channel) for channel in CHANNELS}
        self.sent = {channel: sent.labels(channel) for channel in CHANNELS}
        self.bytes = counter("bytes_sent", "Bytes written.")

    def watch_unsent(self, unsent_bytes: Callable[[], int]) -> None:
        """Ask how much is unsent when scraped."""
        self._unsent.set_function(unsent_bytes)
