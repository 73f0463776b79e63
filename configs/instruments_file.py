"""The instruments file: what is traded, in which units, by which rules and at which hours."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, time, tzinfo
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from bus.subjects import default_shard
from configs.schedules import CalendarLines, InvalidSchedule, day_end_of, schedule_of, zone_of
from configs.trading_rules import InvalidRules, RulesLines, over, rules_of
from matcher.instruments import Increment, Instrument, InvalidDecimal, NotAMultiple
from matcher.orders import PRICE_TICKS_MAX
from matcher.phases import CLOSED, CONTINUOUS, Phase
from matcher.schedule import Schedule

Currency = Annotated[str, Meta(pattern=r"\A[A-Z0-9]{3,8}\Z", description="3 to 8 of A-Z 0-9")]
_SYMBOL: Final = re.compile(r"[ -{}~]{1,32}")  # printable ASCII without |, which stands for SOH in what people read
_GROUP: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_UNITS: Final = re.compile(r"tick ([0-9.]+), lot ([0-9.]+)")
_T = TypeVar("_T")


class InvalidInstrument(ValueError):
    """A line or a group that cannot be; the message is one sentence that begins with its name."""


class GroupLines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the instruments of a group have in common."""

    hours: CalendarLines = CalendarLines()
    rules: RulesLines = RulesLines()
    """For those of its instruments that have no such rule of their own."""


class InstrumentLine(RulesLines, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One instrument."""

    tick: str
    reference_price: str
    lot: str = "1"
    currency: Currency = "USD"
    shard: int | None = None
    """Default: by the hash of the symbol."""
    group: str = ""
    """Whose hours and rules it has."""


class InstrumentsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    instruments: dict[str, InstrumentLine]
    groups: dict[str, GroupLines] = {}


class GroupHours(msgspec.Struct, frozen=True):
    """When a group trades."""

    zone: tzinfo = UTC
    day_end: time | None = None
    """In `zone`; None: the venue's."""
    schedule: Schedule | None = None
    """None: continuous trading for ever."""


def hours_of(groups: Mapping[str, GroupLines]) -> dict[str, GroupHours]:
    """
    Read the hours of all groups.

    Raises:
        InvalidInstrument: A group's hours cannot be.
    """
    return {name: _hours(name, lines) for name, lines in groups.items()}


def instruments_of(file: InstrumentsFile, shards: int) -> dict[str, Instrument]:
    """
    Read all instruments, by symbol, in the order of the file.

    Raises:
        InvalidInstrument: A line cannot be, or names a group that is not there.
    """
    if not file.instruments:
        raise InvalidInstrument("nothing is traded; list at least one instrument under [instruments]")
    return {symbol: _instrument(symbol, line, file.groups, shards) for symbol, line in file.instruments.items()}


def units_text(instrument: Instrument) -> str:
    """What the numbers about an instrument mean: "tick 0.01, lot 1"."""
    return f"tick {instrument.tick}, lot {instrument.lot}"


def units_of_text(text: str) -> tuple[Increment, Increment]:
    """
    Tick and lot, as `units_text` writes them.

    Raises:
        InvalidInstrument: It is not such a text.
    """
    match = _UNITS.fullmatch(text)
    if match is None:
        raise InvalidInstrument(f"{text!r} does not say a tick and a lot")
    tick, lot = (_decimal("units:", Increment.parse, each) for each in match.groups())
    return tick, lot


def _hours(name: str, lines: GroupLines) -> GroupHours:
    if not _GROUP.fullmatch(name):
        raise InvalidInstrument(f"group {name!r}: a name is 1 to 32 of the characters A-Z a-z 0-9 _ . -")
    try:
        return GroupHours(zone_of(lines.hours), day_end_of(lines.hours), schedule_of(lines.hours))
    except InvalidSchedule as error:
        raise InvalidInstrument(f"group {name}: {error}") from error


def _instrument(symbol: str, line: InstrumentLine, groups: Mapping[str, GroupLines], shards: int) -> Instrument:
    where = f"instrument {symbol!r}"
    if not _SYMBOL.fullmatch(symbol):
        raise InvalidInstrument(f"{where}: a symbol is 1 to 32 printable ASCII characters, not |")
    if line.group and line.group not in groups:
        raise InvalidInstrument(
            f"{where}: there is no group {line.group!r}; add [groups.{line.group}.hours], or name another"
        )
    shard = default_shard(symbol, shards) if line.shard is None else line.shard
    if not 0 <= shard < shards:
        raise InvalidInstrument(f"{where}: shard {shard}, but there are shards 0 to {shards - 1}")
    tick = _decimal(f"{where}: tick", Increment.parse, line.tick)
    lot = _decimal(f"{where}: lot", Increment.parse, line.lot)
    reference_price_ticks = _decimal(f"{where}: reference_price", tick.count, line.reference_price)
    if not 1 <= reference_price_ticks <= PRICE_TICKS_MAX:
        raise InvalidInstrument(
            f"{where}: reference_price {line.reference_price} is not a price here; give one from {tick} to "
            f"{tick.text(PRICE_TICKS_MAX)}, or another tick"
        )
    group = groups.get(line.group, GroupLines())
    try:
        initial_phase: Phase = CLOSED if group.hours.schedule else CONTINUOUS
        rules = rules_of(over(line, group.rules), tick, lot, default_phase=initial_phase)
    except InvalidRules as error:
        raise InvalidInstrument(f"{where}: {error}") from error
    return Instrument(symbol, tick, lot, reference_price_ticks, line.currency, shard, line.group, rules)


def _decimal(where: str, read: Callable[[str], _T], text: str) -> _T:
    try:
        return read(text)
    except (InvalidDecimal, NotAMultiple) as error:
        raise InvalidInstrument(f"{where} {error}") from error
