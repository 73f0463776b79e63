"""The benchmark of market data finds the second it speaks of, and runs, small, on every transport."""

from pathlib import Path

import pytest

from simulators.recorded.files import SAMPLE, open_recording
from simulators.recorded.rows import NS_PER_S, FlowEvent, FlowKind, RecordedFlowError
from tests.bench import bench_feed
from tests.bench.busiest_second import ENTERED_SHARE_MAX, busiest_window, recordings

LOBSTER_NAME = "XYZ_2012-06-21_0_0_message_1.csv"


def lobster(directory: Path, *rows: tuple[float, int]) -> Path:
    """A file of one symbol: moment in seconds and type of each row."""
    path = directory / LOBSTER_NAME
    path.write_text("".join(f"{at:.9f},{kind},{number},100,1000000,1\n" for number, (at, kind) in enumerate(rows, 1)))
    return path


def seconds_of(path: Path) -> list[list[FlowEvent]]:
    """The slow, obvious way: the rows of the second that begins with each row."""
    events = [event for event in open_recording(path).events if event.kind is not FlowKind.NOTHING]
    return [
        [event for event in events if 0 <= event.time_ns - first.time_ns < NS_PER_S and event.row >= first.row]
        for first in events
    ]


def test_no_second_of_the_sample_has_more_messages_than_the_one_that_is_found() -> None:
    found = busiest_window([SAMPLE])
    counts = [
        len(rows)
        for rows in seconds_of(SAMPLE)
        if sum(row.kind is FlowKind.NEW for row in rows) <= ENTERED_SHARE_MAX * len(rows)
    ]
    assert found.messages == max(counts)


def test_a_second_may_begin_anywhere_and_ends_before_the_next_begins(tmp_path: Path) -> None:
    path = lobster(tmp_path, (0.0, 1), (0.9, 1), (1.5, 3), (1.899, 3), (1.9, 3))
    found = busiest_window([path])
    assert (found.first_row, found.last_row, found.messages, found.begin_ns) == (2, 4, 3, 900_000_000)


def test_a_book_that_is_only_listed_is_no_busy_second(tmp_path: Path) -> None:
    listed = [(number / 1000, 1) for number in range(100)]
    found = busiest_window([lobster(tmp_path, *listed, (10.0, 1), (10.1, 3))])
    assert (found.first_row, found.last_row, found.messages) == (101, 102, 2)


def test_where_nothing_was_recorded_the_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RecordedFlowError, match="set OUTCRY_DATA"):
        busiest_window(recordings(tmp_path))


@pytest.mark.long
@pytest.mark.shared_data
@pytest.mark.parametrize("transport", ["websocket", "nats", "fix"])
def test_each_transport_brings_every_message_whether_one_reads_or_not(transport: str) -> None:
    if not recordings():
        pytest.skip("the recorded data are not there; set OUTCRY_DATA")
    (line,) = bench_feed.main(["--transport", transport, "--readers", "3", "--times", "1"])
    for case in ("all_read_1x", "all_read_10x", "one_stopped_1x", "one_stopped_10x"):
        assert line[case]["messages"] == line["requests"]
        assert line[case]["missed_by_those_who_note"] == 0
        assert 0 < line[case]["last_us"]["p50"] <= line[case]["last_us"]["max"]
