"""Which prices are taken (tick tables, bands), and which trades start an auction instead (corridors)."""

import pytest

from matcher.commands import QuoteEntry
from matcher.instruments import TickBand, TradingRules
from matcher.orders import BUY, IMMEDIATE_OR_CANCEL, MARKET, SELL, STOP_LIMIT
from tests.matcher.venue_desk import VenueDesk

STEPS = TradingRules(tick_bands=[TickBand(100, 5), TickBand(200, 10)])


@pytest.mark.parametrize(
    ("price_ticks", "is_taken"),
    [
        (1, True),
        (99, True),
        (100, True),
        (101, False),
        (105, True),
        (195, True),
        (199, False),
        (200, True),
        (205, False),
    ],
)
def test_a_price_is_a_multiple_of_the_step_of_its_band(price_ticks: int, is_taken: bool) -> None:
    """TICK-1: of a new order, a stop price, a replace, a quote."""
    desk = VenueDesk(STEPS)
    desk.new("old", BUY, 1, 1)
    stop = {"ord_type": STOP_LIMIT, "stop_price_ticks": price_ticks}
    answers = [
        desk.new("x", BUY, 1, price_ticks),
        desk.new("y", BUY, 1, 1, **stop),  # type: ignore[arg-type]
        desk.replace("old2", "old", BUY, 1, price_ticks),
        desk.quote(QuoteEntry("q", "TEST", price_ticks, 1, 0, 0)),
    ]
    assert [any("PRICE_OFF_TICK" in event for event in answer) for answer in answers] == [not is_taken] * 4


@pytest.mark.parametrize(
    ("reference", "low", "high"),
    [(1000, 900, 1100), (1001, 901, 1101), (999, 900, 1098), (1, 1, 1), (10, 9, 11)],
)
def test_a_price_band_is_rounded_inward(reference: int, low: int, high: int) -> None:
    """BAND-1: 10 % around the reference price; of D, of a stop-limit, of G, of a quote; a market order has none."""
    desk = VenueDesk(TradingRules(price_band_bps=1_000))
    desk.set_reference_price(reference)
    for price_ticks in (low - 1, high + 1):
        if price_ticks:
            assert desk.new("x", BUY, 1, price_ticks) == ["A1 rejected PRICE_OUTSIDE_BAND x"]
    for price_ticks in sorted({low, high}):
        assert desk.new(f"o{price_ticks}", BUY, 1, price_ticks)[0].startswith("A1 accepted")
    assert desk.new("x", BUY, 1, high + 1, ord_type=STOP_LIMIT, stop_price_ticks=5_000) == [
        "A1 rejected PRICE_OUTSIDE_BAND x"
    ]
    assert desk.replace("x", f"o{low}", BUY, 1, high + 1) == [
        f"A1 replace rejected PRICE_OUTSIDE_BAND x for o{low} #1 NEW"
    ]
    assert desk.quote(QuoteEntry("q", "TEST", 0, 0, high + 1, 1)) == ["A1 quotes rejected q PRICE_OUTSIDE_BAND"]
    assert desk.new("m", SELL, 1, ord_type=MARKET, session="B1")[0].startswith("B1 accepted")


def corridor(*, static: int = 0, dynamic: int = 0, random_ns: int = 0) -> VenueDesk:
    rules = TradingRules(
        static_corridor_bps=static,
        dynamic_corridor_bps=dynamic,
        volatility_auction_ns=1_000,
        volatility_random_end_ns=random_ns,
    )
    return VenueDesk(rules)


def test_a_trade_outside_the_static_corridor_starts_an_auction_with_the_order_in_it() -> None:
    """CORRIDOR-1, CORRIDOR-2: what is inside trades; then the rest waits, and the auction may trade anywhere."""
    desk = corridor(static=500)
    desk.new("s1", SELL, 1, 105, session="B1")
    desk.new("s2", SELL, 2, 106, session="B1")
    assert desk.new("a", BUY, 5, 110) == [
        "A1 accepted #3 a 0+5/5 NEW",
        "A1 filled 1@105 match 1 incoming #3 a 1+4/5 PARTIALLY_FILLED",
        "filled 1@105 match 1 resting #1 s1 1+0/1 FILLED",
    ]
    assert desk.public == [
        "phase 6 until 2000",
        "delete ask 0@105",
        "delete ask 0@106",
        "trade 1@105 bid",
        "indicative 2@110 bid 2 over",
    ]
    assert desk.fire_timer(2_000) == [
        "filled 2@110 match 2 auction #3 a 3+2/5 PARTIALLY_FILLED",
        "filled 2@110 match 2 auction #2 s2 2+0/2 FILLED",
    ]
    assert desk.public == ["phase 3 until 0", "new bid 2@110", "trade 2@110"]


def test_the_dynamic_corridor_is_around_the_last_trade_before_the_command() -> None:
    """CORRIDOR-1: not checked before the first trade; one sweep is held against where it began."""
    desk = corridor(dynamic=300)
    desk.new("s0", SELL, 1, 200, session="B1")
    desk.new("a0", BUY, 1, 200)
    for price_ticks in (203, 206, 207):
        desk.new(f"s{price_ticks}", SELL, 1, price_ticks, session="B1")
    assert len(desk.new("a1", BUY, 3, 210)) == 5
    assert desk.engine.phase_of("TEST") == ("6", 2_000)
    desk.fire_timer(2_000)
    assert desk.engine.phase_of("TEST") == ("3", 0)
    desk.new("s8", SELL, 1, 213, session="B1")
    desk.new("s9", SELL, 1, 220, session="B1")
    assert len(desk.new("a2", BUY, 1, 213)) == 3, "213 is within 3 % of 207, the price of the auction"
    assert len(desk.new("a3", BUY, 1, 220)) == 1
    assert desk.engine.phase_of("TEST")[0] == "6"


def test_what_may_not_wait_in_the_auction_is_canceled() -> None:
    """CORRIDOR-1: the rest of an order of 59=3 (restatement C); a market order waits as such."""
    desk = corridor(static=500)
    desk.new("s1", SELL, 1, 106, session="B1")
    assert desk.new("a", BUY, 5, 110, time_in_force=IMMEDIATE_OR_CANCEL) == [
        "A1 accepted #2 a 0+5/5 NEW",
        "A1 canceled (C) #2 a 0+0/5 CANCELED",
    ]
    assert desk.engine.phase_of("TEST")[0] == "6"
    desk.fire_timer(2_000)
    assert desk.new("m", BUY, 5, ord_type=MARKET) == ["A1 accepted #3 m 0+5/5 NEW"]
    assert desk.public == ["phase 6 until 3000", "delete ask 0@106", "indicative 1@106 bid 4 over"]
    assert desk.fire_timer(3_000) == [
        "filled 1@106 match 1 auction #3 m 1+4/5 PARTIALLY_FILLED",
        "filled 1@106 match 1 auction #1 s1 1+0/1 FILLED",
        "canceled (U) #3 m 1+0/5 CANCELED",
    ]


def test_the_random_part_of_the_auction_comes_from_the_input_sequence() -> None:
    """CORRIDOR-2: so every replay draws the same; the public is told the earliest end."""
    ends: set[int] = set()
    for others in range(8):
        desk = corridor(static=500, random_ns=10**6)
        for number in range(others):
            desk.new(f"o{number}", BUY, 1, 50)
        desk.new("s", SELL, 1, 106, session="B1")
        desk.new("a", BUY, 1, 106)
        assert desk.public[0] == "phase 6 until 2000"
        ends.add(desk.engine.phase_of("TEST")[1])
    assert len(ends) == 8
    assert all(2_000 <= end <= 2_000 + 10**6 for end in ends)


def test_the_corridor_does_not_bound_an_uncrossing() -> None:
    """CORRIDOR-2: nor what comes to rest."""
    desk = corridor(static=500, dynamic=500)
    desk.new("far", SELL, 1, 300, session="B1")
    assert desk.engine.phase_of("TEST") == ("3", 0)
    desk.set_phase("2")
    desk.new("a", BUY, 1, 300)
    assert desk.set_phase("3")[0] == "filled 1@300 match 1 auction #2 a 1+0/1 FILLED"
