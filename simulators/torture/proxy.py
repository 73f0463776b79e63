"""
A TCP proxy that can be told to misbehave: the way between two processes, to be cut.

What waits in it is bounded: a side whose peer does not take what it sends is not read.
"""

import asyncio
from typing import Final, Literal, cast

Way = Literal["up", "down"]
"""To the server, or back."""

_BUFFERED_BYTES_MAX: Final = 1 << 16


class Proxy:
    """Listens on a port of its own and forwards to another, until it is told not to."""

    def __init__(self, name: str, host: str, port: int) -> None:
        """
        Args:
            name: Of the way, for the log: `gateway-nats`.
            host: Where the server listens.
            port: Its port; nobody need listen yet.
        """
        self.name = name
        self.port = 0
        """Where this one listens, once it is started."""
        self._host = host
        self._server_port = port
        self._pairs: set[_Pair] = set()
        self._is_cut = False
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close all connections, and listen no more."""
        self.reset()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def cut(self) -> None:
        """Forward nothing any more, either way, and tell nobody: as a pulled cable."""
        self._is_cut = True
        for pair in self._pairs:
            pair.hold()

    def mend(self) -> None:
        """Forward again, first what has waited."""
        self._is_cut = False
        for pair in list(self._pairs):
            pair.release()

    def reset(self) -> None:
        """Close all connections at once, with what waits."""
        for pair in list(self._pairs):
            pair.abort()

    def break_after(self, way: Way, count: int) -> None:
        """Close each connection when so many more bytes have been forwarded this way: in the middle of a message."""
        for pair in self._pairs:
            pair.break_after(way, count)

    async def connect(self, pair: "_Pair") -> None:
        """Reach the server for a client that has connected."""
        try:
            await asyncio.get_running_loop().create_connection(lambda: pair.server, self._host, self._server_port)
        except OSError:
            pair.abort()  # as if the server itself had refused
            return
        if self._is_cut:
            pair.hold()

    def _accept(self) -> "_End":
        pair = _Pair(self)
        self._pairs.add(pair)
        if self._is_cut:
            pair.hold()
        return pair.client

    def forget(self, pair: "_Pair") -> None:
        """It is closed."""
        self._pairs.discard(pair)


class _Pair:
    """One connection of a client, and the one to the server that goes with it."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self.client = _End(self, "up")
        self.server = _End(self, "down")
        self.client.other, self.server.other = self.server, self.client
        self.is_held = False
        self.is_over = False
        self.is_lost = False
        """One side was closed while nothing was forwarded."""
        self._left: dict[Way, int] = {}
        self._connecting: asyncio.Task[None] | None = None

    def reach(self) -> None:
        """The client is there: connect to the server."""
        self._connecting = asyncio.create_task(self._proxy.connect(self))

    def hold(self) -> None:
        """Read neither side."""
        self.is_held = True
        for end in (self.client, self.server):
            end.update()

    def release(self) -> None:
        """Go on; if one side was closed meanwhile, the other learns of it now."""
        self.is_held = False
        if self.is_lost:
            self.end()
        for end in (self.client, self.server):
            end.update()

    def break_after(self, way: Way, count: int) -> None:
        """See `Proxy.break_after`."""
        self._left[way] = count

    def forward(self, way: Way, data: bytes, to: "_End") -> None:
        """Pass on what was read, or the part of it that is still allowed."""
        left = self._left.get(way)
        if left is not None and len(data) >= left:
            to.write(data[:left])
            self.end()
            return
        if left is not None:
            self._left[way] = left - len(data)
        to.write(data)

    def end(self) -> None:
        """Close both sides; what was given to them is written."""
        self._over()
        for end in (self.client, self.server):
            end.close()

    def abort(self) -> None:
        """Close both sides at once."""
        self._over()
        for end in (self.client, self.server):
            end.abort()

    def _over(self) -> None:
        self.is_over = True
        self._proxy.forget(self)


class _End(asyncio.Protocol):
    """One side of a pair; `other` is where its bytes go."""

    other: "_End"

    def __init__(self, pair: _Pair, way: Way) -> None:
        self._pair = pair
        self._way: Way = way
        self._transport: asyncio.Transport | None = None
        self._is_full = False
        self._is_reading = True
        self._early = b""  # what came before the server was reached: less than one read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From asyncio."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_BUFFERED_BYTES_MAX)
        if self._pair.is_over:
            self._transport.abort()
            return
        asyncio.get_running_loop().call_soon(self.update)  # uvloop begins to read after this call, come what may
        if self._way == "up":
            self._pair.reach()
            return
        self._transport.write(self._early)
        self._early = b""
        self.other.update()

    def data_received(self, data: bytes) -> None:
        """From asyncio."""
        self._pair.forward(self._way, data, self.other)

    def connection_lost(self, _exc: Exception | None) -> None:
        """From asyncio: one side closed, so the other is closed as well; but nobody learns of it through a cut."""
        self._transport = None
        if self._pair.is_held:
            self._pair.is_lost = True
        else:
            self._pair.end()

    def pause_writing(self) -> None:
        """From asyncio."""
        self._is_full = True
        self.other.update()

    def resume_writing(self) -> None:
        """From asyncio."""
        self._is_full = False
        self.other.update()

    def write(self, data: bytes) -> None:
        """Send to whom this end is connected, or will be in a moment."""
        if self._transport is not None:
            self._transport.write(data)
        elif not self._pair.is_over:
            self._early += data

    def close(self) -> None:
        """Close when all is written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def update(self) -> None:
        """Read, or do not, as things stand; the server's side must be there before the client is read."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        may_read = not self._pair.is_held and self.other.is_ready
        if may_read and not self._is_reading:
            transport.resume_reading()
        elif not may_read and self._is_reading:
            transport.pause_reading()
        self._is_reading = may_read

    @property
    def is_ready(self) -> bool:
        """It can take more."""
        return self._transport is not None and not self._is_full
