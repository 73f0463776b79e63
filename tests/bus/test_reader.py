"""Reading a log against a real server: in order, from a sequence, whatever happens to the server, and bounded."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from bus.connection import Bus, PubAck, PubFailure
from bus.reader import TURN_BYTES, LogGap, LogMessage, LogReader, LogTrimmed
from bus.streams import ensure_shard, trim
from tests.jetstream import LOG_BYTES_MAX, Server, read_messages
from tests.processes import until


@pytest.fixture
async def log(bus: Bus) -> Bus:
    """The connection, with ORD0 there."""
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    return bus


async def store_all(bus: Bus, payloads: list[bytes]) -> None:
    answers: list[PubAck | PubFailure] = []
    for first in range(0, len(payloads), 500):  # few at a time: each has a time-out, and the machine may be busy
        part = payloads[first : first + 500]
        for payload in part:
            bus.publish_acked("ord.0.A", payload, answers.append)
        await until(lambda: len(answers) == first + len(part))  # noqa: B023 -- awaited here
    assert all(isinstance(answer, PubAck) for answer in answers)


def numbered(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last + 1)]


async def take(reader: LogReader, count: int, messages_max: int = 1000) -> list[LogMessage]:
    taken: list[LogMessage] = []
    async with asyncio.timeout(30):
        while len(taken) < count:
            taken += await reader.next_batch(min(messages_max, count - len(taken)))
    return taken


async def test_records_come_in_order_with_their_sequence_and_what_is_behind_them(log: Bus) -> None:
    await store_all(log, numbered(1, 50))
    messages = await read_messages(log, "ORD0", 50)
    assert messages == [LogMessage(number, b"%d" % number, 50 - number) for number in range(1, 51)]


async def test_reading_starts_where_it_is_told(log: Bus) -> None:
    await store_all(log, numbered(1, 50))
    messages = await read_messages(log, "ORD0", 21, start_seq=30)
    assert [message.seq for message in messages] == list(range(30, 51))


async def test_a_start_beyond_the_end_waits_for_that_record(log: Bus) -> None:
    await store_all(log, numbered(1, 5))
    reader = LogReader(log, stream="ORD0", start_seq=8)
    await reader.start()
    reading = asyncio.create_task(take(reader, 1))
    await store_all(log, numbered(6, 8))
    assert [message.payload for message in await reading] == [b"8"]
    await reader.stop()


async def test_a_batch_has_at_least_one_and_at_most_so_many(log: Bus) -> None:
    reader = LogReader(log, stream="ORD0", start_seq=1)
    await reader.start()
    waiting = asyncio.create_task(reader.next_batch(10))
    await store_all(log, numbered(1, 1))
    assert [message.seq for message in await waiting] == [1]
    await store_all(log, numbered(2, 26))
    await until(lambda: len(reader._queue) == 25)
    assert [len(await reader.next_batch(10)) for _ in range(3)] == [10, 10, 5]
    await reader.stop()


async def test_a_batch_ends_with_the_record_that_fills_it(log: Bus) -> None:
    reader = LogReader(log, stream="ORD0", start_seq=1)
    await reader.start()
    await store_all(log, [b"12", b"345", b"6", b"7", b"89"])
    await until(lambda: len(reader._queue) == 5)
    batches = [await reader.next_batch(bytes_max=3) for _ in range(2)]
    assert [[message.payload for message in batch] for batch in batches] == [[b"12", b"345"], [b"6", b"7", b"89"]]
    await reader.stop()


async def test_a_callback_gets_no_more_at_once_than_takes_it_some_ms(log: Bus) -> None:
    await store_all(log, [bytes(30_000)] * 20)
    sizes: list[int] = []
    reader = LogReader(
        log,
        stream="ORD0",
        start_seq=1,
        on_messages=lambda batch: sizes.append(sum(len(each.payload) for each in batch)),
    )
    await reader.start()
    await until(lambda: sum(sizes) == 20 * 30_000)
    await reader.stop()
    assert max(sizes) < TURN_BYTES + 30_000


async def test_a_killed_server_leaves_no_gap_and_no_repeat(log: Bus, server: Server) -> None:
    await store_all(log, numbered(1, 300))
    reader = LogReader(log, stream="ORD0", start_seq=1)
    await reader.start()
    messages = await take(reader, 100, messages_max=10)
    for kill in range(3):
        server.kill()
        await until(lambda: not log.is_connected)
        server.start()
        await until(lambda: log.is_connected)
        await store_all(log, numbered(301 + 50 * kill, 350 + 50 * kill))
        messages += await take(reader, 60)
    messages += await take(reader, 450 - len(messages))
    assert [message.seq for message in messages] == list(range(1, 451))
    assert [message.payload for message in messages] == numbered(1, 450)
    await reader.stop()


async def test_a_paused_server_is_waited_for(log: Bus, server: Server) -> None:
    reader = LogReader(log, stream="ORD0", start_seq=1)
    await reader.start()
    await store_all(log, numbered(1, 10))
    messages = await take(reader, 10)
    server.pause()
    await until(lambda: reader._broken.is_set() or reader._loop.time() - reader._last_heard > 1)  # it fell silent
    server.resume()
    await store_all(log, numbered(11, 20))
    messages += await take(reader, 10)
    assert [message.payload for message in messages] == numbered(1, 20)
    await reader.stop()


async def test_a_reader_waits_for_a_stream_that_does_not_exist_yet(bus: Bus) -> None:
    reader = LogReader(bus, stream="ORD0", start_seq=1)
    await reader.start()
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    await store_all(bus, numbered(1, 3))
    assert [message.payload for message in await take(reader, 3)] == numbered(1, 3)
    await reader.stop()


@pytest.mark.parametrize(("start_seq", "level"), [(1, "info"), (7, "warning")])
async def test_waiting_is_logged_once_and_is_a_warning_unless_the_log_is_yet_to_begin(
    bus: Bus, start_seq: int, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[str] = []
    request_json = bus.request_json

    async def count(subject: str, body: object) -> dict[str, Any]:
        attempts.append(subject)
        return await request_json(subject, body)

    monkeypatch.setattr(bus, "request_json", count)
    with capture_logs() as logs:
        reader = LogReader(bus, stream="ORD0", start_seq=start_seq)
        await reader.start()
        await until(lambda: len(attempts) > 2)
        await reader.stop()
    assert [(line["event"], line["log_level"]) for line in logs] == [("log_reader_waits", level)]


async def test_a_slow_owner_is_waited_for_by_the_server_so_the_queue_is_bounded(log: Bus) -> None:
    """The server stops when its first window is full; heartbeats that bring no record show that it has."""
    await store_all(log, [bytes(4096)] * 6000)
    reader = LogReader(log, stream="ORD0", start_seq=1)
    await reader.start()
    queued, heard = -1, 0.0

    def has_stalled() -> bool:
        nonlocal queued, heard
        before = queued, heard
        queued, heard = len(reader._queue), reader._last_heard
        return queued == before[0] and heard > before[1] > 0 and queued > 0

    await until(has_stalled)
    queued_bytes = sum(len(item.payload) for item in reader._queue if isinstance(item, LogMessage))
    assert 0 < queued_bytes < 4 * 1024 * 1024
    messages = await take(reader, 6000, messages_max=50)
    assert [message.seq for message in messages] == list(range(1, 6001))
    await reader.stop()


async def test_a_callback_gets_every_record_once(log: Bus) -> None:
    await store_all(log, numbered(1, 2500))
    got: list[LogMessage] = []
    reader = LogReader(log, stream="ORD0", start_seq=1, on_messages=got.extend)
    await reader.start()
    await until(lambda: len(got) >= 2500)
    await reader.stop()
    await store_all(log, numbered(2501, 2510))
    assert [message.payload for message in got] == numbered(1, 2500)


async def test_what_the_callback_raises_reaches_the_event_loop(log: Bus) -> None:
    """So that the process ends: a reader that has died must not look like one with nothing to read."""
    contexts: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))

    def fail(_messages: list[LogMessage]) -> None:
        raise ZeroDivisionError

    reader = LogReader(log, stream="ORD0", start_seq=1, on_messages=fail)
    await reader.start()
    await store_all(log, numbered(1, 1))
    await until(lambda: bool(contexts))
    assert isinstance(contexts[0]["exception"], ZeroDivisionError)
    assert contexts[0]["message"] == "hand ORD0 failed"
    await reader.stop()


async def test_what_a_stream_has_lost_is_one_sentence_and_what_stands_before_it_is_read(bus: Bus) -> None:
    """No log of ours lets anybody delete a record; a damaged store may."""
    await bus.request_json("$JS.API.STREAM.CREATE.ORD0", {"name": "ORD0", "subjects": ["ord.0.>"]})
    await store_all(bus, numbered(1, 9))
    for seq in (4, 5):
        await bus.request_json("$JS.API.STREAM.MSG.DELETE.ORD0", {"seq": seq})
    reader = LogReader(bus, stream="ORD0", start_seq=1)
    await reader.start()
    assert [message.seq for message in await take(reader, 3)] == [1, 2, 3]
    with pytest.raises(LogGap, match=r"^ORD0 has lost its records 4 to 5; restore the store"):
        await take(reader, 1)
    await reader.stop()


@pytest.mark.parametrize("start_seq", [1, 5])
async def test_what_was_trimmed_is_another_sentence(log: Bus, start_seq: int) -> None:
    await store_all(log, numbered(1, 9))
    await trim(log, "ORD0", 6)
    reader = LogReader(log, stream="ORD0", start_seq=start_seq)
    await reader.start()
    with pytest.raises(LogTrimmed, match=f"^ORD0 was trimmed and begins at sequence 6, .* read from {start_seq} on"):
        await take(reader, 1)
    await reader.stop()


async def test_what_is_left_after_a_trim_is_read_without_a_word(log: Bus) -> None:
    await store_all(log, numbered(1, 9))
    await trim(log, "ORD0", 6)
    reader = LogReader(log, stream="ORD0", start_seq=6)
    await reader.start()
    assert [message.seq for message in await take(reader, 3)] == [6, 7, 8]
    await reader.stop()


async def test_a_reader_that_has_read_far_enough_does_not_notice_a_trim(log: Bus) -> None:
    await store_all(log, numbered(1, 9))
    reader = LogReader(log, stream="ORD0", start_seq=1)
    await reader.start()
    await take(reader, 8)
    await trim(log, "ORD0", 6)
    await store_all(log, numbered(9, 11))
    assert [message.seq for message in await take(reader, 2)] == [9, 10]
    await reader.stop()


async def test_a_loss_behind_the_beginning_of_a_trimmed_stream_is_a_loss(bus: Bus) -> None:
    await bus.request_json("$JS.API.STREAM.CREATE.ORD0", {"name": "ORD0", "subjects": ["ord.0.>"]})
    await store_all(bus, numbered(1, 9))
    await trim(bus, "ORD0", 3)
    await bus.request_json("$JS.API.STREAM.MSG.DELETE.ORD0", {"seq": 5})
    reader = LogReader(bus, stream="ORD0", start_seq=3)
    await reader.start()
    assert [message.seq for message in await take(reader, 2)] == [3, 4]
    with pytest.raises(LogGap, match=r"^ORD0 has lost its records 5 to 5; restore the store"):
        await take(reader, 1)
    await reader.stop()


async def test_a_reader_that_is_released_waits_no_longer_and_goes_on_when_asked_again(log: Bus) -> None:
    reader = LogReader(log, stream="ORD0", start_seq=1)
    await reader.start()
    waiting = asyncio.create_task(reader.next_batch())
    await asyncio.sleep(0)
    reader.release()
    assert await asyncio.wait_for(waiting, 10) == []
    await store_all(log, numbered(1, 2))
    assert [message.payload for message in await take(reader, 2)] == [b"1", b"2"]
    await reader.stop()
