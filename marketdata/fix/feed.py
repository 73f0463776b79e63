"""
FIX market data: the application behind the engine port for sessions of kind `marketdata`.

It answers V with one W per symbol and then one X per increment, each body's larger half written once for all
subscribers with the same wish; what else may be asked is in `enquiries`. It is a reader like any other: when its
replica of a book is not current, the book is withdrawn from the subscribers with an empty W, and a fresh W comes before
any further X. So a client never builds on a wrong book. All calls are on the event loop's thread; a subscription lives
no longer than its session's logon.
"""

from collections.abc import Callable, Iterable
from typing import Final

import structlog

from configs.loader import Venue
from marketdata.fix.enquiries import Books, Enquiries
from marketdata.fix.messages import (
    DUPLICATE_MD_REQ_ID,
    FIX42,
    INSUFFICIENT_BANDWIDTH,
    NOT_AUTHORIZED,
    NOT_AVAILABLE,
    UNKNOWN_ID,
    UNSUPPORTED_MESSAGE_TYPE,
    BusinessReject,
    Fields,
    RequestRefused,
    business_reject,
    dialect_of,
    increment_head,
    request_reject,
    snapshot_head,
)
from marketdata.fix.requests import Subscribe, Unsubscribe, read_request
from marketdata.fix.views import View, ViewKey
from marketdata.messages import BookIncrement
from marketdata.metrics import FeedMetrics
from marketdata.replica import Change, Replica
from matcher.instruments import Instrument
from sessions.port import InboundMessage

log = structlog.get_logger()

ORDER_MESSAGES: Final = frozenset("DFGH")

Send = Callable[[str, list[str]], None]
"""`sessions.port.Engine.send`: session_id and bodies."""


class _Subscription:
    """One MDReqID(262) of one session."""

    def __init__(self, session_id: str, request: Subscribe, fields: Fields) -> None:
        self.session_id = session_id
        self.request = request
        self.fields = fields
        self.key = ViewKey(dialect_of(session_id), request.wish)
        self.symbols = dict.fromkeys(request.symbols)
        """Those not yet finished."""
        self.snapshot_head = snapshot_head(request.md_req_id)
        self.increment_head = increment_head(request.md_req_id)


class _Audience:
    """One view of one book, and who watches it, in order of subscription."""

    def __init__(self, symbol: str, key: ViewKey) -> None:
        self.view = View(symbol, key)
        self.subscriptions: dict[_Subscription, None] = {}


class FixFeed:
    """Market data for FIX sessions; `on_change` is to be the callback of the `BookReader` given to `attach`."""

    def __init__(self, send: Send, venue: Venue, metrics: FeedMetrics, *, now_ns: Callable[[], int]) -> None:
        self._send = send
        self._instruments = dict(venue.instruments)
        self._subscriptions_max = venue.config.marketdata.fix_subscriptions_max
        self._metrics = metrics
        self._now_ns = now_ns
        self._books: Books | None = None
        self._sessions: dict[str, dict[str, _Subscription]] = {}
        self._audiences: dict[str, dict[ViewKey, _Audience]] = {symbol: {} for symbol in venue.instruments}
        self._enquiries = Enquiries(
            self._reply,
            self._reject,
            instruments=self._instruments,
            market=venue.config.comp_id,
            excess=self._excess,
            books=lambda: self._reader,
            now_ns=now_ns,
        )

    def define(self, instrument: Instrument) -> None:
        """An instrument is traded from now on, or has new rules."""
        self._instruments[instrument.symbol] = instrument
        self._audiences.setdefault(instrument.symbol, {})
        self._enquiries.on_defined(instrument)

    def attach(self, books: Books) -> None:
        """Give the feed its reader, once, before the first logon."""
        self._books = books

    def on_logon(self, session_id: str) -> None:
        """Begin without any subscription."""
        self._end_session(session_id)
        self._sessions[session_id] = {}

    def on_logout(self, session_id: str) -> None:
        """End all of the session's subscriptions."""
        self._end_session(session_id)
        self._sessions.pop(session_id, None)

    def on_messages(self, messages: Iterable[InboundMessage]) -> None:
        """Answer application messages, each on its own; what comes after its session's end has no one to answer to."""
        for message in messages:
            if message.session_id in self._sessions:
                self._on_message(message)

    def on_change(self, replica: Replica, change: Change, increment: BookIncrement | None) -> None:
        """Tell the subscribers what happened to a book."""
        if increment is None or increment.phase is not None:
            self._enquiries.on_change(replica, change)
        audiences = self._audiences[replica.symbol]
        if not audiences:
            return
        if change is Change.APPLIED and increment is not None:
            for audience in audiences.values():
                self._send_increment(audience, increment, replica)
        elif change is Change.RESTORED:
            for audience in list(audiences.values()):
                self._send_snapshots(list(audience.subscriptions), audience.view, replica)
        elif change is Change.LOST:
            self._metrics.lost_books.inc()
            for audience in list(audiences.values()):
                self._withdraw(list(audience.subscriptions), audience.view, replica)

    def _on_message(self, message: InboundMessage) -> None:
        fields = Fields(message.text)
        try:
            self._answer(message.session_id, fields)
        except RequestRefused as refused:
            self._reply(message.session_id, "Y", request_reject(refused))
        except BusinessReject as reject:
            self._reject(message.session_id, fields, reject)

    def _answer(self, session_id: str, fields: Fields) -> None:
        msg_type = fields.first("35")
        if msg_type == "V":
            self._answer_market_data(session_id, fields)
        elif self._enquiries.takes(session_id, msg_type):
            self._enquiries.answer(session_id, msg_type, fields)
        else:
            raise _not_for_this_session(session_id, msg_type, fields)

    def _answer_market_data(self, session_id: str, fields: Fields) -> None:
        request = read_request(fields, self._instruments)
        if isinstance(request, Unsubscribe):
            self._unsubscribe(session_id, request)
        else:
            self._subscribe(session_id, request, fields)

    def _unsubscribe(self, session_id: str, request: Unsubscribe) -> None:
        subscription = self._sessions[session_id].pop(request.md_req_id, None)
        if subscription is None:
            raise BusinessReject(
                UNKNOWN_ID,
                f"MDReqID(262)={request.md_req_id} is not subscribed; nothing to end",
                ref_id=request.md_req_id,
            )
        self._leave(subscription, subscription.symbols)

    def _subscribe(self, session_id: str, request: Subscribe, fields: Fields) -> None:
        subscriptions = self._sessions[session_id]
        if request.md_req_id in subscriptions:
            if fields.first("43") == "Y":
                return  # the very request that is being served, sent once more by the session layer
            raise RequestRefused(
                request.md_req_id,
                DUPLICATE_MD_REQ_ID,
                f"MDReqID(262)={request.md_req_id} is in use; unsubscribe it first, or choose another",
            )
        self._check_limit(session_id, request)
        subscription = subscriptions[request.md_req_id] = _Subscription(session_id, request, fields)
        self._metrics.subscriptions.inc(len(subscription.symbols))
        for symbol in request.symbols:
            self._join(subscription, symbol)

    def _check_limit(self, session_id: str, request: Subscribe) -> None:
        if excess := self._excess(session_id, len(request.symbols)):
            raise RequestRefused(request.md_req_id, INSUFFICIENT_BANDWIDTH, excess)

    def _excess(self, session_id: str, more: int) -> str:
        """Why a session may not ask for so many more symbols; empty if it may."""
        used = sum(len(subscription.symbols) for subscription in self._sessions[session_id].values())
        used += self._enquiries.count(session_id)
        if used + more <= self._subscriptions_max:
            return ""
        return f"{used} symbols are subscribed and at most {self._subscriptions_max} may be; unsubscribe some first"

    @property
    def _reader(self) -> Books:
        assert self._books is not None, "attach() comes before the first request"
        return self._books

    @property
    def _is_available(self) -> bool:
        return self._reader.is_available

    def _join(self, subscription: _Subscription, symbol: str) -> None:
        """Serve a symbol at once if its book is current; else with its first W, when it comes."""
        audiences = self._audiences[symbol]
        audience = audiences.get(subscription.key)
        if audience is None:
            audience = audiences[subscription.key] = _Audience(symbol, subscription.key)
        audience.subscriptions[subscription] = None
        replica = self._reader.watch(symbol)
        if replica.is_current:
            self._send_snapshots([subscription], audience.view, replica)
        elif not self._is_available:
            self._withdraw([subscription], audience.view, replica)

    def _leave(self, subscription: _Subscription, symbols: Iterable[str]) -> None:
        for symbol in list(symbols):
            audiences = self._audiences[symbol]
            audience = audiences[subscription.key]
            del audience.subscriptions[subscription]
            if not audience.subscriptions:
                del audiences[subscription.key]
            del subscription.symbols[symbol]
            self._metrics.subscriptions.dec()

    def _end_session(self, session_id: str) -> None:
        for subscription in self._sessions.get(session_id, {}).values():
            self._leave(subscription, subscription.symbols)
        self._enquiries.end_session(session_id)

    def _send_snapshots(self, subscriptions: list[_Subscription], view: View, replica: Replica) -> None:
        tail = view.snapshot(replica.book, now_ns=self._now_ns())
        for subscription in subscriptions:
            self._reply(subscription.session_id, "W", subscription.snapshot_head + tail)
            if subscription.request.is_snapshot:
                self._finish_one(subscription, replica.symbol)

    def _send_increment(self, audience: _Audience, increment: BookIncrement, replica: Replica) -> None:
        tail = audience.view.increment(increment, replica.book)
        if not tail:
            return
        for subscription in audience.subscriptions:
            self._send(subscription.session_id, [subscription.increment_head + tail])
        self._metrics.messages.labels("X").inc(len(audience.subscriptions))  # looked up once: it costs 1 us

    def _withdraw(self, subscriptions: list[_Subscription], view: View, replica: Replica) -> None:
        """
        Take back what was said of a book.

        A snapshot request goes on waiting while the reader repairs the book, which takes milliseconds; it is refused
        when nobody answers for market data at all.
        """
        is_silent = not self._is_available
        tail = view.withdrawal(replica.book, now_ns=self._now_ns())
        for subscription in subscriptions:
            if subscription.request.is_snapshot:
                if is_silent:
                    self._refuse_snapshot(subscription, replica.symbol)
            else:
                self._reply(subscription.session_id, "W", subscription.snapshot_head + tail)

    def _refuse_snapshot(self, subscription: _Subscription, symbol: str) -> None:
        md_req_id = subscription.request.md_req_id
        text = f"no market data for Symbol(55)={symbol} at the moment; ask again"
        reject = BusinessReject(NOT_AVAILABLE, text, ref_id=md_req_id)
        self._reject(subscription.session_id, subscription.fields, reject)
        self._finish_one(subscription, symbol)

    def _finish_one(self, subscription: _Subscription, symbol: str) -> None:
        """One symbol of a snapshot request is answered; with the last one its MDReqID is free again."""
        self._leave(subscription, [symbol])
        if not subscription.symbols:
            del self._sessions[subscription.session_id][subscription.request.md_req_id]

    def _reject(self, session_id: str, fields: Fields, reject: BusinessReject) -> None:
        self._reply(session_id, "j", business_reject(dialect_of(session_id), fields, reject))

    def _reply(self, session_id: str, msg_type: str, body: str) -> None:
        self._metrics.messages.labels(msg_type).inc()
        self._send(session_id, [body])


def _not_for_this_session(session_id: str, msg_type: str, fields: Fields) -> BusinessReject:
    if msg_type in ORDER_MESSAGES:
        return BusinessReject(
            NOT_AUTHORIZED,
            "this session is for market data; send orders on a session of kind orders",
            ref_id=fields.first("11"),
        )
    taken = "V, e, c and g" if dialect_of(session_id) == FIX42 else "V, e, x, c and g"
    return BusinessReject(
        UNSUPPORTED_MESSAGE_TYPE, f"MsgType(35)={msg_type} is not supported; a market-data session takes {taken} only"
    )
