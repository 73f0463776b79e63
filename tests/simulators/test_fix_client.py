"""The FIX client: its bytes, its session rules, and a session with the reference engine in all three versions."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import quickfix as fix
from hypothesis import given
from hypothesis import strategies as st

from simulators.fix_client import FixClient, FixClientError
from simulators.fix_codec import FixFramingError, Framer, UtcTimestamps, checksum, encode, fields, mark, pairs, value
from simulators.fix_session import InitiatorSession, SessionState

signal.signal(signal.SIGINT, signal.default_int_handler)  # importing quickfix gives Ctrl-C to the system

NOW_NS = 1_790_000_000_123_000_000
"""20260921-14:13:20.123"""
SECOND_NS = 1_000_000_000


# --- bytes


def test_a_message_is_built_with_its_length_and_checksum():
    message = encode("FIX.4.4", "35=0\x0134=2\x01")

    assert message == b"8=FIX.4.4\x019=10\x0135=0\x0134=2\x0110=166\x01"


@given(st.binary(max_size=2000))
def test_the_checksum_is_the_sum_of_all_bytes(data):
    assert checksum(data) == sum(data) % 256


@given(st.lists(st.integers(1, 200), max_size=30))
def test_messages_arrive_whole_however_the_stream_is_cut(cuts):
    stream = b"".join(encode("FIX.4.4", f"35=8\x0134={n}\x0158={'x' * (n * 37 % 300)}\x01") for n in range(1, 12))
    framer, received, at = Framer("FIX.4.4"), [], 0
    for size in cuts:
        received += framer.feed(stream[at : at + size])
        at += size
    received += framer.feed(stream[at:])

    assert "".join(received).encode() == stream
    assert [value(text, mark(34)) for text in received] == [str(n) for n in range(1, 12)]


@pytest.mark.parametrize(
    "garbled",
    [
        b"8=FIX.4.4\x019=10\x0135=0\x0134=2\x0110=167\x01",
        b"8=FIX.4.4\x019=9\x0135=0\x0134=2\x0110=166\x01",
        b"8=FIX.4.4\x019=30\x0135=0\x0134=2\x0110=166\x01",
    ],
    ids=["checksum", "body length too small", "body length too large"],
)
@pytest.mark.parametrize("cut", [1, 5, 1000])
def test_a_garbled_message_is_skipped_and_counted(garbled, cut):
    good = encode("FIX.4.4", "35=0\x0134=3\x01")
    stream = garbled + good + good
    framer = Framer("FIX.4.4")

    received = [text for at in range(0, len(stream), cut) for text in framer.feed(stream[at : at + cut])]

    assert received == [good.decode(), good.decode()]
    assert framer.garbled == 1


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400", b"8=FIX.4.2\x019=5\x01", b"8=FIX.4.4\x019=abc\x01", b"8=FIX.4.4\x019=" + b"1" * 40]
)
def test_what_is_not_fix_of_this_version_is_an_error(data):
    with pytest.raises(FixFramingError):
        Framer("FIX.4.4").feed(data)


def test_fields_are_found_one_by_one_all_together_and_in_groups():
    text = "8=FIX.4.4\x019=5\x0135=W\x01268=2\x01269=0\x01270=10.5\x01269=1\x01270=10.6\x0110=000\x01"

    assert value(text, mark(270)) == "10.5"
    assert value(text, mark(70)) == ""
    assert fields(text)[270] == "10.6"
    assert [content for tag, content in pairs(text) if tag == 270] == ["10.5", "10.6"]


def test_timestamps_are_utc_with_milliseconds():
    timestamps = UtcTimestamps()

    assert timestamps.text(NOW_NS) == "20260921-14:13:20.123"
    assert timestamps.text(NOW_NS + 999_999) == "20260921-14:13:20.123"
    assert timestamps.text(NOW_NS + 1_000_000) == "20260921-14:13:20.124"
    assert timestamps.text(NOW_NS + SECOND_NS) == "20260921-14:13:21.123"


# --- session rules


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


# --- with the reference engine


class Acceptor(fix.Application):  # type: ignore[misc]
    """A QuickFIX acceptor that checks the password and echoes each D as an 8."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[str] = []
        self.logged_out = threading.Event()

    def onCreate(self, session_id: Any) -> None: ...  # noqa: N802 - QuickFIX's names
    def onLogon(self, session_id: Any) -> None: ...  # noqa: N802
    def toAdmin(self, message: Any, session_id: Any) -> None: ...  # noqa: N802
    def toApp(self, message: Any, session_id: Any) -> None: ...  # noqa: N802

    def onLogout(self, session_id: Any) -> None:  # noqa: ARG002, N802
        self.logged_out.set()

    def fromAdmin(self, message: Any, session_id: Any) -> None:  # noqa: ARG002, N802
        text = message.toString()
        if value(text, mark(35)) == "A" and value(text, mark(554)) != "example-firma1":
            raise fix.RejectLogon("wrong password")

    def fromApp(self, message: Any, session_id: Any) -> None:  # noqa: N802
        text = message.toString()
        self.received.append(value(text, mark(11)))
        begin_string = "FIX.4.4" if "FIX.4.4" in session_id.toString() else session_id.getBeginString().getValue()
        report = fix.Message(f"8={begin_string}\x019=0\x0135=8\x0111={value(text, mark(11))}\x0110=0\x01", False)
        fix.Session.sendToTarget(report, session_id)


class Venue:
    """The acceptor, where it listens, and a way to meddle with its sequence numbers."""

    def __init__(self, port: int, application: Acceptor) -> None:
        self.port = port
        self.application = application

    async def expect_next(self, begin_string: str, msg_seq_num: int) -> None:
        """Once it has seen the logout: pretend not to have received anything from this number on."""
        await asyncio.to_thread(self.application.logged_out.wait, 20)
        session_id = fix.SessionID(begin_string, "OUTCRY", "FIRMA1")
        fix.Session.lookupSession(session_id).setNextTargetMsgSeqNum(msg_seq_num)


@pytest.fixture
async def venue(tmp_path) -> AsyncIterator[Venue]:
    port = free_port()
    sessions = "".join(
        f"[SESSION]\nBeginString={begin_string}\nSenderCompID=OUTCRY\nTargetCompID=FIRMA1\n"
        for begin_string in ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
    )
    path = tmp_path / "acceptor.cfg"
    path.write_text(
        f"[DEFAULT]\nConnectionType=acceptor\nSocketAcceptPort={port}\nStartTime=00:00:00\nEndTime=00:00:00\n"
        f"UseDataDictionary=N\nDefaultApplVerID=FIX.5.0SP2\nHeartBtInt=30\n{sessions}"
    )
    application = Acceptor()
    settings, store = fix.SessionSettings(str(path)), fix.MemoryStoreFactory()
    acceptor = fix.ThreadedSocketAcceptor(application, store, settings)
    acceptor.start()
    yield Venue(port, application)
    acceptor.stop()


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Inbox:
    """Collects ClOrdID(11) of what arrives, and waits for a number of them."""

    def __init__(self) -> None:
        self.cl_ord_ids: list[str] = []
        self._arrived = asyncio.Event()

    def take(self, text: str, received_ns: int) -> None:
        assert received_ns > 0
        self.cl_ord_ids.append(value(text, mark(11)))
        self._arrived.set()

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(20):
            while len(self.cl_ord_ids) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.cl_ord_ids


async def connect(
    venue: Venue, inbox: Inbox, begin_string: str = "FIX.4.4", *, state: SessionState | None = None, reset: bool = False
) -> FixClient:
    return await FixClient.connect(
        "127.0.0.1",
        venue.port,
        begin_string=begin_string,
        sender_comp_id="FIRMA1",
        password="example-firma1",
        on_message=inbox.take,
        state=state,
        reset=reset,
    )


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
async def test_a_thousand_orders_each_get_their_answer(venue, begin_string):
    inbox = Inbox()
    client = await connect(venue, inbox, begin_string)

    numbers = [client.send(f"35=D\x0111=o{n}\x01") for n in range(1000)]
    answers = await inbox.until(1000)

    assert numbers == list(range(2, 1002))
    assert answers == [f"o{n}" for n in range(1000)]
    await client.logout()
    assert client.closed.result() == ""


async def test_a_wrong_password_is_told_in_the_venues_words(venue):
    with pytest.raises(
        FixClientError, match=r"^FIRMA1 at 127\.0\.0\.1:\d+: logon refused: Rejected Logon Attempt: wrong password$"
    ):
        await FixClient.connect(
            "127.0.0.1",
            venue.port,
            begin_string="FIX.4.4",
            sender_comp_id="FIRMA1",
            password="example-firmb1",
            on_message=lambda _text, _ns: None,
        )


async def test_a_venue_that_is_not_there_is_told():
    with pytest.raises(FixClientError, match=r"no connection .* is the venue up there"):
        await connect(Venue(free_port(), Acceptor()), Inbox())


async def test_a_session_goes_on_over_connections_without_losing_or_repeating(venue):
    state, inbox = SessionState(), Inbox()
    for life in range(3):
        client = await connect(venue, inbox, state=state)
        client.send(f"35=D\x0111=life{life}\x01")
        await inbox.until(life + 1)
        client.abort()
        assert await client.closed == "the connection was cut by this side"

    assert inbox.cl_ord_ids == venue.application.received == ["life0", "life1", "life2"]
    client = await connect(venue, inbox, state=state, reset=True)
    assert (state.next_outbound, state.next_inbound) == (2, 2)
    await client.logout()


async def test_what_the_venue_lost_is_sent_again_on_request(venue):
    state, inbox = SessionState(), Inbox()
    client = await connect(venue, inbox, state=state)
    for n in range(5):
        client.send(f"35=D\x0111=o{n}\x01")
    await inbox.until(5)
    await client.logout()
    await venue.expect_next("FIX.4.4", 4)  # it has forgotten o2, o3, o4 and the logout

    client = await connect(venue, inbox, state=state)
    client.send("35=D\x0111=o5\x01")
    await inbox.until(9)

    assert venue.application.received == ["o0", "o1", "o2", "o3", "o4", "o2", "o3", "o4", "o5"]
    await client.logout()


async def test_what_this_side_lost_is_asked_for_and_arrives_once_in_order(venue):
    state, inbox = SessionState(), Inbox()
    client = await connect(venue, inbox, state=state)
    for n in range(5):
        client.send(f"35=D\x0111=o{n}\x01")
    await inbox.until(5)
    await client.logout()
    state.next_inbound = 4  # as if o2, o3 and o4 had not been read

    client = await connect(venue, inbox, state=state)
    client.send("35=D\x0111=o5\x01")
    await inbox.until(9)

    assert inbox.cl_ord_ids == ["o0", "o1", "o2", "o3", "o4", "o2", "o3", "o4", "o5"]
    await client.logout()


async def test_sending_after_the_end_is_an_error(venue):
    client = await connect(venue, Inbox())
    await client.logout()

    with pytest.raises(FixClientError, match="the session is not up"):
        client.send("35=D\x0111=late\x01")
