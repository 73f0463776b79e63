"""
What is traded: tick and lot of each instrument, and the exact conversion between decimal text and integers.

All money and quantity inside the venue are whole ticks and lots. Decimal text is read and written here only, with
integer arithmetic only; no float is involved anywhere.
"""

import re
from functools import lru_cache
from typing import Final, Literal

import msgspec

from matcher.phases import CONTINUOUS, Phase

DECIMAL_PLACES_MAX: Final = 12
_DECIMAL: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,18}))?")


class InvalidDecimal(ValueError):
    """Text that is not a plain unsigned decimal number such as `101.25`."""


class NotAMultiple(ValueError):
    """A decimal that is not a whole multiple of the tick or the lot."""


class Increment(msgspec.Struct, frozen=True, array_like=True):
    """A tick or a lot: `units` of the last of `places` decimal places. 0.05 is 5 units of 2 places."""

    units: int
    places: int

    @classmethod
    def parse(cls, text: str) -> "Increment":
        """
        Read a tick or lot size, such as "0.01".

        Raises:
            InvalidDecimal: Not a plain decimal, zero, or of more than 12 decimal places.
        """
        match = _DECIMAL.fullmatch(text)
        if match is None:
            raise InvalidDecimal(f"{text!r} is not a plain decimal number")
        whole, fraction = match[1], (match[2] or "").rstrip("0")
        units = int(whole + fraction)
        if not units or len(fraction) > DECIMAL_PLACES_MAX:
            raise InvalidDecimal(f"{text!r} is not above zero with at most {DECIMAL_PLACES_MAX} decimal places")
        return cls(units, len(fraction))

    def count(self, text: str) -> int:
        """
        How many increments a decimal is: "101.25" in ticks of 0.05 is 2025.

        Raises:
            InvalidDecimal: Not a plain unsigned decimal (an exponent, a sign, spaces).
            NotAMultiple: Not a whole number of increments.
        """
        match = _DECIMAL.fullmatch(text)
        if match is None:
            raise InvalidDecimal(f"{text!r} is not a plain decimal number")
        whole, fraction = match[1], match[2] or ""
        kept = fraction[: self.places]
        if fraction[self.places :].strip("0"):
            raise NotAMultiple(f"{text!r} is not a multiple of {self}")
        count, rest = divmod(int(whole + kept.ljust(self.places, "0")), self.units)
        if rest:
            raise NotAMultiple(f"{text!r} is not a multiple of {self}")
        return count

    def text(self, count: int) -> str:
        """The decimal that is `count` increments, with all its places: 2025 ticks of 0.05 are "101.25"."""
        return _decimal_text(count * self.units, self.places)

    def ratio_text(self, value: int, count: int, *, extra_places: int = 4) -> str:
        """The exact ratio `value / count` in increments, cut (not rounded) after `extra_places` more places."""
        scaled = value * self.units * 10**extra_places // count
        text = _decimal_text(scaled, self.places + extra_places)
        head, _, tail = text.partition(".")
        tail = tail[: self.places] + tail[self.places :].rstrip("0")
        return f"{head}.{tail}" if tail else head

    def __str__(self) -> str:
        return _decimal_text(self.units, self.places)


@lru_cache(maxsize=65_536)  # the same prices and quantities come again and again, in reports and in market data
def _decimal_text(units: int, places: int) -> str:
    if not places:
        return str(units)
    digits = str(units).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"


class TickBand(msgspec.Struct, frozen=True, array_like=True):
    """From `from_price_ticks` on, prices are multiples of `step_ticks`."""

    from_price_ticks: int
    step_ticks: int


class TradingRules(msgspec.Struct, frozen=True, array_like=True):
    """How an instrument trades. The defaults bound nothing and interrupt nothing; 0 always means "none"."""

    tick_bands: list[TickBand] = []
    """Rising; below the first, and with none, every tick is a price."""
    qty_lots_max: int = 0
    """Greatest OrderQty(38) of one order."""
    notional_max: int = 0
    """Greatest value of one order, in whole units of the currency."""
    price_band_bps: int = 0
    """A limit price farther than this from the reference price is refused (103=16)."""
    static_corridor_bps: int = 0
    """A trade farther than this from the reference price starts a volatility auction instead."""
    dynamic_corridor_bps: int = 0
    """A trade farther than this from the last trade starts a volatility auction instead."""
    volatility_auction_ns: int = 0
    """How long that auction takes; needed with a corridor."""
    volatility_random_end_ns: int = 0
    """How much longer it may take, drawn from the input sequence of the order that started it."""
    protection_ticks: int = 0
    """A market order trades no farther than this from the best opposite price."""
    market_rest: Literal["cancel", "rest"] = "cancel"
    """What becomes of the rest of a market order that reached its protection: it ends, or rests at that price."""
    initial_phase: Phase = CONTINUOUS
    """Where trading begins when the instrument is new."""


class Instrument(msgspec.Struct, frozen=True, array_like=True):
    """One traded instrument: Symbol(55), the units of its prices and quantities, and how it trades."""

    symbol: str
    tick: Increment
    """The finest price step; `rules.tick_bands` may make it coarser for high prices."""
    lot: Increment
    reference_price_ticks: int
    """A defined price from before the first trade on."""
    currency: str
    shard: int
    group: str = ""
    """Instruments of a group share their schedule; empty for none."""
    rules: TradingRules = TradingRules()
