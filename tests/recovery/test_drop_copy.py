"""
A drop copy has each report of its firms once, in the order of each shard: over a burst while it is away, over gateways
that are killed, and after its numbers began anew, when what it may not have read comes again and says so.
"""

import asyncio
import os
import signal
from contextlib import suppress

import pytest

from tests.processes import kill
from tests.recovery.drop_copy_reader import DropCopyReader
from tests.recovery.traders import Traders
from venue.up import RunningVenue

SYMBOLS = ["TEST1", "TEST2", "BRK.B"]


async def finish(traders: Traders, reader: DropCopyReader) -> None:
    """All is answered, and the reader has as many reports as there are."""
    await traders.leave()
    expected = traders.exec_ids
    with suppress(TimeoutError):
        await reader.until(lambda: expected <= set(reader.exec_ids))
    await reader.logout()
    assert reader.violations(expected) == []


async def test_what_happens_while_it_is_away_is_there_once_when_it_comes_back(venue: RunningVenue) -> None:
    reader = DropCopyReader(venue)
    await reader.connect()
    traders = Traders(venue, SYMBOLS)
    await traders.until_answered(25)
    await reader.logout()
    before = len(reader.reports)
    await traders.until_answered(200)
    assert len(reader.reports) == before
    await reader.connect()
    await traders.until_answered(25)
    await finish(traders, reader)
    assert len(reader.reports) == len(traders.exec_ids) > 800
    assert not any(report.get("97") == "Y" for report in reader.reports)


@pytest.mark.parametrize("is_there", [True, False], ids=["connected", "away"])
async def test_a_killed_gateway_loses_nothing_of_it_and_repeats_nothing(venue: RunningVenue, is_there: bool) -> None:
    reader = DropCopyReader(venue)
    await reader.connect()
    staying = asyncio.create_task(reader.stay()) if is_there else None
    traders = Traders(venue, SYMBOLS)
    for number, victim in enumerate(("gateway", "gateway", "nats-server", "gateway"), 1):
        await traders.until_answered(50)
        if staying is None:
            reader.cut()
        await kill(venue, victim)
        if staying is None and number % 2 == 0:
            await traders.until_answered(50)
            await reader.connect()
    await traders.until_answered(50)
    await finish_staying(traders, reader, staying)
    assert len(reader.reports) == len(traders.exec_ids)


async def finish_staying(traders: Traders, reader: DropCopyReader, staying: "asyncio.Task[None] | None") -> None:
    if staying is not None:
        staying.cancel()
        with suppress(asyncio.CancelledError):
            await staying
    await finish(traders, reader)


async def test_after_a_reset_it_goes_on_where_its_client_stopped(venue: RunningVenue) -> None:
    """Cut off in the middle of the flow, away, back with 141=Y: nothing is missing, and what is repeated says so."""
    reader = DropCopyReader(venue)
    await reader.connect(reset=True)
    traders = Traders(venue, SYMBOLS)
    for _ in range(4):
        await traders.until_answered(50)
        reader.cut()
        await traders.until_answered(50)
        await reader.connect(reset=True)
    await traders.until_answered(50)
    await finish(traders, reader)


async def test_after_a_reset_and_a_killed_gateway_it_goes_on_as_well(venue: RunningVenue) -> None:
    reader = DropCopyReader(venue)
    await reader.connect(reset=True)
    traders = Traders(venue, SYMBOLS)
    for number in range(1, 4):
        await traders.until_answered(60)
        reader.cut()
        os.kill(venue.processes["gateway"].pid, signal.SIGKILL)
        await traders.until_answered(50)
        await venue.wait_ready("gateway", generation=number + 1)
        await reader.connect(reset=True)
        if number == 2:  # in the middle of what it is sent again
            os.kill(venue.processes["gateway"].pid, signal.SIGKILL)
            await venue.wait_ready("gateway", generation=number + 2)
            reader.cut()
            await reader.connect()
            break
    await traders.until_answered(50)
    await finish(traders, reader)
