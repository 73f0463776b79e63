"""A trading day off the logs of a real engine: where it begins and ends, whose sides it has, and what is the feed's."""

import pytest

from configs.loader import Venue, VenueConfig
from gateway.drop_copy.trade_day import TradeDay
from gateway.drop_copy.trade_messages import TradeEvent
from gateway.drop_copy.trading_days import TradingDays
from marketdata.statistics import Day, Sums
from matcher.commands import NewOrder
from matcher.engine.engine import Engine
from matcher.events import Event, OrderFilled, TradeBusted, TradeCorrected
from matcher.increments import MarketDataIncrement
from matcher.instruments import Increment, Instrument
from matcher.operator_commands import BustTrade, CorrectTrade, EndTradingDay, OperatorCommand, SetPhase, TimerCommand
from matcher.orders import BUY, SELL, Side
from matcher.phases import CLOSING_AUCTION, POST_CLOSE

TEST = Instrument("TEST", Increment(1, 2), Increment(1, 0), 10_000, "USD", 0)
BEFORE, TODAY, TOMORROW = "20260104", "20260105", "20260106"
BEFORE_NS = 1_767_542_400_000_000_000
"""Of that day, 16:00 UTC."""
VENUE = Venue(VenueConfig(trading_day_end="22:00"), {"TEST": TEST})

Answer = tuple[list[Event], list[MarketDataIncrement]]
Told = tuple[str, int, Side, int, int]


class Shard:
    """An engine, and what its log holds, an input for each command."""

    def __init__(self) -> None:
        self.engine = Engine(0, [TEST], orders_max=1000, finished_orders_max=1000)
        self.log: list[Answer] = []
        self._requests = 0
        self._at_ns = BEFORE_NS

    def do(self, *commands: NewOrder | OperatorCommand | TimerCommand) -> None:
        """All as one record."""
        input_seq = len(self.log) + 1
        outputs = [self.engine.apply(command, input_seq) for command in commands]
        events = [event for output in outputs for event in output.events]
        self.log.append((events, [each for output in outputs for each in output.increments]))

    def order(self, side: Side, qty_lots: int, price_ticks: int = 10_000) -> NewOrder:
        self._requests += 1
        firm = "BUYS" if side == BUY else "SELLS"
        head = (f"FIX.4.4:{firm}1", 1, self._requests, self._requests - 1, self._at_ns + self._requests, firm, "TEST")
        return NewOrder(*head, f"o{self._requests}", "", side, "2", "0", price_ticks, qty_lots)

    def trade(self, qty_lots: int, price_ticks: int = 10_000) -> None:
        self.do(self.order(BUY, qty_lots, price_ticks))
        self.do(self.order(SELL, qty_lots, price_ticks))

    def end_day(self, date: str) -> EndTradingDay:
        return EndTradingDay("TEST", 5_000, date)


@pytest.fixture
def shard() -> Shard:
    """After the end of the day before, and one trade of it."""
    shard = Shard()
    shard.trade(99)
    shard.do(shard.end_day(BEFORE))
    return shard


class Reading:
    """What a trade file would have."""

    def __init__(self, answers: list[Answer], date: str = TODAY) -> None:
        self.sides: list[Told] = []
        self.day = TradeDay(date, TradingDays(VENUE), self._note)
        for events, increments in answers:
            self.day.take(0, events, increments)
        self.found = {day.symbol: day for day in self.day.finish()}

    def _note(self, shard: int, event: TradeEvent) -> None:
        assert shard == 0
        kinds = {OrderFilled: "trade", TradeBusted: "bust", TradeCorrected: "correction"}
        what = event.last_qty_lots, event.last_price_ticks
        self.sides.append((kinds[type(event)], event.match_id, event.order.side, *what))

    @property
    def sums(self) -> Sums:
        return self.found["TEST"].sums

    @property
    def match_ids(self) -> list[int]:
        return [match_id for _, match_id, side, _, _ in self.sides if side == BUY]


def feed_sums(answers: list[Answer]) -> Sums:
    """What market data says, in its own way, of the day that has begun last."""
    day = Day()
    for _, increments in answers:
        for increment in increments:
            day.take(increment, TEST)
    return day._sums


def test_a_day_has_both_sides_of_its_trades_and_the_sums_of_the_feed(shard: Shard) -> None:
    shard.trade(10, 10_000)
    shard.trade(5, 10_002)
    said = feed_sums(shard.log)
    shard.do(shard.end_day(TODAY))
    shard.trade(77)
    reading = Reading(shard.log)
    assert reading.sides == [
        ("trade", 2, SELL, 10, 10_000),  # who came last is told first
        ("trade", 2, BUY, 10, 10_000),
        ("trade", 3, SELL, 5, 10_002),
        ("trade", 3, BUY, 5, 10_002),
    ]
    assert reading.sums == said == Sums(2, 10_000, 10_002, 10_000, 10_002, 15, 150_010)
    assert (reading.found["TEST"].is_over, reading.found["TEST"].difference) == (True, "")


def test_a_day_that_goes_on_has_what_there_is(shard: Shard) -> None:
    shard.trade(10)
    reading = Reading(shard.log)
    assert (reading.match_ids, reading.sums.volume_lots, reading.found["TEST"].is_over) == ([2], 10, False)


def test_busts_and_corrections_count_in_the_sums_and_have_rows_of_their_own(shard: Shard) -> None:
    shard.trade(10)
    shard.trade(8, 10_005)
    shard.do(BustTrade("b", 1, "TEST", 2, "wrong"))
    shard.do(CorrectTrade("c", 1, "TEST", 3, 10_001, 6, "wrong"))
    reading = Reading(shard.log)
    assert reading.sums == feed_sums(shard.log) == Sums(1, 10_001, 10_001, 10_001, 10_001, 6, 60_006)
    assert reading.sides[4:] == [
        ("bust", 2, BUY, 10, 10_000),
        ("bust", 2, SELL, 10, 10_000),
        ("correction", 3, BUY, 6, 10_001),
        ("correction", 3, SELL, 6, 10_001),
    ]
    assert reading.found["TEST"].difference == ""


def test_a_trade_of_an_earlier_day_that_is_undone_today_has_rows_today_and_no_part_in_the_sums(shard: Shard) -> None:
    shard.do(BustTrade("b", 1, "TEST", 1, "wrong"))
    shard.trade(10)
    reading = Reading(shard.log)
    assert [side[:3] for side in reading.sides[:2]] == [("bust", 1, BUY), ("bust", 1, SELL)]
    assert reading.sums == feed_sums(shard.log) == Sums(1, 10_000, 10_000, 10_000, 10_000, 10, 100_000)
    earlier = Reading(shard.log, BEFORE)
    assert [side[0] for side in earlier.sides] == ["trade", "trade"]


def test_an_auction_that_ends_in_the_same_record_as_the_day_is_of_the_day(shard: Shard) -> None:
    shard.do(SetPhase("p", 1, "TEST", CLOSING_AUCTION, 4_000, 0, 0, ""))
    shard.do(shard.order(BUY, 10))
    shard.do(shard.order(SELL, 4))
    shard.do(SetPhase("p", 4_000, "TEST", POST_CLOSE, 0, 0, 0, ""), shard.end_day(TODAY))
    assert Reading(shard.log).match_ids == [2]
    assert Reading(shard.log, TOMORROW).match_ids == []


def test_the_first_day_of_a_venue_has_no_end_before_it(shard: Shard) -> None:
    first = Reading(shard.log, BEFORE)
    assert (first.match_ids, first.sums.volume_lots, first.found["TEST"].is_over) == ([1], 99, True)
    going_on = Reading(shard.log[:2], BEFORE)
    assert (going_on.match_ids, going_on.found["TEST"].is_over) == ([1], False)
    assert Reading(shard.log[:2], TODAY).found == {}


def test_a_day_whose_end_the_venue_slept_through_ends_with_the_next_one(shard: Shard) -> None:
    shard.trade(10)
    shard.do(shard.end_day(TOMORROW))
    shard.trade(20)
    assert (Reading(shard.log).match_ids, Reading(shard.log).found["TEST"].is_over) == ([2], True)


def test_reading_may_stop_when_the_day_is_over_everywhere(shard: Shard) -> None:
    reading = Reading(shard.log)
    assert not reading.day.is_over(["TEST"])
    shard.do(shard.end_day(TODAY))
    reading = Reading(shard.log)
    assert (reading.day.is_over(["TEST"]), reading.day.is_over(["TEST", "NEW"])) == (True, False)


@pytest.mark.parametrize("view", ["events", "increments"])
def test_what_a_firm_was_told_otherwise_than_the_public_is_named(shard: Shard, view: str) -> None:
    """A log that lost one of them: no engine writes this."""
    shard.trade(10)
    shard.trade(5)
    events, increments = shard.log[-1]
    shard.log[-1] = ([], increments) if view == "events" else (events, [])
    side = "the buying side" if view == "events" else "the feed"
    reading = Reading(shard.log)
    assert reading.found["TEST"].difference.startswith("TEST: trade 3 is not on ")
    assert side in reading.found["TEST"].difference
