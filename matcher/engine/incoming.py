"""
How an order comes into the market: new, replaced, triggered or set free by its list; in whatever phase it is.

First `stance` says in what form it comes in just now: whether it waits, and at which price it will stand. That is what
its client is told. Then `work` does it: the order waits, is collected, or trades, and what is left rests or ends.
"""

from typing import Final

from matcher.books.book_side import standing_price_ticks
from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.commands import NewOrder
from matcher.contradictions import WAITING
from matcher.engine.answer import Answer
from matcher.engine.leaving import leg_traded, settle_end
from matcher.engine.matching import match
from matcher.engine.peg_prices import peg_price_ticks
from matcher.engine.reach import reaches
from matcher.engine.transitions import accepted, canceled, refilled, triggered, with_instructions
from matcher.engine.trigger_prices import is_reached, trailed_stop_ticks, trigger_price_ticks
from matcher.events import OrderRestated, OrderTriggered, RestatementReason
from matcher.instructions import (
    AWAITS_CLOSE,
    AWAITS_REFERENCE,
    AWAITS_TRIGGER,
    DOWN,
    LAST_TRADE,
    ON_BOOK,
    REJECT_IF_TAKING,
    SLIDE_IF_TAKING,
    UP,
    Instructions,
)
from matcher.orders import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    BUY,
    DAY,
    FILL_OR_KILL,
    GOOD_TILL_CANCEL,
    GOOD_TILL_DATE,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    PEGGED,
    PRICE_TICKS_MAX,
    OrderState,
    Side,
    TimeInForce,
)
from matcher.phases import CLOSING_AUCTION, CONTINUOUS

RESTING_TIMES: Final[tuple[TimeInForce, ...]] = (DAY, GOOD_TILL_CANCEL, GOOD_TILL_DATE)
"""TimeInForce(59) of what stays when continuous trading has nothing for it."""
_AUCTION_TIMES: Final[tuple[TimeInForce, ...]] = (*RESTING_TIMES, AT_THE_OPENING, AT_THE_CLOSE)

_REST_OF_IOC: Final = "the rest of an ImmediateOrCancel order (59=3) does not stay on the book"
_REST_OF_MARKET: Final = "the rest of a market order (40=1) does not stay on the book"
_NOT_IN_AUCTION: Final = "a volatility auction began; what is left of this order may not take part in it"
_FOK_NOT_FILLED: Final = "the book cannot fill all of this FillOrKill order (59=4) at once"
_MIN_NOT_FILLED: Final = "the book cannot fill MinQty(110) of this order at once"
_NOTHING_OPPOSITE: Final = "NO_OPPOSITE_SIDE: nothing to trade this triggered market order with"
_WOULD_TAKE: Final = "POST_ONLY_WOULD_TAKE: this post-only order (18=6) would have traded as it came in"


def stance(order: OrderState, market: Market) -> OrderState:
    """
    The order in the form in which it comes into the market now: `held`, where a trail starts, where it will stand.

    The order is not plain, or it is returned as it is. Where a form is impossible, the request was refused before.
    """
    if order.ord_type in WAITING:
        return _stop_stance(order, market)
    if order.time_in_force == AT_THE_CLOSE and (order.instructions is not None or market.phase != CLOSING_AUCTION):
        held = ON_BOOK if market.phase == CLOSING_AUCTION else AWAITS_CLOSE
        return with_instructions(order, held=held, shown_qty_lots=0, working_price_ticks=0)
    instructions = order.instructions
    if instructions is None:
        return order
    price_ticks = 0
    if order.ord_type == PEGGED:
        price_ticks = peg_price_ticks(order, market)
        return with_instructions(
            order,
            held=ON_BOOK if price_ticks else AWAITS_REFERENCE,
            shown_qty_lots=0,
            working_price_ticks=price_ticks,
        )
    if instructions.post_only == SLIDE_IF_TAKING and market.phase == CONTINUOUS:
        price_ticks = slid_price_ticks(order.side, order.price_ticks, market)
    if (instructions.held, instructions.shown_qty_lots, instructions.working_price_ticks) == (ON_BOOK, 0, price_ticks):
        return order
    return with_instructions(order, held=ON_BOOK, shown_qty_lots=0, working_price_ticks=price_ticks)


def would_take(side: Side, price_ticks: int, market: Market) -> bool:
    """Whether a limit order would trade at once, be it with hidden orders (POST-1)."""
    best = market.book.opposite(side).best_price_ticks
    return bool(best) and (price_ticks >= best if side == BUY else price_ticks <= best)


def slid_price_ticks(side: Side, price_ticks: int, market: Market) -> int:
    """One tick before the best opposite price, for an order that would trade; 0 if it would not, or no tick is left."""
    if not would_take(side, price_ticks, market):
        return 0
    if side == BUY:
        return market.ticks.down(market.book.asks.best_price_ticks - 1)
    return market.ticks.up(market.book.bids.best_price_ticks + 1)


def take(command: NewOrder, market: Market, floor: Floor, answer: Answer) -> OrderState:
    """Take an order that nothing is wrong with, and tell its client; it has yet to come in."""
    order = accepted(command, floor.orders.next_order_id())
    if order.instructions is not None or order.ord_type != LIMIT or order.time_in_force == AT_THE_CLOSE:
        order = stance(order, market)
    if order.instructions is not None:
        market.enlist(order)
    answer.accepted(order)
    floor.orders.name(order)
    return order


def work(order: OrderState, market: Market, floor: Floor, answer: Answer, *, is_new: bool = True) -> None:
    """
    Let an order come in that was taken, and told, in the form that `stance` gave it.

    Args:
        order: Neither on the book nor waiting anywhere; afterwards it is kept, wherever it came to be.
        market: Its symbol's.
        floor: What all share.
        answer: Where what happens is told.
        is_new: MinQty(110) counts (MIN-1): not when it comes in anew by a replace.
    """
    instructions = order.instructions
    if instructions is not None and instructions.held:
        _wait(order, instructions, market, floor, answer)
    elif market.phase != CONTINUOUS:
        _collect(order, market, floor, answer)
    elif instructions is None and order.ord_type == LIMIT and order.time_in_force != FILL_OR_KILL:
        order = match(order, order.price_ticks, market, floor, answer)
        if order.leaves_qty_lots and order.time_in_force in RESTING_TIMES and market.phase == CONTINUOUS:
            rest(order, market, floor)  # most orders of all
        else:
            _finish(order, 0, market, floor, answer)
    else:
        _trade(order, market, floor, answer, is_new=is_new)


def rest(order: OrderState, market: Market, floor: Floor) -> None:
    """Put an order on the book, at the back of its price, and keep it."""
    if order.instructions is not None:
        order = refilled(order)
        if order.ord_type == PEGGED:
            market.pegs[order.order_id] = None
    market.book.side(order.side).add(order)
    floor.orders.keep(order)


# Waiting


def _stop_stance(order: OrderState, market: Market) -> OrderState:
    instructions = order.instructions or Instructions()
    price_type = instructions.trigger_price_type or LAST_TRADE
    direction = instructions.trigger_direction or (UP if order.side == BUY else DOWN)
    order = with_instructions(
        order,
        trigger_price_type=price_type,
        trigger_direction=direction,
        held=AWAITS_TRIGGER,
        shown_qty_lots=0,
        working_price_ticks=0,
    )
    assert order.instructions is not None
    if instructions.stop_price_ticks:
        return order
    price_ticks = trigger_price_ticks(price_type, market)
    start_ticks = trailed_stop_ticks(order.instructions, price_ticks) if price_ticks else 0
    return with_instructions(order, stop_price_ticks=start_ticks)


def _wait(order: OrderState, instructions: Instructions, market: Market, floor: Floor, answer: Answer) -> None:
    market.has_followers = True
    if instructions.held == AWAITS_TRIGGER and market.phase == CONTINUOUS:
        price_ticks = trigger_price_ticks(instructions.trigger_price_type, market)
        if price_ticks and is_reached(instructions, (price_ticks, price_ticks)):
            order = triggered(order)
            answer.tell(OrderTriggered, order)
            _trade(order, market, floor, answer)
            return
    floor.orders.keep(order)
    if instructions.held == AWAITS_TRIGGER:
        market.stops.add(order)
        if market.prints:
            market.stops.entered[order.order_id] = len(market.prints)
    elif instructions.held == AWAITS_CLOSE:
        market.at_close[order.order_id] = None
    elif instructions.held == AWAITS_REFERENCE:
        market.pegs[order.order_id] = market.parked[order.order_id] = None
        market.peg_view = None


# Coming in


def _collect(order: OrderState, market: Market, floor: Floor, answer: Answer) -> None:
    """Let an order wait for the uncrossing, if it may (PHASE-1, CORRIDOR-1)."""
    if order.ord_type != MARKET_TO_LIMIT and order.time_in_force in _AUCTION_TIMES:
        rest(order, market, floor)
        return
    _end_rest(order, _NOT_IN_AUCTION, market, floor, answer, restatement="C")


def _trade(order: OrderState, market: Market, floor: Floor, answer: Answer, *, is_new: bool = True) -> None:
    """Let an order that is not plain trade in continuous trading, as its type and instructions say."""
    if order.ord_type == PEGGED:
        market.has_followers = True
        market.peg_view = None
        rest(order, market, floor)
        return
    if order.instructions is not None and order.instructions.post_only and order.ord_type == LIMIT:
        slid = _posted(order, market)
        if slid is None:
            _end_rest(order, _WOULD_TAKE, market, floor, answer)
            return
        if slid is not order:
            answer.tell(OrderRestated, slid, "3", "")
        rest(slid, market, floor)
        return
    price_ticks = limit_price_ticks(order, market)
    if price_ticks is None:
        _end_rest(order, _NOTHING_OPPOSITE, market, floor, answer)
        return
    text = _unreachable(order, price_ticks, market, floor, is_new=is_new)
    if text:
        _end_rest(order, text, market, floor, answer)
        return
    _finish(match(order, price_ticks, market, floor, answer), price_ticks, market, floor, answer)


def _posted(order: OrderState, market: Market) -> OrderState | None:
    """A post-only order as it can stand now; None if it cannot."""
    assert order.instructions is not None
    if not would_take(order.side, standing_price_ticks(order), market):
        return order
    if order.instructions.post_only == REJECT_IF_TAKING:
        return None
    price_ticks = slid_price_ticks(order.side, order.price_ticks, market)
    return with_instructions(order, working_price_ticks=price_ticks) if price_ticks else None


def limit_price_ticks(order: OrderState, market: Market) -> int | None:
    """
    The worst price at which an incoming order trades: its own, that of MARKET-1 or MTL-1.

    0 is for a market order without protection, None for one that finds nothing on the other side.
    """
    if order.ord_type == LIMIT:
        return order.price_ticks
    best = market.book.opposite(order.side).best_price_ticks
    if not best:
        return None
    if order.ord_type == MARKET_TO_LIMIT:
        return best
    protection = market.instrument.rules.protection_ticks
    if not protection:
        return 0
    if order.side == BUY:
        return market.ticks.down(min(best + protection, PRICE_TICKS_MAX)) or best
    return market.ticks.up(max(best - protection, 1)) or best


def _unreachable(order: OrderState, limit_ticks: int, market: Market, floor: Floor, *, is_new: bool) -> str:
    """Why an order does not trade at all, if it asks for more at once than there is; else empty."""
    if order.time_in_force == FILL_OR_KILL:
        return "" if reaches(order, order.leaves_qty_lots, limit_ticks, market, floor) else _FOK_NOT_FILLED
    if is_new and order.instructions is not None and order.instructions.min_qty_lots:
        wanted = order.instructions.min_qty_lots
        return "" if reaches(order, wanted, limit_ticks, market, floor) else _MIN_NOT_FILLED
    return ""


# What is left


def _finish(order: OrderState, price_ticks: int, market: Market, floor: Floor, answer: Answer) -> None:
    """Do with a matched order what its type says about the rest."""
    if not order.leaves_qty_lots:
        floor.orders.keep(order)
        if order.instructions is not None:
            settle_end(order, market, floor)
    elif market.phase != CONTINUOUS:
        _collect(order, market, floor, answer)
    elif order.ord_type == LIMIT:
        if order.time_in_force in RESTING_TIMES:
            rest(order, market, floor)
        else:
            _end_rest(order, _REST_OF_IOC, market, floor, answer)
    else:
        _leave_unpriced(order, price_ticks, market, floor, answer)


def _leave_unpriced(order: OrderState, price_ticks: int, market: Market, floor: Floor, answer: Answer) -> None:
    """Let the rest of a market or market-to-limit order rest at the price that bounded it, or end (MARKET-2, MTL-1)."""
    may_rest = order.ord_type == MARKET_TO_LIMIT or market.instrument.rules.market_rest == "rest"
    if may_rest and price_ticks and order.time_in_force in RESTING_TIMES:
        order = with_instructions(order, working_price_ticks=price_ticks)
        answer.tell(OrderRestated, order, "3", "")
        rest(order, market, floor)
    else:
        is_market = order.ord_type == MARKET
        _end_rest(order, _REST_OF_MARKET if is_market else _REST_OF_IOC, market, floor, answer)


def _end_rest(
    order: OrderState, text: str, market: Market, floor: Floor, answer: Answer, *, restatement: RestatementReason = ""
) -> None:
    order = canceled(order)
    floor.orders.keep(order)
    answer.rest_canceled(order, text, restatement)
    settle_end(order, market, floor)
    if order.instructions is not None and order.instructions.list_id:
        leg_traded(order, market, floor, answer)  # it only ended, which is as good (OCO-1)
