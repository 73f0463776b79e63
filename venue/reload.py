"""
The command `reload`: a venue that was started with `up` reads its configuration again.

It looks at the files first, as the venue will, so that a mistake is told here and not only in the log, then sends
SIGHUP. What came of it matchers and gateway say in their logs: `configuration_reloaded`, `configuration_needs_restart`.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from configs.loader import ConfigError, check_reloadable, load
from venue.data_directory import DataDirectoryError, runner
from venue.process import DEFAULT_DATA, EX_CONFIG


def main(argv: list[str]) -> int:
    """Ask the venue; returns 0, or 78 if there is none or its configuration cannot be used."""
    parser = argparse.ArgumentParser(
        prog="outcry reload", description="Have a venue that is up read its configuration again."
    )
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, metavar="DIR", help="that the venue runs on; default: ./data"
    )
    options = parser.parse_args(argv)
    try:
        found = runner(options.data.absolute())
        check_reloadable(found.shards, found.instruments, load(Path(found.config_path)))
        os.kill(found.pid, signal.SIGHUP)
    except ConfigError as error:
        return _refuse(f"{error}; nothing was changed")
    except DataDirectoryError as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(
            f"the venue's process {found.pid} cannot be asked: {error.strerror}; ask as the user who runs it"
        )
    sys.stdout.write(
        f"outcry: the venue (process {found.pid}) reads {found.config_path} again; its log says the rest\n"
    )
    return 0


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"outcry: {sentence}\n")
    return EX_CONFIG
