"""Sessions that go from one gateway to another: one has it at a time, and its client waits while it is fetched."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.journal.locks import JournalLocks
from sessions.port import EngineError, Moves
from tests.sessions.house import FIRMA1, House, logged_on, open_house, report, wait_for
from tests.sessions.raw_client import RawClient

HOLD_A_LOCK = """
import sys
from pathlib import Path
from sessions.journal.locks import JournalLocks
print(JournalLocks(Path(sys.argv[1])).take(sys.argv[2]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def journals(tmp_path: Path) -> Path:
    return tmp_path / "fix" / "journal"


class OtherProcess:
    """Holds the lock of one session, as another gateway does, until it is ended."""

    def __init__(self, directory: Path, session_id: str = FIRMA1) -> None:
        command = [sys.executable, "-c", HOLD_A_LOCK, str(directory), session_id]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.has_it = self._process.stdout.readline() == b"True\n"

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> "OtherProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


@pytest.fixture
def house_without_firma1(tmp_path: Path, journals: Path) -> Iterator[House]:
    """An engine that started while another process had FIRMA1; that one has ended since."""
    with OtherProcess(journals) as other:
        assert other.has_it
        house = House(tmp_path, engine="native").start()
    try:
        yield house
    finally:
        house.close()


def account_of(house: House) -> object:
    return house.engine._accounts.get(FIRMA1)


def on_wanted_do(house: House, answer: object) -> list[str]:
    wanted: list[str] = []

    def on_wanted(session_id: str) -> None:
        wanted.append(session_id)
        house.loop.call_soon(answer)

    house.engine.seats.on_wanted = on_wanted
    return wanted


def test_the_seats_of_the_engine_are_its_moves(house_without_firma1: House) -> None:
    assert isinstance(house_without_firma1.engine.seats, Moves)
    assert FIRMA1 not in house_without_firma1.engine.seats


def test_a_lock_is_held_by_one_process_at_a_time_and_freed_by_its_death(journals: Path) -> None:
    locks = JournalLocks(journals)
    with OtherProcess(journals) as other:
        assert other.has_it
        assert not locks.take(FIRMA1)
        assert locks.take("FIX.4.4:FIRMB1")  # it concerns one session only
    assert locks.take(FIRMA1)
    with OtherProcess(journals) as other:
        assert not other.has_it
    locks.free(FIRMA1)
    with OtherProcess(journals) as other:
        assert other.has_it
    locks.close()


def test_a_client_waits_while_its_session_is_fetched(house_without_firma1: House) -> None:
    house = house_without_firma1

    def fetch() -> None:
        assert house.engine.seats.take(account_of(house))
        house.engine.seats.seat_waiting(FIRMA1)

    wanted = on_wanted_do(house, fetch)
    with logged_on(house):
        house.send(FIRMA1, report("E1"))
    assert wanted == [FIRMA1]


def test_a_session_that_cannot_be_had_costs_the_client_its_connection(house_without_firma1: House) -> None:
    house = house_without_firma1
    on_wanted_do(house, lambda: house.engine.seats.refuse_waiting(FIRMA1, "session_elsewhere"))
    with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
        client.send("A", "98=0|108=30|553=FIRMA1|554=example-firma1|")
        client.expect_disconnect()
    wait_for(lambda: house.engine.tally.connections_refused["session_elsewhere"] == 1)


def test_an_engine_whose_sessions_nobody_fetches_refuses(house_without_firma1: House) -> None:
    house = house_without_firma1
    with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
        client.send("A", "98=0|108=30|553=FIRMA1|554=example-firma1|")
        client.expect_disconnect()
    wait_for(lambda: house.engine.tally.connections_refused["session_elsewhere"] == 1)


def test_one_client_waits_for_a_session_and_a_second_one_is_turned_away(house_without_firma1: House) -> None:
    house = house_without_firma1
    wanted = on_wanted_do(house, lambda: None)
    with RawClient(house.port, "FIX.4.4", "FIRMA1") as first:
        first.send("A", "98=0|108=30|553=FIRMA1|554=example-firma1|")
        wait_for(lambda: wanted)
        with RawClient(house.port, "FIX.4.4", "FIRMA1") as second:
            second.send("A", "98=0|108=30|553=FIRMA1|554=example-firma1|")
            second.expect_disconnect()
    wait_for(lambda: house.engine.tally.connections_refused["duplicate_identity"] == 1)
    with RawClient(house.port, "FIX.4.4", "FIRMA1") as third:  # the first has gone, and waits no more
        third.send("A", "98=0|108=30|553=FIRMA1|554=example-firma1|")
        wait_for(lambda: len(wanted) == 2)


def test_a_session_that_another_process_has_cannot_be_added(tmp_path: Path, journals: Path) -> None:
    with (
        OtherProcess(journals),
        open_house(tmp_path, engine="native") as house,
        pytest.raises(EngineError, match="is at another gateway"),
    ):
        house.call(lambda: house.engine.seats.add(account_of(house)))


def test_a_session_is_given_up_unless_its_client_is_connected_and_its_numbers_go_on(
    tmp_path: Path, journals: Path
) -> None:
    with open_house(tmp_path, engine="native") as house:
        with logged_on(house) as client:
            assert not house.call(lambda: house.engine.seats.give_up(FIRMA1))
            house.send(FIRMA1, report("E1"))
            client.expect("8")
        sent = house.engine.messages_out
        assert house.call(lambda: house.engine.seats.give_up(FIRMA1))
        assert house.engine.messages_out == sent
        with OtherProcess(journals) as other:
            assert other.has_it
        house.call(lambda: house.engine.seats.add(account_of(house)))
        assert house.engine.next_outbound(FIRMA1) == 4  # Logon, report, Logout
