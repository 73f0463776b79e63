"""The engine and the slow, obvious reference give the same answers to the same random commands, of all kinds."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matcher.commands import Command
from matcher.engine.engine import Engine
from matcher.events import Event, Output
from matcher.rejects import RejectReason
from tests.matcher.compare_with_reference import Pair, shrunken
from tests.matcher.random_commands import FINISHED_ORDERS_MAX, ORDERS_MAX, commands, seeded_commands

Commands = list[tuple[int, Command]]
OF_THE_GATEWAY = {
    RejectReason.UNSUPPORTED_MESSAGE,
    RejectReason.MISSING_TAG,
    RejectReason.NOT_AUTHORIZED,
    RejectReason.INVALID_CL_ORD_ID,
    RejectReason.UNSUPPORTED_SIDE,
    RejectReason.THROTTLED,
    RejectReason.HELD_TOO_LONG,
}
"""Refusals that no engine gives by itself."""


def outputs(seed: int, count: int, pair: Pair) -> Iterator[Output]:
    """What both say to the commands of a seed; raises when they do not say the same."""
    for input_seq, command in seeded_commands(seed, count, pair.match_ids):
        yield pair.apply(command, input_seq)


@pytest.mark.parametrize("seed", range(20))
def test_a_thousand_random_commands(seed: int) -> None:
    pair = Pair()
    trades = sum(len(increment.trades) for output in outputs(seed, 1000, pair) for increment in output.increments)
    # The commands are worth something only if they trade and outlive the memory of finished orders.
    assert trades > 30
    assert pair.engine.finished_order_count == FINISHED_ORDERS_MAX


def test_the_commands_reach_everything() -> None:
    """All kinds of events, restatements, refusals and phases but those that only a gateway gives."""
    events, restatements, reasons, phases = Counter[str](), Counter[str](), Counter[Any](), Counter[str]()
    for seed in range(20, 30):
        for output in outputs(seed, 1000, Pair()):
            events.update(type(event).__name__ for event in output.events)
            restatements.update(getattr(event, "restatement_reason", "") for event in output.events)
            reasons.update(getattr(event, "reason", None) for event in output.events)
            reasons.update(one.reason for event in output.events for one in getattr(event, "refused", []))
            phases.update(increment.phase.phase for increment in output.increments if increment.phase is not None)
    assert {kind.__name__ for kind in get_args(Event)} - {"GatewayAdmitted"} <= set(events)
    assert {"3", "5", "11", "18", "19", "20", *"CLHBQMU"} <= set(restatements)
    assert set("123456HC") <= set(phases)
    assert set(RejectReason) - OF_THE_GATEWAY <= set(reasons)


@pytest.mark.parametrize("finished_orders_max", [0, 1, 1000])
def test_whatever_is_remembered_of_finished_orders(finished_orders_max: int) -> None:
    for _ in outputs(99, 600, Pair(finished_orders_max=finished_orders_max)):
        pass


@pytest.mark.parametrize("entries_max", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_fits_into_one_increment(seed: int, entries_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    So small a bound that sweeps and ends of days are cut everywhere: the watch checks the book after each part.

    Two entries are the least that can be told: a level and one of its orders.
    """
    monkeypatch.setattr("matcher.books.publication.INCREMENT_ENTRIES_MAX", entries_max)
    monkeypatch.setattr("simulators.reference.public.INCREMENT_ENTRIES_MAX", entries_max)
    cut = sum(len(output.increments) > 2 for output in outputs(seed, 600, Pair()))
    assert cut > 2


@pytest.mark.parametrize("seed", range(3))
def test_a_restored_engine_goes_on_alike(seed: int) -> None:
    """Every 37 commands the engine is put away and restored from its snapshot; nothing may be lost by it."""
    pair = Pair()
    for number, (input_seq, command) in enumerate(seeded_commands(seed, 600, pair.match_ids)):
        pair.apply(command, input_seq)
        if number % 37 == 36:
            dump = pair.engine.dump()
            pair.engine = Engine.restore(dump, orders_max=ORDERS_MAX, finished_orders_max=FINISHED_ORDERS_MAX)
            assert pair.engine.dump() == dump


def test_a_difference_is_shrunken_to_the_commands_that_make_it() -> None:
    run: Commands = list(seeded_commands(1, 60))
    wanted = [run[10], run[40]]
    assert shrunken(run, lambda shorter: all(one in shorter for one in wanted)) == wanted


@st.composite
def runs(draw: st.DrawFn) -> Commands:
    count = draw(st.integers(1, 40))
    return list(commands(lambda options: draw(st.sampled_from(options)), count))


@settings(max_examples=50, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(runs())
def test_short_runs_that_can_be_shrunk(run: Commands) -> None:
    pair = Pair()
    for input_seq, command in run:
        pair.apply(command, input_seq)
