"""Which prices there are, and which may be: tick table, corridors, triggers, pegs (TICK, CORRIDOR, TRAIL, PEG)."""

from matcher.instructions import Instructions
from matcher.instruments import Instrument
from matcher.orders import PRICE_TICKS_MAX
from simulators.reference.memory import Entry, Market, Venue, other


def is_price(instrument: Instrument, price_ticks: int) -> bool:
    """Whether the tick table has this price."""
    if not 0 < price_ticks <= PRICE_TICKS_MAX:
        return False
    steps = [band.step_ticks for band in instrument.rules.tick_bands if band.from_price_ticks <= price_ticks]
    return not steps or price_ticks % steps[-1] == 0


def rounded(instrument: Instrument, price_ticks: int, direction: int) -> int:
    """The nearest price at or below (-1), or at or above (1); 0 if there is none."""
    price_ticks = min(price_ticks, PRICE_TICKS_MAX) if direction < 0 else max(price_ticks, 1)
    while 0 < price_ticks <= PRICE_TICKS_MAX:
        if is_price(instrument, price_ticks):
            return price_ticks
        price_ticks += direction
    return 0


def is_far(price_ticks: int, from_ticks: int, bps: int) -> bool:
    """Whether a price is farther from another than so many basis points; with 0 nothing is far."""
    return bool(bps) and abs(price_ticks - from_ticks) * 10_000 > bps * from_ticks


def is_in_corridors(market: Market, price_ticks: int) -> bool:
    """Whether a trade at this price goes through."""
    rules = market.instrument.rules
    if is_far(price_ticks, market.reference_ticks, rules.static_corridor_bps):
        return False
    return not market.anchor_ticks or not is_far(price_ticks, market.anchor_ticks, rules.dynamic_corridor_bps)


# Triggers


def trigger_price(venue: Venue, market: Market, said: Instructions) -> int:
    """The price that a stop looks at, as it is now; 0 if there is none."""
    match said.trigger_price_type:
        case "1":
            return venue.best_shown(market.symbol, "2")
        case "3":
            return venue.best_shown(market.symbol, "1")
        case "R":
            return market.reference_ticks
        case _:
            return market.last_trade_ticks


def waits_for_rise(side: str, said: Instructions) -> bool:
    """Whether a stop waits for its price to rise."""
    return said.trigger_direction == "U" or (not said.trigger_direction and side == "1")


def is_reached(entry: Entry, high_ticks: int, low_ticks: int) -> bool:
    """Whether a stop's price was reached by prices between these; 0 for none."""
    if waits_for_rise(entry.state.side, entry.said):
        return 0 < entry.said.stop_price_ticks <= high_ticks
    return 0 < low_ticks <= entry.said.stop_price_ticks


def trailed(venue: Venue, market: Market, side: str, said: Instructions) -> int:
    """Where a trailing stop would stand without its past; 0 without a price to follow."""
    price_ticks = trigger_price(venue, market, said)
    if not price_ticks:
        return 0
    distance = said.trail_offset
    if said.trail_offset_type == "1":
        distance = max(1, price_ticks * said.trail_offset // 10_000)
    stop = price_ticks + distance if waits_for_rise(side, said) else price_ticks - distance
    return min(max(stop, 1), PRICE_TICKS_MAX)


# Places away from the other side


def beside(venue: Venue, market: Market, side: str) -> int:
    """The best price that takes nothing from the other side; 0 if no tick is left. Needs an other side."""
    away = -1 if side == "1" else 1
    return rounded(market.instrument, venue.best(market.symbol, other(side)) + away, away)


def would_cross(venue: Venue, market: Market, side: str, price_ticks: int) -> bool:
    """Whether an order at this price would meet something."""
    opposite = venue.best(market.symbol, other(side))
    return bool(opposite) and (price_ticks >= opposite if side == "1" else price_ticks <= opposite)


def pegged(venue: Venue, market: Market, side: str, price_ticks: int, said: Instructions) -> int:
    """Where a pegged order stands now; 0: parked."""
    if not market.is_continuous:
        return 0
    away = -1 if side == "1" else 1
    own = venue.best_shown(market.symbol, side, pegged=False)
    far = venue.best_shown(market.symbol, other(side), pegged=False)
    match said.peg_price_type:
        case "5":
            reference = own
        case "4":
            reference = far
        case _:
            middle = (own + far) // 2 if side == "1" else (own + far + 1) // 2
            reference = middle if own and far else 0
    if not reference:
        return 0
    price = reference + said.peg_offset_ticks
    if price_ticks:
        price = min(price, price_ticks) if side == "1" else max(price, price_ticks)
    price = min(max(price, 1), PRICE_TICKS_MAX)
    if would_cross(venue, market, side, price):
        return beside(venue, market, side)
    return rounded(market.instrument, price, away)
