"""Snapshots by a forked child: the engine goes on at once, and what cannot be written costs one line in the log."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from matcher.commands import GatewayStarted, NewOrder
from matcher.engine.engine import Engine
from matcher.orders import BUY, DAY, LIMIT, SELL
from matcher.process import snapshot_taker
from matcher.process.snapshot_taker import ForkingTaker, Snapshots
from tests.matcher.desk import instruments
from tests.processes import until


class Desk:
    """An engine, its snapshots, and what was said of them."""

    def __init__(self, directory: Path) -> None:
        self.engine = Engine(0, orders_max=10, finished_orders_max=10)
        self.directory = directory
        self.taker = ForkingTaker(directory)
        self.marks: list[tuple[int, str]] = []
        self.snapshots = Snapshots(directory, self.taker, every_inputs=5, on_mark=lambda *mark: self.marks.append(mark))

    def advance(self, inputs: int) -> None:
        for _ in range(inputs):
            seq = self.engine.last_input_seq + 1
            self.engine.apply_record(f"gw{seq}", 1, 1, [GatewayStarted(f"gw{seq}", 1)], seq)
            self.snapshots.take_if_due(self.engine)

    def named(self) -> list[int]:
        return sorted(int(path.stem) for path in self.directory.glob("*.snapshot"))


async def test_a_snapshot_is_what_the_engine_was_although_it_goes_on_meanwhile(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.advance(5)
    state_hash = desk.engine.state_hash()
    desk.advance(4)
    desk.snapshots.note_consumed(9)
    await until(lambda: desk.marks)
    assert desk.marks == [(5, state_hash)]
    written = (tmp_path / "00000000000000000005.snapshot").read_bytes()
    assert Engine.restore(written, orders_max=10, finished_orders_max=10).state_hash() == state_hash


async def test_what_is_finished_is_read_back_too(tmp_path: Path) -> None:
    """Orders that ended and trades are state: a verification with smaller bounds would call every snapshot damaged."""
    desk = Desk(tmp_path)
    desk.engine = Engine(0, instruments("TEST"), orders_max=10, finished_orders_max=10)
    for seq in range(1, 6):
        side = BUY if seq % 2 else SELL
        order = NewOrder(f"{side}1", 1, seq, 0, seq, side, "TEST", f"c{seq}", "", side, LIMIT, DAY, 100, 5)
        desk.engine.apply(order, seq)
    desk.snapshots.take_if_due(desk.engine)
    desk.snapshots.note_consumed(5)
    await until(lambda: desk.marks)
    assert desk.marks == [(5, desk.engine.state_hash())]


async def test_it_counts_only_when_all_inside_it_is_answered(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.snapshots.note_consumed(4)
    desk.advance(5)
    await until(lambda: desk.snapshots._uncovered is not None)
    assert (desk.named(), desk.marks) == ([], [])
    desk.snapshots.note_consumed(5)
    await until(lambda: desk.marks)
    assert desk.named() == [5]


async def test_one_is_taken_at_a_time_and_the_next_at_its_own_input(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.snapshots.note_consumed(100)
    desk.advance(10)  # the second comes due while the first is being written
    await until(lambda: desk.marks)
    assert desk.named() == [5]
    desk.advance(5)
    await until(lambda: len(desk.marks) == 2)
    assert desk.named() == [5, 15]


async def test_a_disk_that_refuses_is_told_and_the_next_snapshot_is_tried(tmp_path: Path) -> None:
    directory = tmp_path / "snapshots"
    desk = Desk(directory)
    directory.write_bytes(b"in the way")
    desk.snapshots.note_consumed(100)
    with capture_logs() as logs:
        desk.advance(5)
        await until(lambda: logs)
    assert [(line["event"], line["input_seq"]) for line in logs] == [("snapshot_not_written", 5)]
    directory.unlink()
    desk.advance(5)
    await until(lambda: desk.marks)
    assert desk.named() == [10]


async def test_a_child_that_is_killed_is_told_and_leaves_nothing_that_counts(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.snapshots.note_consumed(100)
    with capture_logs() as logs:
        desk.advance(5)
        assert desk.taker._child is not None
        os.kill(desk.taker._child[0], signal.SIGKILL)
        await until(lambda: logs or desk.marks)
    if logs[0]["event"] == "snapshot_not_written":  # else it was quicker than the signal
        assert desk.named() == []
        assert "ended early" in logs[0]["reason"]


async def test_the_child_holds_none_of_the_parents_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a server would take a killed matcher for alive as long as its snapshot is being written."""
    go_on = tmp_path / "go on"
    dump = Engine.dump

    def dump_when_told(engine: Engine) -> bytes:
        while not go_on.exists():
            time.sleep(0.001)
        return dump(engine)

    monkeypatch.setattr(Engine, "dump", dump_when_told)
    reading, writing = os.pipe()
    desk = Desk(tmp_path / "snapshots")
    desk.snapshots.note_consumed(100)
    desk.advance(5)
    os.close(writing)
    assert await asyncio.to_thread(os.read, reading, 1) == b""  # nobody holds its other end
    os.close(reading)
    go_on.touch()
    await until(lambda: desk.marks)


async def test_what_an_earlier_life_left_unfinished_is_removed(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000005.1.unfinished").write_bytes(b"half")
    Desk(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_a_child_that_hangs_is_ended_and_the_next_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    monkeypatch.setattr(snapshot_taker, "CHILD_PATIENCE_S", 0.05)
    with monkeypatch.context() as hanging, capture_logs() as logs:
        hanging.setattr(snapshot_taker, "_written", lambda *_: signal.pause())
        desk.advance(5)
        await until(lambda: any(line["event"] == "snapshot_not_written" for line in logs))
    monkeypatch.setattr(snapshot_taker, "CHILD_PATIENCE_S", 60)
    desk.advance(5)
    desk.snapshots.note_consumed(10)
    await until(lambda: desk.marks)
    assert desk.named() == [10]
