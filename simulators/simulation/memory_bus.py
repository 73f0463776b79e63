"""
The venue's own `Bus` on a connection in memory: acknowledgements, time-outs and reconnects are those of `bus`.

What the connection carries arrives in the order in which it was sent, at the server and here, but for what the weather
does. When it breaks, what was under way from some moment on is lost, in both directions.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from bus import background
from bus.client import DirectClient, Taker
from bus.connection import Bus, BusError, MessageCallback, NobodyThere
from simulators.simulation.server import INBOX, NOBODY_LISTENS, Server
from simulators.simulation.virtual_time import Agenda, ProcessLoop
from simulators.simulation.weather import Weather

_STREAMS = ("ord.", "exec.")


class _Line(msgspec.Struct, eq=False):
    # One connection, from connecting to breaking.
    arrives_until_s: float = math.inf
    """What would reach the server later is lost."""
    up_s: float = 0.0
    """When the last message up arrives; the next one does not come before it."""
    down_s: float = 0.0
    held_until_s: float = 0.0
    """Nothing comes through before."""


class MemoryBus(Bus):
    """A process's connection; to be made on its event loop."""

    def __init__(
        self,
        agenda: Agenda,
        weather: Weather,
        server: Server,
        *,
        name: str,
        publish_timeout_s: float,
        payload_bytes_max: int,
    ) -> None:
        super().__init__(DirectClient(), f"{INBOX}{name}", publish_timeout_s)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ProcessLoop)
        self.name = name
        self._process_loop = loop
        self._agenda = agenda
        self._weather = weather
        self._server = server
        self._payload_bytes_max = payload_bytes_max
        self._takers_by_subject: dict[str, Taker] = {}
        self._requests: dict[str, asyncio.Future[bytes | None]] = {}
        self._inboxes = 0
        self._line: _Line | None = _Line()
        self._was_connected = True
        server.connect(self)

    # What the processes see

    @property
    def is_connected(self) -> bool:
        """See Bus."""
        return self._line is not None

    @property
    def payload_bytes_max(self) -> int:
        """See Bus."""
        return self._payload_bytes_max

    def publish_now(
        self, subject: str, payload: bytes, *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """See Bus."""
        assert len(payload) <= self._payload_bytes_max, f"{len(payload)} bytes to {subject}"
        if self._line is None:
            raise BusError(f"cannot publish to {subject}: not connected")
        self._send_up(self._line, subject, payload, reply, headers)

    async def request(self, subject: str, payload: bytes, timeout_s: float = 2.0) -> bytes:
        """See Bus."""
        reply = self.new_inbox()
        answered = self._requests[reply] = self._process_loop.create_future()
        try:
            self.publish_now(subject, payload, reply=reply)
            async with asyncio.timeout(timeout_s):
                answer: bytes | None = await answered
        except TimeoutError as error:
            raise BusError(f"no answer on {subject}: TimeoutError") from error
        finally:
            del self._requests[reply]
        if answer is None:
            raise NobodyThere(f"nobody listens to {subject}")
        return answer

    async def subscribe(self, subject: str, callback: MessageCallback) -> Callable[[], Awaitable[None]]:
        """See Bus."""
        return await self.subscribe_raw(subject, lambda to, reply, payload, _headers: callback(to, payload, reply))

    async def subscribe_raw(self, subject: str, callback: Taker) -> Callable[[], Awaitable[None]]:
        """See Bus."""
        self._takers_by_subject[subject] = callback

        async def end() -> None:
            if self._takers_by_subject.get(subject) is callback:
                del self._takers_by_subject[subject]

        return end

    def new_inbox(self) -> str:
        """See Bus."""
        self._inboxes += 1
        return f"{self._inbox}.{self._inboxes}"

    # What happens to it

    def break_off(self) -> None:
        """Lose the connection; what is under way to the server arrives up to some moment, and nothing after it."""
        if (line := self._line) is not None:
            line.arrives_until_s = self._weather.uniform(self._agenda.now_s, max(self._agenda.now_s, line.up_s))
            self._line = None
            self._process_loop.call_soon(self._start, self._disconnected)

    def come_back(self) -> None:
        """Connect again, as nats-py does by itself, and subscribe to all as before."""
        if self._line is None and not self._process_loop.has_ended:
            self._line = _Line()
            self._process_loop.call_soon(self._start, self._reconnected)

    def hold(self, seconds: float) -> None:
        """Carry nothing for so long, then all of it."""
        if self._line is not None:
            self._line.held_until_s = self._agenda.now_s + seconds

    def die(self) -> None:
        """Its process is gone; what it had written to its socket arrives, or not all of it."""
        self.break_off()
        self._server.forget(self)

    def listens_to(self, subject: str) -> bool:
        """Whether somebody here takes messages of this subject."""
        return self._line is not None and subject in self._takers_by_subject

    def send_down(
        self, subject: str, payload: bytes, reply: str = "", headers: bytes | None = None, *, late_s: float = 0.0
    ) -> None:
        """From the server to this process."""
        line = self._line
        if line is None:
            return
        arrival_s = max(self._agenda.now_s + self._weather.latency_s(), line.held_until_s)
        if late_s:
            arrival_s += late_s
        else:
            arrival_s = line.down_s = max(arrival_s, line.down_s)
        self._agenda.call_at(arrival_s, self._reach, line, subject, reply, payload, headers)

    def _send_up(
        self, line: _Line, subject: str, payload: bytes, reply: str, headers: Mapping[str, str] | None
    ) -> None:
        weather, now_s = self._weather, self._agenda.now_s
        if subject.startswith(_STREAMS):
            if weather.strikes(weather.chances.publish_repeated):
                # Nobody hears of this one's acknowledgement: what is acknowledged was stored in its turn.
                self._agenda.call_later(weather.delay_s(), self._server.arrive, self, subject, payload, "", headers)
            if weather.strikes(weather.chances.publish_lost):
                return
        elif weather.strikes(weather.chances.request_lost):
            return
        line.up_s = max(now_s + weather.latency_s(), line.up_s, line.held_until_s)
        self._agenda.call_at(line.up_s, self._arrive, line, subject, payload, reply, headers)

    def _arrive(self, line: _Line, subject: str, payload: bytes, reply: str, headers: Mapping[str, str] | None) -> None:
        if self._agenda.now_s <= line.arrives_until_s:
            self._server.arrive(self, subject, payload, reply, headers)

    def _reach(self, line: _Line, subject: str, reply: str, payload: bytes, headers: bytes | None) -> None:
        if line is self._line:
            self._process_loop.call_soon(self._take, subject, reply, payload, headers)

    def _take(self, subject: str, reply: str, payload: bytes, headers: bytes | None) -> None:
        if subject.startswith(self._ack_prefix):
            self._on_ack(subject, reply, payload, headers)
        elif (answered := self._requests.get(subject)) is not None:
            if not answered.done():
                answered.set_result(None if headers == NOBODY_LISTENS else payload)
        elif (taker := self._takers_by_subject.get(subject)) is not None:
            taker(subject, reply, payload, headers)

    def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        async def do() -> None:
            await work()

        self._noting = background.start(do(), name=f"connection of {self.name}")
