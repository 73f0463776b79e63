"""
Random commands about two symbols, two firms and three sessions, made to collide.

ClOrdIDs come from a small pool per symbol and side, prices from a few ticks, so that duplicates, repeated requests,
crossing replaces, reused ClOrdIDs and a full book all happen within a few hundred commands.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from matcher.commands import (
    CancelOrder,
    ClientRequest,
    EndTradingDay,
    NewOrder,
    OrderStatusRequest,
    RefusedRequest,
    ReplaceOrder,
)
from matcher.engine import Engine
from matcher.instruments import Increment, Instrument
from matcher.rejects import RejectReason

Pick = Callable[[Sequence[Any]], Any]
"""Chooses one of some options."""

SYMBOLS = ("AAA", "BBB")
ORDERS_MAX = 20
FINISHED_ORDERS_MAX = 12

_SYMBOL = ("AAA",) * 12 + ("BBB",) * 6 + ("ZZZ",)
_SESSION = (("FIX.4.4:A1", "A"), ("FIX.4.4:A2", "A"), ("FIX.4.4:B1", "B"))
_NUMBER = range(13)
_KIND = "D" * 28 + "F" * 6 + "G" * 26 + "HHRe"
_QTY = (*(tuple(range(1, 30)) * 3), 0, 10**11)
_PRICE = {"1": (*(tuple(range(95, 102)) * 10), 0, 10**9), "2": (*(tuple(range(99, 106)) * 10), 0, 10**9)}


def new_engine(seed: int = 0, *, finished_orders_max: int = FINISHED_ORDERS_MAX) -> Engine:
    """An engine for these commands, on the shard `seed`."""
    instruments = [Instrument(symbol, Increment(1, 2), Increment(1, 0), 100, "USD", seed) for symbol in SYMBOLS]
    return Engine(seed, instruments, orders_max=ORDERS_MAX, finished_orders_max=finished_orders_max)


def seeded_commands(seed: int, count: int) -> Iterator[tuple[int, ClientRequest | EndTradingDay]]:
    """Commands with their input_seq, the same for the same seed."""
    return commands(random.Random(seed).choice, count)


def commands(pick: Pick, count: int) -> Iterator[tuple[int, ClientRequest | EndTradingDay]]:
    """Commands with their input_seq, which rises with gaps and now and then stays."""
    input_seq = 1
    for number in range(count):
        input_seq += pick((0, 1, 1, 3))
        yield input_seq, _command(pick, number)


def _command(pick: Pick, number: int) -> ClientRequest | EndTradingDay:
    kind, symbol = pick(_KIND), pick(_SYMBOL)
    if kind == "e":
        return EndTradingDay(symbol, number, f"202501{10 + pick((number // 50 % 20, 3)):02}")
    session_id, firm = pick(_SESSION)
    epoch = 1 + number // 200
    msg_seq_num = number + 1 - pick((0,) * 15 + (1, 5))
    head = (session_id, epoch - pick((0,) * 30 + (1,)), msg_seq_num, number, 1_000 + number, firm, symbol)
    side = pick("12")
    cl_ord_id = f"{symbol}{side}{pick(_NUMBER)}"
    orig_cl_ord_id = f"{pick((symbol,) * 8 + SYMBOLS)}{pick((side,) * 8 + ('1', '2'))}{pick(_NUMBER)}"
    match kind:
        case "D":
            terms = (pick("2222221"), pick("000111134"), pick(_PRICE[side]), pick(_QTY))
            return NewOrder(*head, cl_ord_id, "account", side, *terms)
        case "F":
            return CancelOrder(*head, cl_ord_id, orig_cl_ord_id, side)
        case "G":
            terms = (pick("222222222221"), pick("00000011111113"), pick(_PRICE[side]), pick(_QTY))
            return ReplaceOrder(*head, cl_ord_id, orig_cl_ord_id, side, *terms)
        case "H":
            return OrderStatusRequest(*head, cl_ord_id, "status", side)
        case _:
            texts = ("a text", 44, cl_ord_id, "", "", side, "2", "0", "1.005", "7")
            return RefusedRequest(*head, "D", RejectReason.PRICE_OFF_TICK, *texts)
