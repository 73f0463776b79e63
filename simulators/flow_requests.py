"""
What a planner asks for, and how it is said in FIX: D, F and G, in the recorded file's own integer units.

Every request says which trades it must cause, so that whoever sends it can check the answer. Pure.
"""

from typing import Final, assert_never

import msgspec

from matcher.instruments import Increment
from matcher.orders import Side, TimeInForce
from simulators.order_messages import cancel_order, limit_order, replace_order


class Request(msgspec.Struct, frozen=True):
    """What every request begins with."""

    cl_ord_id: str
    symbol: str
    side: Side


class ExpectedFill(msgspec.Struct, frozen=True):
    """A trade that a request must cause."""

    resting_cl_ord_id: str
    price: int
    qty: int


class NewRequest(Request, frozen=True):
    """NewOrderSingle(D)."""

    price: int
    qty: int
    time_in_force: TimeInForce
    fills: tuple[ExpectedFill, ...] = ()
    """All trades that it must cause, in order."""


class CancelRequest(Request, frozen=True):
    """OrderCancelRequest(F)."""

    orig_cl_ord_id: str


class ReplaceRequest(Request, frozen=True):
    """OrderCancelReplaceRequest(G)."""

    orig_cl_ord_id: str
    price: int
    qty: int
    """The new total, what was filled included."""


AnyRequest = NewRequest | CancelRequest | ReplaceRequest


class FlowUnits:
    """One recording's units: integers of the file to the decimal text of FIX and back, exactly."""

    def __init__(self, *, price_places: int, qty_places: int) -> None:
        self._price: Final = Increment(1, price_places)
        self._qty: Final = Increment(1, qty_places)

    def price_text(self, price: int) -> str:
        """Price(44): 1140 of 2 places is "11.40"."""
        return self._price.text(price)

    def qty_text(self, qty: int) -> str:
        """OrderQty(38)."""
        return self._qty.text(qty)

    def price(self, text: str) -> int:
        """
        Read a price of the venue.

        Raises:
            InvalidDecimal: Not a plain decimal.
            NotAMultiple: Finer than the file's own unit.
        """
        return self._price.count(text)

    def qty(self, text: str) -> int:
        """Read a quantity of the venue; raises as `price`."""
        return self._qty.count(text)

    def body(self, request: AnyRequest, transact_time: str) -> str:
        """
        Write a request as the body of a FIX message.

        Args:
            request: What to ask.
            transact_time: For TransactTime(60).
        """
        about = {"cl_ord_id": request.cl_ord_id, "symbol": request.symbol, "transact_time": transact_time}
        match request:
            case NewRequest():
                return limit_order(
                    side=request.side, time_in_force=request.time_in_force, **self._terms(request), **about
                )
            case ReplaceRequest():
                return replace_order(
                    side=request.side, orig_cl_ord_id=request.orig_cl_ord_id, **self._terms(request), **about
                )
            case CancelRequest():
                return cancel_order(side=request.side, orig_cl_ord_id=request.orig_cl_ord_id, **about)
            case _:
                assert_never(request)

    def _terms(self, request: NewRequest | ReplaceRequest) -> dict[str, str]:
        return {"price": self.price_text(request.price), "qty": self.qty_text(request.qty)}
