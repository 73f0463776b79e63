"""The process of a whole venue: supervised, with metrics, and back after a kill; and the programs that read it."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from marketdata.replica import Change
from marketdata.websocket.client import Feed
from simulators.fix_client import FixClient, Received
from venue.ephemeral import ephemeral_config, free_ports
from venue.up import RunningVenue

from .exec_log import PATIENCE_S, until

REPOSITORY = Path(__file__).parents[2]


async def test_a_venue_serves_it_where_it_is_configured(tmp_path: Path) -> None:
    config = ephemeral_config(tmp_path, websocket={"port": free_ports(1)[0]})
    async with RunningVenue(config, tmp_path / "data") as venue:
        assert venue.facts()["websocket_port"] == venue.websocket_port == venue.venue.config.websocket.port
        async with Feed(f"ws://127.0.0.1:{venue.websocket_port}", check_interval_s=0.05) as feed:
            await feed.subscribe("book", ["AAPL"])
            replica = feed.replica("AAPL")
            await until(lambda: replica.is_current)

            os.kill(venue.processes["websocket"].pid, signal.SIGKILL)
            async for update in feed:
                if update.change is Change.LOST:
                    break
            await venue.wait_ready("websocket", generation=2)
            await until(lambda: replica.is_current)

            metrics_port = venue.processes["websocket"].details["metrics_port"]
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as page:
                assert b"websocket_subscriptions 1.0" in page.read()


ORDERS = (
    "35=D|11=b1|55=AAPL|54=1|40=2|44=189.40|38=100|59=0|60=20260105-10:00:00.000|",
    "35=D|11=s1|55=AAPL|54=2|40=2|44=189.50|38=50|59=0|60=20260105-10:00:00.000|",
)
BOTH_SIDES = {
    "README.md": r"AAPL \d+ [A-Z]+  100 at 189\.40 / 50 at 189\.50\n",
    "marketdata/WEBSOCKET.md": r"AAPL \d+ \[Level\(price='189\.40', .*\[Level\(price='189\.50', .*\n",
}
"""What the program on each page prints of a book with these orders."""


async def test_the_programs_on_the_pages_show_the_books_of_a_venue(tmp_path: Path) -> None:
    config = ephemeral_config(tmp_path, websocket={"port": free_ports(1)[0]})
    async with RunningVenue(config, tmp_path / "data") as venue:
        await enter(venue.fix_port, ORDERS)
        for page, expected in BOTH_SIDES.items():
            (program,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / page).read_text(), re.DOTALL)
            here = program.replace("ws://127.0.0.1:9880", f"ws://127.0.0.1:{venue.websocket_port}")
            assert here != program
            await prints(here, expected)


async def enter(fix_port: int, orders: tuple[str, ...]) -> None:
    """Enter orders, and wait until each is on the book."""
    reports: list[Received] = []
    who = {"begin_string": "FIX.4.4", "sender_comp_id": "FIRMA1", "password": "example-firma1"}
    session = await FixClient.connect("127.0.0.1", fix_port, **who, on_message=reports.append)
    for order in orders:
        session.send(order.replace("|", "\x01"))
    await until(lambda: len(reports) == len(orders))
    assert [report.fields["150"] for report in reports] == ["0"] * len(orders)
    await session.logout()


async def prints(program: str, expected: str) -> None:
    """Run a program until it prints such a line."""
    command = (sys.executable, "-u", "-c", program)
    process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    lines: list[str] = []
    try:
        while not lines or not re.fullmatch(expected, lines[-1]):
            async with asyncio.timeout(PATIENCE_S):
                lines.append((await process.stdout.readline()).decode())
            assert lines[-1], f"it ended after {lines}"
    finally:
        process.kill()
        await process.wait()


def test_without_a_port_it_says_what_to_do(tmp_path: Path) -> None:
    command = (sys.executable, "-P", "-m", "marketdata.websocket", "--config", str(ephemeral_config(tmp_path)))
    ended = subprocess.run(
        (*command, "--data", str(tmp_path / "data")), cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 78
    assert json.loads(ended.stderr.splitlines()[-1])["reason"] == (
        "websocket.port is 0, so nothing is to be served; set a port, such as 9880"
    )
