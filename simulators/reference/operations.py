"""What the operator asks: definitions, reference prices, limits and blocks, busts (DEFINE, BLOCK, BUST)."""

from typing import Any

from msgspec.structs import replace

from matcher.events import InstrumentDefined, TradeBusted, TradeCorrected
from matcher.increments import TradeRevision
from matcher.operator_commands import BustTrade, CorrectTrade, DefineInstrument, SetLimits, SetPhase, SetReferencePrice
from matcher.orders import PRICE_TICKS_MAX
from matcher.phases import COLLECTING
from matcher.rejects import RejectReason as R
from simulators.reference import phases, quotes
from simulators.reference.memory import Entry, Market, Trade, Venue


def do(venue: Venue, command: Any) -> R | None:
    """Do what the operator asks; gives why not."""
    if isinstance(command, DefineInstrument):
        return define(venue, command)
    if isinstance(command, SetLimits):
        return set_limits(venue, command)
    if command.symbol not in venue.markets:
        return R.UNKNOWN_SYMBOL
    market = venue.markets[command.symbol]
    match command:
        case SetPhase():
            phases.set_by_operator(venue, market, command)
        case SetReferencePrice():
            if not 0 < command.price_ticks <= PRICE_TICKS_MAX:
                return R.INVALID_COMMAND
            market.reference_ticks = command.price_ticks
        case BustTrade() | CorrectTrade():
            return revise(venue, market, command)
    return None


def define(venue: Venue, command: DefineInstrument) -> R | None:
    """A new instrument, or new rules of one."""
    new = command.instrument
    market = venue.markets.get(new.symbol)
    name = (new.symbol,)
    if not command.request_id and venue.configured.get(name) == new:
        return None
    rules = new.rules
    has_corridor = rules.static_corridor_bps or rules.dynamic_corridor_bps
    if new.shard != venue.shard or command.symbol != new.symbol or (has_corridor and not rules.volatility_auction_ns):
        return R.INVALID_COMMAND
    if market is None:
        phase = new.rules.initial_phase
        venue.markets[new.symbol] = Market(new, phase, phase in COLLECTING, new.reference_price_ticks)
        # What was asked about the symbol before went through the lane of all else, and stays seen.
        venue.seen |= {(session, new.symbol): name for (session, lane), name in venue.seen.items() if not lane}
        venue.tell(InstrumentDefined, new)
    else:
        old = market.instrument
        if (old.tick, old.lot, old.currency, old.shard) != (new.tick, new.lot, new.currency, new.shard):
            return R.INVALID_COMMAND
        if old != new:
            # New rules alone leave the reference price where it was moved to.
            if old.reference_price_ticks != new.reference_price_ticks:
                market.reference_ticks = new.reference_price_ticks
            market.instrument = new
            venue.tell(InstrumentDefined, new)
    if not command.request_id:
        venue.configured[name] = new
    return None


def set_limits(venue: Venue, command: SetLimits) -> R | None:
    """New limits; a block cancels what lives."""
    name, limits = (command.firm, command.session_id), command.limits
    if (limits.quote_fills_max or limits.quote_qty_lots_max) and not limits.quote_window_ns:
        return R.INVALID_COMMAND
    if not command.request_id:
        if venue.configured.get(name) == limits:
            return None
        venue.configured[name] = limits
        limits = replace(limits, is_blocked=venue.limits_of(*name).is_blocked)
    venue.limits[name] = limits
    if not limits.is_blocked:
        return None
    for market in venue.markets.values():
        for entry in venue.live(market.symbol):
            mine = entry.state.firm == command.firm and command.session_id in ("", entry.state.session_id)
            if mine and not entry.is_quote:
                venue.cancel_unasked(entry, "B")
        quotes.pull(venue, market, "B", command.firm, command.session_id)
    return None


def revise(venue: Venue, market: Market, command: BustTrade | CorrectTrade) -> R | None:
    """Take a trade, or some of it, from both orders."""
    trade = next(
        (t for t in venue.trades if (t.symbol, t.match_id) == (command.symbol, command.match_id)),
        None,
    )
    entries = {side: venue.by_id(order_id) for side, order_id in trade.order_ids.items()} if trade else {}
    if trade is None or None in entries.values():
        return R.UNKNOWN_TRADE
    price, qty = trade.price_ticks, 0
    if isinstance(command, CorrectTrade):
        price, qty = command.price_ticks, command.qty_lots
        if not 0 < price <= PRICE_TICKS_MAX or not 0 < qty <= trade.qty_lots:
            return R.INVALID_COMMAND
    for side in "12":
        entry = entries[side]
        if entry:
            _restate(entry, trade, price, qty)
            kind = TradeCorrected if qty else TradeBusted
            last = (price, qty) if qty else (trade.price_ticks, trade.qty_lots)
            venue.tell(kind, entry.state, trade.match_id, *trade.fills[side], *last, "")
    market.revisions = [*market.revisions, TradeRevision(trade.match_id, price, qty)]
    trade.price_ticks, trade.qty_lots = price, qty
    if not qty:
        venue.trades.remove(trade)
    return None


def _restate(entry: Entry, trade: Trade, price: int, qty: int) -> None:
    state = entry.state
    cum = state.cum_qty_lots - trade.qty_lots + qty
    value = state.cum_value - trade.qty_lots * trade.price_ticks + qty * price
    status: str = state.ord_status
    if not entry.finished:
        status = "1" if cum else "0"
    elif status == "2" and qty < trade.qty_lots:
        status = "4"
    entry.restate(cum_qty_lots=cum, cum_value=value, ord_status=status)
