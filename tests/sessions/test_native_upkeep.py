"""Journals over nights: a new file for each session day, none open for a session that is down, numbers that go on."""

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from sessions.native.upkeep import session_day
from tests.sessions.house import FIRMA1, House, logged_on, open_house, report, wait_for


@pytest.mark.parametrize(
    ("now", "end", "day"),
    [
        ("2026-11-20 00:00", "22:00", "2026-11-20"),
        ("2026-11-20 21:59", "22:00", "2026-11-20"),
        ("2026-11-20 22:00", "22:00", "2026-11-21"),
        ("2026-12-31 23:59", "22:00", "2027-01-01"),
        ("2026-11-20 00:00", "00:00", "2026-11-21"),
    ],
)
def test_a_session_day_is_named_after_the_date_of_its_end(now: str, end: str, day: str) -> None:
    assert session_day(datetime.fromisoformat(now), time.fromisoformat(end)) == date.fromisoformat(day)


def set_clock(house: House, now: str) -> None:
    """It is as late as that, and the engine looks at its journals."""
    upkeep = house.engine._upkeep

    def look() -> None:
        upkeep._now = lambda: datetime.fromisoformat(now).replace(tzinfo=UTC)
        upkeep.stop()
        upkeep.keep()

    house.call(look)


def journal_days(house: House) -> list[str]:
    """The days of a session's files, oldest first."""
    files = sorted((house.data_dir / "fix" / "journal").glob("*FIRMA1/*.journal"))
    return [file.stem[-8:] for file in files if "FIX.4.4" in file.parent.name]


def test_a_night_begins_a_new_file_under_a_session_that_is_up_and_its_numbers_go_on(tmp_path: Path) -> None:
    with open_house(tmp_path, engine="native") as house, logged_on(house) as client:
        set_clock(house, "2030-01-01 21:59")
        house.send(FIRMA1, report("before"))
        first = client.expect("8")
        set_clock(house, "2030-01-01 22:00")
        house.send(FIRMA1, report("after"))
        second = client.expect("8")
        assert journal_days(house)[-2:] == ["20300101", "20300102"]
        assert (first["34"], second["34"]) == ("2", "3")
        client.send("2", "7=1|16=0|")
        assert client.expect("4")["36"] == "2"
        assert [client.expect("8")["17"] for _ in range(2)] == ["before", "after"]


def test_a_restart_on_the_same_day_goes_on_in_the_same_file(tmp_path: Path) -> None:
    days = []
    for _ in range(2):
        with open_house(tmp_path, engine="native", started=False) as house:
            house.engine._upkeep._now = lambda: datetime(2030, 1, 1, 12, tzinfo=UTC)
            house.start()
            house.send(FIRMA1, report("E"))
            wait_for(lambda house=house: house.engine.outbound_waiting(FIRMA1) == 0)
            days.append(journal_days(house).count("20300101"))
    assert days == [1, 1]


def test_only_a_session_that_is_down_rests(tmp_path: Path) -> None:
    with open_house(tmp_path, engine="native") as house:
        journal = house.engine.seats[FIRMA1].journal
        with logged_on(house):
            set_clock(house, "2030-01-01 12:00")
            set_clock(house, "2030-01-01 12:01")
            assert is_open(house, journal)
        wait_for(lambda: not house.engine._connections)
        set_clock(house, "2030-01-01 12:02")
        assert not is_open(house, journal)
        with logged_on(house, next_seq=3):
            assert is_open(house, journal)


def is_open(house: House, journal: object) -> bool:
    return house.call(lambda: journal._file) >= 0  # type: ignore[attr-defined]
