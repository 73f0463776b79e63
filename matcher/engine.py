"""
The matching engine of one shard: commands in, events out, nothing else.

Theory of operation. An engine is a pure function with memory: it reads no clock, draws no random number and does no
I/O, so the same commands give the same events, byte for byte, in every process and at every replay. Its memory has
three parts: `Admission` knows what was seen already, `OrderIndex` which orders exist under which ClOrdIDs, one `Book`
per symbol which of them rest where. `OrderState` is the only form of an order: immutable, replaced whole at each step
(`transitions`), and carried by the event that tells of the step. A command is validated completely before anything is
touched; then it is done in the one order in which its events tell it. Each command that changes the public view of
its symbol ends in one `MarketDataIncrement`, or in several in a row when it changes more than one message can hold;
they are cut so that readers never see a crossed book, not even in between.

The rules.

- Price-time priority; every trade is at the resting order's price; the incoming side is told first.
- A limit order of DAY or GOOD_TILL_CANCEL rests with what is left. IMMEDIATE_OR_CANCEL and market orders take what
  there is and the rest is canceled; FILL_OR_KILL trades whole or not at all; a market order that meets an empty side is
  refused.
- A replace keeps the OrderID(37). A smaller total at the same price keeps its place in the queue (so does a new
  TimeInForce(59)); a larger total or another price goes to the back, and trades at once if it crosses. A total that is
  filled already ends the order as FILLED. Only a LIMIT order of DAY or GOOD_TILL_CANCEL can be asked for.
- OrigClOrdID(41) names the last accepted ClOrdID(11) of the order. One that a replace has retired is TOO_LATE, not
  UNKNOWN_ORDER: the answer carries the OrderID and OrdStatus(39), and no client takes a live order for dead.
- Any session of a firm may cancel, replace or ask for any order of the firm; the reports of its fills stay with the
  session that entered it. An OrderStatusRequest(H) may use any ClOrdID that led to the order.
- A refused request uses up nothing, its ClOrdID(11) included; a ClOrdID that was used is refused while it is
  remembered, and the order that has it is left alone.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final, Self, assert_never

from matcher.admission import NO_SYMBOL, Admission
from matcher.answer import NOBODY, Answer
from matcher.book import NO_LIMIT, Book
from matcher.commands import (
    CancelOrder,
    ClientRequest,
    Command,
    EndTradingDay,
    GatewayStarted,
    NewOrder,
    OrderStatusRequest,
    RefusedRequest,
    ReplaceOrder,
)
from matcher.events import Event, MarketDataIncrement, Output
from matcher.instruments import Instrument
from matcher.order_index import OrderIndex
from matcher.orders import DAY, FILL_OR_KILL, MARKET, OrderState
from matcher.refusals import may_rest, refusal_of_cancel, refusal_of_new, refusal_of_replace
from matcher.rejects import RejectReason
from matcher.snapshot import EngineState, SnapshotError, refill, snapshot_of, state_of
from matcher.transitions import accepted, canceled, expired, filled, rejected, replaced, unknown

_REST_OF_IOC: Final = "the rest of an ImmediateOrCancel order (59=3) does not stay on the book"
_REST_OF_MARKET: Final = "the rest of a market order (40=1) does not stay on the book"
_FOK_NOT_FILLED: Final = "the book cannot fill all of this FillOrKill order (59=4) at once"


class Engine:
    """
    The books of one shard's instruments.

    Args:
        shard: The shard's number.
        instruments: Those of the shard.
        orders_max: Live orders at most; beyond it a new one that might rest is refused with BOOK_FULL.
        finished_orders_max: Finished orders to remember; then the oldest are forgotten.
    """

    def __init__(
        self, shard: int, instruments: Iterable[Instrument], *, orders_max: int, finished_orders_max: int
    ) -> None:
        self.shard: Final = shard
        self._orders_max: Final = orders_max
        self._books: Final = {instrument.symbol: Book(instrument.symbol) for instrument in instruments}
        self._orders: Final = OrderIndex(finished_orders_max)
        self._admission: Final = Admission()
        self._last_input_seq = 0
        self._next_event_index = 0

    # Commands

    def apply_record(
        self, record_gateway_id: str, boot: int, record_number: int, commands: list[Command], input_seq: int
    ) -> tuple[list[Event], list[MarketDataIncrement]]:
        """
        Apply the commands of one ORD record, if it is the next one of its gateway; else nothing happens.

        Args:
            record_gateway_id: The gateway that wrote the record.
            boot: Its life.
            record_number: The record's number in that life.
            commands: In arrival order.
            input_seq: The record's stream sequence: greater than any before, with gaps.
        """
        assert input_seq > self._last_input_seq, f"input {input_seq} after input {self._last_input_seq}"
        self._begin_input(input_seq)
        begins_life = bool(commands) and isinstance(commands[0], GatewayStarted)
        if not self._admission.admits_record(record_gateway_id, boot, record_number, begins_life=begins_life):
            return [], []
        events: list[Event] = []
        increments: list[MarketDataIncrement] = []
        for command in commands:
            if isinstance(command, GatewayStarted):
                events += self._admit(record_gateway_id, boot, command)
                continue
            output = self.apply(command, input_seq)
            events += output.events
            increments += output.increments
        return events, increments

    def apply(self, command: ClientRequest | EndTradingDay, input_seq: int) -> Output:
        """
        Do one command; a client request that was seen before gives nothing.

        Args:
            command: About any symbol; one that is not traded here is answered with a reject.
            input_seq: Of the record that brought it. The event_index goes on while this stays the same.
        """
        assert input_seq >= self._last_input_seq, f"input {input_seq} after input {self._last_input_seq}"
        if input_seq > self._last_input_seq:
            self._begin_input(input_seq)
        book = self._books.get(command.symbol)
        if isinstance(command, EndTradingDay):
            answer = self._answer(command.received_ns, NOBODY)
            if book is not None:
                self._end_trading_day(command, book, answer)
        else:
            if not self._admission.admits_request(command, command.symbol if book is not None else NO_SYMBOL):
                return Output([], [])
            answer = self._answer(command.received_ns, command.session_id)
            self._request(command, book, answer)
        self._next_event_index += len(answer.events)
        increments = book.increments(answer.trades, input_seq, answer.transact_ns) if book is not None else []
        return Output(answer.events, increments)

    def _request(self, command: ClientRequest, book: Book | None, answer: Answer) -> None:
        match command:
            case NewOrder():
                self._new_order(command, book, answer)
            case CancelOrder():
                self._cancel(command, answer)
            case ReplaceOrder():
                self._replace(command, answer)
            case OrderStatusRequest():
                self._report_status(command, answer)
            case RefusedRequest():
                answer.refused(command)
            case _:
                assert_never(command)

    def _begin_input(self, input_seq: int) -> None:
        self._last_input_seq = input_seq
        self._next_event_index = 0

    def _answer(self, transact_ns: int, requester: str) -> Answer:
        return Answer(self._last_input_seq, self._next_event_index, transact_ns, requester)

    def _admit(self, gateway_id: str, boot: int, command: GatewayStarted) -> list[Event]:
        answer = self._answer(command.received_ns, NOBODY)
        answer.gateway_admitted(gateway_id, boot, self._admission.session_marks())
        self._next_event_index += len(answer.events)
        return answer.events

    # New orders

    def _new_order(self, command: NewOrder, book: Book | None, answer: Answer) -> None:
        refusal = refusal_of_new(command, book, self._orders, self._orders_max)
        if refusal is not None:
            answer.rejected(rejected(command), *refusal)
            return
        assert book is not None
        order = accepted(command, self._orders.next_order_id())
        answer.accepted(order)
        self._orders.name(order)
        if order.time_in_force == FILL_OR_KILL and not self._can_fill(order, book):
            order = canceled(order)
            answer.rest_canceled(order, _FOK_NOT_FILLED)
        else:
            order = self._match(order, book, answer)
        if order.leaves_qty_lots:
            order = self._leave_rest(order, book, answer)
        self._orders.keep(order)

    @staticmethod
    def _can_fill(order: OrderState, book: Book) -> bool:
        return book.opposite(order.side).can_fill(order.leaves_qty_lots, _limit_key(order, book))

    def _match(self, incoming: OrderState, book: Book, answer: Answer) -> OrderState:
        """Trade until the incoming order is filled or crosses nothing more; gives it as it is then."""
        opposite = book.opposite(incoming.side)
        limit_key = _limit_key(incoming, book)
        live = self._orders.live
        while incoming.leaves_qty_lots and (level := opposite.best) is not None and level.key <= limit_key:
            resting = live[next(iter(level.order_ids))]
            qty_lots = min(incoming.leaves_qty_lots, resting.leaves_qty_lots)
            price_ticks = level.price_ticks
            opposite.take(resting, qty_lots)
            incoming = filled(incoming, price_ticks, qty_lots)
            resting = filled(resting, price_ticks, qty_lots)
            self._orders.keep(resting)
            answer.traded(incoming, resting, book.next_match_id(), price_ticks, qty_lots)
        return incoming

    @staticmethod
    def _leave_rest(order: OrderState, book: Book, answer: Answer) -> OrderState:
        """Put what is left of an incoming order on the book, or cancel it if it may not rest."""
        if may_rest(order):
            book.side(order.side).add(order)
            return order
        order = canceled(order)
        answer.rest_canceled(order, _REST_OF_MARKET if order.ord_type == MARKET else _REST_OF_IOC)
        return order

    # Requests about an order

    def _cancel(self, command: CancelOrder, answer: Answer) -> None:
        order = self._orders.find(command.firm, command.orig_cl_ord_id)
        refusal = refusal_of_cancel(command, order, self._orders)
        if refusal is not None:
            answer.cancel_rejected(command, order, *refusal)
            return
        assert order is not None
        self._books[order.symbol].side(order.side).take(order, order.leaves_qty_lots)
        order = canceled(order)
        self._orders.retire(order.firm, command.cl_ord_id, order.order_id)
        self._orders.keep(order)
        answer.canceled(order, command)

    def _replace(self, command: ReplaceOrder, answer: Answer) -> None:
        before = self._orders.find(command.firm, command.orig_cl_ord_id)
        refusal = refusal_of_replace(command, before, self._orders)
        if refusal is not None:
            answer.cancel_rejected(command, before, *refusal)
            return
        assert before is not None
        order = replaced(before, command)
        self._orders.retire(before.firm, before.cl_ord_id, before.order_id)
        self._orders.name(order)
        answer.replaced(order, command)
        book = self._books[order.symbol]
        if order.price_ticks == before.price_ticks and 0 < order.leaves_qty_lots <= before.leaves_qty_lots:
            book.side(order.side).take(before, before.leaves_qty_lots - order.leaves_qty_lots)
        else:
            book.side(order.side).take(before, before.leaves_qty_lots)
            order = self._match(order, book, answer)
            if order.leaves_qty_lots:
                book.side(order.side).add(order)
        self._orders.keep(order)

    def _report_status(self, command: OrderStatusRequest, answer: Answer) -> None:
        order = self._orders.find(command.firm, command.cl_ord_id)
        if order is not None:
            answer.status_reported(order, command, None, "")
            return
        text = f"ClOrdID(11) {command.cl_ord_id} is no order of your firm, or finished too long ago"
        answer.status_reported(unknown(command), command, RejectReason.UNKNOWN_ORDER, text)

    # The trading day

    def _end_trading_day(self, command: EndTradingDay, book: Book, answer: Answer) -> None:
        if command.trading_date <= book.trading_date:
            return
        book.trading_date = command.trading_date
        for order_id in sorted(self._resting_order_ids(book)):
            order = self._orders.live[order_id]
            if order.time_in_force == DAY:
                book.side(order.side).take(order, order.leaves_qty_lots)
                order = expired(order)
                self._orders.keep(order)
                answer.expired(order)

    @staticmethod
    def _resting_order_ids(book: Book) -> list[int]:
        return [order_id for side in (book.bids, book.asks) for level in side for order_id in level.order_ids]

    # What can be seen from outside

    @property
    def last_input_seq(self) -> int:
        """The last record that was given to the engine, whether it was taken or ignored; 0 before the first."""
        return self._last_input_seq

    @property
    def live_order_count(self) -> int:
        """Orders of which something is left."""
        return len(self._orders.live)

    @property
    def finished_order_count(self) -> int:
        """Finished orders that are remembered."""
        return len(self._orders.finished)

    @property
    def symbols(self) -> list[str]:
        """The symbols that are traded here, in the order in which they were given."""
        return list(self._books)

    def md_seq(self, symbol: str) -> int:
        """RptSeq(83) of the symbol's last increment; 0 before the first."""
        return self._books[symbol].md_seq

    def match_count(self, symbol: str) -> int:
        """Trades of the symbol so far, which is the last match_id."""
        return self._books[symbol].last_match_id

    def level_counts(self, symbol: str) -> tuple[int, int]:
        """How many price levels there are, of bids and of asks; costs nothing."""
        book = self._books[symbol]
        return len(book.bids), len(book.asks)

    def levels(self, symbol: str) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """Bids and asks, each best first: (price_ticks, qty_lots, order_count)."""
        book = self._books[symbol]
        bids, asks = (
            [(level.price_ticks, level.qty_lots, len(level.order_ids)) for level in side]
            for side in (book.bids, book.asks)
        )
        return bids, asks

    def check(self) -> None:
        """Assert every invariant; costs as much as there are orders."""
        self._orders.check()
        for book in self._books.values():
            book.check(self._orders.live)
        resting = sum(len(self._resting_order_ids(book)) for book in self._books.values())
        assert resting == len(self._orders.live), "not every live order rests exactly once"

    # Snapshots

    def dump(self) -> bytes:
        """All state, as a canonical snapshot: equal states give equal bytes."""
        return snapshot_of(
            self.shard,
            self._books,
            self._orders,
            self._admission,
            last_input_seq=self._last_input_seq,
            next_event_index=self._next_event_index,
        )

    def state_hash(self) -> str:
        """SHA-256 of `dump()` in hex: the same in every process that was given the same commands."""
        return sha256(self.dump()).hexdigest()

    @classmethod
    def restore(
        cls, snapshot: bytes, instruments: Iterable[Instrument], *, orders_max: int, finished_orders_max: int
    ) -> Self:
        """
        An engine that goes on where `dump` was called; instruments may have been added since.

        Raises:
            SnapshotError: Damaged, of another version or shard, or with a symbol that is not among the instruments.
        """
        state = state_of(snapshot)
        instruments = list(instruments)
        _check_fits(state, instruments)
        engine = cls(state.shard, instruments, orders_max=orders_max, finished_orders_max=finished_orders_max)
        engine._refill(state)
        return engine

    def _refill(self, state: EngineState) -> None:
        self._last_input_seq = state.last_input_seq
        self._next_event_index = state.next_event_index
        refill(state, self._books, self._orders, self._admission)


def _check_fits(state: EngineState, instruments: list[Instrument]) -> None:
    symbols = {instrument.symbol for instrument in instruments}
    for instrument in instruments:
        if instrument.shard != state.shard:
            raise SnapshotError(
                f"a snapshot of shard {state.shard} cannot restore shard {instrument.shard}, which "
                f"{instrument.symbol} is on; use that shard's own snapshot"
            )
    for book in state.books:
        if book.symbol not in symbols:
            raise SnapshotError(
                f"the snapshot of shard {state.shard} has a book of {book.symbol}, which is not among the shard's "
                f"instruments; put it back into the instruments file"
            )


def _limit_key(order: OrderState, book: Book) -> int:
    """The highest key at which an order trades against the other side."""
    if order.ord_type == MARKET:
        return NO_LIMIT
    return book.opposite(order.side).limit_key(order.price_ticks)
