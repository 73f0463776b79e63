"""
The books that a trader keeps of its own: every request, every answer, every lot, each report checked against the last.

Pure. What the venue reports must follow from what was asked and reported before:

- each request has exactly one answer: 150=0 or 8 for D; 150=4 or 9 for F; 150=5 or 9 for G; j or 3 for any;
- a fill adds its LastQty(32) to CumQty(14), and CumQty(14) + LeavesQty(151) = OrderQty(38) while the order lives;
- an order that ends was filled or canceled to the last lot;
- a fill that the operator busts (150=H) or corrects (150=G) is one of those that were reported, and its lots leave
  CumQty(14) without coming back into LeavesQty(151): they count as canceled.

What does not follow is a *violation*, told in a sentence. Finished orders are added to totals and forgotten, so memory
is bounded by what is live, what is unanswered, and the newest fills.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from matcher.instruments import Instrument
from matcher.orders import BUY, SELL, Side
from simulators.order_messages import BUSTED, CORRECTED, Answer

VIOLATIONS_KEPT: Final = 20
"""Violations whose sentences are kept; all are counted."""
FILLS_REMEMBERED_MAX: Final = 10_000
"""The newest fills, which may be busted or corrected; a revision of an older one is a violation."""

RequestKind = Literal["D", "F", "G"]


class LiveOrder(msgspec.Struct):
    """An order as its owner knows it, from the request on."""

    cl_ord_id: str
    symbol: str
    side: Side
    price_ticks: int
    qty_lots: int
    cum_lots: int = 0
    busted_lots: int = 0
    """Of fills that were taken back; they are open again only once a replace asks for them."""
    is_accepted: bool = False
    is_changing: bool = False
    """A cancel or replace of it is unanswered."""

    @property
    def leaves_lots(self) -> int:
        """LeavesQty(151)."""
        return self.qty_lots - self.cum_lots - self.busted_lots


class _OpenRequest(msgspec.Struct):
    kind: RequestKind
    sent_ns: int
    msg_seq_num: int
    order: LiveOrder
    price_ticks: int


class _Fill(msgspec.Struct):
    symbol: str
    side: Side
    lots: int


class Account:
    """One trader's orders and totals, over the symbols of `instruments`."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._unanswered: dict[str, _OpenRequest] = {}
        self._fills: dict[str, _Fill] = {}  # by ExecID(17), oldest first
        self.orders: dict[str, LiveOrder] = {}
        """Live orders by their current ClOrdID, unanswered ones included."""
        self.requests = Counter[RequestKind]()
        """Sent, by MsgType(35)."""
        self.answered = 0
        self.fills = Counter[Side]()
        """Fill reports by side."""
        self.bought_lots = Counter[str]()
        self.sold_lots = Counter[str]()
        self.ordered_lots = Counter[str]()
        """Final OrderQty(38) of finished orders, by symbol; as `canceled_lots` and `filled_lots`."""
        self.canceled_lots = Counter[str]()
        self.filled_lots = Counter[str]()
        self.rejects = Counter[str]()
        """Refusals by the venue's code."""
        self.violations: list[str] = []
        self.violation_count = 0

    @property
    def unanswered(self) -> int:
        """Requests without an answer."""
        return len(self._unanswered)

    def position_lots(self, symbol: str) -> int:
        """Bought minus sold."""
        return self.bought_lots[symbol] - self.sold_lots[symbol]

    def new(self, order: LiveOrder, *, msg_seq_num: int, sent_ns: int) -> None:
        """A D was sent."""
        self.orders[order.cl_ord_id] = order
        self._ask(order.cl_ord_id, _OpenRequest("D", sent_ns, msg_seq_num, order, order.price_ticks))

    def cancel(self, cl_ord_id: str, order: LiveOrder, *, msg_seq_num: int, sent_ns: int) -> None:
        """An F was sent."""
        order.is_changing = True
        self._ask(cl_ord_id, _OpenRequest("F", sent_ns, msg_seq_num, order, order.price_ticks))

    def replace(self, cl_ord_id: str, order: LiveOrder, price_ticks: int, *, msg_seq_num: int, sent_ns: int) -> None:
        """A G was sent."""
        order.is_changing = True
        self._ask(cl_ord_id, _OpenRequest("G", sent_ns, msg_seq_num, order, price_ticks))

    def on_answer(self, answer: Answer) -> int | None:
        """
        Book a message of the venue.

        Returns:
            When the request was sent that this answers (as given then); None when it answers none, as a fill does.
        """
        if answer.is_refusal:
            return self._refused(answer)
        match answer.exec_type:
            case "0":
                return self._accepted(answer)
            case "F":
                self._filled(answer)
            case revision if revision in {BUSTED, CORRECTED}:
                self._revised(answer)
            case "5":
                return self._replaced(answer)
            case "4":
                return self._canceled(answer)
            case "C":
                self._expired(answer)
            case other:
                self._violation(f"ExecType(150)={other} for {answer.cl_ord_id} was not asked for")
        return None

    def _ask(self, cl_ord_id: str, request: _OpenRequest) -> None:
        self._unanswered[cl_ord_id] = request
        self.requests[request.kind] += 1

    def _answer(self, cl_ord_id: str, kinds: str, what: str) -> _OpenRequest | None:
        """The request that a message answers, which is then answered; a violation if there is none of that kind."""
        request = self._unanswered.get(cl_ord_id)
        if request is None or request.kind not in kinds:
            self._violation(f"{what} for {cl_ord_id} answers no open request")
            return None
        del self._unanswered[cl_ord_id]
        self.answered += 1
        request.order.is_changing = False
        return request

    def _refused(self, answer: Answer) -> int | None:
        self.rejects[answer.code] += 1
        cl_ord_id = answer.cl_ord_id
        if answer.msg_type in "j3":
            numbers = ((name, request.msg_seq_num) for name, request in self._unanswered.items())
            cl_ord_id = next((name for name, number in numbers if number == answer.ref_seq_num), "")
        kinds = {"8": "D", "9": "FG"}.get(answer.msg_type, "DFG")
        request = self._answer(cl_ord_id, kinds, f"refusal {answer.code}")
        if request is None:
            return None
        if request.kind == "D":
            del self.orders[cl_ord_id]
        return request.sent_ns

    def _accepted(self, answer: Answer) -> int | None:
        request = self._answer(answer.cl_ord_id, "D", "150=0")
        if request is None:
            return None
        request.order.is_accepted = True
        self._check(request.order, answer)
        return request.sent_ns

    def _filled(self, answer: Answer) -> None:
        order = self._live(answer.cl_ord_id, "a fill")
        if order is None:
            return
        lots = self._lots(answer.symbol, answer.last_qty)
        order.cum_lots += lots
        self.fills[order.side] += 1
        self._traded_lots(order.side)[order.symbol] += lots
        self._remember(answer.exec_id, _Fill(order.symbol, order.side, lots))
        self._check(order, answer)
        if not order.leaves_lots:
            self._finish(order)

    def _remember(self, exec_id: str, fill: _Fill) -> None:
        if len(self._fills) >= FILLS_REMEMBERED_MAX:
            del self._fills[next(iter(self._fills))]
        self._fills[exec_id] = fill

    def _revised(self, answer: Answer) -> None:
        """The operator took a fill back, or put it right; LastQty(32) of a correction is what is left of it."""
        fill = self._fills.get(answer.exec_ref_id)
        lots = self._lots(answer.symbol, answer.last_qty)
        expected = fill is not None and (lots == fill.lots if answer.exec_type == BUSTED else 0 < lots <= fill.lots)
        if fill is None or not expected:
            what = f"150={answer.exec_type} of {lots} lots of {answer.exec_ref_id}"
            self._violation(f"{what}, which is no fill of so much" if fill else f"{what}, which is no fill")
            return
        gone_lots = lots if answer.exec_type == BUSTED else fill.lots - lots
        fill.lots -= gone_lots
        if not fill.lots:
            del self._fills[answer.exec_ref_id]
        self._traded_lots(fill.side)[fill.symbol] -= gone_lots
        order = self.orders.get(answer.cl_ord_id)
        if order is None:  # it was finished, and counted
            self.filled_lots[fill.symbol] -= gone_lots
            self.canceled_lots[fill.symbol] += gone_lots
            return
        order.cum_lots -= gone_lots
        order.busted_lots += gone_lots
        self._check(order, answer)

    def _traded_lots(self, side: Side) -> Counter[str]:
        return self.bought_lots if side == BUY else self.sold_lots

    def _replaced(self, answer: Answer) -> int | None:
        request = self._answer(answer.cl_ord_id, "G", "150=5")
        if request is None:
            return None
        order = request.order
        if self.orders.pop(order.cl_ord_id, None) is None:
            self._violation(f"150=5 for {answer.orig_cl_ord_id}, which was finished")
            return request.sent_ns
        order.cl_ord_id = answer.cl_ord_id
        order.price_ticks = request.price_ticks
        order.qty_lots = self._lots(answer.symbol, answer.order_qty)
        order.busted_lots = 0
        self.orders[order.cl_ord_id] = order
        self._check(order, answer)
        if not order.leaves_lots:
            self._finish(order)
        return request.sent_ns

    def _canceled(self, answer: Answer) -> int | None:
        if not answer.orig_cl_ord_id:  # what an IOC order left, which nobody asked to cancel
            self._expired(answer)
            return None
        request = self._answer(answer.cl_ord_id, "F", "150=4")
        if request is None:
            return None
        self._end(request.order, answer)
        return request.sent_ns

    def _expired(self, answer: Answer) -> None:
        order = self._live(answer.cl_ord_id, f"150={answer.exec_type}")
        if order is not None:
            self._end(order, answer)

    def _end(self, order: LiveOrder, answer: Answer) -> None:
        """The order ends with lots left over."""
        if order.cl_ord_id not in self.orders:
            self._violation(f"150={answer.exec_type} for {order.cl_ord_id}, which was finished")
            return
        reported = self._lots(answer.symbol, answer.cum_qty), self._lots(answer.symbol, answer.leaves_qty)
        if reported != (order.cum_lots, 0):
            self._violation(f"{order.cl_ord_id} ended with CumQty, LeavesQty {reported} lots, not {order.cum_lots}, 0")
        self.canceled_lots[order.symbol] += order.leaves_lots
        self._finish(order)

    def _finish(self, order: LiveOrder) -> None:
        del self.orders[order.cl_ord_id]
        self.ordered_lots[order.symbol] += order.qty_lots
        self.filled_lots[order.symbol] += order.cum_lots
        self.canceled_lots[order.symbol] += order.busted_lots

    def _live(self, cl_ord_id: str, what: str) -> LiveOrder | None:
        order = self.orders.get(cl_ord_id)
        if order is None or not order.is_accepted:
            self._violation(f"{what} for {cl_ord_id}, which is no live order")
            return None
        return order

    def _check(self, order: LiveOrder, answer: Answer) -> None:
        symbol = order.symbol
        told = tuple(self._lots(symbol, text) for text in (answer.order_qty, answer.cum_qty, answer.leaves_qty))
        known = (order.qty_lots, order.cum_lots, order.leaves_lots)
        if told != known or order.leaves_lots < 0:
            self._violation(f"{order.cl_ord_id} has OrderQty, CumQty, LeavesQty {told} lots where {known} follow")

    def _lots(self, symbol: str, qty: str) -> int:
        return self._instruments[symbol].lot.count(qty)

    def _violation(self, sentence: str) -> None:
        self.violation_count += 1
        if len(self.violations) < VIOLATIONS_KEPT:
            self.violations.append(sentence)


def conservation(accounts: Iterable[Account]) -> dict[str, Any]:
    """
    Check the promises of conservation over all accounts that traded, and nobody else did.

    Returns:
        `holds`, and what it is made of; lots by symbol.
    """
    accounts = list(accounts)
    bought, sold, ordered, filled, canceled = (
        _sum(getattr(account, name) for account in accounts)
        for name in ("bought_lots", "sold_lots", "ordered_lots", "filled_lots", "canceled_lots")
    )
    details = {
        "bought_equals_sold": bought == sold,
        "buy_fills_equal_sell_fills": fills_of(accounts, BUY) == fills_of(accounts, SELL),
        "ordered_equals_filled_plus_canceled": ordered == filled + canceled,
        "answered_exactly_once": all(account.answered == account.requests.total() for account in accounts),
        "live_orders": sum(len(account.orders) for account in accounts),
        "violations": sum(account.violation_count for account in accounts),
        "first_violations": [sentence for account in accounts for sentence in account.violations][:VIOLATIONS_KEPT],
        "bought_lots": dict(bought),
        "sold_lots": dict(sold),
    }
    flags = [value for value in details.values() if isinstance(value, bool)]
    return {"holds": all(flags) and not details["live_orders"] and not details["violations"], **details}


def fills_of(accounts: Iterable[Account], side: Side) -> int:
    """Fill reports of one side; the trades, when nobody else traded."""
    return sum(account.fills[side] for account in accounts)


def _sum(counters: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counters, Counter[str]())
