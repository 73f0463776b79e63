"""The port: listens, and ends all connections when the process stops."""

import asyncio
from typing import Final

from configs.loader import WebSocketConfig
from marketdata.websocket.connection import Connection, House
from marketdata.websocket.hub import Hub
from marketdata.websocket.metrics import WebSocketMetrics
from venue.process import StartError

_BACKLOG: Final = 512
_FAREWELL_S: Final = 1.0


class WebSocketServer:
    """Market data for whoever connects."""

    def __init__(self, config: WebSocketConfig, hub: Hub, metrics: WebSocketMetrics) -> None:
        self._config = config
        self._house = House(config, hub, metrics)
        metrics.watch_unsent(lambda: self._house.unsent_bytes)
        self.port = 0
        """Where it listens, once started."""

    async def start(self) -> None:
        """
        Listen.

        Raises:
            StartError: The port cannot be used.
        """
        config = self._config
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self._house), config.host, config.port, backlog=_BACKLOG
            )
        except OSError as error:
            raise StartError(
                f"port {config.port} of {config.host} cannot be used ({error.strerror}); change websocket.port or "
                "websocket.host"
            ) from error
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more, and tell everybody that this side goes away."""
        self._server.close()
        await self._house.close(_FAREWELL_S)
