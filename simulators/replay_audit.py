"""The verdict on a replay: both audits, the refusals and the final books, as one summary. Pure."""

from typing import Any

import msgspec

from matcher.orders import BUY, SELL, Side
from simulators.flow_audit import BookAudit, Difference, FillAudit
from simulators.replay_plan import ReplayPlan, TimedStep

SIDES: tuple[Side, ...] = (BUY, SELL)


class Summary(msgspec.Struct, frozen=True):
    """What `./outcry replay` prints, as one line of JSON."""

    files: list[str]
    symbols: int
    rows: int
    requests: int
    refused: int
    """Requests that the venue did not accept; the plan expects none."""
    executions: int
    """Rows that say that a recorded order traded."""
    executable: int
    """Of these, the ones whose order was the oldest at the best price, so that an order could hit it."""
    fills_expected: int
    fills_exact: int
    """Trades with exactly the resting order, price and quantity of the plan."""
    seeded: int
    """Stand-ins entered for orders that the files did not introduce."""
    corrected: int
    """Requests that canceled or reduced what the files no longer show."""
    requeued: int
    """Orders given another place in a queue, as an execution proved."""
    prices_moved: int
    """Recorded prices beyond the venue's range, sent as the highest ticks that there are."""
    books_recorded: int
    """Rows that came with a recorded book; for the others, the book follows from the rows."""
    books_compared: int
    books_equal: int
    final_books: int
    final_books_equal: int
    """Symbols whose whole book, order counts included, is as planned at the end."""
    duration_ms: int
    requests_per_s: int
    first_difference: Difference | None

    @property
    def is_as_recorded(self) -> bool:
        """Nothing differed."""
        return self.first_difference is None


class ReplayAudit:
    """Follows a replay from the first request to the last book."""

    def __init__(self, plan: ReplayPlan) -> None:
        self.fills = FillAudit()
        self.books = BookAudit()
        self.refused = 0
        self._plan = plan
        self._first_refusal: Difference | None = None
        self._increments: dict[str, int] = {}

    def begin(self, symbol: str, md_seq: int) -> None:
        """A symbol's book is empty after increment `md_seq`."""
        levels = self._plan.flow_of(symbol).recording.compared_levels
        self.books.begin(symbol, md_seq, compared_levels=levels)

    def expect(self, timed: TimedStep) -> None:
        """Learn what a row must bring, before its requests are sent."""
        event = timed.step.event
        if event.symbol not in self._plan.symbols:
            return  # a symbol of which the file only tells what nobody can see
        for request in timed.step.requests:
            self.fills.expect(event.row, request)
        self._increments[event.symbol] = timed.step.increments
        self.books.expect(event.symbol, event.row, timed.step.increments, timed.book)

    def on_refusal(self, cl_ord_id: str, text: str) -> None:
        """The venue did not accept a request."""
        self.refused += 1
        difference = Difference("", 0, f"{cl_ord_id} is accepted", text)
        self._first_refusal = self._first_refusal or difference

    @property
    def is_complete(self) -> bool:
        """All expected trades and increments have arrived."""
        return not self.fills.missing and all(
            self.books.is_current(symbol, increments) for symbol, increments in self._increments.items()
        )

    def finish(self, duration_ns: int) -> Summary:
        """Nothing more will come: compare the whole books and sum up."""
        self.fills.finish()
        self.books.finish()
        wrong = {symbol: wrong for symbol in self._increments if (wrong := self._final_difference(symbol))}
        differences = [self._first_refusal, self.fills.first_difference, self.books.first_difference, *wrong.values()]
        counts = self._plan.counts
        return Summary(
            files=[flow.recording.name for flow in self._plan.flows],
            symbols=len(self._plan.symbols),
            rows=counts.rows,
            requests=counts.requests,
            refused=self.refused,
            executions=counts.executions,
            executable=counts.executable,
            fills_expected=self.fills.expected,
            fills_exact=self.fills.exact,
            seeded=counts.seeded,
            corrected=counts.corrected,
            requeued=counts.requeued,
            prices_moved=sum(len(moved) for flow in self._plan.flows for moved in flow.moved_prices.values()),
            books_recorded=sum(flow.recorded_books for flow in self._plan.flows),
            books_compared=self.books.compared,
            books_equal=self.books.equal,
            final_books=len(self._increments),
            final_books_equal=len(self._increments) - len(wrong),
            duration_ms=duration_ns // 1_000_000,
            requests_per_s=counts.requests * 1_000_000_000 // max(duration_ns, 1),
            first_difference=next((difference for difference in differences if difference is not None), None),
        )

    def _final_difference(self, symbol: str) -> Difference | None:
        book = self._plan.flow_of(symbol).planner.book(symbol)
        for side in SIDES:
            expected = [(price, level.qty, len(level.orders)) for price, level in book.levels(side)]
            found = [(level.price, level.qty, level.order_count) for level in self.books.levels(symbol, side)]
            if found != expected:
                first = next(
                    (pair for pair in zip(expected, found, strict=False) if pair[0] != pair[1]),
                    (f"{len(expected)} levels", f"{len(found)} levels"),
                )
                return Difference(symbol, 0, f"at the end, side {side}: {first[0]}", str(first[1]))
        return None


def as_json(summary: Summary) -> str:
    """One line."""
    values: dict[str, Any] = msgspec.structs.asdict(summary)
    return msgspec.json.encode({"as_recorded": summary.is_as_recorded, **values}).decode()
