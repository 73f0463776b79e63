"""
A slow, obvious engine: the same commands in, the same events out, written for reading and not for speed.

It is what `matcher.engine` is checked against. All orders of the shard that it remembers stand in one list; every
question is answered by going through that list; the public view is computed from scratch before and after each command
and compared. It shares the vocabulary with the matcher and nothing else. Texts for Text(58) it leaves empty.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from matcher.commands import (
    CancelOrder,
    ClientRequest,
    EndTradingDay,
    NewOrder,
    OrderStatusRequest,
    RefusedRequest,
    ReplaceOrder,
)
from matcher.events import (
    INCREMENT_ENTRIES_MAX,
    CancelRejected,
    Event,
    LevelChange,
    MarketDataIncrement,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderStatusReported,
    Output,
    RequestRefused,
    TradePrint,
)
from matcher.orders import PRICE_TICKS_MAX, QTY_LOTS_MAX, OrderState
from matcher.rejects import RejectReason as R

View = dict[tuple[str, int], tuple[int, int]]
"""(side, price) to (quantity, number of orders)."""


class Entry(msgspec.Struct, eq=False):
    """One order that was taken, live or finished."""

    state: OrderState
    queued: int
    """Its turn among orders at the same price: the lower, the earlier."""
    finished: int = 0
    """0 while it lives, else the how-manieth order to finish it was."""


class ReferenceEngine:
    """The same interface as `matcher.engine.Engine.apply`, without records and snapshots."""

    def __init__(self, symbols: Iterable[str], *, orders_max: int, finished_orders_max: int) -> None:
        self.symbols = list(symbols)
        self.orders_max = orders_max
        self.finished_orders_max = finished_orders_max
        self.entries: list[Entry] = []
        self.retired: list[tuple[str, str, Entry]] = []
        """Former ClOrdIDs, oldest first: (firm, ClOrdID, the order)."""
        self.seen: dict[tuple[str, str], list[tuple[int, int]]] = {}
        """By (session, lane): (epoch, MsgSeqNum) of all requests taken."""
        self.ended_days: list[tuple[str, str]] = []
        self.order_count = 0
        self.turn = 0
        self.match_ids = dict.fromkeys(self.symbols, 0)
        self.md_seqs = dict.fromkeys(self.symbols, 0)
        self.input_seq = 0
        self.event_index = 0
        self.command: Any = None
        self.events: list[Event] = []
        self.trades: list[TradePrint] = []

    def apply(self, command: ClientRequest | EndTradingDay, input_seq: int) -> Output:
        """Do one command."""
        if input_seq != self.input_seq:
            self.input_seq, self.event_index = input_seq, 0
        self.command, self.events, self.trades = command, [], []
        before = self.view(command.symbol)
        if not self.was_seen(command):
            self.do(command)
        return Output(self.events, self.increments(before, self.view(command.symbol)))

    def levels(self, symbol: str) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """Bids and asks, each best first: (price_ticks, qty_lots, order_count)."""
        view = self.view(symbol)
        bids, asks = ([(price, *view[side, price]) for side, price in view if side == wanted] for wanted in "12")
        return sorted(bids, reverse=True), sorted(asks)

    # What there is

    def resting(self, symbol: str, side: str) -> list[Entry]:
        """The live orders of one side, in the order in which they trade."""
        sign = -1 if side == "1" else 1
        entries = [e for e in self.entries if not e.finished and (e.state.symbol, e.state.side) == (symbol, side)]
        return sorted(entries, key=lambda e: (sign * e.state.price_ticks, e.queued))

    def view(self, symbol: str) -> View:
        """What the public sees."""
        view: View = {}
        for side in "12":
            for entry in self.resting(symbol, side):
                qty, count = view.get((side, entry.state.price_ticks), (0, 0))
                view[side, entry.state.price_ticks] = (qty + entry.state.leaves_qty_lots, count + 1)
        return view

    def find(self, firm: str, cl_ord_id: str) -> Entry | None:
        """The remembered order that a ClOrdID leads to."""
        for entry in self.entries:
            if (entry.state.firm, entry.state.cl_ord_id) == (firm, cl_ord_id):
                return entry
        for retired_firm, retired_id, entry in self.retired:
            if (retired_firm, retired_id) == (firm, cl_ord_id) and entry in self.entries:
                return entry
        return None

    def was_seen(self, command: ClientRequest | EndTradingDay) -> bool:
        """Whether the request, or a later one of its session and lane, was taken before."""
        if isinstance(command, EndTradingDay):
            return False
        lane = command.symbol if command.symbol in self.symbols else ""
        name = (command.session_epoch, command.msg_seq_num)
        taken = self.seen.setdefault((command.session_id, lane), [])
        if any(other_name >= name for other_name in taken):
            return True
        taken.append(name)
        return False

    # What is done

    def do(self, command: ClientRequest | EndTradingDay) -> None:
        """Answer a command that is new."""
        match command:
            case NewOrder():
                self.new_order(command)
            case CancelOrder():
                self.cancel(command)
            case ReplaceOrder():
                self.replace(command)
            case OrderStatusRequest():
                self.report_status(command)
            case RefusedRequest():
                fields = msgspec.structs.asdict(command)
                self.tell(RequestRefused, *(fields[name] for name in RequestRefused.__struct_fields__[4:]))
            case EndTradingDay():
                self.end_trading_day(command)

    def new_order(self, command: NewOrder) -> None:
        """Take an order, trade, and leave the rest if it may rest."""
        refusal = self.refusal_of_new(command)
        self.order_count += not refusal
        order = OrderState(
            order_id=0 if refusal else self.order_count,
            session_id=command.session_id,
            firm=command.firm,
            cl_ord_id=command.cl_ord_id,
            account=command.account,
            symbol=command.symbol,
            side=command.side,
            ord_type=command.ord_type,
            time_in_force=command.time_in_force,
            price_ticks=command.price_ticks,
            qty_lots=command.qty_lots,
            leaves_qty_lots=0 if refusal else command.qty_lots,
            cum_qty_lots=0,
            cum_value=0,
            ord_status="8" if refusal else "0",
        )
        if refusal:
            self.tell(OrderRejected, order, refusal, "")
            return
        entry = Entry(order, self.next_turn())
        self.tell(OrderAccepted, order)
        matches = self.matches(order)
        available = sum(e.state.leaves_qty_lots for e in matches)
        if command.time_in_force != "4" or available >= command.qty_lots:
            self.trade(entry, matches)
        self.entries.append(entry)
        rests = command.ord_type == "2" and command.time_in_force in "01"
        if entry.state.leaves_qty_lots and not rests:
            entry.state = replace(entry.state, leaves_qty_lots=0, ord_status="4")
            self.tell(OrderCanceled, entry.state, command.cl_ord_id, "", "")
        self.finish_if_done(entry)

    def refusal_of_new(self, command: NewOrder) -> R | None:
        """The first check that fails."""
        limit = command.ord_type == "2"
        rests = limit and command.time_in_force in "01"
        live = [e for e in self.entries if not e.finished]
        checks = {
            R.UNKNOWN_SYMBOL: command.symbol not in self.symbols,
            R.INVALID_QTY: not 0 < command.qty_lots <= QTY_LOTS_MAX,
            R.INVALID_PRICE: limit and not 0 < command.price_ticks <= PRICE_TICKS_MAX,
            R.DUPLICATE_CL_ORD_ID: self.find(command.firm, command.cl_ord_id),
            R.NO_OPPOSITE_SIDE: not limit and not self.resting(command.symbol, other(command.side)),
            R.BOOK_FULL: rests and len(live) >= self.orders_max,
        }
        return next((reason for reason, failed in checks.items() if failed), None)

    def matches(self, order: OrderState) -> list[Entry]:
        """The resting orders that an incoming order may trade with, in the order in which it does."""
        entries = self.resting(order.symbol, other(order.side))
        if order.ord_type == "1":
            return entries
        if order.side == "1":
            return [e for e in entries if e.state.price_ticks <= order.price_ticks]
        return [e for e in entries if e.state.price_ticks >= order.price_ticks]

    def trade(self, incoming: Entry, matches: list[Entry]) -> None:
        """Trade with one after the other."""
        for resting in matches:
            qty = min(incoming.state.leaves_qty_lots, resting.state.leaves_qty_lots)
            if qty == 0:
                return
            price = resting.state.price_ticks
            symbol = incoming.state.symbol
            self.match_ids[symbol] += 1
            for entry in (incoming, resting):
                state = entry.state
                entry.state = replace(
                    state,
                    leaves_qty_lots=state.leaves_qty_lots - qty,
                    cum_qty_lots=state.cum_qty_lots + qty,
                    cum_value=state.cum_value + price * qty,
                    ord_status="2" if state.leaves_qty_lots == qty else "1",
                )
                self.tell(OrderFilled, entry.state, self.match_ids[symbol], price, qty, entry is incoming)
            # The resting side's fill was not asked for by anybody.
            self.events[-1] = replace(self.events[-1], requester_session_id="")
            self.trades.append(TradePrint(self.match_ids[symbol], price, qty, incoming.state.side))
            self.finish_if_done(resting)

    def cancel(self, command: CancelOrder) -> None:
        """Cancel what is left."""
        entry = self.find(command.firm, command.orig_cl_ord_id)
        refusal = self.refusal_of_change(command, entry)
        if refusal or entry is None:
            self.reject_change(command, "1", entry, refusal)
            return
        entry.state = replace(entry.state, leaves_qty_lots=0, ord_status="4")
        self.retire(command.firm, command.cl_ord_id, entry)
        self.finish_if_done(entry)
        self.tell(OrderCanceled, entry.state, command.cl_ord_id, command.orig_cl_ord_id, "")

    def replace(self, command: ReplaceOrder) -> None:
        """Give the order new terms."""
        entry = self.find(command.firm, command.orig_cl_ord_id)
        refusal = self.refusal_of_replace_terms(command) or self.refusal_of_change(command, entry)
        if refusal or entry is None:
            self.reject_change(command, "2", entry, refusal)
            return
        old = entry.state
        qty = max(command.qty_lots, old.cum_qty_lots)
        leaves = qty - old.cum_qty_lots
        entry.state = replace(
            old,
            cl_ord_id=command.cl_ord_id,
            ord_type=command.ord_type,
            time_in_force=command.time_in_force,
            price_ticks=command.price_ticks,
            qty_lots=qty,
            leaves_qty_lots=leaves,
            ord_status="2" if not leaves else "1" if old.cum_qty_lots else "0",
        )
        self.retire(command.firm, command.orig_cl_ord_id, entry)
        self.tell(OrderReplaced, entry.state, command.orig_cl_ord_id)
        if command.price_ticks != old.price_ticks or qty > old.qty_lots:
            entry.queued = self.next_turn()
            self.trade(entry, self.matches(entry.state))
        self.finish_if_done(entry)

    @staticmethod
    def refusal_of_replace_terms(command: ReplaceOrder) -> R | None:
        """The first check that fails, of those that need no order."""
        if command.ord_type != "2":
            return R.UNSUPPORTED_ORD_TYPE
        if command.time_in_force not in "01":
            return R.UNSUPPORTED_TIME_IN_FORCE
        if not 0 < command.qty_lots <= QTY_LOTS_MAX:
            return R.INVALID_QTY
        if not 0 < command.price_ticks <= PRICE_TICKS_MAX:
            return R.INVALID_PRICE
        return None

    def refusal_of_change(self, command: CancelOrder | ReplaceOrder, entry: Entry | None) -> R | None:
        """The first check that fails."""
        if self.find(command.firm, command.cl_ord_id):
            return R.DUPLICATE_CL_ORD_ID
        if entry is None:
            return R.UNKNOWN_ORDER
        if (entry.state.symbol, entry.state.side) != (command.symbol, command.side):
            return R.SYMBOL_OR_SIDE_CHANGED
        if entry.finished or entry.state.cl_ord_id != command.orig_cl_ord_id:
            return R.TOO_LATE
        return None

    def reject_change(
        self, command: CancelOrder | ReplaceOrder, response_to: str, entry: Entry | None, reason: R | None
    ) -> None:
        """Say that a cancel or replace changed nothing."""
        order_id, ord_status = (entry.state.order_id, entry.state.ord_status) if entry else (0, "8")
        ids = (command.cl_ord_id, command.orig_cl_ord_id)
        self.tell(CancelRejected, command.symbol, response_to, order_id, ord_status, *ids, reason, "")

    def report_status(self, command: OrderStatusRequest) -> None:
        """Say how the order stands."""
        entry = self.find(command.firm, command.cl_ord_id)
        if entry:
            self.tell(OrderStatusReported, entry.state, command.ord_status_req_id, None, "")
            return
        who = (command.session_id, command.firm, command.cl_ord_id, "", command.symbol, command.side)
        nothing = OrderState(0, *who, "2", "0", 0, 0, 0, 0, 0, "8")
        self.tell(OrderStatusReported, nothing, command.ord_status_req_id, R.UNKNOWN_ORDER, "")

    def end_trading_day(self, command: EndTradingDay) -> None:
        """Expire the DAY orders, unless that day or a later one has ended already."""
        if command.symbol not in self.symbols:
            return
        if any(symbol == command.symbol and day >= command.trading_date for symbol, day in self.ended_days):
            return
        self.ended_days.append((command.symbol, command.trading_date))
        resting = self.resting(command.symbol, "1") + self.resting(command.symbol, "2")
        for entry in sorted(resting, key=lambda e: e.state.order_id):
            if entry.state.time_in_force == "0":
                entry.state = replace(entry.state, leaves_qty_lots=0, ord_status="C")
                self.finish_if_done(entry)
                self.tell(OrderExpired, entry.state)

    # Keeping and telling

    def next_turn(self) -> int:
        """A place behind all others."""
        self.turn += 1
        return self.turn

    def retire(self, firm: str, cl_ord_id: str, entry: Entry) -> None:
        """Remember one more former ClOrdID, and only so many."""
        self.retired.append((firm, cl_ord_id, entry))
        del self.retired[: -self.finished_orders_max or None]

    def finish_if_done(self, entry: Entry) -> None:
        """Mark an order of which nothing is left as finished, and remember only so many of those."""
        if entry.state.leaves_qty_lots or entry.finished:
            return
        entry.finished = 1 + max((e.finished for e in self.entries), default=0)
        finished = sorted((e for e in self.entries if e.finished), key=lambda e: e.finished)
        for forgotten in finished[: max(0, len(finished) - self.finished_orders_max)]:
            self.entries.remove(forgotten)

    def tell(self, kind: Any, *fields: Any) -> None:
        """Add an event."""
        requester = getattr(self.command, "session_id", "")
        self.events.append(kind(self.input_seq, self.event_index, self.command.received_ns, requester, *fields))
        self.event_index += 1

    def increments(self, before: View, now: View) -> list[MarketDataIncrement]:
        """What changed in public: bids best first, then asks best first; too much for one increment is cut up."""
        touched = [key for key in before.keys() | now.keys() if before.get(key) != now.get(key)]
        touched.sort(key=lambda key: (key[0], key[1] if key[0] == "2" else -key[1]))
        levels = [change(side, price, before, now) for side, price in touched]
        entries: list[LevelChange | TradePrint] = [*self.trades, *levels]
        if len(entries) > INCREMENT_ENTRIES_MAX:
            entries = [*self.trades, *(level for action in "210" for level in levels if level.action == action)]
        return [
            self.increment(entries[begin : begin + INCREMENT_ENTRIES_MAX])
            for begin in range(0, len(entries), INCREMENT_ENTRIES_MAX)
        ]

    def increment(self, entries: list[LevelChange | TradePrint]) -> MarketDataIncrement:
        """The next increment of the command's symbol."""
        symbol = self.command.symbol
        self.md_seqs[symbol] += 1
        levels = [entry for entry in entries if isinstance(entry, LevelChange)]
        trades = [entry for entry in entries if isinstance(entry, TradePrint)]
        return MarketDataIncrement(
            symbol, self.md_seqs[symbol], self.input_seq, self.command.received_ns, levels, trades
        )


def other(side: str) -> str:
    """The side that this one trades with."""
    return "2" if side == "1" else "1"


def change(side: Any, price: int, before: View, now: View) -> LevelChange:
    """How one level differs."""
    action: Any = "0" if (side, price) not in before else "1" if (side, price) in now else "2"
    return LevelChange(action, side, price, *now.get((side, price), (0, 0)))
