"""
Whole venues for tests: real processes on free ports, with everything they write under the test's own directory.

`venue` is a test's own, to be killed and restarted at will; `shared_venue` serves all tests of a module, which use
instruments or ClOrdIDs of their own. For other configurations open a `RunningVenue` on an `ephemeral_config`.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[RunningVenue]:
    """A venue of the test's own, supervised in its event loop."""
    async with RunningVenue(ephemeral_config(tmp_path), tmp_path / "data") as running:
        yield running


@pytest.fixture(scope="module")
def shared_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVenue]:
    """A venue for all tests of a module, so that any kind of test may use it."""
    with venue_in_a_thread(tmp_path_factory.mktemp("venue")) as running:
        yield running


@contextmanager
def venue_in_a_thread(directory: Path, **overrides: Any) -> Iterator[RunningVenue]:
    """Run a venue under `directory`, supervised in a thread of its own; `overrides` as for `ephemeral_config`."""
    running = RunningVenue(ephemeral_config(directory, **overrides), directory / "data")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="shared-venue")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result()
        try:
            yield running
        finally:
            asyncio.run_coroutine_threadsafe(running.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
