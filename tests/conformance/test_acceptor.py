"""Every script in `scripts/acceptor`, in every version it is written for, over TCP, against both engines."""

from collections.abc import Callable, Iterator
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


class Street:
    """The house of one engine and version at a time: the runs are in that order, and starting one takes a while."""

    def __init__(self, make_directory: Callable[[str], Path]) -> None:
        self._make_directory = make_directory
        self._kind = ("", "")
        self._house: EchoHouse | None = None

    def house(self, engine: str, version: str) -> EchoHouse:
        if self._house is None or self._kind != (engine, version):
            self.close()
            directory, comp_ids = self._make_directory(engine), list(COMP_IDS.values())
            self._house = EchoHouse(directory, engine=engine, begin_string=version, comp_ids=comp_ids)
            self._kind = (engine, version)
        return self._house

    def close(self) -> None:
        if self._house is not None:
            self._house.close()
            self._house = None


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    opened = Street(tmp_path_factory.mktemp)
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize(("kind", "script"), runs([script for script in SCRIPTS if script not in ENDING]))
def test_the_engine_does_what_the_script_says(street: Street, kind: tuple[str, str], script: Script) -> None:
    engine, version = kind
    Player(TcpSide(street.house(engine, version), COMP_IDS[script.name]), version, engine=engine).play(script)


@pytest.mark.parametrize(("kind", "script"), runs(ENDING))
def test_the_engine_ends_as_the_script_says(kind: tuple[str, str], script: Script, tmp_path: Path) -> None:
    engine, version = kind
    comp_id = f"ENDING{COMP_IDS[script.name]}"  # QuickFIX has one register of sessions for all engines of a process
    echo_house = EchoHouse(tmp_path, engine=engine, begin_string=version, comp_ids=[comp_id])
    try:
        Player(TcpSide(echo_house, comp_id), version, engine=engine).play(script)
    finally:
        echo_house.close()
