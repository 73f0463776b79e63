"""Orders that depend on each other: OCO, OTO, OTOCO (LIST, OCO, OTO)."""

from matcher.commands import NewOrderList
from matcher.events import LeggedOrder, ListStatusReported, OrderAccepted, OrderRejected, OrderTriggered
from matcher.orders import OrderState
from matcher.rejects import RejectReason as R
from simulators.reference import matching, refusals, requests
from simulators.reference.memory import Entry, Market, OrderList, Venue


def new_list(venue: Venue, command: NewOrderList) -> None:
    """Take all legs, or none."""
    reason = _refusal(venue, command)
    if reason:
        legs = [Entry(requests.state_of(command, leg, taken=False)) for leg in command.orders]
        for leg in legs:
            leg.instruct(list_id=command.list_id)
        states = [leg.state for leg in legs]
        for state in states:
            venue.tell(OrderRejected, state, reason, "", asked=True)
        names = (command.session_id, command.firm, command.symbol, command.list_id)
        venue.tell(ListStatusReported, *names, "7", [_legged(s) for s in states], reason, "", asked=True)
        return
    market = venue.markets[command.symbol]
    taken = [venue.take(requests.state_of(command, leg, taken=True)) for leg in command.orders]
    for number, leg in enumerate(taken):
        leg.instruct(list_id=command.list_id)
        if command.contingency_type == "2" and number > 0:
            leg.instruct(held="L")
        else:
            requests.settle_in(venue, market, leg)
        venue.tell(OrderAccepted, leg.state, asked=True)
    order_list = OrderList(
        command.list_id,
        command.session_id,
        command.firm,
        command.symbol,
        command.contingency_type,
        [leg.state.order_id for leg in taken],
        {leg.state.order_id: leg.state.ord_status for leg in taken},
    )
    venue.lists.append(order_list)
    _tell_status(venue, order_list, taken, asked=True)
    for leg in taken:
        if leg.said.held in ("", "T"):
            matching.enter(venue, leg, asked=True)


def _refusal(venue: Venue, command: NewOrderList) -> R | None:
    """The fault of the list itself or of its first leg that has one, whichever stands first in RejectReason."""
    if command.symbol not in venue.markets:
        return R.UNKNOWN_SYMBOL
    is_known = any((one.firm, one.list_id) == (command.firm, command.list_id) for one in venue.lists)
    faults = [R.DUPLICATE_CL_ORD_ID] if is_known else []
    fault = _refusal_of_legs(venue, command)
    return min([*faults, fault] if fault else faults, key=list(R).index, default=None)


def _refusal_of_legs(venue: Venue, command: NewOrderList) -> R | None:
    market = venue.markets[command.symbol]
    planned: list[refusals.Planned] = []
    for number, leg in enumerate(command.orders):
        names = [other.cl_ord_id for other in command.orders[:number]]
        waits = command.contingency_type == "2" and number > 0
        checks = refusals.of_order(venue, command, leg, planned=planned, waits=waits)
        position = [reason for reason, _ in checks].index(R.QTY_ABOVE_LIMIT)
        is_used = leg.cl_ord_id in names or venue.find(command.firm, leg.cl_ord_id)
        checks.insert(position, (R.DUPLICATE_CL_ORD_ID, lambda is_used=is_used: is_used))  # type: ignore[misc]
        unsupported = leg.time_in_force in "3427" or leg.ord_type == "P"
        checks.insert(0, (R.UNSUPPORTED_INSTRUCTION, lambda failed=unsupported: failed))  # type: ignore[misc]
        full = refusals.book_is_full(venue, market, leg, number, waits=waits)
        checks.append((R.BOOK_FULL, lambda full=full: full))  # type: ignore[misc]
        reason = refusals.first(checks)
        if reason:
            return reason
        planned.append((market, leg.price_ticks, leg.qty_lots))
    return None


def react(venue: Venue, market: Market) -> bool:
    """Do what follows for lists of what became of their legs, in order of entry; True if there was anything."""
    mine = [one for one in venue.lists if one.symbol == market.symbol]
    due = [one for one in mine if _is_due(venue, market, one)]
    for order_list in due:
        if not matching.settle_list(venue, order_list) and _is_due(venue, market, order_list):
            _free_or_cancel(venue, order_list)
    return bool(due)


def _is_due(venue: Venue, market: Market, order_list: OrderList) -> bool:
    if matching.losers(venue, order_list):
        return True
    return bool(_waiting(venue, order_list)) and (_is_void(venue, order_list) or _is_free(market, order_list))


def _waiting(venue: Venue, order_list: OrderList) -> list[Entry]:
    return [e for e in venue.legs(order_list) if e.said.held == "L"]


def _one_ended(venue: Venue, order_list: OrderList) -> bool:
    """One of the orders that wait for the first ended."""
    return len(_waiting(venue, order_list)) < len(order_list.order_ids) - 1


def _is_free(market: Market, order_list: OrderList) -> bool:
    """The first order is filled, and the others can come in."""
    return order_list.first_ended == "2" and market.takes_orders


def _is_void(venue: Venue, order_list: OrderList) -> bool:
    """The others will never come in."""
    return order_list.first_ended not in ("", "2") or _one_ended(venue, order_list)


def _free_or_cancel(venue: Venue, order_list: OrderList) -> None:
    waiting = _waiting(venue, order_list)
    market = venue.markets[order_list.symbol]
    if _is_void(venue, order_list):
        for leg in waiting:
            venue.cancel_unasked(leg, "L")
        return
    for leg in waiting:
        leg.instruct(held="")
        requests.settle_in(venue, market, leg)
        venue.tell(OrderTriggered, leg.state)
    for leg in waiting:
        matching.enter(venue, leg, asked=False)


def report(venue: Venue) -> None:
    """Tell of each list of which a leg has another status; forget those of which nothing is remembered."""
    venue.lists = [one for one in venue.lists if venue.legs(one)]
    for order_list in venue.lists:
        legs = venue.legs(order_list)
        news = {e.state.order_id: e.state.ord_status for e in legs}
        if any(order_list.reported[order_id] != status for order_id, status in news.items()):
            order_list.reported.update(news)
            _tell_status(venue, order_list, legs, asked=False)


def _tell_status(venue: Venue, order_list: OrderList, legs: list[Entry], *, asked: bool) -> None:
    status = "6" if all(leg.finished for leg in legs) else "3"
    names = (order_list.session_id, order_list.firm, order_list.symbol, order_list.list_id)
    rows = [_legged(leg.state) for leg in legs]
    venue.tell(ListStatusReported, *names, status, rows, None, "", asked=asked)


def _legged(order: OrderState) -> LeggedOrder:
    return LeggedOrder(
        order.cl_ord_id,
        order.qty_lots,
        order.leaves_qty_lots,
        order.cum_qty_lots,
        order.cum_value,
        order.ord_status,
    )
