"""
Keeps processes alive: starts them, awaits that they are ready, starts again what dies, stops all in order.

Processes come in stages. A stage is started when the one before is ready, so that the last one, the gateway, opens the
venue's door when all behind it works; stages stop in reverse. Between start and stop the stages play no part: what
dies is started again alone, and the others find it again by themselves.

Exit status 78 means that starting again will not help: the supervisor has then failed, and its owner stops it. Status
75, something needed is not there, is so taken only of a process that never was ready: it has waited long enough itself.
"""

import asyncio
import signal
from collections.abc import Iterable, Iterator
from itertools import groupby
from types import TracebackType
from typing import Final, Self

import structlog

from venue.process import EX_CONFIG, EX_TEMPFAIL
from venue.supervised_process import Ending, ProcessSpec, SupervisedProcess, SupervisorError

RESTART_DELAYS_S: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Before a process is started again for the first, second, ... time in a row; the last one holds from there on."""
HEALTHY_AFTER_S: Final = 30.0
"""A process that was ready this long before it died is started again as if for the first time."""
START_ATTEMPTS_MAX: Final = 5
"""Deaths of a process that was never ready; then the start has failed."""

log = structlog.get_logger()


class Supervisor:
    """
    Keeps a set of processes alive, as an async context manager: all are ready inside, none is left after.

        async with Supervisor(specs) as supervisor:
            os.kill(supervisor.processes["gateway"].pid, signal.SIGKILL)
            await supervisor.wait_ready("gateway", generation=2)
    """

    def __init__(self, specs: Iterable[ProcessSpec], *, restart_delays_s: tuple[float, ...] | None = None) -> None:
        """
        Prepare processes that are not started yet.

        Args:
            specs: What to run.
            restart_delays_s: In place of `RESTART_DELAYS_S`.
        """
        self._restart_delays_s = restart_delays_s or RESTART_DELAYS_S
        self._changed = asyncio.Condition()
        self.processes = {spec.name: SupervisedProcess(spec, self._changed) for spec in specs}
        """By name, in the order given."""
        self.failure: SupervisorError | None = None
        """Why the processes cannot be kept running, once that is so."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._given_up: set[str] = set()
        """Names that nobody waits for any more; one that may recover is started again all the same."""

    async def __aenter__(self) -> Self:
        """
        Start all processes, stage by stage.

        Raises:
            SupervisorError: One refused to start or died too often; none is left running.
        """
        try:
            for stage in self._stages():
                for process in stage:
                    self._tasks[process.spec.name] = asyncio.create_task(self._keep(process))
                for process in stage:
                    await self.wait_ready(process.spec.name)
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all processes."""
        await self.stop()

    async def wait_ready(self, name: str, generation: int = 1) -> None:
        """
        Await that a life of a process, this one or a later, is ready; or that the process is given up.

        Raises:
            SupervisorError: The processes cannot be kept running.
        """
        process = self.processes[name]
        async with self._changed:
            await self._changed.wait_for(
                lambda: self.failure or process.ready_generation >= generation or name in self._given_up
            )
        if self.failure:
            raise self.failure

    async def wait_failed(self) -> SupervisorError:
        """Await that the processes cannot be kept running; returns why."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.failure)
        assert self.failure is not None
        return self.failure

    async def signal_ready(self, name: str, number: signal.Signals) -> None:
        """
        Send a signal to a process as soon as its current life is ready, since before it may not be prepared for it.

        Raises:
            SupervisorError: The processes cannot be kept running.
        """
        process = self.processes[name]
        await self.wait_ready(name, process.generation)
        if process.is_ready:
            process.send_signal(number)

    async def stop(self) -> None:
        """Stop all processes, the last stage first; one that does not stop in time is killed."""
        self._stopping.set()
        for stage in reversed(list(self._stages())):
            await asyncio.gather(*(self._stop(process) for process in stage))

    async def _stop(self, process: SupervisedProcess) -> None:
        task = self._tasks.get(process.spec.name)
        if task is None:
            return
        process.request_stop()
        await asyncio.wait({task}, timeout=process.spec.stop_timeout_s)
        if not task.done():
            log.warning("process_killed", name=process.spec.name, stop_timeout_s=process.spec.stop_timeout_s)
            process.kill()
        await task

    def _stages(self) -> Iterator[list[SupervisedProcess]]:
        def stage_of(process: SupervisedProcess) -> int:
            return process.spec.stage

        for _, processes in groupby(sorted(self.processes.values(), key=stage_of), key=stage_of):
            yield list(processes)

    async def _keep(self, process: SupervisedProcess) -> None:
        """Start one process again and again until the supervisor stops."""
        deaths = 0
        try:
            while not self._stopping.is_set():
                ending = await process.live()
                if self._stopping.is_set():
                    return
                deaths = 1 if ending.ready_s >= HEALTHY_AFTER_S else deaths + 1
                await self._check_hope(process, ending, deaths)
                delay_s = self._restart_delays_s[min(deaths, len(self._restart_delays_s)) - 1]
                log.warning("process_died", **_facts(process, ending), restart_in_s=delay_s)
                await self._pause(delay_s)
        except SupervisorError as error:
            self._given_up.add(process.spec.name)
            if self._has_stand_in(process):
                log.error("process_given_up", name=process.spec.name, reason=str(error))
                await self._say_changed()
            else:
                await self._fail(error)
        except Exception as error:
            log.exception("supervision_failed", name=process.spec.name)
            process.kill()
            await self._fail(SupervisorError(f"{process.spec.name} cannot be supervised: {error}"))

    async def _check_hope(self, process: SupervisedProcess, ending: Ending, deaths: int) -> None:
        """
        See that starting the process again may help.

        Raises:
            SupervisorError: It would not; or it may, but nobody stands in for it meanwhile.
        """
        try:
            _check_hope(process, ending, deaths)
        except SupervisorError as error:
            if error.refused or not self._has_stand_in(process):
                raise
            self._given_up.add(process.spec.name)
            log.error("process_not_waited_for", name=process.spec.name, reason=str(error))
            await self._say_changed()

    def _has_stand_in(self, process: SupervisedProcess) -> bool:
        """Whether another one of its team is at work, or may still come to it."""
        team = process.spec.team
        others = [each for each in self.processes.values() if team and each.spec.team == team and each is not process]
        return any(each.is_ready or each.spec.name not in self._given_up for each in others)

    async def _say_changed(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _pause(self, delay_s: float) -> None:
        """Wait, but not on when the supervisor stops."""
        if delay_s:
            waiting = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({waiting}, timeout=delay_s)
            waiting.cancel()

    async def _fail(self, error: SupervisorError) -> None:
        self.failure = self.failure or error
        await self._say_changed()


def _check_hope(process: SupervisedProcess, ending: Ending, deaths: int) -> None:
    """Raise SupervisorError if starting the process again would not help."""
    name = process.spec.name
    if ending.status == EX_CONFIG:
        why = f": {ending.reason}" if ending.reason else "; its log says why"
        raise SupervisorError(f"{name} cannot work as configured{why}", refused=True)
    if not process.ready_generation and ending.status == EX_TEMPFAIL and ending.reason:
        raise SupervisorError(f"{name} cannot begin: {ending.reason}")
    if not process.ready_generation and deaths >= START_ATTEMPTS_MAX:
        raise SupervisorError(
            f"{name} died {deaths} times before it was ready, the last time with {_cause(ending)}; its log says why"
        )


def _cause(ending: Ending) -> str:
    return f"signal {-ending.status}" if ending.status < 0 else f"status {ending.status}"


def _facts(process: SupervisedProcess, ending: Ending) -> dict[str, object]:
    return {"name": process.spec.name, "pid": ending.pid, "cause": _cause(ending), "generation": process.generation}
