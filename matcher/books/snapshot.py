"""
All state of an engine as bytes: MessagePack arrays, written by msgspec, with a version and a digest in front.

The bytes are canonical: the same state gives the same bytes in every process, since everything is listed in the order
in which the log brought it about (queues oldest first, levels best first), or by OrderID. Hence the state hash is the
digest of them. Nothing that can be computed from the rest is written (level sums, indexes, accounts).
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec

from matcher.books.floor import Floor
from matcher.books.limit_book import LimitsState
from matcher.books.list_book import ListsState
from matcher.books.market import Market
from matcher.books.order_index import OrderIndex
from matcher.books.quote_book import QuotesState
from matcher.books.trade_memory import TradesState
from matcher.events import SessionMark
from matcher.increments import Indicative
from matcher.instructions import AWAITS_CLOSE, AWAITS_REFERENCE, AWAITS_TRIGGER
from matcher.instruments import Instrument
from matcher.operator_commands import ScheduledPhase
from matcher.orders import PEGGED, OrderState
from matcher.phases import Phase

SNAPSHOT_VERSION: Final = 2
"""First element of every snapshot; a reader stops at a version that it does not know."""


class SnapshotError(Exception):
    """A snapshot that cannot be used here; the message says why and what to do."""


class MarketState(msgspec.Struct, frozen=True, array_like=True):
    """One symbol: its phase, prices and counters, and its live orders by the place where they are."""

    instrument: Instrument
    phase: Phase
    phase_ends_ns: int
    announced_end_ns: int
    scheduled_phase: ScheduledPhase | None
    awaited_phase: ScheduledPhase | None
    trading_date: str
    reference_price_ticks: int
    last_price_ticks: int
    last_match_id: int
    md_seq: int
    is_dark: bool
    indicative: Indicative
    bids: list[OrderState]
    """In the order in which they trade; so are the asks."""
    asks: list[OrderState]
    last_entry_id: int
    entry_ids: list[int]
    """Of all displayed orders: bids, then asks, in the order in which they trade."""
    waiting: list[OrderState]
    """Those that are not on the book, by OrderID."""
    trades: TradesState


class RetiredClOrdId(msgspec.Struct, frozen=True, array_like=True):
    """A ClOrdID(11) that led to an order and is no longer its current one."""

    firm: str
    cl_ord_id: str
    order_id: int


class GatewayMark(msgspec.Struct, frozen=True, array_like=True):
    """The last record taken from one gateway."""

    gateway_id: str
    boot: int
    record_number: int


class LaneMark(msgspec.Struct, frozen=True, array_like=True):
    """The last request taken from one session for one symbol."""

    session_id: str
    lane: str
    session_epoch: int
    msg_seq_num: int


class EngineState(msgspec.Struct, frozen=True, array_like=True):
    """All that an engine knows."""

    shard: int
    last_input_seq: int
    next_event_index: int
    last_order_id: int
    markets: list[MarketState]
    finished: list[OrderState]
    retired: list[RetiredClOrdId]
    configured_instruments: list[Instrument]
    limits: LimitsState
    lists: ListsState
    quotes: QuotesState
    gateways: list[GatewayMark]
    sessions: list[SessionMark]
    lanes: list[LaneMark]


class _Snapshot(msgspec.Struct, frozen=True, array_like=True):
    version: int
    digest: bytes
    """SHA-256 of `state`."""
    state: msgspec.Raw


_encode = msgspec.msgpack.Encoder().encode
_decode_snapshot = msgspec.msgpack.Decoder(_Snapshot).decode
_decode_state = msgspec.msgpack.Decoder(EngineState).decode


def snapshot_of(floor: Floor, *, last_input_seq: int, next_event_index: int) -> bytes:
    """Write all that an engine knows."""
    admission = floor.admission
    state = EngineState(
        floor.shard,
        last_input_seq,
        next_event_index,
        floor.orders.last_order_id,
        [_market_state(market, floor.orders) for market in floor.markets.values()],
        list(floor.orders.finished.values()),
        [RetiredClOrdId(*retired) for retired in floor.orders.retired],
        list(floor.configured_instruments.values()),
        floor.limits.state(),
        floor.lists.state(),
        floor.quotes.state(),
        [GatewayMark(gateway_id, *mark) for gateway_id, mark in admission.gateways.items()],
        admission.session_marks(),
        [LaneMark(*lane, *mark) for lane, mark in admission.lanes.items()],
    )
    encoded = _encode(state)
    return _encode(_Snapshot(SNAPSHOT_VERSION, sha256(encoded).digest(), msgspec.Raw(encoded)))


def state_of(snapshot: bytes) -> EngineState:
    """
    Read a snapshot.

    Raises:
        SnapshotError: Not a snapshot, damaged, or of another version.
    """
    try:
        return _decode_state(_checked(snapshot))
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"the snapshot does not decode ({error}); take an older one, or replay the log") from error


def check_digest(snapshot: bytes) -> None:
    """
    See that a snapshot is whole, without making anything of it: that takes a tenth of the time.

    Raises:
        SnapshotError: Not a snapshot, damaged, or of another version.
    """
    _checked(snapshot)


def refill(state: EngineState, floor: Floor) -> None:
    """
    Put a snapshot's state into the empty floor of a new engine.

    Args:
        state: As read.
        floor: Without markets and orders.
    """
    orders, admission = floor.orders, floor.admission
    orders.last_order_id = state.last_order_id
    for retired in state.retired:
        orders.retire(retired.firm, retired.cl_ord_id, retired.order_id)
    # Current ClOrdIDs come after retired ones: a firm may have used one again once its first order was forgotten.
    _keep(state.finished, orders)
    for market_state in state.markets:
        _refill_market(market_state, floor.open_market(market_state.instrument), floor)
    floor.configured_instruments.update({each.symbol: each for each in state.configured_instruments})
    floor.limits.refill(state.limits, orders)
    floor.lists.refill(state.lists)
    floor.quotes.refill(state.quotes)
    admission.gateways.update({mark.gateway_id: (mark.boot, mark.record_number) for mark in state.gateways})
    admission.sessions.update(
        {mark.session_id: (mark.session_epoch, mark.durable_msg_seq_num) for mark in state.sessions}
    )
    admission.lanes.update(
        {(mark.session_id, mark.lane): (mark.session_epoch, mark.msg_seq_num) for mark in state.lanes}
    )


def _market_state(market: Market, orders: OrderIndex) -> MarketState:
    live = orders.live
    return MarketState(
        market.instrument,
        market.phase,
        market.phase_ends_ns,
        market.announced_end_ns,
        market.scheduled_phase,
        market.awaited_phase,
        market.trading_date,
        market.reference_price_ticks,
        market.last_price_ticks,
        market.last_match_id,
        market.md_seq,
        market.book.is_dark,
        market.indicative,
        [live[order_id] for order_id in market.book.bids.queue()],
        [live[order_id] for order_id in market.book.asks.queue()],
        market.book.touched_since.last_entry_id,
        [*market.book.bids.entry_ids(), *market.book.asks.entry_ids()],
        [live[order_id] for order_id in sorted(market.held_ids())],
        market.trade_memory.state(orders),
    )


def _refill_market(state: MarketState, market: Market, floor: Floor) -> None:
    market.phase = state.phase
    market.phase_ends_ns = state.phase_ends_ns
    market.announced_end_ns = state.announced_end_ns
    market.scheduled_phase = state.scheduled_phase
    market.awaited_phase = state.awaited_phase
    market.trading_date = state.trading_date
    market.reference_price_ticks = state.reference_price_ticks
    market.last_price_ticks = market.base_price_ticks = state.last_price_ticks
    market.last_match_id = state.last_match_id
    market.md_seq = state.md_seq
    market.indicative = market.next_indicative = state.indicative
    market.book.is_dark = market.has_news = state.is_dark
    market.trade_memory.refill(state.trades)
    for side, resting in ((market.book.bids, state.bids), (market.book.asks, state.asks)):
        _keep(resting, floor.orders)
        for order in resting:
            side.add(order)
    market.book.name_entries(state.entry_ids, state.last_entry_id)
    _keep(state.waiting, floor.orders)
    for order in state.waiting:
        _let_wait(order, market)
    for order in (*state.bids, *state.asks, *state.waiting):
        _list_again(order, market, floor)
    market.has_followers = True  # until the next command has looked
    market.book.forget_changes()


def _let_wait(order: OrderState, market: Market) -> None:
    assert order.instructions is not None
    held = order.instructions.held
    if held == AWAITS_TRIGGER:
        market.stops.add(order)
        return
    waiting = {AWAITS_CLOSE: market.at_close, AWAITS_REFERENCE: market.parked}.get(held, market.unlisted)
    waiting[order.order_id] = None


def _list_again(order: OrderState, market: Market, floor: Floor) -> None:
    """Note what a live order asks for beyond its place."""
    market.enlist(order)
    if order.ord_type == PEGGED:
        market.pegs[order.order_id] = None
    if order.instructions is not None and order.instructions.quote_entry_id:
        floor.quotes.note_side(order)


def _keep(kept: Iterable[OrderState], orders: OrderIndex) -> None:
    for order in kept:
        if order.cl_ord_id:  # the sides of a quote have none
            orders.name(order)
        orders.keep(order)


def _checked(snapshot: bytes) -> msgspec.Raw:
    """The encoded state."""
    try:
        header = _decode_snapshot(snapshot)
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"the snapshot does not decode ({error}); take an older one, or replay the log") from error
    if header.version != SNAPSHOT_VERSION:
        raise SnapshotError(
            f"the snapshot has version {header.version}, but this build reads {SNAPSHOT_VERSION}; replay the log"
        )
    if sha256(header.state).digest() != header.digest:
        raise SnapshotError("the snapshot is damaged: its digest is wrong; take an older one, or replay the log")
    return header.state
