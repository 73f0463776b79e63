"""A drop-copy client that outlives venues, gateways and connections, and audits what it is sent."""

import asyncio
from collections import Counter
from collections.abc import Callable

from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient, FixClientError, Received
from venue.up import RunningVenue


class DropCopyReader:
    """Reads DC1, as long as it is not told to stay away."""

    def __init__(self, venue: RunningVenue, *, begin_string: str = "FIX.4.4", comp_id: str = "DC1") -> None:
        self.reports: list[dict[str, str]] = []
        """Every ExecutionReport(8), in the order in which they came."""
        self.answers: list[dict[str, str]] = []
        """Everything else."""
        self._port = venue.fix_port
        self._begin_string = begin_string
        self._comp_id = comp_id
        self._store = MemoryStore()
        self._client: FixClient | None = None
        self._news = asyncio.Event()

    async def connect(self, *, reset: bool = False) -> None:
        """Log on, however long that takes; with `reset` both sides' numbers begin anew."""
        async with asyncio.timeout(60):
            while True:
                try:
                    self._client = await FixClient.connect(
                        "127.0.0.1",
                        self._port,
                        begin_string=self._begin_string,
                        sender_comp_id=self._comp_id,
                        password=f"example-{self._comp_id.lower()}",
                        store=self._store,
                        reset=reset,
                        on_message=self._on_message,
                    )
                    return
                except FixClientError:
                    await asyncio.sleep(0.02)  # nobody listens while a gateway is away

    def cut(self) -> None:
        """Be gone without a word."""
        if self._client is not None:
            self._client.abort()

    async def logout(self) -> None:
        if self._client is not None:
            await self._client.logout()

    def send(self, body: str) -> None:
        assert self._client is not None
        self._client.send(body)

    async def stay(self) -> None:
        """Be connected until cancelled."""
        while True:
            assert self._client is not None
            await asyncio.shield(self._client.closed)
            await self.connect()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self._news.clear()
                await self._news.wait()

    @property
    def exec_ids(self) -> list[str]:
        """ExecID(17) of each report."""
        return [report["17"] for report in self.reports]

    def violations(self, expected: set[str]) -> list[str]:
        """What is missing, what nobody got, what came twice without PossResend(97)=Y, and what was not in order."""
        found = [f"{exec_id} is missing" for exec_id in sorted(expected - set(self.exec_ids))]
        found += [f"{exec_id} is nobody's" for exec_id in sorted(set(self.exec_ids) - expected)]
        plain = [report["17"] for report in self.reports if report.get("97") != "Y"]
        found += [f"{exec_id} came {count} times" for exec_id, count in Counter(plain).items() if count > 1]
        seen: set[str] = set()
        for report in self.reports:
            if report["17"] in seen and report.get("97") != "Y":
                found.append(f"{report['17']} came again and does not say so")
            seen.add(report["17"])
        for shard in {exec_id.partition("-")[0] for exec_id in plain}:
            places = [tuple(map(int, exec_id.split("-"))) for exec_id in plain if exec_id.startswith(f"{shard}-")]
            found += [f"shard {shard} is not in order"] * (places != sorted(places))
        return found

    def _on_message(self, message: Received) -> None:
        (self.reports if message.fields["35"] == "8" else self.answers).append(message.fields)
        self._news.set()
