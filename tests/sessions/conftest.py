from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.house import House, open_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A running engine with nothing in its stores."""
    with open_house(tmp_path) as opened:
        yield opened
