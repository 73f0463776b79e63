"""
A reader's book: joins a snapshot and increments that may come late, twice, out of order or not at all.

The rule is the one of `FEED.md`: drop what is not newer than the book, take what is exactly next, keep what is further
ahead and ask for a snapshot. A replica never guesses: `book` is at every moment a book that the venue had, and
`is_current` says whether it is still known to be the newest that was heard of.
"""

from enum import Enum, auto
from typing import Final

from marketdata.book import Book, BookError
from marketdata.messages import BookIncrement, BookSnapshot, IndicativePrice, Level, MarketPhase, Trade

AHEAD_MAX: Final = 10_000
"""Increments kept while waiting for a snapshot; then the oldest are forgotten, and a later snapshot is needed."""


class Change(Enum):
    """What a message did to a replica."""

    NOTHING = auto()
    """Old, repeated, or kept for later."""
    APPLIED = auto()
    """The increment was the next one and is in the book."""
    LOST = auto()
    """The book is no longer current: ask for a snapshot."""
    RESTORED = auto()
    """The book is current (again); it may have moved by more than one increment."""


class Replica:
    """The book of one symbol as far as a reader can vouch for it; it begins without one."""

    def __init__(self, symbol: str, *, ahead_max: int = AHEAD_MAX) -> None:
        self.symbol = symbol
        self.book = Book(symbol)
        self.is_current = False
        self._has_book = False
        self._newest_md_seq = 0
        self._ahead: dict[int, BookIncrement] = {}
        self._ahead_max = ahead_max

    @property
    def md_seq(self) -> int:
        """The last increment inside the book."""
        return self.book.md_seq

    @property
    def bids(self) -> list[Level]:
        """Levels of the buying side, highest first."""
        return self.book.bids()

    @property
    def asks(self) -> list[Level]:
        """Levels of the selling side, lowest first."""
        return self.book.asks()

    @property
    def trades(self) -> list[Trade]:
        """The last trades, oldest first."""
        return list(self.book.trades)

    @property
    def phase(self) -> MarketPhase:
        """Where the symbol is in its trading day."""
        return self.book.phase

    @property
    def indicative(self) -> IndicativePrice | None:
        """What the auction would give if it ended now; None if nothing would trade, and outside auctions."""
        return self.book.indicative

    def on_increment(self, increment: BookIncrement) -> Change:
        """Take an increment as it came from the bus."""
        if self._has_book and increment.md_seq <= self.md_seq:
            return Change.NOTHING
        self._newest_md_seq = max(self._newest_md_seq, increment.md_seq)
        if self.is_current and increment.md_seq == self.md_seq + 1:
            return Change.APPLIED if self._apply(increment) else Change.LOST
        self._keep(increment)
        return self.lose() if self.is_current else self._catch_up()

    def on_snapshot(self, snapshot: BookSnapshot) -> Change:
        """Take a snapshot; one that is older than the book changes nothing, and neither does one that is not whole."""
        if self.is_current or (self._has_book and snapshot.md_seq < self.md_seq):
            return Change.NOTHING
        try:
            self.book = Book.of_snapshot(snapshot)
        except BookError:
            return Change.NOTHING  # whoever asks goes on asking
        self._has_book = True
        return self._catch_up()

    def on_head(self, md_seq: int) -> Change:
        """Learn that the venue has published increment `md_seq`: a replica that is behind it has lost something."""
        self._newest_md_seq = max(self._newest_md_seq, md_seq)
        return self.lose() if self.md_seq < md_seq else Change.NOTHING

    def on_checksum(self, md_seq: int, checksum: int) -> Change:
        """Learn the checksum of the book at `md_seq`; a replica that is there and has another begins anew."""
        if not self.is_current or self.md_seq != md_seq or self.book.checksum() == checksum:
            return Change.NOTHING
        self._begin_anew()
        return Change.LOST

    def lose(self) -> Change:
        """Stop vouching for the book, because something was lost or because nobody publishes any more."""
        if not self.is_current:
            return Change.NOTHING
        self.is_current = False
        return Change.LOST

    def _keep(self, increment: BookIncrement) -> None:
        self._ahead[increment.md_seq] = increment
        if len(self._ahead) > self._ahead_max:
            del self._ahead[next(iter(self._ahead))]

    def _catch_up(self) -> Change:
        """Apply what was kept, as far as it goes on from the book; current when nothing newer was ever heard of."""
        if not self._has_book:
            return Change.NOTHING
        while (increment := self._ahead.pop(self.md_seq + 1, None)) is not None:
            if not self._apply(increment):
                return Change.NOTHING
        if self.md_seq < self._newest_md_seq:
            return Change.NOTHING
        self._ahead.clear()  # what is left is older than the book
        self.is_current = True
        return Change.RESTORED

    def _apply(self, increment: BookIncrement) -> bool:
        try:
            self.book.apply(increment)
        except BookError:
            self._begin_anew()
            return False
        return True

    def _begin_anew(self) -> None:
        """What we have is not what the venue has, so nothing of it may be shown or built on."""
        self.book = Book(self.symbol)
        self._has_book = self.is_current = False
        self._ahead.clear()
