"""
The command `replay`: recorded order flow, sent to a venue through its FIX port and compared with the recorded book.

    ./outcry replay FILE...                 a private venue is started for it, and stopped again
    ./outcry replay --port 9876 FILE...     the venue that runs there
    ./outcry replay --dry-run FILE...       the matching engine alone, in this process

Every trade must hit the recorded order, and after every row the published book must be the recorded one; how each row
finds its book is told in `flow_audit`, how rows become requests in `flow`. The last line on standard output is the
summary, in JSON. Exit status: 0 as recorded, 1 something differs, 2 it could not be done.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from configs.loader import ONE_MACHINE, ConfigError, load
from simulators.fix_client import FixClientError
from simulators.flow_instruments import instruments_file
from simulators.paper_venue import PaperVenue
from simulators.recorded.files import FORMAT_NAMES, SAMPLE, book_beside, is_book_half
from simulators.recorded.rows import RecordedFlowError
from simulators.replay_audit import ReplayAudit, Summary, as_json
from simulators.replay_fix import Door, FixReplay, ReplayError
from simulators.replay_plan import ReplayPlan
from venue.data_directory import DataDirectoryError
from venue.ephemeral import ephemeral_config
from venue.process import StartError
from venue.supervised_process import SupervisorError
from venue.up import RunningVenue

AS_RECORDED: Final = 0
DIFFERENT: Final = 1
NOT_DONE: Final = 2

DEFAULT_SESSIONS: Final = {"sender": None, "password": None, "md_sender": None, "md_password": None}
"""Command-line options that leave the sessions to the venue file."""

OnProgress = Callable[[int], None]


def main(argv: list[str]) -> int:
    """Replay the files that the arguments name; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        plan = _plan(options)
        if options.write_instruments is not None:
            _write(instruments_file(plan.instruments), options.write_instruments)
            return AS_RECORDED
        with _progress(plan, options.quiet) as on_progress:
            summary = _run(plan, options, on_progress)
    except (
        RecordedFlowError,
        ReplayError,
        FixClientError,
        ConfigError,
        DataDirectoryError,
        StartError,
        SupervisorError,
    ) as error:
        sys.stderr.write(f"outcry replay: {error}\n")
        return NOT_DONE
    sys.stdout.write(as_json(summary) + "\n")
    return AS_RECORDED if summary.is_as_recorded else DIFFERENT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="outcry replay",
        description="Play recorded order flow into a venue and compare its book with the recorded one.",
    )
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        default=[SAMPLE],
        metavar="FILE",
        help="default: a small sample of our own making",
    )
    parser.add_argument("--format", choices=FORMAT_NAMES, default="auto", help="default: told from the first line")
    parser.add_argument(
        "--symbol", help="of a file whose rows do not hold it; default: the beginning of the file's name"
    )
    parser.add_argument(
        "--speed",
        type=speed_of,
        default=None,
        metavar="full|recorded|Nx",
        help="default: full, as fast as it is answered",
    )
    parser.add_argument(
        "--write-instruments",
        metavar="OUT",
        help="only write the instruments that the files need (- for standard output)",
    )
    parser.add_argument("--dry-run", action="store_true", help="play into the matching engine alone, without a venue")
    parser.add_argument("--rows", type=int, metavar="N", help="only the first N rows of each file")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    there = parser.add_argument_group("a venue that runs already", "with any of the first three")
    there.add_argument("--config", type=Path, metavar="FILE", help="its venue file; default: the shipped one")
    there.add_argument("--host", help="default: gateway.fix_host of the venue file")
    there.add_argument("--port", type=int, help="default: gateway.fix_port of the venue file")
    there.add_argument("--sender", metavar="COMP_ID", help="default: the first session for orders in the venue file")
    there.add_argument("--password", help="default: from the venue file")
    there.add_argument("--md-sender", metavar="COMP_ID", help="default: the first session for market data")
    there.add_argument("--md-password", help="default: from the venue file")
    return parser


def speed_of(text: str) -> Fraction | None:
    """`full` is None, `recorded` 1, `2.5x` five halves."""
    if text == "full":
        return None
    try:
        speed = Fraction(1) if text == "recorded" else Fraction(text.removesuffix("x"))
    except (ValueError, ZeroDivisionError):
        speed = Fraction(0)
    if speed <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed; write full, recorded or a number such as 10x")
    return speed


def _plan(options: argparse.Namespace) -> ReplayPlan:
    # `AMZN*` names both halves of a LOBSTER pair, which are one recording.
    books = {book_beside(path) for path in options.files if not is_book_half(path)}
    paths = [path for path in options.files if not (is_book_half(path) and path in books)]
    # ClOrdIDs of two replays on one day must differ.
    return ReplayPlan(
        paths, id_prefix=_run_id(), format_name=options.format, symbol=options.symbol, rows_max=options.rows
    )


def _run_id() -> str:
    """Eight hexadecimal digits that differ from run to run within a day."""
    return f"{time.time_ns() // 100_000 % (1 << 32):08x}"


def _write(text: str, where: str) -> None:
    if where == "-":
        sys.stdout.write(text)
        return
    try:
        Path(where).write_text(text)
    except OSError as error:
        raise ReplayError(
            f"{where} cannot be written: {error.strerror}; name another file or - for standard output"
        ) from error


@contextmanager
def _progress(plan: ReplayPlan, is_quiet: bool) -> Iterator[OnProgress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=is_quiet or not console.is_terminal) as progress:
        task = progress.add_task("rows", total=plan.rows)
        yield lambda rows: progress.update(task, completed=rows)


def _run(plan: ReplayPlan, options: argparse.Namespace, on_progress: OnProgress) -> Summary:
    audit = ReplayAudit(plan)
    if options.dry_run:
        return audit.finish(play_on_paper(plan, audit, on_progress))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if options.config or options.host or options.port:
            door = door_of(options.config or ONE_MACHINE, options)
            duration_ns = runner.run(_play_at(door, plan, audit, options.speed, on_progress))
        else:
            duration_ns = runner.run(_play_privately(plan, audit, options.speed, on_progress))
    return audit.finish(duration_ns)


def play_on_paper(plan: ReplayPlan, audit: ReplayAudit, on_progress: OnProgress) -> int:
    """Play all rows into an engine in this process; returns how long that took, in ns."""
    venue = PaperVenue(
        (instrument.instrument(1) for instrument in plan.instruments),
        on_fill=audit.fills.on_fill,
        on_increment=audit.books.on_increment,
        on_refusal=audit.on_refusal,
    )
    for symbol in plan.symbols:
        audit.begin(symbol, 0)
    begin_ns = time.perf_counter_ns()
    for rows, timed in enumerate(plan.steps(), 1):
        audit.expect(timed)
        for request in timed.step.requests:
            venue.send(request, timed.flow.units)
        on_progress(rows)
    return time.perf_counter_ns() - begin_ns


def door_of(config_path: Path, options: argparse.Namespace) -> Door:
    """
    Where a running venue is, from its file and from what the command line says otherwise.

    Raises:
        ConfigError: The file cannot be used, or lacks a session of either kind.
    """
    venue = load(config_path)
    sessions = {
        kind: {s.comp_id: s for _, s in venue.sessions() if s.kind == kind} for kind in ("orders", "marketdata")
    }

    def entry(kind: str, comp_id: str | None, password: str | None) -> tuple[str, str]:
        known = sessions[kind]
        if comp_id is None and not known:
            raise ConfigError(f"{config_path}: there is no session of kind {kind}; a replay needs one of each kind")
        comp_id = comp_id or next(iter(known))
        if password is None and comp_id not in known:
            raise ConfigError(f"{config_path}: there is no session {comp_id} of kind {kind}; give its password, too")
        return comp_id, password or known[comp_id].password

    comp_id, own_password = entry("orders", options.sender, options.password)
    md_comp_id, md_password = entry("marketdata", options.md_sender, options.md_password)
    return Door(
        host=options.host or venue.config.gateway.fix_host,
        port=options.port or venue.config.gateway.fix_port,
        venue_comp_id=venue.config.comp_id,
        comp_id=comp_id,
        password=own_password,
        md_comp_id=md_comp_id,
        md_password=md_password,
    )


async def _play_at(
    door: Door, plan: ReplayPlan, audit: ReplayAudit, speed: Fraction | None, on_progress: OnProgress
) -> int:
    return await FixReplay(plan, audit, speed=speed, on_progress=on_progress).run(door)


async def _play_privately(plan: ReplayPlan, audit: ReplayAudit, speed: Fraction | None, on_progress: OnProgress) -> int:
    """Start a venue that trades what the files need, in a temporary directory, and play into it."""
    with tempfile.TemporaryDirectory(prefix="outcry-replay-") as name:
        directory = Path(name)
        instruments_path = directory / "instruments.toml"
        instruments_path.write_text(instruments_file(plan.instruments))
        config_path = ephemeral_config(
            directory,
            instruments=str(instruments_path),
            durability="fast",
            # Orders are for the day, and a replay must not lose them when it passes the usual end of one.
            trading_day_end=f"{datetime.now(UTC) - timedelta(hours=1):%H:%M}",
        )
        async with RunningVenue(config_path, directory / "data") as venue:
            door = door_of(config_path, argparse.Namespace(host=None, port=venue.fix_port, **DEFAULT_SESSIONS))
            return await _play_at(door, plan, audit, speed, on_progress)
