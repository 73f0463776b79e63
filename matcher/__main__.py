"""`./outcry matcher`: matches one shard."""

import asyncio
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import structlog

from bus import background
from bus.connection import Bus, BusError
from bus.publisher import Fenced
from bus.reader import LogGap
from bus.streams import ForeignStream, add_units, check_units, ensure_shard
from configs.loader import ConfigError, Venue, replica_name
from matcher.process import snapshot_files
from matcher.process.logs import LogBroken
from matcher.process.metrics import MatcherMetrics
from matcher.process.replay import Diverged
from matcher.process.service import MatcherService
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
    parser.add_argument(
        "--replica",
        type=int,
        default=1,
        metavar="N",
        help="which of the shard's matchers, if there are standbys; default: 1",
    )
    options = parser.parse_args(argv)

    async def live(stop: asyncio.Event) -> None:
        reload_wanted = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload_wanted.set)
        wants = _Reload(reload_wanted, partial(load_venue, options))
        await _serve(open_settings(options), options.shard, options.replica, stop, wants)

    name = replica_name(options.shard, options.replica)
    # A fenced matcher is started again, and stands by.
    refusals = (Diverged, ForeignStream, LogBroken, LogGap)
    return run(name, live, refusals=refusals, outages=(BusError, Fenced))


class _Reload(NamedTuple):
    """When the configuration is to be read again, and how."""

    wanted: asyncio.Event
    read: Callable[[], Venue]


async def _serve(settings: Settings, shard: int, replica: int, stop: asyncio.Event, reload: _Reload) -> None:
    config = settings.venue.config
    if not 0 <= shard < config.shards:
        raise StartError(f"--shard {shard}, but {settings.config_path} has shards 0 to {config.shards - 1}")
    if replica < 1:
        raise StartError(f"--replica {replica}, but replicas are counted from 1")
    name = replica_name(shard, replica)
    bus = await Bus.connect(config.nats.url, name=name, publish_timeout_s=config.nats.publish_timeout_s)
    try:
        snapshots = snapshot_files.directory_of(settings.data_dir, shard, replica)
        service = MatcherService(bus, settings.venue, shard, snapshots, MatcherMetrics(), replica=replica)
        if not await background.unless_set(stop, _begin(bus, settings.venue, shard, service)):
            return
        port = config.matcher.metrics_port_base
        metrics_port = serve_metrics(port + shard + config.shards * (replica - 1) if port else 0)
        notify_ready(shard=shard, replica=replica, leads=service.is_leading, metrics_port=metrics_port)
        reloading = background.start(_keep_reloading(service, bus, shard, reload), name="reload")
        try:
            await service.run(stop)
        finally:
            reloading.cancel()
    finally:
        await bus.close()


async def _begin(bus: Bus, venue: Venue, shard: int, service: MatcherService) -> None:
    config = venue.config
    units = [venue.units_of(each) for each in range(config.shards)]
    await check_units(bus, units)
    await ensure_shard(bus, shard, max_bytes=config.nats.log_max_bytes, replicas=config.replicas, units=units[shard])
    await service.start()


async def _keep_reloading(service: MatcherService, bus: Bus, shard: int, reload: _Reload) -> None:
    """Go by the configuration as it is now, whenever the event is set; a file that cannot be used changes nothing."""
    while True:
        await reload.wanted.wait()
        reload.wanted.clear()
        try:
            venue = await asyncio.to_thread(reload.read)
            service.reconfigure(venue)
        except ConfigError as error:
            log.error("configuration_not_reloaded", reason=f"{error}; nothing was changed")
            continue
        log.info("configuration_reloaded")
        try:
            await add_units(bus, shard, venue.units_of(shard))
        except (BusError, ForeignStream) as error:  # the next start notes them
            log.warning("units_not_noted", reason=str(error))


if __name__ == "__main__":
    sys.exit(main())
