"""The checkpoint is whole, of this version, or not used."""

import os
from pathlib import Path

import pytest

from marketdata import checkpoint
from marketdata.book import Book
from marketdata.checkpoint import Checkpoint, CheckpointError, LogPosition
from marketdata.statistics import Day
from matcher.orders import BUY
from venue import durable_file

from .conftest import INSTRUMENT, public


@pytest.fixture
def saved() -> Checkpoint:
    book = Book("AAPL", tick="0.01", lot="1")
    book.apply(public(1, ("0", BUY, 100, 3)))
    return Checkpoint(
        [LogPosition(17, 4711), LogPosition(0, 0)],
        [INSTRUMENT],
        [book.snapshot(with_orders=True)],
        {"AAPL": Day().state},
    )


def test_what_is_stored_is_loaded(tmp_path: Path, saved: Checkpoint) -> None:
    path = tmp_path / "new directory" / "marketdata.checkpoint"
    durable_file.replace(path, checkpoint.encode(saved))
    assert checkpoint.load(path) == saved
    assert os.listdir(path.parent) == ["marketdata.checkpoint"]


def test_no_file_is_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "none") is None


def test_every_torn_file_is_noticed(saved: Checkpoint) -> None:
    content = checkpoint.encode(saved)
    for length in range(len(content)):
        with pytest.raises(CheckpointError):
            checkpoint.decode(content[:length])


def test_every_flipped_bit_is_noticed(saved: Checkpoint) -> None:
    content = checkpoint.encode(saved)
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1
        with pytest.raises(CheckpointError):
            checkpoint.decode(bytes(damaged))


def test_another_version_is_named(saved: Checkpoint) -> None:
    content = checkpoint.encode(saved).replace(b"checkpoint 3 ", b"checkpoint 4 ", 1)
    with pytest.raises(CheckpointError, match="it has version 4, and this build reads version 3"):
        checkpoint.decode(content)


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path, saved: Checkpoint) -> None:
    path = tmp_path / "marketdata.checkpoint"
    durable_file.replace(path, checkpoint.encode(saved))
    path.with_name(f"{path.name}.unfinished").mkdir()  # a disk that refuses the new file
    with pytest.raises(OSError, match="directory"):
        durable_file.replace(path, b"newer")
    assert checkpoint.load(path) == saved
