"""The load generator: its flow, its counts and its latencies."""

import asyncio
import time
from collections import Counter

import msgspec
import pytest

from sessions.fix_text import parse
from simulators.fix_client import FixClientError
from simulators.load import LoadPlan, LoadRun, new_run_tag
from simulators.workload import Mix, Workload, WorkloadError

NOW = "20260921-14:13:20.123"


def plan(small_venue, **changes) -> LoadPlan:
    instruments = small_venue.config.instruments
    settings = {
        "port": small_venue.port,
        "credentials": (("FIRMA1", "example-firma1"), ("FIRMB1", "example-firmb1")),
        "instruments": (instruments["AAPL"], instruments["EUR/USD"], instruments["BTC/USD"]),
        "window": 20,
        "warmup_s": 0.0,
        "seconds": 30.0,
        "orders": 2000,
    }
    return LoadPlan(**{**settings, **changes})


async def run(plan: LoadPlan) -> dict:
    return await LoadRun(plan, run_tag=new_run_tag()).run()


# --- the flow


def flow(small_venue, seed: int, count: int = 1000) -> list[str]:
    workload = Workload(
        prefix="w", instruments=list(plan(small_venue).instruments), mix=Mix(new=100, cancel=0, replace=0), seed=seed
    )
    return [workload.next_request(NOW).body for _ in range(count)]


async def test_a_seed_fixes_the_flow(small_venue):
    assert flow(small_venue, seed=1) == flow(small_venue, seed=1)
    assert flow(small_venue, seed=1) != flow(small_venue, seed=2)


async def test_prices_stay_within_the_band_and_only_aggressive_orders_cross_the_middle(small_venue):
    aapl = small_venue.config.instruments["AAPL"]
    for body in flow(small_venue, seed=7):
        order = parse(body)
        if order["55"] != "AAPL":
            continue
        distance = aapl.tick.count(order["44"]) - aapl.reference_price_ticks
        is_buy, is_aggressive = order["54"] == "1", order["59"] == "3"
        assert 1 <= abs(distance) <= Mix().band_ticks
        assert (distance > 0) == (is_buy == is_aggressive)


@pytest.mark.parametrize("text", ["new=70,cancel=31", "new", "new=a", "unknown=3", ""])
def test_a_mix_that_cannot_be_is_refused(text):
    with pytest.raises(WorkloadError):
        Mix.parse(text)


def test_a_mix_keeps_the_defaults_of_what_it_does_not_name():
    mix = Mix.parse("new=70, cancel=20")

    assert (mix.new, mix.cancel, mix.replace, mix.aggressive) == (70, 20, Mix().replace, Mix().aggressive)


# --- a run


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
async def test_every_request_of_a_closed_run_is_answered_and_nothing_is_left_in_the_book(small_venue, begin_string):
    report = await run(plan(small_venue, begin_string=begin_string))

    assert (report["orders_sent"], report["orders_answered"], report["unanswered"]) == (2000, 2000, 0)
    assert report["errors"] == []
    assert report["orders_per_s"] == pytest.approx(2000 / report["seconds"], rel=0.01)
    assert 1.3 < report["reports"] / len(small_venue.requests) < 1.8
    assert report["trades"] > 200
    assert 0 < report["latency_us"]["p50"] <= report["latency_us"]["p99"] <= report["latency_us"]["max"]
    assert small_venue.resting_levels() == 0


async def test_the_requests_are_mixed_as_asked(small_venue):
    await run(plan(small_venue, mix=Mix(new=50, cancel=30, replace=20)))

    kinds = Counter(parse(text)["35"] for text in small_venue.requests[:2000])
    assert 0.45 < kinds["D"] / 2000 < 0.65
    assert kinds["F"] > kinds["G"] > 0


async def test_refusals_are_counted_by_the_venues_code(small_venue):
    aapl = msgspec.structs.replace(small_venue.config.instruments["AAPL"], symbol="NOSUCH")

    report = await run(plan(small_venue, instruments=(aapl,), orders=100))

    assert report["rejects"] == {"UNKNOWN_SYMBOL": 100}
    assert report["unanswered"] == 0


async def test_an_open_run_sends_on_schedule(small_venue):
    report = await run(plan(small_venue, rate=1000, orders=500))

    assert report["orders_answered"] == 500
    assert report["seconds"] >= 0.49
    assert report["unanswered"] == 0


async def test_latency_counts_from_the_intended_moment_so_that_a_stall_shows(small_venue):
    async def stall() -> None:
        await asyncio.sleep(0.2)
        stalled.set()
        time.sleep(0.3)  # venue and generator share this loop: both stall

    stalled = asyncio.Event()
    stalling = asyncio.create_task(stall())
    report = await run(plan(small_venue, rate=500, orders=500))
    await stalling

    assert stalled.is_set()
    assert (
        report["latency_us"]["p90"] > 100_000
    )  # a generator that waited for answers would have one slow order, not 150


async def test_what_is_never_answered_is_reported(small_venue, monkeypatch):
    monkeypatch.setattr("simulators.load.ANSWER_TIMEOUT_S", 0.1)
    small_venue.is_mute = True

    report = await run(plan(small_venue, seconds=0.1, orders=0))

    assert (report["unanswered"], report["orders_answered"]) == (40, 0)


async def test_a_session_that_is_lost_is_an_error_of_the_report(small_venue, monkeypatch):
    monkeypatch.setattr("simulators.load.ANSWER_TIMEOUT_S", 0.1)
    running = asyncio.create_task(run(plan(small_venue, orders=0, seconds=30.0)))
    async with asyncio.timeout(10):
        while len(small_venue.requests) < 100:  # noqa: ASYNC110
            await asyncio.sleep(0)  # a turn of the loop, not a time
    small_venue.cut()

    report = await running

    assert len(report["errors"]) == 2


async def test_a_venue_that_is_not_there_is_an_error(small_venue):
    with pytest.raises(FixClientError, match="is the venue up there"):
        await run(plan(small_venue, port=1))
