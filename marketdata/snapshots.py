"""
Answers to requests: a book as one message, or in parts where it does not fit into one; heads; past increments.

A NATS message holds 1 MB at most. The parts of a large book are cut from one moment and kept for a while, for a few
books at a time, so that a reader can fetch them one by one while the book goes on moving.
"""

from collections import OrderedDict
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import msgspec

from marketdata.book import Book
from marketdata.history import History
from marketdata.messages import (
    BookSnapshot,
    FeedError,
    FeedHeads,
    Level,
    Range,
    Refusal,
    Reply,
    SnapshotRequest,
    decode_request,
)

PART_ENTRIES_MAX: Final = 8_000
"""Levels, and orders in them, in one part; either is at most 100 bytes of JSON, NATS takes 1 MB."""
CUT_SNAPSHOTS_MAX: Final = 4
"""Large snapshots whose parts are kept; a reader whose snapshot is no longer among them begins again."""
_TOLD_MAX: Final = 60
"""Characters of an unknown symbol that are sent back."""


class SnapshotDesk:
    """Answers every request from the books it is given; always answers."""

    def __init__(self, books: Mapping[str, Book], history: History) -> None:
        self._books = books
        self._history = history
        self._cut: OrderedDict[tuple[str, int, bool, int], list[BookSnapshot]] = OrderedDict()

    def answer(self, payload: bytes) -> Reply:
        """The answer to one request, as of now."""
        try:
            request = decode_request(payload)
        except FeedError as error:
            return Refusal("BAD_REQUEST", str(error))
        if request.heads:
            return FeedHeads(
                {symbol: book.md_seq for symbol, book in self._books.items()},
                {symbol: book.checksum() for symbol, book in self._books.items()},
            )
        book = self._books.get(request.symbol)
        if book is None:
            symbol = repr(request.symbol[:_TOLD_MAX])
            return Refusal("UNKNOWN_SYMBOL", f"{symbol} is not traded here; see the venue's instruments file")
        if request.from_md_seq:
            return self._range(book, request)
        return self._first_part(book, request) if request.part == 1 else self._later_part(request)

    def _range(self, book: Book, request: SnapshotRequest) -> Reply:
        last_md_seq = request.to_md_seq or book.md_seq
        if request.from_md_seq > book.md_seq or last_md_seq > book.md_seq:
            return Refusal("RANGE_GONE", f"{book.symbol} is at {book.md_seq}; ask for what was published up to there")
        found = self._history.range(book.symbol, request.from_md_seq, last_md_seq)
        if not found:
            oldest = f"from {first} on" if (first := self._history.oldest(book.symbol)) else "not at all"
            return Refusal("RANGE_GONE", f"{book.symbol} is kept {oldest}; ask for a snapshot, or for what is kept")
        next_md_seq = request.from_md_seq + len(found)
        increments = [msgspec.Raw(payload) for payload in found]
        return Range(book.symbol, next_md_seq if next_md_seq <= last_md_seq else 0, increments)

    def _first_part(self, book: Book, request: SnapshotRequest) -> BookSnapshot:
        parts = cut(book.snapshot(request.depth, with_orders=request.orders))
        if len(parts) > 1:
            self._cut[book.symbol, request.depth, request.orders, book.md_seq] = parts
            while len(self._cut) > CUT_SNAPSHOTS_MAX:
                self._cut.popitem(last=False)
        return parts[0]

    def _later_part(self, request: SnapshotRequest) -> Reply:
        parts = self._cut.get((request.symbol, request.depth, request.orders, request.md_seq), [])
        if request.part > len(parts):
            return Refusal(
                "PART_EXPIRED",
                f"part {request.part} of snapshot {request.md_seq} of {request.symbol} is gone; ask for part 1 again",
            )
        return parts[request.part - 1]


def cut(snapshot: BookSnapshot, entries_max: int = PART_ENTRIES_MAX) -> list[BookSnapshot]:
    """
    Cut a snapshot into parts of at most `entries_max` levels and orders: bids first, then asks; trades are in part 1.

    A level with more orders than fit goes on in the next part, where it stands again.
    """
    bids, asks = (
        [piece for level in side for piece in _pieces(level, entries_max)] for side in (snapshot.bids, snapshot.asks)
    )
    pieces = [*bids, *asks]
    starts = [0]
    room = entries_max
    for place, piece in enumerate(pieces):
        size = 1 + len(piece.orders)
        if size > room:
            starts.append(place)
            room = entries_max
        room -= size
    if len(starts) == 1:
        return [snapshot]
    return [
        msgspec.structs.replace(
            snapshot,
            bids=bids[start:end],
            asks=pieces[max(start, len(bids)) : end],
            trades=snapshot.trades if start == 0 else [],
            part=number,
            parts=len(starts),
        )
        for number, (start, end) in enumerate(pairwise([*starts, len(pieces)]), 1)
    ]


def join(parts: list[BookSnapshot]) -> BookSnapshot:
    """The snapshot that `cut` made these parts of, all of them, in order."""
    return msgspec.structs.replace(
        parts[0],
        bids=_whole([level for part in parts for level in part.bids]),
        asks=_whole([level for part in parts for level in part.asks]),
        part=1,
        parts=1,
    )


def _pieces(level: Level, entries_max: int) -> list[Level]:
    """A level as often as its orders need; each time with some of them."""
    orders_max = entries_max - 1
    if len(level.orders) <= orders_max:
        return [level]
    starts = range(0, len(level.orders), orders_max)
    return [msgspec.structs.replace(level, orders=level.orders[start : start + orders_max]) for start in starts]


def _whole(pieces: list[Level]) -> list[Level]:
    levels: list[Level] = []
    for piece in pieces:
        if levels and levels[-1].price_ticks == piece.price_ticks:
            levels[-1] = msgspec.structs.replace(piece, orders=[*levels[-1].orders, *piece.orders])
        else:
            levels.append(piece)
    return levels
