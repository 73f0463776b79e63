"""Every script in `scripts/acceptor`, in every version it is written for, over TCP, against both engines."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.acceptance.script import VERSIONS, Script, read
from tests.conformance.acceptor import EchoHouse, TcpSide
from tests.conformance.player import ACTIONS, ENGINES, Player

SCRIPTS = [read(path, ACTIONS) for path in sorted((Path(__file__).parent / "scripts" / "acceptor").glob("*.fix"))]
ENDING = [script for script in SCRIPTS if any(step.action == "stops" for step in script.steps)]
"""After these the engine is no more: each has one of its own."""
COMP_IDS = {script.name: f"CLIENT{number}" for number, script in enumerate(SCRIPTS, 1)}


def runs(scripts: list[Script]) -> list[object]:
    cases = product(ENGINES, VERSIONS, scripts)
    return [
        pytest.param((engine, version), script, id=f"{script.name}-{version}-{engine}")
        for engine, version, script in cases
        if version in script.versions
    ]


@pytest.fixture(scope="module")
def echo_house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EchoHouse]:
    engine, version = request.param
    data_dir = tmp_path_factory.mktemp(engine)
    opened = EchoHouse(data_dir, engine=engine, begin_string=version, comp_ids=list(COMP_IDS.values()))
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize(
    ("echo_house", "script"), runs([script for script in SCRIPTS if script not in ENDING]), indirect=["echo_house"]
)
def test_the_engine_does_what_the_script_says(
    echo_house: EchoHouse, script: Script, request: pytest.FixtureRequest
) -> None:
    engine, version = request.node.callspec.params["echo_house"]
    Player(TcpSide(echo_house, COMP_IDS[script.name]), version, engine=engine).play(script)


@pytest.mark.parametrize(("kind", "script"), runs(ENDING))
def test_the_engine_ends_as_the_script_says(kind: tuple[str, str], script: Script, tmp_path: Path) -> None:
    engine, version = kind
    comp_id = COMP_IDS[script.name]
    echo_house = EchoHouse(tmp_path, engine=engine, begin_string=version, comp_ids=[comp_id])
    try:
        Player(TcpSide(echo_house, comp_id), version, engine=engine).play(script)
    finally:
        echo_house.close()
