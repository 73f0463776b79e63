"""
Every trade, from both sides, and the queue: what was bought was sold, and the order whose turn it was traded. Pure.

Looks at the tape: all events of one shard, in the order that ExecID(17) gives them.

- A trade (880, 527) has a buyer and a seller, with one price and one quantity; matches of a symbol count from 1.
- Its price is within the limits of both.
- Priority: while a plain limit order rests, none of its side trades at a worse price; and of two plain ones at one
  price, the one that came first trades first.
- Public trades (MDEntryType 269=2) are the ones that were reported.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from simulators.torture.reports import EventId, Report
from simulators.torture.violations import Findings

BUY = "1"


class PublicTrade(msgspec.Struct, frozen=True):
    """As market data tells it."""

    symbol: str
    match_id: str
    """TradeID(1003)."""
    price: Decimal
    qty: Decimal
    number: int
    """RptSeq(83) of the increment that it was in."""


class TradeAudit:
    """Trades of all shards; `finish` after the last tape."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._sides: dict[str, list[Report]] = defaultdict(list)

    @property
    def trades(self) -> int:
        """How many there were."""
        return len(self._sides)

    def on_tape(self, tape: Iterable[Report]) -> None:
        """Take all events of one shard."""
        queue = _Queue(self._findings)
        for report in tape:
            if report.exec_type == "F":
                self._sides[report.trade_id].append(report)
                self._check_limit(report)
            queue.on_report(report)

    def finish(self, public: Iterable[PublicTrade]) -> None:
        """All tapes were there; these trades were published."""
        for trade_id, sides in self._sides.items():
            self._check_pair(trade_id, sides)
        self._check_count()
        for trade in public:
            self._check_public(trade)

    def _check_pair(self, trade_id: str, sides: list[Report]) -> None:
        shown = " and ".join(map(str, sides))
        if sorted(report.side for report in sides) != ["1", "2"]:
            self._find("bought = sold", f"trade {trade_id} has not one buyer and one seller, but {shown}")
        elif len({(report.symbol, report.last_px, report.last_qty) for report in sides}) != 1:
            self._find("bought = sold", f"trade {trade_id} is not the same on both sides: {shown}")

    def _check_count(self) -> None:
        matches: dict[str, set[int]] = defaultdict(set)
        for trade_id in self._sides:
            symbol, _, match_id = trade_id.rpartition("-")
            matches[symbol].add(int(match_id))
        for symbol, found in matches.items():
            if missing := set(range(1, max(found) + 1)) - found:
                self._find("nothing lost", f"{symbol}: match {min(missing)} was reported to nobody, {max(found)} was")

    def _check_public(self, trade: PublicTrade) -> None:
        trade_id = f"{trade.symbol}-{trade.match_id}"
        sides = self._sides.get(trade_id)
        if not sides:
            self._find("nothing lost", f"trade {trade_id} was published, and reported to nobody")
        elif (trade.price, trade.qty) != (sides[0].last_px, sides[0].last_qty):
            self._find("bought = sold", f"trade {trade_id} was published as {trade.qty} at {trade.price}: {sides[0]}")

    def _check_limit(self, report: Report) -> None:
        if report.price is None or report.is_quote:
            return
        is_worse = report.last_px > report.price if report.side == BUY else report.last_px < report.price
        if is_worse:
            self._find("price", f"{report} traded at {report.last_px}, beyond its Price(44) {report.price}")

    def _find(self, promise: str, sentence: str) -> None:
        self._findings.add(promise, sentence)


class _Resting(msgspec.Struct):
    price: Decimal
    since: EventId
    leaves_qty: Decimal


class _Queue:
    """The plain limit orders that rest on one shard, with their turn."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._sides: dict[tuple[str, str], dict[str, _Resting]] = defaultdict(dict)

    def on_report(self, report: Report) -> None:
        """Take the next event."""
        assert report.event is not None
        resting = self._sides[report.symbol, report.side]
        if report.exec_type == "F" and report.liquidity == "1":
            self._check_turn(report, resting)
        known = resting.get(report.order_id)
        if not report.is_live or not report.is_plain or report.is_waiting or report.price is None:
            resting.pop(report.order_id, None)
        elif known is None or (report.exec_type in "5DL" and _loses_turn(known, report)):
            resting[report.order_id] = _Resting(report.price, report.event, report.leaves_qty)
        else:
            known.leaves_qty = report.leaves_qty

    def _check_turn(self, report: Report, resting: dict[str, _Resting]) -> None:
        assert report.event is not None
        own = resting.get(report.order_id)
        for order_id, other in resting.items():
            # One that came in with this very input may be triggered and wait for its turn to come in.
            if order_id == report.order_id or other.since.input_seq == report.event.input_seq:
                continue
            is_better = other.price > report.last_px if report.side == BUY else other.price < report.last_px
            if is_better:
                self._find(report, order_id, f"at the better price {other.price}")
            elif own is not None and other.price == own.price == report.last_px and other.since < own.since:
                self._find(report, order_id, "which came first at that price")

    def _find(self, report: Report, order_id: str, why: str) -> None:
        self._findings.add("priority", f"{report} traded at {report.last_px} before order {order_id}, {why}")


def _loses_turn(known: _Resting, report: Report) -> bool:
    return report.price != known.price or report.leaves_qty > known.leaves_qty
