from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.house import ENGINES, House, open_house


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    """Each engine in turn: what holds for one holds for the other, unless a test says why not."""
    return str(request.param)


@pytest.fixture
def house(tmp_path: Path, engine_name: str) -> Iterator[House]:
    """A running engine with nothing in its stores."""
    with open_house(tmp_path, engine=engine_name) as opened:
        yield opened
