"""
The clock of the trading day: puts its end onto the log at the configured time, once a day.

The end is a command like any other; engines ignore a second one for the same date, so a gateway that starts simply
repeats the last end that has passed, and nothing is missed while it was down.
"""

import asyncio
from datetime import UTC, datetime, time, timedelta

from gateway.sequencer import Sequencer


def last_end(now: datetime, end: time) -> datetime:
    """The newest end of a trading day that is not after `now` (UTC)."""
    today = datetime.combine(now.date(), end, UTC)
    return today if today <= now else today - timedelta(days=1)


async def keep(sequencer: Sequencer, end_text: str) -> None:
    """Repeat the last end of day, then announce each one when it comes."""
    end = time.fromisoformat(end_text.rjust(5, "0"))
    announced = None
    while True:
        now = datetime.now(UTC)
        due = last_end(now, end)
        if due != announced:
            sequencer.end_trading_day(int(now.timestamp()) * 10**9, due.strftime("%Y%m%d"))
            announced = due
        # Never more than a minute, so that a clock that was set is noticed.
        await asyncio.sleep(min(60.0, (due + timedelta(days=1) - now).total_seconds()))
