"""What the two publishers promise, against a real server: order, durability, and one writer."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any, cast

import pytest

from bus.connection import NO_CONNECTION, AckCallback, Bus, PubAck, PubFailure
from bus.publisher import ChainPublisher, Fenced, WindowPublisher
from bus.streams import ensure_shard, last_seq
from tests.jetstream import LOG_BYTES_MAX, Server, read_messages, store
from tests.processes import until


async def read_all(bus: Bus, stream: str, count: int) -> list[bytes]:
    return [message.payload for message in await read_messages(bus, stream, count)]


class Durable:
    """Collects what was reported durable and lets a test wait for a number of them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._changed = asyncio.Event()

    def note(self, name: str) -> Callable[[], None]:
        def on_durable() -> None:
            self.names.append(name)
            self._changed.set()

        return on_durable

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.names) < count:
                self._changed.clear()
                await self._changed.wait()


async def test_a_window_becomes_durable_in_order(bus: Bus) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    publisher = WindowPublisher(bus, window_max=10, on_room=lambda: None)
    durable = Durable()
    for number in range(10):
        publisher.publish("ord.0.AAPL", b"%d" % number, durable.note(str(number)))
    assert not publisher.has_room
    await durable.reach(10)
    assert durable.names == [str(number) for number in range(10)]
    assert publisher.has_room
    assert await read_all(bus, "ORD0", 10) == [b"%d" % number for number in range(10)]


async def test_a_window_survives_a_killed_server_and_a_go_back_n_reader_sees_every_record_once(
    bus: Bus, server: Server
) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    durable = Durable()
    waiting = list(range(1, 401))

    def publish_more() -> None:
        while waiting and publisher.has_room:
            number = waiting.pop(0)
            publisher.publish("ord.0.AAPL", b"%d" % number, durable.note(str(number)))

    publisher = WindowPublisher(bus, window_max=20, on_room=publish_more)
    publish_more()
    for reached in (100, 200):
        await durable.reach(reached)
        server.kill()
        server.start()
    await durable.reach(400)
    assert durable.names == [str(number) for number in range(1, 401)]
    stored = await read_all(bus, "ORD0", await last_seq(bus, "ORD0"))
    taken = 0
    for payload in stored:
        if int(payload) == taken + 1:
            taken += 1
    assert taken == 400


async def test_a_record_that_is_written_anew_goes_out_in_its_place_when_the_window_is_sent_again(
    bus: Bus, server: Server
) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    durable = Durable()
    publisher = WindowPublisher(bus, window_max=3, on_room=lambda: None)
    server.kill()
    await until(lambda: not bus.is_connected)
    sent = [publisher.publish("ord.0.AAPL", b"%d" % number, durable.note(str(number))) for number in range(3)]
    await until(lambda: publisher.failure is not None)
    publisher.rewrite(sent[1], b"one, anew")
    assert publisher.oldest_at == sent[0].published_at
    server.start()
    await durable.reach(3)
    assert durable.names == ["0", "1", "2"]
    assert await read_all(bus, "ORD0", 3) == [b"0", b"one, anew", b"2"]
    assert (publisher.failure, publisher.oldest_at) == (None, None)


async def test_a_record_that_is_written_anew_after_it_was_stored_changes_nothing(bus: Bus, server: Server) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    durable = Durable()
    publisher = WindowPublisher(bus, window_max=3, on_room=lambda: None)
    server.pause()
    sent = publisher.publish("ord.0.AAPL", b"as it was", durable.note("it"))
    publisher.rewrite(sent, b"anew")
    server.resume()
    await durable.reach(1)
    assert await read_all(bus, "ORD0", 1) == [b"as it was"]


async def test_a_chain_stores_single_records_and_atomic_batches_in_order(bus: Bus) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    durable = Durable()
    publisher = ChainPublisher(bus, stream="EXEC0", subject="exec.0", last_seq=0)
    await publisher.publish([b"a"], durable.note("a"))
    await publisher.publish([b"b1", b"b2", b"b3"], durable.note("b"))
    await publisher.publish([b"c"], durable.note("c"))
    await durable.reach(3)
    assert durable.names == ["a", "b", "c"]
    assert await read_all(bus, "EXEC0", 5) == [b"a", b"b1", b"b2", b"b3", b"c"]


async def test_a_chain_survives_a_killed_server_without_loss_or_repeat(bus: Bus, server: Server) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    durable = Durable()
    publisher = ChainPublisher(bus, stream="EXEC0", subject="exec.0", last_seq=0)

    async def publish_all() -> None:
        for number in range(300):
            await publisher.publish([b"%d" % number], durable.note(str(number)))

    publishing = asyncio.create_task(publish_all())
    for reached in (80, 160):
        await durable.reach(reached)
        server.kill()
        server.start()
    await publishing
    await durable.reach(300)
    assert await read_all(bus, "EXEC0", 300) == [b"%d" % number for number in range(300)]
    assert await last_seq(bus, "EXEC0") == 300


async def test_a_second_writer_fences_the_first(bus: Bus) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    durable = Durable()
    old = ChainPublisher(bus, stream="EXEC0", subject="exec.0", last_seq=0)
    await old.publish([b"old"], durable.note("old"))
    await durable.reach(1)
    new = ChainPublisher(bus, stream="EXEC0", subject="exec.0", last_seq=1)
    await new.publish([b"new"], durable.note("new"))
    await durable.reach(2)
    await old.publish([b"zombie"], durable.note("zombie"))
    with pytest.raises(Fenced, match="EXEC0 was written by another matcher at sequence 2"):
        await asyncio.wait_for(old.failed, 10)
    assert await read_all(bus, "EXEC0", 2) == [b"old", b"new"]
    assert durable.names == ["old", "new"]


async def test_nothing_follows_a_write_that_a_new_leader_came_before(bus: Bus) -> None:
    """Of two on their way at once the second would be taken: the sequence fits, though the record there is foreign."""
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    durable = Durable()
    await store(bus, "exec.0", b"the epoch of another leader")
    old = ChainPublisher(bus, stream="EXEC0", subject="exec.0", last_seq=0)
    await old.publish([b"first"], durable.note("first"))
    with pytest.raises(Fenced):
        await old.publish([b"second"], durable.note("second"))
    assert await last_seq(bus, "EXEC0") == 1
    assert durable.names == []


class ImaginedStream:
    """A stream whose first write is lost, and whose answers take as long as the test says; the clock is the loop's."""

    payload_bytes_max = 1 << 20

    def __init__(self) -> None:
        self.records = [b"epoch"] * 10
        self._lost = False
        self._loop = asyncio.get_running_loop()

    def publish_acked(self, _subject: str, payload: bytes, on_ack: AckCallback, *, headers: dict[str, str]) -> None:
        if not self._lost:
            self._lost = True
            self._loop.call_later(0.01, on_ack, NO_CONNECTION)
        elif int(headers["Nats-Expected-Last-Sequence"]) != len(self.records):
            self._loop.call_later(0.001, on_ack, PubFailure(10071, "wrong last sequence"))
        else:
            self.records.append(payload)
            self._loop.call_later(0.0005, on_ack, PubAck(len(self.records)))

    async def request_json(self, _subject: str, body: dict[str, int] | None = None) -> dict[str, Any]:
        last_seq = len(self.records)
        await asyncio.sleep(0.002)
        if body is None:
            return {"state": {"last_seq": last_seq}}
        data = base64.b64encode(self.records[body["seq"] - 1]).decode()
        return {"message": {"seq": body["seq"], "data": data, "time": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize("delay_ms", [0.5, 1, 1.5, 2, 2.5, 3, 10, 20, 50])
async def test_what_is_published_while_the_tail_is_read_back_does_not_fence_its_own_writer(delay_ms: float) -> None:
    stream = ImaginedStream()
    durable = Durable()
    publisher = ChainPublisher(cast(Bus, stream), stream="EXEC0", subject="exec.0", last_seq=10)
    await publisher.publish([b"11"], durable.note("11"))
    await asyncio.sleep(0.01 + delay_ms / 1000)  # at some moment of the recovery, which is the parameter
    for number in range(12, 17):
        await publisher.publish([b"%d" % number], durable.note(str(number)))
    await durable.reach(6)
    assert stream.records[10:] == [b"%d" % number for number in range(11, 17)]
    assert not publisher.failed.done()
