"""Faults of the network, and of clients: cut off in silence, reset, broken off in the middle of a message."""

import asyncio
import random

from simulators.torture.proxy import Proxy, Way
from simulators.torture.stage import PAUSE_S_MAX, Fault, Stage


class CutServer(Fault):
    """The network between a process and JetStream is cut, silently, and mended or the connection reset."""

    name = "cut-nats"

    def why_not(self, stage: Stage) -> str:
        """See `Fault`."""
        return "" if stage.ways else "the servers of a cluster tell clients of each other, past any proxy"

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        name = chance.choice(list(stage.ways))
        return f"{name} {await _cut(stage.ways[name], chance)}"


class CutClients(Fault):
    """The network between all clients and a gateway is cut, silently, and mended or the connections reset."""

    name = "cut-clients"

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        return f"all {await _cut(chance.choice(stage.doors), chance)}"


async def _cut(proxy: Proxy, chance: random.Random) -> str:
    seconds, is_reset = chance.uniform(0.05, PAUSE_S_MAX), chance.random() < 0.5
    proxy.cut()
    try:
        await asyncio.sleep(seconds)
    finally:
        if is_reset:
            proxy.reset()
        proxy.mend()
    return f"for {seconds:.2f} s, then {'reset' if is_reset else 'mended'}"


class BreakMessage(Fault):
    """Connections of clients end in the middle of a message, in one direction or the other."""

    name = "break-message"

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        ways: tuple[Way, Way] = ("up", "down")
        way, count = chance.choice(ways), chance.randint(1, 700)
        for trader in stage.traders:
            trader.burst(5)
        chance.choice(stage.doors).break_after(way, count)
        return f"{way}, after {count} bytes"


class CrashClient(Fault):
    """A client cuts its connection with requests on their way."""

    name = "crash-client"

    async def strike(self, stage: Stage, chance: random.Random) -> str:
        """See `Fault`."""
        trader = chance.choice(stage.traders)
        trader.burst(20)
        if chance.random() < 0.5:
            await asyncio.sleep(chance.random() * 0.01)
        trader.client.abort()
        return trader.comp_id
