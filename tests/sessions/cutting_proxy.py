"""A TCP proxy that cuts connections in the middle of a message, at bytes that a seed chooses."""

import random
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_END = re.compile(rb"\x0110=\d{3}\x01\Z")
_LOGON_BYTES = 90
"""A cut this early comes in the middle of a Logon."""


class CuttingProxy:
    """
    Passes bytes on to a port, and cuts a number of connections, one after the other.

    What was received and not passed on is lost, as in any broken connection. When all cuts are made it only passes on.
    """

    def __init__(self, target_port: int, *, seed: int) -> None:
        self.cuts = 0
        """Connections that were cut, each in the middle of a message."""
        self._target_port = target_port
        self._chance = random.Random(seed)
        self._budgets: list[int] = []
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def cuts_left(self) -> int:
        """Cuts that were asked for and are still to be made."""
        return len(self._budgets)

    def cut(self, times: int, *, bytes_max: int) -> None:
        """Cut the current connection and those after it, each after so many bytes; every second one in its Logon."""
        for n in range(times):
            self._budgets.append(
                self._chance.randint(30, _LOGON_BYTES) if n % 2 else self._chance.randint(bytes_max // 5, bytes_max)
            )

    def run(self) -> None:
        """Accept connections until `close`."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target_port))
                except OSError:
                    client.close()
                    continue
                self._sockets |= {client, server}
                for source, sink in ((client, server), (server, client)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._start(source, sink)

    def close(self) -> None:
        """Close everything; no thread is left."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            _shut(each)
        for thread in self._threads:
            thread.join(10)
        for each in self._sockets:
            each.close()

    def _start(self, source: socket.socket, sink: socket.socket) -> None:
        thread = threading.Thread(target=self._pass_on, args=(source, sink))
        self._threads.append(thread)
        thread.start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 14):
                part, is_cut = self._until_cut(data)
                sink.sendall(part)
                if is_cut:
                    break
        _shut(source)
        _shut(sink)

    def _until_cut(self, data: bytes) -> tuple[bytes, bool]:
        """What of some bytes still passes, and whether that was the last."""
        with self._lock:
            if not self._budgets:
                return data, False
            self._budgets[0] -= len(data)
            if self._budgets[0] > 0:
                return data, False
            part = data[: len(data) + self._budgets[0]] or data[:1]
            if _END.search(part):
                part = part[:-1]
            del self._budgets[0]
            self.cuts += 1
            return part, True


def _shut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting_proxy(target_port: int, *, seed: int) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(target_port, seed=seed)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(10)
