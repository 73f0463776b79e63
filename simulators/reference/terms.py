"""What can be wrong with the terms of an order by themselves (RULES.md, "Contradictions")."""

from typing import Any

from matcher.instructions import DISPLAY_SLICES_MAX
from matcher.orders import PRICE_TICKS_MAX, QTY_LOTS_MAX
from matcher.rejects import RejectReason as R
from simulators.reference.memory import PLAIN, shows_all


def fault(order: Any) -> R | None:
    """The first fault of anything that has an order's terms."""
    checks = {
        R.CONTRADICTORY_INSTRUCTIONS: any(_contradictions(order)),
        R.INVALID_QTY: not 0 < order.qty_lots <= QTY_LOTS_MAX,
        R.INVALID_PRICE: not _price_is_valid(order.ord_type, order.price_ticks),
        R.INVALID_STOP_PRICE: not _stop_price_is_valid(order),
        R.INVALID_EXPIRY: not _expiry_is_valid(order),
    }
    return next((reason for reason, failed in checks.items() if failed), None)


def _contradictions(order: Any) -> list[bool]:
    said = order.instructions or PLAIN
    kind, tif, qty = order.ord_type, order.time_in_force, order.qty_lots
    post, display, least = bool(said.post_only), not shows_all(said), bool(said.min_qty_lots)
    triggered = said.stop_price_ticks or said.trigger_price_type or said.trigger_direction or said.trail_offset
    return [
        post and kind in "13K",
        post and (tif in "34" or least),
        display and (tif in "34" or kind in "13K"),
        display and said.display_qty_lots > qty > 0,
        0 < said.display_qty_lots * DISPLAY_SLICES_MAX < qty,
        least and (tif == "4" or kind in "34P"),
        least and said.min_qty_lots > qty > 0,
        bool(triggered) and kind not in "34",
        kind == "P" and (tif in "3427" or not said.peg_price_type),
        kind != "P" and bool(said.peg_price_type),
        tif in "27" and kind in "34KP",
    ]


def _price_is_valid(kind: str, price_ticks: int) -> bool:
    if kind in "13K":
        return price_ticks == 0
    return 0 < price_ticks <= PRICE_TICKS_MAX or (kind == "P" and price_ticks == 0)


def _stop_price_is_valid(order: Any) -> bool:
    said = order.instructions or PLAIN
    given = said.stop_price_ticks or said.trail_offset
    return 0 <= said.stop_price_ticks <= PRICE_TICKS_MAX and (bool(given) or order.ord_type not in "34")


def _expiry_is_valid(order: Any) -> bool:
    said = order.instructions or PLAIN
    given = (said.expire_date != 0) + (said.expire_ns != 0)
    return given == (1 if order.time_in_force == "6" else 0)
