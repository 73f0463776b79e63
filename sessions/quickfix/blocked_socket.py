"""
Cutting off a client that does not read, when the engine does not say which socket is its own.

QuickFIX sends with blocking send(2) under the session's lock, so `Session.disconnect` would wait for the very client
that it should end. The kernel knows better: `/proc/self/task/<thread>/syscall` names the call in which a thread waits,
and its first argument, the socket. Shutting that down ends the wait. Linux only.
"""

import os
import socket
from pathlib import Path


def shut_down(native_thread_id: int, *, local_port: int) -> bool:
    """
    Shut down the connection on which a thread of this process is blocked.

    Args:
        native_thread_id: The kernel's id of the thread.
        local_port: The acceptor's port; a socket of any other port is left alone.

    Returns:
        False when the thread is not blocked on a connection of that port.
    """
    try:
        words = Path(f"/proc/self/task/{native_thread_id}/syscall").read_text().split()
        descriptor = os.dup(int(words[1], 16))
    except (OSError, ValueError, IndexError, OverflowError):
        return False  # running, gone, or in a call whose first argument is no descriptor
    try:
        connection = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return False
    with connection:
        return _shut_down(connection, local_port)


def _shut_down(connection: socket.socket, local_port: int) -> bool:
    try:
        if connection.getsockname()[1] != local_port:
            return False
        connection.shutdown(socket.SHUT_RDWR)
    except (OSError, IndexError, TypeError):  # not connected, or not an Internet socket
        return False
    return True
