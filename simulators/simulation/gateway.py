"""
A gateway of the simulated venue: the real sequencer, log watch and log reader; its clients, in place of FIX sessions.

A client numbers its requests and keeps them. A gateway that was admitted by the matcher takes them from the one after
the last that is known to be in the log, as it would ask for them by ResendRequest(2).
"""

import asyncio
import time
from typing import Final

from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from bus import background
from bus.places import Place, Teller, gateway_reader
from bus.reader import LogMessage, LogReader
from bus.records import decode_events, decode_exec
from bus.subjects import exec_stream
from configs.loader import Venue
from gateway.log_watch import LogWatch
from gateway.metrics import GatewayMetrics
from gateway.sequencer import Sequencer
from gateway.session_progress import SessionProgress
from matcher.commands import ClientRequest
from matcher.events import Event, GatewayAdmitted, SessionMark
from simulators.simulation.memory_bus import MemoryBus
from simulators.simulation.process import Process, World
from simulators.simulation.requests import Asker, name_in
from simulators.simulation.server import SHARD

_METRICS = GatewayMetrics(CollectorRegistry())
"""Nobody reads them; making them anew would cost each seed some ms."""
_MARK_INTERVAL_S: Final = 0.3


class Client:
    """One session: what it asked."""

    def __init__(self, asker: Asker, session_id: str) -> None:
        self.session_id = session_id
        self.session_epoch = 1
        self.requests: list[ClientRequest] = []
        """Of this epoch, in order."""
        self.abandoned: list[ClientRequest] = []
        """Of former epochs: nobody asks any more what became of them."""
        self.taken = 0
        """So many of this epoch its gateway has taken, in this life."""
        self.progress = SessionProgress()
        self._asker = asker

    def ask(self, count: int) -> None:
        """Ask for more."""
        self.requests += [self._asker.next() for _ in range(count)]

    def begin_anew(self) -> None:
        """Log on with ResetSeqNumFlag(141)=Y."""
        self.abandoned += self.requests
        self.requests = []
        self.taken = 0
        self.session_epoch += 1
        self._asker.begin_anew()

    def log_on(self, mark: SessionMark | None) -> None:
        """Its gateway lives anew, and the log knows this much."""
        knows_epoch = mark is not None and mark.session_epoch == self.session_epoch
        self.taken = mark.durable_msg_seq_num if mark is not None and knows_epoch else 0
        self.progress = SessionProgress()
        self.progress.resume(self.session_epoch, self.taken)

    def take(self, sequencer: Sequencer) -> None:
        """Have its gateway take what it did not take yet."""
        for request in self.requests[self.taken :]:
            self.taken = request.msg_seq_num
            self.progress.begin(request.session_epoch, request.msg_seq_num)
            durable = self.progress.durable_msg_seq_num
            stamped = replace(request, durable_msg_seq_num=durable, received_ns=time.time_ns())
            sequencer.submit(stamped, self.progress)


class Gateway(Process):
    """Two sessions' way to the log and back."""

    def __init__(self, world: World, number: int, clients: list[Client]) -> None:
        super().__init__(world, f"gw{number}")
        self.clients = clients
        self.read: list[tuple[int, bytes]] = []
        """What this life has read of EXEC."""
        self.named: set[tuple[str, str]] = set()
        """What any life has read events about."""
        self._boot = 0
        self._position = 0
        self._marked = 0
        """As far as its marks on disk say."""
        self._sequencer: Sequencer | None = None

    async def live(self, bus: MemoryBus) -> None:
        """See Process."""
        self._boot = max(time.time_ns(), self._boot + 1)
        sequencer = Sequencer(bus, self._venue(), boot=self._boot, metrics=_METRICS)
        self._admitting = sequencer
        self._admitted: asyncio.Future[list[SessionMark]] = asyncio.get_running_loop().create_future()
        self.read = []
        reader = LogReader(bus, stream=exec_stream(SHARD), start_seq=self._position + 1, on_messages=self._on_messages)
        sequencer.announce(self.name, self._boot)
        await reader.start()
        marks = {mark.session_id: mark for mark in await self._admitted}
        for client in self.clients:
            client.log_on(marks.get(client.session_id))
        self._sequencer = sequencer
        self.world.tell(f"{self.name} is admitted, from {[client.taken + 1 for client in self.clients]} on")
        self._take_requests()
        self._marking = background.start(self._keep_marks(bus), name="marks")
        await self._watch(sequencer).keep()

    def lose_memory(self) -> None:
        """Its marks say how far it was at least."""
        self._sequencer = None
        self._position = self._marked

    def notice_requests(self) -> None:
        """Its clients have sent something."""
        if self.loop is not None:
            self.loop.call_soon(self._take_requests)

    async def _keep_marks(self, bus: MemoryBus) -> None:
        places = Teller(bus, gateway_reader(self.name), lambda: {exec_stream(SHARD): Place(self._marked)})
        candidate = self._position
        while True:
            await asyncio.sleep(_MARK_INTERVAL_S)
            self._marked, candidate = candidate, self._position
            await places.tell()

    def _venue(self) -> Venue:
        config = self.world.venue.config
        gateway = replace(config.gateway, id=self.name)
        return replace(self.world.venue, config=replace(config, gateway=gateway))

    def _watch(self, sequencer: Sequencer) -> LogWatch:
        return LogWatch(
            self.world.venue.config.gateway,
            sequencer,
            metrics=_METRICS,
            sessions_up=lambda: (),
            send=lambda _session_id, _bodies: None,
            log_out=lambda _session_id, _text: None,
            close_logons=lambda _text: None,
            open_logons=lambda: None,
        )

    def _take_requests(self) -> None:
        if self._sequencer is not None:
            for client in self.clients:
                client.take(self._sequencer)
            self._sequencer.flush()

    def _on_messages(self, messages: list[LogMessage]) -> None:
        for message in messages:
            self.read.append((message.seq, message.payload))
            self._position = message.seq
            record = decode_exec(message.payload)
            self._admitting.note_answered(SHARD, record.last_input_seq)
            for event in decode_events(record):
                self._see(event)

    def _see(self, event: Event) -> None:
        self.named.add(name_in(event))
        if isinstance(event, GatewayAdmitted):
            self._note_admission(event)

    def _note_admission(self, event: GatewayAdmitted) -> None:
        if (event.gateway_id, event.boot) == (self.name, self._boot) and not self._admitted.done():
            self._admitted.set_result(event.sessions)
