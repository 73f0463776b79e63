"""Readers of the same books over NATS, WebSocket and FIX, which note in a ledger what they have after each message."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Self

from bus.connection import Bus
from marketdata.client import BookReader
from marketdata.fix.requests import ENTRY_TYPES
from marketdata.messages import BookIncrement
from marketdata.replica import Change, Replica
from marketdata.websocket.client import Feed
from matcher.instruments import Instrument
from sessions.fix_text import pairs
from simulators.fix_client import FixClientError, Received
from simulators.torture.client import PersistentClient
from simulators.torture.proxy import Proxy
from venue.nats_server import FEED_USER, server_address
from venue.up import RunningVenue

from .logged_books import Ledger, Parts, part, parts_of

SHOWN = (Change.APPLIED, Change.RESTORED)
_NO_QTY = "0"


class NatsReader:
    """Everything, order by order, as a user who may do nothing else."""

    def __init__(self, port: int, symbols: Iterable[str], ledger: Ledger) -> None:
        self.name = "nats"
        self.losses = 0
        self._url = f"nats://{FEED_USER}:{FEED_USER}@127.0.0.1:{port}"
        self._symbols = list(symbols)
        self._ledger = ledger

    async def __aenter__(self) -> Self:
        self._bus = await Bus.connect(self._url, name=FEED_USER)
        self._reader = BookReader(self._bus, self._symbols, self._on_change, with_orders=True, audit_interval_s=0.2)
        await self._reader.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.stop()
        await self._bus.close()

    @property
    def replicas(self) -> dict[str, Replica]:
        return self._reader.replicas

    def is_at(self, last: Mapping[str, int]) -> bool:
        """Whether every book is current at its newest number."""
        return all(each.is_current and each.md_seq == last.get(symbol, 0) for symbol, each in self.replicas.items())

    def _on_change(self, replica: Replica, change: Change, _increment: BookIncrement | None) -> None:
        if change in SHOWN:
            self._ledger.see(self.name, replica.symbol, replica.md_seq, parts_of(replica.book, with_orders=True))
        self.losses += change is Change.LOST


class WebSocketReader(Feed):
    """Every level in one view, every order in another; looked at before the updates queue up."""

    def __init__(self, port: int, symbols: Iterable[str], ledger: Ledger) -> None:
        super().__init__(f"ws://127.0.0.1:{port}", check_interval_s=0.1)
        self.names = {"levels": "websocket levels", "orders": "websocket orders"}
        self.losses: Counter[str] = Counter()
        self._symbols = list(symbols)
        self._ledger = ledger

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._taking = asyncio.create_task(self._take_updates())
        await self.subscribe("book", self._symbols, view="levels")
        await self.subscribe("book", self._symbols, view="orders")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._taking.cancel()
        await asyncio.gather(self._taking, return_exceptions=True)
        await super().__aexit__()

    @property
    def replicas(self) -> list[Replica]:
        """Of both views."""
        return [self.replica(symbol, view=view) for symbol in self._symbols for view in ("levels", "orders")]

    def is_at(self, last: Mapping[str, int]) -> bool:
        """Whether every book is current at its newest number, in both views."""
        return all(each.is_current and each.md_seq == last.get(each.symbol, 0) for each in self.replicas)

    async def _take_updates(self) -> None:
        async for _ in self:
            pass

    async def _tell(self, watch: Any, change: Change, message: Any) -> None:
        name, replica = self.names[watch.key.view], watch.replica
        if change in SHOWN:
            parts = parts_of(replica.book, with_orders=watch.key.view == "orders")
            self._ledger.see(name, replica.symbol, replica.md_seq, parts)
        self.losses[name] += change is Change.LOST
        await super()._tell(watch, change, message)


Entry = dict[str, str]


class FixBook:
    """A symbol as a FIX client has it from W and X; every entry has to make sense."""

    def __init__(self, instrument: Instrument) -> None:
        self.md_seq = -1
        self.is_vouched_for = False
        self._instrument = instrument
        self._sides: dict[str, dict[int, dict[str, tuple[int, int]]]] = {}
        """By MDEntryType(269) and price in ticks: each order by its id, or the level by no id; quantity and orders."""
        self._singles: dict[str, str] = {}

    def on_snapshot(self, entries: list[Entry], md_seq: int) -> None:
        self._sides, self._singles = {"0": {}, "1": {}}, {}
        self.md_seq, self.is_vouched_for = md_seq, bool(entries) and entries[0]["269"] != "J"
        for entry in entries:
            if entry["269"] not in "2J":
                self._set(entry, is_new=True)

    def on_increment(self, entries: list[Entry], md_seq: int) -> list[tuple[str, int, int, int]]:
        """Returns the trades told: action, match id, price, quantity."""
        assert md_seq > self.md_seq
        self.md_seq, self.is_vouched_for = md_seq, True
        trades = []
        for entry in entries:
            if entry["269"] == "2":
                trades.append((entry["279"], int(entry["278"]), self._ticks(entry), self._lots(entry)))
            elif entry["279"] == "2":
                self._delete(entry)
            else:
                self._set(entry, is_new=entry["279"] == "0")
        return trades

    def parts(self, *, by_order: bool) -> Parts:
        bids = sorted(self._sides["0"].items(), reverse=True)
        asks = sorted(self._sides["1"].items())
        singles = part(sorted([name, told] for name, told in self._singles.items()))
        if by_order:
            orders = [
                [(ticks, [(int(entry_id[1:]), lots) for entry_id, (lots, _) in queue.items()]) for ticks, queue in side]
                for side in (bids, asks)
            ]
            return {"orders": part(orders), "singles": singles}
        levels = [[(ticks, *level[""]) for ticks, level in side] for side in (bids, asks)]
        return {"levels": part(levels), "singles": singles}

    def _set(self, entry: Entry, *, is_new: bool) -> None:
        kind = entry["269"]
        if kind not in "01":
            assert (kind in self._singles) != is_new, entry
            self._singles[kind] = entry["271"] if kind in "AQ" else f"{entry['270']} {entry.get('271', '')}"
            return
        queue = self._sides[kind].setdefault(self._ticks(entry), {})
        entry_id = entry.get("278", "")
        assert (entry_id in queue) != is_new, entry
        queue[entry_id] = self._lots(entry), int(entry.get("346", "1"))

    def _delete(self, entry: Entry) -> None:
        kind = entry["269"]
        if kind not in "01":
            del self._singles[kind]
            return
        ticks = self._ticks(entry)
        del self._sides[kind][ticks][entry.get("278", "")]
        if not self._sides[kind][ticks]:
            del self._sides[kind][ticks]

    def _ticks(self, entry: Entry) -> int:
        return self._instrument.tick.count(entry["270"])

    def _lots(self, entry: Entry) -> int:
        return self._instrument.lot.count(text) if (text := entry.get("271", _NO_QTY)) != _NO_QTY else 0


class FixReader:
    """One market-data session, which asks for everything after each logon: whole books by level, or by order."""

    def __init__(
        self,
        port: int,
        version: str,
        instruments: Mapping[str, Instrument],
        ledger: Ledger,
        *,
        by_order: bool,
    ) -> None:
        self.name = f"fix {'orders' if by_order else 'levels'}"
        self.losses = 0
        self.refusals: list[str] = []
        self.books = {symbol: FixBook(instrument) for symbol, instrument in instruments.items()}
        self._by_order = by_order
        self._ledger = ledger
        self._requests = 0
        self._client = PersistentClient(
            "MD1",
            version,
            [port],
            see=lambda _: None,
            on_message=self._on_message,
            on_logged_on=self._subscribe,
        )

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._client.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.stop()
        await self._running

    def is_at(self, last: Mapping[str, int]) -> bool:
        """Whether every book is at its newest number, as far as a FIX client can know."""
        return self._client.is_up and all(book.md_seq == last.get(symbol, 0) for symbol, book in self.books.items())

    def _subscribe(self) -> None:
        self._requests += 1
        self.losses += self._requests > 1
        symbols = "".join(f"55={symbol}\x01" for symbol in self.books)
        types = "".join(f"269={entry_type}\x01" for entry_type in ENTRY_TYPES)
        how = f"263=1\x01264=0\x01265=1\x01266={'N' if self._by_order else 'Y'}\x01267={len(ENTRY_TYPES)}\x01{types}"
        try:
            self._client.send(f"35=V\x01262=all-{self._requests}\x01{how}146={len(self.books)}\x01{symbols}")
        except FixClientError:
            return  # it ended this moment; the next logon subscribes

    def _on_message(self, message: Received) -> None:
        kind = message.fields["35"]
        if kind == "W":
            symbol, (entries, md_seq) = message.fields["55"], entries_of(message.text, "269")
            book = self.books[symbol]
            self.losses += not entries and book.is_vouched_for and md_seq <= book.md_seq
            book.on_snapshot(entries, md_seq)
            if book.is_vouched_for:  # an empty W may stand for a book that is withdrawn, until the next message
                self._ledger.see(self.name, symbol, md_seq, book.parts(by_order=self._by_order))
        elif kind == "X":
            entries, md_seq = entries_of(message.text, "279")
            symbol = entries[0]["55"]
            book = self.books[symbol]
            trades = book.on_increment(entries, md_seq)
            parts = book.parts(by_order=self._by_order) | {"trades": part(trades)}
            self._ledger.see(self.name, symbol, md_seq, parts)
        else:
            self.refusals.append(message.text)


def entries_of(text: str, first_tag: str) -> tuple[list[Entry], int]:
    """The entries of a W or an X, and RptSeq(83)."""
    entries: list[Entry] = []
    count, md_seq = -1, -1
    for tag, value in pairs(text):
        if tag == "268":
            count = int(value)
        elif tag == "83":
            md_seq = int(value)
        elif count >= 0 and tag == first_tag:
            entries.append({tag: value})
        elif entries and tag != "10":
            entries[-1][tag] = value
    assert (len(entries), md_seq >= 0) == (count, True), text
    return entries, md_seq


class Readers:
    """Of all transports, as an async context manager; each reaches the venue by a way that can be cut, if so wished."""

    def __init__(self, venue: RunningVenue, symbols: Iterable[str], *, can_be_cut: bool = False) -> None:
        self.ledger = Ledger()
        self._instruments = {symbol: venue.venue.instruments[symbol] for symbol in symbols}
        self._ports = {
            "nats": server_address(venue.venue.config.nats.url).port,
            "websocket": venue.websocket_port,
            "fix": venue.fix_port,
        }
        self._ways = [Proxy(name, "127.0.0.1", port) for name, port in self._ports.items()] if can_be_cut else []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for way in self._ways:
                await way.start()
                stack.push_async_callback(way.stop)
                self._ports[way.name] = way.port
            ports, what = self._ports, (self._instruments, self.ledger)
            self.nats = await stack.enter_async_context(NatsReader(ports["nats"], *what))
            self.websocket = await stack.enter_async_context(WebSocketReader(ports["websocket"], *what))
            self.fix_levels, self.fix_orders = [
                await stack.enter_async_context(FixReader(ports["fix"], version, *what, by_order=by_order))
                for version, by_order in (("FIX.4.2", False), ("FIXT.1.1", True))
            ]
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def names(self) -> list[str]:
        """As the ledger has them."""
        return [self.nats.name, *self.websocket.names.values(), self.fix_levels.name, self.fix_orders.name]

    @property
    def losses(self) -> Counter[str]:
        """How often each had to begin anew."""
        of_fix = {each.name: each.losses for each in (self.fix_levels, self.fix_orders)}
        return Counter({self.nats.name: self.nats.losses} | self.websocket.losses | of_fix)

    @property
    def refusals(self) -> list[str]:
        """What FIX readers were told that is neither W nor X."""
        return self.fix_levels.refusals + self.fix_orders.refusals

    @property
    def have_begun(self) -> bool:
        """Whether everybody has a first book of every symbol."""
        replicas = [*self.nats.replicas.values(), *self.websocket.replicas]
        has_fix = all(book.md_seq >= 0 for each in (self.fix_levels, self.fix_orders) for book in each.books.values())
        return has_fix and all(replica.is_current for replica in replicas)

    def are_at(self, last: Mapping[str, int]) -> bool:
        """Whether everybody has every book, current, at its newest number."""
        return all(each.is_at(last) for each in (self.nats, self.websocket, self.fix_levels, self.fix_orders))

    def cut(self) -> None:
        """Let nothing reach anybody any more."""
        for way in self._ways:
            way.cut()

    def reconnect(self) -> None:
        """Lose all that has been on its way since the cut, with the connections."""
        for way in self._ways:
            way.reset()
            way.mend()
