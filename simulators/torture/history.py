"""
What was said: every FIX message that any client sent or received, in the order in which its client saw it.

This is all that the auditor knows. A history can be kept in a file, one JSON line a message, and audited again.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, TextIO

import msgspec

Direction = Literal["<", ">"]
"""`>` the client sent it, `<` it received it."""

_END: Final = re.compile(rb"\x0110=\d{3}\x01")
_encode = msgspec.json.Encoder().encode


class Said(msgspec.Struct, frozen=True, array_like=True):
    """One message."""

    session: str
    """Whose: CompID of the client."""
    connection: int
    """Counts the connections of the session from 1."""
    direction: Direction
    at_ns: int
    """When the client saw it, on its monotonic clock."""
    text: str
    """The whole message, SOH-delimited."""


class Wire:
    """Cuts the bytes of one connection into messages: none of a session's values holds a SOH."""

    def __init__(self, session: str, connection: int, see: Callable[[Said], None], clock_ns: Callable[[], int]) -> None:
        self._session = session
        self._connection = connection
        self._see = see
        self._clock_ns = clock_ns
        self._rest: dict[Direction, bytes] = {"<": b"", ">": b""}

    def on_bytes(self, direction: Direction, data: bytes) -> None:
        """Take the next bytes in one direction; what is left of a message that never ends counts as not said."""
        data = self._rest[direction] + data
        begin = 0
        at_ns = self._clock_ns()
        for end in _END.finditer(data):
            text = data[begin : end.end()].decode("latin-1")
            begin = end.end()
            self._see(Said(self._session, self._connection, direction, at_ns, text))
        self._rest[direction] = data[begin:]


class HistoryFile:
    """Keeps a history on disk as it happens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO = path.open("w")

    def see(self, said: Said) -> None:
        """Append one message."""
        self._file.write(_encode(said).decode() + "\n")

    def close(self) -> None:
        """No more comes."""
        self._file.close()


def read(path: Path) -> Iterator[Said]:
    """The messages of a kept history, in their order."""
    decode = msgspec.json.Decoder(Said).decode
    with path.open() as file:
        for line in file:
            yield decode(line)
