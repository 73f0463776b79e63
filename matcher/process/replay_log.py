"""
`./outcry replay-log`: rebuilds every shard from its logs alone, and compares all that is known of it.

A log that was trimmed is replayed from the oldest snapshot on this machine that it still goes on from. Compared are
each answer in EXEC, each state hash in it, and each snapshot on this machine. The venue may be up; if it is not, and
its JetStream server is embedded, that server is started for the time being.
"""

import argparse
import asyncio
import sys
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final

import msgspec

from bus.connection import Bus, BusError
from bus.reader import LogGap, LogReader
from bus.records import StateMark
from bus.streams import LogState, log_state, read_record
from bus.subjects import exec_stream, ord_stream
from configs.loader import ConfigError, MatcherConfig
from matcher.books.snapshot import SnapshotError
from matcher.engine.engine import Engine
from matcher.process import snapshot_files
from matcher.process.logs import LogBroken, first_answer_after, read_exec, read_position
from matcher.process.replay import Diverged, Replay
from venue import logs, stored_logs
from venue.data_directory import DataDirectoryError
from venue.process import EX_CONFIG, EX_TEMPFAIL, StartError, argument_parser, load_venue
from venue.supervised_process import SupervisorError

DIFFERENT: Final = 1
_BATCH_RECORDS_MAX: Final = 1000


class Replayed(msgspec.Struct):
    """What a shard's logs held."""

    shard: int
    begins_at: int = 0
    """The input of the snapshot that it was replayed from; 0: from nothing."""
    inputs: int = 0
    commands: int = 0
    exec_records: int = 0
    marks: int = 0
    snapshots: int = 0
    seconds: float = 0.0
    state_hash: str = ""

    def line(self) -> str:
        """For the operator."""
        rate = round(self.commands / self.seconds) if self.seconds else 0
        since = f" since the snapshot of input {self.begins_at}" if self.begins_at else ""
        return (
            f"shard {self.shard}: {self.inputs} inputs with {self.commands} commands{since}, answered by "
            f"{self.exec_records} records, {self.marks} state hashes and {self.snapshots} snapshots: all the same; "
            f"{rate} commands/s; state {self.state_hash}"
        )


class _Looks:
    """
    Where a replayed state is compared: at the inputs of state hashes in EXEC, and at those of snapshot files.

    Args:
        every_inputs: Input sequences between two hashes.
        by_input: The snapshot files.
    """

    def __init__(self, every_inputs: int, by_input: dict[int, list[Path]]) -> None:
        self._every_inputs = every_inputs
        self._by_input = by_input
        self.snapshots = 0
        """How many files were compared so far."""

    def next_stop(self, consumed_input_seq: int, last_input_seq: int) -> int:
        """The next input at which there is something to compare, but not beyond the last one of a record."""
        files = [input_seq for input_seq in self._by_input if input_seq > consumed_input_seq]
        next_hash = consumed_input_seq - consumed_input_seq % self._every_inputs + self._every_inputs
        return min([last_input_seq, next_hash, *files])

    def compare(self, replay: Replay) -> None:
        """
        Compare the state as it is now, if there is something to compare it with.

        Raises:
            Diverged: A snapshot file is another state, or cannot be read.
        """
        input_seq = replay.consumed_input_seq
        if input_seq % self._every_inputs == 0:
            replay.note_own_mark(StateMark(input_seq, replay.engine.state_hash()))
        for path in self._by_input.get(input_seq, []):
            try:
                is_same = path.read_bytes() == replay.engine.dump()
            except OSError as error:
                raise Diverged(f"the snapshot {path} cannot be read: {error.strerror}; remove it") from error
            if not is_same:
                raise Diverged(f"the snapshot {path} is not the state at input {input_seq} of the log; remove it")
            self.snapshots += 1


def main(argv: list[str] | None = None) -> int:
    """Replay; returns 0 if all is the same, 1 if not, 75 if JetStream cannot be reached, 78 if a log cannot be read."""
    parser = argument_parser("replay-log", "Rebuild shards from their logs, and compare.")
    parser.add_argument("--shard", type=int, metavar="N", help="one shard; default: all")
    options = parser.parse_args(argv)
    logs.configure("replay-log")
    try:
        asyncio.run(_replay_all(options))
    except (Diverged, LogBroken, LogGap) as error:
        return _tell(str(error), DIFFERENT if isinstance(error, Diverged) else EX_CONFIG)
    except (ConfigError, DataDirectoryError, StartError) as error:
        return _tell(str(error), EX_CONFIG)
    except (BusError, SupervisorError) as error:
        return _tell(str(error), EX_TEMPFAIL)
    return 0


async def _replay_all(options: argparse.Namespace) -> None:
    venue = load_venue(options)
    shards = range(venue.config.shards) if options.shard is None else [options.shard]
    if options.shard is not None and not 0 <= options.shard < venue.config.shards:
        raise ConfigError(f"--shard {options.shard}, but {options.config} has shards 0 to {venue.config.shards - 1}")
    async with AsyncExitStack() as stack:
        bus = await stored_logs.connect(venue, options.data.absolute(), stack, name="replay-log")
        for shard in shards:
            paths = snapshot_files.of_all_replicas(options.data, shard)
            done = await replay_shard(bus, shard, venue.config.matcher, paths)
            sys.stdout.write(f"{done.line()}\n")
            sys.stdout.flush()


async def replay_shard(bus: Bus, shard: int, config: MatcherConfig, snapshots: list[Path]) -> Replayed:
    """
    Replay one shard, up to where EXEC is when this begins.

    Args:
        bus: Connected.
        shard: Which.
        config: Bounds of the books, and where the replicas took snapshots.
        snapshots: Files to be compared with.

    Raises:
        BusError: JetStream does not answer.
        Diverged: Something is not the same.
        LogBroken: A record cannot be read, or does not follow the one before; or no snapshot goes as far as the logs
            were trimmed.
        LogGap: A log has lost records.
    """
    end = await read_position(bus, shard)
    engine, exec_seq = await begin_of_logs(bus, shard, config, snapshots)
    begins_at = engine.last_input_seq
    replay, done = Replay(engine), Replayed(shard, begins_at)
    looks = _Looks(config.snapshot_every_inputs, _by_input(snapshots))
    if begins_at:
        replay.note_own_mark(StateMark(begins_at, engine.state_hash()))
    readers = [
        LogReader(bus, stream=ord_stream(shard), start_seq=begins_at + 1),
        LogReader(bus, stream=exec_stream(shard), start_seq=exec_seq),
    ]
    for reader in readers:
        await reader.start()
    began = time.perf_counter()
    try:
        while exec_seq <= end.exec_seq:
            left = min(_BATCH_RECORDS_MAX, end.exec_seq - exec_seq + 1)
            for message in await readers[1].next_batch(left):
                record = replay.begin(message.seq, message.payload)
                done.commands += await _apply(readers[0], replay, record.last_input_seq, looks)
                replay.end(message.seq, record)
                exec_seq = message.seq + 1
                done.exec_records += 1
                done.marks += len(record.marks)
    finally:
        for reader in readers:
            await reader.stop()
    done.seconds, done.snapshots = time.perf_counter() - began, looks.snapshots
    done.inputs, done.state_hash = engine.last_input_seq - begins_at, engine.state_hash()
    return done


async def _apply(reader: LogReader, replay: Replay, last_input_seq: int, looks: _Looks) -> int:
    """Apply ORD up to an input, and compare the state on the way; returns how many commands that were."""
    commands = 0
    while replay.consumed_input_seq < last_input_seq:
        end = looks.next_stop(replay.consumed_input_seq, last_input_seq)
        for message in await reader.next_batch(end - replay.consumed_input_seq):
            commands += replay.apply(message)
        looks.compare(replay)
    return commands


async def begin_of_logs(bus: Bus, shard: int, config: MatcherConfig, snapshots: list[Path]) -> tuple[Engine, int]:
    """
    An engine at the beginning of the logs, and the record of EXEC that goes on from where it stands.

    Raises:
        BusError: JetStream does not answer.
        LogBroken: The logs were trimmed, and none of the snapshots goes on from there.
    """
    orders, answers = await log_state(bus, ord_stream(shard)), await log_state(bus, exec_stream(shard))
    if orders.first_seq == answers.first_seq == 1:
        return Engine(shard, orders_max=config.orders_max, finished_orders_max=config.finished_orders_max), 1
    for input_seq, paths in sorted(_by_input(snapshots).items()):
        if input_seq < orders.first_seq - 1:
            continue
        exec_seq = await first_answer_after(bus, shard, input_seq, answers)
        engine = _restored(shard, config, paths)
        if engine is not None and await _goes_on(bus, shard, input_seq, exec_seq, answers):
            return engine, exec_seq
    raise LogBroken(
        f"{ord_stream(shard)} was trimmed and begins at sequence {orders.first_seq}, {exec_stream(shard)} at "
        f"{answers.first_seq}, and no snapshot on this machine goes on from there; run this where a matcher of the "
        "shard keeps its snapshots, and name their data directory with --data"
    )


async def _goes_on(bus: Bus, shard: int, input_seq: int, exec_seq: int, answers: LogState) -> bool:
    """Whether a record of EXEC is the first that answers what comes after an input, and answers nothing before."""
    if exec_seq > answers.last_seq:
        return True
    stored = await read_record(bus, exec_stream(shard), exec_seq)
    return stored is not None and read_exec(shard, exec_seq, stored.payload).first_input_seq == input_seq + 1


def _restored(shard: int, config: MatcherConfig, paths: list[Path]) -> Engine | None:
    for path in paths:
        with suppress(OSError, SnapshotError):
            engine = Engine.restore(
                path.read_bytes(), orders_max=config.orders_max, finished_orders_max=config.finished_orders_max
            )
            if engine.shard == shard:
                return engine
    return None


def _by_input(paths: list[Path]) -> dict[int, list[Path]]:
    found: dict[int, list[Path]] = {}
    for path in paths:
        found.setdefault(int(path.stem), []).append(path)
    return found


def _tell(sentence: str, status: int) -> int:
    sys.stderr.write(f"outcry replay-log: {sentence}\n")
    return status
