"""What clients ask about single orders: D, F, G, H, and of many: q, AF (CANCEL, REPLACE, MASS, STATUS, RESEND)."""

from typing import Any

from msgspec.structs import replace

from matcher.commands import (
    CancelOrder,
    MassCancel,
    NewOrder,
    OrderMassStatusRequest,
    OrderStatusRequest,
    ReplaceOrder,
)
from matcher.events import (
    CancelRejected,
    MassCancelReported,
    OrderAccepted,
    OrderCanceled,
    OrderMassStatusReported,
    OrderRejected,
    OrderReplaced,
    OrderStatusReported,
)
from matcher.orders import OrderState
from matcher.phases import CLOSING_AUCTION
from matcher.rejects import RejectReason as R
from simulators.reference import matching, prices, refusals
from simulators.reference.memory import PLAIN, Entry, Market, Venue

TRIGGERS = ("stop_price_ticks", "trigger_price_type", "trigger_direction", "trail_offset", "trail_offset_type")
FREE_TO_CHANGE = (
    "expire_date",
    "expire_ns",
    "cancel_on_halt",
    "reports_moves",
    "self_match_id",
    "self_match_instruction",
    "list_id",
    "quote_entry_id",
    "held",
    "shown_qty_lots",
    "working_price_ticks",
)
"""Instructions that cost no place in the queue, or are not the client's."""


def state_of(command: Any, order: Any, *, taken: bool) -> OrderState:
    """A new order, or a refused one, from the request and what has its terms."""
    return OrderState(
        order_id=0,
        session_id=command.session_id,
        firm=command.firm,
        cl_ord_id=order.cl_ord_id,
        account=order.account,
        symbol=command.symbol,
        side=order.side,
        ord_type=order.ord_type,
        time_in_force=order.time_in_force,
        price_ticks=order.price_ticks,
        qty_lots=order.qty_lots,
        leaves_qty_lots=order.qty_lots if taken else 0,
        cum_qty_lots=0,
        cum_value=0,
        ord_status="0" if taken else "8",
        instructions=order.instructions,
    )


def settle_in(venue: Venue, market: Market, entry: Entry) -> None:
    """Say where an order waits or stands before it comes in: held, stop price, price of a peg or a slide."""
    order, said = entry.state, entry.said
    if order.ord_type in "34":
        rises = prices.waits_for_rise(order.side, said)
        kind = said.trigger_price_type or "2"
        entry.instruct(held="T", trigger_price_type=kind, trigger_direction="U" if rises else "D")
        if said.trail_offset and not said.stop_price_ticks:
            entry.instruct(stop_price_ticks=prices.trailed(venue, market, order.side, said))
    elif order.time_in_force == "7" and market.phase != CLOSING_AUCTION:
        entry.instruct(held="C")
    elif order.ord_type == "P":
        price = prices.pegged(venue, market, order.side, order.price_ticks, said)
        entry.instruct(held="" if price else "P", working_price_ticks=price)
    elif said.post_only and market.is_continuous:
        matching.slide(venue, market, entry)


def new_order(venue: Venue, command: NewOrder) -> None:
    """Take an order and let it work."""
    known = venue.find(command.firm, command.cl_ord_id)
    if command.is_poss_resend and known:
        venue.tell(OrderStatusReported, known.state, "", None, "", asked=True)
        return
    refusal = refusal_of_new(venue, command)
    if refusal:
        venue.tell(OrderRejected, state_of(command, command, taken=False), refusal, "", asked=True)
        return
    entry = venue.take(state_of(command, command, taken=True))
    settle_in(venue, venue.markets[command.symbol], entry)
    venue.tell(OrderAccepted, entry.state, asked=True)
    matching.enter(venue, entry, asked=True)


def refusal_of_new(venue: Venue, command: NewOrder) -> R | None:
    """The first check that fails."""
    if command.symbol not in venue.markets:
        return R.UNKNOWN_SYMBOL
    checks = refusals.of_order(venue, command, command)
    position = [reason for reason, _ in checks].index(R.QTY_ABOVE_LIMIT)
    checks.insert(position, (R.DUPLICATE_CL_ORD_ID, lambda: venue.find(command.firm, command.cl_ord_id)))
    market = venue.markets[command.symbol]
    checks.append((R.BOOK_FULL, lambda: refusals.book_is_full(venue, market, command)))
    return refusals.first(checks)


def cancel(venue: Venue, command: CancelOrder) -> None:
    """Cancel what is left."""
    entry = venue.find(command.firm, command.orig_cl_ord_id)
    refusal = refusals.first(_checks_of_change(venue, command, entry))
    if refusal or entry is None:
        _reject_change(venue, command, "1", entry, refusal)
        return
    venue.retire(command.firm, command.cl_ord_id, entry)
    venue.end(entry, "4")
    venue.tell(OrderCanceled, entry.state, command.cl_ord_id, command.orig_cl_ord_id, "", asked=True)


def replace_order(venue: Venue, command: ReplaceOrder) -> None:
    """Give the order new terms; it keeps its place, or comes in anew."""
    entry = venue.find(command.firm, command.orig_cl_ord_id)
    refusal = _refusal_of_replace(venue, command, entry)
    if refusal or entry is None:
        _reject_change(venue, command, "2", entry, refusal)
        return
    old = entry.state
    market = venue.markets[old.symbol]
    qty = max(command.qty_lots, old.cum_qty_lots)
    leaves = qty - old.cum_qty_lots
    keeps = _keeps_place(entry, command, leaves)
    said, was = command.instructions or PLAIN, entry.said
    said = replace(said, list_id=was.list_id, held="", shown_qty_lots=0, working_price_ticks=0)
    if keeps:
        shown = min(was.shown_qty_lots, leaves)
        said = replace(said, held=was.held, shown_qty_lots=shown, working_price_ticks=was.working_price_ticks)
    if keeps and was.held != "T":
        said = replace(said, **{name: getattr(was, name) for name in TRIGGERS})
    entry.state = replace(
        old,
        cl_ord_id=command.cl_ord_id,
        ord_type=old.ord_type if keeps else command.ord_type,
        time_in_force=command.time_in_force,
        price_ticks=command.price_ticks,
        qty_lots=qty,
        leaves_qty_lots=leaves,
        ord_status="2" if not leaves else "1" if old.cum_qty_lots else "0",
        instructions=None if said == PLAIN and command.instructions is None else said,
    )
    venue.retire(command.firm, command.orig_cl_ord_id, entry)
    if not leaves:
        venue.end(entry, "2")
    elif not keeps:
        entry.queued = 0
        settle_in(venue, market, entry)
    venue.tell(OrderReplaced, entry.state, command.orig_cl_ord_id, asked=True)
    if leaves and not keeps:
        matching.enter(venue, entry, asked=True, is_new=False)


def _keeps_place(entry: Entry, command: ReplaceOrder, leaves: int) -> bool:
    old, was, said = entry.state, entry.said, command.instructions or PLAIN
    free = FREE_TO_CHANGE if was.held == "T" else (*FREE_TO_CHANGE, *TRIGGERS)
    if was.display_qty_lots > 0 and said.display_qty_lots > 0:
        free = (*free, "display_qty_lots")
    same = all(getattr(was, name) == getattr(said, name) for name in said.__struct_fields__ if name not in free)
    return (
        same
        and 0 < leaves <= old.leaves_qty_lots
        and (old.ord_type, old.price_ticks) == (command.ord_type, command.price_ticks)
        and (old.time_in_force == "7") == (command.time_in_force == "7")
    )


def _refusal_of_replace(venue: Venue, command: ReplaceOrder, entry: Entry | None) -> R | None:
    """The first check that fails."""
    if command.symbol not in venue.markets:
        return R.UNKNOWN_SYMBOL
    old = entry if entry and not entry.finished and entry.state.cl_ord_id == command.orig_cl_ord_id else None
    held = old.said.held if old else ""
    kinds = "34" if held == "T" else "2P" if old and held != "L" else "2P34"
    market = venue.markets[command.symbol]
    checks: list[refusals.Check] = [
        (R.UNSUPPORTED_ORD_TYPE, lambda: command.ord_type not in kinds),
        (R.UNSUPPORTED_TIME_IN_FORCE, lambda: command.time_in_force not in "0167"),
        (R.UNSUPPORTED_INSTRUCTION, lambda: held == "L"),
    ]
    for reason, failed in refusals.of_order(venue, command, command, replaced=old):
        if reason == R.QTY_ABOVE_LIMIT:
            checks += _checks_of_change(venue, command, entry)
        checks.append((reason, failed))
    if old and not _keeps_place(old, command, command.qty_lots - old.state.cum_qty_lots):
        comes_in = market.is_continuous and command.ord_type == "2" and command.time_in_force != "7"
        leaves = command.qty_lots > old.state.cum_qty_lots
        checks.append(
            (
                R.POST_ONLY_WOULD_TAKE,
                lambda: comes_in and leaves and refusals.post_only_fails(venue, market, command),
            )
        )
    return refusals.first(checks)


def _checks_of_change(venue: Venue, command: CancelOrder | ReplaceOrder, entry: Entry | None) -> list[refusals.Check]:
    """What a cancel and a replace have in common."""
    state = entry.state if entry else None
    return [
        (R.DUPLICATE_CL_ORD_ID, lambda: venue.find(command.firm, command.cl_ord_id)),
        (R.UNKNOWN_ORDER, lambda: entry is None),
        (
            R.SYMBOL_OR_SIDE_CHANGED,
            lambda: state and (state.symbol, state.side) != (command.symbol, command.side),
        ),
        (R.TOO_LATE, lambda: entry and (entry.finished or entry.state.cl_ord_id != command.orig_cl_ord_id)),
    ]


def _reject_change(
    venue: Venue, command: CancelOrder | ReplaceOrder, response_to: str, entry: Entry | None, reason: R | None
) -> None:
    """Say that a cancel or replace changed nothing."""
    order_id, ord_status = (entry.state.order_id, entry.state.ord_status) if entry else (0, "8")
    ids = (command.cl_ord_id, command.orig_cl_ord_id)
    venue.tell(CancelRejected, command.symbol, response_to, order_id, ord_status, *ids, reason, "", asked=True)


def report_status(venue: Venue, command: OrderStatusRequest) -> None:
    """Say how the order stands."""
    entry = venue.find(command.firm, command.cl_ord_id)
    if entry:
        venue.tell(OrderStatusReported, entry.state, command.ord_status_req_id, None, "", asked=True)
        return
    who = (command.session_id, command.firm, command.cl_ord_id, "", command.symbol, command.side)
    nothing = OrderState(0, *who, "2", "0", 0, 0, 0, 0, 0, "8")
    venue.tell(OrderStatusReported, nothing, command.ord_status_req_id, R.UNKNOWN_ORDER, "", asked=True)


def report_orders(venue: Venue, command: OrderMassStatusRequest) -> None:
    """Say how all live orders in a scope stand."""
    found = [e for e in venue.live() if e.state.firm == command.firm and command.side in ("", e.state.side)]
    if command.scope == "1":
        found = [e for e in found if e.state.symbol == command.symbol]
    elif command.scope == "8":
        found = [e for e in found if e.state.session_id == command.session_id]
    req_id = command.mass_status_req_id
    if not found:
        venue.tell(OrderMassStatusReported, None, command.symbol, req_id, 0, True, asked=True)
    for entry in found:
        is_last = entry is found[-1]
        details = (entry.state.symbol, req_id, len(found), is_last)
        venue.tell(OrderMassStatusReported, entry.state, *details, asked=True)


def mass_cancel(venue: Venue, command: MassCancel) -> None:
    """Cancel all live orders of the firm in a scope, symbol by symbol."""
    details = (command.symbol, command.cl_ord_id, command.scope, command.side)
    if command.scope == "1" and command.symbol not in venue.markets:
        venue.tell(MassCancelReported, *details, 0, R.UNKNOWN_SYMBOL, "", asked=True)
        return
    count = 0
    for symbol in [command.symbol] if command.scope == "1" else list(venue.markets):
        for entry in venue.live(symbol):
            mine = not command.of_session_only or entry.state.session_id == command.session_id
            if mine and entry.state.firm == command.firm and command.side in ("", entry.state.side):
                venue.cancel_unasked(entry, "M", asked=True)
                count += 1
    venue.tell(MassCancelReported, *details, count, None, "", asked=True)
