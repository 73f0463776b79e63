"""
Orders that depend on each other (LIST-1 to LIST-4, OCO-1, OTO-1): how a list comes in, and what one order's fate does
to the others.

That a leg which traded takes its rival off the book cannot wait, so `leaving` does it at once. All else follows in the
first round after the command's own work (ORDER-2).
"""

from typing import Final

from msgspec.structs import replace

from matcher.books.floor import Floor
from matcher.books.limit_book import Account
from matcher.books.list_book import ONE_CANCELS_OTHER, ONE_TRIGGERS_OTHER, OrderList
from matcher.books.market import Market
from matcher.commands import ListedOrder, NewOrder, NewOrderList
from matcher.engine import leaving
from matcher.engine.answer import Answer
from matcher.engine.incoming import stance, work
from matcher.engine.refusals import refusal_of_new
from matcher.engine.transitions import accepted, rejected, with_instructions
from matcher.events import LeggedOrder, ListStatusReported, OrderRejected, OrderTriggered
from matcher.instructions import AWAITS_LIST, ON_BOOK, Instructions
from matcher.orders import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    FILL_OR_KILL,
    FILLED,
    IMMEDIATE_OR_CANCEL,
    PEGGED,
    REJECTED,
    OrderState,
)
from matcher.phases import NEW_AND_REPLACE_PHASES
from matcher.rejects import PRECEDENCE, Refusal, RejectReason, untraded

_EXECUTING: Final = "3"
_ALL_DONE: Final = "6"
_REJECTED: Final = "7"
_LENGTHS: Final = {ONE_CANCELS_OTHER: (2,), ONE_TRIGGERS_OTHER: (2, 3)}

_FIRST_ENDED: Final = "the first order of its list ended without being filled"


def new_order_list(command: NewOrderList, floor: Floor, answer: Answer) -> None:
    """Take a list, or refuse it whole."""
    market = floor.markets.get(command.symbol)
    legs = [_as_new_order(command, leg) for leg in command.orders]
    refusal = _refusal_of(command, legs, market, floor)
    if refusal is not None:
        for leg in legs:
            answer.tell(OrderRejected, rejected(leg), *refusal)
        rows = [LeggedOrder(leg.cl_ord_id, leg.qty_lots, 0, 0, 0, REJECTED) for leg in legs]
        head = (command.session_id, command.firm, command.symbol, command.list_id)
        answer.tell(ListStatusReported, *head, _REJECTED, rows, *refusal)
        return
    assert market is not None
    _take(command, legs, market, floor, answer)


def react(market: Market, floor: Floor, answer: Answer) -> bool:
    """Do what follows for the other orders of lists that something happened to; true if anything did."""
    happened = False
    while market.symbol in floor.lists.due and _react_once(market, floor, answer):
        happened = True
    return happened


def report(floor: Floor, answer: Answer) -> None:
    """Tell the status of each list of which an order has another one since it was told last (LIST-4)."""
    for order_list in floor.lists.take_touched() if floor.lists.touched else ():
        orders = [floor.orders.get(order_id) for order_id in order_list.order_ids]
        # An order that is forgotten already ended with what is told of it for the last time by its own report.
        now = [order.ord_status if order else before for order, before in zip(orders, order_list.reported, strict=True)]
        if now != order_list.reported:
            order_list.reported = now
            _tell(order_list, floor, answer, asked=False)
        if not _live(order_list.order_ids, floor):
            floor.lists.finish(order_list, floor.orders)


# A new list


def _as_new_order(command: NewOrderList, leg: ListedOrder) -> NewOrder:
    instructions = leg.instructions or Instructions()
    return NewOrder(
        command.session_id,
        command.session_epoch,
        command.msg_seq_num,
        command.durable_msg_seq_num,
        command.received_ns,
        command.firm,
        command.symbol,
        leg.cl_ord_id,
        leg.account,
        leg.side,
        leg.ord_type,
        leg.time_in_force,
        leg.price_ticks,
        leg.qty_lots,
        replace(instructions, list_id=command.list_id),
    )


def _refusal_of(command: NewOrderList, legs: list[NewOrder], market: Market | None, floor: Floor) -> Refusal | None:
    if market is None:
        return untraded(command.symbol)
    if len(legs) not in _LENGTHS[command.contingency_type]:
        text = "a one-cancels-other list (1385=1) has 2 orders, a one-triggers-other list (1385=2) has 2 or 3"
        return RejectReason.UNSUPPORTED_INSTRUCTION, text
    known: Refusal | None = None
    if floor.lists.known(command.firm, command.list_id, floor.orders):
        text = f"ListID(66) {command.list_id} was used before by your firm; choose a new one"
        known = RejectReason.DUPLICATE_CL_ORD_ID, text
    return _first_of(known, _refusal_of_legs(command, legs, market, floor))


def _refusal_of_legs(command: NewOrderList, legs: list[NewOrder], market: Market, floor: Floor) -> Refusal | None:
    """Why the first leg that is at fault is refused; those before it count as live for the limits."""
    beside = Account()
    names: set[str] = set()
    for place, leg in enumerate(legs):
        waits = bool(place) and command.contingency_type == ONE_TRIGGERS_OTHER
        twice: Refusal | None = None
        if leg.cl_ord_id in names:
            text = f"ClOrdID(11) {leg.cl_ord_id} is used twice in the list; choose another one"
            twice = RejectReason.DUPLICATE_CL_ORD_ID, text
        names.add(leg.cl_ord_id)
        refusal = refusal_of_new(leg, market, floor, beside=beside, ahead=place, waits=waits)
        refusal = _first_of(_refusal_of_leg(leg), twice, refusal)
        if refusal is not None:
            return refusal
    return None


def _first_of(*refusals: Refusal | None) -> Refusal | None:
    """The one that stands first in the order of `RejectReason` (ORDER-1)."""
    return min((refusal for refusal in refusals if refusal), key=lambda refusal: PRECEDENCE[refusal[0]], default=None)


def _refusal_of_leg(leg: NewOrder) -> Refusal | None:
    if leg.time_in_force in (IMMEDIATE_OR_CANCEL, FILL_OR_KILL, AT_THE_OPENING, AT_THE_CLOSE):
        text = "an order of a list is Day, GoodTillCancel or GoodTillDate; send TimeInForce(59)=0, 1 or 6"
        return RejectReason.UNSUPPORTED_INSTRUCTION, text
    if leg.ord_type == PEGGED:
        return RejectReason.UNSUPPORTED_INSTRUCTION, "an order of a list cannot be pegged; send another OrdType(40)"
    return None


def _take(command: NewOrderList, legs: list[NewOrder], market: Market, floor: Floor, answer: Answer) -> None:
    market.has_followers = True
    active: list[int] = []
    orders: list[OrderState] = []
    for place, leg in enumerate(legs):
        order = accepted(leg, floor.orders.next_order_id())
        if place and command.contingency_type == ONE_TRIGGERS_OTHER:
            order = with_instructions(order, held=AWAITS_LIST)
            market.unlisted[order.order_id] = None
        else:
            order = stance(order, market)
            market.released[order.order_id] = None
            active.append(order.order_id)
        floor.orders.name(order)
        floor.orders.keep(order)
        market.enlist(order)
        answer.accepted(order)
        orders.append(order)
    order_list = OrderList(
        command.firm,
        command.session_id,
        command.list_id,
        command.symbol,
        command.contingency_type,
        [order.order_id for order in orders],
        [order.ord_status for order in orders],
    )
    floor.lists.add(order_list)
    _tell(order_list, floor, answer, asked=True)
    _work(active, market, floor, answer)


def _work(order_ids: list[int], market: Market, floor: Floor, answer: Answer) -> None:
    """Let orders come in that were told to be active; not those that another one has canceled meanwhile."""
    for order_id in order_ids:
        if order_id in market.released:
            del market.released[order_id]
            work(floor.orders.live[order_id], market, floor, answer)


# What follows


def _react_once(market: Market, floor: Floor, answer: Answer) -> bool:
    happened = False
    for order_list in floor.lists.take_due(market.symbol):
        waiting = [order for order in _live(order_list.rivals, floor) if _waits(order)]
        if not waiting:
            happened |= _keep_one(order_list, market, floor, answer)
        elif len(waiting) < len(order_list.rivals):
            happened |= _cancel(waiting, leaving.OTHER_LEG, market, floor, answer)
        elif order_list.first_ended == FILLED:
            happened |= _release(order_list, waiting, market, floor, answer)
        elif order_list.first_ended:
            happened |= _cancel(waiting, _FIRST_ENDED, market, floor, answer)
    return happened


def _keep_one(order_list: OrderList, market: Market, floor: Floor, answer: Answer) -> bool:
    """Of orders of which only one may trade, cancel the others once one traded or ended (OCO-1, LIST-3)."""
    live = _live(order_list.rivals, floor)
    if order_list.winner_id:
        live = [order for order in live if order.order_id != order_list.winner_id]
    elif len(live) == len(order_list.rivals):
        return False
    return _cancel(live, leaving.OTHER_LEG, market, floor, answer)


def _release(order_list: OrderList, waiting: list[OrderState], market: Market, floor: Floor, answer: Answer) -> bool:
    """The first order is filled: the others come in (OTO-1), as soon as the phase takes orders."""
    if market.phase not in NEW_AND_REPLACE_PHASES:
        floor.lists.make_due(order_list)
        return False
    for order in waiting:
        leaving.withdraw(order, market)
        active = stance(with_instructions(order, held=ON_BOOK), market)
        market.released[order.order_id] = None
        floor.orders.keep(active)
        answer.tell_unasked(OrderTriggered, active)
    _work([order.order_id for order in waiting], market, floor, answer)
    return True


def _cancel(orders: list[OrderState], text: str, market: Market, floor: Floor, answer: Answer) -> bool:
    for order in orders:
        leaving.cancel(order, market, floor, answer, "L", text)
    return bool(orders)


def _live(order_ids: list[int], floor: Floor) -> list[OrderState]:
    return [floor.orders.live[order_id] for order_id in order_ids if order_id in floor.orders.live]


def _waits(order: OrderState) -> bool:
    return order.instructions is not None and order.instructions.held == AWAITS_LIST


def _tell(order_list: OrderList, floor: Floor, answer: Answer, *, asked: bool) -> None:
    orders = [floor.orders.get(order_id) for order_id in order_list.order_ids]
    rows = [_row(order) for order in orders if order is not None]
    status = _EXECUTING if _live(order_list.order_ids, floor) else _ALL_DONE
    head = (order_list.session_id, order_list.firm, order_list.symbol, order_list.list_id)
    tell = answer.tell if asked else answer.tell_unasked
    tell(ListStatusReported, *head, status, rows, None, "")


def _row(order: OrderState) -> LeggedOrder:
    quantities = (order.qty_lots, order.leaves_qty_lots, order.cum_qty_lots, order.cum_value)
    return LeggedOrder(order.cl_ord_id, *quantities, order.ord_status)
