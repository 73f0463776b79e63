"""
The logs once more, through a fresh engine: what the killed, paused and restarted matchers answered together must be
what one matcher that nothing happened to would have answered.

A log that was trimmed begins at a snapshot, so that state is taken as given; that the past was not checked is said.
"""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from bus.connection import Bus
from bus.reader import LogMessage, LogReader
from bus.streams import last_seq
from bus.subjects import exec_stream, ord_stream
from configs.loader import Venue
from matcher.process import snapshot_files
from matcher.process.logs import read_exec, read_ord
from matcher.process.replay_log import begin_of_logs

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


class Replayed(msgspec.Struct):
    """What came of replaying one shard."""

    records: int = 0
    """Of ORD."""
    differences: list[str] = []
    """In what EXEC is not what a replay gives."""
    unchecked: str = ""
    """What could not be replayed any more, in one sentence; empty: all was."""


async def replay(venue: Venue, data_dir: Path, shard: int) -> Replayed:
    """
    Replay one shard of a venue at rest.

    Raises:
        BusError: JetStream does not answer.
        LogBroken: A record cannot be read; or the logs were trimmed, and no snapshot goes so far.
        LogGap: A log has lost records.
        TimeoutError: JetStream gives no records.
    """
    bus = await Bus.connect(venue.config.nats.url, name="torture-replay")
    try:
        snapshots = snapshot_files.of_all_replicas(data_dir, shard)
        engine, exec_seq = await begin_of_logs(bus, shard, venue.config.matcher, snapshots)
        begins_at = answered_up_to = engine.last_input_seq
        answered = _Answers()
        async for message in _records(bus, exec_stream(shard), exec_seq):
            record = read_exec(shard, message.seq, message.payload)
            answered.add(bytes(record.events), bytes(record.increments))
            answered_up_to = max(answered_up_to, record.last_input_seq)
        replayed = _Answers()
        async for message in _records(bus, ord_stream(shard), begins_at + 1):
            if message.seq > answered_up_to:
                break
            ord_record = read_ord(shard, message)
            events, increments = engine.apply_record(
                ord_record.gateway_id, ord_record.boot, ord_record.record_number, ord_record.commands, message.seq
            )
            replayed.add(_encode(events), _encode(increments))
        differences = [f"shard {shard}: {difference}" for difference in answered.differences(replayed)]
        return Replayed(engine.last_input_seq - begins_at, differences, _unchecked(shard, begins_at))
    finally:
        await bus.close()


def _unchecked(shard: int, begins_at: int) -> str:
    if not begins_at:
        return ""
    return (
        f"{ord_stream(shard)} up to sequence {begins_at} and its answers were not replayed: the log was trimmed, and "
        "the state there is a snapshot's"
    )


async def _records(bus: Bus, stream: str, first_seq: int) -> AsyncIterator[LogMessage]:
    """All records that a stream has now, from a sequence on."""
    newest = await last_seq(bus, stream)
    reader = LogReader(bus, stream=stream, start_seq=first_seq)
    await reader.start()
    try:
        seq = first_seq - 1
        while seq < newest:
            async with asyncio.timeout(READ_PATIENCE_S):
                batch = await reader.next_batch()
            for message in batch:
                seq = message.seq
                yield message
    finally:
        await reader.stop()
