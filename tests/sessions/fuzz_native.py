"""
Mutated conversations against the pure core of the native engine, for as long as one likes.

    ./.venv/bin/python -m tests.sessions.fuzz_native --minutes 120 --seed 7

Each conversation is led twice: with what arrives together in one piece, and cut at chance. The same must come of both,
and all through it holds: no exception; a message is delivered between logon and logoff, once, in order; MsgSeqNum(34)
of what goes out has no gap; nothing grows beyond its bound. The same bytes go through the framer, the lobby, the field
reader and the dictionary alone. A fault ends the run with status 1 and the smallest conversation that still shows it,
to be run again with `--again FILE`.
"""

import argparse
import ast
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from sessions.fix_text import SOH, parse
from sessions.logon import Refusal
from sessions.native.events import Event, LoggedOff, LoggedOn, MemoryStore, NumbersReset, Unchecked
from sessions.native.framing import GARBAGE_BYTES_MAX, Framer
from sessions.native.lobby import FIRST_MESSAGE_BYTES_MAX, Guest, Lobby
from sessions.native.messages import read_fields, read_pairs, read_text
from sessions.native.session import Session
from sessions.native.shapes import SHAPES_MAX, FieldReader
from sessions.native.states import State
from sessions.port import InboundMessage
from tests.acceptance.script import VERSIONS
from tests.sessions.fuzz_conversations import Conversation, Step, mutated, settings_of
from tests.sessions.native_talk import DICTIONARIES, NOON_NS

EARLY_MESSAGES_MAX: Final = 20
EARLY_BYTES_MAX: Final = 3_000
REPLAYS_MAX: Final = 3
ANSWERS_MAX: Final = 4
"""Messages that one message may bring out at once, resends aside: a Reject, a Logout, a request, an answer."""
REPORT_EVERY_S: Final = 60.0
SHRINK_S: Final = 60.0


class Case(NamedTuple):
    """All that a run depends on."""

    begin_string: str
    is_initiator: bool
    steps: Conversation
    cuts: int
    """Seed of where what arrives is cut, and of the session's settings."""


class Broken(AssertionError):
    """A promise of the core was not kept."""


class Outcome(NamedTuple):
    """What came of a conversation."""

    events: list[Event]
    written: list[bytes]
    numbers: tuple[int, int]
    state: State


class Led:
    """One session that is led through a conversation, and watched."""

    def __init__(self, case: Case) -> None:
        settings = settings_of(
            case.begin_string,
            is_initiator=case.is_initiator,
            ahead_messages_max=EARLY_MESSAGES_MAX,
            ahead_bytes_max=EARLY_BYTES_MAX,
            replays_max=REPLAYS_MAX,
            resend_chunk=5,
            keeps_messages=case.cuts % 5 != 0,
            sends_next_expected=case.cuts % 3 == 0,
            resets_on_logon=case.is_initiator and case.cuts % 7 == 0,
        )
        dictionary = Unchecked() if case.is_initiator and case.cuts % 2 else DICTIONARIES[case.begin_string]
        self.store = MemoryStore(messages_max=50)
        self.session = Session(settings, self.store, dictionary, _authenticate)
        self.now_ns = NOON_NS
        self.events: list[Event] = []
        self.written: list[bytes] = []
        self._is_initiator = case.is_initiator
        self._is_up = False
        self._delivered = (0, 0)  # epoch and MsgSeqNum
        self._epoch = self.store.epoch
        self._next_out = 1

    def lead(self, steps: list[Step], cuts: random.Random | None) -> Outcome:
        """Take every step; what arrives is cut by `cuts`, or in one piece."""
        at = 0
        while at < len(steps):
            kind, value = steps[at]
            at += 1
            if kind == "bytes":
                while at < len(steps) and steps[at][0] == "bytes":  # it arrives together
                    value += steps[at][1]
                    at += 1
                self._hear(value, cuts)
            else:
                self._do(kind, value)
        return Outcome(self.events, self.written, (self.session.next_inbound, self.session.next_outbound), self._state)

    @property
    def _state(self) -> State:
        return self.session.state

    def _do(self, kind: str, value: Any) -> None:
        session, now_ns = self.session, self.now_ns
        match kind:
            case "connect":
                self._note(session.disconnect(now_ns))
                self._next_out = session.next_outbound
                if self._is_initiator:
                    self._note(session.connect(now_ns))
                else:
                    session.accept(now_ns)
            case "app":
                session.send([value], now_ns)
                self._next_out += session.state is not State.UP  # it waits in the store
            case "wait":
                self.now_ns = max(self.now_ns + value, 1)
                if session.next_deadline_ns <= self.now_ns:
                    self._note(session.tick(self.now_ns))
                    _check(session.next_deadline_ns > self.now_ns, "a deadline does not move on: its owner would spin")
            case "logout":
                self._note(session.log_out("good night", now_ns))
            case "reset":
                self._note(session.reset(now_ns))
            case "cut":
                self._note(session.disconnect(now_ns))
        self._take(0)

    def _hear(self, data: bytes, cuts: random.Random | None) -> None:
        if self._state is State.DOWN:
            return
        waiting = self.session.output_waiting
        for piece in [data] if cuts is None else _pieces(data, cuts):
            self._note(self.session.receive(piece, self.now_ns))
            self._check_bounds()
        messages = data.count(b"\x0110=") + 1
        grown = self.session.output_waiting - waiting
        early = 2 * EARLY_MESSAGES_MAX  # what was kept may be answered now as well
        _check(grown <= ANSWERS_MAX * (messages + early), f"{messages} messages brought {grown} out")
        self._take(messages)

    def _note(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case LoggedOn():
                    _check(not self._is_up, "logged on twice")
                    self._is_up = True
                case LoggedOff():
                    _check(self._is_up, "logged off, but was not on")
                    self._is_up = False
                case InboundMessage(session_epoch=epoch, fields=dict(fields)):
                    _check(self._is_up, "a message outside of a logon")
                    place = (epoch, int(fields["34"]))
                    _check(place > self._delivered, f"{place} was delivered after {self._delivered}")
                    self._delivered = place
                case NumbersReset(epoch=epoch):
                    _check(epoch > self._epoch, f"epoch {epoch} began after {self._epoch}")
                    self._epoch = epoch
        self.events += events

    def _take(self, messages: int) -> None:
        """Write all, as the owner of the connection does; then close it if that is what the session wants."""
        session = self.session
        resends = session._line.out.replays_waiting
        written, data = 0, b""
        while part := session.take_output(self.now_ns):
            data += part
        found = split_bytes(data)
        _check(b"".join(found) == data, "what is written is no sequence of messages")
        for message in found:
            written += 1
            self._check_number(parse(message.decode("utf-8", "replace")))
        bound = ANSWERS_MAX * (messages + 2 * EARLY_MESSAGES_MAX) + resends * (2 * 50 + 2)
        _check(written <= bound, f"{messages} messages brought {written} out, {resends} resends among them")
        _check(session.output_waiting == 0, "output waits for ever")
        self.written += found
        if session.state is State.CLOSING:
            self._note(session.disconnect(self.now_ns))
        self._check_bounds()

    def _check_number(self, fields: dict[str, str]) -> None:
        number = int(fields["34"])
        if fields.get("43") == "Y":
            _check(1 <= number < max(self._next_out, self.session.next_outbound), f"{number} repeats nothing")
        elif fields["35"] == "A" and fields.get("141") == "Y" and number == 1:
            self._next_out = 2
        else:
            _check(number == self._next_out, f"{number} went out, not {self._next_out}")
            self._next_out += 1

    def _check_bounds(self) -> None:
        session = self.session
        inbound, reader = session._receiver.inbound, session._receiver._reader
        _check(len(inbound._early) <= EARLY_MESSAGES_MAX, "too many early messages are kept")
        size = sum(len(early.message) for early in inbound._early.values() if early is not None)
        _check(size == inbound._early_bytes <= EARLY_BYTES_MAX, "early messages are too large, or miscounted")
        _check(session._framer.pending_bytes <= session.settings.message_bytes_max, "too many bytes are held back")
        _check(session._line.out.replays_waiting <= REPLAYS_MAX, "too many resends wait")
        _check(len(reader._counts) <= SHAPES_MAX, "too many shapes are remembered")
        _check(session.next_inbound >= 1, "a number below 1 is expected")
        _check(not session._line.events, "an event was not told")


def split_bytes(data: bytes) -> list[bytes]:
    """The messages in bytes that a session wrote."""
    return [text.encode("utf-8", "surrogateescape") for text in split_text(data.decode("utf-8", "surrogateescape"))]


def split_text(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        end = text.index(f"{SOH}10=", at) + len("|10=000|")
        found.append(text[at:end])
        at = end
    return found


def _authenticate(fields: dict[str, str]) -> Refusal | None:
    is_right = fields.get("554") in ("right", "example-CLIENT")
    return None if is_right else Refusal("credentials", "wrong password")


def _check(promise: object, text: str) -> None:
    if not promise:
        raise Broken(text)


def _pieces(data: bytes, cuts: random.Random) -> list[bytes]:
    if cuts.randrange(8) == 0 and len(data) < 3_000:
        return [data[n : n + 1] for n in range(len(data))]
    places = sorted(cuts.randrange(len(data) + 1) for _ in range(cuts.randrange(9)))
    return [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True)]


# Properties


def check_session(case: Case) -> None:
    """The state machine of either role, in one piece and cut."""
    whole = Led(case).lead(case.steps, None)
    cut = Led(case).lead(case.steps, random.Random(case.cuts))
    for name, one, other in zip(Outcome._fields, whole, cut, strict=True):
        _check(one == other, f"cut, it has other {name}: {_first_difference(one, other)}")


def check_framing(case: Case) -> None:
    """The framer alone, on all bytes of the conversation as one stream."""
    data = _stream(case)
    whole, cut = Framer(garbage_bytes_max=300), Framer(garbage_bytes_max=300)
    found = whole.feed(data)
    pieces = [item for piece in _pieces(data, random.Random(case.cuts)) for item in cut.feed(piece)]
    _check((found, whole.end) == (pieces, cut.end), f"cut, it is framed otherwise: {_first_difference(found, pieces)}")
    _check(cut.pending_bytes <= GARBAGE_BYTES_MAX, "too many bytes are held back")


def check_lobby(case: Case) -> None:
    """The first message of a connection; what it decides does not depend on how it comes."""
    data = _stream(case)
    lobby, decided = Lobby(), None
    for piece in _pieces(data, random.Random(case.cuts)):
        _check(len(lobby.received) <= FIRST_MESSAGE_BYTES_MAX, "a lobby keeps too much")
        if (decided := lobby.feed(piece)) is not None:
            break
    _check(decided == Lobby().feed(data), "cut, the lobby decides otherwise")
    _check(decided is None or isinstance(decided, Guest | str), "a lobby decides nothing known")


def check_reading(case: Case) -> None:
    """Field reader and dictionary: fast and slow ways agree."""
    reader, dictionary = FieldReader(), DICTIONARIES[case.begin_string]
    for message in Framer().feed(_stream(case)):
        if not isinstance(message, bytes):
            continue
        text = read_text(message)
        plain = read_fields(message, text)
        for _ in range(34 if case.cuts % 16 == 0 else 2):
            _check(reader.read(message, text) == plain, "a shape reads otherwise")
        fields, pairs = plain
        slow = dictionary.check(fields["35"], pairs or read_pairs(message))
        if pairs is None:
            for _ in range(2):
                fast = dictionary.check_fast(fields["35"], fields)
                _check(fast == slow, f"the dictionary's ways differ: {fast} and {slow}")


PROPERTIES: Final[dict[str, Callable[[Case], None]]] = {
    "session": check_session,
    "framing": check_framing,
    "lobby": check_lobby,
    "reading": check_reading,
}


def _stream(case: Case) -> bytes:
    return b"".join(value for kind, value in case.steps if kind == "bytes")


def _first_difference(one: object, other: object) -> str:
    if isinstance(one, list) and isinstance(other, list):
        for n, (mine, yours) in enumerate(zip(one, other, strict=False)):
            if mine != yours:
                return f"at {n}: {mine!r} and {yours!r}"
        return f"{len(one)} and {len(other)} of them: {one[len(other) :]!r}, {other[len(one) :]!r}"
    return f"{one!r} and {other!r}"


# Runs


class Failure(NamedTuple):
    """A property that does not hold, and how to see it."""

    name: str
    case: Case
    error: str
    trace: str


def case_of(seed: int, number: int) -> Case:
    """The case of one iteration."""
    chance = random.Random(f"{seed}-{number}")
    begin_string, is_initiator = chance.choice(VERSIONS), chance.randrange(3) == 0
    steps = mutated(chance, begin_string, is_initiator=is_initiator)
    return Case(begin_string, is_initiator, steps, chance.randrange(1 << 30))


def failure_of(case: Case, names: tuple[str, ...] = tuple(PROPERTIES)) -> Failure | None:
    """The first property that a case breaks."""
    for name in names:
        try:
            PROPERTIES[name](case)
        except Exception as error:  # whatever it is, it must not be
            return Failure(name, case, f"{type(error).__name__}: {error}", traceback.format_exc())
    return None


def shrunk(failure: Failure) -> Failure:
    """The same fault with fewer steps and fewer bytes."""
    end = time.monotonic() + SHRINK_S
    kind = failure.error.partition(":")[0]

    def still(steps: Conversation) -> bool:
        nonlocal failure
        found = failure_of(failure.case._replace(steps=steps), (failure.name,))
        if found is None or found.error.partition(":")[0] != kind:
            return False
        failure = found
        return True

    def drop(size_of: Callable[[], int], without: Callable[[int, int], Conversation]) -> bool:
        size, is_smaller = size_of(), False
        chunk = size
        while chunk and time.monotonic() < end:
            at = 0
            while at < size_of() and time.monotonic() < end:
                if still(without(at, at + chunk)):
                    is_smaller = True
                else:
                    at += chunk
            chunk //= 2
        return is_smaller

    def without_steps(begin: int, end: int) -> Conversation:
        steps = failure.case.steps
        return [*steps[:begin], *steps[end:]]

    is_smaller = True
    while is_smaller and time.monotonic() < end:
        is_smaller = drop(lambda: len(failure.case.steps), without_steps)
        for n, (kind_of_step, _) in enumerate(failure.case.steps):
            if kind_of_step == "bytes":

                def without_bytes(begin: int, end: int, n: int = n) -> Conversation:
                    steps = list(failure.case.steps)
                    data = steps[n][1]
                    steps[n] = ("bytes", data[:begin] + data[end:])
                    return steps

                is_smaller |= drop(lambda n=n: len(failure.case.steps[n][1]), without_bytes)
    return failure


def fuzz(seconds: float, seed: int, *, first: int = 0, names: tuple[str, ...] = tuple(PROPERTIES)) -> int | Failure:
    """Run for so long; returns how many cases there were, or the first failure, shrunk."""
    begun = told = time.monotonic()
    number = first
    while (now := time.monotonic()) - begun < seconds:
        if now - told >= REPORT_EVERY_S:
            told = now
            _say(f"{number - first} conversations, {(number - first) / (now - begun):.0f}/s, seed {seed}")
        if (failure := failure_of(case_of(seed, number), names)) is not None:
            _say(f"iteration {number} of seed {seed}: {failure.name}: {failure.error}")
            return shrunk(failure)
        number += 1
    return number - first


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fuzz_native", description="Fuzz the pure core of the native engine.")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="iteration to begin with; default: 0")
    parser.add_argument("--again", type=Path, metavar="FILE", help="run the case that a failure has printed")
    options = parser.parse_args(argv)
    if options.again is not None:
        result: int | Failure | None = failure_of(Case(*ast.literal_eval(options.again.read_text())))
        result = result or 1
    else:
        _say(f"seed {options.seed}, {options.minutes:g} minutes")
        begun = time.monotonic()
        result = fuzz(options.minutes * 60, options.seed, first=options.first)
    if isinstance(result, Failure):
        _say(f"{result.name}: {result.error}\n{result.trace}\nthe smallest case that shows it:\n{tuple(result.case)!r}")
        return 1
    elapsed_s = time.monotonic() - begun if options.again is None else 1.0
    _say(f"no fault in {result} conversations, {result / elapsed_s:.0f}/s, seed {options.seed}")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
