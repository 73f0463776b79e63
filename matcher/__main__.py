"""`./outcry matcher`: matches one shard."""

import asyncio
import signal
import sys
from collections.abc import Callable
from functools import partial

import structlog

from bus import background
from bus.connection import Bus, BusError
from bus.publisher import Fenced
from bus.streams import ForeignStream, ensure_shard
from configs.loader import ConfigError, Venue
from matcher.process.metrics import MatcherMetrics
from matcher.process.service import LogBroken, MatcherService
from venue.process import (
    Settings,
    StartError,
    argument_parser,
    load_venue,
    notify_ready,
    open_settings,
    run,
    serve_metrics,
)

log = structlog.get_logger()


def main(argv: list[str] | None = None) -> int:
    """Run one shard's matcher until it is told to stop; returns the exit status."""
    parser = argument_parser("matcher", "Match the orders of one shard.")
    parser.add_argument("--shard", type=int, default=0, metavar="N", help="which shard; default: 0")
    options = parser.parse_args(argv)

    async def live(stop: asyncio.Event) -> None:
        reload_wanted = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload_wanted.set)
        await _serve(open_settings(options), options.shard, stop, reload_wanted, partial(load_venue, options))

    refusals = (Fenced, ForeignStream, LogBroken)
    return run(f"matcher-{options.shard}", live, refusals=refusals, outages=(BusError,))


async def _serve(
    settings: Settings, shard: int, stop: asyncio.Event, reload_wanted: asyncio.Event, read_again: Callable[[], Venue]
) -> None:
    config = settings.venue.config
    if not 0 <= shard < config.shards:
        raise StartError(f"--shard {shard}, but {settings.config_path} has shards 0 to {config.shards - 1}")
    bus = await Bus.connect(config.nats.url, name=f"matcher-{shard}", publish_timeout_s=config.nats.publish_timeout_s)
    try:
        await ensure_shard(
            bus,
            shard,
            max_bytes=config.nats.log_max_bytes,
            replicas=config.replicas,
            units=settings.venue.units_of(shard),
            elsewhere=settings.venue.symbols_elsewhere(shard),
        )
        snapshots = settings.data_dir / "snapshots" / str(shard)
        service = MatcherService(bus, settings.venue, shard, snapshots, MatcherMetrics())
        await service.start()
        port = config.matcher.metrics_port_base
        notify_ready(shard=shard, metrics_port=serve_metrics(port + shard if port else 0))
        reloading = background.start(_keep_reloading(service, reload_wanted, read_again), name="reload")
        try:
            await service.run(stop)
        finally:
            reloading.cancel()
    finally:
        await bus.close()


async def _keep_reloading(
    service: MatcherService, reload_wanted: asyncio.Event, read_again: Callable[[], Venue]
) -> None:
    """Go by the configuration as it is now, whenever the event is set; a file that cannot be used changes nothing."""
    while True:
        await reload_wanted.wait()
        reload_wanted.clear()
        try:
            service.reconfigure(await asyncio.to_thread(read_again))
        except ConfigError as error:
            log.error("configuration_not_reloaded", reason=f"{error}; nothing was changed")
        else:
            log.info("configuration_reloaded")


if __name__ == "__main__":
    sys.exit(main())
