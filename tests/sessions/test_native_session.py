"""
A session as an acceptor, without a socket: what is said, and exactly what is answered.

The numbers in the names are those of the test cases of the FIX session protocol (FIX 4.4 volume 2, appendix 2-A).
"""

import pytest

from sessions.native.events import (
    Closing,
    Garbled,
    LoggedOff,
    LoggedOn,
    LogonRefused,
    NumbersReset,
    RejectSent,
    Unchecked,
)
from sessions.native.session import NEVER_NS
from sessions.native.states import State
from sessions.port import InboundMessage
from tests.sessions.native_talk import AGAIN, NOON_NS, ORDER, REPORT, S, Talk, closing, messages, store_at

VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")


# 1S: logging on


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_1s_a_logon_is_answered_with_a_logon(begin_string: str) -> None:
    talk = Talk(begin_string).accept()
    version = "1137=9|" if begin_string == "FIXT.1.1" else ""
    assert talk.say("A", talk.logon_body()) == [f"35=A|34=1|98=0|108=30|{version}"]
    assert talk.events == [LoggedOn()]
    assert talk.session.state is State.UP
    assert (talk.session.next_inbound, talk.session.next_outbound) == (2, 2)


@pytest.mark.parametrize("msg_type", ["0", "D", "5", "ZZ"])
def test_1s_anything_else_first_is_disconnected_without_a_word(msg_type: str) -> None:
    talk = Talk().accept()
    assert talk.say(msg_type, ORDER) == []
    assert closing(talk) == ["first_message"]
    assert (talk.session.next_inbound, talk.session.next_outbound) == (1, 1)


def test_1s_a_garbled_first_message_is_disconnected_without_a_word() -> None:
    talk = Talk().accept()
    assert talk.hear(b"GET / HTTP/1.1\r\n\r\n") == []
    assert talk.events == [
        Garbled("between_messages"),
        Closing("first_message", "the first message has to be a Logon(A)"),
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("98=0|108=30|553=CLIENT|554=wrong|", "credentials"),
        ("98=1|108=30|554=right|", "malformed"),
        ("98=0|108=0|554=right|", "heartbeat"),
        ("98=0|108=-1|554=right|", "heartbeat"),
        ("108=30|554=right|", "malformed"),
        ("98=0|554=right|", "malformed"),
        ("98=0|108=30|554=right|464=Y|", "test_mode"),
        ("98=0|108=30|554=right|789=5|", "sequence"),
        ("98=0|108=30|554=right|789=0|", "sequence"),
    ],
)
def test_1s_a_refused_logon_gets_a_logout_that_says_why(body: str, reason: str) -> None:
    talk = Talk().accept()
    (answer,) = talk.say("A", body)
    (refused,) = talk.events_of(LogonRefused)
    assert isinstance(refused, LogonRefused)
    assert refused.reason == reason
    assert answer == f"35=5|34=1|58={refused.text}|"
    assert closing(talk) == ["logon_refused"]
    assert talk.session.next_inbound == 1  # a refused Logon has used no number


def test_who_it_is_comes_before_all_else_in_a_logon() -> None:
    talk = Talk().accept()
    talk.say("A", "98=1|108=0|141=Y|554=wrong|", late_ns=-1000 * S)
    assert [event.reason for event in talk.events_of(LogonRefused) if isinstance(event, LogonRefused)] == [
        "credentials"
    ]
    assert talk.events_of(NumbersReset) == []


def test_a_clock_far_off_is_refused_at_the_logon() -> None:
    talk = Talk().accept()
    (answer,) = talk.say("A", talk.logon_body(), late_ns=-121 * S)
    assert "SendingTime(52)" in answer
    assert closing(talk) == ["logon_refused"]


def test_fixt_needs_its_application_version() -> None:
    talk = Talk("FIXT.1.1").accept()
    (answer,) = talk.say("A", "98=0|108=30|553=CLIENT|554=right|1137=8|")
    assert "DefaultApplVerID(1137)" in answer


def test_a_test_session_says_so_and_takes_no_other() -> None:
    talk = Talk(is_test=True).accept()
    assert talk.say("A", talk.logon_body("464=Y|")) == ["35=A|34=1|98=0|108=30|464=Y|"]
    other = Talk(is_test=True).accept()
    assert "464=Y" in other.say("A", other.logon_body("464=N|"))[0]


def test_a_logon_too_low_ends_with_a_logout() -> None:
    talk = Talk(store=store_at(inbound=7)).accept()
    assert talk.say("A", talk.logon_body()) == ["35=5|34=1|58=MsgSeqNum(34) too low, expecting 7 but received 1|"]


def test_1s_a_logon_too_high_is_answered_and_then_asked_about() -> None:
    talk = Talk().accept()
    assert talk.say("A", talk.logon_body(), seq=5) == ["35=A|34=1|98=0|108=30|", "35=2|34=2|7=1|16=4|"]
    talk.say("4", "123=Y|36=5|", seq=1, header=AGAIN)
    assert talk.session.next_inbound == 6  # the Logon itself was there already


# 2: receiving messages


def test_2a_a_message_in_turn_is_handed_over_with_its_fields() -> None:
    talk = Talk().up()
    assert talk.say("D", ORDER) == []
    (message,) = talk.events
    assert isinstance(message, InboundMessage)
    assert message.fields is not None
    assert (message.session_id, message.session_epoch, message.received_ns) == ("FIX.4.4:CLIENT", 1, NOON_NS)
    assert (message.fields["34"], message.fields["44"]) == ("2", "101.25")
    assert message.text.startswith("8=FIX.4.4\x01")


def test_2b_a_number_too_high_is_kept_and_the_missing_ones_are_asked_for_once() -> None:
    talk = Talk().up()
    assert talk.say("D", ORDER, seq=4) == ["35=2|34=2|7=2|16=3|"]
    assert talk.say("D", ORDER, seq=5) == []
    assert talk.say("D", ORDER, seq=2, header=AGAIN) == []
    assert messages(talk) == ["D2"]
    assert talk.say("D", ORDER, seq=3, header=AGAIN) == []
    assert messages(talk) == ["D2", "D3", "D4", "D5"]
    assert talk.session.next_inbound == 6


def test_2c_a_number_too_low_ends_the_session() -> None:
    talk = Talk().up()
    talk.say("D", ORDER)
    assert talk.say("D", ORDER, seq=2) == ["35=5|34=2|58=MsgSeqNum(34) too low, expecting 3 but received 2|"]
    assert talk.events[1:] == [
        LoggedOff("sequence_too_low"),
        Closing("sequence_too_low", "MsgSeqNum(34) too low, expecting 3 but received 2"),
    ]


def test_2d_a_garbled_message_has_no_number() -> None:
    talk = Talk().up()
    garbled = talk.compose("D", ORDER, seq=2).replace(b"11=a", b"11=b")
    assert talk.hear(garbled) == []
    talk.say("D", ORDER)
    assert talk.events[0] == Garbled("checksum")
    assert messages(talk) == ["D2"]


def test_2e_a_repeat_of_a_known_number_is_ignored() -> None:
    talk = Talk().up()
    talk.say("D", ORDER)
    assert talk.say("D", ORDER, seq=2, header=AGAIN) == []
    assert messages(talk) == ["D2"]
    assert talk.session.state is State.UP


def test_2f_a_repeat_sent_before_its_original_is_rejected_and_ends_the_session() -> None:
    talk = Talk().up()
    answers = talk.say("D", ORDER, header="43=Y|122=20261120-13:00:00|")
    text = "OrigSendingTime(122) is later than SendingTime(52)"
    assert answers == [f"35=3|34=2|45=2|371=122|372=D|373=10|58={text}|", f"35=5|34=3|58={text}|"]


def test_2g_a_repeat_without_its_original_time_is_rejected() -> None:
    talk = Talk().up()
    (answer,) = talk.say("D", ORDER, header="43=Y|")
    assert answer.startswith("35=3|34=2|45=2|371=122|372=D|373=1|")
    assert talk.session.next_inbound == 3


def test_2i_another_begin_string_ends_the_session() -> None:
    talk = Talk().up()
    assert talk.say("0", begin_string="FIX.4.2") == ["35=5|34=2|58=Incorrect BeginString(8)|"]


@pytest.mark.parametrize(
    ("comp_ids", "tag"), [("49=OTHER|56=VENUE|", 49), ("49=CLIENT|56=OTHER|", 56), ("56=VENUE|", 49)]
)
def test_2k_other_comp_ids_are_rejected_and_end_the_session(comp_ids: str, tag: int) -> None:
    talk = Talk().up()
    reject, logout = talk.say("0", comp_ids=comp_ids)
    assert reject.startswith(f"35=3|34=2|45=2|371={tag}|372=0|373=9|")
    assert logout.startswith("35=5|34=3|58=")


@pytest.mark.parametrize("late_s", [-121, 121])
def test_2m_a_sending_time_far_off_is_rejected_and_ends_the_session(late_s: int) -> None:
    talk = Talk().up()
    reject, logout = talk.say("D", ORDER, late_ns=late_s * S)
    assert reject.startswith("35=3|34=2|45=2|371=52|372=D|373=10|")
    assert logout.startswith("35=5|34=3|")
    assert talk.session.state is State.LOGOUT_SENT
    assert messages(talk) == []


@pytest.mark.parametrize("late_s", [-120, -119.5, 0, 119.5, 120])
def test_2m_a_sending_time_within_the_tolerance_is_taken(late_s: float) -> None:
    talk = Talk().up()
    assert talk.say("D", ORDER, late_ns=int(late_s * S)) == []
    assert talk.say("D", ORDER, late_ns=int(late_s * S)) == []
    assert messages(talk) == ["D2", "D3"]


def test_2m_the_tolerance_is_looked_at_again_as_time_goes_by() -> None:
    talk = Talk().up()
    stamp_ns = talk.now_ns
    talk.say("D", ORDER)
    talk.now_ns += 119 * S
    assert talk.say("D", ORDER, late_ns=stamp_ns - talk.now_ns) == []
    talk.now_ns += 2 * S
    assert talk.say("D", ORDER, late_ns=stamp_ns - talk.now_ns)[0].startswith("35=3|34=2|45=4|371=52|")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("35=0|49=CLIENT|56=VENUE|52=20261120-12:00:00|", "MsgSeqNum(34) is missing"),
        ("35=0|34=x|49=CLIENT|56=VENUE|52=20261120-12:00:00|", "MsgSeqNum(34) is missing"),
    ],
)
def test_2q_a_message_without_a_number_ends_the_session(text: str, reason: str) -> None:
    talk = Talk().up()
    (answer,) = talk.say("0", text=text)
    assert reason in answer


@pytest.mark.parametrize(
    ("old", "new", "reason", "tag"),
    [
        ("11=a|", "", 1, 11),
        ("38=100|", "38=|", 4, 38),
        ("54=1|", "54=~|", 5, 54),
        ("38=100|", "38=many|", 6, 38),
        ("38=100|", "38=100|38=200|", 13, 38),
        ("44=101.25|", "44=101.25|115=X|", 14, 115),
    ],
)
def test_14_a_faulty_message_is_rejected_and_its_number_is_used(old: str, new: str, reason: int, tag: int) -> None:
    talk = Talk().up()
    (answer,) = talk.say("D", ORDER.replace(old, new))
    assert answer.startswith(f"35=3|34=2|45=2|371={tag}|372=D|373={reason}|58=")
    assert [type(event) for event in talk.events] == [RejectSent]
    talk.say("D", ORDER)
    assert messages(talk) == ["D3"]


def test_14_fix_4_2_is_told_a_newer_reason_in_words_only() -> None:
    talk = Talk("FIX.4.2").up()
    (answer,) = talk.say("D", ORDER.replace("38=100|", "38=100|38=200|"))
    assert answer == "35=3|34=2|45=2|371=38|372=D|58=Tag appears more than once: OrderQty(38)|"


def test_16_a_message_type_that_nobody_knows_is_rejected() -> None:
    talk = Talk().up()
    (answer,) = talk.say("ZZ", "58=what?|")
    assert answer.startswith("35=3|34=2|45=2|371=35|372=ZZ|373=11|")


def test_a_message_that_is_not_spoken_here_is_the_applications() -> None:
    talk = Talk().up()
    assert talk.say("R", "131=q1|146=1|55=TEST1|") == []
    assert messages(talk) == ["R2"]


def test_a_possible_resend_is_the_applications_to_judge() -> None:
    talk = Talk().up()
    assert talk.say("D", ORDER, header="97=Y|") == []
    assert messages(talk) == ["D2"]


# 4 to 6: keeping alive


def test_4_a_heartbeat_goes_out_when_nothing_else_did() -> None:
    talk = Talk().up()
    assert talk.wait(29.9) == []
    assert talk.wait(0.1) == ["35=0|34=2|"]
    talk.say("0")
    talk.wait(20)
    talk.send(REPORT)
    assert talk.wait(15) == []


def test_4b_a_test_request_is_answered_with_its_id() -> None:
    talk = Talk().up()
    assert talk.say("1", "112=are you there?|") == ["35=0|34=2|112=are you there?|"]


def test_6_silence_is_asked_about_once_and_then_ends_the_session() -> None:
    talk = Talk().up()
    answers = talk.wait(37)
    assert [answer[:5] for answer in answers] == ["35=0|", "35=1|"]
    assert talk.session.state is State.UP
    talk.wait(36)
    assert closing(talk) == ["silent"]
    assert talk.session.next_deadline_ns == NEVER_NS


def test_6_any_message_ends_the_silence() -> None:
    talk = Talk().up()
    talk.wait(70)
    talk.say("0")
    talk.wait(70)
    assert closing(talk) == []


def test_a_session_that_its_owner_does_not_read_is_not_silent() -> None:
    talk = Talk().up()
    talk.session.hold(talk.now_ns, is_held=True)
    assert {answer[:5] for answer in talk.wait(300)} == {"35=0|"}
    talk.session.hold(talk.now_ns, is_held=False)
    talk.wait(100)
    assert closing(talk) == ["silent"]


def test_a_connection_that_says_nothing_is_closed() -> None:
    talk = Talk().accept()
    assert talk.wait(9.9) == []
    assert closing(talk) == []
    talk.wait(0.1)
    assert closing(talk) == ["logon_timeout"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("98=0|108=0|141=Y|553=CLIENT|554=right|", "HeartBtInt(108) must be"),
        ("98=1|108=30|141=Y|553=CLIENT|554=right|", "98"),
    ],
)
def test_a_logon_in_the_middle_of_a_session_must_say_all_that_the_first_does(body: str, text: str) -> None:
    talk = Talk().up()
    (answer,) = talk.say("A", body, seq=1)
    assert answer.startswith("35=5|")
    assert text in answer


def test_a_logon_in_the_middle_without_a_heartbeat_is_a_fault_with_or_without_a_dictionary() -> None:
    body = "98=0|141=Y|553=CLIENT|554=right|"
    assert Talk().up().say("A", body, seq=1)[0].startswith("35=3|34=2|45=1|371=108|372=A|373=1|")
    unchecked = Talk(dictionary=Unchecked()).up()
    assert unchecked.say("A", body, seq=1)[0].startswith("35=5|")


def test_a_logon_in_the_middle_of_a_session_begins_both_numbers_anew() -> None:
    talk = Talk().up()
    (answer,) = talk.say("A", "98=0|108=20|141=Y|553=CLIENT|554=right|", seq=1)
    assert answer == "35=A|34=1|98=0|108=20|141=Y|"
    assert talk.session.next_inbound == 2
