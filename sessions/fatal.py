"""The end of a process whose state can no longer be trusted: better stopped and recovered than wrong."""

import os
import sys
from typing import Final, NoReturn

import structlog

EX_SOFTWARE: Final = 70
"""The exit code, from sysexits.h: an internal error."""

log = structlog.get_logger(__name__)


def stop_process(where: str) -> NoReturn:
    """Log the exception being handled, with its traceback, and end the process at once, from whatever thread."""
    try:
        log.critical("process_stopped", where=where, exit_code=EX_SOFTWARE, exc_info=True)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(EX_SOFTWARE)
