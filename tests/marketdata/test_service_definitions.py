"""Instruments that the log defines: at run time, in the units and the phase of their first definition."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from bus.connection import Bus
from configs.loader import Venue
from marketdata.messages import BookSnapshot, decode_reply
from marketdata.metrics import ServiceMetrics
from marketdata.service import MarketDataService
from matcher.instruments import Increment, Instrument, TradingRules
from matcher.orders import BUY

from .conftest import SYMBOL, increment_of
from .exec_log import PATIENCE_S, Log, serving, until

NEW = Instrument("NEW", Increment(5, 2), Increment(1, 0), 100, "USD", 0)


async def test_an_instrument_that_is_defined_at_run_time_has_a_book_and_keeps_it_over_restarts(
    bus: Bus, exec_log: Log, venue: Venue, path: Path
) -> None:
    async with serving(bus, venue, path) as service:
        await exec_log.write(increment_of(1, ("0", BUY, 100, 5), symbol="NEW"), defined=(NEW,))
        await until(lambda: "NEW" in service.books and service.books["NEW"].md_seq == 1)
    async with serving(bus, venue, path) as service:
        assert service.books["NEW"].snapshot().bids[0].price == "5.00"
        await exec_log.write(increment_of(2, ("0", BUY, 101, 5), symbol="NEW"))
        await until(lambda: service.books["NEW"].md_seq == 2)
        assert decode_reply(await bus.request("md-snapshot", b"NEW")).bids[0].price == "5.05"
    path.unlink()
    async with serving(bus, venue, path) as service:
        await until(lambda: "NEW" in service.books and service.books["NEW"].md_seq == 2)


async def test_a_symbol_began_in_the_phase_of_its_first_definition_whatever_is_said_later(
    bus: Bus, exec_log: Log, venue: Venue, path: Path
) -> None:
    """The file says continuous, the log pre-open; a later definition, of a market that is there, changes no phase."""
    first, later = (msgspec.structs.replace(NEW, rules=TradingRules(initial_phase=phase)) for phase in ("1", "C"))
    venue.instruments["NEW"] = NEW
    for way in ("from the log", "from the checkpoint"):
        async with serving(bus, venue, path) as service:
            if way == "from the log":
                await exec_log.write(defined=(first,))
            await exec_log.write(defined=(later,))
            await until(lambda: service._last_records[0] is not None)
            reply = decode_reply(await bus.request("md-snapshot", b"NEW"))
            assert isinstance(reply, BookSnapshot)
            assert (reply.md_seq, reply.phase.phase) == (0, "1"), way


async def test_a_definition_in_other_units_than_configured_stops_the_service(
    bus: Bus, exec_log: Log, venue: Venue, path: Path
) -> None:
    service = MarketDataService(venue, bus, path, ServiceMetrics(CollectorRegistry()))
    await service.start()
    await exec_log.write(defined=(Instrument(SYMBOL, Increment(5, 2), Increment(1, 0), 100, "USD", 0),))
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(PATIENCE_S):
            await service.run(asyncio.Event())
    (broken,) = caught.value.exceptions
    assert str(broken).startswith("EXEC0 record 1 has AAPL with tick 0.05 and lot 1, but the instruments file with")
