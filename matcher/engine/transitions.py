"""
How one order changes: every transition of an `OrderState`, as a function from the old value to the new one.

The structs are built with positional arguments, in the order in which `OrderState` declares its fields, because these
functions are the most called of the matcher and keywords would double their cost.
"""

from sys import intern
from typing import Any

from msgspec.structs import replace

from matcher.commands import NewOrder, OrderStatusRequest, ReplaceOrder
from matcher.instructions import ON_BOOK, Instructions
from matcher.orders import (
    CANCELED,
    DAY,
    EXPIRED,
    FILLED,
    LIMIT,
    MARKET,
    NEW,
    PARTIALLY_FILLED,
    REJECTED,
    STOP,
    OrderState,
    OrdStatus,
)


def accepted(command: NewOrder, order_id: int) -> OrderState:
    """The order as the venue takes it."""
    # Millions of live orders share a few firms, sessions and symbols: interned, they share the text too.
    return OrderState(
        order_id,
        intern(command.session_id),
        intern(command.firm),
        command.cl_ord_id,
        command.account,
        intern(command.symbol),
        command.side,
        command.ord_type,
        command.time_in_force,
        command.price_ticks,
        command.qty_lots,
        command.qty_lots,
        0,
        0,
        NEW,
        command.instructions,
    )


def rejected(command: NewOrder) -> OrderState:
    """The order that the venue did not take: no OrderID(37), nothing left."""
    return OrderState(
        0,
        command.session_id,
        command.firm,
        command.cl_ord_id,
        command.account,
        command.symbol,
        command.side,
        command.ord_type,
        command.time_in_force,
        command.price_ticks,
        command.qty_lots,
        0,
        0,
        0,
        REJECTED,
        command.instructions,
    )


def unknown(command: OrderStatusRequest) -> OrderState:
    """What is said about an order that nobody knows: the request's own words, filled up with what says least."""
    return OrderState(
        0,
        command.session_id,
        command.firm,
        command.cl_ord_id,
        "",
        command.symbol,
        command.side,
        LIMIT,
        DAY,
        0,
        0,
        0,
        0,
        0,
        REJECTED,
    )


def filled(order: OrderState, price_ticks: int, qty_lots: int) -> OrderState:
    """The order after a trade of `qty_lots`, which must not be more than its leaves."""
    leaves_qty_lots = order.leaves_qty_lots - qty_lots
    return OrderState(
        order.order_id,
        order.session_id,
        order.firm,
        order.cl_ord_id,
        order.account,
        order.symbol,
        order.side,
        order.ord_type,
        order.time_in_force,
        order.price_ticks,
        order.qty_lots,
        leaves_qty_lots,
        order.cum_qty_lots + qty_lots,
        order.cum_value + price_ticks * qty_lots,
        PARTIALLY_FILLED if leaves_qty_lots else FILLED,
        order.instructions,
    )


def canceled(order: OrderState) -> OrderState:
    """The order after all that was left of it was canceled."""
    return _ended(order, CANCELED)


def expired(order: OrderState) -> OrderState:
    """The order after its time."""
    return _ended(order, EXPIRED)


def _ended(order: OrderState, ord_status: OrdStatus) -> OrderState:
    return OrderState(
        order.order_id,
        order.session_id,
        order.firm,
        order.cl_ord_id,
        order.account,
        order.symbol,
        order.side,
        order.ord_type,
        order.time_in_force,
        order.price_ticks,
        order.qty_lots,
        0,
        order.cum_qty_lots,
        order.cum_value,
        ord_status,
        None if order.instructions is None else _at_rest(order.instructions),
    )


def replaced(order: OrderState, command: ReplaceOrder, instructions: Instructions | None) -> OrderState:
    """
    The order with the terms of a replace, its fills kept; it still belongs to the session that entered it.

    A new total that is filled already leaves nothing: OrderQty(38) is then CumQty(14) and the order is FILLED.

    Args:
        order: As it was.
        command: The new terms.
        instructions: Those of the command, and what of the old ones a replace does not touch.
    """
    qty_lots = max(command.qty_lots, order.cum_qty_lots)
    leaves_qty_lots = qty_lots - order.cum_qty_lots
    return OrderState(
        order.order_id,
        order.session_id,
        order.firm,
        command.cl_ord_id,
        order.account,
        order.symbol,
        order.side,
        command.ord_type,
        command.time_in_force,
        command.price_ticks,
        qty_lots,
        leaves_qty_lots,
        order.cum_qty_lots,
        order.cum_value,
        open_status(order.cum_qty_lots) if leaves_qty_lots else FILLED,
        instructions,
    )


# What only orders with instructions go through.


def with_instructions(order: OrderState, **changes: Any) -> OrderState:
    """The order with some of its instructions changed; a plain one gets some."""
    if order.instructions is None:
        return replace(order, instructions=Instructions(**changes))
    return replace(order, instructions=replace(order.instructions, **changes))


def refilled(order: OrderState) -> OrderState:
    """The order as it comes to its place on the book: an iceberg shows a new slice; any other is as it was."""
    instructions = order.instructions
    if instructions is None or instructions.display_qty_lots <= 0:
        return order
    return with_instructions(order, shown_qty_lots=min(instructions.display_qty_lots, order.leaves_qty_lots))


def triggered(order: OrderState) -> OrderState:
    """A stop whose price was reached: a market order or a limit order from now on."""
    ord_type = MARKET if order.ord_type == STOP else LIMIT
    return with_instructions(replace(order, ord_type=ord_type), held=ON_BOOK)


def decremented(order: OrderState, qty_lots: int) -> OrderState:
    """The order after self-match prevention took a part of what was open, but not all."""
    order = replace(order, leaves_qty_lots=order.leaves_qty_lots - qty_lots)
    if order.instructions is None:
        return order
    return with_instructions(order, shown_qty_lots=min(order.instructions.shown_qty_lots, order.leaves_qty_lots))


def _at_rest(instructions: Instructions) -> Instructions:
    """The instructions of an order that is finished: nothing is on show and nothing waits."""
    if not instructions.held and not instructions.shown_qty_lots:
        return instructions
    return replace(instructions, held=ON_BOOK, shown_qty_lots=0)


def open_status(cum_qty_lots: int) -> OrdStatus:
    """OrdStatus(39) of an order of which something is left."""
    return PARTIALLY_FILLED if cum_qty_lots else NEW
