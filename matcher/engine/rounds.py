"""
What a command set off, done in rounds until nothing is left (ORDER-2).

A round does all of one kind before the next kind is looked at: orders of lists, stops, what follows a price, quotes
that are pulled. Nobody asked for any of it.
"""

from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.engine import order_lists, pegs, quote_pulls, triggers
from matcher.engine.answer import NOBODY, Answer


def settle(market: Market, floor: Floor, answer: Answer) -> None:
    """Do all that was set off in one market; without followers nothing ever is, and this need not be called."""
    answer.requester = NOBODY
    while _round(market, floor, answer):
        pass
    symbol = market.symbol
    market.has_followers = (
        bool(market.stops or market.pegs) or floor.lists.has_any(symbol) or floor.quotes.has_any(symbol)
    )


def _round(market: Market, floor: Floor, answer: Answer) -> bool:
    acted = False
    while order_lists.react(market, floor, answer):
        acted = True
    acted |= triggers.fire(market, floor, answer)
    acted |= pegs.follow(market, floor, answer)
    acted |= quote_pulls.pull_protected(market, floor, answer)
    return acted
