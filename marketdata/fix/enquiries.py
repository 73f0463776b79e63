"""
All that a market-data session may ask beside books: phases (e, g) and instruments (x, c).

Each kind of question has its desk; here is decided who answers, what a session may have at once, and in which words a
refusal comes: j to e, y to x, d to c, h to g.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from marketdata.fix.askers import IdInUse
from marketdata.fix.definitions import DefinitionDesk, DefinitionRefused, read_definition_request
from marketdata.fix.definitions import refusal_body as refused_definition
from marketdata.fix.messages import FIX42, OTHER, UNSUBSCRIBE, BusinessReject, Fields, dialect_of
from marketdata.fix.security_list import security_list
from marketdata.fix.status import StatusDesk, read_status_request
from marketdata.fix.trading_sessions import OTHER_REASON, SessionRefused, TradingSessionDesk, read_session_request
from marketdata.fix.trading_sessions import refusal_body as refused_session
from marketdata.replica import Change, Replica
from matcher.instruments import Instrument


class Books(Protocol):
    """What the feed needs of `marketdata.client.BookReader`."""

    @property
    def is_available(self) -> bool:
        """False while nobody answers for market data."""

    def watch(self, symbol: str) -> Replica:
        """The replica of a symbol, kept up to date from now on."""


class Enquiries:
    """
    The desks of e, x, c and g.

    Args:
        reply: Sends a body: session_id, MsgType(35), text.
        reject: Sends a BusinessMessageReject(j) to the request with these fields.
        instruments: All that are traded, kept up to date by their owner.
        market: The venue, for MarketID(1301).
        excess: Why a session may not ask for so many more symbols; empty if it may.
        books: Where phases are known from.
        now_ns: The time.
    """

    def __init__(
        self,
        reply: Callable[[str, str, str], None],
        reject: Callable[[str, Fields, BusinessReject], None],
        *,
        instruments: Mapping[str, Instrument],
        market: str,
        excess: Callable[[str, int], str],
        books: Callable[[], Books],
        now_ns: Callable[[], int],
    ) -> None:
        self._reply = reply
        self._instruments = instruments
        self._excess = excess
        self._books = books
        self._now_ns = now_ns
        self._statuses = StatusDesk(reply, reject, now_ns=now_ns)
        self._definitions = DefinitionDesk(reply, instruments, market=market)
        self._sessions = TradingSessionDesk(reply, instruments, now_ns=now_ns)
        self._desks = (self._statuses, self._definitions, self._sessions)
        self._answers = {
            "e": self._answer_status,
            "x": self._answer_list,
            "c": self._answer_definition,
            "g": self._answer_session,
        }

    def takes(self, session_id: str, msg_type: str) -> bool:
        """Whether a message is a question for one of the desks; FIX 4.2 has no x."""
        return msg_type in self._answers and not (msg_type == "x" and dialect_of(session_id) == FIX42)

    def answer(self, session_id: str, msg_type: str, fields: Fields) -> None:
        """
        Answer a message that `takes` says is a question for here, or begin to.

        Raises:
            BusinessReject: It is to be answered with j.
        """
        self._answers[msg_type](session_id, fields)

    def count(self, session_id: str) -> int:
        """As how many symbols count what a session is still to be told about."""
        return sum(desk.askers.count(session_id) for desk in self._desks)

    def end_session(self, session_id: str) -> None:
        """Forget all that a session asked for."""
        for desk in self._desks:
            desk.end_session(session_id)

    def on_change(self, replica: Replica, change: Change) -> None:
        """A book was lost, is there again, or is in another phase."""
        for desk in self._desks:
            desk.on_change(replica, change, is_available=self._books().is_available)

    def on_defined(self, instrument: Instrument) -> None:
        """An instrument is new, or has other terms; `instruments` has it already."""
        for desk in (self._definitions, self._sessions):
            desk.on_defined(instrument, self._watch, is_available=self._books().is_available)

    def _watch(self, symbol: str) -> Replica:
        return self._books().watch(symbol)

    def _answer_status(self, session_id: str, fields: Fields) -> None:
        request, desk = read_status_request(fields, self._instruments), self._statuses
        if request.kind == UNSUBSCRIBE:
            desk.end(session_id, request.req_id)
            return
        try:
            if desk.askers.is_repeat(session_id, request.req_id, fields):
                return
        except IdInUse as error:
            raise BusinessReject(OTHER, str(error), ref_id=request.req_id) from error
        if excess := self._excess(session_id, 1):
            raise BusinessReject(OTHER, excess, ref_id=request.req_id)
        books = self._books()
        desk.begin(session_id, request, fields, books.watch(request.symbol), is_available=books.is_available)

    def _answer_list(self, session_id: str, fields: Fields) -> None:
        for body in security_list(dialect_of(session_id), fields, self._instruments):
            self._reply(session_id, "y", body)

    def _answer_definition(self, session_id: str, fields: Fields) -> None:
        try:
            self._begin_definition(session_id, fields)
        except DefinitionRefused as refused:
            self._reply(session_id, "d", refused_definition(dialect_of(session_id), refused))

    def _begin_definition(self, session_id: str, fields: Fields) -> None:
        request, desk = read_definition_request(fields, self._instruments), self._definitions
        if request.kind == UNSUBSCRIBE:
            desk.end(session_id, request.req_id)
            return
        try:
            if desk.askers.is_repeat(session_id, request.req_id, fields):
                return
        except IdInUse as error:
            raise DefinitionRefused(request.req_id, str(error), symbol=request.symbol) from error
        if excess := self._excess(session_id, len(desk.symbols_of(request))):
            raise DefinitionRefused(request.req_id, excess, symbol=request.symbol)
        desk.begin(session_id, request, fields, self._watch, is_available=self._books().is_available)

    def _answer_session(self, session_id: str, fields: Fields) -> None:
        try:
            self._begin_session(session_id, fields)
        except SessionRefused as refused:
            self._reply(session_id, "h", refused_session(dialect_of(session_id), refused, now_ns=self._now_ns()))

    def _begin_session(self, session_id: str, fields: Fields) -> None:
        desk = self._sessions
        request = read_session_request(dialect_of(session_id), fields, desk.groups)
        if request.kind == UNSUBSCRIBE:
            desk.end(session_id, request.req_id)
            return
        group = request.groups[0] if len(request.groups) == 1 else ""
        try:
            if desk.askers.is_repeat(session_id, request.req_id, fields):
                return
        except IdInUse as error:
            raise SessionRefused(request.req_id, group, OTHER_REASON, str(error)) from error
        if excess := self._excess(session_id, len(request.groups)):
            raise SessionRefused(request.req_id, group, OTHER_REASON, excess)
        desk.begin(session_id, request, fields, self._watch, is_available=self._books().is_available)
