"""A WebSocket process as in its own program, and readers of it that see every message."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from websockets.asyncio.client import ClientConnection, connect

from bus.connection import Bus
from configs.loader import Venue, WebSocketConfig
from marketdata.client import BookReader
from marketdata.websocket.hub import Hub
from marketdata.websocket.metrics import WebSocketMetrics
from marketdata.websocket.server import WebSocketServer

from .exec_log import PATIENCE_S, until


class Site:
    """A server with its reader of the bus."""

    def __init__(self, reader: BookReader, hub: Hub, server: WebSocketServer, registry: CollectorRegistry) -> None:
        self.reader = reader
        self.hub = hub
        self.server = server
        self._registry = registry

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.server.port}"

    def metric(self, name: str, **labels: str) -> float:
        return self._registry.get_sample_value(f"websocket_{name}", labels) or 0.0

    async def at(self, symbol: str, md_seq: int) -> None:
        """Until the server's own replica has this increment."""
        await until(lambda: symbol in self.reader.replicas and self.reader.replicas[symbol].md_seq == md_seq)
        await until(lambda: self.reader.replicas[symbol].is_current)


@asynccontextmanager
async def site(bus: Bus, venue: Venue, **config: Any) -> AsyncIterator[Site]:
    registry = CollectorRegistry()
    metrics = WebSocketMetrics(registry)
    own_bus = await Bus.connect(bus._client.connected_url.geturl(), name="websocket")
    hub = Hub(metrics)
    reader = BookReader(own_bus, venue.instruments, hub.on_change, with_orders=True, audit_interval_s=0.05)
    hub.attach(reader.replicas)
    server = WebSocketServer(replace(WebSocketConfig(), **config), hub, metrics)
    await server.start()
    await reader.start()
    try:
        yield Site(reader, hub, server, registry)
    finally:
        hub.stop()
        await server.stop()
        await reader.stop()
        await own_bus.close()


class Line:
    """A connection that sends requests and takes messages one by one."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, request: dict[str, Any] | str | bytes) -> None:
        await self.connection.send(json.dumps(request) if isinstance(request, dict) else request)

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            message: dict[str, Any] = json.loads(await self.connection.recv())
        return message

    async def ask(self, **request: Any) -> dict[str, Any]:
        await self.send(request)
        return await self.next()


@asynccontextmanager
async def line(where: Site) -> AsyncIterator[Line]:
    async with connect(where.url, max_size=None, compression=None, proxy=None) as connection:
        yield Line(connection)
