"""
Where each market segment is in its day: TradingSessionStatusRequest(g), TradingSessionStatus(h).

A segment is a group of instruments, which share their schedule; one of them may still be halted, or in a volatility
auction of its own. So a segment is in the phase that most of its instruments are in; those of a single one are told by
SecurityStatus(f). It is known when the books of all of them were; while a book is repaired, its last phase counts. What
each message holds is in `FEED.md`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from marketdata.fix.askers import Asker, AskerDesk, Askers
from marketdata.fix.definitions import DAY
from marketdata.fix.instruments import group_of
from marketdata.fix.messages import (
    FIX42,
    OTHER,
    SNAPSHOT,
    SUBSCRIBE,
    UNKNOWN_ID,
    UNSUBSCRIBE,
    BusinessReject,
    Dialect,
    Fields,
    dialect_of,
    require,
    timestamp,
)
from marketdata.fix.status import SUB_IDS, phase_text
from marketdata.messages import MarketPhase
from marketdata.replica import Change, Replica
from matcher.instruments import Instrument
from matcher.phases import (
    CLOSED,
    CLOSING_AUCTION,
    CONTINUOUS,
    HALT,
    OPENING_AUCTION,
    PHASE_NAMES,
    POST_CLOSE,
    PRE_OPEN,
    VOLATILITY_AUCTION,
    Phase,
)
from sessions.fix_text import SOH

_UNKNOWN: Final = "0"
_HALTED: Final = "1"
_OPEN: Final = "2"
_CLOSED: Final = "3"
_PRE_OPEN: Final = "4"
_PRE_CLOSE: Final = "5"
_REFUSED: Final = "6"
_STATUSES: Final[Mapping[Phase, str]] = {
    PRE_OPEN: _PRE_OPEN,
    OPENING_AUCTION: _PRE_OPEN,
    CONTINUOUS: _OPEN,
    CLOSING_AUCTION: _PRE_CLOSE,
    POST_CLOSE: _CLOSED,
    VOLATILITY_AUCTION: _OPEN,
    HALT: _HALTED,
    CLOSED: _CLOSED,
}
"""TradSesStatus(340)."""

UNKNOWN_SEGMENT: Final = "1"
OTHER_REASON: Final = "99"
"""TradSesStatusRejReason(567)."""

Watch = Callable[[str], Replica]


class SessionRequest(msgspec.Struct, frozen=True):
    """A TradingSessionStatusRequest(g)."""

    req_id: str
    kind: str
    """SubscriptionRequestType(263)."""
    groups: tuple[str, ...] = ()
    """None if it ends a subscription."""


class SessionRefused(Exception):
    """A request to answer with an h that says so."""

    def __init__(self, req_id: str, group: str, reason: str, text: str) -> None:
        super().__init__(text)
        self.req_id = req_id
        self.group = group
        self.reason = reason


class _Asker(Asker):
    """One TradSesReqID(335), and what it was told last of each group: None that it is not known."""

    def __init__(self, session_id: str, request: SessionRequest, fields: Fields) -> None:
        super().__init__(session_id, request.req_id, is_subscribed=request.kind == SUBSCRIBE, fields=fields)
        self.groups = request.groups
        self.told: dict[str, MarketPhase | None] = {}

    @property
    def size(self) -> int:
        return len(self.groups)


class _Segment:
    """One group: its instruments, and the phases of those that are known."""

    def __init__(self) -> None:
        self.symbols: dict[str, None] = {}
        self.known: dict[str, MarketPhase] = {}
        self.followers: dict[_Asker, None] = {}
        self._counts: Counter[Phase] = Counter()

    def put(self, symbol: str, phase: MarketPhase | None) -> None:
        """An instrument is in this phase now, or nobody knows."""
        if (before := self.known.pop(symbol, None)) is not None:
            self._counts[before.phase] -= 1
        if phase is not None:
            self.known[symbol] = phase
            self._counts[phase.phase] += 1

    @property
    def is_known(self) -> bool:
        """Whether the phases of all its instruments are known."""
        return len(self.known) == len(self.symbols)

    def phase(self) -> MarketPhase:
        """The one that most are in, of two the earlier one of a day; as the first instrument in it has it."""
        most = max(PHASE_NAMES, key=lambda phase: self._counts[phase])
        return next(self.known[symbol] for symbol in self.symbols if self.known[symbol].phase == most)


class TradingSessionDesk(AskerDesk[_Asker]):
    """
    Who asked for the phases of which groups.

    Args:
        reply: Sends a body: session_id, MsgType(35), text.
        instruments: All that are traded at the beginning.
        now_ns: The time.
    """

    def __init__(
        self,
        reply: Callable[[str, str, str], None],
        instruments: Mapping[str, Instrument],
        *,
        now_ns: Callable[[], int],
    ) -> None:
        self._reply = reply
        self._now_ns = now_ns
        self._segments: dict[str, _Segment] = {}
        self._group_of: dict[str, str] = {}
        super().__init__(Askers("335", "TradSesReqID"))
        for instrument in instruments.values():
            self._put(instrument)

    @property
    def groups(self) -> tuple[str, ...]:
        """All of them, in the order of their first instruments."""
        return tuple(group for group, segment in self._segments.items() if segment.symbols)

    def begin(
        self, session_id: str, request: SessionRequest, fields: Fields, watch: Watch, *, is_available: bool
    ) -> None:
        """Answer for each group as soon as it is known, which is at once if its books are; then go on if asked to."""
        asker = _Asker(session_id, request, fields)
        self.askers.add(asker)
        for group in request.groups:
            segment = self._segments[group]
            segment.followers[asker] = None
            for symbol in segment.symbols:
                self._learn(segment, watch(symbol))
        for group in request.groups:
            self._tell_changes(group, is_available=is_available)

    def on_change(self, replica: Replica, change: Change, *, is_available: bool) -> None:
        """A book moved, was lost, or is there again."""
        group = self._group_of.get(replica.symbol)
        if group is None:
            return
        segment = self._segments[group]
        if change is not Change.LOST:
            self._learn(segment, replica)
        elif not is_available:
            segment.put(replica.symbol, None)
        self._tell_changes(group, is_available=is_available)

    def on_defined(self, instrument: Instrument, watch: Watch, *, is_available: bool) -> None:
        """An instrument is new, or may be in another group."""
        group, before = group_of(instrument), self._group_of.get(instrument.symbol)
        if group == before:
            return
        if before is not None:
            self._segments[before].put(instrument.symbol, None)
            del self._segments[before].symbols[instrument.symbol]
        self._put(instrument)
        if self._segments[group].followers:
            self._learn(self._segments[group], watch(instrument.symbol))
        for changed in (before, group):
            if changed is not None:
                self._tell_changes(changed, is_available=is_available)

    def _put(self, instrument: Instrument) -> None:
        group = self._group_of[instrument.symbol] = group_of(instrument)
        self._segments.setdefault(group, _Segment()).symbols[instrument.symbol] = None

    def _learn(self, segment: _Segment, replica: Replica) -> None:
        if replica.is_current:
            segment.put(replica.symbol, replica.phase)

    def _tell_changes(self, group: str, *, is_available: bool) -> None:
        segment = self._segments[group]
        if not segment.followers or (is_available and not segment.is_known):
            return
        # A group that lost its last instrument has no phase; who asked for it is told so and does not wait for ever.
        phase = segment.phase() if segment.is_known and segment.symbols else None
        for asker in list(segment.followers):
            if group not in asker.told or _is_news(asker.told[group], phase):
                self._tell(asker, group, phase)

    def _tell(self, asker: _Asker, group: str, phase: MarketPhase | None) -> None:
        asker.told[group] = phase
        body = session_body(dialect_of(asker.session_id), asker.req_id, group, phase, now_ns=self._now_ns())
        self._reply(asker.session_id, "h", body)
        if not asker.is_subscribed and len(asker.told) == len(asker.groups):
            self._forget(asker)

    def _forget(self, asker: _Asker) -> None:
        for group in asker.groups:
            del self._segments[group].followers[asker]
        self.askers.remove(asker)


def _is_news(told: MarketPhase | None, phase: MarketPhase | None) -> bool:
    """Whether a group is in another phase, or its auction ends at another time."""
    if told is None or phase is None:
        return told is not phase
    return (told.phase, told.ends_ns) != (phase.phase, phase.ends_ns)


def read_session_request(dialect: Dialect, fields: Fields, groups: tuple[str, ...]) -> SessionRequest:
    """
    Read a TradingSessionStatusRequest(g); the checks run in the order of the tags of `FEED.md`.

    Raises:
        BusinessReject: A required tag is missing.
        SessionRefused: It asks for something that is not there.
    """
    req_id, kind = fields.first("335"), fields.first("263")
    group = fields.first("1300" if dialect.is_sp2 else "336")
    names = {"335": "TradSesReqID", "263": "SubscriptionRequestType"}
    require(fields, names, message="TradingSessionStatusRequest", ref_id=req_id)
    if kind == UNSUBSCRIBE:
        return SessionRequest(req_id, kind)
    if kind not in (SNAPSHOT, SUBSCRIBE):
        text = f"SubscriptionRequestType(263)={kind}; send 0 snapshot, 1 subscribe or 2 unsubscribe"
        raise SessionRefused(req_id, group, OTHER_REASON, text)
    if group and group not in groups:
        text = f"{group} is no group of instruments here; leave it out for all of them"
        raise SessionRefused(req_id, group, UNKNOWN_SEGMENT, text)
    if not groups:
        raise SessionRefused(req_id, group, OTHER_REASON, "nothing is traded here yet; ask again later")
    return SessionRequest(req_id, kind, (group,) if group else groups)


def session_body(dialect: Dialect, req_id: str, group: str, phase: MarketPhase | None, *, now_ns: int) -> str:
    """
    TradingSessionStatus(h).

    Args:
        dialect: How to say it.
        req_id: TradSesReqID(335) of the request.
        group: The market segment.
        phase: None if it is not known.
        now_ns: The time.
    """
    head, tail = _head(dialect, req_id, group), _sent_at(dialect, now_ns)
    if phase is None:
        unknown = _HALTED if dialect == FIX42 else _UNKNOWN
        return f"{head}340={unknown}{SOH}{tail}58=the phase is not known at the moment{SOH}"
    if dialect != FIX42 and (sub_id := SUB_IDS.get(phase.phase)):
        head += f"625={sub_id}{SOH}"
    head += f"340={_STATUSES[phase.phase]}{SOH}"
    if phase.since_ns:
        head += f"341={timestamp(phase.since_ns, dialect)}{SOH}"
    if phase.ends_ns:
        head += f"345={timestamp(phase.ends_ns, dialect)}{SOH}"
    return f"{head}{tail}58={phase_text(phase)}{SOH}"


def refusal_body(dialect: Dialect, refused: SessionRefused, *, now_ns: int) -> str:
    """
    A TradingSessionStatus(h) that refuses.

    Raises:
        BusinessReject: FIX 4.2 has no such h; it is to be answered with j.
    """
    if dialect == FIX42:
        reason = UNKNOWN_ID if refused.reason == UNKNOWN_SEGMENT else OTHER
        raise BusinessReject(reason, str(refused), ref_id=refused.req_id)
    head = _head(dialect, refused.req_id, refused.group)
    return f"{head}340={_REFUSED}{SOH}567={refused.reason}{SOH}{_sent_at(dialect, now_ns)}58={refused}{SOH}"


def _head(dialect: Dialect, req_id: str, group: str) -> str:
    head = f"35=h{SOH}335={req_id}{SOH}"
    if not dialect.is_sp2:
        return f"{head}336={group or 'ALL'}{SOH}"
    return f"{head}1300={group}{SOH}336={DAY}{SOH}" if group else f"{head}336={DAY}{SOH}"


def _sent_at(dialect: Dialect, now_ns: int) -> str:
    return f"60={timestamp(now_ns, dialect)}{SOH}" if dialect.is_sp2 else ""
