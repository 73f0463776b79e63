"""
Who watches what: each event of a book goes to every view of it, and what a view makes of it to all of its readers.

A message is made, encoded and framed once for each view, however many read it; for a reader it is one more reference to
the same bytes. A reader that is behind is left out, and given a snapshot when it has caught up.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from websockets.frames import Frame, Opcode

from marketdata.book import Book
from marketdata.candles import Tape
from marketdata.messages import BookIncrement
from marketdata.replica import Change, Replica
from marketdata.websocket.metrics import WebSocketMetrics
from marketdata.websocket.requests import ViewKey
from marketdata.websocket.views import Candles, View, view_of

CANDLES_INTERVAL_S: Final = 0.1
"""How often at most the candles of a view are told."""

Place = tuple[str, ViewKey]
"""A symbol, and what is seen of it."""


class Reader(Protocol):
    """One connection."""

    @property
    def is_behind(self) -> bool:
        """It has not read what was written, and is to be left out until it has."""

    @property
    def write(self) -> Callable[[bytes], None]:
        """Writes whole frames."""

    def make_room(self, size: int) -> None:
        """A snapshot of so many bytes is about to be written; by itself it does not put the reader behind."""

    def leave_out(self, place: Place, *, is_asked: bool = False) -> None:
        """Take note that a message of this place was not written: a snapshot is due, watched or not if it was asked."""


def text_frame(payload: bytes) -> bytes:
    """A message as it goes to every reader's socket."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


class _Audience:
    """One view of one symbol, and who watches it, in order of subscription."""

    def __init__(self, place: Place, view: View, *, is_stale: bool) -> None:
        self.place = place
        self.view = view
        self.is_stale = is_stale
        """The readers know that nobody vouches for the book."""
        self.has_lapsed = False
        """The view was not told of every increment, because nobody was there to hear of them."""
        self.readers: dict[Reader, None] = {}

    @property
    def is_unheard(self) -> bool:
        """Whether it is costly, and all who watch it are behind."""
        return self.place[1].channel == "book" and all(reader.is_behind for reader in self.readers)

    def begin(self, book: Book) -> None:
        """Let the view start from a book."""
        self.has_lapsed = False
        self.view.begin(book)


class Hub:
    """All views that somebody watches; `on_change` is to be the callback of the `BookReader` of these replicas."""

    def __init__(self, metrics: WebSocketMetrics) -> None:
        self._metrics = metrics
        self._replicas: Mapping[str, Replica] = {}
        self._audiences: dict[str, dict[ViewKey, _Audience]] = {}
        self._tapes: dict[str, Tape] = {}
        self._dirty: dict[_Audience, None] = {}
        """Audiences of candles that changed."""
        self._flush: asyncio.TimerHandle | None = None

    def attach(self, replicas: Mapping[str, Replica]) -> None:
        """Give the hub the replicas that its `on_change` is told of, once, before the first of them changes."""
        self._replicas = replicas

    @property
    def symbols(self) -> Iterable[str]:
        """All that can be watched."""
        return self._replicas.keys()

    def replica(self, symbol: str) -> Replica:
        """The replica of a symbol that can be watched."""
        return self._replicas[symbol]

    def on_change(self, replica: Replica, change: Change, increment: BookIncrement | None) -> None:
        """Tell the readers what happened to a book."""
        if change is Change.APPLIED and increment is not None:
            self._on_increment(replica, increment)
        elif change is Change.RESTORED:
            self._tape(replica.symbol).take_up(replica.trades)
            for audience in self._audiences_of(replica.symbol):
                audience.is_stale = False
                audience.begin(replica.book)
                self._publish(audience, audience.view.snapshot(), is_snapshot=True)
        elif change is Change.LOST:
            self._metrics.stale.inc()
            for audience in self._audiences_of(replica.symbol):
                if not audience.is_stale:
                    audience.is_stale = True
                    self._publish(audience, audience.view.stale())

    def join(self, reader: Reader, place: Place) -> None:
        """Have a reader watch a place: it is sent a snapshot, or that the book is stale, and what comes after."""
        symbol, key = place
        audiences = self._audiences.setdefault(symbol, {})
        audience = audiences.get(key)
        if audience is None:
            audience = audiences[key] = self._audience(place)
        audience.readers[reader] = None
        self._metrics.subscriptions.inc()
        self._send_state(reader, audience, is_asked=False)

    def leave(self, reader: Reader, place: Place) -> None:
        """Have a reader no longer watch a place that it watches."""
        symbol, key = place
        audience = self._audiences[symbol][key]
        del audience.readers[reader]
        self._metrics.subscriptions.dec()
        if not audience.readers:
            del self._audiences[symbol][key]
            self._dirty.pop(audience, None)

    def send_state(self, reader: Reader, place: Place, *, is_asked: bool) -> None:
        """Send a reader a snapshot of a place, watched or not; or that the book is stale. It may have asked for it."""
        symbol, key = place
        audience = self._audiences.get(symbol, {}).get(key) or self._audience(place)
        self._send_state(reader, audience, is_asked=is_asked)

    def told_md_seq(self, place: Place) -> int:
        """How far whoever watches a place should be; 0 if nobody does."""
        symbol, key = place
        audience = self._audiences.get(symbol, {}).get(key)
        return audience.view.told_md_seq if audience is not None else 0

    def stop(self) -> None:
        """Tell of nothing any more."""
        if self._flush is not None:
            self._flush.cancel()

    def _on_increment(self, replica: Replica, increment: BookIncrement) -> None:
        changed = self._tape(replica.symbol).take(increment.trades, increment.revisions)
        for audience in self._audiences_of(replica.symbol):
            if isinstance(audience.view, Candles):
                if changed and audience.view.gather(changed):
                    self._flush_later(audience)
            elif audience.is_unheard:
                self._lapse(audience)
            elif payload := audience.view.increment(increment):
                self._publish(audience, payload)

    def _lapse(self, audience: _Audience) -> None:
        """Make nothing for nobody: whoever catches up is sent a snapshot."""
        audience.has_lapsed = True
        for reader in audience.readers:
            reader.leave_out(audience.place)
        self._metrics.left_out.inc(len(audience.readers))

    def _publish(self, audience: _Audience, payload: bytes, *, is_snapshot: bool = False) -> None:
        frame = text_frame(payload)
        written = 0
        for reader in audience.readers:
            if reader.is_behind:
                reader.leave_out(audience.place)
                continue
            if is_snapshot:
                reader.make_room(len(frame))
            reader.write(frame)
            written += 1
        channel = audience.place[1].channel
        self._metrics.encoded[channel].inc()
        self._metrics.sent[channel].inc(written)
        self._metrics.bytes.inc(written * len(frame))
        if written < len(audience.readers):
            self._metrics.left_out.inc(len(audience.readers) - written)

    def _send_state(self, reader: Reader, audience: _Audience, *, is_asked: bool) -> None:
        if reader.is_behind:
            reader.leave_out(audience.place, is_asked=is_asked)
            return
        if audience.has_lapsed:
            audience.begin(self._replicas[audience.place[0]].book)
        frame = text_frame(audience.view.stale() if audience.is_stale else audience.view.snapshot())
        reader.make_room(len(frame))
        reader.write(frame)
        self._metrics.sent[audience.place[1].channel].inc()
        self._metrics.bytes.inc(len(frame))

    def _flush_later(self, audience: _Audience) -> None:
        self._dirty[audience] = None
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(CANDLES_INTERVAL_S, self._flush_candles)

    def _flush_candles(self) -> None:
        self._flush = None
        dirty, self._dirty = self._dirty, {}
        for audience in dirty:
            assert isinstance(audience.view, Candles)
            if not audience.is_stale and (payload := audience.view.flush()):
                self._publish(audience, payload)

    def _audience(self, place: Place) -> _Audience:
        symbol, key = place
        replica = self._replicas[symbol]
        return _Audience(place, view_of(key, replica.book, self._tape(symbol)), is_stale=not replica.is_current)

    def _audiences_of(self, symbol: str) -> Iterable[_Audience]:
        return self._audiences.get(symbol, {}).values()

    def _tape(self, symbol: str) -> Tape:
        return self._tapes.setdefault(symbol, Tape())
