"""
What trading bots want: market making, noise and momentum, each a few lines that see a `Desk` and an `Issue`.

A strategy knows no session and no clock; its choices come from the random numbers that it is handed. Whoever runs it
gives it a `Desk`, as `bots.Bot` does.
"""

import random
from collections import deque
from typing import Final, Protocol

import msgspec

from matcher.instruments import Instrument
from matcher.orders import BUY, DAY, IMMEDIATE_OR_CANCEL, SELL, Side, TimeInForce
from matcher.phases import CONTINUOUS, NEW_AND_REPLACE_PHASES, Phase
from simulators.bot_account import Account, LiveOrder

NOTIONAL_PER_UNIT: Final = 10_000
"""A bot's unit of trading is about this much of an instrument's currency, in a power of ten of lots."""
POSITION_UNITS_MAX: Final = 50
"""A bot whose position exceeds this many units trades back towards flat."""

_TAPE_LENGTH: Final = 16


class Issue(msgspec.Struct):
    """One instrument as the bots see it: its hidden fair value, what they saw trade, and their sizes."""

    instrument: Instrument
    fair_ticks: int
    step_ticks: int
    """Half the natural spread, distance of two quotes, and largest move of the fair value at once."""
    unit_lots: int
    tape: deque[int]
    """Prices of the last trades, in ticks."""
    phase: Phase = CONTINUOUS
    """As far as the bots were told."""

    @classmethod
    def of(cls, instrument: Instrument) -> "Issue":
        """Start at the reference price."""
        reference = instrument.reference_price_ticks
        return cls(
            instrument, reference, max(1, reference // 10_000), _unit_lots(instrument), deque(maxlen=_TAPE_LENGTH)
        )

    def move(self, rng: random.Random) -> None:
        """One step of the random walk, drawn back to the reference price so that it neither ends nor runs away."""
        reference = self.instrument.reference_price_ticks
        self.fair_ticks += rng.randint(-self.step_ticks, self.step_ticks) + (reference - self.fair_ticks) // 200
        self.fair_ticks = max(self.fair_ticks, 20 * self.step_ticks)


def _unit_lots(instrument: Instrument) -> int:
    # Notional of one lot = reference ticks * tick * lot, kept as a ratio of integers.
    units = instrument.reference_price_ticks * instrument.tick.units * instrument.lot.units
    lots: int = NOTIONAL_PER_UNIT * 10 ** (instrument.tick.places + instrument.lot.places) // units
    return int(10 ** (len(str(max(lots, 1))) - 1))


class Desk(Protocol):
    """What a strategy can see and do."""

    account: Account

    def enter(self, issue: Issue, side: Side, price_ticks: int, units: int, time_in_force: TimeInForce) -> None:
        """Send a limit order."""

    def cancel(self, order: LiveOrder) -> None:
        """Ask to cancel."""

    def reprice(self, order: LiveOrder, price_ticks: int) -> None:
        """Ask for another price, same quantity."""


class Strategy(Protocol):
    """Decides what a bot does when it is its turn."""

    def act(self, desk: Desk, issue: Issue, rng: random.Random) -> None:
        """Do something, or nothing, about one instrument."""


class MarketMaker:
    """Quotes both sides at several distances from the fair value, leaning against its position."""

    name: Final = "market maker"

    def __init__(self, levels: int = 4) -> None:
        self._levels = levels

    def act(self, desk: Desk, issue: Issue, rng: random.Random) -> None:
        """Bring the worst-placed quote into line, or enter the one that is missing, as long as orders are taken."""
        if issue.phase not in NEW_AND_REPLACE_PHASES:
            return
        side: Side = rng.choice((BUY, SELL))
        wanted = self._wanted(desk, issue, side)
        mine = [o for o in desk.account.orders.values() if o.side == side and o.symbol == issue.instrument.symbol]
        if any(order.is_changing or not order.is_accepted for order in mine):
            return
        missing = [price for price in wanted if price not in {order.price_ticks for order in mine}]
        astray = [order for order in mine if order.price_ticks not in wanted]
        if len(mine) > self._levels:
            desk.cancel(mine[0])
        elif missing and astray:
            self._correct(desk, astray[0], missing[0], rng)
        elif missing:
            desk.enter(issue, side, missing[0], rng.randint(1, 5), DAY)

    def _wanted(self, desk: Desk, issue: Issue, side: Side) -> list[int]:
        lean = desk.account.position_lots(issue.instrument.symbol) * issue.step_ticks // (issue.unit_lots * 10)
        middle = issue.fair_ticks - max(-4 * issue.step_ticks, min(4 * issue.step_ticks, lean))
        away = -1 if side == BUY else 1
        return [max(1, middle + away * (level + 1) * issue.step_ticks) for level in range(self._levels)]

    def _correct(self, desk: Desk, order: LiveOrder, price_ticks: int, rng: random.Random) -> None:
        if rng.random() < 0.5:
            desk.reprice(order, price_ticks)
        else:
            desk.cancel(order)


class NoiseTaker:
    """Takes a random size from a random side, without reason."""

    name: Final = "noise taker"

    def act(self, desk: Desk, issue: Issue, rng: random.Random) -> None:
        """Send one immediate-or-cancel order a little through the fair value, as long as there is trading."""
        if issue.phase != CONTINUOUS:
            return
        any_side: Side = rng.choice((BUY, SELL))
        side = _side_towards_flat(desk, issue) or any_side
        through = rng.randint(0, 3) * issue.step_ticks
        desk.enter(issue, side, _through(issue, side, through), rng.randint(1, 4), IMMEDIATE_OR_CANCEL)


class MomentumTrader:
    """Buys what has risen over the last trades and sells what has fallen."""

    name: Final = "momentum trader"

    def act(self, desk: Desk, issue: Issue, rng: random.Random) -> None:
        """Follow the tape, if it says anything and there is trading."""
        tape = issue.tape
        if issue.phase != CONTINUOUS or len(tape) < _TAPE_LENGTH:
            return
        trend = sum(list(tape)[_TAPE_LENGTH // 2 :]) - sum(list(tape)[: _TAPE_LENGTH // 2])
        if abs(trend) < issue.step_ticks:
            return
        side: Side = _side_towards_flat(desk, issue) or (BUY if trend > 0 else SELL)
        desk.enter(issue, side, _through(issue, side, 2 * issue.step_ticks), rng.randint(1, 3), IMMEDIATE_OR_CANCEL)


def _through(issue: Issue, side: Side, ticks: int) -> int:
    return max(1, issue.fair_ticks + (ticks if side == BUY else -ticks))


def _side_towards_flat(desk: Desk, issue: Issue) -> Side | None:
    """The side that reduces a position that has grown too large; None while it has not."""
    position = desk.account.position_lots(issue.instrument.symbol)
    if abs(position) < POSITION_UNITS_MAX * issue.unit_lots:
        return None
    return SELL if position > 0 else BUY
