"""
A matcher that stands by: it follows both logs, and compares all that the leader answers with what it would answer.

Its engine stands at the last answer that it has read, never further: so it can lead as soon as it has read EXEC to its
end, and replays nothing.
"""

import asyncio

from bus.connection import Bus
from bus.reader import LogMessage, LogReader
from bus.records import StateMark
from bus.subjects import exec_stream
from matcher.engine.engine import Engine
from matcher.process.logs import Position
from matcher.process.metrics import MatcherMetrics
from matcher.process.replay import Diverged, Replay
from matcher.process.snapshot_taker import Snapshots


class Standby:
    """Follows one shard."""

    def __init__(
        self,
        bus: Bus,
        engine: Engine,
        reader: LogReader,
        position: Position,
        *,
        snapshots: Snapshots,
        metrics: MatcherMetrics,
    ) -> None:
        """
        Args:
            bus: Connected.
            engine: Stands at the position.
            reader: Reads ORD from there.
            position: An end of EXEC that was.
            snapshots: Takes them.
            metrics: Told how far it is.
        """
        self.exec_seq = position.exec_seq
        """EXEC is read up to here."""
        self._replay = Replay(engine, leader_epoch=position.leader_epoch)
        self._reader = reader
        self._snapshots = snapshots
        self._metrics = metrics
        self._exec_reader = LogReader(bus, stream=exec_stream(engine.shard), start_seq=position.exec_seq + 1)
        self._moved = asyncio.Event()
        self.diverged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Never ends but by the exception."""
        snapshots.note_consumed(engine.last_input_seq)

    @property
    def leader_epoch(self) -> int:
        """Of the last record that was read."""
        return self._replay.leader_epoch

    @property
    def consumed_input_seq(self) -> int:
        """ORD is replayed up to here."""
        return self._replay.consumed_input_seq

    @property
    def epochs_in_a_row(self) -> int:
        """Leaders that took over since anything was answered."""
        return self._replay.epochs_in_a_row

    def note_mark(self, input_seq: int, state_hash: str) -> None:
        """Compare the leader's state with ours; should it be another, `diverged` ends with `Diverged`."""
        try:
            self._replay.note_own_mark(StateMark(input_seq, state_hash))
        except Diverged as error:
            if not self.diverged.done():
                self.diverged.set_exception(error)

    async def follow(self) -> None:
        """
        Replay what the leader answers, for ever.

        Raises:
            Diverged: It answers otherwise than we would.
            LogBroken: A record cannot be read, or does not fit.
            LogGap: A log has lost records.
        """
        await self._exec_reader.start()
        try:
            while True:
                for message in await self._exec_reader.next_batch():
                    await self._follow_one(message)
                    self._metrics.lag.set(message.pending)
                    await asyncio.sleep(0)  # whoever has much to follow still has to hear the leader
        finally:
            await self._exec_reader.stop()

    async def until_read(self, exec_seq: int) -> None:
        """Wait until EXEC is read up to a sequence; `follow` runs meanwhile."""
        while self.exec_seq < exec_seq:
            self._moved.clear()
            await self._moved.wait()

    async def until_consumed(self, input_seq: int) -> None:
        """Wait until ORD is replayed up to an input; `follow` runs meanwhile."""
        while self.consumed_input_seq < input_seq:
            self._moved.clear()
            await self._moved.wait()

    async def _follow_one(self, message: LogMessage) -> None:
        record = self._replay.begin(message.seq, message.payload)
        while self._replay.consumed_input_seq < record.last_input_seq:
            left = record.last_input_seq - self._replay.consumed_input_seq
            left = min(left, self._snapshots.inputs_left(self._replay.consumed_input_seq))
            for each in await self._reader.next_batch(left):
                self._replay.apply(each)
            self._snapshots.take_if_due(self._replay.engine)
        self._replay.end(message.seq, record)
        self.exec_seq = message.seq
        self._snapshots.note_consumed(self._replay.consumed_input_seq)
        self._metrics.consumed.set(self._replay.consumed_input_seq)
        self._moved.set()
