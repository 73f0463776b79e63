"""The command `torture`: faults from a seed on a venue under load, and every promise checked from outside."""

import argparse
import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final, TextIO

import msgspec
import uvloop

from simulators.torture import history
from simulators.torture.auditor import Auditor
from simulators.torture.faults import KINDS
from simulators.torture.machine import processes_naming
from simulators.torture.run import READERS, SHARDS, Plan, Struck, Summary, Torture
from venue import logs
from venue.data_directory import open_directory
from venue.process import add_engine_argument
from venue.up import START_FAILURES, exit_status

EX_USAGE: Final = 64
DEFAULT_FAULTS: Final = 100
DEFAULT_MINUTES: Final = 60.0
DEFAULT_RATE: Final = 120.0
_SHOWN_MAX: Final = 20


def main(argv: list[str] | None = None) -> int:
    """Torture a venue; 0 when every promise was kept, 1 when one was not, else why no venue could be had."""
    options = _parser().parse_args(argv)
    if options.audit is not None:
        return _audit(options.audit)
    if options.keep is not None and _holds_something(options.keep):
        return _refuse(f"{options.keep} is not an empty directory; name one that is, or one to be made, with --keep")
    kinds = tuple(options.kinds.split(",")) if options.kinds else tuple(KINDS)
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        return _refuse(f"there is no kind {unknown[0]!r}; choose of {', '.join(KINDS)}")
    plan = Plan(
        faults=options.faults,
        seed=options.seed,
        minutes_max=options.minutes,
        kinds=kinds,
        requests_per_s=options.rate,
        engine=options.engine,
        standbys=options.standbys,
        gateways=options.gateways,
        is_calm=options.calm,
        is_cluster=options.cluster,
        keeps_logs=options.keep is not None,
    )
    say = sys.stdout
    directory = _directory(options.keep)
    say.write(f"outcry torture: seed {plan.seed}, {plan.faults} faults, everything in {directory}\n")
    try:
        with _logging_to(directory / "torture.log"):
            summary = _run(Torture(plan, directory, lambda struck: _tell(say, struck)))
    except START_FAILURES as error:
        say.write(f"outcry torture: {error}\noutcry torture: the logs are kept in {directory}\n")
        return exit_status(error)
    for pid in processes_naming(str(directory / "data")):
        summary.violation_count += 1
        say.write(f"outcry torture: process {pid} of the venue is left over\n")
    say.write(told(summary))
    if summary.violation_count:
        say.write(f"outcry torture: logs and history are kept in {directory}; repeat with --seed {plan.seed}\n")
        return 1
    if options.keep is None:
        shutil.rmtree(directory)
    return 0


def _audit(path: Path) -> int:
    """Look once more at a history that was kept."""
    auditor = Auditor(shards=SHARDS, market_data=[comp_id for comp_id, _ in READERS])
    try:
        auditor.see_all(history.read(path))
    except OSError as error:
        return _refuse(f"{path} cannot be read: {error.strerror}; name a history.jsonl that was kept with --keep")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return _refuse(f"{path} is no history: {error}; name a history.jsonl that was kept with --keep")
    for violation in auditor.finish():
        sys.stdout.write(f"{violation}\n")
    sys.stdout.write(f"violations: {auditor.findings.count}\n")
    return 1 if auditor.findings.count else 0


def told(summary: Summary) -> str:
    """The verdict, for people."""
    lines = [f"  {kind:<20} {count:>4}{_waits(summary, kind)}" for kind, count in sorted(summary.struck.items())]
    lines += [f"  {kind:<20} not here: {why}" for kind, why in summary.skipped.items()]
    lines += [
        f"{summary.struck.total()} faults of {len(summary.struck)} kinds in {summary.seconds:.0f} s, "
        f"seed {summary.seed}",
        f"{summary.requests} requests, {summary.answered} answered, {summary.reports} reports, {summary.trades} trades",
        f"{summary.increments} increments, {summary.connections} logon attempts, {summary.replayed} records replayed",
        *(f"not checked: {unchecked}" for unchecked in summary.unchecked),
        f"longest wait for an answer {summary.wait_s_max:.2f} s, longest recovery {summary.recovery_s_max:.2f} s",
        f"violations: {summary.violation_count}",
    ]
    lines += [f"  {violation}" for violation in summary.violations[:_SHOWN_MAX]]
    return "\n".join(lines) + "\n"


def _waits(summary: Summary, kind: str) -> str:
    """How long clients waited for answers, over those faults of a kind that the next one did not follow at once."""
    waits_s = summary.waits_s.get(kind)
    return f"   longest wait p50 {median(waits_s):.2f} s, worst {max(waits_s):.2f} s" if waits_s else ""


def _tell(say: TextIO, struck: Struck) -> None:
    recovered = ""
    if struck.recovered_s is not None and struck.wait_s is not None:
        recovered = f"; all well after {struck.recovered_s:.2f} s, longest wait {struck.wait_s:.2f} s"
    say.write(f"{struck.at_s:7.1f} s  {struck.number:>4}  {struck.kind:<20} {struck.details}{recovered}\n")
    say.flush()


def _run(torture: Torture) -> Summary:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(torture.run())


def _holds_something(path: Path) -> bool:
    return path.exists() and not (path.is_dir() and next(path.iterdir(), None) is None)


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"outcry torture: {sentence}\n")
    return EX_USAGE


def _directory(keep: Path | None) -> Path:
    return open_directory(keep) if keep is not None else Path(tempfile.mkdtemp(prefix="outcry-torture-"))


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """The supervisor's log goes to a file while inside."""
    with path.open("a") as file, contextlib.redirect_stderr(file):
        logs.configure("torture")
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="outcry torture",
        description="Hurt a running venue and check every promise from outside.",
        epilog=f"Kinds of faults: {', '.join(KINDS)}.",
    )
    add = parser.add_argument
    add("--faults", type=int, default=DEFAULT_FAULTS, metavar="N", help="default: %(default)s")
    add("--seed", type=int, default=1, help="fixes the schedule and what is asked for; default: %(default)s")
    add("--minutes", type=float, default=DEFAULT_MINUTES, metavar="M", help="no fault later; default: %(default)g")
    add("--kinds", metavar="A,B", help="only these; default: all")
    add("--rate", type=float, default=DEFAULT_RATE, metavar="R", help="requests a second; default: %(default)g")
    add("--standbys", type=int, default=0, metavar="N", help="of each matcher; default: %(default)s")
    add("--gateways", type=int, default=1, metavar="N", help="sessions may use any; default: %(default)s")
    add("--cluster", action="store_true", help="three JetStream servers; without faults of their disks and ways")
    add("--calm", action="store_true", help="let the venue recover from each fault before the next one")
    add("--keep", type=Path, metavar="DIR", help="put everything there, and leave it; it must be empty or not there")
    add("--audit", type=Path, metavar="FILE", help="hurt nothing: audit a kept history.jsonl again")
    add_engine_argument(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
