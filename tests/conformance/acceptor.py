"""An engine of either kind with a small echo application behind it, and a TCP connection to it."""

import threading
from collections.abc import Callable
from pathlib import Path

from configs.loader import FirmConfig, SessionConfig
from sessions.fix_text import SOH, parse
from sessions.port import InboundMessage
from tests.sessions.house import DEADLINE_S, House, Recorder, wait_for
from tests.sessions.raw_client import Disconnected, RawClient, Received

_READ_S = 5.0


class Echo(Recorder):
    """
    Answers each NewOrderSingle(D) with an ExecutionReport(8), and what else it gets with BusinessMessageReject(j).

    A PossResend(97) of a ClOrdID(11) that it knows is the same order again, and no news.
    """

    def __init__(self) -> None:
        super().__init__()
        self.send: Callable[[str, list[str]], None] = lambda _session_id, _bodies: None
        self._cl_ord_ids: set[tuple[str, str]] = set()

    def on_messages(self, messages: list[InboundMessage]) -> None:
        super().on_messages(messages)
        for message in messages:
            fields = parse(message.text)
            if fields["35"] != "D":
                refusal = f"35=j|45={fields['34']}|372={fields['35']}|380=3|58=only orders are echoed|"
                self.send(message.session_id, [refusal.replace("|", SOH)])
                continue
            order = (message.session_id, fields["11"])
            if fields.get("97") != "Y" or order not in self._cl_ord_ids:
                self._cl_ord_ids.add(order)
                self.send(message.session_id, [_report(fields)])


def _report(order: dict[str, str]) -> str:
    text = (
        f"35=8|6=0|11={order['11']}|14=0|17={order['34']}|20=0|37={order['34']}|38={order['38']}|39=0|"
        f"54={order['54']}|55={order['55']}|150=0|151={order['38']}|"
    )
    return text.replace("|", SOH)


class EchoHouse:
    """A running engine that knows one client for each script, so that no script finds numbers of another."""

    def __init__(self, data_dir: Path, *, engine: str, begin_string: str, comp_ids: list[str]) -> None:
        sessions = [SessionConfig(comp_id, f"example-{comp_id}", versions=(begin_string,)) for comp_id in comp_ids]
        echo = Echo()
        self.begin_string = begin_string
        self.house = House(data_dir, engine=engine, orders=echo, firms=(FirmConfig("SCRIPTS", tuple(sessions)),))
        echo.send = self.house.engine.send
        self.house.start()
        self._stopping: threading.Thread | None = None

    def begin_stop(self) -> None:
        """Log everyone out, from a thread of its own: it waits for the answers."""
        self._stopping = threading.Thread(target=self.house.engine.stop)
        self._stopping.start()

    def close(self) -> None:
        if self._stopping is not None:
            self._stopping.join(DEADLINE_S)
        self.house.close()


class TcpSide:
    """A script's side of a session with an `EchoHouse`."""

    other_comp_id = "OUTCRY"

    def __init__(self, echo_house: EchoHouse, comp_id: str) -> None:
        self.comp_id = comp_id
        self._echo_house = echo_house
        self._house = echo_house.house
        self._session_id = f"{echo_house.begin_string}:{comp_id}"
        self._client: RawClient | None = None

    def connect(self) -> None:
        wait_for(lambda: self._session_id not in self._house.engine.sessions_up)  # a former connection is over
        self._client = RawClient(self._house.port, self._echo_house.begin_string, self.comp_id)

    def write(self, data: bytes) -> None:
        assert self._client is not None, "the script has to connect first"
        self._client.send_bytes(data)

    def read(self) -> Received:
        if self._client is None:
            raise Disconnected
        return self._client.receive(_READ_S)

    def cut(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def application_sends(self, body: str) -> None:
        self._house.send(self._session_id, body)
        wait_for(lambda: not self._house.engine.outbound_waiting(self._session_id))

    def application_takes(self) -> Received:
        raise NotImplementedError("the echo shows what the application got")

    def begin_logout(self) -> None:
        self._echo_house.begin_stop()

    def wait(self, seconds: float) -> None:
        raise NotImplementedError(f"nobody can let {seconds} s pass for a running engine; expect a message instead")
