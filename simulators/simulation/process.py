"""A process of the simulated venue and its supervisor: it is started, killed, paused, cut off, started again."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

from bus.connection import BusError
from bus.publisher import Fenced
from configs.loader import Venue
from simulators.simulation.memory_bus import MemoryBus
from simulators.simulation.server import Server
from simulators.simulation.virtual_time import Agenda, ProcessLoop
from simulators.simulation.weather import Weather

PUBLISH_TIMEOUT_S: Final = 0.5
_THREAD_S_MAX: Final = 0.03
_RESTART_S: Final = (0.05, 0.8)
EXPECTED_ENDS: Final = (BusError, Fenced)
"""A supervisor starts a process again that ended with one of these, or was told to end; else it is at fault."""


class World:
    """What all processes have around them."""

    def __init__(self, seed: int, venue: Venue, *, payload_bytes_max: int, wall_ns: Callable[[], int]) -> None:
        self.agenda = Agenda()
        self.weather = Weather(f"{seed} weather")
        self.server = Server(self.agenda, self.weather)
        self.random = random.Random(f"{seed} fates")  # noqa: S311 -- a simulation that must repeat, not a secret
        self.venue = venue
        self.payload_bytes_max = payload_bytes_max
        self.wall_ns = wall_ns
        self.faults: list[str] = []
        """How processes ended that should not have."""
        self.story: list[tuple[float, str]] = []
        """What happened to whom, and when."""

    def tell(self, what: str) -> None:
        """Note what happens."""
        self.story.append((self.agenda.now_s, what))


class Process:
    """One process in all its lives."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.lives = 0
        self.loop: ProcessLoop | None = None
        self.bus: MemoryBus | None = None

    @property
    def is_running(self) -> bool:
        """Whether it lives, and does not stand still."""
        return self.loop is not None and not self.loop.is_paused

    async def live(self, bus: MemoryBus) -> None:
        """What it does from its start to its end."""
        raise NotImplementedError

    def lose_memory(self) -> None:
        """It was killed: only what it had on disk is left."""

    def start(self) -> None:
        """Start it, if it does not run."""
        if self.loop is not None:
            return
        self.lives += 1
        world = self.world
        self.loop = ProcessLoop(world.agenda, thread_s=lambda: world.weather.uniform(0.0, _THREAD_S_MAX))
        self.loop.set_exception_handler(self._on_unhandled)
        self._work = self.loop.create_task(self._connect_and_live())
        self._work.add_done_callback(self._on_done)

    def kill(self) -> None:
        """End it at once; nothing starts it again but `start`."""
        loop, self.loop = self.loop, None
        if loop is None:
            return
        if self.bus is not None:
            self.bus.die()
        self.bus = None
        loop.end()
        self.lose_memory()

    def restart_later(self) -> None:
        """Start it again after a while, as its supervisor does."""
        self.world.agenda.call_later(self.world.random.uniform(*_RESTART_S), self.start)

    def pause(self, seconds: float) -> None:
        """Let it stand still for so long."""
        if self.loop is not None and not self.loop.is_paused:
            self.loop.pause()
            self.world.agenda.call_later(seconds, self._resume, self.loop)

    def cut(self, seconds: float) -> None:
        """Break its connection for so long."""
        if self.bus is not None:
            self.bus.break_off()
            self.world.agenda.call_later(seconds, self.bus.come_back)

    def _resume(self, loop: ProcessLoop) -> None:
        if loop is self.loop:
            loop.resume()

    async def _connect_and_live(self) -> None:
        world = self.world
        self.bus = MemoryBus(
            world.agenda,
            world.weather,
            world.server,
            name=f"{self.name}-{self.lives}",
            publish_timeout_s=PUBLISH_TIMEOUT_S,
            payload_bytes_max=world.payload_bytes_max,
        )
        await self.live(self.bus)

    def _on_done(self, work: "asyncio.Task[None]") -> None:
        if self.loop is not None and self.loop is work.get_loop():
            error = None if work.cancelled() else work.exception()
            self.world.agenda.call_later(0.0, self._end, self.loop, error)

    def _on_unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """As `venue.process` has it: a task or a callback that failed unobserved ends the process."""
        error = context.get("exception")
        ours = isinstance(context.get("future"), asyncio.Task) or "handle" in context
        if ours and isinstance(error, Exception) and loop is self.loop:
            self.world.agenda.call_later(0.0, self._end, loop, error)

    def _end(self, loop: ProcessLoop, error: BaseException | None) -> None:
        if loop is not self.loop:
            return
        self.world.tell(f"{self.name} ends" + (f": {type(error).__name__}: {error}" if error is not None else ""))
        self.kill()
        if error is None or isinstance(error, EXPECTED_ENDS):
            self.restart_later()
        else:
            self.world.faults.append(f"{self.name} ended with {type(error).__name__}: {error}")
