"""Phases of the day, timers, the end of the day (PHASE, OPEN, CLOSE, DAY, GTD)."""

from matcher.events import OrderExpired
from matcher.increments import PhaseChange
from matcher.operator_commands import EndTradingDay, ScheduledPhase, SetPhase, TimerFired
from matcher.phases import (
    AUCTIONS,
    CLOSED,
    CLOSING_AUCTION,
    COLLECTING,
    CONTINUOUS,
    HALT,
    POST_CLOSE,
    VOLATILITY_AUCTION,
    Phase,
)
from simulators.reference import auction, quotes
from simulators.reference.memory import Entry, Market, Venue

End = tuple[int, int, int]
"""ends_ns of an auction, random_end_ns_max, seed."""


def change(venue: Venue, market: Market, phase: Phase, end: End = (0, 0, 0)) -> None:
    """Put a symbol into a phase, with all that ends and begins with it."""
    ends_ns, random_max, seed = end if phase in AUCTIONS else (0, 0, 0)
    old = market.phase
    if phase == old and ends_ns == market.ends_ns:
        return
    if market.is_collected and phase in (CONTINUOUS, POST_CLOSE, CLOSED):
        auction.uncross(venue, market)
    market.phase, market.ends_ns, market.noted = phase, ends_ns, None
    market.deadline_ns = ends_ns and ends_ns + splitmix64(seed) % (random_max + 1)
    market.phase_change = PhaseChange(phase, ends_ns, "")
    if phase == old:
        return
    market.indicative = auction.NOTHING
    market.is_collected = phase in COLLECTING or (phase == HALT and market.is_collected)
    if phase == HALT:
        for entry in venue.live(market.symbol):
            if entry.said.cancel_on_halt:
                venue.cancel_unasked(entry, "H")
    if phase in (HALT, POST_CLOSE, CLOSED):
        quotes.pull(venue, market, "H")
    if phase == CLOSING_AUCTION:
        for entry in venue.live(market.symbol):
            if entry.said.held == "C":
                entry.instruct(held="")
                venue.place(entry)
    if phase == CONTINUOUS:
        for entry in venue.live(market.symbol):
            entry.high_ticks = entry.low_ticks = market.last_trade_ticks


def splitmix64(seed: int) -> int:
    """The first number of the generator SplitMix64."""
    mask = 2**64 - 1
    mixed = (seed + 0x9E3779B97F4A7C15) & mask
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
    return mixed ^ (mixed >> 31)


def end_of(command: ScheduledPhase | SetPhase) -> End:
    """When the phase of a command ends."""
    return command.ends_ns, command.random_end_ns_max, command.seed


def schedule(venue: Venue, market: Market, command: ScheduledPhase) -> None:
    """What the schedule says, unless it is old; in a halt it waits."""
    if command.scheduled_ns <= market.scheduled_ns:
        return
    market.scheduled_ns = command.scheduled_ns
    if market.phase == HALT:
        market.noted = command
    else:
        change(venue, market, command.phase, end_of(command))


def set_by_operator(venue: Venue, market: Market, command: SetPhase) -> None:
    """What the operator says; continuous trading after a halt is where the schedule would be."""
    phase, end = command.phase, end_of(command)
    if market.phase == HALT and phase == CONTINUOUS:
        noted = market.noted
        if noted and noted.phase != CONTINUOUS:
            phase, end = noted.phase, end_of(noted)
        elif command.ends_ns:
            phase = VOLATILITY_AUCTION
    change(venue, market, phase, end)


def fire_timers(venue: Venue, market: Market, command: TimerFired) -> None:
    """Do all that is due, in order of its time; an auction ends before the orders of the same time."""
    while True:
        due: list[tuple[int, int, Entry | None]] = [
            (e.said.expire_ns, e.state.order_id, e) for e in venue.live(market.symbol) if e.said.expire_ns
        ]
        if market.deadline_ns:
            due.append((market.deadline_ns, 0, None))
        due = sorted((one for one in due if one[0] <= command.received_ns), key=lambda one: one[:2])
        if not due:
            return
        entry = due[0][2]
        if entry:
            expire(venue, entry)
        else:
            change(venue, market, POST_CLOSE if market.phase == CLOSING_AUCTION else CONTINUOUS)


def expire(venue: Venue, entry: Entry) -> None:
    """The time of an order is over."""
    venue.end(entry, "C")
    venue.tell(OrderExpired, entry.state)


def end_trading_day(venue: Venue, market: Market, command: EndTradingDay) -> None:
    """Expire what was good for this day, unless it ended before."""
    if command.trading_date <= market.trading_date:
        return
    market.trading_date = market.ended_day = command.trading_date
    for entry in venue.live(market.symbol):
        until = entry.said.expire_date
        if entry.state.time_in_force in "027" or (until and until <= int(command.trading_date)):
            expire(venue, entry)
