"""What is traded, and around which price: instruments come, and change their rules, while the venue runs (DEFINE-1)."""

from typing import Final

from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.engine.answer import Answer
from matcher.events import InstrumentDefined, OperatorAnswered
from matcher.instruments import Instrument, TradingRules
from matcher.operator_commands import DefineInstrument, SetReferencePrice
from matcher.orders import PRICE_TICKS_MAX
from matcher.rejects import Refusal, RejectReason, untraded_on_shard

_BPS_MAX: Final = 10_000


def define_instrument(command: DefineInstrument, floor: Floor, answer: Answer) -> None:
    """Trade a new instrument, or an old one by new rules; what is in force already changes nothing."""
    instrument = command.instrument
    market = floor.markets.get(instrument.symbol)
    refusal = _refusal_of(command, market, floor)
    if refusal is None and _is_news(command, market, floor):
        _define(instrument, market, floor)
        answer.tell_unasked(InstrumentDefined, instrument)
    answer.tell(OperatorAnswered, command.request_id, *(refusal or (None, "")))


def set_reference_price(command: SetReferencePrice, floor: Floor, answer: Answer) -> None:
    """Move the price that bands and corridors are around, and that some stops wait for."""
    market = floor.markets.get(command.symbol)
    refusal: Refusal | None = None
    if market is None:
        refusal = untraded_on_shard(command.symbol)
    elif not 0 < command.price_ticks <= PRICE_TICKS_MAX:
        refusal = RejectReason.INVALID_COMMAND, f"a reference price must be 1 to {PRICE_TICKS_MAX} ticks"
    else:
        market.reference_price_ticks = command.price_ticks
    answer.tell(OperatorAnswered, command.request_id, *(refusal or (None, "")))


def _is_news(command: DefineInstrument, market: Market | None, floor: Floor) -> bool:
    """Whether it changes anything; the configuration says the same again at each start (CONFIG-1)."""
    instrument = command.instrument
    if not command.request_id:
        if floor.configured_instruments.get(instrument.symbol) == instrument:
            return False
        floor.configured_instruments[instrument.symbol] = instrument
    return market is None or market.instrument != instrument


def _define(instrument: Instrument, market: Market | None, floor: Floor) -> None:
    if market is None:
        floor.open_market(instrument)
        return
    if instrument.reference_price_ticks != market.instrument.reference_price_ticks:
        market.reference_price_ticks = instrument.reference_price_ticks
    market.define(instrument)
    market.interest = None  # its ticks may be others now


def _refusal_of(command: DefineInstrument, market: Market | None, floor: Floor) -> Refusal | None:
    instrument = command.instrument
    if not instrument.symbol or command.symbol != instrument.symbol:
        return (
            RejectReason.INVALID_COMMAND,
            "a definition is about its instrument's symbol; name it in both places",
        )
    if instrument.shard != floor.shard:
        return RejectReason.INVALID_COMMAND, f"{instrument.symbol} belongs to shard {instrument.shard}; define it there"
    if not 0 < instrument.reference_price_ticks <= PRICE_TICKS_MAX:
        return RejectReason.INVALID_COMMAND, f"a reference price must be 1 to {PRICE_TICKS_MAX} ticks"
    if market is not None:
        for name in ("tick", "lot", "currency"):
            if getattr(instrument, name) != getattr(market.instrument, name):
                text = f"the {name} of {instrument.symbol} stays {getattr(market.instrument, name)} for ever"
                return RejectReason.INVALID_COMMAND, text
    fault = fault_of_rules(instrument.rules)
    return (RejectReason.INVALID_COMMAND, fault) if fault else None


def fault_of_rules(rules: TradingRules) -> str:
    """What is wrong with trading rules, as a sentence; empty if they can be traded by."""
    most = (rules.qty_lots_max, rules.notional_max, rules.protection_ticks)
    lengths = (rules.volatility_auction_ns, rules.volatility_random_end_ns)
    if min(*most, *lengths) < 0:
        return "a bound cannot be negative; 0 is for none"
    if not all(
        0 <= bps < _BPS_MAX for bps in (rules.price_band_bps, rules.static_corridor_bps, rules.dynamic_corridor_bps)
    ):
        return f"bands and corridors are 0 to {_BPS_MAX - 1} basis points wide"
    if (rules.static_corridor_bps or rules.dynamic_corridor_bps) and not rules.volatility_auction_ns:
        return "a corridor needs volatility_auction_ns, how long the auction takes that it starts"
    begins = [band.from_price_ticks for band in rules.tick_bands]
    if begins != sorted(set(begins)) or not all(1 <= begin <= PRICE_TICKS_MAX for begin in begins):
        return f"tick bands begin at rising prices of 1 to {PRICE_TICKS_MAX} ticks"
    if not all(1 <= band.step_ticks <= PRICE_TICKS_MAX for band in rules.tick_bands):
        return f"steps of tick bands are 1 to {PRICE_TICKS_MAX} ticks"
    return ""
