"""
Readers of market data in a process of their own: many that only read, or a few that note when each message came.

    python -m tests.bench.feed_readers --transport websocket --port 9880 --names ONE,TWO [--notes]

It obeys lines of JSON on standard input and answers each with one line when it is done:

| order | answer |
|---|---|
| `{"do": "watch", "symbol": S}` | `{}`: every reader watches S, and nothing else any more, and has its book |
| `{"do": "reach", "md_seq": N}` | `{"arrivals": [[[md_seq, ns], ...], ...], "snapshots": n}`: all are so far, or late |
| `{"do": "settle"}` | `{"bytes": n}`: nothing has arrived for a while; so much did, ever |
| `{"do": "stop", "symbols": [S, ...]}` | `{}`: these are watched as well, and nothing is read any more |

Who stops reading has first asked for so many snapshots that no buffer of the system holds them: it is behind at once.
"""

import argparse
import asyncio
import json
import re
import socket
import sys
import time
from typing import Any, Final

import uvloop

from bus.subjects import MD_SNAPSHOT_SUBJECT, md_subject
from tests.sessions.raw_client import frame, timestamp

PATIENCE_S: Final = 60.0
QUIET_S: Final = 0.2
SMALL_BUFFER_BYTES: Final = 4096
BEGIN: Final = "FIX.4.4"
SOH: Final = "\x01"
NOTHING: Final = re.compile(rb"(?!)")
HEARTBEAT_S: Final = 20.0


class Reader(asyncio.Protocol):
    """One connection; what it has to say differs by transport."""

    asks_at_once = True
    """Nothing has to arrive before it may watch."""
    snapshots_too_many = 1500
    """Of a book of some KiB: megabytes."""
    marker = b'"type":"'
    """How the part of a message begins that `arrival` finds."""

    def __init__(self, name: str, *, notes: bool) -> None:
        self.name = name
        self.bytes_read = 0
        self.last_md_seq = 0
        self.snapshots = 0
        self.arrivals: dict[int, int] = {}
        """When each increment came, by number."""
        self.is_ready = asyncio.Event()
        self._notes = notes
        self._symbol = ""
        self._heard = b""
        self._rest = b""
        self._pattern = NOTHING

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.hello())
        if self.asks_at_once:
            self.is_ready.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever it was
        sys.stderr.write(f"reader {self.name} was cut off\n")

    def watch(self, symbol: str) -> None:
        """Ask for one symbol instead of another; ready when its book is there."""
        self.is_ready.clear()
        self.arrivals, self.last_md_seq, self.snapshots, self._heard, self._rest = {}, 0, 0, b"", b""
        self.transport.write(self.wish(self._symbol, symbol))
        self._symbol = symbol
        self._pattern = self.arrival(symbol)

    def data_received(self, data: bytes) -> None:
        now_ns = time.time_ns()
        self.bytes_read += len(data)
        if not self.is_ready.is_set():
            self._heard += data
            if self.has_begun(self._heard, self._symbol):
                self.is_ready.set()
        self.take(data)
        if self._notes:
            self._note(data, now_ns)

    def _note(self, data: bytes, now_ns: int) -> None:
        text = self._rest + data
        end = 0
        for match in self._pattern.finditer(text):
            end = match.end()
            md_seq = int(match[2])
            self.last_md_seq = max(self.last_md_seq, md_seq)
            if match[1] in (b"increment", b"X"):
                self.arrivals.setdefault(md_seq, now_ns)
            else:
                self.snapshots += 1
        begun = text.rfind(self.marker, end)
        self._rest = text[begun if begun >= 0 else max(end, len(text) - len(self.marker)) :]

    def hello(self) -> bytes:
        raise NotImplementedError

    def wish(self, former: str, symbol: str) -> bytes:
        raise NotImplementedError

    def has_begun(self, heard: bytes, symbol: str) -> bool:
        raise NotImplementedError

    def arrival(self, symbol: str) -> re.Pattern[bytes]:
        """What a message has early on: its kind, and its number."""
        return re.compile(rb'"type":"(increment|snapshot)","symbol":"%s","md_seq":(\d+),' % symbol.encode())

    def take(self, data: bytes) -> None:
        """Answer what has to be answered."""

    def stop(self, symbols: list[str]) -> None:
        """Watch these, too, and read nothing any more."""
        self.transport.pause_reading()
        own = self.transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        for symbol in symbols:
            self.transport.write(self.wish("", symbol))
        self.transport.write(b"".join(self.snapshot_request(number) for number in range(self.snapshots_too_many)))

    def snapshot_request(self, number: int) -> bytes:
        raise NotImplementedError


class WebSocketReader(Reader):
    asks_at_once = False
    snapshots_too_many = 85  # of all books; more requests at once are refused

    def hello(self) -> bytes:
        return (
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )

    def wish(self, former: str, symbol: str) -> bytes:
        end = masked({"op": "unsubscribe", "id": former}) if former else b""
        return end + masked({"op": "subscribe", "id": symbol, "channel": "book", "symbols": [symbol]})

    def has_begun(self, heard: bytes, symbol: str) -> bool:
        return (f'"type":"snapshot","symbol":"{symbol}"'.encode() if symbol else b"\r\n\r\n") in heard

    def snapshot_request(self, number: int) -> bytes:  # noqa: ARG002 - they are all alike
        return masked({"op": "snapshot", "channel": "book", "symbols": "*"})


class NatsReader(Reader):
    _wishes = 0

    def hello(self) -> bytes:
        return b'CONNECT {"verbose":false}\r\n'

    def wish(self, former: str, symbol: str) -> bytes:
        self._wishes += 1
        end = f"UNSUB {self._wishes - 1}\r\n" if former else ""
        return f"{end}SUB {md_subject(symbol)} {self._wishes}\r\nPING\r\n".encode()

    def has_begun(self, heard: bytes, symbol: str) -> bool:  # noqa: ARG002 - the answer to PING comes behind all else
        return b"PONG\r\n" in heard

    def snapshot_request(self, number: int) -> bytes:
        inbox = f"SUB inbox.reader {self._wishes + 1}\r\n" if not number else ""
        return f"{inbox}PUB {MD_SNAPSHOT_SUBJECT} inbox.reader {len(self._symbol)}\r\n{self._symbol}\r\n".encode()

    def take(self, data: bytes) -> None:
        if data.endswith(b"PING\r\n"):
            self.transport.write(b"PONG\r\n")


class FixReader(Reader):
    asks_at_once = False
    marker = b"\x0135="
    _next_seq = 1

    def hello(self) -> bytes:
        asyncio.get_running_loop().call_later(HEARTBEAT_S, self._heartbeat)
        return self._message("A", f"98=0|108={HEARTBEAT_S:.0f}|141=Y|553={self.name}|554={password(self.name)}|")

    def wish(self, former: str, symbol: str) -> bytes:
        rest = f"264=0|265=1|267=3|269=0|269=1|269=2|146=1|55={symbol}|"
        end = self._message("V", f"262={former}|263=2|{rest.replace(symbol, former)}") if former else b""
        return end + self._message("V", f"262={symbol}|263=1|{rest}")

    def has_begun(self, heard: bytes, symbol: str) -> bool:
        return (f"\x01262={symbol}\x01".encode() if symbol else b"\x0135=A\x01") in heard

    def arrival(self, symbol: str) -> re.Pattern[bytes]:  # noqa: ARG002 - a message of several symbols is not asked for
        return re.compile(rb"\x0135=([XW])\x01.*?\x0183=(\d+)\x01", re.DOTALL)

    def snapshot_request(self, number: int) -> bytes:
        return self._message("V", f"262=s{number}|263=0|264=0|267=2|269=0|269=1|146=1|55={self._symbol}|")

    def _heartbeat(self) -> None:
        asyncio.get_running_loop().call_later(HEARTBEAT_S, self._heartbeat)
        self.transport.write(self._message("0", ""))

    def _message(self, msg_type: str, body: str) -> bytes:
        text = f"35={msg_type}|34={self._next_seq}|49={self.name}|52={timestamp()}|56=OUTCRY|{body}"
        self._next_seq += 1
        return frame(BEGIN, text.replace("|", SOH))


READERS: Final[dict[str, type[Reader]]] = {"websocket": WebSocketReader, "nats": NatsReader, "fix": FixReader}


def password(comp_id: str) -> str:
    """Of a FIX session of these benchmarks."""
    return f"example-{comp_id.lower()}"


def masked(request: dict[str, Any]) -> bytes:
    """A request as a WebSocket frame; zeros as its mask leave the text as it is."""
    text = json.dumps(request).encode()
    assert len(text) < 126, "a longer one has another head"
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


async def connect(options: argparse.Namespace) -> list[Reader]:
    """All readers, one after the other."""
    readers: list[Reader] = []
    for name in options.names.split(","):
        kind = READERS[options.transport]
        _, reader = await asyncio.get_running_loop().create_connection(
            lambda kind=kind, name=name: kind(name, notes=options.notes), "127.0.0.1", options.port
        )
        await asyncio.wait_for(reader.is_ready.wait(), PATIENCE_S)
        readers.append(reader)
    return readers


async def obey(order: dict[str, Any], readers: list[Reader]) -> dict[str, Any]:
    """Do one thing for all readers."""
    match order["do"]:
        case "watch":
            for reader in readers:
                reader.watch(order["symbol"])
            async with asyncio.timeout(PATIENCE_S):
                for reader in readers:
                    await reader.is_ready.wait()
            return {}
        case "reach":
            give_up_s = time.monotonic() + PATIENCE_S
            reached = 0
            while reached < order["md_seq"] and time.monotonic() < give_up_s:
                await asyncio.sleep(0.005)
                reached = min(each.last_md_seq for each in readers)
            return {
                "arrivals": [list(reader.arrivals.items()) for reader in readers],
                "snapshots": sum(reader.snapshots for reader in readers),
            }
        case "settle":
            return {"bytes": await settled_bytes(readers)}
        case "stop":
            for reader in readers:
                reader.stop(order["symbols"])
            return {}
        case other:
            raise ValueError(f"{other!r} is no order")


async def settled_bytes(readers: list[Reader]) -> int:
    """What has arrived when nothing more does."""
    before = -1
    while before < (now := sum(reader.bytes_read for reader in readers)):
        before = now
        await asyncio.sleep(QUIET_S)
    return now


async def run(options: argparse.Namespace) -> None:
    readers = await connect(options)
    sys.stdout.write("{}\n")
    sys.stdout.flush()
    while line := await asyncio.to_thread(sys.stdin.readline):
        answer = await obey(json.loads(line), readers)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="feed_readers")
    parser.add_argument("--transport", choices=READERS, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--names", required=True)
    parser.add_argument("--notes", action="store_true", help="note when each message comes")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
