"""
The demo: a whole venue on free ports in a directory of its own, bots that trade on it, and a live screen of it all.

With `--json`, or where there is no terminal, it runs quietly for some seconds and prints one JSON summary. Either way
nothing is left afterwards: no process, no open order, no temporary directory.
"""

import argparse
import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

import orjson
import structlog
import uvloop
from rich.console import Console
from rich.live import Live

from bus.connection import Bus, BusError
from marketdata.client import BookReader
from marketdata.messages import BookIncrement
from marketdata.replica import Change, Replica
from simulators.bots import Floor, tradable_symbols
from simulators.fix_client import FixClientError
from simulators.histogram import Histogram
from simulators.load import new_run_tag
from simulators.screen import LEVELS, Key, Keyboard, View, chosen, draw
from venue import logs
from venue.data_directory import check_store, open_directory, open_logs
from venue.ephemeral import ephemeral_config
from venue.process import EngineName, add_engine_argument
from venue.up import START_FAILURES, RunningVenue, exit_status

DEFAULT_SECONDS: Final = 20.0
"""Length of a run that has neither a screen to quit from nor `--seconds`."""
DEFAULT_RATE: Final = 400.0
"""Requests a second of all bots: lively, and light on any laptop."""

log = structlog.get_logger()

_REFRESH_S: Final = 0.25
_RATE_REFRESHES: Final = 9  # over which rates are taken: two seconds
_LATENCY_REFRESHES: Final = 20  # after which the latencies shown begin anew: five seconds

_FAILURES: Final = (*START_FAILURES, FixClientError, BusError)
"""What may keep a demo from running; each says why in one sentence."""


class Demo:
    """One run: a venue, its bots and, if there is a terminal for it, the screen."""

    def __init__(
        self,
        directory: Path,
        *,
        seconds: float | None,
        rate: float,
        seed: int,
        symbols: int,
        screen: bool,
        engine: EngineName | None = None,
    ) -> None:
        """
        Prepare a run.

        Args:
            directory: Exists; becomes the data directory of the venue.
            seconds: How long to trade; None: until someone quits.
            rate: Requests a second of all bots.
            seed: Fixes what the bots choose.
            symbols: How many instruments to trade, from the first of the file.
            screen: Draw on the terminal and read its keys.
            engine: The venue's FIX engine; None: as the configuration says.
        """
        self._directory = directory
        self._seconds = seconds
        self._rate = rate
        self._seed = seed
        self._symbols = symbols
        self._has_screen = screen
        self._engine = engine
        self._is_trading = False
        self._quit = asyncio.Event()

    async def run(self) -> dict[str, Any] | None:
        """
        Start everything, trade, stop everything; returns the summary, None when someone quit before it began.

        Raises:
            ConfigError, DataDirectoryError, StartError, SupervisorError, FixClientError, BusError: It cannot run.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._quit.set)
        living = asyncio.create_task(self._live())
        quitting = asyncio.create_task(self._quit.wait())
        await asyncio.wait({living, quitting}, return_when=asyncio.FIRST_COMPLETED)
        quitting.cancel()
        if not self._is_trading:
            living.cancel()
        await asyncio.wait({living})
        return None if living.cancelled() else living.result()

    async def _live(self) -> dict[str, Any]:
        config = ephemeral_config(self._directory)
        async with RunningVenue(config, self._directory, engine=self._engine) as venue:
            floor = Floor(
                venue.venue,
                host=venue.venue.config.gateway.fix_host,
                port=venue.fix_port,
                symbols=tradable_symbols(venue.venue)[: self._symbols],
                rate=self._rate,
                seed=self._seed,
                run_tag=new_run_tag(),
            )
            started_s = time.monotonic()
            try:
                async with _market_data(venue, floor) as reader:
                    await floor.start()
                    self._is_trading = True
                    log.info("demo_trading", **venue.facts(), symbols=list(floor.issues), rate=self._rate)
                    await self._trade(venue, floor, reader)
                traded_s = time.monotonic() - started_s
            finally:
                await floor.stop()
        return {"seconds": round(traded_s, 1), **floor.summary()}

    async def _trade(self, venue: RunningVenue, floor: Floor, reader: BookReader) -> None:
        """Let the bots trade until the time is over or someone quits; raises SupervisorError when the venue fails."""
        failing = asyncio.create_task(venue.supervisor.wait_failed())
        quitting = asyncio.create_task(self._quit.wait())
        ends: set[asyncio.Task[Any]] = {failing, quitting}
        try:
            async with contextlib.AsyncExitStack() as stack:
                if self._has_screen:
                    ends.add(await stack.enter_async_context(_live_screen(venue, floor, reader, self._quit)))
                await asyncio.wait(ends, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            quitting.cancel()
            failing.cancel()
        if failing.done() and not failing.cancelled():
            raise failing.result()


@contextlib.asynccontextmanager
async def _market_data(venue: RunningVenue, floor: Floor) -> AsyncIterator[BookReader]:
    """The books while inside, for the screen; and their phases for the bots."""

    def on_change(replica: Replica, change: Change, _increment: BookIncrement | None) -> None:
        if change is not Change.LOST:
            floor.enter_phase(replica.symbol, replica.phase.phase)

    bus = await Bus.connect(venue.venue.config.nats.url, name="demo")
    reader = BookReader(bus, floor.issues, on_change)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()
        await bus.close()


@contextlib.asynccontextmanager
async def _live_screen(
    venue: RunningVenue, floor: Floor, reader: BookReader, quit_: asyncio.Event
) -> AsyncIterator[asyncio.Task[None]]:
    """A task that keeps the screen fresh while inside."""
    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        screen = _Screen(venue, floor, reader, live, quit_)
        with Keyboard(screen.on_key):
            refreshing = asyncio.create_task(screen.refresh_for_ever())
            try:
                yield refreshing
            finally:
                refreshing.cancel()
                await asyncio.gather(refreshing, return_exceptions=True)


class _Screen:
    """Gathers what the screen shows."""

    def __init__(self, venue: RunningVenue, floor: Floor, reader: BookReader, live: Live, quit_: asyncio.Event) -> None:
        self._venue = venue
        self._floor = floor
        self._reader = reader
        self._live = live
        self._quit = quit_
        self._symbols = tuple(floor.issues)
        self._symbol = self._symbols[0]
        self._started_s = time.monotonic()
        self._totals: deque[tuple[float, int, int]] = deque(maxlen=_RATE_REFRESHES)
        self._shown_latencies = floor.recent_latencies
        self._refreshes = 0

    def on_key(self, key: Key) -> None:
        """Do what a key press asks for, at once."""
        if key == "quit":
            self._quit.set()
        self._symbol = chosen(self._symbols, self._symbol, key)
        self._draw()

    async def refresh_for_ever(self) -> None:
        """Draw again and again."""
        while True:
            self._count()
            self._draw()
            await asyncio.sleep(_REFRESH_S)

    def _count(self) -> None:
        floor = self._floor
        self._totals.append((time.monotonic(), floor.requests, floor.trades))
        self._refreshes += 1
        if self._refreshes % _LATENCY_REFRESHES == 0:
            self._shown_latencies, floor.recent_latencies = floor.recent_latencies, Histogram()

    def _draw(self) -> None:
        self._live.update(draw(self._view()), refresh=True)

    def _view(self) -> View:
        replica, floor = self._reader.replicas[self._symbol], self._floor
        accounts = [bot.account for bot in floor.bots]
        (first_s, first_requests, first_trades), (last_s, requests, trades) = self._totals[0], self._totals[-1]
        span_s = max(last_s - first_s, _REFRESH_S)
        return View(
            symbols=self._symbols,
            symbol=self._symbol,
            is_current=replica.is_current,
            phase=replica.phase.phase,
            indicative=replica.indicative,
            bids=tuple(replica.book.bids(LEVELS)),
            asks=tuple(replica.book.asks(LEVELS)),
            trades=tuple(replica.book.trades),
            elapsed_s=int(last_s - self._started_s),
            requests_per_s=round((requests - first_requests) / span_s),
            trades_per_s=round((trades - first_trades) / span_s),
            requests=requests,
            trade_count=trades,
            rejects=sum(account.rejects.total() for account in accounts),
            unanswered=sum(account.unanswered for account in accounts),
            latency_us=self._shown_latencies.summary_us(),
            sessions_up=sum(bot.is_up for bot in floor.bots),
            sessions=len(floor.bots),
            processes_up=sum(process.running for process in self._venue.processes.values()),
            processes=len(self._venue.processes),
            fix_port=self._venue.fix_port,
        )


def main(argv: list[str] | None = None) -> int:
    """Run the demo; 0 when every request was answered once and everything adds up."""
    options = _parser().parse_args(argv)
    say = sys.stderr
    has_screen = not options.json and sys.stdin.isatty() and sys.stdout.isatty()
    seconds = options.seconds
    if not has_screen and seconds is None:
        seconds = DEFAULT_SECONDS
    if not has_screen and not options.json:
        say.write(f"outcry demo: no terminal here, so as with --json --seconds {seconds:g}\n")
    try:
        with _directory(options.data, say) as directory:
            say.write(f"outcry demo: starting a venue in {directory}\n")
            demo = Demo(
                directory,
                seconds=seconds,
                rate=options.rate,
                seed=options.seed,
                symbols=options.symbols,
                screen=has_screen,
                engine=options.engine,
            )
            with _logging_to(open_logs(directory) / "demo.log"):
                summary = _run(demo)
    except _FAILURES as error:
        say.write(f"outcry demo: {error}\n")
        return exit_status(error)
    if summary is None:
        return 130
    sys.stdout.write(_told(summary) if has_screen else f"{orjson.dumps(summary).decode()}\n")
    return 0 if summary["conservation"]["holds"] and not summary["unanswered"] else 1


def _run(demo: Demo) -> dict[str, Any] | None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(demo.run())


@contextlib.contextmanager
def _directory(chosen_path: Path | None, say: TextIO) -> Iterator[Path]:
    """The directory that was asked for; else a temporary one, which only a failure leaves behind, for its logs."""
    if chosen_path is not None:
        directory = open_directory(chosen_path)
        check_store(directory)
        yield directory
        return
    directory = Path(tempfile.mkdtemp(prefix="outcry-demo-"))
    try:
        yield directory
    except _FAILURES:
        say.write(f"outcry demo: the logs are kept in {directory / 'logs'}\n")
        raise
    except BaseException:
        shutil.rmtree(directory)
        raise
    shutil.rmtree(directory)


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Log to a file while inside: the screen and standard error are for people."""
    with path.open("a") as file, contextlib.redirect_stderr(file):
        logs.configure("demo")
        yield


def _told(summary: dict[str, Any]) -> str:
    latency = summary["latency_us"]
    holds = "everything adds up" if summary["conservation"]["holds"] else "SOMETHING DOES NOT ADD UP"
    return (
        f"{summary['requests']:,} requests in {summary['seconds']:g} s, {summary['trades']:,} trades, "
        f"{summary['unanswered']} unanswered; round trip p50 {latency['p50'] / 1000:.2f} ms, "
        f"p99 {latency['p99'] / 1000:.2f} ms; {holds}: bought and sold, filled and canceled, asked and answered\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="outcry demo", description="A whole venue on free ports, with trading bots and a live view of it."
    )
    add = parser.add_argument
    add("--seconds", type=float, metavar="N", help=f"trade this long; without a screen {DEFAULT_SECONDS:g}")
    add("--json", action="store_true", help="no screen; one JSON summary on standard output")
    add("--seed", type=int, default=1, help="fixes what the bots choose; default: %(default)s")
    add("--data", type=Path, metavar="DIR", help="data directory, which is then kept; default: a temporary one")
    add("--rate", type=_positive, default=DEFAULT_RATE, metavar="R", help="requests a second; default: %(default)g")
    add("--symbols", type=_count, default=9, metavar="N", help="how many instruments to trade; default: %(default)s")
    add_engine_argument(parser)
    return parser


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
