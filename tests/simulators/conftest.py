"""A small venue for the simulators: the real rules and the real reports behind one socket, without bus or processes."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import pytest

from configs.loader import ONE_MACHINE, Venue, load
from gateway.fix_inbound import Inbound, RequestContext
from gateway.fix_outbound import Reports
from matcher.engine import Engine
from simulators.fix_codec import SOH, Framer, UtcTimestamps, encode, mark, value


class SmallVenue:
    """One engine for all instruments of the shipped configuration, answering any number of sessions at once."""

    def __init__(self) -> None:
        self.config: Venue = load(ONE_MACHINE)
        self.port = 0
        self.requests: list[str] = []
        """Every application message, as it came, repeats left out."""
        self.connections: list[_Connection] = []
        """All that ever logged on."""
        self.is_mute = False
        """Requests are taken and never answered."""
        self.sessions: dict[str, _Session] = {}
        self._engine = Engine(0, self.config.instruments.values(), orders_max=100_000, finished_orders_max=100_000)
        self._inbound = Inbound(self.config.instruments)
        self._reports = Reports(self.config.instruments)
        self._input_seq = itertools.count(1)

    def resting_levels(self) -> int:
        """Price levels that hold orders, over all books."""
        return sum(len(book.side(side)) for book in self._engine._books.values() for side in ("1", "2"))

    def request(self, session: "_Session", number: int, text: str) -> None:
        self.requests.append(text)
        if self.is_mute:
            return
        fields = dict(field.split("=", 1) for field in text.split(SOH) if field)
        firm = session.session_id.partition(":")[2].rstrip("0123456789")
        context = RequestContext(session.session_id, session.epoch, number, number, time.time_ns(), firm)
        output = self._engine.apply(self._inbound.to_command(fields, context), next(self._input_seq))
        for event in output.events:
            for owner, body in self._reports.render(event, shard=0):
                self.sessions[owner].send(body)


class _Session:
    """Sequence numbers and sent bodies of one session; what is sent while nobody is connected waits here."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.connection: _Connection | None = None
        self.epoch = 0
        self.next_inbound = 1
        self._sent: list[str] = []
        self._timestamps = UtcTimestamps()

    def reset(self) -> None:
        self.epoch += 1
        self.next_inbound = 1
        self._sent.clear()

    def send(self, body: str) -> None:
        self._sent.append(body)
        self._write(len(self._sent), body, "")

    def resend(self, begin: int) -> None:
        for number, body in list(enumerate(self._sent, 1))[begin - 1 :]:
            if body[:5] in {"35=A\x01", "35=5\x01", "35=2\x01", "35=0\x01"}:
                self._write(number, f"35=4\x01123=Y\x0136={number + 1}\x01", "43=Y\x01")
            else:
                self._write(number, body, "43=Y\x01")

    def _write(self, number: int, body: str, flag: str) -> None:
        if self.connection is None:
            return
        msg_type, _, rest = body.partition(SOH)
        begin_string, _, comp_id = self.session_id.partition(":")
        now = self._timestamps.text(time.time_ns())
        header = f"34={number}\x0149=OUTCRY\x0156={comp_id}\x0152={now}\x01{flag}"
        self.connection.transport.write(encode(begin_string, f"{msg_type}\x01{header}{rest}"))


class _Connection(asyncio.Protocol):
    def __init__(self, venue: SmallVenue) -> None:
        self.transport: asyncio.Transport
        self._venue = venue
        self._framer: Framer | None = None
        self._begin_string = ""
        self._session = _Session("")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._session.connection = None

    def data_received(self, data: bytes) -> None:
        if self._framer is None:
            self._begin_string = data[2 : data.index(b"\x01")].decode()
            self._framer = Framer(self._begin_string)
        for text in self._framer.feed(data):
            self._receive(value(text, mark(35)), int(value(text, mark(34))), text)

    def _receive(self, msg_type: str, number: int, text: str) -> None:
        if msg_type == "A":
            self._log_on(text)
        session = self._session
        if msg_type == "2":
            session.resend(int(value(text, mark(7))))
        if number > session.next_inbound:
            session.send(f"35=2\x017={session.next_inbound}\x0116=0\x01")
        elif number == session.next_inbound:
            session.next_inbound = number + 1
            self._take(msg_type, number, text)

    def _log_on(self, text: str) -> None:
        session_id = f"{self._begin_string}:{value(text, mark(49))}"
        self._session = self._venue.sessions.setdefault(session_id, _Session(session_id))
        self._session.connection = self
        self._venue.connections.append(self)
        reset = "141=Y\x01" if value(text, mark(141)) else ""
        if reset:
            self._session.reset()
        self._session.send(f"35=A\x0198=0\x01108=30\x01{reset}")

    def _take(self, msg_type: str, number: int, text: str) -> None:
        if msg_type == "4":
            self._session.next_inbound = int(value(text, mark(36)))
        elif msg_type == "5":
            self._session.send("35=5\x01")
            self.transport.close()
        elif msg_type in "DFGH":
            self._venue.request(self._session, number, text)


@pytest.fixture
async def small_venue() -> AsyncIterator[SmallVenue]:
    venue = SmallVenue()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(venue), "127.0.0.1", 0)
    venue.port = server.sockets[0].getsockname()[1]
    yield venue
    server.close()
    await server.wait_closed()
