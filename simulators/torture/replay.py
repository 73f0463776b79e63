"""
The logs once more, through a fresh engine: what the killed, paused and restarted matchers answered together must be
what one matcher that nothing happened to would have answered.
"""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Final

import msgspec

from bus.connection import Bus
from bus.reader import LogMessage, LogReader
from bus.records import decode_exec, decode_ord
from bus.streams import last_seq
from bus.subjects import exec_stream, ord_stream
from configs.loader import Venue
from matcher.engine.engine import Engine

READ_PATIENCE_S: Final = 60.0
_decode_list = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.msgpack.Encoder().encode


class _Items:
    """Events, or increments, of all records, digested one by one: how they were cut into records is no matter."""

    def __init__(self) -> None:
        self.count = 0
        self._digest = sha256()

    def add(self, encoded: bytes) -> None:
        """Take an encoded list."""
        for item in _decode_list(encoded):
            self.count += 1
            self._digest.update(item)

    @property
    def digest(self) -> str:
        """Of all items, in their order."""
        return self._digest.hexdigest()


class _Answers:
    """What was answered."""

    def __init__(self) -> None:
        self._items = {"events": _Items(), "increments": _Items()}

    def add(self, events: bytes, increments: bytes) -> None:
        """Take two encoded lists."""
        self._items["events"].add(events)
        self._items["increments"].add(increments)

    def differences(self, replayed: "_Answers") -> list[str]:
        """In what these differ from what was replayed."""
        found = []
        for kind, items in self._items.items():
            others = replayed.items(kind)
            if (items.count, items.digest) != (others.count, others.digest):
                found.append(f"the log has {items.count} {kind}, and a replay gives {others.count}, not the same ones")
        return found

    def items(self, kind: str) -> _Items:
        """All `events`, or all `increments`."""
        return self._items[kind]


async def replay_differences(venue: Venue, shard: int) -> tuple[int, list[str]]:
    """
    Replay one shard of a venue at rest; returns how many ORD records there were, and how EXEC differs from the replay.

    Raises:
        BusError: JetStream does not answer.
        TimeoutError: It gives no records.
    """
    bus = await Bus.connect(venue.config.nats.url, name="torture-replay")
    try:
        answered, answered_up_to = _Answers(), 0
        async for message in _records(bus, exec_stream(shard)):
            record = decode_exec(message.payload)
            answered.add(bytes(record.events), bytes(record.increments))
            answered_up_to = max(answered_up_to, record.last_input_seq)
        replayed, count = _Answers(), 0
        config = venue.config.matcher
        engine = Engine(shard, orders_max=config.orders_max, finished_orders_max=config.finished_orders_max)
        async for message in _records(bus, ord_stream(shard)):
            if message.seq > answered_up_to:
                break
            ord_record = decode_ord(message.payload)
            events, increments = engine.apply_record(
                ord_record.gateway_id, ord_record.boot, ord_record.record_number, ord_record.commands, message.seq
            )
            replayed.add(_encode(events), _encode(increments))
            count += 1
        return count, [f"shard {shard}: {difference}" for difference in answered.differences(replayed)]
    finally:
        await bus.close()


async def _records(bus: Bus, stream: str) -> AsyncIterator[LogMessage]:
    """All records that a stream has now."""
    newest = await last_seq(bus, stream)
    reader = LogReader(bus, stream=stream, start_seq=1)
    await reader.start()
    try:
        seq = 0
        while seq < newest:
            async with asyncio.timeout(READ_PATIENCE_S):
                batch = await reader.next_batch()
            for message in batch:
                seq = message.seq
                yield message
    finally:
        await reader.stop()
