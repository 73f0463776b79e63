"""
The operator's command for the limits of a firm or session; `bounds` holds orders against them.

One that is blocked by it loses what it has at once (BLOCK-1).
"""

from typing import Final

import msgspec

from matcher.books.floor import Floor
from matcher.engine import leaving, quote_pulls
from matcher.engine.answer import Answer
from matcher.events import OperatorAnswered
from matcher.operator_commands import Limits, SetLimits
from matcher.orders import OrderState
from matcher.rejects import Refusal, RejectReason

_BLOCKED: Final = "the operator blocked your firm or session"


def set_limits(command: SetLimits, floor: Floor, answer: Answer) -> None:
    """Give a firm or session other limits; one that is blocked by them loses its live orders."""
    limits, key = command.limits, (command.firm, command.session_id)
    refusal = _refusal_of_limits(command)
    if refusal is not None:
        answer.tell(OperatorAnswered, command.request_id, *refusal)
        return
    book = floor.limits
    if not command.request_id:  # the configuration, which does not lift a block, and says again what is known already
        if book.configured.get(key) == limits:
            answer.tell(OperatorAnswered, command.request_id, None, "")
            return
        book.configured[key] = limits
        now = book.in_force.get(key, Limits())
        limits = msgspec.structs.replace(limits, is_blocked=now.is_blocked)
    book.set(*key, limits, floor.orders)
    if limits.is_blocked:
        _cancel_all(*key, floor, answer)
    answer.tell(OperatorAnswered, command.request_id, None, "")


def _refusal_of_limits(command: SetLimits) -> Refusal | None:
    limits = command.limits
    if not command.firm:
        return RejectReason.INVALID_COMMAND, "limits are those of a firm; name it"
    if any(isinstance(limit, int) and limit < 0 for limit in msgspec.structs.astuple(limits)):
        return RejectReason.INVALID_COMMAND, "a limit cannot be negative; 0 is for none"
    if (limits.quote_fills_max or limits.quote_qty_lots_max) and not limits.quote_window_ns:
        return RejectReason.INVALID_COMMAND, "quote protection needs a window; give quote_window_ms (--quote-window-ms)"
    return None


def _cancel_all(firm: str, session_id: str, floor: Floor, answer: Answer) -> None:
    """Cancel what a firm or session has, symbol by symbol, orders before quotes (BLOCK-1)."""
    by_symbol: dict[str, list[OrderState]] = {symbol: [] for symbol in floor.markets}
    for order in floor.live_orders_of(firm, floor.markets.values()):
        is_quote = order.instructions is not None and order.instructions.quote_entry_id
        if session_id in ("", order.session_id) and not is_quote:
            by_symbol[order.symbol].append(order)
    for market in floor.markets.values():
        for order in by_symbol[market.symbol]:
            leaving.cancel(order, market, floor, answer, "B", _BLOCKED)
        quote_pulls.pull(market, floor, answer, "B", _BLOCKED, firm=firm, session_id=session_id)
