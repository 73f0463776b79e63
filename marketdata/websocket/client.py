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
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import suppress
from itertools import chain, count, repeat
from typing import Final, Self

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from marketdata.messages import FeedError
from marketdata.replica import Change, Replica
from marketdata.websocket.payloads import ChecksumTold, Subscribed
from marketdata.websocket.requests import ALL, Channel, ViewKey, ViewName
from marketdata.websocket.watches import Head, Message, Watch, decode_head

log = structlog.get_logger()

ANSWER_TIMEOUT_S: Final = 10.0
CHECK_INTERVAL_S: Final = 0.5
REFUSED_PAUSE_S: Final = 5.0
"""Before a subscription is asked for again that was refused on a new connection: the process may not know it yet."""
TOO_FAST_PAUSE_S: Final = 1.0
SUBSCRIBES_MAX: Final = 20
"""Subscriptions that are begun anew at once, and then with each look: the venue refuses those who ask too fast."""
UPDATES_MAX: Final = 1_000
"""Updates that wait to be taken; then the socket is not read, unless an answer is waited for."""
MESSAGE_BYTES_MAX: Final = 256 * 1024 * 1024
_RETRY_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)

_decode_subscribed = msgspec.json.Decoder(Subscribed).decode
_decode_checksum = msgspec.json.Decoder(ChecksumTold).decode


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


class _Subscription:
    """What was asked for, over all connections."""

    def __init__(self, subscription_id: str, key: ViewKey, symbols: list[str] | str) -> None:
        self.id = subscription_id
        self.key = key
        self.symbols = symbols
        """Those that were named; all that there were, once the venue said which."""
        self.watches: list[Watch] = []
        self.is_sent = False
        """On this connection, and not refused there; so is `is_open`."""
        self.is_open = False
        """The venue said that it has begun: only then does a snapshot go on with increments."""
        self.not_before_s = 0.0
        """Not to be sent again before, on the event loop's clock."""


def _request(op: str, request_id: str, key: ViewKey, symbols: list[str] | str) -> dict[str, object]:
    """A request for a view, as it is sent."""
    own: dict[str, dict[str, object]] = {
        "book": {"depth": key.depth, "view": key.view},
        "candles": {"length_s": key.length_s},
    }
    return {"op": op, "id": request_id, "channel": key.channel, "symbols": symbols} | own.get(key.channel, {})


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
        self._watches: dict[tuple[str, ViewKey], Watch] = {}
        self._answers: dict[str, asyncio.Future[None]] = {}
        """Of those who wait for one."""
        self._updates: asyncio.Queue[Update | Exception] = asyncio.Queue()
        self._reads_on = asyncio.Event()
        self._connection: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """
        Connect.

        Raises:
            OSError, InvalidHandshake: Nobody is there, or it is not this protocol.
        """
        self._connection = await self._connect()
        self._tasks = [asyncio.create_task(self._run(work)) for work in (self._read, self._look)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect; no replica is current any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close()
        self._vouch_for_nothing()

    async def __aiter__(self) -> AsyncIterator[Update]:
        """
        Updates as they come, until the reader has enough.

        Raises:
            FeedError: The venue sends what is no message of this feed.
        """
        while True:
            update = await self._updates.get()
            self._reads_on.set()
            if isinstance(update, Exception):
                raise update
            yield update

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
        Ask for a view of some symbols, or of all there are now; returns the id by which it ends.

        Raises:
            FeedRefused: The venue says why not.
        """
        is_book, is_candles = channel == "book", channel == "candles"
        key = ViewKey(channel, depth if is_book else 0, view if is_book else "levels", length_s if is_candles else 0)
        chosen = symbols if isinstance(symbols, str) else list(symbols)
        subscription = _Subscription(f"s{next(self._ids)}", key, chosen)
        self._subscriptions[subscription.id] = subscription
        try:
            await self._begin(subscription)
        except BaseException:  # who was canceled does not want it either
            await self._end(subscription)
            raise
        return subscription.id

    async def unsubscribe(self, subscription_id: str) -> None:
        """
        End a subscription; its replicas are not current any more.

        Raises:
            FeedRefused: There is none of this id.
        """
        subscription = self._subscriptions.get(subscription_id)
        if subscription is None:
            raise FeedRefused("UNKNOWN_ID", f"id {subscription_id} is not subscribed; nothing to end")
        await self._end(subscription)

    def replica(self, symbol: str, *, depth: int = 0, view: ViewName = "levels") -> Replica:
        """
        The book of a symbol; not current until its first snapshot.

        Raises:
            KeyError: It is not subscribed in this view.
        """
        return self._watches[symbol, ViewKey("book", depth, view)].replica

    async def _begin(self, subscription: _Subscription) -> None:
        """Ask for a new subscription, and wait for the answer; should the connection end, over the next one."""
        answer = self._answers[subscription.id] = asyncio.get_running_loop().create_future()
        self._reads_on.set()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._send_subscribe(subscription)
                await answer
        except TimeoutError as error:
            raise FeedRefused("UNANSWERED", f"no answer in {ANSWER_TIMEOUT_S:g} s; try again") from error
        finally:
            self._answers.pop(subscription.id, None)

    async def _end(self, subscription: _Subscription) -> None:
        del self._subscriptions[subscription.id]
        for watch in subscription.watches:
            watch.replica.lose()
            del self._watches[watch.replica.symbol, watch.key]
        if subscription.is_open:  # else the venue never heard of it, or it is ended when it answers
            await self._send({"op": "unsubscribe", "id": subscription.id})

    async def _send_subscribe(self, subscription: _Subscription) -> None:
        if self._connection is not None:
            subscription.is_sent = True
            await self._send(_request("subscribe", subscription.id, subscription.key, subscription.symbols))

    async def _send_subscribes(self) -> None:
        now_s = asyncio.get_running_loop().time()
        unsent = [each for each in self._subscriptions.values() if not each.is_sent and now_s >= each.not_before_s]
        for subscription in unsent[:SUBSCRIBES_MAX]:
            await self._send_subscribe(subscription)

    async def _send(self, request: dict[str, object]) -> None:
        """What cannot be sent now is not needed any more, or is asked for again over the next connection."""
        if self._connection is not None:
            with suppress(ConnectionClosed):
                await self._connection.send(msgspec.json.encode(request).decode())

    async def _connect(self) -> ClientConnection:
        return await connect(self._url, max_size=MESSAGE_BYTES_MAX, compression=None, proxy=None)

    async def _run(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """What fails is told to the reader, who would wait for updates for ever."""
        try:
            await work()
        except Exception as error:
            self._vouch_for_nothing()
            if isinstance(error, msgspec.MsgspecError):
                self._updates.put_nowait(FeedError(f"{self._url} sends what is no message of this feed: {error}"))
            else:
                self._updates.put_nowait(error)

    def _vouch_for_nothing(self) -> None:
        for watch in self._watches.values():
            watch.replica.lose()

    async def _read(self) -> None:
        while True:
            connection = self._connection or await self._connect_again()
            try:
                while True:
                    await self._take(await connection.recv(decode=False))
            except ConnectionClosed as closed:
                log.warning("feed_connection_lost", reason=str(closed))
            self._connection = None
            for subscription in self._subscriptions.values():
                subscription.is_sent = subscription.is_open = False
                subscription.not_before_s = 0.0
            for watch in list(self._watches.values()):
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
        connection = self._connection
        await self._send_subscribes()
        return connection

    async def _take(self, payload: bytes) -> None:
        head = decode_head(payload)
        match head.type:
            case "snapshot" | "increment" | "stale":
                if (watch := self._watches.get((head.symbol, head.key))) is not None:
                    await self._tell(watch, *watch.on_message(head, payload))
            case "subscribed":
                await self._on_subscribed(_decode_subscribed(payload))
            case "checksum":
                if (watch := self._watches.get((head.symbol, head.key))) is not None:
                    await self._tell(watch, watch.on_checksum(_decode_checksum(payload)), None)
            case "error":
                self._on_error(head)

    async def _on_subscribed(self, told: Subscribed) -> None:
        subscription = self._subscriptions.get(told.id)
        if subscription is None:  # nobody waited so long
            await self._send({"op": "unsubscribe", "id": told.id})
            return
        subscription.is_open = True
        subscription.symbols = told.symbols
        if not subscription.watches:
            subscription.watches = [Watch(symbol, subscription.key) for symbol in told.symbols]
            self._watches |= {(watch.replica.symbol, watch.key): watch for watch in subscription.watches}
        if (answer := self._answers.pop(told.id, None)) is not None and not answer.done():
            answer.set_result(None)

    def _on_error(self, head: Head) -> None:
        if (answer := self._answers.pop(head.id, None)) is not None and not answer.done():
            answer.set_exception(FeedRefused(head.code, head.text))
            return
        if head.code != "STALE":
            log.warning("feed_refused", code=head.code, text=head.text)
        is_too_fast = head.code == "TOO_FAST"  # which does not say of which request
        pause_s = TOO_FAST_PAUSE_S if is_too_fast else REFUSED_PAUSE_S
        for subscription in self._subscriptions.values():
            if subscription.is_sent and not subscription.is_open and (is_too_fast or subscription.id == head.id):
                subscription.is_sent = False
                subscription.not_before_s = asyncio.get_running_loop().time() + pause_s

    async def _tell(self, watch: Watch, change: Change, message: Message | None) -> None:
        if change is Change.NOTHING:
            return
        symbol, told = watch.replica.symbol, message
        if change is Change.LOST:
            log.info("feed_lost", symbol=symbol, channel=watch.key.channel, md_seq=watch.replica.md_seq)
            told = None
        self._updates.put_nowait(Update(symbol, watch.key, change, told, watch.replica))
        while self._updates.qsize() >= UPDATES_MAX and not self._answers:
            self._reads_on.clear()
            await self._reads_on.wait()

    async def _look(self) -> None:
        """Ask again for what was refused or is not current; and for one checksum, of one book after the other."""
        for turn in count():
            await asyncio.sleep(self._check_interval_s)
            await self._send_subscribes()
            await self._repair()
            books = [
                (symbol, key)
                for (symbol, key), watch in self._watches.items()
                if key.channel == "book" and watch.replica.is_current
            ]
            if books:
                symbol, key = books[turn % len(books)]
                await self._send({"op": "checksum", "symbol": symbol, "depth": key.depth, "view": key.view})

    async def _repair(self) -> None:
        """Ask for all that is lost, with one request for each view; what the last look asked for is on its way."""
        lost: dict[ViewKey, list[str]] = defaultdict(list)
        for subscription in self._subscriptions.values():
            for watch in subscription.watches:
                watch.is_asked = subscription.is_open and not watch.replica.is_current and not watch.is_asked
                if watch.is_asked:
                    lost[watch.key].append(watch.replica.symbol)
        for key, symbols in lost.items():
            await self._send(_request("snapshot", "repair", key, symbols))
