"""
The embedded JetStream servers: their configuration files, generated at each start, and how to tell that they are ready.

One is the rule. Where `nats.url` names several they are a cluster on one machine, each with a directory of its own, for
trying out what is then run on several machines with `nats.embedded = false`.

Durability is decided here: how soon the server calls fsync for what it has accepted. `durable` and `cluster` call it
before each acknowledgement, `fast` every 50 ms.

Who connects without a name may do everything, as the venue's own processes do; so the server listens on loopback only.
Who connects as `feed` may read market data and nothing else.

The server runs Go code on half of the processors: what it does between two syncs is little, and passing it from one
processor to another costs more than it gains. GOMAXPROCS in the environment says otherwise.
"""

import asyncio
import hashlib
import json
import os
import secrets
import socket
import sysconfig
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from bus.subjects import MD_SNAPSHOT_SUBJECT, MD_SUBJECTS
from configs.consistency import NATS_PORT, ROUTE_PORT_ABOVE
from configs.loader import Durability, VenueConfig
from venue.data_directory import (
    SERVER_CONFIGURATION,
    SERVER_LOG,
    check_server_files,
    naming_the_path,
    open_directory,
)
from venue.process import StartError
from venue.supervised_process import ProcessSpec, SupervisorError

SYNC_INTERVALS: Final[dict[Durability, str]] = {"durable": "always", "fast": '"50ms"', "cluster": "always"}
LOOPBACK: Final = ("127.0.0.1", "localhost")

_PROBE_PAUSE_S: Final = 0.02
_CONFIGURATION: Final = """\
# Written anew at each start; changes belong in the venue's configuration.
server_name: {name}
listen: {listen}
max_payload: 8MB
log_file: {log_file}
log_size_limit: 16MB
log_max_num: 4
feature_flags {{ js_ack_fc_v2: false }}   # nats-py reads the acknowledgement subjects of version 1
authorization {{
    users: [
        {{ user: venue, password: {password} }}
        {{
            user: {feed_user}
            password: {feed_user}   # what may be read is public
            permissions: {{ publish: [{feed_publishes}], subscribe: [{feed_subscribes}] }}
        }}
    ]
}}
no_auth_user: venue
{cluster}jetstream {{
    store_dir: {store_dir}
    sync_interval: {sync_interval}
    max_memory_store: 256MB
    max_file_store: {max_file_store}
    limits {{ duplicate_window: "10m" }}
}}
"""
FEED_USER: Final = "feed"
"""User and password of those who may only read market data."""
_FEED_PUBLISHES: Final = (MD_SNAPSHOT_SUBJECT,)
_FEED_SUBSCRIBES: Final = (MD_SUBJECTS, f"_INBOX.{FEED_USER}.>")
_CLUSTER: Final = """\
cluster {{
    name: outcry
    listen: {listen}
    routes: [{routes}]
}}
"""
_UNBOUNDED_BYTES: Final = 1 << 60
"""Each log has a bound of its own. A server that is given less refuses to change any of them, should the directory hold
logs of more shards, or of a greater `nats.log_max_bytes`, than the configuration has now."""


class Address(msgspec.Struct, frozen=True):
    """Where the server listens."""

    host: str
    port: int


def nats_server_specs(
    config: VenueConfig, data_dir: Path, *, stage: int, inherit: tuple[int, ...]
) -> list[ProcessSpec]:
    """
    Prepare the embedded servers on this data directory: `nats-server`, or `nats-server-1` and so on.

    Args:
        config: Of the venue.
        data_dir: Exists, and is claimed and locked by this venue.
        stage: In which the supervisor starts it.
        inherit: Descriptors that the server keeps open, such as the lock of the data directory.

    Raises:
        DataDirectoryError: Something that the server writes there cannot be used.
        StartError: An address is not for an embedded server, or the server is not installed.
    """
    addresses = [server_address(url) for url in config.nats.urls]
    if len(addresses) == 1:
        return [_spec(config, addresses, 0, "nats-server", data_dir, stage=stage, inherit=inherit)]
    return [
        _spec(
            config,
            addresses,
            place,
            f"nats-server-{place + 1}",
            open_directory(data_dir / f"nats-{place + 1}"),
            stage=stage,
            inherit=inherit,
        )
        for place in range(len(addresses))
    ]


def _spec(
    config: VenueConfig,
    addresses: list[Address],
    place: int,
    process_name: str,
    data_dir: Path,
    *,
    stage: int,
    inherit: tuple[int, ...],
) -> ProcessSpec:
    address = addresses[place]
    _check_embeddable(address)
    program = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not program.exists():
        raise StartError(f"{program} is missing; remove .venv and start again, so that it is installed")
    _check_free(address)
    check_server_files(data_dir)
    # The servers of a cluster know each other by name, for ever; whose name it is tells us who took our port.
    name = f"outcry-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]}"
    configuration = data_dir / SERVER_CONFIGURATION
    with naming_the_path(configuration):
        configuration.write_text(_render(config, addresses, place, name, data_dir))
    return ProcessSpec(
        name=process_name,
        command=(str(program), "-c", str(configuration)),
        stage=stage,
        probe=lambda: _accepting(address, name),
        environment={"GOMAXPROCS": os.environ.get("GOMAXPROCS", str(max(1, (os.cpu_count() or 1) // 2)))},
        inherit=inherit,
    )


def server_address(url: str) -> Address:
    """
    Read host and port from a URL such as `nats://127.0.0.1:4222`.

    Raises:
        StartError: It is not of that form.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or NATS_PORT
    except ValueError:
        host, port = None, 0
    if not host:
        raise StartError(f"nats.url = {url!r}; write nats://HOST:PORT")
    return Address(host, port)


def _render(config: VenueConfig, addresses: list[Address], place: int, name: str, data_dir: Path) -> str:
    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)  # the file's strings are JSON's, but for its \\u

    return _CONFIGURATION.format(
        name=quoted(name),
        listen=quoted(f"{addresses[place].host}:{addresses[place].port}"),
        cluster=_cluster(addresses, place) if len(addresses) > 1 else "",
        log_file=quoted(str(data_dir / SERVER_LOG)),
        store_dir=quoted(str(data_dir)),
        sync_interval=SYNC_INTERVALS[config.durability],
        max_file_store=_UNBOUNDED_BYTES,
        password=secrets.token_hex(),  # nobody has to know it
        feed_user=FEED_USER,
        feed_publishes=", ".join(map(quoted, _FEED_PUBLISHES)),
        feed_subscribes=", ".join(map(quoted, _FEED_SUBSCRIBES)),
    )


def _cluster(addresses: list[Address], place: int) -> str:
    routes = [f"{address.host}:{address.port + ROUTE_PORT_ABOVE}" for address in addresses]
    others = [f'"nats-route://{route}"' for number, route in enumerate(routes) if number != place]
    return _CLUSTER.format(listen=json.dumps(routes[place]), routes=", ".join(others))


def _check_embeddable(address: Address) -> None:
    if address.host not in LOOPBACK:
        raise StartError(
            f"the embedded JetStream server asks nobody for a password, so it listens on loopback only, but nats.url "
            f"names {address.host}; set 127.0.0.1, or nats.embedded = false to use a server of your own"
        )


def _check_free(address: Address) -> None:
    try:
        with socket.create_server((address.host, address.port)):
            pass
    except OSError as error:
        raise StartError(
            f"the JetStream server cannot listen on {address.host}:{address.port}: {error.strerror}; set another "
            "nats.url, or nats.embedded = false to use the server that is there"
        ) from error


async def _accepting(address: Address, name: str) -> dict[str, Any]:
    """Connect until JetStream is ready; the name tells our server from one that took the port before it."""
    while True:
        with suppress(OSError, asyncio.IncompleteReadError, ValueError):
            info = await _server_info(address)
            if info["server_name"] != name:
                raise SupervisorError(
                    f"another server took {address.host}:{address.port}; set another nats.url", refused=True
                )
            if info.get("jetstream"):
                return {"host": address.host, "port": address.port, "version": info["version"]}
        await asyncio.sleep(_PROBE_PAUSE_S)


async def _server_info(address: Address) -> dict[str, Any]:
    """The server's greeting: `INFO {...}`."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        greeting = await reader.readuntil(b"\r\n")
        return dict(json.loads(greeting.removeprefix(b"INFO ")))
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
