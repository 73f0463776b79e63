"""
The limits of a shard's firms and sessions, and what is live of those who have some.

Theory of operation. Open orders and exposure are counted for those only that have such a limit: an *account* of the
firm, or of the session, follows each change of their orders, and is counted anew from the live orders when a limit is
set or an engine is restored. Values are compared exactly: ticks times lots per symbol, and from them whole units of the
smallest decimal place that any instrument may have. An order without a price counts at the reference price of now, so
an account keeps such quantities apart.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from matcher.books.market import Market
from matcher.books.order_index import OrderIndex
from matcher.instruments import DECIMAL_PLACES_MAX, Instrument
from matcher.operator_commands import Limits
from matcher.orders import OrderState

_PLACES: Final = 2 * DECIMAL_PLACES_MAX
WHOLE: Final = 10**_PLACES
"""One unit of currency, in the units in which values are compared."""


def unit_of(instrument: Instrument) -> int:
    """What one tick of one lot is worth, in the units in which values are compared."""
    tick, lot = instrument.tick, instrument.lot
    scale: int = 10 ** (_PLACES - tick.places - lot.places)
    return tick.units * lot.units * scale


class FirmLimits(msgspec.Struct, frozen=True, array_like=True):
    """The limits of a firm, or of one session of it; empty session: the firm as a whole."""

    firm: str
    session_id: str
    limits: Limits


class LimitsState(msgspec.Struct, frozen=True, array_like=True):
    """All limits in force, and those that the configuration said last, each in the order of their first setting."""

    in_force: list[FirmLimits]
    configured: list[FirmLimits]


class Account:
    """Live orders of one firm or session: how many, and by symbol their ticks times lots, and lots without a price."""

    __slots__ = ("lots", "open_orders", "values")

    def __init__(self) -> None:
        self.open_orders = 0
        self.values: Final[dict[str, int]] = {}
        self.lots: Final[dict[str, int]] = {}

    def add(self, symbol: str, price_ticks: int, qty_lots: int, *, orders: int) -> None:
        """Count more (or, with negative numbers, less): a quantity at a price, and a number of orders."""
        self.open_orders += orders
        if price_ticks:
            self.values[symbol] = self.values.get(symbol, 0) + price_ticks * qty_lots
        else:
            self.lots[symbol] = self.lots.get(symbol, 0) + qty_lots

    def copy(self) -> "Account":
        """The same, to try what more would do."""
        account = Account()
        account.take(self)
        return account

    def take(self, other: "Account") -> None:
        """Be as another one."""
        self.open_orders = other.open_orders
        self.values.update(other.values)
        self.lots.update(other.lots)

    def exposure(self, markets: Mapping[str, Market]) -> int:
        """The value of it all."""
        priced = sum(value * unit_of(markets[symbol].instrument) for symbol, value in self.values.items() if value)
        return priced + sum(
            lots * markets[symbol].reference_price_ticks * unit_of(markets[symbol].instrument)
            for symbol, lots in self.lots.items()
            if lots
        )


class Tier(NamedTuple):
    """Limits that hold for a session's requests: its firm's, or its own."""

    whose: str
    """In words, for Text(58)."""
    limits: Limits
    account: Account | None
    """What is live of them; None if nobody needs to know."""

    @property
    def is_bound(self) -> bool:
        """Whether they bound the size or the number of orders."""
        return self.account is not None or bool(self.limits.qty_lots_max or self.limits.notional_max)


class _SessionLimits(NamedTuple):
    """What all limits together mean for one session."""

    tiers: tuple[Tier, ...]
    is_blocked: bool
    self_match_instruction: str


class LimitBook:
    """All limits of a shard's firms and sessions, and the accounts that some of them need."""

    __slots__ = ("_accounts", "_of_sessions", "any", "configured", "in_force")

    def __init__(self) -> None:
        self.in_force: Final[dict[tuple[str, str], Limits]] = {}
        self.configured: Final[dict[tuple[str, str], Limits]] = {}
        """What the configuration said last, by (firm, session id)."""
        self.any = False
        """Whether there are limits at all."""
        self._accounts: Final[dict[tuple[str, str], Account]] = {}
        self._of_sessions: Final[dict[tuple[str, str], _SessionLimits]] = {}
        """Worked out when a session is looked at first, since every order asks; all anew when a limit is set."""

    def is_blocked(self, firm: str, session_id: str) -> bool:
        """Whether the operator blocked the firm or the session (BLOCK-1)."""
        return self._of_session(firm, session_id).is_blocked

    def self_match_instruction(self, firm: str, session_id: str) -> str:
        """What the session's limits, else the firm's, say about self-matches (SMP-2); empty: nothing."""
        return self._of_session(firm, session_id).self_match_instruction

    def of_firm(self, firm: str) -> Limits | None:
        """The limits of a firm as a whole."""
        return self.in_force.get((firm, ""))

    def tiers(self, firm: str, session_id: str) -> tuple[Tier, ...]:
        """The limits that bound a session's orders, those of its firm first."""
        return self._of_session(firm, session_id).tiers

    def _of_session(self, firm: str, session_id: str) -> _SessionLimits:
        found = self._of_sessions.get((firm, session_id))
        if found is None:
            tiers = list(self._all_tiers(firm, session_id))
            found = self._of_sessions[firm, session_id] = _SessionLimits(
                tuple(tier for tier in tiers if tier.is_bound),
                any(tier.limits.is_blocked for tier in tiers),
                next((said for tier in reversed(tiers) if (said := tier.limits.self_match_instruction)), ""),
            )
        return found

    def _all_tiers(self, firm: str, session_id: str) -> Iterator[Tier]:
        for whose, key in (("your firm", (firm, "")), ("your session", (firm, session_id))):
            limits = self.in_force.get(key)
            if limits is not None:
                yield Tier(whose, limits, self._accounts.get(key))

    def set(self, firm: str, session_id: str, limits: Limits, orders: OrderIndex) -> None:
        """Let new limits hold from now on."""
        key = (firm, session_id)
        if limits == Limits():
            self.in_force.pop(key, None)
        else:
            self.in_force[key] = limits
        self._begin(orders)

    def on_change(self, before: OrderState | None, after: OrderState) -> None:
        """Follow an order that is new, changed or ended."""
        for order, sign in ((before, -1), (after, 1)):
            if order is not None and order.leaves_qty_lots:
                self._count(order, sign)

    def state(self) -> LimitsState:
        """All limits, for a snapshot; accounts can be counted again."""
        return LimitsState(
            *([FirmLimits(*key, limits) for key, limits in some.items()] for some in (self.in_force, self.configured))
        )

    def refill(self, state: LimitsState, orders: OrderIndex) -> None:
        """Take over what a snapshot has; the live orders must be there already."""
        self.in_force.update({(of.firm, of.session_id): of.limits for of in state.in_force})
        self.configured.update({(of.firm, of.session_id): of.limits for of in state.configured})
        self._begin(orders)

    def check(self, live: Iterable[OrderState]) -> None:
        """Assert that the accounts are what a new count gives."""
        counted = LimitBook()
        counted._accounts.update({key: Account() for key in self._accounts})
        for order in live:
            counted._count(order, 1)
        for key, account in self._accounts.items():
            anew = counted._accounts[key]
            assert account.open_orders == anew.open_orders, f"open orders of {key}"
            for some, others in ((account.values, anew.values), (account.lots, anew.lots)):
                assert {symbol: some[symbol] for symbol in some if some[symbol]} == others, f"exposure of {key}"

    def _begin(self, orders: OrderIndex) -> None:
        self.any = bool(self.in_force)
        self._accounts.clear()
        self._of_sessions.clear()
        for key, limits in self.in_force.items():
            if limits.open_orders_max or limits.exposure_max:
                self._accounts[key] = Account()
        orders.on_change = self.on_change if self._accounts else None
        if self._accounts:
            for order in orders.live.values():
                self._count(order, 1)

    def _count(self, order: OrderState, sign: int) -> None:
        for key in ((order.firm, ""), (order.firm, order.session_id)):
            account = self._accounts.get(key)
            if account is not None:
                account.add(order.symbol, order.price_ticks, sign * order.leaves_qty_lots, orders=sign)
