"""What clients ask for: orders of a few prices and sizes about two symbols, made to collide; and what answers them."""

import random
from typing import Any, Final

from matcher.commands import CancelOrder, ClientRequest, MassCancel, MassQuote, NewOrder, QuoteEntry, ReplaceOrder
from matcher.events import (
    CancelRejected,
    Event,
    MassCancelReported,
    MassQuoteAcknowledged,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    RequestRefused,
)
from matcher.orders import OrdType, Side, TimeInForce

SYMBOLS: Final = ("AAA", "BBB")
_KINDS: Final = (*("D",) * 24, *("F",) * 6, *("G",) * 8, *("i",) * 3, "q", "q")
_SIDES: Final[tuple[Side, ...]] = ("1", "2")
_TIMES_IN_FORCE: Final[tuple[TimeInForce, ...]] = ("0", "0", "0", "0", "3")
_REMEMBERED: Final = 12
_ANSWERS: Final[dict[type[Any], tuple[type[Any], ...]]] = {
    NewOrder: (OrderAccepted, OrderRejected),
    CancelOrder: (OrderCanceled, CancelRejected),
    ReplaceOrder: (OrderReplaced, CancelRejected),
    MassCancel: (MassCancelReported,),
    MassQuote: (MassQuoteAcknowledged,),
}


def answers(event: Event, request: ClientRequest) -> bool:
    """Whether this event is the answer to a request that has the event's name."""
    if isinstance(event, RequestRefused):
        return event.msg_seq_num == request.msg_seq_num
    if isinstance(event, OrderCanceled) and not event.orig_cl_ord_id:
        return False  # it was not this request that asked for it
    return isinstance(event, _ANSWERS[type(request)])


def name_in(event: Event) -> tuple[str, str]:
    """Session and ClOrdID(11), or QuoteID(117), of the request that an event may be the answer to."""
    name = getattr(event, "cl_ord_id", "") or getattr(event, "quote_id", "")
    if not name and (order := getattr(event, "order", None)) is not None:
        name = order.cl_ord_id
    return event.requester_session_id, name


def name_of(request: ClientRequest) -> tuple[str, str]:
    """The same, of a request."""
    return request.session_id, getattr(request, "cl_ord_id", "") or getattr(request, "quote_id", "")


class Asker:
    """Draws one session's requests."""

    def __init__(self, draw: random.Random, session_id: str, firm: str) -> None:
        self._draw = draw
        self._session_id = session_id
        self._firm = firm
        self._session_epoch = 1
        self._asked = 0
        self._named = 0
        self._orders: list[tuple[str, str, Side]] = []

    def begin_anew(self) -> None:
        """From now on requests are numbered from 1 again, in a new epoch of the session."""
        self._session_epoch += 1
        self._asked = 0

    def next(self) -> ClientRequest:
        """The next request, as numbered; its gateway stamps it."""
        self._asked += 1
        self._named += 1
        pick = self._draw.choice
        kind = pick(_KINDS)
        symbol: str = pick(SYMBOLS)
        side: Side = pick(_SIDES)
        cl_ord_id = f"{self._session_id[-2:]}-{self._named}"
        orig_cl_ord_id = "unknown"
        if kind in "FG" and self._orders:
            orig_cl_ord_id, symbol, side = pick(self._orders)
        terms: tuple[OrdType, TimeInForce, int, int] = (
            "2",
            pick(_TIMES_IN_FORCE),
            self._price(side),
            self._draw.randint(1, 9),
        )
        match kind:
            case "D":
                self._remember(cl_ord_id, symbol, side)
                return NewOrder(*self._head(symbol), cl_ord_id, "", side, *terms)
            case "F":
                return CancelOrder(*self._head(symbol), cl_ord_id, orig_cl_ord_id, side)
            case "G":
                self._remember(cl_ord_id, symbol, side)
                return ReplaceOrder(*self._head(symbol), cl_ord_id, orig_cl_ord_id, side, *terms)
            case "i":
                entries = [QuoteEntry("q", each, self._price("1"), 3, self._price("2"), 3) for each in SYMBOLS]
                return MassQuote(*self._head(""), cl_ord_id, entries)
            case _:
                return MassCancel(*self._head(""), cl_ord_id, "7", "", False)

    def _head(self, symbol: str) -> tuple[str, int, int, int, int, str, str]:
        return self._session_id, self._session_epoch, self._asked, 0, 0, self._firm, symbol

    def _price(self, side: str) -> int:
        return self._draw.randint(95, 101) if side == "1" else self._draw.randint(99, 105)

    def _remember(self, cl_ord_id: str, symbol: str, side: Side) -> None:
        self._orders = [*self._orders, (cl_ord_id, symbol, side)][-_REMEMBERED:]
