"""
A venue in memory: the matching engine itself behind the planner's requests, without a process or a network.

It is what `./outcry replay --dry-run` plays into, and it proves planner and engine against each other. Prices and
quantities go through decimal text, as they would on the wire.
"""

from collections.abc import Callable, Iterable
from typing import Final

from matcher.commands import CancelOrder, NewOrder, ReplaceOrder
from matcher.engine.engine import Engine
from matcher.events import CancelRejected, OrderFilled, OrderRejected
from matcher.instructions import ALLOW_SELF_MATCH
from matcher.instruments import Instrument
from matcher.operator_commands import Limits, SetLimits
from matcher.orders import DAY, LIMIT
from simulators.flow_audit import Fill, PublicLevel
from simulators.flow_requests import AnyRequest, CancelRequest, FlowUnits, NewRequest

_SESSION: Final = "FIX.4.4:REPLAY"
_FIRM: Final = "REPLAY"


class PaperVenue:
    """
    All instruments of a replay in one engine.

    Args:
        instruments: What is traded.
        on_fill: Gets each side of each trade.
        on_increment: Gets symbol, md_seq and changed levels of each increment.
        on_refusal: Gets the ClOrdID of a refused request, and why.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        on_fill: Callable[[Fill], None],
        on_increment: Callable[[str, int, list[PublicLevel]], None],
        on_refusal: Callable[[str, str], None],
    ) -> None:
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self.engine = Engine(0, self._instruments.values(), orders_max=1_000_000, finished_orders_max=1_000_000)
        # All of the flow comes from one firm here, and in the recording it traded.
        limits = Limits(self_match_instruction=ALLOW_SELF_MATCH)
        self.engine.apply(SetLimits("", 0, "", _FIRM, "", limits), 0)
        self._on_fill = on_fill
        self._on_increment = on_increment
        self._on_refusal = on_refusal
        self._msg_seq_num = 0

    def send(self, request: AnyRequest, units: FlowUnits) -> None:
        """Do one request and say what follows from it."""
        self._msg_seq_num += 1
        output = self.engine.apply(self._command(request, units), self._msg_seq_num)
        instrument = self._instruments[request.symbol]
        for event in output.events:
            match event:
                case OrderFilled(order=order):
                    price = units.price(instrument.tick.text(event.last_price_ticks))
                    qty = units.qty(instrument.lot.text(event.last_qty_lots))
                    self._on_fill(Fill(order.symbol, order.cl_ord_id, str(event.match_id), price, qty))
                case OrderRejected(order=order):
                    self._on_refusal(order.cl_ord_id, event.text)
                case CancelRejected():
                    self._on_refusal(event.cl_ord_id, event.text)
        for increment in output.increments:
            levels = [
                PublicLevel(
                    change.side,
                    units.price(instrument.tick.text(change.price_ticks)),
                    units.qty(instrument.lot.text(change.qty_lots)),
                    change.order_count,
                )
                for change in increment.levels
            ]
            self._on_increment(request.symbol, increment.md_seq, levels)

    def _command(self, request: AnyRequest, units: FlowUnits) -> NewOrder | CancelOrder | ReplaceOrder:
        number, symbol, side = self._msg_seq_num, request.symbol, request.side
        instrument = self._instruments[symbol]
        # Session, epoch, MsgSeqNum, all durable before it, the clock (which nothing here asks), firm.
        asker = (_SESSION, 1, number, number - 1, number, _FIRM, symbol)
        if isinstance(request, CancelRequest):
            return CancelOrder(*asker, request.cl_ord_id, request.orig_cl_ord_id, side)
        price_ticks = instrument.tick.count(units.price_text(request.price))
        qty_lots = instrument.lot.count(units.qty_text(request.qty))
        if isinstance(request, NewRequest):
            return NewOrder(*asker, request.cl_ord_id, "", side, LIMIT, request.time_in_force, price_ticks, qty_lots)
        return ReplaceOrder(*asker, request.cl_ord_id, request.orig_cl_ord_id, side, LIMIT, DAY, price_ticks, qty_lots)
