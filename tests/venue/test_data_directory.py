"""One venue at a time owns a data directory, and only a build that can read it."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import venue.data_directory
from venue.data_directory import (
    JETSTREAM,
    DataDirectoryError,
    check_server_files,
    check_store,
    claim_store,
    lock,
    open_directory,
    open_logs,
)

NOBODY = 65534


def test_a_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    assert open_directory(tmp_path / "a" / "b").is_dir()
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_file_in_its_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(DataDirectoryError, match=r"data cannot be used: .*--data$"):
        open_directory(tmp_path / "data")


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs a file system that even root cannot write")
def test_a_directory_that_cannot_be_written_is_one_sentence() -> None:
    for path in (Path("/proc"), Path("/proc/data")):
        with pytest.raises(
            DataDirectoryError, match=r"cannot be used: .*; make it a writable directory or name another"
        ):
            open_directory(path)


async def test_a_second_venue_is_refused_until_the_first_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venue.data_directory, "_LOCK_PATIENCE_S", 0.0)
    first = await lock(tmp_path)
    with pytest.raises(DataDirectoryError, match="another venue is running on the data directory"):
        await lock(tmp_path)
    os.close(first)
    os.close(await lock(tmp_path))


async def test_leftovers_of_a_killed_venue_are_waited_for(tmp_path: Path) -> None:
    held = await lock(tmp_path)
    second = asyncio.create_task(lock(tmp_path))
    await asyncio.sleep(0)
    assert not second.done()
    os.close(held)
    os.close(await second)


def test_a_store_is_claimed_and_may_be_claimed_again(tmp_path: Path) -> None:
    claim_store(tmp_path)
    (tmp_path / JETSTREAM).mkdir()
    claim_store(tmp_path)

    assert (tmp_path / "STORE_VERSION").read_text().startswith("outcry-store 2\nnats-server 2.")


@pytest.mark.parametrize(
    ("marker", "reason"),
    [
        ("outcry-store 1\nnats-server 2.15.1\n", "was written in store format 1, but this build reads format 2"),
        ("outcry-store 2\nnats-server 99.0.0\n", "was written by nats-server 99.0.0, newer than the installed"),
        ("something else\n", "is not of a form that this build knows"),
        ("", "is not of a form that this build knows"),
        ("\xff", "cannot be read"),
    ],
)
def test_a_store_of_another_version_is_refused_and_left_alone(tmp_path: Path, marker: str, reason: str) -> None:
    (tmp_path / "STORE_VERSION").write_bytes(marker.encode("latin-1"))
    with pytest.raises(DataDirectoryError, match=reason):
        claim_store(tmp_path)
    assert (tmp_path / "STORE_VERSION").read_bytes() == marker.encode("latin-1")


def test_a_store_of_an_older_server_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "STORE_VERSION").write_text("outcry-store 2\nnats-server 2.0.0\n")
    claim_store(tmp_path)
    assert "2.0.0" not in (tmp_path / "STORE_VERSION").read_text()


def test_logs_of_unknown_origin_are_refused(tmp_path: Path) -> None:
    (tmp_path / JETSTREAM).mkdir()
    with pytest.raises(DataDirectoryError, match="holds logs but no STORE_VERSION"):
        claim_store(tmp_path)


def test_a_directory_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(DataDirectoryError, match=r"is not empty \(it holds thesis.tex\) and has no STORE_VERSION, so"):
        claim_store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_a_demo_or_a_new_disk_puts_there_first_is_no_obstacle(tmp_path: Path) -> None:
    for name in ("logs", "lost+found", ".writable-1"):
        (tmp_path / name).mkdir()
    (tmp_path / "venue.toml").touch()
    claim_store(tmp_path)
    (tmp_path / "anything").touch()
    check_store(tmp_path)


def test_a_marker_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "STORE_VERSION").write_text("outcry-store 2\nnats-server 2.0.0\n")
    (tmp_path / "STORE_VERSION.new").mkdir()
    with pytest.raises(DataDirectoryError, match=r"STORE_VERSION.new cannot be used: Is a directory; mend that, or"):
        claim_store(tmp_path)


def test_what_a_server_left_in_order_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / JETSTREAM / "ORD0").mkdir(parents=True)
    (tmp_path / JETSTREAM / "ORD0" / "1.blk").write_text("records")
    (tmp_path / "nats-server.log").write_text("lines")
    check_server_files(tmp_path)
    assert (tmp_path / JETSTREAM / "ORD0" / "1.blk").read_text() == "records"
    assert (tmp_path / "nats-server.log").read_text() == "lines"


def test_a_folder_in_place_of_the_servers_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "nats-server.log").mkdir()
    with pytest.raises(DataDirectoryError, match=rf"^{tmp_path}/nats-server.log cannot be used: Is a directory; mend"):
        check_server_files(tmp_path)


def test_a_file_in_place_of_the_servers_store_is_named(tmp_path: Path) -> None:
    (tmp_path / JETSTREAM).touch()
    with pytest.raises(DataDirectoryError, match=rf"^{tmp_path}/jetstream cannot be used: Not a directory; mend"):
        check_server_files(tmp_path)


@pytest.mark.parametrize("path", ["nats-server.log", "jetstream", "jetstream/ORD0", "jetstream/ORD0/1.blk"])
def test_what_may_not_be_read_and_written_is_named(
    tmp_path: Path, path: str, others_rights: Callable[[Callable[[], None]], str]
) -> None:
    (tmp_path / JETSTREAM / "ORD0").mkdir(parents=True)
    (tmp_path / JETSTREAM / "ORD0" / "1.blk").touch()
    (tmp_path / "nats-server.log").touch()
    for each in (*tmp_path.parents[:2], tmp_path, *tmp_path.rglob("*")):
        each.chmod(0o777)
    (tmp_path / path).chmod(0)

    said = others_rights(lambda: check_server_files(tmp_path))

    assert said.startswith(f"{tmp_path / path} cannot be used: Permission denied; mend that")


@pytest.fixture
def others_rights() -> Callable[[Callable[[], None]], str]:
    """Does something in a process that has no rights beyond anybody's; returns the error that it ends with."""

    def attempt(action: Callable[[], None]) -> str:
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            said = "no error"
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setgid(NOBODY)
                    os.setuid(NOBODY)
                action()
            except BaseException as error:
                said = str(error)
            os.write(write_end, said.encode())
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end) as told:
            said = told.read()
        os.waitpid(pid, 0)
        return said

    return attempt


def test_a_file_in_place_of_the_logs_is_named(tmp_path: Path) -> None:
    assert open_logs(tmp_path) == open_logs(tmp_path) == tmp_path / "logs"
    (tmp_path / "logs").rmdir()
    (tmp_path / "logs").touch()
    with pytest.raises(DataDirectoryError, match=rf"^{tmp_path}/logs cannot be used: File exists; mend"):
        open_logs(tmp_path)
