"""
The life of one process of the venue: arguments, logs, signals, readiness, metrics, and how it ends.

A process's `__main__` parses its arguments with `argument_parser`, and gives `run` a coroutine function that opens its
`Settings`, works until the stop event is set, and returns. `run` turns the end into an exit status:

    0    stopped when asked to
    70   a fault of ours, logged with its traceback; starting again may help
    75   something that it needs is not there, logged as one sentence; starting again will help once it is
    78   it cannot work as configured, logged as one sentence; starting again will not help
"""

import argparse
import asyncio
import errno
import gc
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec
import orjson
import prometheus_client
import structlog
import uvloop

from configs.loader import ONE_MACHINE, ConfigError, Venue, load
from venue import logs
from venue.data_directory import DataDirectoryError, open_directory

EX_SOFTWARE: Final = 70
EX_TEMPFAIL: Final = 75
EX_CONFIG: Final = 78
READY_FD: Final = "OUTCRY_READY_FD"
"""Environment variable: the descriptor on which a supervisor awaits JSON lines: ready, and why the process ended."""
DEFAULT_DATA: Final = Path("data")
EngineName = Literal["native", "quickfix"]
"""As gateway.engine of the configuration."""

log = structlog.get_logger()


class StartError(Exception):
    """The process cannot start; the message is one sentence for the operator."""


class Settings(msgspec.Struct, frozen=True):
    """What every process of a venue is started with."""

    venue: Venue
    config_path: Path
    data_dir: Path
    """Exists, absolute."""


def argument_parser(name: str, description: str) -> argparse.ArgumentParser:
    """Arguments that every process understands: --config, --data, --nats."""
    parser = argparse.ArgumentParser(prog=f"outcry {name}", description=description)
    parser.add_argument("--config", type=Path, default=ONE_MACHINE, metavar="FILE", help="default: %(default)s")
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, metavar="DIR", help="made if absent; default: ./data"
    )
    parser.add_argument("--nats", metavar="URL", help="use this JetStream server, not the one in the configuration")
    return parser


def add_engine_argument(parser: argparse.ArgumentParser) -> None:
    """For commands with a gateway in them: --engine."""
    parser.add_argument(
        "--engine", choices=get_args(EngineName), help="the FIX engine; default: gateway.engine of the configuration"
    )


def with_engine(venue: Venue, engine: EngineName | None) -> Venue:
    """
    Choose the FIX engine of a venue; None leaves it as configured.

    Raises:
        ConfigError: The venue speaks TLS, and this engine does not.
    """
    if engine is None:
        return venue
    if engine == "quickfix" and venue.config.gateway.tls_certificate:
        raise ConfigError("only the native engine speaks TLS, and gateway.tls_certificate is set; use --engine native")
    gateway = msgspec.structs.replace(venue.config.gateway, engine=engine)
    return msgspec.structs.replace(venue, config=msgspec.structs.replace(venue.config, gateway=gateway))


def add_gateway_argument(parser: argparse.ArgumentParser) -> None:
    """For the gateway: --id, and the venue that it loads is as this gateway sees it."""
    parser.add_argument("--id", metavar="ID", default="", help="which gateway of the configuration; default: the first")


def open_settings(options: argparse.Namespace) -> Settings:
    """
    Load the configuration and open the data directory that the arguments name.

    Args:
        options: What an `argument_parser` made of the arguments.

    Raises:
        ConfigError: The configuration cannot be used.
        DataDirectoryError: The data directory cannot be used.
    """
    return Settings(load_venue(options), options.config.absolute(), open_directory(options.data))


def load_venue(options: argparse.Namespace) -> Venue:
    """
    Load the configuration, with what the arguments say instead of it; as often as it is to be read again.

    Raises:
        ConfigError: It cannot be used.
    """
    venue = with_engine(load(options.config), getattr(options, "engine", None))
    if (gateway_id := getattr(options, "id", None)) is not None:
        venue = venue.at_gateway(gateway_id or venue.config.gateway.id)
    if options.nats is not None:
        nats = msgspec.structs.replace(venue.config.nats, url=options.nats, embedded=False)
        venue = msgspec.structs.replace(venue, config=msgspec.structs.replace(venue.config, nats=nats))
    return venue


def run(
    name: str,
    main: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
    refusals: tuple[type[Exception], ...] = (),
    outages: tuple[type[Exception], ...] = (),
) -> int:
    """
    Run a process until SIGTERM or SIGINT sets the stop event and `main` returns; returns the exit status.

    Args:
        name: Of the process, on every line of its log.
        main: Its work. A task of its making that fails unobserved ends the process as well.
        refusals: Exceptions, beside those of this package, that say in one sentence why it cannot work as configured.
        outages: Exceptions that say in one sentence what it needs and cannot reach; they come first.
    """
    logs.configure(name)
    _collect_rarely()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_live(main))
    except Exception as raised:  # whatever it is, the process ends with a status and a line in its log
        errors = list(_single(raised))
        refused = [error for error in errors if not isinstance(error, outages)]
        if not refused:
            return _end("outage", errors[0], EX_TEMPFAIL)
        if all(isinstance(error, (*refusals, ConfigError, DataDirectoryError, StartError)) for error in refused):
            return _end("refused", refused[0], EX_CONFIG)
        log.error("crashed", exc_info=errors[0] if len(errors) == 1 else raised)
        return EX_SOFTWARE
    return 0


def notify_ready(**details: Any) -> None:
    """Say once that the process does its work: in the log, and to the supervisor if there is one."""
    log.info("ready", **details)
    _tell_supervisor({"ready": details})


def serve_metrics(port: int) -> int:
    """
    Serve Prometheus metrics on 127.0.0.1; returns the port.

    Args:
        port: 0 takes any free one.

    Raises:
        StartError: The port is taken, or may not be used.
    """
    try:
        server, _ = prometheus_client.start_http_server(port, addr="127.0.0.1")
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise StartError(f"metrics port 127.0.0.1:{port} {reason}; set another metrics port, or 0 for any") from error
    return int(server.server_port)


async def _live(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    fault: asyncio.Future[None] = loop.create_future()
    loop.set_exception_handler(lambda _, context: _on_unhandled(fault, context))
    work = asyncio.ensure_future(main(stop))
    await asyncio.wait({work, fault}, return_when=asyncio.FIRST_COMPLETED)
    if fault.done() and not work.done():
        work.cancel()
        await asyncio.wait({work})
    if fault.done():
        fault.result()
    work.result()


def _on_unhandled(fault: "asyncio.Future[None]", context: dict[str, Any]) -> None:
    """A task or callback that failed unobserved is a fault of ours; a failing connection concerns its peer only."""
    error = context.get("exception")
    log.error("unhandled", message=context.get("message"), exc_info=error)
    ours = isinstance(context.get("future"), asyncio.Task) or "handle" in context
    if ours and isinstance(error, Exception) and not fault.done():
        fault.set_exception(error)


def _collect_rarely() -> None:
    """
    Let the cyclic garbage collector look at old objects once in a hundred million new ones.

    A full collection reads every order that the process remembers, 40 ms for a matcher with 250,000 of them, during
    which nobody is answered. What it looks for is rare: orders, records and messages are never part of a cycle.
    """
    gc.set_threshold(5_000, 5, 4_000)


def _end(event: str, error: BaseException, status: int) -> int:
    sentence = str(error)
    log.error(event, reason=sentence)
    _tell_supervisor({"ended": logs.mask_text(sentence)})
    return status


def _single(error: BaseException) -> Iterator[BaseException]:
    """What the failures of a task group were about, such as the same fault of several shards; or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _single(each)
    else:
        yield error


def _tell_supervisor(message: dict[str, Any]) -> None:
    descriptor = os.environ.get(READY_FD)
    if descriptor is None:
        return
    try:
        os.write(int(descriptor), orjson.dumps(message) + b"\n")
    except OSError as error:
        log.warning("supervisor_unreachable", reason=error.strerror)
