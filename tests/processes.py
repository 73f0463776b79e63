"""What tests ask about processes that are not their children."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

from venue.up import RunningVenue


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not yet collected by its parent does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc").exists()


async def kill(venue: RunningVenue, name: str) -> None:
    """Kill -9 a process of a venue, and await that its next life is ready."""
    process = venue.processes[name]
    generation = process.generation
    os.kill(process.pid, signal.SIGKILL)
    await venue.wait_ready(name, generation=generation + 1)


async def until(condition: Callable[[], bool], limit_s: float = 60) -> None:
    """Await a condition that announces itself to nobody, such as the end of a process that is not ours."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
