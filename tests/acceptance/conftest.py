"""A venue for each module of acceptance tests and each FIX engine: what a client sees depends on neither."""

from collections.abc import Iterator

import pytest

from tests.conftest import venue_in_a_thread
from venue.up import RunningVenue


@pytest.fixture(scope="module", params=["native", "quickfix"])
def shared_venue(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVenue]:
    with venue_in_a_thread(tmp_path_factory.mktemp("venue"), gateway={"engine": request.param}) as running:
        yield running
