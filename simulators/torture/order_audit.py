"""
Every order, report by report: each follows from the one before it, and each exists once. Pure.

- ExecID(17) names one event: one content wherever it is told, and told once to each session.
- An order begins with 150=0, and all that follows keeps 37, 54 and 55.
- A fill adds its LastQty(32) to CumQty(14); nothing else changes CumQty.
- CumQty(14) + LeavesQty(151) + canceled = OrderQty(38): something is canceled only by a report that says so, 150=4, C,
  or D with ExecRestatementReason(378)=5, which takes a part. LeavesQty = 0 when it is finished, and nothing follows.
- A status report (150=I) to the order's own session says what the reports before it said.
- In the end what was acknowledged and not finished is in the answers to the last AF, with the same state, and nothing
  else is.

Quotes are not told when they are entered, so an order that has QuoteEntryID(299) begins with the first that is told of
it, its OrderQty changes with each new quote, and what was canceled of it is not known.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import groupby

import msgspec

from sessions.fix_text import parse
from simulators.torture.reports import EventId, Report, read_report
from simulators.torture.violations import Findings

_ZERO = Decimal(0)


class _Told(msgspec.Struct):
    """One event, and to whom it was told."""

    report: Report
    sessions: tuple[str, ...]

    @property
    def is_cancel(self) -> bool:
        return self.report.exec_type == "4"


class _Order(msgspec.Struct):
    owner: str
    """The session that entered it."""
    last: Report
    """What it was told last."""
    canceled_qty: Decimal = _ZERO
    """Taken from it while it lived."""


class OrderAudit:
    """All orders of all sessions."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._told: dict[EventId, _Told] = {}
        self._orders: dict[str, _Order] = {}
        """By OrderID(37)."""
        self._copies: list[tuple[str, EventId]] = []
        """Told to a session that changed another's order."""
        self._listed: dict[str, dict[str, Report]] = {}
        """By session: its orders in its answer to the last AF, by OrderID."""
        self._list_ids: dict[str, str] = {}
        """By session: MassStatusReqID(584) of that AF."""
        self.reports = 0

    def on_message(self, session: str, text: str) -> None:
        """A session received this, in order."""
        if not text.startswith("8=") or "\x0135=8\x01" not in text:
            return
        self.reports += 1
        report = read_report(text)
        if report.event is None:
            self._status(session, report, parse(text).get("584"))
        elif self._is_new(session, report, report.event) and report.exec_type != "8":
            self._event(session, report, report.event)

    def tape(self) -> Iterator[list[Report]]:
        """Every event of the venue once, in the venue's own order; one list for each shard."""
        for _, events in groupby(sorted(self._told), key=lambda event: event.shard):
            yield [self._told[event].report for event in events]

    def listed(self) -> Iterator[Report]:
        """Every live order that an answer to AF named, by whoever owns it."""
        for session, orders in self._listed.items():
            for order_id, report in orders.items():
                if order_id not in self._orders or self._orders[order_id].owner == session:
                    yield report

    def on_list_request(self, session: str, mass_status_req_id: str) -> None:
        """A session asked for all its orders; of several such answers the last one counts."""
        self._list_ids[session] = mass_status_req_id
        self._listed[session] = {}

    def finish(self, mass_canceled: Mapping[str, int]) -> None:
        """Nothing more comes; so many orders were mass canceled, by input `<shard>-<input>`."""
        told = Counter(f"{event.shard}-{event.input_seq}" for event in self._told if self._told[event].is_cancel)
        for input_id, count in mass_canceled.items():
            if told[input_id] < count:
                what = f"{count} orders, but only {told[input_id]} reports with 150=4 came"
                self._find("nothing lost", f"mass cancel {input_id} canceled {what}")
        for session, event in self._copies:
            report = self._told[event].report
            order = self._orders.get(report.order_id)
            owner = order.owner if order else ""
            if not report.is_quote and owner not in self._told[event].sessions:
                self._find("nothing lost", f"{session} was told {report}, but its owner {owner or 'nobody'} was not")
        for session in self._listed:
            self._compare_list(session)

    def _compare_list(self, session: str) -> None:
        listed = self._listed[session]
        owned = {key: order.last for key, order in self._orders.items() if order.owner == session}
        for order_id, last in owned.items():
            if last.is_live and order_id not in listed and not last.is_quote:
                self._find("nothing lost", f"{session} was told last {last}, but the venue does not list the order")
        for order_id, report in listed.items():
            if order_id in owned and not owned[order_id].is_live:
                self._find("nothing lost", f"{session}'s order is finished by {owned[order_id]}, but listed: {report}")
            elif order_id not in self._orders and not report.is_quote:
                self._find("nothing lost", f"{session} was never told of the order that the venue lists: {report}")

    def _is_new(self, session: str, report: Report, event: EventId) -> bool:
        told = self._told.get(event)
        if told is None:
            self._told[event] = _Told(report, (session,))
            return True
        if told.report != report:
            self._find("nothing twice", f"{session}: ExecID(17) {event} has two contents: {told.report} and {report}")
        if session in told.sessions:
            self._find("nothing twice", f"{session} was told {report} more than once")
            return False
        told.sessions += (session,)
        return True

    def _event(self, session: str, report: Report, event: EventId) -> None:
        order = self._orders.get(report.order_id)
        if order is None or order.owner != session:
            self._first(session, order.owner if order else "", report, event)
            return
        if not order.last.is_live:
            self._find("conservation", f"{session}: {report} follows {order.last}, which had finished the order")
        self._follows(session, order, report)

    def _first(self, session: str, owner: str, report: Report, event: EventId) -> None:
        """The first that a session is told of an order."""
        if report.exec_type == "0" or (report.is_quote and not owner and report.exec_type != "4"):
            if owner:
                self._find("nothing twice", f"{session}: {report} takes an OrderID(37) that {owner}'s order has")
            if not report.is_quote and report.cum_qty != _ZERO:
                self._find("conservation", f"{session}: {report} begins with a CumQty(14)")
            order = self._orders[report.order_id] = _Order(session, report)
            self._check_sum(order, report)
        elif report.exec_type in "45":
            self._copies.append((session, event))
        else:
            self._find("no ack lost", f"{session}: {report} is about an order that was never acknowledged")

    def _follows(self, session: str, order: _Order, report: Report) -> None:
        last, order.last = order.last, report
        if (report.symbol, report.side) != (last.symbol, last.side):
            self._find("conservation", f"{session}: {report} has another symbol or side than {last}")
        gained = report.last_qty if report.exec_type == "F" else _ZERO
        if report.cum_qty != last.cum_qty + gained or gained < 0:
            self._find("conservation", f"{session}: {report} follows {last}, but CumQty(14) does not add up")
        if report.order_qty != last.order_qty and report.exec_type != "5" and not report.is_quote:
            self._find("conservation", f"{session}: {report} has another OrderQty(38) than {last}, and is no replace")
        if report.exec_type == "5" or report.is_quote:
            order.canceled_qty = _ZERO
        elif report.is_decrement:
            order.canceled_qty += last.leaves_qty - report.leaves_qty
        self._check_sum(order, report)

    def _check_sum(self, order: _Order, report: Report) -> None:
        session = order.owner
        open_qty = report.order_qty - report.cum_qty - order.canceled_qty
        is_wrong = report.leaves_qty != (open_qty if report.is_live else _ZERO) or open_qty < 0
        if is_wrong and not (report.is_quote and _ZERO <= report.leaves_qty <= open_qty):
            what = f"CumQty(14) + LeavesQty(151) + {order.canceled_qty} canceled is not OrderQty(38)"
            self._find("conservation", f"{session}: {report}: {what}")
        if report.ord_status == "2" and open_qty and not report.is_quote:
            self._find("conservation", f"{session}: {report} is filled, but {open_qty} of it were not")
        if report.exec_type == "F" and report.last_qty <= 0:
            self._find("conservation", f"{session}: {report} is a fill of nothing")

    def _status(self, session: str, report: Report, mass_id: str | None) -> None:
        if mass_id is not None and mass_id == self._list_ids.get(session) and report.order_id != "NONE":
            self._listed[session][report.order_id] = report
        order = self._orders.get(report.order_id)
        if order is None or order.owner != session or report.is_quote:
            return
        last = order.last
        told = (last.ord_status, last.order_qty, last.cum_qty, last.leaves_qty)
        if (report.ord_status, report.order_qty, report.cum_qty, report.leaves_qty) != told:
            self._find("nothing lost", f"{session}: the status {report} is not what was reported before: {last}")

    def _find(self, promise: str, sentence: str) -> None:
        self._findings.add(promise, sentence)
