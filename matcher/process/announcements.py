"""
What a leading matcher announces: the configuration, as far as the log does not have it yet (CONFIG-1).

Compared is what was announced last, not what is in force: so what an operator changed at run time outlives a matcher's
restart, until the file itself says something new.

An instrument that is new comes with the last end of its trading day in the same record: that the clock says it too,
some ms later, then changes nothing, and no DAY order that came in between expires at once.
"""

from collections.abc import Mapping
from typing import Final

from bus.streams import ForeignStream
from bus.subjects import GATEWAY_SYMBOL
from configs.loader import Venue
from matcher.commands import Command
from matcher.instruments import Instrument
from matcher.operator_commands import DefineInstrument, EndTradingDay, Limits, SetLimits
from matcher.process.own_records import SymbolCommands

CONFIGURATION: Final = ""
"""The request_id of an announcement: nobody waits for its answer."""


def announcements(
    venue: Venue,
    shard: int,
    *,
    defined: Mapping[str, Instrument],
    instruments: Mapping[str, Instrument],
    limits: Mapping[tuple[str, str], Limits],
    received_ns: int,
) -> list[SymbolCommands]:
    """
    What the configuration says and the log does not.

    Args:
        venue: The configuration.
        shard: Whose instruments and limits.
        defined: The instruments as they are now, by symbol.
        instruments: As announced last, by symbol.
        limits: As announced last, by firm and session; those that are no longer configured end.
        received_ns: The time of the commands.

    Raises:
        ForeignStream: An instrument would get another tick, lot or currency.
    """
    configured = [venue.instruments[symbol] for symbol in venue.symbols_of(shard)]
    batch: list[SymbolCommands] = []
    for instrument in configured:
        _check_units(defined.get(instrument.symbol, instrument), instrument)
        if instruments.get(instrument.symbol) != instrument:
            batch.append((instrument.symbol, _definition(instrument, defined, venue, received_ns)))
    wanted = {key: Limits() for key in limits} | venue.limits()
    changed = [(key, each) for key, each in wanted.items() if each != limits.get(key, Limits())]
    if changed:
        batch.append((GATEWAY_SYMBOL, [SetLimits(CONFIGURATION, received_ns, "", *key, each) for key, each in changed]))
    return batch


def _definition(
    instrument: Instrument, defined: Mapping[str, Instrument], venue: Venue, received_ns: int
) -> list[Command]:
    symbol = instrument.symbol
    define = DefineInstrument(CONFIGURATION, received_ns, symbol, instrument)
    if symbol in defined:
        return [define]
    last = venue.last_day_end(instrument.group, received_ns)
    return [define, EndTradingDay(symbol, received_ns, last.trading_date)]


def _check_units(known: Instrument, instrument: Instrument) -> None:
    for name in ("tick", "lot", "currency"):
        was, now = getattr(known, name), getattr(instrument, name)
        if was != now:
            raise ForeignStream(
                f"{instrument.symbol} has {name} {was} in the log of shard {known.shard}, but {now} in the instruments "
                "file; give it back its line there, or begin with an empty data directory"
            )
