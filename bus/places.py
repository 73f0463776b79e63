"""
How far each reader of a log has come for good: a log is trimmed behind the last of them.

A place is a sequence: its reader never asks again for that record or one before it, whatever happens to it, because
what it made of them is on its disk. Places stand in a stream of their own, of each reader and log the newest only, so
that they are known while their reader is down. One that is told late, or is lost, keeps a log longer, and no more.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import structlog

from bus.connection import ApiError, Bus, BusError
from bus.streams import MESSAGE_NOT_FOUND, STREAM_NOT_FOUND
from bus.subjects import PLACES_STREAM, place_subject

log = structlog.get_logger()

TELL_INTERVAL_S: Final = 60.0
"""Between two looks at whether a place has moved, at the most."""
FIRST_INTERVAL_S: Final = 1.0
"""Between two looks as long as there is none; from then on twice as long each time: a life's first place is early."""
MARKETDATA: Final = "marketdata"
"""The market-data process among the readers."""


def gateway_reader(gateway_id: str) -> str:
    """A gateway among the readers."""
    return f"gateway-{gateway_id}"


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where one reader stands in one log."""

    seq: int
    """It needs nothing up to here; 0: it needs everything."""
    because_of: str = ""
    """Who keeps it from being further on, such as a session; empty: nobody in particular."""


_decode = msgspec.json.Decoder(Place).decode


async def tell(bus: Bus, stream: str, reader: str, place: Place) -> None:
    """
    Note a place.

    Raises:
        BusError: JetStream does not take it.
    """
    await bus.request_json(place_subject(stream, reader), place)


async def told(bus: Bus, stream: str, reader: str) -> Place | None:
    """
    The newest place of a reader in a log; None if it never told one.

    Raises:
        BusError: JetStream does not answer, or a place cannot be read.
    """
    subject = place_subject(stream, reader)
    try:
        reply = await bus.request_json(f"$JS.API.STREAM.MSG.GET.{PLACES_STREAM}", {"last_by_subj": subject})
    except ApiError as error:
        if error.err_code in (MESSAGE_NOT_FOUND, STREAM_NOT_FOUND):
            return None
        raise
    try:
        return _decode(msgspec.convert(reply["message"].get("data", ""), bytes, strict=False))
    except msgspec.MsgspecError as error:
        raise BusError(f"{PLACES_STREAM} has on {subject} what is no place: {error}") from error


class Teller:
    """Tells the places of one reader whenever they have moved."""

    def __init__(self, bus: Bus, reader: str, places: Callable[[], Mapping[str, Place]]) -> None:
        """
        Args:
            bus: Connected.
            reader: Its name, fit for a token of a subject.
            places: By log: its places right now; those that it does not know yet are left out.
        """
        self._bus = bus
        self._reader = reader
        self._places = places
        self._told: dict[str, Place] = {}

    async def keep(self) -> None:
        """Look again and again, until this is cancelled."""
        pause_s = FIRST_INTERVAL_S
        while True:
            await self.tell()
            await asyncio.sleep(pause_s)
            if self._told:
                pause_s = min(2 * pause_s, TELL_INTERVAL_S)

    async def tell(self) -> None:
        """Tell what has moved; should JetStream not answer, it is told at another time."""
        try:
            for stream, place in self._places().items():
                if self._told.get(stream) != place:
                    await tell(self._bus, stream, self._reader, place)
                    self._told[stream] = place
        except BusError as error:
            log.info("place_untold", reader=self._reader, why=str(error))
