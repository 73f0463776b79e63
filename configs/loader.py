"""
The typed configuration: one frozen struct per section of the TOML file, every default named and documented.

`load` reads a venue file and the instruments file that it names. Anything wrong, an unknown key included, raises
`ConfigError` with one sentence that says where and what to do.
"""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, time, tzinfo
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from configs.consistency import contradictions
from configs.instruments_file import (
    GroupHours,
    InstrumentsFile,
    InvalidInstrument,
    hours_of,
    instruments_of,
    units_text,
)
from configs.limits import FirmLimits, SessionLimits, ThrottleLines, limits_of
from configs.schedules import time_of_day
from configs.told_faults import told
from matcher.instruments import Instrument
from matcher.operator_commands import Limits
from matcher.schedule import DayEnd, last_day_end

ONE_MACHINE: Final = Path(__file__).parent / "one-machine.toml"
"""The shipped configuration: a whole venue on one machine, example credentials, loopback only."""

BeginString = Literal["FIX.4.2", "FIX.4.4", "FIXT.1.1"]
BEGIN_STRINGS: Final[tuple[BeginString, ...]] = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
Durability = Literal["durable", "fast", "cluster"]

Port = Annotated[int, Meta(ge=1, le=65_535)]
AnyPort = Annotated[int, Meta(ge=0, le=65_535)]
"""0 takes any free one."""
Count = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.-]{1,32}\Z", description="1 to 32 of A-Z a-z 0-9 _ . -")]
"""A CompID or a firm: fit for a FIX field and for a file name."""
GatewayId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,32}\Z", description="1 to 32 of A-Z a-z 0-9 _ -")]
"""Fit for a token of a NATS subject."""
Password = Annotated[str, Meta(pattern=r"\A[ -~]{1,64}\Z", description="1 to 64 printable ASCII characters")]
_FOLLOWED: Final = frozenset(("firms", "gateway.throttle", "instruments", "trading_day_end"))


class ConfigError(Exception):
    """The configuration cannot be used; the message is one sentence for the operator."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file; an unknown key in it is an error."""


class NatsConfig(_Section, frozen=True):
    """Where JetStream is."""

    url: str = "nats://127.0.0.1:4222"
    """Of one server, or of all of a cluster, with commas between."""
    embedded: bool = True
    """`up` and `demo` start servers of their own at `url`; false: use those that are there."""
    log_max_bytes: Annotated[int, Meta(ge=1024**2)] = 8 * 1024**3
    """Bound of each log (ORD<k>, EXEC<k>). A full log refuses new orders; nothing old is dropped."""
    keep_log_days: Annotated[int, Meta(ge=0)] = 7
    """How long records stay in the logs: so many trading days whole, and until nobody needs them; 0: for ever."""
    publish_timeout_ms: Count = 2000
    """How long to wait for a PubAck before the window is sent again."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Of each server."""
        return tuple(url.strip() for url in self.url.split(","))

    @property
    def publish_timeout_s(self) -> float:
        """`publish_timeout_ms` as the event loop counts."""
        return self.publish_timeout_ms / 1000


class FurtherGateway(_Section, frozen=True):
    """A gateway beside the first: a place of its own, everything else as the first has it."""

    id: GatewayId
    fix_port: Port
    fix_host: str = "127.0.0.1"
    metrics_port: AnyPort = 0


class GatewayConfig(_Section, frozen=True):
    """The FIX gateways: the first, and what all have in common."""

    id: GatewayId = "gw1"
    """Names the gateway in the log; two gateways never share one."""
    fix_host: str = "127.0.0.1"
    fix_port: Port = 9876
    engine: Literal["native", "quickfix"] = "native"
    """The FIX engine: our own, or QuickFIX, the reference."""
    tls_certificate: str = ""
    """PEM file with the FIX port's certificate chain, relative to this file; empty: no TLS. Needs engine native."""
    tls_key: str = ""
    """PEM file with its private key."""
    metrics_port: AnyPort = 9464
    window_records: Count = 2
    """ORD records of one shard on their way to JetStream at once: few, so that a busy lane fills them."""
    batch_commands_max: Annotated[int, Meta(ge=1, le=500)] = 500
    """Commands in one ORD record at most; 500 of the longest fit into a NATS server's default payload of 1 MB."""
    pending_commands_max: Count = 50_000
    """Commands of one shard that may wait for JetStream; beyond it the gateway stops reading from its sessions."""
    doubt_after_ms: Count = 1000
    """How long a request may wait for JetStream and the matcher before its session is told so, by News(B)."""
    hold_max_ms: Annotated[int, Meta(ge=0)] = 5000
    """A request that would add risk, and that JetStream has not taken by then, is refused; 0: done, however late."""
    silence_max_ms: Count = 30_000
    """How long a request may wait before order sessions are logged out, and may not log on until there are answers."""
    outbound_messages_max: Count = 100_000
    """Messages that may wait for one slow session before it is disconnected; they then wait in its store."""
    throttle: ThrottleLines = ThrottleLines()
    """Of each order session that has none of its own, and whose firm has none."""
    further: tuple[FurtherGateway, ...] = ()
    """More gateways of the same venue, with the same data directory."""


class MatcherConfig(_Section, frozen=True):
    """The matchers, one per shard."""

    metrics_port_base: AnyPort = 9470
    """Shard k serves its metrics on this port plus k, and its standbys plus so many shards each; 0: any free port."""
    batch_records_max: Count = 256
    """ORD records answered by one EXEC record at most."""
    snapshot_every_inputs: Count = 50_000
    """ORD records between two snapshots."""
    standbys: Annotated[int, Meta(ge=0, le=8)] = 0
    """Matchers of each shard that stand by, ready to take over."""
    heartbeat_ms: Annotated[int, Meta(ge=10)] = 100
    """How often a standby asks whether the leader is there."""
    takeover_after_ms: Annotated[int, Meta(ge=50)] = 600
    """How long a leader may be silent; the death of its process is noticed at once."""
    orders_max: Annotated[int, Meta(ge=1, le=10**8)] = 2_000_000
    """Live orders in one shard; beyond it a new one is refused with BOOK_FULL."""
    finished_orders_max: Count = 250_000
    """Finished orders of one shard whose ClOrdID and final state are remembered; then the oldest are forgotten."""


class MarketDataConfig(_Section, frozen=True):
    """The market-data process and the FIX feed."""

    metrics_port: AnyPort = 9465
    checkpoint_interval_s: Count = 5
    history_bytes_max: Count = 256 * 1024 * 1024
    """Increments that are kept for readers that ask for past ones, of all symbols together."""
    fix_subscriptions_max: Count = 1000
    """Symbols that one FIX session may subscribe to at once."""


class WebSocketConfig(_Section, frozen=True):
    """The market-data process for WebSocket readers."""

    host: str = "127.0.0.1"
    port: AnyPort = 0
    """0: there is no such process."""
    public: bool = False
    """Whoever reaches the port may read. A host that is not this machine's own needs this said."""
    allowed_origins: tuple[str, ...] = ()
    """Web pages that may connect, such as "https://example.com"; empty: all. What is no web page is not asked."""
    metrics_port: AnyPort = 9466
    slow_reader: Literal["conflate", "cut"] = "conflate"
    """A reader that has `unsent_kb_max` and one snapshot to read gets a fresh one once it has, or is disconnected."""
    unsent_kb_max: Annotated[int, Meta(ge=16)] = 1024
    connections_max: Count = 2000
    subscriptions_max: Count = 1000
    requests_per_second: Count = 50
    """Of one connection, as are the subscriptions and the errors."""
    errors_per_minute: Count = 30
    ping_interval_s: Count = 20
    """A connection from which nothing came for this long is asked, and cut if nothing comes for as long again."""


class SessionConfig(_Section, frozen=True):
    """One FIX identity of a firm: SenderCompID(49) on its side of the wire."""

    comp_id: Name
    password: Password
    """Password(554); Username(553) is the CompID."""
    kind: Literal["orders", "marketdata", "dropcopy"] = "orders"
    firms: tuple[Name, ...] | Literal["all"] = ()
    """Of a drop copy: it gets the reports of all sessions of these firms."""
    sessions: tuple[Name, ...] = ()
    """Of a drop copy: it gets the reports of these order sessions too, by CompID."""
    versions: Annotated[tuple[BeginString, ...], Meta(min_length=1)] = BEGIN_STRINGS
    limits: SessionLimits = SessionLimits()
    """What it may do, within what its firm may do; one for each of its versions."""
    gateways: tuple[GatewayId, ...] = ()
    """Where it may log on, its home first; empty: at the first gateway of the venue only."""


class FirmConfig(_Section, frozen=True):
    """A member firm; its sessions see and may cancel the firm's orders."""

    name: Name
    sessions: tuple[SessionConfig, ...]
    limits: FirmLimits = FirmLimits()
    """What it may do on each shard."""


class VenueConfig(_Section, frozen=True):
    """The whole file."""

    comp_id: Name = "OUTCRY"
    """The venue's CompID: TargetCompID(56) of its clients."""
    shards: Count = 1
    durability: Durability = "durable"
    trading_day_end: str = "22:00"
    """UTC time, HH:MM, at which DAY orders expire."""
    instruments: str = "instruments.toml"
    """The instruments file, relative to this one."""
    nats: NatsConfig = NatsConfig()
    gateway: GatewayConfig = GatewayConfig()
    matcher: MatcherConfig = MatcherConfig()
    marketdata: MarketDataConfig = MarketDataConfig()
    websocket: WebSocketConfig = WebSocketConfig()
    firms: tuple[FirmConfig, ...] = ()

    @property
    def replicas(self) -> int:
        """Servers that hold each log."""
        return 3 if self.durability == "cluster" else 1


class Venue(msgspec.Struct, frozen=True):
    """A loaded configuration: the file and its instruments, checked against each other."""

    config: VenueConfig
    instruments: dict[str, Instrument]
    """By symbol, in the order of the file."""
    hours: dict[str, GroupHours] = {}
    """By group: when its instruments trade."""
    owners: dict[str, str] = {}
    """By CompID: the firm, of all sessions, wherever they may log on."""

    def sessions(self) -> Iterator[tuple[FirmConfig, SessionConfig]]:
        """Every session with its firm, in the order of the file."""
        for firm in self.config.firms:
            for session in firm.sessions:
                yield firm, session

    @property
    def gateway_ids(self) -> tuple[str, ...]:
        """Of all gateways, the first one first."""
        gateway = self.config.gateway
        return gateway.id, *(each.id for each in gateway.further)

    def gateways_of(self, session: SessionConfig) -> tuple[str, ...]:
        """Where a session may log on, its home first."""
        return session.gateways or (self.config.gateway.id,)

    def home_sessions(self) -> set[str]:
        """Of a venue as one of its gateways sees it: the ids of the sessions whose home it is."""
        here = self.config.gateway.id
        return {
            f"{version}:{session.comp_id}"
            for _, session in self.sessions()
            for version in session.versions
            if self.gateways_of(session)[0] == here
        }

    def at_gateway(self, gateway_id: str) -> "Venue":
        """
        The same venue as one of its gateways sees it: its place, and the sessions that may log on there.

        Raises:
            ConfigError: There is no such gateway.
        """
        if gateway_id not in self.gateway_ids:
            raise ConfigError(f"there is no gateway {gateway_id}; choose one of {', '.join(self.gateway_ids)}")
        firms = tuple(
            replace(firm, sessions=tuple(each for each in firm.sessions if gateway_id in self.gateways_of(each)))
            for firm in self.config.firms
        )
        places = {each.id: each for each in self._gateway_places()}
        here = places.pop(gateway_id)
        gateway = replace(
            self.config.gateway,
            id=gateway_id,
            fix_host=here.fix_host,
            fix_port=here.fix_port,
            metrics_port=here.metrics_port,
            further=tuple(places.values()),
        )
        return replace(self, config=replace(self.config, gateway=gateway, firms=firms))

    def _gateway_places(self) -> Iterator[FurtherGateway]:
        first = self.config.gateway
        yield FurtherGateway(first.id, first.fix_port, first.fix_host, first.metrics_port)
        yield from first.further

    def limits(self) -> dict[tuple[str, str], Limits]:
        """By firm and session (empty for the firm as a whole): the limits of those that have some."""
        limits = {(firm.name, ""): limits_of(firm.limits) for firm in self.config.firms}
        for firm, session in self.sessions():
            of_session = limits_of(session.limits)
            limits |= {(firm.name, f"{version}:{session.comp_id}"): of_session for version in session.versions}
        return {key: each for key, each in limits.items() if each != Limits()}

    def throttles(self) -> dict[str, ThrottleLines]:
        """By session of kind "orders": how many requests it may send."""
        throttles: dict[str, ThrottleLines] = {}
        for firm, session in self.sessions():
            if session.kind == "orders":
                own, of_firm = session.limits.throttle, firm.limits.throttle
                throttle = own or of_firm or self.config.gateway.throttle
                throttles |= {f"{version}:{session.comp_id}": throttle for version in session.versions}
        return throttles

    def day_end(self, group: str) -> tuple[time, tzinfo]:
        """When the trading day of a group's instruments ends, and in which zone that is told."""
        hours = self.hours.get(group, GroupHours())
        if hours.day_end is not None:
            return hours.day_end, hours.zone
        end = time_of_day(self.config.trading_day_end)
        assert end is not None, "`load` has read it"
        return end, UTC

    def last_day_end(self, group: str, now_ns: int) -> DayEnd:
        """The newest end of a trading day of a group's instruments that is not ahead."""
        return last_day_end(*self.day_end(group), now_ns)

    def units_of(self, shard: int) -> dict[str, str]:
        """What the numbers in a shard's logs mean, by symbol: the sizes of tick and lot."""
        return {symbol: units_text(self.instruments[symbol]) for symbol in self.symbols_of(shard)}

    def symbols_of(self, shard: int) -> list[str]:
        """The symbols that one shard matches, in the order of the file."""
        return [symbol for symbol, instrument in self.instruments.items() if instrument.shard == shard]


def replica_name(shard: int, replica: int) -> str:
    """The name of a matcher's process: `matcher-0` is the first of its shard, `matcher-0-2` the second."""
    return f"matcher-{shard}" if replica == 1 else f"matcher-{shard}-{replica}"


def load(path: Path) -> Venue:
    """
    Read a venue file and its instruments file.

    Raises:
        ConfigError: A file is missing or not TOML, a key is unknown or of the wrong type, or two values disagree.
    """
    config: VenueConfig = _read(path, VenueConfig)
    file = load_instruments(path.parent / config.instruments)
    instruments, hours = read_instruments(path.parent / config.instruments, file, config.shards)
    owners = {session.comp_id: firm.name for firm in config.firms for session in firm.sessions}
    venue = Venue(config, instruments, hours, owners)
    for contradiction in contradictions(venue):
        raise ConfigError(f"{path}: {contradiction}")
    return venue


def load_instruments(path: Path) -> InstrumentsFile:
    """
    Read an instruments file, without looking at what its lines say.

    Raises:
        ConfigError: It is missing or not TOML, or a key is unknown or of the wrong type.
    """
    file: InstrumentsFile = _read(path, InstrumentsFile)
    return file


def read_instruments(
    path: Path, file: InstrumentsFile, shards: int
) -> tuple[dict[str, Instrument], dict[str, GroupHours]]:
    """
    Read what an instruments file says: the instruments by symbol, and the hours of the groups.

    Raises:
        ConfigError: A line or a group cannot be; the message names the file.
    """
    try:
        return instruments_of(file, shards), hours_of(file.groups)
    except InvalidInstrument as error:
        raise ConfigError(f"{path}: {error}") from error


def check_reloadable(shards: int, traded: Mapping[str, Instrument], new: Venue) -> None:
    """
    Check that a venue which is running can go by another configuration.

    Args:
        shards: Of the venue that is running.
        traded: The instruments that it knows, by symbol.
        new: The other configuration.

    Raises:
        ConfigError: What is in the logs would mean something else.
    """
    if new.config.shards != shards:
        raise ConfigError(f"shards = {new.config.shards}, but the logs are those of {shards}; make it {shards} again")
    for symbol, instrument in new.instruments.items():
        known = traded.get(symbol, instrument)
        for name in ("tick", "lot", "currency", "shard"):
            was, now = getattr(known, name), getattr(instrument, name)
            if was != now:
                raise ConfigError(
                    f"{symbol} is traded with {name} {was}, but has {now} in the instruments file; give it back its "
                    "line there, or trade a new symbol"
                )


def fixed_differences(old: Venue, new: Venue) -> list[str]:
    """
    What of two configurations differs besides what a running venue follows: so this waits for its next start.

    It follows the firms, with sessions, limits and throttles, the instruments with rules and hours, and the end of the
    trading day.

    Returns:
        Keys of the file, such as `gateway.fix_port`.
    """
    return [key for key in _different_keys(old.config, new.config) if key not in _FOLLOWED]


def _different_keys(old: msgspec.Struct, new: msgspec.Struct) -> Iterator[str]:
    for name in old.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, _Section):
            yield from (f"{name}.{key}" for key in _different_keys(before, after))
        elif before != after:
            yield name


def _read(path: Path, shape: Any) -> Any:
    try:
        with path.open("rb") as opened:
            file = tomllib.load(opened)
        return msgspec.convert(file, shape)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    except msgspec.ValidationError as error:
        example = "instruments.toml" if shape is InstrumentsFile else "one-machine.toml"
        raise ConfigError(f"{path}: {told(error, shape, file)}; see the commented configs/{example}") from error
