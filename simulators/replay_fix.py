"""
Sends a planned replay to a venue over FIX, and listens to its public feed over FIX too: any host and port will do.

One order session sends everything, so that requests of a symbol keep their order; one market-data session hears every
increment of every symbol. What is on its way is bounded twice: requests without an answer, and rows whose book has not
been published. When nothing arrives for `STALL_S` although something should, the replay ends.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

import msgspec

from matcher.orders import BUY, SELL, Side
from sessions.fix_text import pairs
from simulators.fix_client import FixClient, OnMessage, Received
from simulators.flow_audit import Fill, PublicLevel
from simulators.order_messages import read_answer
from simulators.replay_audit import ReplayAudit
from simulators.replay_plan import ReplayPlan, TimedStep

BEGIN_STRING: Final = "FIX.4.4"
UNANSWERED_MAX: Final = 200
"""Requests that may wait for their first report."""
UNPUBLISHED_MAX: Final = 2_000
"""Rows that may wait for their book."""
STALL_S: Final = 30.0

_ROWS_PER_TURN: Final = 20  # then others on the event loop have a turn
_EXPIRED: Final = "C"
_SIDES: Final[dict[str, Side]] = {"0": BUY, "1": SELL}


class ReplayError(Exception):
    """The replay cannot be done; the message is one sentence that says what to do."""


class Door(msgspec.Struct, frozen=True):
    """Where a venue is, and as whom to enter."""

    host: str
    port: int
    venue_comp_id: str
    comp_id: str
    password: str
    md_comp_id: str
    md_password: str


class FixReplay:
    """
    One replay, over two FIX sessions.

    Args:
        plan: What to send.
        audit: Hears of everything.
        speed: Recorded seconds per second; None: as fast as the venue answers.
        on_progress: Called with the rows sent so far, once in a while.
    """

    def __init__(
        self, plan: ReplayPlan, audit: ReplayAudit, *, speed: Fraction | None, on_progress: Callable[[int], None]
    ) -> None:
        self._plan = plan
        self._audit = audit
        self._speed = speed
        self._on_progress = on_progress
        self._news = asyncio.Event()
        self._unanswered: dict[str, int] = {}  # ClOrdID: MsgSeqNum
        self._not_begun = set(plan.symbols)
        self._failure: str | None = None

    async def run(self, door: Door) -> int:
        """
        Play all rows and wait for their reports and books; returns how long that took, in ns.

        Raises:
            ReplayError: The venue does not trade a symbol, its book is not empty, or it went away.
            FixClientError: A session could not be had.
        """
        orders = await self._connect(door, door.comp_id, door.password, self._on_order_message)
        try:
            feed = await self._connect(door, door.md_comp_id, door.md_password, self._on_feed_message)
            try:
                return await self._play(orders, feed)
            finally:
                await feed.logout()
        finally:
            await orders.logout()

    async def _connect(self, door: Door, comp_id: str, password: str, on_message: OnMessage) -> FixClient:
        client = await FixClient.connect(
            door.host,
            door.port,
            begin_string=BEGIN_STRING,
            sender_comp_id=comp_id,
            password=password,
            target_comp_id=door.venue_comp_id,
            on_message=on_message,
            reset=True,  # a replay has no earlier messages to ask for
        )
        client.closed.add_done_callback(lambda closed: self._fail(closed.result()))
        return client

    async def _play(self, orders: FixClient, feed: FixClient) -> int:
        self._subscribe(feed)
        if not await self._until(lambda: not self._not_begun):
            raise ReplayError(f"the venue's feed sent no book of {min(self._not_begun)} for {STALL_S:.0f} s; is it up?")
        begin_ns = time.perf_counter_ns()
        for rows, timed in enumerate(self._plan.steps(), 1):
            if self._speed is not None:
                await _sleep_until(begin_ns + timed.offset_ns * self._speed.denominator // self._speed.numerator)
            await self._send(orders, timed)
            if rows % _ROWS_PER_TURN == 0:
                await orders.drain()
                await asyncio.sleep(0)
                self._on_progress(rows)
        await self._until(lambda: not self._unanswered and self._audit.is_complete)
        return time.perf_counter_ns() - begin_ns

    async def _send(self, orders: FixClient, timed: TimedStep) -> None:
        if self._audit.books.waiting > UNPUBLISHED_MAX:
            await self._room(lambda: self._audit.books.waiting <= UNPUBLISHED_MAX // 2)
        self._audit.expect(timed)
        for request in timed.step.requests:
            if len(self._unanswered) >= UNANSWERED_MAX:
                await self._room(lambda: len(self._unanswered) <= UNANSWERED_MAX // 2)
            now = f"{datetime.now(UTC):%Y%m%d-%H:%M:%S}"
            self._unanswered[request.cl_ord_id] = orders.send(timed.flow.units.body(request, now))

    async def _room(self, is_there: Callable[[], bool]) -> None:
        if not await self._until(is_there):
            raise ReplayError(
                f"the venue has been silent for {STALL_S:.0f} s with {len(self._unanswered)} requests unanswered and "
                f"{self._audit.books.waiting} books unpublished; look at its logs"
            )

    async def _until(self, is_so: Callable[[], bool]) -> bool:
        """Await a condition; False when nothing at all arrives for `STALL_S`."""
        while not is_so():
            if self._failure is not None:
                raise ReplayError(self._failure)
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), STALL_S)
            except TimeoutError:
                return False
        return True

    def _fail(self, why: str) -> None:
        if why:
            self._failure = self._failure or why
            self._news.set()

    # --- the order session

    def _on_order_message(self, message: Received) -> None:
        self._news.set()
        answer = read_answer(message.fields)
        if answer is None:
            return
        self._unanswered.pop(answer.cl_ord_id, None)
        if answer.is_refusal or answer.exec_type == _EXPIRED:
            if answer.ref_seq_num:
                self._forget(answer.ref_seq_num)
            self._audit.on_refusal(answer.cl_ord_id, answer.text or "the trading day ended")
        elif answer.exec_type == "F":
            units = self._plan.flow_of(answer.symbol).units
            price, qty = units.price(answer.last_px), units.qty(answer.last_qty)
            self._audit.fills.on_fill(Fill(answer.symbol, answer.cl_ord_id, message.fields.get("880", ""), price, qty))

    def _forget(self, msg_seq_num: int) -> None:
        for cl_ord_id, sent_as in list(self._unanswered.items()):
            if sent_as == msg_seq_num:
                del self._unanswered[cl_ord_id]

    # --- the market-data session

    def _subscribe(self, feed: FixClient) -> None:
        for number, symbol in enumerate(self._plan.symbols):
            feed.send(
                f"35=V\x01262=replay-{number}\x01263=1\x01264=0\x01265=1\x01267=2\x01269=0\x01269=1\x01"
                f"146=1\x0155={symbol}\x01"
            )

    def _on_feed_message(self, message: Received) -> None:
        self._news.set()
        match message.fields["35"]:
            case "W":
                self._on_snapshot(message.text)
            case "X":
                symbol, md_seq, levels = self._read_book(message.text)
                self._audit.books.on_increment(symbol, md_seq, levels)
            case "Y" | "j" | "3":
                self._fail(
                    f"the venue's feed refused a book: {message.fields.get('58', '')}; "
                    "`replay --write-instruments FILE` writes the instruments that these files need"
                )

    def _on_snapshot(self, text: str) -> None:
        symbol, md_seq, levels = self._read_book(text)
        if symbol not in self._not_begun:
            self._audit.books.on_snapshot(symbol, md_seq, levels)
            return
        if levels:
            self._fail(f"{symbol} has orders in its book already, but a replay needs an empty one; start a fresh venue")
            return
        self._not_begun.discard(symbol)
        self._audit.begin(symbol, md_seq)

    def _read_book(self, text: str) -> tuple[str, int, list[PublicLevel]]:
        """Symbol(55), RptSeq(83) and entries of a W or X; an entry begins with 279 in an X, with 269 in a W."""
        symbol, md_seq = "", 0
        entries: list[dict[str, str]] = []
        for tag, content in pairs(text):
            match tag:
                case "55":
                    symbol = content
                case "83":
                    md_seq = int(content)
                case "279":
                    entries.append({})
                case "269" if not entries or "269" in entries[-1]:
                    entries.append({})
            if entries:
                entries[-1][tag] = content
        units = self._plan.flow_of(symbol).units
        return (
            symbol,
            md_seq,
            [
                PublicLevel(
                    _SIDES[entry["269"]],
                    units.price(entry["270"]),
                    units.qty(entry.get("271", "0")),
                    int(entry.get("346", "0")),
                )
                for entry in entries
            ],
        )


async def _sleep_until(moment_ns: int) -> None:
    left_ns = moment_ns - time.perf_counter_ns()
    if left_ns > 0:
        await asyncio.sleep(left_ns / 1e9)
