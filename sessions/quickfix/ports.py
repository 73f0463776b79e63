"""Whether QuickFIX will get the port that it is to listen on: it says so only in its own log, and too late."""

import socket

from sessions.port import EngineError


def check_port(port: int) -> None:
    """
    See whether a port is free, as QuickFIX will bind it: all interfaces, with SO_REUSEADDR.

    Raises:
        EngineError: It is not.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise EngineError(f"port {port} cannot be used ({error.strerror}); change gateway.fix_port") from error
