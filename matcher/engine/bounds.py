"""
How much and how dear an order may be: for its firm, its session (LIMIT-2) and its symbol (LIMIT-2, BAND-1).

A limit of the firm is looked at before that of the session and that of the symbol; of two different faults, the one
whose `RejectReason` stands first is named (ORDER-1).
"""

from typing import NamedTuple

from matcher.books.floor import Floor
from matcher.books.limit_book import WHOLE, Account, Tier, unit_of
from matcher.books.market import Market, bounds_around
from matcher.commands import NewOrder, ReplaceOrder
from matcher.orders import OrderState
from matcher.rejects import Refusal, RejectReason


class Wanted(NamedTuple):
    """An order that somebody asks for, as far as limits look at it."""

    firm: str
    session_id: str
    price_ticks: int
    """0 for an order without a price."""
    qty_lots: int
    before: OrderState | None
    """The order that it takes the place of."""


def refusal_of_bounds(
    command: NewOrder | ReplaceOrder,
    before: OrderState | None,
    market: Market,
    floor: Floor,
    beside: Account | None = None,
) -> Refusal | None:
    """
    Why a new or replaced order is beyond what its firm, its session or its instrument allows.

    Args:
        command: The request.
        before: The order that is replaced.
        market: The symbol's.
        floor: What all share.
        beside: What the same request asks for besides, as for `refusal_of_wanted`.
    """
    # A replaced order stays with the session that entered it, and counts there.
    session_id = before.session_id if before is not None else command.session_id
    if not market.is_bounded and not floor.limits.tiers(command.firm, session_id):
        return None  # as for most orders; nothing besides can be too much either
    wanted = Wanted(command.firm, session_id, command.price_ticks, command.qty_lots, before)
    return refusal_of_wanted(wanted, market, floor, Account() if beside is None else beside)


def refusal_of_wanted(wanted: Wanted, market: Market, floor: Floor, beside: Account) -> Refusal | None:
    """
    The same for any order.

    Args:
        wanted: The order.
        market: The symbol's.
        floor: What all share.
        beside: What the same request asks for besides; this order is added to it if it is not refused.
    """
    tiers = floor.limits.tiers(wanted.firm, wanted.session_id)
    refusal = (
        _refusal_of_quantity(wanted, tiers, market)
        or _refusal_of_notional(wanted, tiers, market)
        or _refusal_of_band(wanted, market)
        or _refusal_of_usage(wanted, tiers, market, floor, beside)
    )
    if refusal is None:
        count_wanted(wanted, market, beside)
    return refusal


def count_wanted(wanted: Wanted, market: Market, account: Account) -> None:
    """Add an order to an account in place of the one that it replaces."""
    before = wanted.before
    if before is not None:
        account.add(market.symbol, before.price_ticks, -before.leaves_qty_lots, orders=-1)
    account.add(market.symbol, wanted.price_ticks, _new_leaves(wanted), orders=1)


def _new_leaves(wanted: Wanted) -> int:
    return max(0, wanted.qty_lots - wanted.before.cum_qty_lots) if wanted.before is not None else wanted.qty_lots


def _refusal_of_quantity(wanted: Wanted, tiers: tuple[Tier, ...], market: Market) -> Refusal | None:
    bounds = [(tier.whose, tier.limits.qty_lots_max) for tier in tiers]
    for whose, qty_lots_max in (*bounds, (market.symbol, market.instrument.rules.qty_lots_max)):
        if 0 < qty_lots_max < wanted.qty_lots:
            most = market.instrument.lot.text(qty_lots_max)
            return RejectReason.QTY_ABOVE_LIMIT, f"OrderQty(38) may be at most {most} for {whose}; split the order"
    return None


def _refusal_of_notional(wanted: Wanted, tiers: tuple[Tier, ...], market: Market) -> Refusal | None:
    bounds = [(tier.whose, tier.limits.notional_max) for tier in tiers]
    bounds = [bound for bound in (*bounds, (market.symbol, market.instrument.rules.notional_max)) if bound[1]]
    if not bounds:
        return None
    price_ticks = wanted.price_ticks or market.reference_price_ticks
    value = price_ticks * wanted.qty_lots * unit_of(market.instrument)
    for whose, notional_max in bounds:
        if value > notional_max * WHOLE:
            most = f"{notional_max} {market.instrument.currency}"
            text = f"the value of an order may be at most {most} for {whose}; split the order"
            return RejectReason.NOTIONAL_ABOVE_LIMIT, text
    return None


def _refusal_of_band(wanted: Wanted, market: Market) -> Refusal | None:
    bps = market.instrument.rules.price_band_bps
    if not bps or not wanted.price_ticks:
        return None
    low, high = bounds_around(market.reference_price_ticks, bps)
    if low <= wanted.price_ticks <= high:
        return None
    tick = market.instrument.tick
    text = f"Price(44) must be {tick.text(max(low, 0))} to {tick.text(high)} now; choose a price nearer to the market"
    return RejectReason.PRICE_OUTSIDE_BAND, text


def _refusal_of_usage(
    wanted: Wanted, tiers: tuple[Tier, ...], market: Market, floor: Floor, beside: Account
) -> Refusal | None:
    counted = [(tier.whose, tier.limits, tier.account) for tier in tiers if tier.account is not None]
    if not counted:
        return None
    together = Account()
    count_wanted(wanted, market, together)
    for whose, limits, account in counted:
        open_orders = account.open_orders + beside.open_orders + 1
        if wanted.before is None and 0 < limits.open_orders_max < open_orders:
            text = f"{whose} may have at most {limits.open_orders_max} open orders; cancel some first"
            return RejectReason.OPEN_ORDERS_ABOVE_LIMIT, text
    more = together.exposure(floor.markets)
    if more <= 0:
        return None
    more += beside.exposure(floor.markets)
    for whose, limits, account in counted:
        if limits.exposure_max and account.exposure(floor.markets) + more > limits.exposure_max * WHOLE:
            text = f"the open orders of {whose} may be worth at most {limits.exposure_max}; cancel some first"
            return RejectReason.EXPOSURE_ABOVE_LIMIT, text
    return None
