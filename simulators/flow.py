"""
Recorded rows into requests, pure: what to ask a venue so that its book lives through what the file says.

One row becomes a `Step`, the requests that it needs, in order:

| row | requests |
|---|---|
| new | limit order, DAY |
| reduce, resize to less | replace to the smaller total, which keeps its place in the queue |
| delete | cancel |
| execute | opposite immediate-or-cancel order of that size and price, which must fill exactly the recorded order |
| nothing (hidden trade, halt) | none |

Files are windows on a longer day, so the planner also sends what the file leaves out:

- The first recorded book is entered as *stand-ins*, one order per level; a row about an order that the file never
  introduced is a row about the stand-in at its price, and where there is none, an execution enters one first.
- Orders that the file proves gone are canceled: nothing rests through the price of a new order, unless the file
  records takers (`Recording.takers_are_recorded`), and nothing better than an executed order rests beside it.
- A file of few levels says nothing of what lies deeper. With `corrected_levels`, after each row those levels are
  brought into line with the recorded book by stand-ins and cancels, and an executed order is given the place in the
  queue that its execution proves. `PlannerCounts` says how often.

Every accepted request changes the public book, and a matcher publishes exactly one increment for such a command, as no
recorded request touches more than the 3500 levels and trades that fit into one (`INCREMENT_ENTRIES_MAX`). So
`Step.increments` (how many the symbol must have published after the row) follows from the plan alone.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from matcher.orders import BUY, DAY, IMMEDIATE_OR_CANCEL, SELL, Side
from simulators.flow_requests import AnyRequest, CancelRequest, ExpectedFill, NewRequest, ReplaceRequest
from simulators.recorded.rows import FlowEvent, FlowKind, RecordedBook
from simulators.shadow_book import ShadowBook, ShadowOrder

CL_ORD_ID_LENGTH_MAX: Final = 36


class Step(msgspec.Struct, frozen=True):
    """One row, and what it takes."""

    event: FlowEvent
    requests: tuple[AnyRequest, ...]
    increments: int
    """How many increments the symbol has published, since the replay began, when the row is done."""


class PlannerCounts(msgspec.Struct):
    """What a plan was made of."""

    rows: int = 0
    requests: int = 0
    executions: int = 0
    """Rows that say that a recorded order traded."""
    executable: int = 0
    """Of these, the ones whose order is the oldest at the best price: they are sent, and must fill it exactly."""
    seeded: int = 0
    """Stand-ins entered for orders that the file did not introduce."""
    corrected: int = 0
    """Requests that canceled or reduced what the file no longer shows."""
    requeued: int = 0
    """Orders sent behind an executed one, in files that do not show when each order joined its queue."""
    nothing_left: int = 0
    """Rows about an order of which nothing is left here, since it traded or was never seen: no request."""


class Planner:
    """Plans for all symbols of one recording."""

    def __init__(self, *, id_prefix: str, takers_are_recorded: bool = False, corrected_levels: int = 0) -> None:
        """
        Begin with empty books.

        Args:
            id_prefix: Begins each ClOrdID, so that two runs on one day differ; at most 12 characters.
            takers_are_recorded: See `Recording.takers_are_recorded`.
            corrected_levels: Levels brought into line with the recorded book after each row.
        """
        self.counts = PlannerCounts()
        self._ids = _ClOrdIds(id_prefix)
        self._takers_are_recorded = takers_are_recorded
        self._corrected_levels = corrected_levels
        self._symbols: dict[str, _SymbolPlanner] = {}

    def book(self, symbol: str) -> ShadowBook:
        """What the venue must hold for a symbol when all steps are done."""
        return self._planner(symbol).book

    def symbols(self) -> list[str]:
        """The symbols met so far, in the order of the file."""
        return list(self._symbols)

    def plan(self, event: FlowEvent) -> Step:
        """The requests of one row; rows come in the file's order."""
        planner = self._planner(event.symbol)
        requests = tuple(planner.plan(event))
        self.counts.rows += 1
        self.counts.requests += len(requests)
        return Step(event, requests, planner.increments)

    def _planner(self, symbol: str) -> "_SymbolPlanner":
        planner = self._symbols.get(symbol)
        if planner is None:
            planner = self._symbols[symbol] = _SymbolPlanner(
                symbol, self._ids, self.counts, self._takers_are_recorded, self._corrected_levels
            )
        return planner


class _ClOrdIds:
    """ClOrdIDs that are unique in the run and still show the recorded id."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._count = 0

    def next(self, order_ref: str) -> str:
        self._count += 1
        return f"{self._prefix}-{self._count}-{order_ref or 'seed'}"[:CL_ORD_ID_LENGTH_MAX]


class _SymbolPlanner:
    """One symbol: the shadow book, and the recorded orders in it."""

    def __init__(
        self, symbol: str, ids: _ClOrdIds, counts: PlannerCounts, takers_are_recorded: bool, corrected_levels: int
    ) -> None:
        self.book = ShadowBook()
        self.increments = 0
        self._symbol = symbol
        self._ids = ids
        self._counts = counts
        self._takers_are_recorded = takers_are_recorded
        self._corrected_levels = corrected_levels
        self._is_seeded = False
        self._orders: dict[str, ShadowOrder] = {}

    def plan(self, event: FlowEvent) -> Iterator[AnyRequest]:
        for request in self._requests(event):
            self.increments += 1
            yield request

    def _requests(self, event: FlowEvent) -> Iterator[AnyRequest]:
        if event.book is not None and not self._is_seeded:
            # The first recorded book is the state after its row, so it stands for the row as well.
            self._is_seeded = True
            yield from self._correct(event.book)
            return
        match event.kind:
            case FlowKind.NEW:
                yield from self._new(event)
            case FlowKind.REDUCE:
                yield from self._less(event, event.qty)
            case FlowKind.RESIZE:
                yield from self._resize(event)
            case FlowKind.DELETE:
                yield from self._delete(event)
            case FlowKind.EXECUTE:
                yield from self._execute(event)
        if event.book is not None and self._corrected_levels:
            yield from self._correct(event.book.top(self._corrected_levels))

    # --- what a row says happened

    def _new(self, event: FlowEvent) -> Iterator[AnyRequest]:
        assert event.side is not None
        if not self._takers_are_recorded:
            opposite: Side = SELL if event.side == BUY else BUY
            just_beyond = event.price + (1 if event.side == BUY else -1)
            for order in self.book.better_than(opposite, just_beyond):
                yield self._remove(order)
                self._counts.corrected += 1
        yield self._enter(event.order_ref, event.side, event.price, event.qty)

    def _less(self, event: FlowEvent, qty: int) -> Iterator[AnyRequest]:
        """An order shows `qty` less."""
        for order, part in self._holders(event, qty):
            yield self._shrink(order, part)

    def _resize(self, event: FlowEvent) -> Iterator[AnyRequest]:
        order = self._orders.get(event.order_ref)
        if order is None:
            self._counts.nothing_left += 1
        elif event.qty < order.leaves_qty:
            yield self._shrink(order, order.leaves_qty - event.qty)

    def _delete(self, event: FlowEvent) -> Iterator[AnyRequest]:
        order = self._orders.get(event.order_ref)
        if order is not None:
            yield self._remove(order)
        else:
            yield from self._less(event, event.qty)

    def _execute(self, event: FlowEvent) -> Iterator[AnyRequest]:
        self._counts.executions += 1
        order = self._orders.get(event.order_ref)
        side, price = (order.side, order.price) if order is not None else (event.side, event.price)
        if side is None:
            self._counts.nothing_left += 1
            return
        for stale in self.book.better_than(side, price):
            yield self._remove(stale)
            self._counts.corrected += 1
        if order is None or self._corrected_levels:
            yield from self._seed_missing(order, side, price, event.qty)
        if self._corrected_levels:
            yield from self._bring_to_front(order, side, price, event.qty)
        givers = self._givers(order, side, price, event.qty)
        if self._are_oldest(givers, side, price) and sum(giver.leaves_qty for giver in givers) >= event.qty:
            self._counts.executable += 1
            yield self._take(event, side, price)
        else:
            yield from self._less(event, event.qty)

    def _seed_missing(self, order: ShadowOrder | None, side: Side, price: int, qty: int) -> Iterator[AnyRequest]:
        """Let an execution of unknown orders, or of more than is left of a known one, find its quantity."""
        missing = qty - sum(giver.leaves_qty for giver in self._givers(order, side, price, qty))
        if missing > 0:
            self._counts.seeded += 1
            yield self._enter("", side, price, missing)

    def _givers(self, order: ShadowOrder | None, side: Side, price: int, qty: int) -> list[ShadowOrder]:
        """Who must trade for a row: its order; stand-ins for an unknown one, or for what it lacks where we correct."""
        givers = [] if order is None else [order]
        if order is None or self._corrected_levels:
            for stand_in in self._stand_ins(side, price):
                if sum(giver.leaves_qty for giver in givers) < qty:
                    givers.append(stand_in)
        return givers

    def _are_oldest(self, givers: list[ShadowOrder], side: Side, price: int) -> bool:
        return bool(givers) and self._queue(side, price)[: len(givers)] == givers

    def _bring_to_front(self, order: ShadowOrder | None, side: Side, price: int, qty: int) -> Iterator[AnyRequest]:
        """
        Send behind all that stands before the givers, stand-ins first and else in their order.

        The execution proves that nobody stood there: we had guessed wrong about what the file does not show.
        """
        givers, queue = self._givers(order, side, price, qty), self._queue(side, price)
        if self._are_oldest(givers, side, price):
            return
        last = max(map(queue.index, givers))
        first = 0 if order is None else queue.index(order)
        in_place = [giver for giver in givers if queue.index(giver) >= first]
        obstacles = [resting for resting in queue[:last] if resting not in in_place]
        for obstacle in sorted(obstacles, key=lambda resting: not resting.is_stand_in):
            leaves_qty = obstacle.leaves_qty
            yield self._remove(obstacle)
            yield self._enter(obstacle.order_ref, side, price, leaves_qty)
            self._counts.requeued += 1

    def _holders(self, event: FlowEvent, qty: int) -> Iterator[tuple[ShadowOrder, int]]:
        """Which orders here give up `qty` for a row: its own order, or else the stand-ins at its price."""
        order = self._orders.get(event.order_ref)
        if order is not None:
            candidates = [order]
        elif event.side is not None:
            candidates = self._stand_ins(event.side, event.price)
        else:
            candidates = []
        if not candidates:
            self._counts.nothing_left += 1
        for candidate in candidates:
            part = min(qty, candidate.leaves_qty)
            qty -= part
            if part:
                yield candidate, part

    def _queue(self, side: Side, price: int) -> list[ShadowOrder]:
        """The orders at a price, the oldest first."""
        level = self.book.level(side, price)
        return [] if level is None else list(level.orders.values())

    def _stand_ins(self, side: Side, price: int) -> list[ShadowOrder]:
        return [order for order in self._queue(side, price) if order.is_stand_in]

    # --- what a recorded book says there is

    def _correct(self, book: RecordedBook) -> Iterator[AnyRequest]:
        """Bring the recorded levels into line; first all that goes, so that nothing new can trade."""
        sides: tuple[tuple[Side, tuple[tuple[int, int], ...]], ...] = ((BUY, book.bids), (SELL, book.asks))
        for side, levels in sides:
            yield from self._remove_surplus(side, dict(levels))
        for side, levels in sides:
            for price, qty in levels:
                level = self.book.level(side, price)
                missing = qty - (level.qty if level is not None else 0)
                if missing > 0:
                    self._counts.seeded += 1
                    yield self._enter("", side, price, missing)

    def _remove_surplus(self, side: Side, recorded: dict[int, int]) -> Iterator[AnyRequest]:
        if not recorded:
            return
        worst = min(recorded) if side == BUY else max(recorded)
        beyond = worst - 1 if side == BUY else worst + 1
        surplus = {
            price: level.qty - recorded.get(price, 0) for price, level in self.book.levels_better_than(side, beyond)
        }
        for price, qty in surplus.items():
            level = self.book.level(side, price)
            assert level is not None
            # Stand-ins first: the file may still speak of the orders that it introduced.
            for order in sorted(level.orders.values(), key=lambda order: not order.is_stand_in):
                part = min(qty, order.leaves_qty)
                if part <= 0:
                    break
                qty -= part  # noqa: PLW2901 - what is left to remove at this price
                self._counts.corrected += 1
                yield self._shrink(order, part)

    # --- requests, each of which changes the shadow book as it will change the venue's

    def _enter(self, order_ref: str, side: Side, price: int, qty: int) -> NewRequest:
        cl_ord_id = self._ids.next(order_ref)
        fills = self._match(side, price, qty)
        leaves_qty = qty - sum(fill.qty for fill in fills)
        if leaves_qty:
            order = ShadowOrder(order_ref, cl_ord_id, side, price, qty, leaves_qty)
            self.book.add(order)
            if order_ref:
                self._orders[order_ref] = order
        return NewRequest(cl_ord_id, self._symbol, side, price, qty, DAY, fills)

    def _take(self, event: FlowEvent, side: Side, price: int) -> NewRequest:
        taker_side: Side = SELL if side == BUY else BUY
        cl_ord_id = self._ids.next(f"take{event.row}")
        fills = self._match(taker_side, price, event.qty)
        return NewRequest(cl_ord_id, self._symbol, taker_side, price, event.qty, IMMEDIATE_OR_CANCEL, fills)

    def _match(self, side: Side, price: int, qty: int) -> tuple[ExpectedFill, ...]:
        fills = self.book.match(side, price, qty)
        for fill in fills:
            self._forget_finished(fill.order)
        return tuple(ExpectedFill(fill.order.cl_ord_id, fill.order.price, fill.qty) for fill in fills)

    def _shrink(self, order: ShadowOrder, qty: int) -> AnyRequest:
        """Take `qty` off an order: a replace, or a cancel when nothing would be left."""
        if qty == order.leaves_qty:
            return self._remove(order)
        orig_cl_ord_id, order.cl_ord_id = order.cl_ord_id, self._ids.next(order.order_ref)
        order.qty -= qty
        self.book.reduce(order, qty)
        return ReplaceRequest(order.cl_ord_id, self._symbol, order.side, orig_cl_ord_id, order.price, order.qty)

    def _remove(self, order: ShadowOrder) -> CancelRequest:
        self.book.reduce(order, order.leaves_qty)
        self._forget_finished(order)
        return CancelRequest(self._ids.next(order.order_ref), self._symbol, order.side, order.cl_ord_id)

    def _forget_finished(self, order: ShadowOrder) -> None:
        if not order.leaves_qty and not order.is_stand_in:
            del self._orders[order.order_ref]
