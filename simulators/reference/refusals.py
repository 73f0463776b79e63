"""Why a new order, a leg or a replace is refused: all checks, in the order of RejectReason (ORDER-1)."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from matcher.instruments import Instrument
from matcher.rejects import RejectReason as R
from simulators.reference import terms
from simulators.reference.memory import PLAIN, Entry, Market, Venue, other
from simulators.reference.prices import beside, is_far, is_price, trailed, would_cross

Planned = tuple[Market, int, int]
"""An order that is about to live: its market, Price(44) or 0, quantity."""
Check = tuple[R, Callable[[], Any]]


def first(checks: Iterable[Check]) -> R | None:
    """The first check that fails."""
    return next((reason for reason, failed in checks if failed()), None)


def of_order(
    venue: Venue,
    command: Any,
    order: Any,
    *,
    planned: Iterable[Planned] = (),
    replaced: Entry | None = None,
    waits: bool = False,
) -> list[Check]:
    """
    The checks of an order's terms in its market, those of the request around them left out.

    Args:
        venue: All there is.
        command: The request: who asks, when, about which symbol.
        order: What has the terms: a D, a G, a leg.
        planned: Orders of the same request that stand before this one.
        replaced: What it takes the place of.
        waits: It is a leg that does not work yet.
    """
    market = venue.markets[command.symbol]
    said = order.instructions or PLAIN
    meets = market.is_continuous and not waits and order.ord_type not in "34" and order.time_in_force != "7"
    owner = replaced.state.session_id if replaced else command.session_id
    limits = LimitChecks(venue, command.firm, owner, planned, [replaced] if replaced else [])
    ticks = [price for price in (order.price_ticks, said.stop_price_ticks) if price]
    by_itself = terms.fault(order)
    by_itself_checks: list[Check] = [(by_itself, lambda: True)] if by_itself else []
    start = order.ord_type in "34" and said.trail_offset and not said.stop_price_ticks
    far = order.price_ticks and is_far(
        order.price_ticks, market.reference_ticks, market.instrument.rules.price_band_bps
    )
    market_checks: list[Check] = [
        (R.INVALID_STOP_PRICE, lambda: start and not trailed(venue, market, order.side, said)),
        (R.INVALID_EXPIRY, lambda: _is_past(market, command.received_ns, said)),
        (R.PRICE_OFF_TICK, lambda: any(not is_price(market.instrument, price) for price in ticks)),
        (R.BLOCKED, lambda: is_blocked(venue, command.firm, command.session_id)),
        (R.PHASE_NOT_ALLOWED, lambda: not _phase_allows(market, order)),
    ]
    amount = (market, order.price_ticks, order.qty_lots)
    leaves = (*amount[:2], max(0, order.qty_lots - replaced.state.cum_qty_lots) if replaced else order.qty_lots)
    limit_checks: list[Check] = [
        (R.QTY_ABOVE_LIMIT, lambda: limits.qty_is_above(amount)),
        (R.NOTIONAL_ABOVE_LIMIT, lambda: limits.notional_is_above(amount)),
        (R.PRICE_OUTSIDE_BAND, lambda: far),
        (R.OPEN_ORDERS_ABOVE_LIMIT, lambda: replaced is None and limits.open_orders_are_above()),
        (R.EXPOSURE_ABOVE_LIMIT, lambda: limits.exposure_is_above(leaves, replaced)),
        (R.NO_OPPOSITE_SIDE, lambda: meets and order.ord_type in "1K" and not _has_opposite(venue, market, order)),
        (R.POST_ONLY_WOULD_TAKE, lambda: meets and replaced is None and post_only_fails(venue, market, order)),
    ]
    return _in_order([*by_itself_checks, *market_checks]) + limit_checks


def _in_order(checks: list[Check]) -> list[Check]:
    order = list(R)
    return sorted(checks, key=lambda check: order.index(check[0]))


def is_blocked(venue: Venue, firm: str, session_id: str) -> bool:
    """Whether the kill switch of the firm or the session is on."""
    return venue.limits_of(firm, "").is_blocked or venue.limits_of(firm, session_id).is_blocked


def _is_past(market: Market, received_ns: int, said: Any) -> bool:
    if said.expire_ns and said.expire_ns <= received_ns:
        return True
    return bool(said.expire_date and market.trading_date) and said.expire_date <= int(market.trading_date)


def _phase_allows(market: Market, order: Any) -> bool:
    said = order.instructions or PLAIN
    if not market.takes_orders:
        return False
    if order.time_in_force == "2" and market.phase not in "12":
        return False
    if order.time_in_force == "7" and market.phase == "6":
        return False
    at_once = order.time_in_force in "34" or order.ord_type == "K" or said.min_qty_lots or said.post_only
    return not (market.collects and at_once)


def _has_opposite(venue: Venue, market: Market, order: Any) -> bool:
    return bool(venue.resting(market.symbol, other(order.side)))


def post_only_fails(venue: Venue, market: Market, order: Any) -> bool:
    """Whether a post-only order can neither come in where it wants to, nor slide."""
    said = order.instructions or PLAIN
    if not said.post_only or order.ord_type == "P" or not would_cross(venue, market, order.side, order.price_ticks):
        return False
    return said.post_only == "R" or not beside(venue, market, order.side)


def book_is_full(venue: Venue, market: Market, order: Any, planned: int = 0, *, waits: bool = False) -> bool:
    """Whether an order that may rest, or waits for its list, finds no room."""
    rules = market.instrument.rules
    at_once = order.ord_type not in "34" and order.time_in_force in "34"
    rest = rules.market_rest == "rest" and rules.protection_ticks
    unpriced = order.ord_type == "1" and market.is_continuous and order.time_in_force != "7" and not rest
    may_rest = waits or not (at_once or unpriced)
    return may_rest and len(venue.live()) + planned >= venue.orders_max


class LimitChecks:
    """What a firm, a session and a symbol may do (LIMIT-2)."""

    def __init__(
        self, venue: Venue, firm: str, session_id: str, planned: Iterable[Planned], replaced: Iterable[Entry]
    ) -> None:
        self.venue = venue
        self.planned = list(planned)
        self.gone = list(replaced)
        firm_orders = [e for e in venue.live() if e.state.firm == firm]
        session_orders = [e for e in firm_orders if e.state.session_id == session_id]
        # What is replaced counts no more; nor for the session, if another one of the firm had quoted it.
        self.scopes = [
            (venue.limits_of(firm, ""), firm_orders),
            (venue.limits_of(firm, session_id), session_orders),
        ]

    def qty_is_above(self, order: Planned) -> bool:
        """Too much quantity in one order."""
        bounds = [limits.qty_lots_max for limits, _ in self.scopes] + [order[0].instrument.rules.qty_lots_max]
        return any(0 < bound < order[2] for bound in bounds)

    def notional_is_above(self, order: Planned) -> bool:
        """Too much value in one order."""
        bounds = [limits.notional_max for limits, _ in self.scopes] + [order[0].instrument.rules.notional_max]
        return any(0 < bound < planned_value(order) for bound in bounds)

    def open_orders_are_above(self) -> bool:
        """Too many live orders with one more."""
        more = len(self.planned) - len(self.gone)
        return any(0 < bound.open_orders_max <= len(live) + more for bound, live in self.scopes)

    def exposure_is_above(self, order: Planned, replaced: Entry | None = None) -> bool:
        """Too much value in all live orders together; an order that only gives way to less is not too much."""
        if planned_value(order) <= (self._live_value(replaced) if replaced else 0):
            return False
        more = sum((planned_value(one) for one in [*self.planned, order]), Fraction(0))
        more -= sum((self._live_value(entry) for entry in self.gone), Fraction(0))
        for limits, live in self.scopes:
            held = sum((self._live_value(entry) for entry in live), Fraction(0))
            if 0 < limits.exposure_max < held + more:
                return True
        return False

    def _live_value(self, entry: Entry) -> Fraction:
        market = self.venue.markets[entry.state.symbol]
        return planned_value((market, entry.state.price_ticks, entry.state.leaves_qty_lots))


def planned_value(order: Planned) -> Fraction:
    """Value in whole units of the currency, exactly; without a price at the reference price."""
    market, price_ticks, qty_lots = order
    return value(market.instrument, price_ticks or market.reference_ticks, qty_lots)


def value(instrument: Instrument, price_ticks: int, qty_lots: int) -> Fraction:
    """Price times quantity in units of the currency."""
    tick, lot = instrument.tick, instrument.lot
    units = price_ticks * tick.units * qty_lots * lot.units
    return Fraction(units, 10 ** (tick.places + lot.places))
