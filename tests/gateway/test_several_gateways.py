"""
Two gateways of one venue, and a session that may log on at both: it goes on there with its numbers, and misses nothing.

The venue and its processes are real; the client keeps its own sequence numbers from one gateway to the other.
"""

import asyncio
import json
import os
import signal
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient, FixClientError, Received
from tests.processes import until
from venue import ephemeral
from venue.ephemeral import ephemeral_config, free_ports
from venue.up import RunningVenue

ORDER = "35=D\x0111={}\x0155=TEST1\x0154={}\x0138=5\x0140=2\x0144=100.00\x0159=1\x0160=20260101-00:00:00\x01"
FIRMS = [
    {
        "name": "FIRMA",
        "sessions": [
            {"comp_id": "MOVES1", "password": "example-moves1", "gateways": ["gw1", "gw2"]},
            {"comp_id": "FIRMA1", "password": "example-firma1"},
        ],
    },
    {"name": "FIRMB", "sessions": [{"comp_id": "FIRMB1", "password": "example-firmb1", "gateways": ["gw2"]}]},
    {
        "name": "READERS",
        "sessions": [
            {
                "comp_id": "COPY1",
                "password": "example-copy1",
                "kind": "dropcopy",
                "firms": ["FIRMB"],
                "gateways": ["gw1", "gw2"],
            }
        ],
    },
]


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[RunningVenue]:
    [port] = free_ports(1)
    gateway = {"further": [{"id": "gw2", "fix_port": port}]}
    config = ephemeral_config(tmp_path, gateway=gateway, firms=FIRMS)
    async with RunningVenue(config, tmp_path / "data") as running:
        yield running


class Client:
    """One session with what it received, wherever it logs on."""

    def __init__(self, venue: RunningVenue, comp_id: str) -> None:
        self._venue = venue
        self._comp_id = comp_id
        self._store = MemoryStore()
        self.received: list[Received] = []
        self.fix: FixClient

    async def log_on(self, gateway_id: str, *, reset: bool = False) -> None:
        self.fix = await FixClient.connect(
            "127.0.0.1",
            self._venue.fix_ports[gateway_id],
            begin_string="FIX.4.4",
            sender_comp_id=self._comp_id,
            password=f"example-{self._comp_id.lower()}",
            store=self._store,
            reset=reset,
            on_message=self.received.append,
        )

    def order(self, cl_ord_id: str, side: int = 1) -> None:
        self.fix.send(ORDER.format(cl_ord_id, side))

    async def until_told(self, **fields: str) -> None:
        wanted = {name.removeprefix("tag_"): value for name, value in fields.items()}
        await until(lambda: any(self._count_of(wanted)))

    def _count_of(self, wanted: dict[str, str]) -> list[Received]:
        return [each for each in self.received if wanted.items() <= each.fields.items()]

    def exec_ids(self) -> list[str]:
        return [each.fields["17"] for each in self.received if each.fields["35"] == "8"]


async def test_a_session_logs_on_where_it_may_and_nowhere_else(venue: RunningVenue) -> None:
    client = Client(venue, "FIRMA1")
    with pytest.raises(FixClientError):
        await client.log_on("gw2")
    await client.log_on("gw1")
    await client.fix.logout()


async def test_the_log_of_each_gateway_names_it(venue: RunningVenue) -> None:
    for name in ("gateway", "gateway-gw2"):
        lines = (venue.data_dir / "logs" / f"{name}.log").read_text().splitlines()
        assert {json.loads(line)["process"] for line in lines} == {name}


async def test_a_session_goes_to_the_other_gateway_and_back_with_its_numbers_and_its_orders(
    venue: RunningVenue,
) -> None:
    client = Client(venue, "MOVES1")
    for number, gateway_id in enumerate(["gw1", "gw2", "gw1", "gw2"]):
        await client.log_on(gateway_id)
        client.order(f"o{number}")
        await client.until_told(tag_11=f"o{number}", tag_150="0")
        await client.fix.logout()
    assert len(set(client.exec_ids())) == len(client.exec_ids()) == 4


async def test_a_session_that_is_connected_at_one_gateway_is_turned_away_by_the_other(venue: RunningVenue) -> None:
    client = Client(venue, "MOVES1")
    await client.log_on("gw1")
    with pytest.raises(FixClientError):
        await Client(venue, "MOVES1").log_on("gw2")
    client.order("still")
    await client.until_told(tag_11="still", tag_150="0")
    await client.fix.logout()


async def test_fills_while_a_session_is_away_wait_for_it_at_the_other_gateway(venue: RunningVenue) -> None:
    client, other = Client(venue, "MOVES1"), Client(venue, "FIRMB1")
    await client.log_on("gw1")
    client.order("rest")
    await client.until_told(tag_11="rest", tag_150="0")
    await client.fix.logout()
    await other.log_on("gw2")
    other.order("take", side=2)
    await other.until_told(tag_11="take", tag_150="F")
    await client.log_on("gw2")
    await client.until_told(tag_11="rest", tag_150="F")
    client.order("more")
    await client.until_told(tag_11="more", tag_150="0")
    assert len(set(client.exec_ids())) == len(client.exec_ids()) == 3
    await client.fix.logout()
    await other.fix.logout()


async def test_a_drop_copy_goes_to_the_other_gateway_and_back_and_has_everything_once(venue: RunningVenue) -> None:
    """Also what happens where it is not: at another gateway, or while it is at none; and after 141=Y."""
    reader, trader = Client(venue, "COPY1"), Client(venue, "FIRMB1")
    await trader.log_on("gw2")
    for number, gateway_id in enumerate(["gw1", "gw2", "gw1", "gw2"]):
        await reader.log_on(gateway_id)
        trader.order(f"here{number}")
        await reader.until_told(tag_11=f"here{number}", tag_448="FIRMB")
        await reader.fix.logout()
        trader.order(f"away{number}")
        await trader.until_told(tag_11=f"away{number}")
    await reader.log_on("gw1")
    await reader.until_told(tag_11="away3")
    assert reader.exec_ids() == trader.exec_ids()
    await reader.fix.logout()
    trader.order("last")
    await trader.until_told(tag_11="last")
    await reader.log_on("gw2", reset=True)
    await reader.until_told(tag_11="last")
    assert set(reader.exec_ids()) == set(trader.exec_ids())
    await reader.fix.logout()
    await trader.fix.logout()


async def test_a_killed_gateways_session_goes_on_at_the_other_at_once(venue: RunningVenue) -> None:
    """The gateway dies with orders on their way and is kept from coming back; nothing is lost, nothing comes twice."""
    client, other = Client(venue, "MOVES1"), Client(venue, "FIRMB1")
    await other.log_on("gw2")
    await client.log_on("gw1")
    client.order("rest")
    await client.until_told(tag_11="rest", tag_150="0")
    gateway = venue.processes["gateway"]
    os.kill(gateway.pid, signal.SIGSTOP)  # what is sent now waits in its socket, and dies with it
    for number in range(20):
        client.order(f"o{number}")
    other.order("take", side=2)
    await other.until_told(tag_11="take", tag_150="F")
    os.kill(gateway.pid, signal.SIGKILL)
    client.fix.abort()
    async with asyncio.timeout(20):
        await client.log_on("gw2")
    await client.until_told(tag_11="rest", tag_150="F")
    for number in range(20):
        await client.until_told(tag_11=f"o{number}", tag_150="0")
    await venue.wait_ready("gateway", generation=2)  # it finds that the session is elsewhere now
    client.order("last")
    await client.until_told(tag_11="last", tag_150="0")
    assert len(set(client.exec_ids())) == len(client.exec_ids()) == 23
    await client.fix.logout()
    await client.log_on("gw1")
    client.order("home")
    await client.until_told(tag_11="home", tag_150="0")
    assert len(set(client.exec_ids())) == len(client.exec_ids()) == 24
    await client.fix.logout()
    await other.fix.logout()


async def test_a_paused_gateway_keeps_its_sessions_until_it_is_dead(venue: RunningVenue) -> None:
    client = Client(venue, "MOVES1")
    await client.log_on("gw1")
    os.kill(venue.processes["gateway"].pid, signal.SIGSTOP)
    try:
        with pytest.raises(FixClientError):
            await Client(venue, "MOVES1").log_on("gw2")
    finally:
        os.kill(venue.processes["gateway"].pid, signal.SIGCONT)
    client.order("mine")
    await client.until_told(tag_11="mine", tag_150="0")
    await client.fix.logout()


async def test_a_session_that_was_configured_meanwhile_goes_to_the_other_gateway_and_back(venue: RunningVenue) -> None:
    config = tomllib.loads(venue.config_path.read_text())
    later = [{"comp_id": "LATER1", "password": "example-later1", "gateways": ["gw1", "gw2"]}]
    config["firms"].append({"name": "LATER", "sessions": later})
    lines = (f"{ephemeral._toml(key)} = {ephemeral._toml(value)}\n" for key, value in config.items())
    venue.config_path.write_text("".join(lines))
    await venue.reload()
    logs = [venue.data_dir / "logs" / f"{name}.log" for name in ("gateway", "gateway-gw2")]
    await until(lambda: all("configuration_reloaded" in log.read_text() for log in logs))
    client = Client(venue, "LATER1")
    for number, gateway_id in enumerate(["gw2", "gw1", "gw2"]):
        await client.log_on(gateway_id)
        client.order(f"later-{number}")
        await client.until_told(tag_11=f"later-{number}", tag_150="0")
        await client.fix.logout()
    assert len(client.exec_ids()) == 3
    assert [venue.processes[log.stem].generation for log in logs] == [1, 1]
