"""
The command `up`: a whole venue on one machine, in the foreground, until SIGTERM or Ctrl-C.

`RunningVenue` is the same for programs: the demo, the benchmarks and the tests open one and work with it.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from typing import Any, Final, Self

import structlog
import uvloop

from configs.loader import ONE_MACHINE, ConfigError, Venue, check_reloadable, load, replica_name
from venue import logs
from venue.data_directory import (
    DataDirectoryError,
    claim_store,
    forget_runner,
    lock,
    note_runner,
    open_directory,
    open_logs,
)
from venue.nats_server import nats_server_specs
from venue.process import (
    DEFAULT_DATA,
    EX_CONFIG,
    EX_SOFTWARE,
    EngineName,
    StartError,
    add_engine_argument,
    with_engine,
)
from venue.supervised_process import ProcessSpec, SupervisedProcess, SupervisorError
from venue.supervisor import Supervisor

LOG_STAGE: Final = 0
CORE_STAGE: Final = 1
DOOR_STAGE: Final = 2
START_FAILURES: Final = (ConfigError, DataDirectoryError, StartError, SupervisorError)
"""What may keep a venue from running; each says why in one sentence."""

log = structlog.get_logger()


class RunningVenue:
    """
    A venue with all its processes, as an async context manager: it trades inside, nothing of it is left after.

        async with RunningVenue(config_path, data_dir) as venue:
            connect("127.0.0.1", venue.fix_port)
            os.kill(venue.processes["matcher-0"].pid, signal.SIGKILL)
            await venue.wait_ready("matcher-0", generation=2)

    Entering raises ConfigError, DataDirectoryError, StartError or SupervisorError, each with one sentence.
    """

    supervisor: Supervisor

    def __init__(
        self,
        config_path: Path,
        data_dir: Path,
        *,
        quiet: bool = True,
        engine: EngineName | None = None,
        nats_urls: Mapping[str, str] | None = None,
        restart_delays_s: tuple[float, ...] | None = None,
    ) -> None:
        """
        Prepare a venue that is not started yet.

        Args:
            config_path: The venue file.
            data_dir: Made if it is not there.
            quiet: The processes log to `<data_dir>/logs/<name>.log`, not to standard error.
            engine: The gateway's, instead of the configuration's.
            nats_urls: By a process's name, the JetStream server that it uses instead of the configuration's.
            restart_delays_s: Of the supervisor, in place of its own.
        """
        self.config_path = config_path.absolute()
        self.data_dir = data_dir.absolute()
        self.venue: Venue = with_engine(load(self.config_path), engine)
        self.traded = dict(self.venue.instruments)
        """By symbol: all that the configuration has named since the start."""
        self._quiet = quiet
        self._nats_urls = nats_urls or {}
        self._restart_delays_s = restart_delays_s
        self._stack = AsyncExitStack()

    @property
    def processes(self) -> dict[str, SupervisedProcess]:
        """By name: nats-server, matcher-0, ..., marketdata, gateway, gateway-<id of another>..., websocket."""
        return self.supervisor.processes

    @property
    def fix_port(self) -> int:
        """Where the first gateway accepts FIX sessions."""
        return self.fix_ports[self.venue.config.gateway.id]

    @property
    def fix_ports(self) -> dict[str, int]:
        """Where each gateway accepts FIX sessions, by its id."""
        return {
            gateway_id: int(self.processes[self.gateway_name(gateway_id)].details["fix_port"])
            for gateway_id in self.venue.gateway_ids
        }

    @property
    def websocket_port(self) -> int:
        """Where market data is served over WebSocket; 0 if it is not."""
        return int(self.processes["websocket"].details["websocket_port"]) if self.venue.config.websocket.port else 0

    def gateway_name(self, gateway_id: str) -> str:
        """The name of a gateway's process: `gateway` is the first, the others have their id in it."""
        return "gateway" if gateway_id == self.venue.config.gateway.id else f"gateway-{gateway_id}"

    async def wait_ready(self, name: str, generation: int = 1) -> None:
        """Await that a life of a process, this one or a later, is ready; as `Supervisor.wait_ready`."""
        await self.supervisor.wait_ready(name, generation)

    async def __aenter__(self) -> Self:
        """Start everything; returns when the venue accepts FIX sessions."""
        async with AsyncExitStack() as stack:
            open_directory(self.data_dir)
            held = await lock(self.data_dir)
            stack.callback(os.close, held)
            claim_store(self.data_dir)
            forget_runner(self.data_dir)
            self.supervisor = await stack.enter_async_context(
                Supervisor(self._specs(held), restart_delays_s=self._restart_delays_s)
            )
            self._stack = stack.pop_all()
        return self

    async def reload(self) -> None:
        """
        Have matchers and gateway read their configuration again; their logs say what came of it.

        A file that cannot be read reaches none of them. The gateway comes last, so that who is let in by it finds
        limits and instruments announced.

        Raises:
            SupervisorError: The venue cannot be kept up.
        """
        try:
            venue = await asyncio.to_thread(load, self.config_path)
            check_reloadable(self.venue.config.shards, self.traded, venue)
        except ConfigError as error:
            log.error("configuration_not_reloaded", reason=f"{error}; nothing was changed")
            return
        self.traded |= venue.instruments
        for shard, replica in self._replicas():
            await self.supervisor.signal_ready(replica_name(shard, replica), signal.SIGHUP)
        for gateway_id in self.venue.gateway_ids:
            await self.supervisor.signal_ready(self.gateway_name(gateway_id), signal.SIGHUP)

    async def __aexit__(self, *_: object) -> None:
        """Stop everything: gateway first, JetStream last."""
        await self._stack.aclose()

    def facts(self) -> dict[str, Any]:
        """What an operator wants to know of a venue that is ready."""
        details = {name: process.details for name, process in self.processes.items()}
        return {
            **({"fix_ports": self.fix_ports} if len(self.fix_ports) > 1 else {"fix_port": self.fix_port}),
            **({"websocket_port": self.websocket_port} if self.websocket_port else {}),
            "metrics_ports": {name: said["metrics_port"] for name, said in details.items() if "metrics_port" in said},
            "pids": {name: process.pid for name, process in self.processes.items() if process.running},
            "data": str(self.data_dir),
            "durability": self.venue.config.durability,
            "engine": self.venue.config.gateway.engine,
        }

    def _specs(self, held: int) -> list[ProcessSpec]:
        config = self.venue.config
        specs: list[ProcessSpec] = []
        if config.nats.embedded:
            specs += nats_server_specs(config, self.data_dir, stage=LOG_STAGE, inherit=(held,))
        specs += [
            self._spec(
                replica_name(shard, replica),
                CORE_STAGE,
                held,
                "matcher",
                *("--shard", str(shard), "--replica", str(replica)),
                team=f"matchers of shard {shard}",
            )
            for shard, replica in self._replicas()
        ]
        specs.append(self._spec("marketdata", CORE_STAGE, held, "marketdata"))
        specs += [
            self._spec(
                self.gateway_name(gateway_id),
                DOOR_STAGE,
                held,
                "gateway",
                *("--engine", config.gateway.engine),
                *(() if gateway_id == config.gateway.id else ("--id", gateway_id)),
            )
            for gateway_id in self.venue.gateway_ids
        ]
        if config.websocket.port:
            specs.append(self._spec("websocket", DOOR_STAGE, held, "marketdata.websocket"))
        return specs

    def _replicas(self) -> Iterator[tuple[int, int]]:
        """Shard and number of each matcher."""
        config = self.venue.config
        return product(range(config.shards), range(1, config.matcher.standbys + 2))

    def _spec(self, name: str, stage: int, held: int, module: str, *arguments: str, team: str = "") -> ProcessSpec:
        # -P: a folder named like one of our packages in the working directory must not shadow it.
        command = (sys.executable, "-P", "-m", module, "--config", str(self.config_path), "--data", str(self.data_dir))
        if (url := self._nats_urls.get(name)) is not None:
            arguments += ("--nats", url)
        return ProcessSpec(
            name=name,
            command=command + arguments,
            stage=stage,
            team=team,
            inherit=(held,),
            log_file=self._log_file(name),
        )

    def _log_file(self, name: str) -> Path | None:
        if not self._quiet:
            return None
        return open_logs(self.data_dir) / f"{name}.log"


def main(argv: list[str]) -> int:
    """Run a venue until a signal; returns 0, 78 if it cannot work as configured, 70 if it cannot be kept up."""
    parser = argparse.ArgumentParser(prog="outcry up", description="Run a whole venue in the foreground.")
    parser.add_argument("--config", type=Path, default=ONE_MACHINE, metavar="FILE", help="default: %(default)s")
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, metavar="DIR", help="made if absent; default: ./data"
    )
    add_engine_argument(parser)
    options = parser.parse_args(argv)
    logs.configure("up")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(RunningVenue(options.config, options.data, quiet=False, engine=options.engine)))
    except START_FAILURES as error:
        log.error("venue_refused", reason=str(error))
        return exit_status(error)


def exit_status(error: Exception) -> int:
    """Of a program whose venue failed with this error: 70 if starting again may help, else 78."""
    if isinstance(error, SupervisorError) and not error.refused:
        return EX_SOFTWARE
    return EX_CONFIG if isinstance(error, START_FAILURES) else EX_SOFTWARE


async def _run(venue: RunningVenue) -> int:
    loop, stop, hangup = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    had_terminal = _has_terminal()

    def on_hangup() -> None:
        """Somebody asks for a reload; or the terminal was closed, which ends what runs in it."""
        (stop if had_terminal and not _has_terminal() else hangup).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, on_hangup)
    stopping = asyncio.create_task(stop.wait())
    running = asyncio.create_task(_keep_up(venue, hangup))
    await asyncio.wait({stopping, running}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if running.done():
        running.result()
    log.info("venue_stopping")
    running.cancel()
    await asyncio.wait({running})
    log.info("venue_stopped")
    return 0


async def _keep_up(venue: RunningVenue, hangup: asyncio.Event) -> None:
    """Run the venue until this is cancelled; raises SupervisorError when the venue cannot be kept up."""
    async with venue:
        _note(venue)
        log.info("venue_ready", **venue.facts())
        failing = asyncio.create_task(venue.supervisor.wait_failed())
        reloading = asyncio.create_task(_reload_for_ever(venue, hangup))
        try:
            await asyncio.wait({failing, reloading}, return_when=asyncio.FIRST_COMPLETED)
            if reloading.done():
                reloading.result()
            raise await failing
        finally:
            failing.cancel()
            reloading.cancel()
            await asyncio.wait({failing, reloading})
            forget_runner(venue.data_dir)


async def _reload_for_ever(venue: RunningVenue, hangup: asyncio.Event) -> None:
    while True:
        await hangup.wait()
        hangup.clear()
        await venue.reload()
        try:
            _note(venue)
        except DataDirectoryError as error:  # a full disk is no reason to stop
            log.warning("reload_not_noted", reason=str(error))


def _note(venue: RunningVenue) -> None:
    """For the command `reload`."""
    note_runner(venue.data_dir, venue.config_path, venue.venue.config.shards, venue.traded)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
