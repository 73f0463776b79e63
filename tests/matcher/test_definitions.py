"""Instruments that come and change while the venue runs, and the reference price."""

from typing import Any

import pytest

from matcher.commands import GatewayStarted
from matcher.events import GatewayAdmitted, InstrumentDefined
from matcher.instruments import Increment, TickBand, TradingRules
from matcher.orders import BUY, PRICE_TICKS_MAX, SELL, STOP
from tests.matcher.venue_desk import DONE, VenueDesk, instrument


def test_a_new_instrument_is_traded_at_once() -> None:
    """DEFINE-1."""
    desk = VenueDesk()
    assert desk.new("x", BUY, 1, 90, symbol="NEW") == ["A1 rejected UNKNOWN_SYMBOL x"]
    assert desk.define(instrument("NEW")) == ["defined NEW", DONE]
    assert desk.engine.symbols == ["TEST", "OTHER", "NEW"]
    assert desk.new("x", BUY, 1, 90, symbol="NEW")[0].startswith("A1 accepted")


def test_a_definition_that_is_in_force_changes_nothing() -> None:
    """DEFINE-1."""
    desk = VenueDesk()
    assert desk.define(instrument("TEST")) == [DONE]


def test_rules_change_while_orders_live_which_are_not_checked_again() -> None:
    """DEFINE-1: also over a restart; an order off the new steps can still be reduced, canceled and traded."""
    desk = VenueDesk()
    desk.new("odd", BUY, 20, 93)
    rules = TradingRules(tick_bands=[TickBand(1, 5)], qty_lots_max=10)
    assert desk.define(instrument("TEST", rules)) == ["defined TEST", DONE]
    desk.restart()
    assert desk.new("x", BUY, 1, 93) == ["A1 rejected PRICE_OFF_TICK x"]
    assert desk.new("x", BUY, 11, 95) == ["A1 rejected QTY_ABOVE_LIMIT x"]
    assert len(desk.new("s", SELL, 5, 90, session="B1")) == 3
    assert desk.cancel("c", "odd", BUY)[0].startswith("A1 canceled")


def test_an_uncrossing_uses_the_steps_of_now() -> None:
    """DEFINE-1, AUCTION-1: and orders from before them never leave a crossed book."""
    desk = VenueDesk()
    desk.set_phase("2")
    desk.new("b", BUY, 1, 103)
    desk.new("s", SELL, 1, 102, session="B1")
    assert desk.public == ["indicative 1@102"]
    desk.define(instrument("TEST", TradingRules(tick_bands=[TickBand(1, 5)])))
    assert desk.set_phase("3")[0] == "filled 1@102 match 1 auction #1 b 1+0/1 FILLED"


def test_the_reference_price_of_a_definition_counts_when_it_is_another_one() -> None:
    """DEFINE-1: what the operator fed meanwhile stays otherwise."""
    desk = VenueDesk(TradingRules(price_band_bps=1_000))
    desk.set_reference_price(200)
    desk.define(instrument("TEST", TradingRules(price_band_bps=1_000), group="g"))
    assert desk.engine.reference_price_ticks("TEST") == 200
    desk.define(instrument("TEST", TradingRules(price_band_bps=1_000), reference_price_ticks=300))
    assert desk.engine.reference_price_ticks("TEST") == 300
    assert desk.new("x", BUY, 1, 330)[0].startswith("A1 accepted")


def test_a_moved_reference_price_fires_the_stops_that_wait_for_it() -> None:
    """SetReferencePrice, STOP-2."""
    desk = VenueDesk()
    desk.new("s", SELL, 1, 105, session="B1")
    desk.new("stop", BUY, 1, ord_type=STOP, stop_price_ticks=110, trigger_price_type="R")
    assert desk.set_reference_price(110) == [
        DONE,
        "triggered #2 stop 0+1/1 NEW",
        "filled 1@105 match 1 incoming #2 stop 1+0/1 FILLED",
        "filled 1@105 match 1 resting #1 s 1+0/1 FILLED",
    ]


def test_the_configuration_says_again_what_it_said_before() -> None:
    """CONFIG-1: so what the operator changed meanwhile stays, until the file says something new."""
    desk = VenueDesk()
    of_file = instrument("TEST", TradingRules(qty_lots_max=50))
    assert desk.define(of_file, request_id="") == ["defined TEST", "operator : done"]
    desk.define(instrument("TEST", TradingRules(qty_lots_max=10)))
    desk.restart()
    assert desk.define(of_file, request_id="") == ["operator : done"]
    assert desk.engine.instruments["TEST"].rules.qty_lots_max == 10
    assert desk.engine.configured_instruments == {"TEST": of_file}
    changed = instrument("TEST", TradingRules(qty_lots_max=60))
    assert desk.define(changed, request_id="") == ["defined TEST", "operator : done"]
    assert desk.engine.instruments["TEST"] == changed


def test_a_gateway_is_told_all_instruments_when_it_starts() -> None:
    """DEFINE-2."""
    desk = VenueDesk()
    desk.define(instrument("NEW"))
    events, _ = desk.engine.apply_record("gw1", 1, 1, [GatewayStarted("gw1", 5)], 100)
    assert [type(event) for event in events] == [InstrumentDefined] * 3 + [GatewayAdmitted]
    assert [event.event_index for event in events] == [0, 1, 2, 3]


CANNOT_CHANGE: list[dict[str, Any]] = [
    {"tick": Increment(5, 2)},
    {"lot": Increment(1, 1)},
    {"currency": "EUR"},
    {"shard": 1},
    {"reference_price_ticks": 0},
    {"reference_price_ticks": PRICE_TICKS_MAX + 1},
    {"rules": TradingRules(qty_lots_max=-1)},
    {"rules": TradingRules(price_band_bps=10_000)},
    {"rules": TradingRules(static_corridor_bps=100)},
    {"rules": TradingRules(dynamic_corridor_bps=100)},
    {"rules": TradingRules(tick_bands=[TickBand(10, 0)])},
    {"rules": TradingRules(tick_bands=[TickBand(0, 5)])},
    {"rules": TradingRules(tick_bands=[TickBand(20, 5), TickBand(10, 2)])},
]


@pytest.mark.parametrize("changes", CANNOT_CHANGE)
def test_what_an_instrument_cannot_become(changes: dict[str, Any]) -> None:
    """DEFINE-1, and rules that nobody could trade by: INVALID_COMMAND; the old ones go on."""
    desk = VenueDesk()
    before = desk.engine.instruments["TEST"]
    changed = instrument("TEST", **changes)
    assert desk.define(changed) == ["operator op: INVALID_COMMAND"]
    assert desk.engine.instruments["TEST"] == before


@pytest.mark.parametrize("price_ticks", [0, -1, PRICE_TICKS_MAX + 1])
def test_a_reference_price_is_a_price(price_ticks: int) -> None:
    desk = VenueDesk()
    assert desk.set_reference_price(price_ticks) == ["operator op: INVALID_COMMAND"]
    assert desk.set_reference_price(5, symbol="NONE") == ["operator op: UNKNOWN_SYMBOL"]
