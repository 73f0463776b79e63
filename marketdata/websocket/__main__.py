"""`./outcry websocket`: reads the public feed and serves it over WebSocket."""

import asyncio
import sys
from contextlib import suppress
from typing import Final

from bus.connection import Bus, BusError
from configs.loader import NatsConfig, Venue
from marketdata.client import BookReader
from marketdata.websocket.hub import Hub
from marketdata.websocket.metrics import WebSocketMetrics
from marketdata.websocket.server import WebSocketServer
from venue.nats_server import FEED_USER
from venue.process import Settings, StartError, argument_parser, notify_ready, open_settings, run, serve_metrics

_NEW_SYMBOLS_S: Final = 1.0


def main(argv: list[str] | None = None) -> int:
    """Run the WebSocket process until it is told to stop; returns the exit status."""
    options = argument_parser("websocket", "Serve market data over WebSocket.").parse_args(argv)

    async def live(stop: asyncio.Event) -> None:
        await _serve(open_settings(options), stop)

    return run("websocket", live, outages=(BusError,))


async def _serve(settings: Settings, stop: asyncio.Event) -> None:
    config = settings.venue.config
    if not config.websocket.port:
        raise StartError("websocket.port is 0, so nothing is to be served; set a port, such as 9880")
    bus = await _connect(config.nats)
    try:
        await serve(settings.venue, bus, WebSocketMetrics(), stop)
    finally:
        await bus.close()


async def _connect(nats: NatsConfig) -> Bus:
    """
    To the venue's own server as the user who may read market data and nothing else: this process faces the public.

    Raises:
        BusError: There is no server.
    """
    if not nats.embedded:
        return await Bus.connect(nats.url, name="websocket")
    urls = [url.replace("nats://", f"nats://{FEED_USER}:{FEED_USER}@") for url in nats.urls]
    return await Bus.connect(",".join(urls), name=FEED_USER)


async def serve(venue: Venue, bus: Bus, metrics: WebSocketMetrics, stop: asyncio.Event) -> None:
    """
    Read and serve until `stop` is set.

    Raises:
        StartError: A port cannot be used.
    """
    hub = Hub(metrics)
    reader = BookReader(bus, venue.instruments, hub.on_change, with_orders=True)
    hub.attach(reader.replicas)
    server = WebSocketServer(venue.config.websocket, hub, metrics)
    await server.start()
    await reader.start()
    try:
        metrics_port = serve_metrics(venue.config.websocket.metrics_port)
        notify_ready(websocket_port=server.port, metrics_port=metrics_port, symbols=len(reader.replicas))
        while not stop.is_set():
            for symbol in reader.known_symbols:
                reader.watch(symbol)  # one that the operator added is traded from some moment on
            with suppress(TimeoutError):
                async with asyncio.timeout(_NEW_SYMBOLS_S):
                    await stop.wait()
    finally:
        hub.stop()
        await server.stop()
        await reader.stop()


if __name__ == "__main__":
    sys.exit(main())
