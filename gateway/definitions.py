"""
The instruments as the log has them: what a gateway must know before it goes on where its former life stopped.

Instruments may be defined at run time, and the configuration does not know those; nor does the part of EXEC that is
still to be read have to say it again. But a matcher that admits a gateway tells it all of its instruments first
(DEFINE-2). So a starting gateway looks at what comes after its announcement before it looks at anything else.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from bus.connection import Bus
from bus.reader import LogReader
from bus.streams import last_seq
from bus.subjects import exec_stream
from gateway.exec_log import read_events
from matcher.events import GatewayAdmitted, InstrumentDefined
from matcher.instruments import Instrument

log = structlog.get_logger()

ADMISSION_PATIENCE_S: Final = 5.0
"""After each of these, a gateway that no matcher has answered says which it waits for."""
_AWAITING_HINT: Final = "they may be starting; is a matcher running for each of them?"
_CLOCK_LOOKS: Final = 6
_CLOCK_HINT: Final = (
    "is a matcher running for each of them? if so, this clock is behind that of an earlier life, and its marks are lost"
)
"""After so many looks."""


async def ends(bus: Bus, shards: int) -> list[int]:
    """
    Where EXEC of each shard ends; to be asked before the gateway announces itself.

    Raises:
        BusError: JetStream does not answer.
    """
    return [await last_seq(bus, exec_stream(shard)) for shard in range(shards)]


async def learn(bus: Bus, after: Sequence[int], *, gateway_id: str, boot: int) -> list[Instrument]:
    """
    Wait until every shard has admitted this life of the gateway, and give the instruments that it was told of.

    Args:
        bus: Connected.
        after: By shard: where EXEC ended before the gateway announced itself.
        gateway_id: The gateway.
        boot: Its life.

    Raises:
        ExecutionsBroken: A record cannot be read.
    """
    learning = {
        asyncio.create_task(_learn(bus, shard, end, gateway_id, boot)): shard for shard, end in enumerate(after)
    }
    waiting = set(learning)
    looks = 0
    try:
        while waiting:
            ended, waiting = await asyncio.wait(
                waiting, timeout=ADMISSION_PATIENCE_S, return_when=asyncio.FIRST_EXCEPTION
            )
            for task in ended:
                task.result()
            if waiting:
                looks += 1
                shards = sorted(learning[task] for task in waiting)
                hint = _AWAITING_HINT if looks < _CLOCK_LOOKS else _CLOCK_HINT
                log.warning("gateway_awaits_matchers", shards=shards, hint=hint)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return [instrument for task in learning for instrument in task.result()]


async def _learn(bus: Bus, shard: int, after: int, gateway_id: str, boot: int) -> list[Instrument]:
    instruments: dict[str, Instrument] = {}
    reader = LogReader(bus, stream=exec_stream(shard), start_seq=after + 1)
    await reader.start()
    try:
        while True:
            for message in await reader.next_batch():
                for event in read_events(shard, message)[1]:
                    if isinstance(event, InstrumentDefined):
                        instruments[event.instrument.symbol] = event.instrument
                    elif isinstance(event, GatewayAdmitted) and (event.gateway_id, event.boot) == (gateway_id, boot):
                        return list(instruments.values())
    finally:
        await reader.stop()
