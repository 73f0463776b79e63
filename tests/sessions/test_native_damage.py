"""A journal's file that cannot be read any more ends the session that asks for it, says so, and hurts nobody else."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sessions.journal.errors import JournalUnreadable
from sessions.native.events import Closing, LoggedOff, MemoryStore, SentUnreadable
from sessions.native.session import CANNOT_RESEND
from sessions.native.states import State
from sessions.port import EngineError
from tests.sessions.house import FIRMA1, House, logged_on, open_house, report, wait_for
from tests.sessions.native_talk import REPORT, Talk
from tests.sessions.raw_client import RawClient

TOMORROW = date(2030, 1, 1)


def flip(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content.replace(b"\x0117=old-2\x01", b"\x0117=bad-2\x01"))


def overwrite_the_beginning(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(b"garbage!" + content[8:])


def shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


DAMAGES = [flip, shorten, Path.unlink]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, engine="native") as opened:
        yield opened


def with_an_old_file(house: House) -> Path:
    """FIRMA1 was sent 2, 3 and 4 on an earlier day, and 5 today; returns the earlier day's file."""
    with logged_on(house) as client:
        for number in (1, 2, 3):
            house.send(FIRMA1, report(f"old-{number}"))
            client.expect("8")
        old = max((house.data_dir / "fix" / "journal").glob("FIX.4.4*FIRMA1/*.journal"))
        house.call(lambda: house.engine.seats[FIRMA1].journal.roll(TOMORROW))
        house.send(FIRMA1, report("new"))
        client.expect("8")
    return old


def ask_for_all(house: House, next_seq: int) -> tuple[RawClient, list[str]]:
    """Log on again and ask; the client, and what came before the venue closed."""
    with RawClient(house.port, "FIX.4.4", "FIRMA1", next_seq=next_seq) as client:
        client.send("A", "98=0|108=30|553=FIRMA1|554=example-firma1|")
        client.expect("A")
        client.received.clear()
        client.send("2", "7=1|16=0|")
        client.expect_disconnect()
    wait_for(lambda: FIRMA1 not in house.engine.sessions_up)
    return client, [message.msg_type for message in client.received]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_resend_from_a_damaged_file_ends_that_session_only(house: House, damage: Callable[[Path], None]) -> None:
    old = with_an_old_file(house)
    content = old.read_bytes()
    damage(old)
    with logged_on(house, "FIX.4.4:FIRMB1") as other:
        with capture_logs() as logs:
            client, msg_types = ask_for_all(house, next_seq=3)
        assert msg_types[-1] == "5"
        assert not [message for message in client.received if message.fields.get("17") in ("old-3", "new")]
        assert client.received[-1]["58"] == CANNOT_RESEND
        (told,) = [line for line in logs if line["event"] == "fix_journal_damaged"]
        assert (told["log_level"], told["session"], told["file"]) == ("error", FIRMA1, str(old))
        assert house.engine.tally.connections_closed["journal_damaged"] == 1
        house.send("FIX.4.4:FIRMB1", report("undisturbed"))
        assert other.expect("8")["17"] == "undisturbed"

        assert ask_for_all(house, next_seq=5)[1] == msg_types  # as long as it is so

        old.write_bytes(content)
        with logged_on(house, next_seq=7) as mended:
            mended.send("2", "7=1|16=0|")
            assert mended.expect("4")["36"] == "2"
            assert [mended.expect("8")["17"] for _ in range(4)] == ["old-1", "old-2", "old-3", "new"]


def test_a_damaged_beginning_is_found_after_a_restart(tmp_path: Path) -> None:
    with open_house(tmp_path, engine="native") as house:
        overwrite_the_beginning(with_an_old_file(house))
    with open_house(tmp_path, engine="native") as house:
        assert ask_for_all(house, next_seq=3)[1] == ["5"]


def test_a_range_that_the_damage_does_not_touch_is_sent_again(house: House) -> None:
    old = with_an_old_file(house)
    flip(old)
    with logged_on(house, next_seq=3) as client:
        client.send("2", "7=5|16=5|")
        assert client.expect("8")["17"] == "new"
        client.send("2", "7=1|16=2|")
        assert client.expect("4")["36"] == "2"
        assert client.expect("8")["17"] == "old-1"


def test_a_reset_is_a_way_out(house: House) -> None:
    flip(with_an_old_file(house))
    ask_for_all(house, next_seq=3)
    with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
        client.send("A", "98=0|108=30|141=Y|553=FIRMA1|554=example-firma1|")
        assert client.expect("A")["34"] == "1"
        house.send(FIRMA1, report("again"))
        assert client.expect("8")["34"] == "2"
        client.log_out()


def test_numbers_of_the_refusal_are_in_the_journal_before_it_leaves(tmp_path: Path) -> None:
    with open_house(tmp_path, engine="native") as house:
        flip(with_an_old_file(house))
        client, _ = ask_for_all(house, next_seq=3)
        last = int(client.received[-1]["34"])
    with open_house(tmp_path, engine="native", started=False) as house:
        assert house.engine.next_outbound(FIRMA1) == last + 1


def test_a_venue_that_cannot_tell_what_it_sent_says_so_in_one_sentence(tmp_path: Path) -> None:
    with open_house(tmp_path, engine="native") as house:
        flip(with_an_old_file(house))
    with (
        open_house(tmp_path, engine="native", started=False) as house,
        pytest.raises(EngineError, match=rf"what session {FIRMA1} was sent cannot be told: .* is damaged at byte"),
    ):
        list(house.engine.sent_bodies(FIRMA1, 1))


class Damaged(MemoryStore):
    """From number 3 on nothing can be read."""

    def sent(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:  # type: ignore[override]
        yield from super().sent(begin, min(end, 2))
        raise JournalUnreadable(Path("a.journal"), "a.journal is damaged at byte 7.")


def test_what_can_be_read_comes_first_and_what_waits_behind_stays_in_the_store() -> None:
    talk = Talk(store=Damaged()).up()
    talk.send(*[REPORT] * 3)
    talk.session.receive(talk.compose("2", "7=2|16=0|") + talk.compose("2", "7=2|16=0|"), talk.now_ns)
    assert [answer[:10] for answer in talk.answers()] == ["35=8|34=2|", "35=5|34=5|"]
    assert talk.session.state is State.CLOSING
    talk.gone()
    assert talk.events_of(SentUnreadable, LoggedOff, Closing) == [
        SentUnreadable("a.journal", "a.journal is damaged at byte 7."),
        LoggedOff("journal_damaged"),
        Closing("journal_damaged", CANNOT_RESEND),
    ]
    assert talk.session.next_outbound == 6


def test_on_the_way_out_already_nothing_is_said_twice() -> None:
    talk = Talk(store=Damaged()).up()
    talk.send(*[REPORT] * 3)
    talk.session.receive(talk.compose("2", "7=2|16=0|") + talk.compose("5"), talk.now_ns)
    assert [answer[:10] for answer in talk.answers()] == ["35=8|34=2|", "35=5|34=5|"]
    assert talk.events_of(SentUnreadable) == []
    assert talk.session.state is State.CLOSING
