"""The worst cases run, small, and every order of them is answered; cost is looked at in `BENCHMARKS.md`, not here."""

import pytest

from tests.bench import bench_worst_cases, bench_worst_venue


def test_each_case_answers_every_order() -> None:
    lines = bench_worst_cases.main(["--share", "0.02"])
    told = {(line["case"], line["orders"]): line["events"] for line in lines}
    assert told == {
        ("sweep", 20): {"OrderAccepted": 1, "OrderFilled": 40},
        ("sweep", 200): {"OrderAccepted": 1, "OrderFilled": 400},
        ("mass_cancel", 200): {"MassCancelReported": 1, "OrderCanceled": 200},
        ("mass_cancel", 2000): {"MassCancelReported": 1, "OrderCanceled": 2000},
        ("auction", 200): {"OperatorAnswered": 1, "OrderFilled": 200},
        ("auction", 2000): {"OperatorAnswered": 1, "OrderFilled": 2000},
        ("stops", 20): {"OrderAccepted": 1, "OrderFilled": 42, "OrderTriggered": 20},
        ("stops", 200): {"OrderAccepted": 1, "OrderFilled": 402, "OrderTriggered": 200},
    }
    assert all(line["memory_mib"] > 0 for line in lines)


@pytest.mark.long
@pytest.mark.parametrize(("case", "share", "reports"), [("mass_cancel", 0.05, 5000), ("stops", 0.05, 1002)])
def test_a_whole_venue_answers_every_order_and_others_go_on(case: str, share: float, reports: int) -> None:
    (line,) = bench_worst_venue.main(["--cases", case, "--share", str(share)])
    assert line["reports"] == reports
    assert line["before"]["orders"] > 50
    assert line["before"]["gaps"] >= bench_worst_venue.WATCHERS
    assert line["during"]["gaps"] >= bench_worst_venue.WATCHERS
