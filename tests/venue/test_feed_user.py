"""Whoever connects to the embedded server as `feed` reads market data, and can do nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.connection import Bus, BusError
from bus.streams import last_seq
from bus.subjects import exec_subject, ord_subject
from marketdata.client import BookReader
from tests.processes import until
from venue.ephemeral import ephemeral_config
from venue.nats_server import FEED_USER
from venue.up import RunningVenue


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    async with RunningVenue(ephemeral_config(tmp_path), tmp_path / "data") as venue:
        yield venue.venue.config.nats.url


async def connect_to_feed(url: str) -> Bus:
    return await Bus.connect(url.replace("nats://", f"nats://{FEED_USER}:{FEED_USER}@"), name=FEED_USER)


async def test_it_reads_books(url: str) -> None:
    bus = await connect_to_feed(url)
    reader = BookReader(bus, ["AAPL"], lambda *_: None, with_orders=True)
    await reader.start()
    await until(lambda: reader.replicas["AAPL"].is_current)
    await reader.stop()
    await bus.close()


async def test_it_can_neither_write_logs_nor_read_them(url: str) -> None:
    feed, venue = await connect_to_feed(url), await Bus.connect(url, name="test")
    before = await last_seq(venue, "ORD0"), await last_seq(venue, "EXEC0")
    written = (ord_subject(0, "AAPL"), exec_subject(0), "md.AAPL")
    for subject in (*written, "$JS.API.STREAM.INFO.ORD0", "$JS.API.STREAM.PURGE.ORD0", "status.0", "handover.0"):
        with pytest.raises(BusError):
            await feed.request(subject, b"anything", 0.2)
    heard: list[str] = []
    for subject in ("ord.>", "exec.>", "_INBOX.test.>", ">"):
        await feed.subscribe(subject, lambda to, _payload, _reply: heard.append(to))
    await feed.subscribe("md.>", lambda to, _payload, _reply: heard.append(to))
    await venue.request("md-snapshot", b"AAPL")
    venue.publish_now("ord-like.test", b"x")
    venue.publish_now("md.TEST", b"x")
    await until(lambda: heard)
    assert heard == ["md.TEST"]
    assert (await last_seq(venue, "ORD0"), await last_seq(venue, "EXEC0")) == before
    await feed.close()
    await venue.close()
