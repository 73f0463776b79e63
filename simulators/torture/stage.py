"""
Where faults happen, and what a fault is.

A fault is carried out on a `Stage` while the traders trade. It ends by itself: what it paused, cut or filled goes on,
is mended or freed before `strike` returns. Processes that it killed are started again by the venue's own supervisor.
Which process, how long and when within it are drawn from the schedule's seed.
"""

import asyncio
import os
import random
import signal
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import ClassVar, Final

import msgspec

from simulators.torture.machine import Disk, SlowSync
from simulators.torture.proxy import Proxy
from simulators.torture.trader import Trader
from venue.up import RunningVenue

PAUSE_S_MAX: Final = 2.5
"""The longest that anything is paused, cut, slow or full."""


class Stage(msgspec.Struct):
    """Where faults happen."""

    venue: RunningVenue
    traders: list[Trader]
    doors: list[Proxy]
    """Between clients and gateways."""
    ways: dict[str, Proxy]
    """Between a process, by name, and JetStream."""
    disk: Disk
    slow_sync: SlowSync
    killed: dict[str, int] = msgspec.field(default_factory=dict)
    """The newest life of each process that a fault has ended."""

    def named(self, prefix: str) -> list[str]:
        """Processes whose name begins so."""
        return [name for name in self.venue.processes if name.startswith(prefix)]

    async def running(self, name: str) -> int:
        """Await that a life of a process is there that was not killed yet; returns its pid."""
        process = self.venue.processes[name]
        while not process.running or process.generation <= self.killed.get(name, 0):  # noqa: ASYNC110 - starts tell nobody
            await asyncio.sleep(0.005)
        return process.pid

    async def kill(self, name: str) -> None:
        """Kill -9."""
        pid = await self.running(name)
        self.killed[name] = self.venue.processes[name].generation
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    async def pause(self, name: str, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while."""
        pid = await self.running(name)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(seconds)
            finally:
                os.kill(pid, signal.SIGCONT)


class Fault(ABC):
    """One thing that happens."""

    name: ClassVar[str]
    """As `--kinds` and the summary have it."""

    def why_not(self, stage: Stage) -> str:  # noqa: ARG002
        """Why it cannot happen here, in one sentence; empty if it can."""
        return ""

    @abstractmethod
    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """Let it happen; returns to whom, for the log."""
