"""Recorded flow through a whole venue: the published books are the recorded ones over every transport."""

import argparse
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bus.connection import Bus
from simulators.flow_instruments import instruments_file
from simulators.recorded.files import SAMPLE
from simulators.replay import DEFAULT_SESSIONS, door_of
from simulators.replay_audit import ReplayAudit, Summary
from simulators.replay_fix import FixReplay
from simulators.replay_plan import ReplayPlan
from tests.marketdata.logged_books import Verdict, judge, last_numbers
from tests.marketdata.transports import Readers
from tests.processes import until
from venue.ephemeral import ephemeral_config, free_ports
from venue.up import RunningVenue

DATA = Path(os.environ.get("OUTCRY_DATA", Path(__file__).parents[2] / "../shared/data"))
MSFT = DATA / "lobster/MSFT_2012-06-21_window-1000_message_50.csv.gz"
AMZN = DATA / "lobster/AMZN_2012-06-21_34200000_57600000_message_1.csv.gz"
PITCH = DATA / "pitch/pitch_example_data.gz"

BUFFER_KB = 64 * 1024
"""So that a reader that shares a machine with the venue is not conflated: it has to see every number."""


async def replayed(directory: Path, *files: Path, rows_max: int | None = None) -> tuple[Summary, Verdict, Readers]:
    """Play files into a private venue while everybody reads, and judge."""
    plan = ReplayPlan(list(files), id_prefix="t", rows_max=rows_max)
    instruments_path = directory / "instruments.toml"
    instruments_path.write_text(instruments_file(plan.instruments))
    config = ephemeral_config(
        directory,
        instruments=str(instruments_path),
        durability="fast",
        trading_day_end=f"{datetime.now(UTC) - timedelta(hours=1):%H:%M}",
        websocket={"port": free_ports(1)[0], "unsent_kb_max": BUFFER_KB},
    )
    async with RunningVenue(config, directory / "data") as venue, Readers(venue, plan.symbols) as readers:
        await until(lambda: readers.have_begun)
        audit = ReplayAudit(plan)
        door = door_of(config, argparse.Namespace(host=None, port=venue.fix_port, **DEFAULT_SESSIONS))
        duration_ns = await FixReplay(plan, audit, speed=None, on_progress=lambda _rows: None).run(door)
        bus = await Bus.connect(venue.venue.config.nats.url, name="test")
        last = await last_numbers(bus, venue.venue)
        await until(lambda: readers.are_at(last))
        verdict = await judge(bus, venue.venue, readers.ledger)
        await bus.close()
    return audit.finish(duration_ns), verdict, readers


def audit_all(summary: Summary, verdict: Verdict, readers: Readers) -> None:
    """Nothing differs, and nobody went past anything."""
    assert summary.is_as_recorded, summary
    assert summary.books_equal == summary.books_compared > 0
    assert (verdict.differences, readers.refusals) == ([], [])
    assert (verdict.unseen.total(), readers.losses.total()) == (0, 0)
    seen = {name: verdict.compared[name] for name in readers.names}
    assert min(seen.values()) >= verdict.increments - verdict.kinds["days"], seen  # FIX does not tell that a day ends


async def test_our_own_sample(tmp_path: Path) -> None:
    summary, verdict, readers = await replayed(tmp_path, SAMPLE)
    audit_all(summary, verdict, readers)
    assert verdict.increments >= summary.requests > 1_400
    assert verdict.kinds["trades"] > 250


@pytest.mark.shared_data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded data in {DATA}; name its directory in OUTCRY_DATA")
class TestRecordedDays:
    async def test_the_first_rows_of_amzn_beside_msft(self, tmp_path: Path) -> None:
        summary, verdict, readers = await replayed(tmp_path, MSFT, AMZN, rows_max=2_000)
        audit_all(summary, verdict, readers)
        assert summary.books_recorded == 1_000 + 2_000
        assert verdict.kinds["trades"] > 300

    async def test_286_pitch_symbols(self, tmp_path: Path) -> None:
        summary, verdict, readers = await replayed(tmp_path, PITCH)
        audit_all(summary, verdict, readers)
        assert summary.symbols == 286

    @pytest.mark.long
    async def test_amzn_a_whole_day_beside_msft(self, tmp_path: Path) -> None:
        summary, verdict, readers = await replayed(tmp_path, MSFT, AMZN)
        audit_all(summary, verdict, readers)
        assert summary.books_recorded == 1_000 + 57_515
        assert verdict.kinds["trades"] > 9_000
