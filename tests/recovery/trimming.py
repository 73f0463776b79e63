"""Trimming the logs of a venue that trades, as its leading matchers would in some days."""

import asyncio
import time
from itertools import product
from pathlib import Path

from prometheus_client import CollectorRegistry

from bus.connection import Bus
from bus.places import MARKETDATA, Place, gateway_reader, told
from bus.streams import log_state
from bus.subjects import exec_stream, ord_stream
from matcher.process.metrics import MatcherMetrics
from matcher.process.retention import Retention
from matcher.process.snapshot_files import directory_of
from venue.up import RunningVenue

IN_NINE_DAYS_NS = time.time_ns() + 9 * 24 * 3600 * 10**9


async def readers_have_told(bus: Bus, shards: int) -> None:
    """They do as soon as they have a place, and then again, at first after a second."""
    async with asyncio.timeout(30):
        for shard, reader in product(range(shards), (gateway_reader("gw1"), MARKETDATA)):
            while ((await told(bus, exec_stream(shard), reader)) or Place(0)).seq < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def snapshots_of(venue: RunningVenue, shard: int, *, replica: int = 1) -> Path:
    return directory_of(venue.data_dir, shard, replica)


async def look(bus: Bus, venue: RunningVenue, shard: int) -> None:
    """What the leader does now and then."""
    metrics = MatcherMetrics(CollectorRegistry())
    await Retention(bus, lambda: venue.venue, shard, snapshots_of(venue, shard), metrics).look(IN_NINE_DAYS_NS)


async def are_trimmed(bus: Bus, shard: int) -> bool:
    """Whether neither log of a shard has its beginning any more."""
    return all([(await log_state(bus, log)).first_seq > 1 for log in (ord_stream(shard), exec_stream(shard))])
