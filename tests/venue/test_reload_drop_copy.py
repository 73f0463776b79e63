"""A drop copy that is configured while the venue runs, removed, and configured again."""

from collections.abc import Iterator

import pytest

from tests.conftest import venue_in_a_thread
from tests.venue.test_reload import Operator, buy, firm


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with venue_in_a_thread(tmp_path_factory.mktemp("venue"), firms=[firm("STAYS", "STAY1")]) as venue:
        yield Operator(venue)


def test_a_drop_copy_comes_and_goes_and_misses_nothing_between(operator: Operator) -> None:
    traders, reader = firm("STAYS", "STAY1"), firm("READERS", "COPY1", kind="dropcopy")
    reader["sessions"][0]["firms"] = ["TRADES"]
    trader = firm("TRADES", "TRADE1")
    assert operator.reload(traders, trader, reader)["added"] == ["FIX.4.4:TRADE1", "FIX.4.4:COPY1"]
    with operator.logged_on("TRADE1") as trading:
        with operator.logged_on("COPY1") as copy:
            buy(trading, "d1")
            assert copy.expect("8")["11"] == "d1"
            operator.reload(traders, trader)
            assert copy.expect("5")["58"] == "the session was removed"
            copy.send("5")
            copy.expect_disconnect()
            number = int(copy.received[-1]["34"]) + 1
        buy(trading, "d2")
        assert operator.reload(traders, trader, reader)["added"] == ["FIX.4.4:COPY1"]
        with operator.logged_on("COPY1", next_seq=3) as copy:
            copy.send("2", f"7={number}|16=0|")
            assert copy.expect("8")["11"] == "d2"
            buy(trading, "d3")
            assert copy.expect("8")["11"] == "d3"
        reader["sessions"][0] |= {"firms": [], "sessions": ["STAY1"]}
        assert operator.reload(traders, trader, reader)["changed"] == ["FIX.4.4:COPY1"]
