"""Faults of a shard's leader, where standbys wait to take over: killed, paused, replaced as planned."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus.connection import Bus, BusError
from bus.subjects import handover_subject
from configs.loader import replica_name
from matcher.process.leadership import Leads, Question, ask, decode_handed_over
from simulators.torture.stage import PAUSE_S_MAX, Fault, Stage

_ASK_TIMEOUT_S = 0.5
_NOBODY = Question(replica=0, consumed_input_seq=-1)
"""Who only wants to know."""


class _OfLeader(Fault):
    def why_not(self, stage: Stage) -> str:
        """See `Fault`."""
        return "" if stage.venue.venue.config.matcher.standbys else "there are no standbys; see --standbys"

    async def leader(self, stage: Stage, shard: int) -> str:
        """Await that somebody leads; returns the name of the process."""
        async with _bus(stage) as bus:
            while True:
                answer = await ask(bus, shard, _NOBODY, timeout_s=_ASK_TIMEOUT_S)
                if isinstance(answer, Leads):
                    return replica_name(shard, answer.replica)
                await asyncio.sleep(0.02)


class KillLeader(_OfLeader):
    """Kill -9 of the matcher that leads."""

    name = "kill-leader"

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        victim = await self.leader(stage, chance.randrange(stage.venue.venue.config.shards))
        await stage.kill(victim)
        return victim


class PauseLeader(_OfLeader):
    """SIGSTOP of the matcher that leads until somebody else does, and SIGCONT: a zombie leader."""

    name = "pause-leader"

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        victim = await self.leader(stage, chance.randrange(stage.venue.venue.config.shards))
        seconds = chance.uniform(PAUSE_S_MAX / 2, PAUSE_S_MAX)
        await stage.pause(victim, seconds)
        return f"{victim} for {seconds:.2f} s"


class HandOver(_OfLeader):
    """A planned hand-over of a shard to its standby; half of the time a replica is killed in the middle of it."""

    name = "hand-over"

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        shard = chance.randrange(stage.venue.venue.config.shards)
        asking = asyncio.create_task(self._ask(stage, shard))
        is_killed = chance.random() < 0.5
        victim = chance.choice(stage.named(f"matcher-{shard}"))
        if is_killed:
            await asyncio.sleep(chance.random() * 0.02)
            await stage.kill(victim)
        outcome = await asking
        return f"of shard {shard}: {outcome}" + f", {victim} was killed" * is_killed

    async def _ask(self, stage: Stage, shard: int) -> str:
        async with _bus(stage) as bus:
            try:
                done = decode_handed_over(await bus.request(handover_subject(shard), b"", PAUSE_S_MAX))
            except BusError as error:
                return f"refused ({error})"
        return done.error or f"replica {done.replica} leads, nothing matched for {done.pause_ms:.1f} ms"


@asynccontextmanager
async def _bus(stage: Stage) -> AsyncIterator[Bus]:
    bus = await Bus.connect(stage.venue.venue.config.nats.url, name="torture")
    try:
        yield bus
    finally:
        await bus.close()
