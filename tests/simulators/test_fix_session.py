"""The session rules of the FIX client, without a connection: what it is told, and what it writes."""

import pytest

from simulators.fix_codec import encode
from simulators.fix_session import InitiatorSession, SessionState

NOW_NS = 1_790_000_000_123_000_000
"""20260921-14:13:20.123"""
SECOND_NS = 1_000_000_000


def venue_says(msg_type: str, number: int, rest: str = "") -> str:
    header = f"35={msg_type}\x0134={number}\x0149=OUTCRY\x0156=FIRMA1\x0152=20260921-14:13:20.123\x01"
    return encode("FIX.4.4", header + rest).decode()


def said(session: InitiatorSession) -> list[str]:
    """What the session wrote since the last call: from MsgType(35) on, without CompIDs and trailer, `|` for SOH."""
    texts = [message.decode().replace("\x01", "|") for message in session.outbox]
    session.outbox.clear()
    return [text[text.index("35=") : text.index("10=")].replace("49=FIRMA1|56=OUTCRY|", "") for text in texts]


def initiator(state: SessionState | None = None) -> InitiatorSession:
    return InitiatorSession(
        begin_string="FIX.4.4",
        sender_comp_id="FIRMA1",
        target_comp_id="OUTCRY",
        password="example-firma1",
        state=state or SessionState(),
    )


@pytest.fixture
def session() -> InitiatorSession:
    """A session that is up: both sides have sent number 1."""
    session = initiator()
    session.logon(NOW_NS, reset=False)
    session.receive(venue_says("A", 1, "98=0\x01108=30\x01"), NOW_NS)
    session.outbox.clear()
    assert session.is_up
    return session


def test_the_logon_carries_credentials_and_heartbeat():
    session = initiator()

    session.logon(NOW_NS, reset=True)

    assert said(session) == ["35=A|34=1|52=20260921-14:13:20.123|98=0|108=30|141=Y|553=FIRMA1|554=example-firma1|"]
    assert not session.is_up


def test_a_refused_logon_ends_the_session_with_the_venues_words():
    session = initiator()
    session.logon(NOW_NS, reset=False)

    session.receive(venue_says("5", 1, "58=wrong password\x01"), NOW_NS)

    assert session.ended == "logon refused: wrong password"


def test_messages_in_order_are_handed_over_once(session):
    assert session.receive(venue_says("8", 2), NOW_NS)
    assert not session.receive(venue_says("8", 2, "43=Y\x01"), NOW_NS)
    assert session.receive(venue_says("8", 3), NOW_NS)
    assert session.state.next_inbound == 4
    assert said(session) == []


def test_a_gap_is_asked_for_once_and_delivered_in_order(session):
    deliveries = [
        number
        for number, repeat in [
            (4, ""),
            (5, ""),
            (2, "43=Y\x01"),
            (3, "43=Y\x01"),
            (4, "43=Y\x01"),
            (5, "43=Y\x01"),
            (6, ""),
        ]
        if session.receive(venue_says("8", number, repeat), NOW_NS)
    ]

    assert deliveries == [2, 3, 4, 5, 6]
    assert said(session) == ["35=2|34=2|52=20260921-14:13:20.123|7=2|16=0|"]


def test_a_message_lost_again_during_the_resend_is_asked_for_again(session):
    session.receive(venue_says("8", 4), NOW_NS)
    session.receive(venue_says("8", 2, "43=Y\x01"), NOW_NS)
    session.receive(venue_says("8", 4, "43=Y\x01"), NOW_NS)

    assert [text.split("|")[3] for text in said(session)] == ["7=2", "7=3"]


def test_a_resend_that_never_comes_is_asked_for_again_after_a_while(session):
    session.receive(venue_says("8", 4), NOW_NS)
    said(session)

    session.tick(NOW_NS + 6 * SECOND_NS)
    session.receive(venue_says("8", 5), NOW_NS + 6 * SECOND_NS)

    assert [text.split("|")[3] for text in said(session)] == ["7=2"]


def test_a_gap_fill_moves_the_expected_number_and_a_reset_sets_it(session):
    session.receive(venue_says("4", 2, "43=Y\x01123=Y\x0136=7\x01"), NOW_NS)
    assert session.state.next_inbound == 7

    session.receive(venue_says("4", 3, "43=Y\x01123=Y\x0136=5\x01"), NOW_NS)
    assert session.state.next_inbound == 7

    session.receive(venue_says("4", 99, "36=20\x01"), NOW_NS)
    assert session.state.next_inbound == 20


def test_a_number_that_is_too_low_ends_the_session(session):
    session.receive(venue_says("8", 1), NOW_NS)

    assert session.ended == "the venue sent MsgSeqNum(34)=1, but 2 was expected"


def test_a_resend_request_is_answered_with_orders_repeated_and_the_rest_gap_filled(session):
    session.send("35=D\x0111=o2\x01", NOW_NS)
    session.receive(venue_says("1", 2, "112=ping\x01"), NOW_NS)
    session.send("35=D\x0111=o4\x01", NOW_NS + SECOND_NS)
    said(session)

    session.receive(venue_says("2", 3, "7=1\x0116=0\x01"), NOW_NS + 2 * SECOND_NS)

    assert said(session) == [
        "35=4|34=1|52=20260921-14:13:22.123|43=Y|122=20260921-14:13:22.123|123=Y|36=2|",
        "35=D|34=2|52=20260921-14:13:22.123|43=Y|122=20260921-14:13:20.123|11=o2|",
        "35=4|34=3|52=20260921-14:13:22.123|43=Y|122=20260921-14:13:22.123|123=Y|36=4|",
        "35=D|34=4|52=20260921-14:13:22.123|43=Y|122=20260921-14:13:21.123|11=o4|",
    ]


def test_a_resend_request_is_answered_even_when_it_comes_after_a_gap(session):
    session.send("35=D\x0111=o2\x01", NOW_NS)
    said(session)

    session.receive(venue_says("2", 5, "7=2\x0116=2\x01"), NOW_NS)

    assert [text.split("|")[0] for text in said(session)] == ["35=D", "35=2"]
    assert session.state.next_inbound == 2


def test_what_the_bounded_store_has_dropped_is_gap_filled():
    session = initiator(SessionState(sent_messages_max=2))
    session.logon(NOW_NS, reset=False)
    session.receive(venue_says("A", 1), NOW_NS)
    for number in range(2, 6):
        session.send(f"35=D\x0111=o{number}\x01", NOW_NS)
    said(session)

    session.receive(venue_says("2", 2, "7=2\x0116=0\x01"), NOW_NS)

    assert [text.split("|")[0::4][0] + " " + text.split("|")[1] for text in said(session)] == [
        "35=4 34=2",
        "35=D 34=4",
        "35=D 34=5",
    ]


def test_heartbeats_are_sent_asked_for_and_missed(session):
    session.tick(NOW_NS + 29 * SECOND_NS)
    assert said(session) == []

    session.tick(NOW_NS + 30 * SECOND_NS)
    session.tick(NOW_NS + 37 * SECOND_NS)
    assert [text[:4] for text in said(session)] == ["35=0", "35=1"]

    session.tick(NOW_NS + 72 * SECOND_NS)
    assert session.ended == "the venue was silent for 72 s"


def test_a_test_request_is_answered_with_its_id(session):
    session.receive(venue_says("1", 2, "112=ping\x01"), NOW_NS)

    assert said(session) == ["35=0|34=2|52=20260921-14:13:20.123|112=ping|"]


def test_the_venues_logout_is_answered_and_its_reason_kept(session):
    session.receive(venue_says("5", 2, "58=trading day ends\x01"), NOW_NS)

    assert [text[:4] for text in said(session)] == ["35=5"]
    assert session.ended == "the venue logged out: trading day ends"
