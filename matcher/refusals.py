"""
What is wrong with a request: each check as a function that gives the refusal, or None when all is well.

The checks stand in the order of `RejectReason`, so that of two faults the one that is named is always the same. None of
them changes anything. The texts are for Text(58); each says what to do.
"""

from typing import Final

from matcher.book import Book
from matcher.commands import CancelOrder, NewOrder, ReplaceOrder
from matcher.order_index import OrderIndex
from matcher.orders import DAY, GOOD_TILL_CANCEL, LIMIT, MARKET, PRICE_TICKS_MAX, QTY_LOTS_MAX, OrderState
from matcher.rejects import RejectReason

Refusal = tuple[RejectReason, str]
"""Why not, and the sentence for Text(58)."""

_RESTING_TIMES: Final = (DAY, GOOD_TILL_CANCEL)


def may_rest(order: NewOrder | OrderState) -> bool:
    """Whether what is left of an order stays on the book."""
    return order.ord_type == LIMIT and order.time_in_force in _RESTING_TIMES


def refusal_of_new(command: NewOrder, book: Book | None, orders: OrderIndex, orders_max: int) -> Refusal | None:
    """
    Why a new order is not taken.

    Args:
        command: The order.
        book: The symbol's; None when it is not traded here.
        orders: All that the shard knows.
        orders_max: How many may live at once.
    """
    if book is None:
        return RejectReason.UNKNOWN_SYMBOL, f"Symbol(55) {command.symbol} is not traded here; see the instrument list"
    refusal = _refusal_of_terms(command) or _refusal_of_cl_ord_id(command, orders)
    if refusal is not None:
        return refusal
    if command.ord_type == MARKET and book.opposite(command.side).best is None:
        return RejectReason.NO_OPPOSITE_SIDE, "nothing to trade a market order (40=1) with; send a limit order (40=2)"
    if len(orders.live) >= orders_max and may_rest(command):
        return RejectReason.BOOK_FULL, "the venue holds as many orders as it can; cancel some, or try again later"
    return None


def refusal_of_cancel(command: CancelOrder, order: OrderState | None, orders: OrderIndex) -> Refusal | None:
    """
    Why a cancel changes nothing.

    Args:
        command: The request.
        order: What its OrigClOrdID(41) leads to; None when it is unknown.
        orders: All that the shard knows.
    """
    return _refusal_of_cl_ord_id(command, orders) or _refusal_of_orig_cl_ord_id(command, order)


def refusal_of_replace(command: ReplaceOrder, order: OrderState | None, orders: OrderIndex) -> Refusal | None:
    """Why a replace changes nothing; the arguments as for `refusal_of_cancel`."""
    return (
        _refusal_of_resting_terms(command)
        or _refusal_of_terms(command)
        or _refusal_of_cl_ord_id(command, orders)
        or _refusal_of_orig_cl_ord_id(command, order)
    )


def _refusal_of_resting_terms(command: ReplaceOrder) -> Refusal | None:
    if command.ord_type != LIMIT:
        return RejectReason.UNSUPPORTED_ORD_TYPE, "a resting order stays a limit order; send OrdType(40)=2"
    if command.time_in_force not in _RESTING_TIMES:
        text = "a resting order stays Day or GoodTillCancel; send TimeInForce(59)=0 or 1, or cancel it"
        return RejectReason.UNSUPPORTED_TIME_IN_FORCE, text
    return None


def _refusal_of_terms(command: NewOrder | ReplaceOrder) -> Refusal | None:
    # The gateway checks the same before; here it keeps the books whole, whatever is in the log.
    if not 0 < command.qty_lots <= QTY_LOTS_MAX:
        return RejectReason.INVALID_QTY, f"OrderQty(38) must be 1 to {QTY_LOTS_MAX} lots"
    if command.ord_type == LIMIT and not 0 < command.price_ticks <= PRICE_TICKS_MAX:
        return RejectReason.INVALID_PRICE, f"Price(44) must be 1 to {PRICE_TICKS_MAX} ticks"
    return None


def _refusal_of_cl_ord_id(command: NewOrder | CancelOrder | ReplaceOrder, orders: OrderIndex) -> Refusal | None:
    if orders.find(command.firm, command.cl_ord_id) is None:
        return None
    text = f"ClOrdID(11) {command.cl_ord_id} was used before by your firm; choose a new one"
    return RejectReason.DUPLICATE_CL_ORD_ID, text


def _refusal_of_orig_cl_ord_id(command: CancelOrder | ReplaceOrder, order: OrderState | None) -> Refusal | None:
    orig_cl_ord_id = command.orig_cl_ord_id
    if order is None:
        text = f"OrigClOrdID(41) {orig_cl_ord_id} is no order of your firm, or finished too long ago"
        return RejectReason.UNKNOWN_ORDER, text
    if command.symbol != order.symbol or command.side != order.side:
        text = f"Symbol(55) and Side(54) must stay {order.symbol} and {order.side}"
        return RejectReason.SYMBOL_OR_SIDE_CHANGED, text
    if not order.leaves_qty_lots:
        return RejectReason.TOO_LATE, f"order {orig_cl_ord_id} is finished; nothing is left to change"
    if orig_cl_ord_id != order.cl_ord_id:
        text = f"OrigClOrdID(41) {orig_cl_ord_id} was replaced; name the last accepted one, {order.cl_ord_id}"
        return RejectReason.TOO_LATE, text
    return None
