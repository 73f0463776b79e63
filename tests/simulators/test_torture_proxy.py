"""The proxy of `simulators.torture`: what it forwards, and how it fails when it is told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from simulators.torture.proxy import Proxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[Proxy, Streams, Streams]]:
    """A proxy, and both ends of a connection through it: the client's, the server's."""
    accepted: asyncio.Queue[Streams] = asyncio.Queue()
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await accepted.put((reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy = Proxy("test", "127.0.0.1", server.sockets[0].getsockname()[1])
    await proxy.start()
    client = await asyncio.open_connection("127.0.0.1", proxy.port)
    client[1].write(b"hello")
    served = await accepted.get()
    assert await served[0].readexactly(5) == b"hello"
    try:
        yield proxy, client, served
    finally:
        await proxy.stop()
        for writer in (client[1], *writers):
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        server.close()
        await server.wait_closed()


async def it_forwards_both_ways() -> None:
    async with proxied() as (_, client, served):
        served[1].write(b"a" * 500_000)
        assert await client[0].readexactly(500_000) == b"a" * 500_000
        client[1].write(b"b" * 500_000)
        assert await served[0].readexactly(500_000) == b"b" * 500_000


async def when_one_side_closes_so_does_the_other() -> None:
    async with proxied() as (_, client, served):
        served[1].write(b"last words")
        served[1].close()
        assert await client[0].read() == b"last words"


async def a_cut_loses_nothing_and_tells_nobody() -> None:
    async with proxied() as (proxy, client, served):
        proxy.cut()
        client[1].write(b"up")
        served[1].write(b"down")
        late = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client[0].read(1), 0.05)
        proxy.mend()
        assert await client[0].readexactly(4) == b"down"
        assert await served[0].readexactly(2) == b"up"
        late[1].close()
        await late[1].wait_closed()


async def a_close_during_a_cut_is_learned_of_after_it() -> None:
    async with proxied() as (proxy, client, served):
        proxy.cut()
        served[1].transport.abort()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client[0].read(1), 0.05)
        proxy.mend()
        client[1].write(b"is there anybody?")
        assert await client[0].read() == b""


async def it_breaks_a_message_in_its_middle() -> None:
    async with proxied() as (proxy, client, served):
        proxy.break_after("up", 3)
        client[1].write(b"12345")
        assert await served[0].read() == b"123"
        assert await client[0].read() == b""


async def a_server_that_is_away_refuses_through_it() -> None:
    proxy = Proxy("gone", "127.0.0.1", 1)
    await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    with contextlib.suppress(ConnectionError):  # so it is told on other systems
        assert await reader.read() == b""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    await proxy.stop()


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize(
    "behaviour",
    [
        it_forwards_both_ways,
        when_one_side_closes_so_does_the_other,
        a_cut_loses_nothing_and_tells_nobody,
        a_close_during_a_cut_is_learned_of_after_it,
        it_breaks_a_message_in_its_middle,
        a_server_that_is_away_refuses_through_it,
    ],
)
def test_on_both_event_loops(
    behaviour: Callable[[], Coroutine[Any, Any, None]], loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(behaviour())
