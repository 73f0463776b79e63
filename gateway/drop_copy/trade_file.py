"""
`./outcry trade-file`: all trades of a trading day as CSV, side by side, with totals that are compared with the feed.

It reads the execution logs, whether the venue is up or not, and changes nothing. A row is a side of a trade, as it was
reported to its firm, or what became of it on that day; a trade of an earlier day that was undone today has its row
today. The totals are those that market data gave at the end of the day.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Final

from bus.connection import Bus, BusError
from bus.reader import LogGap, LogMessage, LogReader
from bus.records import RecordError, decode_events, decode_exec, decode_increments
from bus.streams import LogState, log_state, read_record, read_units
from bus.subjects import exec_stream
from configs.instruments_file import InvalidInstrument, units_of_text
from configs.loader import ConfigError, Venue
from gateway.drop_copy.exec_index import first_where
from gateway.drop_copy.trade_csv import SideRows, Units, write_totals
from gateway.drop_copy.trade_day import OnSide, SymbolDay, TradeDay
from gateway.drop_copy.trading_days import TradingDays
from matcher.events import Event, InstrumentDefined
from matcher.increments import MarketDataIncrement
from sessions.fix_text import utc_timestamp
from venue import logs, stored_logs
from venue.data_directory import DataDirectoryError
from venue.process import EX_CONFIG, EX_TEMPFAIL, StartError, argument_parser, load_venue
from venue.supervised_process import SupervisorError

DIFFERENT: Final = 1
_CLOCKS_NS: Final = 60 * 10**9
"""The clock that stored the records, and the one that ended the day, differ by less."""


class TradeFileError(Exception):
    """The day cannot be told; the message is one sentence."""


def main(argv: list[str] | None = None) -> int:
    """Write the files; returns 0, 1 if feed and sides differ, 75 without JetStream, 78 if it cannot be done."""
    options = _arguments().parse_args(argv)
    logs.configure("trade-file")
    try:
        differences = asyncio.run(_write(options))
    except (BusError, SupervisorError) as error:
        return _tell(str(error), EX_TEMPFAIL)
    except (ConfigError, DataDirectoryError, LogGap, RecordError, StartError, TradeFileError) as error:
        return _tell(str(error), EX_CONFIG)
    except OSError as error:
        return _tell(f"{error.filename}: {error.strerror}; name another directory with --output", EX_CONFIG)
    for difference in differences:
        _tell(f"{difference}; keep the logs, and run ./outcry replay-log", DIFFERENT)
    return DIFFERENT if differences else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argument_parser("trade-file", "Write the trades of a trading day as CSV, with totals.")
    parser.add_argument("date", nargs="?", metavar="YYYYMMDD", help="a trading day; default: the last one that ended")
    parser.add_argument("--firm", metavar="FIRM", help="only the sides of this firm; default: all")
    parser.add_argument("--output", type=Path, default=Path(), metavar="DIR", help="where to; default: here")
    return parser


async def _write(options: argparse.Namespace) -> list[str]:
    """Write both files, and say what is in them; returns what differs."""
    venue = load_venue(options)
    trade_date = options.date or _last_ended(venue, time.time_ns())
    days = TradingDays(venue)
    begin_ns = _begin_ns(days, trade_date)
    if options.firm is not None and options.firm not in {firm.name for firm in venue.config.firms}:
        raise TradeFileError(f"{options.config} has no firm {options.firm!r}; name one that it has")
    suffix = f"-{options.firm}" if options.firm else ""
    side_path = options.output / f"trades-{trade_date}{suffix}.csv"
    total_path = options.output / f"totals-{trade_date}.csv"
    async with AsyncExitStack() as stack:
        bus = await stored_logs.connect(venue, options.data.absolute(), stack, name="trade-file")
        files = stack.enter_context(ExitStack())
        log = _Log(bus, venue, trade_date, days)
        await log.read_units()
        rows = SideRows(files.enter_context(_whole(side_path)), trade_date, log.units, options.firm)
        found = [day for shard in range(venue.config.shards) for day in await log.read(shard, begin_ns, rows.write)]
        write_totals(files.enter_context(_whole(total_path)), trade_date, log.units, found)
    _report(trade_date, found, rows.count, (side_path, total_path))
    return [day.difference for day in found if day.difference]


def _report(trade_date: str, days: list[SymbolDay], rows: int, paths: Iterable[Path]) -> None:
    trades = sum(day.sums.trade_count for day in days)
    so_far = "" if all(day.is_over for day in days) else ", which is not over"
    written = " and ".join(map(str, paths))
    sys.stdout.write(f"{trade_date}{so_far}: {rows} rows, trades that stand: {trades}; written {written}\n")


class _Log:
    # The execution logs of all shards, as far as they are of one day.

    def __init__(self, bus: Bus, venue: Venue, trade_date: str, days: TradingDays) -> None:
        self.units: dict[str, Units] = {}
        self._bus = bus
        self._venue = venue
        self._trade_date = trade_date
        self._days = days

    async def read_units(self) -> None:
        for shard in range(self._venue.config.shards):
            for symbol, text in (await read_units(self._bus, shard)).items():
                configured = self._venue.instruments.get(symbol)
                try:
                    units = units_of_text(text)
                except InvalidInstrument as error:
                    raise TradeFileError(f"{exec_stream(shard)}: {error}") from error
                self.units[symbol] = Units(*units, configured.currency if configured is not None else "")

    async def read(self, shard: int, begin_ns: int, on_side: OnSide) -> list[SymbolDay]:
        stream = exec_stream(shard)
        state = await log_state(self._bus, stream)
        seq = await _first(self._bus, stream, state, begin_ns)
        symbols = await read_units(self._bus, shard)
        day = TradeDay(self._trade_date, self._days, on_side)
        reader = LogReader(self._bus, stream=stream, start_seq=seq)
        answer = _Answer()
        await reader.start()
        try:
            while seq <= state.last_seq and not day.is_over(symbols):
                for message in await reader.next_batch(state.last_seq - seq + 1):
                    if answer.take(message):
                        self._define(answer.events)
                        day.take(shard, answer.events, answer.increments)
                        answer = _Answer()
                    seq = message.seq + 1
        finally:
            await reader.stop()
        return day.finish()

    def _define(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, InstrumentDefined):
                self._days.define(event.instrument)
                self.units[event.instrument.symbol].currency = event.instrument.currency


class _Answer:
    # What a matcher answered to some inputs; a long one is in several records.

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.increments: list[MarketDataIncrement] = []

    def take(self, message: LogMessage) -> bool:
        """Take the next record; returns whether the answer is whole with it."""
        record = decode_exec(message.payload)
        self.events += decode_events(record)
        self.increments += decode_increments(record)
        return record.last_input_seq >= record.first_input_seq


async def _first(bus: Bus, stream: str, state: LogState, begin_ns: int) -> int:
    """The first record that may be of the day."""
    seq = await first_where(bus, stream, state, lambda record: record.stored_ns >= begin_ns - _CLOCKS_NS)
    if seq == state.first_seq > 1:
        first = await read_record(bus, stream, seq)
        since = utc_timestamp(first.stored_ns) if first is not None else "a moment ago"
        raise TradeFileError(
            f"{stream} was trimmed and begins with what was stored at {since}, which is after the day began; make the "
            "files of a day before nats.keep_log_days are over"
        )
    return seq


def _last_ended(venue: Venue, now_ns: int) -> str:
    groups = {instrument.group for instrument in venue.instruments.values()}
    return max(venue.last_day_end(group, now_ns).trading_date for group in groups)


def _begin_ns(days: TradingDays, trade_date: str) -> int:
    _check_date(trade_date)
    begin_ns = days.first_begin_of(trade_date)
    if begin_ns > time.time_ns():
        raise TradeFileError(f"trading day {trade_date} has not begun; name one that has")
    return begin_ns


def _check_date(text: str) -> None:
    try:
        datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise TradeFileError(f"{text!r} is no date; write one such as {date.today():%Y%m%d}") from error


@contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    """A file that is there when it is whole, and not before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("w", newline="") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _tell(sentence: str, status: int) -> int:
    sys.stderr.write(f"outcry trade-file: {sentence}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
