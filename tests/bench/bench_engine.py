"""
How fast the engine alone is: commands in, events and increments out, no log, no FIX.

    python -m tests.bench.bench_engine [--small]

One JSON line per workload: operations, ops/s, the share of each kind of command, and the state hash at the end as a
checksum of the work done: equal runs on equal code print equal hashes. The workloads:

- `amzn`: one day of recorded flow at the best prices of AMZN (LOBSTER format), if the data directory is there.
- `resting_N`: a book in which about N orders rest all the time, while orders are entered, canceled, made smaller and
  traded. The rate should not depend on N.

The commands are built before the clock starts.
"""

import argparse
import csv
import gzip
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from matcher.commands import CancelOrder, ClientRequest, NewOrder, ReplaceOrder
from matcher.engine.engine import Engine
from matcher.events import OrderCanceled, OrderFilled
from matcher.instruments import Increment, Instrument
from matcher.orders import BUY, DAY, IMMEDIATE_OR_CANCEL, LIMIT, SELL, Side, TimeInForce

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("OUTCRY_DATA", ROOT.parent / "shared" / "data"))
AMZN = DATA / "lobster" / "AMZN_2012-06-21_34200000_57600000_message_1.csv.gz"
SYMBOL = "AMZN"
MID_PRICE_TICKS = 10_000
PRICE_UNITS_PER_TICK = 100
"""LOBSTER prices are dollars times 10,000; the tick is a cent."""


class Flow:
    """Builds the requests of two clients, numbered as they come: one firm buys and one sells, so that they trade."""

    def __init__(self) -> None:
        self._msg_seq_num = 0

    def _head(self, side: Side) -> tuple[str, int, int, int, int, str, str]:
        self._msg_seq_num += 1
        number = self._msg_seq_num
        firm = "BUYS" if side == BUY else "SELLS"
        return f"FIX.4.4:{firm}1", 1, number, number - 1, 1_000_000_000 + number, firm, SYMBOL

    def new(
        self, cl_ord_id: str, side: Side, price_ticks: int, qty_lots: int, time_in_force: TimeInForce = DAY
    ) -> NewOrder:
        """A limit order."""
        return NewOrder(*self._head(side), cl_ord_id, "", side, LIMIT, time_in_force, price_ticks, qty_lots)

    def cancel(self, cl_ord_id: str, orig_cl_ord_id: str, side: Side) -> CancelOrder:
        """The cancel of an order."""
        return CancelOrder(*self._head(side), cl_ord_id, orig_cl_ord_id, side)

    def replace(self, cl_ord_id: str, orig_cl_ord_id: str, side: Side, price_ticks: int, qty_lots: int) -> ReplaceOrder:
        """The replace of an order."""
        return ReplaceOrder(*self._head(side), cl_ord_id, orig_cl_ord_id, side, LIMIT, DAY, price_ticks, qty_lots)


class _Resting(msgspec.Struct):
    cl_ord_id: str
    side: Side
    price_ticks: int
    qty_lots: int


def lobster_commands(file: IO[str]) -> Iterator[ClientRequest]:
    """
    Turn LOBSTER messages into requests that make the same thing happen.

    An order whose entry is not in the file is entered when it is first heard of, with the size it then needs. Type 1
    enters an order, 2 replaces by a smaller total, 3 cancels, 4 sends an opposite IOC of that size and price.
    """
    flow = Flow()
    resting: dict[str, _Resting] = {}
    for number, row in enumerate(csv.reader(file)):
        if not row[0][0].isdigit():
            continue  # the header
        kind, lobster_id, qty_lots = row[1], row[2], int(row[3])
        price_ticks = int(row[4]) // PRICE_UNITS_PER_TICK
        side: Side = BUY if row[5] == "1" else SELL
        if kind not in "1234":
            continue
        order = resting.get(lobster_id)
        if order is None:
            order = resting[lobster_id] = _Resting(lobster_id, side, price_ticks, qty_lots + (kind == "2"))
            yield flow.new(lobster_id, side, price_ticks, order.qty_lots)
        if kind == "2":
            order.qty_lots -= qty_lots
            former, order.cl_ord_id = order.cl_ord_id, f"r{number}"
            yield flow.replace(order.cl_ord_id, former, side, order.price_ticks, order.qty_lots)
        elif kind == "3":
            yield flow.cancel(f"c{number}", resting.pop(lobster_id).cl_ord_id, side)
        elif kind == "4":
            yield flow.new(f"x{number}", SELL if side == BUY else BUY, price_ticks, qty_lots, IMMEDIATE_OR_CANCEL)


class SyntheticTrader:
    """Draws requests so that about `target` orders rest; an engine of its own tells it which do."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._chance = random.Random(target)
        self._half_width = max(5, min(2000, target // 20))
        self._flow = Flow()
        self._engine = new_engine()
        self._requests = 0
        self._live: dict[str, _Resting] = {}
        self._pickable: list[str] = []

    def fill(self) -> list[ClientRequest]:
        """The requests that bring an empty book to the target."""
        return [self._do(self._enter()) for _ in range(self._target)]

    def next(self) -> ClientRequest:
        """An eighth replaces, an eighth trades, the others enter or cancel, whichever leads to the target."""
        draw = self._chance.random()
        if len(self._live) < max(1, self._target):
            return self._do(self._trade() if draw < 0.125 and self._live else self._enter())
        if draw < 0.2:
            return self._do(self._replace())
        return self._do(self._trade() if draw < 0.325 else self._cancel())

    def _do(self, request: ClientRequest) -> ClientRequest:
        for event in self._engine.apply(request, self._requests).events:
            if isinstance(event, OrderFilled | OrderCanceled) and not event.order.leaves_qty_lots:
                self._live.pop(event.order.cl_ord_id, None)
        return request

    def _cl_ord_id(self) -> str:
        self._requests += 1
        return f"o{self._requests}"

    def _rest(self, order: _Resting) -> None:
        self._live[order.cl_ord_id] = order
        self._pickable.append(order.cl_ord_id)

    def _pick(self) -> _Resting:
        while True:
            index = self._chance.randrange(len(self._pickable))
            self._pickable[index], self._pickable[-1] = self._pickable[-1], self._pickable[index]
            order = self._live.pop(self._pickable.pop(), None)
            if order is not None:
                return order

    def _enter(self) -> ClientRequest:
        side: Side = self._chance.choice((BUY, SELL))
        away = 1 + int(self._half_width * self._chance.random() ** 2)
        price_ticks = MID_PRICE_TICKS + (away if side == SELL else -away)
        order = _Resting(self._cl_ord_id(), side, price_ticks, self._chance.randint(2, 100))
        self._rest(order)
        return self._flow.new(order.cl_ord_id, side, price_ticks, order.qty_lots)

    def _cancel(self) -> ClientRequest:
        order = self._pick()
        return self._flow.cancel(self._cl_ord_id(), order.cl_ord_id, order.side)

    def _replace(self) -> ClientRequest:
        order = self._pick()
        former, order.cl_ord_id = order.cl_ord_id, self._cl_ord_id()
        order.qty_lots = max(1, order.qty_lots - 1)
        self._rest(order)
        return self._flow.replace(order.cl_ord_id, former, order.side, order.price_ticks, order.qty_lots)

    def _trade(self) -> ClientRequest:
        side: Side = self._chance.choice((BUY, SELL))
        price_ticks = MID_PRICE_TICKS + (self._half_width if side == BUY else -self._half_width)
        return self._flow.new(self._cl_ord_id(), side, price_ticks, 50, IMMEDIATE_OR_CANCEL)


def new_engine() -> Engine:
    """An engine with one instrument and the default limits."""
    instrument = Instrument(SYMBOL, Increment(1, 2), Increment(1, 0), MID_PRICE_TICKS, "USD", 0)
    return Engine(0, [instrument], orders_max=2_000_000, finished_orders_max=250_000)


def measure(name: str, fill: list[ClientRequest], timed: list[ClientRequest]) -> dict[str, object]:
    """Apply `fill`, then `timed` against the clock; the figures for one JSON line."""
    engine = new_engine()
    apply = engine.apply
    for input_seq, command in enumerate(fill, 1):
        apply(command, input_seq)
    resting = engine.live_order_count
    kinds: Counter[str] = Counter()
    events = 0
    took_ns = 0
    for input_seq, command in enumerate(timed, len(fill) + 1):
        begin_ns = time.perf_counter_ns()
        output = apply(command, input_seq)
        took_ns += time.perf_counter_ns() - begin_ns
        events += len(output.events)
        kinds.update(type(event).__name__ for event in output.events)
    return {
        "workload": name,
        "resting_orders": resting,
        "ops": len(timed),
        "ops_per_s": len(timed) * 10**9 // took_ns,
        "events_per_s": events * 10**9 // took_ns,
        "levels": engine.level_counts(SYMBOL),
        "resting_orders_at_end": engine.live_order_count,
        "events": dict(sorted(kinds.items())),
        "state_hash": engine.state_hash(),
    }


def main() -> None:
    """Run all workloads."""
    parser = argparse.ArgumentParser(description="Benchmark the matching engine alone.")
    parser.add_argument("--small", action="store_true", help="a few thousand operations each, to see that it runs")
    small = parser.parse_args().small
    if AMZN.exists():
        with gzip.open(AMZN, "rt") as file:
            commands = list(lobster_commands(file))
        _print(measure("amzn", [], commands[:5000] if small else commands))
    else:
        _print({"workload": "amzn", "skipped": f"{AMZN} is not there; set OUTCRY_DATA to the recorded data"})
    for resting_orders in (10, 1000) if small else (10, 10**4, 10**6):
        trader = SyntheticTrader(resting_orders)
        fill = trader.fill()
        timed = [trader.next() for _ in range(5000 if small else 200_000)]
        del trader
        _print(measure(f"resting_{resting_orders}", fill, timed))


def _print(line: dict[str, object]) -> None:
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
