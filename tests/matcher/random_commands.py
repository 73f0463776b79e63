"""
Random commands of all kinds about two or three symbols, four sessions and three firms, made to collide.

ClOrdIDs, ListIDs and QuoteEntryIDs come from small pools, prices from a few ticks, quantities are small: so trades,
duplicates, repeated requests, crossing replaces, reused names, self-matches, triggers, lists that race and a full book
all happen within a few hundred commands. Continuous trading with special orders dominates; phases, auctions,
definitions, limits, blocks and busts come now and then.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from matcher.commands import (
    CancelOrder,
    Command,
    ListedOrder,
    MassCancel,
    MassQuote,
    NewOrder,
    NewOrderList,
    OrderMassStatusRequest,
    OrderStatusRequest,
    QuoteCancel,
    QuoteEntry,
    RefusedRequest,
    ReplaceOrder,
    Request,
)
from matcher.engine.engine import Engine
from matcher.instructions import Instructions
from matcher.instruments import Increment, Instrument, TickBand, TradingRules
from matcher.operator_commands import (
    BustTrade,
    CorrectTrade,
    DefineInstrument,
    EndTradingDay,
    Limits,
    ScheduledPhase,
    SetLimits,
    SetPhase,
    SetReferencePrice,
    TimerFired,
)
from matcher.rejects import RejectReason

Pick = Callable[[Sequence[Any]], Any]
"""Chooses one of some options."""

SYMBOLS = ("AAA", "BBB")
ORDERS_MAX = 40
FINISHED_ORDERS_MAX = 12

_SYMBOL = ("AAA",) * 24 + ("BBB",) * 10 + ("CCC", "ZZZ")
_SESSION = (("A1", "A"), ("A2", "A"), ("B1", "B"), ("B1", "B"), ("C1", "C"))
_KIND = (
    *("D",) * 92,
    *("G",) * 34,
    *("F",) * 12,
    *("E",) * 18,
    *("i",) * 12,
    *("t",) * 14,
    *("S",) * 5,
    *("s",) * 4,
    *("q", "e", "L", "B", "K", "I") * 2,
    *("Z", "AF", "H", "R", "p"),
)
"""By the tag of the command."""
_NAMES = {
    "D": "new_order",
    "G": "replace",
    "F": "cancel",
    "E": "list",
    "i": "mass_quote",
    "t": "timer",
    "S": "phase",
    "s": "schedule",
    "q": "mass_cancel",
    "e": "end_of_day",
    "L": "limits",
    "B": "bust",
    "K": "correct",
    "I": "definition",
    "Z": "cancel_quotes",
    "AF": "mass_status",
    "H": "status",
    "R": "refused",
    "p": "reference_price",
}
_ORDER = (
    *("limit",) * 20,
    *("market",) * 5,
    *("stop", "stop limit", "trail", "peg") * 5,
    *("iceberg", "hidden", "post-only", "min qty") * 4,
    *("at once",) * 6,
    *("K", "dated") * 2,
    *("opening", "close") * 3,
    *("anything",) * 2,
)
_QTY = (*(tuple(range(1, 16)) * 8), 30, 30, 0, 10**11)
_PRICE = {"1": (*(tuple(range(95, 102)) * 12), 0, 110, 10**9), "2": (*(tuple(range(99, 106)) * 12), 0, 90, 10**9)}
_STOP = tuple(range(96, 106))
_TRIGGER: dict[str, Sequence[Any]] = {
    "trigger_price_type": ("", "2", "2", "1", "3", "R"),
    "trigger_direction": ("", "", "U", "D"),
    "stop_price_ticks": _STOP,
}
_TRAIL = {"trail_offset_type": "12", "trail_offset": (1, 2, 3, 150), "stop_price_ticks": (0, 0, 98, 100, 102)}
_PEG: dict[str, Sequence[Any]] = {
    "peg_price_type": "245",
    "peg_offset_ticks": (0, 0, -1, 1, -2, 2, 8),
    "display_qty_lots": (-1, -1, -1, 0, 2),
}
_ANYTHING: dict[str, Sequence[Any]] = {
    "peg_price_type": ("", "5"),
    "post_only": ("", "R"),
    "min_qty_lots": (0, 2),
    "display_qty_lots": (-1, 4),
}
_ORDERS: dict[str, tuple[str, str, dict[str, Sequence[Any]]]] = {
    "limit": ("2", "00011", {}),
    "market": ("1", "0013346", {}),
    "K": ("K", "0134", {}),
    "stop": ("3", "00013", _TRIGGER),
    "stop limit": ("4", "00011", _TRIGGER),
    "trail": ("34", "00011", _TRIGGER | _TRAIL),
    "peg": ("P", "00011", _PEG),
    "iceberg": ("2", "00011", {"display_qty_lots": (1, 2, 2, 3, 5)}),
    "hidden": ("2", "00011", {"display_qty_lots": (0,)}),
    "post-only": ("2", "00011", {"post_only": "RSS", "display_qty_lots": (-1, -1, 0, 2)}),
    "min qty": ("2", "0133", {"min_qty_lots": (1, 2, 5, 8)}),
    "at once": ("2", "3344", {}),
    "dated": ("2", "6", {}),
    "opening": ("112", "2", {}),
    "close": ("112", "7", {}),
    "anything": ("1234KP", "0123467", _TRIGGER | _ANYTHING),
}
"""OrdTypes, TimesInForce, and what else such an order may say."""
_RULES = (
    TradingRules(),
    TradingRules(),
    TradingRules(protection_ticks=2, market_rest="rest"),
    TradingRules(protection_ticks=1, dynamic_corridor_bps=250, volatility_auction_ns=60, volatility_random_end_ns=40),
    TradingRules(static_corridor_bps=350, volatility_auction_ns=80, market_rest="rest", protection_ticks=4),
    TradingRules(tick_bands=[TickBand(50, 1), TickBand(103, 2)], price_band_bps=500),
    TradingRules(qty_lots_max=14, notional_max=13, protection_ticks=3),
    TradingRules(initial_phase="1"),
)
_LIMITS = (
    *(Limits(),) * 12,
    Limits(qty_lots_max=13, notional_max=12),
    Limits(open_orders_max=5, exposure_max=40),
    Limits(exposure_max=15),
    Limits(self_match_instruction="2", quote_fills_max=2, quote_window_ns=100),
    Limits(self_match_instruction="3", quote_qty_lots_max=9, quote_window_ns=400),
    Limits(self_match_instruction="4", quote_fills_max=1, quote_window_ns=0),
    Limits(quote_fills_max=1, quote_window_ns=2_000),
    Limits(quote_qty_lots_max=4, quote_window_ns=2_000),
    Limits(self_match_instruction="0"),
    Limits(is_blocked=True),
)
_NS = 10
"""From one command to the next."""


def new_engine(seed: int = 0, *, finished_orders_max: int = FINISHED_ORDERS_MAX) -> Engine:
    """An engine for these commands, on the shard `seed`; the first of them define its instruments."""
    return Engine(seed, orders_max=ORDERS_MAX, finished_orders_max=finished_orders_max)


def seeded_commands(
    seed: int, count: int, match_ids: dict[str, int] | None = None, *, shard: int = 0
) -> Iterator[tuple[int, Command]]:
    """Commands with their input_seq, the same for the same seed (and the same `match_ids`)."""
    return commands(random.Random(seed).choice, count, match_ids, shard=shard)


def commands(
    pick: Pick, count: int, match_ids: dict[str, int] | None = None, *, shard: int = 0
) -> Iterator[tuple[int, Command]]:
    """
    Commands with their input_seq, which rises with gaps and now and then stays.

    Args:
        pick: Chooses.
        count: How many, after one definition for each symbol.
        match_ids: The last match_id of each symbol, kept by the caller as it goes, so that busts find trades.
        shard: Whose instruments are defined.
    """
    source = _Source(pick, {} if match_ids is None else match_ids, shard)
    for symbol in SYMBOLS:
        yield 1, DefineInstrument("", 1, symbol, _instrument(symbol, shard, pick(_RULES[:6]), 100))
    input_seq = 1
    for number in range(count):
        input_seq += pick((0, 1, 1, 3))
        yield input_seq, source.command(number)


def _instrument(symbol: str, shard: int, rules: TradingRules, reference_price_ticks: int, units: int = 1) -> Instrument:
    return Instrument(symbol, Increment(units, 2), Increment(1, 0), reference_price_ticks, "USD", shard, rules=rules)


class _Source:
    """Draws one command after the other; remembers what was entered lately, so that cancels and replaces find it."""

    def __init__(self, pick: Pick, match_ids: dict[str, int], shard: int) -> None:
        self.pick = pick
        self.match_ids = match_ids
        self.shard = shard
        self.entered: list[NewOrder] = []
        self.number = 0
        self.symbol = ""
        self.side = "1"
        self.head: tuple[Any, ...] = ()
        """What a request about the symbol begins with; `of_shard` what one about no symbol does."""
        self.of_shard: tuple[Any, ...] = ()

    @property
    def now(self) -> int:
        """When this command was received."""
        return 1_000 + self.number * _NS

    @property
    def request(self) -> tuple[Any, ...]:
        """What an operator's command begins with."""
        return (f"op{self.number}", self.now, self.symbol)

    def command(self, number: int) -> Command:
        """The next command."""
        self.number, self.symbol, self.side = number, self.pick(_SYMBOL), self.pick("12")
        kind = self.pick(_KIND)
        session_id, firm = self.pick(_SESSION)
        about = None
        if kind in "FG" and self.entered and self.pick((True,) * 4 + (False,)):
            about = self.pick(self.entered)
            self.symbol, firm, session_id = about.symbol, about.firm, about.session_id
        pick = self.pick
        epoch, msg_seq_num = 1 + number // 200 - pick((0,) * 30 + (1,)), number + 10 - pick((0,) * 15 + (1, 5))
        self.of_shard = (session_id, epoch, msg_seq_num, number, self.now, firm, "")
        self.head = (*self.of_shard[:-1], self.symbol)
        command: Command = self._about(about, kind) if about else getattr(self, f"_{_NAMES[kind]}")()
        self.entered = [*self.entered, *_named_by(command)][-25:]
        return command

    # Orders

    def _new_order(self) -> Command:
        resend = self.pick((False,) * 15 + (True,))
        return NewOrder(*self.head, self._cl_ord_id(), "account", self.side, *self._terms(self.side), resend)

    def _about(self, order: NewOrder, kind: str) -> Command:
        names = (self._cl_ord_id(), order.cl_ord_id)
        if kind == "F":
            return CancelOrder(*self.head, *names, self.pick((order.side,) * 9 + ("1", "2")))
        return ReplaceOrder(*self.head, *names, *self._changed(order))

    def _cancel(self) -> Command:
        return CancelOrder(*self.head, self._cl_ord_id(), self._orig(), self.side)

    def _replace(self) -> Command:
        return ReplaceOrder(*self.head, self._cl_ord_id(), self._orig(), self.side, *self._terms(self.side))

    def _list(self) -> Command:
        contingency = self.pick("12")
        orders = [self._leg() for _ in range(2 if contingency == "1" else self.pick((2, 3)))]
        return NewOrderList(*self.head, f"list{self.pick(range(8))}", contingency, orders)

    def _cl_ord_id(self) -> str:
        return f"{self.symbol}{self.side}{self.pick(range(50))}"

    def _orig(self) -> str:
        """Mostly a name that was used for this symbol and side."""
        symbol, side = self.pick((self.symbol,) * 10 + SYMBOLS), self.pick((self.side,) * 12 + ("1", "2"))
        return f"{symbol}{side}{self.pick(range(50))}"

    def _leg(self) -> ListedOrder:
        pick, side = self.pick, self.pick("12")
        ord_type, tif, price, qty, said = self._terms(side)
        if ord_type == "P" or tif in "3427":
            ord_type, tif, price, said = "2", "0", pick(_PRICE[side]), None
        terms = (side, ord_type, tif, price, pick((qty, 5)), said)
        return ListedOrder(f"{self.symbol}{side}{pick(range(50))}", "", *terms)

    def _terms(self, side: str) -> tuple[Any, ...]:
        """OrdType, TimeInForce, price, quantity, instructions."""
        pick = self.pick
        kind = pick(_ORDER)
        ord_types, tifs, saying = _ORDERS[kind]
        ord_type, tif = pick(ord_types), pick((pick(tifs),) * 12 + ("6",))
        said = {name: pick(values) for name, values in saying.items()}
        if tif == "6":
            soon = {"expire_ns": self.now + pick((0, 1, 2, 5, 20, 40)) * _NS}
            said |= pick((soon, soon, {"expire_date": int(self._date())}))
        # Now and then a price where none belongs.
        has_price = (
            ord_type in "24" or (ord_type == "P" and pick((True, False, False))) or pick((False,) * 30 + (True,))
        )
        price = pick(_PRICE[side]) if has_price else 0
        return ord_type, tif, price, pick(_QTY), _instructions(said | _modifiers(pick))

    def _changed(self, order: NewOrder) -> tuple[Any, ...]:
        """The terms of an order with one or two of them changed; the side stays."""
        pick = self.pick
        side, ord_type, tif, price, qty, said = _terms_of(order)
        if ord_type in "1K" or tif in "234" or pick((False,) * 6 + (True,)):
            ord_type, tif, price, qty, said = self._terms(side)
        if ord_type in "24" and pick((True, False)):
            price = pick(_PRICE[side])
        if pick((True, False)):
            qty = pick((max(1, qty - 1), qty + 2, pick(_QTY)))
        changes: dict[str, Any] = {}
        if said is not None and said.display_qty_lots > 0 and pick((True, False)):
            changes["display_qty_lots"] = pick((1, 2, 4))
        if said is not None and ord_type in "34" and pick((True, False)):
            changes["stop_price_ticks"] = pick((*_STOP, 0))
        if said is not None and pick((True, False, False)):
            changes |= _modifiers(pick)
        return side, ord_type, tif, price, qty, replace(said, **changes) if changes else said

    # Quotes, and requests about many orders

    def _mass_quote(self) -> Command:
        names = self.pick((("q1",), ("q2",), ("q1", "q2"), ("q3", "q1"), ("q1", "q1")))
        return MassQuote(*self.of_shard, "quote", [self._quote(name) for name in names])

    def _quote(self, name: str) -> QuoteEntry:
        bid, offer = self.pick((*range(96, 101), *range(96, 102), 0)), self.pick((*range(100, 105), *range(99, 105)))
        qty = (0, *(2, 3, 5, 8, 8, 14) * 3, -1)
        return QuoteEntry(name, self.pick(_SYMBOL), bid, self.pick(qty), offer, self.pick(qty))

    def _cancel_quotes(self) -> Command:
        scope = self.pick("14")
        return QuoteCancel(*(self.head if scope == "1" else self.of_shard), "cancel", scope)

    def _mass_cancel(self) -> Command:
        scope, only = self.pick("17"), self.pick((False, True))
        head = self.head if scope == "1" else self.of_shard
        return MassCancel(*head, self._cl_ord_id(), scope, self.pick(("", "1", "2")), only)

    def _mass_status(self) -> Command:
        scope = self.pick("178")
        head = self.head if scope == "1" else self.of_shard
        return OrderMassStatusRequest(*head, "status", scope, self.pick(("", "1", "2")))

    def _status(self) -> Command:
        return OrderStatusRequest(*self.head, self._cl_ord_id(), "status", self.side)

    def _refused(self) -> Command:
        texts = ("a text", 44, self._cl_ord_id(), "", "", self.side, "2", "0", "1.005", "7")
        return RefusedRequest(*self.head, "D", RejectReason.PRICE_OFF_TICK, *texts)

    # The venue

    def _date(self) -> str:
        return f"202501{10 + min(20, self.number // 50 % 20 + self.pick((0, 0, 1, -1))):02}"

    def _end_of_day(self) -> Command:
        return EndTradingDay(self.symbol, self.now, self._date())

    def _timer(self) -> Command:
        return TimerFired(self.symbol, self.now)

    def _end(self, phase: str, *, always: bool = False) -> tuple[int, int, int]:
        """ends_ns, random_end_ns_max and seed of a phase, if it has an end."""
        if phase not in "246" and not always:
            return (0, 0, 0)
        return (self.now + self.pick((3, 8, 15)) * _NS, self.pick((0, 0, 30)), self.pick(range(50)))

    def _schedule(self) -> Command:
        phase = self.pick("3" * 26 + "12456")
        return ScheduledPhase(self.symbol, self.now, self.now - self.pick((0, 0, 0, 50)), phase, *self._end(phase))

    def _phase(self) -> Command:
        phase = self.pick("3" * 26 + "1124466HH5C")
        return SetPhase(*self.request, phase, *self._end(phase, always=self.pick((False, True))), "why")

    def _reference_price(self) -> Command:
        return SetReferencePrice(*self.request, self.pick((97, 99, 100, 100, 101, 103, 0)))

    def _limits(self) -> Command:
        whom = self.pick((("A", ""), ("B", ""), ("A", "A1"), ("C", "C1")))
        request_id = self.pick((self.request[0], self.request[0], ""))
        return SetLimits(request_id, self.now, "", *whom, self.pick(_LIMITS))

    def _definition(self) -> Command:
        pick = self.pick
        units, shard = pick((1,) * 9 + (5,)), pick((self.shard,) * 9 + (self.shard + 1,))
        instrument = _instrument(self.symbol, shard, pick(_RULES), pick((100, 100, 101, 98)), units)
        return DefineInstrument(pick((self.request[0], "")), self.now, self.symbol, instrument)

    def _match_id(self) -> int:
        return max(1, self.match_ids.get(self.symbol, 8) - self.pick(range(8)))

    def _bust(self) -> Command:
        return BustTrade(*self.request, self._match_id(), "")

    def _correct(self) -> Command:
        return CorrectTrade(
            *self.request, self._match_id(), self.pick((98, 100, 102, 0)), self.pick((1, 2, 3, 5, 0)), ""
        )


def _named_by(command: Command) -> list[NewOrder]:
    """What later cancels and replaces can be about: the orders of a command, as if each had come alone."""
    if isinstance(command, NewOrder):
        return [command]
    if not isinstance(command, ReplaceOrder | NewOrderList):
        return []
    head: Any = [getattr(command, name) for name in Request.__struct_fields__]
    orders = command.orders if isinstance(command, NewOrderList) else [command]
    return [NewOrder(*head, order.cl_ord_id, "", *_terms_of(order)) for order in orders]


def _terms_of(order: NewOrder | ReplaceOrder | ListedOrder) -> tuple[Any, ...]:
    return (order.side, order.ord_type, order.time_in_force, order.price_ticks, order.qty_lots, order.instructions)


def _modifiers(pick: Pick) -> dict[str, Any]:
    return {
        "self_match_id": pick(("",) * 10 + ("x", "y")),
        "self_match_instruction": pick(("",) * 9 + tuple("01234")),
        "cancel_on_halt": pick((False,) * 7 + (True,)),
        "reports_moves": pick((False, True)),
    }


def _instructions(said: dict[str, Any]) -> Instructions | None:
    instructions = Instructions(**said)
    # What a gateway would send: a plain order has none.
    return None if instructions == Instructions() else instructions
