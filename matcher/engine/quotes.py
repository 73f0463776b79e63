"""
Mass quotes: two-sided prices that a market maker replaces as one (QUOTE-1 to QUOTE-4), and their withdrawal.

A side is a DAY limit order without a ClOrdID(11). While it lives it keeps its OrderID(37) and its fills, whatever price
it is given; a side that was pulled or filled begins anew with the next quote.
"""

from typing import Final, NamedTuple

from msgspec.structs import replace

from matcher.books.book_side import standing_price_ticks
from matcher.books.floor import Floor
from matcher.books.limit_book import Account
from matcher.books.market import Market
from matcher.commands import MassQuote, QuoteCancel, QuoteEntry
from matcher.engine.answer import Answer
from matcher.engine.bounds import Wanted, refusal_of_wanted
from matcher.engine.incoming import work
from matcher.engine.leaving import withdraw
from matcher.engine.quote_pulls import end_side, live_sides
from matcher.engine.transitions import open_status
from matcher.events import MassQuoteAcknowledged, QuoteEntryRefused
from matcher.instructions import Instructions
from matcher.orders import (
    BUY,
    DAY,
    LIMIT,
    NEW,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
    SELL,
    OrderState,
    Side,
)
from matcher.phases import NEW_AND_REPLACE_PHASES, PHASE_NAMES
from matcher.rejects import Refusal, RejectReason, untraded

_OF_SYMBOL: Final = "1"
_ACCEPTED: Final = "0"
_CANCELED_SYMBOL: Final = "1"
_CANCELED_ALL: Final = "4"
_REJECTED: Final = "5"


class _Side(NamedTuple):
    """One side that an entry asks for."""

    side: Side
    price_ticks: int
    qty_lots: int
    before: OrderState | None
    """The live order that has this side now."""


class _Entry(NamedTuple):
    """An entry about a symbol that is traded here."""

    quote_entry_id: str
    firm: str
    session_id: str
    market: Market
    sides: list[_Side]


def mass_quote(command: MassQuote, floor: Floor, answer: Answer) -> None:
    """Take each entry that is not at fault; those that are keep what they had."""
    if floor.limits.any and floor.limits.is_blocked(command.firm, command.session_id):
        text = "your firm or session is blocked by the operator; quote again when it is lifted"
        answer.tell(MassQuoteAcknowledged, command.quote_id, _REJECTED, [], RejectReason.BLOCKED, text)
        return
    taken: list[_Entry] = []
    refused: list[QuoteEntryRefused] = []
    beside = Account()
    seen: set[tuple[str, str]] = set()
    for asked in command.entries:
        is_repeated = (asked.symbol, asked.quote_entry_id) in seen
        seen.add((asked.symbol, asked.quote_entry_id))
        entry = _understood(asked, command, floor)
        refusal = _repeated(asked) if entry is not None and is_repeated else _refusal_of(entry, asked, floor, beside)
        if refusal is not None:
            refused.append(QuoteEntryRefused(asked.quote_entry_id, *refusal))
        elif entry is not None:
            taken.append(entry)
    status = _REJECTED if refused and not taken else _ACCEPTED
    answer.tell(MassQuoteAcknowledged, command.quote_id, status, refused, None, "")
    coming = [(entry.market, _make_way(side, entry, floor)) for entry in taken for side in entry.sides]
    for market, order in coming:
        if order is not None:
            work(order, market, floor, answer)


def cancel_quotes(command: QuoteCancel, floor: Floor, answer: Answer) -> None:
    """Pull the firm's quotes of a symbol, or all of the shard; new ones are taken again (MMP-1)."""
    if command.scope == _OF_SYMBOL and command.symbol not in floor.markets:
        answer.tell(MassQuoteAcknowledged, command.quote_id, _REJECTED, [], *untraded(command.symbol))
        return
    symbols = [command.symbol] if command.scope == _OF_SYMBOL else list(floor.markets)
    for symbol in symbols:
        market = floor.markets[symbol]
        for side in live_sides(market, floor, command.firm):
            end_side(side, market, floor)
        floor.quotes.begin_anew(command.firm, symbol)
    status = _CANCELED_SYMBOL if command.scope == _OF_SYMBOL else _CANCELED_ALL
    answer.tell(MassQuoteAcknowledged, command.quote_id, status, [], None, "")


# Checks


def _understood(asked: QuoteEntry, command: MassQuote, floor: Floor) -> _Entry | None:
    """The sides that an entry asks for, a pulled one only if it is there; None if its symbol is not traded here."""
    market = floor.markets.get(asked.symbol)
    if market is None:
        return None
    bid_id, offer_id = floor.quotes.sides(asked.symbol, command.firm, asked.quote_entry_id)
    live = floor.orders.live
    sides = [
        _Side(BUY, asked.bid_price_ticks, asked.bid_qty_lots, live.get(bid_id)),
        _Side(SELL, asked.offer_price_ticks, asked.offer_qty_lots, live.get(offer_id)),
    ]
    sides = [side for side in sides if side.qty_lots or side.before is not None]
    return _Entry(asked.quote_entry_id, command.firm, command.session_id, market, sides)


def _refusal_of(entry: _Entry | None, asked: QuoteEntry, floor: Floor, beside: Account) -> Refusal | None:
    """Why an entry is not taken; if it is, it counts in `beside` for those after it."""
    if entry is None:
        return untraded(asked.symbol)
    wanted = [side for side in entry.sides if side.qty_lots]
    with_it = beside.copy()
    refusal = (
        _refusal_of_terms(wanted, entry.market)
        or (_refusal_of_phase(entry.market) if wanted else None)
        or _refusal_of_limits(entry, floor, with_it)
        or (_refusal_of_protection(entry, floor) if wanted else None)
    )
    begins = any(side.before is None for side in wanted)
    if refusal is None and begins and len(floor.orders.live) + with_it.open_orders > floor.orders_max:
        return RejectReason.BOOK_FULL, "the venue holds as many orders as it can; cancel some, or try again later"
    if refusal is None:
        beside.take(with_it)
    return refusal


def _repeated(asked: QuoteEntry) -> Refusal:
    text = f"QuoteEntryID(299) {asked.quote_entry_id} stands twice in the message; send one entry for each quote"
    return RejectReason.CONTRADICTORY_INSTRUCTIONS, text


def _refusal_of_phase(market: Market) -> Refusal | None:
    if market.phase in NEW_AND_REPLACE_PHASES:
        return None
    return (
        RejectReason.PHASE_NOT_ALLOWED,
        f"{market.symbol} is in {PHASE_NAMES[market.phase]}: no quotes are taken",
    )


def _refusal_of_protection(entry: _Entry, floor: Floor) -> Refusal | None:
    if not floor.quotes.is_protected(entry.firm, entry.market.symbol):
        return None
    text = "your quotes were pulled by quote protection; send QuoteCancel(Z), then quote again"
    return RejectReason.QUOTE_PROTECTION, text


def _refusal_of_terms(wanted: list[_Side], market: Market) -> Refusal | None:
    for side in wanted:
        cum_qty_lots = side.before.cum_qty_lots if side.before is not None else 0
        if not 0 < side.qty_lots <= QTY_LOTS_MAX - cum_qty_lots:
            text = (
                f"BidSize(134) and OfferSize(135) must be 1 to {QTY_LOTS_MAX} lots, fills since the last pull included"
            )
            return RejectReason.INVALID_QTY, text
    for side in wanted:
        if not 0 < side.price_ticks <= PRICE_TICKS_MAX:
            text = f"BidPx(132) and OfferPx(133) must be 1 to {PRICE_TICKS_MAX} ticks"
            return RejectReason.INVALID_PRICE, text
    if len(wanted) == 2 and wanted[0].price_ticks >= wanted[1].price_ticks:
        return RejectReason.INVALID_PRICE, "BidPx(132) must be below OfferPx(133); move them apart"
    for side in wanted:
        if not market.ticks.has(side.price_ticks):
            step = market.instrument.tick.text(market.ticks.step_ticks(side.price_ticks))
            return RejectReason.PRICE_OFF_TICK, f"BidPx(132) and OfferPx(133) must be multiples of {step} here"
    return None


def _refusal_of_limits(entry: _Entry, floor: Floor, beside: Account) -> Refusal | None:
    """What limits say about both sides, with the entries before them in `beside`, where they count from then on."""
    market = entry.market
    for side in entry.sides:
        if not side.qty_lots:
            assert side.before is not None
            beside.add(market.symbol, side.before.price_ticks, -side.before.leaves_qty_lots, orders=-1)
            continue
        total_lots = side.qty_lots + (side.before.cum_qty_lots if side.before is not None else 0)
        wanted = Wanted(entry.firm, entry.session_id, side.price_ticks, total_lots, side.before)
        refusal = refusal_of_wanted(wanted, market, floor, beside)
        if refusal is not None:
            return refusal
    return None


# New prices


def _make_way(side: _Side, entry: _Entry, floor: Floor) -> OrderState | None:
    """
    Take a side off its old place, or let it keep it; gives the order that is still to come in.

    A side with a new price leaves the book before any of the message comes in, so that a firm's own new prices do not
    meet its old ones (QUOTE-3).
    """
    market, before = entry.market, side.before
    if before is None:
        return _new_side(side, entry, floor)
    if not side.qty_lots:
        end_side(before, market, floor)
        return None
    after = replace(
        before,
        session_id=entry.session_id,
        price_ticks=side.price_ticks,
        qty_lots=before.cum_qty_lots + side.qty_lots,
        leaves_qty_lots=side.qty_lots,
        ord_status=open_status(before.cum_qty_lots),
    )
    if side.price_ticks == standing_price_ticks(before) and side.qty_lots <= before.leaves_qty_lots:
        market.book.side(side.side).take(before, before.leaves_qty_lots - side.qty_lots)
        floor.orders.keep(after)
        return None
    withdraw(before, market)
    floor.orders.keep(after)
    return after


def _new_side(side: _Side, entry: _Entry, floor: Floor) -> OrderState:
    entry.market.has_followers = True
    order = OrderState(
        floor.orders.next_order_id(),
        entry.session_id,
        entry.firm,
        "",
        "",
        entry.market.symbol,
        side.side,
        LIMIT,
        DAY,
        side.price_ticks,
        side.qty_lots,
        side.qty_lots,
        0,
        0,
        NEW,
        Instructions(quote_entry_id=entry.quote_entry_id),
    )
    floor.quotes.note_side(order)
    floor.orders.keep(order)
    return order
