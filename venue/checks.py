"""
The command `test`: every check that the project must pass, the cheap ones first.

Without arguments: ruff, mypy, then the tests, ending with pytest's own closing line. Arguments go to pytest, and then
only pytest is run. `--long` runs the long forms of the tests, which the plain command leaves out.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
TESTS: Final = ROOT / "tests"

FIRST: Final = ("test_tidy.py", "matcher", "bus", "configs", "sessions", "venue", "marketdata", "gateway")
"""Tests that take moments, in the order in which a fault is best found."""
LAST: Final = ("simulators", "bench", "acceptance", "recovery")
"""Tests with a whole venue in them."""

STATIC_CHECKS: Final = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
}


def main(argv: list[str]) -> int:
    """Run the checks; returns 0 if every one of them passed."""
    if argv in (["-h"], ["--help"]):
        _parser().print_help()
        return 0
    if argv:
        return _run("pytest", *_long_forms(argv))
    for name, command in STATIC_CHECKS.items():
        _say(name)
        if status := _run(*command):
            _say(f"{name} failed (its findings are above); nothing after it was run")
            return status
    return _run("pytest", *test_paths())


def _parser() -> argparse.ArgumentParser:
    """For its help: pytest knows best what its arguments mean."""
    parser = argparse.ArgumentParser(
        prog="outcry test",
        description="Run every check that the project must pass: ruff, mypy, then the tests; with arguments, only "
        "pytest.",
    )
    parser.add_argument("--long", action="store_true", help="run the long forms of the tests, which are left out else")
    parser.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="for pytest, such as tests/matcher -k cancel")
    return parser


def test_paths() -> list[str]:
    """Every test folder and file right under `tests/`, in the order in which to run them."""
    present = {path.name for path in TESTS.iterdir() if path.is_dir() or path.match("test_*.py")}
    present -= {"__pycache__"}
    between = sorted(present - {*FIRST, *LAST})
    ordered = [name for name in (*FIRST, *between, *LAST) if name in present]
    return [f"tests/{name}" for name in ordered if _holds_tests(TESTS / name)]


def _holds_tests(path: Path) -> bool:
    return path.is_file() or any(path.rglob("test_*.py"))


def _long_forms(argv: list[str]) -> list[str]:
    if "--long" not in argv:
        return argv
    return ["-m", "long", *(argument for argument in argv if argument != "--long")]


def _run(tool: str, *arguments: str) -> int:
    # -P is not inherited; without it, and with the checkout as working directory, every package is found in any case.
    command = [sys.executable, "-m", tool, *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 -- our own tools


def _say(text: str) -> None:
    sys.stdout.write(f"outcry: {text}\n")
    sys.stdout.flush()
