"""
Becomes another program that the kernel kills as soon as its parent is gone (Linux; elsewhere it only becomes it).

    python -I -S leash.py PARENT_PID PROGRAM [ARGUMENTS]

The supervisor starts every process through this, so that `kill -9` of the supervisor leaves nothing behind. It is a
program and not a `preexec_fn` because Python code between fork and exec may deadlock in a parent that has threads.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
EX_CONFIG: Final = 78


def main(argv: list[str]) -> None:
    """Put this process on the leash of its parent and become the program."""
    parent_pid, *command = argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent_pid):  # it died before the kernel knew of the leash
            sys.exit(1)
    try:
        os.execv(command[0], command)  # noqa: S606 -- becoming the program is the purpose
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        sys.exit(EX_CONFIG)


if __name__ == "__main__":
    main(sys.argv[1:])
