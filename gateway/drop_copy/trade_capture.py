"""
Trade capture: the trades of today, or of another time, and those that come, to drop copies that ask for them.

A subscription is a snapshot that goes on: each shard is read up to where the gateway stands, and from that record on
its trades are sent when their reports are. It lives no longer than its session's logon; whoever comes back asks again,
and knows what it has by TradeReportID(571).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.drop_copy.copies import DropCopies, Owner
from gateway.drop_copy.replay import REPORTS_MAX, TOO_MANY, Outcome, Replayer
from gateway.drop_copy.spans import Span
from gateway.drop_copy.trade_messages import (
    ACCEPTED,
    COMPLETED,
    OTHER,
    REJECTED,
    SUBSCRIBE,
    SUCCESSFUL,
    UNSUBSCRIBE,
    TradeEvent,
    TradeRequest,
    TradeRequestRefused,
    read_trade_request,
    request_id,
    trade_capture_report,
    trade_request_ack,
)
from gateway.drop_copy.trading_days import TradingDays, midnight_ns
from gateway.fix.report_fields import TextsBySymbol
from matcher.events import Event, OrderFilled, TradeBusted, TradeCorrected
from matcher.instruments import Instrument

SUBSCRIPTIONS_MAX: Final = 10
"""Subscriptions of one session."""
_DAYS_NS: Final = 2 * 86_400 * 10**9
"""A trading day lies within so much of midnight UTC of its date, whatever its zone."""


class TradeCapture:
    """Serves the trade capture of all drop copies of a gateway."""

    def __init__(
        self,
        copies: DropCopies,
        instruments: Mapping[str, Instrument],
        days: TradingDays,
        *,
        shards: int,
        owners: Mapping[str, str],
        send: Callable[[str, list[str]], None],
        now_ns: Callable[[], int],
    ) -> None:
        """
        Args:
            copies: Says whose trades a session gets.
            instruments: What is traded, by symbol.
            days: Gives the trading day of a trade.
            shards: Of the venue.
            owners: By CompID: the firm, of all sessions of the venue.
            send: Sends bodies to a session.
            now_ns: The wall clock.
        """
        self.days = days
        self.texts = TextsBySymbol(instruments)
        self._copies = copies
        self._symbols = set(instruments)
        self._shards = shards
        self._owners = owners
        self._send = send
        self._now_ns = now_ns
        self._replayer: Replayer
        self._subscriptions: dict[str, dict[str, _TradeJob]] = {}

    def attach(self, replayer: Replayer) -> None:
        """Give it what reads the logs."""
        self._replayer = replayer

    def follow(self, owners: Mapping[str, str]) -> None:
        """The venue's sessions are others now."""
        self._owners = owners

    def define(self, instrument: Instrument) -> None:
        """An instrument is traded from now on."""
        self.texts.define(instrument)
        self.days.define(instrument)
        self._symbols.add(instrument.symbol)

    def forget(self, job: "_TradeJob") -> None:
        """A request has come to nothing; if it was a subscription, that has ended."""
        subscriptions = self._subscriptions.get(job.session_id, {})
        if subscriptions.get(job.request_id) is job:
            del subscriptions[job.request_id]

    def end_session(self, session_id: str) -> None:
        """A session is down."""
        self._subscriptions.pop(session_id, None)

    def on_events(self, shard: int, records: list[tuple[int, list[Event]]]) -> None:
        """These records of EXEC were handed over just now."""
        for subscriptions in list(self._subscriptions.values()):
            for job in list(subscriptions.values()):
                job.go_on(shard, records)

    def take(self, session_id: str, fields: Mapping[str, str], text: str) -> None:
        """Answer AD."""
        try:
            request = read_trade_request(
                text,
                is_traded=self._symbols.__contains__,
                may_read=lambda party: self._may_read(session_id, party),
            )
            if request.subscription == UNSUBSCRIBE:
                self._unsubscribe(session_id, request)
                self._send(session_id, [ack(request, COMPLETED, text="the subscription has ended")])
            else:
                self._begin(session_id, request)
        except TradeRequestRefused as refused:
            body = trade_request_ack(request_id(fields), fields, refused.result, REJECTED, text=str(refused))
            self._send(session_id, [body])

    def _may_read(self, session_id: str, party: str) -> bool:
        is_firm = party in self._owners.values()
        owner = Owner(party, "") if is_firm else Owner(self._owners.get(party, ""), f":{party}")
        return (is_firm or party in self._owners) and self._copies.may_read(session_id, owner)

    def _unsubscribe(self, session_id: str, request: TradeRequest) -> None:
        job = self._subscriptions.get(session_id, {}).pop(request.request_id, None)
        if job is None:
            text = f"TradeRequestID(568)={request.request_id} is not subscribed; nothing to end"
            raise TradeRequestRefused(OTHER, text)
        self._replayer.withdraw(job)  # its snapshot may not be at its end yet

    def _begin(self, session_id: str, request: TradeRequest) -> None:
        subscriptions = self._subscriptions.setdefault(session_id, {})
        if request.subscription == SUBSCRIBE:
            if request.request_id in subscriptions:
                text = f"TradeRequestID(568)={request.request_id} is in use; end it first (263=2), or choose another"
                raise TradeRequestRefused(OTHER, text)
            if len(subscriptions) >= SUBSCRIPTIONS_MAX:
                text = f"{SUBSCRIPTIONS_MAX} requests are subscribed, the most of one session; end one first (263=2)"
                raise TradeRequestRefused(OTHER, text)
        job = _TradeJob(
            session_id,
            request,
            self._spans(request),
            capture=self,
            copies=self._copies,
            send=self._send,
            now_ns=self._now_ns(),
        )
        if request.subscription == SUBSCRIBE:
            subscriptions[request.request_id] = job
        if not self._replayer.submit(job):
            self.forget(job)
            raise TradeRequestRefused(OTHER, TOO_MANY)

    def _spans(self, request: TradeRequest) -> list[Span]:
        begin_ns, end_ns = request.begin_ns, request.end_ns
        if not begin_ns and request.first_date:
            begin_ns = max(1, midnight_ns(request.first_date) - _DAYS_NS)
        if not end_ns and request.last_date:
            end_ns = midnight_ns(request.last_date) + _DAYS_NS
        begin_ns = begin_ns or self.days.first_begin(self._now_ns())
        return [Span(shard, begin_ns=begin_ns, end_ns=end_ns) for shard in range(self._shards)]


class _TradeJob:
    """One AD: a snapshot, and what follows it."""

    def __init__(
        self,
        session_id: str,
        request: TradeRequest,
        spans: Sequence[Span],
        *,
        capture: TradeCapture,
        copies: DropCopies,
        send: Callable[[str, list[str]], None],
        now_ns: int,
    ) -> None:
        self.session_id = session_id
        self.request_id = request.request_id
        self.spans = spans
        self.shards: Sequence[int] = [span.shard for span in spans]
        self.joins = request.subscription == SUBSCRIBE
        self._request = request
        self._capture = capture
        self._copies = copies
        self._send = send
        self._today_ns = 0 if request.first_date else now_ns
        self._joined: dict[int, int] = {}

    def begin(self, _last_input_seqs: dict[int, int]) -> None:
        self._send(self.session_id, [ack(self._request, ACCEPTED)])

    def refuse(self, _span: Span, fault: str) -> None:
        self._capture.forget(self)
        self._send(self.session_id, [ack(self._request, REJECTED, result=OTHER, text=fault)])

    def body_of(self, event: Event, shard: int) -> str | None:
        return self._body_of(event, shard, is_update=False)

    def join(self, shard: int, exec_seq: int) -> None:
        self._joined[shard] = exec_seq

    def go_on(self, shard: int, records: list[tuple[int, list[Event]]]) -> None:
        """Send what has happened just now, if that is not read for the snapshot."""
        if (joined_seq := self._joined.get(shard)) is not None:
            events = (event for exec_seq, events in records if exec_seq > joined_seq for event in events)
            found = [self._body_of(event, shard, is_update=True) for event in events]
            if bodies := [body for body in found if body is not None]:
                self._send(self.session_id, bodies)

    def end(self, outcome: Outcome) -> None:
        if outcome.fault:
            self._capture.forget(self)
            self._send(self.session_id, [ack(self._request, REJECTED, result=OTHER, text=outcome.fault)])
            return
        text = ""
        if outcome.is_cut:
            text = f"one request gets no more than {REPORTS_MAX}; ask again from a later TransactTime(60) on"
        self._send(self.session_id, [ack(self._request, COMPLETED, reports=outcome.reports, text=text)])

    def _body_of(self, event: Event, shard: int, *, is_update: bool) -> str | None:
        if not isinstance(event, OrderFilled | TradeBusted | TradeCorrected):
            return None
        owner = Owner(event.order.firm, event.order.session_id)
        if not self._copies.may_read(self.session_id, owner) or not self._is_wanted(event, owner):
            return None
        return trade_capture_report(
            event,
            shard,
            self._capture.texts,
            owner=owner,
            reader=self.session_id,
            request_id_text=self._request.request_id,
            trading_date=self._capture.days.date_of(event.order.symbol, event.transact_ns),
            is_update=is_update,
        )

    def _is_wanted(self, event: TradeEvent, owner: Owner) -> bool:
        days, symbol = self._capture.days, event.order.symbol
        if self._today_ns and event.transact_ns < days.begin_of(symbol, self._today_ns):
            return False
        return self._request.wants(event, owner, days.date_of(symbol, event.transact_ns))


def ack(
    request: TradeRequest, status: str, *, result: str = SUCCESSFUL, reports: int | None = None, text: str = ""
) -> str:
    """AQ to a request that could be read."""
    fields = {"55": request.symbol, "263": request.subscription, "569": request.request_type}
    return trade_request_ack(request.request_id, fields, result, status, reports=reports, text=text)
