"""Faults of the disk that the logs are on: slow, or full."""

import asyncio
import random

from simulators.torture.stage import PAUSE_S_MAX, Fault, Stage


class SlowDisk(Fault):
    """Each fsync of a JetStream server takes some ms longer, by strace."""

    name = "slow-disk"

    def why_not(self, stage: Stage) -> str:
        """See `Fault`."""
        return stage.slow_sync.why_not

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        victim, delay_us = chance.choice(stage.named("nats-server")), chance.choice((5_000, 30_000, 150_000))
        seconds = chance.uniform(0.5, PAUSE_S_MAX)
        await stage.slow_sync.hold(await stage.running(victim), delay_us, seconds)
        return f"{victim}: {delay_us // 1000} ms a sync for {seconds:.2f} s"


class FullDisk(Fault):
    """The disk of the logs is full for a while; then it has room, and the operator starts the server again."""

    name = "full-disk"

    def why_not(self, stage: Stage) -> str:
        """See `Fault`."""
        return stage.disk.why_not

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        seconds = chance.uniform(0.2, PAUSE_S_MAX)
        stage.disk.fill()
        try:
            for trader in stage.traders:
                trader.burst(20)
            await asyncio.sleep(seconds)
        finally:
            stage.disk.free()
        for server in stage.named("nats-server"):
            await stage.kill(server)
        return f"for {seconds:.2f} s"
