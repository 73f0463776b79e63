"""Requests about everything go to every shard, each in its turn among those about one symbol."""

import pytest

from venue.up import RunningVenue

from .runner import TRANSACT_TIME
from .wire import Pair, Wire, log_on

SYMBOLS = ("TEST1", "TEST2")
"""One of each shard."""
VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")


def order(name: str, symbol: str) -> list[Pair]:
    terms = [("38", "10"), ("40", "2"), ("44", "50.00"), ("54", "1"), ("55", symbol), ("21", "1")]
    return [("35", "D"), ("11", name), *terms, ("60", TRANSACT_TIME)]


async def answers(client: Wire, count: int) -> list[dict[str, str]]:
    return [dict(reversed(await client.receive())) for _ in range(count)]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_mass_cancel_of_all_takes_what_came_before_it_and_nothing_that_came_after(
    shared_venue: RunningVenue, version: str
) -> None:
    client = await log_on(version, "FIRMA1", shared_venue.fix_port)
    run = version.replace(".", "-")
    before = [f"before-{run}-{number}" for number in range(40)]
    for number, name in enumerate(before):
        client.send(order(name, SYMBOLS[number % 2]))
    client.send([("35", "q"), ("11", f"all-{run}"), ("530", "7"), ("60", TRANSACT_TIME)])
    after = [f"after-{run}-{number}" for number in range(40)]
    for number, name in enumerate(after):
        client.send(order(name, SYMBOLS[number % 2]))

    received = await answers(client, 40 + 40 + 2 + 40)

    accepted = [fields["11"] for fields in received if fields.get("150") == "0"]
    canceled = [fields["11"] for fields in received if fields.get("150") == "4"]
    reports = [fields for fields in received if fields["35"] == "r"]
    assert sorted(accepted) == sorted(before + after)
    assert sorted(canceled) == sorted(before)
    assert [(report["530"], report["531"], report["533"]) for report in reports] == [("7", "7", "20")] * 2
    assert sorted(report["37"].partition("-")[0] for report in reports) == ["0", "1"]

    client.send([("35", "AF"), ("584", "rest"), ("585", "8")])
    rows = await answers(client, 40)
    assert sorted(row["11"] for row in rows) == sorted(after)
    assert [row["911"] for row in rows] == ["20"] * 40
    assert sum(row["912"] == "Y" for row in rows) == 2

    client.send([("35", "q"), ("11", f"rest-{run}"), ("530", "7"), ("60", TRANSACT_TIME), ("7002", "S")])
    await answers(client, 40 + 2)
    client.cut()


@pytest.mark.parametrize("version", VERSIONS)
async def test_all_quotes_are_pulled_on_every_shard(shared_venue: RunningVenue, version: str) -> None:
    client = await log_on(version, "FIRMB1", shared_venue.fix_port)
    for number, symbol in enumerate(SYMBOLS):
        head = [("35", "i"), ("117", f"q{number}"), ("296", "1"), ("302", "1"), ("304", "1"), ("295", "1")]
        client.send([*head, ("299", "e"), ("55", symbol), ("132", "50.00"), ("134", "10")])
    client.send([("35", "Z"), ("117", "all"), ("298", "4"), ("295", "1"), ("55", "TEST1")])

    received = await answers(client, 4)

    assert {fields["35"] for fields in received} == {"b"}
    assert sorted((fields["117"], fields["297"], fields.get("58", "")) for fields in received) == [
        ("all", "4", "shard 0"),
        ("all", "4", "shard 1"),
        ("q0", "0", ""),
        ("q1", "0", ""),
    ]
    client.cut()
