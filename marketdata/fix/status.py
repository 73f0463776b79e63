"""
Phases over FIX: SecurityStatusRequest(e) is answered with SecurityStatus(f), at once and at each change of phase.

A phase is known as far as the book is: when the gateway cannot vouch for a book, its phase is 326=20, unknown, until it
can. What each message holds is in `FEED.md`.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from marketdata.fix.askers import Asker, AskerDesk, Askers
from marketdata.fix.messages import (
    FIX42,
    FIX44,
    FIX50SP2,
    NOT_AVAILABLE,
    OTHER,
    SNAPSHOT,
    SUBSCRIBE,
    UNKNOWN_SECURITY,
    UNSUBSCRIBE,
    BusinessReject,
    Dialect,
    Fields,
    dialect_of,
    require,
    timestamp,
)
from marketdata.messages import MarketPhase
from marketdata.replica import Change, Replica
from matcher.instruments import Instrument
from matcher.phases import (
    CLOSING_AUCTION,
    CONTINUOUS,
    OPENING_AUCTION,
    PHASE_NAMES,
    POST_CLOSE,
    PRE_OPEN,
    SECURITY_TRADING_STATUS,
    VOLATILITY_AUCTION,
    Phase,
)
from sessions.fix_text import SOH, utc_timestamp

UNKNOWN_STATUS: Final = "20"
_NOT_AVAILABLE: Final = "18"
_PRICE_INDICATION: Final = "5"
_STATUSES_44: Final = {**SECURITY_TRADING_STATUS, POST_CLOSE: _NOT_AVAILABLE}
_STATUSES_42: Final = {
    **_STATUSES_44,
    PRE_OPEN: _NOT_AVAILABLE,
    OPENING_AUCTION: _PRICE_INDICATION,
    CLOSING_AUCTION: _PRICE_INDICATION,
    VOLATILITY_AUCTION: _PRICE_INDICATION,
}
_STATUSES: Final[Mapping[Dialect, Mapping[Phase, str]]] = {
    FIX42: _STATUSES_42,
    FIX44: _STATUSES_44,
    FIX50SP2: SECURITY_TRADING_STATUS,
}
"""SecurityTradingStatus(326): FIX 4.2 has no 21, and neither version of FIX 4 has a 26."""

SUB_IDS: Final[Mapping[Phase, str]] = {
    PRE_OPEN: "1",
    OPENING_AUCTION: "2",
    CONTINUOUS: "3",
    CLOSING_AUCTION: "4",
    POST_CLOSE: "5",
    VOLATILITY_AUCTION: "9",
}
"""TradingSessionSubID(625): FIX's own 6 is an auction that was scheduled; halted and closed have none."""

_VOLATILITY_INTERRUPTION: Final = "3"
"""SecurityTradingEvent(1174)."""


class StatusRequest(msgspec.Struct, frozen=True):
    """A SecurityStatusRequest(e)."""

    req_id: str
    symbol: str
    """Empty if it ends a subscription."""
    kind: str
    """SubscriptionRequestType(263)."""


class _Asker(Asker):
    """One SecurityStatusReqID(324), and what it was told last."""

    def __init__(self, session_id: str, request: StatusRequest, fields: Fields) -> None:
        super().__init__(session_id, request.req_id, is_subscribed=request.kind == SUBSCRIBE, fields=fields)
        self.symbol = request.symbol
        self.told: MarketPhase | None = None
        """None until it was told something, and when that was that the phase is not known."""
        self.was_told = False


class StatusDesk(AskerDesk[_Asker]):
    """
    Who asked for the phases of which symbols.

    Args:
        reply: Sends a body: session_id, MsgType(35), text.
        reject: Sends a BusinessMessageReject(j) to the request with these fields.
        now_ns: The time.
    """

    def __init__(
        self,
        reply: Callable[[str, str, str], None],
        reject: Callable[[str, Fields, BusinessReject], None],
        *,
        now_ns: Callable[[], int],
    ) -> None:
        self._reply = reply
        self._reject = reject
        self._now_ns = now_ns
        self._followers: dict[str, dict[_Asker, None]] = {}
        super().__init__(Askers("324", "SecurityStatusReqID"))

    def begin(
        self, session_id: str, request: StatusRequest, fields: Fields, replica: Replica, *, is_available: bool
    ) -> None:
        """Answer as soon as the phase is known, which is at once if the book is current; then go on if asked to."""
        asker = _Asker(session_id, request, fields)
        self.askers.add(asker)
        self._followers.setdefault(request.symbol, {})[asker] = None
        if replica.is_current:
            self._tell(asker, replica.phase)
        elif not is_available:
            self._withdraw(asker, is_silent=True)

    def on_change(self, replica: Replica, change: Change, *, is_available: bool) -> None:
        """A book moved, was lost, or is there again: tell those who do not know its phase yet."""
        for asker in list(self._followers.get(replica.symbol, ())):
            if change is Change.LOST:
                self._withdraw(asker, is_silent=not is_available)
            elif asker.told != replica.phase:
                self._tell(asker, replica.phase)

    def _tell(self, asker: _Asker, phase: MarketPhase | None) -> None:
        body = status_body(dialect_of(asker.session_id), asker.req_id, asker.symbol, phase, now_ns=self._now_ns())
        asker.told, asker.was_told = phase, True
        self._reply(asker.session_id, "f", body)
        if not asker.is_subscribed:
            self._forget(asker)

    def _withdraw(self, asker: _Asker, *, is_silent: bool) -> None:
        """Say that the phase is not known; who asked only once goes on waiting while the book is being repaired."""
        if asker.is_subscribed:
            if asker.told is not None or not asker.was_told:
                self._tell(asker, None)
        elif is_silent:
            self._forget(asker)
            text = f"no market data for Symbol(55)={asker.symbol} at the moment; ask again"
            self._reject(asker.session_id, asker.fields, BusinessReject(NOT_AVAILABLE, text, ref_id=asker.req_id))

    def _forget(self, asker: _Asker) -> None:
        del self._followers[asker.symbol][asker]
        self.askers.remove(asker)


def read_status_request(fields: Fields, instruments: Mapping[str, Instrument]) -> StatusRequest:
    """
    Read a SecurityStatusRequest(e); the checks run in the order of the tags of `FEED.md`.

    Raises:
        BusinessReject: A tag is missing or has a value that this venue does not know.
    """
    req_id, kind, symbol = (fields.first(tag) for tag in ("324", "263", "55"))
    _require(fields, {"324": "SecurityStatusReqID", "263": "SubscriptionRequestType"}, req_id)
    if kind == UNSUBSCRIBE:
        return StatusRequest(req_id, "", kind)
    if kind not in (SNAPSHOT, SUBSCRIBE):
        text = f"SubscriptionRequestType(263)={kind}; send 0 snapshot, 1 subscribe or 2 unsubscribe"
        raise BusinessReject(OTHER, text, ref_id=req_id)
    _require(fields, {"55": "Symbol"}, req_id)
    if symbol not in instruments:
        raise BusinessReject(UNKNOWN_SECURITY, f"Symbol(55)={symbol} is not traded here", ref_id=req_id)
    return StatusRequest(req_id, symbol, kind)


def status_body(dialect: Dialect, req_id: str, symbol: str, phase: MarketPhase | None, *, now_ns: int) -> str:
    """
    SecurityStatus(f).

    Args:
        dialect: How to say it.
        req_id: SecurityStatusReqID(324) of the request.
        symbol: Whose phase it is.
        phase: None if it is not known.
        now_ns: Stands for the beginning of a phase that has no known one.
    """
    head = f"35=f{SOH}324={req_id}{SOH}55={symbol}{SOH}"
    if phase is None:
        return f"{head}326={UNKNOWN_STATUS}{SOH}60={timestamp(now_ns, dialect)}{SOH}"
    if sub_id := SUB_IDS.get(phase.phase):
        head += f"{336 if dialect == FIX42 else 625}={sub_id}{SOH}"
    head += f"326={trading_status(dialect, phase.phase)}{SOH}"
    if dialect.is_sp2 and phase.phase == VOLATILITY_AUCTION:
        head += f"1174={_VOLATILITY_INTERRUPTION}{SOH}"
    head += f"60={timestamp(phase.since_ns or now_ns, dialect)}{SOH}"
    return head if dialect == FIX42 else f"{head}58={phase_text(phase)}{SOH}"


def trading_status(dialect: Dialect, phase: Phase) -> str:
    """SecurityTradingStatus(326) of a phase, in a version's own values."""
    return _STATUSES[dialect][phase]


def phase_text(phase: MarketPhase) -> str:
    """The phase for people: its name, the end of an auction as far as it is known, and the reason."""
    text = PHASE_NAMES[phase.phase]
    if phase.ends_ns:
        text += f" until {utc_timestamp(phase.ends_ns)[:21]} UTC at the earliest"
    return f"{text}: {phase.text}" if phase.text else text


def _require(fields: Fields, names: Mapping[str, str], req_id: str) -> None:
    require(fields, names, message="SecurityStatusRequest", ref_id=req_id)
