"""A venue to be killed, once with each FIX engine: the promises do not depend on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue


@pytest.fixture(params=["native", "quickfix"])
async def venue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RunningVenue]:
    config = ephemeral_config(tmp_path, gateway={"engine": request.param})
    async with RunningVenue(config, tmp_path / "data") as running:
        yield running
