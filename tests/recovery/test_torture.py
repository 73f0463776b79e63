"""
Promises 1 to 7 of DESIGN.md under everything that happens to processes, networks and disks; see `simulators.torture`.

The normal run has 30 faults, the long form is `./outcry torture --faults 500`. A failure names seed and violations, and
leaves logs and history in the test's directory.
"""

from pathlib import Path

import msgspec
import pytest

from simulators.torture.command import told
from simulators.torture.faults import KINDS
from simulators.torture.machine import processes_naming
from simulators.torture.run import Plan, Struck, Torture

SEED = 4
KINDS_MIN = 8


NATIVE = Plan(
    faults=30,
    seed=SEED,
    minutes_max=1.5,
    kinds=tuple(KINDS),
    requests_per_s=120,
    engine="native",
    standbys=1,
    gateways=2,
)
QUICKFIX = msgspec.structs.replace(NATIVE, faults=10, engine="quickfix", standbys=0, gateways=1)
"""Sessions of this engine stay at one gateway."""


@pytest.mark.parametrize("plan", [NATIVE, QUICKFIX], ids=["native", "quickfix"])
async def test_a_tortured_venue_keeps_its_promises(tmp_path: Path, plan: Plan) -> None:
    struck: list[Struck] = []
    summary = await Torture(plan, tmp_path, struck.append).run()
    print(told(summary))  # noqa: T201 - for the report of a failure
    assert summary.violations == []
    assert summary.struck.total() == len(struck) == plan.faults
    assert len(summary.struck) >= KINDS_MIN
    assert summary.requests == summary.answered > 100
    assert min(summary.trades, summary.increments, summary.replayed) > 100
    assert list(processes_naming(str(tmp_path / "data"))) == []
