"""
A reader of market data over WebSocket: replicas of books that notice what they missed and repair themselves.

    async with Feed("ws://127.0.0.1:9880") as feed:
        await feed.subscribe("book", ["AAPL"], depth=10)
        async for update in feed:
            print(update.symbol, update.change.name, update.replica.bids[:1], update.replica.asks[:1])

A gap is noticed by the numbers (`prev_md_seq`), a wrong book by its checksum, which is asked for from time to time, one
book after the other; either is put right by a fresh snapshot. A connection that ends is made again, with all its
subscriptions. Whoever takes updates slower than they come is conflated by the venue.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from itertools import chain, count, repeat
from typing import Final, Self

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from marketdata.messages import BookIncrement, BookSnapshot
from marketdata.replica import Change, Replica
from marketdata.websocket.payloads import CandlesTold, ChecksumTold, StatisticsTold, StatusTold, Subscribed, TradesTold
from marketdata.websocket.requests import ALL, Channel, ViewKey, ViewName

log = structlog.get_logger()

ANSWER_TIMEOUT_S: Final = 10.0
CHECK_INTERVAL_S: Final = 0.5
UPDATES_MAX: Final = 1_000
"""Updates that wait to be taken; then the socket is not read."""
MESSAGE_BYTES_MAX: Final = 256 * 1024 * 1024
_RETRY_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)

Message = BookSnapshot | BookIncrement | TradesTold | StatisticsTold | StatusTold | CandlesTold


class FeedRefused(Exception):
    """
    The venue refused a request, or did not answer it; the message is one sentence.

    Attributes:
        code: As in `WEBSOCKET.md`; `UNANSWERED` if nothing came.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Update(msgspec.Struct, frozen=True):
    """Something that happened to one view of one symbol."""

    symbol: str
    key: ViewKey
    change: Change
    """APPLIED: `message` is the next one. RESTORED: a snapshot, or what was missing came. LOST: wait for RESTORED."""
    message: Message | None
    """None with LOST."""
    replica: Replica
    """The book; of other channels only its `md_seq` and `is_current` mean something."""


class _Head(msgspec.Struct, frozen=True):
    """What messages have in common, as far as they have it."""

    type: str
    id: str = ""
    channel: Channel = "book"
    depth: int = 0
    view: ViewName = "levels"
    length_s: int = 0
    symbol: str = ""
    md_seq: int = 0
    prev_md_seq: int = 0
    code: str = ""
    text: str = ""

    @property
    def key(self) -> ViewKey:
        """Which view it is of."""
        return ViewKey(self.channel, self.depth, self.view, self.length_s)


_decode_head = msgspec.json.Decoder(_Head).decode
_OTHERS: Final[dict[str, Callable[[bytes], Message]]] = {
    "trades": msgspec.json.Decoder(TradesTold).decode,
    "statistics": msgspec.json.Decoder(StatisticsTold).decode,
    "status": msgspec.json.Decoder(StatusTold).decode,
    "candles": msgspec.json.Decoder(CandlesTold).decode,
}
_decode_snapshot = msgspec.json.Decoder(BookSnapshot).decode
_decode_increment = msgspec.json.Decoder(BookIncrement).decode
_decode_subscribed = msgspec.json.Decoder(Subscribed).decode
_decode_checksum = msgspec.json.Decoder(ChecksumTold).decode


class _Watch:
    """One view of one symbol as this reader has it."""

    def __init__(self, symbol: str, key: ViewKey) -> None:
        self.key = key
        self.replica = Replica(symbol)
        self.is_asked = False
        """A snapshot was asked for since the last look."""

    def on_message(self, head: _Head, payload: bytes) -> tuple[Change, Message | None]:
        """Take a message of this view."""
        if head.type == "stale":
            return self.replica.lose(), None
        if self.key.channel != "book":
            return self._on_other(head, payload)
        if head.type == "snapshot":
            snapshot = _decode_snapshot(payload)
            return self._on_snapshot(snapshot), snapshot
        increment = _decode_increment(payload)
        if self.replica.is_current and head.prev_md_seq <= self.replica.md_seq < head.md_seq:
            self.replica.book.md_seq = head.md_seq - 1  # what is between does not show in this view
        return self.replica.on_increment(increment), increment

    def on_checksum(self, told: ChecksumTold) -> Change:
        """Compare with what the venue has: all that it told of this view should be here, because it comes in order."""
        if told.told_md_seq > self.replica.md_seq:
            return self.replica.on_head(told.told_md_seq)
        return self.replica.on_checksum(self.replica.md_seq, told.checksum)

    def _on_snapshot(self, snapshot: BookSnapshot) -> Change:
        if snapshot.md_seq > self.replica.md_seq:
            self.replica.lose()  # the venue left something out, because we were slow
        return self.replica.on_snapshot(msgspec.structs.replace(snapshot, depth=0))

    def _on_other(self, head: _Head, payload: bytes) -> tuple[Change, Message | None]:
        """There is no book to keep, only to see that nothing is missing."""
        replica = self.replica
        message: Message = _OTHERS[head.channel](payload)
        if head.type == "snapshot":
            if replica.is_current and head.md_seq <= replica.md_seq:
                return Change.NOTHING, None
            change = Change.RESTORED
        elif not replica.is_current or head.md_seq <= replica.md_seq:
            return Change.NOTHING, None
        elif head.prev_md_seq > replica.md_seq:
            return replica.lose(), None
        else:
            change = Change.APPLIED
        replica.is_current, replica.book.md_seq = True, head.md_seq
        return change, message


class _Subscription(msgspec.Struct, frozen=True):
    id: str
    key: ViewKey
    symbols: list[str] | str

    def request(self, op: str) -> dict[str, object]:
        """As it is sent."""
        own: dict[str, dict[str, object]] = {
            "book": {"depth": self.key.depth, "view": self.key.view},
            "candles": {"length_s": self.key.length_s},
        }
        return {"op": op, "id": self.id, "channel": self.key.channel, "symbols": self.symbols} | own.get(
            self.key.channel, {}
        )


class Feed:
    """A connection to the venue's market data, made again whenever it ends; an async context manager and iterator."""

    def __init__(self, url: str, *, check_interval_s: float = CHECK_INTERVAL_S) -> None:
        """
        Prepare a feed that is not connected yet.

        Args:
            url: Such as `ws://127.0.0.1:9880`.
            check_interval_s: Between two looks for what is not current; with each, one book's checksum is asked for.
        """
        self._url = url
        self._check_interval_s = check_interval_s
        self._ids = count(1)
        self._subscriptions: dict[str, _Subscription] = {}
        self._watches: dict[tuple[str, ViewKey], _Watch] = {}
        self._answers: dict[str, asyncio.Future[bytes]] = {}
        self._updates: asyncio.Queue[Update] = asyncio.Queue(UPDATES_MAX)
        self._connection: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """
        Connect.

        Raises:
            OSError, InvalidHandshake: Nobody is there, or it is not this protocol.
        """
        self._connection = await self._connect()
        self._tasks = [asyncio.create_task(self._read_for_ever()), asyncio.create_task(self._look_for_ever())]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close()

    async def __aiter__(self) -> AsyncIterator[Update]:
        """Updates as they come, until the reader has enough."""
        while True:
            yield await self._updates.get()

    async def subscribe(
        self,
        channel: Channel,
        symbols: Iterable[str] | str = ALL,
        *,
        depth: int = 0,
        view: ViewName = "levels",
        length_s: int = 60,
    ) -> str:
        """
        Ask for a view of some symbols, or of all there are; returns the id by which it ends.

        Raises:
            FeedRefused: The venue says why not.
        """
        is_book, is_candles = channel == "book", channel == "candles"
        key = ViewKey(channel, depth if is_book else 0, view if is_book else "levels", length_s if is_candles else 0)
        chosen = symbols if isinstance(symbols, str) else list(symbols)
        subscription = _Subscription(f"s{next(self._ids)}", key, chosen)
        await self._ask(subscription.request("subscribe"))
        self._subscriptions[subscription.id] = subscription
        return subscription.id

    async def unsubscribe(self, subscription_id: str) -> None:
        """
        End a subscription; its replicas stay as they are.

        Raises:
            FeedRefused: There is none of this id.
        """
        ended = self._subscriptions.pop(subscription_id, None)
        await self._ask({"op": "unsubscribe", "id": subscription_id})
        for symbol, key in list(self._watches):
            if ended is not None and key == ended.key and (ended.symbols == ALL or symbol in ended.symbols):
                del self._watches[symbol, key]

    def replica(self, symbol: str, *, depth: int = 0, view: ViewName = "levels") -> Replica:
        """
        The book of a symbol; not current until its first snapshot.

        Raises:
            KeyError: It is not subscribed in this view.
        """
        return self._watches[symbol, ViewKey("book", depth, view)].replica

    async def _ask(self, request: dict[str, object]) -> bytes:
        request_id = str(request["id"])
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = answer
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._send(request)
                return await answer
        except TimeoutError as error:
            raise FeedRefused("UNANSWERED", f"no answer in {ANSWER_TIMEOUT_S:g} s; try again") from error
        finally:
            del self._answers[request_id]

    async def _send(self, request: dict[str, object]) -> None:
        """What cannot be sent now is sent again after the next connection, or asked again by the next look."""
        if self._connection is not None:
            with suppress(ConnectionClosed):
                await self._connection.send(msgspec.json.encode(request).decode())

    async def _connect(self) -> ClientConnection:
        return await connect(self._url, max_size=MESSAGE_BYTES_MAX, compression=None, proxy=None)

    async def _read_for_ever(self) -> None:
        while True:
            connection = self._connection or await self._connect_again()
            try:
                async for text in connection:
                    await self._take(text.encode() if isinstance(text, str) else text)
            except ConnectionClosed as closed:
                log.warning("feed_connection_lost", reason=str(closed))
            self._connection = None
            for watch in self._watches.values():
                await self._tell(watch, watch.replica.lose(), None)

    async def _connect_again(self) -> ClientConnection:
        for delay_s in chain(_RETRY_S, repeat(_RETRY_S[-1])):
            try:
                self._connection = await self._connect()
                break
            except (OSError, InvalidHandshake) as error:
                log.debug("feed_unreachable", reason=str(error))
                await asyncio.sleep(delay_s)
        assert self._connection is not None
        for subscription in self._subscriptions.values():
            await self._send(subscription.request("subscribe"))
        return self._connection

    async def _take(self, payload: bytes) -> None:
        head = _decode_head(payload)
        if head.type in ("snapshot", "increment", "stale"):
            if (watch := self._watches.get((head.symbol, head.key))) is not None:
                await self._tell(watch, *watch.on_message(head, payload))
            return
        if head.type == "checksum":
            await self._on_checksum(_decode_checksum(payload))
        if head.type == "subscribed":
            for symbol in _decode_subscribed(payload).symbols:
                self._watches.setdefault((symbol, head.key), _Watch(symbol, head.key))
        if (answer := self._answers.get(head.id)) is not None and not answer.done():
            if head.type == "error":
                answer.set_exception(FeedRefused(head.code, head.text))
            else:
                answer.set_result(payload)
        elif head.type == "error" and head.code != "STALE":
            log.warning("feed_refused", code=head.code, text=head.text)

    async def _on_checksum(self, told: ChecksumTold) -> None:
        watch = self._watches.get((told.symbol, ViewKey("book", told.depth, told.view)))
        if watch is not None:
            await self._tell(watch, watch.on_checksum(told), None)

    async def _tell(self, watch: _Watch, change: Change, message: Message | None) -> None:
        if change is Change.NOTHING:
            return
        if change is Change.LOST:
            log.info("feed_lost", symbol=watch.replica.symbol, channel=watch.key.channel, md_seq=watch.replica.md_seq)
            await self._ask_for_snapshot(watch)
        told = None if change is Change.LOST else message
        await self._updates.put(Update(watch.replica.symbol, watch.key, change, told, watch.replica))

    async def _ask_for_snapshot(self, watch: _Watch) -> None:
        watch.is_asked = True
        await self._send(_Subscription("repair", watch.key, [watch.replica.symbol]).request("snapshot"))

    async def _look_for_ever(self) -> None:
        """Ask again for what is not current; and for one checksum, of one book after the other."""
        for turn in count():
            await asyncio.sleep(self._check_interval_s)
            watches = list(self._watches.values())
            for watch in watches:
                if not watch.replica.is_current and not watch.is_asked:
                    await self._ask_for_snapshot(watch)
                watch.is_asked = False
            books = [watch for watch in watches if watch.key.channel == "book" and watch.replica.is_current]
            if books:
                key, symbol = books[turn % len(books)].key, books[turn % len(books)].replica.symbol
                await self._send({"op": "checksum", "symbol": symbol, "depth": key.depth, "view": key.view})
