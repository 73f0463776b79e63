"""For which running venue a command is: the one on a data directory, unless its configuration is named."""

import argparse
from pathlib import Path

from configs.loader import ConfigError
from venue.data_directory import DataDirectoryError, runner
from venue.process import DEFAULT_DATA


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that every such command understands: --data, --config, --nats."""
    parser.add_argument("--data", type=Path, metavar="DIR", help="that the venue runs on; default: ./data")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="of the venue, if it was not started with `up` on this machine"
    )
    parser.add_argument("--nats", metavar="URL", help="use this JetStream server, not the one in the configuration")


def chosen_config(options: argparse.Namespace) -> Path:
    """
    The configuration of the venue that is meant.

    Raises:
        ConfigError: None is named, and no venue runs on the data directory.
    """
    if options.config is not None:
        return Path(options.config)
    try:
        return Path(runner((options.data or DEFAULT_DATA).absolute()).config_path)
    except DataDirectoryError as error:
        raise ConfigError(f"{error}, or its configuration with --config") from error
