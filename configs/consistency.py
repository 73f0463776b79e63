"""What values of a configuration contradict each other, as sentences that say what to do."""

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import chain, product
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from configs.limits import InvalidLimits, limits_of
from configs.schedules import time_of_day

if TYPE_CHECKING:
    from configs.loader import Venue, VenueConfig

NATS_PORT: Final = 4222
"""Of a `nats.url` that names none."""
ROUTE_PORT_ABOVE: Final = 2000
"""Servers of an embedded cluster find each other on their port plus this: 6222 for 4222, as is usual for NATS."""
HEARTBEATS_MIN: Final = 3
"""How many a leader must be able to miss before a standby takes over."""
EXAMPLE_PASSWORD_PREFIX: Final = "example-"  # noqa: S105 (what is not accepted beyond loopback)


def contradictions(venue: "Venue") -> Iterator[str]:
    """Everything that is wrong with a configuration whose values are each of the right type; nothing if it can be."""
    config = venue.config
    if time_of_day(config.trading_day_end) is None:
        yield f"trading_day_end = {config.trading_day_end!r}; write HH:MM in UTC"
    yield from _of_ports(config)
    yield from _of_servers(config)
    if bool(config.gateway.tls_certificate) != bool(config.gateway.tls_key):
        yield "TLS needs both gateway.tls_certificate and gateway.tls_key; give both or neither"
    if config.gateway.tls_certificate and config.gateway.engine != "native":
        yield 'only the native engine speaks TLS; set gateway.engine = "native"'
    if config.gateway.silence_max_ms <= config.gateway.doubt_after_ms:
        yield "gateway.silence_max_ms is not above gateway.doubt_after_ms; sessions are told before they are logged out"
    if config.matcher.takeover_after_ms < HEARTBEATS_MIN * config.matcher.heartbeat_ms:
        yield (
            f"matcher.takeover_after_ms = {config.matcher.takeover_after_ms} is less than {HEARTBEATS_MIN} times "
            f"matcher.heartbeat_ms = {config.matcher.heartbeat_ms}, so one late answer would lose a leader; raise the "
            "first, or lower the second"
        )
    if config.websocket.port and not config.websocket.public and not is_loopback(config.websocket.host):
        yield (
            f"websocket.host is {config.websocket.host}, where everybody who reaches port {config.websocket.port} may "
            "read market data; set websocket.public = true if they shall"
        )
    yield from _of_firms(venue)
    yield from _of_gateways(venue)


def is_loopback(host: str) -> bool:
    """Whether a host means this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _of_ports(config: "VenueConfig") -> Iterator[str]:
    last_port = config.matcher.metrics_port_base + config.shards * (config.matcher.standbys + 1) - 1
    if config.matcher.metrics_port_base and last_port > 65_535:
        yield f"the last matcher's metrics port would be {last_port}; lower matcher.metrics_port_base"
    names: dict[int, str] = {}
    for name, port in chain(_fix_ports(config), _other_ports(config)):
        if port in names:
            yield f"{names[port]} and {name} are both {port}; give each a port of its own"
        if port:  # 0 is any that is free
            names[port] = name


def _fix_ports(config: "VenueConfig") -> Iterator[tuple[str, int]]:
    yield "gateway.fix_port", config.gateway.fix_port
    yield from ((f"gateway {each.id}'s fix_port", each.fix_port) for each in config.gateway.further)


def _other_ports(config: "VenueConfig") -> Iterator[tuple[str, int]]:
    """The ports besides FIX ports that the file takes on this machine, with the keys that name them."""
    yield "gateway.metrics_port", config.gateway.metrics_port
    yield from ((f"gateway {each.id}'s metrics_port", each.metrics_port) for each in config.gateway.further)
    yield "marketdata.metrics_port", config.marketdata.metrics_port
    if config.websocket.port:
        yield "websocket.port", config.websocket.port
        yield "websocket.metrics_port", config.websocket.metrics_port
    if config.matcher.metrics_port_base:
        matchers = product(range(1, config.matcher.standbys + 2), range(config.shards))
        for place, (replica, shard) in enumerate(matchers):
            whose = f"shard {shard}" if replica == 1 else f"shard {shard}, replica {replica}"
            yield f"the metrics port of {whose}", config.matcher.metrics_port_base + place
    for each in dict.fromkeys(config.nats.urls):
        try:
            url = urlsplit(each)
            port = url.port or NATS_PORT
        except ValueError:  # no port at all: whoever connects says so
            continue
        if config.nats.embedded or is_loopback(url.hostname or ""):
            yield "the port of nats.url", port
            if config.nats.embedded and len(config.nats.urls) > 1:
                yield "the port of its cluster", port + ROUTE_PORT_ABOVE


def _of_servers(config: "VenueConfig") -> Iterator[str]:
    servers = len(config.nats.urls)
    if repeated := _repeated(config.nats.urls):
        yield f"nats.url names {repeated} twice; name each server once"
    if config.durability == "cluster" and servers < config.replicas and config.nats.embedded:
        yield (
            f"durability = cluster keeps each log on {config.replicas} servers, but nats.url names {servers}; name "
            f"{config.replicas}, with commas between, or set nats.embedded = false to use a cluster of your own"
        )
    if config.durability != "cluster" and servers > 1 and config.nats.embedded:
        yield f'nats.url names {servers} servers, but each log would be on one of them; set durability = "cluster"'


def _of_firms(venue: "Venue") -> Iterator[str]:
    if firm := _repeated(firm.name for firm in venue.config.firms):
        yield f"firm {firm} is configured twice; list all its sessions in one place"
    if comp_id := _repeated(session.comp_id for _, session in venue.sessions()):
        yield f"session {comp_id} is configured twice; a CompID belongs to one session"
    for _, session in venue.sessions():
        if version := _repeated(session.versions):
            yield f"session {session.comp_id} has version {version} twice; list it once"
    yield from _of_drop_copies(venue)
    for each in venue.config.firms:
        try:
            limits_of(each.limits)
        except InvalidLimits as error:
            yield f"firm {each.name}: {error}"


def _of_drop_copies(venue: "Venue") -> Iterator[str]:
    firms = {firm.name for firm in venue.config.firms}
    trading_firms = {firm.name for firm, session in venue.sessions() if session.kind == "orders"}
    traders = {session.comp_id for _, session in venue.sessions() if session.kind == "orders"}
    for _, session in venue.sessions():
        is_drop_copy = session.kind == "dropcopy"
        if is_drop_copy != bool(session.firms or session.sessions):
            yield (
                f'session {session.comp_id} is of kind {session.kind}; kind = "dropcopy", and no other, needs firms or '
                'sessions whose reports it copies: firms = ["FIRMA"], firms = "all" or sessions = ["FIRMA1"]'
            )
        for firm in () if session.firms == "all" else session.firms:
            if firm not in firms:
                yield f"session {session.comp_id} copies firm {firm}, which is not configured; choose among the firms"
            elif firm not in trading_firms:
                yield f"session {session.comp_id} copies firm {firm}, which has no session of kind orders; leave it out"
        for comp_id in session.sessions:
            if comp_id not in traders:
                yield (
                    f"session {session.comp_id} copies session {comp_id}, which is no configured session of kind "
                    "orders; choose among those"
                )


def _of_gateways(venue: "Venue") -> Iterator[str]:
    gateway = venue.config.gateway
    if gateway_id := _repeated(venue.gateway_ids):
        yield f"gateway {gateway_id} is configured twice; give each an id of its own"
    if gateway.further and gateway.engine != "native":
        yield 'only the native engine can have gateways beside the first; set gateway.engine = "native"'
    for _, session in venue.sessions():
        for gateway_id in session.gateways:
            if gateway_id not in venue.gateway_ids:
                yield (
                    f"session {session.comp_id} may log on at gateway {gateway_id}, which is not configured; choose "
                    f"among {', '.join(venue.gateway_ids)}"
                )
                return
        if gateway_id := _repeated(session.gateways):
            yield f"session {session.comp_id} has gateway {gateway_id} twice; list it once"
    for gateway_id in venue.gateway_ids:
        yield from _of_passwords(venue.at_gateway(gateway_id))


def _of_passwords(venue: "Venue") -> Iterator[str]:
    """Of a venue as one of its gateways sees it."""
    if is_loopback(host := venue.config.gateway.fix_host):
        return
    for _, session in venue.sessions():
        if session.password.startswith(EXAMPLE_PASSWORD_PREFIX):
            yield (
                f"session {session.comp_id} has an example password, which is for loopback only, but "
                f"gateway.fix_host is {host}; give it a password of its own"
            )


def _repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
