"""The FIX client over TCP: sessions with the reference engine, in all three versions."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import quickfix as fix

from simulators.fix_client import FixClient, FixClientError
from simulators.fix_codec import mark, value
from simulators.fix_session import SessionState

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
