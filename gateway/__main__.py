"""`./outcry gateway`: FIX sessions in front, the logs behind."""

import asyncio
import signal
import ssl
import sys
from collections.abc import Callable, Mapping
from functools import partial

from bus.connection import Bus, BusError
from bus.reader import LogGap
from bus.streams import ForeignStream
from configs.loader import Venue
from gateway.exec_log import ExecutionsBroken
from gateway.service import Gateway
from sessions.port import Application, Engine, EngineError
from venue.process import (
    Settings,
    add_engine_argument,
    add_gateway_argument,
    argument_parser,
    load_venue,
    notify_ready,
    open_settings,
    run,
    serve_metrics,
)


def main(argv: list[str] | None = None) -> int:
    """Run a gateway until it is told to stop; returns the exit status."""
    parser = argument_parser("gateway", "Take FIX sessions and put their orders onto the log.")
    add_engine_argument(parser)
    add_gateway_argument(parser)
    options = parser.parse_args(argv)

    async def live(stop: asyncio.Event) -> None:
        reload_wanted = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload_wanted.set)
        settings = open_settings(options)
        nats = settings.venue.config.nats
        gateway_id = settings.venue.config.gateway.id
        bus = await Bus.connect(nats.url, name=f"gateway-{gateway_id}", publish_timeout_s=nats.publish_timeout_s)
        try:
            await _serve(settings, bus, stop, reload_wanted, partial(load_venue, options))
        finally:
            await bus.close()

    name = f"gateway-{options.id}" if options.id else "gateway"
    return run(name, live, refusals=(EngineError, ExecutionsBroken, ForeignStream, LogGap), outages=(BusError,))


async def _serve(
    settings: Settings, bus: Bus, stop: asyncio.Event, reload_wanted: asyncio.Event, read_again: Callable[[], Venue]
) -> None:
    gateway = Gateway(bus, settings.venue, settings.data_dir, open_engine=partial(_open_engine, settings))
    await gateway.recover()
    metrics_port = serve_metrics(settings.venue.config.gateway.metrics_port)
    await gateway.open(read_again, reload_wanted)
    notify_ready(fix_port=settings.venue.config.gateway.fix_port, metrics_port=metrics_port)
    await stop.wait()
    await gateway.close()


def _open_engine(settings: Settings, applications: Mapping[str, Application]) -> Engine:
    """
    Open the engine that the configuration names; only that one is imported.

    Raises:
        EngineError: It is not installed, or cannot be opened.
    """
    venue, data_dir, loop = settings.venue, settings.data_dir, asyncio.get_running_loop()
    if venue.config.gateway.engine == "native":
        from sessions.native.engine import NativeEngine  # noqa: PLC0415

        return NativeEngine(venue, data_dir=data_dir, loop=loop, applications=applications, tls=_tls(settings))
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        from sessions.quickfix.engine import QuickFixEngine  # noqa: PLC0415 - it changes what SIGINT does
    except ModuleNotFoundError as error:
        if error.name != "quickfix":
            raise
        raise EngineError(
            "the QuickFIX engine is asked for, but not installed; `./outcry test` installs it, and so does "
            "`--engine quickfix` behind ./outcry demo, up or gateway"
        ) from error
    signal.signal(signal.SIGINT, on_interrupt)
    return QuickFixEngine(venue, data_dir=data_dir, loop=loop, applications=applications)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    gateway, directory = settings.venue.config.gateway, settings.config_path.parent
    if not gateway.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(directory / gateway.tls_certificate, directory / gateway.tls_key)
    except OSError as error:
        raise EngineError(f"the TLS certificate cannot be used ({error}); see gateway.tls_certificate") from error
    return context


if __name__ == "__main__":
    sys.exit(main())
