"""
What is traded: tick and lot of each instrument, and the exact conversion between decimal text and integers.

All money and quantity inside the venue are whole ticks and lots. Decimal text is read and written here only, with
integer arithmetic only; no float is involved anywhere.
"""

import re
from typing import Final

import msgspec

DECIMAL_PLACES_MAX: Final = 12
_DECIMAL: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,18}))?")


class InvalidDecimal(ValueError):
    """Text that is not a plain unsigned decimal number such as `101.25`."""


class NotAMultiple(ValueError):
    """A decimal that is not a whole multiple of the tick or the lot."""


class Increment(msgspec.Struct, frozen=True):
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


def _decimal_text(units: int, places: int) -> str:
    if not places:
        return str(units)
    digits = str(units).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"


class Instrument(msgspec.Struct, frozen=True):
    """One traded instrument: Symbol(55) and the units of its prices and quantities."""

    symbol: str
    tick: Increment
    lot: Increment
    reference_price_ticks: int
    """A defined price from before the first trade on."""
    currency: str
    shard: int
