"""OrderCancelRequest(F) and OrderCancelReplaceRequest(G): REPLACE-1 to REPLACE-3."""

from typing import Any, Final

from msgspec.structs import replace

from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.commands import CancelOrder, ReplaceOrder
from matcher.engine.answer import Answer
from matcher.engine.incoming import stance, work
from matcher.engine.leaving import settle_end, withdraw
from matcher.engine.refusals import refusal_of_cancel, refusal_of_replace
from matcher.engine.transitions import canceled, replaced
from matcher.instructions import Instructions
from matcher.orders import AT_THE_CLOSE, LIMIT, STOP, STOP_LIMIT, OrderState

_PLAIN: Final = Instructions()


def cancel_order(command: CancelOrder, floor: Floor, answer: Answer) -> None:
    """Cancel what is left of an order, or say why not."""
    order = floor.orders.find(command.firm, command.orig_cl_ord_id)
    refusal = refusal_of_cancel(command, order, floor)
    if refusal is not None:
        answer.cancel_rejected(command, order, *refusal)
        return
    assert order is not None
    market = floor.markets[order.symbol]
    withdraw(order, market)
    order = canceled(order)
    floor.orders.retire(order.firm, command.cl_ord_id, order.order_id)
    floor.orders.keep(order)
    answer.canceled(order, command)
    if order.instructions is not None:
        settle_end(order, market, floor)


def replace_order(command: ReplaceOrder, floor: Floor, answer: Answer) -> None:
    """Give an order new terms, or say why not."""
    before = floor.orders.find(command.firm, command.orig_cl_ord_id)
    keeps_place = before is not None and _keeps_place(before, command)
    market = floor.markets.get(command.symbol)
    refusal = refusal_of_replace(command, before, market, floor, keeps_place=keeps_place)
    if refusal is not None:
        answer.cancel_rejected(command, before, *refusal)
        return
    assert before is not None
    assert market is not None
    order = _changed(before, command, market, keeps_place=keeps_place)
    floor.orders.retire(before.firm, before.cl_ord_id, before.order_id)
    floor.orders.name(order)
    answer.replaced(order, command)
    if not order.leaves_qty_lots:
        floor.orders.keep(order)
        settle_end(order, market, floor)
    elif keeps_place:
        _stay(before, order, market, floor)
    else:
        work(order, market, floor, answer, is_new=False)
    if order.instructions is not None and order.instructions.list_id:
        floor.lists.note_status(order)


def _changed(before: OrderState, command: ReplaceOrder, market: Market, *, keeps_place: bool) -> OrderState:
    """The order with its new terms; unless it keeps its place, it is off the book, and has yet to come in anew."""
    instructions = command.instructions
    if before.instructions is not None:
        instructions = _instructions(before.instructions, command, before, keeps_place=keeps_place)
    order = replaced(before, command, instructions)
    if before.instructions is not None:
        market.delist(before)
    if order.instructions is not None:
        market.enlist(order)
    if keeps_place:
        return order
    withdraw(before, market)
    is_plain = order.instructions is None and order.ord_type == LIMIT and order.time_in_force != AT_THE_CLOSE
    return order if is_plain or not order.leaves_qty_lots else stance(order, market)


def _stay(before: OrderState, order: OrderState, market: Market, floor: Floor) -> None:
    """Change an order where it stands or waits."""
    if order.instructions is None and before.instructions is None:
        taken = before.leaves_qty_lots - order.leaves_qty_lots
        market.book.side(order.side).take(before, taken)
    elif order.instructions is None or not order.instructions.held:
        market.book.side(order.side).update(before, order)
    floor.orders.keep(order)


def _keeps_place(before: OrderState, command: ReplaceOrder) -> bool:
    """Whether only such terms change as leave an order its place in the queue (REPLACE-2)."""
    leaves_qty_lots = command.qty_lots - before.cum_qty_lots
    same_price = command.price_ticks == before.price_ticks and command.ord_type == before.ord_type
    if not same_price or not 0 < leaves_qty_lots <= before.leaves_qty_lots:
        return False
    if (command.time_in_force == AT_THE_CLOSE) != (before.time_in_force == AT_THE_CLOSE):
        return False
    if command.instructions is None and before.instructions is None:
        return True
    return _bound_terms(before, before.instructions or _PLAIN) == _bound_terms(before, command.instructions or _PLAIN)


def _bound_terms(before: OrderState, instructions: Instructions) -> tuple[object, ...]:
    """The instructions that cost an order its place when they change; a stop that has fired is bound to no trigger."""
    trigger = (
        instructions.trigger_price_type,
        instructions.trigger_direction,
        instructions.stop_price_ticks,
        instructions.trail_offset,
        instructions.trail_offset_type,
    )
    return (
        trigger if before.ord_type in (STOP, STOP_LIMIT) else (),
        instructions.peg_price_type,
        instructions.peg_offset_ticks,
        min(1, instructions.display_qty_lots),
        instructions.min_qty_lots,
        instructions.post_only,
    )


def _instructions(
    old: Instructions, command: ReplaceOrder, before: OrderState, *, keeps_place: bool
) -> Instructions | None:
    """Those of the command, and what of the old ones a replace does not touch."""
    new = command.instructions
    kept: dict[str, Any] = {"list_id": old.list_id}
    if keeps_place:
        kept |= {
            "held": old.held,
            "shown_qty_lots": min(old.shown_qty_lots, command.qty_lots - before.cum_qty_lots),
            "working_price_ticks": old.working_price_ticks,
            "trigger_price_type": old.trigger_price_type,
            "trigger_direction": old.trigger_direction,
            "stop_price_ticks": old.stop_price_ticks,
            "trail_offset": old.trail_offset,
            "trail_offset_type": old.trail_offset_type,
        }
    changed = replace(new or _PLAIN, **kept)
    return None if new is None and changed == _PLAIN else changed
