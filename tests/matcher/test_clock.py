"""What the leading matcher's clock says, when, and what it does not say again."""

from datetime import UTC, datetime, time

import pytest

from configs.instruments_file import GroupHours
from configs.loader import Venue, VenueConfig
from matcher.engine.engine import Engine
from matcher.instruments import Increment, Instrument
from matcher.operator_commands import EndTradingDay, ScheduledPhase, TimerFired
from matcher.phases import CLOSED, CLOSING_AUCTION, CONTINUOUS
from matcher.process.clock import LOOK_INTERVAL_S, Clock
from matcher.schedule import DailyChange, Schedule

SECOND_NS = 10**9
DAY = (
    DailyChange(time(9), CONTINUOUS),
    DailyChange(time(17), CLOSING_AUCTION, 600 * SECOND_NS, 60 * SECOND_NS),
    DailyChange(time(20), CLOSED),
)
STOCKS = GroupHours(UTC, time(18), Schedule(UTC, frozenset(range(5)), frozenset(), DAY))
VENUE = Venue(VenueConfig(trading_day_end="22:00"), {}, {"STOCKS": STOCKS})
SEED = 77


def ns(text: str) -> int:
    return int(datetime.fromisoformat(f"2026-01-{text}+00:00").timestamp()) * SECOND_NS


class House:
    """An engine's instruments and deadlines, and a clock that goes by them."""

    def __init__(self, **groups: str) -> None:
        self.instruments = {symbol: instrument(symbol, group) for symbol, group in groups.items()}
        self.deadlines: dict[str, int] = {}
        self.clock = Clock(self, VENUE, draw_seed=lambda: SEED)

    @property
    def next_deadline_ns(self) -> int:
        return min(self.deadlines.values(), default=0)

    def deadlines_due(self, now_ns: int) -> dict[str, int]:
        return {symbol: deadline_ns for symbol, deadline_ns in self.deadlines.items() if deadline_ns <= now_ns}

    def says(self, now: str) -> list[object]:
        """The commands that are due, each symbol's in order."""
        return [command for _, commands in self.clock.due(ns(now)) for command in commands]

    def settle(self, now: str) -> None:
        """Take notice of everything up to a moment."""
        self.clock.due(ns(now))


def instrument(symbol: str, group: str) -> Instrument:
    return Instrument(symbol, Increment(1, 2), Increment(1, 0), 100, "USD", 0, group)


def auction(now: str) -> ScheduledPhase:
    begins_ns = ns("05T17:00")
    return ScheduledPhase("A", ns(now), begins_ns, "4", begins_ns + 600 * SECOND_NS, 60 * SECOND_NS, SEED)


def test_the_first_look_repeats_the_last_end_of_day_and_the_phase_that_should_be() -> None:
    now = "05T12:00"
    assert House(A="STOCKS", B="").says(now) == [
        EndTradingDay("A", ns(now), "20260104"),
        ScheduledPhase("A", ns(now), ns("05T09:00"), "3", 0, 0, 0),
        EndTradingDay("B", ns(now), "20260104"),
    ]


def test_what_was_said_is_not_said_again() -> None:
    house = House(A="STOCKS", B="")
    house.settle("05T12:00")
    assert house.says("05T12:00:01") == []
    assert house.says("05T16:59:59") == []


def test_each_phase_and_each_end_of_day_is_said_at_its_time() -> None:
    house = House(A="STOCKS", B="")
    house.settle("05T12:00")
    assert house.says("05T17:00") == [auction("05T17:00")]
    assert house.says("05T18:00") == [EndTradingDay("A", ns("05T18:00"), "20260105")]
    assert house.says("05T20:00") == [ScheduledPhase("A", ns("05T20:00"), ns("05T20:00"), "C", 0, 0, 0)]
    assert house.says("05T22:00") == [EndTradingDay("B", ns("05T22:00"), "20260105")]


def test_an_instrument_that_is_defined_later_is_told_what_holds() -> None:
    house = House(B="")
    house.settle("05T12:00")
    house.instruments["A"] = instrument("A", "STOCKS")
    assert house.says("05T12:00:01") == [
        EndTradingDay("A", ns("05T12:00:01"), "20260104"),
        ScheduledPhase("A", ns("05T12:00:01"), ns("05T09:00"), "3", 0, 0, 0),
    ]


def test_an_instrument_of_a_group_without_hours_trades_for_ever() -> None:
    assert House(A="OTHER").says("05T12:00") == [EndTradingDay("A", ns("05T12:00"), "20260104")]


def test_a_deadline_is_fired_once_when_it_has_passed() -> None:
    house = House(A="")
    house.settle("05T12:00")
    house.deadlines["A"] = ns("05T12:30")
    assert house.says("05T12:29:59") == []
    assert house.says("05T12:30") == [TimerFired("A", ns("05T12:30"))]
    assert house.says("05T12:30:01") == []  # on its way into the log
    house.deadlines["A"] = ns("05T12:30:01")
    assert house.says("05T12:30:02") == [TimerFired("A", ns("05T12:30:02"))]


def test_what_came_due_while_no_matcher_led_is_said_in_the_order_in_which_it_was_due() -> None:
    """Otherwise the end of the day would expire what the closing auction should have traded."""
    house = House(A="STOCKS")
    house.deadlines["A"] = ns("05T16:00")
    now = "05T19:00"
    assert house.says(now) == [
        TimerFired("A", ns(now)),
        auction(now),
        TimerFired("A", ns(now)),
        EndTradingDay("A", ns(now), "20260105"),
    ]


def test_a_clock_that_is_set_back_says_nothing_twice_and_goes_on_when_time_does() -> None:
    house = House(A="STOCKS", B="")
    house.settle("05T17:30")
    assert house.says("05T16:00") == []
    assert house.says("04T12:00") == []
    assert house.says("05T17:30") == []
    assert house.says("05T18:00") == [EndTradingDay("A", ns("05T18:00"), "20260105")]


def test_a_clock_that_is_set_forward_says_the_newest_of_each() -> None:
    house = House(A="STOCKS", B="")
    house.settle("05T12:00")
    assert house.says("07T12:00") == [
        EndTradingDay("A", ns("07T12:00"), "20260106"),
        ScheduledPhase("A", ns("07T12:00"), ns("07T09:00"), "3", 0, 0, 0),
        EndTradingDay("B", ns("07T12:00"), "20260106"),
    ]


def test_a_new_leader_whose_clock_was_set_back_changes_nothing_that_was_said() -> None:
    """It says the newest that it knows of, which is older than what holds: phases, days and deadlines only go on."""
    engine = Engine(0, [instrument("A", "STOCKS"), instrument("B", "")], orders_max=10, finished_orders_max=10)
    events = []

    def lead(*times: str) -> None:
        clock = Clock(engine, VENUE, draw_seed=lambda: SEED)
        for now in times:
            for _, commands in clock.due(ns(now)):
                for command in commands:
                    output = engine.apply(command, engine.last_input_seq + 1)
                    events.extend([*output.events, *(each.phase for each in output.increments if each.phase)])

    lead("05T16:00", "05T17:30")
    held, engine_hash, before = engine.phase_of("A"), engine.state_hash(), len(events)
    lead("05T12:00", "05T08:00", "04T12:00")
    assert (engine.phase_of("A"), engine.trading_date("A"), len(events)) == (held, "20260104", before)
    lead("05T17:31")
    assert len(events) == before
    lead("05T18:00")
    assert engine.trading_date("A") == "20260105"
    assert engine.state_hash() != engine_hash


@pytest.mark.parametrize(
    ("now", "deadline", "pause_s"),
    [
        ("05T12:00", None, LOOK_INTERVAL_S),
        ("05T16:59:59", None, 1.0),
        ("05T12:00", "05T12:00:00.250000", 0.25),
        ("05T12:00", "05T12:00:30", LOOK_INTERVAL_S),
        ("05T12:00", "05T11:59", LOOK_INTERVAL_S),  # fired, and on its way
    ],
)
def test_the_next_look_is_when_something_is_due_and_soon_in_any_case(
    now: str, deadline: str | None, pause_s: float
) -> None:
    house = House(A="STOCKS")
    if deadline is not None:
        house.deadlines["A"] = int(datetime.fromisoformat(f"2026-01-{deadline}+00:00").timestamp() * 1000) * 10**6
    house.settle(now)
    assert house.clock.pause_s(ns(now)) == pause_s


def test_half_a_second_before_a_phase_the_next_look_is_in_half_a_second() -> None:
    house = House(A="STOCKS")
    house.settle("05T16:59:59")
    assert house.clock.pause_s(ns("05T17:00") - SECOND_NS // 2) == 0.5


def test_other_hours_hold_from_the_next_look_on() -> None:
    house = House(A="STOCKS")
    house.settle("05T12:00")
    house.clock.reconfigure(Venue(VenueConfig(trading_day_end="11:00"), {}, {}))
    assert house.says("05T12:00:01") == [EndTradingDay("A", ns("05T12:00:01"), "20260105")]
