"""Requests about many orders at once: cancel them (q, MASS-1), or report them (AF, STATUS-1)."""

from collections.abc import Iterator

from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.commands import MassCancel, OrderMassStatusRequest
from matcher.engine import leaving
from matcher.engine.answer import Answer
from matcher.events import MassCancelReported, OrderMassStatusReported
from matcher.orders import OrderState
from matcher.rejects import RejectReason

_OF_SYMBOL = "1"
_OF_SESSION = "8"


def mass_cancel(command: MassCancel, floor: Floor, answer: Answer) -> None:
    """Cancel all in scope, symbol by symbol in the order of their definition, then say how many that were."""
    head = (command.symbol, command.cl_ord_id, command.scope, command.side)
    if command.scope == _OF_SYMBOL and command.symbol not in floor.markets:
        text = f"Symbol(55) {command.symbol} is not traded here; see the instrument list"
        answer.tell(MassCancelReported, *head, 0, RejectReason.UNKNOWN_SYMBOL, text)
        return
    canceled = 0
    for market in _markets(command, floor):
        for order in floor.live_orders(market):
            if order.firm == command.firm and _is_meant(order, command):
                leaving.cancel(order, market, floor, answer, "M", "", asked=True)
                canceled += 1
    answer.tell(MassCancelReported, *head, canceled, None, "")


def report_orders(command: OrderMassStatusRequest, floor: Floor, answer: Answer) -> None:
    """Tell how each order in scope stands, in order of OrderID; one empty row if there is none."""
    found = sorted(
        order.order_id
        for market in _markets(command, floor)
        for order in floor.live_orders(market)
        if order.firm == command.firm
        and command.side in ("", order.side)
        and (command.scope != _OF_SESSION or order.session_id == command.session_id)
    )
    request_id = command.mass_status_req_id
    if not found:
        answer.tell(OrderMassStatusReported, None, command.symbol, request_id, 0, True)
    for number, order_id in enumerate(found, 1):
        order = floor.orders.live[order_id]
        is_last = number == len(found)
        answer.tell(OrderMassStatusReported, order, order.symbol, request_id, len(found), is_last)


def _markets(command: MassCancel | OrderMassStatusRequest, floor: Floor) -> Iterator[Market]:
    if command.scope == _OF_SYMBOL:
        if command.symbol in floor.markets:
            yield floor.markets[command.symbol]
        return
    yield from floor.markets.values()


def _is_meant(order: OrderState, command: MassCancel) -> bool:
    return command.side in ("", order.side) and (not command.of_session_only or order.session_id == command.session_id)
