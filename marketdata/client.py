"""
A reader of the public feed over the bus: subscribes, asks for snapshots, and keeps one replica per symbol.

NATS core may lose a message, and the last one before a pause has no successor that would show the loss. So the reader
also asks, every other second, how far each book is and what its checksum is there, and compares. When nobody answers
any more it says so: no book is current then, and neither is any after the connection was away.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec
import structlog

from bus import background
from bus.connection import Bus, BusError
from bus.subjects import MD_SNAPSHOT_SUBJECT, md_subject
from marketdata.messages import (
    BookIncrement,
    BookSnapshot,
    FeedError,
    FeedHeads,
    Range,
    Refusal,
    SnapshotRequest,
    decode_increment,
    decode_reply,
    encode,
)
from marketdata.replica import Change, Replica
from marketdata.snapshots import join

log = structlog.get_logger()

AUDIT_INTERVAL_S: Final = 2.0
SILENCES_MAX: Final = 3
"""Audits in a row without an answer after which no book counts as current."""
REQUEST_TIMEOUT_S: Final = 2.0
_RETRY_FIRST_S: Final = 0.02
_RETRY_MAX_S: Final = 2.0

OnChange = Callable[[Replica, Change, BookIncrement | None], None]
"""Called after each visible change of a replica: APPLIED with the increment, LOST or RESTORED without."""


class BookReader:
    """Replicas of the books of `symbols`, and of those named later to `watch`."""

    def __init__(
        self,
        bus: Bus,
        symbols: Iterable[str],
        on_change: OnChange,
        *,
        with_orders: bool = False,
        audit_interval_s: float = AUDIT_INTERVAL_S,
    ) -> None:
        """
        Args:
            bus: Connected.
            symbols: To be read from the start.
            on_change: Told of each visible change.
            with_orders: Keep the queue of each level, too.
            audit_interval_s: Between two comparisons with what the venue has.
        """
        self.replicas: dict[str, Replica] = {}
        self.is_available = True
        """False while nobody answers for the feed."""
        self._bus = bus
        self._first_symbols = list(symbols)
        self._on_change = on_change
        self._with_orders = with_orders
        self._audit_interval_s = audit_interval_s
        self._heads: dict[str, int] = {}
        self._silences = 0
        self._forget_reconnects: Callable[[], None] | None = None
        self._is_stopping = False  # asyncio.wait_for of Python 3.11 may lose a cancellation
        self._unsubscribes: list[Callable[[], Awaitable[None]]] = []
        self._repairs: dict[str, asyncio.Task[None]] = {}
        self._auditor: asyncio.Task[None] | None = None

    @property
    def known_symbols(self) -> Iterable[str]:
        """Of the books that there were at the last audit, watched or not."""
        return self._heads.keys()

    async def start(self) -> None:
        """Begin to read; returns at once, each book becomes current on its own."""
        self._forget_reconnects = self._bus.on_reconnect(self._begin_anew)
        for symbol in self._first_symbols:
            self.watch(symbol)
        self._auditor = background.start(self._audit_for_ever(), name="market-data audit")

    async def stop(self) -> None:
        """End reading and unsubscribe; no book is current any more."""
        self._is_stopping = True
        if self._forget_reconnects is not None:
            self._forget_reconnects()
        tasks = [*self._repairs.values(), *([self._auditor] if self._auditor else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for replica in self.replicas.values():
            replica.lose()
        if self._bus.is_connected:
            await asyncio.gather(*(unsubscribe() for unsubscribe in self._unsubscribes))

    def watch(self, symbol: str) -> Replica:
        """The replica of `symbol`, from now on kept up to date; not current until its first snapshot."""
        replica = self.replicas.get(symbol)
        if replica is None:
            replica = self.replicas[symbol] = Replica(symbol)
            self._repairs[symbol] = background.start(self._join(replica), name=f"join {symbol}")
        return replica

    async def _join(self, replica: Replica) -> None:
        """Listen first, then ask: so nothing can fall between the snapshot and the increments."""

        def on_message(_subject: str, payload: bytes, _reply: str) -> None:
            self._receive(replica, payload)

        self._unsubscribes.append(await self._bus.subscribe(md_subject(replica.symbol), on_message))
        await self._repair(replica)

    def _receive(self, replica: Replica, payload: bytes) -> None:
        try:
            increment = decode_increment(payload)
        except FeedError as error:
            log.error("increment_unreadable", symbol=replica.symbol, error=str(error))
            self._report(replica, replica.lose())
            return
        self._report(replica, replica.on_increment(increment), increment)

    def _report(self, replica: Replica, change: Change, increment: BookIncrement | None = None) -> None:
        if change is Change.NOTHING:
            return
        if change is Change.LOST:
            log.warning("book_lost", symbol=replica.symbol, md_seq=replica.md_seq)
            self._begin_repair(replica)
        self._on_change(replica, change, increment if change is Change.APPLIED else None)

    def _begin_anew(self) -> None:
        """What was published while the connection was away is lost, and nobody knows whether that was anything."""
        for replica in self.replicas.values():
            self._report(replica, replica.lose())

    def _begin_repair(self, replica: Replica) -> None:
        if self._repairs[replica.symbol].done():
            self._repairs[replica.symbol] = background.start(self._repair(replica), name=f"repair {replica.symbol}")

    async def _repair(self, replica: Replica) -> None:
        """Ask for snapshots until the replica is current; later and later, but never less often than every 2 s."""
        wait_s = _RETRY_FIRST_S
        while not replica.is_current and not self._is_stopping:
            snapshot = await self._fetch(replica.symbol)
            if snapshot is not None:
                self._report(replica, replica.on_snapshot(snapshot))
            if not replica.is_current:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _RETRY_MAX_S)

    async def _fetch(self, symbol: str) -> BookSnapshot | None:
        """One whole snapshot, all its parts; None when it was not to be had."""
        parts: list[BookSnapshot] = []
        request = SnapshotRequest(symbol=symbol, orders=self._with_orders)
        while not parts or len(parts) < parts[0].parts:
            reply = await self._ask(request)
            if not isinstance(reply, BookSnapshot):
                return None
            parts.append(reply)
            request = msgspec.structs.replace(request, md_seq=reply.md_seq, part=len(parts) + 1)
        return join(parts)

    async def _ask(self, request: SnapshotRequest) -> BookSnapshot | FeedHeads | Range | None:
        try:
            reply = decode_reply(await self._bus.request(MD_SNAPSHOT_SUBJECT, encode(request), REQUEST_TIMEOUT_S))
        except (BusError, FeedError) as error:
            log.debug("market_data_unanswered", symbol=request.symbol, error=str(error))
            return None
        if isinstance(reply, Refusal):
            log.warning("market_data_refused", symbol=request.symbol, reason=reply.reason, text=reply.text)
            return None
        return reply

    async def _audit_for_ever(self) -> None:
        while not self._is_stopping:
            await self._audit()
            await asyncio.sleep(self._audit_interval_s)

    async def _audit(self) -> None:
        heads = await self._ask(SnapshotRequest(heads=True))
        if isinstance(heads, FeedHeads):
            self._silences = 0
            self.is_available = True
            self._compare(heads)
            return
        self._silences += 1
        if self._silences == SILENCES_MAX:
            self._give_up()

    def _compare(self, heads: FeedHeads) -> None:
        # An increment may still be on its way when the answer is here: what was published an audit ago may not.
        for symbol, replica in self.replicas.items():
            self._report(replica, replica.on_head(self._heads.get(symbol, 0)))
            if symbol in heads.md_seq:
                self._report(replica, replica.on_checksum(heads.md_seq[symbol], heads.checksums[symbol]))
        self._heads = heads.md_seq

    def _give_up(self) -> None:
        log.error("market_data_silent", audits=self._silences, what_to_do="see whether the marketdata process runs")
        self.is_available = False
        for replica in self.replicas.values():
            if replica.lose() is Change.LOST:
                self._begin_repair(replica)
            self._on_change(replica, Change.LOST, None)  # also to those that wait for their first book
