"""Reports once more from EXEC of a real server: what a span has, where it is cut, what is refused, whose turn it is."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from bus import background
from bus.connection import Bus
from bus.records import encode_exec
from bus.streams import ensure_shard, last_seq, trim
from bus.subjects import exec_stream, exec_subject
from gateway.drop_copy import replay
from gateway.drop_copy.replay import WAITING_MAX, Outcome, Replayer
from gateway.drop_copy.spans import Span
from matcher.events import Event, OrderAccepted, PrivateEvent
from matcher.orders import OrderState
from tests.jetstream import LOG_BYTES_MAX, store
from tests.processes import until

S = "FIX.4.4:DC"
ORDER = OrderState(1, "FIX.4.4:A1", "F", "a", "", "TEST", "1", "2", "0", 5, 10, 10, 0, 0, "0")


class Request:
    """Whose every event is its ExecID."""

    def __init__(
        self,
        *spans: Span,
        session_id: str = S,
        joins: bool = False,
        wants: Callable[[PrivateEvent], bool] = lambda _event: True,
    ) -> None:
        self.wants = wants
        self.session_id = session_id
        self.spans: Sequence[Span] = spans
        self.shards = [span.shard for span in spans]
        self.joins = joins
        self.begun: dict[int, int] | None = None
        self.refused = ""
        self.joined: dict[int, int] = {}
        self.outcome: Outcome | None = None

    def begin(self, last_input_seqs: dict[int, int]) -> None:
        self.begun = last_input_seqs

    def refuse(self, span: Span, fault: str) -> None:
        self.refused = f"{span.shard}: {fault}"

    def body_of(self, event: Event, shard: int) -> str | None:
        assert isinstance(event, OrderAccepted)
        if not self.wants(event):
            return None
        return f"{shard}-{event.input_seq}-{event.event_index}"

    def join(self, shard: int, exec_seq: int) -> None:
        self.joined[shard] = exec_seq

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome


class House:
    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.positions = [0, 0]
        self.sent: list[str] = []
        self.up = {S}
        self.replayer = Replayer(bus, self.positions, send=self._send, sessions_up=lambda: self.up)

    def _send(self, _session_id: str, bodies: list[str]) -> None:
        self.sent += bodies

    async def write(self, shard: int, first: int, last: int, *names: tuple[int, int], at_ns: int = 0) -> None:
        """One record that answers inputs `first` to `last` with events of these inputs and indexes."""
        events: list[Event] = [OrderAccepted(seq, index, at_ns or seq, "", ORDER) for seq, index in names]
        record = encode_exec(
            shard=shard, leader_epoch=1, first_input_seq=first, last_input_seq=last, events=events, increments=[]
        )
        await store(self.bus, exec_subject(shard), record)
        self.positions[shard] += 1

    async def ask(
        self, *spans: Span, joins: bool = False, wants: Callable[[PrivateEvent], bool] = lambda _event: True
    ) -> Request:
        request = Request(*spans, joins=joins, wants=wants)
        assert self.replayer.submit(request)
        await until(lambda: request.outcome is not None or request.refused != "")
        return request


@pytest.fixture
async def house(bus: Bus) -> AsyncIterator[House]:
    for shard in range(2):
        await ensure_shard(bus, shard, max_bytes=LOG_BYTES_MAX, replicas=1)
    house = House(bus)
    keeping = background.start(house.replayer.keep(), name="replay")
    yield house
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_a_span_of_inputs_is_sent_and_nothing_else(house: House) -> None:
    for seq in range(1, 30, 3):
        await house.write(0, seq, seq + 2, (seq, 0), (seq, 1), (seq + 2, 0))
    request = await house.ask(Span(0, 4, 7))
    assert house.sent == ["0-4-0", "0-4-1", "0-6-0", "0-7-0", "0-7-1"]
    assert request.begun == {0: 30}
    assert request.outcome == Outcome(5, {0: 7}, False, "")


@pytest.mark.parametrize("begin", range(1, 13))
async def test_a_span_may_begin_at_any_input_also_within_a_long_answer(house: House, begin: int) -> None:
    """An answer in parts: each says from which input on, and only the last how far."""
    await house.write(0, 1, 3, (1, 0), (2, 0), (3, 0))
    for seq in range(4, 9):
        await house.write(0, 4, 3, (seq, 0))
    await house.write(0, 4, 8)
    await house.write(0, 9, 8)  # a new leader's first record
    await house.write(0, 9, 12, (9, 0), (12, 0))
    await house.ask(Span(0, begin))
    inputs = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12]
    assert house.sent == [f"0-{seq}-0" for seq in inputs if seq >= begin]


async def test_shards_follow_one_another(house: House) -> None:
    await house.write(0, 1, 1, (1, 0))
    await house.write(1, 1, 1, (1, 0))
    await house.write(1, 2, 2, (2, 0))
    request = await house.ask(Span(1, 2), Span(0))
    assert house.sent == ["1-2-0", "0-1-0"]
    assert request.outcome == Outcome(2, {1: 2, 0: 1}, False, "")


async def test_a_span_of_time_goes_by_when_the_requests_were_received(house: House) -> None:
    now_ns = 1_767_605_400_000_000_000
    for seq in range(1, 6):
        await house.write(0, seq, seq, (seq, 0), at_ns=now_ns + seq)
    await house.ask(Span(0, begin_ns=now_ns + 2, end_ns=now_ns + 5))
    assert house.sent == ["0-2-0", "0-3-0", "0-4-0"]


async def test_a_request_is_cut_behind_a_whole_input_and_says_where(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "REPORTS_MAX", 4)
    await house.write(0, 1, 2, (1, 0), (1, 1), (1, 2), (2, 0))
    await house.write(0, 3, 3, (3, 0))
    await house.write(1, 1, 1, (1, 0))
    request = await house.ask(Span(0), Span(1))
    assert house.sent == ["0-1-0", "0-1-1", "0-1-2", "0-2-0"]
    assert request.outcome == Outcome(4, {0: 2}, True, "")
    house.sent.clear()
    await house.ask(Span(0, 3), Span(1))
    assert house.sent == ["0-3-0", "1-1-0"]


async def test_one_input_is_not_divided_however_much_it_brought(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "REPORTS_MAX", 2)
    await house.write(0, 1, 2, *((1, index) for index in range(5)), (2, 0))
    request = await house.ask(Span(0))
    assert len(house.sent) == 5
    assert request.outcome == Outcome(5, {0: 1}, True, "")


async def test_what_was_not_handed_over_yet_is_not_read(house: House) -> None:
    await house.write(0, 1, 1, (1, 0))
    await house.write(0, 2, 2, (2, 0))
    house.positions[0] = 1
    await house.ask(Span(0))
    assert house.sent == ["0-1-0"]
    request = await house.ask(Span(0, 2))
    assert request.refused == "0: the newest input of shard 0 is 1; ask for older ones"


async def test_a_request_that_joins_is_read_to_where_the_gateway_stands(house: House) -> None:
    await house.write(0, 1, 1, (1, 0))
    request = await house.ask(Span(0), Span(1), joins=True)
    assert house.sent == ["0-1-0"]
    assert request.joined == {0: 1, 1: 0}


async def test_what_was_trimmed_is_refused_and_the_rest_is_there(house: House) -> None:
    for seq in range(1, 10):
        await house.write(0, seq, seq, (seq, 0))
    await trim(house.bus, exec_stream(0), 5)
    assert await last_seq(house.bus, exec_stream(0)) == 9
    request = await house.ask(Span(0, 4))
    assert request.refused == "0: the log of shard 0 does not go back so far any more; ask from a later place on"
    request = await house.ask(Span(0, begin_ns=1))
    assert request.refused.startswith("0: the log of shard 0 does not go back so far")
    await house.ask(Span(0, 5, 6))
    await house.ask(Span(0))
    assert house.sent == ["0-5-0", "0-6-0", *(f"0-{seq}-0" for seq in range(5, 10))]


async def test_an_empty_log_has_nothing(house: House) -> None:
    request = await house.ask(Span(0), Span(1))
    assert request.begun == {0: 0, 1: 0}
    assert request.outcome == Outcome(0, {}, False, "")


async def test_so_many_requests_of_a_session_may_wait_and_end_with_it(house: House) -> None:
    requests = [Request(Span(0)) for _ in range(WAITING_MAX + 1)]
    assert [house.replayer.submit(request) for request in requests] == [True] * WAITING_MAX + [False]
    assert house.replayer.submit(Request(Span(0), session_id="FIX.4.4:OTHER"))
    house.replayer.forget(S)
    assert house.replayer.submit(requests[-1])
    await until(lambda: requests[-1].outcome is not None)
    assert [request.outcome for request in requests[:-1]] == [None] * WAITING_MAX


async def test_sessions_take_turns_however_many_requests_one_of_them_has(house: House) -> None:
    others = ["FIX.4.4:B", "FIX.4.4:C"]
    house.up.update(others)
    served: list[str] = []
    requests = [Request(Span(0), session_id=session_id) for session_id in [S] * 3 + others + [others[0]]]
    await house.write(0, 1, 1, (1, 0))
    for request in requests:
        request.wants = lambda _event, request=request: not served.append(request.session_id)  # type: ignore[misc]
        assert house.replayer.submit(request)
    await until(lambda: all(request.outcome is not None for request in requests))
    assert served == [S, *others, S, others[0], S]


async def test_a_request_that_has_just_so_many_reports_is_whole(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes behind them and is not wanted does not cut it."""
    monkeypatch.setattr(replay, "REPORTS_MAX", 2)
    for seq in range(1, 5):
        await house.write(0, seq, seq, (seq, 0), (seq, 1))
    request = await house.ask(Span(0), wants=lambda event: event.input_seq <= 2 and event.event_index == 1)
    assert house.sent == ["0-1-1", "0-2-1"]
    assert request.outcome == Outcome(2, {0: 4}, False, "")


async def test_a_cut_within_an_input_that_began_with_something_unwanted_is_before_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "REPORTS_MAX", 2)
    for seq in range(1, 5):
        await house.write(0, seq, seq, (seq, 0), (seq, 1))
    request = await house.ask(Span(0), wants=lambda event: event.event_index == 1)
    assert house.sent == ["0-1-1", "0-2-1"]
    assert request.outcome == Outcome(2, {0: 2}, True, "")


@pytest.mark.parametrize("ends", ["logout", "withdrawal"])
async def test_a_request_ends_in_the_middle_even_if_its_session_is_up_again_at_once(house: House, ends: str) -> None:
    for seq in range(1, 4):
        await house.write(0, seq, seq, (seq, 0))
    request = Request(Span(0))

    def end(event: PrivateEvent) -> bool:
        if event.input_seq == 1:
            house.replayer.forget(S) if ends == "logout" else house.replayer.withdraw(request)
        return True

    request.wants = end
    other = Request(Span(1), session_id="FIX.4.4:OTHER")
    house.up.add(other.session_id)
    assert house.replayer.submit(request)
    assert house.replayer.submit(other)
    await until(lambda: other.outcome is not None)
    assert (request.begun, request.outcome) == ({0: 3}, None)
    assert house.sent == []


async def test_who_is_gone_is_sent_nothing(house: House) -> None:
    await house.write(0, 1, 1, (1, 0))
    gone = Request(Span(0))
    house.up.clear()
    assert house.replayer.submit(gone)
    house.up.add("FIX.4.4:OTHER")
    other = Request(Span(0), session_id="FIX.4.4:OTHER")
    assert house.replayer.submit(other)
    await until(lambda: other.outcome is not None)
    assert (gone.begun, gone.outcome) == (None, None)
    assert house.sent == ["0-1-0"]
