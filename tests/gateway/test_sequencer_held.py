"""While log or matcher do not answer: what is held, what is refused, and in which record, against a real server."""

import asyncio

from bus.connection import Bus, PubAck, PubFailure
from bus.records import OrdRecord, decode_ord
from bus.streams import ensure_shard, last_seq, read_record
from gateway.fix.news import Cause, Held
from matcher.commands import NewOrder
from tests.gateway.sequencer_desk import Desk
from tests.jetstream import LOG_BYTES_MAX, Server
from tests.processes import until

HOLD_MAX_S = 5.0


def order(desk: Desk, symbol: str, *, waited_s: float = 0.0) -> None:
    """A new order that was received so long ago, and a flush."""
    number = len(desk.sent) + 1
    request = NewOrder("S", 1, number, number - 1, number, "F", symbol, f"c-{number}", "", "1", "2", "0", 100, 5)
    desk.progress.begin(1, number)
    desk.sent.append(request)
    desk.sequencer.submit(request, desk.progress, waited_s=waited_s)
    desk.sequencer.flush()


def kinds(records: list[OrdRecord]) -> list[tuple[int, str]]:
    """Number of each record, and what is in it: D an order, R a refusal, and so on."""
    return [
        (record.record_number, "".join(str(type(each).__struct_config__.tag) for each in record.commands))
        for record in records
    ]


async def until_away(bus: Bus, server: Server) -> None:
    server.kill()
    await until(lambda: not bus.is_connected)


async def test_a_log_that_answers_is_not_silent(logs: Bus) -> None:
    desk = Desk(logs)
    now_s = asyncio.get_running_loop().time()
    assert (desk.sequencer.silence(now_s).seconds, desk.sequencer.held(now_s, 0)) == (0, {})
    desk.sequencer.note_answered(0, 1)  # EXEC may be faster than the acknowledgement
    desk.submit("A")
    await desk.drained()
    assert desk.sequencer.silence(now_s + 60).seconds == 0


async def test_what_is_held_is_told_by_session_and_of_silent_logs_only(logs: Bus, server: Server) -> None:
    desk = Desk(logs)
    await until_away(logs, server)
    desk.submit("A", "A", "B", "q")
    now_s = asyncio.get_running_loop().time()
    silence = desk.sequencer.silence(now_s + 2)
    assert (silence.seconds >= 2, silence.cause) == (True, Cause.LOG_SILENT)
    assert desk.sequencer.held(now_s + 2, 1) == {"S": Held(4, 1, 4)}
    assert desk.sequencer.held(now_s, 1) == {}
    server.start()
    await desk.drained()


async def test_what_the_log_has_and_no_matcher_answers_is_held_by_the_matcher(logs: Bus) -> None:
    desk = Desk(logs)
    for symbols in ("AA", "q", "X"):
        desk.submit(*symbols)
        await desk.drained()
    now_s = asyncio.get_running_loop().time() + 2
    assert desk.sequencer.silence(now_s).cause is Cause.MATCHER_SILENT
    assert desk.sequencer.held(now_s, 1) == {"S": Held(4, 1, 4)}
    desk.sequencer.note_answered(0, 1)
    assert desk.sequencer.held(now_s, 1) == {"S": Held(2, 3, 4)}
    desk.sequencer.note_answered(1, 2)
    assert desk.sequencer.held(now_s, 1) == {"S": Held(1, 3, 3)}
    desk.sequencer.note_answered(0, 2)
    assert desk.sequencer.silence(now_s).seconds == 0


async def test_an_order_on_its_way_is_refused_in_its_own_record_when_it_is_too_old(logs: Bus, server: Server) -> None:
    desk = Desk(logs)
    await until_away(logs, server)
    order(desk, "A")
    desk.submit("A")
    now_s = asyncio.get_running_loop().time()
    desk.sequencer.refuse_late(now_s + HOLD_MAX_S - 1)
    assert desk.metrics.held_too_long == 0
    for _ in range(2):
        desk.sequencer.refuse_late(now_s + HOLD_MAX_S + 1)
    assert desk.metrics.held_too_long == 1
    server.start()
    await desk.drained()
    assert kinds(await desk.records()) == [(1, "R"), (2, "H")]
    assert desk.progress.durable_msg_seq_num == 2


async def test_a_younger_order_in_the_same_record_is_not_refused(logs: Bus, server: Server) -> None:
    desk = Desk(logs)
    await until_away(logs, server)
    order(desk, "B")
    order(desk, "A", waited_s=3)
    order(desk, "A")
    now_s = asyncio.get_running_loop().time()
    desk.sequencer.refuse_late(now_s + HOLD_MAX_S - 2)
    server.start()
    await desk.drained()
    assert kinds(await desk.records()) == [(1, "D"), (2, "DD")]  # what waits is looked at when it is sent


async def test_what_waited_too_long_is_refused_when_it_is_sent_and_what_takes_risk_away_is_not(logs: Bus) -> None:
    desk = Desk(logs)
    order(desk, "A", waited_s=HOLD_MAX_S + 1)
    order(desk, "A", waited_s=HOLD_MAX_S + 1)
    order(desk, "A", waited_s=HOLD_MAX_S - 1)
    desk.submit("q")
    await desk.drained()
    assert kinds(await desk.records()) == [(1, "R"), (2, "RD"), (3, "q")]
    assert desk.metrics.held_too_long == 2


async def test_without_a_bound_nothing_is_refused(logs: Bus) -> None:
    desk = Desk(logs, hold_max_ms=0)
    order(desk, "A", waited_s=3600)
    await desk.drained()
    assert kinds(await desk.records()) == [(1, "D")]


async def test_a_paused_server_may_have_an_order_in_its_hands_and_then_that_is_what_counts(
    logs: Bus, server: Server
) -> None:
    desk = Desk(logs)
    server.pause()
    order(desk, "A")
    order(desk, "A")
    desk.sequencer.refuse_late(asyncio.get_running_loop().time() + HOLD_MAX_S + 1)
    server.resume()
    await desk.drained()
    taken = dict(reversed(kinds(await desk.records())))  # of each number the first
    assert taken == {1: "D", 2: "D"}  # the second was sent when the first was stored, before it was too old
    assert desk.progress.durable_msg_seq_num == 2


async def test_a_full_log_says_so_holds_what_comes_and_takes_it_when_there_is_room(bus: Bus) -> None:
    for shard in range(2):
        await ensure_shard(bus, shard, max_bytes=1 << 20, replicas=1)
    while isinstance(await publish(bus, b"x" * 100_000), PubAck):
        pass
    while isinstance(await publish(bus, b"x"), PubAck):
        pass
    desk = Desk(bus)
    order(desk, "A")
    desk.submit("A")
    loop = asyncio.get_running_loop()
    await until(lambda: desk.sequencer.silence(loop.time()).cause is Cause.LOG_FULL)
    assert desk.sequencer.held(loop.time(), 0) == {"S": Held(2, 1, 2)}
    desk.sequencer.refuse_late(loop.time() + HOLD_MAX_S + 1)
    config = (await bus.request_json("$JS.API.STREAM.INFO.ORD0"))["config"]
    await bus.request_json("$JS.API.STREAM.UPDATE.ORD0", config | {"max_bytes": LOG_BYTES_MAX})
    await desk.drained()
    first = await last_seq(bus, "ORD0") - 1
    reader = [await read_record(bus, "ORD0", seq) for seq in (first, first + 1)]
    assert kinds([decode_ord(message.payload) for message in reader if message]) == [(1, "R"), (2, "H")]
    desk.sequencer.note_answered(0, first + 1)
    assert desk.sequencer.silence(loop.time()) == (0, Cause.LOG_SILENT)


async def publish(bus: Bus, payload: bytes) -> PubAck | PubFailure:
    answer: asyncio.Future[PubAck | PubFailure] = asyncio.get_running_loop().create_future()
    bus.publish_acked("ord.0.A", payload, answer.set_result)
    return await answer
