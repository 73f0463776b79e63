"""Quotes: MassQuote(i) and QuoteCancel(Z) to their commands, as `FIX.md` states them. Pure."""

from collections.abc import Mapping
from typing import Final

from gateway.fix.fields import (
    HARMLESS_TAGS,
    HEADER_TAGS,
    Decimals,
    FieldRefused,
    RequestContext,
    TradedInstruments,
    check_authorized,
    check_present,
    check_tags,
    quoted,
    read_id,
    read_lots,
    read_ticks,
    unsupported,
)
from matcher.commands import MassQuote, QuoteCancel, QuoteEntry
from matcher.rejects import RejectReason
from sessions.fix_text import split_group

QUOTE_ENTRIES_MAX: Final = 100
"""Entries of one MassQuote(i)."""
_OF_AN_ENTRY: Final = frozenset(("55", "132", "133", "134", "135", "299"))
QUOTE_TAGS: Final = _OF_AN_ENTRY | {"117", "295", "296", "298"}
"""Tags that make the commands."""
HARMLESS_QUOTE_TAGS: Final = frozenset(("1", "131", "301", "302", "304", "367", "537", "893"))
"""Which request is answered, which sets there are, and whether to answer, which the venue always does."""

_MASS_QUOTE_TAGS: Final = HEADER_TAGS | HARMLESS_QUOTE_TAGS | {"117", "295", "296"}
_ENTRY_TAGS: Final = HARMLESS_TAGS | _OF_AN_ENTRY
_CANCEL_TAGS: Final = HEADER_TAGS | HARMLESS_QUOTE_TAGS | {"117", "295", "298"}
_OF_SYMBOL, _ALL = "1", "4"


def read_mass_quote(text: str, instruments: TradedInstruments, context: RequestContext) -> MassQuote:
    """
    Read a mass quote; a fault in one entry refuses all of it.

    Args:
        text: The whole message.
        instruments: What is traded.
        context: Who sent it, and when.

    Raises:
        FieldRefused: The first fault.
    """
    message, entries = split_group(text, "299", _MASS_QUOTE_TAGS)
    check_present(message, "i", "117", "296")
    for entry in entries:
        check_present(entry, "i", "55", "299")
    check_authorized(message)
    quote_id = read_id(message, "117")
    for entry in entries:
        read_id(entry, "299")
    traded = [instruments.find(entry["55"]) for entry in entries]
    check_tags(message, _MASS_QUOTE_TAGS)
    if not 1 <= len(entries) <= QUOTE_ENTRIES_MAX:
        advice = f"send 1 to {QUOTE_ENTRIES_MAX}"
        raise unsupported("295", f"{len(entries)} quote entries in one MassQuote(i); {advice}")
    _check_shards(traded)
    read = [_quote_entry(entry, decimals) for entry, decimals in zip(entries, traded, strict=True)]
    return MassQuote(*context.head(""), quote_id, read)


def _check_shards(traded: list[Decimals]) -> None:
    first = traded[0].instrument
    for decimals in traded:
        other = decimals.instrument
        if other.shard != first.shard:
            advice = f"send {first.symbol} (shard {first.shard}) and {other.symbol} (shard {other.shard}) separately"
            raise unsupported("55", f"the symbols of one MassQuote(i) are of one shard; {advice}")


def _quote_entry(entry: Mapping[str, str], decimals: Decimals) -> QuoteEntry:
    try:
        check_tags(entry, _ENTRY_TAGS, decimals.instrument)
        bid_qty_lots, offer_qty_lots = _side_lots(entry, "134", decimals), _side_lots(entry, "135", decimals)
        bid_price_ticks = _side_ticks(entry, "132", bid_qty_lots, decimals)
        offer_price_ticks = _side_ticks(entry, "133", offer_qty_lots, decimals)
    except FieldRefused as refusal:
        text = f"QuoteEntryID(299) {entry['299']}: {refusal.text}"
        raise FieldRefused(refusal.reason, refusal.ref_tag, text) from None
    symbol = decimals.instrument.symbol
    return QuoteEntry(entry["299"], symbol, bid_price_ticks, bid_qty_lots, offer_price_ticks, offer_qty_lots)


def _side_lots(entry: Mapping[str, str], tag: str, decimals: Decimals) -> int:
    """The size of one side; one without a size is pulled."""
    return read_lots(entry[tag], decimals.instrument, tag, least=0) if entry.get(tag) else 0


def _side_ticks(entry: Mapping[str, str], tag: str, qty_lots: int, decimals: Decimals) -> int:
    text = entry.get(tag)
    if not text or not qty_lots:
        if qty_lots:
            name = "BidPx" if tag == "132" else "OfferPx"
            raise FieldRefused(RejectReason.INVALID_PRICE, tag, f"{name}({tag}) is missing; send it with its size")
        return 0
    return read_ticks(text, decimals.instrument, tag, RejectReason.INVALID_PRICE)


def read_quote_cancel(text: str, instruments: TradedInstruments, context: RequestContext) -> QuoteCancel:
    """
    Read a quote cancel; the arguments as for `read_mass_quote`.

    Raises:
        FieldRefused: The first fault.
    """
    message, entries = split_group(text, "55", _CANCEL_TAGS)
    check_present(message, "Z", "298")
    check_authorized(message)
    quote_id = read_id(message, "117") if message.get("117") else ""
    symbol = entries[0]["55"] if entries else ""
    cancel_type = message["298"]
    if cancel_type not in (_OF_SYMBOL, _ALL):
        advice = "send 1 (for a symbol) or 4 (all)"
        raise unsupported("298", f"QuoteCancelType(298) {quoted(cancel_type)} is not taken here; {advice}")
    check_tags(message, _CANCEL_TAGS)
    for entry in entries:
        check_tags(entry, HARMLESS_TAGS | {"55"})
    if cancel_type == _ALL:
        return QuoteCancel(*context.head(""), quote_id, "4")
    if len(entries) != 1:
        raise unsupported("295", f"{len(entries)} symbols in a QuoteCancel(Z) with 298=1; send one, or 298=4 for all")
    return QuoteCancel(*context.head(instruments.find(symbol).instrument.symbol), quote_id, "1")
