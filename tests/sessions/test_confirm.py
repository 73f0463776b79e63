"""A client shows that it has read what it was sent: TestRequest(1) behind it, and the answer, on both engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.house import FIRMA1, House, assert_nothing_else_comes, logged_on, open_house, report, wait_for


@pytest.fixture(params=["native", "quickfix"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, engine=request.param) as opened:
        yield opened


def test_the_question_comes_behind_what_was_sent_and_its_answer_is_told(house: House) -> None:
    told: list[str] = []
    with logged_on(house) as client:
        wait_for(lambda: FIRMA1 in house.engine.sessions_up)
        house.send(FIRMA1, report(1), report(2))
        house.call(lambda: house.engine.confirm(FIRMA1, lambda: told.append("read")))
        house.send(FIRMA1, report(3))
        assert [client.receive().msg_type for _ in range(2)] == ["8", "8"]
        question = client.receive()
        assert question.msg_type == "1"
        assert client.receive()["17"] == "3"
        assert told == []
        client.send("0", f"112={question['112']}|")
        wait_for(lambda: told == ["read"])
        client.send("0", f"112={question['112']}|")  # once more says nothing
        assert_nothing_else_comes(client)
        assert told == ["read"]


def test_another_answer_and_one_to_an_older_question_say_nothing(house: House) -> None:
    told: list[int] = []
    with logged_on(house) as client:
        wait_for(lambda: FIRMA1 in house.engine.sessions_up)
        for number in (1, 2):
            house.call(lambda number=number: house.engine.confirm(FIRMA1, lambda: told.append(number)))
        first, second = client.receive(), client.receive()
        client.send("0", "112=something|")
        client.send("0", f"112={first['112']}|")
        assert_nothing_else_comes(client)
        assert told == []
        client.send("0", f"112={second['112']}|")
        wait_for(lambda: told == [2])


def test_a_client_that_is_away_is_not_asked(house: House) -> None:
    house.call(lambda: house.engine.confirm(FIRMA1, lambda: None))
    with logged_on(house) as client:
        wait_for(lambda: FIRMA1 in house.engine.sessions_up)
        assert_nothing_else_comes(client)


def test_a_question_is_no_application_message_and_is_gap_filled(house: House) -> None:
    with logged_on(house) as client:
        wait_for(lambda: FIRMA1 in house.engine.sessions_up)
        house.send(FIRMA1, report(1))
        house.call(lambda: house.engine.confirm(FIRMA1, lambda: None))
        house.send(FIRMA1, report(2))
        numbers = [int(client.receive()["34"]) for _ in range(3)]
        client.send("2", f"7={numbers[0]}|16={numbers[-1]}|")
        again = [client.receive() for _ in range(3)]
        assert [(message.msg_type, int(message["34"])) for message in again] == list(zip("848", numbers, strict=True))
        bodies = house.call(lambda: list(house.engine.sent_bodies(FIRMA1, numbers[0])))
        assert [number for number, _ in bodies] == [numbers[0], numbers[2]]


def test_a_body_that_says_possible_resend_says_so_in_the_header_also_when_it_is_sent_again(house: House) -> None:
    with logged_on(house) as client:
        wait_for(lambda: FIRMA1 in house.engine.sessions_up)
        house.send(FIRMA1, report(1).replace("35=8|", "35=8|97=Y|"))
        received = client.receive()
        assert received["97"] == "Y"
        client.send("2", f"7={received['34']}|16={received['34']}|")
        again = client.receive()
        assert (again["97"], again["43"], again["17"]) == ("Y", "Y", "1")
