r"""
Conformance scripts: the test cases of the FIX session protocol, one file each, played against one side of a session.

The format is that of `tests/acceptance/script.py`, with these words. In `scripts/acceptor` the script is the client and
the venue is tested; in `scripts/initiator` the script is the server and our trader is tested.

    client connect                         open a connection; say nothing
    client logon                           connect, log on and get the answer; `logon 108=1` with another field
    client > 35=D|11=a                     the script sends a message
    client < 35=8|11=a                     the next message to the script has these fields
    client as 8=*|9=*|35=D|...|10=*        send exactly these fields in this order
    client bytes 8=FIX|nonsense            send this and nothing else
    client until 35=1|112=$id              ... the next but for heartbeats that nobody asked for, which it passes over
    client quiet                           nothing is on its way: a TestRequest(1) is answered at once
    client closed                          the other side closes the connection, and says nothing before but heartbeats
    client cut                             close the connection without a word
    venue > 35=8|17=x                      the application behind the engine sends this
    venue stops                            the engine logs everyone out; `trader logout` for a client of ours
    trader connect                         our client connects
    trader takes 35=8|17=x                 our client's application gets this next
    trader waits 36                        so many seconds pass for our client, whose clock is the script's
    native < 35=3                          a line for this engine only; `quickfix <` for the other. The comment above
                                           says why the two differ and what the standard has to say about it.

In what is sent, 8, 9, 34, 35, 49, 52, 56 and 10 need not be written; `-` leaves a field out. Values:

    *           what would be there otherwise
    now-300     300 seconds ago; `now`
    +1          in 9, 10 and 34: one more than it should be

MsgSeqNum(34) is the next one, above all that were written before, unless the line names it. A(Logon) and D are
completed with what they need, unless the line names it.
"""

import re
from collections.abc import Callable
from typing import Final, Protocol

from sessions.fix_text import HEADER_TAGS, SOH
from tests.acceptance.script import Pair, Script, Step, differences, fields_of, in_version
from tests.sessions.raw_client import Disconnected, Received, timestamp

ACTIONS: Final = (
    *("connect", "logon", "as", "bytes", "until", "quiet", "closed", "cut"),
    *("stops", "logout", "takes", "waits"),
)
ENGINES: Final = ("native", "quickfix")
TESTED: Final = ("venue", "trader")
_FIRST: Final = ("8", "9", "35", "34", "49", "56", "52")
_NOW: Final = re.compile(r"now([+-]\d+)")


class ScriptFailed(AssertionError):
    """The engine did not do what a script says."""


class Side(Protocol):
    """One connection to what is tested, and a hand on what stands behind it."""

    comp_id: str
    """Of the script's side."""
    other_comp_id: str

    def connect(self) -> None:
        """Open a connection."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self) -> Received:
        """
        The next message.

        Raises:
            Disconnected: The other side has closed.
            TimeoutError: There is none.
        """

    def cut(self) -> None:
        """Close the connection."""

    def application_sends(self, body: str) -> None:
        """The application of what is tested sends a body, MsgType first."""

    def application_takes(self) -> Received:
        """
        The next message that the application of what is tested was given.

        Raises:
            TimeoutError: There is none.
        """

    def begin_logout(self) -> None:
        """What is tested ends the session."""

    def wait(self, seconds: float) -> None:
        """Let time go by for what is tested."""


class Player:
    """One run of one script in one version against one engine."""

    def __init__(self, side: Side, begin_string: str, *, engine: str) -> None:
        self._side = side
        self._begin_string = begin_string
        self._engine = engine
        self._next_number = 1
        self._tests = 0
        self._captured: dict[str, str] = {}
        self._history: list[str] = []

    def play(self, script: Script) -> None:
        """
        Do what the script says.

        Raises:
            ScriptFailed: Something went differently.
        """
        try:
            for step in script.steps:
                if step.client not in ENGINES or step.client == self._engine:
                    self._do(step)
        finally:
            self._side.cut()

    def _do(self, step: Step) -> None:
        match step.action:
            case ">" | "as" | "bytes":
                self._speak(step)
            case "<":
                self._compare(step, step.pairs, self._side.read)
            case "until":
                self._compare(step, fields_of(step.place, step.argument), self._read_on)
            case "takes":
                self._compare(step, fields_of(step.place, step.argument), self._side.application_takes)
            case "closed":
                self._expect_close(step)
            case "quiet":
                self._check_quiet(step)
            case "logon":
                self._log_on(step)
            case _:
                self._act(step)

    def _act(self, step: Step) -> None:
        match step.action:
            case "connect":
                self._side.connect()
            case "cut":
                self._side.cut()
            case "stops" | "logout":
                self._side.begin_logout()
            case "waits":
                self._side.wait(float(step.argument))

    def _log_on(self, step: Step) -> None:
        self._side.connect()
        self._send((("35", "A"), *(fields_of(step.place, step.argument) if step.argument else ())))
        self._compare(step, (("35", "A"),), self._side.read)

    def _check_quiet(self, step: Step) -> None:
        self._tests += 1
        test = ("112", f"quiet-{self._tests}")
        self._send((("35", "1"), test))
        self._compare(step, (("35", "0"), test), self._side.read)

    def _speak(self, step: Step) -> None:
        if step.action == "bytes":
            self._side.write(step.argument.replace("|", SOH).encode())
        elif step.action == "as":
            self._write(self._valued(list(self._chosen(fields_of(step.place, step.argument)))))
        elif step.client in TESTED:
            pairs = self._chosen(step.pairs)
            self._side.application_sends("".join(f"{tag}={value}{SOH}" for tag, value in pairs if value != "-"))
        else:
            self._send(self._chosen(step.pairs))

    def _chosen(self, pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
        return tuple(in_version(pairs, self._begin_string, self._engine))

    # What goes out

    def _send(self, pairs: tuple[Pair, ...]) -> None:
        """Send a message in the usual order: header, body, trailer; a tag that is named twice stands there twice."""
        named = {tag for tag, _ in pairs}
        usual = dict.fromkeys(_FIRST, "*") | {tag: value for tag, value in pairs if tag in HEADER_TAGS}
        body = [pair for pair in pairs if pair[0] not in HEADER_TAGS and pair[0] != "10"]
        body += [pair for pair in self._completion(dict(pairs)["35"]) if pair[0] not in named]
        trailer = [("10", value) for tag, value in pairs if tag == "10"] or [("10", "*")]
        self._write(self._valued([*usual.items(), *body, *trailer]))

    def _completion(self, msg_type: str) -> list[Pair]:
        if msg_type == "A":
            comp_id = self._side.comp_id
            version = [("1137", "9")] if self._begin_string == "FIXT.1.1" else []
            return [("98", "0"), ("108", "30"), ("553", comp_id), ("554", f"example-{comp_id}"), *version]
        if msg_type == "D":
            order = [("11", "a"), ("21", "1"), ("38", "100"), ("40", "2"), ("44", "10"), ("54", "1"), ("55", "TEST1")]
            return [*order, ("60", timestamp())]
        return []

    def _valued(self, pairs: list[Pair]) -> list[Pair]:
        """Put values for words; what depends on all the rest is left to `_write`."""
        own = {
            "8": self._begin_string,
            "34": str(self._next_number),
            "49": self._side.comp_id,
            "52": timestamp(),
            "56": self._side.other_comp_id,
        } | dict(self._completion(dict(pairs).get("35", "")))
        valued = []
        for tag, value in pairs:
            if value == "now":
                valued.append((tag, own["52"]))  # never later than SendingTime(52), be it by a millisecond
            elif (moment := _NOW.fullmatch(value)) is not None:
                valued.append((tag, timestamp(float(moment[1]))))
            elif tag == "34" and value.startswith("+"):
                valued.append((tag, str(self._next_number + int(value))))
            elif value != "-":
                known = own.get(tag, value) if value == "*" else self._captured.get(value, value)
                valued.append((tag, known))
        return valued

    def _write(self, pairs: list[Pair]) -> None:
        fields = dict(pairs)
        if fields.get("34", "").isdigit():
            number = int(fields["34"])
            self._next_number = number + 1 if fields.get("141") == "Y" else max(self._next_number, number + 1)
        self._history.append("> " + "".join(f"{tag}={value}|" for tag, value in pairs))
        self._side.write(_framed(pairs))

    # What comes in

    def _compare(self, step: Step, pairs: tuple[Pair, ...], read: Callable[[], Received]) -> None:
        expected = in_version(pairs, self._begin_string, self._engine)
        try:
            received = read()
        except TimeoutError:
            raise self._failure(step, "nothing came") from None
        except Disconnected:
            raise self._failure(step, "the connection was closed") from None
        self._history.append(f"< {_written(received)}")
        found = differences(expected, received.pairs, self._captured, is_whole=step.is_whole)
        if found:
            raise self._failure(step, "\n  ".join([f"received {_written(received)}", *found]))

    def _expect_close(self, step: Step) -> None:
        try:
            received = self._read_on()
        except Disconnected:
            return
        except TimeoutError:
            raise self._failure(step, "the connection stays open") from None
        raise self._failure(step, f"received {_written(received)}")

    def _read_on(self) -> Received:
        """The next message that is no heartbeat of the clock."""
        while True:
            received = self._side.read()
            if received.msg_type != "0" or "112" in received.fields:
                return received
            self._history.append(f"< {_written(received)}")

    def _failure(self, step: Step, text: str) -> ScriptFailed:
        history = "\n".join(f"    {line}" for line in self._history[-12:])
        return ScriptFailed(f"{step.place}: {step.text}\n  {text}\n  so far:\n{history}")


def _framed(pairs: list[Pair]) -> bytes:
    """The bytes of a message; BodyLength(9) and CheckSum(10) are counted where they are not given."""
    tags = [tag for tag, _ in pairs]
    behind_length = tags.index("9") + 1 if "9" in tags else 0
    body = _bytes([pair for pair in pairs[behind_length:] if pair[0] != "10"])
    data = b""
    for tag, value in pairs:
        text = value
        if tag == "9" and value[0] in "*+":
            text = str(len(body) + int(value[1:] or 0))
        elif tag == "10" and value[0] in "*+":
            text = f"{(sum(data) + int(value[1:] or 0)) % 256:03d}"
        data += _bytes([(tag, text)])
    return data


def _bytes(pairs: list[Pair]) -> bytes:
    return "".join(f"{tag}={value}{SOH}" for tag, value in pairs).encode()


def _written(message: Received) -> str:
    return message.replace(SOH, "|")
