"""
One FIX session as its client saw it: numbers without holes, each number one message for ever. Pure.

Messages are handed on in the order of MsgSeqNum(34), each once, whatever order they came in: that is what the venue
promises to have sent.
"""

from collections.abc import Iterator
from typing import Final

from sessions.fix_text import body_of, parse
from simulators.torture.history import Said
from simulators.torture.violations import Findings

_SESSION_TYPES: Final = frozenset("01245A")
"""Never sent again: a gap fill takes their place."""


class SessionAudit:
    """Numbers of one session, both ways."""

    def __init__(self, session: str, findings: Findings, *, is_resent: bool = True) -> None:
        """
        Args:
            session: Its name, for the sentences.
            findings: Gets the violations.
            is_resent: False for market data, which is gap-filled when it is asked for again.
        """
        self._session = session
        self._findings = findings
        self._is_resent = is_resent
        self._received: dict[int, int] = {}
        """The digest of each application message that came, by number."""
        self._spent: set[int] = set()
        """Numbers of messages of the session level."""
        self._sent: dict[int, int] = {}
        self._sent_count = self._sent_max = 0
        self._ahead: dict[int, Said | None] = {}
        self._expected = 1

    @property
    def last_number(self) -> int:
        """The highest MsgSeqNum(34) up to which nothing is missing."""
        return self._expected - 1

    def received(self, said: Said) -> Iterator[Said]:
        """Take a message of the venue; gives the application messages that are next in order."""
        fields = parse(said.text)
        number, msg_type = int(fields["34"]), fields["35"]
        if msg_type == "4":
            self._gap(number, int(fields["36"]), is_fill=fields.get("123") == "Y")
        elif msg_type in _SESSION_TYPES:
            self._spend(number, msg_type, fields)
        else:
            self._application(number, said, is_repeat=fields.get("43") == "Y")
        yield from self._in_order()

    def sent(self, said: Said) -> tuple[int, bool]:
        """Take a message of the client; returns its number, and whether it is sent for the first time."""
        fields = parse(said.text)
        number, digest = int(fields["34"]), hash(body_of(said.text))
        self._sent_max = max(self._sent_max, number)
        if fields["35"] in _SESSION_TYPES:
            return number, False
        known = self._sent.setdefault(number, digest)
        is_first = len(self._sent) > self._sent_count
        self._sent_count = len(self._sent)
        if known != digest:
            self._find("numbers", f"the client sent message {number} with two contents; the harness is at fault")
        return number, is_first

    def finish(self) -> Iterator[Said]:
        """Nothing more comes; gives what could not be delivered because of holes."""
        if self._ahead:
            first = min(self._ahead)
            self._find("nothing lost", f"messages {self._expected} to {first - 1} never came, but {first} did")
        for number in sorted(self._ahead):
            if (said := self._ahead[number]) is not None:
                yield said
        self._ahead.clear()

    def _application(self, number: int, said: Said, *, is_repeat: bool) -> None:
        digest = hash(body_of(said.text))
        known = self._received.get(number)
        if known is None:
            if number in self._spent:
                self._find("numbers", f"MsgSeqNum(34) {number} was used by a message of the session level before")
            self._received[number] = digest
            if number >= self._expected:
                self._ahead[number] = said
        elif known != digest:
            self._find("nothing twice", f"message {number} came twice with different contents, at last: {_shown(said)}")
        elif not is_repeat:
            self._find("nothing twice", f"message {number} came again without PossDupFlag(43)=Y: {_shown(said)}")

    def _spend(self, number: int, msg_type: str, fields: dict[str, str]) -> None:
        if msg_type == "2" and int(fields["7"]) > self._sent_max + 1:
            self._find("numbers", f"the venue asked for message {fields['7']}, but {self._sent_max} was the last sent")
        if number in self._received:
            self._find("numbers", f"MsgSeqNum(34) {number} was an application message before and is now a {msg_type}")
        if number in self._spent and fields.get("43") != "Y":
            self._find("numbers", f"MsgSeqNum(34) {number} of a {msg_type} was used by the session level before")
        self._spent.add(number)
        if number >= self._expected:
            self._ahead.setdefault(number, None)

    def _gap(self, number: int, next_number: int, *, is_fill: bool) -> None:
        if not is_fill:
            self._find("numbers", f"the venue sent a SequenceReset(4) to {next_number} that is no gap fill")
        for filled in range(number, next_number):
            if filled in self._received and self._is_resent:
                self._find("nothing lost", f"message {filled} came once, and a gap fill stood for it later")
            if filled >= self._expected:
                self._ahead.setdefault(filled, None)

    def _in_order(self) -> Iterator[Said]:
        while self._expected in self._ahead:
            said = self._ahead.pop(self._expected)
            self._expected += 1
            if said is not None:
                yield said

    def _find(self, promise: str, what: str) -> None:
        self._findings.add(promise, f"{self._session}: {what}")


def _shown(said: Said) -> str:
    return body_of(said.text).replace("\x01", "|")
