"""
The market-data process: reads EXEC<k> of every shard in order, keeps all books, publishes, answers.

A record's increments are checked against the books, applied and published in one step of the event loop, and snapshot
requests are answered on the same loop; so a snapshot with `md_seq` n holds exactly the increments that were published
up to n. After a restart the records after the checkpoint are read, and their increments published, again: readers drop
what they have. Requests are answered from the moment on when all that was in the logs at the start is in the books:
else a new reader would take an old book for the newest. An increment that does not follow the last one of its book
stops the process: better no market data than wrong.
"""

import asyncio
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from bus.connection import ApiError, Bus, BusError
from bus.places import MARKETDATA, Place, Teller
from bus.reader import TURN_BYTES, LogMessage, LogReader, LogTrimmed
from bus.records import RecordError, decode_definitions, decode_exec, decode_increments
from bus.streams import STREAM_NOT_FOUND, last_seq, read_record
from bus.subjects import MD_SNAPSHOT_SUBJECT, exec_stream, md_subject
from configs.loader import Venue
from marketdata import checkpoint
from marketdata.book import Book, BookError
from marketdata.checkpoint import Checkpoint, CheckpointError, LogPosition
from marketdata.history import History
from marketdata.messages import BookSnapshot, FeedHeads, Range, encode, public_increment
from marketdata.metrics import ServiceMetrics
from marketdata.snapshots import SnapshotDesk
from marketdata.statistics import Day
from matcher.increments import MarketDataIncrement
from matcher.instruments import Instrument

log = structlog.get_logger()

_RETRY_S: Final = 0.1


class FeedBroken(Exception):
    """A log contradicts the books; the message names stream and sequence, and says what to do."""


class MarketDataService:
    """All books of one venue, kept from its execution logs."""

    def __init__(self, venue: Venue, bus: Bus, checkpoint_path: Path, metrics: ServiceMetrics) -> None:
        """
        Args:
            venue: Names the shards and, until the logs define them, the instruments.
            bus: Connected.
            checkpoint_path: Where the newest checkpoint is, or will be; the one before stands beside it.
            metrics: Told what was published and answered.
        """
        self.books: dict[str, Book] = {}
        self.is_answering = False
        """Requests are answered: the books are as far as the logs were when this began to read them."""
        self._instruments: dict[str, Instrument] = {}
        self._logged: set[str] = set()
        self._subjects: dict[str, str] = {}
        self._venue = venue
        self._bus = bus
        self._checkpoint_path = checkpoint_path
        self._metrics = metrics
        self._days: dict[str, Day] = {}
        self._history = History(venue.config.marketdata.history_bytes_max)
        self._desk = SnapshotDesk(self.books, self._history)
        self._positions = [LogPosition(0, 0)] * venue.config.shards
        self._last_records: list[LogMessage | None] = [None] * venue.config.shards
        self._caught_up = [asyncio.Event() for _ in range(venue.config.shards)]
        self._saved: list[list[LogPosition]] = []
        """The positions of the last two checkpoints that this process has written."""
        self._places = Teller(bus, MARKETDATA, self._own_places)
        for instrument in venue.instruments.values():
            self._define(instrument)

    async def start(self) -> None:
        """Take up the checkpoint, if there is a good one."""
        await self._load_checkpoint()

    async def run(self, stop: asyncio.Event) -> None:
        """
        Follow the logs until `stop` is set, then write a last checkpoint.

        Raises:
            ExceptionGroup: Of one `FeedBroken`: a log contradicts the books.
        """
        async with asyncio.TaskGroup() as group:
            followers = [group.create_task(self._follow(shard)) for shard in range(self._venue.config.shards)]
            followers.append(group.create_task(self._places.keep()))
            followers.append(group.create_task(self._answer_once_caught_up()))
            group.create_task(self._save_until(stop))  # not canceled: two writes of one file must not overlap
            await stop.wait()
            for follower in followers:
                follower.cancel()
        await self.save()

    async def save(self) -> None:
        """Write a checkpoint of this moment; a disk that refuses is reported, and the old one stays."""
        positions = self._advance_positions()
        content = checkpoint.encode(
            Checkpoint(
                positions,
                list(self._instruments.values()),
                [
                    book.snapshot(with_orders=True)
                    for symbol, book in self.books.items()
                    if book.md_seq or symbol in self._logged
                ],
                {symbol: day.state for symbol, day in self._days.items()},
            )
        )
        try:
            await asyncio.to_thread(checkpoint.store, self._checkpoint_path, content)
        except OSError as error:
            log.error("checkpoint_failed", path=str(self._checkpoint_path), reason=error.strerror)
        else:
            self._metrics.checkpoints.inc()
            self._saved = [*self._saved, positions][-2:]

    def _own_places(self) -> dict[str, Place]:
        """The checkpoint before the last goes so far; its own last record is compared when it is taken up."""
        if len(self._saved) < 2:  # what lies beside it may be damaged, or there may be nothing
            return {}
        return {exec_stream(shard): Place(max(0, each.seq - 1)) for shard, each in enumerate(self._saved[0])}

    async def _follow(self, shard: int) -> None:
        stream = exec_stream(shard)
        reader = LogReader(self._bus, stream=stream, start_seq=self._positions[shard].seq + 1)
        position = self._metrics.position.labels(str(shard))
        lag = self._metrics.lag.labels(str(shard))
        await reader.start()
        try:
            end_seq = await _end_of(self._bus, stream)
            if self._positions[shard].seq >= end_seq:
                self._caught_up[shard].set()
            while True:
                for message in await reader.next_batch(bytes_max=TURN_BYTES):
                    await self._take(shard, stream, message)
                if message.seq >= end_seq:
                    self._caught_up[shard].set()
                position.set(message.seq)
                lag.set(message.pending)
                await asyncio.sleep(0)  # a long catch-up must not keep snapshot requests and signals waiting
        except LogTrimmed as error:
            raise FeedBroken(
                f"{stream} was trimmed and begins at sequence {error.first_seq}, but there is no checkpoint that goes "
                f"so far; give back {self._checkpoint_path} from a backup, or {stream} as it was before"
            ) from error
        finally:
            await reader.stop()

    async def _take(self, shard: int, stream: str, message: LogMessage) -> None:
        """Take one record whole, then wait if NATS is behind: a checkpoint never falls inside a record."""
        instruments, increments = _read(stream, message)
        for instrument in instruments:
            self._redefine(instrument, stream, message.seq)
        payloads = [self._apply(increment, stream, message.seq) for increment in increments]
        self._last_records[shard] = message
        try:
            if payloads:
                await self._bus.publish_all(payloads)
        except BusError:
            self._metrics.unsent.inc(len(payloads))  # NATS is away; readers compare numbers when it is back
        else:
            self._metrics.increments.inc(len(payloads))

    def _define(self, instrument: Instrument) -> None:
        symbol = instrument.symbol
        self._instruments[symbol] = instrument
        if symbol not in self.books:
            self.books[symbol] = Book(
                symbol,
                tick=str(instrument.tick),
                lot=str(instrument.lot),
                phase=instrument.rules.initial_phase,
            )
            self._subjects[symbol] = md_subject(symbol)
            self._metrics.watch({symbol: self.books[symbol]})

    def _redefine(self, instrument: Instrument, stream: str, seq: int) -> None:
        known = self._instruments.get(instrument.symbol, instrument)
        if (known.tick, known.lot) != (instrument.tick, instrument.lot):
            raise FeedBroken(
                f"{stream} record {seq} has {instrument.symbol} with tick {instrument.tick} and lot {instrument.lot}, "
                f"but the instruments file with tick {known.tick} and lot {known.lot}; give it back its line"
            )
        if instrument.symbol not in self._logged:
            self._logged.add(instrument.symbol)
            self._begin_by_log(instrument)
        self._define(instrument)

    def _begin_by_log(self, instrument: Instrument) -> None:
        """The log's first definition says in which phase a symbol begins; the file may say something else by now."""
        book = self.books.get(instrument.symbol)
        if book is not None and not book.md_seq:
            del self.books[instrument.symbol]

    def _apply(self, increment: MarketDataIncrement, stream: str, seq: int) -> tuple[str, bytes]:
        instrument = self._instruments.get(increment.symbol)
        if instrument is None:
            raise FeedBroken(
                f"{stream} record {seq} is about {increment.symbol!r}, which no record before it defined; restore the "
                "log from its backup"
            )
        statistics = self._days.setdefault(increment.symbol, Day()).take(increment, instrument)
        public = public_increment(increment, instrument, statistics)
        try:
            self.books[increment.symbol].apply(public)
        except BookError as error:
            raise FeedBroken(
                f"{stream} record {seq} does not follow the books: {error}; delete {self._checkpoint_path} to build "
                "them again from the log, and if this comes back, the log itself is wrong"
            ) from error
        payload = encode(public)
        self._history.keep(increment.symbol, increment.md_seq, payload)
        return self._subjects[increment.symbol], payload

    async def _answer_once_caught_up(self) -> None:
        for shard in self._caught_up:
            await shard.wait()
        await self._bus.subscribe(MD_SNAPSHOT_SUBJECT, self._on_request)
        self.is_answering = True
        log.info("market_data_current", books=len(self.books))

    def _on_request(self, _subject: str, payload: bytes, reply_subject: str) -> None:
        if not reply_subject:
            return  # nobody waits for an answer
        reply = self._desk.answer(payload)
        answer = {BookSnapshot: "snapshot", FeedHeads: "heads", Range: "range"}.get(type(reply), "refusal")
        self._metrics.snapshots.labels(answer).inc()
        try:
            self._bus.publish_now(reply_subject, encode(reply))
        except BusError:
            log.warning("snapshot_unsent", reply_subject=reply_subject)

    async def _save_until(self, stop: asyncio.Event) -> None:
        saved: list[LogMessage | None] = list(self._last_records)
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._venue.config.marketdata.checkpoint_interval_s):
                    await stop.wait()
            if self._last_records != saved and not stop.is_set():
                saved = list(self._last_records)
                await self.save()

    def _advance_positions(self) -> list[LogPosition]:
        """The positions as of now; a record's checksum is taken only here, not for every record."""
        for shard, record in enumerate(self._last_records):
            if record is not None and record.seq != self._positions[shard].seq:
                self._positions[shard] = LogPosition(record.seq, zlib.crc32(record.payload))
        return list(self._positions)

    async def _load_checkpoint(self) -> None:
        for path in (self._checkpoint_path, checkpoint.before(self._checkpoint_path)):
            try:
                saved = checkpoint.load(path)
                if saved is None:
                    continue
                await self._check_fits(saved)
                books = {snapshot.symbol: Book.of_snapshot(snapshot) for snapshot in saved.books}
            except (CheckpointError, BookError) as error:
                log.warning("checkpoint_ignored", path=str(path), reason=str(error))
                continue
            self._take_up(saved, books)
            return

    def _take_up(self, saved: Checkpoint, books: dict[str, Book]) -> None:
        for instrument in saved.instruments:
            if instrument.symbol not in self._instruments:
                self._define(instrument)
        self.books.update(books)
        self._days = {symbol: Day.of_state(state) for symbol, state in saved.days.items()}
        self._logged.update(books)
        self._metrics.watch(books)
        self._positions = saved.positions
        log.info("checkpoint_loaded", books=len(books), exec_positions=[p.seq for p in saved.positions])

    async def _check_fits(self, saved: Checkpoint) -> None:
        if len(saved.positions) != self._venue.config.shards:
            raise CheckpointError(f"it is of {len(saved.positions)} shards, not {self._venue.config.shards}")
        known = {instrument.symbol: instrument for instrument in saved.instruments} | self._instruments
        for snapshot in saved.books:
            instrument = known.get(snapshot.symbol)
            if instrument is None or (str(instrument.tick), str(instrument.lot)) != (snapshot.tick, snapshot.lot):
                raise CheckpointError(f"{snapshot.symbol} has tick {snapshot.tick} and lot {snapshot.lot} in it")
        for shard, position in enumerate(saved.positions):
            if position.seq:
                await self._check_is_of_log(exec_stream(shard), position)

    async def _check_is_of_log(self, stream: str, position: LogPosition) -> None:
        """A log that was deleted and begun anew has the same name, but not the same records."""
        try:
            record = await read_record(self._bus, stream, position.seq)
        except BusError as error:
            raise CheckpointError(f"its place in {stream} cannot be compared: {error}") from error
        if record is None or zlib.crc32(record.payload) != position.crc32:
            raise CheckpointError(f"it belongs to another log than this {stream}: record {position.seq} differs")


async def _end_of(bus: Bus, stream: str) -> int:
    """The newest record of a log; 0 if there is none, or no log yet."""
    while True:
        try:
            return await last_seq(bus, stream)
        except ApiError as error:
            if error.err_code == STREAM_NOT_FOUND:
                return 0
        except BusError:
            pass  # asked again until somebody answers: the reader waits for the same
        await asyncio.sleep(_RETRY_S)


def _read(stream: str, message: LogMessage) -> tuple[list[Instrument], list[MarketDataIncrement]]:
    try:
        record = decode_exec(message.payload)
        return [event.instrument for event in decode_definitions(record)], decode_increments(record)
    except RecordError as error:
        raise FeedBroken(f"{stream} record {message.seq}: {error}") from error
