"""A FIX session that never gives up: it keeps its numbers, logs on whenever it is cut off, and records the wire."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient, FixClientError, Received
from simulators.torture.history import Said, Wire

RETRY_S = 0.05
"""Between two attempts to log on while nobody listens."""
LOGON_PATIENCE_S = 5.0
"""Then an attempt is given up: the way may be cut."""


class PersistentClient:
    """One session; `run` keeps it up until `stop`."""

    def __init__(
        self,
        comp_id: str,
        version: str,
        ports: Sequence[int],
        *,
        see: Callable[[Said], None],
        on_message: Callable[[Received], None],
        on_logged_on: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            comp_id: Whose password is `example-` and it in small letters.
            version: BeginString(8).
            ports: Where the gateways, or proxies of them, listen: each attempt to log on is at the next one.
            see: Gets every message of the wire.
            on_message: Gets every application message of the venue, once, in order.
            on_logged_on: Called after each logon.
        """
        self.comp_id = comp_id
        self.connections = 0
        """Attempts to log on."""
        self._version = version
        self._ports = ports
        self._see = see
        self._on_message = on_message
        self._on_logged_on = on_logged_on
        self._store = MemoryStore()
        self._client: FixClient | None = None
        self._stopping = asyncio.Event()

    @property
    def is_up(self) -> bool:
        """A request can be sent."""
        return self._client is not None and self._client.is_up

    def send(self, body: str) -> None:
        """
        Send a request.

        Raises:
            FixClientError: Just now there is no session.
        """
        if self._client is None:
            raise FixClientError(f"{self.comp_id} is not logged on")
        self._client.send(body)

    async def run(self) -> None:
        """Log on, and again and again; returns after `stop`, logged out."""
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(LOGON_PATIENCE_S):
                    self._client = await self._connect()
            except (FixClientError, TimeoutError):
                await self._pause()
                continue
            self._on_logged_on()
            stopped = asyncio.create_task(self._stopping.wait())
            ends: set[asyncio.Future[Any]] = {stopped, self._client.closed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
        if self._client is not None:
            await self._client.logout()

    def stop(self) -> None:
        """Log out, and stay so."""
        self._stopping.set()

    def abort(self) -> None:
        """Cut the connection, as a crash of the client would."""
        if self._client is not None:
            self._client.abort()

    async def _connect(self) -> FixClient:
        self.connections += 1
        wire = Wire(self.comp_id, self.connections, self._see, time.monotonic_ns)
        return await FixClient.connect(
            "127.0.0.1",
            self._ports[self.connections % len(self._ports)],
            begin_string=self._version,
            sender_comp_id=self.comp_id,
            password=f"example-{self.comp_id.lower()}",
            store=self._store,
            on_message=self._on_message,
            tap=wire.on_bytes,
        )

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), RETRY_S)
