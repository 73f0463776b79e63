"""
The matching engine of one shard: commands in, events out, nothing else.

Theory of operation. An engine is a pure function with memory: it reads no clock, draws no random number and does no
I/O, so the same commands give the same events, byte for byte, in every process and at every replay. Its memory is the
`Floor`: `Admission` knows what was seen already, `OrderIndex` which orders exist under which ClOrdIDs, one `Market` per
symbol which of them rest or wait where; limits, lists and quotes have their own memories. `OrderState` is the only form
of an order: immutable, replaced whole at each step (`transitions`), and carried by the event that tells of the step.

A command is validated completely before anything is touched (`refusals`). Then its handler does it, in the one order
in which its events tell it: `order_entry` and `order_changes` for D, F and G, which lead through `incoming` and
`matching`; the others by subject. What that set off is done next, in `rounds`. Last, each market says what the public
saw change: mostly one `MarketDataIncrement`, or several when it is more than one message can hold (`publication`).

The rules of trading stand in `RULES.md`, each with a name that the tests cite. Three of requests that are not there:

- OrigClOrdID(41) names the last accepted ClOrdID(11) of the order. One that a replace has retired is TOO_LATE, not
  UNKNOWN_ORDER: the answer carries the OrderID and OrdStatus(39), and no client takes a live order for dead.
- Any session of a firm may cancel, replace or ask for any order of the firm; the reports of its fills stay with the
  session that entered it. An OrderStatusRequest(H) may use any ClOrdID that led to the order.
- A refused request uses up nothing, its ClOrdID(11) included; a ClOrdID that was used is refused while it is
  remembered, and the order that has it is left alone.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, Self

from matcher.books.admission import NO_SYMBOL
from matcher.books.floor import Floor
from matcher.books.invariants import check
from matcher.books.market import Market
from matcher.books.publication import increments
from matcher.books.snapshot import refill, snapshot_of, state_of
from matcher.commands import (
    CancelOrder,
    ClientRequest,
    Command,
    GatewayStarted,
    MassCancel,
    MassQuote,
    NewOrder,
    NewOrderList,
    OrderMassStatusRequest,
    OrderStatusRequest,
    QuoteCancel,
    RefusedRequest,
    ReplaceOrder,
    Request,
)
from matcher.engine import (
    definitions,
    expiry,
    limits,
    mass_requests,
    order_changes,
    order_entry,
    order_lists,
    phase_changes,
    quotes,
    rounds,
    trade_revisions,
    uncrossing,
)
from matcher.engine.answer import NOBODY, Answer
from matcher.events import Event, InstrumentDefined, Output, SessionMark
from matcher.increments import MarketDataIncrement
from matcher.instruments import Instrument
from matcher.operator_commands import (
    BustTrade,
    CorrectTrade,
    DefineInstrument,
    EndTradingDay,
    Limits,
    OperatorCommand,
    ScheduledPhase,
    SetLimits,
    SetPhase,
    SetReferencePrice,
    TimerCommand,
    TimerFired,
)
from matcher.orders import Side
from matcher.phases import AUCTIONS, Phase

_Handler = Callable[[Any, Floor, Answer], None]
HANDLERS: Final[Mapping[type[Any], _Handler]] = {
    NewOrder: order_entry.new_order,
    CancelOrder: order_changes.cancel_order,
    ReplaceOrder: order_changes.replace_order,
    OrderStatusRequest: order_entry.report_status,
    OrderMassStatusRequest: mass_requests.report_orders,
    MassCancel: mass_requests.mass_cancel,
    NewOrderList: order_lists.new_order_list,
    MassQuote: quotes.mass_quote,
    QuoteCancel: quotes.cancel_quotes,
    RefusedRequest: order_entry.repeat_refusal,
    EndTradingDay: expiry.end_trading_day,
    TimerFired: expiry.fire_timers,
    ScheduledPhase: phase_changes.schedule_phase,
    DefineInstrument: definitions.define_instrument,
    SetPhase: phase_changes.set_phase,
    SetReferencePrice: definitions.set_reference_price,
    SetLimits: limits.set_limits,
    BustTrade: trade_revisions.bust_trade,
    CorrectTrade: trade_revisions.correct_trade,
}
"""Who does which command; all but `GatewayStarted`, which is about the record that it comes in."""
_ACROSS_SYMBOLS: Final = (MassCancel, MassQuote, QuoteCancel, SetLimits)
_PLANS: Final = {
    kind: (handler, issubclass(kind, Request), kind in _ACROSS_SYMBOLS) for kind, handler in HANDLERS.items()
}
"""Of each kind of command: its handler, whether a client asks it, and whether it is about many symbols."""


class Engine:
    """
    The books of one shard's instruments.

    Args:
        shard: The shard's number.
        instruments: Those that are there from the beginning; others come by `DefineInstrument`.
        orders_max: Live orders at most; beyond it a new one that might rest is refused with BOOK_FULL.
        finished_orders_max: Finished orders to remember; then the oldest are forgotten.
    """

    def __init__(
        self, shard: int, instruments: Iterable[Instrument] = (), *, orders_max: int, finished_orders_max: int
    ) -> None:
        self.shard: Final = shard
        self._floor: Final = Floor(shard, orders_max=orders_max, finished_orders_max=finished_orders_max)
        self._floor.open_markets(instruments)
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
        if not self._floor.admission.admits_record(record_gateway_id, boot, record_number, begins_life=begins_life):
            return [], []
        events: list[Event] = []
        told: list[MarketDataIncrement] = []
        for command in commands:
            if isinstance(command, GatewayStarted):
                events += self._admit(record_gateway_id, boot, command)
                continue
            output = self.apply(command, input_seq)
            events += output.events
            told += output.increments
        return events, told

    def apply(self, command: ClientRequest | TimerCommand | OperatorCommand, input_seq: int) -> Output:
        """
        Do one command; a client request that was seen before gives nothing.

        Args:
            command: Any but `GatewayStarted`. One about a symbol that is not traded here is answered with a reject.
            input_seq: Of the record that brought it. The event_index goes on while this stays the same.
        """
        assert input_seq >= self._last_input_seq, f"input {input_seq} after input {self._last_input_seq}"
        if input_seq > self._last_input_seq:
            self._begin_input(input_seq)
        floor = self._floor
        handler, is_asked, is_across = _PLANS[type(command)]
        market = floor.markets.get(command.symbol)
        requester = NOBODY
        if is_asked:
            request: Any = command
            if not floor.admission.admits_request(request, request.symbol if market is not None else NO_SYMBOL):
                return Output([], [])
            requester = request.session_id
        answer = Answer(input_seq, self._next_event_index, command.received_ns, requester)
        handler(command, floor, answer)
        if is_across:
            told = self._conclude(list(floor.markets.values()), answer)
        elif market is None:
            new = floor.markets.get(command.symbol)  # it was defined just now
            told = self._conclude([new], answer) if new is not None else []
        elif market.has_followers or market.has_news:
            told = self._conclude([market], answer)
        else:
            told = increments(market, input_seq, command.received_ns)
        self._next_event_index += len(answer.events)
        return Output(answer.events, told)

    def _conclude(self, markets: list[Market], answer: Answer) -> list[MarketDataIncrement]:
        """Do what a command set off, market by market, and gather what the public saw of it all."""
        floor = self._floor
        for market in markets:
            if market.has_followers:
                rounds.settle(market, floor, answer)
        order_lists.report(floor, answer)
        told: list[MarketDataIncrement] = []
        for market in markets:
            if market.phase in AUCTIONS:
                uncrossing.show_indicative(market)
            told += increments(market, answer.input_seq, answer.transact_ns)
        return told

    def _begin_input(self, input_seq: int) -> None:
        self._last_input_seq = input_seq
        self._next_event_index = 0

    def _admit(self, gateway_id: str, boot: int, command: GatewayStarted) -> list[Event]:
        answer = Answer(self._last_input_seq, self._next_event_index, command.received_ns, NOBODY)
        for market in self._floor.markets.values():
            answer.tell(InstrumentDefined, market.instrument)
        answer.gateway_admitted(gateway_id, boot, self._floor.admission.session_marks())
        self._next_event_index += len(answer.events)
        return answer.events

    # What can be seen from outside

    @property
    def last_input_seq(self) -> int:
        """The last record that was given to the engine, whether it was taken or ignored; 0 before the first."""
        return self._last_input_seq

    @property
    def live_order_count(self) -> int:
        """Orders of which something is left."""
        return len(self._floor.orders.live)

    @property
    def finished_order_count(self) -> int:
        """Finished orders that are remembered."""
        return len(self._floor.orders.finished)

    @property
    def symbols(self) -> list[str]:
        """The symbols that are traded here, in the order of their definition."""
        return list(self._floor.markets)

    @property
    def instruments(self) -> dict[str, Instrument]:
        """The instruments as defined last, by symbol, in the order of their definition."""
        return {symbol: market.instrument for symbol, market in self._floor.markets.items()}

    @property
    def configured_instruments(self) -> Mapping[str, Instrument]:
        """The instruments as the configuration defined them last (CONFIG-1)."""
        return self._floor.configured_instruments

    @property
    def configured_limits(self) -> Mapping[tuple[str, str], Limits]:
        """The limits as the configuration set them last, by firm and session (CONFIG-1)."""
        return self._floor.limits.configured

    @property
    def limits(self) -> Mapping[tuple[str, str], Limits]:
        """The limits that are in force, by firm and session."""
        return self._floor.limits.in_force

    @property
    def next_deadline_ns(self) -> int:
        """When the next order or auction of any symbol ends; 0 if none has a time."""
        return min(filter(None, map(expiry.deadline_ns, self._floor.markets.values())), default=0)

    def deadlines_due(self, now_ns: int) -> dict[str, int]:
        """The earliest deadline of each symbol that has one which is not after now."""
        deadlines = {symbol: expiry.deadline_ns(market) for symbol, market in self._floor.markets.items()}
        return {symbol: deadline_ns for symbol, deadline_ns in deadlines.items() if 0 < deadline_ns <= now_ns}

    def phase_of(self, symbol: str) -> tuple[Phase, int]:
        """The symbol's phase, and when it ends; 0 if that is not known."""
        market = self._floor.markets[symbol]
        return market.phase, market.phase_ends_ns

    def reference_price_ticks(self, symbol: str) -> int:
        """The reference price as it is now."""
        return self._floor.markets[symbol].reference_price_ticks

    def last_price_ticks(self, symbol: str) -> int:
        """Of the symbol's last trade; 0 before the first."""
        return self._floor.markets[symbol].last_price_ticks

    def trading_date(self, symbol: str) -> str:
        """The last trading day of the symbol that ended, `YYYYMMDD`; empty before the first."""
        return self._floor.markets[symbol].trading_date

    def session_mark(self, session_id: str) -> SessionMark | None:
        """How far the log goes for a session, if it was ever seen."""
        return self._floor.admission.session_mark(session_id)

    def md_seq(self, symbol: str) -> int:
        """RptSeq(83) of the symbol's last increment; 0 before the first."""
        return self._floor.markets[symbol].md_seq

    def match_count(self, symbol: str) -> int:
        """Trades of the symbol so far, which is the last match_id."""
        return self._floor.markets[symbol].last_match_id

    def level_counts(self, symbol: str) -> tuple[int, int]:
        """How many price levels there are, of bids and of asks; costs nothing."""
        book = self._floor.markets[symbol].book
        return len(book.bids.displayed), len(book.asks.displayed)

    def levels(self, symbol: str) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """The public book: bids and asks, each best first: (price_ticks, qty_lots, order_count)."""
        return self._floor.markets[symbol].book.public_levels()

    def queues(self, symbol: str) -> dict[tuple[Side, int], dict[int, int]]:
        """The public book order by order: by side and price, what each entry id shows, oldest first."""
        return self._floor.markets[symbol].book.public_queues(self._floor.orders.live)

    def check(self) -> None:
        """Assert every invariant; costs as much as there are orders."""
        check(self._floor)

    # Snapshots

    def dump(self) -> bytes:
        """All state, as a canonical snapshot: equal states give equal bytes."""
        return snapshot_of(self._floor, last_input_seq=self._last_input_seq, next_event_index=self._next_event_index)

    def state_hash(self) -> str:
        """SHA-256 of `dump()` in hex: the same in every process that was given the same commands."""
        return sha256(self.dump()).hexdigest()

    def restored(self, snapshot: bytes) -> Self:
        """
        An engine with the bounds of this one that goes on where `dump` was called.

        Raises:
            SnapshotError: Damaged, or of another version.
        """
        bounds = self._floor.orders_max, self._floor.finished_orders_max
        return self.restore(snapshot, orders_max=bounds[0], finished_orders_max=bounds[1])

    @classmethod
    def restore(cls, snapshot: bytes, *, orders_max: int, finished_orders_max: int) -> Self:
        """
        An engine that goes on where `dump` was called.

        Raises:
            SnapshotError: Damaged, or of another version.
        """
        state = state_of(snapshot)
        engine = cls(state.shard, orders_max=orders_max, finished_orders_max=finished_orders_max)
        engine._last_input_seq = state.last_input_seq
        engine._next_event_index = state.next_event_index
        refill(state, engine._floor)
        return engine
