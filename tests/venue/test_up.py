"""The command `up`: a whole venue starts, stays up, says why if it cannot, and leaves nothing behind."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes import is_alive, until
from venue.data_directory import claim_store, lock
from venue.ephemeral import ephemeral_config, free_ports
from venue.process import EX_CONFIG, EngineName
from venue.up import RunningVenue

NAMES = ["nats-server", "matcher-0", "matcher-1", "marketdata", "gateway"]
LIMIT_S = 60


class Up:
    """A running `up` and what it logs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def logged(self, event: str) -> dict[str, Any]:
        """The next log line of that event."""
        return [line async for line in self.lines_until(event)][-1]

    async def lines_until(self, *events: str) -> AsyncIterator[dict[str, Any]]:
        """The log lines from here to the next one of such an event."""
        assert self.process.stderr is not None
        async with asyncio.timeout(LIMIT_S):
            async for text in self.process.stderr:
                line: dict[str, Any] = json.loads(text)
                yield line
                if line["event"] in events:
                    return
        raise AssertionError(f"it ended without {' or '.join(events)}")

    async def status(self) -> int:
        """Its exit status, once it ends."""
        async with asyncio.timeout(LIMIT_S):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def up(config_path: Path, data_dir: Path, *arguments: str) -> AsyncIterator[Up]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "venue", "up", "--config", str(config_path), "--data", str(data_dir)),
        *arguments,
        stderr=asyncio.subprocess.PIPE,
        limit=1024 * 1024,
    )
    try:
        yield Up(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_one_line_says_where_everything_is_and_a_signal_stops_all(tmp_path: Path) -> None:
    async with up(ephemeral_config(tmp_path), tmp_path / "data") as running:
        ready = await running.logged("venue_ready")
        assert list(ready["pids"]) == NAMES
        assert list(ready["metrics_ports"]) == NAMES[1:]
        for port in (ready["fix_port"], *ready["metrics_ports"].values()):
            socket.create_connection(("127.0.0.1", port)).close()
        assert all(map(is_alive, ready["pids"].values()))

        running.process.terminate()
        await running.logged("venue_stopped")
        assert await running.status() == 0
        assert not any(map(is_alive, ready["pids"].values()))


async def test_a_killed_venue_leaves_nothing_behind_and_starts_again(tmp_path: Path) -> None:
    config_path = ephemeral_config(tmp_path)
    async with up(config_path, tmp_path / "data") as first:
        ready = await first.logged("venue_ready")
        first.process.kill()
        await until(lambda: not any(map(is_alive, ready["pids"].values())))
    async with up(config_path, tmp_path / "data") as second:
        await second.logged("venue_ready")


async def test_a_second_venue_on_the_same_data_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    held = await lock(tmp_path / "data")
    async with up(ephemeral_config(tmp_path), tmp_path / "data") as second:
        refused = await second.logged("venue_refused")
        assert refused["reason"].startswith("another venue is running on the data directory")
        assert await second.status() == EX_CONFIG
    os.close(held)


async def test_a_directory_of_somebody_else_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.tex").touch()
    async with up(ephemeral_config(tmp_path), tmp_path / "data") as running:
        refused = await running.logged("venue_refused")
        assert "data is not empty (it holds thesis.tex)" in refused["reason"]
        assert await running.status() == EX_CONFIG
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["thesis.tex"]


async def test_a_store_that_the_server_cannot_use_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    claim_store(tmp_path / "data")
    (tmp_path / "data" / "jetstream").touch()
    async with up(ephemeral_config(tmp_path), tmp_path / "data") as running:
        refused = await running.logged("venue_refused")
        assert f"{tmp_path}/data/jetstream cannot be used: Not a directory" in refused["reason"]
        assert await running.status() == EX_CONFIG


async def test_a_first_start_and_its_end_warn_of_nothing(tmp_path: Path) -> None:
    async with up(ephemeral_config(tmp_path), tmp_path / "data") as running:
        lines = [line async for line in running.lines_until("venue_ready")]
        running.process.terminate()
        lines += [line async for line in running.lines_until("venue_stopped")]
        assert await running.status() == 0
    assert [line for line in lines if line["level"] != "info"] == []


async def test_a_fix_port_in_use_stops_the_venue_with_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        async with up(ephemeral_config(tmp_path, gateway={"fix_port": port}), tmp_path / "data") as running:
            refused = await running.logged("venue_refused")
            assert refused["reason"].startswith("gateway cannot work as configured: ")
            assert str(port) in refused["reason"]
            assert await running.status() == EX_CONFIG


async def test_a_configuration_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    async with up(ephemeral_config(tmp_path, gateway={"fix_prt": 1}), tmp_path / "data") as running:
        refused = await running.logged("venue_refused")
        assert "unknown field `fix_prt`" in refused["reason"]
        assert await running.status() == EX_CONFIG


async def test_a_configuration_that_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    instruments = tmp_path / "instruments.toml"
    config_path = ephemeral_config(tmp_path, instruments=str(instruments))
    lines = '[instruments]\n{} = {{ tick = "0.01", reference_price = "10.00", shard = {} }}\n'

    async def refusal(symbol: str, shard: int) -> str | None:
        instruments.write_text(lines.format("STAYS", 0) + lines.format(symbol, shard).split("\n", 1)[1])
        async with up(config_path, tmp_path / "data") as running:
            events = [line async for line in running.lines_until("venue_ready", "venue_refused")]
            running.process.terminate()
            await running.status()
        return events[-1].get("reason")

    assert await refusal("MOVES", 1) is None
    told = await refusal("MOVES", 0)
    assert told is not None
    assert "ORD1 was written with MOVES at tick 0.01, lot 1, but now it is on shard 0; give it back" in told
    assert await refusal("MOVES", 1) is None


@pytest.mark.parametrize("name", NAMES)
async def test_whatever_is_killed_comes_back(venue: RunningVenue, name: str) -> None:
    os.kill(venue.processes[name].pid, signal.SIGKILL)
    await venue.wait_ready(name, generation=2)

    socket.create_connection(("127.0.0.1", venue.fix_port)).close()


@pytest.mark.parametrize("engine", ["native", "quickfix"])
async def test_the_engine_asked_for_serves_and_ends_in_order_on_an_interrupt(
    tmp_path: Path, engine: EngineName
) -> None:
    other = {"native": "quickfix", "quickfix": "native"}[engine]
    config_path = ephemeral_config(tmp_path, gateway={"engine": other})
    async with RunningVenue(config_path, tmp_path / "data", engine=engine) as venue:
        assert venue.facts()["engine"] == engine
        socket.create_connection(("127.0.0.1", venue.fix_port)).close()
        assert (tmp_path / "data" / "fix" / "journal").exists() == (engine == "native")

        os.kill(venue.processes["gateway"].pid, signal.SIGINT)  # which the import of quickfix takes for itself
        await venue.wait_ready("gateway", generation=2)
        assert "fix_engine_stopped" in (tmp_path / "data" / "logs" / "gateway.log").read_text()


async def test_the_command_takes_an_engine(tmp_path: Path) -> None:
    async with up(ephemeral_config(tmp_path), tmp_path / "data", "--engine", "quickfix") as running:
        assert (await running.logged("venue_ready"))["engine"] == "quickfix"


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(20))) == 20
