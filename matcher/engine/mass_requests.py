"""Requests about many orders at once: cancel them (q, MASS-1), or report them (AF, STATUS-1)."""

from typing import Final

from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.commands import MassCancel, OrderMassStatusRequest
from matcher.engine import leaving
from matcher.engine.answer import Answer
from matcher.events import MassCancelReported, OrderMassStatusReported
from matcher.orders import OrderState
from matcher.rejects import untraded

_OF_SYMBOL: Final = "1"
_OF_SESSION: Final = "8"


def mass_cancel(command: MassCancel, floor: Floor, answer: Answer) -> None:
    """Cancel all in scope, symbol by symbol in the order of their definition, then say how many that were."""
    head = (command.symbol, command.cl_ord_id, command.scope, command.side)
    if command.scope == _OF_SYMBOL and command.symbol not in floor.markets:
        answer.tell(MassCancelReported, *head, 0, *untraded(command.symbol))
        return
    markets = _markets(command, floor)
    meant = [order for order in floor.live_orders_of(command.firm, markets) if _is_meant(order, command)]
    places = {market.symbol: place for place, market in enumerate(markets)}
    for order in sorted(meant, key=lambda order: places[order.symbol]):  # stable: by OrderID within a symbol
        leaving.cancel(order, floor.markets[order.symbol], floor, answer, "M", "", asked=True)
    answer.tell(MassCancelReported, *head, len(meant), None, "")


def report_orders(command: OrderMassStatusRequest, floor: Floor, answer: Answer) -> None:
    """Tell how each order in scope stands, in order of OrderID; one empty row if there is none."""
    found = [
        order
        for order in floor.live_orders_of(command.firm, _markets(command, floor))
        if command.side in ("", order.side) and (command.scope != _OF_SESSION or order.session_id == command.session_id)
    ]
    request_id = command.mass_status_req_id
    if not found:
        answer.tell(OrderMassStatusReported, None, command.symbol, request_id, 0, True)
    for number, order in enumerate(found, 1):
        is_last = number == len(found)
        answer.tell(OrderMassStatusReported, order, order.symbol, request_id, len(found), is_last)


def _markets(command: MassCancel | OrderMassStatusRequest, floor: Floor) -> list[Market]:
    if command.scope != _OF_SYMBOL:
        return list(floor.markets.values())
    market = floor.markets.get(command.symbol)
    return [] if market is None else [market]


def _is_meant(order: OrderState, command: MassCancel) -> bool:
    return command.side in ("", order.side) and (not command.of_session_only or order.session_id == command.session_id)
