"""
What an instrument is, in the words of FIX: its ticks, lots, largest order, price band and currency.

SecurityList(y) and SecurityDefinition(d) say it with the same fields, in the order of FIX 5.0SP2, which has most of
them. Everything that has a field of its own is also in the text, for people and for versions that lack the field.
"""

from typing import Final

from matcher.instruments import Increment, Instrument
from sessions.fix_text import SOH

NO_GROUP: Final = "NONE"
"""What the group of an instrument without one is called."""

_PERCENT: Final = Increment(1, 2)
"""One basis point."""
_IN_PERCENT: Final = "2"
"""PriceLimitType(1306)."""


def group_of(instrument: Instrument) -> str:
    """The market segment."""
    return instrument.group or NO_GROUP


def quantity_fields(instrument: Instrument) -> str:
    """RoundLot(561) and MinTradeVol(562), which are the lot."""
    return f"561={instrument.lot}{SOH}562={instrument.lot}{SOH}"


def limit_fields(instrument: Instrument) -> str:
    """Price limits, in percent of the reference price, and the reference price as it was defined."""
    limits = ""
    if bps := instrument.rules.price_band_bps:
        percent = _PERCENT.text(bps)
        limits = f"1306={_IN_PERCENT}{SOH}1148=-{percent}{SOH}1149={percent}{SOH}"
    return f"{limits}1150={instrument.tick.text(instrument.reference_price_ticks)}{SOH}"


def largest_order_field(instrument: Instrument) -> str:
    """MaxTradeVol(1140); nothing if there is no largest order."""
    lots = instrument.rules.qty_lots_max
    return f"1140={instrument.lot.text(lots)}{SOH}" if lots else ""


def trading_rules(instrument: Instrument) -> str:
    """The fields of SecurityTradingRules in FIX 5.0SP2: tick rules, price limits, quantities."""
    lot = f"562={instrument.lot}{SOH}{largest_order_field(instrument)}561={instrument.lot}{SOH}"
    return f"{_tick_rules(instrument)}{limit_fields(instrument)}{lot}"


def terms_text(instrument: Instrument) -> str:
    """How it trades, for people."""
    tick, lot, rules = instrument.tick, instrument.lot, instrument.rules
    terms = [f"tick {tick}"]
    terms += [f"{tick.text(step)} from {tick.text(start)}" for start, step in _bands(instrument)[1:]]
    terms.append(f"lot {lot}")
    if rules.qty_lots_max:
        terms.append(f"quantity at most {lot.text(rules.qty_lots_max)}")
    if rules.notional_max:
        terms.append(f"value at most {rules.notional_max} {instrument.currency}")
    if rules.price_band_bps:
        terms.append(f"limit prices at most {_PERCENT.text(rules.price_band_bps)} % from the reference price")
    if rules.static_corridor_bps:
        terms.append(f"volatility auction beyond {_PERCENT.text(rules.static_corridor_bps)} % from the reference price")
    if rules.dynamic_corridor_bps:
        terms.append(f"volatility auction beyond {_PERCENT.text(rules.dynamic_corridor_bps)} % from the last price")
    return ", ".join(terms)


def _tick_rules(instrument: Instrument) -> str:
    """NoTickRules(1205), each from its start to the next one's; nothing if one tick holds for all prices."""
    bands = _bands(instrument)
    if len(bands) == 1:
        return ""
    tick = instrument.tick
    rules = [f"1206={tick.text(start)}{SOH}1208={tick.text(step)}{SOH}" for start, step in bands]
    return f"1205={len(rules)}{SOH}{''.join(rules)}"


def _bands(instrument: Instrument) -> list[tuple[int, int]]:
    """Where each tick begins, and its size, in ticks of the instrument; the first begins at 0."""
    bands = [(band.from_price_ticks, band.step_ticks) for band in instrument.rules.tick_bands]
    return bands if bands and not bands[0][0] else [(0, 1), *bands]
