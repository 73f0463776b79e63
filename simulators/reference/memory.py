"""What the reference remembers, and the questions that are answered by going through all of it."""

import copy
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from matcher.events import Event, OrderCanceled
from matcher.increments import Indicative, PhaseChange, TradePrint, TradeRevision
from matcher.instructions import SHOWS_ALL, Instructions
from matcher.instruments import Instrument
from matcher.operator_commands import Limits, ScheduledPhase
from matcher.orders import OrderState
from matcher.phases import COLLECTING, CONTINUOUS, NEW_AND_REPLACE_PHASES, Phase

View = dict[tuple[str, int], dict[int, int]]
"""(side, price) to what each order there shows, by its MDEntryID(278), in the order of the queue."""

PLAIN = Instructions()


class Entry(msgspec.Struct, eq=False):
    """One order that was taken, live or finished."""

    state: OrderState
    queued: int = 0
    """Its turn among orders at the same price, the lower the earlier; 0 while it is not on the book."""
    entry_id: int = 0
    """By which the public knows it while it keeps its place."""
    finished: int = 0
    """0 while it lives, else the how-manieth order to finish it was."""
    is_working: bool = False
    """It is the incoming order: it finishes when all that it does is done."""
    high_ticks: int = 0
    low_ticks: int = 0
    """A waiting stop's: of the trades since it was last looked at; 0 if there were none."""

    @property
    def said(self) -> Instructions:
        """Its instructions, a plain order's too."""
        return self.state.instructions or PLAIN

    @property
    def is_hidden(self) -> bool:
        """It shows nothing."""
        return self.said.display_qty_lots == 0

    @property
    def is_iceberg(self) -> bool:
        """It shows slices."""
        return self.said.display_qty_lots > 0

    @property
    def is_quote(self) -> bool:
        """It is one side of a quote."""
        return bool(self.said.quote_entry_id)

    @property
    def stands_at(self) -> int:
        """Its price on the book; 0 for a market order that waits for an auction."""
        return self.said.working_price_ticks or self.state.price_ticks

    @property
    def offers(self) -> int:
        """What of it can trade before it must queue again."""
        return self.said.shown_qty_lots if self.is_iceberg else self.state.leaves_qty_lots

    def restate(self, **changes: Any) -> None:
        """Change fields of the order."""
        self.state = replace(self.state, **changes)

    def instruct(self, **changes: Any) -> None:
        """Change instructions; a plain order stays plain unless they say something."""
        said = replace(self.said, **changes)
        if self.state.instructions is not None or said != PLAIN:
            self.restate(instructions=said)


class Trade(msgspec.Struct):
    """A match that can be busted."""

    symbol: str
    match_id: int
    price_ticks: int
    qty_lots: int
    order_ids: dict[str, int]
    """By side."""
    fills: dict[str, tuple[int, int]]
    """By side: (input_seq, event_index) of its OrderFilled."""


class OrderList(msgspec.Struct):
    """Orders that depend on each other."""

    list_id: str
    session_id: str
    firm: str
    symbol: str
    contingency_type: str
    order_ids: list[int]
    reported: dict[int, str] = {}
    """OrdStatus of each leg, by OrderID, when the list was last reported."""
    first_ended: str = ""
    """OrdStatus with which the first order ended, whatever was busted since; empty while it lives."""
    is_settled: bool = False
    """Of an OCO, and of what an order set free: one leg traded or ended, which decided about the other."""


class Market(msgspec.Struct, eq=False):
    """One symbol: its rules, its phase, what it saw last, and what the command at work made public so far."""

    instrument: Instrument
    phase: Phase
    is_collected: bool
    """Orders lie on the book that were not matched against each other; it is not shown."""
    reference_ticks: int
    """The reference price now."""
    ends_ns: int = 0
    deadline_ns: int = 0
    scheduled_ns: int = 0
    noted: ScheduledPhase | None = None
    """What the schedule said during the halt."""
    trading_date: str = ""
    last_trade_ticks: int = 0
    anchor_ticks: int = 0
    """What the dynamic corridor is around."""
    match_id: int = 0
    md_seq: int = 0
    entry_count: int = 0
    ended_day: str = ""
    indicative: Indicative = Indicative(0, 0, "", 0)
    before: View = {}
    trades: list[TradePrint] = []
    revisions: list[TradeRevision] = []
    phase_change: PhaseChange | None = None

    @property
    def symbol(self) -> str:
        """Symbol(55)."""
        return self.instrument.symbol

    @property
    def is_continuous(self) -> bool:
        """Orders trade as they come."""
        return self.phase == CONTINUOUS

    @property
    def collects(self) -> bool:
        """Orders wait for an uncrossing."""
        return self.phase in COLLECTING

    @property
    def takes_orders(self) -> bool:
        """D, G, E and i are taken."""
        return self.phase in NEW_AND_REPLACE_PHASES


class Venue:
    """All there is. Everything that the rules do is a function on this."""

    def __init__(self, shard: int, orders_max: int, finished_orders_max: int) -> None:
        self.shard = shard
        self.orders_max = orders_max
        self.finished_orders_max = finished_orders_max
        self.markets: dict[str, Market] = {}
        self.entries: list[Entry] = []
        self.retired: list[tuple[str, str, int]] = []
        """Former ClOrdIDs, oldest first: (firm, ClOrdID, OrderID)."""
        self.lists: list[OrderList] = []
        self.trades: list[Trade] = []
        self.limits: dict[tuple[str, str], Limits] = {}
        self.configured: dict[tuple[str, ...], Any] = {}
        self.quote_fills: list[tuple[str, str, int, int]] = []
        """(firm, symbol, received_ns, quantity)."""
        self.protected: list[tuple[str, str]] = []
        """(firm, symbol) whose quotes are refused."""
        self.to_pull: list[tuple[str, str]] = []
        self.seen: dict[tuple[str, str], tuple[int, int]] = {}
        self.order_count = 0
        self.finish_count = 0
        self.turn = 0
        self.input_seq = 0
        self.event_index = 0
        self.command: Any = None
        self.events: list[Event] = []

    # Who is there

    def live(self, symbol: str = "") -> list[Entry]:
        """Orders of which something is left, oldest first."""
        found = [e for e in self.entries if not e.finished and (not symbol or e.state.symbol == symbol)]
        return sorted(found, key=lambda e: e.state.order_id)

    def resting(self, symbol: str, side: str) -> list[Entry]:
        """What is on one side of the book, in the order in which it trades."""
        sign = -1 if side == "1" else 1
        found = [
            e for e in self.entries if e.queued and not e.finished and (e.state.symbol, e.state.side) == (symbol, side)
        ]
        # Market orders, which stand at no price, come first.
        return sorted(found, key=lambda e: (e.stands_at != 0, sign * e.stands_at, e.is_hidden, e.queued))

    def best(self, symbol: str, side: str) -> int:
        """The best price of any resting order; 0 if there is none."""
        return next((e.stands_at for e in self.resting(symbol, side) if e.stands_at), 0)

    def best_shown(self, symbol: str, side: str, *, pegged: bool = True) -> int:
        """The best price that the public sees; 0 if there is none."""
        if self.markets[symbol].is_collected:
            return 0
        shown = (e for e in self.resting(symbol, side) if not e.is_hidden and (pegged or e.state.ord_type != "P"))
        return next((e.stands_at for e in shown), 0)

    def by_id(self, order_id: int) -> Entry | None:
        """The order with this OrderID, if it is remembered."""
        return next((e for e in self.entries if e.state.order_id == order_id), None)

    def legs(self, order_list: OrderList) -> list[Entry]:
        """The orders of a list that are remembered."""
        found = (self.by_id(order_id) for order_id in order_list.order_ids)
        return [entry for entry in found if entry]

    def find(self, firm: str, cl_ord_id: str) -> Entry | None:
        """The remembered order that a ClOrdID leads to."""
        for entry in self.entries:
            if cl_ord_id and (entry.state.firm, entry.state.cl_ord_id) == (firm, cl_ord_id):
                return entry
        for retired_firm, retired_id, order_id in self.retired:
            entry_or_none = self.by_id(order_id)
            if (retired_firm, retired_id) == (firm, cl_ord_id) and entry_or_none:
                return entry_or_none
        return None

    def limits_of(self, firm: str, session_id: str) -> Limits:
        """What was set for a firm (session_id empty) or one of its sessions."""
        return self.limits.get((firm, session_id), Limits())

    # What happens to orders

    def take(self, order: OrderState) -> Entry:
        """A new order, not yet on the book."""
        self.order_count += 1
        entry = Entry(replace(order, order_id=self.order_count))
        self.entries.append(entry)
        return entry

    def place(self, entry: Entry) -> None:
        """Put an order behind all others of its price."""
        self.turn += 1
        entry.queued = self.turn
        if not entry.is_hidden:
            market = self.markets[entry.state.symbol]
            market.entry_count += 1
            entry.entry_id = market.entry_count
        if entry.is_iceberg:
            self.show_slice(entry)

    def show_slice(self, entry: Entry) -> None:
        """An iceberg shows as much as it may."""
        entry.instruct(shown_qty_lots=min(entry.said.display_qty_lots, entry.state.leaves_qty_lots))

    def end(self, entry: Entry, ord_status: str) -> None:
        """What is left of an order is gone."""
        entry.restate(leaves_qty_lots=0, ord_status=ord_status)
        entry.instruct(held="", shown_qty_lots=0)
        self.finish_if_done(entry)

    def finish_if_done(self, entry: Entry) -> None:
        """Mark an order of which nothing is left as finished, and remember only so many of those."""
        if entry.state.leaves_qty_lots or entry.finished or entry.is_working:
            return
        entry.queued = 0
        for order_list in self.lists:
            if order_list.order_ids[0] == entry.state.order_id:
                order_list.first_ended = entry.state.ord_status
        self.finish_count += 1
        entry.finished = self.finish_count
        finished = sorted((e for e in self.entries if e.finished), key=lambda e: e.finished)
        for forgotten in finished[: max(0, len(finished) - self.finished_orders_max)]:
            self.entries.remove(forgotten)

    def cancel_unasked(self, entry: Entry, restatement: str, *, asked: bool = False) -> None:
        """Cancel what is left, and say why."""
        self.end(entry, "4")
        self.canceled(entry, restatement, asked=asked)

    def canceled(self, entry: Entry, restatement: str, *, asked: bool) -> None:
        """Tell of a cancel that no F asked for."""
        self.tell(OrderCanceled, entry.state, entry.state.cl_ord_id, "", "", restatement, asked=asked)

    def retire(self, firm: str, cl_ord_id: str, entry: Entry) -> None:
        """Remember one more former ClOrdID, and only so many."""
        self.retired.append((firm, cl_ord_id, entry.state.order_id))
        del self.retired[: -self.finished_orders_max or None]

    # Telling

    def tell(self, kind: Any, *fields: Any, asked: bool = False) -> None:
        """Add an event; `asked`: it answers the session whose request this is."""
        requester = getattr(self.command, "session_id", "") if asked else ""
        self.events.append(kind(self.input_seq, self.event_index, self.command.received_ns, requester, *fields))
        self.event_index += 1

    def trial(self) -> "Venue":
        """A copy on which something can be tried out."""
        trial = copy.copy(self)
        trial.entries = [copy.copy(entry) for entry in self.entries]
        trial.markets = {symbol: copy.copy(market) for symbol, market in self.markets.items()}
        for market in trial.markets.values():
            market.trades = []
        trial.lists = [copy.copy(one) for one in self.lists]
        trial.retired, trial.trades, trial.events = [], [], []
        trial.quote_fills, trial.protected, trial.to_pull = [], [], []
        return trial


def other(side: str) -> str:
    """The side that this one trades with."""
    return "2" if side == "1" else "1"


def shows_all(said: Instructions) -> bool:
    """Neither hidden nor an iceberg."""
    return said.display_qty_lots == SHOWS_ALL


def total(entries: Iterable[Entry]) -> int:
    """What is left of all these."""
    return sum(e.state.leaves_qty_lots for e in entries)
