"""The demo as a user starts it: the whole venue, the bots, the screen, and nothing left afterwards."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


class RunningDemo:
    """A demo in a process of its own, whose temporary directories all go into `tmp_path`."""

    def __init__(self, tmp_path: Path, *arguments: str, terminal: int | None = None) -> None:
        self.tmp_path = tmp_path
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulators.demo", *arguments],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path), "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self) -> tuple[str, str]:
        return self.process.communicate(timeout=PATIENCE_S)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, self.result()
            assert time.monotonic() < deadline_s, self.logs()
            time.sleep(0.02)

    def logs(self) -> str:
        return "\n".join(log.read_text() for log in self.tmp_path.glob("outcry-demo-*/logs/*.log"))

    def leftovers(self) -> list[str]:
        """Files in the temporary directory, and processes that know its path."""
        path = str(self.tmp_path)
        commands = [_command_of(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [*map(str, self.tmp_path.iterdir()), *(command for command in commands if path in command)]


def _command_of(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_text()
    except OSError:  # it has just ended
        return ""


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., RunningDemo]]:
    started: list[RunningDemo] = []

    def run(*arguments: str, terminal: int | None = None) -> RunningDemo:
        started.append(RunningDemo(tmp_path, *arguments, terminal=terminal))
        return started[-1]

    yield run
    for demo in started:
        with demo.process:  # waits for it and closes its pipes
            demo.process.kill()


def test_without_a_terminal_it_says_so_and_prints_one_summary_in_which_everything_adds_up(start):
    demo = start("--seconds", "3", "--symbols", "5")
    out, err = demo.result()

    assert "no terminal here, so as with --json --seconds 3" in err
    assert out.count("\n") == 1
    summary = json.loads(out)
    assert summary["conservation"]["holds"], summary["conservation"]
    assert len(summary["conservation"]["bought_lots"]) == 5
    assert {"TEST1", "TEST2"}.isdisjoint(summary["conservation"]["bought_lots"])
    assert summary["trades"] * 2 == summary["executions"] > 50
    assert summary["unanswered"] == 0
    assert 0 < summary["latency_us"]["p50"] <= summary["latency_us"]["p99"] <= summary["latency_us"]["max"]
    assert summary["seconds"] >= 3
    assert (demo.process.returncode, demo.leftovers()) == (0, [])


def test_ctrl_c_ends_it_early_with_its_summary(start):
    demo = start("--json", "--seconds", "1000")
    demo.until(lambda: '"demo_trading"' in demo.logs())
    demo.process.send_signal(signal.SIGINT)
    out, _ = demo.result()

    assert json.loads(out)["conservation"]["holds"]
    assert (demo.process.returncode, demo.leftovers()) == (0, [])


def test_ctrl_c_while_it_starts_leaves_nothing(start):
    demo = start("--json")
    demo.until(lambda: any(demo.tmp_path.glob("outcry-demo-*/jetstream")))
    demo.process.send_signal(signal.SIGINT)
    out, _ = demo.result()

    assert (out, demo.process.returncode, demo.leftovers()) == ("", 130, [])


def test_the_screen_shows_the_book_follows_the_keys_and_gives_the_terminal_back(start):
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    os.set_blocking(ours, False)
    seen = bytearray()

    def shows(text: str) -> bool:
        with contextlib.suppress(BlockingIOError):
            seen.extend(os.read(ours, 65536))
        return text in seen.decode(errors="replace")

    demo = start("--symbols", "5", terminal=theirs)
    demo.until(lambda: shows("requests/s") and shows("─ AAPL ─") and shows("█"))
    seen.clear()
    os.write(ours, b"n")
    demo.until(lambda: shows("─ MSFT ─"))
    os.write(ours, b"q")
    demo.until(lambda: shows("everything adds up"))
    demo.process.wait(PATIENCE_S)

    assert (demo.process.returncode, demo.leftovers()) == (0, [])
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("data", ["file", "file/data"])
def test_a_directory_that_cannot_be_used_is_told(start, tmp_path, data):
    (tmp_path / "file").touch()
    demo = start("--json", "--data", str(tmp_path / data))
    _, err = demo.result()

    assert "cannot be used" in err
    assert err.count("\n") == 1
    assert demo.process.returncode == 78


def test_a_directory_of_somebody_else_is_told_and_left_alone(start, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.tex").touch()
    demo = start("--json", "--data", str(tmp_path / "theirs"))
    _, err = demo.result()

    assert "theirs is not empty (it holds thesis.tex)" in err
    assert err.count("\n") == 1
    assert demo.process.returncode == 78
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["thesis.tex"]
