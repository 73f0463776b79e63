"""
The public messages: increments on `md.<symbol>`, requests and replies on `md-snapshot`. Their page is `FEED.md`.

One increment serves every view. Who wants the best price, some levels or whole levels reads `levels`; who wants order
by order reads `orders` inside them, whose sum and number are the level's.

Prices and quantities travel twice: as whole ticks and lots for arithmetic, and as decimal text for people, so that a
reader needs no configuration. The codec is msgspec's JSON; levels are arrays, all else are objects.
"""

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from matcher.increments import (
    Indicative,
    LevelAction,
    LevelChange,
    MarketDataIncrement,
    PhaseChange,
    TradePrint,
    TradeRevision,
)
from matcher.instruments import Instrument
from matcher.orders import Side
from matcher.phases import Phase

NEW_LEVEL: Final = "0"
CHANGED_LEVEL: Final = "1"
DELETED_LEVEL: Final = "2"

DEPTH_MAX: Final = 1_000_000
"""Of a snapshot request, beside 0."""


class FeedError(Exception):
    """A payload that is no message of this feed; the text says what is wrong with it."""


class OrderEntry(msgspec.Struct, frozen=True, array_like=True):
    """What one order shows; nobody is told whose it is."""

    entry_id: int
    """MDEntryID(278), per symbol: it rises along each queue. An order that loses its place gets another."""
    qty: str
    qty_lots: int
    """In an increment 0: it is gone."""


class Level(msgspec.Struct, frozen=True, array_like=True):
    """All that rests at one price."""

    price: str
    qty: str
    price_ticks: int
    qty_lots: int
    order_count: int
    orders: list[OrderEntry] = []
    """The queue, oldest first, where it was asked for."""


class LevelUpdate(msgspec.Struct, frozen=True, array_like=True):
    """One level that an increment changed, with what it holds now."""

    action: LevelAction
    side: Side
    price: str
    qty: str
    price_ticks: int
    qty_lots: int
    order_count: int
    orders: list[OrderEntry] = []
    """Those that changed: one that is known keeps its place, one that is not stands behind all others. None if gone."""

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
    aggressor_side: Side | Literal[""]
    """Empty in an auction, where nobody is the aggressor."""
    transact_ns: int


class RevisedTrade(msgspec.Struct, frozen=True):
    """A match that was corrected, as it stands now; or busted: then its quantity is 0."""

    match_id: int
    price: str
    qty: str
    price_ticks: int
    qty_lots: int


class MarketPhase(msgspec.Struct, frozen=True):
    """Where the symbol is in its trading day."""

    phase: Phase
    """As in `matcher.phases`."""
    since_ns: int
    """When it began; 0 if it has been so since the book is there."""
    ends_ns: int
    """When an auction ends at the earliest; 0 if that is not known."""
    text: str
    """Why, if it was not the schedule."""


class IndicativePrice(msgspec.Struct, frozen=True):
    """What the auction would give if it ended now; all 0 if nothing would trade."""

    price: str
    qty: str
    price_ticks: int
    qty_lots: int
    imbalance_side: Side | Literal[""]
    """The side that would be left over."""
    imbalance_qty: str
    imbalance_qty_lots: int


class Statistics(msgspec.Struct, frozen=True):
    """A trading day so far, busts and corrections in it; prices are 0 ticks and empty where there is none."""

    trade_count: int
    open: str
    high: str
    low: str
    last: str
    vwap: str
    """Volume-weighted average price, rounded half up to two more places than the tick has."""
    volume: str
    previous_close: str
    """The last price of the trading day before."""
    open_ticks: int
    high_ticks: int
    low_ticks: int
    last_ticks: int
    previous_close_ticks: int
    volume_lots: int
    value: int
    """Sum of price in ticks times quantity in lots: `value / volume_lots` is the exact average."""
    ended_day: str
    """The last trading day that ended, `YYYYMMDD`; empty before the first."""


class BookIncrement(msgspec.Struct, frozen=True, tag="increment", omit_defaults=True):
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
    phase: MarketPhase | None = None
    """A new one begins; it holds for all else that the increment tells."""
    indicative: IndicativePrice | None = None
    """If it is another than before."""
    revisions: list[RevisedTrade] = []
    ended_day: str = ""
    """The trading day that ended with this, `YYYYMMDD`."""
    statistics: Statistics | None = None
    """If they are others than before."""


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
    phase: MarketPhase
    indicative: IndicativePrice | None
    """None if nothing would trade, and outside auctions."""
    bids: list[Level]
    """Best (highest) first."""
    asks: list[Level]
    """Best (lowest) first."""
    trades: list[Trade]
    """The last trades, oldest first, as they stand after revisions; busted ones are not among them."""
    statistics: Statistics | None = None
    """None before the first trade and the first end of a day."""
    checksum: int = 0
    """Of the best ten levels of each side, see `book.checksum`."""
    has_orders: bool = False
    """The levels tell their orders."""
    part: int = 1
    """A book too large for one message comes in parts: this is part `part` of `parts`, each a run of its levels."""
    parts: int = 1


class FeedHeads(msgspec.Struct, frozen=True, tag="heads"):
    """How far each book is; a reader that stays behind one of these numbers has lost something."""

    md_seq: dict[str, int]
    checksums: dict[str, int]
    """Of each book at that number."""


class Range(msgspec.Struct, frozen=True, tag="range"):
    """Increments as they were published, in order."""

    symbol: str
    next_md_seq: int
    """Where the next request for this range begins; 0: it is complete."""
    increments: list[msgspec.Raw]


class Refusal(msgspec.Struct, frozen=True, tag="error"):
    """The answer to a request that cannot be met."""

    reason: str
    """UNKNOWN_SYMBOL, BAD_REQUEST, PART_EXPIRED or RANGE_GONE."""
    text: str


Reply = BookSnapshot | FeedHeads | Range | Refusal


class SnapshotRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may stand in a JSON request; a plain-text request is a symbol with all else at its default."""

    symbol: str = ""
    depth: int = 0
    orders: bool = False
    """Ask for the orders of each level, too."""
    heads: bool = False
    """Ask for `FeedHeads` instead of a book."""
    from_md_seq: int = 0
    """Ask for a `Range` instead of a book: increments from here on."""
    to_md_seq: int = 0
    """The last of them; 0: the newest."""
    md_seq: int = 0
    """With `part`: the snapshot that the part belongs to."""
    part: int = 1


_encode = msgspec.json.Encoder().encode
_decode_increment = msgspec.json.Decoder(BookIncrement).decode
_decode_reply: Callable[[bytes], Reply] = msgspec.json.Decoder(Reply).decode
_decode_request = msgspec.json.Decoder(SnapshotRequest).decode


def public_increment(
    increment: MarketDataIncrement, instrument: Instrument, statistics: Statistics | None = None
) -> BookIncrement:
    """Say a matcher's increment as the public reads it, with the day's statistics if they are others now."""
    return BookIncrement(
        symbol=increment.symbol,
        md_seq=increment.md_seq,
        input_seq=increment.input_seq,
        transact_ns=increment.transact_ns,
        levels=[_public_level(change, instrument) for change in increment.levels],
        trades=[_public_trade(trade, instrument, increment.transact_ns) for trade in increment.trades],
        phase=_public_phase(increment.phase, increment.transact_ns) if increment.phase else None,
        indicative=_public_indicative(increment.indicative, instrument) if increment.indicative else None,
        revisions=[_public_revision(revision, instrument) for revision in increment.revisions],
        ended_day=increment.ended_day,
        statistics=statistics,
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
    if not 0 <= request.depth <= DEPTH_MAX or request.part < 1:
        raise FeedError(f"depth is 0 for the whole book or 1 to {DEPTH_MAX} levels, and part counts from 1")
    if request.from_md_seq < 0 or request.to_md_seq < 0 or 0 < request.to_md_seq < request.from_md_seq:
        raise FeedError("from_md_seq counts from 1, and to_md_seq is 0 for the newest, or not below it")
    if request.to_md_seq and not request.from_md_seq:
        raise FeedError("to_md_seq ends a range; send from_md_seq with it, where it begins")
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
        orders=[OrderEntry(each.entry_id, instrument.lot.text(each.qty_lots), each.qty_lots) for each in change.orders],
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


def _public_phase(change: PhaseChange, transact_ns: int) -> MarketPhase:
    return MarketPhase(phase=change.phase, since_ns=transact_ns, ends_ns=change.ends_ns, text=change.text)


def _public_indicative(indicative: Indicative, instrument: Instrument) -> IndicativePrice:
    return IndicativePrice(
        price=instrument.tick.text(indicative.price_ticks),
        qty=instrument.lot.text(indicative.qty_lots),
        price_ticks=indicative.price_ticks,
        qty_lots=indicative.qty_lots,
        imbalance_side=indicative.imbalance_side,
        imbalance_qty=instrument.lot.text(indicative.imbalance_qty_lots),
        imbalance_qty_lots=indicative.imbalance_qty_lots,
    )


def _public_revision(revision: TradeRevision, instrument: Instrument) -> RevisedTrade:
    return RevisedTrade(
        match_id=revision.match_id,
        price=instrument.tick.text(revision.price_ticks),
        qty=instrument.lot.text(revision.qty_lots),
        price_ticks=revision.price_ticks,
        qty_lots=revision.qty_lots,
    )
