"""
Compare the engine with the reference on many random commands: `python -m tests.matcher.compare_with_reference`.

The nightly form of `test_engine_against_reference`. Runs of a thousand commands follow each other, each on a fresh
pair of engines; the seed of each is its number, so any of them can be repeated by itself. On a difference it prints the
fewest commands that still show one, as Python, and ends with status 1.
"""

import argparse
import difflib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from matcher.commands import Command
from matcher.events import InstrumentDefined, OrderFilled, Output, TradeBusted, TradeCorrected
from matcher.increments import LevelChange, MarketDataIncrement
from matcher.orders import OrderState
from matcher.phases import AUCTIONS
from simulators.reference import ReferenceEngine
from tests.matcher.random_commands import FINISHED_ORDERS_MAX, ORDERS_MAX, new_engine, seeded_commands

Commands = Sequence[tuple[int, Command]]
RUN_LENGTH = 1_000


class Difference(AssertionError):
    """The two do not say the same, or the engine broke a promise of its own."""


class Watch:
    """A subscriber and a clearing house: knows nothing but what was answered, and holds it against the promises."""

    def __init__(self) -> None:
        self.md_seqs: dict[str, int] = {}
        self.phases: dict[str, str] = {}
        self.levels: dict[tuple[str, str, int], dict[int, int]] = {}
        """By symbol, side and price: what each order shows, by its entry id, in the order of the queue."""
        self.orders: dict[int, OrderState] = {}
        self.match_ids: dict[str, int] = {}

    def look(self, output: Output) -> None:
        """Assert that an answer fits what was told before."""
        for event in output.events:
            self._look_at(event)
        self._look_at_matches([one for one in output.events if isinstance(one, OrderFilled)], output)
        for increment in output.increments:
            self._read(increment)

    def book(self, symbol: str) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """What a subscriber has, bids and asks, each best first."""
        bids, asks = (
            [
                (price, sum(shown.values()), len(shown))
                for (name, side, price), shown in self.levels.items()
                if (name, side) == (symbol, wanted)
            ]
            for wanted in "12"
        )
        return sorted(bids, reverse=True), sorted(asks)

    def _look_at(self, event: Any) -> None:
        if isinstance(event, InstrumentDefined):
            self.phases.setdefault(event.instrument.symbol, event.instrument.rules.initial_phase)
        order = getattr(event, "order", None)
        if order is None or not order.order_id:
            return
        assert order.cum_qty_lots >= 0
        assert order.cum_qty_lots + order.leaves_qty_lots <= order.qty_lots
        assert (order.ord_status in "248C") == (order.leaves_qty_lots == 0)
        before = self.orders.get(order.order_id)
        if before is not None:
            assert (before.side, before.symbol, before.firm) == (order.side, order.symbol, order.firm)
            if isinstance(event, OrderFilled):
                assert order.cum_qty_lots == before.cum_qty_lots + event.last_qty_lots
                assert order.cum_value == before.cum_value + event.last_qty_lots * event.last_price_ticks
            elif not isinstance(event, TradeBusted | TradeCorrected):
                assert (order.cum_qty_lots, order.cum_value) == (before.cum_qty_lots, before.cum_value)
        self.orders[order.order_id] = order

    def _look_at_matches(self, fills: list[OrderFilled], output: Output) -> None:
        """Bought is sold: fills come in pairs, each pair is one print, at a price that both sides wanted."""
        matches = []
        for first, second in zip(fills[::2], fills[1::2], strict=True):
            match = (first.order.symbol, first.match_id, first.last_price_ticks, first.last_qty_lots)
            assert match == (second.order.symbol, second.match_id, second.last_price_ticks, second.last_qty_lots)
            assert {first.order.side, second.order.side} == {"1", "2"}
            assert first.last_qty_lots > 0
            assert first.match_id == self.match_ids.get(first.order.symbol, 0) + 1
            self.match_ids[first.order.symbol] = first.match_id
            for fill in (first, second):
                limit, buys = fill.order.price_ticks, fill.order.side == "1"
                assert not limit or (fill.last_price_ticks <= limit if buys else fill.last_price_ticks >= limit)
            matches.append(match)
        prints = [(i.symbol, t.match_id, t.price_ticks, t.qty_lots) for i in output.increments for t in i.trades]
        assert sorted(matches) == sorted(prints)

    def _read(self, increment: MarketDataIncrement) -> None:
        symbol = increment.symbol
        assert increment.md_seq == self.md_seqs.get(symbol, 0) + 1
        self.md_seqs[symbol] = increment.md_seq
        has_news = increment.phase or increment.indicative or increment.revisions or increment.ended_day
        assert has_news or increment.levels or increment.trades
        if increment.phase is not None:
            self.phases[symbol] = increment.phase.phase
        for change in increment.levels:
            key = (symbol, change.side, change.price_ticks)
            assert (change.action == "0") == (key not in self.levels)
            if change.action == "2":
                assert (change.qty_lots, change.order_count, change.orders) == (0, 0, [])
                del self.levels[key]
            else:
                self._read_orders(change, self.levels.setdefault(key, {}))
        bids, asks = self.book(symbol)
        assert not bids or not asks or bids[0][0] < asks[0][0], "crossed"
        assert increment.indicative is None or self.phases[symbol] in AUCTIONS

    def _read_orders(self, change: LevelChange, shown: dict[int, int]) -> None:
        assert change.orders
        last_entry_id = max(shown, default=0)
        for order in change.orders:
            assert order.qty_lots - order.change_lots == shown.get(order.entry_id, 0) != order.qty_lots
            if not order.qty_lots:
                del shown[order.entry_id]
                continue
            assert order.entry_id in shown or order.entry_id > last_entry_id, "it is new, and not at the back"
            shown[order.entry_id] = order.qty_lots
        assert (change.qty_lots, change.order_count) == (sum(shown.values()), len(shown))


class Pair:
    """The engine and the reference, given the same commands; what the engine answers is watched as well."""

    def __init__(self, *, finished_orders_max: int = FINISHED_ORDERS_MAX) -> None:
        self.engine = new_engine(finished_orders_max=finished_orders_max)
        self.reference = ReferenceEngine(0, orders_max=ORDERS_MAX, finished_orders_max=finished_orders_max)
        self.watch = Watch()
        self.match_ids: dict[str, int] = {}

    def apply(self, command: Command, input_seq: int) -> Output:
        """
        Give both the next command.

        Raises:
            Difference: They answered differently, or what the engine answered cannot be.
        """
        expected = self.reference.apply(command, input_seq)
        try:
            output = self.engine.apply(command, input_seq)
            self.engine.check()
            self.watch.look(output)
        except Exception as error:
            raise Difference(f"{type(error).__name__}: {error}\nreference:\n" + "\n".join(_lines(expected))) from error
        if without_texts(output) != expected:
            raise Difference(_differing(without_texts(output), expected))
        self._compare_memory()
        for increment in output.increments:
            for trade in increment.trades:
                self.match_ids[increment.symbol] = trade.match_id
        return output

    def _compare_memory(self) -> None:
        """What both keep is the same too: orders live and finished, queues, the public book."""
        venue, floor = self.reference.venue, self.engine._floor
        live = {entry.state.order_id: entry.state for entry in venue.live()}
        finished = sorted((entry.finished, entry.state) for entry in venue.entries if entry.finished)
        _same("live orders", floor.orders.live, live)
        _same("finished orders", list(floor.orders.finished.values()), [state for _, state in finished])
        for symbol, market in venue.markets.items():
            book = floor.markets[symbol].book
            for side, queue in (("1", book.bids.queue()), ("2", book.asks.queue())):
                resting = [entry.state.order_id for entry in venue.resting(symbol, side)]
                _same(f"queue {side} of {symbol}", list(queue), resting)
            _same(f"public book of {symbol}", self.engine.levels(symbol), self.reference.levels(symbol))
            _same(f"book of a subscriber to {symbol}", self.watch.book(symbol), self.reference.levels(symbol))
            assert not market.collects or self.watch.book(symbol) == ([], [])


def _same(what: str, of_engine: Any, of_reference: Any) -> None:
    if of_engine != of_reference:
        raise Difference(f"{what} differ:\n- {of_reference}\n+ {of_engine}")


def _lines(output: Output) -> list[str]:
    return [repr(one) for one in (*output.events, *output.increments)]


def _differing(output: Output, expected: Output) -> str:
    """Both answers, the lines that they have in common named only."""
    lines = difflib.unified_diff(_lines(expected), _lines(output), "reference", "engine", n=100, lineterm="")
    return "\n".join(line if line[0] in "+-@" else line.partition(",")[0] + ", ...)" for line in lines)


def without_texts(output: Output) -> Output:
    """The reference explains nothing; the texts of RequestRefused are the client's own and stay."""
    increments = [
        replace(one, phase=replace(one.phase, text="")) if one.phase is not None else one for one in output.increments
    ]
    return replace(output, events=[_without_text(event) for event in output.events], increments=increments)


def _without_text(event: Any) -> Any:
    if type(event).__name__ == "MassQuoteAcknowledged":
        event = replace(event, refused=[replace(one, text="") for one in event.refused])
    mute = "text" in event.__struct_fields__ and type(event).__name__ != "RequestRefused"
    return replace(event, text="") if mute else event


# Shrinking


def fault_of(run: Commands) -> str:
    """How engine and reference differ on these commands; empty if they do not."""
    pair = Pair()
    for input_seq, command in run:
        try:
            pair.apply(command, input_seq)
        except Difference as difference:
            return str(difference)
    return ""


def shrunken(run: Commands, fails: Callable[[Commands], bool]) -> Commands:
    """The fewest commands found that still fail: delta debugging, which leaves out ever smaller parts."""
    size = max(1, len(run) // 2)
    while True:
        begin = 0
        before = len(run)
        while begin < len(run):
            shorter = [*run[:begin], *run[begin + size :]]
            if shorter and fails(shorter):
                run = shorter
            else:
                begin += size
        if size == 1 and len(run) == before:
            return run
        size = max(1, size // 2)


def as_python(run: Commands) -> str:
    """A list that can be pasted into a test."""
    return "[\n" + "".join(f"    ({input_seq}, {command!r}),\n" for input_seq, command in run) + "]"


def first_difference(seed: int, count: int) -> Commands | None:
    """The commands of a seed up to the first difference; None if there is none."""
    pair = Pair()
    run = []
    for input_seq, command in seeded_commands(seed, count, pair.match_ids):
        run.append((input_seq, command))
        try:
            pair.apply(command, input_seq)
        except Difference:
            return run
    return None


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; the next has the next one")
    parser.add_argument("--seconds", type=float, default=7_200, help="end early, without a fault, after so long")
    chosen = parser.parse_args()
    began = time.monotonic()
    done = 0
    seed = chosen.seed
    while done < chosen.commands and time.monotonic() - began < chosen.seconds:
        count = min(RUN_LENGTH, chosen.commands - done)
        run = first_difference(seed, count)
        if run is not None:
            fewest = shrunken(run, lambda shorter: bool(fault_of(shorter)))
            sys.stdout.write(f"seed {seed}: a difference after {len(run)} commands, shrunken to {len(fewest)}:\n")
            sys.stdout.write(f"{as_python(fewest)}\n{fault_of(fewest)}\n")
            return 1
        done += count
        seed += 1
    rate = done / (time.monotonic() - began)
    sys.stdout.write(f"{done} commands, seeds {chosen.seed} to {seed - 1}: no difference, {rate:.0f} commands/s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
