"""The recorded days, row by row through planner and engine: each meets its published or checked figures."""

import os
from pathlib import Path

import pytest

from matcher.orders import BUY, SELL, Side
from simulators.recorded.files import SAMPLE, open_recording
from simulators.recorded.rows import FlowKind
from simulators.recorded.sample_generator import SEED, sample_bytes
from simulators.replay import play_on_paper
from simulators.replay_audit import ReplayAudit, Summary
from simulators.replay_plan import ReplayPlan

DATA = Path(os.environ.get("OUTCRY_DATA", Path(__file__).parents[2] / "../shared/data"))
MSFT = DATA / "lobster/MSFT_2012-06-21_window-1000_message_50.csv.gz"
AMZN = DATA / "lobster/AMZN_2012-06-21_34200000_57600000_message_1.csv.gz"
PITCH = DATA / "pitch/pitch_example_data.gz"
BITSTAMP = DATA / "bitstamp/BTCUSD_2015-05-01_orders.csv.gz"
CRAN = DATA / "cran-orderbook/sample.txt.gz"

recorded = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded data in {DATA}; name its directory in OUTCRY_DATA"),
]


def play(path: Path, rows_max: int | None = None) -> tuple[ReplayPlan, ReplayAudit, Summary]:
    plan = ReplayPlan([path], id_prefix="t", rows_max=rows_max)
    audit = ReplayAudit(plan)
    return plan, audit, audit.finish(play_on_paper(plan, audit, lambda _: None))


def test_our_sample_is_what_its_generator_makes() -> None:
    assert SAMPLE.read_bytes() == sample_bytes(SEED)
    assert sample_bytes(SEED + 1) != sample_bytes(SEED)


def test_our_sample_holds_every_kind_of_row_and_orders_that_it_never_introduces() -> None:
    events = list(open_recording(SAMPLE).events)
    assert {event.kind for event in events} == set(FlowKind) - {FlowKind.RESIZE}
    introduced = {(event.symbol, event.order_ref) for event in events if event.kind is FlowKind.NEW}
    executed = {(event.symbol, event.order_ref) for event in events if event.kind is FlowKind.EXECUTE}
    assert len(executed - introduced) > 10
    assert {event.symbol for event in events} == {"OAK", "ELM", "ASH"}


def test_our_sample_is_equal_at_every_row_and_every_execution_hits_the_recorded_order() -> None:
    _, _, summary = play(SAMPLE)
    assert summary.is_as_recorded, summary.first_difference
    assert summary.books_recorded == summary.books_equal == summary.rows == 1500
    assert summary.fills_exact == summary.executable == summary.executions > 250
    assert (summary.refused, summary.corrected, summary.requeued) == (0, 0, 0)


class TestRecordedDays:
    pytestmark = recorded

    def test_msft_seeded_from_its_first_row_is_equal_at_ten_levels_on_all_following_rows(self) -> None:
        _, _, summary = play(MSFT)
        assert summary.is_as_recorded, summary.first_difference
        assert summary.books_recorded == summary.books_equal == 1000
        assert summary.executions == summary.executable == summary.fills_exact == 110
        # Two stand-ins for each of the 50 levels of the first row, and no help after it.
        assert (summary.seeded, summary.corrected, summary.requeued) == (100, 0, 0)

    def test_amzn_fills_every_execution_of_the_day_at_the_files_price(self) -> None:
        _, _, summary = play(AMZN)
        assert summary.is_as_recorded, summary.first_difference
        assert summary.executions == summary.executable == 8974
        assert summary.fills_exact == summary.fills_expected >= 8974
        assert summary.books_recorded == summary.books_equal == 57515

    def test_cran_meets_every_published_figure_after_ten_thousand_messages(self) -> None:
        plan, audit, summary = play(CRAN, rows_max=10_000)
        assert summary.is_as_recorded, summary.first_difference
        dollars = 10_000  # prices are in units of 0.0001

        def levels(side: Side) -> list[tuple[int, int, int]]:
            return [(level.price, level.qty, level.order_count) for level in audit.books.levels("SAMPLE", side)]

        bids, asks = levels(BUY), levels(SELL)
        assert (len(bids), sum(count for _, _, count in bids)) == (179, 631)
        assert (len(asks), sum(count for _, _, count in asks)) == (540, 1856)
        assert bids[0][:2] == (1136 * dollars // 100, 2700)
        assert asks[0][:2] == (1138 * dollars // 100, 400)
        assert next(count for price, _, count in bids if price == 11 * dollars) == 56
        at_1101 = plan.flow_of("SAMPLE").planner.book("SAMPLE").level(BUY, 1101 * dollars // 100)
        assert at_1101 is not None
        assert [order.leaves_qty for order in at_1101.orders.values()].count(50_000) == 1

    def test_pitch_trades_286_symbols_at_once_and_all_executions_hit_the_recorded_order(self) -> None:
        plan, _, summary = play(PITCH)
        assert summary.is_as_recorded, summary.first_difference
        assert summary.symbols == summary.final_books == summary.final_books_equal == 286
        assert summary.executions == summary.executable == summary.fills_exact == 20
        assert {instrument.instrument(2).shard for instrument in plan.instruments} == {0, 1}
        assert (summary.rows, summary.seeded, summary.corrected) == (20_000, 0, 0)

    def test_bitstamp_keeps_eight_decimals_and_every_trade_is_the_planned_one(self) -> None:
        plan, audit, summary = play(BITSTAMP)
        assert summary.is_as_recorded, summary.first_difference
        assert [(instrument.tick, instrument.lot) for instrument in plan.instruments] == [("0.01", "0.00000001")]
        assert summary.fills_exact == summary.fills_expected > 500
        quantities = [level.qty for side in (BUY, SELL) for level in audit.books.levels("BTCUSD", side)]
        assert any(qty % 10 for qty in quantities), "the last decimal is used"
        assert all(type(qty) is int for qty in quantities)
