"""What an incoming order does: trigger, trade, meet its own firm, break a corridor, rest (MATCH, MARKET, SMP)."""

from matcher.events import OrderFilled, OrderRestated, OrderTriggered
from matcher.increments import TradePrint
from matcher.orders import OrderState
from matcher.phases import VOLATILITY_AUCTION
from simulators.reference import phases, prices, quotes
from simulators.reference.memory import Entry, Market, OrderList, Trade, Venue, other

RESTING_TIMES = "016"


def enter(venue: Venue, entry: Entry, *, asked: bool, is_new: bool = True) -> None:
    """
    Let an order that was taken, replaced or set free do what it does in the present phase.

    Args:
        venue: All there is.
        entry: Live and not on the book.
        asked: Its events answer the session that asked.
        is_new: MinQty(110) counts.
    """
    market = venue.markets[entry.state.symbol]
    if entry.finished:
        return
    if entry.said.held == "T":
        entry.high_ticks = entry.low_ticks = 0
        price = prices.trigger_price(venue, market, entry.said)
        if not (market.is_continuous and prices.is_reached(entry, price, price)):
            return
        trigger(venue, entry, asked=asked)
    if entry.said.held:
        return
    if entry.state.ord_type == "P":
        venue.place(entry)
    elif market.is_continuous:
        entry.is_working = True
        _meet(venue, market, entry, asked=asked, is_new=is_new)
        entry.is_working = False
        venue.finish_if_done(entry)
        if entry.finished:
            settle_alternatives(venue, entry)
    elif entry.state.ord_type == "K" or entry.state.time_in_force in "34":
        venue.cancel_unasked(entry, "C", asked=asked)
        settle_alternatives(venue, entry)
    else:
        venue.place(entry)


def trigger(venue: Venue, entry: Entry, *, asked: bool) -> None:
    """A stop waits no longer."""
    entry.restate(ord_type="1" if entry.state.ord_type == "3" else "2")
    entry.instruct(held="")
    venue.tell(OrderTriggered, entry.state, asked=asked)


def _meet(venue: Venue, market: Market, entry: Entry, *, asked: bool, is_new: bool) -> None:
    order, said = entry.state, entry.said
    if order.ord_type in "1K" and not venue.resting(order.symbol, other(order.side)):
        venue.cancel_unasked(entry, "", asked=asked)
        return
    if said.post_only and not slide(venue, market, entry):
        venue.cancel_unasked(entry, "", asked=asked)
        return
    if entry.stands_at != _stood_at(order):
        venue.tell(OrderRestated, entry.state, "3", "", asked=asked)
    limit = _limit(venue, market, entry)
    least = order.leaves_qty_lots if order.time_in_force == "4" else said.min_qty_lots if is_new else 0
    if least and _reach(venue, entry, limit) < least:
        venue.cancel_unasked(entry, "", asked=asked)
        return
    broke_corridor = _sweep(venue, market, entry, limit, asked=asked)
    if entry.state.leaves_qty_lots:
        _rest(venue, market, entry, limit, broke_corridor=broke_corridor, asked=asked)
    if broke_corridor:
        begin_volatility_auction(venue, market)


def _stood_at(order: OrderState) -> int:
    return Entry(order).stands_at


def slide(venue: Venue, market: Market, entry: Entry) -> bool:
    """Move a post-only order out of the way; False if it may not, or cannot."""
    order = entry.state
    if order.ord_type == "P" or not prices.would_cross(venue, market, order.side, entry.stands_at):
        return True
    working = prices.beside(venue, market, order.side) if entry.said.post_only == "S" else 0
    entry.instruct(working_price_ticks=working)
    return bool(working)


def _limit(venue: Venue, market: Market, entry: Entry) -> int:
    """The worst price that an incoming order takes; 0 for any."""
    order = entry.state
    if order.ord_type == "2":
        return entry.stands_at
    best = venue.best(order.symbol, other(order.side))
    if order.ord_type == "K":
        return best
    protection = market.instrument.rules.protection_ticks
    if not protection:
        return 0
    if order.side == "1":
        return prices.rounded(market.instrument, best + protection, -1)
    return prices.rounded(market.instrument, max(best - protection, 1), 1)


def _reach(venue: Venue, entry: Entry, limit: int) -> int:
    """How much an incoming order would trade: tried out on a copy."""
    trial = venue.trial()
    copy = next(e for e in trial.entries if e.state.order_id == entry.state.order_id)
    _sweep(trial, trial.markets[entry.state.symbol], copy, limit, asked=False)
    return copy.state.cum_qty_lots - entry.state.cum_qty_lots


def _sweep(venue: Venue, market: Market, entry: Entry, limit: int, *, asked: bool) -> bool:
    """Trade with one after the other; True if a corridor stopped it."""
    while entry.state.leaves_qty_lots:
        resting = next(iter(venue.resting(market.symbol, other(entry.state.side))), None)
        if resting is None or (limit and _is_beyond(entry.state.side, resting.stands_at, limit)):
            return False
        if are_alternatives(venue, entry, resting):
            give_way(venue, resting)
        elif _is_self_match(entry, resting) and _instruction(venue, entry) != "0":
            _prevent(venue, entry, resting, asked=asked)
        elif not prices.is_in_corridors(market, resting.stands_at):
            return True
        else:
            qty = min(entry.state.leaves_qty_lots, resting.offers)
            trade(venue, market, entry, resting, resting.stands_at, qty=qty, asked=asked)
    return False


def _is_beyond(side: str, price_ticks: int, limit: int) -> bool:
    return price_ticks > limit if side == "1" else price_ticks < limit


def _rest(venue: Venue, market: Market, entry: Entry, limit: int, *, broke_corridor: bool, asked: bool) -> None:
    order, rules = entry.state, market.instrument.rules
    stays = order.time_in_force in RESTING_TIMES
    if broke_corridor:
        stays = stays and order.ord_type in "12"
    elif order.ord_type == "1":
        stays = stays and rules.market_rest == "rest" and rules.protection_ticks > 0
    if stays and not broke_corridor and order.ord_type in "1K":
        entry.instruct(working_price_ticks=limit)
        venue.tell(OrderRestated, entry.state, "3", "", asked=asked)
    if stays:
        venue.place(entry)
    else:
        venue.cancel_unasked(entry, "C" if broke_corridor else "", asked=asked)


def begin_volatility_auction(venue: Venue, market: Market) -> None:
    """A price lay outside its corridor (CORRIDOR-2)."""
    rules = market.instrument.rules
    ends_ns = venue.command.received_ns + rules.volatility_auction_ns
    phases.change(venue, market, VOLATILITY_AUCTION, (ends_ns, rules.volatility_random_end_ns, venue.input_seq))


# Trades


def trade(
    venue: Venue,
    market: Market,
    first: Entry,
    second: Entry,
    price: int,
    *,
    qty: int,
    asked: bool,
    auction: bool = False,
) -> None:
    """Two orders trade; the first is told first, and is the incoming one unless it is an auction."""
    market.match_id += 1
    fills: dict[str, tuple[int, int]] = {}
    for entry in (first, second):
        state = entry.state
        entry.restate(
            leaves_qty_lots=state.leaves_qty_lots - qty,
            cum_qty_lots=state.cum_qty_lots + qty,
            cum_value=state.cum_value + price * qty,
            ord_status="2" if state.leaves_qty_lots == qty else "1",
        )
        if entry.is_iceberg and entry.queued:
            left = entry.state.leaves_qty_lots
            entry.instruct(
                shown_qty_lots=min(entry.said.display_qty_lots, left) if auction else entry.said.shown_qty_lots - qty
            )
        is_incoming = entry is first and not auction
        fills[state.side] = (venue.input_seq, venue.event_index)
        details = (market.match_id, price, qty, is_incoming, auction)
        venue.tell(OrderFilled, entry.state, *details, asked=asked and is_incoming)
    side = "" if auction else first.state.side
    market.trades = [*market.trades, TradePrint(market.match_id, price, qty, side)]
    order_ids: dict[str, int] = {entry.state.side: entry.state.order_id for entry in (first, second)}
    venue.trades.append(Trade(market.symbol, market.match_id, price, qty, order_ids, fills))
    venue.trades = [one for one in venue.trades if _is_remembered(venue, one)]
    market.last_trade_ticks = price
    for entry in venue.live(market.symbol):
        entry.high_ticks = max(entry.high_ticks, price)
        entry.low_ticks = min(entry.low_ticks or price, price)
    for entry in (first, second):
        if entry.is_quote:
            quotes.count_fill(venue, entry, qty)
        venue.finish_if_done(entry)
        if entry.is_iceberg and entry.queued and not entry.said.shown_qty_lots:
            venue.place(entry)
    for entry in (first, second):
        settle_alternatives(venue, entry)


def _is_remembered(venue: Venue, trade: Trade) -> bool:
    return trade.match_id > venue.markets[trade.symbol].match_id - venue.finished_orders_max


# One firm


def _is_self_match(entry: Entry, resting: Entry) -> bool:
    if entry.state.firm != resting.state.firm:
        return False
    ids = (entry.said.self_match_id, resting.said.self_match_id)
    return ids[0] == ids[1]


def _instruction(venue: Venue, entry: Entry) -> str:
    """What the incoming order's own instruction, its session's or its firm's limits say."""
    order = entry.state
    own = entry.said.self_match_instruction
    session = venue.limits_of(order.firm, order.session_id).self_match_instruction
    return own or session or venue.limits_of(order.firm, "").self_match_instruction or "1"


def _prevent(venue: Venue, entry: Entry, resting: Entry, *, asked: bool) -> None:
    match _instruction(venue, entry):
        case "1":
            venue.cancel_unasked(entry, "18", asked=asked)
        case "2":
            venue.cancel_unasked(resting, "19")
        case "3":
            venue.cancel_unasked(entry, "20", asked=asked)
            venue.cancel_unasked(resting, "20")
        case _:
            lost = min(entry.state.leaves_qty_lots, resting.state.leaves_qty_lots)
            for one in (entry, resting):
                _decrement(venue, one, lost, asked=asked and one is entry)
    for one in (entry, resting):
        settle_alternatives(venue, one)


def _decrement(venue: Venue, entry: Entry, qty: int, *, asked: bool) -> None:
    left = entry.state.leaves_qty_lots - qty
    if not left:
        venue.cancel_unasked(entry, "5", asked=asked)
        return
    entry.restate(leaves_qty_lots=left)
    entry.instruct(shown_qty_lots=min(entry.said.shown_qty_lots, left))
    venue.tell(OrderRestated, entry.state, "5", "", asked=asked)


# One cancels the other


def alternatives(venue: Venue, order_list: OrderList) -> list[Entry]:
    """The legs of which one only may trade: both of an OCO, or the two that a filled order set free."""
    legs = venue.legs(order_list)
    if order_list.contingency_type == "2":
        legs = [e for e in legs if e.state.order_id != order_list.order_ids[0]]
    if len(order_list.order_ids) - (order_list.contingency_type == "2") < 2:
        return []
    return [] if any(e.said.held == "L" for e in legs) else legs


def are_alternatives(venue: Venue, one: Entry, another: Entry) -> bool:
    """Whether only one of these two may ever trade."""
    return any(
        one in legs and another in legs for legs in (alternatives(venue, order_list) for order_list in venue.lists)
    )


def give_way(venue: Venue, entry: Entry) -> None:
    """A leg that would trade with its own other leg ends instead."""
    for order_list in venue.lists:
        if entry.state.order_id in order_list.order_ids:
            order_list.is_settled = True
    venue.cancel_unasked(entry, "L")


def settle_alternatives(venue: Venue, about: Entry) -> None:
    """Cancel the other leg of one that was the first to trade or to end."""
    for order_list in venue.lists:
        if about.state.order_id in order_list.order_ids:
            settle_list(venue, order_list)


def losers(venue: Venue, order_list: OrderList) -> list[Entry]:
    """The legs that may not trade any more, because the other one was the first to trade or to end."""
    legs = alternatives(venue, order_list)
    moved = [e for e in legs if not e.state.leaves_qty_lots or e.state.cum_qty_lots]
    # One that ended may be forgotten already.
    is_decided = bool(moved) or len(legs) < len(order_list.order_ids) - (order_list.contingency_type == "2")
    return [e for e in legs if e not in moved] if is_decided and not order_list.is_settled else []


def settle_list(venue: Venue, order_list: OrderList) -> bool:
    """Cancel the legs of a list that may not trade any more; True if there was one."""
    found = losers(venue, order_list)
    order_list.is_settled = order_list.is_settled or bool(found)
    for leg in found:
        venue.cancel_unasked(leg, "L")
    return bool(found)
