"""A matcher of the simulated venue: the real service, with snapshots that are written at one moment, some ms later."""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from bus import background
from matcher.engine.engine import Engine
from matcher.process import snapshot_files
from matcher.process.metrics import MatcherMetrics
from matcher.process.service import MatcherService
from simulators.simulation.memory_bus import MemoryBus
from simulators.simulation.process import Process, World
from simulators.simulation.server import SHARD

_METRICS = MatcherMetrics(CollectorRegistry())
"""Nobody reads them; making them anew would cost each seed some ms."""
_TAKING_S_MAX: Final = 0.05
_TORN: Final = 0.2


class LateTaker:
    """Takes snapshots as a forked child would: of the engine as it stands, written some time later."""

    def __init__(self, world: World, directory: Path) -> None:
        self._world = world
        self._directory = directory
        snapshot_files.remove_unfinished(directory)

    def take(self, engine: Engine, on_taken: Callable[[Path | None, str], None]) -> None:
        """See `SnapshotTaker`."""
        snapshot = engine.dump()
        state_hash = sha256(snapshot).hexdigest()
        path = snapshot_files.unfinished(self._directory, engine.last_input_seq)

        def write() -> None:
            snapshot_files.write(path, snapshot)
            on_taken(path, state_hash)

        self._writing = asyncio.get_running_loop().call_later(self._world.weather.uniform(0.0, _TAKING_S_MAX), write)

    def close(self) -> None:
        """See `SnapshotTaker`."""


class Matcher(Process):
    """One replica."""

    def __init__(self, world: World, replica: int, directory: Path) -> None:
        super().__init__(world, f"matcher{replica}")
        self.replica = replica
        self.directory = directory / self.name
        self.service: MatcherService | None = None
        self._stopping: asyncio.Event | None = None
        self._may_tear = True

    @property
    def is_leading(self) -> bool:
        """Whether it believes that it leads."""
        return self.service is not None and self.service.is_leading

    async def live(self, bus: MemoryBus) -> None:
        """See Process."""
        stopping = self._stopping = asyncio.Event()
        service = MatcherService(
            bus,
            self.world.venue,
            SHARD,
            self.directory,
            _METRICS,
            replica=self.replica,
            taker=LateTaker(self.world, self.directory),
        )
        if not await background.unless_set(stopping, service.start()):
            return
        self.service = service
        self.world.tell(f"{self.name} {'leads' if service.is_leading else 'stands by'}")
        await service.run(stopping)

    def stop(self) -> None:
        """Ask it to end, as its supervisor does."""
        if self.loop is not None and self._stopping is not None:
            self.loop.call_soon(self._stopping.set)

    def lose_memory(self) -> None:
        """Its disk may damage one of its snapshots, the newest."""
        self.service = self._stopping = None
        newest = next(iter(snapshot_files.newest_first(self.directory)), None)
        if newest is not None and self._may_tear and self.world.weather.strikes(_TORN):
            self._may_tear = False
            content = newest.read_bytes()
            newest.write_bytes(content[: self.world.random.randrange(len(content))])
            self.world.tell(f"{self.name} has a torn snapshot {newest.name}")
