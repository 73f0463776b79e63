"""Every script in `scripts/initiator`, in every version, against our own session; a script plays the server."""

from itertools import product
from pathlib import Path

import pytest

from tests.acceptance.script import VERSIONS, Script, parse, read
from tests.conformance.initiator import PureSide
from tests.conformance.player import ACTIONS, Player, ScriptFailed

SCRIPTS = [read(path, ACTIONS) for path in sorted((Path(__file__).parent / "scripts" / "initiator").glob("*.fix"))]
RUNS = [
    pytest.param(script, version, id=f"{script.name}-{version}")
    for script, version in product(SCRIPTS, VERSIONS)
    if version in script.versions
]


@pytest.mark.parametrize(("script", "version"), RUNS)
def test_our_session_does_what_the_script_says(script: Script, version: str) -> None:
    Player(PureSide(version), version, engine="native").play(script)


@pytest.mark.parametrize(
    "line",
    [
        "server < 35=A|34=2",
        "server closed",
        "server > 35=5\nserver < 35=A\nserver < 35=5",
        "server until 35=0",
        "trader takes 35=8",
        "native < 35=5",
    ],
)
def test_a_script_that_does_not_go_as_written_fails(line: str) -> None:
    script = parse("script", f"trader connect\n{line}", ACTIONS)
    with pytest.raises(ScriptFailed, match="script:"):
        Player(PureSide("FIX.4.4"), "FIX.4.4", engine="native").play(script)


def test_a_line_for_the_other_engine_is_passed_over() -> None:
    script = parse("script", "trader connect\nquickfix < 35=5\nserver < 35=A", ACTIONS)
    Player(PureSide("FIX.4.4"), "FIX.4.4", engine="native").play(script)
