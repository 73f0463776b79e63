"""
A real JetStream server for tests: on a free port, killable and startable again on the same store.

A conftest that imports `server` and `bus` gives them to its folder's tests.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from bus.connection import Bus
from bus.reader import LogMessage, LogReader
from venue.ephemeral import free_ports

LOG_BYTES_MAX = 64 * 1024 * 1024


class Server:
    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        (self.port,) = free_ports(1)  # nobody else's while it is down, as one that the system gives to clients might be
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        binary = Path(sys.executable).parent / "nats-server"
        command = [binary, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.directory)]
        log = (self.directory / "log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                    assert json.loads(connection.recv(4096).split(b" ", 1)[1].split(b"\r\n")[0])["jetstream"]
                return
            except OSError:
                assert time.monotonic() < deadline, "nats-server did not start"
                time.sleep(0.02)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)  # until it has stopped; it might answer one more request before

    def resume(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "jetstream")
    running.start()
    yield running
    running.kill()


@pytest.fixture
async def bus(server: Server) -> AsyncIterator[Bus]:
    connected = await Bus.connect(server.url, name="test", publish_timeout_s=0.5)
    yield connected
    await connected.close()


async def read_messages(bus: Bus, stream: str, count: int, *, start_seq: int = 1) -> list[LogMessage]:
    """The first `count` records of a stream from a sequence on, as a reader gets them."""
    reader = LogReader(bus, stream=stream, start_seq=start_seq)
    await reader.start()
    messages: list[LogMessage] = []
    async with asyncio.timeout(20):
        while len(messages) < count:
            messages += await reader.next_batch()
    await reader.stop()
    return messages


async def store(bus: Bus, subject: str, payload: bytes) -> int:
    """Put one record into the stream of this subject; returns its sequence."""
    return int(msgspec.json.decode(await bus.request(subject, payload))["seq"])
