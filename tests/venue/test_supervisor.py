"""Processes are kept alive, and none is left behind. The children are small processes of no venue."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import venue.supervisor
from tests.processes import is_alive, until
from venue.supervised_process import ProcessSpec, SupervisorError
from venue.supervisor import Supervisor

CHILD = str(Path(__file__).parent / "supervised_child.py")


def child(
    behaviour: str, tmp_path: Path, *, name: str = "child", stage: int = 0, stop_timeout_s: float = 10
) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        command=(sys.executable, CHILD, behaviour, name),
        stage=stage,
        stop_timeout_s=stop_timeout_s,
        log_file=tmp_path / f"{name}.log",
    )


async def test_every_process_is_ready_inside_and_gone_after(tmp_path: Path) -> None:
    async with Supervisor([child("obedient", tmp_path, name=name) for name in ("a", "b")]) as supervisor:
        pids = [process.pid for process in supervisor.processes.values()]
        assert all(is_alive(pid) for pid in pids)
        assert supervisor.processes["a"].details["metrics_port"] > 0

    assert not any(is_alive(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
async def test_a_process_that_dies_is_started_again_at_once(tmp_path: Path, number: signal.Signals) -> None:
    async with Supervisor([child("obedient", tmp_path)]) as supervisor:
        process = supervisor.processes["child"]
        first_pid = process.pid
        os.kill(first_pid, number)
        await supervisor.wait_ready("child", generation=2)

        assert process.pid != first_pid
        assert process.generation == 2


async def test_a_new_life_is_logged_with_its_process_id_once_it_is_ready(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with Supervisor([child("obedient", tmp_path)]) as supervisor:
            os.kill(supervisor.processes["child"].pid, signal.SIGKILL)
            await supervisor.wait_ready("child", generation=2)
            pid = supervisor.processes["child"].pid

    assert [line["event"] for line in logs] == ["process_died", "process_ready"]
    assert logs[1] == {
        "event": "process_ready",
        "log_level": "info",
        "name": "child",
        "pid": pid,
        "generation": 2,
    }


async def test_deaths_in_a_row_are_answered_with_growing_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def record(_: Supervisor, delay_s: float) -> None:
        pauses.append(delay_s)

    monkeypatch.setattr(Supervisor, "_pause", record)
    async with Supervisor([child("obedient", tmp_path)]) as supervisor:
        for generation in range(1, 8):
            os.kill(supervisor.processes["child"].pid, signal.SIGKILL)
            await supervisor.wait_ready("child", generation + 1)

    assert pauses == [0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 5.0]


async def test_a_healthy_time_ends_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venue.supervisor, "HEALTHY_AFTER_S", 0.0)
    monkeypatch.setattr(venue.supervisor, "RESTART_DELAYS_S", (0.0, 3600.0))
    async with Supervisor([child("obedient", tmp_path)]) as supervisor:
        for generation in (1, 2):
            os.kill(supervisor.processes["child"].pid, signal.SIGKILL)
            await supervisor.wait_ready("child", generation + 1)


@pytest.mark.parametrize("behaviour", ["refusing", "refusing_after_ready"])
async def test_a_process_that_refuses_is_not_started_again(tmp_path: Path, behaviour: str) -> None:
    specs = [child("obedient", tmp_path, name="other"), child(behaviour, tmp_path)]
    with pytest.raises(SupervisorError, match=r"^child cannot work as configured: the moon is in the wrong") as raised:
        async with Supervisor(specs) as supervisor:
            raise await supervisor.wait_failed()

    assert raised.value.refused
    assert (tmp_path / "child.log").read_text().count("refused") == 1


async def test_what_is_missing_at_the_start_ends_it(tmp_path: Path) -> None:
    with pytest.raises(SupervisorError, match="child cannot begin: no server at the end of the rainbow") as raised:
        async with Supervisor([child("missing_something", tmp_path)]):
            pass

    assert not raised.value.refused


async def test_what_goes_missing_later_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venue.supervisor, "RESTART_DELAYS_S", (0.0,))
    async with Supervisor([child("missing_something_later", tmp_path)]) as supervisor:
        await supervisor.wait_ready("child", generation=4)


async def test_a_start_that_only_crashes_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venue.supervisor, "RESTART_DELAYS_S", (0.0,))
    with pytest.raises(SupervisorError, match="child died 5 times before it was ready, the last time with status 70"):
        async with Supervisor([child("crashing", tmp_path)]):
            pass


async def test_a_program_that_is_not_there_is_not_started_again(tmp_path: Path) -> None:
    log_file = tmp_path / "nothing.log"
    spec = ProcessSpec(name="nothing", command=("/nonexistent/program",), log_file=log_file)
    with pytest.raises(SupervisorError, match="nothing cannot work as configured; its log says why"):
        async with Supervisor([spec]):
            pass

    assert log_file.read_text() == "/nonexistent/program cannot be started: No such file or directory\n"


async def test_stages_stop_in_reverse_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "trace"
    monkeypatch.setenv("TRACE", str(trace))
    stages = {"log": 0, "matcher": 1, "gateway": 2}
    async with Supervisor([child("leaving_a_trace", tmp_path, name=n, stage=s) for n, s in stages.items()]):
        pass

    assert trace.read_text().split() == ["gateway", "matcher", "log"]


async def test_a_process_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    async with Supervisor([child("stubborn", tmp_path, stop_timeout_s=0.2)]) as supervisor:
        pid = supervisor.processes["child"].pid

    assert not is_alive(pid)


async def test_a_paused_process_is_stopped_too(tmp_path: Path) -> None:
    async with Supervisor([child("obedient", tmp_path)]) as supervisor:
        pid = supervisor.processes["child"].pid
        os.kill(pid, signal.SIGSTOP)

    assert not is_alive(pid)


async def test_an_error_inside_leaves_nothing_behind(tmp_path: Path) -> None:
    async def fail() -> None:
        async with Supervisor([child("obedient", tmp_path)]) as supervisor:
            pids.append(supervisor.processes["child"].pid)
            raise LookupError

    pids: list[int] = []
    with pytest.raises(LookupError):
        await fail()
    assert not is_alive(pids[0])


async def test_a_start_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    specs = [child("obedient", tmp_path, name="first"), child("obedient", tmp_path, name="second", stage=1)]
    supervisor = Supervisor(specs)
    starting = asyncio.create_task(supervisor.__aenter__())
    await supervisor.wait_ready("first")
    pid = supervisor.processes["first"].pid
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert not is_alive(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
async def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_supervisor import Supervisor, child
async def main():
    async with Supervisor([child("obedient", Path({str(tmp_path)!r}))]) as supervisor:
        print(supervisor.processes["child"].pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert supervisor.stdout is not None
    pid = int(await supervisor.stdout.readline())
    supervisor.kill()
    await supervisor.wait()

    await until(lambda: not is_alive(pid))


async def test_children_log_to_their_files(tmp_path: Path) -> None:
    async with Supervisor([child("obedient", tmp_path)]):
        pass

    assert json.loads((tmp_path / "child.log").read_text().splitlines()[0])["event"] == "ready"
