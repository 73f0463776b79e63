"""
The leading matcher as a writer on its own ORD: what it announces and what its clock says are commands like any other.

So whatever changes an answer stands in the log, and a log replays by itself. Records are numbered and repeated as a
gateway's are (go-back-N). A life of this writer is a leader's: its `boot` is the leader epoch, which only grows. So
what a former leader still sends is passed over, and no clock that was set back makes a new one's records look old.
"""

import asyncio
from collections import deque
from typing import Final

from bus.connection import Bus
from bus.publisher import WindowPublisher
from bus.records import encode_ord
from bus.subjects import GATEWAY_SYMBOL, ord_subject
from matcher.commands import Command, GatewayStarted

COMMANDS_MAX: Final = 500
"""Commands in one record at most, as in a gateway's."""
RECORDS_ON_THEIR_WAY_MAX: Final = 16

SymbolCommands = tuple[str, list[Command]]
"""A symbol and commands about it, in order."""


def writer_id(shard: int) -> str:
    """The `gateway_id` that the leading matcher of a shard writes under."""
    return f"matcher-{shard}"


class OwnRecords:
    """Writes commands onto ORD<shard> for as long as this matcher leads."""

    def __init__(self, bus: Bus, *, shard: int, leader_epoch: int) -> None:
        self._shard = shard
        self._boot = leader_epoch
        self._record_number = 0
        self._waiting: deque[SymbolCommands] = deque()
        self._settled = asyncio.Event()
        self._publisher = WindowPublisher(bus, window_max=RECORDS_ON_THEIR_WAY_MAX, on_room=self._send)

    @property
    def is_settled(self) -> bool:
        """Whether everything that was put is stored."""
        return not self._waiting and not self._publisher.in_flight

    def begin(self, received_ns: int) -> None:
        """Begin this life; to be called before anything else is put."""
        self.put([(GATEWAY_SYMBOL, [GatewayStarted(writer_id(self._shard), received_ns)])])

    def put(self, batch: list[SymbolCommands]) -> None:
        """Send commands, each symbol's in records of their own, in order; what there is no room for yet waits."""
        for symbol, commands in batch:
            for first in range(0, len(commands), COMMANDS_MAX):
                self._waiting.append((symbol, commands[first : first + COMMANDS_MAX]))
        self._send()

    async def settle(self) -> None:
        """Wait until everything that was put is stored."""
        while not self.is_settled:
            self._settled.clear()
            await self._settled.wait()

    def _send(self) -> None:
        while self._waiting and self._publisher.has_room:
            symbol, commands = self._waiting.popleft()
            self._record_number += 1
            record = encode_ord(
                gateway_id=writer_id(self._shard),
                boot=self._boot,
                record_number=self._record_number,
                commands=commands,
            )
            self._publisher.publish(ord_subject(self._shard, symbol), record, lambda: None)
        if self.is_settled:
            self._settled.set()
