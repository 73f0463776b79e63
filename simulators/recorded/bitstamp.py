"""
Bitstamp's live order feed, as captured in CSV: orders are recorded as they are sent, so a NEW row may trade at once.

id, timestamp (ms, received), exchange.timestamp, price (USD), volume (what is left, 1e-8 BTC), action (created,
changed, deleted), direction (bid, ask). A changed row states what is left after a fill; deleted with volume 0 is a
full fill.
Some deletes are lost and the book at the start is unknown: good as flow with 8-decimal quantities, not as a book.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from matcher.orders import BUY, SELL, Side
from simulators.recorded.rows import NS_PER_MS, FlowEvent, FlowKind, RecordedFlowError, decimal_units

PRICE_PLACES: Final = 2
QTY_PLACES: Final = 8
HEADER: Final = "id,timestamp,exchange.timestamp,price,volume,action,direction"

_KINDS: Final = {"created": FlowKind.NEW, "changed": FlowKind.RESIZE, "deleted": FlowKind.DELETE}
_SIDES: Final[dict[str, Side]] = {"bid": BUY, "ask": SELL}


def parse(lines: Iterable[str], symbol: str) -> Iterator[FlowEvent]:
    """
    Read the CSV's lines, the header first.

    Raises:
        RecordedFlowError: A row of another shape.
    """
    rows = (line for line in lines if not line.startswith("id,"))
    for row, line in enumerate(rows, 1):
        try:
            yield _event(row, line, symbol)
        except (KeyError, ValueError) as error:
            raise RecordedFlowError(f"row {row} is not a Bitstamp order row: {line.strip()!r}") from error


def _event(row: int, line: str, symbol: str) -> FlowEvent:
    order_ref, received_ms, _, price, volume, action, direction = line.rstrip("\r\n").split(",")
    return FlowEvent(
        row,
        int(received_ms) * NS_PER_MS,
        symbol,
        _KINDS[action],
        order_ref,
        _SIDES[direction],
        decimal_units(price, PRICE_PLACES),
        int(volume),
    )
