"""
The sample of the R package `orderbook`: one stock, by order id.

type, time (ms after midnight), id, then by type: A price,size,BID|ASK (add); C (cancel or last fill); R size (new
remaining size); T price,size (trade). The C or R that applies a trade stands right before or after its T, with the same
time and id; a T without one is a trade that the visible book does not show.
The first rows are the resting book in price order, so their times do not rise.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from matcher.orders import BUY, SELL, Side
from simulators.recorded.rows import NS_PER_MS, FlowEvent, FlowKind, RecordedFlowError, decimal_units

PRICE_PLACES: Final = 4
QTY_PLACES: Final = 0
HEADER: Final = "type,time,id,price,size,type"

_SIDES: Final[dict[str, Side]] = {"BID": BUY, "ASK": SELL}


def parse(lines: Iterable[str], symbol: str) -> Iterator[FlowEvent]:
    """
    Read the file's lines, the header first; a trade comes out before the C or R that applies it.

    Raises:
        RecordedFlowError: A row of another shape.
    """
    rows = (line.rstrip("\r\n").split(",") for line in lines if not line.startswith("type,"))
    held: FlowEvent | None = None  # the last row, until the next one shows whether the two are one trade
    for row, fields in enumerate(rows, 1):
        try:
            event = _event(row, fields, symbol)
        except (KeyError, ValueError, IndexError) as error:
            raise RecordedFlowError(f"row {row} is not a row of an orderbook sample: {','.join(fields)!r}") from error
        if held is None:
            held = event
        elif _is_trade(held, event):
            yield held
            yield event
            held = None
        elif _is_trade(event, held):
            yield event
            yield held
            held = None
        else:
            yield _unapplied(held)
            held = event
    if held is not None:
        yield _unapplied(held)


def _is_trade(trade: FlowEvent, applied: FlowEvent) -> bool:
    return (
        trade.kind is FlowKind.EXECUTE
        and applied.kind in (FlowKind.RESIZE, FlowKind.DELETE)
        and (trade.order_ref, trade.time_ns) == (applied.order_ref, applied.time_ns)
    )


def _unapplied(event: FlowEvent) -> FlowEvent:
    if event.kind is not FlowKind.EXECUTE:
        return event
    return FlowEvent(event.row, event.time_ns, event.symbol, FlowKind.NOTHING)


def _event(row: int, fields: list[str], symbol: str) -> FlowEvent:
    time_ns, order_ref = int(fields[1]) * NS_PER_MS, fields[2]
    match fields[0]:
        case "A":
            price, side = _price(fields[3]), _SIDES[fields[5]]
            return FlowEvent(row, time_ns, symbol, FlowKind.NEW, order_ref, side, price, int(fields[4]))
        case "C":
            return FlowEvent(row, time_ns, symbol, FlowKind.DELETE, order_ref)
        case "R":
            return FlowEvent(row, time_ns, symbol, FlowKind.RESIZE, order_ref, qty=int(fields[3]))
        case "T":
            price, qty = _price(fields[3]), int(fields[4])
            return FlowEvent(row, time_ns, symbol, FlowKind.EXECUTE, order_ref, None, price, qty)
    raise ValueError(fields[0])


def _price(text: str) -> int:
    """R writes a very small price as `1.00E-04`; whole powers of ten keep that exact."""
    mantissa, _, exponent = text.partition("E-")
    divisor: int = 10 ** int(exponent or 0)
    units, rest = divmod(decimal_units(mantissa, PRICE_PLACES), divisor)
    if rest:
        raise ValueError(text)
    return units
