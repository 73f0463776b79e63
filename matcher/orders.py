"""
The words of an order: FIX's own values for side, type, time in force and status, and the state of one order.

Values are FIX's characters as they stand on the wire, so that nothing translates them on the way in or out.
Prices are whole ticks and quantities whole lots; an instrument says how large a tick and a lot are.
"""

from typing import Final, Literal

import msgspec

from matcher.instructions import Instructions

Side = Literal["1", "2"]
"""Side(54)."""
BUY: Final = "1"
SELL: Final = "2"

OrdType = Literal["1", "2", "3", "4", "K", "P"]
"""OrdType(40)."""
MARKET: Final = "1"
LIMIT: Final = "2"
STOP: Final = "3"
"""A market order once its trigger price is reached; a take-profit (J) is one that waits for the other direction."""
STOP_LIMIT: Final = "4"
MARKET_TO_LIMIT: Final = "K"
PEGGED: Final = "P"

TimeInForce = Literal["0", "1", "2", "3", "4", "6", "7"]
"""TimeInForce(59)."""
DAY: Final = "0"
GOOD_TILL_CANCEL: Final = "1"
AT_THE_OPENING: Final = "2"
IMMEDIATE_OR_CANCEL: Final = "3"
FILL_OR_KILL: Final = "4"
GOOD_TILL_DATE: Final = "6"
AT_THE_CLOSE: Final = "7"

OrdStatus = Literal["0", "1", "2", "4", "8", "C"]
"""OrdStatus(39)."""
NEW: Final = "0"
PARTIALLY_FILLED: Final = "1"
FILLED: Final = "2"
CANCELED: Final = "4"
REJECTED: Final = "8"
EXPIRED: Final = "C"

PRICE_TICKS_MAX: Final = 10**8
"""The highest limit price that the venue takes."""
QTY_LOTS_MAX: Final = 9 * 10**10
"""The greatest order quantity. Price times quantity, and any sum over a full book, then fit into 64 signed bits."""


class OrderState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    One order as it stood right after an event: all that an ExecutionReport(8) has to restate.

    `cum_qty_lots + leaves_qty_lots <= qty_lots`; what is missing was canceled: at the end of the order, by
    self-match prevention (decrement), or because a trade was busted. A finished order has `leaves_qty_lots == 0`.
    """

    order_id: int
    """OrderID(37), unique in the shard, from 1; 0 for an order that the venue never took."""
    session_id: str
    """The FIX session that owns the order and gets its reports, such as `FIX.4.4:FIRMA1`."""
    firm: str
    cl_ord_id: str
    """ClOrdID(11) of the last accepted D or G."""
    account: str
    """Account(1) as the client gave it; empty when it gave none."""
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    price_ticks: int
    """Price(44); 0 for an order without one."""
    qty_lots: int
    """OrderQty(38)."""
    leaves_qty_lots: int
    """LeavesQty(151)."""
    cum_qty_lots: int
    """CumQty(14)."""
    cum_value: int
    """Sum of fill price in ticks times fill quantity in lots: AvgPx(6) is `cum_value / cum_qty_lots`, exactly."""
    ord_status: OrdStatus
    instructions: Instructions | None = None
    """None for a plain order, as most are."""
