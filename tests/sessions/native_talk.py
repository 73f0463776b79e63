"""A pure session under test: the clock is set by hand, the other side's messages are written by the test."""

import re
from pathlib import Path
from typing import Any

from sessions.dictionary.dictionary import Dictionary, Strictness
from sessions.fix_text import SOH, pairs, utc_timestamp
from sessions.logon import Refusal
from sessions.native.events import Closing, Event, MemoryStore, SessionSettings, Validator
from sessions.native.session import Session
from sessions.port import InboundMessage
from tests.sessions.raw_client import frame

CONFIGS = Path(__file__).parents[2] / "configs" / "fix"
LENIENT = Strictness(unknown_tags=False, unspoken_messages=False)
DICTIONARIES = {
    "FIX.4.2": Dictionary.load(CONFIGS / "FIX42.xml", strictness=LENIENT),
    "FIX.4.4": Dictionary.load(CONFIGS / "FIX44.xml", strictness=LENIENT),
    "FIXT.1.1": Dictionary.load(CONFIGS / "FIXT11.xml", CONFIGS / "FIX50SP2.xml", strictness=LENIENT),
}
NOON_NS = 1_795_176_000 * 10**9
S = 10**9
ORDER = "11=a|21=1|55=TEST1|54=1|60=20261120-12:00:00|38=100|40=2|44=101.25|"
REPORT = "35=8|37=1|11=a|17=E1|150=0|39=0|55=TEST1|54=1|151=100|14=0|6=0|"
AGAIN = "43=Y|122=20261120-11:00:00|"
_UNSAID = frozenset(("8", "9", "10", "49", "52", "56"))


def soh(text: str) -> str:
    return text.replace("|", SOH)


def told(message: str) -> str:
    """A message without what is the same in all: `35=0|34=2|112=hi|`."""
    return "".join(f"{tag}={'*' if tag == '122' else value}|" for tag, value in pairs(message) if tag not in _UNSAID)


def split(data: bytes) -> list[str]:
    """The messages in bytes that a session wrote."""
    return re.findall("8=FIX.*?\x0110=[0-9]{3}\x01", data.decode(), re.DOTALL)


def only_password(fields: dict[str, str]) -> Refusal | None:
    return None if fields.get("554") == "right" else Refusal("credentials", "wrong password")


class Talk:
    """Us, by default an acceptor called VENUE, and the other side, called CLIENT."""

    def __init__(
        self,
        begin_string: str = "FIX.4.4",
        *,
        store: MemoryStore | None = None,
        dictionary: Validator | None = None,
        **settings: Any,
    ) -> None:
        self.begin_string = begin_string
        self.store = store or MemoryStore()
        self.settings = SessionSettings(
            session_id=f"{begin_string}:CLIENT",
            begin_string=begin_string,
            sender_comp_id="VENUE",
            target_comp_id="CLIENT",
            **settings,
        )
        self.session = Session(self.settings, self.store, dictionary or DICTIONARIES[begin_string], only_password)
        self.now_ns = NOON_NS
        self.seq = 1
        self.events: list[Event] = []

    def compose(self, msg_type: str, body: str = "", *, seq: int | None = None, header: str = "", **odd: Any) -> bytes:
        """What the other side writes; it takes the next number unless `seq` is given."""
        if seq is None:
            seq, self.seq = self.seq, self.seq + 1
        sent = utc_timestamp(self.now_ns + odd.get("late_ns", 0))[:-3]
        comp_ids = odd.get("comp_ids", "49=CLIENT|56=VENUE|")
        text = f"35={msg_type}|34={seq}|{comp_ids}{header}52={sent}|{body}"
        return frame(odd.get("begin_string", self.begin_string), soh(odd.get("text", text)))

    def say(self, msg_type: str, body: str = "", **how: Any) -> list[str]:
        """The other side says something; what we answer."""
        return self.hear(self.compose(msg_type, body, **how))

    def hear(self, data: bytes) -> list[str]:
        """Bytes come; what we answer."""
        self.events += self.session.receive(data, self.now_ns)
        return self.answers()

    def answers(self) -> list[str]:
        """All that we have to write."""
        data = b""
        while part := self.session.take_output(self.now_ns):
            data += part
        return [told(message) for message in split(data)]

    def wait(self, seconds: float) -> list[str]:
        """Time goes by, and the session is woken whenever it wants to be."""
        end_ns = self.now_ns + int(seconds * S)
        while (deadline_ns := self.session.next_deadline_ns) <= end_ns:
            self.now_ns = max(self.now_ns, deadline_ns)
            before = self.session.next_deadline_ns
            self.events += self.session.tick(self.now_ns)
            assert self.session.next_deadline_ns > before, "a deadline has to move on, or the owner would spin"
        self.now_ns = end_ns
        return self.answers()

    def send(self, *bodies: str) -> list[str]:
        self.session.send([soh(body) for body in bodies], self.now_ns)
        return self.answers()

    def accept(self) -> "Talk":
        """A client connects."""
        self.session.accept(self.now_ns)
        return self

    def logon_body(self, more: str = "") -> str:
        version = "1137=9|" if self.begin_string == "FIXT.1.1" else ""
        return f"98=0|108=30|{more}553=CLIENT|554=right|{version}"

    def up(self, more: str = "", **how: Any) -> "Talk":
        """A client connects and logs on; the answer and the events are forgotten."""
        self.accept()
        assert self.say("A", self.logon_body(more), **how)[0].startswith("35=A|")
        self.events.clear()
        return self

    def gone(self) -> "Talk":
        """The connection is lost."""
        self.events += self.session.disconnect(self.now_ns)
        return self

    def events_of(self, *kinds: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kinds)]


def messages(talk: Talk) -> list[str]:
    """MsgType and number of each application message that was handed over."""
    return [
        f"{event.fields['35']}{event.fields['34']}"
        for event in talk.events
        if isinstance(event, InboundMessage) and event.fields
    ]


def closing(talk: Talk) -> list[str]:
    return [event.reason for event in talk.events if isinstance(event, Closing)]


def store_at(*, inbound: int = 1, outbound: int = 1) -> MemoryStore:
    store = MemoryStore()
    store.note_inbound(inbound)
    store.note_outbound(outbound)
    return store
