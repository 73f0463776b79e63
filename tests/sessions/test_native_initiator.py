"""A session as an initiator, and both roles of the state machine against each other."""

import random

import pytest

from sessions.fix_text import parse
from sessions.native.events import (
    Closing,
    Event,
    LoggedOn,
    LogonRefused,
    MemoryStore,
    NumbersReset,
    RejectReceived,
    SessionSettings,
    Unchecked,
)
from sessions.native.session import Session
from sessions.native.states import TRANSITIONS, Happening, State, after
from sessions.port import InboundMessage
from tests.sessions.native_talk import DICTIONARIES, NOON_NS, ORDER, REPORT, S, Talk, only_password, soh

VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")


def calling(begin_string: str = "FIX.4.4", **settings: object) -> Talk:
    """An initiator that has just connected; what it wrote is forgotten."""
    talk = Talk(begin_string, is_initiator=True, **settings)
    talk.events += talk.session.connect(talk.now_ns)
    return talk


# Logging on


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_connecting_sends_a_logon(begin_string: str) -> None:
    talk = calling(begin_string, logon_body=soh("553=me|554=secret|"))
    version = "1137=9|" if begin_string == "FIXT.1.1" else ""
    assert talk.answers() == [f"35=A|34=1|98=0|108=30|553=me|554=secret|{version}"]
    assert talk.say("A", f"98=0|108=30|{version}") == []
    assert talk.events == [LoggedOn()]


def test_a_logout_instead_of_a_logon_is_a_refusal() -> None:
    talk = calling()
    talk.answers()
    talk.say("5", "58=wrong password|")
    assert talk.events == [LogonRefused("by_peer", "wrong password"), Closing("logon_refused", "wrong password")]
    assert talk.session.next_inbound == 2


def test_anything_else_first_ends_the_connection() -> None:
    talk = calling()
    talk.answers()
    talk.say("D", ORDER)
    assert [event.reason for event in talk.events if isinstance(event, Closing)] == ["first_message"]


def test_no_answer_in_time_ends_the_connection() -> None:
    talk = calling()
    talk.wait(10)
    assert [event.reason for event in talk.events if isinstance(event, Closing)] == ["logon_timeout"]


def test_a_reset_on_logon_begins_with_1_on_both_sides() -> None:
    store = MemoryStore()
    store.note_inbound(7)
    store.note_outbound(9)
    talk = calling(store=store, resets_on_logon=True)
    assert talk.answers() == ["35=A|34=1|98=0|108=30|141=Y|"]
    talk.say("A", "98=0|108=30|141=Y|")
    assert talk.events == [NumbersReset(NOON_NS), LoggedOn()]
    assert (talk.session.next_inbound, talk.session.next_outbound) == (2, 2)


def test_an_answer_that_resets_unasked_is_refused_once_numbers_were_used() -> None:
    store = MemoryStore()
    store.note_outbound(9)
    talk = calling(store=store)
    talk.answers()
    (answer,) = talk.say("A", "98=0|108=30|141=Y|")
    assert "did not ask for it" in answer


def test_an_answer_too_high_is_asked_about() -> None:
    talk = calling()
    talk.answers()
    assert talk.say("A", "98=0|108=30|", seq=4) == ["35=2|34=2|7=1|16=3|"]


def test_789_tells_what_is_expected_and_resends_what_the_answer_lacks() -> None:
    store = MemoryStore()
    talk = Talk(is_initiator=True, sends_next_expected=True, store=store)
    talk.send(REPORT, REPORT)
    talk.session.connect(talk.now_ns)
    assert talk.answers() == ["35=A|34=3|98=0|108=30|789=1|"]
    answers = talk.say("A", "98=0|108=30|789=2|")
    assert [answer[:10] for answer in answers] == ["35=8|34=2|", "35=4|34=3|"]


def test_a_reject_of_our_message_is_told() -> None:
    talk = calling()
    talk.say("A", "98=0|108=30|")
    talk.say("3", "45=2|58=why|")
    (told,) = talk.events_of(RejectReceived)
    assert isinstance(told, RejectReceived)
    assert told.fields["58"] == "why"
    assert parse(told.text) == told.fields


def test_without_a_dictionary_every_message_is_the_applications() -> None:
    talk = calling(dictionary=Unchecked())
    talk.answers()
    assert talk.say("A", "98=0|108=30|") == []
    assert talk.say("8", "150=?|9999=|") == []
    (report,) = talk.events_of(InboundMessage)
    assert isinstance(report, InboundMessage)
    assert report.fields is not None
    assert (report.fields["150"], report.fields["9999"]) == ("?", "")


def test_what_a_bounded_store_has_forgotten_is_filled_when_asked_for() -> None:
    talk = calling(store=MemoryStore(messages_max=2))
    talk.answers()
    talk.say("A", "98=0|108=30|")
    talk.send(*[REPORT] * 4)  # 2 to 5
    assert [answer.partition("|37=")[0] for answer in talk.say("2", "7=2|16=0|")] == [
        "35=4|34=2|43=Y|122=*|123=Y|36=4|",
        "35=8|34=4|43=Y|122=*",
        "35=8|34=5|43=Y|122=*",
    ]


# The table of states


def test_every_line_of_the_table_leads_somewhere_and_all_else_is_impossible() -> None:
    for state in State:
        for happening in Happening:
            if (state, happening) in TRANSITIONS:
                assert after(state, happening) in State
            else:
                with pytest.raises(KeyError):
                    after(state, happening)
    assert {state for state, _ in TRANSITIONS} == set(State)
    assert {happening for _, happening in TRANSITIONS} == set(Happening)
    assert set(TRANSITIONS.values()) == set(State)


# Both roles against each other


class Line:
    """A venue and a client whose connection breaks at random points, in the middle of messages too."""

    def __init__(self, begin_string: str, seed: int, *, next_expected: bool) -> None:
        self.chance = random.Random(seed)
        self.now_ns = NOON_NS
        self.venue, self.client = (
            Session(
                SessionSettings(
                    session_id=f"{begin_string}:{theirs}",
                    begin_string=begin_string,
                    sender_comp_id=ours,
                    target_comp_id=theirs,
                    is_initiator=ours == "CLIENT",
                    logon_body=soh("554=right|"),
                    sends_next_expected=next_expected,
                    resend_chunk=20,
                    ahead_messages_max=5,
                ),
                MemoryStore(),
                DICTIONARIES[begin_string],
                only_password,
            )
            for ours, theirs in (("VENUE", "CLIENT"), ("CLIENT", "VENUE"))
        )
        self.got: dict[Session, list[str]] = {self.venue: [], self.client: []}
        self.wire: dict[Session, bytes] = {}

    def connect(self) -> None:
        self.wire = {self.venue: b"", self.client: b""}
        self.venue.accept(self.now_ns)
        self.client.connect(self.now_ns)

    def drop(self) -> None:
        for session in (self.venue, self.client):
            session.disconnect(self.now_ns)

    def step(self, *, whole: bool = False) -> bool:
        """Bytes travel, in pieces; whether any did."""
        moved = False
        for sender, receiver in ((self.venue, self.client), (self.client, self.venue)):
            while data := sender.take_output(self.now_ns):
                self.wire[receiver] += data
            cut = len(self.wire[receiver]) if whole else self.chance.randrange(0, 700)
            piece, self.wire[receiver] = self.wire[receiver][:cut], self.wire[receiver][cut:]
            moved |= bool(piece)
            self.take(receiver, receiver.receive(piece, self.now_ns))
        return moved

    def take(self, session: Session, events: list[Event]) -> None:
        for event in events:
            assert not isinstance(event, Closing), event
            if isinstance(event, InboundMessage):
                self.got[session].append(parse(event.text)["11"])


@pytest.mark.parametrize("next_expected", [False, True])
@pytest.mark.parametrize("begin_string", VERSIONS)
def test_nothing_is_lost_and_nothing_comes_twice_however_often_the_connection_drops(
    begin_string: str, next_expected: bool
) -> None:
    line = Line(begin_string, seed=7, next_expected=next_expected)
    order = ORDER.replace("11=a", "11=o{}")
    report = REPORT.replace("11=a", "11=r{}") + ("20=0|" if begin_string == "FIX.4.2" else "")
    sent = 0
    for _ in range(25):
        line.connect()
        for _ in range(line.chance.randrange(1, 30)):
            line.client.send([soh("35=D|" + order.format(sent))], line.now_ns)
            line.venue.send([soh(report.format(sent))], line.now_ns)
            sent += 1
            line.step()
        line.drop()
    line.connect()
    while line.step(whole=True):
        pass
    for _ in range(3):  # whatever was trusted to come by itself is asked for after a while
        line.now_ns += 11 * S
        for session in (line.venue, line.client):
            line.take(session, session.tick(line.now_ns))
        while line.step(whole=True):
            pass
    assert sent > 200
    assert line.got[line.venue] == [f"o{n}" for n in range(sent)]
    assert line.got[line.client] == [f"r{n}" for n in range(sent)]
    assert line.venue.next_inbound == line.client.next_outbound
    assert line.client.next_inbound == line.venue.next_outbound
