"""Every script in `scripts/initiator`, in every version, against our own session; a script plays the server."""

from itertools import product
from pathlib import Path

import pytest

from tests.acceptance.script import VERSIONS, Script, read
from tests.conformance.initiator import PureSide
from tests.conformance.player import ACTIONS, Player

SCRIPTS = [read(path, ACTIONS) for path in sorted((Path(__file__).parent / "scripts" / "initiator").glob("*.fix"))]
RUNS = [
    pytest.param(script, version, id=f"{script.name}-{version}")
    for script, version in product(SCRIPTS, VERSIONS)
    if version in script.versions
]


@pytest.mark.parametrize(("script", "version"), RUNS)
def test_our_session_does_what_the_script_says(script: Script, version: str) -> None:
    Player(PureSide(version), version, engine="native").play(script)
