"""
What a server has sent and the reader never got, as when the route between two servers of a cluster breaks.

The server is a real one; the losses are made at the reader's subscription.
"""

from collections.abc import Awaitable, Callable

import pytest

from bus.client import Taker
from bus.connection import Bus
from bus.reader import LogReader
from bus.streams import ensure_shard
from tests.jetstream import LOG_BYTES_MAX, store


@pytest.fixture
async def log(bus: Bus) -> Bus:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    for payload in (b"1", b"2", b"3"):
        await store(bus, "ord.0.A", payload)
    return bus


def lose_once(bus: Bus, payload: bytes) -> None:
    """From now on the first delivery with this payload does not arrive."""
    subscribe_raw = bus.subscribe_raw
    lost: list[bytes] = []

    async def subscribe(subject: str, taker: Taker) -> Callable[[], Awaitable[None]]:
        def take(to: str, reply: str, received: bytes, headers: bytes | None) -> None:
            if received == payload and not lost:
                lost.append(received)
            else:
                taker(to, reply, received, headers)

        return await subscribe_raw(subject, take)

    bus.subscribe_raw = subscribe  # type: ignore[method-assign]


@pytest.mark.parametrize("lost", [b"1", b"2", b"3"], ids=["first", "middle", "last"])
async def test_a_delivery_that_was_lost_is_asked_for_again(log: Bus, lost: bytes) -> None:
    """Of the last one only the heartbeat tells; without the first one it looks as if the stream itself had a gap."""
    lose_once(log, lost)
    reader = LogReader(log, stream="ORD0", start_seq=1)
    await reader.start()
    taken: list[bytes] = []
    while len(taken) < 3:
        taken += [message.payload for message in await reader.next_batch()]
    assert taken == [b"1", b"2", b"3"]
    await reader.stop()


async def test_all_deliveries_may_be_lost(log: Bus) -> None:
    """Then the first heartbeat tells."""
    for payload in (b"1", b"2", b"3"):
        lose_once(log, payload)
    reader = LogReader(log, stream="ORD0", start_seq=1)
    await reader.start()
    assert [message.seq for message in await reader.next_batch()] == [1, 2, 3]
    await reader.stop()
