"""
What readers are sent, as JSON text; `WEBSOCKET.md` shows a sample of each.

The messages of channel `book` are those of the bus (`marketdata.messages`), with the view's own fields before theirs.
"""

from typing import Final

import msgspec

from marketdata.candles import Candle
from marketdata.messages import (
    BookIncrement,
    BookSnapshot,
    IndicativePrice,
    MarketPhase,
    RevisedTrade,
    Statistics,
    Trade,
)
from marketdata.websocket.requests import ViewKey, ViewName
from matcher.instruments import Increment

_encode: Final = msgspec.json.Encoder().encode


class TradesTold(msgspec.Struct, frozen=True):
    """Of channel `trades`: in a snapshot the last 50, in an increment the new ones and the revised."""

    symbol: str
    md_seq: int
    transact_ns: int
    trades: list[Trade]
    revisions: list[RevisedTrade] = []


class StatisticsTold(msgspec.Struct, frozen=True):
    """Of channel `statistics`: the whole day so far, each time; None before the first trade."""

    symbol: str
    md_seq: int
    transact_ns: int
    statistics: Statistics | None


class StatusTold(msgspec.Struct, frozen=True):
    """Of channel `status`: phase and indicative price, both each time."""

    symbol: str
    md_seq: int
    transact_ns: int
    phase: MarketPhase
    indicative: IndicativePrice | None


class CandleTold(msgspec.Struct, frozen=True):
    """One candle as it stands; a `trade_count` of 0 takes it back."""

    start_ns: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    trade_count: int
    is_complete: bool


class CandlesTold(msgspec.Struct, frozen=True):
    """Of channel `candles`: in a snapshot all that are kept, in an increment those that changed; oldest first."""

    symbol: str
    md_seq: int
    transact_ns: int
    candles: list[CandleTold]


class Subscribed(msgspec.Struct, frozen=True, tag="subscribed", omit_defaults=True):
    """The subscription of this id has begun; a snapshot of each symbol follows, or that it is stale."""

    id: str
    channel: str
    symbols: list[str]
    depth: int | None = None
    view: str | None = None
    length_s: int | None = None


class Unsubscribed(msgspec.Struct, frozen=True, tag="unsubscribed"):
    """The subscription of this id has ended; nothing of it follows."""

    id: str


class ChecksumTold(msgspec.Struct, frozen=True, tag="checksum"):
    """Of a book as it was at `md_seq`."""

    id: str
    symbol: str
    depth: int
    view: ViewName
    md_seq: int
    told_md_seq: int
    """Of the view's last message; 0 if nobody watches it. A reader that is not so far has missed something."""
    checksum: int


class SymbolTold(msgspec.Struct, frozen=True):
    """What is traded."""

    symbol: str
    tick: str
    lot: str


class SymbolsTold(msgspec.Struct, frozen=True, tag="symbols"):
    """All that is traded; tick and lot are empty of a book that is not there yet."""

    id: str
    symbols: list[SymbolTold]


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """The answer to a ping."""

    id: str


class ErrorTold(msgspec.Struct, frozen=True, tag="error"):
    """A request that was not met."""

    id: str
    code: str
    text: str


Answer = Subscribed | Unsubscribed | ChecksumTold | SymbolsTold | Pong | ErrorTold
OfView = TradesTold | StatisticsTold | StatusTold | CandlesTold


def encode_answer(answer: Answer) -> bytes:
    """The answer to one request."""
    return _encode(answer)


class ViewWriter:
    """Writes the messages of one view of one symbol."""

    def __init__(self, key: ViewKey) -> None:
        own = {"book": f'"depth":{key.depth},"view":"{key.view}",', "candles": f'"length_s":{key.length_s},'}
        self._head = f'{{"channel":"{key.channel}",{own.get(key.channel, "")}'.encode()
        self._snapshot_head = f'{{"channel":"book","view":"{key.view}",'.encode()  # its depth is in the message

    def book(self, message: BookSnapshot | BookIncrement, prev_md_seq: int | None = None) -> bytes:
        """A message of channel `book`; an increment says which message of the view came before it."""
        if isinstance(message, BookSnapshot):
            return self._snapshot_head + _encode(message)[1:]
        return self._head + _before(prev_md_seq) + _encode(message)[1:]

    def other(self, message: OfView, prev_md_seq: int | None = None) -> bytes:
        """A message of any other channel; an increment says which message of the view came before it."""
        kind = b'"type":"snapshot",' if prev_md_seq is None else b'"type":"increment",'
        return self._head + kind + _before(prev_md_seq) + _encode(message)[1:]

    def stale(self, symbol: str, md_seq: int) -> bytes:
        """Nobody vouches for the symbol until its next snapshot."""
        return self._head + b'"type":"stale",' + _encode({"symbol": symbol, "md_seq": md_seq})[1:]


def _before(prev_md_seq: int | None) -> bytes:
    return b"" if prev_md_seq is None else b'"prev_md_seq":%d,' % prev_md_seq


def candle_told(candle: Candle, tick: Increment, lot: Increment) -> CandleTold:
    """A candle as readers see it."""
    return CandleTold(
        start_ns=candle.start_ns,
        open=tick.text(candle.open_ticks),
        high=tick.text(candle.high_ticks),
        low=tick.text(candle.low_ticks),
        close=tick.text(candle.close_ticks),
        volume=lot.text(candle.volume_lots),
        open_ticks=candle.open_ticks,
        high_ticks=candle.high_ticks,
        low_ticks=candle.low_ticks,
        close_ticks=candle.close_ticks,
        volume_lots=candle.volume_lots,
        trade_count=candle.trade_count,
        is_complete=candle.is_complete,
    )
