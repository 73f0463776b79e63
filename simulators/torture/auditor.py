"""
The independent auditor: knows nothing but a history, and says which promises were not kept. Pure.

It is fed message by message; afterwards `finish` says what can only be known in the end. See the modules beside it
for what each of them checks.
"""

from collections.abc import Collection, Iterable
from decimal import Decimal

from sessions.fix_text import parse
from simulators.torture.book_audit import BookAudit
from simulators.torture.history import Said
from simulators.torture.order_audit import OrderAudit
from simulators.torture.request_audit import RequestAudit
from simulators.torture.session_audit import SessionAudit
from simulators.torture.trade_audit import TradeAudit
from simulators.torture.violations import Findings, Violation

_REQUESTS = frozenset(("D", "E", "F", "G", "H", "AF", "q", "i", "Z"))

ALL_OF_SESSION = "8"
"""MassStatusReqType(585): the orders that the session entered."""


class Auditor:
    """All sessions of one run."""

    def __init__(self, *, shards: int, market_data: Collection[str] = ()) -> None:
        """
        Args:
            shards: How many of them answer a request to all.
            market_data: The sessions that read market data; all others enter orders.
        """
        self.findings = Findings()
        self.requests = RequestAudit(self.findings, shards=shards)
        self.orders = OrderAudit(self.findings)
        self.books = BookAudit(self.findings)
        self.trades = 0
        self._market_data = frozenset(market_data)
        self._sessions: dict[str, SessionAudit] = {}
        self._connections: dict[str, int] = {}

    def see(self, said: Said) -> None:
        """Take the next message that some client sent or received."""
        session = self._session(said)
        if said.direction == "<":
            for message in session.received(said):
                self._deliver(message)
            return
        number, is_first = session.sent(said)
        if is_first and said.session not in self._market_data:
            self._ask(said, number)

    def see_all(self, history: Iterable[Said]) -> None:
        """Take a whole history."""
        for said in history:
            self.see(said)

    def shown_orders(self, symbol: str, side: str, price: Decimal) -> int:
        """How many orders the newest public book has at a price."""
        return self.books.level(symbol, side, price)

    def finish(self) -> list[Violation]:
        """Nothing more comes. Returns all that was found; only the first sentences are kept."""
        for session in self._sessions.values():
            for message in session.finish():
                self._deliver(message)
        self.requests.finish()
        self.orders.finish(self.requests.canceled)
        trades = TradeAudit(self.findings)
        for tape in self.orders.tape():
            trades.on_tape(tape)
        trades.finish(self.books.trades.values())
        self.trades = trades.trades
        self.books.finish(self.orders.listed())
        return self.findings.violations

    def _ask(self, said: Said, number: int) -> None:
        fields = parse(said.text)
        if fields["35"] in _REQUESTS:
            self.requests.on_request(said.session, said.text, number, said.at_ns)
        if fields["35"] == "AF" and fields["585"] == ALL_OF_SESSION:
            self.orders.on_list_request(said.session, fields["584"])

    def _session(self, said: Said) -> SessionAudit:
        audit = self._sessions.get(said.session)
        if audit is None:
            is_resent = said.session not in self._market_data
            audit = self._sessions[said.session] = SessionAudit(said.session, self.findings, is_resent=is_resent)
        if said.connection != self._connections.get(said.session):
            self._connections[said.session] = said.connection
            self.books.on_disconnected(said.session)
        return audit

    def _deliver(self, message: Said) -> None:
        if message.session in self._market_data:
            self.books.on_message(message.session, message.text)
        else:
            self.requests.on_message(message.session, message.text, message.at_ns)
            self.orders.on_message(message.session, message.text)
