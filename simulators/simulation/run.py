"""One seed: a shard with two gateways, four clients, a leader and a standby; faults, then rest, then the audit."""

import logging
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from unittest import mock

import msgspec
import structlog

from bus import places
from bus.places import MARKETDATA, Place
from bus.records import decode_exec
from bus.subjects import place_subject
from configs.loader import FurtherGateway, GatewayConfig, MatcherConfig, NatsConfig, Venue, VenueConfig
from matcher.instruments import Increment, Instrument
from matcher.process import retention
from simulators.simulation.audit import audit
from simulators.simulation.faults import FAULTS, Stage
from simulators.simulation.gateway import Client, Gateway
from simulators.simulation.matcher import Matcher
from simulators.simulation.process import World
from simulators.simulation.requests import SYMBOLS, Asker, name_of
from simulators.torture.violations import Findings, Violation

FAULTS_MAX: Final = 6
FAULTS_S: Final = 4.0
"""Clients ask, and faults happen, for so long."""
REST_S: Final = 90.0
"""After the faults all must have come to rest by then."""
_BETWEEN_FAULTS_S: Final = (0.03, 0.3, 1.0, 1.0)
"""At most; misfortunes seldom come singly."""
_LOOK_S: Final = 0.1
_SESSIONS: Final = (("FIX.4.4:A1", "A"), ("FIX.4.4:A2", "A"), ("FIX.4.4:B1", "B"), ("FIX.4.4:C1", "C"))
_ASKS_MAX: Final = 5
_REQUESTS_MAX: Final = 5
_SECOND_NS: Final = 10**9
_BEGIN_NS: Final = 1_800_000_000 * _SECOND_NS
_DAY_END_S: Final = 22 * 3600
_HURRIED: Final = (
    (places, "FIRST_INTERVAL_S", 0.1),
    (places, "TELL_INTERVAL_S", 0.1),
    (retention, "FIRST_LOOK_S", 0.2),
    (retention, "LOOK_INTERVAL_S", 0.3),
    (retention, "STEP_RECORDS", 4),
)
"""What takes its time in a venue comes several times in a run."""
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- where there is one, so that no disk is waited for


class Outcome(msgspec.Struct, frozen=True):
    """What became of one seed."""

    seed: int
    violations: list[Violation]
    story: list[tuple[float, str]]
    """Virtual seconds, and what happened."""
    digest: str
    """SHA-256 of both logs: the same for the same seed."""
    requests: int
    ord_records: int
    exec_records: int
    epochs: int
    faults: int
    virtual_s: float


def simulate(seed: int) -> Outcome:
    """Run one seed to its end."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as directory, _quiet_logs():
        run = Run(seed, Path(directory))
        with ExitStack() as patches:
            patches.enter_context(mock.patch.object(time, "time_ns", run.wall_ns))
            for module, name, value in _HURRIED:
                patches.enter_context(mock.patch.object(module, name, value))
            return run.outcome()


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """The processes' own log lines cost more time than what they tell of."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


class Run:
    """One seed's world."""

    def __init__(self, seed: int, directory: Path) -> None:
        self._seed = seed
        self._draw = draw = random.Random(f"{seed} plan")  # noqa: S311 -- a simulation that must repeat, not a secret
        self._wall_begin_ns = _BEGIN_NS + draw.randrange(24 * 3600) * _SECOND_NS
        payload_bytes_max = draw.choice((4096, 1 << 20))
        venue = _venue(draw, self._wall_begin_ns, payload_bytes_max)
        self._world = World(seed, venue, payload_bytes_max=payload_bytes_max, wall_ns=self.wall_ns)
        clients = [
            Client(Asker(random.Random(f"{seed} {session_id}"), session_id, firm), session_id)  # noqa: S311 -- as above
            for session_id, firm in _SESSIONS
        ]
        self._gateways = [Gateway(self._world, 1, clients[:2]), Gateway(self._world, 2, clients[2:])]
        standbys = venue.config.matcher.standbys
        self._matchers = [Matcher(self._world, replica, directory) for replica in range(1, 2 + standbys)]
        for matcher in self._matchers:
            matcher.directory.mkdir()
        self._stage = Stage(self._world, self._gateways, self._matchers)

    def wall_ns(self) -> int:
        """What everybody's wall clock says."""
        return self._wall_begin_ns + int(self._world.agenda.now_s * _SECOND_NS) + self._stage.wall_offset_ns

    def outcome(self) -> Outcome:
        """Run until all is at rest, or has had the time for it; then look at everything."""
        self._plan()
        findings = Findings()
        if not self._run_to_rest():
            findings.add("comes to rest", f"{REST_S:g} s after the last fault {self._waits_for()}")
        for fault in self._world.faults:
            findings.add("goes on", fault)
        server = self._world.server
        audit(findings, server, self._gateways, self._matchers)
        for process in self._stage.processes:
            process.kill()
        logs = sha256(msgspec.msgpack.encode([server.ord.records, server.exec.records])).hexdigest()
        return Outcome(
            seed=self._seed,
            violations=findings.violations,
            story=self._world.story,
            digest=logs,
            requests=len(self._requests()),
            ord_records=server.ord.last_seq,
            exec_records=server.exec.last_seq,
            epochs=decode_exec(server.exec.records[-1]).leader_epoch if server.exec.records else 0,
            faults=self._stage.struck,
            virtual_s=self._world.agenda.now_s,
        )

    def _plan(self) -> None:
        agenda, draw = self._world.agenda, self._draw
        for process in self._stage.processes:
            agenda.call_at(draw.random() * 0.2, process.start)
        for gateway in self._gateways:
            for client in gateway.clients:
                for _ in range(draw.randint(1, _ASKS_MAX)):
                    agenda.call_at(draw.random() * FAULTS_S, self._ask, gateway, client, draw.randint(1, _REQUESTS_MAX))
        at_s = 0.3 + draw.random()
        for _ in range(draw.randint(0, FAULTS_MAX)):
            agenda.call_at(at_s, self._stage.strike, draw.choice(FAULTS))
            at_s += draw.choice(_BETWEEN_FAULTS_S) * draw.random()
        agenda.call_at(FAULTS_S + 0.5, self._clear_up)
        agenda.call_later(1.0, self._read_market_data)

    def _read_market_data(self) -> None:
        """The market-data process is not here, but it is one of those for whom a log is kept."""
        server = self._world.server
        told = msgspec.json.encode(Place(server.exec.last_seq))
        server.arrive(None, place_subject(server.exec.name, MARKETDATA), told, "", None)
        self._world.agenda.call_later(1.0, self._read_market_data)

    def _clear_up(self) -> None:
        self._world.weather.clear_up()
        self._world.server.on_stored.clear()

    def _ask(self, gateway: Gateway, client: Client, requests: int) -> None:
        client.ask(requests)
        gateway.notice_requests()

    def _run_to_rest(self) -> bool:
        agenda = self._world.agenda
        look_s = FAULTS_S + 0.5
        while agenda.now_s < FAULTS_S + REST_S:
            if agenda.now_s >= look_s:
                if self._is_at_rest():
                    return True
                look_s = agenda.now_s + _LOOK_S
            agenda.step()
        return False

    def _is_at_rest(self) -> bool:
        return not self._waits_for()

    def _waits_for(self) -> str:
        """What has not come to rest; empty if all has."""
        server = self._world.server
        for gateway in self._gateways:
            if not gateway.is_running or not gateway.read or gateway.read[-1][0] < server.exec.last_seq:
                return f"{gateway.name} has not read all of EXEC"
        for matcher in self._matchers:
            service = matcher.service
            if service is None or service.engine.last_input_seq < server.ord.last_seq or not matcher.is_running:
                return f"{matcher.name} has not consumed all of ORD"
        if sum(matcher.is_leading for matcher in self._matchers) != 1:
            return "not one matcher leads"
        if server.exec.records and decode_exec(server.exec.records[-1]).last_input_seq < server.ord.last_seq:
            return "ORD is not answered to its end"
        named = set().union(*(gateway.named for gateway in self._gateways))
        waiting = [name_of(request) for request in self._requests() if name_of(request) not in named]
        return f"{waiting} are not answered" if waiting else ""

    def _requests(self) -> list[Any]:
        return [request for gateway in self._gateways for client in gateway.clients for request in client.requests]


def _venue(draw: random.Random, wall_begin_ns: int, payload_bytes_max: int) -> Venue:
    instruments = {symbol: Instrument(symbol, Increment(1, 2), Increment(1, 0), 100, "USD", 0) for symbol in SYMBOLS}
    # Now and then a trading day ends in the middle of it.
    ends_s = wall_begin_ns // _SECOND_NS % (24 * 3600) // 60 * 60 + draw.choice((60, 60, 0, _DAY_END_S))
    day_end = f"{ends_s // 3600 % 24:02d}:{ends_s // 60 % 60:02d}"
    matcher = MatcherConfig(
        snapshot_every_inputs=draw.choice((5, 12, 30, 1000)),
        batch_records_max=draw.choice((1, 4, 256)),
        standbys=draw.choice((1, 1, 2)),
    )
    gateway = GatewayConfig(
        window_records=draw.choice((1, 2, 8)),
        batch_commands_max=draw.choice((1, 3, 8)) if payload_bytes_max < 1 << 20 else 500,
        hold_max_ms=draw.choice((0, 600, 5000)),
        doubt_after_ms=draw.choice((200, 1000)),
        further=(FurtherGateway("gw2", 9877),),
    )
    nats = NatsConfig(keep_log_days=draw.choice((0, 7)))
    return Venue(VenueConfig(trading_day_end=day_end, nats=nats, matcher=matcher, gateway=gateway), instruments)
