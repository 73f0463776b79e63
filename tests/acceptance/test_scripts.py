"""Every script in `scripts/`, in every version it is written for, on one venue."""

from itertools import count
from pathlib import Path

import pytest

from venue.up import RunningVenue

from .runner import Player
from .script import Script, read
from .wire import log_on

SCRIPTS = [read(path) for path in sorted((Path(__file__).parent / "scripts").glob("*.fix"))]
RUNS = [
    pytest.param(script, version, id=f"{script.name}-{version}") for script in SCRIPTS for version in script.versions
]

_numbers = count(1)


@pytest.mark.parametrize(("script", "version"), RUNS)
async def test_the_venue_does_what_the_script_says(shared_venue: RunningVenue, script: Script, version: str) -> None:
    engine = shared_venue.venue.config.gateway.engine
    await Player(shared_venue.fix_port, version, engine=engine, prefix=f"r{next(_numbers)}-").play(script)


async def test_a_session_has_so_many_subscriptions_and_no_more(shared_venue: RunningVenue) -> None:
    """MDReqRejReason(281)=2: at most `fix_subscriptions_max` symbols at once, in however many requests."""
    symbols = list(shared_venue.venue.instruments)
    whole_requests, rest = divmod(shared_venue.venue.config.marketdata.fix_subscriptions_max, len(symbols))
    reader = await log_on("FIX.4.4", "MD1", shared_venue.fix_port)

    def subscribe(md_req_id: str, wanted: list[str]) -> None:
        names = [("55", symbol) for symbol in wanted]
        group = [("267", "1"), ("269", "2"), ("146", str(len(wanted))), *names]
        reader.send([("35", "V"), ("262", md_req_id), ("263", "1"), ("264", "0"), *group])

    for number in range(whole_requests):
        subscribe(f"r{number}", symbols)
    for _ in range(whole_requests * len(symbols)):
        await reader.expect("W")
    subscribe("too many", symbols)
    assert (await reader.expect("Y"))["281"] == "2"
    subscribe("just enough", symbols[:rest])
    for _ in range(rest):
        await reader.expect("W")
    subscribe("one more", symbols[:1])
    assert (await reader.expect("Y"))["281"] == "2"
    reader.cut()
