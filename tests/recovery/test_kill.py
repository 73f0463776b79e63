"""
Promises 1 to 5 of DESIGN.md under kill -9: nothing acknowledged is lost, nothing repeated, every request answered once.

Four sessions of two firms trade on both shards without a pause while the venue's processes are killed in turn. Each
trader audits every message against its own books; together they check that what was bought was sold.
"""

import asyncio
import os
import signal
import urllib.request

import pytest

from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient, Received
from tests.processes import kill, until
from tests.recovery.traders import Traders
from venue.up import RunningVenue

SYMBOLS = ["TEST1", "TEST2", "BRK.B"]
VICTIMS = [
    "gateway", "matcher-0", "nats-server", "matcher-1", "marketdata", "gateway", "nats-server", "matcher-0", "gateway"
]  # fmt: skip


async def test_killed_processes_lose_nothing_and_repeat_nothing(venue: RunningVenue) -> None:
    traders = Traders(venue, SYMBOLS)
    for victim in VICTIMS:
        await traders.until_answered(150)
        await kill(venue, victim)
    await traders.until_answered(150)
    await traders.leave()
    traders.audit(answered_min=1000)


@pytest.mark.parametrize("victim", ["gateway", "matcher-0", "nats-server"])
async def test_reports_of_an_offline_session_are_there_when_it_logs_on_again_after_a_kill(
    venue: RunningVenue, victim: str
) -> None:
    """A resting order is filled while its owner is away, and a process dies before the owner comes back."""
    received: dict[str, list[str]] = {"FIRMA1": [], "FIRMB1": []}
    arrived = asyncio.Condition()

    async def log_on(comp_id: str, store: MemoryStore | None = None) -> FixClient:
        def on_message(message: Received) -> None:
            received[comp_id].append(message.text)
            asyncio.get_running_loop().create_task(notify())

        return await FixClient.connect(
            "127.0.0.1",
            venue.fix_port,
            begin_string="FIX.4.4",
            sender_comp_id=comp_id,
            password=f"example-{comp_id.lower()}",
            store=store,
            on_message=on_message,
        )

    async def notify() -> None:
        async with arrived:
            arrived.notify_all()

    async def until(comp_id: str, fragment: str) -> str:
        async with asyncio.timeout(30), arrived:
            await arrived.wait_for(lambda: any(fragment in text for text in received[comp_id]))
        return next(text for text in received[comp_id] if fragment in text)

    order = "35=D\x0111={}\x0155=TEST1\x0154={}\x0138=5\x0140=2\x0144=100.00\x0159=1\x0160=20260101-00:00:00\x01"
    owner = await log_on("FIRMA1")
    owner.send(order.format("rest", 1))
    await until("FIRMA1", "\x01150=0\x01")
    owner.abort()
    other = await log_on("FIRMB1")
    other.send(order.format("take", 2))
    taken = await until("FIRMB1", "\x01150=F\x01")
    await kill(venue, victim)
    owner = await log_on("FIRMA1", owner.store)
    filled = await until("FIRMA1", "\x01150=F\x01")
    assert "\x0111=rest\x01" in filled
    assert "\x01151=0\x01" in filled
    assert "\x01527=" in filled
    assert filled.split("\x01527=")[1].split("\x01")[0] == taken.split("\x01527=")[1].split("\x01")[0]
    await owner.logout()
    other.abort()


async def test_orders_that_never_reached_the_log_are_asked_for_again(venue: RunningVenue) -> None:
    """JetStream stands still, and a session's very first order is taken by a gateway that dies."""
    answers: asyncio.Queue[str] = asyncio.Queue()

    async def log_on(store: MemoryStore) -> FixClient:
        return await FixClient.connect(
            "127.0.0.1",
            venue.fix_port,
            begin_string="FIX.4.4",
            sender_comp_id="FIRMC1",
            password="example-firmc1",
            store=store,
            on_message=lambda message: answers.put_nowait(message.text),
        )

    client = await log_on(MemoryStore())
    server = venue.processes["nats-server"].pid
    os.kill(server, signal.SIGSTOP)
    try:
        client.send("35=D\x0111=first\x0155=TEST1\x0154=1\x0138=5\x0140=2\x0144=90.00\x0160=20260101-00:00:00\x01")
        await until(lambda: 'gateway_requests_total{msg_type="D"} 1.0' in scrape(venue, "gateway"))
        os.kill(venue.processes["gateway"].pid, signal.SIGKILL)
    finally:
        os.kill(server, signal.SIGCONT)
    await venue.wait_ready("gateway", generation=2)
    client.abort()
    client = await log_on(client.store)
    answer = await asyncio.wait_for(answers.get(), 30)
    assert "\x0111=first\x01" in answer
    assert "\x01150=0\x01" in answer
    await client.logout()
    assert answers.empty()


def scrape(venue: RunningVenue, name: str) -> str:
    port = venue.processes[name].details["metrics_port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        return str(page.read().decode())


async def test_every_process_serves_its_metrics(venue: RunningVenue) -> None:
    expected = {
        "gateway": [
            "gateway_requests_total",
            "gateway_answer_seconds_bucket",
            "gateway_sessions_up",
            "gateway_rejects",
        ],
        "matcher-0": ["matcher_lag_records", "matcher_resting_orders", "matcher_book_levels", "matcher_batch_commands"],
        "marketdata": ["marketdata_md_seq", "marketdata_increments_published_total"],
    }
    for name, metrics in expected.items():
        page = await asyncio.to_thread(scrape, venue, name)
        for metric in metrics:
            assert metric in page
