"""
Each engine with the other one's client, over a connection that is cut in the middle of messages.

QuickFIX as initiator talks to our acceptor, our session core as initiator to both acceptors. Orders go one way and
reports the other, independently; connections are cut, a night passes, and the numbers are reset. In the end both sides
compare notes: every message arrived once, in order, under the MsgSeqNum(34) with which it was sent.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from sessions.fix_text import parse
from tests.sessions.cutting_proxy import CuttingProxy, cutting_proxy
from tests.sessions.house import House, open_house, report, wait_for
from tests.sessions.native_initiator import DEADLINE_S, NativeInitiator

ROOT = Path(__file__).parents[2]
COMP_ID = "FIRMA1"
CHUNK = 100
BYTES_MIN = 130
"""Of an order or a report on the wire, at least."""
SEED = 20_261_120

Note = tuple[int, int, str]
"""Epoch (1, 2, ...), MsgSeqNum(34) and ClOrdID(11) or ExecID(17)."""


class Client(Protocol):
    """A FIX client that connects by itself whenever it is to be logged on and is not."""

    @property
    def is_up(self) -> bool: ...

    def send(self, first: int, count: int) -> None:
        """Send the orders o<first>, ..., connected or not."""

    def log_out(self) -> None: ...

    def log_on(self, *, reset: bool) -> None: ...

    def received_count(self) -> int: ...

    def wait_for(self, condition: Callable[[], object]) -> None: ...

    def told(self) -> tuple[list[Note], list[Note]]:
        """What was sent and what was received."""


class QuickFixInitiator:
    """See `Client`; the process is `quickfix_initiator`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def is_up(self) -> bool:
        return bool(self._ask("status")["is_up"])

    def send(self, first: int, count: int) -> None:
        self._ask("send", first=first, count=count)

    def log_out(self) -> None:
        self._ask("log_out")

    def log_on(self, *, reset: bool) -> None:
        self._ask("log_on", reset=reset)

    def received_count(self) -> int:
        return int(self._ask("status")["received"])

    def wait_for(self, condition: Callable[[], object]) -> None:
        wait_for(condition, DEADLINE_S)

    def told(self) -> tuple[list[Note], list[Note]]:
        said = self._ask("told")
        return [tuple(note) for note in said["sent"]], [tuple(note) for note in said["received"]]

    def _ask(self, name: str, **how: object) -> dict:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, how]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the QuickFIX client has died"
        return json.loads(line)  # type: ignore[no-any-return]


@contextmanager
def quickfix_initiator(begin_string: str, port: int, directory: Path) -> Iterator[Client]:
    command = [sys.executable, "-m", "tests.sessions.quickfix_initiator", begin_string, COMP_ID, str(port)]
    with subprocess.Popen(
        [*command, str(directory)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield QuickFixInitiator(process)
        finally:
            process.kill()


@contextmanager
def native_initiator(begin_string: str, port: int, _directory: Path) -> Iterator[Client]:
    client = NativeInitiator(begin_string, COMP_ID, port)
    try:
        yield client
    finally:
        client.close()


class Conversation:
    """An engine, a client, and the proxy between them; `sent` and `received` are the engine's notes."""

    def __init__(self, house: House, client: Client, proxy: CuttingProxy, begin_string: str) -> None:
        self.sent: list[Note] = []
        self._house = house
        self._client = client
        self._proxy = proxy
        self._session_id = f"{begin_string}:{COMP_ID}"
        self._epoch = 1
        self._count = 0

    @property
    def received(self) -> list[Note]:
        epochs: dict[int, int] = {}
        notes = []
        for message in self._house.orders.messages:
            fields = parse(message.text)
            epoch = epochs.setdefault(message.session_epoch, len(epochs) + 1)
            notes.append((epoch, int(fields["34"]), fields["11"]))
        return notes

    def exchange(self, count: int, *, cuts: int) -> None:
        """So many messages each way, through so many cuts; returns when all are there."""
        self._proxy.cut(cuts, bytes_max=count * BYTES_MIN // (cuts + 1))
        for first in range(self._count, self._count + count, CHUNK):
            chunk = range(first, min(first + CHUNK, self._count + count))
            self._house.send(self._session_id, *(self._report(n) for n in chunk))
            self._client.send(chunk.start, len(chunk))
        self._count += count
        self._client.wait_for(
            lambda: (
                len(self._house.orders.messages) >= self._count
                and self._client.received_count() >= self._count
                and not self._proxy.cuts_left
            )
        )

    def come_up(self) -> None:
        self._client.wait_for(lambda: self._client.is_up and self._session_id in self._house.engine.sessions_up)

    def spend_the_night(self) -> None:
        """Log out, let the day end, log on: the numbers go on."""
        before = self._numbers()
        self._go_down()
        if hasattr(self._house.engine, "_upkeep"):
            self._house.call(self._end_the_day)
        self._client.log_on(reset=False)
        self.come_up()
        assert self._numbers() > before

    def reset(self) -> None:
        """Log out, and on with ResetSeqNumFlag(141)=Y: both directions begin at 1."""
        self._note_sent()
        self._go_down()
        self._client.log_on(reset=True)
        self.come_up()
        assert self._numbers() == 2
        self._epoch += 1

    def compare_notes(self) -> None:
        self._note_sent()
        client_sent, client_received = self._client.told()
        for sent, received, prefix in ((self.sent, client_received, "E"), (client_sent, self.received, "o")):
            assert received == sent
            assert [name for _, _, name in received] == [f"{prefix}{n}" for n in range(self._count)]
            assert len({(epoch, number) for epoch, number, _ in received}) == self._count

    def _report(self, n: int) -> str:
        return report(f"E{n}") + ("20=0|" if self._session_id.startswith("FIX.4.2") else "")

    def _numbers(self) -> int:
        return self._house.call(lambda: self._house.engine.next_outbound(self._session_id))

    def _go_down(self) -> None:
        self._client.log_out()
        self._client.wait_for(lambda: not self._client.is_up and self._session_id not in self._house.engine.sessions_up)

    def _note_sent(self) -> None:
        bodies = self._house.call(lambda: list(self._house.engine.sent_bodies(self._session_id, 1)))
        self.sent += [(self._epoch, number, parse(body)["17"]) for number, body in bodies]

    def _end_the_day(self) -> None:
        upkeep = self._house.engine._upkeep
        upkeep._now = lambda: datetime(2030, 1, 1, 22, tzinfo=UTC)
        upkeep.stop()
        upkeep.keep()


INITIATORS = {"quickfix": quickfix_initiator, "native": native_initiator}


def converse(
    tmp_path: Path, *, initiator: str, acceptor: str, begin_string: str, messages: int, cuts: int, seed: int = SEED
) -> None:
    print(f"seed {seed}")  # noqa: T201 - for the report of a failure
    with (
        open_house(tmp_path / "venue", engine=acceptor) as house,
        cutting_proxy(house.port, seed=seed) as proxy,
        INITIATORS[initiator](begin_string, proxy.port, tmp_path) as client,
    ):
        conversation = Conversation(house, client, proxy, begin_string)
        conversation.come_up()
        conversation.exchange(messages // 2, cuts=cuts)
        conversation.spend_the_night()
        conversation.exchange(messages // 4, cuts=cuts // 2)
        conversation.reset()
        conversation.exchange(messages - messages // 2 - messages // 4, cuts=cuts // 2)
        conversation.compare_notes()
        assert proxy.cuts == cuts + 2 * (cuts // 2)


PAIRS = [("quickfix", "native"), ("native", "quickfix"), ("native", "native")]
"""Initiator, acceptor."""


@pytest.mark.parametrize(("initiator", "acceptor"), PAIRS)
@pytest.mark.parametrize(
    ("begin_string", "messages", "cuts"), [("FIX.4.2", 400, 1), ("FIX.4.4", 3_000, 2), ("FIXT.1.1", 400, 1)]
)
def test_everything_arrives_once_in_order_whatever_is_cut(
    tmp_path: Path, *, initiator: str, acceptor: str, begin_string: str, messages: int, cuts: int
) -> None:
    converse(tmp_path, initiator=initiator, acceptor=acceptor, begin_string=begin_string, messages=messages, cuts=cuts)


@pytest.mark.long
@pytest.mark.parametrize(("initiator", "acceptor"), PAIRS)
def test_a_hundred_thousand_each_way_arrive_once_in_order(tmp_path: Path, initiator: str, acceptor: str) -> None:
    converse(tmp_path, initiator=initiator, acceptor=acceptor, begin_string="FIX.4.4", messages=100_000, cuts=20)
