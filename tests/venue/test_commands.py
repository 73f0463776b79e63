"""The table of commands, and how `test` orders its checks."""

import subprocess
import sys
from pathlib import Path

import pytest

from venue import checks
from venue.__main__ import COMMANDS, main
from venue.ephemeral import ephemeral_config

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("words", [[], ["help"], ["-h"], ["--help"]])
def test_help_names_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)


def test_an_unknown_command_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trade"]) == 64
    assert capsys.readouterr().err.startswith("outcry: there is no command 'trade'; choose one of demo, test, up,")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_module(name: str) -> None:
    path = ROOT / (COMMANDS[name].module.replace(".", "/") + ".py")
    assert "\ndef main(" in path.read_text()


def test_a_command_is_run_from_any_directory_even_beside_folders_of_our_names(tmp_path: Path) -> None:
    for name in ("venue", "bus", "matcher"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong package')")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "venue", "up", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage: outcry up" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["operator", "halt", "TEST1"], "outcry operator: no NATS server at "),
        (["handover"], "outcry: no NATS server at "),
        (["replay-log", "--data", "{foreign}"], "outcry replay-log: {foreign} is not empty (it holds thesis.tex)"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_without_a_venue_says_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").touch()
    name, *rest = (argument.format(foreign=foreign) for argument in arguments)
    command = [sys.executable, "-P", "-m", "venue", name, "--config", str(ephemeral_config(tmp_path)), *rest]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == ""
    assert done.stderr.startswith(sentence.format(foreign=foreign))
    assert done.stderr.count("\n") == 1


def test_the_checks_run_every_test_there_is_and_whole_venues_last() -> None:
    paths = [ROOT / path for path in checks.test_paths()]
    covered = {file for path in paths for file in ([path] if path.is_file() else path.rglob("test_*.py"))}

    assert covered == set((ROOT / "tests").rglob("test_*.py"))
    names = [path.name for path in paths]
    assert names[0] == "test_tidy.py"
    assert [name for name in names if name in checks.LAST] == names[-len([n for n in names if n in checks.LAST]) :]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Arguments of each tool that the checks run; mypy fails."""
    runs: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        runs.append(command[2:])
        return subprocess.CompletedProcess(command, 1 if "mypy" in command else 0)

    monkeypatch.setattr(checks.subprocess, "run", run)
    return runs


def test_a_check_that_fails_is_named_and_ends_the_run(
    runs: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert checks.main([]) == 1
    assert runs == [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]]
    assert "mypy failed" in capsys.readouterr().out


def test_arguments_go_to_pytest_alone(runs: list[list[str]]) -> None:
    assert checks.main(["tests/bus", "-k", "publish"]) == 0
    assert runs == [["pytest", "tests/bus", "-k", "publish"]]


def test_long_selects_the_long_forms(runs: list[list[str]]) -> None:
    assert checks.main(["tests/simulation", "--long"]) == 0
    assert runs == [["pytest", "-m", "long", "tests/simulation"]]


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_the_help_of_the_checks_looks_like_every_other(
    runs: list[list[str]], capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert checks.main([word]) == 0
    help_text = capsys.readouterr().out
    assert help_text.startswith("usage: outcry test [-h] [--long]")
    assert "\noptions:\n  -h, --help " in help_text
    assert runs == []
