"""
What an instrument is, and how it stands: SecurityDefinitionRequest(c), SecurityDefinition(d).

A d is told as soon as the instrument's phase is known, or at once, without it, when nobody answers for market data.
Who subscribed is told again whenever the instrument is defined anew or enters another phase; who subscribed to all of
them, of new instruments as well. A request never makes an instrument. What each message holds is in `FEED.md`.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from marketdata.fix.askers import Asker, AskerDesk, Askers
from marketdata.fix.instruments import (
    group_of,
    largest_order_field,
    limit_fields,
    quantity_fields,
    terms_text,
    trading_rules,
)
from marketdata.fix.messages import FIX42, SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE, Dialect, Fields, dialect_of, require
from marketdata.fix.status import SUB_IDS, UNKNOWN_STATUS, trading_status
from marketdata.replica import Change, Replica
from matcher.instruments import Instrument
from matcher.phases import CLOSED, HALT, Phase
from sessions.fix_text import SOH

SPECIFICATIONS: Final = "0"
LIST: Final = "3"
"""SecurityRequestType(321)."""

ACCEPTED: Final = "1"
REFUSED: Final = "5"
"""SecurityResponseType(323)."""

_ACTIVE: Final = "1"
_SECURITY_STATUSES: Final[Mapping[Phase, str]] = {HALT: "9", CLOSED: "2"}
"""SecurityStatus(965): suspended, inactive; active in all other phases."""
DAY: Final = "1"
"""TradingSessionID(336) in FIX 5.0SP2, the only one there."""


class DefinitionRequest(msgspec.Struct, frozen=True):
    """A SecurityDefinitionRequest(c)."""

    req_id: str
    kind: str
    """SubscriptionRequestType(263)."""
    symbol: str = ""
    """Empty for all of them, and if it ends a subscription."""


class DefinitionRefused(Exception):
    """A request to answer with a d that says so."""

    def __init__(self, req_id: str, text: str, *, symbol: str = "") -> None:
        super().__init__(text)
        self.req_id = req_id
        self.symbol = symbol


class _Asker(Asker):
    """One SecurityReqID(320), and what it was told last of each symbol."""

    def __init__(self, session_id: str, request: DefinitionRequest, symbols: list[str], fields: Fields) -> None:
        super().__init__(session_id, request.req_id, is_subscribed=request.kind == SUBSCRIBE, fields=fields)
        self.waits_for = dict.fromkeys(symbols)
        self.told: dict[str, tuple[Instrument, Phase | None]] = {}
        self.total = len(symbols)
        self.answers = 0

    @property
    def size(self) -> int:
        return len(self.waits_for) + len(self.told)


class DefinitionDesk(AskerDesk[_Asker]):
    """
    Who asked for the definitions of which symbols.

    Args:
        reply: Sends a body: session_id, MsgType(35), text.
        instruments: All that are traded, kept up to date by their owner.
        market: MarketID(1301): the venue.
    """

    def __init__(
        self, reply: Callable[[str, str, str], None], instruments: Mapping[str, Instrument], *, market: str
    ) -> None:
        self._reply = reply
        self._instruments = instruments
        self._market = market
        self._followers: dict[str, dict[_Asker, None]] = {}
        self._wants_all: dict[_Asker, None] = {}
        super().__init__(Askers("320", "SecurityReqID"))

    def symbols_of(self, request: DefinitionRequest) -> list[str]:
        """What a request asks for."""
        return [request.symbol] if request.symbol else list(self._instruments)

    def begin(
        self,
        session_id: str,
        request: DefinitionRequest,
        fields: Fields,
        watch: Callable[[str], Replica],
        *,
        is_available: bool,
    ) -> None:
        """Answer for each symbol as soon as its phase is known; then go on if asked to."""
        symbols = self.symbols_of(request)
        asker = _Asker(session_id, request, symbols, fields)
        self.askers.add(asker)
        if asker.is_subscribed and not request.symbol:
            self._wants_all[asker] = None
        for symbol in symbols:
            self._follow(asker, symbol, watch(symbol), is_available=is_available)

    def on_change(self, replica: Replica, change: Change, *, is_available: bool) -> None:
        """A book moved, was lost, or is there again: its phase may be known now, or be another."""
        for asker in list(self._followers.get(replica.symbol, ())):
            if change is Change.LOST:
                if replica.symbol in asker.waits_for and not is_available:
                    self._tell(asker, replica.symbol, None)
            elif replica.symbol in asker.waits_for or asker.told[replica.symbol][1] != replica.phase.phase:
                self._tell(asker, replica.symbol, replica.phase.phase)

    def on_defined(self, instrument: Instrument, watch: Callable[[str], Replica], *, is_available: bool) -> None:
        """An instrument is new, or has other terms, or was told once more as it is."""
        symbol = instrument.symbol
        followers = self._followers.get(symbol, {})
        for asker in list(followers):
            if symbol in asker.told and asker.told[symbol][0] != instrument:
                self._tell(asker, symbol, asker.told[symbol][1])
        for asker in list(self._wants_all):
            if asker not in followers:
                asker.waits_for[symbol] = None
                self._follow(asker, symbol, watch(symbol), is_available=is_available)

    def _follow(self, asker: _Asker, symbol: str, replica: Replica, *, is_available: bool) -> None:
        self._followers.setdefault(symbol, {})[asker] = None
        if replica.is_current:
            self._tell(asker, symbol, replica.phase.phase)
        elif not is_available:
            self._tell(asker, symbol, None)

    def _tell(self, asker: _Asker, symbol: str, phase: Phase | None) -> None:
        instrument = self._instruments[symbol]
        asker.waits_for.pop(symbol, None)
        asker.answers += 1
        head = _head(dialect_of(asker.session_id), asker.req_id, asker.answers, ACCEPTED, asker.total)
        self._reply(
            asker.session_id,
            "d",
            head + definition_tail(dialect_of(asker.session_id), instrument, phase, market=self._market),
        )
        if asker.is_subscribed:
            asker.told[symbol] = instrument, phase
            return
        del self._followers[symbol][asker]
        if not asker.waits_for:
            self.askers.remove(asker)

    def _forget(self, asker: _Asker) -> None:
        for symbol in (*asker.waits_for, *asker.told):
            del self._followers[symbol][asker]
        self._wants_all.pop(asker, None)
        self.askers.remove(asker)


def read_definition_request(fields: Fields, instruments: Mapping[str, Instrument]) -> DefinitionRequest:
    """
    Read a SecurityDefinitionRequest(c); the checks run in the order of the tags of `FEED.md`.

    Raises:
        BusinessReject: A required tag is missing.
        DefinitionRefused: It asks for something that is not offered.
    """
    names = {"320": "SecurityReqID", "321": "SecurityRequestType"}
    req_id, kind, wanted, symbol = (fields.first(tag) for tag in ("320", "263", "321", "55"))
    require(fields, names, message="SecurityDefinitionRequest", ref_id=req_id)
    if kind == UNSUBSCRIBE:
        return DefinitionRequest(req_id, kind)
    if kind not in ("", SNAPSHOT, SUBSCRIBE):
        raise DefinitionRefused(
            req_id, f"SubscriptionRequestType(263)={kind}; send 0 snapshot, 1 subscribe or 2 unsubscribe"
        )
    if wanted not in (SPECIFICATIONS, LIST):
        raise DefinitionRefused(req_id, f"SecurityRequestType(321)={wanted}; send 0 for one symbol or 3 for all")
    if wanted == SPECIFICATIONS and not symbol:
        raise DefinitionRefused(req_id, "Symbol(55) is missing; name one, or send SecurityRequestType(321)=3 for all")
    if symbol and symbol not in instruments:
        raise DefinitionRefused(req_id, f"Symbol(55)={symbol} is not traded here", symbol=symbol)
    if not instruments:
        raise DefinitionRefused(req_id, "nothing is traded here yet; ask again later")
    return DefinitionRequest(req_id, kind or SNAPSHOT, symbol)


def refusal_body(dialect: Dialect, refused: DefinitionRefused) -> str:
    """A SecurityDefinition(d) that refuses."""
    symbol = f"55={refused.symbol}{SOH}" if refused.symbol else ""
    return f"{_head(dialect, refused.req_id, 1, REFUSED, 0)}{symbol}58={refused}{SOH}"


def definition_tail(dialect: Dialect, instrument: Instrument, phase: Phase | None, *, market: str) -> str:
    """
    What a d says of an instrument.

    Args:
        dialect: How to say it.
        instrument: As it is defined.
        phase: None if it is not known.
        market: MarketID(1301).
    """
    group, text = group_of(instrument), f"58={terms_text(instrument)}{SOH}"
    sub_id = SUB_IDS.get(phase, "") if phase else ""
    if dialect.is_sp2:
        status = f"965={_SECURITY_STATUSES.get(phase, _ACTIVE)}{SOH}" if phase else ""
        head = f"55={instrument.symbol}{SOH}1151={group}{SOH}{status}969={instrument.tick}{SOH}"
        session = f"1309=1{SOH}336={DAY}{SOH}625={sub_id}{SOH}" if sub_id else ""
        segment = f"1310=1{SOH}1301={market}{SOH}1300={group}{SOH}{trading_rules(instrument)}{session}"
        return f"{head}15={instrument.currency}{SOH}{text}{segment}"
    head = f"55={instrument.symbol}{SOH}15={instrument.currency}{SOH}336={group}{SOH}"
    if sub_id and dialect != FIX42:
        head += f"625={sub_id}{SOH}"
    status = trading_status(dialect, phase) if phase else UNKNOWN_STATUS
    terms = f"{quantity_fields(instrument)}326={status}{SOH}969={instrument.tick}{SOH}"
    return f"{head}{text}{terms}{largest_order_field(instrument)}{limit_fields(instrument)}"


def _head(dialect: Dialect, req_id: str, number: int, response_type: str, total: int) -> str:
    count = f"393={total}{SOH}" if dialect == FIX42 else ""
    return f"35=d{SOH}320={req_id}{SOH}322={req_id}-{number}{SOH}323={response_type}{SOH}{count}"
