"""The process of a whole venue: supervised, read-only on the bus, with metrics, and back after a kill."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from marketdata.replica import Change
from marketdata.websocket_client import Feed
from venue.ephemeral import ephemeral_config, free_ports
from venue.up import RunningVenue

from .exec_log import until

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


def test_without_a_port_it_says_what_to_do(tmp_path: Path) -> None:
    command = (sys.executable, "-P", "-m", "marketdata.websocket", "--config", str(ephemeral_config(tmp_path)))
    ended = subprocess.run(
        (*command, "--data", str(tmp_path / "data")), cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 78
    assert json.loads(ended.stderr.splitlines()[-1])["reason"] == (
        "websocket.port is 0, so nothing is to be served; set a port, such as 9880"
    )
