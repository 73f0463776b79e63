"""What a newcomer's first `./outcry` says when something is missing; each time one sentence, never a traceback."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PYTHON = os.path.realpath(sys.executable)
UNAVAILABLE = 69


class Checkout:
    """A checkout without an environment, and a machine on which only chosen programs are installed."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "checkout"
        self.programs = directory / "bin"
        self.cache = directory / "cache"
        self.programs.mkdir()
        (self.root / "venue").mkdir(parents=True)
        for name in ("outcry", "venue/bootstrap.py", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.root / name)
        (self.root / "venue" / "__init__.py").touch()
        (self.root / "venue" / "__main__.py").write_text("import os, sys\nprint(os.getcwd(), sys.argv[1:])\n")
        for name in ("dirname", "readlink"):
            (self.programs / name).symlink_to(str(shutil.which(name)))
        self.environment = {"PATH": str(self.programs), "XDG_CACHE_HOME": str(self.cache), "HOME": str(directory)}
        self.environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PYTHONPATH": str(self.root)}

    def install_script(self, name: str, text: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.programs / name).chmod(0o755)

    def hide_the_systems_python(self) -> None:
        """The one program that `outcry` also looks for outside PATH."""
        script = (self.root / "outcry").read_text()
        assert "/usr/bin/python3" in script
        (self.root / "outcry").write_text(script.replace("/usr/bin/python3", "/nonexistent/python3"))

    def start(self, *arguments: str, cwd: Path | None = None, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(self.root / "outcry"), *arguments],
            cwd=cwd,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, cwd: Path | None = None, **environment: str) -> tuple[int, str, str]:
        """Exit status, standard output, and the last line of standard error."""
        with self.start(*arguments, cwd=cwd, **environment) as process:
            output, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors
        return process.returncode, output, errors.splitlines()[-1] if errors else ""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_machine_without_python(checkout: Checkout) -> None:
    checkout.hide_the_systems_python()

    status, _, said = checkout.run("help")

    assert status == UNAVAILABLE
    assert said.startswith("outcry: Python 3.11 or later is needed, but python3 here is none; install it")


def test_an_old_python(checkout: Checkout) -> None:
    checkout.hide_the_systems_python()
    checkout.install_script("python3", 'case "$*" in *version_info*) exit 1;; *) echo 3.9.2;; esac')

    status, _, said = checkout.run("help")

    assert status == UNAVAILABLE
    assert said.startswith("outcry: Python 3.11 or later is needed, but python3 here is 3.9.2; install it")


def test_a_python_without_venv(checkout: Checkout) -> None:
    checkout.hide_the_systems_python()
    checkout.install_script("python3", 'case "$*" in *ensurepip*) exit 1;; *) exit 0;; esac')

    status, _, said = checkout.run("help")

    assert status == UNAVAILABLE
    assert said.startswith("outcry: python3 has no venv module; install it")


def test_no_compiler_and_what_is_left_of_an_interrupted_start(checkout: Checkout) -> None:
    left = checkout.root / ".venv" / "lib" / "half-installed"
    left.mkdir(parents=True)

    status, _, said = checkout.run("help", PYTHON=PYTHON, PIP_NO_INDEX="1")

    assert status == UNAVAILABLE
    assert said.startswith("outcry: QuickFIX needs a C++ compiler; install one")
    assert not left.exists(), "an environment that was not finished is made again"
    assert not (checkout.root / ".venv" / "outcry-stamp").exists()


def test_no_network(checkout: Checkout) -> None:
    checkout.install_script("g++", "exit 1")

    status, _, said = checkout.run("help", PYTHON=PYTHON, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="1")

    log = checkout.root / ".venv" / "install.log"
    assert status == UNAVAILABLE
    assert said == (
        "outcry: QuickFIX 1.16.0 could not be compiled: the package index cannot be reached; check the network (or "
        f"PIP_INDEX_URL), details in {log}"
    )
    assert "quickfix" in log.read_text()


def test_a_prepared_environment_goes_straight_to_the_command(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.root / ".venv" / "bin").mkdir(parents=True)
    (checkout.root / ".venv" / "bin" / "python").symlink_to(PYTHON)
    program = "import sys; sys.path.insert(0, sys.argv[1]); import bootstrap; print(bootstrap._stamp(), end='')"
    stamp = subprocess.check_output([PYTHON, "-I", "-S", "-c", program, str(checkout.root / "venue")], text=True)
    (checkout.root / ".venv" / "outcry-stamp").write_text(stamp)

    status, output, said = checkout.run("up", "--data", "a b", cwd=tmp_path)

    assert (status, said) == (0, "")
    assert output == f"{tmp_path} ['up', '--data', 'a b']\n"


def test_a_second_start_waits_for_the_first(checkout: Checkout) -> None:
    first = os.open(checkout.root, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    with checkout.start("help", PYTHON=PYTHON, PIP_NO_INDEX="1") as second:
        assert second.stderr is not None
        assert second.stderr.readline() == "outcry: another start is installing this checkout; waiting for it\n"
        assert not (checkout.root / ".venv").exists()
        os.close(first)
        assert "preparing .venv" in second.stderr.readline()
        second.communicate(timeout=60)
    assert second.returncode == UNAVAILABLE


def test_a_folder_that_cannot_be_written(checkout: Checkout) -> None:
    (checkout.root / ".venv").write_text("a file in its place")

    status, _, said = checkout.run("help", PYTHON=PYTHON, PIP_NO_INDEX="1")

    assert status == UNAVAILABLE
    assert said.startswith(f"outcry: {PYTHON} -m venv failed")
