"""
The public messages: increments on `md.<symbol>`, requests and replies on `md-snapshot`. Their page is `FEED.md`.

Prices and quantities travel twice: as whole ticks and lots for arithmetic, and as decimal text for people, so that a
reader needs no configuration. The codec is msgspec's JSON; levels are arrays, all else are objects.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from matcher.events import LevelAction, LevelChange, MarketDataIncrement, TradePrint
from matcher.instruments import Instrument
from matcher.orders import Side

NEW_LEVEL: Final = "0"
CHANGED_LEVEL: Final = "1"
DELETED_LEVEL: Final = "2"


class FeedError(Exception):
    """A payload that is no message of this feed; the text says what is wrong with it."""


class Level(msgspec.Struct, frozen=True, array_like=True):
    """All that rests at one price."""

    price: str
    qty: str
    price_ticks: int
    qty_lots: int
    order_count: int


class LevelUpdate(msgspec.Struct, frozen=True, array_like=True):
    """One level that an increment changed, with what it holds now."""

    action: LevelAction
    side: Side
    price: str
    qty: str
    price_ticks: int
    qty_lots: int
    order_count: int

    @property
    def level(self) -> Level:
        """The level as it stands in the book from now on."""
        return Level(self.price, self.qty, self.price_ticks, self.qty_lots, self.order_count)


class Trade(msgspec.Struct, frozen=True):
    """One match."""

    match_id: int
    """Per symbol, from 1."""
    price: str
    qty: str
    price_ticks: int
    qty_lots: int
    aggressor_side: Side
    transact_ns: int


class BookIncrement(msgspec.Struct, frozen=True, tag="increment"):
    """
    All that one command changed in one book, or as much of it as fits into a message; applied whole, the book is never
    crossed.

    `md_seq` is contiguous per symbol, from 1. The same number may be published again, always with the same content.
    """

    symbol: str
    md_seq: int
    input_seq: int
    """Place of the command in its shard's order log."""
    transact_ns: int
    levels: list[LevelUpdate]
    trades: list[Trade]


class BookSnapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """A whole book, the increment `md_seq` and all before it included."""

    symbol: str
    md_seq: int
    """0 for a book that never changed."""
    transact_ns: int
    """Of increment `md_seq`; 0 for a book that never changed."""
    tick: str
    lot: str
    depth: int
    """0: every level is here; N: at most the best N of each side, and increments cannot be joined to it."""
    bids: list[Level]
    """Best (highest) first."""
    asks: list[Level]
    """Best (lowest) first."""
    trades: list[Trade]
    """The last trades, oldest first."""
    part: int = 1
    """A book too large for one message comes in parts: this is part `part` of `parts`, each a run of its levels."""
    parts: int = 1


class FeedHeads(msgspec.Struct, frozen=True, tag="heads"):
    """How far each book is; a reader that stays behind one of these numbers has lost something."""

    md_seq: dict[str, int]


class Refusal(msgspec.Struct, frozen=True, tag="error"):
    """The answer to a request that cannot be met."""

    reason: str
    """UNKNOWN_SYMBOL, BAD_REQUEST or PART_EXPIRED."""
    text: str


Reply = BookSnapshot | FeedHeads | Refusal


class SnapshotRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may stand in a JSON request; a plain-text request is a symbol with all else at its default."""

    symbol: str = ""
    depth: int = 0
    heads: bool = False
    """Ask for `FeedHeads` instead of a book."""
    md_seq: int = 0
    """With `part`: the snapshot that the part belongs to."""
    part: int = 1


_encode = msgspec.json.Encoder().encode
_decode_increment = msgspec.json.Decoder(BookIncrement).decode
_decode_reply: Callable[[bytes], Reply] = msgspec.json.Decoder(Reply).decode
_decode_request = msgspec.json.Decoder(SnapshotRequest).decode


def public_increment(increment: MarketDataIncrement, instrument: Instrument) -> BookIncrement:
    """Say a matcher's increment as the public reads it."""
    return BookIncrement(
        symbol=increment.symbol,
        md_seq=increment.md_seq,
        input_seq=increment.input_seq,
        transact_ns=increment.transact_ns,
        levels=[_public_level(change, instrument) for change in increment.levels],
        trades=[_public_trade(trade, instrument, increment.transact_ns) for trade in increment.trades],
    )


def encode(message: BookIncrement | Reply | SnapshotRequest) -> bytes:
    """Encode any message of the feed as JSON."""
    return _encode(message)


def decode_increment(payload: bytes) -> BookIncrement:
    """
    Read what was published on `md.<symbol>`.

    Raises:
        FeedError: Not an increment.
    """
    try:
        return _decode_increment(payload)
    except msgspec.MsgspecError as error:
        raise FeedError(f"{len(payload)} bytes are not a market-data increment: {error}") from error


def decode_reply(payload: bytes) -> Reply:
    """
    Read the answer to a snapshot request.

    Raises:
        FeedError: Not an answer.
    """
    try:
        return _decode_reply(payload)
    except msgspec.MsgspecError as error:
        raise FeedError(f"{len(payload)} bytes are not an answer of the market-data service: {error}") from error


def decode_request(payload: bytes) -> SnapshotRequest:
    """
    Read a snapshot request: a symbol as plain text, or a JSON object.

    Raises:
        FeedError: Neither; the text tells the asker what to send.
    """
    try:
        if not payload.lstrip().startswith(b"{"):
            return SnapshotRequest(symbol=payload.decode().strip())
        request = _decode_request(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FeedError(f'send a symbol, or JSON such as {{"symbol":"AAPL","depth":10}}: {error}') from error
    if request.depth < 0 or request.part < 1:
        raise FeedError("depth is 0 for the whole book or a number of levels, and part counts from 1")
    return request


def _public_level(change: LevelChange, instrument: Instrument) -> LevelUpdate:
    return LevelUpdate(
        action=change.action,
        side=change.side,
        price=instrument.tick.text(change.price_ticks),
        qty=instrument.lot.text(change.qty_lots),
        price_ticks=change.price_ticks,
        qty_lots=change.qty_lots,
        order_count=change.order_count,
    )


def _public_trade(trade: TradePrint, instrument: Instrument, transact_ns: int) -> Trade:
    return Trade(
        match_id=trade.match_id,
        price=instrument.tick.text(trade.price_ticks),
        qty=instrument.lot.text(trade.qty_lots),
        price_ticks=trade.price_ticks,
        qty_lots=trade.qty_lots,
        aggressor_side=trade.aggressor_side,
        transact_ns=transact_ns,
    )
