"""
How long a shard's logs are kept: the leading matcher takes their beginning away when nobody needs it any more.

A log is trimmed up to a *base*, and a base is always the input of a snapshot. ORD begins behind it then, and EXEC with
the first answer to what comes after it, or earlier. An input is a base only if

- this matcher and each standby have two snapshots that go so far at least, each of which was read back when it was
  written, and here once more: so the newest may be damaged, and the one before it still has its tail;
- it was stored before the trading days that `nats.keep_log_days` keeps whole, by JetStream's own times;
- of EXEC: each gateway has sent to all of its sessions what comes before, market data has it in two checkpoints.

How far others have come they tell through JetStream (`bus/places`); who is configured and has told nothing keeps a log
as it is, and is named. Snapshots are kept a day apart for as long as the log is, so that there is a base for each day.

No fence is needed. All that makes an input a base stays true for ever: files and readers only go on. So a leader that
was paused, woke up and trims, though another leads by now, takes away what that one may take away as well; a base
behind the log's beginning changes nothing. Clocks decide how long a log is kept, never whether it may be trimmed.

A purge keeps its stream's writers waiting, 0.4 s for a gigabyte. So it is done in small steps.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import structlog

from bus.connection import Bus, BusError
from bus.places import MARKETDATA, Place, gateway_reader, told
from bus.streams import LogState, log_state, read_record, trim
from bus.subjects import exec_stream, ord_stream
from configs.loader import Venue, replica_name
from matcher.books.snapshot import SnapshotError, check_digest
from matcher.process import snapshot_files
from matcher.process.logs import LogBroken, first_answer_after
from matcher.process.metrics import MatcherMetrics

log = structlog.get_logger()

FIRST_LOOK_S: Final = 300.0
"""After a matcher began to lead: then there is more important work."""
LOOK_INTERVAL_S: Final = 3600.0
STEP_RECORDS: Final = 5000
"""Taken away at once: some ms, in which nothing is written."""
STEP_PAUSE_S: Final = 0.05
_DAY_NS: Final = 24 * 3600 * 10**9


def own_place(directory: Path) -> Place:
    """How far two snapshots in a replica's directory go: it needs nothing of ORD up to there."""
    older = snapshot_files.newest_first(directory)[1:]
    return Place(int(older[0].stem) if older else 0)


class Retention:
    """Trims one shard's logs; to be used by its leader."""

    def __init__(
        self,
        bus: Bus,
        venue: Callable[[], Venue],
        shard: int,
        snapshots: Path,
        metrics: MatcherMetrics,
        *,
        replica: int = 1,
    ) -> None:
        """
        Args:
            bus: Connected.
            venue: As it is configured now: says how long logs are kept, when days end, and who reads them.
            shard: Which.
            snapshots: The directory of this replica's snapshots.
            metrics: Told what the logs hold.
            replica: Which of the shard's replicas this is.
        """
        self._bus = bus
        self._venue = venue
        self._shard = shard
        self._snapshots = snapshots
        self._metrics = metrics
        self._ord, self._exec = ord_stream(shard), exec_stream(shard)
        self._replicas = [
            replica_name(shard, each) for each in range(1, venue().config.matcher.standbys + 2) if each != replica
        ]
        self._readers = [*map(gateway_reader, venue().gateway_ids), MARKETDATA]
        self._said: set[str] = set()

    async def keep(self) -> None:
        """Look now and then, until this is cancelled."""
        await asyncio.sleep(FIRST_LOOK_S)
        while True:
            try:
                await self.look(time.time_ns())
            except (BusError, LogBroken) as error:
                log.warning("retention_waits", shard=self._shard, why=str(error))
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def look(self, now_ns: int) -> None:
        """
        Trim what may be trimmed by now.

        Raises:
            BusError: JetStream does not answer.
            LogBroken: A record of EXEC cannot be read.
        """
        states = {stream: await log_state(self._bus, stream) for stream in (self._ord, self._exec)}
        for stream, state in states.items():
            self._metrics.show_log(stream, state)
        if not self._venue().config.nats.keep_log_days:
            return
        oldest_kept_ns = self._oldest_kept_ns(now_ns)
        if not await self._has_older(states, oldest_kept_ns) or not self._may_trim(states):
            return
        base = await self._base(oldest_kept_ns)
        if base:
            answers_seq = await first_answer_after(self._bus, self._shard, base, states[self._exec])
            await self._trim(self._ord, states[self._ord], base + 1)
            await self._trim(self._exec, states[self._exec], min(answers_seq, await self._unread_seq(answers_seq)))

    async def _has_older(self, states: dict[str, LogState], oldest_kept_ns: int) -> bool:
        """Whether anything is old enough to go; if not, it is nobody's fault that it stays."""
        oldest = [await read_record(self._bus, stream, state.first_seq) for stream, state in states.items()]
        return any(record is not None and record.stored_ns < oldest_kept_ns for record in oldest)

    def _oldest_kept_ns(self, now_ns: int) -> int:
        """When the oldest trading day began that is kept whole; of the group of instruments whose day begins first."""
        venue = self._venue()
        back_ns = now_ns - venue.config.nats.keep_log_days * _DAY_NS
        groups = {venue.instruments[symbol].group for symbol in venue.symbols_of(self._shard)}
        return min((venue.last_day_end(group, back_ns).ended_ns for group in groups), default=back_ns)

    async def _base(self, oldest_kept_ns: int) -> int:
        """The last input that no matcher needs and that is old enough; 0 if there is none."""
        needless_seq = await asyncio.to_thread(self._covered_twice)
        for replica in self._replicas:
            needless_seq = min(needless_seq, await self._place_of(self._ord, replica))
        for path in snapshot_files.newest_first(self._snapshots, input_seq_max=needless_seq):
            record = await read_record(self._bus, self._ord, int(path.stem))
            if record is None or record.stored_ns < oldest_kept_ns:  # one that is gone is the present base, or older
                return int(path.stem)
        return 0

    def _covered_twice(self) -> int:
        """The input of the second newest snapshot whose file is whole; 0 if there are not two of them."""
        whole = self._whole_snapshots()
        next(whole, 0)
        return next(whole, 0)

    def _whole_snapshots(self) -> Iterator[int]:
        for path in snapshot_files.newest_first(self._snapshots):
            try:
                check_digest(path.read_bytes())
            except (OSError, SnapshotError) as error:
                self._say("snapshot_damaged", path.name, f"{path} cannot be used: {error}")
            else:
                yield int(path.stem)

    async def _unread_seq(self, answers_seq: int) -> int:
        """The first record of EXEC that a reader has not for good."""
        places = [await self._place_of(self._exec, reader, wanted_seq=answers_seq - 1) for reader in self._readers]
        return min(places) + 1

    async def _place_of(self, stream: str, reader: str, *, wanted_seq: int = 1) -> int:
        place = await told(self._bus, stream, reader)
        if place is None:
            self._say(
                "log_kept",
                f"{stream} without {reader}",
                f"{stream} is not trimmed, because {reader} has never told how far it needs it no more; start it, or "
                "remove it from the configuration",
            )
            return 0
        if place.seq < wanted_seq:
            whom = f"{reader}, for {place.because_of}," if place.because_of else reader
            self._say(
                "log_kept",
                f"{stream} for {whom}",
                f"{stream} is kept from sequence {place.seq + 1} on, because {whom} needs it",
            )
        return place.seq

    def _may_trim(self, states: dict[str, LogState]) -> bool:
        keeps = [stream for stream, state in states.items() if not state.may_be_trimmed]
        for stream in keeps:
            self._say(
                "log_kept",
                stream,
                f"{stream} was made by a build that denied purges for ever, so nothing of it is trimmed; begin with an "
                "empty data directory once it is to be bounded, or set nats.keep_log_days = 0",
            )
        return not keeps

    async def _trim(self, stream: str, state: LogState, first_seq: int) -> None:
        """In steps; the newest record stays in any case."""
        first_seq = min(first_seq, state.last_seq)
        if first_seq <= state.first_seq:
            return
        for step_seq in _steps(state.first_seq, first_seq):
            await trim(self._bus, stream, step_seq)
            await asyncio.sleep(STEP_PAUSE_S)
        self._metrics.log_trims.inc()
        self._metrics.show_log(stream, await log_state(self._bus, stream))
        log.info("log_trimmed", stream=stream, first_seq=first_seq, records=first_seq - state.first_seq)

    def _say(self, event: str, about: str, sentence: str) -> None:
        """Once in a leader's life."""
        if about not in self._said:
            self._said.add(about)
            log.warning(event, shard=self._shard, reason=sentence)


def _steps(first_seq: int, end_seq: int) -> Sequence[int]:
    return [*range(first_seq + STEP_RECORDS, end_seq, STEP_RECORDS), end_seq]
