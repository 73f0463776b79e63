"""The embedded JetStream server: a real one, on a free port."""

import os
import signal
import socket
from pathlib import Path

import pytest

from bus.connection import Bus
from bus.streams import ensure_shard, read_units
from configs.loader import Durability, NatsConfig, VenueConfig
from venue.data_directory import DataDirectoryError
from venue.ephemeral import free_ports
from venue.nats_server import Address, nats_server_specs, server_address
from venue.process import StartError
from venue.supervised_process import SupervisorError
from venue.supervisor import Supervisor


def config_for(port: int, durability: Durability = "durable", host: str = "127.0.0.1") -> VenueConfig:
    return VenueConfig(durability=durability, nats=NatsConfig(url=f"nats://{host}:{port}"))


@pytest.mark.parametrize(("durability", "sync_interval"), [("durable", "always"), ("fast", '"50ms"')])
async def test_the_server_is_ready_with_the_durability_that_was_asked_for(
    tmp_path: Path, durability: Durability, sync_interval: str
) -> None:
    (port,) = free_ports(1)
    spec = nats_server_specs(config_for(port, durability), tmp_path, stage=0, inherit=())
    async with Supervisor(spec) as supervisor:
        assert supervisor.processes["nats-server"].details["port"] == port
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert client.recv(4096).startswith(b"INFO ")

    assert f"sync_interval: {sync_interval}\n" in (tmp_path / "nats.conf").read_text()
    assert (tmp_path / "jetstream").is_dir()
    assert "[FTL]" not in (tmp_path / "nats-server.log").read_text()


async def test_a_killed_server_is_back_on_the_same_store(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    async with Supervisor(nats_server_specs(config_for(port), tmp_path, stage=0, inherit=())) as supervisor:
        os.kill(supervisor.processes["nats-server"].pid, signal.SIGKILL)
        await supervisor.wait_ready("nats-server", generation=2)
        assert supervisor.processes["nats-server"].details["port"] == port


async def test_logs_of_a_venue_that_was_larger_do_not_stand_in_the_way(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    large, small = (
        VenueConfig(nats=NatsConfig(url=f"nats://127.0.0.1:{port}", log_max_bytes=bytes_max))
        for bytes_max in (8 << 30, 1 << 20)
    )
    async with Supervisor(nats_server_specs(large, tmp_path, stage=0, inherit=())):
        bus = await Bus.connect(large.nats.url, name="test")
        for shard in range(3):
            await ensure_shard(bus, shard, max_bytes=large.nats.log_max_bytes, replicas=1, units={"A": "tick 1, lot 1"})
        await bus.close()
    async with Supervisor(nats_server_specs(small, tmp_path, stage=0, inherit=())):
        bus = await Bus.connect(small.nats.url, name="test")
        await ensure_shard(bus, 0, max_bytes=small.nats.log_max_bytes, replicas=1, units={"B": "tick 1, lot 1"})
        assert await read_units(bus, 0) == {"A": "tick 1, lot 1", "B": "tick 1, lot 1"}
        await bus.close()


async def test_a_data_directory_may_have_any_name(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    data_dir = tmp_path / 'o\'brien "x" {é}'
    data_dir.mkdir()
    async with Supervisor(nats_server_specs(config_for(port), data_dir, stage=0, inherit=())):
        assert (data_dir / "jetstream").is_dir()


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=rf"cannot listen on 127.0.0.1:{port}: .*; set another nats.url"):
            nats_server_specs(config_for(port), tmp_path, stage=0, inherit=())


async def test_a_server_that_is_not_ours_is_never_taken_for_it(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    theirs = nats_server_specs(config_for(port), tmp_path, stage=0, inherit=())
    ours_data = tmp_path / "ours"
    ours_data.mkdir()
    ours = nats_server_specs(config_for(port), ours_data, stage=0, inherit=())
    async with Supervisor(theirs):
        with pytest.raises(SupervisorError, match=f"another server took 127.0.0.1:{port}"):
            async with Supervisor(ours):
                pass


@pytest.mark.parametrize("name", ["nats-server.log", "nats.conf"])
def test_a_file_that_the_server_cannot_use_is_found_before_it_is_started(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (port,) = free_ports(1)
    with pytest.raises(DataDirectoryError, match=rf"^{tmp_path / name} cannot be used: Is a directory"):
        nats_server_specs(config_for(port), tmp_path, stage=0, inherit=())


def test_the_embedded_server_listens_on_loopback_only(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="loopback only"):
        nats_server_specs(config_for(4222, host="0.0.0.0"), tmp_path, stage=0, inherit=())


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("nats://127.0.0.1:4333", Address("127.0.0.1", 4333)),
        ("nats://localhost", Address("localhost", 4222)),
        ("tls://user:pass@nats.example.com:4222", Address("nats.example.com", 4222)),
    ],
)
def test_an_address_is_read_from_a_url(url: str, address: Address) -> None:
    assert server_address(url) == address


@pytest.mark.parametrize("url", ["", "127.0.0.1:4222", "nats://:4222", "nats://host:port", "nats://h:99999"])
def test_any_other_url_is_one_sentence(url: str) -> None:
    with pytest.raises(StartError, match=r"write nats://HOST:PORT"):
        server_address(url)
