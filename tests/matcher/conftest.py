"""The tests here that need JetStream get a server of their own, and a shard's logs on it."""

import asyncio
from pathlib import Path

import pytest

from bus.connection import Bus
from bus.streams import ensure_shard
from matcher.process import clock
from tests.jetstream import LOG_BYTES_MAX, bus, server
from tests.matcher.shard_house import House

__all__ = ["bus", "server"]


@pytest.fixture
async def house(bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A house whose matchers' clocks stand still; `test_venue_commands` is about those."""

    async def stand_still(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(clock, "keep", stand_still)
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    house = House(bus, tmp_path)
    await house.define()
    return house
