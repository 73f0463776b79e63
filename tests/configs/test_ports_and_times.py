"""Ports and times of a configuration that contradict each other are found in the file, not at the start."""

from pathlib import Path

import pytest

from configs.loader import ConfigError, load


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A venue file, to be written, with an instruments file beside it."""
    (tmp_path / "instruments.toml").write_text('[instruments]\nAAPL = { tick = "0.01", reference_price = "189.50" }\n')
    return tmp_path / "venue.toml"


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        load(path)
    return str(refused.value)


def test_every_shard_has_room_for_its_metrics_port(path: Path) -> None:
    path.write_text("shards = 10\n[matcher]\nmetrics_port_base = 65530")
    assert refusal(path) == (f"{path}: the last matcher's metrics port would be 65539; lower matcher.metrics_port_base")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "shards = 2\n[marketdata]\nmetrics_port = 9471",
            "marketdata.metrics_port and the metrics port of shard 1 are both 9471",
        ),
        (
            "[marketdata]\nmetrics_port = 9471\n[matcher]\nstandbys = 1",
            "marketdata.metrics_port and the metrics port of shard 0, replica 2 are both 9471",
        ),
        ("[gateway]\nmetrics_port = 9465", "gateway.metrics_port and marketdata.metrics_port are both 9465"),
    ],
)
def test_no_port_is_taken_twice(path: Path, text: str, fault: str) -> None:
    path.write_text(text)
    assert refusal(path) == f"{path}: {fault}; give each a port of its own"


@pytest.mark.parametrize(
    ("text", "port", "other"),
    [
        ("[gateway]\nfix_port = 9464", 9464, "gateway.metrics_port"),
        ("[gateway]\nfix_port = 9465", 9465, "marketdata.metrics_port"),
        ("shards = 2\n[gateway]\nfix_port = 9471", 9471, "the metrics port of shard 1"),
        ("[gateway]\nfix_port = 4222", 4222, "the port of nats.url"),
        ("[nats]\nurl = 'nats://127.0.0.1:9876'", 9876, "the port of nats.url"),
        ("[nats]\nurl = 'nats://localhost:9876'\nembedded = false", 9876, "the port of nats.url"),
    ],
)
def test_the_fix_port_is_a_port_of_its_own(path: Path, text: str, port: int, other: str) -> None:
    path.write_text(text)
    assert refusal(path) == (f"{path}: gateway.fix_port and {other} are both {port}; give each a port of its own")


@pytest.mark.parametrize(
    "text",
    [
        "[gateway]\nfix_port = 9472",
        "[gateway]\nmetrics_port = 0\n[matcher]\nmetrics_port_base = 0",
        "[nats]\nurl = 'nats://10.1.2.3:9876'\nembedded = false",
        "[nats]\nurl = 'nats://127.0.0.1:none'",
    ],
)
def test_ports_that_do_not_meet_may_be_any(path: Path, text: str) -> None:
    path.write_text(text)
    assert load(path).config.gateway.fix_port


def test_a_leader_is_not_lost_by_one_late_answer(path: Path) -> None:
    path.write_text("[matcher]\nheartbeat_ms = 300\ntakeover_after_ms = 899")
    assert refusal(path).startswith(
        f"{path}: matcher.takeover_after_ms = 899 is less than 3 times matcher.heartbeat_ms = 300, so "
    )
    path.write_text("[matcher]\nheartbeat_ms = 300\ntakeover_after_ms = 900")
    load(path)
