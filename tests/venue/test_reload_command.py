"""The command `reload`, beside a venue that `up` runs; and how that ends with its terminal."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import is_alive
from tests.sessions.house import wait_for
from tests.venue.test_reload import firm
from venue import reload
from venue.data_directory import note_runner
from venue.ephemeral import ephemeral_config
from venue.process import EX_CONFIG

STARTS_S = 60.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "venue", *arguments]


def ask(data_dir: Path) -> "subprocess.CompletedProcess[str]":
    """Run `reload`."""
    return subprocess.run(
        command("reload", "--data", str(data_dir)), capture_output=True, text=True, check=False, timeout=STARTS_S
    )


def read_until(up: "subprocess.Popen[str]", event: str, process: str = "up") -> dict[str, Any]:
    assert up.stderr is not None
    for line in up.stderr:
        entry: dict[str, Any] = json.loads(line)
        if (entry["event"], entry["process"]) == (event, process):
            return entry
    raise AssertionError(f"it ended without {event}")


def test_reload_finds_the_venue_by_its_data_directory(tmp_path: Path) -> None:
    config_path = ephemeral_config(tmp_path, firms=[firm("ONE", "ONE1")])
    data_dir = tmp_path / "data"
    with subprocess.Popen(
        command("up", "--config", str(config_path), "--data", str(data_dir)), stderr=subprocess.PIPE, text=True
    ) as up:
        try:
            read_until(up, "venue_ready")
            good = config_path.read_text()
            config_path.write_text(good.replace("ONE1", "TWO1"))
            done = ask(data_dir)
            assert (done.returncode, done.stderr) == (0, "")
            assert f"process {up.pid}" in done.stdout
            told = read_until(up, "configuration_reloaded", "gateway")
            assert (told["added"], told["removed"]) == (["FIX.4.4:TWO1"], ["FIX.4.4:ONE1"])

            config_path.write_text(good.replace("firms", "frims"))
            refused = ask(data_dir)
            assert refused.returncode == EX_CONFIG
            assert "unknown field `frims`" in refused.stderr
            assert refused.stderr.endswith("; nothing was changed\n")
            config_path.write_text(good.replace('"shards" = 2', '"shards" = 3'))
            refused = ask(data_dir)
            assert refused.returncode == EX_CONFIG
            assert "shards = 3, but the logs are those of 2; make it 2 again; nothing" in refused.stderr
            config_path.write_text(good)
        finally:
            up.terminate()
        read_until(up, "venue_stopped")
    assert up.returncode == 0
    assert not (data_dir / "up.json").exists()


@pytest.mark.parametrize("is_noted", [False, True])
def test_reload_of_a_venue_that_does_not_run_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, is_noted: bool
) -> None:
    if is_noted:  # by one that was killed
        note_runner(tmp_path, tmp_path / "venue.toml", 1, {})
    assert reload.main(["--data", str(tmp_path)]) == EX_CONFIG
    assert capsys.readouterr().err == (
        f"outcry: no venue that was started with `up` is running on the data directory {tmp_path}; name another with "
        "--data\n"
    )


def test_a_venue_in_a_terminal_ends_with_it(tmp_path: Path) -> None:
    config_path = ephemeral_config(tmp_path)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, command("up", "--config", str(config_path), "--data", str(tmp_path / "data")))
    said = b""
    while b"venue_ready" not in said:
        said += os.read(terminal, 1 << 16)
    os.close(terminal)
    wait_for(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, STARTS_S)
    assert not is_alive(pid)
