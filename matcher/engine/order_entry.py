"""NewOrderSingle(D), and the state of an order for those who ask (H, and D with 97=Y)."""

from matcher.books.floor import Floor
from matcher.commands import NewOrder, OrderStatusRequest, RefusedRequest
from matcher.engine.answer import Answer
from matcher.engine.incoming import take, work
from matcher.engine.refusals import refusal_of_new
from matcher.engine.transitions import rejected, unknown
from matcher.rejects import RejectReason


def new_order(command: NewOrder, floor: Floor, answer: Answer) -> None:
    """Take an order and let it come in, or refuse it."""
    if command.is_poss_resend and (order := floor.orders.find(command.firm, command.cl_ord_id)) is not None:
        answer.status_reported(order, "")
        return
    market = floor.markets.get(command.symbol)
    refusal = refusal_of_new(command, market, floor)
    if refusal is not None:
        answer.rejected(rejected(command), *refusal)
        return
    assert market is not None
    work(take(command, market, floor, answer), market, floor, answer)


def report_status(command: OrderStatusRequest, floor: Floor, answer: Answer) -> None:
    """Say how an order stands, by any ClOrdID(11) that led to it."""
    order = floor.orders.find(command.firm, command.cl_ord_id)
    if order is not None:
        answer.status_reported(order, command.ord_status_req_id)
        return
    text = f"ClOrdID(11) {command.cl_ord_id} is no order of your firm, or finished too long ago"
    answer.status_reported(unknown(command), command.ord_status_req_id, RejectReason.UNKNOWN_ORDER, text)


def repeat_refusal(command: RefusedRequest, _floor: Floor, answer: Answer) -> None:
    """Say what the gateway found wrong with a request, so that it is answered once."""
    answer.refused(command)
