"""
What a leading matcher tells on `status.<k>`, in JSON: to the operator phases, prices and limits as they are now; to a
gateway that takes over a session, how far its requests are in the log.

It is a look at the engine, not a part of the log. An answer holds so many instruments and limits at most that it fits
into a message of NATS; who wants more asks again from where it ended.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Final, Protocol

import msgspec

from matcher.events import SessionMark
from matcher.instruments import Instrument
from matcher.operator_commands import Limits
from matcher.phases import Phase

PAGE_MAX: Final = 1000
"""Instruments, and limits, in one answer."""


class StatusRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part is asked for; the first one if nothing is said."""

    first: int = 0
    session_id: str = ""
    """Whose mark is asked for."""


class InstrumentStatus(msgspec.Struct, frozen=True):
    """One instrument at this moment."""

    symbol: str
    phase: Phase
    ends_ns: int
    """When the auction ends; 0: not known, or no auction."""
    reference_price: str
    last_price: str
    """Empty before the first trade."""
    trading_date: str
    """The last trading day that ended."""


class LimitsStatus(msgspec.Struct, frozen=True):
    """What is in force for one firm, or one session of it."""

    firm: str
    session_id: str
    limits: Limits


class ShardStatus(msgspec.Struct, frozen=True):
    """One part of the answer."""

    shard: int
    leader_epoch: int
    last_input_seq: int
    """The last ORD record that it has applied."""
    instruments: list[InstrumentStatus]
    limits: list[LimitsStatus]
    has_more: bool
    """There is a part after this one."""
    session: SessionMark | None = None
    """Of the session that was asked about, if this shard has seen it."""


class Watched(Protocol):
    """What is looked at of an engine."""

    @property
    def shard(self) -> int:
        """Whose engine it is."""

    @property
    def last_input_seq(self) -> int:
        """The last record that was applied."""

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """All that are defined."""

    @property
    def limits(self) -> Mapping[tuple[str, str], Limits]:
        """All that are in force, by firm and session."""

    def session_mark(self, session_id: str) -> SessionMark | None:
        """How far its requests are in the log."""

    def phase_of(self, symbol: str) -> tuple[Phase, int]:
        """The phase, and when it ends."""

    def reference_price_ticks(self, symbol: str) -> int:
        """As it is now."""

    def last_price_ticks(self, symbol: str) -> int:
        """Of the last trade, 0 before the first."""

    def trading_date(self, symbol: str) -> str:
        """The last trading day that ended."""


_encode = msgspec.json.Encoder().encode
_decode_request = msgspec.json.Decoder(StatusRequest).decode
decode_status = msgspec.json.Decoder(ShardStatus).decode
"""Read an answer."""


def encode_request(first: int = 0, *, session_id: str = "") -> bytes:
    """Ask for the part that begins with this instrument, counted from 0, and for the mark of a session."""
    return _encode(StatusRequest(first, session_id))


def answer(engine: Watched, payload: bytes, *, leader_epoch: int) -> bytes:
    """One part of what there is to tell; a request that cannot be read is answered with the first."""
    try:
        request = _decode_request(payload) if payload else StatusRequest()
    except msgspec.MsgspecError:
        request = StatusRequest()
    first = max(0, request.first)
    end = first + PAGE_MAX
    instruments = islice(engine.instruments.values(), first, end)
    limits = islice(engine.limits.items(), first, end)
    return _encode(
        ShardStatus(
            engine.shard,
            leader_epoch,
            engine.last_input_seq,
            [_instrument_status(engine, instrument) for instrument in instruments],
            [LimitsStatus(*key, each) for key, each in limits],
            max(len(engine.instruments), len(engine.limits)) > end,
            engine.session_mark(request.session_id) if request.session_id else None,
        )
    )


def _instrument_status(engine: Watched, instrument: Instrument) -> InstrumentStatus:
    symbol, tick = instrument.symbol, instrument.tick
    phase, ends_ns = engine.phase_of(symbol)
    last_price_ticks = engine.last_price_ticks(symbol)
    return InstrumentStatus(
        symbol,
        phase,
        ends_ns,
        tick.text(engine.reference_price_ticks(symbol)),
        tick.text(last_price_ticks) if last_price_ticks else "",
        engine.trading_date(symbol),
    )
