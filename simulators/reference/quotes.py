"""Mass quotes and what protects those who send them (QUOTE, MMP)."""

from typing import Any

from msgspec.structs import replace

from matcher.commands import MassQuote, QuoteCancel, QuoteEntry
from matcher.events import MassQuoteAcknowledged, QuoteEntryRefused, QuotesPulled
from matcher.instructions import Instructions
from matcher.orders import PRICE_TICKS_MAX, QTY_LOTS_MAX, OrderState
from matcher.rejects import RejectReason as R
from simulators.reference import matching, refusals
from simulators.reference.memory import Entry, Market, Venue
from simulators.reference.prices import is_far, is_price

Sides = list[tuple[str, int, int]]
"""(side, price, quantity), bid first."""


def sides_of(entry: QuoteEntry) -> Sides:
    """Both sides of an entry."""
    return [
        ("1", entry.bid_price_ticks, entry.bid_qty_lots),
        ("2", entry.offer_price_ticks, entry.offer_qty_lots),
    ]


def side_of(venue: Venue, firm: str, quote: QuoteEntry, side: str) -> Entry | None:
    """The live order that is one side of a quote."""
    for entry in venue.live(quote.symbol):
        if (entry.state.firm, entry.said.quote_entry_id, entry.state.side) == (firm, quote.quote_entry_id, side):
            return entry
    return None


def mass_quote(venue: Venue, command: MassQuote) -> None:
    """Answer, take the old prices off the book, then let the new ones come in."""
    if refusals.is_blocked(venue, command.firm, command.session_id):
        venue.tell(MassQuoteAcknowledged, command.quote_id, "5", [], R.BLOCKED, "", asked=True)
        return
    taken: list[QuoteEntry] = []
    refused: list[QuoteEntryRefused] = []
    for number, quote in enumerate(command.entries):
        names = [(one.symbol, one.quote_entry_id) for one in command.entries[:number]]
        is_second = (quote.symbol, quote.quote_entry_id) in names
        reason = _refusal(venue, command, quote, taken, is_second=is_second)
        if reason:
            refused.append(QuoteEntryRefused(quote.quote_entry_id, reason, ""))
        else:
            taken.append(quote)
    status = "5" if refused and not taken else "0"
    venue.tell(MassQuoteAcknowledged, command.quote_id, status, refused, None, "", asked=True)
    coming = [_leave(venue, command, quote, side) for quote in taken for side in sides_of(quote)]
    for entry in coming:
        if entry:
            matching.enter(venue, entry, asked=True)


def _leave(venue: Venue, command: MassQuote, quote: QuoteEntry, terms: tuple[Any, int, int]) -> Entry | None:
    """One side off the book, with its new terms; None if it stays, or ends."""
    side, price_ticks, qty_lots = terms
    entry = side_of(venue, command.firm, quote, side)
    if not qty_lots:
        if entry:
            venue.end(entry, "4")
        return None
    if not entry:
        who = (command.session_id, command.firm, "", "", quote.symbol)
        said = Instructions(quote_entry_id=quote.quote_entry_id)
        return venue.take(OrderState(0, *who, side, "2", "0", price_ticks, qty_lots, qty_lots, 0, 0, "0", said))
    order = entry.state
    stays = price_ticks == order.price_ticks and qty_lots <= order.leaves_qty_lots
    entry.state = replace(
        order,
        session_id=command.session_id,
        price_ticks=price_ticks,
        qty_lots=order.cum_qty_lots + qty_lots,
        leaves_qty_lots=qty_lots,
    )
    if stays:
        return None
    entry.queued = 0
    return entry


def _refusal(
    venue: Venue, command: MassQuote, quote: QuoteEntry, taken: list[QuoteEntry], *, is_second: bool
) -> R | None:
    """The first fault: of the terms of both sides, then what limits say of the bid, then of the offer."""
    if quote.symbol not in venue.markets:
        return R.UNKNOWN_SYMBOL
    market = venue.markets[quote.symbol]
    given = [(side, price, qty) for side, price, qty in sides_of(quote) if qty]
    cum = [entry.state.cum_qty_lots if entry else 0 for entry in (side_of(venue, command.firm, quote, s) for s in "12")]
    is_too_much = any(
        qty and not 0 < qty <= QTY_LOTS_MAX - c for c, (_, _, qty) in zip(cum, sides_of(quote), strict=True)
    )
    is_crossed = len(given) == 2 and given[0][1] >= given[1][1]
    count = sum(_count(venue, command.firm, one) for one in [*taken, quote])
    begins = any(side_of(venue, command.firm, quote, side) is None for side, _, _ in given)
    limit_fault = _limit_fault(venue, command, taken, quote)
    limit_checks: list[refusals.Check] = [(limit_fault, lambda: True)] if limit_fault else []
    return refusals.first(
        [
            (R.CONTRADICTORY_INSTRUCTIONS, lambda: is_second),
            (R.INVALID_QTY, lambda: is_too_much),
            (R.INVALID_PRICE, lambda: is_crossed or any(not 0 < price <= PRICE_TICKS_MAX for _, price, _ in given)),
            (R.PRICE_OFF_TICK, lambda: any(not is_price(market.instrument, price) for _, price, _ in given)),
            (R.PHASE_NOT_ALLOWED, lambda: given and not market.takes_orders),
            *limit_checks,
            (R.QUOTE_PROTECTION, lambda: given and (command.firm, quote.symbol) in venue.protected),
            (R.BOOK_FULL, lambda: begins and len(venue.live()) + count > venue.orders_max),
        ]
    )


def _count(venue: Venue, firm: str, quote: QuoteEntry) -> int:
    """How many more live orders an entry makes."""
    return sum(bool(qty) - bool(side_of(venue, firm, quote, side)) for side, _, qty in sides_of(quote))


def _limit_fault(venue: Venue, command: MassQuote, taken: list[QuoteEntry], quote: QuoteEntry) -> R | None:
    """What limits say of an entry: each side counts for those after it, in the place of the one that it replaces."""
    planned: list[refusals.Planned] = []
    gone: list[Entry] = []
    for entry in [*taken, quote]:
        market = venue.markets[entry.symbol]
        for side, price, qty in sides_of(entry):
            old = side_of(venue, command.firm, entry, side)
            gone += [old] if old else []
            limits = refusals.LimitChecks(venue, command.firm, command.session_id, planned, gone)
            if entry is quote and qty:
                fault = _side_fault(market, limits, (price, qty), old)
                if fault:
                    return fault
            planned += [(market, price, qty)] if qty else []
    return None


def _side_fault(market: Market, limits: refusals.LimitChecks, new: tuple[int, int], old: Entry | None) -> R | None:
    price, qty = new
    whole = (market, price, qty + (old.state.cum_qty_lots if old else 0))
    band = market.instrument.rules.price_band_bps
    return refusals.first(
        [
            (R.QTY_ABOVE_LIMIT, lambda: limits.qty_is_above(whole)),
            (R.NOTIONAL_ABOVE_LIMIT, lambda: limits.notional_is_above(whole)),
            (R.PRICE_OUTSIDE_BAND, lambda: is_far(price, market.reference_ticks, band)),
            (R.OPEN_ORDERS_ABOVE_LIMIT, lambda: not old and limits.open_orders_are_above()),
            (R.EXPOSURE_ABOVE_LIMIT, lambda: limits.exposure_is_above((market, price, qty), old)),
        ]
    )


def cancel_quotes(venue: Venue, command: QuoteCancel) -> None:
    """Pull the firm's quotes, and lift its protection."""
    if command.scope == "1" and command.symbol not in venue.markets:
        venue.tell(MassQuoteAcknowledged, command.quote_id, "5", [], R.UNKNOWN_SYMBOL, "", asked=True)
        return
    symbols = [command.symbol] if command.scope == "1" else list(venue.markets)
    for symbol in symbols:
        for entry in venue.live(symbol):
            if entry.is_quote and entry.state.firm == command.firm:
                venue.end(entry, "4")
        venue.protected = [one for one in venue.protected if one != (command.firm, symbol)]
        venue.quote_fills = [one for one in venue.quote_fills if one[:2] != (command.firm, symbol)]
    venue.tell(MassQuoteAcknowledged, command.quote_id, command.scope, [], None, "", asked=True)


def pull(venue: Venue, market: Market, restatement: str, firm: str = "", session_id: str = "") -> None:
    """End quotes unasked: of all, of a firm, or of a session."""
    found = [e for e in venue.live(market.symbol) if e.is_quote and firm in ("", e.state.firm)]
    found = [e for e in found if session_id in ("", e.state.session_id)]
    for entry in found:
        venue.end(entry, "4")
    for owner in dict.fromkeys(e.state.session_id for e in found):
        mine = [e for e in found if e.state.session_id == owner]
        names = list(dict.fromkeys(e.said.quote_entry_id for e in mine))
        venue.tell(QuotesPulled, owner, market.symbol, names, restatement, "")


# Protection


def count_fill(venue: Venue, entry: Entry, qty_lots: int) -> None:
    """A quote traded: if that is too much in too short a time, all of the firm's are to be pulled."""
    firm, symbol, now = entry.state.firm, entry.state.symbol, venue.command.received_ns
    limits = venue.limits_of(firm, "")
    if not limits.quote_window_ns:
        return
    since = now - limits.quote_window_ns + 1
    # What has fallen out of the window does not come back with a longer one.
    kept = [one for one in venue.quote_fills if one[:2] != (firm, symbol) or one[2] >= since]
    venue.quote_fills = [*kept, (firm, symbol, now, qty_lots)]
    window = [one for one in venue.quote_fills if one[:2] == (firm, symbol)]
    fills, qty = len(window), sum(one[3] for one in window)
    reached = 0 < limits.quote_fills_max <= fills or 0 < limits.quote_qty_lots_max <= qty
    if reached and (firm, symbol) not in venue.protected:
        venue.protected = [*venue.protected, (firm, symbol)]
        venue.to_pull = [*venue.to_pull, (firm, symbol)]


def pull_protected(venue: Venue, market: Market) -> bool:
    """Pull what protection asks for; True if there was anything."""
    due = [one for one in venue.to_pull if one[1] == market.symbol]
    venue.to_pull = [one for one in venue.to_pull if one[1] != market.symbol]
    for firm, symbol in due:
        venue.quote_fills = [one for one in venue.quote_fills if one[:2] != (firm, symbol)]
        pull(venue, market, "Q", firm)
    return bool(due)
