"""
MarketDataRequest(V): a message into what its sender wants to see, or into a refusal.

The checks run in the order of the tags of `FEED.md`, so two faults at once have one answer.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from marketdata.fix.messages import (
    AUCTION_PRICE,
    BID,
    IMBALANCE,
    OFFER,
    SNAPSHOT,
    TRADE,
    UNKNOWN_SYMBOL,
    UNSUPPORTED_AGGREGATED_BOOK,
    UNSUPPORTED_DEPTH,
    UNSUPPORTED_ENTRY_TYPE,
    UNSUPPORTED_SUBSCRIPTION_TYPE,
    UNSUPPORTED_UPDATE_TYPE,
    Fields,
    RequestRefused,
    require,
)
from marketdata.fix.statistics import STATISTICS
from matcher.instruments import Instrument

ENTRY_TYPES: Final = (BID, OFFER, TRADE, IMBALANCE, AUCTION_PRICE, *STATISTICS)
"""MDEntryType(269) of everything that may be asked for."""

DEPTH_MAX: Final = 1000
"""Largest MarketDepth(264) beside 0: each increment compares that many levels before and after."""


class Wish(msgspec.Struct, frozen=True):
    """What a request wants to see of a book."""

    depth: int
    """0: every level; N: the best N of each side."""
    entry_types: tuple[str, ...]
    """In the order of `ENTRY_TYPES`."""
    is_by_order: bool = False
    """AggregatedBook(266)=N: an entry is an order, not a level."""
    has_checksum: bool = False
    """BookChecksum(9010)=1: it is in each W."""


class Subscribe(msgspec.Struct, frozen=True):
    """V with 263=0 or 1."""

    md_req_id: str
    symbols: tuple[str, ...]
    """In the order of the request, each once."""
    wish: Wish
    is_snapshot: bool
    """263=0: one W per symbol, no X."""


class Unsubscribe(msgspec.Struct, frozen=True):
    """V with 263=2."""

    md_req_id: str


def read_request(fields: Fields, instruments: Mapping[str, Instrument]) -> Subscribe | Unsubscribe:
    """
    Read a MarketDataRequest(V); the checks run in the order of the tags of `FEED.md`.

    Raises:
        BusinessReject: A required tag is missing.
        RequestRefused: It asks for something that this venue does not offer.
    """
    _require(fields, {"262": "MDReqID", "263": "SubscriptionRequestType"})
    md_req_id = fields.first("262")
    match fields.first("263"):
        case "2":
            return Unsubscribe(md_req_id)
        case "0" | "1" as request_type:
            is_snapshot = request_type == SNAPSHOT
        case other:
            raise RequestRefused(
                md_req_id,
                UNSUPPORTED_SUBSCRIPTION_TYPE,
                f"SubscriptionRequestType(263)={other}; send 0 snapshot, 1 subscribe or 2 unsubscribe",
            )
    _require(fields, {"264": "MarketDepth", "269": "MDEntryType", "55": "Symbol"})
    depth = _depth(md_req_id, fields.first("264"))
    is_by_order = _is_by_order(md_req_id, fields, depth, is_snapshot)
    entry_types = _entry_types(md_req_id, fields.all("269"))
    symbols = fields.all("55")
    for symbol in symbols:
        if symbol not in instruments:
            raise RequestRefused(md_req_id, UNKNOWN_SYMBOL, f"Symbol(55)={symbol} is not traded here")
    wish = Wish(depth, entry_types, is_by_order=is_by_order, has_checksum=fields.first("9010") == "1")
    return Subscribe(md_req_id, tuple(symbols), wish, is_snapshot)


def _require(fields: Fields, names: Mapping[str, str]) -> None:
    require(fields, names, message="MarketDataRequest", ref_id=fields.first("262"))


def _depth(md_req_id: str, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 9 and int(text) <= DEPTH_MAX:
        return int(text)
    raise RequestRefused(
        md_req_id, UNSUPPORTED_DEPTH, f"MarketDepth(264)={text}; send 0 for the whole book, or 1 to {DEPTH_MAX}"
    )


def _is_by_order(md_req_id: str, fields: Fields, depth: int, is_snapshot: bool) -> bool:
    if not is_snapshot and (update_type := fields.first("265")) not in ("", "1"):
        raise RequestRefused(
            md_req_id, UNSUPPORTED_UPDATE_TYPE, f"MDUpdateType(265)={update_type}; send 1, incremental refresh"
        )
    aggregated = fields.first("266")
    if aggregated not in ("", "Y", "N"):
        raise RequestRefused(
            md_req_id, UNSUPPORTED_AGGREGATED_BOOK, f"AggregatedBook(266)={aggregated}; send Y for levels, N for orders"
        )
    if aggregated == "N" and depth:
        raise RequestRefused(
            md_req_id, UNSUPPORTED_AGGREGATED_BOOK, "AggregatedBook(266)=N is the whole book; send MarketDepth(264)=0"
        )
    return aggregated == "N"


def _entry_types(md_req_id: str, wanted: list[str]) -> tuple[str, ...]:
    for entry_type in wanted:
        if entry_type not in ENTRY_TYPES:
            raise RequestRefused(
                md_req_id,
                UNSUPPORTED_ENTRY_TYPE,
                f"MDEntryType(269)={entry_type}; send one of {' '.join(ENTRY_TYPES)}",
            )
    return tuple(entry_type for entry_type in ENTRY_TYPES if entry_type in wanted)
