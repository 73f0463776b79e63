"""
What the venue itself puts onto the log: its timers, its definitions, and the orders of its operator.

Everything that changes what an engine answers is a command, configuration included: so a log can be replayed years
later, by itself, and gives the same bytes. A definition that is already in force changes nothing.
"""

from typing import Literal

import msgspec

from matcher.instruments import Instrument
from matcher.phases import Phase


class EndTradingDay(msgspec.Struct, frozen=True, array_like=True, tag="e"):
    """The trading day ends for one symbol: DAY orders, and those good till this date, expire in order of entry."""

    symbol: str
    received_ns: int
    trading_date: str
    """The day that ends, `YYYYMMDD`; a second one for the same day and symbol, or an older one, changes nothing."""


class TimerFired(msgspec.Struct, frozen=True, array_like=True, tag="t"):
    """The time has come for what one symbol waits for: orders expire, auctions end. Early or again, it does nothing."""

    symbol: str
    received_ns: int
    """All deadlines up to this are due."""


class ScheduledPhase(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """
    The schedule puts a symbol into a phase.

    Taken only if `scheduled_ns` is later than that of the last one, so repeats are harmless. During a halt it is noted
    and takes effect when the halt ends.
    """

    symbol: str
    received_ns: int
    scheduled_ns: int
    phase: Phase
    ends_ns: int
    """When an auction ends, before its random part; 0 with any other phase."""
    random_end_ns_max: int
    """How much later it may end."""
    seed: int
    """What the random part is drawn from."""


class OperatorRequest(msgspec.Struct, frozen=True, array_like=True):
    """What every operator's command begins with; each is answered by one `OperatorAnswered`."""

    request_id: str
    """Chosen by the operator's program, comes back in the answer; empty: what the configuration says (CONFIG-1)."""
    received_ns: int
    symbol: str
    """Empty where the command is about the shard."""


class DefineInstrument(OperatorRequest, frozen=True, array_like=True, tag="I"):
    """A new instrument, or new rules of one: its tick, lot, currency and shard never change."""

    instrument: Instrument


class SetPhase(OperatorRequest, frozen=True, array_like=True, tag="S"):
    """Halt, resume, or any other phase, at once. HALT is left by this command only."""

    phase: Phase
    """CONTINUOUS after a halt means: where the schedule would be by now, through an auction if `ends_ns` is given."""
    ends_ns: int
    random_end_ns_max: int
    seed: int
    text: str
    """Why, for those who trade; empty for no text."""


class SetReferencePrice(OperatorRequest, frozen=True, array_like=True, tag="p"):
    """The reference price moved: bands follow it, and stops that wait for it may fire."""

    price_ticks: int


class Limits(msgspec.Struct, frozen=True, array_like=True):
    """What one firm or one session may do on this shard; 0 bounds nothing."""

    qty_lots_max: int = 0
    notional_max: int = 0
    """Value of one order, in whole units of its currency."""
    open_orders_max: int = 0
    exposure_max: int = 0
    """Value of all live orders at their limits, in whole units of currency; currencies are not converted."""
    self_match_instruction: Literal["", "0", "1", "2", "3", "4"] = ""
    """SelfMatchPreventionInstruction(2964) of orders that give none; empty: 1, cancel the incoming order."""
    quote_fills_max: int = 0
    """Quote protection: this many fills of quotes of one symbol within `quote_window_ns` pull all its quotes."""
    quote_qty_lots_max: int = 0
    """The same for quantity."""
    quote_window_ns: int = 0
    is_blocked: bool = False
    """Kill switch: all live orders are canceled and new requests refused until this is lifted."""


class SetLimits(OperatorRequest, frozen=True, array_like=True, tag="L"):
    """New limits of a firm, or of one session of it; they replace the old ones and hold from the next request on."""

    firm: str
    session_id: str
    """Empty for the firm as a whole."""
    limits: Limits


class BustTrade(OperatorRequest, frozen=True, array_like=True, tag="B"):
    """Undo a trade: both sides get 150=H, their CumQty(14) and AvgPx(6) are restated; nothing returns to the book."""

    match_id: int
    text: str


class CorrectTrade(OperatorRequest, frozen=True, array_like=True, tag="K"):
    """Give a trade another price, or a smaller quantity: both sides get 150=G."""

    match_id: int
    price_ticks: int
    qty_lots: int
    text: str


TimerCommand = EndTradingDay | TimerFired | ScheduledPhase
OperatorCommand = DefineInstrument | SetPhase | SetReferencePrice | SetLimits | BustTrade | CorrectTrade
