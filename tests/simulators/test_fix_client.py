"""The FIX client over TCP: sessions with the reference engine, in all three versions."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import quickfix as fix

from sessions.fix_text import parse
from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient, FixClientError, OnMessage, Received
from tests.sessions.raw_client import frame, timestamp

from .conftest import SmallVenue, free_port

ORDER = "35=D\x0111=o1\x0121=1\x0138=5\x0140=2\x0144=90.00\x0154=1\x0155=TEST1\x0160=20260101-00:00:00.000\x01"

signal.signal(signal.SIGINT, signal.default_int_handler)  # importing quickfix gives Ctrl-C to the system


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
        fields = parse(message.toString())
        if fields["35"] == "A" and fields["554"] != "example-firma1":
            raise fix.RejectLogon("wrong password")

    def fromApp(self, message: Any, session_id: Any) -> None:  # noqa: N802
        cl_ord_id = parse(message.toString())["11"]
        self.received.append(cl_ord_id)
        begin_string = "FIX.4.4" if "FIX.4.4" in session_id.toString() else session_id.getBeginString().getValue()
        report = fix.Message(f"8={begin_string}\x019=0\x0135=8\x0111={cl_ord_id}\x0110=0\x01", False)
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


class Inbox:
    """Collects ClOrdID(11) of what arrives, and waits for a number of them."""

    def __init__(self) -> None:
        self.cl_ord_ids: list[str] = []
        self._arrived = asyncio.Event()

    def take(self, message: Received) -> None:
        assert message.received_ns > 0
        assert parse(message.text) == message.fields
        self.cl_ord_ids.append(message.fields["11"])
        self._arrived.set()

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(20):
            while len(self.cl_ord_ids) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.cl_ord_ids


async def connect(
    venue: Venue | SmallVenue,
    on_message: OnMessage,
    begin_string: str = "FIX.4.4",
    *,
    store: MemoryStore | None = None,
    reset: bool = False,
) -> FixClient:
    return await FixClient.connect(
        "127.0.0.1",
        venue.port,
        begin_string=begin_string,
        sender_comp_id="FIRMA1",
        password="example-firma1",
        on_message=on_message,
        store=store,
        reset=reset,
    )


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
async def test_a_thousand_orders_each_get_their_answer(venue, begin_string):
    inbox = Inbox()
    client = await connect(venue, inbox.take, begin_string)

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
            on_message=lambda _message: None,
        )


async def test_a_venue_that_is_not_there_is_told():
    with pytest.raises(FixClientError, match=r"no connection .* is the venue up there"):
        await connect(Venue(free_port(), Acceptor()), Inbox().take)


async def test_a_session_goes_on_over_connections_without_losing_or_repeating(venue):
    store, inbox = MemoryStore(), Inbox()
    for life in range(3):
        client = await connect(venue, inbox.take, store=store)
        client.send(f"35=D\x0111=life{life}\x01")
        await inbox.until(life + 1)
        client.abort()
        assert await client.closed == "the connection was cut by this side"

    assert inbox.cl_ord_ids == venue.application.received == ["life0", "life1", "life2"]
    client = await connect(venue, inbox.take, store=store, reset=True)
    assert (store.next_outbound, store.next_inbound) == (2, 2)
    await client.logout()


async def test_what_the_venue_lost_is_sent_again_on_request(venue):
    store, inbox = MemoryStore(), Inbox()
    client = await connect(venue, inbox.take, store=store)
    for n in range(5):
        client.send(f"35=D\x0111=o{n}\x01")
    await inbox.until(5)
    await client.logout()
    await venue.expect_next("FIX.4.4", 4)  # it has forgotten o2, o3, o4 and the logout

    client = await connect(venue, inbox.take, store=store)
    client.send("35=D\x0111=o5\x01")
    await inbox.until(9)

    assert venue.application.received == ["o0", "o1", "o2", "o3", "o4", "o2", "o3", "o4", "o5"]
    await client.logout()


async def test_what_this_side_lost_is_asked_for_and_arrives_once_in_order(venue):
    store, inbox = MemoryStore(), Inbox()
    client = await connect(venue, inbox.take, store=store)
    for n in range(5):
        client.send(f"35=D\x0111=o{n}\x01")
    await inbox.until(5)
    await client.logout()
    store.note_inbound(4)  # as if o2, o3 and o4 had not been read

    client = await connect(venue, inbox.take, store=store)
    client.send("35=D\x0111=o5\x01")
    await inbox.until(9)

    assert inbox.cl_ord_ids == ["o0", "o1", "o2", "o3", "o4", "o2", "o3", "o4", "o5"]
    await client.logout()


async def test_a_reject_of_the_session_layer_is_handed_over_too(small_venue):
    received: asyncio.Queue[Received] = asyncio.Queue()
    client = await connect(small_venue, received.put_nowait)

    number = client.send("35=D\x0111=o1\x0154=nonsense\x01")
    reject = await asyncio.wait_for(received.get(), 20)

    assert (reject.fields["35"], reject.fields["45"]) == ("3", str(number))
    assert parse(reject.text) == reject.fields
    await client.logout()


async def test_a_number_that_was_told_is_kept_whatever_else_is_sent_in_the_same_turn(small_venue):
    client = await connect(small_venue, Inbox().take)
    small_venue.is_mute = True

    number = client.send(ORDER)
    test_request = f"35=1\x0134=2\x0149=OUTCRY\x0156=FIRMA1\x0152={timestamp()}\x01112=there?\x01"
    client.data_received(frame("FIX.4.4", test_request))  # calls for a Heartbeat at once
    async with asyncio.timeout(20):
        while not small_venue.requests:  # noqa: ASYNC110
            await asyncio.sleep(0)  # a turn of the loop, not a time

    assert [parse(text)["34"] for text in small_venue.requests] == [str(number)]
    assert client.store.next_outbound == number + 2
    client.abort()


async def test_the_venues_logout_is_answered_and_its_reason_told(small_venue):
    client = await connect(small_venue, Inbox().take)

    small_venue.sessions.remove_session("FIX.4.4:FIRMA1")

    assert await client.closed == "the venue logged out: the session was removed"


async def test_a_venue_whose_message_is_faulty_is_logged_out(small_venue):
    client = await connect(small_venue, Inbox().take)

    client.data_received(frame("FIX.4.4", "35=8\x0134=2\x0149=OUTCRY\x0156=FIRMA1\x0111=untimed\x01"))

    assert await client.closed == "the venue's message 2 is faulty: Required tag missing: SendingTime(52)"


async def test_a_venue_that_does_not_read_is_left(monkeypatch):
    class Deaf(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport
            connections.append(transport)

        def data_received(self, data: bytes) -> None:  # noqa: ARG002
            self.transport.pause_reading()
            logon = f"35=A\x0134=1\x0149=OUTCRY\x0156=FIRMA1\x0152={timestamp()}\x0198=0\x01108=30\x01"
            self.transport.write(frame("FIX.4.4", logon))

    connections: list[asyncio.Transport] = []
    monkeypatch.setattr("simulators.fix_client.OUTBOUND_MESSAGES_MAX", 100)
    server = await asyncio.get_running_loop().create_server(Deaf, "127.0.0.1", 0)
    client = await connect(Venue(server.sockets[0].getsockname()[1], Acceptor()), Inbox().take)
    async with asyncio.timeout(20):
        while not client.closed.done():
            if client.is_up:
                client.send(f"35=B\x01148={'x' * 60_000}\x01")
            await asyncio.sleep(0)  # a turn of the loop, not a time

    assert client.closed.result() == "the venue has left more than 100 messages unread"
    with pytest.raises(FixClientError, match="the session is over: the venue has left"):
        await client.drain()
    connections[0].abort()
    server.close()
    await server.wait_closed()


async def test_sending_after_the_end_is_an_error(venue):
    client = await connect(venue, Inbox().take)
    await client.logout()

    with pytest.raises(FixClientError, match="the session is not up"):
        client.send("35=D\x0111=late\x01")
