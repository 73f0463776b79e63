"""One venue at a time owns a data directory, and only a build that can read it."""

import asyncio
import os
from pathlib import Path

import pytest

import venue.data_directory
from venue.data_directory import JETSTREAM, DataDirectoryError, claim_store, lock, open_directory


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

    assert (tmp_path / "STORE_VERSION").read_text().startswith("outcry-store 1\nnats-server 2.")


@pytest.mark.parametrize(
    ("marker", "reason"),
    [
        ("outcry-store 2\nnats-server 2.15.1\n", "was written in store format 2, but this build reads format 1"),
        ("outcry-store 1\nnats-server 99.0.0\n", "was written by nats-server 99.0.0, newer than the installed"),
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
    (tmp_path / "STORE_VERSION").write_text("outcry-store 1\nnats-server 2.0.0\n")
    claim_store(tmp_path)
    assert "2.0.0" not in (tmp_path / "STORE_VERSION").read_text()


def test_logs_of_unknown_origin_are_refused(tmp_path: Path) -> None:
    (tmp_path / JETSTREAM).mkdir()
    with pytest.raises(DataDirectoryError, match="holds logs but no STORE_VERSION"):
        claim_store(tmp_path)
