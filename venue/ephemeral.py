"""Configurations for venues that live for minutes: the shipped one on free ports, for demo, benchmarks and tests."""

import json
import random
import socket
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

from configs.loader import ONE_MACHINE


def ephemeral_config(directory: Path, **overrides: Any) -> Path:
    """
    Write a copy of the one-machine configuration with free ports and a distant end of day; returns its path.

    Its firms may trade with themselves, unless an override says otherwise: in a demo, a benchmark or a replay a firm is
    whoever sends orders, not somebody with an interest.

    Args:
        directory: Exists; receives `venue.toml`.
        overrides: Keys of the file, such as `durability="fast"`; a table is merged: `gateway={"window_records": 2}`.
    """
    config = tomllib.loads(ONE_MACHINE.read_text())
    config["instruments"] = str(ONE_MACHINE.parent / config["instruments"])
    fix_port, *nats_ports = free_ports(4 if overrides.get("durability") == "cluster" else 2)
    _merge(config, {"nats": {"url": ",".join(f"nats://127.0.0.1:{port}" for port in nats_ports)}})
    _merge(config, {"gateway": {"fix_port": fix_port, "metrics_port": 0}})
    _merge(config, {"matcher": {"metrics_port_base": 0}, "marketdata": {"metrics_port": 0}})
    _merge(config, {"websocket": {"port": 0, "metrics_port": 0}})
    # Half a day away: a venue that lives for minutes never expires its DAY orders in the middle of them.
    _merge(config, {"trading_day_end": f"{datetime.now(UTC) + timedelta(hours=12):%H:%M}"})
    _merge(config, overrides)
    for firm in config["firms"]:
        firm.setdefault("limits", {}).setdefault("self_match", "allow")
    path = directory / "venue.toml"
    path.write_text("".join(f"{_toml(key)} = {_toml(value)}\n" for key, value in config.items()))
    return path


_LISTENING_PORTS: Final = range(16_384, 32_768)
"""Below those that the system gives to whoever connects: one of these stays free until its server takes it."""
_candidates: Final = cycle(random.SystemRandom().sample(_LISTENING_PORTS, len(_LISTENING_PORTS)))


def free_ports(count: int) -> list[int]:
    """Loopback TCP ports that were free a moment ago, all different, and not given away before by this process."""
    return list(islice(filter(_is_free, _candidates), count))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _merge(into: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


def _toml(value: Any) -> str:
    match value:
        case Mapping():
            return "{ " + ", ".join(f"{_toml(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case _:  # strings, integers and booleans are written as in JSON
            return json.dumps(value)
