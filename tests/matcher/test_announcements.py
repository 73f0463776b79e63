"""What of the configuration a leading matcher announces: what the log does not have yet, and nothing else."""

import msgspec
import pytest

from bus.streams import ForeignStream
from configs.limits import FirmLimits, SessionLimits
from configs.loader import FirmConfig, SessionConfig, Venue, VenueConfig
from matcher.commands import GatewayStarted, NewOrder
from matcher.engine.engine import Engine
from matcher.instruments import Increment, Instrument, TradingRules
from matcher.operator_commands import DefineInstrument, EndTradingDay, Limits, SetLimits
from matcher.orders import DAY, LIMIT
from matcher.process.announcements import announcements
from matcher.process.clock import Clock
from matcher.process.own_records import SymbolCommands

NOW_NS = 5
DAY_BEFORE = "19691231"
"""The trading day that ended last at NOW_NS."""
A = Instrument("A", Increment(1, 2), Increment(1, 0), 100, "USD", 0)
B = Instrument("B", Increment(1, 2), Increment(1, 0), 100, "USD", 0, "G", TradingRules(price_band_bps=100))
ELSEWHERE = Instrument("E", Increment(1, 2), Increment(1, 0), 100, "USD", 1)


def venue(*instruments: Instrument, firms: tuple[FirmConfig, ...] = ()) -> Venue:
    return Venue(VenueConfig(shards=2, firms=firms), {instrument.symbol: instrument for instrument in instruments})


def announced(
    configured: Venue,
    *known: Instrument,
    defined: tuple[Instrument, ...] = (),
    limits: dict[tuple[str, str], Limits] | None = None,
) -> list[SymbolCommands]:
    """What is announced to a log that was told of these, and has others by its operator."""
    return announcements(
        configured,
        0,
        defined={instrument.symbol: instrument for instrument in (*known, *defined)},
        instruments={instrument.symbol: instrument for instrument in known},
        limits=limits or {},
        received_ns=NOW_NS,
    )


def define(instrument: Instrument) -> SymbolCommands:
    return instrument.symbol, [DefineInstrument("", NOW_NS, instrument.symbol, instrument)]


def begin(instrument: Instrument) -> SymbolCommands:
    """What defines an instrument that was not there before."""
    symbol, commands = define(instrument)
    return symbol, [*commands, EndTradingDay(symbol, NOW_NS, DAY_BEFORE)]


def set_limits(*lines: tuple[str, str, Limits]) -> SymbolCommands:
    return "", [SetLimits("", NOW_NS, "", firm, session_id, limits) for firm, session_id, limits in lines]


def test_a_new_log_is_told_of_every_instrument_of_its_shard() -> None:
    assert announced(venue(A, ELSEWHERE, B)) == [begin(A), begin(B)]


def test_a_new_instrument_comes_with_the_last_end_of_its_trading_day() -> None:
    """DAY-1: what the clock says some ms later ends no DAY order that came in between."""
    engine = Engine(0, orders_max=10, finished_orders_max=10)
    [(symbol, commands)] = announced(venue(A))
    engine.apply_record("matcher-0", 1, 1, [GatewayStarted("matcher-0", NOW_NS), *commands], 1)
    head = ("FIX.4.4:F1", 1, 1, 0, NOW_NS, "F", symbol)
    engine.apply(NewOrder(*head, "o1", "", "1", LIMIT, DAY, 100, 10), 2)
    clock = Clock(engine, venue(A))
    said = [command for _, commands in clock.due(NOW_NS) for command in commands]
    assert said == [EndTradingDay(symbol, NOW_NS, DAY_BEFORE)]
    assert engine.apply(said[0], 3).events == []
    assert engine.live_order_count == 1


def test_an_instrument_of_an_operator_keeps_its_trading_day() -> None:
    assert announced(venue(A), defined=(A,)) == [define(A)]


def test_what_the_log_has_is_not_announced_again() -> None:
    assert announced(venue(A, B), A, B) == []


@pytest.mark.parametrize(
    "changed",
    [
        msgspec.structs.replace(A, rules=TradingRules(price_band_bps=1)),
        msgspec.structs.replace(A, group="G"),
        msgspec.structs.replace(A, reference_price_ticks=101),
    ],
)
def test_another_rule_group_or_reference_price_is_announced(changed: Instrument) -> None:
    assert announced(venue(changed, B), A, B) == [define(changed)]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (msgspec.structs.replace(A, tick=Increment(5, 2)), "A has tick 0.01 in the log of shard 0, but 0.05 in the"),
        (msgspec.structs.replace(A, lot=Increment(1, 1)), "A has lot 1 in the log of shard 0, but 0.1 in the"),
        (msgspec.structs.replace(A, currency="EUR"), "A has currency USD in the log of shard 0, but EUR in the"),
    ],
)
def test_other_units_are_refused_before_anything_is_announced(changed: Instrument, fault: str) -> None:
    with pytest.raises(ForeignStream, match=fault):
        announced(venue(changed), A)
    with pytest.raises(ForeignStream, match=fault):
        announced(venue(changed), defined=(A,))


def test_what_an_operator_changed_is_left_as_it_is() -> None:
    assert announced(venue(A), A, defined=(msgspec.structs.replace(A, rules=TradingRules(qty_lots_max=1)),)) == []


def test_an_instrument_that_is_no_longer_configured_goes_on() -> None:
    assert announced(venue(A), A, B) == []


FIRM = FirmConfig(
    "F",
    (SessionConfig("F1", "secret", versions=("FIX.4.2", "FIX.4.4"), limits=SessionLimits(open_orders_max=5)),),
    FirmLimits(self_match="allow", quote_fills_max=3, quote_window_ms=100),
)
OF_FIRM = Limits(self_match_instruction="0", quote_fills_max=3, quote_window_ns=100_000_000)
OF_SESSION = Limits(open_orders_max=5)
IN_FORCE = {("F", ""): OF_FIRM, ("F", "FIX.4.2:F1"): OF_SESSION, ("F", "FIX.4.4:F1"): OF_SESSION}


def test_limits_of_firms_and_of_each_identity_of_their_sessions_are_announced() -> None:
    expected = set_limits(("F", "", OF_FIRM), ("F", "FIX.4.2:F1", OF_SESSION), ("F", "FIX.4.4:F1", OF_SESSION))
    assert announced(venue(firms=(FIRM,))) == [expected]
    assert announced(venue(firms=(FIRM,)), limits=IN_FORCE) == []


def test_limits_that_are_no_longer_configured_end() -> None:
    gone = {("G", ""): Limits(qty_lots_max=1)}
    assert announced(venue(firms=(FIRM,)), limits=IN_FORCE | gone) == [set_limits(("G", "", Limits()))]


def test_a_firm_without_limits_needs_no_announcement() -> None:
    assert announced(venue(firms=(FirmConfig("F", ()),))) == []
