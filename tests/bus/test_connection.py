"""One process's connection: what it says when NATS is not there, and how every publish is answered exactly once."""

import asyncio
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bus import connection
from bus.connection import CLOSED, NO_CONNECTION, NO_RESPONDERS, TIMED_OUT, ApiError, Bus, BusError, PubAck, PubFailure
from bus.streams import ForeignStream, ensure_shard, last_seq, log_state, read_record, trim
from tests.jetstream import LOG_BYTES_MAX, Server, store
from tests.processes import until


class Answers:
    """Collects the answers to publishes."""

    def __init__(self) -> None:
        self.got: list[PubAck | PubFailure] = []

    async def reach(self, count: int) -> None:
        await until(lambda: len(self.got) >= count)


async def disconnect(bus: Bus, server: Server) -> None:
    server.kill()
    await until(lambda: not bus.is_connected)


async def test_without_a_server_connecting_ends_in_one_sentence(tmp_path: Path) -> None:
    server = Server(tmp_path / "jetstream")
    sentence = rf"^no NATS server at {server.url} \(\w+\); start one, or name another with --nats$"
    with pytest.raises(BusError, match=sentence):
        await Bus.connect(server.url, name="test", patience_s=0.3)


async def test_a_server_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    server = Server(tmp_path / "jetstream")
    connecting = asyncio.create_task(Bus.connect(server.url, name="test"))
    await asyncio.sleep(0)
    server.start()
    bus = await connecting
    assert bus.is_connected
    await bus.close()
    server.kill()


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What nats-py reports to connections, such as each attempt to connect in vain."""
    errors: list[Exception] = []
    on_error = Bus._on_error

    async def note(bus: Bus, error: Exception) -> None:
        errors.append(error)
        await on_error(bus, error)

    monkeypatch.setattr(Bus, "_on_error", note)
    return errors


async def test_attempts_to_connect_in_vain_are_logged_once(tmp_path: Path, errors: list[Exception]) -> None:
    server = Server(tmp_path / "jetstream")
    with capture_logs() as logs:
        connecting = asyncio.create_task(Bus.connect(server.url, name="test"))
        await until(lambda: len(errors) > 2)
        server.start()
        await (await connecting).close()
        server.kill()
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("nats_unreachable", "warning"),
        ("nats_connected", "info"),
    ]
    assert logs[0]["error"].startswith("ConnectionRefusedError: ")


async def test_an_outage_is_logged_when_it_begins_and_when_it_ends(server: Server, errors: list[Exception]) -> None:
    bus = await Bus.connect(server.url, name="test")
    back = asyncio.Event()
    bus.on_reconnect(back.set)
    with capture_logs() as logs:
        for _ in range(2):
            back.clear()
            errors.clear()
            await disconnect(bus, server)
            await until(lambda: len(errors) > 2)
            server.start()
            async with asyncio.timeout(20):
                await back.wait()
        await bus.close()
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("nats_disconnected", "warning"),
        ("nats_reconnected", "info"),
    ] * 2
    assert logs[1]["away_s"] >= 0


async def test_a_stored_record_is_acknowledged_with_its_sequence(bus: Bus) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    answers = Answers()
    for number in range(3):
        bus.publish_acked("ord.0.A", b"%d" % number, answers.got.append)
    assert answers.got == []
    await answers.reach(3)
    assert answers.got == [PubAck(1), PubAck(2), PubAck(3)]
    stored = await read_record(bus, "ORD0", 2)
    assert stored is not None
    assert stored.payload == b"1"
    assert await read_record(bus, "ORD0", 4) is None


async def test_a_refused_record_is_answered_with_the_servers_code(bus: Bus) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    answers = Answers()
    bus.publish_acked("exec.0", b"x", answers.got.append, headers={"Nats-Expected-Last-Sequence": "5"})
    await answers.reach(1)
    assert answers.got == [PubFailure(10071, "wrong last sequence: 0")]


async def test_a_subject_of_no_stream_is_a_failure(bus: Bus) -> None:
    answers = Answers()
    bus.publish_acked("ord.0.A", b"x", answers.got.append)
    await answers.reach(1)
    assert answers.got == [PubFailure(NO_RESPONDERS, "no stream listens on this subject")]


async def test_while_disconnected_a_publish_fails_at_once_and_is_not_kept(bus: Bus, server: Server) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    back = asyncio.Event()
    bus.on_reconnect(back.set)
    await disconnect(bus, server)
    with pytest.raises(BusError, match=r"cannot publish to ord\.0\.A: \w+"):
        bus.publish_now("ord.0.A", b"lost")
    answers = Answers()
    bus.publish_acked("ord.0.A", b"lost", answers.got.append)
    assert answers.got == []  # never from within the call
    await answers.reach(1)
    assert answers.got == [NO_CONNECTION]
    server.start()
    async with asyncio.timeout(20):
        await back.wait()
    assert await store(bus, "ord.0.A", b"first") == 1


async def test_a_publish_that_was_on_its_way_fails_on_reconnection_and_a_later_one_is_answered(
    server: Server,
) -> None:
    bus = await Bus.connect(server.url, name="test", publish_timeout_s=60)
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    before, after = Answers(), Answers()
    server.pause()
    bus.publish_acked("ord.0.A", b"before", before.got.append)
    await disconnect(bus, server)
    server.start()
    await until(lambda: bus.is_connected)
    bus.publish_acked("ord.0.A", b"after", after.got.append)
    await before.reach(1)
    await after.reach(1)
    assert before.got == [NO_CONNECTION]
    assert isinstance(after.got[0], PubAck)
    await bus.close()


async def test_a_server_that_does_not_answer_is_a_time_out_and_a_late_answer_is_dropped(
    bus: Bus, server: Server
) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    answers = Answers()
    server.pause()
    bus.publish_acked("ord.0.A", b"slow", answers.got.append)
    await answers.reach(1)
    server.resume()
    assert await store(bus, "ord.0.A", b"next") == 2  # so the first was stored, and answered before this one
    assert answers.got == [TIMED_OUT]


async def test_closing_answers_what_is_still_awaited(server: Server) -> None:
    bus = await Bus.connect(server.url, name="other", publish_timeout_s=60)
    answers = Answers()
    server.pause()
    bus.publish_acked("ord.0.A", b"x", answers.got.append)
    server.resume()
    await bus.close()
    assert answers.got == [CLOSED]
    assert not bus.is_connected


async def test_a_request_that_nobody_answers_is_one_sentence(bus: Bus) -> None:
    with pytest.raises(BusError, match=r"^nobody listens to md-snapshot$"):
        await bus.request("md-snapshot", b"AAPL")


async def test_a_request_that_is_not_answered_in_time_is_one_sentence(bus: Bus) -> None:
    await bus.subscribe("md-snapshot", lambda *_: None)
    with pytest.raises(BusError, match=r"^no answer on md-snapshot: TimeoutError$"):
        await bus.request("md-snapshot", b"AAPL", timeout_s=0.05)


async def test_a_request_is_answered_by_whoever_subscribes(bus: Bus) -> None:
    def answer(_subject: str, payload: bytes, reply_subject: str) -> None:
        bus.publish_now(reply_subject, payload.lower())

    unsubscribe = await bus.subscribe("md-snapshot", answer)
    assert await bus.request("md-snapshot", b"AAPL") == b"aapl"
    await unsubscribe()
    with pytest.raises(BusError, match="nobody listens to md-snapshot"):
        await bus.request("md-snapshot", b"AAPL")


@pytest.mark.parametrize("times", [0, 1])
async def test_a_request_that_is_canceled_in_the_turn_of_its_answer_is_canceled(bus: Bus, times: int) -> None:
    """Also one that somebody makes who was canceled before, and cleans up."""
    asked: list[str] = []
    await bus.subscribe("question", lambda _subject, _payload, reply: asked.append(reply))

    async def ask() -> None:
        for _ in range(times):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await bus.request("question", b"", 30)

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    for _ in range(times):
        asking.cancel()
    await until(lambda: bool(asked))
    (answered,) = bus._client._resp_map.values()
    answered.add_done_callback(lambda _: asking.cancel())
    bus.publish_now(asked[0], b"answer")
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_who_was_canceled_may_still_ask(bus: Bus) -> None:
    await bus.subscribe("question", lambda _subject, _payload, reply: bus.publish_now(reply, b"answer"))

    async def ask() -> bytes:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return await bus.request("question", b"", 30)

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    asking.cancel()
    assert await asking == b"answer"


async def test_an_api_refusal_carries_its_code(bus: Bus) -> None:
    with pytest.raises(ApiError, match=r"\$JS\.API\.STREAM\.INFO\.ORD9: stream not found") as refusal:
        await last_seq(bus, "ORD9")
    assert refusal.value.err_code == 10059


async def test_a_payload_beyond_the_servers_bound_is_refused(bus: Bus) -> None:
    with pytest.raises(BusError, match=r"cannot publish to exec\.0: MaxPayloadError"):
        bus.publish_now("exec.0", bytes(bus.payload_bytes_max + 1))


async def test_what_is_published_together_arrives_in_order_behind_what_was_before(bus: Bus) -> None:
    got: list[tuple[str, bytes]] = []
    await bus.subscribe("md.*", lambda subject, payload, _: got.append((subject, payload)))
    bus.publish_now("md.A", b"0")
    messages = [("md.A" if number % 2 else "md.B", b"%d" % number) for number in range(1, 2000)]
    await bus.publish_all(messages)
    await until(lambda: len(got) == 2000)
    assert got == [("md.A", b"0"), *messages]


async def test_a_server_that_takes_nothing_any_more_is_a_failure_of_what_is_published_together(
    bus: Bus, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_PENDING_BYTES_MAX", 0)
    monkeypatch.setattr(bus._client, "flush", partial(bus._client.flush, 0.1))
    server.pause()
    try:
        with pytest.raises(BusError, match=r"^cannot publish to md\.TEST: FlushTimeoutError$"):
            await bus.publish_all([("md.TEST", b"x" * 1_000_000)] * 50)
    finally:
        server.resume()


async def test_two_subscriptions_of_a_subject_are_two(bus: Bus) -> None:
    got: dict[str, list[bytes]] = {"one": [], "other": []}
    await bus.subscribe("md.A", lambda _subject, payload, _reply: got["one"].append(payload))
    end = await bus.subscribe("md.A", lambda _subject, payload, _reply: got["other"].append(payload))
    bus.publish_now("md.A", b"1")
    await until(lambda: got == {"one": [b"1"], "other": [b"1"]})
    await end()
    bus.publish_now("md.A", b"2")
    await until(lambda: got["one"] == [b"1", b"2"])
    assert got["other"] == [b"1"]


async def test_nothing_of_what_is_published_together_goes_out_if_not_all_can(bus: Bus) -> None:
    got: list[bytes] = []
    await bus.subscribe("md.A", lambda _subject, payload, _reply: got.append(payload))
    with pytest.raises(BusError, match=r"cannot publish to md\.A: MaxPayloadError"):
        await bus.publish_all([("md.A", b"first"), ("md.A", bytes(bus.payload_bytes_max + 1))])
    bus.publish_now("md.A", b"next")
    await until(lambda: bool(got))
    assert got == [b"next"]


async def test_what_a_callback_raises_reaches_the_event_loop(bus: Bus) -> None:
    """So that the process ends, instead of going on without having done what the callback should have done."""
    contexts: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    await bus.subscribe("md.A", fail)
    bus.publish_now("md.A", b"")
    await until(lambda: bool(contexts))
    assert isinstance(contexts[0]["exception"], ZeroDivisionError)
    assert isinstance(contexts[0]["future"], asyncio.Task)


async def test_a_socket_that_has_just_been_closed_is_a_lost_connection(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop knows that it is closed some moments before nats-py is told."""

    def write(_payload: bytes) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    monkeypatch.setattr(bus._client._transport, "write", write)
    with pytest.raises(BusError, match="ConnectionClosedError"):
        bus.publish_now("md.A", b"")
    with pytest.raises(BusError, match="ConnectionClosedError"):
        await bus.publish_all([("md.A", b"")])
    answers = Answers()
    bus.publish_acked("ord.0.A", b"", answers.got.append)
    await answers.reach(1)
    assert answers.got == [NO_CONNECTION]
    monkeypatch.undo()
    bus.publish_now("md.A", b"")


async def test_the_logs_of_a_shard_are_made_once(bus: Bus) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    assert await store(bus, "ord.0.A", b"kept") == 1
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    assert await last_seq(bus, "ORD0") == 1


async def test_a_stream_of_somebody_else_is_refused(bus: Bus) -> None:
    await bus.request_json("$JS.API.STREAM.CREATE.EXEC0", {"name": "EXEC0", "subjects": ["executives"]})
    with pytest.raises(ForeignStream, match=r"stream EXEC0 holds \['executives'\], not exec\.0: .* use another NATS"):
        await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)


async def test_nothing_can_be_taken_out_of_a_log_but_its_beginning(bus: Bus) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    for payload in (b"trimmed", b"kept", b"kept"):
        await store(bus, "ord.0.A", payload)
    with pytest.raises(ApiError, match="message delete not permitted"):
        await bus.request_json("$JS.API.STREAM.MSG.DELETE.ORD0", {"seq": 1})
    await trim(bus, "ORD0", 2)
    state = await log_state(bus, "ORD0")
    assert (state.first_seq, state.last_seq, state.may_be_trimmed) == (2, 3, True)
    assert await read_record(bus, "ORD0", 1) is None
    assert await store(bus, "ord.0.A", b"next") == 4


async def test_trimming_what_is_gone_already_changes_nothing(bus: Bus) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    for _ in range(5):
        await store(bus, "ord.0.A", b"")
    await trim(bus, "ORD0", 4)
    await trim(bus, "ORD0", 2)
    assert (await log_state(bus, "ORD0")).first_seq == 4


async def test_a_record_says_when_it_was_stored(bus: Bus) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    before_ns = time.time_ns()
    await store(bus, "ord.0.A", b"")
    record = await read_record(bus, "ORD0", 1)
    assert record is not None
    assert before_ns - 1000 <= record.stored_ns <= time.time_ns()


async def test_a_log_that_was_made_when_purges_were_denied_cannot_be_trimmed_ever(bus: Bus) -> None:
    """What `may_be_trimmed` is about: JetStream refuses both the purge and the change of mind."""
    await bus.request_json(
        "$JS.API.STREAM.CREATE.ORD0", config := {"name": "ORD0", "subjects": ["ord.0.>"], "deny_purge": True}
    )
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    assert not (await log_state(bus, "ORD0")).may_be_trimmed
    with pytest.raises(ApiError, match="stream purge not permitted"):
        await trim(bus, "ORD0", 2)
    with pytest.raises(ApiError, match="can not cancel deny purge"):
        await bus.request_json("$JS.API.STREAM.UPDATE.ORD0", config | {"deny_purge": False})


async def test_a_full_log_refuses_the_newest_and_keeps_the_oldest(bus: Bus) -> None:
    await ensure_shard(bus, 0, max_bytes=10_000, replicas=1)
    answers = Answers()
    for _ in range(10):
        bus.publish_acked("ord.0.A", bytes(2_000), answers.got.append)
    await answers.reach(10)
    refused = [answer for answer in answers.got if isinstance(answer, PubFailure)]
    assert refused
    assert {answer.description for answer in refused} == {"maximum bytes exceeded"}
    assert await read_record(bus, "ORD0", 1) is not None
