"""Candles of one symbol: what each is made of, what busts and corrections do, and what is forgotten."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from marketdata.candles import LENGTHS_S, Candle, Tape
from marketdata.messages import RevisedTrade, Trade

S = 1_000_000_000


def trade(match_id: int, second: float, ticks: int, lots: int) -> Trade:
    return Trade(match_id, str(ticks), str(lots), ticks, lots, "1", int(second * S))


def revision(match_id: int, ticks: int, lots: int) -> RevisedTrade:
    return RevisedTrade(match_id, str(ticks), str(lots), ticks, lots)


def told(candle: Candle) -> tuple[int, ...]:
    """Begin in seconds; open, high, low, close; volume and count."""
    prices = candle.open_ticks, candle.high_ticks, candle.low_ticks, candle.close_ticks
    return candle.start_ns // S, *prices, candle.volume_lots, candle.trade_count


def tape_of(*trades: Trade, trades_remembered: int = 100, candles_kept: int = 300) -> Tape:
    tape = Tape(trades_remembered=trades_remembered, candles_kept=candles_kept)
    tape.take(trades)
    return tape


def test_trades_of_one_interval_are_one_candle() -> None:
    tape = tape_of(trade(1, 9.9, 7, 1), trade(2, 10.0, 5, 1), trade(3, 14, 9, 2), trade(4, 19.9, 6, 3))
    assert [told(candle) for candle in tape.candles(10)] == [(0, 7, 7, 7, 7, 1, 1), (10, 5, 9, 5, 6, 6, 3)]
    assert [told(candle) for candle in tape.candles(60)] == [(0, 7, 9, 5, 6, 7, 4)]
    assert [candle.start_ns // S for candle in tape.candles(1)] == [9, 10, 14, 19]


def test_a_trade_changes_one_candle_of_each_length_and_counts_once() -> None:
    tape = tape_of(trade(1, 100, 5, 1))
    assert tape.take([trade(1, 100, 5, 1)]) == set()
    assert tape.take([trade(2, 3605, 6, 1)]) == {
        (1, 3605 * S),
        (10, 3600 * S),
        (60, 3600 * S),
        (300, 3600 * S),
        (3600, 3600 * S),
    }


def test_a_bust_takes_the_trade_out_of_its_candle() -> None:
    tape = tape_of(trade(1, 1, 5, 1), trade(2, 2, 9, 4), trade(3, 3, 6, 2))
    assert tape.take([], [revision(2, 9, 0)]) == {(1, 2 * S), *((length_s, 0) for length_s in LENGTHS_S[1:])}
    assert [told(candle) for candle in tape.candles(10)] == [(0, 5, 6, 5, 6, 3, 2)]
    assert [candle.start_ns // S for candle in tape.candles(1)] == [1, 3]
    assert tape.candle((1, 2 * S)).trade_count == 0


def test_a_trade_that_was_busted_stays_so() -> None:
    tape = tape_of(trade(1, 1, 5, 1), trade(2, 2, 9, 4))
    tape.take([], [revision(2, 9, 0)])
    assert tape.take([], [revision(2, 9, 3)]) == set()


def test_a_correction_moves_open_close_high_low_and_volume() -> None:
    tape = tape_of(trade(1, 1, 5, 1), trade(2, 2, 6, 4))
    tape.take([], [revision(1, 8, 3), revision(2, 2, 2)])
    assert [told(candle) for candle in tape.candles(60)] == [(0, 8, 8, 2, 2, 5, 2)]


def test_a_revision_of_a_forgotten_trade_changes_nothing() -> None:
    tape = tape_of(*(trade(number, number, 5, 1) for number in range(1, 6)), trades_remembered=3)
    assert tape.take([], [revision(1, 9, 0)]) == set()


def test_of_a_candle_older_than_what_is_remembered_volume_and_count_are_put_right() -> None:
    tape = tape_of(trade(1, 1, 9, 1), trade(2, 2, 3, 1), trade(3, 3, 5, 1), trade(4, 4, 6, 7), trades_remembered=2)
    tape.take([], [revision(4, 6, 0)])
    assert [told(candle) for candle in tape.candles(60)] == [(0, 9, 9, 3, 6, 3, 3)]


def test_the_oldest_candles_are_forgotten() -> None:
    tape = tape_of(*(trade(number, number, 5, 1) for number in range(1, 8)), candles_kept=3)
    assert [candle.start_ns // S for candle in tape.candles(1)] == [5, 6, 7]
    assert len(tape.candles(10)) == 1


def test_a_late_trade_is_in_its_own_candle() -> None:
    """Two gateways' clocks may differ by a little."""
    tape = tape_of(trade(1, 1, 5, 1), trade(2, 3, 6, 1), trade(3, 2, 7, 1))
    assert [told(candle)[0] for candle in tape.candles(1)] == [1, 2, 3]


def test_candles_around_missing_trades_say_so() -> None:
    tape = tape_of(trade(1, 1, 5, 1), trade(2, 2, 5, 1), trade(5, 30, 6, 1), trade(6, 31, 6, 1))
    assert [(candle.start_ns // S, candle.is_complete) for candle in tape.candles(1)] == [
        (1, True),
        (2, False),
        (30, False),
        (31, True),
    ]
    assert not tape_of(trade(51, 1, 5, 1)).candles(1)[0].is_complete


def test_a_snapshot_adds_what_was_missed_and_puts_right_what_was_revised_meanwhile() -> None:
    tape = tape_of(*(trade(number, number, 5, 1) for number in range(1, 5)))
    changed = tape.take_up([trade(2, 2, 9, 1), trade(4, 4, 5, 1), trade(5, 5, 5, 1)])
    assert {place for place in changed if place[0] == 1} == {(1, 2 * S), (1, 3 * S), (1, 5 * S)}
    assert [told(candle) for candle in tape.candles(60)] == [(0, 5, 9, 5, 5, 4, 4)]
    assert all(candle.is_complete for candle in tape.candles(60))


def test_a_snapshot_without_trades_changes_nothing() -> None:
    tape = tape_of(trade(1, 1, 5, 1))
    assert tape.take_up([]) == set()


@given(
    st.lists(st.tuples(st.floats(0, 4000, allow_nan=False), st.integers(1, 20), st.integers(1, 9)), max_size=60),
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 20), st.integers(0, 3)), max_size=20),
)
def test_candles_are_those_of_all_trades_as_they_stand(
    prints: list[tuple[float, int, int]], revisions: list[tuple[int, int, int]]
) -> None:
    tape = Tape()
    stands: dict[int, Trade] = {}
    for match_id, (second, ticks, lots) in enumerate(prints, 1):
        stands[match_id] = trade(match_id, second, ticks, lots)
        tape.take([stands[match_id]])
    for match_id, ticks, lots in revisions:
        if match_id in stands and stands[match_id].qty_lots:
            second = stands[match_id].transact_ns / S
            stands[match_id] = trade(match_id, second, ticks, lots)
            tape.take([], [revision(match_id, ticks, lots)])
    for length_s in LENGTHS_S:
        expected: dict[int, list[Trade]] = defaultdict(list)
        for each in stands.values():
            if each.qty_lots:
                expected[each.transact_ns // S // length_s * length_s].append(each)
        assert [told(candle) for candle in tape.candles(length_s)] == [
            (
                start,
                of[0].price_ticks,
                max(each.price_ticks for each in of),
                min(each.price_ticks for each in of),
                of[-1].price_ticks,
                sum(each.qty_lots for each in of),
                len(of),
            )
            for start, of in sorted(expected.items())
        ]
