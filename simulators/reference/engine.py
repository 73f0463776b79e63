"""The reference engine: one command after the other, each in the order of ORDER-2."""

from typing import Any

from matcher.commands import (
    CancelOrder,
    Command,
    MassCancel,
    MassQuote,
    NewOrder,
    NewOrderList,
    OrderMassStatusRequest,
    OrderStatusRequest,
    QuoteCancel,
    RefusedRequest,
    ReplaceOrder,
    Request,
)
from matcher.events import OperatorAnswered, Output, RequestRefused
from matcher.operator_commands import EndTradingDay, OperatorRequest, ScheduledPhase, TimerFired
from simulators.reference import lists, operations, phases, public, quotes, requests, rounds
from simulators.reference.memory import Venue

Levels = list[tuple[int, int, int]]


class ReferenceEngine:
    """The same interface as `matcher.engine.engine.Engine.apply`, without records and snapshots."""

    def __init__(self, shard: int, *, orders_max: int, finished_orders_max: int) -> None:
        self.venue = Venue(shard, orders_max, finished_orders_max)

    def apply(self, command: Command, input_seq: int) -> Output:
        """Do one command."""
        venue = self.venue
        if input_seq != venue.input_seq:
            venue.input_seq, venue.event_index = input_seq, 0
        venue.command, venue.events = command, []
        if isinstance(command, Request) and self._was_seen(command):
            return Output([], [])
        for market in venue.markets.values():
            market.before = public.view(venue, market)
            market.trades, market.revisions, market.phase_change, market.ended_day = [], [], None, ""
            market.anchor_ticks = market.last_trade_ticks
        self._do(command)
        for market in list(venue.markets.values()):
            rounds.settle(venue, market)
        lists.report(venue)
        markets = list(venue.markets.values())
        return Output(venue.events, [one for market in markets for one in public.increments(venue, market)])

    def levels(self, symbol: str) -> tuple[Levels, Levels]:
        """What the public sees, bids and asks, each best first: (price_ticks, qty_lots, order_count)."""
        view = public.view(self.venue, self.venue.markets[symbol])
        seen = {place: (sum(shown.values()), len(shown)) for place, shown in view.items()}
        bids, asks = ([(price, *seen[side, price]) for side, price in seen if side == wanted] for wanted in "12")
        return sorted(bids, reverse=True), sorted(asks)

    def _was_seen(self, request: Request) -> bool:
        """Whether the request, or a later one of its session and lane, was taken before."""
        lane = request.symbol if request.symbol in self.venue.markets else ""
        name = (request.session_epoch, request.msg_seq_num)
        if name <= self.venue.seen.get((request.session_id, lane), (-1, -1)):
            return True
        self.venue.seen[request.session_id, lane] = name
        return False

    def _do(self, command: Any) -> None:
        venue = self.venue
        match command:
            case NewOrder():
                requests.new_order(venue, command)
            case CancelOrder():
                requests.cancel(venue, command)
            case ReplaceOrder():
                requests.replace_order(venue, command)
            case OrderStatusRequest():
                requests.report_status(venue, command)
            case OrderMassStatusRequest():
                requests.report_orders(venue, command)
            case MassCancel():
                requests.mass_cancel(venue, command)
            case NewOrderList():
                lists.new_list(venue, command)
            case MassQuote():
                quotes.mass_quote(venue, command)
            case QuoteCancel():
                quotes.cancel_quotes(venue, command)
            case RefusedRequest():
                names = RequestRefused.__struct_fields__[4:]
                venue.tell(RequestRefused, *(getattr(command, name) for name in names), asked=True)
            case OperatorRequest():
                reason = operations.do(venue, command)
                venue.tell(OperatorAnswered, command.request_id, reason, "")
            case _:
                self._do_timed(command)

    def _do_timed(self, command: Any) -> None:
        market = self.venue.markets.get(command.symbol)
        if market is None:
            return
        match command:
            case EndTradingDay():
                phases.end_trading_day(self.venue, market, command)
            case TimerFired():
                phases.fire_timers(self.venue, market, command)
            case ScheduledPhase():
                phases.schedule(self.venue, market, command)
