"""
How a live order leaves, whatever holds it: one way out for cancels, expiries, blocks, halts, lists and self-matches.

A plain order is on the book and nowhere else. One with instructions may wait beside it, and others may have to hear of
its end; `settle_end` is where they do.
"""

from typing import Final

from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.engine.answer import Answer
from matcher.engine.transitions import canceled, expired
from matcher.events import OrderCanceled, OrderExpired, RestatementReason
from matcher.instructions import AWAITS_CLOSE, AWAITS_LIST, AWAITS_REFERENCE, AWAITS_TRIGGER
from matcher.orders import OrderState

OTHER_LEG: Final = "the other order of its list traded or ended"
_OWN_LEG: Final = "two orders of one list do not trade with each other; this one gives way"


def withdraw(order: OrderState, market: Market) -> None:
    """Take a live order off the book, or from where it waits; its state is not touched and nobody is told."""
    instructions = order.instructions
    if instructions is None:
        market.book.side(order.side).take(order, order.leaves_qty_lots)
        return
    if order.order_id in market.released:
        del market.released[order.order_id]
    elif not instructions.held:
        market.book.side(order.side).remove(order)
    elif instructions.held == AWAITS_TRIGGER:
        market.stops.remove(order)
    elif instructions.held == AWAITS_CLOSE:
        del market.at_close[order.order_id]
    elif instructions.held == AWAITS_REFERENCE:
        del market.parked[order.order_id]
    elif instructions.held == AWAITS_LIST:
        del market.unlisted[order.order_id]
    market.pegs.pop(order.order_id, None)


def cancel(  # noqa: PLR0917 - the code of the reason and its sentence are one thing
    order: OrderState,
    market: Market,
    floor: Floor,
    answer: Answer,
    restatement: RestatementReason,
    text: str,
    *,
    asked: bool = False,
) -> OrderState:
    """
    End a live order.

    Args:
        order: As it lives.
        market: Its symbol's.
        floor: What all share.
        answer: To the command that is being done.
        restatement: Why.
        text: Why, for Text(58).
        asked: The command's requester asked for it, if not by name.
    """
    withdraw(order, market)
    order = canceled(order)
    floor.orders.keep(order)
    tell = answer.tell if asked else answer.tell_unasked
    tell(OrderCanceled, order, order.cl_ord_id, "", text, restatement)
    settle_end(order, market, floor)
    return order


def expire(order: OrderState, market: Market, floor: Floor, answer: Answer) -> OrderState:
    """End a live order whose time is over."""
    withdraw(order, market)
    order = expired(order)
    floor.orders.keep(order)
    answer.tell_unasked(OrderExpired, order)
    settle_end(order, market, floor)
    return order


def tell_keepers(order: OrderState, qty_lots: int, market: Market, floor: Floor, answer: Answer) -> None:
    """Let lists and quotes hear of a fill, if the order is in one; of its end they hear by `settle_end`."""
    instructions = order.instructions
    if instructions is None:
        return
    if instructions.list_id:
        leg_traded(order, market, floor, answer)
    if instructions.quote_entry_id:
        # The answer's time is that of the command: what the window of quote protection is measured in (MMP-1).
        floor.quotes.note_fill(order, qty_lots, answer.transact_ns, floor.limits.of_firm(order.firm))


def after_fill(order: OrderState, qty_lots: int, market: Market, floor: Floor, answer: Answer) -> None:
    """Let those hear of a fill, and of the end if it was the last, who have to; the order is kept as it is now."""
    tell_keepers(order, qty_lots, market, floor, answer)
    if not order.leaves_qty_lots:
        settle_end(order, market, floor)


def leg_traded(order: OrderState, market: Market, floor: Floor, answer: Answer) -> None:
    """Cancel the leg that may not trade any more now that this one did, before anything can trade with it (OCO-1)."""
    for order_id in floor.lists.note_trade(order):
        rival = floor.orders.live.get(order_id)
        if rival is not None:
            cancel(rival, market, floor, answer, "L", OTHER_LEG)


def give_way(order: OrderState, rival: OrderState, market: Market, floor: Floor, answer: Answer) -> None:
    """Cancel a leg that would have traded with its own other leg, which goes on (OCO-1)."""
    floor.lists.note_trade(rival)
    cancel(order, market, floor, answer, "L", _OWN_LEG)


def settle_end(order: OrderState, market: Market, floor: Floor) -> None:
    """Let those hear of the end of an order who have to; nothing of it is on the book any more."""
    instructions = order.instructions
    if instructions is None:
        return
    market.delist(order)
    market.pegs.pop(order.order_id, None)
    if instructions.list_id:
        floor.lists.note_end(order)
    if instructions.quote_entry_id:
        floor.quotes.note_end(order)
