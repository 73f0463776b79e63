"""
Hundreds of kill -9 at random moments, most of them of the gateway: the promises of `test_kill` hold through all.

A seed chooses victims and moments; half of the time nobody waits until the last one is ready again, so that recoveries
are killed as well. The seed is printed, for the report of a failure; OUTCRY_SEED repeats it.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.processes import until
from tests.recovery.traders import Traders
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

SYMBOLS = ["TEST1", "TEST2", "BRK.B"]
KILLS = 200
LIFE_S_MAX = 0.6
WEIGHTS = {"gateway": 12, "matcher-0": 2, "matcher-1": 2, "nats-server": 2, "marketdata": 2}
ANSWERED_MIN = 1_000


class Killer:
    """Kills processes of a venue, ready ones and such as are still recovering."""

    def __init__(self, venue: RunningVenue, chance: random.Random) -> None:
        self.killed: Counter[str] = Counter()
        self._venue = venue
        self._chance = chance
        self._last_killed: Counter[str] = Counter()
        """The newest life of each process that was ended."""

    async def kill_one(self) -> None:
        """Kill a process at a random moment of a life."""
        victim = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if self._chance.random() < 0.5:
            await self.all_ready()
        await asyncio.sleep(self._chance.random() ** 2 * LIFE_S_MAX)
        process = self._venue.processes[victim]
        await until(lambda: process.running and process.generation > self._last_killed[victim])
        self._last_killed[victim] = process.generation
        os.kill(process.pid, signal.SIGKILL)
        self.killed[victim] += 1

    async def all_ready(self) -> None:
        """Wait until every process is there again."""
        for victim in WEIGHTS:
            generation = max(self._last_killed[victim] + 1, self._venue.processes[victim].generation)
            async with asyncio.timeout(60):
                await self._venue.wait_ready(victim, generation)


@pytest.mark.long
async def test_hundreds_of_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("OUTCRY_SEED", time.time_ns() % 10**6))
    print(f"seed {seed}")  # noqa: T201 - for the report of a failure
    chance = random.Random(seed)
    begun = time.monotonic()
    config = ephemeral_config(tmp_path, gateway={"engine": "native"})
    # At once: with the supervisor's own delays, after so many deaths, each restart would wait 5 s.
    async with RunningVenue(config, tmp_path / "data", restart_delays_s=(0.0,)) as venue:
        traders = Traders(venue, SYMBOLS, seed=seed)
        killer = Killer(venue, chance)
        for _ in range(KILLS):
            await killer.kill_one()
        await killer.all_ready()
        await traders.until_answered(150)
        await traders.leave()
    print(  # noqa: T201 - the result
        f"{killer.killed.total()} kills {dict(killer.killed)} in {time.monotonic() - begun:.0f} s,"
        f" {traders.answered} requests answered, {traders.reports} reports, {len(traders.violations())} violations"
    )
    traders.audit(answered_min=ANSWERED_MIN)
