"""
The command line of the load generator: `./outcry bench` measures a running venue and prints one line of JSON.

Everything that a `LoadPlan` needs and the arguments leave open comes from the venue file.
"""

import argparse
import asyncio
import os
import platform
import sys
from pathlib import Path
from typing import Final

import msgspec
import orjson
import uvloop

from configs.loader import ONE_MACHINE, ConfigError, Venue, load
from matcher.instruments import Instrument
from simulators.fix_client import FixClientError
from simulators.load import LoadPlan, LoadRun, new_run_tag
from simulators.workload import Mix, WorkloadError

EX_USAGE: Final = 64
DEFAULT_SENDERS: Final = ("FIRMA1", "FIRMA2", "FIRMB1", "FIRMB2")
CERTIFICATION_SYMBOLS: Final = frozenset({"TEST1", "TEST2"})
"""Measured only when `--symbols` names them."""


def main(argv: list[str] | None = None) -> int:
    """Run a plan from the command line; 0 when every request was answered and no session was lost."""
    options = _parser().parse_args(argv)
    try:
        venue = load(options.config)
        plan = _plan(options, venue)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(LoadRun(plan, run_tag=new_run_tag()).run())
    except (ConfigError, WorkloadError, FixClientError) as error:
        sys.stderr.write(f"outcry bench: {error}\n")
        return EX_USAGE
    host = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    profile = options.profile or venue.config.durability
    sys.stdout.buffer.write(orjson.dumps({"host": host, "profile": profile, **report}) + b"\n")
    return 1 if report["errors"] or report["unanswered"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="outcry bench", description="Measure a running venue: one line of JSON.")
    add = parser.add_argument
    add("--config", type=Path, default=ONE_MACHINE, metavar="FILE", help="the venue file; default: %(default)s")
    add("--host", help="default: where the venue file says")
    add("--port", type=int, help="default: as the venue file says")
    add("--begin-string", default="FIX.4.4", choices=("FIX.4.2", "FIX.4.4", "FIXT.1.1"))
    add("--sender", default=",".join(DEFAULT_SENDERS), metavar="COMPID,...", help="default: %(default)s")
    add("--target", help="the venue's CompID; default: as the venue file says")
    add("--password-template", default="example-{sender}", metavar="TEXT", help="{sender} is the CompID in lower case")
    add("--symbols", metavar="SYMBOL,...", help="default: all but the certification symbols")
    add("--price", metavar="SYMBOL=PRICE,...", help="middle of the price band; default: the reference price")
    add(
        "--window",
        type=int,
        default=100,
        metavar="K",
        help="closed run: requests unanswered on each session; default: %(default)s",
    )
    add("--rate", type=_at_least_1, default=0, metavar="R", help="open run: requests a second over all sessions")
    add(
        "--mix",
        default="new=60,cancel=30,replace=10",
        metavar="KIND=PERCENT,...",
        help="new, cancel, replace, aggressive, band_ticks, ...",
    )
    add("--seed", type=int, default=1, help="fixes the flow; default: %(default)s")
    add("--warmup", type=float, default=2.0, metavar="SECONDS", help="default: %(default)g")
    add("--seconds", type=float, metavar="SECONDS", help="length of the measurement; default 10, with --orders 600")
    add("--orders", type=_at_least_1, default=0, metavar="N", help="end the measurement after N requests")
    add("--profile", help="how durable the venue is, for the report; default: as the venue file says")
    return parser


def _at_least_1(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _plan(options: argparse.Namespace, venue: Venue) -> LoadPlan:
    gateway = venue.config.gateway
    senders = [sender.strip() for sender in options.sender.split(",")]
    return LoadPlan(
        host=options.host or gateway.fix_host,
        port=options.port or gateway.fix_port,
        begin_string=options.begin_string,
        target_comp_id=options.target or venue.config.comp_id,
        credentials=tuple(
            (sender, options.password_template.replace("{sender}", sender.lower())) for sender in senders
        ),
        instruments=tuple(_instruments(options, venue)),
        mix=Mix.parse(options.mix),
        seed=options.seed,
        window=options.window,
        rate=options.rate,
        warmup_s=options.warmup,
        seconds=options.seconds or (600.0 if options.orders else 10.0),
        orders=options.orders,
    )


def _instruments(options: argparse.Namespace, venue: Venue) -> list[Instrument]:
    default = [symbol for symbol in venue.instruments if symbol not in CERTIFICATION_SYMBOLS]
    symbols = options.symbols.split(",") if options.symbols else default
    unknown = [symbol for symbol in symbols if symbol not in venue.instruments]
    if unknown:
        raise WorkloadError(f"{unknown[0]} is not in the instruments file; it has {', '.join(venue.instruments)}")
    prices = dict(part.split("=", 1) for part in options.price.split(",")) if options.price else {}
    return [_priced(venue.instruments[symbol], prices.get(symbol)) for symbol in symbols]


def _priced(instrument: Instrument, price: str | None) -> Instrument:
    if price is None:
        return instrument
    try:
        return msgspec.structs.replace(instrument, reference_price_ticks=instrument.tick.count(price))
    except ValueError as error:
        raise WorkloadError(f"--price {instrument.symbol}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
