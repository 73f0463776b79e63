"""
What one session missed: the answers in EXEC between its sent mark and where the gateway stands.

A session that comes here while the gateway runs was left behind at its mark, some way back in EXEC of every shard. Its
answers are read again from there, for it alone, by a reader of its own for each shard, until that one has reached the
gateway's, and what was the end of EXEC when the session came: up to there it may have been sent to by the gateway where
it was, which may have been ahead of this one. From that record on the gateway's reader has the session's answers too,
and there is no gap and no repeat.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from bus.connection import Bus, BusError
from bus.reader import LogMessage, LogReader
from bus.streams import LogState, log_state
from bus.subjects import exec_stream
from gateway.sent_marks import AlreadySent

log = structlog.get_logger()

_RETRY_S: Final = 0.1

Bodies = Callable[[int, LogMessage], list[str]]
"""Shard and record of EXEC -> the session's reports in it."""


async def exec_states(bus: Bus, shards: int) -> list[LogState]:
    """What EXEC of each shard holds, as soon as JetStream tells it: who comes meanwhile waits, and ends nothing."""
    is_told = False
    while True:
        try:
            return [await log_state(bus, exec_stream(shard)) for shard in range(shards)]
        except BusError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from error  # Python 3.11's wait_for may have swallowed it
            if not is_told:
                log.warning("exec_states_awaited", why=str(error))
            is_told = True
            await asyncio.sleep(_RETRY_S)


class Held:
    """In place of a catch-up that cannot begin yet: all is its to deliver."""

    def takes(self, _shard: int, _exec_seq: int) -> bool:
        """See `CatchUp.takes`."""
        return True


class CatchUp:
    """
    Brings one session up to where the gateway is.

    Its client may be connected meanwhile: a drop copy whose numbers began anew, a session that was configured just now,
    or one that was about to be given up when its client came back.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        already_sent: AlreadySent,
        bodies_of: Bodies,
        deliver: Callable[[list[str]], None],
        positions: list[int],
        ends: list[int],
    ) -> None:
        """
        Args:
            bus: Connected.
            already_sent: What its store holds, and from where to compare.
            bodies_of: Renders.
            deliver: Called with what it missed, in order.
            positions: By shard, the last EXEC record that the gateway's reader has handed over; changes as it goes on.
            ends: By shard, an end of EXEC since the session is here: no other gateway sent it anything beyond.
        """
        self._bus = bus
        self._already_sent = already_sent
        self._bodies_of = bodies_of
        self._deliver = deliver
        self._positions = positions
        self._ends = ends
        self._read = list(already_sent.positions)
        self._joined = [False] * len(positions)
        self._all_joined = asyncio.Event()

    def takes(self, shard: int, exec_seq: int) -> bool:
        """Whether a record is the catch-up's to deliver, and not the gateway's reader's."""
        return not self._joined[shard] or exec_seq <= self._read[shard]

    async def run(self) -> None:
        """Deliver what was missed; returns when every shard has joined."""
        for shard in range(len(self._read)):
            self._join(shard)
        readers = [
            LogReader(
                self._bus,
                stream=exec_stream(shard),
                start_seq=seq + 1,
                on_messages=partial(self._on_messages, shard),
            )
            for shard, seq in enumerate(self._read)
            if not self._joined[shard]
        ]
        try:
            for reader in readers:
                await reader.start()
            await self._all_joined.wait()
        finally:
            for reader in readers:
                await reader.stop()

    def _on_messages(self, shard: int, messages: list[LogMessage]) -> None:
        missed: list[str] = []
        for message in messages:
            if self._joined[shard]:
                break  # the gateway's reader has it
            bodies = self._bodies_of(shard, message)
            missed += [
                self._already_sent.to_send(shard, message.seq, body)
                for body in bodies
                if not self._already_sent.claims(shard, message.seq, body)
            ]
            self._read[shard] = message.seq
            self._join(shard)
        if missed:
            self._deliver(missed)

    def _join(self, shard: int) -> None:
        if self._read[shard] >= max(self._positions[shard], self._ends[shard]):
            self._joined[shard] = True
            if all(self._joined):
                self._all_joined.set()
