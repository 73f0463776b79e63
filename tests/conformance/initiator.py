"""Our own session as an initiator, pure: its clock is the script's, and no socket is between them."""

import re
import time

from sessions.fix_text import SOH
from sessions.native.events import Closing, Event, MemoryStore, SessionSettings
from sessions.native.session import Session
from sessions.port import InboundMessage
from tests.sessions.native_talk import DICTIONARIES
from tests.sessions.raw_client import Disconnected, Received

HEART_BT_INT_S = 30


class PureSide:
    """A script's side of a session with our trader."""

    comp_id = "SERVER"
    other_comp_id = "TRADER"

    def __init__(self, begin_string: str) -> None:
        settings = SessionSettings(
            begin_string=begin_string,
            sender_comp_id=self.other_comp_id,
            target_comp_id=self.comp_id,
            session_id=f"{begin_string}:{self.comp_id}",
            is_initiator=True,
            heart_bt_int_s=HEART_BT_INT_S,
        )
        self.session = Session(settings, MemoryStore(), DICTIONARIES[begin_string])
        self._passed_ns = 0
        self._written: list[Received] = []
        self._taken: list[Received] = []
        self._is_closed = True

    @property
    def _now_ns(self) -> int:
        return time.time_ns() + self._passed_ns

    def connect(self) -> None:
        self._is_closed = False
        self._note(self.session.connect(self._now_ns))

    def write(self, data: bytes) -> None:
        self._note(self.session.receive(data, self._now_ns))

    def read(self) -> Received:
        if self._written:
            return self._written.pop(0)
        raise Disconnected if self._is_closed else TimeoutError

    def cut(self) -> None:
        self._note(self.session.disconnect(self._now_ns))
        self._is_closed = True

    def application_sends(self, body: str) -> None:
        self.session.send([body], self._now_ns)
        self._note([])

    def application_takes(self) -> Received:
        if not self._taken:
            raise TimeoutError
        return self._taken.pop(0)

    def begin_logout(self) -> None:
        self._note(self.session.log_out("the day is over", self._now_ns))

    def wait(self, seconds: float) -> None:
        self._passed_ns += int(seconds * 1e9)
        self._note(self.session.tick(self._now_ns))

    def _note(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, InboundMessage):
                self._taken.append(Received(event.text))
            self._is_closed |= isinstance(event, Closing)
        while data := self.session.take_output(self._now_ns):
            found: list[str] = re.findall(f"8=FIX.*?{SOH}10=[0-9]{{3}}{SOH}", data.decode(), re.DOTALL)
            self._written += map(Received, found)
