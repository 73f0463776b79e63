"""A venue for each module of acceptance tests and each FIX engine: what a client sees depends on neither."""

import tomllib
from collections.abc import Iterator
from typing import Any, Final

import pytest

from configs.loader import ONE_MACHINE
from tests.conftest import venue_in_a_thread
from venue.up import RunningVenue

THROTTLED: Final[dict[str, Any]] = {
    "name": "FIRMT",
    "limits": {"throttle": {"per_second": 1, "burst": 2}},
    "sessions": [
        {"comp_id": "FIRMT1", "password": "example-firmt1"},
        {
            "comp_id": "FIRMT2",
            "password": "example-firmt2",
            "limits": {"throttle": {"per_second": 1, "burst": 1, "refused_max": 3}},
        },
    ],
}
"""A firm beside the shipped ones, whose sessions may send little: a token comes back after a second."""
READERS: Final[dict[str, Any]] = {
    "name": "READERS",
    "sessions": [
        {
            "comp_id": "DC2",
            "password": "example-dc2",
            "kind": "dropcopy",
            "firms": ["FIRMA", "FIRMB"],
            "sessions": ["FIRMC2"],
        },
    ],
}
"""A drop copy of what plays in scripts, and of FIRMC2, who shows how far it is."""


@pytest.fixture(scope="module", params=["native", "quickfix"])
def shared_venue(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVenue]:
    firms = [*tomllib.loads(ONE_MACHINE.read_text())["firms"], THROTTLED, READERS]
    with venue_in_a_thread(tmp_path_factory.mktemp("venue"), gateway={"engine": request.param}, firms=firms) as running:
        yield running
