"""
All state of an engine as bytes: MessagePack arrays, written by msgspec, with a version and a digest in front.

The bytes are canonical: the same state gives the same bytes in every process, since everything is listed in the order
in which the log brought it about (queues oldest first, levels best first). Hence the state hash is the digest of them.
Nothing that can be computed from the rest is written (level sums, the index of ClOrdIDs).
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

import msgspec

from matcher.admission import Admission
from matcher.book import Book, BookSide
from matcher.events import SessionMark
from matcher.order_index import OrderIndex
from matcher.orders import OrderState

SNAPSHOT_VERSION: Final = 1
"""First element of every snapshot; a reader stops at a version that it does not know."""


class SnapshotError(Exception):
    """A snapshot that cannot be used here; the message says why and what to do."""


class BookState(msgspec.Struct, frozen=True, array_like=True):
    """One symbol: its counters, and the resting orders of each side, best price first, then oldest first."""

    symbol: str
    md_seq: int
    last_match_id: int
    trading_date: str
    bids: list[OrderState]
    asks: list[OrderState]


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
    books: list[BookState]
    finished: list[OrderState]
    retired: list[RetiredClOrdId]
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


def snapshot_of(
    shard: int,
    books: Mapping[str, Book],
    orders: OrderIndex,
    admission: Admission,
    *,
    last_input_seq: int,
    next_event_index: int,
) -> bytes:
    """Write all that an engine knows."""
    state = EngineState(
        shard,
        last_input_seq,
        next_event_index,
        orders.last_order_id,
        [_book_state(book, orders.live) for book in books.values()],
        list(orders.finished.values()),
        [RetiredClOrdId(*retired) for retired in orders.retired],
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
        header = _decode_snapshot(snapshot)
        if header.version == SNAPSHOT_VERSION and sha256(header.state).digest() == header.digest:
            return _decode_state(header.state)
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"the snapshot does not decode ({error}); take an older one, or replay the log") from error
    if header.version != SNAPSHOT_VERSION:
        raise SnapshotError(
            f"the snapshot has version {header.version}, but this build reads {SNAPSHOT_VERSION}; replay the log"
        )
    raise SnapshotError("the snapshot is damaged: its digest is wrong; take an older one, or replay the log")


def refill(state: EngineState, books: Mapping[str, Book], orders: OrderIndex, admission: Admission) -> None:
    """
    Put a snapshot's state into the empty parts of a new engine.

    Args:
        state: As read.
        books: By symbol; each symbol of the state must be there.
        orders: Empty.
        admission: Empty.
    """
    orders.last_order_id = state.last_order_id
    for retired in state.retired:
        orders.retire(retired.firm, retired.cl_ord_id, retired.order_id)
    # Current ClOrdIDs come after retired ones: a firm may have used one again once its first order was forgotten.
    _keep(state.finished, orders)
    for book_state in state.books:
        _refill_book(book_state, books[book_state.symbol], orders)
    admission.gateways.update({mark.gateway_id: (mark.boot, mark.record_number) for mark in state.gateways})
    admission.sessions.update(
        {mark.session_id: (mark.session_epoch, mark.durable_msg_seq_num) for mark in state.sessions}
    )
    admission.lanes.update(
        {(mark.session_id, mark.lane): (mark.session_epoch, mark.msg_seq_num) for mark in state.lanes}
    )


def _book_state(book: Book, live: Mapping[int, OrderState]) -> BookState:
    return BookState(
        book.symbol,
        book.md_seq,
        book.last_match_id,
        book.trading_date,
        _resting(book.bids, live),
        _resting(book.asks, live),
    )


def _resting(side: BookSide, live: Mapping[int, OrderState]) -> list[OrderState]:
    return [live[order_id] for level in side for order_id in level.order_ids]


def _refill_book(state: BookState, book: Book, orders: OrderIndex) -> None:
    book.md_seq = state.md_seq
    book.last_match_id = state.last_match_id
    book.trading_date = state.trading_date
    for side, resting in ((book.bids, state.bids), (book.asks, state.asks)):
        _keep(resting, orders)
        for order in resting:
            side.add(order)
    book.forget_changes()


def _keep(kept: Iterable[OrderState], orders: OrderIndex) -> None:
    for order in kept:
        orders.name(order)
        orders.keep(order)
