"""The command `python -m simulators.simulation`: one seed after the other, until one breaks a promise."""

import argparse
import sys
import time
from typing import Final, TextIO

from simulators.simulation.run import Outcome, simulate

DEFAULT_SEEDS: Final = 1000
_PROGRESS_S: Final = 10.0
_SHOWN_MAX: Final = 10


class Tally:
    """What many seeds came to."""

    def __init__(self) -> None:
        self.seeds = self.requests = self.faults = self.changes_of_leader = 0
        self.virtual_s = 0.0
        self._began_s = time.perf_counter()

    def add(self, outcome: Outcome) -> None:
        """One more seed."""
        self.seeds += 1
        self.requests += outcome.requests
        self.faults += outcome.faults
        self.changes_of_leader += max(0, outcome.epochs - 1)
        self.virtual_s += outcome.virtual_s

    def __str__(self) -> str:
        elapsed_s = time.perf_counter() - self._began_s
        return (
            f"{self.seeds} seeds, {self.seeds / elapsed_s * 60:.0f} seeds/minute: {self.requests} requests, "
            f"{self.faults} faults, {self.changes_of_leader} changes of leader in {self.virtual_s / 3600:.1f} h of "
            "virtual time"
        )


def main(argv: list[str] | None = None, *, say: TextIO = sys.stdout) -> int:
    """Simulate; 0 when every promise was kept by every seed, 1 at the first seed that broke one."""
    options = _parser().parse_args(argv)
    tally = Tally()
    told_s = time.perf_counter()
    for seed in range(options.first, options.first + options.seeds):
        outcome = simulate(seed)
        tally.add(outcome)
        if options.story or outcome.violations:
            say.write(story_of(outcome))
        if outcome.violations:
            say.write(f"{tally}; seed {seed} broke a promise\n")
            return 1
        if sys.stderr.isatty() and time.perf_counter() - told_s > _PROGRESS_S:
            told_s = time.perf_counter()
            sys.stderr.write(f"{tally}\n")
    say.write(f"{tally}; nothing lost, nothing twice\n")
    return 0


def story_of(outcome: Outcome) -> str:
    """What happened in one seed, what was not kept, and how to see it again."""
    lines = [f"seed {outcome.seed}, logs {outcome.digest[:16]}"]
    lines += [f"{at_s:10.4f} {what}" for at_s, what in outcome.story]
    lines += [f"BROKEN {violation}" for violation in outcome.violations[:_SHOWN_MAX]]
    if outcome.violations:
        lines.append(f"repeat with: python -m simulators.simulation --seeds 1 --first {outcome.seed}")
    return "".join(f"{line}\n" for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.simulation",
        description="Run a shard in memory and virtual time, with faults drawn from a seed, and check every promise.",
    )
    parser.add_argument(
        "--seeds", type=int, default=DEFAULT_SEEDS, metavar="N", help=f"how many; default: {DEFAULT_SEEDS}"
    )
    parser.add_argument("--first", type=int, default=1, metavar="S", help="the first one; default: 1")
    parser.add_argument(
        "--story", action="store_true", help="tell what happens in each seed, not only in one that fails"
    )
    return parser
