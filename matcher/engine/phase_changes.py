"""
How a symbol goes from one phase to another (PHASE-1 to PHASE-6, CORRIDOR-2), whoever wants it: the schedule, the
operator, the end of an auction, or a price outside its corridor.

Every way leads through `_enter`. Coming out of phases that collect orders, the book is uncrossed before anything else;
that it has been collecting is what `book.is_dark` says, also in a halt in between.
"""

from typing import Final

from matcher.books.floor import Floor
from matcher.books.market import NO_INDICATIVE, Market
from matcher.engine import leaving, quote_pulls, uncrossing
from matcher.engine.answer import Answer
from matcher.engine.transitions import refilled, with_instructions
from matcher.events import OperatorAnswered
from matcher.increments import PhaseChange
from matcher.instructions import ON_BOOK
from matcher.operator_commands import ScheduledPhase, SetPhase
from matcher.phases import (
    AUCTIONS,
    CLOSED,
    CLOSING_AUCTION,
    COLLECTING,
    CONTINUOUS,
    HALT,
    OPENING_AUCTION,
    PHASE_NAMES,
    POST_CLOSE,
    VOLATILITY_AUCTION,
    Phase,
)
from matcher.rejects import Refusal, RejectReason, untraded_on_shard

_AFTER_AUCTION: Final[dict[Phase, Phase]] = {
    OPENING_AUCTION: CONTINUOUS,
    VOLATILITY_AUCTION: CONTINUOUS,
    CLOSING_AUCTION: POST_CLOSE,
}
_UNCROSSES: Final = (CONTINUOUS, POST_CLOSE, CLOSED)
_NO_QUOTES: Final = (HALT, POST_CLOSE, CLOSED)

_HALTED: Final = "trading was halted, and the order was to be canceled then (18=K)"
_CORRIDOR: Final = "a price outside its corridor"


def schedule_phase(command: ScheduledPhase, floor: Floor, answer: Answer) -> None:
    """Take note of what the schedule says, and do it unless trading is halted (PHASE-5)."""
    market = floor.markets.get(command.symbol)
    if market is None:
        return
    last = market.scheduled_phase
    if last is not None and command.scheduled_ns <= last.scheduled_ns:
        return
    market.scheduled_phase = command
    if market.phase == HALT:
        market.awaited_phase = command
        return
    _go_to(command, "", market, floor, answer)


def set_phase(command: SetPhase, floor: Floor, answer: Answer) -> None:
    """Put a symbol into a phase at once; the only way out of a halt (PHASE-3, PHASE-5)."""
    market = floor.markets.get(command.symbol)
    refusal, text = _refusal_of(command, market), ""
    if refusal is None:
        assert market is not None
        before = market.phase_change
        _set(command, market, floor, answer)
        text = f"is in {PHASE_NAMES[market.phase]} already" if market.phase_change is before else ""
    answer.tell(OperatorAnswered, command.request_id, *(refusal or (None, text)))


def end_auction(market: Market, floor: Floor, answer: Answer) -> None:
    """The time of an auction is over (PHASE-6)."""
    _enter(PhaseChange(_AFTER_AUCTION[market.phase], 0, ""), 0, market, floor, answer)


def begin_volatility_auction(market: Market, floor: Floor, answer: Answer) -> None:
    """A trade would have been outside a corridor: collect orders instead (CORRIDOR-2)."""
    rules = market.instrument.rules
    announced_ns = answer.transact_ns + rules.volatility_auction_ns
    ends_ns = announced_ns + random_part(answer.input_seq, rules.volatility_random_end_ns)
    _enter(PhaseChange(VOLATILITY_AUCTION, announced_ns, _CORRIDOR), ends_ns, market, floor, answer)


def random_part(seed: int, at_most: int) -> int:
    """A number from 0 to `at_most`: the first that splitmix64 gives from a seed, modulo `at_most + 1`."""
    mask = 2**64 - 1
    mixed = (seed + 0x9E3779B97F4A7C15) & mask
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & mask
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & mask
    return (mixed ^ mixed >> 31) % (at_most + 1)


def _refusal_of(command: SetPhase, market: Market | None) -> Refusal | None:
    if market is None:
        return untraded_on_shard(command.symbol)
    if command.ends_ns < 0 or command.random_end_ns_max < 0:
        return RejectReason.INVALID_COMMAND, "the end of an auction and its random part cannot be negative"
    return None


def _set(command: SetPhase, market: Market, floor: Floor, answer: Answer) -> None:
    resumes = market.phase == HALT and command.phase == CONTINUOUS
    awaited = market.awaited_phase if resumes else None
    if market.phase == HALT and command.phase != HALT:
        market.awaited_phase = None
    if awaited is not None and awaited.phase != CONTINUOUS:
        _go_to(awaited, command.text, market, floor, answer)
    elif resumes and command.ends_ns:
        change = PhaseChange(VOLATILITY_AUCTION, command.ends_ns, command.text)
        _enter(change, _end(command), market, floor, answer)
    else:
        _go_to(command, command.text, market, floor, answer)


def _go_to(wanted: ScheduledPhase | SetPhase, text: str, market: Market, floor: Floor, answer: Answer) -> None:
    if wanted.phase not in AUCTIONS:
        if wanted.phase != market.phase:
            _enter(PhaseChange(wanted.phase, 0, text), 0, market, floor, answer)
    elif wanted.phase != market.phase or wanted.ends_ns != market.announced_end_ns:
        _enter(PhaseChange(wanted.phase, wanted.ends_ns, text), _end(wanted), market, floor, answer)


def _end(wanted: ScheduledPhase | SetPhase) -> int:
    return wanted.ends_ns + random_part(wanted.seed, wanted.random_end_ns_max) if wanted.ends_ns else 0


def _enter(change: PhaseChange, ends_ns: int, market: Market, floor: Floor, answer: Answer) -> None:
    phase = change.phase
    if phase in _UNCROSSES and market.book.is_dark:
        uncrossing.uncross(market, floor, answer)
    market.interest = None
    if phase != market.phase:  # each auction begins with no indicative price, whatever the last one ended with
        market.indicative = market.next_indicative = NO_INDICATIVE
    if phase == CONTINUOUS:
        # What stops are looked at by (STOP-4), whatever came before in the uncrossing.
        market.opening_price_ticks, market.seen_prints = market.last_price_ticks, len(market.prints)
    market.phase = phase
    market.announced_end_ns, market.phase_ends_ns = change.ends_ns, ends_ns
    market.phase_change = change
    market.has_news = True
    if phase in COLLECTING:
        market.book.hide(floor.orders.live)
    elif phase in _UNCROSSES:
        market.book.show(floor.orders.live)
    if phase == HALT:
        _cancel_for_halt(market, floor, answer)
    if phase in _NO_QUOTES:
        quote_pulls.pull(market, floor, answer, "H", f"quotes do not stay in this phase: {PHASE_NAMES[phase]}")
    if phase == CLOSING_AUCTION:
        _bring_in_closing_orders(market, floor)


def _cancel_for_halt(market: Market, floor: Floor, answer: Answer) -> None:
    for order in floor.live_orders(market):
        if order.instructions is not None and order.instructions.cancel_on_halt:
            leaving.cancel(order, market, floor, answer, "H", _HALTED)


def _bring_in_closing_orders(market: Market, floor: Floor) -> None:
    """Let the orders for the close into their auction, in order of OrderID (CLOSE-1)."""
    for order_id in sorted(market.at_close):
        order = floor.orders.live[order_id]
        leaving.withdraw(order, market)
        order = refilled(with_instructions(order, held=ON_BOOK))
        market.book.side(order.side).add(order)
        floor.orders.keep(order)
