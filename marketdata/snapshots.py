"""
Answers to snapshot requests: a book as one message, or in parts where it does not fit into one.

A NATS message holds 1 MB at most. The parts of a large book are cut from one moment and kept for a while, for a few
books at a time, so that a reader can fetch them one by one while the book goes on moving.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import msgspec

from marketdata.book import Book
from marketdata.messages import (
    BookSnapshot,
    FeedError,
    FeedHeads,
    Level,
    Refusal,
    Reply,
    SnapshotRequest,
    decode_request,
)

PART_LEVELS_MAX: Final = 8_000
"""Levels in one part; a level is at most 100 bytes of JSON, NATS takes 1 MB."""
CUT_SNAPSHOTS_MAX: Final = 4
"""Large snapshots whose parts are kept; a reader whose snapshot is no longer among them begins again."""


class SnapshotDesk:
    """Answers every request from the books it is given; always answers."""

    def __init__(self, books: Mapping[str, Book]) -> None:
        self._books = books
        self._cut: OrderedDict[tuple[str, int, int], list[BookSnapshot]] = OrderedDict()

    def answer(self, payload: bytes) -> Reply:
        """The answer to one request, as of now."""
        try:
            request = decode_request(payload)
        except FeedError as error:
            return Refusal("BAD_REQUEST", str(error))
        if request.heads:
            return FeedHeads({symbol: book.md_seq for symbol, book in self._books.items()})
        book = self._books.get(request.symbol)
        if book is None:
            return Refusal("UNKNOWN_SYMBOL", f"{request.symbol!r} is not traded here; see the venue's instruments file")
        return self._first_part(book, request.depth) if request.part == 1 else self._later_part(request)

    def _first_part(self, book: Book, depth: int) -> BookSnapshot:
        parts = cut(book.snapshot(depth))
        if len(parts) > 1:
            self._cut[book.symbol, depth, book.md_seq] = parts
            while len(self._cut) > CUT_SNAPSHOTS_MAX:
                self._cut.popitem(last=False)
        return parts[0]

    def _later_part(self, request: SnapshotRequest) -> Reply:
        parts = self._cut.get((request.symbol, request.depth, request.md_seq), [])
        if request.part > len(parts):
            return Refusal(
                "PART_EXPIRED",
                f"part {request.part} of snapshot {request.md_seq} of {request.symbol} is gone; ask for part 1 again",
            )
        return parts[request.part - 1]


def cut(snapshot: BookSnapshot, levels_max: int = PART_LEVELS_MAX) -> list[BookSnapshot]:
    """Cut a snapshot into parts of at most `levels_max` levels: bids first, then asks; trades are in part 1."""
    levels = [*snapshot.bids, *snapshot.asks]
    if len(levels) <= levels_max:
        return [snapshot]
    starts = range(0, len(levels), levels_max)
    return [
        msgspec.structs.replace(
            snapshot,
            bids=snapshot.bids[start : start + levels_max],
            asks=_run(levels, start, levels_max, len(snapshot.bids)),
            trades=snapshot.trades if start == 0 else [],
            part=number,
            parts=len(starts),
        )
        for number, start in enumerate(starts, 1)
    ]


def join(parts: list[BookSnapshot]) -> BookSnapshot:
    """The snapshot that `cut` made these parts of, all of them, in order."""
    return msgspec.structs.replace(
        parts[0],
        bids=[level for part in parts for level in part.bids],
        asks=[level for part in parts for level in part.asks],
        part=1,
        parts=1,
    )


def _run(levels: list[Level], start: int, levels_max: int, bids: int) -> list[Level]:
    """The asks among `levels[start:start + levels_max]`, of which the first `bids` are bids."""
    return levels[max(start, bids) : start + levels_max]
