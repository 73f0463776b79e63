"""The listening socket of the native engine."""

import errno
import socket
from typing import Final

from sessions.port import EngineError

_BACKLOG: Final = 512


def listen(host: str, port: int) -> socket.socket:
    """
    Bind the configured host, and nothing else; connections wait from now on.

    Raises:
        EngineError: It cannot be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        setting = "fix_port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "fix_host"
        raise EngineError(f"port {port} cannot be used ({error.strerror}); change gateway.{setting}") from error
    return listener
