"""
A NATS server in memory: subjects, requests, and the two streams of one shard.

It may stand still for a while, and then does what waits in its sockets, be the senders alive or not; its streams may be
full, or without a leader, as in a cluster that elects one.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from bus.subjects import PLACES_SUBJECTS, exec_stream, exec_subject, ord_stream
from simulators.simulation.consumer import Consumer, Subscriber
from simulators.simulation.stored_log import StoredLog, StoreError
from simulators.simulation.virtual_time import Agenda
from simulators.simulation.weather import Weather

SHARD: Final = 0
NOBODY_LISTENS: Final = b"NATS/1.0 503\r\n\r\n"
INBOX: Final = "_INBOX."
_PLACES: Final = PLACES_SUBJECTS.removesuffix(">")
_STORED_AT: Final = "2020-01-01T00:00:00Z"
"""Of all records: long enough ago to be trimmed, as far as time goes."""
_MESSAGE_NOT_FOUND: Final = 10037
_NOT_AVAILABLE: Final = 10008


class Connection(Subscriber, Protocol):
    """A process's connection, as the server sees it."""

    @property
    def name(self) -> str:
        """Second token of the subjects that only this process listens to."""

    @property
    def is_connected(self) -> bool:
        """Whether it is there."""


class Server:
    """Everything that all processes share."""

    def __init__(self, agenda: Agenda, weather: Weather) -> None:
        self._agenda = agenda
        self._weather = weather
        self.ord = StoredLog(ord_stream(SHARD))
        self.exec = StoredLog(exec_stream(SHARD))
        self.is_electing = False
        """The streams have no leader."""
        self.on_stored: dict[str, Callable[[], None]] = {}
        """By log: what befalls whom once its next record is stored, before anybody hears of it."""
        self._logs = {log.name: log for log in (self.ord, self.exec)}
        self._connections: dict[str, Connection] = {}
        self._consumers: dict[str, list[Consumer]] = {log.name: [] for log in (self.ord, self.exec)}
        self._places: dict[str, bytes] = {}
        self._silent_until_s = 0.0
        self._in_sockets: deque[tuple[Subscriber | None, str, bytes, str, Mapping[str, str] | None]] = deque()

    @property
    def connections(self) -> list[Connection]:
        """All that are there."""
        return [each for each in self._connections.values() if each.is_connected]

    def connect(self, connection: Connection) -> None:
        """A new connection; one of the same name is forgotten."""
        self._connections[connection.name] = connection

    def forget(self, connection: Connection) -> None:
        """The connection's process is gone."""
        self._connections.pop(connection.name, None)

    def stand_still(self, seconds: float) -> None:
        """Do nothing for so long; what arrives waits."""
        self._silent_until_s = max(self._silent_until_s, self._agenda.now_s + seconds)
        self._agenda.call_at(self._silent_until_s, self._go_on)

    def elect(self) -> None:
        """A leader is elected: writes are taken again, and readers go on."""
        self.is_electing = False
        self._pump_all()

    def arrive(
        self, sender: Subscriber | None, subject: str, payload: bytes, reply: str, headers: Mapping[str, str] | None
    ) -> None:
        """Take a message from a process; no sender: from somebody outside."""
        if self._agenda.now_s < self._silent_until_s:
            self._in_sockets.append((sender, subject, payload, reply, headers))
        elif (log := self._stream_of(subject)) is not None:
            self._store(log, payload, reply, headers or {})
        elif subject.startswith(_PLACES):
            self._places[subject] = payload
            self._answer(reply, b'{"stream":"PLACES","seq":1}')
        elif subject.startswith("$JS.API."):
            assert sender is not None
            self.send(reply, msgspec.json.encode(self._call(subject, payload, sender)))
        elif subject.startswith("$JS.FC."):
            any(consumer.on_flow_control(subject) for each in self._consumers.values() for consumer in each)
        elif subject.startswith(INBOX):
            self.send(subject, payload)
        else:
            self._pass_on(subject, payload, reply)

    def send(self, to: str, payload: bytes, headers: bytes | None = None, *, late_s: float = 0.0) -> None:
        """Send something to whom a subject belongs, if that one is still there."""
        connection = self._connections.get(to.split(".")[1]) if to else None
        if connection is not None:
            connection.send_down(to, payload, headers=headers, late_s=late_s)

    def _go_on(self) -> None:
        while self._in_sockets and self._agenda.now_s >= self._silent_until_s:
            self.arrive(*self._in_sockets.popleft())

    def _stream_of(self, subject: str) -> StoredLog | None:
        if subject == exec_subject(SHARD):
            return self.exec
        return self.ord if subject.startswith("ord.") else None

    def _pass_on(self, subject: str, payload: bytes, reply: str) -> None:
        listeners = [each for each in self.connections if each.listens_to(subject)]
        for listener in listeners:
            listener.send_down(subject, payload, reply)
        if reply and not listeners:
            self.send(reply, b"", NOBODY_LISTENS)

    # Streams

    def _store(self, log: StoredLog, payload: bytes, reply: str, headers: Mapping[str, str]) -> None:
        if self.is_electing:
            self._answer(reply, b"", NOBODY_LISTENS)
            return
        try:
            seq = log.store(payload, headers)
        except StoreError as error:
            failure = {"code": 400, "err_code": error.code, "description": error.description}
            self._answer(reply, msgspec.json.encode({"error": failure}))
            return
        if seq is not None:
            self.on_stored.pop(log.name, lambda: None)()
            self._answer(reply, msgspec.json.encode({"stream": log.name, "seq": seq}))
            self._pump(log)

    def _answer(self, reply: str, payload: bytes, headers: bytes | None = None) -> None:
        weather = self._weather
        if not weather.strikes(weather.chances.ack_lost):
            late_s = weather.delay_s() if weather.strikes(weather.chances.ack_late) else 0.0
            self.send(reply, payload, headers, late_s=late_s)

    def _pump(self, log: StoredLog) -> None:
        consumers = self._consumers[log.name]
        for consumer in consumers:
            consumer.pump()
        if any(consumer.has_ended for consumer in consumers):
            self._consumers[log.name] = [consumer for consumer in consumers if not consumer.has_ended]

    def _pump_all(self) -> None:
        for log in self._logs.values():
            self._pump(log)

    def _call(self, subject: str, payload: bytes, sender: Subscriber) -> dict[str, Any]:
        """JetStream's API, as far as the venue calls it."""
        if self.is_electing:
            return _error(_NOT_AVAILABLE, "JetStream system temporarily unavailable")
        action, _, rest = subject.removeprefix("$JS.API.").partition(".")
        if action == "CONSUMER":
            return self._create_consumer(self._logs[rest.split(".")[1]], msgspec.json.decode(payload), sender)
        stream, wanted = rest.rpartition(".")[2], msgspec.json.decode(payload or b"{}")
        if "last_by_subj" in wanted:
            return _message(0, self._places.get(wanted["last_by_subj"]))
        log = self._logs[stream]
        if rest.startswith("INFO"):
            state = {"first_seq": log.first_seq, "last_seq": log.last_seq, "bytes": sum(map(len, log.records))}
            return {"config": {}, "state": state}
        if rest.startswith("PURGE"):
            log.purge(wanted["seq"])
            return {"success": True}
        return _message(wanted["seq"], log.read(wanted["seq"]))

    def _create_consumer(self, log: StoredLog, body: dict[str, Any], sender: Subscriber) -> dict[str, Any]:
        consumer = Consumer(self._agenda, self._weather, log, sender, body["config"])
        self._consumers[log.name].append(consumer)
        consumer.start()
        return {}


def _message(seq: int, payload: bytes | None) -> dict[str, Any]:
    if payload is None:
        return _error(_MESSAGE_NOT_FOUND, "no message found")
    return {"message": {"seq": seq, "data": payload, "time": _STORED_AT}}


def _error(code: int, description: str) -> dict[str, Any]:
    return {"error": {"code": 503, "err_code": code, "description": description}}
