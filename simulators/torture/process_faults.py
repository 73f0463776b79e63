"""Faults of processes: killed at any moment, paused and resumed."""

import asyncio
import random
import time
from pathlib import Path
from typing import ClassVar, Final

from simulators.torture.machine import children
from simulators.torture.stage import PAUSE_S_MAX, Fault, Stage

_SNAPSHOT_PATIENCE_S: Final = 10.0
_UNFINISHED: Final = ".unfinished"
"""How the venue names files that it has not written to the end."""


class _Kill(Fault):
    victims: ClassVar[str]

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        victim = chance.choice(stage.named(self.victims))
        await stage.kill(victim)
        return victim


class KillGateway(_Kill):
    """Kill -9 of a gateway."""

    name = "kill-gateway"
    victims = "gateway"


class KillMatcher(_Kill):
    """Kill -9 of a matcher, leader or standby."""

    name = "kill-matcher"
    victims = "matcher-"


class KillMarketData(_Kill):
    """Kill -9 of the market-data process."""

    name = "kill-marketdata"
    victims = "marketdata"


class KillServer(_Kill):
    """Kill -9 of a JetStream server."""

    name = "kill-nats"
    victims = "nats-server"


class KillTwo(Fault):
    """Kill -9 of two processes at once."""

    name = "kill-two"

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        victims = chance.sample(list(stage.venue.processes), 2)
        await asyncio.gather(*(stage.kill(victim) for victim in victims))
        return " and ".join(victims)


class KillInBatch(Fault):
    """Kill -9 in the middle of a burst of requests, some 10 us to 10 ms after the first is on its way."""

    name = "kill-in-batch"

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        victim = chance.choice([*stage.named("gateway"), *stage.named("matcher-"), *stage.named("nats-server")])
        delay_us = int(10 ** chance.uniform(1, 4))
        await stage.running(victim)
        for trader in stage.traders:
            trader.burst(40)
        await asyncio.sleep(0)  # the bursts are written
        time.sleep(delay_us / 1e6)  # noqa: ASYNC251 - an event loop cannot wait so short a time
        await stage.kill(victim)
        return f"{victim} after {delay_us} us"


class KillInSnapshot(Fault):
    """Kill -9 of a matcher while it writes a snapshot."""

    name = "kill-in-snapshot"

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        victim = chance.choice(stage.named("matcher-"))
        pid = await stage.running(victim)
        seen = await self._await_snapshot(stage.venue.data_dir / "snapshots", pid)
        await stage.kill(victim)
        return f"{victim}, {seen}"

    async def _await_snapshot(self, snapshots: Path, pid: int) -> str:
        before = _newest(snapshots)
        deadline_s = time.monotonic() + _SNAPSHOT_PATIENCE_S
        while time.monotonic() < deadline_s:
            if children(pid):
                return "in its child"
            if (now := _newest(snapshots)) != before:
                return f"at {now}"
            await asyncio.sleep(0.0005)
        return "no snapshot came"


def _newest(snapshots: Path) -> str:
    names = [path.name for path in snapshots.glob("*/*")]
    return max(names, key=lambda name: (name.endswith(_UNFINISHED), name), default="")


class KillInMassCancel(Fault):
    """Kill -9 of a gateway between the shards of one mass cancel: some have it, others do not."""

    name = "kill-in-mass-cancel"

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        victim = chance.choice(stage.named("gateway"))
        delay_us = int(10 ** chance.uniform(2, 4))
        await stage.running(victim)
        for trader in stage.traders:
            if trader.client.is_up:
                trader.send(trader.flow.cancel_all())
        await asyncio.sleep(0)
        time.sleep(delay_us / 1e6)  # noqa: ASYNC251 - as above
        await stage.kill(victim)
        return f"{victim} after {delay_us} us"


class _Pause(Fault):
    victims: ClassVar[str]

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        victim, seconds = chance.choice(stage.named(self.victims)), chance.uniform(0.05, PAUSE_S_MAX)
        await stage.pause(victim, seconds)
        return f"{victim} for {seconds:.2f} s"


class PauseGateway(_Pause):
    """SIGSTOP of a gateway, and SIGCONT: a zombie gateway."""

    name = "pause-gateway"
    victims = "gateway"


class PauseMatcher(_Pause):
    """SIGSTOP of a matcher, and SIGCONT: a zombie leader, if a standby took over."""

    name = "pause-matcher"
    victims = "matcher-"


class PauseServer(_Pause):
    """SIGSTOP of a JetStream server, and SIGCONT."""

    name = "pause-nats"
    victims = "nats-server"


class PauseMarketData(_Pause):
    """SIGSTOP of the market-data process, and SIGCONT."""

    name = "pause-marketdata"
    victims = "marketdata"


class KillPaused(Fault):
    """SIGSTOP of one process, kill -9 of another meanwhile, then SIGCONT."""

    name = "kill-while-paused"

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        paused, victim = chance.sample(list(stage.venue.processes), 2)
        seconds = chance.uniform(0.2, PAUSE_S_MAX)
        pausing = asyncio.create_task(stage.pause(paused, seconds))
        await asyncio.sleep(seconds / 2)
        await stage.kill(victim)
        await pausing
        return f"{victim} while {paused} was paused for {seconds:.2f} s"
