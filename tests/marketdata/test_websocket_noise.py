"""Whatever bytes come, a connection answers or ends, and nothing is left of it."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from bus.connection import Bus
from configs.loader import Venue

from .exec_log import until
from .websockets_in_tests import site

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
REQUESTS = (
    b'{"op":"subscribe","id":"1","channel":"book","symbols":"*"}',
    b'{"op":"subscribe","id":"2","channel":"candles","symbols":["AAPL"],"length_s":60}',
    b'{"op":"snapshot","channel":"trades","symbols":["AAPL"]}',
    b'{"op":"unsubscribe","id":"1"}',
    b'{"op":"checksum","symbol":"AAPL"}',
    b'{"op":"symbols"}',
    b"",
)
CLOSES = (b"", b"\x03\xe8", b"\x03\xe8bye", b"\x00", b"\x00\x01", b"\x03\xe8\xff")
CONTROL = (Opcode.PING, Opcode.PONG, Opcode.CLOSE)
CONNECTIONS = 300


def noise(chance: random.Random) -> Iterator[bytes]:
    """A handshake and some frames, most of them sound."""
    yield damaged(chance, HANDSHAKE, 0.2)
    for _ in range(chance.randrange(20)):
        opcode = chance.choice([Opcode.TEXT] * 6 + [Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG, Opcode.CLOSE])
        data = chance.choice(CLOSES if opcode is Opcode.CLOSE else REQUESTS)
        is_whole = opcode in CONTROL or chance.random() < 0.9
        frame = Frame(opcode, damaged(chance, data, 0.2), fin=is_whole)
        yield damaged(chance, frame.serialize(mask=chance.random() < 0.97), 0.05)


def damaged(chance: random.Random, data: bytes, probability: float) -> bytes:
    spoilt = bytearray(data)
    if spoilt and chance.random() < probability:
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_bytes_bring_anything_but_an_answer_or_an_end(bus: Bus, venue: Venue, seed: int) -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    chance = random.Random(seed)
    async with site(bus, venue, errors_per_minute=1_000) as where:
        for _ in range(CONNECTIONS):
            _reader, writer = await asyncio.open_connection("127.0.0.1", where.server.port)
            with suppress(ConnectionError):
                writer.writelines(noise(chance))
                if chance.random() < 0.3:
                    writer.transport.abort()
                elif chance.random() < 0.5:
                    writer.write_eof()
            writer.close()
        await until(lambda: where.metric("connections") == 0)
        assert where.metric("subscriptions") == 0
        assert where.metric("errors_total", code="NOT_JSON") > 10
    assert not failures, failures[0]
