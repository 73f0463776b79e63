"""`./outcry marketdata`: reads the execution logs and publishes market data."""

import asyncio
import sys

from bus.connection import Bus, BusError
from marketdata.checkpoint import CHECKPOINT_FILE
from marketdata.metrics import ServiceMetrics
from marketdata.service import FeedBroken, MarketDataService
from venue.process import Settings, argument_parser, notify_ready, open_settings, run, serve_metrics


def main(argv: list[str] | None = None) -> int:
    """Run the market-data process until it is told to stop; returns the exit status."""
    options = argument_parser("marketdata", "Publish market data from the execution logs.").parse_args(argv)

    async def live(stop: asyncio.Event) -> None:
        await _serve(open_settings(options), stop)

    return run("marketdata", live, refusals=(FeedBroken,), outages=(BusError,))


async def _serve(settings: Settings, stop: asyncio.Event) -> None:
    config = settings.venue.config
    bus = await Bus.connect(config.nats.url, name="marketdata")
    try:
        service = MarketDataService(settings.venue, bus, settings.data_dir / CHECKPOINT_FILE, ServiceMetrics())
        await service.start()
        notify_ready(metrics_port=serve_metrics(config.marketdata.metrics_port), symbols=len(service.books))
        await service.run(stop)
    finally:
        await bus.close()


if __name__ == "__main__":
    sys.exit(main())
