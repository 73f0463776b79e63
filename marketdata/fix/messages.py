"""
FIX market data as text: what all its messages have in common, the entries of W and X, Y and j. How V is read is in
`requests`; what an order shows, and a day's statistics, in `orders` and `statistics`.

Bodies are made of two halves, so that the larger one is written once for many subscribers: a head with the
subscriber's MDReqID(262), and a tail that is the same for all who want the same. RptSeq(83) stands once in a body, as
the last field of the last entry: inside it for a dictionary that has it there (all of ours, and the stock one of
5.0SP2), else an unknown field behind the group, which does not disturb the entries. What each message holds is in
`FEED.md`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from marketdata.messages import (
    CHANGED_LEVEL,
    DELETED_LEVEL,
    NEW_LEVEL,
    IndicativePrice,
    Level,
    RevisedTrade,
    Trade,
)
from matcher.orders import BUY
from matcher.phases import SECURITY_TRADING_STATUS, Phase
from sessions.fix_text import SOH, pairs, utc_timestamp

BID: Final = "0"
OFFER: Final = "1"
TRADE: Final = "2"
IMBALANCE: Final = "A"
AUCTION_PRICE: Final = "Q"
"""MDEntryType(269)."""

SNAPSHOT: Final = "0"
SUBSCRIBE: Final = "1"
UNSUBSCRIBE: Final = "2"
"""SubscriptionRequestType(263)."""

_CALL_AUCTION: Final = "7"
"""MatchType(574)."""

UNKNOWN_SYMBOL: Final = "0"
DUPLICATE_MD_REQ_ID: Final = "1"
INSUFFICIENT_BANDWIDTH: Final = "2"
UNSUPPORTED_SUBSCRIPTION_TYPE: Final = "4"
UNSUPPORTED_DEPTH: Final = "5"
UNSUPPORTED_UPDATE_TYPE: Final = "6"
UNSUPPORTED_AGGREGATED_BOOK: Final = "7"
UNSUPPORTED_ENTRY_TYPE: Final = "8"
"""MDReqRejReason(281)."""

OTHER: Final = "0"
UNKNOWN_ID: Final = "1"
UNKNOWN_SECURITY: Final = "2"
UNSUPPORTED_MESSAGE_TYPE: Final = "3"
NOT_AVAILABLE: Final = "4"
MISSING_FIELD: Final = "5"
NOT_AUTHORIZED: Final = "6"
"""BusinessRejectReason(380)."""


class Dialect(msgspec.Struct, frozen=True):
    """What the feed says differently from one FIX version to the next."""

    timestamp_chars: int
    """Length of a timestamp: 21 with milliseconds, 24 with microseconds."""
    is_sp2: bool
    """
    W has LastUpdateTime(779) and MDSecurityTradingStatus(1682), an empty one entry J; trades have TradeID(1003) and
    AggressorSide(2446), or MatchType(574) if they are of an auction.
    """
    has_not_authorized: bool
    """BusinessRejectReason(380) has 6; else 0 stands in its place."""


FIX42: Final = Dialect(timestamp_chars=21, is_sp2=False, has_not_authorized=False)
FIX44: Final = Dialect(timestamp_chars=21, is_sp2=False, has_not_authorized=True)
FIX50SP2: Final = Dialect(timestamp_chars=24, is_sp2=True, has_not_authorized=True)
_DIALECTS: Final = {"FIX.4.2": FIX42, "FIX.4.4": FIX44, "FIXT.1.1": FIX50SP2}


class RequestRefused(Exception):
    """A request to answer with Y."""

    def __init__(self, md_req_id: str, reason: str, text: str) -> None:
        super().__init__(text)
        self.md_req_id = md_req_id
        self.reason = reason


class BusinessReject(Exception):
    """A message to answer with j."""

    def __init__(self, reason: str, text: str, *, ref_id: str = "") -> None:
        super().__init__(text)
        self.reason = reason
        self.ref_id = ref_id


class Fields:
    """The fields of a raw message, repeated ones included."""

    def __init__(self, text: str) -> None:
        self._pairs = pairs(text)

    def first(self, tag: str) -> str:
        """The first value of a tag, empty when there is none."""
        return next((value for own, value in self._pairs if own == tag), "")

    def all(self, tag: str) -> list[str]:
        """Every value of a tag, each once, in order."""
        return list(dict.fromkeys(value for own, value in self._pairs if own == tag))


def timestamp(ns: int, dialect: Dialect) -> str:
    """A time as a version writes it, UTC."""
    return utc_timestamp(ns)[: dialect.timestamp_chars]


def dialect_of(session_id: str) -> Dialect:
    """How the feed speaks to a session such as `FIX.4.4:MD1`."""
    return _DIALECTS[session_id.partition(":")[0]]


def snapshot_head(md_req_id: str) -> str:
    """How a W to one subscriber begins."""
    return f"35=W{SOH}262={md_req_id}{SOH}"


def increment_head(md_req_id: str) -> str:
    """How an X to one subscriber begins."""
    return f"35=X{SOH}262={md_req_id}{SOH}"


def snapshot_tail(
    dialect: Dialect,
    *,
    symbol: str,
    md_seq: int,
    updated_ns: int,
    phase: Phase | None = None,
    book: Iterable[str] = (),
    trade: Trade | None = None,
    singles: Mapping[str, str] | None = None,
    checksum: int | None = None,
) -> str:
    """
    The rest of a W; without any entry it says that the book is empty.

    Args:
        dialect: How to say it.
        symbol: Whose book it is.
        md_seq: The last increment inside the book.
        updated_ns: When that was.
        phase: None if it is not known.
        book: Entries of levels or orders.
        trade: The last one; None for none.
        singles: What there is once at most, by MDEntryType(269): of an auction, and statistics.
        checksum: If it was asked for.
    """
    entries = list(book)
    if trade is not None:
        entries.append(f"269=2{SOH}{_trade_fields(dialect, trade)}")
    entries += [f"269={entry_type}{SOH}{fields}" for entry_type, fields in (singles or {}).items()]
    head = f"55={symbol}{SOH}"
    if dialect.is_sp2:
        head += f"779={timestamp(updated_ns, dialect)}{SOH}"
        head += f"1682={SECURITY_TRADING_STATUS[phase]}{SOH}" if phase else ""
        entries = entries or [f"269=J{SOH}"]
    if checksum is not None:
        head += f"9010={checksum}{SOH}"
    if not entries:
        return f"{head}83={md_seq}{SOH}268=0{SOH}"  # behind 268=0 it would pass for the beginning of an entry
    return f"{head}{entries_tail(entries, md_seq)}"


def entries_tail(entries: list[str], md_seq: int) -> str:
    """The entries of a W or an X, at least one, and the number of the last increment inside it."""
    return f"268={len(entries)}{SOH}{''.join(entries)}83={md_seq}{SOH}"


def level_fields(entry_type: str, level: Level) -> str:
    """One level in a W."""
    return f"269={entry_type}{SOH}270={level.price}{SOH}271={level.qty}{SOH}346={level.order_count}{SOH}"


def level_entry(action: str, entry_type: str, symbol: str, level: Level) -> str:
    """One level in an X: what it holds now, or only its price when it is gone."""
    head = f"279={action}{SOH}269={entry_type}{SOH}55={symbol}{SOH}270={level.price}{SOH}"
    if action == DELETED_LEVEL:
        return head
    return f"{head}271={level.qty}{SOH}346={level.order_count}{SOH}"


def trade_entry(dialect: Dialect, symbol: str, trade: Trade) -> str:
    """One trade in an X; MDEntryID(278) is what a revision of it names."""
    return f"279=0{SOH}269=2{SOH}278={trade.match_id}{SOH}55={symbol}{SOH}{_trade_fields(dialect, trade)}"


def revision_entry(dialect: Dialect, symbol: str, revision: RevisedTrade) -> str:
    """A trade that was corrected (279=1) or busted (279=2), in an X."""
    action = CHANGED_LEVEL if revision.qty_lots else DELETED_LEVEL
    head = f"279={action}{SOH}269=2{SOH}278={revision.match_id}{SOH}55={symbol}{SOH}270={revision.price}{SOH}"
    qty = f"271={revision.qty}{SOH}" if revision.qty_lots else ""
    return f"{head}{qty}1003={revision.match_id}{SOH}" if dialect.is_sp2 else head + qty


def auction_entries(indicative: IndicativePrice | None, entry_types: Iterable[str]) -> dict[str, str]:
    """What an auction would give, by MDEntryType(269) and as the fields behind it: of those wanted, what there is."""
    if indicative is None:
        return {}
    price, mark = f"270={indicative.price}{SOH}", f"276=I{SOH}"
    entries = {AUCTION_PRICE: f"{price}271={indicative.qty}{SOH}{mark}"}
    if indicative.imbalance_side:
        more = "P" if indicative.imbalance_side == BUY else "Q"
        entries[IMBALANCE] = f"{price}271={indicative.imbalance_qty}{SOH}{mark}277={more}{SOH}"
    return {entry_type: entries[entry_type] for entry_type in entry_types if entry_type in entries}


def single_changes(before: Mapping[str, str], after: Mapping[str, str], symbol: str) -> list[tuple[str, str]]:
    """MDUpdateAction(279) and entry of each difference between what there is once at most, before and after."""
    changes = [
        (DELETED_LEVEL, f"279=2{SOH}269={entry_type}{SOH}55={symbol}{SOH}")
        for entry_type in before
        if entry_type not in after
    ]
    for entry_type, fields in after.items():
        action = CHANGED_LEVEL if entry_type in before else NEW_LEVEL
        if fields != before.get(entry_type):
            changes.append((action, f"279={action}{SOH}269={entry_type}{SOH}55={symbol}{SOH}{fields}"))
    return changes


def in_book_order(entries: Iterable[tuple[str, str]]) -> list[str]:
    """Order (action, entry) so that a client that takes entry by entry never sees a crossed book: removals first."""
    rank = {DELETED_LEVEL: 0, CHANGED_LEVEL: 1, NEW_LEVEL: 2}
    return [entry for _, entry in sorted(entries, key=lambda pair: rank[pair[0]])]


def request_reject(refused: RequestRefused) -> str:
    """MarketDataRequestReject(Y)."""
    return f"35=Y{SOH}262={refused.md_req_id}{SOH}281={refused.reason}{SOH}58={refused}{SOH}"


def business_reject(dialect: Dialect, fields: Fields, reject: BusinessReject) -> str:
    """BusinessMessageReject(j) to the message with these fields."""
    reason = reject.reason
    if reason == NOT_AUTHORIZED and not dialect.has_not_authorized:
        reason = OTHER
    ref_seq_num = f"45={seq_num}{SOH}" if (seq_num := fields.first("34")) else ""
    ref_id = f"379={reject.ref_id}{SOH}" if reject.ref_id else ""
    return f"35=j{SOH}{ref_seq_num}58={reject}{SOH}372={fields.first('35')}{SOH}{ref_id}380={reason}{SOH}"


def require(fields: Fields, names: Mapping[str, str], *, message: str, ref_id: str) -> None:
    """
    See that tags are there.

    Args:
        fields: Of a request.
        names: The tags that it needs, and their names.
        message: The request's name.
        ref_id: For BusinessRejectRefID(379).

    Raises:
        BusinessReject: One is missing.
    """
    for tag, name in names.items():
        if not fields.first(tag):
            raise BusinessReject(MISSING_FIELD, f"{name}({tag}) is missing; a {message} needs it", ref_id=ref_id)


def _trade_fields(dialect: Dialect, trade: Trade) -> str:
    date, _, time = timestamp(trade.transact_ns, dialect).partition("-")
    text = f"270={trade.price}{SOH}271={trade.qty}{SOH}272={date}{SOH}273={time}{SOH}"
    if not dialect.is_sp2:
        return text
    how = f"2446={trade.aggressor_side}{SOH}" if trade.aggressor_side else f"574={_CALL_AUCTION}{SOH}"
    return f"{text}1003={trade.match_id}{SOH}{how}"
