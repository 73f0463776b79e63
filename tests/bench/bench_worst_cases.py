"""
The worst that one command can ask for, on the engine alone: how long it takes, and how much memory.

    ./.venv/bin/python -m tests.bench.bench_worst_cases [--share 0.1]

Each case at a tenth of its size and at full size, so that it shows whether the cost grows in proportion. "Apply" is the
engine, "encode" the answer's EXEC records: together they are how long the matcher answers nobody else. Memory is what
both take at their highest beyond what was there before, in a run of its own, because tracing it slows it down. One JSON
line for each case and size; `bench_worst_venue` asks a whole venue the same.
"""

import argparse
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec

from bus.records import encode_exec, encode_parts
from matcher.commands import ClientRequest, MassCancel, NewOrder
from matcher.engine.engine import Engine
from matcher.events import Output
from matcher.instructions import Instructions
from matcher.operator_commands import OperatorCommand, SetPhase
from matcher.orders import BUY, IMMEDIATE_OR_CANCEL, SELL, STOP
from matcher.phases import CONTINUOUS, OPENING_AUCTION
from matcher.process.leader import PART_BYTES
from tests.bench.bench_engine import MID_PRICE_TICKS, SYMBOL, Flow, new_engine

LEVELS: Final = 1_000
"""Price levels over which resting orders are spread."""
Command = ClientRequest | OperatorCommand
Case = tuple[list[Command], Command]
"""The commands that prepare the engine, and the one that is measured."""


def sweep(orders: int) -> Case:
    """One order trades with all that rest on the other side."""
    flow = Flow()
    fill: list[Command] = [flow.new(f"s{n}", SELL, MID_PRICE_TICKS + n % LEVELS, 1) for n in range(orders)]
    return fill, flow.new("sweep", BUY, MID_PRICE_TICKS + LEVELS, orders, IMMEDIATE_OR_CANCEL)


def mass_cancel(orders: int) -> Case:
    """One request cancels all orders of its session."""
    flow = Flow()
    fill: list[Command] = [flow.new(f"s{n}", SELL, MID_PRICE_TICKS + n % LEVELS, 1) for n in range(orders)]
    last = msgspec.structs.astuple(flow.new("q", SELL, 1, 1))[:7]
    return fill, MassCancel(*last, "q", "1", "", True)


def auction(orders: int) -> Case:
    """An uncrossing in which half of the orders buy and half sell, and all trade."""
    flow = Flow()
    fill: list[Command] = [SetPhase("open", 1, SYMBOL, OPENING_AUCTION, 0, 0, 0, "")]
    for n in range(orders // 2):
        fill.append(flow.new(f"b{n}", BUY, MID_PRICE_TICKS + n % LEVELS, 1))
        fill.append(flow.new(f"s{n}", SELL, MID_PRICE_TICKS - n % LEVELS, 1))
    return fill, SetPhase("trade", 1, SYMBOL, CONTINUOUS, 0, 0, 0, "")


def stops(orders: int) -> Case:
    """One trade fires them all, and each of them trades."""
    flow = Flow()
    fill: list[Command] = [flow.new(f"s{n}", SELL, MID_PRICE_TICKS + n % LEVELS, 1) for n in range(orders + 1)]
    fill += [stop(flow, f"t{n}", MID_PRICE_TICKS - n % LEVELS) for n in range(orders)]
    return fill, flow.new("spark", BUY, MID_PRICE_TICKS, 1)


def stop(flow: Flow, cl_ord_id: str, stop_price_ticks: int) -> NewOrder:
    """A stop order (40=3) of one lot that buys."""
    order = flow.new(cl_ord_id, BUY, 0, 1)
    instructions = Instructions(trigger_price_type="2", trigger_direction="U", stop_price_ticks=stop_price_ticks)
    return msgspec.structs.replace(order, ord_type=STOP, instructions=instructions)


CASES: Final[dict[str, tuple[Callable[[int], Case], int]]] = {
    "sweep": (sweep, 10_000),
    "mass_cancel": (mass_cancel, 100_000),
    "auction": (auction, 100_000),
    "stops": (stops, 10_000),
}
"""By name: what builds a case, and its full size."""


def prepared(fill: list[Command]) -> Engine:
    """An engine that has done all these."""
    engine = new_engine()
    for input_seq, command in enumerate(fill, 1):
        engine.apply(command, input_seq)
    return engine


def encoded(output: Output) -> list[bytes]:
    """The EXEC records of an answer, as the matcher writes them."""
    head = {"shard": 0, "leader_epoch": 1, "first_input_seq": 1, "last_input_seq": 1}
    return [
        *(
            encode_exec(**head, events=part, increments=[])
            for part in encode_parts(output.events, bytes_max=PART_BYTES)
        ),
        *(
            encode_exec(**head, events=[], increments=part)
            for part in encode_parts(output.increments, bytes_max=PART_BYTES)
        ),
    ]


def measure(name: str, orders: int) -> dict[str, Any]:
    """One case at one size; the figures for one JSON line."""
    build, _ = CASES[name]
    fill, command = build(orders)
    engine = prepared(fill)
    began_ns = time.perf_counter_ns()
    output = engine.apply(command, len(fill) + 1)
    applied_ns = time.perf_counter_ns()
    records = encoded(output)
    encoded_ns = time.perf_counter_ns()
    engine.check()
    kinds = Counter(type(event).__name__ for event in output.events)
    return {
        "case": name,
        "orders": orders,
        "apply_ms": round((applied_ns - began_ns) / 1e6, 1),
        "encode_ms": round((encoded_ns - applied_ns) / 1e6, 1),
        "us_per_order": round((encoded_ns - began_ns) / 1e3 / orders, 2),
        "memory_mib": round(peak_bytes(fill, command) / 2**20, 2),
        "exec_mib": round(sum(map(len, records)) / 2**20, 1),
        "events": dict(sorted(kinds.items())),
        "increments": len(output.increments),
        "state_hash": engine.state_hash(),
    }


def peak_bytes(fill: list[Command], command: Command) -> int:
    """How much memory a command takes at its highest, its encoded answer included."""
    engine = prepared(fill)
    tracemalloc.start()
    try:
        encoded(engine.apply(command, len(fill) + 1))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    """Measure and print; returns what was printed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--share", type=float, default=1.0, help="of the full sizes")
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    options = parser.parse_args(argv)
    lines = []
    for name in options.cases:
        full = round(CASES[name][1] * options.share)
        for orders in (full // 10, full):
            lines.append(measure(name, orders))
            sys.stdout.write(msgspec.json.encode(lines[-1]).decode() + "\n")
            sys.stdout.flush()
    return lines


if __name__ == "__main__":
    main()
