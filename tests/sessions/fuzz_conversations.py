"""
Conversations for the fuzzer: what the scripts' side of every session script says, recorded once, then mutated.

A conversation is a list of steps on a pure session: `("connect", 0)`, `("bytes", b"8=FIX..")`, `("app", "35=8|..")` of
the application behind it, `("wait", ns)`, `("logout", 0)`, `("reset", 0)`, `("cut", 0)`. What comes of it depends on
nothing else, so it is its own reproduction.
"""

import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from sessions.fix_text import SOH, utc_timestamp
from sessions.native.events import Closing, Event, MemoryStore, SessionSettings
from sessions.native.session import Session
from sessions.port import InboundMessage
from tests.acceptance.script import ACTIONS as ACCEPTANCE_ACTIONS
from tests.acceptance.script import VERSIONS, Script, in_version, read
from tests.conformance import player
from tests.sessions.native_talk import DICTIONARIES, NOON_NS, ORDER, REPORT, soh, split
from tests.sessions.raw_client import Disconnected, Received, frame

Step = tuple[str, Any]
Conversation = list[Step]

S_NS: Final = 10**9
_TESTS: Final = Path(__file__).parents[1]
_MESSAGE: Final = re.compile(rb"8=FIX[^\x01]*\x019=\d+\x01(.*\x01)10=\d{3}\x01", re.DOTALL)
_NUMBERS: Final = (
    *(
        1,
        7,
        8,
        9,
        10,
        11,
        16,
        34,
        35,
        36,
        38,
        40,
        43,
        44,
        45,
        49,
        52,
        54,
        55,
        56,
        58,
        59,
        60,
        89,
        90,
        91,
        93,
        95,
        96,
        97,
    ),
    *(98, 108, 112, 122, 123, 141, 146, 262, 263, 264, 265, 267, 269, 354, 355, 369, 371, 373, 380, 447, 448, 452, 453),
    *(464, 553, 554, 789, 1128, 1137, 5000, 0, -1, 99999999999),
)
_TAGS: Final = (*map(str, _NUMBERS), "x", "007", "")
_VALUES: Final = (
    *(
        "",
        "0",
        "1",
        "2",
        "3",
        "5",
        "9",
        "30",
        "Y",
        "N",
        "D",
        "A",
        "4",
        "5",
        "VENUE",
        "CLIENT",
        "right",
        "-1",
        "+1",
        "1.5",
    ),
    *("20261120-12:00:00", "20261120-12:00:00.000", "20261120-23:59:60", "99999999999999999999", "999999999999999"),
    *("4294967296", "18446744073709551616", "é", "\udcff", "a=b", "\x00", "x" * 300, "000", " ", "²", "٣"),
)
_TYPES: Final = ("0", "1", "2", "3", "4", "5", "A", "D", "F", "G", "H", "V", "8", "9", "j", "R", "ZZ", "", "n")


def settings_of(begin_string: str, *, is_initiator: bool, **more: Any) -> SessionSettings:
    """A session of VENUE with CLIENT."""
    return SessionSettings(
        session_id=f"{begin_string}:CLIENT",
        begin_string=begin_string,
        sender_comp_id="VENUE",
        target_comp_id="CLIENT",
        is_initiator=is_initiator,
        **more,
    )


class RecordingSide:
    """A script's side of a session with a pure one, which may be either role; it keeps what the script does."""

    comp_id = "CLIENT"
    other_comp_id = "VENUE"

    def __init__(self, begin_string: str, *, is_initiator: bool) -> None:
        settings = settings_of(begin_string, is_initiator=is_initiator)
        self.steps: Conversation = []
        self.now_ns = NOON_NS
        self._session = Session(settings, MemoryStore(), DICTIONARIES[begin_string])
        self._is_initiator = is_initiator
        self._written: list[Received] = []
        self._taken: list[Received] = []
        self._is_closed = True

    def timestamp(self, offset_s: float = 0.0) -> str:
        return utc_timestamp(self.now_ns + int(offset_s * S_NS))[:-3]

    def connect(self) -> None:
        self.cut()
        self.steps.append(("connect", 0))
        self._is_closed = False
        if self._is_initiator:
            self._note(self._session.connect(self.now_ns))
        else:
            self._session.accept(self.now_ns)

    def write(self, data: bytes) -> None:
        self.steps.append(("bytes", data))
        self._note(self._session.receive(data, self.now_ns))

    def read(self) -> Received:
        if self._written:
            return self._written.pop(0)
        if self._is_closed:
            raise Disconnected
        deadline_ns = self._session.next_deadline_ns
        if deadline_ns > self.now_ns + 300 * S_NS:
            raise TimeoutError
        self.wait((deadline_ns - self.now_ns) / S_NS)
        return self.read()

    def cut(self) -> None:
        self.steps.append(("cut", 0))
        self._note(self._session.disconnect(self.now_ns))
        self._is_closed = True

    def application_sends(self, body: str) -> None:
        self.steps.append(("app", body))
        self._session.send([body], self.now_ns)
        self._note([])

    def application_takes(self) -> Received:
        if not self._taken:
            raise TimeoutError
        return self._taken.pop(0)

    def begin_logout(self) -> None:
        self.steps.append(("logout", 0))
        self._note(self._session.log_out("the day is over", self.now_ns))

    def wait(self, seconds: float) -> None:
        passed_ns = max(1, int(seconds * S_NS))
        self.steps.append(("wait", passed_ns))
        self.now_ns += passed_ns
        self._note(self._session.tick(self.now_ns))

    def _note(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, InboundMessage):
                self._taken.append(Received(event.text))
                if not self._is_initiator and event.fields and event.fields["35"] == "D":
                    self.application_sends(soh(REPORT.replace("11=a", f"11={event.fields.get('11')}")))
            self._is_closed |= isinstance(event, Closing)
        while data := self._session.take_output(self.now_ns):
            self._written += map(Received, split(data))


def _recorded(script: Script, begin_string: str, *, is_initiator: bool) -> Conversation:
    """What a session script does, up to where our echo is not the one that it expects."""
    side = RecordingSide(begin_string, is_initiator=is_initiator)
    real = player.timestamp
    player.timestamp = side.timestamp
    try:
        player.Player(side, begin_string, engine="native").play(script)
    except player.ScriptFailed:
        pass
    finally:
        player.timestamp = real
    return side.steps


def _spoken(script: Script, begin_string: str) -> list[Conversation]:
    """What each client of an acceptance script says, each a conversation of its own."""
    clients: dict[str, Conversation] = {}
    for step in script.steps:
        steps = clients.setdefault(
            step.client, [("connect", 0), ("bytes", message(begin_string, "A", 1, logon_body()))]
        )
        number = sum(kind == "bytes" for kind, _ in steps) + 1
        if step.action == ">":
            pairs = [pair for pair in in_version(step.pairs, begin_string, "native") if pair[1] != "-"]
            body = "".join(f"{tag}={value}|" for tag, value in pairs[1:])
            steps.append(("bytes", message(begin_string, pairs[0][1], number, body)))
        elif step.action == "<":
            steps.append(("app", soh(REPORT)))
        elif step.action in ("disconnect", "logout"):
            steps.append(("cut", 0))
        elif step.action == "logon":
            steps += [("connect", 0), ("bytes", message(begin_string, "A", number, logon_body()))]
    return list(clients.values())


def logon_body() -> str:
    return "98=0|108=30|553=CLIENT|554=right|1137=9|"


def message(begin_string: str, msg_type: str, number: int, body: str) -> bytes:
    sent = utc_timestamp(NOON_NS)[:-3]
    return frame(begin_string, soh(f"35={msg_type}|34={number}|49=CLIENT|56=VENUE|52={sent}|{body}"))


@cache
def corpus(begin_string: str, *, is_initiator: bool) -> tuple[tuple[Step, ...], ...]:
    """All conversations of one version and role."""
    role = "initiator" if is_initiator else "acceptor"
    found: list[Conversation] = []
    for path in sorted((_TESTS / "conformance" / "scripts" / role).glob("*.fix")):
        script = read(path, player.ACTIONS)
        if begin_string in script.versions:
            found.append(_recorded(script, begin_string, is_initiator=is_initiator))
    for path in sorted((_TESTS / "acceptance" / "scripts").glob("*.fix")):
        script = read(path, ACCEPTANCE_ACTIONS)
        if begin_string in script.versions:
            found += _spoken(script, begin_string)
    return tuple(tuple(steps) for steps in found)


# Mutations


def mutated(chance: random.Random, begin_string: str, *, is_initiator: bool) -> Conversation:
    """A conversation that went differently."""
    known = corpus(begin_string, is_initiator=is_initiator)
    steps = list(chance.choice(known))
    for _ in range(chance.randrange(7)):
        chance.choice(_MUTATIONS)(chance, steps, begin_string, known)
    if ("connect", 0) not in steps:
        steps.insert(0, ("connect", 0))
    return steps


def _place(chance: random.Random, steps: Conversation) -> int:
    return chance.randrange(len(steps) + 1)


def _change_bytes(change: Callable[[random.Random, bytes, str], bytes]) -> Callable[..., None]:
    def mutate(chance: random.Random, steps: Conversation, begin_string: str, _: Any) -> None:
        places = [n for n, (kind, value) in enumerate(steps) if kind == "bytes" and value]
        if places:
            n = chance.choice(places)
            steps[n] = ("bytes", change(chance, steps[n][1], begin_string))

    return mutate


def _flip(chance: random.Random, data: bytes, _: str) -> bytes:
    damaged = bytearray(data)
    damaged[chance.randrange(len(damaged))] = chance.choice([1, 0, 61, 0x80, 0xFF, chance.randrange(256)])
    return bytes(damaged)


def _truncate(chance: random.Random, data: bytes, _: str) -> bytes:
    cut = chance.randrange(len(data))
    return data[:cut] if chance.randrange(2) else data[cut:]


def _lengthen(chance: random.Random, data: bytes, _: str) -> bytes:
    huge = chance.choice([b"2000000000", b"65535", b"65600", b"9999999", b"99999999", b"0", b"00000012", b"", b"-5"])
    return re.sub(rb"\x019=\d+\x01", b"\x019=" + huge + b"\x01", data, count=1)


def _edit(chance: random.Random, data: bytes, begin_string: str) -> bytes:
    """Change, drop, repeat or add a field, in a message that stays sound."""
    match = _MESSAGE.fullmatch(data)
    if match is None:
        return data
    fields = match[1].decode("utf-8", "surrogateescape").split(SOH)[:-1]
    for _ in range(chance.randrange(1, 4)):
        n = chance.randrange(len(fields)) if fields else 0
        match chance.randrange(5):
            case 0 if fields:
                tag = fields[n].partition("=")[0]
                fields[n] = f"{tag}={chance.choice(_TYPES if tag == '35' else _VALUES)}"
            case 1 if fields:
                del fields[n]
            case 2 if fields:
                fields.insert(chance.randrange(len(fields) + 1), fields[n])
            case 3 if fields:
                other = chance.randrange(len(fields))
                fields[n], fields[other] = fields[other], fields[n]
            case _:
                fields.insert(n, f"{chance.choice(_TAGS)}={chance.choice(_VALUES)}")
    return frame(begin_string, "".join(f"{field}{SOH}" for field in fields))


def _renumber(chance: random.Random, data: bytes, begin_string: str) -> bytes:
    match = _MESSAGE.fullmatch(data)
    if match is None:
        return data
    number = chance.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 50, 3000, 999_999_999_999_999])
    body = re.sub(rb"\x0134=\d*", b"\x0134=%d" % number, match[1], count=1)
    if chance.randrange(2):
        body = body.replace(b"\x0149=", b"\x0143=Y\x01122=20261120-11:00:00\x0149=", 1)
    return frame(begin_string, body.decode("utf-8", "surrogateescape"))


def _repeat(chance: random.Random, steps: Conversation, *_: Any) -> None:
    if steps:
        n = chance.randrange(len(steps))
        steps[n:n] = [steps[n]] * chance.choice([1, 1, 2, 10])


def _drop(chance: random.Random, steps: Conversation, *_: Any) -> None:
    if len(steps) > 1:
        del steps[chance.randrange(len(steps))]


def _reorder(chance: random.Random, steps: Conversation, *_: Any) -> None:
    if len(steps) > 1:
        one, other = chance.randrange(len(steps)), chance.randrange(len(steps))
        steps[one], steps[other] = steps[other], steps[one]


def _splice(chance: random.Random, steps: Conversation, _: str, known: tuple[tuple[Step, ...], ...]) -> None:
    other = chance.choice(known)
    begin = chance.randrange(len(other))
    n = _place(chance, steps)
    steps[n:n] = other[begin : begin + chance.randrange(1, 8)]


def _say(chance: random.Random, steps: Conversation, begin_string: str, _: Any) -> None:
    """Something of the session itself, or an order, with any number."""
    number = chance.choice([1, 2, 3, 4, 5, 6, 8, 20, 4000])
    msg_type, body = chance.choice(
        [
            ("4", f"123={chance.choice('YN')}|36={chance.randrange(30)}|"),
            ("4", f"36={chance.choice(['999999999999999', '18446744073709551615', '5'])}|"),
            ("2", f"7={chance.randrange(9)}|16={chance.randrange(9)}|"),
            ("A", logon_body() + "141=Y|"),
            ("A", logon_body() + f"789={chance.randrange(9)}|"),
            ("5", ""),
            ("1", "112=t|"),
            ("3", "45=2|"),
            ("D", ORDER),
            ("8", REPORT),
        ]
    )
    steps.insert(_place(chance, steps), ("bytes", message(begin_string, msg_type, number, body)))


def _do(chance: random.Random, steps: Conversation, *_: Any) -> None:
    step = chance.choice(
        [
            ("wait", chance.choice([1, S_NS, 5 * S_NS, 11 * S_NS, 37 * S_NS, 73 * S_NS, 86_400 * S_NS])),
            ("wait", -chance.choice([1, S_NS, 40 * S_NS, 86_400 * S_NS])),
            ("app", soh(REPORT)),
            ("cut", 0),
            ("connect", 0),
            ("logout", 0),
            ("reset", 0),
            ("bytes", chance.randbytes(chance.choice([1, 7, 40]))),
            ("bytes", b"8=FIX.4.4\x019=" + b"x" * chance.choice([1, 70_000])),
        ]
    )
    n = _place(chance, steps)
    steps[n:n] = [step] * chance.choice([1, 1, 1, 4])


_MUTATIONS: Final = (
    *map(_change_bytes, (_flip, _truncate, _lengthen, _edit, _edit, _edit, _renumber)),
    *(_repeat, _drop, _reorder, _splice, _say, _say, _do, _do),
)
assert set(VERSIONS) == set(DICTIONARIES)
