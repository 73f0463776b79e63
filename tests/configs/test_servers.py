"""The servers of a cluster: which `nats.url` and durability go together."""

from pathlib import Path

import pytest

from configs.loader import ONE_MACHINE, ConfigError, load

THREE_SERVERS = "nats://127.0.0.1:7001, nats://127.0.0.1:7002, nats://127.0.0.1:7003"


def venue_file(directory: Path, text: str) -> Path:
    (directory / "instruments.toml").write_text('[instruments]\nAAPL = { tick = "0.01", reference_price = "189.50" }')
    (directory / "venue.toml").write_text(text)
    return directory / "venue.toml"


def test_a_cluster_keeps_each_log_on_three_servers(tmp_path: Path) -> None:
    config = load(venue_file(tmp_path, f'durability = "cluster"\n[nats]\nurl = "{THREE_SERVERS}"')).config
    assert config.replicas == 3
    assert config.nats.urls == ("nats://127.0.0.1:7001", "nats://127.0.0.1:7002", "nats://127.0.0.1:7003")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            'durability = "cluster"',
            "durability = cluster keeps each log on 3 servers, but nats.url names 1; name 3, with commas between, or "
            "set nats.embedded = false to use a cluster of your own",
        ),
        (
            f'[nats]\nurl = "{THREE_SERVERS}"',
            'nats.url names 3 servers, but each log would be on one of them; set durability = "cluster"',
        ),
        (
            f'durability = "cluster"\n[nats]\nurl = "{THREE_SERVERS},nats://127.0.0.1:7001"',
            "nats.url names nats://127.0.0.1:7001 twice; name each server once",
        ),
        (
            f'durability = "cluster"\n[nats]\nurl = "{THREE_SERVERS}"\n[gateway]\nfix_port = 9002',
            "gateway.fix_port and the port of its cluster are both 9002; give each a port of its own",
        ),
    ],
)
def test_servers_that_make_no_cluster_are_refused(tmp_path: Path, text: str, fault: str) -> None:
    path = venue_file(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert str(refused.value) == f"{path}: {fault}"


def test_the_shipped_cluster_can_be_loaded() -> None:
    venue = load(ONE_MACHINE.with_name("cluster.toml"))
    assert (venue.config.replicas, venue.config.matcher.standbys, venue.gateway_ids) == (3, 1, ("gw1", "gw2"))
