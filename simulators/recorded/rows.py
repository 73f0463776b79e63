"""
The common stream: what every recorded format is turned into, one `FlowEvent` per row.

Prices and quantities are integers in the file's own units, 10**-price_places and 10**-qty_places of the `Recording`.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec

from matcher.orders import Side

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000


class RecordedFlowError(Exception):
    """A file cannot be replayed; the message is one sentence that says what to do."""


class FlowKind(StrEnum):
    """What a row says happened to one resting order."""

    NEW = "new"
    REDUCE = "reduce"
    """It shows `qty` less than before."""
    RESIZE = "resize"
    """It shows `qty` now."""
    DELETE = "delete"
    """All that was left of it is gone. `qty` is what was left, or 0 where the file does not say."""
    EXECUTE = "execute"
    """It traded `qty`."""
    NOTHING = "nothing"
    """The visible book does not change: a trade with a hidden order, a halt."""


class RecordedBook(msgspec.Struct, frozen=True, array_like=True):
    """One symbol's book right after a row: (price, quantity) of each recorded level, best first."""

    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]

    def top(self, levels: int) -> "RecordedBook":
        """The best `levels` levels of each side."""
        return RecordedBook(self.bids[:levels], self.asks[:levels])


class FlowEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One recorded row."""

    row: int
    """In its file, from 1; a header line does not count."""
    time_ns: int
    """Since midnight or 1970, as the file has it; only differences matter."""
    symbol: str
    kind: FlowKind
    order_ref: str = ""
    """The order's id in the file."""
    side: Side | None = None
    """Of the resting order; None where only the order's NEW row says it."""
    price: int = 0
    """Of the resting order; 0 where only the order's NEW row says it."""
    qty: int = 0
    book: RecordedBook | None = None
    """The recorded book after the row, in formats that have it."""


class Recording(msgspec.Struct, frozen=True):
    """One file: its units, and its rows."""

    name: str
    price_places: int
    qty_places: int
    events: Iterator[FlowEvent]
    levels_seen: int | None = None
    """Rows beyond this many levels of a side are not in the file; None: it has the rows of all levels."""
    takers_are_recorded: bool = False
    """A NEW row may be an order that trades at once (a feed of requests), not only what came to rest."""

    @property
    def compared_levels(self) -> int:
        """How many levels of its books can be compared."""
        return COMPARED_LEVELS if self.levels_seen is None else min(COMPARED_LEVELS, self.levels_seen)

    @property
    def corrected_levels(self) -> int:
        """How many levels a planner must correct: those compared, if the file does not see beyond them."""
        return self.compared_levels if self.compared_levels == self.levels_seen else 0


COMPARED_LEVELS: Final = 10
"""Levels of a recorded book that a replay compares: deeper ones drift, since no file shows the whole book."""


def decimal_units(text: str, places: int) -> int:
    """
    Read a decimal as whole units of its last place: "11.4" of 2 places is 1140.

    Raises:
        RecordedFlowError: Not a plain decimal, or of more places.
    """
    whole, _, fraction = text.partition(".")
    kept, rest = fraction[:places], fraction[places:]
    digits = whole + kept.ljust(places, "0")
    if not (whole and digits.isdecimal()) or rest.strip("0"):
        raise RecordedFlowError(f"{text!r} is not a decimal number of at most {places} places; check the file's format")
    return int(digits)
