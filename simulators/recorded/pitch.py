"""
Cboe/BATS PITCH, ASCII: fixed columns, many symbols.

'S', time (8 digits, ms after midnight), type, order id (12), then by type: A side(1) shares(6) symbol(6)
price(6 whole + 4 decimals) display(1); X canceled shares(6); E shares(6) execution id(12); P is a trade with a hidden
order. X and E name their order only, so the parser remembers the symbol of each.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from matcher.orders import BUY, SELL, Side
from simulators.recorded.rows import NS_PER_MS, FlowEvent, FlowKind, RecordedFlowError

PRICE_PLACES: Final = 4
QTY_PLACES: Final = 0

_SIDES: Final[dict[str, Side]] = {"B": BUY, "S": SELL}
_KINDS: Final = {"X": FlowKind.REDUCE, "E": FlowKind.EXECUTE}


def parse(lines: Iterable[str]) -> Iterator[FlowEvent]:
    """
    Read PITCH lines.

    Raises:
        RecordedFlowError: A line of another shape, or one for an order that was never added.
    """
    symbols: dict[str, str] = {}
    for row, line in enumerate(lines, 1):
        try:
            yield _event(row, line, symbols)
        except (KeyError, ValueError, IndexError) as error:
            raise RecordedFlowError(f"row {row} is not a PITCH message: {line.strip()!r}") from error


def _event(row: int, line: str, symbols: dict[str, str]) -> FlowEvent:
    time_ns, message_type, order_ref = int(line[1:9]) * NS_PER_MS, line[9], line[10:22]
    match message_type:
        case "A":
            symbol = symbols[order_ref] = line[29:35].rstrip()
            side, shares, price = _SIDES[line[22]], int(line[23:29]), int(line[35:45])
            return FlowEvent(row, time_ns, symbol, FlowKind.NEW, order_ref, side, price, shares)
        case "P":
            return FlowEvent(row, time_ns, line[29:35].rstrip(), FlowKind.NOTHING)
    return FlowEvent(row, time_ns, symbols[order_ref], _KINDS[message_type], order_ref, qty=int(line[22:28]))
