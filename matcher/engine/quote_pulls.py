"""
Quotes that end unasked: by protection (MMP-1), a phase (PHASE-4), or a block (BLOCK-1). Their sides are not told one by
one, but each session is told which of its quotes are gone (QUOTE-2).
"""

from typing import Final

from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.engine import leaving
from matcher.engine.answer import Answer
from matcher.engine.transitions import canceled
from matcher.events import QuotesPulled, RestatementReason
from matcher.orders import OrderState

_PROTECTED: Final = "quote protection: fills reached your limit; send QuoteCancel(Z) before new quotes"


def live_sides(market: Market, floor: Floor, firm: str = "", session_id: str = "") -> list[OrderState]:
    """The live sides of quotes in a symbol, in order of OrderID: of all, of one firm, or of one session."""
    live = floor.orders.live
    sides = [live[order_id] for order_id in sorted(floor.quotes.order_ids(market.symbol, firm))]
    return [side for side in sides if session_id in ("", side.session_id)]


def end_side(side: OrderState, market: Market, floor: Floor) -> None:
    """End one side of a quote; nobody is told."""
    leaving.withdraw(side, market)
    side = canceled(side)
    floor.orders.keep(side)
    leaving.settle_end(side, market, floor)


def pull(
    market: Market,
    floor: Floor,
    answer: Answer,
    restatement: RestatementReason,
    text: str,
    *,
    firm: str = "",
    session_id: str = "",
) -> bool:
    """
    End quotes in a symbol, and tell their sessions; true if there were any.

    Args:
        market: The symbol's.
        floor: What all share.
        answer: Where it is told: once for each session, that with the oldest order first.
        restatement: Why.
        text: Why, for Text(58).
        firm: Only its quotes, if given.
        session_id: Only its quotes, if given.
    """
    by_session: dict[str, dict[str, None]] = {}
    for side in live_sides(market, floor, firm, session_id):
        assert side.instructions is not None
        by_session.setdefault(side.session_id, {})[side.instructions.quote_entry_id] = None
        end_side(side, market, floor)
    for session, quote_entry_ids in by_session.items():
        answer.tell_unasked(QuotesPulled, session, market.symbol, list(quote_entry_ids), restatement, text)
    return bool(by_session)


def pull_protected(market: Market, floor: Floor, answer: Answer) -> bool:
    """Pull the quotes of firms whose protection was reached; true if any were (round 4 of ORDER-2)."""
    pulled = False
    for firm, symbol in list(floor.quotes.tripping):
        if symbol == market.symbol:
            del floor.quotes.tripping[firm, symbol]
            floor.quotes.forget_fills(firm, symbol)
            pulled |= pull(market, floor, answer, "Q", _PROTECTED, firm=firm)
    return pulled
