"""
The data types of FIX, as tests on a field's text: what `373=6`, incorrect data format, is about. Pure.

Source: FIX 4.2 and 4.4 volume 1, "Data Types", and FIX 5.0SP2 volume 1, "Datatypes". Where the standard leaves room we
are as wide as it allows: a fraction of a second may have 1 to 12 digits, a number may have leading zeros, and codes
that live in other standards (currencies, countries, exchanges, languages) are any text.
"""

import calendar
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

Accepts = Callable[[str], object]
"""Says of a value, by something true or false, whether it is one of its type."""

_SECOND_CHARS: Final = 17  # YYYYMMDD-HH:MM:SS
_TIMESTAMP_CHARS_MAX: Final = _SECOND_CHARS + 13


def _matching(pattern: str) -> Accepts:
    return re.compile(pattern, re.ASCII | re.DOTALL).fullmatch


def _is_date(text: str) -> bool:
    """YYYYMMDD, a day that the calendar has."""
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        return False
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:])
    return year > 0 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]


@lru_cache(maxsize=256)
def _is_second(text: str) -> bool:
    # Cached, because messages come in the order of time: thousands share one second.
    return text[8:9] == "-" and _is_date(text[:8]) and _CLOCK(text[9:]) is not None


def is_utc_timestamp(text: str) -> bool:
    """YYYYMMDD-HH:MM:SS, seconds up to 60, and a fraction of 1 to 12 digits or none."""
    if not _is_second(text[:_SECOND_CHARS]):
        return False
    if len(text) == _SECOND_CHARS:
        return True
    # FIX text is Latin-1, whose only decimals are 0 to 9.
    return text[_SECOND_CHARS] == "." and len(text) <= _TIMESTAMP_CHARS_MAX and text[_SECOND_CHARS + 1 :].isdecimal()


def _is_tz_timestamp(text: str) -> bool:
    return text[8:9] == "-" and _is_date(text[:8]) and _TZ_TIME(text[9:]) is not None


def _is_month_year(text: str) -> bool:
    """YYYYMM, YYYYMMDD or YYYYMMwN."""
    if len(text) == 8 and text[6] != "w":
        return _is_date(text)
    return _MONTH_YEAR(text) is not None


_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)", re.ASCII).fullmatch
_TZ_TIME: Final = re.compile(
    r"([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)(\.\d{1,12})?)?(Z|[+-](0\d|1[0-4])(:[0-5]\d)?)?", re.ASCII
).fullmatch
_MONTH_YEAR: Final = re.compile(r"\d{4}(0[1-9]|1[0-2])(w[1-5])?", re.ASCII).fullmatch

_INTEGER: Final = _matching(r"-?\d{1,18}")
_COUNT: Final = _matching(r"\d{1,18}")
_DECIMAL: Final = lru_cache(maxsize=2048)(_matching(r"-?(?:\d+\.?\d*|\.\d+)"))  # a day's prices repeat
_CHAR: Final = _matching(r".")

TYPES: Final[Mapping[str, Accepts | None]] = {
    "STRING": None,
    "CHAR": _CHAR,
    "BOOLEAN": frozenset("YN").__contains__,
    "INT": _INTEGER,
    "LENGTH": _COUNT,
    "SEQNUM": _COUNT,
    "NUMINGROUP": _COUNT,
    "TAGNUM": _matching(r"[1-9]\d{0,8}"),
    "DAYOFMONTH": _matching(r"0?[1-9]|[12]\d|3[01]"),
    "FLOAT": _DECIMAL,
    "PRICE": _DECIMAL,
    "PRICEOFFSET": _DECIMAL,
    "QTY": _DECIMAL,
    "QUANTITY": _DECIMAL,
    "AMT": _DECIMAL,
    "PERCENTAGE": _DECIMAL,
    "UTCTIMESTAMP": is_utc_timestamp,
    "TIME": is_utc_timestamp,
    "UTCDATE": _is_date,
    "UTCDATEONLY": _is_date,
    "LOCALMKTDATE": _is_date,
    "DATE": _is_date,
    "UTCTIMEONLY": _matching(r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,12})?"),
    "LOCALMKTTIME": _CLOCK,
    "TZTIMEONLY": _TZ_TIME,
    "TZTIMESTAMP": _is_tz_timestamp,
    "MONTHYEAR": _is_month_year,
    "MULTIPLEVALUESTRING": _matching(r"[^ ]+(?: [^ ]+)*"),
    "MULTIPLESTRINGVALUE": _matching(r"[^ ]+(?: [^ ]+)*"),
    "MULTIPLECHARVALUE": _matching(r"[^ ](?: [^ ])*"),
    "CURRENCY": None,
    "EXCHANGE": None,
    "COUNTRY": None,
    "LANGUAGE": None,
    "XID": None,
    "XIDREF": None,
    "DATA": None,
    "XMLDATA": None,
}
"""By the type's name in a dictionary; None where any text that is not empty will do."""

DATA_TYPES: Final = frozenset(("DATA", "XMLDATA"))
"""Values that may hold SOH; the field before each says how many bytes it has."""

_LIST_TYPES: Final = frozenset(("MULTIPLEVALUESTRING", "MULTIPLESTRINGVALUE", "MULTIPLECHARVALUE"))


def accepts_value(type_name: str, values: frozenset[str]) -> Accepts | None:
    """
    The one test that a field's value has to pass: of its type, and of its enumeration if it has one.

    Args:
        type_name: One of `TYPES`.
        values: All that the enumeration allows; empty if there is none.
    """
    of_type = TYPES[type_name]
    if not values:
        return of_type
    if type_name in _LIST_TYPES:
        return lambda text: values.issuperset(text.split(" "))
    if of_type is None or all(map(of_type, values)):
        return values.__contains__  # what is in the enumeration is also of the type
    return lambda text: text in values and of_type(text)
