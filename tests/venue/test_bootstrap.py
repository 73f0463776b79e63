"""What a newcomer's first `./outcry` says when something is missing; each time one sentence, never a traceback."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from venue import bootstrap

ROOT = Path(__file__).parent.parent.parent
PYTHON = os.path.realpath(sys.executable)
UNAVAILABLE = 69
LAYERS = ("base", "quickfix", "test")

ENVIRONMENT = """#!/bin/sh
# The Python of an environment whose pip notes what it is asked for. For `wheel` it makes a file, or fails where
# `broken-compiler` is; in `install` it kills the start that runs it, where `deadly-pip` is, and that only once.
here={folder}
case "$*" in
"-I -m pip "*)
    shift 3
    echo "$*" >> "$here/pip-calls"
    case "$1" in
    wheel) [ -e "$here/broken-compiler" ] && exit 1; {mkdir} "$4" && : > "$4/quickfix-1.16.0-made.whl" ;;
    install) [ -e "$here/deadly-pip" ] && {rm} "$here/deadly-pip" && kill -9 $PPID ;;
    esac
    exit 0 ;;
esac
exec {python} "$@"
"""


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

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def wheels(self) -> list[str]:
        """Compiled engines in the user's cache."""
        return [path.name for path in self.cache.rglob("*.whl")]

    def install(self, *layers: str) -> None:
        """An environment with these layers, as the stamps say, and a pip that only takes notes."""
        (self.venv / "bin").mkdir(parents=True)
        programs = {name: shutil.which(name) for name in ("mkdir", "rm")}
        script = ENVIRONMENT.format(folder=self.venv, python=PYTHON, **programs)
        (self.venv / "bin" / "python").write_text(script)
        (self.venv / "bin" / "python").chmod(0o755)
        program = "import sys; sys.path.insert(0, sys.argv[1]); import bootstrap; print(bootstrap._stamp(), end='')"
        stamp = subprocess.check_output([PYTHON, "-I", "-S", "-c", program, str(self.root / "venue")], text=True)
        for layer in layers:
            self.stamp(layer).write_text(stamp)

    def stamp(self, layer: str) -> Path:
        return self.venv / f"outcry-{layer}.stamp"

    def pip_calls(self) -> list[str]:
        """What pip was asked for since the last call."""
        path = self.venv / "pip-calls"
        calls = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return calls

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


@pytest.mark.parametrize("stamp", [None, "/elsewhere other-python\npins\n", "unfinished\n"])
def test_what_is_left_of_an_interrupted_or_moved_environment_is_made_again(
    checkout: Checkout, stamp: str | None
) -> None:
    left = checkout.venv / "lib" / "half-installed"
    left.mkdir(parents=True)
    if stamp is not None:
        checkout.stamp("base").write_text(stamp)

    status, _, said = checkout.run("help", PYTHON=PYTHON, PIP_NO_INDEX="1")

    assert status == UNAVAILABLE
    assert said.startswith("outcry: the pinned packages could not be installed")
    assert not left.exists()
    assert checkout.stamp("base").read_text() == "unfinished\n"


def test_no_network(checkout: Checkout) -> None:
    status, _, said = checkout.run("help", PYTHON=PYTHON, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="1")

    log = checkout.venv / "install.log"
    assert status == UNAVAILABLE
    assert said == (
        "outcry: the pinned packages could not be installed: the package index cannot be reached; check the network "
        f"(or PIP_INDEX_URL), details in {log}"
    )
    assert "pip install --editable" in log.read_text()


def test_a_prepared_environment_goes_straight_to_the_command(checkout: Checkout, tmp_path: Path) -> None:
    checkout.install("base")

    status, output, said = checkout.run("up", "--data", "a b", cwd=tmp_path)

    assert (status, said) == (0, "")
    assert output == f"{tmp_path} ['up', '--data', 'a b']\n"
    assert checkout.pip_calls() == []


def test_a_python_that_this_user_may_not_run(checkout: Checkout) -> None:
    checkout.install("base")
    (checkout.venv / "bin" / "python").chmod(0o644)

    status, _, said = checkout.run("help", PYTHON=PYTHON)

    assert status == UNAVAILABLE
    assert said == (
        f"outcry: {checkout.venv}/bin/python cannot be run: Permission denied; start as the user who made "
        f"{checkout.venv}, or from a checkout of your own"
    )


def test_new_pins_bring_an_environment_up_to_date(checkout: Checkout) -> None:
    checkout.install(*LAYERS)
    with (checkout.root / "constraints.txt").open("a") as file:
        file.write("# another pin\n")

    assert checkout.run("help")[0] == 0
    assert checkout.pip_calls() == [f"install --editable {checkout.root}"]
    assert checkout.run("help")[0] == 0
    assert checkout.pip_calls() == []


NO_COMPILER = "outcry: QuickFIX needs a C++ compiler; install one"


def test_only_quickfix_needs_a_compiler(checkout: Checkout) -> None:
    checkout.install("base")
    (checkout.venv / "broken-compiler").touch()

    status, _, said = checkout.run("test")

    assert status == UNAVAILABLE
    assert said.startswith(NO_COMPILER)
    assert checkout.run("help")[0] == 0


def test_the_test_command_adds_what_lacks_and_leaves_the_rest_alone(checkout: Checkout) -> None:
    checkout.install("base")

    assert checkout.run("test", "tests/bus")[:2] == (0, f"{os.getcwd()} ['test', 'tests/bus']\n")
    compiling, quickfix, tools = checkout.pip_calls()
    assert compiling.startswith("wheel --no-deps ")
    assert quickfix.startswith("install --no-deps ")
    assert quickfix.endswith("/quickfix-1.16.0-made.whl")
    assert tools.startswith("install hypothesis==")
    assert "quickfix" not in tools
    assert checkout.wheels == ["quickfix-1.16.0-made.whl"]

    assert checkout.run("test")[0] == 0
    assert checkout.pip_calls() == []


def test_a_command_that_is_asked_for_quickfix_installs_it_from_the_cache(checkout: Checkout) -> None:
    checkout.install("base")
    assert checkout.run("up", "--engine", "quickfix")[0] == 0
    assert [call.split()[0] for call in checkout.pip_calls()] == ["wheel", "install"]

    checkout.stamp("quickfix").unlink()
    assert checkout.run("up", "--engine", "quickfix")[0] == 0
    (call,) = checkout.pip_calls()
    assert call.startswith("install --no-deps ")


def test_a_layer_that_was_cut_short_is_finished_by_the_next_start_that_needs_it(checkout: Checkout) -> None:
    checkout.install("base", "quickfix")
    (checkout.venv / "deadly-pip").touch()

    assert checkout.run("test")[0] == -signal.SIGKILL
    assert [call.split()[0] for call in checkout.pip_calls()] == ["install"]
    assert checkout.run("help")[0] == 0
    assert checkout.pip_calls() == [], "the base is whole"

    assert checkout.run("test")[0] == 0
    (call,) = checkout.pip_calls()
    assert call.startswith("install --ignore-installed hypothesis==")


@pytest.fixture
def configurations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory has a configuration for each engine; the shipped one names none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bootstrap, "ONE_MACHINE", tmp_path / "shipped.toml")
    Path("shipped.toml").write_text("shards = 2\n[gateway]\nfix_port = 1\n")
    Path("native.toml").write_text('[gateway]\nengine = "native"\n')
    Path("quickfix.toml").write_text('[gateway]\nengine = "quickfix"\n')
    Path("broken.toml").write_text("[gateway\n")
    Path("odd.toml").write_text('gateway = "quickfix"\n')


@pytest.mark.usefixtures("configurations")
@pytest.mark.parametrize(
    ("command_line", "layers"),
    [
        ("", 1),
        ("help", 1),
        ("nonsense", 1),
        ("demo", 1),
        ("demo --seconds 5 --json", 1),
        ("demo --engine quickfix", 2),
        ("demo --seconds 5 --engine=quickfix --json", 2),
        ("up --eng quickfix", 2),
        ("up --engine native", 1),
        ("up --engine", 1),
        ("up --engine other", 1),
        ("up --config quickfix.toml", 2),
        ("up --config=quickfix.toml --data d", 2),
        ("up --config native.toml", 1),
        ("up --config native.toml --engine quickfix", 2),
        ("up --config quickfix.toml --engine native", 1),
        ("up --config absent.toml", 1),
        ("up --config broken.toml", 1),
        ("up --config odd.toml", 1),
        ("up --config", 1),
        ("gateway --nats nats://there --config quickfix.toml", 2),
        ("matcher --shard 0 --config quickfix.toml", 1),
        ("marketdata --config quickfix.toml", 1),
        ("bench --config quickfix.toml", 1),
        ("test", 3),
        ("test tests/bus --long", 3),
        ("test --help", 1),
    ],
)
def test_what_a_command_line_needs(command_line: str, layers: int) -> None:
    assert bootstrap.layers_for(command_line.split()) == LAYERS[:layers]


@pytest.mark.usefixtures("configurations")
@pytest.mark.parametrize("command", ["demo", "gateway", "replay", "up"])
def test_a_shipped_configuration_that_was_changed_counts(command: str) -> None:
    bootstrap.ONE_MACHINE.write_text('[gateway]\nengine = "quickfix"\n')
    assert bootstrap.layers_for([command]) == LAYERS[:2]


def test_every_requirement_is_pinned_once_and_the_test_extra_holds_quickfix() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pins = {line.lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()}

    assert {*project["dependencies"], *extras["test"]} <= pins
    assert set(extras["quickfix"]) <= set(extras["test"])
    assert not set(extras["test"]) & set(project["dependencies"])


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
