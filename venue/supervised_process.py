"""
One supervised process: how a life of it begins, becomes ready and ends.

A program of ours says that it is ready, and why it ended, by JSON lines on a descriptor that it inherits
(`venue.process`); for any other program a probe finds out.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
import structlog

from venue.process import READY_FD

log = structlog.get_logger()

_LEASH: Final = Path(__file__).parent / "leash.py"
_LAST_WORDS_S: Final = 1.0
"""How long to read on after a process ended, should a child of its own still hold the descriptor."""


class SupervisorError(Exception):
    """
    The processes cannot be kept running; the message is one sentence for the operator.

    Attributes:
        refused: Starting again would not help.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One process to keep alive."""

    name: str
    command: tuple[str, ...]
    """The program's path and its arguments."""
    stage: int = 0
    """A stage is started when the one before is ready, and stopped when the one after has ended."""
    team: str = ""
    """Those of one team stand in for each other: one of them is given up as long as there is another."""
    probe: Callable[[], Awaitable[dict[str, Any]]] | None = None
    """Returns details once the process is ready; None: the process says so itself."""
    stop_timeout_s: float = 10.0
    """From SIGTERM to SIGKILL."""
    inherit: tuple[int, ...] = ()
    """Descriptors that the process keeps open as long as it lives."""
    environment: Mapping[str, str] = {}
    """Variables beside the supervisor's own."""
    log_file: Path | None = None
    """Standard output and error are appended to it; None: they are the supervisor's own."""


class Ending(msgspec.Struct, frozen=True):
    """How one life of a process ended."""

    pid: int
    status: int
    """Exit status; negative: the signal that ended it."""
    ready_s: float
    """How long it had been ready."""
    reason: str | None
    """Why it ended, in its own words, if it had any."""


class SupervisedProcess:
    """One process and its successive lives."""

    def __init__(self, spec: ProcessSpec, changed: asyncio.Condition) -> None:
        """
        Prepare a process that is not started yet.

        Args:
            spec: What to run.
            changed: Notified whenever the process becomes ready.
        """
        self.spec = spec
        self.generation = 0
        """Lives begun, the current one included."""
        self.ready_generation = 0
        """The latest life that became ready."""
        self.details: dict[str, Any] = {}
        """What the latest ready notification said."""
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._stop_requested = False
        self._ready_at: float | None = None
        self._reason: str | None = None

    @property
    def pid(self) -> int:
        """
        The process id of the current life.

        Raises:
            ProcessLookupError: Just now there is none.
        """
        if not self.running:
            raise ProcessLookupError(f"{self.spec.name} is not running")
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether there is a current life, ready or not."""
        return self._process is not None and self._process.returncode is None

    @property
    def is_ready(self) -> bool:
        """Whether its current life is at work."""
        return self.running and self.ready_generation == self.generation

    async def live(self) -> Ending:
        """
        Start the process and await its end.

        Raises:
            SupervisorError: It cannot be started, or its probe says that it never will be ready.
        """
        self.generation += 1
        self._ready_at = self._reason = None
        read_end, write_end = os.pipe()
        try:
            self._process = process = await self._spawn(write_end)
        except OSError as error:
            os.close(read_end)
            raise SupervisorError(f"{self.spec.name} cannot be started: {error}", refused=True) from error
        finally:
            os.close(write_end)
        if self._stop_requested:
            self._signal(signal.SIGTERM)
        hearing = asyncio.create_task(self._hear(read_end))
        probing = asyncio.create_task(self._probe()) if self.spec.probe else None
        try:
            status = await self._ended(process, probing)
            await asyncio.wait({hearing}, timeout=_LAST_WORDS_S)
            if hearing.done():
                hearing.result()
        finally:
            hearing.cancel()
            await asyncio.wait({hearing})
        ready_s = 0.0 if self._ready_at is None else asyncio.get_running_loop().time() - self._ready_at
        return Ending(process.pid, status, ready_s, self._reason)

    def request_stop(self) -> None:
        """Ask the process to end; a life that is only just beginning is asked as soon as it can be."""
        self._stop_requested = True
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # one that was paused cannot hear the first

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the current life, if there is one."""
        self._signal(number)

    def kill(self) -> None:
        """End the current life at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def _spawn(self, write_end: int) -> asyncio.subprocess.Process:
        with ExitStack() as stack:
            log_file = stack.enter_context(self.spec.log_file.open("ab")) if self.spec.log_file else None
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *self.spec.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                pass_fds=(write_end, *self.spec.inherit),
                env=os.environ | self.spec.environment | {READY_FD: str(write_end)},
                start_new_session=True,  # a terminal's Ctrl-C is for the supervisor, which stops all in order
            )

    async def _ended(self, process: asyncio.subprocess.Process, probing: "asyncio.Task[None] | None") -> int:
        """Await the end of the process; a probe that fails brings it about."""
        ended = asyncio.create_task(process.wait())
        if probing is not None:
            await asyncio.wait({ended, probing}, return_when=asyncio.FIRST_COMPLETED)
            if not probing.done():
                probing.cancel()
            elif error := probing.exception():
                self.kill()
                await ended
                raise error
        return await ended

    async def _probe(self) -> None:
        assert self.spec.probe is not None
        await self._became_ready(await self.spec.probe())

    async def _hear(self, read_end: int) -> None:
        """Take in what the process says on its descriptor until it closes it, at the latest by ending."""
        reader = asyncio.StreamReader()
        pipe = os.fdopen(read_end, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            async for line in reader:
                message = orjson.loads(line)
                if "ended" in message:
                    self._reason = message["ended"]
                else:
                    await self._became_ready(message["ready"])
        finally:
            transport.close()

    async def _became_ready(self, details: dict[str, Any]) -> None:
        self._ready_at = asyncio.get_running_loop().time()
        self.details = details
        self.ready_generation = self.generation
        if self.generation > 1:
            pid = self._process.pid if self._process else None
            log.info("process_ready", name=self.spec.name, pid=pid, generation=self.generation)
        async with self._changed:
            self._changed.notify_all()
