"""
The short form of `fuzz_native`: recorded session conversations, mutated, against every promise of the pure core.

The long form is a command: `./.venv/bin/python -m tests.sessions.fuzz_native --minutes 120`.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from sessions.native.events import Event
from sessions.native.framing import Framer, Garbage
from sessions.native.inbound import Early, Inbound
from sessions.native.line import Line
from sessions.native.lobby import Lobby
from sessions.native.outbound import Outbound
from sessions.native.receiver import Receiver
from sessions.native.session import Session
from sessions.native.shapes import FieldReader
from sessions.port import InboundMessage
from tests.acceptance.script import VERSIONS
from tests.sessions import fuzz_native
from tests.sessions.fuzz_conversations import corpus, mutated
from tests.sessions.fuzz_native import Case, Failure, case_of, failure_of, fuzz, main, shrunk

SEED = 20261121
SEND, FEED, GIVE = Outbound.send, Framer.feed, Line.give_events
SECONDS = {"session": 30.0, "framing": 5.0, "lobby": 4.0, "reading": 5.0}


@pytest.mark.parametrize("name", fuzz_native.PROPERTIES)
def test_no_mutation_breaks_a_promise(name: str) -> None:
    found = fuzz(SECONDS[name], SEED, names=(name,))
    assert not isinstance(found, Failure), f"{found.error}\n{tuple(found.case)!r}"
    assert found > 100


@pytest.mark.parametrize("is_initiator", [False, True])
@pytest.mark.parametrize("begin_string", VERSIONS)
def test_conversations_that_nobody_changed_keep_every_promise(begin_string: str, *, is_initiator: bool) -> None:
    conversations = corpus(begin_string, is_initiator=is_initiator)
    assert len(conversations) > 50
    for steps in conversations:
        failure = failure_of(Case(begin_string, is_initiator, list(steps), 1))
        assert failure is None, failure


def test_a_case_depends_on_seed_and_number_alone() -> None:
    assert case_of(3, 4) == case_of(3, 4)
    assert case_of(3, 4) != case_of(3, 5)
    assert mutated(random.Random(1), "FIX.4.4", is_initiator=False) == mutated(
        random.Random(1), "FIX.4.4", is_initiator=False
    )


# Would it notice? Each of these is a defect that the core might have.


def raises(*_: object) -> None:
    raise KeyError("planted")


def gives(value: object) -> Callable[..., object]:
    return lambda *_: value


def skip_a_number(out: Outbound, bodies: list[str], now_ns: int, **how: bool) -> None:
    out.next_msg_seq_num += 1
    SEND(out, bodies, now_ns, **how)  # type: ignore[arg-type]


def tell_twice(line: Line) -> list[Event]:
    return [event for event in GIVE(line) for _ in range(1 + isinstance(event, InboundMessage))]


def keep_all(inbound: Inbound, number: int, early: Early | None) -> None:
    inbound._early.setdefault(number, early)


def lose_the_last_byte(framer: Framer, data: bytes) -> list[bytes | Garbage]:
    return FEED(framer, data[:-1])


def judge_by_the_piece(_: Lobby, data: bytes) -> str | None:
    return None if len(data) > 99 else "odd"


PLANTED = {
    "an exception": (Receiver, "_take_gap_fill", raises, "KeyError"),
    "a number that is skipped": (Outbound, "send", skip_a_number, "went out, not"),
    "a message that is delivered again": (Line, "give_events", tell_twice, "was delivered after"),
    "early messages without end": (Inbound, "keep", keep_all, "early messages"),
    "a byte that is lost at a cut": (Framer, "feed", lose_the_last_byte, "cut, "),
    "a lobby that decides by the piece": (Lobby, "feed", judge_by_the_piece, "the lobby decides otherwise"),
    "a shape that reads otherwise": (FieldReader, "read", gives(({"8": "FIX.4.4", "35": "0"}, None)), "a shape reads"),
    "output that stays": (Session, "take_output", gives(b""), "output waits for ever"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_is_found_and_shrunk(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    owner, attribute, defect, error = PLANTED[name]
    monkeypatch.setattr(fuzz_native, "SHRINK_S", 2.0)
    with monkeypatch.context() as patch:
        patch.setattr(owner, attribute, defect)
        assert main(["--minutes", "0.5", "--seed", "1"]) == 1
        said = capsys.readouterr().out
        assert "the smallest case that shows it:" in said
        assert error in said
        case = tmp_path / "case"
        case.write_text(said.rpartition("shows it:\n")[2])
        assert main(["--again", str(case)]) == 1
    assert main(["--again", str(case)]) == 0


def test_a_failure_is_shrunk_to_the_steps_that_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_cut(case: Case) -> None:
        data = b"".join(value for kind, value in case.steps if kind == "bytes")
        if ("cut", 0) in case.steps and b"35=A" in data:
            raise fuzz_native.Broken("planted")

    monkeypatch.setitem(fuzz_native.PROPERTIES, "planted", no_cut)
    found = fuzz(30.0, SEED, names=("planted",))
    assert isinstance(found, Failure)
    assert sorted(found.case.steps, key=str) == [("bytes", b"35=A"), ("cut", 0)]
    assert shrunk(found).case == found.case
