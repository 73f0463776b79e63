"""
A session as an acceptor, without a socket: resends, resets and ends.

The numbers in the names are those of the test cases of the FIX session protocol (FIX 4.4 volume 2, appendix 2-A).
"""

import pytest

from sessions.native.events import (
    Closing,
    LoggedOff,
    LoggedOn,
    NumbersReset,
    ResendAsked,
)
from sessions.native.states import State
from sessions.port import InboundMessage
from tests.sessions.native_talk import AGAIN, NOON_NS, ORDER, REPORT, S, Talk, closing, messages, soh, store_at

# 8: resending


def test_8_sent_messages_are_sent_again_and_the_rest_is_filled() -> None:
    talk = Talk().up()
    talk.send(REPORT.replace("17=E1", "17=E2"))  # 2
    talk.say("1", "112=x|")  # 3 is the Heartbeat
    talk.send(REPORT.replace("17=E1", "17=E4"), REPORT.replace("17=E1", "17=E5"))
    assert [answer.partition("|37=")[0] for answer in talk.say("2", "7=1|16=0|")] == [
        "35=4|34=1|43=Y|122=*|123=Y|36=2|",
        "35=8|34=2|43=Y|122=*",
        "35=4|34=3|43=Y|122=*|123=Y|36=4|",
        "35=8|34=4|43=Y|122=*",
        "35=8|34=5|43=Y|122=*",
    ]


def test_8_a_range_is_kept_to() -> None:
    talk = Talk().up()
    talk.send(*[REPORT] * 5)  # 2 to 6
    answers = talk.say("2", "7=3|16=4|")
    assert [answer[:10] for answer in answers] == ["35=8|34=3|", "35=8|34=4|"]


def test_8_a_repeat_says_when_it_was_sent_first() -> None:
    talk = Talk().up()
    talk.send(REPORT)
    talk.now_ns += 5 * S
    talk.session.receive(talk.compose("2", "7=2|16=2|"), talk.now_ns)
    data = talk.session.take_output(talk.now_ns).decode()
    assert soh("|122=20261120-12:00:00.000|") in data
    assert soh("|52=20261120-12:00:05.000|") in data


def test_8_what_is_sent_meanwhile_comes_after_the_resend() -> None:
    talk = Talk().up()
    talk.send(*[REPORT] * 3)
    talk.session.receive(talk.compose("2", "7=2|16=0|"), talk.now_ns)
    answers = talk.send(REPORT)
    assert [(answer[:10], "43=Y" in answer) for answer in answers] == [
        ("35=8|34=2|", True),
        ("35=8|34=3|", True),
        ("35=8|34=4|", True),
        ("35=8|34=5|", False),
    ]


def test_8_a_session_that_keeps_nothing_fills_everything() -> None:
    talk = Talk(keeps_messages=False).up()
    talk.send(*[REPORT] * 3)
    assert talk.say("2", "7=1|16=0|") == ["35=4|34=1|43=Y|122=*|123=Y|36=5|"]


@pytest.mark.parametrize(("body", "tag"), [("7=0|16=0|", 7), ("7=9|16=0|", 7), ("7=2|16=1|", 16)])
def test_8_a_range_that_is_none_is_rejected(body: str, tag: int) -> None:
    talk = Talk().up()
    talk.send(REPORT)
    (answer,) = talk.say("2", body)
    assert answer.startswith(f"35=3|34=3|45=2|371={tag}|372=2|373=5|")


def test_8_a_resend_request_ahead_of_its_turn_is_answered_before_we_ask_ourselves() -> None:
    talk = Talk().up()
    talk.send(REPORT)
    answers = talk.say("2", "7=2|16=0|", seq=4)
    assert [answer[:10] for answer in answers] == ["35=8|34=2|", "35=2|34=3|"]


def test_a_reject_of_ours_is_sent_again_too() -> None:
    talk = Talk().up()
    talk.say("ZZ")
    (again,) = talk.say("2", "7=2|16=2|")
    assert again.startswith("35=3|34=2|43=Y|122=*|45=2|")
    assert list(talk.session.sent_bodies(1)) == []  # but it is not the application's


def test_resends_without_end_end_the_session() -> None:
    talk = Talk(replays_max=3).up()
    talk.send(REPORT)
    data = b"".join(talk.compose("2", "7=1|16=0|") for _ in range(4))
    talk.session.receive(data[:0], talk.now_ns)
    talk.hear(data)
    assert closing(talk) == ["too_many_resends"]


def test_missing_messages_are_asked_for_in_chunks() -> None:
    talk = Talk(resend_chunk=3, ahead_messages_max=2).up()
    assert talk.say("D", ORDER, seq=10) == ["35=2|34=2|7=2|16=4|"]
    talk.say("D", ORDER, seq=11)
    talk.say("D", ORDER, seq=12)  # does not fit
    asked = [answer for seq in range(2, 10) for answer in talk.say("D", ORDER, seq=seq, header=AGAIN)]
    assert asked == ["35=2|34=3|7=5|16=7|", "35=2|34=4|7=8|16=9|", "35=2|34=5|7=12|16=12|"]
    assert messages(talk) == [f"D{n}" for n in range(2, 12)]
    talk.say("D", ORDER, seq=12, header=AGAIN)
    assert messages(talk)[-1] == "D12"


def test_an_unanswered_resend_request_is_repeated() -> None:
    talk = Talk().up()
    talk.say("D", ORDER, seq=4)
    assert talk.wait(9) == []
    assert talk.wait(1) == ["35=2|34=3|7=2|16=3|"]


def test_what_is_missing_is_asked_for_again_after_a_reconnect() -> None:
    talk = Talk().up()
    talk.say("D", ORDER, seq=4)
    talk.gone().accept()
    assert talk.say("A", talk.logon_body(), seq=5) == ["35=A|34=3|98=0|108=30|", "35=2|34=4|7=2|16=4|"]


def test_expecting_a_lower_number_asks_for_what_was_not_durable() -> None:
    talk = Talk(store=store_at(inbound=50))
    talk.session.expect_inbound(20)
    talk.accept()
    assert talk.say("A", talk.logon_body(), seq=50)[1] == "35=2|34=2|7=20|16=49|"


def test_what_is_sent_while_nobody_is_there_waits_in_the_store() -> None:
    talk = Talk()
    assert talk.send(REPORT, REPORT) == []
    talk.up()
    assert talk.session.next_outbound == 4
    assert [answer[:10] for answer in talk.say("2", "7=1|16=2|")] == ["35=8|34=1|", "35=8|34=2|"]


# 10 and 11: SequenceReset


def test_10_a_gap_fill_moves_the_number_on() -> None:
    talk = Talk().up()
    assert talk.say("4", "123=Y|36=20|") == []
    assert talk.session.next_inbound == 20


def test_10_a_gap_fill_too_high_is_asked_about_and_taken_in_its_turn() -> None:
    talk = Talk().up()
    assert talk.say("4", "123=Y|36=20|", seq=4) == ["35=2|34=2|7=2|16=3|"]
    talk.say("4", "123=Y|36=4|", seq=2, header=AGAIN)
    assert talk.session.next_inbound == 20


def test_10_a_gap_fill_too_low_ends_the_session_unless_it_is_a_repeat() -> None:
    talk = Talk().up()
    talk.say("4", "123=Y|36=20|", seq=1, header=AGAIN)
    assert talk.session.next_inbound == 2
    talk.say("4", "123=Y|36=20|", seq=1)
    assert closing(talk) == ["sequence_too_low"]


@pytest.mark.parametrize("new_seq_no", [1, 2])
def test_10_a_gap_fill_that_fills_nothing_is_rejected(new_seq_no: int) -> None:
    talk = Talk().up()
    (answer,) = talk.say("4", f"123=Y|36={new_seq_no}|")
    assert answer == "35=3|34=2|45=2|371=36|372=4|373=5|58=NewSeqNo(36) must be at least 3|"
    assert talk.session.next_inbound == 2


@pytest.mark.parametrize("seq", [1, 2, 9])
@pytest.mark.parametrize("mode", ["", "123=N|"])
def test_11_a_reset_moves_the_number_on_whatever_its_own_is(seq: int, mode: str) -> None:
    talk = Talk().up()
    assert talk.say("4", f"{mode}36=20|", seq=seq) == []
    assert talk.session.next_inbound == 20


def test_11_a_reset_backwards_is_rejected() -> None:
    talk = Talk().up()
    talk.say("4", "36=20|")
    (answer,) = talk.say("4", "36=10|", seq=20)
    assert answer == "35=3|34=2|45=20|371=36|372=4|373=5|58=NewSeqNo(36) must be at least 20|"
    assert talk.session.next_inbound == 20


# 12 and 13: logging out


def test_13_a_logout_is_answered_and_ends_the_connection() -> None:
    talk = Talk().up()
    assert talk.say("5", "58=bye|") == ["35=5|34=2|"]
    assert talk.events == [LoggedOff("logged_out_by_peer"), Closing("logged_out_by_peer", "bye")]
    assert talk.session.next_inbound == 3
    talk.gone()
    assert talk.session.state is State.DOWN


def test_12_our_logout_waits_for_the_answer() -> None:
    talk = Talk().up()
    talk.session.log_out("closing", talk.now_ns)
    assert talk.answers() == ["35=5|34=2|58=closing|"]
    talk.say("D", ORDER)
    assert messages(talk) == ["D2"]
    talk.say("5")
    assert closing(talk) == ["logged_out"]


def test_12_our_logout_does_not_wait_for_ever() -> None:
    talk = Talk().up()
    talk.session.log_out("", talk.now_ns)
    talk.wait(5)
    assert closing(talk) == ["logout_timeout"]


def test_after_its_end_a_session_hears_nothing() -> None:
    talk = Talk().up()
    data = talk.compose("5") + talk.compose("D", ORDER)
    talk.hear(data)
    assert messages(talk) == []


def test_a_lost_connection_is_a_logout() -> None:
    talk = Talk().up().gone()
    assert talk.events == [LoggedOff("disconnected")]
    assert talk.gone().events == [LoggedOff("disconnected")]


# Resetting


def test_a_reset_at_the_logon_begins_a_new_epoch() -> None:
    talk = Talk(store=store_at(inbound=40, outbound=50)).accept()
    assert talk.say("A", talk.logon_body("141=Y|")) == ["35=A|34=1|98=0|108=30|141=Y|"]
    assert talk.events == [NumbersReset(NOON_NS), LoggedOn()]
    assert (talk.session.next_inbound, talk.session.next_outbound, talk.store.epoch) == (2, 2, NOON_NS)


def test_a_stranger_resets_nothing() -> None:
    talk = Talk(store=store_at(inbound=40, outbound=50)).accept()
    talk.say("A", "98=0|108=30|141=Y|553=CLIENT|554=wrong|")
    assert (talk.session.next_inbound, talk.session.next_outbound, talk.store.epoch) == (40, 51, 1)


def test_a_reset_with_a_number_of_its_own_is_refused() -> None:
    talk = Talk().accept()
    assert "141" in talk.say("A", talk.logon_body("141=Y|"), seq=3)[0]
    assert talk.store.epoch == 1


def test_a_reset_while_up_is_answered_and_messages_are_of_the_new_epoch() -> None:
    talk = Talk().up()
    talk.say("D", ORDER)
    talk.send(REPORT)
    assert talk.say("A", talk.logon_body("141=Y|"), seq=1) == ["35=A|34=1|98=0|108=30|141=Y|"]
    talk.say("D", ORDER, seq=2)
    first, second = talk.events_of(InboundMessage)
    assert isinstance(first, InboundMessage)
    assert isinstance(second, InboundMessage)
    assert (first.session_epoch, second.session_epoch) == (1, NOON_NS)
    assert list(talk.session.sent_bodies(1)) == []


def test_our_own_reset_while_up_takes_old_numbers_until_it_is_answered() -> None:
    talk = Talk().up()
    talk.events += talk.session.reset(talk.now_ns)
    assert talk.answers() == ["35=A|34=1|98=0|108=30|141=Y|"]
    talk.say("D", ORDER)  # on its way before
    assert talk.say("A", "98=0|108=30|141=Y|", seq=1) == []
    talk.say("D", ORDER, seq=2)
    assert messages(talk) == ["D2", "D2"]
    assert [event.session_epoch for event in talk.events_of(InboundMessage)] == [1, talk.store.epoch]
    assert (talk.session.next_inbound, talk.session.next_outbound) == (3, 2)


def test_our_own_reset_that_is_not_answered_holds_for_the_next_connection() -> None:
    talk = Talk().up()
    talk.say("D", ORDER)
    talk.session.reset(talk.now_ns)
    assert talk.session.next_inbound == 1
    talk.gone()
    assert (talk.session.next_inbound, talk.session.next_outbound) == (1, 2)


def test_a_second_logon_without_a_reset_is_rejected() -> None:
    talk = Talk().up()
    (answer,) = talk.say("A", talk.logon_body())
    assert answer.startswith("35=3|34=2|45=2|372=A|373=99|")
    assert talk.session.state is State.UP


# NextExpectedMsgSeqNum


def test_789_sends_what_the_client_has_not_got_without_being_asked() -> None:
    talk = Talk()
    talk.send(REPORT, REPORT, REPORT)
    talk.accept()
    answers = talk.say("A", talk.logon_body("789=2|"))
    assert [answer.partition("|37=")[0] for answer in answers] == [
        "35=A|34=4|98=0|108=30|789=2|",
        "35=8|34=2|43=Y|122=*",
        "35=8|34=3|43=Y|122=*",
        "35=4|34=4|43=Y|122=*|123=Y|36=5|",
    ]


def test_789_does_not_ask_either_unless_nothing_comes() -> None:
    talk = Talk().accept()
    assert talk.say("A", talk.logon_body("789=1|"), seq=3) == ["35=A|34=1|98=0|108=30|789=1|"]
    assert talk.wait(10) == ["35=2|34=2|7=1|16=2|"]


# The bound


def test_a_slow_reader_is_cut_and_its_messages_stay() -> None:
    talk = Talk().up()
    talk.session.send([soh(REPORT)] * 10, talk.now_ns)
    assert talk.session.output_waiting == 10
    talk.events += talk.session.cut("slow_reader", "does not read")
    assert talk.answers() == []
    assert closing(talk) == ["slow_reader"]
    assert len(list(talk.session.sent_bodies(1))) == 10


def test_a_message_too_long_ends_the_session() -> None:
    talk = Talk().up()
    talk.hear(b"8=FIX.4.4\x019=2000000000\x01")
    assert closing(talk) == ["message_too_long"]


def test_events_of_missing_messages_are_told() -> None:
    talk = Talk().up()
    talk.say("D", ORDER, seq=4)
    assert talk.events_of(ResendAsked) == [ResendAsked(2, 3)]
