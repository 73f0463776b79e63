"""
One FIX connection that does only what it is told: it counts its own numbers, answers nothing and asks for nothing.

Scripts decide what a client does about a gap or a resend, so nothing may be done behind their back.
"""

import asyncio
import time
from typing import Final

from sessions import fix_text
from sessions.fix_text import HEADER_TAGS, SOH, utc_timestamp
from sessions.native.framing import Framer, Garbage
from tests.sessions.raw_client import frame

from .script import Pair

DEADLINE_S: Final = 10.0


class Disconnected(Exception):
    """The venue closed the connection."""


class Wire:
    """A connection of one session; numbers go on from `next_number`."""

    def __init__(self, begin_string: str, comp_id: str, *, next_number: int = 1) -> None:
        self.begin_string = begin_string
        self.comp_id = comp_id
        self.next_number = next_number
        self.history: list[str] = []
        """What went out and came in, written as in scripts."""
        self._framer = Framer()
        self._waiting: list[list[Pair]] = []
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def connect(self, port: int) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)

    def send(self, pairs: list[Pair]) -> None:
        """Send a message; header fields among `pairs` take the place of the usual ones."""
        self.send_bytes(self.compose(pairs))
        self.history.append(f"{self.comp_id} > {written(pairs)}")

    def compose(self, pairs: list[Pair]) -> bytes:
        """The bytes that `send` would send."""
        own = {
            "35": "",
            "34": str(self.next_number),
            "49": self.comp_id,
            "52": utc_timestamp(time.time_ns())[:-3],
            "56": "OUTCRY",
        }
        header = own | {tag: value for tag, value in pairs if tag in HEADER_TAGS}
        if header["34"] == str(self.next_number):
            self.next_number += 1
        body = [(tag, value) for tag, value in pairs if tag not in HEADER_TAGS]
        return frame(self.begin_string, "".join(f"{tag}={value}{SOH}" for tag, value in [*header.items(), *body]))

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    def log_on(self, *, reset: bool = False, password: str | None = None) -> None:
        """Send a Logon(A); what comes back is the caller's to read."""
        self.next_number = 1 if reset else self.next_number
        logon = [("35", "A"), ("98", "0"), ("108", "30"), *([("141", "Y")] if reset else [])]
        logon += [("553", self.comp_id), ("554", password or f"example-{self.comp_id.lower()}")]
        self.send([*logon, ("1137", "9")] if self.begin_string == "FIXT.1.1" else logon)

    async def receive(self) -> list[Pair]:
        """
        The next message, but for heartbeats that nobody asked for; a drop copy's question is answered on the way.

        Raises:
            Disconnected: There is none, and there will be none.
        """
        async with asyncio.timeout(DEADLINE_S):
            while True:
                while not self._waiting:
                    self._waiting = [_pairs(found) for found in self._framer.feed(await self._read())]
                message = self._waiting.pop(0)
                self.history.append(f"{self.comp_id} < {written(message)}")
                if ("35", "1") in message and any(value.startswith("read ") for tag, value in message if tag == "112"):
                    self.send([("35", "0"), *(pair for pair in message if pair[0] == "112")])
                    continue
                if ("35", "0") not in message or any(tag == "112" for tag, _ in message):
                    return message

    async def expect(self, msg_type: str) -> dict[str, str]:
        """The next message, which is of this type; its fields by tag, the first of equal ones."""
        message = dict(reversed(await self.receive()))
        assert message["35"] == msg_type, "\n".join(self.history)
        return message

    async def expect_close(self) -> None:
        """The venue says nothing more and closes."""
        try:
            raise AssertionError(f"{self.comp_id}: the venue sent {written(await self.receive())} and did not close")
        except Disconnected:
            return

    def cut(self) -> None:
        """Close without a word."""
        self._writer.transport.abort()

    async def _read(self) -> bytes:
        try:
            data = await self._reader.read(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Disconnected(f"{self.comp_id}: the venue closed the connection")
        return data


async def log_on(begin_string: str, comp_id: str, port: int, *, reset: bool = True, next_number: int = 1) -> Wire:
    """
    Connect and log on, in spite of an earlier connection of this session.

    One that was cut a moment ago may still count as there. Then the venue closes the new one without a word.
    """
    async with asyncio.timeout(DEADLINE_S):
        while True:
            wire = Wire(begin_string, comp_id, next_number=next_number)
            await wire.connect(port)
            wire.log_on(reset=reset)
            try:
                await wire.expect("A")
                return wire
            except Disconnected:
                wire.cut()
                await asyncio.sleep(0.01)


def written(pairs: list[Pair]) -> str:
    return "".join(f"{tag}={value}|" for tag, value in pairs)


def _pairs(found: bytes | Garbage) -> list[Pair]:
    assert isinstance(found, bytes), f"the venue sent what is no message: {found}"
    return fix_text.pairs(found.decode())
