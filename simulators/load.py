"""
The load generator: orders over real FIX sessions at a given window or rate, and a report about it; `bench` prints it.

*Closed* (`--window K`): each session keeps K requests unanswered; measures how much the venue takes.
*Open* (`--rate R`): requests leave on a fixed schedule whatever the venue does, and latency counts from the scheduled
moment, so that a venue that stalls cannot hide it (no coordinated omission).
A request is answered by its first answer: 8, 9, j or 3.

A run is warm-up, measurement, waiting for what is unanswered, then cancelling what still rests.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec

from matcher.instruments import Instrument
from sessions.native.events import MemoryStore
from simulators.fix_client import FixClient, Received
from simulators.histogram import Histogram
from simulators.order_messages import Answer, read_answer, transact_time
from simulators.workload import Mix, Workload

ANSWER_TIMEOUT_S: Final = 10.0
"""How long to wait, after the last request, for answers that are still missing."""
UNANSWERED_MAX: Final = 100_000
"""Requests in flight in an open run; beyond it the schedule waits, and the wait counts as latency."""

_SENT_MESSAGES_KEPT: Final = 20_000
_BURST_MAX: Final = 1000  # requests sent in one go when the schedule is behind; then the answers have a turn
_TICK_MIN_S: Final = 50e-6
_CLEANUP_WINDOW: Final = 100
_POLL_S: Final = 0.01


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do to which venue."""

    host: str = "127.0.0.1"
    port: int = 9876
    begin_string: str = "FIX.4.4"
    target_comp_id: str = "OUTCRY"
    credentials: tuple[tuple[str, str], ...]
    """(CompID, password) of each session to use."""
    instruments: tuple[Instrument, ...]
    """Their reference prices are the middle of the price bands."""
    mix: Mix = Mix()
    seed: int = 1
    window: int = 100
    """Requests that each session keeps unanswered, in a closed run."""
    rate: int = 0
    """Requests a second over all sessions; 0 for a closed run."""
    warmup_s: float = 2.0
    seconds: float = 10.0
    """Length of the measurement."""
    orders: int = 0
    """End the measurement after this many requests, when not 0."""


class _Totals:
    """What all sessions of a run count together."""

    def __init__(self, orders_max: int) -> None:
        self._orders_max = orders_max
        self.is_measuring = False
        self.latencies = Histogram()
        """Of measured requests."""
        self.lags = Histogram()
        """In an open run: how much later than intended requests left, the generator's own fault."""
        self.sent = 0
        """Requests that left while measuring, as `answered`."""
        self.answered = 0
        self.answers = 0
        """What came in while measuring, whenever its request left; so all below."""
        self.reports = 0
        self.fills_by_side = Counter[str]()
        self.rejects = Counter[str]()
        self.last_answer_ns = 0

    @property
    def may_send(self) -> bool:
        """The limit of measured requests, if there is one, is not reached."""
        return not self._orders_max or not self.is_measuring or self.sent < self._orders_max

    def count(self, answer: Answer) -> None:
        """Count a message of the venue by its kind."""
        self.reports += answer.msg_type == "8"
        if answer.exec_type == "F":
            self.fills_by_side[answer.side] += 1
        if answer.is_refusal:
            self.rejects[answer.code] += 1


class _LoadSession:
    """One FIX session under load."""

    def __init__(self, workload: Workload, totals: _Totals) -> None:
        self.workload = workload
        self.pending: dict[str, tuple[int, int, bool]] = {}
        """By ClOrdID: intended at (ns, performance counter), MsgSeqNum, measured."""
        self.client: FixClient | None = None
        self._totals = totals
        self.on_answered: Callable[[_LoadSession], None] = _do_nothing

    @property
    def is_up(self) -> bool:
        return self.client is not None and self.client.is_up

    def lost_because(self) -> str:
        """Why the session ended; empty while it is up."""
        assert self.client is not None
        return self.client.closed.result() if self.client.closed.done() else ""

    async def log_on(self, plan: LoadPlan, comp_id: str, password: str) -> None:
        self.client = await FixClient.connect(
            plan.host,
            plan.port,
            begin_string=plan.begin_string,
            sender_comp_id=comp_id,
            target_comp_id=plan.target_comp_id,
            password=password,
            on_message=self._on_message,
            store=MemoryStore(messages_max=_SENT_MESSAGES_KEPT),
            reset=True,
        )

    def send_next(self, intended_ns: int) -> None:
        """Send the flow's next request; `intended_ns` is when it should have left."""
        request = self.workload.next_request(transact_time())
        totals = self._totals
        self._send(request.cl_ord_id, request.body, intended_ns, is_measured=totals.is_measuring)
        if totals.is_measuring:
            totals.sent += 1

    def send_cleanup(self) -> bool:
        """Cancel one resting order; False when none is left."""
        request = self.workload.next_cleanup(transact_time())
        if request is not None:
            self._send(request.cl_ord_id, request.body, time.perf_counter_ns(), is_measured=False)
        return request is not None

    def _send(self, cl_ord_id: str, body: str, intended_ns: int, *, is_measured: bool) -> None:
        assert self.client is not None
        number = self.client.send(body)
        self.pending[cl_ord_id] = (intended_ns, number, is_measured)

    def _on_message(self, message: Received) -> None:
        answer = read_answer(message.fields)
        if answer is None:
            return
        if answer.msg_type == "8":
            self.workload.on_answer(answer)
        totals = self._totals
        if totals.is_measuring:
            totals.count(answer)
        cl_ord_id = self._cl_ord_id_of(answer.ref_seq_num) if answer.ref_seq_num else answer.cl_ord_id
        request = self.pending.pop(cl_ord_id, None)
        if request is None:
            return
        intended_ns, _, is_measured = request
        totals.last_answer_ns = message.received_ns
        totals.answers += totals.is_measuring
        if is_measured:
            totals.answered += 1
            totals.latencies.record(message.received_ns - intended_ns)
        self.on_answered(self)

    def _cl_ord_id_of(self, msg_seq_num: int) -> str:
        # j and 3 name the request by its number; they are rare enough for a search.
        return next((cl_ord_id for cl_ord_id, (_, number, _) in self.pending.items() if number == msg_seq_num), "")


class _ClosedFlow:
    """Keeps a window of requests unanswered on each session."""

    def __init__(self, window: int, sessions: list[_LoadSession], totals: _Totals) -> None:
        self._window = window
        self._sessions = sessions
        self._totals = totals

    def start(self) -> None:
        """Fill each window."""
        for session in self._sessions:
            self.refill(session)

    def refill(self, session: _LoadSession) -> None:
        """Called after each answer."""
        while len(session.pending) < self._window and session.is_up and self._totals.may_send:
            session.send_next(time.perf_counter_ns())

    def stop(self) -> None:
        """The window is no longer refilled; the caller sees to that."""


class _OpenFlow:
    """Sends on schedule, sessions in turn, woken by the interval timer: an event loop's timers are too coarse."""

    def __init__(self, rate: int, sessions: list[_LoadSession], totals: _Totals) -> None:
        self._rate = rate
        self._sessions = sessions
        self._totals = totals
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._started_ns = 0

    def start(self) -> None:
        """Begin the schedule now."""
        self._started_ns = time.perf_counter_ns()
        self._loop.add_signal_handler(signal.SIGALRM, self._send_due)
        self._send_due()

    def refill(self, session: _LoadSession) -> None:
        """Nothing to do after an answer: the schedule alone decides."""

    def stop(self) -> None:
        """End the schedule."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._loop.remove_signal_handler(signal.SIGALRM)

    def _send_due(self) -> None:
        now_ns = time.perf_counter_ns()
        unanswered = sum(len(session.pending) for session in self._sessions)
        room = min(UNANSWERED_MAX - unanswered, _BURST_MAX)
        while (due_ns := self._due_ns()) <= now_ns and room > 0 and self._totals.may_send:
            session = self._sessions[self._count % len(self._sessions)]
            self._count += 1
            if session.is_up:
                session.send_next(due_ns)
                self._totals.lags.record(now_ns - due_ns)
                room -= 1
        signal.setitimer(signal.ITIMER_REAL, max((due_ns - now_ns) / 1e9, _TICK_MIN_S))

    def _due_ns(self) -> int:
        return self._started_ns + self._count * 1_000_000_000 // self._rate


class LoadRun:
    """One run of a plan; `run` does it."""

    def __init__(self, plan: LoadPlan, *, run_tag: str) -> None:
        """
        Prepare a run.

        Args:
            plan: What to do.
            run_tag: Part of each ClOrdID(11), so that no two runs against one venue share one.
        """
        self._plan = plan
        self._totals = _Totals(plan.orders)
        self._sessions = [
            _LoadSession(self._workload(run_tag, index), self._totals) for index in range(len(plan.credentials))
        ]

    async def run(self) -> dict[str, Any]:
        """
        Carry the plan out; returns the report that `./outcry bench` prints.

        Raises:
            FixClientError: A session cannot be opened; no request has been sent then.
        """
        try:
            for session, (comp_id, password) in zip(self._sessions, self._plan.credentials, strict=True):
                await session.log_on(self._plan, comp_id, password)
            measured_ns = await self._measure()
            await self._until(self._all_answered, ANSWER_TIMEOUT_S)
            unanswered = sum(len(session.pending) for session in self._sessions)
            await self._clean_up()
            errors = [reason for session in self._sessions if (reason := session.lost_because())]
        finally:
            await asyncio.gather(*(session.client.logout() for session in self._sessions if session.client))
        return self._report(measured_ns, unanswered, errors)

    def _workload(self, run_tag: str, index: int) -> Workload:
        plan = self._plan
        return Workload(
            prefix=f"{run_tag}-{index}-",
            instruments=list(plan.instruments),
            mix=plan.mix,
            seed=plan.seed * 1000 + index,
        )

    async def _measure(self) -> int:
        """Warm up and measure; returns how long was measured, in ns."""
        plan, totals = self._plan, self._totals
        flow: _OpenFlow | _ClosedFlow
        if plan.rate:
            flow = _OpenFlow(plan.rate, self._sessions, totals)
        else:
            flow = _ClosedFlow(plan.window, self._sessions, totals)
        self._after_answers(flow.refill)
        try:
            if plan.warmup_s:
                flow.start()
                await self._until(lambda: False, plan.warmup_s)
            totals.is_measuring = True
            started_ns = time.perf_counter_ns()
            if not plan.warmup_s:
                flow.start()
            await self._until(self._is_complete, plan.seconds)
            totals.is_measuring = False
            ended_ns = totals.last_answer_ns if self._is_complete() else time.perf_counter_ns()
        finally:
            flow.stop()
            self._after_answers(_do_nothing)
        return ended_ns - started_ns

    def _after_answers(self, act: Callable[[_LoadSession], None]) -> None:
        for session in self._sessions:
            session.on_answered = act

    def _is_complete(self) -> bool:
        return 0 < self._plan.orders <= self._totals.answered

    def _all_answered(self) -> bool:
        return not any(session.pending for session in self._sessions if session.is_up)

    async def _clean_up(self) -> None:
        """Cancel all that rests, a window at a time."""

        def refill(session: _LoadSession) -> None:
            while len(session.pending) < _CLEANUP_WINDOW and session.is_up and session.send_cleanup():
                pass

        self._after_answers(refill)
        for session in self._sessions:
            session.pending.clear()
            refill(session)
        await self._until(self._all_answered, ANSWER_TIMEOUT_S)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait for a condition, or for the time to pass, or for the last session to go down."""
        deadline_s = time.monotonic() + seconds
        # mostly a clock: an event for each answer would cost more than these looks
        while time.monotonic() < deadline_s and not condition() and any(session.is_up for session in self._sessions):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)

    def _report(self, measured_ns: int, unanswered: int, errors: list[str]) -> dict[str, Any]:
        plan, totals = self._plan, self._totals
        # A limited run ends with its last answer; otherwise requests of the warm-up answered meanwhile count as well,
        # in place of those that are measured but answered later.
        answers = totals.answered if plan.orders else totals.answers
        return {
            "config": {
                "target": f"{plan.host}:{plan.port}",
                "begin_string": plan.begin_string,
                "senders": [comp_id for comp_id, _ in plan.credentials],
                "symbols": [instrument.symbol for instrument in plan.instruments],
                "mode": {"rate": plan.rate} if plan.rate else {"window": plan.window},
                "mix": msgspec.to_builtins(plan.mix),
                "seed": plan.seed,
                "warmup_s": plan.warmup_s,
            },
            "seconds": round(measured_ns / 1e9, 3),
            "orders_sent": totals.sent,
            "orders_answered": totals.answered,
            "orders_per_s": round(answers * 1e9 / measured_ns),
            "unanswered": unanswered,
            "reports": totals.reports,
            "trades": max(totals.fills_by_side.values(), default=0),
            "rejects": dict(sorted(totals.rejects.items())),
            "latency_us": totals.latencies.summary_us(),
            "send_lag_us": totals.lags.summary_us() if plan.rate else None,
            "errors": errors,
        }


def _do_nothing(_session: _LoadSession) -> None:
    """After an answer, when nothing follows from it."""


def new_run_tag() -> str:
    """A short text that no other run on this venue has: the time in ms, in base 36."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    number, text = time.time_ns() // 1_000_000, ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text
