"""Snapshot files: whole or not at all, the newest three, read newest first; each replica has a directory."""

import os
from pathlib import Path

import pytest

from matcher.process import snapshot_files


def found(directory: Path, input_seq_max: int = 10**9) -> list[tuple[str, bytes]]:
    paths = snapshot_files.newest_first(directory, input_seq_max=input_seq_max)
    return [(path.name, path.read_bytes()) for path in paths]


def write(directory: Path, input_seq: int, snapshot: bytes) -> None:
    path = snapshot_files.unfinished(directory, input_seq)
    snapshot_files.write(path, snapshot)
    assert snapshot_files.count(directory, input_seq, path) == len(snapshot)


def test_where_there_is_no_directory_there_are_no_snapshots(tmp_path: Path) -> None:
    assert found(tmp_path / "none") == []


def test_a_snapshot_is_named_by_its_input_and_comes_back(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b", 42, b"state")
    assert found(tmp_path / "a" / "b") == [("00000000000000000042.snapshot", b"state")]


def test_those_of_all_replicas_are_those_of_no_other_shard(tmp_path: Path) -> None:
    for shard, replica in ((1, 1), (1, 2), (1, 10), (10, 1), (11, 2), (0, 1)):
        write(snapshot_files.directory_of(tmp_path, shard, replica), 5, b"%d-%d" % (shard, replica))
    assert sorted(path.read_bytes() for path in snapshot_files.of_all_replicas(tmp_path, 1)) == [
        b"1-1",
        b"1-10",
        b"1-2",
    ]
    assert snapshot_files.of_all_replicas(tmp_path, 7) == []


def test_the_newest_come_first_in_the_order_of_inputs_not_of_text(tmp_path: Path) -> None:
    for input_seq in (9, 100, 20):
        write(tmp_path, input_seq, b"%d" % input_seq)
    assert [content for _, content in found(tmp_path)] == [b"100", b"20", b"9"]


def test_only_the_newest_three_are_kept(tmp_path: Path) -> None:
    for input_seq in range(1, 7):
        write(tmp_path, input_seq, b"%d" % input_seq)
    assert [content for _, content in found(tmp_path)] == [b"6", b"5", b"4"]
    assert len(list(tmp_path.iterdir())) == 3


def write_on(directory: Path, day: int, input_seq: int, *, keep_log_days: int) -> None:
    path = snapshot_files.unfinished(directory, input_seq)
    snapshot_files.write(path, b"%d" % input_seq)
    os.utime(path, times=(day * 86400 + input_seq, day * 86400 + input_seq))
    snapshot_files.count(directory, input_seq, path, keep_log_days=keep_log_days)


def test_as_long_as_the_log_the_newest_of_each_day_is_kept(tmp_path: Path) -> None:
    for day in range(10):
        for place in range(1, 6):
            write_on(tmp_path, day, 10 * day + place, keep_log_days=2)
    assert [content for _, content in found(tmp_path)] == [b"95", b"94", b"93", b"85", b"75", b"65", b"55"]


def test_days_without_a_snapshot_do_not_count(tmp_path: Path) -> None:
    for day in (0, 1, 5, 20, 21):
        for place in range(1, 6):
            write_on(tmp_path, day, 10 * day + place, keep_log_days=1)
    assert [content for _, content in found(tmp_path)] == [b"215", b"214", b"213", b"205", b"55", b"15"]


def test_a_log_that_is_kept_for_ever_needs_no_older_ones(tmp_path: Path) -> None:
    for day in range(6):
        write_on(tmp_path, day, day + 1, keep_log_days=0)
    assert [content for _, content in found(tmp_path)] == [b"6", b"5", b"4"]


def test_a_snapshot_of_what_is_not_answered_yet_is_passed_over(tmp_path: Path) -> None:
    for input_seq in (10, 20, 30):
        write(tmp_path, input_seq, b"%d" % input_seq)
    assert [content for _, content in found(tmp_path, 20)] == [b"20", b"10"]
    assert found(tmp_path, 9) == []


def test_a_snapshot_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    write(tmp_path, 1, b"1")
    (tmp_path / "00000000000000000002.snapshot").mkdir()
    unreadable, readable = snapshot_files.newest_first(tmp_path, input_seq_max=2)
    assert readable.read_bytes() == b"1"
    with pytest.raises(IsADirectoryError):
        unreadable.read_bytes()


def test_what_does_not_count_yet_is_no_snapshot_and_other_files_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, 1, b"1")
    snapshot_files.write(snapshot_files.unfinished(tmp_path, 2), b"two")
    (tmp_path / "notes.snapshot").write_bytes(b"mine")
    assert [content for _, content in found(tmp_path)] == [b"1"]
    snapshot_files.remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000000000000000001.snapshot", "notes.snapshot"]


def test_writing_again_replaces(tmp_path: Path) -> None:
    write(tmp_path, 1, b"old")
    write(tmp_path, 1, b"new")
    assert found(tmp_path) == [("00000000000000000001.snapshot", b"new")]


def test_a_disk_that_refuses_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        snapshot_files.write(snapshot_files.unfinished(tmp_path / "file", 1), b"state")
