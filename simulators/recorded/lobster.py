"""
LOBSTER (NASDAQ): a message file and, row by row beside it, an order book file of n levels.

Message: time in seconds after midnight, type, order id, size, price in dollars x 10,000, direction of the resting
order (1 buy, -1 sell). Types: 1 new, 2 partial cancel, 3 delete, 4 execution, 5 execution of a hidden order, 7 halt.
Book row k is the state right after message row k: ask price, ask size, bid price, bid size, level by level; an
empty level has price +-9999999999 and size 0.
"""

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Final

from matcher.orders import BUY, SELL, Side
from simulators.recorded.rows import FlowEvent, FlowKind, RecordedBook, RecordedFlowError, decimal_units

PRICE_PLACES: Final = 4
QTY_PLACES: Final = 0

_COLUMNS: Final = 6
_KINDS: Final = {
    "1": FlowKind.NEW,
    "2": FlowKind.REDUCE,
    "3": FlowKind.DELETE,
    "4": FlowKind.EXECUTE,
    "5": FlowKind.NOTHING,
    "7": FlowKind.NOTHING,
}
_SIDES: Final[dict[str, Side]] = {"1": BUY, "-1": SELL}


def parse(messages: Iterable[str], books: Iterable[str] | None, symbol: str) -> Iterator[FlowEvent]:
    """
    Read message rows, with their book rows if there are any.

    Args:
        messages: Lines of the message file, with or without a header.
        books: Lines of the order book file, or None.
        symbol: From the file's name; the rows do not hold it.

    Raises:
        RecordedFlowError: A row is not LOBSTER's, or one file is longer than the other.
    """
    rows = _without_header(messages)
    if books is None:
        pairs: Iterable[tuple[str, str | None]] = zip(rows, repeat(None))
    else:
        pairs = zip(rows, _without_header(books), strict=True)
    try:
        for row, (message, book) in enumerate(pairs, 1):
            yield _event(row, message, book, symbol)
    except ValueError as error:
        raise RecordedFlowError(f"the LOBSTER files of {symbol} do not fit together: {error}") from error


def levels_of(line: str) -> int:
    """How many levels a line of an order book file holds."""
    return len(line.split(",")) // 4


def _without_header(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if not line[:1].isalpha())


def _event(row: int, message: str, book: str | None, symbol: str) -> FlowEvent:
    fields = message.rstrip("\r\n").split(",")
    kind = _KINDS.get(fields[1]) if len(fields) == _COLUMNS else None
    if kind is None:
        raise RecordedFlowError(f"row {row} is not a LOBSTER message: {message.strip()!r}")
    time, _, order_ref, size, price, direction = fields
    recorded_book = None if book is None else _book(book)
    time_ns = decimal_units(time, 9)
    if kind is FlowKind.NOTHING:
        return FlowEvent(row, time_ns, symbol, kind, book=recorded_book)
    return FlowEvent(row, time_ns, symbol, kind, order_ref, _SIDES[direction], int(price), int(size), recorded_book)


def _book(line: str) -> RecordedBook:
    numbers = [int(field) for field in line.split(",")]
    asks = zip(numbers[0::4], numbers[1::4], strict=True)
    bids = zip(numbers[2::4], numbers[3::4], strict=True)
    return RecordedBook(_occupied(bids), _occupied(asks))


def _occupied(levels: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    return tuple(level for level in levels if level[1])
