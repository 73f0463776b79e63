"""Seeds of the simulation: the venue keeps its promises in each, and with any of its rules broken it does not."""

from io import StringIO

import pytest

from simulators.simulation.command import main, story_of
from simulators.simulation.run import Outcome, simulate
from tests.simulation.mutants import MUTANTS, RARELY_NOTICED, Mutant, a_reader_that_sees_no_gap

SEEDS = range(1, 251)
MUTANT_SEEDS_MAX = 400
RARE_SEEDS_MAX = 3000


def test_every_promise_is_kept() -> None:
    outcomes = [simulate(seed) for seed in SEEDS]
    assert "".join(story_of(outcome) for outcome in outcomes if outcome.violations) == ""
    assert sum(outcome.faults for outcome in outcomes) > 2 * len(outcomes)
    assert sum(outcome.epochs > 1 for outcome in outcomes) > len(outcomes) // 4
    assert all(outcome.exec_records for outcome in outcomes)


def test_a_seed_is_the_same_run_each_time() -> None:
    seeds = range(1, 9)
    assert [simulate(seed) for seed in seeds] == [simulate(seed) for seed in seeds]


def first_violation(seeds_max: int) -> Outcome | None:
    return next((outcome for seed in range(1, seeds_max + 1) if (outcome := simulate(seed)).violations), None)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_rule_is_noticed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    assert first_violation(MUTANT_SEEDS_MAX) is not None


@pytest.mark.long
@pytest.mark.parametrize("mutant", RARELY_NOTICED)
def test_a_rule_is_noticed_that_seldom_matters(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    assert first_violation(RARE_SEEDS_MAX) is not None


def test_the_command_ends_with_what_it_did() -> None:
    said = StringIO()
    assert main(["--seeds", "3", "--first", "7"], say=said) == 0
    assert said.getvalue().startswith("3 seeds, ")
    assert said.getvalue().endswith("nothing lost, nothing twice\n")


def test_the_command_names_the_seed_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    a_reader_that_sees_no_gap(monkeypatch)
    said = StringIO()
    assert main(["--seeds", str(MUTANT_SEEDS_MAX)], say=said) == 1
    broken = first_violation(MUTANT_SEEDS_MAX)
    assert broken is not None
    assert f"repeat with: python -m simulators.simulation --seeds 1 --first {broken.seed}\n" in said.getvalue()
    assert said.getvalue().endswith(f"seed {broken.seed} broke a promise\n")
