"""An engine with its event loop in a thread and applications that remember: what the engine's tests live in."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import uvloop
from msgspec.structs import replace

from configs.loader import ONE_MACHINE, FirmConfig, Venue, load
from sessions.fix_text import parse
from sessions.native.engine import NativeEngine
from sessions.port import InboundMessage
from sessions.quickfix.engine import QuickFixEngine
from tests.sessions.raw_client import RawClient

DEADLINE_S = 10.0
FIRMA1 = "FIX.4.4:FIRMA1"
ENGINES = {"quickfix": QuickFixEngine, "native": NativeEngine}
T = TypeVar("T")


class Recorder:
    """An application that keeps all it gets, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []  # (what, session id): up, down or message
        self.messages: list[InboundMessage] = []

    def on_logon(self, session_id: str) -> None:
        self.calls.append(("up", session_id))

    def on_logout(self, session_id: str) -> None:
        self.calls.append(("down", session_id))

    def on_messages(self, messages: list[InboundMessage]) -> None:
        for message in messages:
            self.calls.append(("message", message.session_id))
            self.messages.append(message)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def venue_on(port: int, *, firms: tuple[FirmConfig, ...] = (), **gateway: object) -> Venue:
    """The shipped configuration, on a port of ours, with its own firms unless there are others."""
    venue = load(ONE_MACHINE)
    gateway_config = replace(venue.config.gateway, fix_port=port, **gateway)
    config = replace(venue.config, gateway=gateway_config, firms=firms or venue.config.firms)
    return replace(venue, config=config)


def wait_for(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.002)


class House:
    """A running engine; every call to it is made on its loop's thread, as in the venue."""

    def __init__(
        self,
        data_dir: Path,
        *,
        engine: str = "quickfix",
        inbound_messages_max: int = 10_000,
        orders: Recorder | None = None,
        engine_settings: Mapping[str, object] | None = None,
        firms: tuple[FirmConfig, ...] = (),
        **gateway: object,
    ) -> None:
        self.port = free_port()
        self.data_dir = data_dir
        self.orders = orders or Recorder()
        self.marketdata = Recorder()
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.engine = self.call(
            lambda: ENGINES[engine](
                venue_on(self.port, firms=firms, **gateway),
                data_dir=data_dir,
                loop=self.loop,
                applications={"orders": self.orders, "marketdata": self.marketdata, "dropcopy": self.orders},
                inbound_messages_max=inbound_messages_max,
                **(engine_settings or {}),
            )
        )

    def start(self) -> "House":
        self.call(self.engine.start)
        return self

    def call(self, function: Callable[[], T]) -> T:
        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(30)

    def send(self, session_id: str, *bodies: str) -> None:
        """Send bodies written with | for SOH."""
        self.call(lambda: self.engine.send(session_id, [body.replace("|", "\x01") for body in bodies]))

    def close(self) -> None:
        self.engine.stop()  # not on the loop's thread, just as in the venue
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(DEADLINE_S)
        self.loop.close()


@contextmanager
def open_house(data_dir: Path, *, started: bool = True, **settings: object) -> Iterator[House]:
    house = House(data_dir, **settings)  # type: ignore[arg-type]
    try:
        yield house.start() if started else house
    finally:
        house.close()


@contextmanager
def logged_on(house: House, session_id: str = FIRMA1, *, next_seq: int = 1) -> Iterator[RawClient]:
    begin_string, _, comp_id = session_id.partition(":")
    with RawClient(house.port, begin_string, comp_id, next_seq=next_seq) as client:
        assert client.log_on().msg_type == "A"
        yield client
        client.log_out()
    wait_for(lambda: session_id not in house.engine.sessions_up)


def report(exec_id: object) -> str:
    return f"35=8|6=0|11=a|14=0|17={exec_id}|37=1|39=0|54=1|55=TEST1|150=0|151=100|"


def cl_ord_ids(house: House) -> list[str]:
    return [parse(message.text)["11"] for message in house.orders.messages]


def assert_nothing_else_comes(client: RawClient) -> None:
    """What comes next is the answer to a TestRequest, so nothing was on its way before it."""
    client.send("1", "112=anything else?|")
    message = client.receive()
    assert (message.msg_type, message["112"]) == ("0", "anything else?")
