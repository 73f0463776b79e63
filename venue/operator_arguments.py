"""What `./outcry operator` can be asked, as arguments."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from configs.limits import SELF_MATCH
from configs.schedules import PHASES
from venue import running

PATIENCE_S: Final = 10.0
_MATCH_ID: Final = "the trade's number: 17 where reports have TrdMatchID(880) or SecondaryExecID(527) AAPL-17"


def operator_parser() -> argparse.ArgumentParser:
    """Every action is a command of its own; `options.action` names it."""
    parser = argparse.ArgumentParser(
        prog="outcry operator",
        description="Give the matchers of a running venue an order: halt, resume, limits, busts, new instruments. Each "
        "becomes a record of the log.",
    )
    _add_options(parser)
    parser.set_defaults(patience=PATIENCE_S)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    options = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    _add_options(options)
    add = partial(actions.add_parser, parents=[options])
    _add_phases(add)
    _add_prices_and_trades(add)
    _add_limits(add)
    define = add("define", help="trade new instruments, or old ones by new rules")
    define.add_argument("file", type=Path, metavar="FILE", help="an instruments file with just these")
    status = add("status", help="phases, prices and limits as they are now")
    status.add_argument("symbols", nargs="*", metavar="SYMBOL", help="default: all")
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    """They may stand before the action and behind it."""
    running.add_arguments(parser)
    parser.add_argument(
        "--patience", type=float, metavar="SECONDS", help=f"how long to wait for an answer; default: {PATIENCE_S:g}"
    )


def _add_phases(add: Callable[..., argparse.ArgumentParser]) -> None:
    halt = add("halt", help="stop trading until `resume`")
    resume = add("resume", help="end a halt: go where the schedule is by now")
    resume.add_argument("--auction", type=_seconds, default=0, metavar="SECONDS", help="through an auction this long")
    phase = add("phase", help="begin another phase, until the schedule's next one")
    phase.add_argument("phase", choices=list(PHASES), metavar="PHASE", help=", ".join(PHASES))
    phase.add_argument("--auction", type=_seconds, default=0, metavar="SECONDS", help="how long the auction takes")
    for each in (resume, phase):
        each.add_argument("--random-end", type=_seconds, default=0, metavar="SECONDS", help="how much longer, at most")
    for each in (halt, resume, phase):
        each.add_argument("symbols", nargs="*", metavar="SYMBOL")
        each.add_argument("--all", action="store_true", help="every symbol that is traded here")
        each.add_argument("--text", type=_text, default="", help="why, for those who trade")


def _add_prices_and_trades(add: Callable[..., argparse.ArgumentParser]) -> None:
    price = add("reference-price", help="move the price that bands and corridors are around")
    price.add_argument("symbol", metavar="SYMBOL")
    price.add_argument("price", metavar="PRICE", help="such as 101.25")
    bust = add("bust", help="undo a trade")
    correct = add("correct", help="give a trade another price, or a smaller quantity")
    for each in (bust, correct):
        each.add_argument("symbol", metavar="SYMBOL")
        each.add_argument("match_id", type=_positive, metavar="MATCH_ID", help=_MATCH_ID)
        each.add_argument("--text", type=_text, default="", help="why, for those who traded")
    correct.add_argument("--price", required=True, metavar="PRICE", help="the right one")
    correct.add_argument("--qty", required=True, metavar="QTY", help="the right one, not more than before")


def _add_limits(add: Callable[..., argparse.ArgumentParser]) -> None:
    limits = add("limits", help="change what a firm or a session may do; what is not named stays")
    block = add("block", help="cancel all orders of a firm or a session, and refuse new ones")
    unblock = add("unblock", help="end a block")
    for each in (limits, block, unblock):
        each.add_argument("firm", metavar="FIRM")
        each.add_argument("--session", default="", metavar="SESSION", help="such as FIX.4.4:FIRMA1; default: the firm")
    for name in LIMIT_FLAGS:
        limits.add_argument(f"--{name.replace('_', '-')}", type=_count, metavar="N", help="0: none")
    limits.add_argument("--self-match", choices=list(SELF_MATCH), metavar="WHAT", help=", ".join(SELF_MATCH))


LIMIT_FLAGS: Final = (
    *("qty_lots_max", "notional_max", "open_orders_max", "exposure_max"),
    *("quote_fills_max", "quote_qty_lots_max", "quote_window_ms"),
)
"""Whole numbers, by the names that they have in the venue file."""


def _number(least: int, most: int, name: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    read.__name__ = name
    return read


_seconds = _number(1, 86_400, "seconds")
_count = _number(0, 2**62, "number")
_positive = _number(1, 2**62, "number")


def _text(text: str) -> str:
    if not text.isascii() or not text.isprintable() or len(text) > 200 or "|" in text:
        raise argparse.ArgumentTypeError("a text is at most 200 printable ASCII characters, not |")
    return text
