"""
Keeping Python's own record of a foreign thread from one callback to the next.

A thread that C++ started has no state in the interpreter: each callback makes one, with memory mapped from the kernel,
and throws it away when it returns. That costs 15 us, more than all else that a callback does. A second reference, taken
inside a callback and given back inside the last one, keeps the state for as long as the thread serves a session.
"""

import ctypes
import threading
from typing import Final

_LOCKED: Final = 0
"""PyGILState_LOCKED: the callback goes on holding the interpreter's lock, only the count of references goes down."""

_own = threading.local()  # lives in the state itself: a new thread that gets an old one's number starts without it


def keep_state() -> None:
    """Keep this thread's state after the callback that runs now."""
    if not getattr(_own, "is_kept", False):
        _own.is_kept = True
        ctypes.pythonapi.PyGILState_Ensure()


def release_state() -> None:
    """Let this thread's state go after the callback that runs now."""
    if getattr(_own, "is_kept", False):
        _own.is_kept = False
        ctypes.pythonapi.PyGILState_Release(ctypes.c_int(_LOCKED))
