"""What waits is bounded, however long an application holds or a disk takes; what is not on disk counts as waiting."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sessions.delivery import SessionDown, SessionUp
from sessions.journal import group
from sessions.journal.group import SyncWork
from sessions.native import engine
from sessions.native.arrivals import Arrivals
from sessions.native.shapes import FieldReader
from tests.sessions.house import FIRMA1, cl_ord_ids, logged_on, open_house, report, wait_for
from tests.sessions.raw_client import RawClient, frame, order_body

UP, DOWN = SessionUp("s"), SessionDown("s")


# An application that holds


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ([UP], [UP]),
        ([UP, DOWN], []),
        ([UP, DOWN, UP], [UP]),
        ([UP, DOWN, UP, DOWN], []),
        ([DOWN], [DOWN]),
        ([DOWN, UP], [DOWN, UP]),
        ([DOWN, UP, DOWN], [DOWN]),
        ([DOWN, UP, DOWN, UP], [DOWN, UP]),
        ([UP, "message", DOWN], [UP, "message", DOWN]),
        ([UP, "message", DOWN, UP, DOWN, UP], [UP, "message", DOWN, UP]),
        ([UP, DOWN, UP, "message", DOWN, UP, "message", DOWN], [UP, "message", DOWN, UP, "message", DOWN]),
    ],
)
def test_a_session_that_came_and_went_without_a_word_is_not_told(told: list[object], left: list[object]) -> None:
    arrivals, messages_in = Arrivals(), 0
    for each in told:
        if isinstance(each, SessionUp | SessionDown):
            arrivals.note(each, messages_in)
        else:
            messages_in += 1
            arrivals.items.append(each)
    assert arrivals.take() == left
    assert arrivals.take() == []


def test_sessions_are_counted_each_for_itself_and_anew_after_each_delivery() -> None:
    arrivals = Arrivals()
    arrivals.note(UP, 0)
    arrivals.note(SessionUp("other"), 0)
    arrivals.note(DOWN, 0)
    assert arrivals.take() == [SessionUp("other")]
    arrivals.note(SessionDown("other"), 0)
    arrivals.note(UP, 0)
    assert arrivals.take() == [SessionDown("other"), UP]


def test_a_client_that_comes_and_goes_while_its_application_holds_fills_no_memory(tmp_path: Path) -> None:
    with open_house(tmp_path, engine="native") as house:
        house.call(lambda: house.engine.hold_inbound("orders"))
        next_seq = 1
        for _ in range(20):
            with logged_on(house, next_seq=next_seq) as client:
                pass
            next_seq = client.next_seq
        assert house.engine.tally.logons == 20
        assert house.engine.inbound_waiting("orders") <= 2
        with logged_on(house, next_seq=next_seq) as client:
            client.order("a")
            house.call(lambda: house.engine.release_inbound("orders"))
            wait_for(lambda: house.orders.messages)
        wait_for(lambda: len(house.orders.calls) == 3)
        assert house.orders.calls == [("up", FIRMA1), ("message", FIRMA1), ("down", FIRMA1)]


def test_while_too_much_waits_nobody_logs_on_and_nothing_more_is_taken(tmp_path: Path) -> None:
    with open_house(tmp_path, engine="native", inbound_messages_max=5) as house:
        house.call(lambda: house.engine.hold_inbound("orders"))
        with logged_on(house) as client:
            client.send_bytes(b"".join(client.compose("D", order_body(f"o{n}")) for n in range(10)))
            wait_for(lambda: house.engine.seats[FIRMA1].is_paused)
            waiting = house.engine.inbound_waiting("orders")
            with RawClient(house.port, "FIX.4.4", "FIRMA2") as late:
                late.send("A", "98=0|108=30|553=FIRMA2|554=example-firma2|")
                late.expect_disconnect()
            assert house.engine.tally.connections_refused == {"venue_busy": 1}
            assert house.engine.inbound_waiting("orders") == waiting
            with logged_on(house, "FIX.4.4:MD1"):  # another application takes
                pass
            house.call(lambda: house.engine.release_inbound("orders"))
            with logged_on(house, "FIX.4.4:FIRMA2"):
                pass
            wait_for(lambda: len(house.orders.messages) == 10)
            assert cl_ord_ids(house) == [f"o{n}" for n in range(10)]


# A disk that takes long


class SlowDisk:
    """Syncs nothing until it is let."""

    def __init__(self, real: Callable[[list[SyncWork]], None]) -> None:
        self._real = real
        self.is_free = threading.Event()
        self.rounds_begun = 0

    def __call__(self, works: list[SyncWork]) -> None:
        self.rounds_begun += 1
        assert self.is_free.wait(30)
        self._real(works)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    slow = SlowDisk(group.sync)
    monkeypatch.setattr(group, "sync", slow)
    slow.is_free.set()
    yield slow
    slow.is_free.set()


@pytest.mark.parametrize("profile", ["durable", "fast"])
def test_what_is_not_on_disk_still_waits(tmp_path: Path, disk: SlowDisk, profile: str) -> None:
    with open_house(tmp_path, engine="native", engine_settings={"sync_profile": profile}) as house:
        house.send(FIRMA1, report(1), report(2))
        wait_for(lambda: not house.engine.outbound_waiting(FIRMA1))
        disk.is_free.clear()
        house.send(FIRMA1, report(3))
        rounds = disk.rounds_begun
        wait_for(lambda: disk.rounds_begun > rounds or house.engine._group._in_flight)
        house.send(FIRMA1, report(4), report(5))
        assert house.engine.outbound_waiting(FIRMA1) == 3
        disk.is_free.set()
        wait_for(lambda: not house.engine.outbound_waiting(FIRMA1))


def test_under_steady_load_the_count_moves_on(tmp_path: Path, disk: SlowDisk) -> None:
    """Else the gateway's marks would stand still, and a restart would take ever longer."""
    with open_house(tmp_path, engine="native", engine_settings={"sync_profile": "durable"}) as house:
        seat = house.engine.seats[FIRMA1]
        stored = 0
        for number in range(1, 11):
            disk.is_free.clear()
            house.send(FIRMA1, report(number))
            wait_for(lambda: house.engine._group._in_flight)
            stored = max(stored, number - house.engine.outbound_waiting(FIRMA1))
            assert stored < number  # the newest is never there when somebody asks
            rounds = house.engine._group.rounds
            disk.is_free.set()
            wait_for(lambda rounds=rounds: house.engine._group.rounds > rounds)
            house.call(lambda: seat.journal.note_inbound(seat.journal.next_inbound + 1))
        assert stored >= 8


def test_a_reset_loses_no_count(tmp_path: Path, disk: SlowDisk) -> None:
    with open_house(tmp_path, engine="native", engine_settings={"sync_profile": "durable"}) as house:
        disk.is_free.clear()
        house.send(FIRMA1, report(1))
        house.call(lambda: house.engine.seats[FIRMA1].session._line.reset_outbound(1 << 62))
        assert house.engine.outbound_waiting(FIRMA1) == 1
        disk.is_free.set()
        wait_for(lambda: not house.engine.outbound_waiting(FIRMA1))


def test_without_syncing_what_is_written_is_stored(tmp_path: Path) -> None:
    with open_house(tmp_path, engine="native", engine_settings={"sync_profile": "none"}) as house:
        house.send(FIRMA1, report(1))
        wait_for(lambda: not house.engine.outbound_waiting(FIRMA1))


def test_while_the_disk_is_far_behind_nobody_logs_on(
    tmp_path: Path, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "WRITES_WAITING_MAX", 1)
    with open_house(tmp_path, engine="native", engine_settings={"sync_profile": "durable"}) as house:
        disk.is_free.clear()
        with RawClient(house.port, "FIX.4.4", "FIRMA1") as first:
            first.send("A", "98=0|108=30|553=FIRMA1|554=example-firma1|")
            wait_for(lambda: house.engine._group.callbacks_waiting)
            with RawClient(house.port, "FIX.4.4", "FIRMA2") as second:
                second.send("A", "98=0|108=30|553=FIRMA2|554=example-firma2|")
                second.expect_disconnect()
            disk.is_free.set()
            first.expect("A")
        assert house.engine.tally.connections_refused == {"venue_busy": 1}
        with logged_on(house, "FIX.4.4:FIRMA2"):
            pass


# What a reader remembers


def test_tags_that_are_none_are_not_remembered() -> None:
    reader = FieldReader()
    for number in range(40):
        message = frame("FIX.4.4", f"35=D\x01{number}{'x' * 1000}=1\x01")
        reader.read(message, message.decode())
    assert reader._counts == {}
