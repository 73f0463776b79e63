"""How one process of a venue lives and ends."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from venue.process import EX_CONFIG, EX_SOFTWARE, EX_TEMPFAIL, READY_FD, argument_parser, open_settings

CHILD = str(Path(__file__).parent / "supervised_child.py")


def run_child(behaviour: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit status and log of a process that ends by itself."""
    done = subprocess.run([sys.executable, CHILD, behaviour], capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


def test_a_process_says_once_that_it_is_ready_and_stops_with_status_0_when_asked() -> None:
    read_end, write_end = os.pipe()
    with subprocess.Popen(
        [sys.executable, CHILD, "obedient"],
        stderr=subprocess.PIPE,
        pass_fds=(write_end,),
        env=os.environ | {READY_FD: str(write_end)},
    ) as child:
        os.close(write_end)
        with os.fdopen(read_end, "rb") as told:
            message = json.loads(told.readline())
            url = f"http://127.0.0.1:{message['ready']['metrics_port']}/metrics"
            with urllib.request.urlopen(url) as response:
                assert b"process_resident_memory_bytes" in response.read()
            child.terminate()
            assert told.read() == b""
        assert child.wait(10) == 0


@pytest.mark.parametrize(
    "behaviour", ["refusing", "refusing_in_a_group", "refusing_several_times", "refusing_a_taken_port"]
)
def test_a_refusal_is_one_sentence_and_status_78(behaviour: str) -> None:
    status, (line,) = run_child(behaviour)

    assert status == EX_CONFIG
    assert line["event"] == "refused"
    assert line["process"] == behaviour
    assert "exception" not in line
    assert ";" in line["reason"], "says what to do"


def test_an_outage_is_one_sentence_and_status_75() -> None:
    status, (line,) = run_child("missing_something")

    assert status == EX_TEMPFAIL
    assert (line["event"], line["reason"]) == ("outage", "no server at the end of the rainbow; start one")


@pytest.mark.parametrize("behaviour", ["crashing", "crashing_among_others"])
def test_a_crash_is_logged_with_its_traceback_and_without_secrets(behaviour: str) -> None:
    status, (line,) = run_child(behaviour)

    assert status == EX_SOFTWARE
    assert line["event"] == "crashed"
    assert "RuntimeError" in line["exception"]
    assert "hunter2" not in json.dumps(line)


@pytest.mark.parametrize(
    ("behaviour", "error"), [("crashing_in_a_task", "LookupError"), ("crashing_in_a_callback", "KeyError")]
)
def test_a_failure_that_nobody_observes_ends_the_process(behaviour: str, error: str) -> None:
    status, lines = run_child(behaviour)

    assert status == EX_SOFTWARE
    assert [line["event"] for line in lines] == ["ready", "unhandled", "crashed"]
    assert error in lines[-1]["exception"]


def test_what_a_library_logs_is_a_masked_json_line_too() -> None:
    status, (line,) = run_child("warning_by_a_library")

    assert status == 0
    assert line["logger"] == "nats"
    assert line["text"] == "lost the connection to nats://user:***@127.0.0.1:1"


def test_settings_make_the_data_directory_and_take_the_server_from_the_arguments(tmp_path: Path) -> None:
    arguments = ["--data", str(tmp_path / "new" / "data"), "--nats", "nats://10.0.0.1:4222"]

    settings = open_settings(argument_parser("matcher", "").parse_args(arguments))

    assert settings.data_dir.is_dir()
    assert settings.venue.config.nats.url == "nats://10.0.0.1:4222"
    assert not settings.venue.config.nats.embedded


def test_interrupt_stops_like_terminate() -> None:
    with subprocess.Popen([sys.executable, CHILD, "obedient"], stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        assert json.loads(child.stderr.readline())["event"] == "ready"
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 0
