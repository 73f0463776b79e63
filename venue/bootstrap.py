"""
Prepares `.venv` beside the checkout on first use, then runs `python -m venue` in it; standard library only.

What is installed comes in layers, each when a command first needs it:

    base      every command
    quickfix  `test`, and a command that is asked for QuickFIX, by `--engine` or by its configuration
    test      `test`

`./outcry` starts this with any Python from 3.11 on. Four rules keep it safe to interrupt and to start twice:

- A layer's stamp is written when the layer is complete; while pip works on it, it says `unfinished`.
- A base of another place or interpreter, or unfinished: the environment is made again. One of other pins: it is brought
  up to date. A layer above that is unfinished is installed over what is there, and the base stays usable meanwhile.
- One installation at a time: a lock on the checkout's folder, which the running pip inherits, so that even a start
  that was killed keeps others out until its pip is gone.
- QuickFIX is compiled once per machine and Python; the wheel enters the user's cache by rename, whole or not at all.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

ROOT: Final = Path(__file__).resolve().parent.parent
VENV: Final = ROOT / ".venv"
PYTHON: Final = VENV / "bin" / "python"
LOG: Final = VENV / "install.log"
PROJECT: Final = ROOT / "pyproject.toml"
CONSTRAINTS: Final = ROOT / "constraints.txt"
ONE_MACHINE: Final = ROOT / "configs" / "one-machine.toml"

LAYERS: Final = ("base", "quickfix", "test")
"""What `.venv` consists of; each needs those before it."""
UNFINISHED: Final = "unfinished\n"
"""A layer's stamp while pip works on it."""
ENGINE_COMMANDS: Final = ("demo", "gateway", "replay", "up")
"""Commands with a FIX engine in them."""

EX_UNAVAILABLE: Final = 69
PROGRESS_INTERVAL_S: Final = 15
"""Between two lines of progress where standard error is not a terminal."""
NETWORK_TROUBLE: Final = re.compile(
    r"NewConnectionError|name resolution|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError"
    r"|Network is unreachable|Connection refused|Connection reset|SSLError"
)


class BootstrapError(Exception):
    """The environment cannot be prepared; the message is one sentence for the user."""


def main(argv: list[str]) -> NoReturn:
    """Prepare what the command needs if it is not there yet, then become the command."""
    layers = layers_for(argv)
    try:
        if not all(map(_is_installed, layers)):
            with _locked(ROOT, "another start is installing this checkout; waiting for it") as lock:
                _prepare(layers, lock)
    except BootstrapError as error:
        _say(str(error))
        sys.exit(EX_UNAVAILABLE)
    except OSError as error:
        _say(f"cannot prepare {VENV}: {error}; mend that and start again")
        sys.exit(EX_UNAVAILABLE)
    except KeyboardInterrupt:
        _say("interrupted; the next start goes on")
        sys.exit(130)
    # -P: a folder named like one of our packages in the user's working directory must not shadow it.
    try:
        os.execv(PYTHON, [str(PYTHON), "-P", "-m", "venue", *argv])  # noqa: S606 -- becoming the command is the purpose
    except OSError as error:
        _say(
            f"{PYTHON} cannot be run: {error.strerror}; start as the user who made {VENV}, or from a checkout of your "
            "own"
        )
        sys.exit(EX_UNAVAILABLE)


def layers_for(argv: list[str]) -> tuple[str, ...]:
    """The layers that a command line needs."""
    command, *arguments = argv or ["help"]
    if command == "test" and arguments not in (["-h"], ["--help"]):
        return LAYERS
    if command in ENGINE_COMMANDS and _engine(arguments) == "quickfix":
        return LAYERS[:2]
    return LAYERS[:1]


def _engine(arguments: list[str]) -> object:
    """The FIX engine asked for; anything that is wrong with the arguments or the file, the command itself will say."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--engine", nargs="?")
    parser.add_argument("--config", nargs="?", type=Path, default=ONE_MACHINE)
    options, _ = parser.parse_known_args(arguments)
    if options.engine is not None:
        return options.engine
    try:
        return tomllib.loads(options.config.read_text())["gateway"]["engine"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _is_installed(layer: str) -> bool:
    return _stamped(layer) == _stamp()


def _stamped(layer: str) -> str:
    try:
        return _stamp_path(layer).read_text()
    except OSError:
        return ""


def _stamp_path(layer: str) -> Path:
    return VENV / f"outcry-{layer}.stamp"


def _stamp() -> str:
    """Everything that a layer depends on: place and interpreter on the first line, pins on the second."""
    pins = hashlib.sha256(b"".join(path.read_bytes() for path in (PROJECT, CONSTRAINTS)))
    return f"{_place()}\n{pins.hexdigest()}\n"


def _place() -> str:
    return f"{ROOT} {sysconfig.get_config_var('SOABI')}"


def _prepare(layers: tuple[str, ...], lock: int) -> None:
    installers = {"base": _install_base, "quickfix": _install_quickfix, "test": _install_test_tools}
    missing = [layer for layer in layers if not _is_installed(layer)]  # none, if another start was quicker
    for layer in missing:
        installers[layer](lock)
    if missing:
        _say("ready")


def _install_base(lock: int) -> None:
    _say("first start here, or new pins: preparing .venv")
    if not _may_be_updated():
        _create_environment(lock)
    _install("base", ["--editable", str(ROOT)], name="the pinned packages", lock=lock)


def _install_quickfix(lock: int) -> None:
    wheel = _quickfix_wheel()
    _install("quickfix", ["--no-deps", str(wheel)], name=wheel.name, lock=lock)


def _install_test_tools(lock: int) -> None:
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    # QuickFIX has a layer of its own; here, pip might compile it once more.
    tools = [requirement for requirement in extras["test"] if requirement not in extras["quickfix"]]
    _install("test", tools, name="the test tools", lock=lock)


def _install(layer: str, requirements: list[str], *, name: str, lock: int) -> None:
    # pip takes a package whose installation was cut short for a whole one, unless it is told not to look.
    again = ["--ignore-installed"] if _stamped(layer) == UNFINISHED else []
    _replace(_stamp_path(layer), UNFINISHED)
    _pip(
        ["install", *again, *requirements],
        doing=f"installing {name}",
        failed=f"{name} could not be installed",
        keep_open=(lock,),
    )
    _replace(_stamp_path(layer), _stamp())


def _may_be_updated() -> bool:
    unfinished = any(_stamped(layer) == UNFINISHED for layer in LAYERS)
    return _stamped("base").startswith(f"{_place()}\n") and not unfinished


def _create_environment(lock: int) -> None:
    # Run in the environment that is about to be replaced, this is still the interpreter that it was made with.
    base: str = getattr(sys, "_base_executable", sys.executable)
    command = [base, "-I", "-m", "venv", "--clear", str(VENV)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, pass_fds=(lock,))  # noqa: S603
    except OSError as error:
        raise BootstrapError(f"{base} cannot be run: {error.strerror}; name a Python with PYTHON=...") from error
    if done.returncode != 0:
        reason = _last_line(done.stderr + done.stdout)
        raise BootstrapError(
            f"{base} -m venv failed ({reason}); make {ROOT} writable and install Python's venv module "
            "(Debian, Ubuntu: apt install python3-venv)"
        )


def _quickfix_wheel() -> Path:
    """The compiled engine for this interpreter, from the user's cache or built into it."""
    version = _pinned("quickfix")
    folder = _cache() / "wheels" / f"{sysconfig.get_config_var('SOABI')}-{os.uname().machine}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BootstrapError(
            f"{folder} cannot be made: {error.strerror}; make it writable or set XDG_CACHE_HOME to another folder"
        ) from error
    with _locked(folder, "another start is compiling QuickFIX; waiting for it") as lock:
        return _cached(folder, version) or _build_quickfix(folder, version, lock)


def _cached(folder: Path, version: str) -> Path | None:
    return next(folder.glob(f"quickfix-{version}-*.whl"), None)


def _build_quickfix(folder: Path, version: str, lock: int) -> Path:
    building = folder / "building"  # one at a time, by the lock; left behind only by a start that was killed
    shutil.rmtree(building, ignore_errors=True)
    lacking = _lacking_for_compiler()
    # With nothing to compile it with, a wheel that somebody published would still do.
    only_published = ["--only-binary", "quickfix"] if lacking else []
    try:
        _pip(
            ["wheel", "--no-deps", "--wheel-dir", str(building), *only_published, f"quickfix=={version}"],
            doing=f"compiling QuickFIX {version} (some 5 minutes on two cores; kept for other checkouts in {folder})",
            failed=f"QuickFIX {version} could not be compiled",
            keep_open=(lock,),
        )
    except BootstrapError as error:
        if lacking:
            raise BootstrapError(lacking) from error
        raise
    built = _cached(building, version)
    if built is None:
        raise BootstrapError(f"pip made no wheel of QuickFIX {version}; see {LOG}")
    wheel = built.rename(folder / built.name)
    building.rmdir()
    return wheel


def _lacking_for_compiler() -> str | None:
    """Say what is missing to compile an extension, or None."""
    compilers = (*os.environ.get("CXX", "").split()[:1], "g++", "c++", "clang++")
    if not any(shutil.which(compiler) for compiler in compilers):
        return "QuickFIX needs a C++ compiler; install one (Debian, Ubuntu: apt install g++) and start again"
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "QuickFIX needs Python's headers; install them (Debian, Ubuntu: apt install python3-dev) and start again"
    return None


def _pinned(package: str) -> str:
    for line in CONSTRAINTS.read_text().splitlines():
        name, _, version = line.partition("==")
        if name == package:
            return version
    raise BootstrapError(f"{CONSTRAINTS} does not pin {package}; restore the file")


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "outcry"


def _pip(arguments: list[str], *, doing: str, failed: str, keep_open: tuple[int, ...]) -> None:
    """
    Run pip in the environment, its output going to the log, with a sign of life on standard error.

    Raises:
        BootstrapError: pip failed; the message names the log.
    """
    command = [str(PYTHON), "-I", "-m", "pip", *arguments]
    pins = str(CONSTRAINTS)
    # Each pip has its own way to pin what a package is built with: the variable is older, and wider, than the option.
    environment = os.environ | {"PIP_CONSTRAINT": pins, "PIP_BUILD_CONSTRAINT": pins, "PIP_USER": "0"}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    with LOG.open("a") as log:
        log.write(f"\n$ {' '.join(command)}\n")
        log.flush()
        begin = log.tell()
        process = subprocess.Popen(  # noqa: S603 -- our own interpreter
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, pass_fds=keep_open
        )
        try:
            _watch(process, doing)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0:
        raise BootstrapError(_failure(failed, begin))


def _failure(failed: str, begin: int) -> str:
    with LOG.open("rb") as log:
        log.seek(begin)
        output = log.read().decode(errors="replace")
    if NETWORK_TROUBLE.search(output):
        return f"{failed}: the package index cannot be reached; check the network (or PIP_INDEX_URL), details in {LOG}"
    return f"{failed}; details in {LOG}"


def _watch(process: "subprocess.Popen[bytes]", doing: str) -> None:
    begun = time.monotonic()
    terminal = sys.stderr.isatty()
    interval_s = 1 if terminal else PROGRESS_INTERVAL_S
    _say(doing)
    while True:
        try:
            process.wait(interval_s)
        except subprocess.TimeoutExpired:
            elapsed = f"outcry: ... {time.monotonic() - begun:.0f} s"
            _write(f"\r{elapsed}" if terminal else f"{elapsed}\n")
        else:
            break
    if terminal:
        _write("\r\033[K")


@contextmanager
def _locked(folder: Path, waiting: str) -> Iterator[int]:
    """Hold the folder's lock; yields its descriptor."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(waiting)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no output"


def _say(text: str) -> None:
    _write(f"outcry: {text}\n")


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
