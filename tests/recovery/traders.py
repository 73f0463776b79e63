"""Four traders of two firms who trade with each other without a pause, and together audit what the venue told them."""

import asyncio
from collections import Counter

from tests.recovery.persistent_trader import PersistentTrader
from venue.up import RunningVenue

COMP_IDS = ("FIRMA1", "FIRMA2", "FIRMB1", "FIRMB2")


class Traders:
    """They begin at once; `leave`, then `audit`."""

    def __init__(self, venue: RunningVenue, symbols: list[str], *, seed: int = 0) -> None:
        self._symbols = symbols
        self._traders = [
            PersistentTrader(venue.venue, venue.fix_port, comp_id, symbols, seed + n)
            for n, comp_id in enumerate(COMP_IDS)
        ]
        self._trading = [asyncio.create_task(trader.run()) for trader in self._traders]

    @property
    def answered(self) -> int:
        """Requests that have been answered, of all traders."""
        return sum(trader.account.answered for trader in self._traders)

    @property
    def reports(self) -> int:
        """Execution reports that they have got."""
        return sum(len(trader.exec_ids) for trader in self._traders)

    @property
    def exec_ids(self) -> set[str]:
        """ExecID(17) of each of them; one that two sessions of a firm got stands once."""
        return {exec_id for trader in self._traders for exec_id in trader.exec_ids if exec_id != "0"}

    @property
    def news(self) -> int:
        """Times that one of them was told that requests wait."""
        return sum(trader.news for trader in self._traders)

    async def until_answered(self, count: int) -> None:
        """Wait until each has been answered `count` more requests than now."""
        await asyncio.gather(*(trader.until_answered(count) for trader in self._traders))

    async def leave(self) -> None:
        """Have all requests answered, and all reports delivered, and log out."""
        await asyncio.gather(*(trader.stop() for trader in self._traders))
        for trader in self._traders:
            trader.leave()
        async with asyncio.timeout(60):
            await asyncio.gather(*self._trading)

    def violations(self) -> list[str]:
        """What the venue promised and did not keep: every report once, in order, right, and the same on both sides."""
        found = []
        for trader, comp_id in zip(self._traders, COMP_IDS, strict=True):
            found += [f"{comp_id}: {violation}" for violation in trader.account.violations]
            found += [f"{comp_id}: {trader.account.unanswered} requests unanswered"] * bool(trader.account.unanswered)
            repeated = [exec_id for exec_id, count in Counter(trader.exec_ids).items() if count > 1]
            found += [f"{comp_id}: ExecID(17) {exec_id} came more than once" for exec_id in repeated]
        for symbol in self._symbols:
            bought = sum(trader.account.bought_lots[symbol] for trader in self._traders)
            sold = sum(trader.account.sold_lots[symbol] for trader in self._traders)
            found += [f"{symbol}: {bought} lots bought, {sold} sold"] * (bought != sold or not bought)
        return found

    def audit(self, *, answered_min: int) -> None:
        """Fail on any violation, or when a trader has hardly traded."""
        assert self.violations() == []
        assert min(trader.account.answered for trader in self._traders) > answered_min
