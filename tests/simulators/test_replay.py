"""The command `replay`: on paper, into a venue of its own, and into one that runs."""

import argparse
import asyncio
import gzip
import os
import signal
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from configs.loader import load
from simulators import replay
from simulators.fix_client import FixClientError
from simulators.flow_instruments import instruments_file
from simulators.recorded.files import SAMPLE, open_recording
from simulators.replay_audit import ReplayAudit
from simulators.replay_fix import FixReplay, ReplayError
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

DATA = Path(os.environ.get("OUTCRY_DATA", Path(__file__).parents[2] / "../shared/data"))
MSFT = DATA / "lobster/MSFT_2012-06-21_window-1000_message_50.csv.gz"
AMZN = DATA / "lobster/AMZN_2012-06-21_34200000_57600000_message_1.csv.gz"
PITCH = DATA / "pitch/pitch_example_data.gz"
BITSTAMP = DATA / "bitstamp/BTCUSD_2015-05-01_orders.csv.gz"
CRAN = DATA / "cran-orderbook/sample.txt.gz"

Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls the command; returns its status, the summary and what it said on standard error."""

    def call(*arguments: object) -> tuple[int, dict[str, Any], str]:
        status = replay.main(["--quiet", *map(str, arguments)])
        output = capsys.readouterr()
        return status, msgspec.json.decode(output.out) if output.out else {}, output.err

    return call


def spoilt_sample(tmp_path: Path, old: bytes, new: bytes) -> Path:
    lines = gzip.decompress(SAMPLE.read_bytes()).splitlines(keepends=True)
    spoilt = next(number for number in range(1000, len(lines)) if old in lines[number])
    lines[spoilt] = lines[spoilt].replace(old, new, 1)
    path = tmp_path / "spoilt.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def test_without_a_file_our_own_sample_is_played(run: Run) -> None:
    status, summary, errors = run("--dry-run")
    assert (status, errors) == (0, "")
    assert summary["as_recorded"]
    assert summary["files"] == ["sample.jsonl.gz"]
    assert summary["books_equal"] == summary["books_compared"] == summary["rows"] == 1500


def test_a_recorded_book_that_is_not_reached_is_a_difference_and_names_its_row(run: Run, tmp_path: Path) -> None:
    status, summary, _ = run("--dry-run", spoilt_sample(tmp_path, b'"book":[[[', b'"book":[[[9'))
    assert status == 1
    assert not summary["as_recorded"]
    assert summary["books_equal"] == summary["books_compared"] - 1
    assert summary["first_difference"]["row"] > 900


def test_only_the_first_rows_are_played_when_so_asked(run: Run) -> None:
    status, summary, _ = run("--dry-run", "--rows", 40)
    assert (status, summary["rows"]) == (0, 40)


def test_nothing_to_replay_is_not_a_success(run: Run) -> None:
    status, _, errors = run("--dry-run", "--rows", 0)
    assert status == 2
    assert "there is nothing to replay" in errors


def test_two_files_may_not_trade_one_symbol(run: Run) -> None:
    status, _, errors = run("--dry-run", SAMPLE, SAMPLE)
    assert status == 2
    assert "both trade ASH; replay them one after the other" in errors


def test_a_file_of_no_known_format_is_refused_in_one_sentence(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "strange"
    path.write_text("hello\n")
    status, _, errors = run(path)
    assert (status, errors.count("\n")) == (2, 1)
    assert "of no known format" in errors


def test_both_halves_of_a_lobster_pair_are_one_recording(run: Run, tmp_path: Path) -> None:
    message, book = tmp_path / "OAK_message_1.csv", tmp_path / "OAK_orderbook_1.csv"
    message.write_text("1.0,1,7,3,100,1\n")
    book.write_text("9999999999,0,100,3\n")
    status, summary, errors = run("--dry-run", book, message)
    assert (status, errors) == (0, "")
    assert (summary["files"], summary["books_recorded"]) == (["OAK_message_1.csv"], 1)
    assert run("--dry-run", book)[0] == 2


def test_files_are_merged_by_the_time_since_their_first_rows(tmp_path: Path) -> None:
    def lobster(symbol: str, *seconds: str) -> Path:
        path = tmp_path / f"{symbol}_message_1.csv"
        path.write_text("".join(f"{second},1,{row},3,1000000,-1\n" for row, second in enumerate(seconds)))
        return path

    paths = [lobster("OAK", "10.0", "12.0", "15.0"), lobster("ELM", "50000.5", "50001.5", "50001.0", "50009.0")]
    plan = replay.ReplayPlan(paths, id_prefix="t")
    assert [(timed.step.event.symbol, timed.offset_ns // 10**8) for timed in plan.steps()] == [
        ("OAK", 0),
        ("ELM", 0),
        ("ELM", 10),
        ("ELM", 10),
        ("OAK", 20),
        ("OAK", 50),
        ("ELM", 85),
    ]


@pytest.mark.parametrize(
    ("text", "speed"), [("full", None), ("recorded", 1), ("10x", 10), ("2.5x", Fraction(5, 2)), ("3", 3)]
)
def test_speeds(text: str, speed: Fraction | None) -> None:
    assert replay.speed_of(text) == speed


@pytest.mark.parametrize("text", ["fast", "0x", "-1x", ""])
def test_what_is_no_speed_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        replay.main([f"--speed={text}"])
    assert "write full, recorded or a number such as 10x" in capsys.readouterr().err


def test_the_instruments_that_files_need_can_be_written_for_a_venue_of_ones_own(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "instruments.toml"
    assert run("--write-instruments", path)[0] == 0
    assert set(load(ephemeral_config(tmp_path, instruments=str(path))).instruments) == {"OAK", "ELM", "ASH"}


def test_through_the_fix_port_of_a_private_venue_every_row_and_trade_is_as_recorded(run: Run) -> None:
    status, summary, errors = run()
    assert (status, errors) == (0, ""), summary
    assert summary["books_equal"] == summary["books_recorded"] == summary["rows"] == 1500
    assert summary["fills_exact"] == summary["executable"] == summary["executions"] > 250
    assert summary["final_books_equal"] == summary["final_books"] == 3
    assert summary["refused"] == 0


async def test_a_running_venue_is_played_into_once_at_the_recorded_pace_or_a_multiple_of_it(
    run: Run, tmp_path: Path
) -> None:
    instruments = tmp_path / "instruments.toml"
    assert replay.main(["--write-instruments", str(instruments)]) == 0
    config = ephemeral_config(tmp_path, instruments=str(instruments), durability="fast")
    stranger = tmp_path / "FIR_message_1.csv"
    stranger.write_text("10.0,1,7,3,1000000,-1\n")

    async with RunningVenue(config, tmp_path / "data"):
        status, summary, errors = await asyncio.to_thread(run, "--config", config, "--speed", "50x", "--rows", 600)
        assert (status, errors) == (0, ""), summary
        assert summary["books_equal"] == summary["rows"] == 600
        times_ns = [event.time_ns for event in islice(open_recording(SAMPLE).events, 600)]
        assert summary["duration_ms"] >= (times_ns[-1] - times_ns[0]) // 1_000_000 // 50 > 200

        status, _, errors = await asyncio.to_thread(run, "--config", config)
        assert status == 2
        assert "has orders in its book already, but a replay needs an empty one" in errors

        status, _, errors = await asyncio.to_thread(run, "--config", config, stranger)
        assert status == 2
        assert "Symbol(55)=FIR is not traded here" in errors
        assert "--write-instruments" in errors


async def test_a_venue_that_goes_away_ends_the_replay_with_a_sentence(tmp_path: Path) -> None:
    plan = replay.ReplayPlan([SAMPLE], id_prefix="t")
    instruments = tmp_path / "instruments.toml"
    instruments.write_text(instruments_file(plan.instruments))
    config = ephemeral_config(tmp_path, instruments=str(instruments), durability="fast")
    async with RunningVenue(config, tmp_path / "data") as venue:

        def kill_at_row_400(rows: int) -> None:
            if rows == 400:
                os.kill(venue.processes["gateway"].pid, signal.SIGKILL)

        door = replay.door_of(config, argparse.Namespace(host=None, port=None, **replay.DEFAULT_SESSIONS))
        play = FixReplay(plan, ReplayAudit(plan), speed=Fraction(100), on_progress=kill_at_row_400)
        with pytest.raises((ReplayError, FixClientError), match="connection"):
            await play.run(door)


def test_where_nobody_listens_the_replay_says_so(run: Run, tmp_path: Path) -> None:
    status, _, errors = run("--config", ephemeral_config(tmp_path))
    assert status == 2
    assert "is the venue up there?" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sender", "NOBODY"], "there is no session NOBODY of kind orders; give its password, too"),
        (["--md-sender", "FIRMA1"], "there is no session FIRMA1 of kind marketdata"),
    ],
)
def test_a_session_that_the_venue_file_lacks_needs_a_password(
    run: Run, tmp_path: Path, arguments: list[str], message: str
) -> None:
    status, _, errors = run("--config", ephemeral_config(tmp_path), *arguments)
    assert status == 2
    assert message in errors


@pytest.mark.shared_data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded data in {DATA}; name its directory in OUTCRY_DATA")
class TestRecordedDaysThroughTheFixPort:
    def test_286_pitch_symbols_at_once_over_both_shards(self, run: Run) -> None:
        status, summary, errors = run(PITCH)
        assert (status, errors) == (0, ""), summary
        assert summary["symbols"] == summary["final_books_equal"] == 286
        assert summary["books_equal"] == summary["books_compared"] > 19_000
        assert summary["fills_exact"] == summary["fills_expected"] == summary["executions"] == 20

    def test_msft_at_ten_levels_beside_cran(self, run: Run) -> None:
        status, summary, errors = run(MSFT, CRAN)
        assert (status, errors) == (0, ""), summary
        assert summary["books_recorded"] == 1000
        assert summary["books_equal"] == summary["books_compared"] == 1000 + 10_500
        assert summary["fills_exact"] == summary["fills_expected"] == summary["executable"] == 110 + 741

    @pytest.mark.long
    def test_amzn_and_bitstamp_a_whole_day_at_once(self, run: Run) -> None:
        status, summary, errors = run(AMZN, BITSTAMP)
        assert (status, errors) == (0, ""), summary
        assert summary["executions"] == summary["executable"] == 8974
        assert summary["books_recorded"] == 57_515
        assert summary["books_equal"] == summary["books_compared"] == 57_515 + 50_414
        assert summary["fills_exact"] == summary["fills_expected"] > 8974 + 500
