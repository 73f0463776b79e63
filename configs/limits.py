"""What a firm or a session may do, as it stands in the venue file."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from matcher.instructions import (
    ALLOW_SELF_MATCH,
    CANCEL_BOTH,
    CANCEL_INCOMING,
    CANCEL_RESTING,
    DECREMENT_BOTH,
    SelfMatchInstruction,
)
from matcher.operator_commands import Limits

SelfMatchWord = Literal["allow", "cancel incoming", "cancel resting", "cancel both", "decrement both"]
SELF_MATCH: Final[dict[SelfMatchWord, SelfMatchInstruction]] = {
    "allow": ALLOW_SELF_MATCH,
    "cancel incoming": CANCEL_INCOMING,
    "cancel resting": CANCEL_RESTING,
    "cancel both": CANCEL_BOTH,
    "decrement both": DECREMENT_BOTH,
}
Bound = Annotated[int, Meta(ge=0, le=2**62)]
_MILLISECOND_NS: Final = 10**6
_REFUSED_BURSTS: Final = 10


class InvalidLimits(ValueError):
    """Limits that cannot be; the message says what is wrong, and goes behind the name of the firm."""


class ThrottleLines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many requests an order session may send; cancels (F, q, Z) have twice the rate and the burst, apart."""

    per_second: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """0: as many as it likes."""
    burst: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Requests that may come at once after a pause; 0: those of one second."""
    refused_max: Annotated[int, Meta(ge=0, le=100_000_000)] = 0
    """If more are refused within one second, the session is logged out; 0: ten times the burst."""

    def __post_init__(self) -> None:
        """Fill in what was left out, once for all who read it."""
        if not self.per_second:
            if self.burst or self.refused_max:
                raise ValueError("a throttle needs per_second; give it, or leave burst and refused_max out")
            return
        burst = self.burst or self.per_second
        msgspec.structs.force_setattr(self, "burst", burst)
        msgspec.structs.force_setattr(self, "refused_max", self.refused_max or _REFUSED_BURSTS * burst)


class SessionLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of one session, on each shard; 0 bounds nothing."""

    qty_lots_max: Bound = 0
    """OrderQty(38) of one order, in lots."""
    notional_max: Bound = 0
    """Value of one order, in whole units of its currency."""
    open_orders_max: Bound = 0
    """Live orders."""
    exposure_max: Bound = 0
    """Value of all live orders at their limits, in whole units of currency."""
    self_match: SelfMatchWord | None = None
    """What happens to orders that would trade with their own firm; None: as the firm's, or "cancel incoming"."""
    throttle: ThrottleLines | None = None
    """Of one session; None: as the firm's, or `gateway.throttle`."""


class FirmLimits(SessionLimits, frozen=True, forbid_unknown_fields=True):
    """Bounds of a firm, and the protection of its quotes."""

    quote_fills_max: Bound = 0
    """This many fills of its quotes of one symbol within `quote_window_ms` pull all of them."""
    quote_qty_lots_max: Bound = 0
    """The same for quantity, in lots."""
    quote_window_ms: Annotated[int, Meta(ge=0, le=86_400_000)] = 0


def limits_of(lines: SessionLimits | FirmLimits) -> Limits:
    """
    Read limits.

    Raises:
        InvalidLimits: They contradict each other.
    """
    limits = Limits(
        qty_lots_max=lines.qty_lots_max,
        notional_max=lines.notional_max,
        open_orders_max=lines.open_orders_max,
        exposure_max=lines.exposure_max,
        self_match_instruction="" if lines.self_match is None else SELF_MATCH[lines.self_match],
    )
    if not isinstance(lines, FirmLimits):
        return limits
    if bool(lines.quote_window_ms) != bool(lines.quote_fills_max or lines.quote_qty_lots_max):
        raise InvalidLimits("quote protection needs quote_window_ms, and quote_fills_max or quote_qty_lots_max with it")
    return msgspec.structs.replace(
        limits,
        quote_fills_max=lines.quote_fills_max,
        quote_qty_lots_max=lines.quote_qty_lots_max,
        quote_window_ns=lines.quote_window_ms * _MILLISECOND_NS,
    )
