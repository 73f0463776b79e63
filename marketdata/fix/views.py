"""
A view: what FIX subscribers with the same wish see of one book, written once for all of them.

A view with a depth remembers the levels inside its window. After an increment it compares them with the best levels
now: a level that was pushed out is deleted, one that moved in is new, so a client's N levels are always the book's.
What an auction would give and the day's statistics are remembered in the same way, and order by order, who is there.
"""

import msgspec

from marketdata.book import Book
from marketdata.fix.messages import (
    AUCTION_PRICE,
    BID,
    IMBALANCE,
    OFFER,
    TRADE,
    Dialect,
    auction_entries,
    entries_tail,
    in_book_order,
    level_entry,
    level_fields,
    revision_entry,
    single_changes,
    snapshot_tail,
    trade_entry,
)
from marketdata.fix.orders import Queues
from marketdata.fix.requests import Wish
from marketdata.fix.statistics import STATISTICS, statistics_entries
from marketdata.messages import CHANGED_LEVEL, DELETED_LEVEL, NEW_LEVEL, BookIncrement, Level
from matcher.orders import BUY


class ViewKey(msgspec.Struct, frozen=True):
    """Subscribers with equal keys get equal text."""

    dialect: Dialect
    wish: Wish


class View:
    """One wish on one book."""

    def __init__(self, symbol: str, key: ViewKey) -> None:
        self._symbol = symbol
        self._dialect = key.dialect
        self._depth = key.wish.depth
        self._sides = [entry_type for entry_type in (BID, OFFER) if entry_type in key.wish.entry_types]
        self._has_trades = TRADE in key.wish.entry_types
        self._auction_types = [name for name in (AUCTION_PRICE, IMBALANCE) if name in key.wish.entry_types]
        self._statistics_types = [name for name in STATISTICS if name in key.wish.entry_types]
        self._has_checksum = key.wish.has_checksum
        self._windows: dict[str, list[Level]] = {entry_type: [] for entry_type in self._sides}
        self._queues = Queues(symbol, self._sides) if key.wish.is_by_order else None
        self._singles: dict[str, str] = {}

    def snapshot(self, book: Book, *, now_ns: int) -> str:
        """
        The tail of a W of the book as it is; increments are told from here on.

        Args:
            book: The current book.
            now_ns: Stands for the time of the last update in a book that never had one.
        """
        self._singles = self._singles_of(book)
        return snapshot_tail(
            self._dialect,
            symbol=self._symbol,
            md_seq=book.md_seq,
            updated_ns=book.transact_ns or now_ns,
            phase=book.phase.phase,
            book=self._queues.snapshot(book) if self._queues else self._level_entries(book),
            trade=book.trades[-1] if self._has_trades and book.trades else None,
            singles=self._singles,
            checksum=book.checksum() if self._has_checksum else None,
        )

    def withdrawal(self, book: Book, *, now_ns: int) -> str:
        """The tail of a W without any entry: the venue no longer vouches for what it said."""
        return snapshot_tail(self._dialect, symbol=self._symbol, md_seq=book.md_seq, updated_ns=now_ns)

    def increment(self, increment: BookIncrement, book: Book) -> str:
        """The tail of the X that takes this view to `book`, just after `increment`; empty when it shows no change."""
        entries = self._trade_entries(increment) if self._has_trades else []
        changes = self._book_changes(increment, book)
        if self._auction_types or self._statistics_types:
            changes += self._single_changes(book)
        entries += in_book_order(changes)
        return entries_tail(entries, increment.md_seq) if entries else ""

    def _trade_entries(self, increment: BookIncrement) -> list[str]:
        entries = [trade_entry(self._dialect, self._symbol, trade) for trade in increment.trades]
        return entries + [revision_entry(self._dialect, self._symbol, trade) for trade in increment.revisions]

    def _single_changes(self, book: Book) -> list[tuple[str, str]]:
        before, self._singles = self._singles, self._singles_of(book)
        return single_changes(before, self._singles, self._symbol)

    def _singles_of(self, book: Book) -> dict[str, str]:
        """What there is once at most, by MDEntryType(269)."""
        of_auction = auction_entries(book.indicative, self._auction_types)
        return of_auction | statistics_entries(book.statistics, self._statistics_types)

    def _level_entries(self, book: Book) -> list[str]:
        best = self._best(book)
        if self._depth:
            self._windows = best
        return [level_fields(entry_type, level) for entry_type, levels in best.items() for level in levels]

    def _book_changes(self, increment: BookIncrement, book: Book) -> list[tuple[str, str]]:
        if self._queues:
            return list(self._queues.changes(increment.levels))
        return self._window_changes(book) if self._depth else self._all_changes(increment)

    def _all_changes(self, increment: BookIncrement) -> list[tuple[str, str]]:
        changes: list[tuple[str, str]] = []
        for update in increment.levels:
            entry_type = BID if update.side == BUY else OFFER
            if entry_type in self._sides:
                changes.append((update.action, level_entry(update.action, entry_type, self._symbol, update.level)))
        return changes

    def _window_changes(self, book: Book) -> list[tuple[str, str]]:
        before, self._windows = self._windows, self._best(book)
        return [
            (action, level_entry(action, entry_type, self._symbol, level))
            for entry_type, window in self._windows.items()
            if window != before[entry_type]
            for action, level in window_changes(before[entry_type], window)
        ]

    def _best(self, book: Book) -> dict[str, list[Level]]:
        read = {BID: book.bids, OFFER: book.asks}
        return {entry_type: read[entry_type](self._depth) for entry_type in self._sides}


def window_changes(before: list[Level], after: list[Level]) -> list[tuple[str, Level]]:
    """MDUpdateAction(279) and level of each difference between the best levels of one side before and after."""
    old = {level.price_ticks: level for level in before}
    new = {level.price_ticks: level for level in after}
    changes = [(DELETED_LEVEL, level) for ticks, level in old.items() if ticks not in new]
    for ticks, level in new.items():
        if ticks not in old:
            changes.append((NEW_LEVEL, level))
        elif level != old[ticks]:
            changes.append((CHANGED_LEVEL, level))
    return changes
