"""The end of the trading day: DAY orders end with it, GTC orders do not, and whoever was away is told later."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

from .runner import TRANSACT_TIME
from .wire import DEADLINE_S


class Trader:
    """FIRMA1, whose numbers and requests outlive its connections."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self._received: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def connect(self, venue: RunningVenue) -> FixClient:
        return await FixClient.connect(
            "127.0.0.1",
            venue.fix_port,
            begin_string="FIX.4.4",
            sender_comp_id="FIRMA1",
            password="example-firma1",
            store=self._store,
            on_message=lambda message: self._received.put_nowait(message.fields),
        )

    async def report(self) -> dict[str, str]:
        """The venue's next message."""
        return await asyncio.wait_for(self._received.get(), DEADLINE_S)


def body(**by_tag: str) -> str:
    return "".join(f"{tag.lstrip('_')}={value}\x01" for tag, value in by_tag.items())


async def test_day_orders_expire_at_the_end_that_passed_while_the_venue_was_down(tmp_path: Path) -> None:
    """
    A matcher that starts repeats the last end of a trading day that has passed (`matcher/process/clock.py`).

    So the venue first runs with an end that is still to come, then with one that has just been.
    """
    now = datetime.now(UTC)
    to_come = now + timedelta(minutes=2)
    if to_come.date() != now.date():
        pytest.skip("midnight is too near: both ends would be of one date")
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    before = ephemeral_config(tmp_path / "before", trading_day_end=f"{to_come:%H:%M}")
    after = ephemeral_config(tmp_path / "after", trading_day_end=f"{now:%H:%M}")

    trader = Trader()
    async with RunningVenue(before, tmp_path / "data") as venue:
        client = await trader.connect(venue)
        for cl_ord_id, time_in_force in (("day", "0"), ("gtc", "1")):
            order = body(_11=cl_ord_id, _38="10", _40="2", _44="100.00", _54="1", _55="TEST1", _59=time_in_force)
            client.send(f"35=D\x01{order}60={TRANSACT_TIME}\x01")
            assert (await trader.report())["150"] == "0"
        await client.logout()

    async with RunningVenue(after, tmp_path / "data") as venue:
        client = await trader.connect(venue)
        expired = await trader.report()
        client.send(f"35=H\x01{body(_11='gtc', _54='1', _55='TEST1')}")
        resting = await trader.report()
        await client.logout()

    assert _of(expired, 11, 150, 39, 14, 151) == ("day", "C", "C", "0", "0")
    assert _of(resting, 11, 17, 39, 151) == ("gtc", "0", "0", "10")


def _of(report: dict[str, str], *tags: int) -> tuple[str, ...]:
    return tuple(report[str(tag)] for tag in tags)
