"""A command that changes more than a message can hold gives several increments, and no book is crossed between them."""

from collections.abc import Iterable

from marketdata.book import Book
from marketdata.messages import encode, public_increment
from matcher.commands import NewOrder
from matcher.engine.engine import Engine
from matcher.events import Output
from matcher.increments import INCREMENT_ENTRIES_MAX, LevelChange, MarketDataIncrement, ShownOrder, TradePrint
from matcher.instruments import DECIMAL_PLACES_MAX, Increment, Instrument
from matcher.operator_commands import EndTradingDay
from matcher.orders import BUY, DAY, GOOD_TILL_CANCEL, LIMIT, PRICE_TICKS_MAX, QTY_LOTS_MAX, SELL, Side, TimeInForce

TEST = Instrument("TEST", Increment(1, 2), Increment(1, 0), 100, "USD", 0)
INT_MAX = 2**63 - 1
JSON_BYTES_MAX = 900_000


class Market:
    """An engine, and a reader of its increments that refuses gaps, wrong actions and crossed books."""

    def __init__(self) -> None:
        self.engine = Engine(0, [TEST], orders_max=100_000, finished_orders_max=10)
        self.replica = Book("TEST")
        self.number = 0

    def enter(self, side: Side, price_ticks: int, qty_lots: int, time_in_force: TimeInForce = DAY) -> Output:
        number = self.number + 1
        firm = "A" if side == BUY else "B"
        head = (f"{firm}1", 1, number, number - 1, number * 1000, firm, "TEST")
        return self.do(NewOrder(*head, f"c{number}", "", side, LIMIT, time_in_force, price_ticks, qty_lots))

    def end_day(self) -> Output:
        return self.do(EndTradingDay("TEST", self.number, "20260105"))

    def do(self, command: NewOrder | EndTradingDay) -> Output:
        self.number += 1
        output = self.engine.apply(command, self.number)
        for increment in output.increments:
            self.replica.apply(public_increment(increment, TEST))
        return output

    def check(self) -> None:
        """The reader's book is the engine's."""
        self.engine.check()
        bids, asks = (
            [(level.price_ticks, level.qty_lots, level.order_count) for level in levels]
            for levels in (self.replica.bids(), self.replica.asks())
        )
        assert (bids, asks) == self.engine.levels("TEST")
        assert self.replica.md_seq == self.engine.md_seq("TEST")


def sizes(increments: Iterable[MarketDataIncrement]) -> list[tuple[int, int]]:
    """Trades and levels of each."""
    return [(len(increment.trades), len(increment.levels)) for increment in increments]


def told(increments: Iterable[MarketDataIncrement]) -> list[LevelChange]:
    return [level for increment in increments for level in increment.levels]


def deep_asks() -> Market:
    """10,000 orders of 1 lot, two at each price from 10,001 to 15,000, and a bid at 10,000."""
    market = Market()
    market.enter(BUY, 10_000, 1)
    for place in range(10_000):
        market.enter(SELL, 10_001 + place // 2, 1)
    return market


def test_a_sweep_of_10_000_orders_that_rests_in_their_place() -> None:
    market = deep_asks()
    increments = market.enter(BUY, 15_000, 10_005).increments
    # 10,000 trades, 5,000 asks gone, 1 new bid.
    assert sizes(increments) == [(3500, 0), (3500, 0), (3000, 500), (0, 3500), (0, 1001)]
    assert [increment.md_seq for increment in increments] == list(range(10_002, 10_007))
    assert {(increment.input_seq, increment.transact_ns) for increment in increments} == {(10_002, 10_002_000)}
    assert [trade.match_id for increment in increments for trade in increment.trades] == list(range(1, 10_001))
    assert told(increments) == [
        *(LevelChange("2", SELL, price_ticks, 0, 0) for price_ticks in range(10_001, 15_001)),
        LevelChange("0", BUY, 15_000, 5, 1, [ShownOrder(10_002, 5, 5)]),
    ]
    market.check()


def test_a_sweep_of_9_999_orders_leaves_one_at_the_last_level() -> None:
    market = deep_asks()
    increments = market.enter(BUY, 15_000, 9_999).increments
    assert sizes(increments) == [(3500, 0), (3500, 0), (2999, 501), (0, 3500), (0, 999)]
    assert told(increments)[-1] == LevelChange("1", SELL, 15_000, 1, 1, [ShownOrder(10_000, 0, -1)])
    market.check()


def test_the_end_of_a_day_of_10_000_levels() -> None:
    """Bids at 1 to 5,000 and asks above; each tenth level has an order that stays."""
    market = Market()
    for price_ticks in range(1, 10_001):
        side: Side = BUY if price_ticks <= 5_000 else SELL
        market.enter(side, price_ticks, 1)
        if price_ticks % 10 == 0:
            market.enter(side, price_ticks, 2, GOOD_TILL_CANCEL)
    increments = market.end_day().increments
    assert sizes(increments) == [(0, 3500), (0, 3500), (0, 2750), (0, 250)]  # who stays has an entry of its own
    assert [increment.md_seq for increment in increments] == [11_001, 11_002, 11_003, 11_004]
    levels = told(increments)
    assert [level.action for level in levels] == ["2"] * 9_000 + ["1"] * 1_000
    best_first = [*range(5_000, 0, -1), *range(5_001, 10_001)]
    assert [level.price_ticks for level in levels[:9_000]] == [ticks for ticks in best_first if ticks % 10]
    assert [level.price_ticks for level in levels[9_000:]] == [ticks for ticks in best_first if ticks % 10 == 0]
    market.check()


def test_what_just_fits_is_one_increment_bids_first_and_best_first() -> None:
    market = Market()
    for price_ticks in range(1, INCREMENT_ENTRIES_MAX + 1):
        market.enter(BUY, price_ticks, 1)
    (increment,) = market.end_day().increments
    assert [level.price_ticks for level in increment.levels] == list(range(INCREMENT_ENTRIES_MAX, 0, -1))
    market.check()


def test_one_entry_more_is_two_increments() -> None:
    """ORDER-5."""
    market = Market()
    for price_ticks in range(1, INCREMENT_ENTRIES_MAX + 2):
        market.enter(BUY, price_ticks, 1)
    assert sizes(market.end_day().increments) == [(0, INCREMENT_ENTRIES_MAX), (0, 1)]
    market.check()


def test_the_largest_increment_fits_into_a_message_as_json() -> None:
    """The longest numbers, of an instrument whose tick and lot are as long as a configuration may make them."""
    longest = Increment.parse("9" * 15 + "." + "9" * DECIMAL_PLACES_MAX)
    instrument = Instrument("W" * 100, longest, longest, 1, "USD", 0)
    trade = TradePrint(INT_MAX, PRICE_TICKS_MAX, QTY_LOTS_MAX, BUY)
    level = LevelChange("1", SELL, PRICE_TICKS_MAX, INT_MAX, 10**8)

    def json_bytes(levels: int, trades: int) -> int:
        increment = MarketDataIncrement("W" * 100, INT_MAX, INT_MAX, INT_MAX, [level] * levels, [trade] * trades)
        return len(encode(public_increment(increment, instrument)))

    assert json_bytes(INCREMENT_ENTRIES_MAX, 0) < json_bytes(0, INCREMENT_ENTRIES_MAX) < JSON_BYTES_MAX
