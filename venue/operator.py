"""
`./outcry operator`: orders of whoever runs the venue, as commands on its logs.

Each becomes a record of ORD and is answered on EXEC, so what was ordered, when and with which result can be read there
for ever. Prices and quantities are decimals here; the units that the logs carry turn them into ticks and lots.
"""

import argparse
import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from bus.connection import Bus, BusError
from bus.streams import ForeignStream
from bus.subjects import GATEWAY_SYMBOL
from configs.instruments_file import units_text
from configs.limits import SELF_MATCH
from configs.loader import ConfigError, Venue, load, load_instruments, read_instruments
from configs.schedules import PHASES
from matcher.instruments import Increment, InvalidDecimal, NotAMultiple
from matcher.operator_commands import (
    BustTrade,
    CorrectTrade,
    DefineInstrument,
    EndTradingDay,
    Limits,
    OperatorCommand,
    SetLimits,
    SetPhase,
    SetReferencePrice,
    TimerCommand,
)
from matcher.phases import AUCTIONS, CONTINUOUS, HALT, PHASE_NAMES, Phase
from matcher.process.status import LimitsStatus
from venue import logs, running
from venue.operator_arguments import LIMIT_FLAGS, operator_parser
from venue.operator_desk import OperatorDesk, OperatorError, TradedSymbol

_SECOND_NS: Final = 10**9
_MILLISECOND_NS: Final = 10**6
_SEED_BITS: Final = 62
_CONNECT_PATIENCE_S: Final = 3.0

Line = tuple[bool, str]
"""Whether it was done, and one line that says what."""


def main(argv: list[str]) -> int:
    """Give one order; returns 0 if all of it was done, else 1."""
    options = operator_parser().parse_args(argv)
    logs.configure("operator")
    try:
        return asyncio.run(_run(options))
    except (BusError, ConfigError, ForeignStream, OperatorError) as error:
        sys.stderr.write(f"outcry operator: {error}\n")
        return 1


async def _run(options: argparse.Namespace) -> int:
    options.config = running.chosen_config(options)
    venue = load(options.config)
    nats = venue.config.nats
    bus = await Bus.connect(
        options.nats or nats.url,
        name="operator",
        publish_timeout_s=nats.publish_timeout_s,
        patience_s=_CONNECT_PATIENCE_S,
        is_command=True,
    )
    try:
        desk = OperatorDesk(bus, shards=venue.config.shards, patience_s=options.patience)
        was_done = True
        async for done, line in ACTIONS[options.action](_Order(desk, venue, options)):
            (sys.stdout if done else sys.stderr).write(f"{line}\n")
            was_done = was_done and done
        return 0 if was_done else 1
    finally:
        await bus.close()


class _Order:
    # What every action needs: the arguments, the desk, and an identity for its commands.

    def __init__(self, desk: OperatorDesk, venue: Venue, options: argparse.Namespace) -> None:
        self.desk = desk
        self.venue = venue
        self.options = options

    def head(self, symbol: str) -> tuple[str, int, str]:
        """The fields of OperatorRequest."""
        return secrets.token_hex(8), time.time_ns(), symbol

    async def give(self, name: str, shard: int, command: OperatorCommand, done: str, *following: TimerCommand) -> Line:
        """Give one command, with those that follow from it, and say what became of it."""
        answer = await self.desk.give(shard, command, *following)
        if answer.reason is not None:
            return False, f"{name}: refused: {answer.reason}: {answer.text}"
        return True, f"{name}: {answer.text or done}"


async def _halt(order: _Order) -> AsyncIterator[Line]:
    async for line in _set_phase(order, HALT, "halted"):
        yield line


async def _resume(order: _Order) -> AsyncIterator[Line]:
    async for line in _set_phase(order, CONTINUOUS, "resumed"):
        yield line


async def _phase(order: _Order) -> AsyncIterator[Line]:
    phase = PHASES[order.options.phase]
    if (phase in AUCTIONS) != bool(order.options.auction):
        raise OperatorError("--auction SECONDS says how long an auction takes: give it with an auction, and only then")
    async for line in _set_phase(order, phase, f"is in {PHASE_NAMES[phase]}"):
        yield line


async def _set_phase(order: _Order, phase: Phase, done: str) -> AsyncIterator[Line]:
    options = order.options
    auction_s, random_end_s = getattr(options, "auction", 0), getattr(options, "random_end", 0)
    if random_end_s and not auction_s:
        raise OperatorError("--random-end goes with --auction only; say how long the auction takes")
    if bool(options.symbols) == options.all:
        raise OperatorError("name the symbols, or give --all for every one that is traded here")

    async def begin(symbol: str, shard: int) -> Line:
        head = order.head(symbol)
        ends_ns = head[1] + auction_s * _SECOND_NS if auction_s else 0
        seed = secrets.randbits(_SEED_BITS) if random_end_s else 0
        command = SetPhase(*head, phase, ends_ns, random_end_s * _SECOND_NS, seed, options.text)
        return await order.give(symbol, shard, command, done)

    for symbol in options.symbols:
        yield await begin(symbol, (await order.desk.find(symbol)).shard)
    if options.all:
        shards = range(order.venue.config.shards)
        for lines in await asyncio.gather(*(_on_all(order.desk, shard, begin) for shard in shards)):
            for line in lines:
                yield line


async def _on_all(desk: OperatorDesk, shard: int, begin: Callable[[str, int], Awaitable[Line]]) -> list[Line]:
    """Of one shard; one that does not answer holds up no other."""
    lines: list[Line] = []
    symbols = await desk.symbols(shard)
    for place, symbol in enumerate(symbols):
        try:
            lines.append(await begin(symbol, shard))
        except OperatorError as error:
            lines.append((False, f"{symbol}: {error}; {len(symbols) - place - 1} more of shard {shard} were not asked"))
            break
    return lines


async def _reference_price(order: _Order) -> AsyncIterator[Line]:
    traded = await order.desk.find(order.options.symbol)
    price_ticks = _count(traded, "price", traded.tick, order.options.price)
    command = SetReferencePrice(*order.head(traded.symbol), price_ticks)
    yield await order.give(traded.symbol, traded.shard, command, f"reference price {traded.tick.text(price_ticks)}")


async def _bust(order: _Order) -> AsyncIterator[Line]:
    options = order.options
    traded = await order.desk.find(options.symbol)
    command = BustTrade(*order.head(traded.symbol), options.match_id, options.text)
    yield await order.give(traded.symbol, traded.shard, command, f"trade {options.match_id} is undone")


async def _correct(order: _Order) -> AsyncIterator[Line]:
    options = order.options
    traded = await order.desk.find(options.symbol)
    price_ticks = _count(traded, "price", traded.tick, options.price)
    qty_lots = _count(traded, "quantity", traded.lot, options.qty)
    command = CorrectTrade(*order.head(traded.symbol), options.match_id, price_ticks, qty_lots, options.text)
    done = f"trade {options.match_id} is {traded.lot.text(qty_lots)} at {traded.tick.text(price_ticks)}"
    yield await order.give(traded.symbol, traded.shard, command, done)


async def _limits(order: _Order) -> AsyncIterator[Line]:
    options = order.options
    changes = {name: value for name in LIMIT_FLAGS if (value := getattr(options, name)) is not None}
    if "quote_window_ms" in changes:
        changes["quote_window_ns"] = changes.pop("quote_window_ms") * _MILLISECOND_NS
    if options.self_match is not None:
        changes["self_match_instruction"] = SELF_MATCH[options.self_match]
    if not changes:
        raise OperatorError("no limit is named; `./outcry operator limits --help` lists them")
    async for line in _change_limits(order, changes, "has new limits"):
        yield line


async def _block(order: _Order) -> AsyncIterator[Line]:
    async for line in _change_limits(order, {"is_blocked": True}, "is blocked"):
        yield line


async def _unblock(order: _Order) -> AsyncIterator[Line]:
    async for line in _change_limits(order, {"is_blocked": False}, "is no longer blocked", "was not blocked"):
        yield line


async def _change_limits(
    order: _Order, changes: dict[str, object], done: str, unchanged: str = ""
) -> AsyncIterator[Line]:
    """
    On every shard: a block must reach each of them even if one cannot be reached.

    Where nothing would change, no order is given if there is something to say of that.
    """
    firm, session_id = order.options.firm, order.options.session
    _check_names(order.venue, firm, session_id)
    whose = session_id or firm
    for shard in range(order.venue.config.shards):
        name = f"{whose} on shard {shard}"
        try:
            _, in_force = await order.desk.status(shard)
            now = next(
                (each.limits for each in in_force if (each.firm, each.session_id) == (firm, session_id)), Limits()
            )
            limits = msgspec.structs.replace(now, **changes)
            if unchanged and limits == now:
                yield True, f"{name}: {unchanged}"
                continue
            command = SetLimits(*order.head(GATEWAY_SYMBOL), firm, session_id, limits)
            yield await order.give(name, shard, command, done)
        except OperatorError as error:
            yield False, f"{name}: {error}"


def _check_names(venue: Venue, firm: str, session_id: str) -> None:
    """A wrong name would be a limit that holds for nobody."""
    session_ids = [
        f"{version}:{session.comp_id}"
        for each, session in venue.sessions()
        if each.name == firm
        for version in session.versions
    ]
    if firm not in {each.name for each in venue.config.firms}:
        raise OperatorError(f"there is no firm {firm!r} in the configuration; name one of its firms")
    if session_id and session_id not in session_ids:
        raise OperatorError(f"firm {firm} has no session {session_id!r}; name one of {', '.join(session_ids)}")


async def _define(order: _Order) -> AsyncIterator[Line]:
    path, venue = order.options.file, order.venue
    file = load_instruments(path)
    if scheduled := next((name for name, group in file.groups.items() if group.hours.schedule), None):
        raise OperatorError(
            f"{path}: group {scheduled} has a schedule, which matchers take from their own configuration; put it there"
        )
    own = load_instruments(order.options.config.parent / venue.config.instruments)
    file = msgspec.structs.replace(file, groups=own.groups | file.groups)
    instruments, _ = read_instruments(path, file, venue.config.shards)
    units: list[dict[str, str]] = [{} for _ in range(venue.config.shards)]
    for instrument in instruments.values():
        units[instrument.shard][instrument.symbol] = units_text(instrument)
    await order.desk.note_units(units)
    for instrument in instruments.values():
        command = DefineInstrument(*order.head(instrument.symbol), instrument)
        # What the clock would say of a new symbol some ms later, when it would end the DAY orders that came in between.
        last = venue.last_day_end(instrument.group, command.received_ns)
        day_end = EndTradingDay(instrument.symbol, command.received_ns, last.trading_date)
        done = f"defined on shard {instrument.shard}"
        yield await order.give(instrument.symbol, instrument.shard, command, done, day_end)


async def _status(order: _Order) -> AsyncIterator[Line]:
    wanted = set(order.options.symbols)
    for shard in range(order.venue.config.shards):
        instruments, limits = await order.desk.status(shard)
        for each in instruments:
            if not wanted or each.symbol in wanted:
                ends = f" until {_utc(each.ends_ns)}" if each.ends_ns else ""
                last = f", last {each.last_price}" if each.last_price else ""
                yield True, f"{each.symbol}: {PHASE_NAMES[each.phase]}{ends}, reference {each.reference_price}{last}"
            wanted.discard(each.symbol)
        if not order.options.symbols:
            for each_limits in limits:
                yield True, f"{each_limits.session_id or each_limits.firm} on shard {shard}: {_told(each_limits)}"
    for symbol in sorted(wanted):
        yield False, f"{symbol}: not traded here"


def _told(status: LimitsStatus) -> str:
    """The limits that differ from none, by name."""
    limits, none = status.limits, Limits()
    said = [(name, getattr(limits, name)) for name in limits.__struct_fields__ if name != "is_blocked"]
    words = ["blocked"] if limits.is_blocked else []
    words += [f"{name} {value}" for name, value in said if value != getattr(none, name)]
    return ", ".join(words) or "no limits"


def _utc(moment_ns: int) -> str:
    return datetime.fromtimestamp(moment_ns // _SECOND_NS, UTC).strftime("%H:%M:%S UTC")


def _count(traded: TradedSymbol, name: str, increment: Increment, text: str) -> int:
    try:
        return increment.count(text)
    except (InvalidDecimal, NotAMultiple) as error:
        raise OperatorError(f"{traded.symbol}: {name} {error}") from error


ACTIONS: Final[dict[str, Callable[[_Order], AsyncIterator[Line]]]] = {
    "halt": _halt,
    "resume": _resume,
    "phase": _phase,
    "reference-price": _reference_price,
    "limits": _limits,
    "block": _block,
    "unblock": _unblock,
    "bust": _bust,
    "correct": _correct,
    "define": _define,
    "status": _status,
}
