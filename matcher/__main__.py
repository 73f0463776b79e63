"""`./outcry matcher`: matches one shard."""

import asyncio
import sys

from bus.connection import Bus, BusError
from bus.publisher import Fenced
from bus.streams import ForeignStream, ensure_shard
from matcher.metrics import MatcherMetrics
from matcher.service import LogBroken, MatcherService
from venue.process import Settings, StartError, argument_parser, notify_ready, open_settings, run, serve_metrics


def main(argv: list[str] | None = None) -> int:
    """Run one shard's matcher until it is told to stop; returns the exit status."""
    parser = argument_parser("matcher", "Match the orders of one shard.")
    parser.add_argument("--shard", type=int, default=0, metavar="N", help="which shard; default: 0")
    options = parser.parse_args(argv)

    async def live(stop: asyncio.Event) -> None:
        await _serve(open_settings(options), options.shard, stop)

    refusals = (Fenced, ForeignStream, LogBroken)
    return run(f"matcher-{options.shard}", live, refusals=refusals, outages=(BusError,))


async def _serve(settings: Settings, shard: int, stop: asyncio.Event) -> None:
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
        )
        snapshots = settings.data_dir / "snapshots" / str(shard)
        service = MatcherService(bus, settings.venue, shard, snapshots, MatcherMetrics())
        await service.start()
        port = config.matcher.metrics_port_base
        notify_ready(shard=shard, metrics_port=serve_metrics(port + shard if port else 0))
        await service.run(stop)
    finally:
        await bus.close()


if __name__ == "__main__":
    sys.exit(main())
