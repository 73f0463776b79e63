"""The comparison of readers with the logs finds what is wrong: a level, a queue, a number, a reader that went past."""

import pytest

from bus.connection import Bus
from configs.loader import Venue
from marketdata.book import Book
from marketdata.messages import public_increment
from matcher.increments import TradePrint
from matcher.orders import BUY, SELL

from .conftest import INSTRUMENT, SYMBOL, increment_of
from .exec_log import Log
from .logged_books import Ledger, Parts, Verdict, judge, part, parts_of

INCREMENTS = [
    increment_of(1, ("0", SELL, 102, 7)),
    increment_of(2, ("1", SELL, 102, 4), ("0", BUY, 101, 3), trades=(TradePrint(1, 102, 3, BUY),)),
]


def a_reader() -> Ledger:
    """One who has everything."""
    ledger, book = Ledger(), Book(SYMBOL, tick="0.01", lot="1")
    for increment in INCREMENTS:
        book.apply(public_increment(increment, INSTRUMENT))
        parts = parts_of(book, with_orders=True)
        ledger.see("reader", SYMBOL, book.md_seq, {name: parts[name] for name in ("levels", "orders")})
    return ledger


async def verdict_on(ledger: Ledger, bus: Bus, exec_log: Log, venue: Venue) -> Verdict:
    await exec_log.write(*INCREMENTS, defined=(INSTRUMENT,))
    return await judge(bus, venue, ledger)


async def test_who_has_everything_differs_in_nothing(bus: Bus, exec_log: Log, venue: Venue) -> None:
    verdict = await verdict_on(a_reader(), bus, exec_log, venue)
    assert (verdict.differences, verdict.compared, verdict.unseen.total()) == ([], {"reader": 2}, 0)
    assert (verdict.last, verdict.increments, verdict.kinds["trades"]) == ({SYMBOL: 2}, 2, 1)


@pytest.mark.parametrize(
    ("md_seq", "wrong", "told"),
    [
        (
            2,
            {"levels": part([[(101, 3, 1)], [(102, 5, 1)]])},
            "reader: levels of AAPL at 2 are [[[101, 3, 1]], [[102, 5",
        ),
        (2, {"orders": part([[(101, [(101, 3)])], [(102, [(9, 4)])]])}, "reader: orders of AAPL at 2 are"),
        (3, {"levels": part([[], []])}, "reader has AAPL at 3, which is not in the log"),
    ],
)
async def test_what_is_wrong_is_told(
    bus: Bus, exec_log: Log, venue: Venue, *, md_seq: int, wrong: Parts, told: str
) -> None:
    ledger = a_reader()
    ledger.seen["reader", SYMBOL][md_seq] = wrong
    verdict = await verdict_on(ledger, bus, exec_log, venue)
    assert len(verdict.differences) == 1
    assert verdict.differences[0].startswith(told)


async def test_two_books_of_one_number_contradict_each_other(bus: Bus, exec_log: Log, venue: Venue) -> None:
    ledger = a_reader()
    ledger.see("reader", SYMBOL, 1, {"levels": part([[], []])})
    verdict = await verdict_on(ledger, bus, exec_log, venue)
    assert verdict.differences == ["reader has two different levels of AAPL at 1"]


async def test_who_goes_past_an_increment_is_known(bus: Bus, exec_log: Log, venue: Venue) -> None:
    ledger = a_reader()
    del ledger.seen["reader", SYMBOL][1]
    assert (await verdict_on(ledger, bus, exec_log, venue)).unseen == {"reader": 1}
