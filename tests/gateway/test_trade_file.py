"""`./outcry trade-file` of a whole venue: the reports of both firms as rows, the totals of the feed, its refusals."""

import asyncio
import csv
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bus.connection import Bus
from bus.records import encode_exec
from bus.streams import ensure_shard, trim
from bus.subjects import MD_SNAPSHOT_SUBJECT, exec_stream, exec_subject
from configs.loader import load
from marketdata.messages import BookSnapshot, decode_reply
from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient
from tests.jetstream import LOG_BYTES_MAX, Server, store
from venue.ephemeral import ephemeral_config
from venue.up import RunningVenue

REPOSITORY = Path(__file__).parents[2]
DEADLINE_S = 20
FAR = timedelta(hours=12)
"""The end of the trading day of a venue that lives for minutes is so far away (`venue.ephemeral`)."""


class Trader:
    """One session, and its fills."""

    def __init__(self, comp_id: str) -> None:
        self.comp_id = comp_id
        self.fills: list[dict[str, str]] = []
        self._news = asyncio.Event()
        self._orders = 0

    async def connect(self, venue: RunningVenue) -> None:
        self._client = await FixClient.connect(
            "127.0.0.1",
            venue.fix_port,
            begin_string="FIX.4.4",
            sender_comp_id=self.comp_id,
            password=f"example-{self.comp_id.lower()}",
            store=MemoryStore(),
            on_message=lambda message: self._take(message.fields),
        )

    def _take(self, report: dict[str, str]) -> None:
        if report.get("150") in ("F", "H", "G"):
            self.fills.append(report)
            self._news.set()

    async def order(self, side: str, symbol: str, qty: str, price: str) -> None:
        self._orders += 1
        order = f"11=o{self._orders}|38={qty}|40=2|44={price}|54={side}|55={symbol}|59=0|60=20260105-09:30:00|"
        self._client.send("35=D\x01" + order.replace("|", "\x01"))

    async def has(self, fills: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.fills) < fills:
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        await self._client.logout()


async def outcry(*arguments: str | Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "venue", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    said, complained = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode is not None
    return process.returncode, said.decode(), complained.decode()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def trade_date() -> str:
    """Of now: the day ends when the venue's configuration says."""
    return f"{datetime.now(UTC) + FAR:%Y%m%d}"


async def test_a_day_while_it_goes_on_and_when_the_venue_is_down(tmp_path: Path) -> None:
    config, data, out = ephemeral_config(tmp_path), tmp_path / "data", tmp_path / "files"
    places = ("--config", config, "--data", data, "--output", out)
    buyer, seller = Trader("FIRMA1"), Trader("FIRMB1")
    async with RunningVenue(config, data) as venue:
        date = trade_date()
        for trader in (buyer, seller):
            await trader.connect(venue)
        for number, (symbol, qty, price) in enumerate((("TEST1", "10", "100.00"), ("TEST2", "5", "99.50")), 1):
            await buyer.order("1", symbol, qty, price)
            await seller.order("2", symbol, qty, price)
            await buyer.has(number)
            await seller.has(number)
        status, _, complained = await outcry("operator", "--config", config, "bust", "TEST2", "1", "--text", "wrong")
        assert (status, complained) == (0, "")
        await buyer.has(3)
        await seller.has(3)

        paths = out / f"trades-{date}.csv", out / f"totals-{date}.csv"
        assert await outcry("trade-file", date, *places) == (
            0,
            f"{date}, which is not over: 6 rows, trades that stand: 1; written {paths[0]} and {paths[1]}\n",
            "",
        )
        sides, totals = map(rows, paths)
        reported = {fill["17"]: (fill["11"], fill["32"], fill["31"]) for each in (buyer, seller) for fill in each.fills}
        assert {row["exec_id"]: (row["cl_ord_id"], row["last_qty"], row["last_px"]) for row in sides} == reported
        assert [row["exec_type"] for row in sides].count("bust") == 2
        assert {(row["firm"], row["side"], row["liquidity"]) for row in sides if row["symbol"] == "TEST1"} == {
            ("FIRMA", "buy", "maker"),
            ("FIRMB", "sell", "taker"),
        }
        async with asyncio.timeout(DEADLINE_S):
            for row in (each for each in totals if each["symbol"].startswith("TEST")):
                told = [row[name] for name in ("trade_count", "volume", "open", "high", "low", "last", "vwap")]
                while await feed_totals(venue, row["symbol"]) != told:
                    pass  # the feed may be behind the reports for a moment
        for trader in (buyer, seller):
            await trader.close()

    written = paths[0].read_text()
    status, _, complained = await outcry("trade-file", date, *places, "--firm", "FIRMA")
    assert (status, complained) == (0, "")
    assert paths[0].read_text() == written
    own = out / f"trades-{date}-FIRMA.csv"
    assert rows(own) == [row for row in sides if row["firm"] == "FIRMA"]
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in (*paths, own))


async def feed_totals(venue: RunningVenue, symbol: str) -> list[str]:
    """What market data says of the day."""
    bus = await Bus.connect(venue.venue.config.nats.url, name="test")
    try:
        snapshot = decode_reply(await bus.request(MD_SNAPSHOT_SUBJECT, symbol.encode(), DEADLINE_S))
    finally:
        await bus.close()
    assert isinstance(snapshot, BookSnapshot)
    day = snapshot.statistics
    assert day is not None
    return [str(day.trade_count), day.volume, day.open, day.high, day.low, day.last, day.vwap]


async def test_a_day_whose_beginning_was_trimmed_is_not_told_by_half(bus: Bus, server: Server, tmp_path: Path) -> None:
    config = ephemeral_config(tmp_path)
    venue = load(config)
    for shard in range(venue.config.shards):
        units = venue.units_of(shard)
        await ensure_shard(bus, shard, max_bytes=LOG_BYTES_MAX, replicas=1, units=units)
        empty = {"shard": shard, "leader_epoch": 1, "events": [], "increments": []}
        for input_seq in (1, 2):
            record = encode_exec(**empty, first_input_seq=input_seq, last_input_seq=input_seq)
            await store(bus, exec_subject(shard), record)
    arguments = ("trade-file", trade_date(), "--config", config, "--nats", server.url, "--output", tmp_path / "files")
    assert (await outcry(*arguments))[0] == 0
    await trim(bus, exec_stream(1), 2)
    status, said, complained = await outcry(*arguments)
    assert (status, said) == (78, "")
    assert "EXEC1 was trimmed and begins with what was stored at " in complained
    assert complained.endswith("make the files of a day before nats.keep_log_days are over\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("2026-01-05",), "'2026-01-05' is no date; write one such as "),
        (("20991231",), "trading day 20991231 has not begun; name one that has"),
        (("20260105", "--firm", "NOBODY"), "has no firm 'NOBODY'; name one that it has"),
        (("20260105",), "is no venue's data directory; name the one with the logs with --data"),
    ],
)
async def test_what_cannot_be_told_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    places = ("--config", ephemeral_config(tmp_path), "--data", tmp_path / "none", "--output", tmp_path / "files")
    status, said, complained = await outcry("trade-file", *arguments, *places)
    assert (status, said) == (78, "")
    assert sentence in complained
    assert len(complained.splitlines()) == 1
    assert not (tmp_path / "files").exists()
