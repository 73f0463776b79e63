"""A process of no venue, for the tests of `venue.process` and `venue.supervisor`: an argument says how it behaves."""

# ruff: noqa: ARG001 -- each behaviour has the signature that `run` calls

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from venue.process import StartError, notify_ready, run, serve_metrics


async def obedient(stop: asyncio.Event) -> None:
    notify_ready(metrics_port=serve_metrics(0))
    await stop.wait()


async def stubborn(stop: asyncio.Event) -> None:
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    notify_ready()
    await asyncio.Event().wait()


async def refusing(stop: asyncio.Event) -> None:
    raise StartError("the moon is in the wrong phase; wait for another one")


async def refusing_in_a_group(stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(refusing(stop))


async def refusing_several_times(stop: asyncio.Event) -> None:
    """As market data whose shards have all the same fault, and that has lost its server meanwhile."""
    raise ExceptionGroup("of tasks", [await fail(each, stop) for each in (missing_something, refusing, refusing)])


async def crashing_among_others(stop: asyncio.Event) -> None:
    raise ExceptionGroup("of tasks", [await fail(each, stop) for each in (refusing, missing_something, crashing)])


async def fail(behaviour: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> Exception:
    try:
        await behaviour(stop)
    except Exception as error:
        return error
    raise AssertionError("it did not fail")


async def refusing_after_ready(stop: asyncio.Event) -> None:
    notify_ready()
    await refusing(stop)


async def missing_something(stop: asyncio.Event) -> None:
    raise ConnectionError("no server at the end of the rainbow; start one")


async def missing_something_later(stop: asyncio.Event) -> None:
    notify_ready()
    await missing_something(stop)


async def crashing(stop: asyncio.Event) -> None:
    raise RuntimeError("password='hunter2' was not expected here")


async def crashing_in_a_task(stop: asyncio.Event) -> None:
    notify_ready()

    async def fail() -> None:
        raise LookupError("nobody awaits me")

    asyncio.create_task(fail())  # noqa: RUF006 -- lost on purpose
    await stop.wait()


async def crashing_in_a_callback(stop: asyncio.Event) -> None:
    notify_ready()
    asyncio.get_running_loop().call_soon(lambda: {}["absent"])
    await stop.wait()


async def refusing_a_taken_port(stop: asyncio.Event) -> None:
    serve_metrics(serve_metrics(0))


async def leaving_a_trace(stop: asyncio.Event) -> None:
    trace = Path(os.environ["TRACE"])
    notify_ready()
    await stop.wait()
    with trace.open("a") as file:
        file.write(f"{sys.argv[2]}\n")


async def warning_by_a_library(stop: asyncio.Event) -> None:
    logging.getLogger("nats").error("lost the connection to nats://user:hunter2@127.0.0.1:1")


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], globals()[sys.argv[1]], outages=(ConnectionError,)))
