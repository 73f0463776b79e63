"""How an instrument trades, as it stands in the instruments file: on its own line, or for its group."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from configs.schedules import PHASES, PhaseWord, Seconds
from matcher.instruments import Increment, InvalidDecimal, NotAMultiple, TickBand, TradingRules
from matcher.phases import Phase

BasisPoints = Annotated[int, Meta(ge=0, le=9_999)]
Amount = Annotated[int, Meta(ge=0, le=2**62)]
Ticks = Annotated[int, Meta(ge=0, le=10**8)]
_SECOND_NS: Final = 10**9


class InvalidRules(ValueError):
    """Rules that cannot be; the message says what is wrong, and goes behind the name of the instrument."""


class TickBandLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_price": "from"}):
    """One band of a tick table: `{ from = "100.00", step = "0.05" }`."""

    from_price: str
    step: str


class RulesLines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys that say how an instrument trades; each that is left out is the group's, or bounds nothing."""

    tick_table: tuple[TickBandLine, ...] | None = None
    """Rising; below the first band, and without any, `tick` is the step."""
    qty_max: str | None = None
    """Greatest OrderQty(38) of one order; "0": none."""
    notional_max: Amount | None = None
    """Greatest value of one order, in whole units of the currency; 0: none. So for all that follow."""
    price_band_bps: BasisPoints | None = None
    """How far a limit price may be from the reference price, in hundredths of a percent."""
    static_corridor_bps: BasisPoints | None = None
    """How far a trade may be from the reference price before an auction takes its place."""
    dynamic_corridor_bps: BasisPoints | None = None
    """How far a trade may be from the last trade before an auction takes its place."""
    volatility_auction_s: Seconds | None = None
    """How long that auction takes; needed with a corridor."""
    volatility_random_end_s: Seconds | None = None
    """How much longer it may take, at random."""
    protection_ticks: Ticks | None = None
    """How far from the best opposite price a market order trades."""
    market_rest: Literal["cancel", "rest"] | None = None
    """What becomes of the rest of a market order that reached its protection."""
    initial_phase: PhaseWord | None = None
    """Where trading of a new instrument begins; default: closed if its group has a schedule, else continuous."""


def over(lines: RulesLines, group: RulesLines) -> RulesLines:
    """The rules of an instrument: its own, and its group's where it has none of its own."""
    names = RulesLines.__struct_fields__
    own = {name: getattr(lines, name) for name in names}
    return RulesLines(**{name: getattr(group, name) if value is None else value for name, value in own.items()})


def rules_of(lines: RulesLines, tick: Increment, lot: Increment, *, default_phase: Phase) -> TradingRules:
    """
    Read an instrument's rules.

    Raises:
        InvalidRules: A number that is none, or rules that contradict each other.
    """
    rules = TradingRules(
        tick_bands=_tick_bands(lines.tick_table or (), tick),
        qty_lots_max=_count("qty_max", lines.qty_max or "0", lot),
        notional_max=lines.notional_max or 0,
        price_band_bps=lines.price_band_bps or 0,
        static_corridor_bps=lines.static_corridor_bps or 0,
        dynamic_corridor_bps=lines.dynamic_corridor_bps or 0,
        volatility_auction_ns=(lines.volatility_auction_s or 0) * _SECOND_NS,
        volatility_random_end_ns=(lines.volatility_random_end_s or 0) * _SECOND_NS,
        protection_ticks=lines.protection_ticks or 0,
        market_rest=lines.market_rest or "cancel",
        initial_phase=PHASES[lines.initial_phase] if lines.initial_phase else default_phase,
    )
    if (rules.static_corridor_bps or rules.dynamic_corridor_bps) and not rules.volatility_auction_ns:
        raise InvalidRules("a corridor without volatility_auction_s; say how long the auction takes that it starts")
    if rules.market_rest == "rest" and not rules.protection_ticks:
        raise InvalidRules(
            'market_rest = "rest" without protection_ticks; a market order has no other price to rest at'
        )
    return rules


def _tick_bands(lines: tuple[TickBandLine, ...], tick: Increment) -> list[TickBand]:
    bands = [
        TickBand(_count("tick_table: from", line.from_price, tick), _count("tick_table: step", line.step, tick))
        for line in lines
    ]
    for number, (band, line) in enumerate(zip(bands, lines, strict=True)):
        if not band.from_price_ticks or not band.step_ticks:
            raise InvalidRules("tick_table: a band begins above 0 and has a step; below the first, tick is the step")
        if band.from_price_ticks % band.step_ticks:
            raise InvalidRules(f"tick_table: from {line.from_price} is not a multiple of its step {line.step}")
        if number and band.from_price_ticks <= bands[number - 1].from_price_ticks:
            raise InvalidRules(f"tick_table: from {line.from_price} is not above the band before it")
    return bands


def _count(name: str, text: str, increment: Increment) -> int:
    try:
        return increment.count(text)
    except (InvalidDecimal, NotAMultiple) as error:
        raise InvalidRules(f"{name} {error}") from error
