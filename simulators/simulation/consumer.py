"""
A push consumer in memory: delivers a stream's records from one sequence on, with heartbeats and flow control.

Deliveries of what is stored may be lost, late, repeated and overtaken, as the weather has it. A consumer whose
subscription is gone is forgotten.
"""

from typing import Any, Final, Protocol

from simulators.simulation.stored_log import StoredLog
from simulators.simulation.virtual_time import Agenda
from simulators.simulation.weather import Weather

FLOW_CONTROL_RECORDS: Final = 8
"""After so many a consumer waits until its reader has taken them."""


class Subscriber(Protocol):
    """Where deliveries go."""

    def listens_to(self, subject: str) -> bool:
        """Whether its subscription is there."""

    def send_down(
        self, subject: str, payload: bytes, reply: str = "", headers: bytes | None = None, *, late_s: float = 0.0
    ) -> None:
        """Deliver a message, out of turn if it is late."""


class Consumer:
    """Delivers one stream to one subject."""

    def __init__(
        self, agenda: Agenda, weather: Weather, log: StoredLog, subscriber: Subscriber, config: dict[str, Any]
    ) -> None:
        self._agenda = agenda
        self._weather = weather
        self._log = log
        self._subscriber = subscriber
        self._subject: Final[str] = config["deliver_subject"]
        self._heartbeat_s: Final[float] = config["idle_heartbeat"] / 1e9
        self._next_seq: int = max(config["opt_start_seq"], log.first_seq)
        self._unconfirmed = 0
        self._awaits = ""
        self._flow_controls = 0
        self.has_ended = False

    def start(self) -> None:
        """Deliver what there is; `pump` is to be called whenever there is more."""
        self.pump()
        self._agenda.call_later(self._heartbeat_s, self._beat)

    def pump(self) -> None:
        """Deliver what is stored, as far as flow control allows."""
        if self.has_ended or not self._subscriber.listens_to(self._subject):
            self.has_ended = True
            return
        while self._next_seq <= self._log.last_seq and not self._awaits:
            self._deliver(self._next_seq)
            self._next_seq += 1
            self._unconfirmed += 1
            if self._unconfirmed >= FLOW_CONTROL_RECORDS:
                self._flow_controls += 1
                self._awaits = f"$JS.FC.{self._subject}.{self._flow_controls}"
                self._send(b"", self._awaits)

    def on_flow_control(self, subject: str) -> bool:
        """The reader has taken what was sent before this; says whether it was ours."""
        if subject != self._awaits:
            return False
        self._awaits, self._unconfirmed = "", 0
        self.pump()
        return True

    def _deliver(self, seq: int) -> None:
        weather = self._weather
        chances = weather.chances
        pending = self._log.last_seq - seq
        reply = f"$JS.ACK.{self._log.name}.c.1.{seq}.{seq}.0.{pending}"
        payload = self._log.records[seq - 1]
        if weather.strikes(chances.delivery_repeated):
            self._send(payload, reply, late_s=weather.delay_s())
        if weather.strikes(chances.delivery_lost):
            return
        self._send(payload, reply, late_s=weather.delay_s() if weather.strikes(chances.delivery_late) else 0.0)

    def _send(self, payload: bytes, reply: str, *, late_s: float = 0.0) -> None:
        self._subscriber.send_down(self._subject, payload, reply, late_s=late_s)

    def _beat(self) -> None:
        if self.has_ended or not self._subscriber.listens_to(self._subject):
            self.has_ended = True
            return
        lines = f"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 0\r\nNats-Last-Stream: {self._next_seq - 1}\r\n"
        if self._awaits:
            lines += f"Nats-Consumer-Stalled: {self._awaits}\r\n"
        self._subscriber.send_down(self._subject, b"", headers=f"{lines}\r\n".encode())
        self._agenda.call_later(self._heartbeat_s, self._beat)
