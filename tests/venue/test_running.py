"""For which venue a command is: that on a data directory, or of a configuration; and where its options may stand."""

import argparse
import os
from pathlib import Path

import pytest

from configs.loader import ConfigError
from venue import running
from venue.data_directory import lock, note_runner, open_directory
from venue.operator_arguments import PATIENCE_S, operator_parser


def read(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    running.add_arguments(parser)
    return parser.parse_args(arguments)


async def test_the_venue_that_runs_on_the_data_directory_is_meant(tmp_path: Path) -> None:
    data_dir = open_directory(tmp_path / "data")
    held = await lock(data_dir)
    note_runner(data_dir, tmp_path / "venue.toml", 2, {})
    assert running.chosen_config(read("--data", str(data_dir))) == tmp_path / "venue.toml"
    assert running.chosen_config(read("--data", str(data_dir), "--config", "other.toml")) == Path("other.toml")
    os.close(held)
    with pytest.raises(ConfigError, match="no venue that was started with `up` is running on the data directory"):
        running.chosen_config(read("--data", str(data_dir)))


def test_no_venue_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped configuration names ports on which somebody else's venue may be."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as refused:
        running.chosen_config(read())
    assert str(refused.value) == (
        f"no venue that was started with `up` is running on the data directory {tmp_path}/data; name another with "
        "--data, or its configuration with --config"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--data", "D", "--patience", "3", "bust", "TEST1", "7"),
        ("bust", "TEST1", "7", "--data", "D", "--patience", "3"),
        ("--data", "D", "bust", "--patience", "3", "TEST1", "7"),
    ],
)
def test_the_operators_options_may_stand_before_the_action_and_behind_it(arguments: tuple[str, ...]) -> None:
    options = operator_parser().parse_args(arguments)
    assert (options.action, options.symbol, options.match_id) == ("bust", "TEST1", 7)
    assert (options.data, options.config, options.nats, options.patience) == (Path("D"), None, None, 3.0)
    assert operator_parser().parse_args(["status"]).patience == PATIENCE_S
