"""A gateway that is killed forgets how much its sessions have sent: still each shard answers each request once."""

import asyncio
import os
import signal
import tomllib
from collections import Counter
from pathlib import Path

from configs.loader import ONE_MACHINE
from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient, Received
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

COMP_ID = "FIRMT1"
FIRM = {
    "name": "FIRMT",
    "sessions": [{"comp_id": COMP_ID, "password": "secret", "versions": ["FIX.4.4"]}],
    "limits": {"throttle": {"per_second": 4, "burst": 5, "refused_max": 1_000_000}},
}
ROUNDS = 4
REQUESTS = 40
TIME = "20260101-00:00:00"
SHARDS = 2


class Client:
    """It sends, is cut off, comes back and notes every answer; its engine sends again what it is asked for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._store = MemoryStore()
        self._heard = asyncio.Event()
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.refused = 0

    async def log_on(self) -> None:
        self._client = await FixClient.connect(
            "127.0.0.1",
            self._port,
            begin_string="FIX.4.4",
            sender_comp_id=COMP_ID,
            password="secret",
            store=self._store,
            on_message=self._note,
        )

    def ask(self, name: str) -> None:
        """Two new orders on one shard, then a mass cancel, which every shard answers; then those of the other shard."""
        number = sum(self.asked.values())
        if number % 3 == 2:
            self.asked[name] = SHARDS
            self._client.send(f"35=q\x0111={name}\x01530=7\x0160={TIME}\x01")
        else:
            self.asked[name] = 1
            terms = f"55=TEST{1 + number // 3 % SHARDS}\x0154=1\x0138=5\x0140=2\x0144=90.00\x0159=1\x0160={TIME}\x01"
            self._client.send(f"35=D\x0111={name}\x01{terms}")

    async def until_all_is_answered(self) -> None:
        async with asyncio.timeout(60):
            while self.answered != self.asked:
                assert all(self.answered[name] <= count for name, count in self.asked.items()), self.answered
                self._heard.clear()
                await self._heard.wait()

    async def until_answered(self, count: int) -> None:
        async with asyncio.timeout(30):
            while self.answered.total() < count:
                self._heard.clear()
                await self._heard.wait()

    def cut(self) -> None:
        self._client.abort()

    async def leave(self) -> None:
        await self._client.logout()

    def _note(self, message: Received) -> None:
        fields = message.fields
        if fields["35"] == "j":
            assert fields["58"].startswith("THROTTLED: ")
            self.answered[fields["379"]] += 1
            self.refused += 1
        elif fields["35"] == "r" or fields["150"] in ("0", "8"):  # not the orders that a mass cancel ends
            self.answered[fields["11"]] += 1
        self._heard.set()


async def test_each_shard_answers_each_request_once_though_the_gateway_is_killed(tmp_path: Path) -> None:
    firms = [*tomllib.loads(ONE_MACHINE.read_text())["firms"], FIRM]
    async with RunningVenue(ephemeral_config(tmp_path, firms=firms), tmp_path / "data") as venue:
        client = Client(venue.fix_port)
        await client.log_on()
        for generation in range(2, 2 + ROUNDS):
            answered = client.answered.total()
            for number in range(REQUESTS):
                client.ask(f"k-{generation}-{number}")
            await client.until_answered(answered + 1)  # it is in the middle of them
            os.kill(venue.processes["gateway"].pid, signal.SIGKILL)
            await venue.wait_ready("gateway", generation=generation)
            client.cut()
            await client.log_on()
            await client.until_all_is_answered()
        assert client.refused > 0
        await client.leave()
