"""The session benchmark runs with both engines, and looks at what it measured."""

import pytest

from tests.bench.bench_session import check, main


def test_both_engines_answer_every_order() -> None:
    *runs, ratio = main(["--orders", "400", "--runs", "1", "--window", "50"])
    assert [(run["engine"], run["orders"]) for run in runs] == [("quickfix", 100), ("native", 400)]
    assert ratio["ratio"] > 0


@pytest.mark.parametrize(
    "received",
    [
        "34=1|.34=2|17=1-1-0|.34=3|17=1-2-0|",  # one is missing
        "34=1|.34=2|17=1-1-0|.34=3|17=1-2-1|.34=4|17=1-2-0|",  # out of order
        "34=1|.34=2|17=1-1-0|.34=3|17=1-2-0|.34=5|17=1-2-1|",  # a number is missing
    ],
)
def test_a_wrong_exchange_is_no_result(received: str) -> None:
    check(b"\x0134=1\x01.\x0134=2\x0117=1-1-0\x01.\x0134=3\x0117=1-2-0\x01.\x0134=4\x0117=1-2-1\x01", 2)
    with pytest.raises(AssertionError):
        check("".join(f"\x01{part}" for part in received.split(".")).replace("|", "\x01").encode(), 2)
