"""
What a leading matcher announces: the configuration, as far as the log does not have it yet (CONFIG-1).

Compared is what was announced last, not what is in force: so what an operator changed at run time outlives a matcher's
restart, until the file itself says something new.
"""

from collections.abc import Mapping
from typing import Final

from bus.streams import ForeignStream
from bus.subjects import GATEWAY_SYMBOL
from configs.loader import Venue
from matcher.instruments import Instrument
from matcher.operator_commands import DefineInstrument, Limits, SetLimits
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
            define = DefineInstrument(CONFIGURATION, received_ns, instrument.symbol, instrument)
            batch.append((instrument.symbol, [define]))
    wanted = {key: Limits() for key in limits} | venue.limits()
    changed = [(key, each) for key, each in wanted.items() if each != limits.get(key, Limits())]
    if changed:
        batch.append((GATEWAY_SYMBOL, [SetLimits(CONFIGURATION, received_ns, "", *key, each) for key, each in changed]))
    return batch


def _check_units(known: Instrument, instrument: Instrument) -> None:
    for name in ("tick", "lot", "currency"):
        was, now = getattr(known, name), getattr(instrument, name)
        if was != now:
            raise ForeignStream(
                f"{instrument.symbol} has {name} {was} in the log of shard {known.shard}, but {now} in the instruments "
                "file; give it back its line there, or begin with an empty data directory"
            )
