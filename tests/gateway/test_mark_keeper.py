"""The file of sent marks is written by one thread at a time, and never with marks older than those that it has."""

import threading

from gateway.drop_copy.readings import Readings
from gateway.mark_keeper import MarkKeeper
from gateway.sent_marks import SentMark
from tests.gateway.memory_engine import MemoryEngine

A1 = "FIX.4.4:A1"
OLD, NEW = SentMark(1, 2, [3]), SentMark(1, 4, [5])


def test_two_threads_write_one_after_the_other_and_the_newest_marks_stay() -> None:
    engine = MemoryEngine(A1)
    entered, may_go_on = threading.Event(), threading.Event()
    written: list[dict[str, SentMark]] = []
    writing = 0

    def store(marks: dict[str, SentMark]) -> None:
        nonlocal writing
        writing += 1
        assert writing == 1
        entered.set()
        assert may_go_on.wait(20)
        written.append(marks)
        writing -= 1

    readings = Readings(engine, [0], {A1: 0})  # type: ignore[arg-type]  # all that it needs
    keeper = MarkKeeper({A1: OLD}, engine, readings, positions=[0], handed={A1: 0}, store=store)  # type: ignore[arg-type]
    threads = [threading.Thread(target=keeper.store) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert entered.wait(20)
    keeper.put(A1, NEW)
    may_go_on.set()
    for thread in threads:
        thread.join(20)
    assert written == [{A1: OLD}, {A1: NEW}]
    assert keeper.stored == {A1: NEW}
