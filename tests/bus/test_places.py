"""How far readers have come for good stands in JetStream, the newest of each, whether they run or not."""

from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs

from bus.connection import Bus, BusError
from bus.places import Place, Teller, gateway_reader, tell, told
from bus.streams import ensure_shard
from bus.subjects import PLACES_STREAM, place_subject
from tests.jetstream import LOG_BYTES_MAX, store

GW1 = gateway_reader("gw1")


@pytest.fixture
async def venue(bus: Bus) -> Bus:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    return bus


async def test_the_newest_place_of_each_reader_and_log_is_known(venue: Bus) -> None:
    await tell(venue, "EXEC0", GW1, Place(5))
    await tell(venue, "EXEC0", GW1, Place(7, "FIX.4.4:A1"))
    await tell(venue, "EXEC1", GW1, Place(1))
    await tell(venue, "EXEC0", "marketdata", Place(3))
    assert await told(venue, "EXEC0", GW1) == Place(7, "FIX.4.4:A1")
    assert await told(venue, "EXEC1", GW1) == Place(1)
    assert await told(venue, "EXEC0", "marketdata") == Place(3)
    info = await venue.request_json(f"$JS.API.STREAM.INFO.{PLACES_STREAM}")
    assert info["state"]["messages"] == 3


async def test_who_never_told_a_place_has_none(venue: Bus) -> None:
    assert await told(venue, "EXEC0", GW1) is None


async def test_before_there_is_any_shard_nobody_has_a_place(bus: Bus) -> None:
    assert await told(bus, "EXEC0", GW1) is None


async def test_what_is_no_place_is_one_sentence(venue: Bus) -> None:
    await store(venue, place_subject("EXEC0", GW1), b"garbage")
    with pytest.raises(BusError, match=r"^PLACES has on place\.EXEC0\.gateway-gw1 what is no place"):
        await told(venue, "EXEC0", GW1)


async def test_only_what_has_moved_is_told_again(venue: Bus) -> None:
    places = {"EXEC0": Place(1), "EXEC1": Place(1)}
    teller = Teller(venue, GW1, lambda: places)
    await teller.tell()
    await teller.tell()
    places["EXEC1"] = Place(2)
    await teller.tell()
    info = await venue.request_json(f"$JS.API.STREAM.INFO.{PLACES_STREAM}")
    assert info["state"]["last_seq"] == 3
    assert await told(venue, "EXEC1", GW1) == Place(2)


async def test_a_place_that_could_not_be_told_is_told_at_the_next_time(bus: Bus) -> None:
    def places() -> Mapping[str, Place]:
        return {"EXEC0": Place(1)}

    teller = Teller(bus, GW1, places)
    with capture_logs() as logs:
        await teller.tell()
    assert [line["event"] for line in logs] == ["place_untold"]
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    await teller.tell()
    assert await told(bus, "EXEC0", GW1) == Place(1)
