"""`./outcry gateway`: FIX sessions in front, the logs behind."""

import asyncio
import signal
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

from bus import background
from bus.connection import Bus, BusError
from bus.streams import ForeignStream, ensure_shard
from configs.loader import Venue
from gateway import definitions
from gateway.executions import Executions, ExecutionsBroken
from gateway.fix_inbound import Inbound
from gateway.fix_outbound import Reports
from gateway.metrics import GatewayMetrics
from gateway.order_entry import OrderEntry
from gateway.reload import Reload, resume
from gateway.sent_marks import MARKS_FILE, next_boot
from gateway.sequencer import Sequencer
from marketdata.client import BookReader
from marketdata.fix_feed import FixFeed
from marketdata.metrics import FeedMetrics
from matcher.instruments import Instrument
from sessions.accounts import Accounts
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

    return run("gateway", live, refusals=(EngineError, ExecutionsBroken, ForeignStream), outages=(BusError,))


async def _serve(
    settings: Settings, bus: Bus, stop: asyncio.Event, reload_wanted: asyncio.Event, read_again: Callable[[], Venue]
) -> None:
    venue, config = settings.venue, settings.venue.config
    for shard in range(config.shards):
        await ensure_shard(
            bus,
            shard,
            max_bytes=config.nats.log_max_bytes,
            replicas=config.replicas,
            units=venue.units_of(shard),
            elsewhere=venue.symbols_elsewhere(shard),
        )
    metrics = GatewayMetrics()
    accounts = Accounts(venue)
    marks_path = settings.data_dir / MARKS_FILE
    boot = next_boot(marks_path, time.time_ns())
    applications: dict[str, OrderEntry | FixFeed] = {}

    def send(session_id: str, bodies: list[str]) -> None:
        engine.send(session_id, bodies)

    def on_crowded(crowded: bool) -> None:
        (engine.hold_inbound if crowded else engine.release_inbound)("orders")

    sequencer = Sequencer(bus, venue, boot=boot, metrics=metrics, on_crowded=on_crowded)
    inbound, reports = Inbound(venue.instruments), Reports(venue.instruments)
    order_entry = OrderEntry(inbound, sequencer, accounts, metrics)
    feed = FixFeed(send, venue, FeedMetrics(), now_ns=time.time_ns)
    books = BookReader(bus, (), feed.on_change)  # the feed names each symbol that a session subscribes to
    feed.attach(books)
    applications |= {"orders": order_entry, "marketdata": feed}

    traded = dict(venue.instruments)

    def define(instrument: Instrument) -> None:
        traded[instrument.symbol] = instrument
        sequencer.define(instrument)
        inbound.define(instrument)
        reports.define(instrument)
        feed.define(instrument)

    engine = _open_engine(settings, applications)
    executions = Executions(
        bus,
        engine,
        reports,
        sessions=order_entry.progress,
        gateway_id=config.gateway.id,
        boot=boot,
        shards=config.shards,
        marks_path=marks_path,
        metrics=metrics,
        on_defined=define,
    )
    order_entry.note_numbers = executions.note_numbers
    order_entry.log_out = engine.log_out
    exec_ends = await definitions.ends(bus, config.shards)
    sequencer.announce(config.gateway.id, boot)
    for instrument in await definitions.learn(bus, exec_ends, gateway_id=config.gateway.id, boot=boot):
        define(instrument)
    marks = await executions.recover()
    for session_id in order_entry.progress:
        resume(engine, order_entry, session_id, marks.get(session_id))
    reload = Reload(
        venue,
        read_again,
        engine=engine,
        order_entry=order_entry,
        executions=executions,
        marks=marks,
        traded=traded,
    )
    await books.start()
    metrics.watch(
        {
            "gateway_sessions_up": ("FIX sessions that are logged on.", lambda: len(engine.sessions_up)),
            "gateway_commands_waiting": ("Commands in no record yet.", lambda: sequencer.commands_waiting),
            "gateway_messages_in": ("Application messages received.", lambda: engine.messages_in),
            "gateway_messages_out": ("Application messages sent or stored.", lambda: engine.messages_out),
        }
    )
    metrics.watch_engine(engine)
    metrics_port = serve_metrics(config.gateway.metrics_port)
    engine.start()
    reloading = background.start(reload.keep(reload_wanted), name="reload")
    notify_ready(fix_port=config.gateway.fix_port, metrics_port=metrics_port)
    await stop.wait()
    reloading.cancel()
    await executions.stop()
    await books.stop()
    await asyncio.to_thread(engine.stop)
    executions.close()


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
