"""The benchmark of many sessions, small, so that it does not rot."""

import pytest

from tests.bench import bench_sessions_many


@pytest.mark.long
def test_a_few_sessions_are_measured() -> None:
    result = bench_sessions_many.main(["--sessions", "5", "--seconds", "9", "--rates", "200"])
    assert [run["rate"] for run in result["loaded"]] == [200, 100]
    assert result["steady_orders_per_s"] > 190
    assert result["idle_all"]["gaps"] >= 5
    for run in result["loaded"]:
        assert run["is_steady"]
        assert run["symbols"] > 1
        assert run["heartbeats"]["gap_ms"]["max"] > 4_500
