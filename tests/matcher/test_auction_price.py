"""At which price an auction trades (AUCTION-1): worked by hand, and against a search over all ticks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.books.auction import NOTHING_TRADES, AuctionResult, Interest
from matcher.books.tick_table import TickTable
from matcher.instruments import TickBand
from matcher.orders import BUY, PRICE_TICKS_MAX, SELL, Side

Orders = list[tuple[int, int]]
"""(price_ticks, qty_lots); price 0 is a market order."""

EVERY_TICK = TickTable([])


def interest(bids: Orders, asks: Orders, ticks: TickTable = EVERY_TICK) -> Interest:
    levels: dict[tuple[Side, int], int] = {}
    sides: list[tuple[Side, Orders]] = [(BUY, bids), (SELL, asks)]
    for side, orders in sides:
        for price_ticks, qty_lots in orders:
            levels[side, price_ticks] = levels.get((side, price_ticks), 0) + qty_lots
    built = Interest(ticks)
    for (side, price_ticks), qty_lots in levels.items():
        built.set(side, price_ticks, qty_lots)
    return built


BY_HAND: dict[str, tuple[Orders, Orders, int, tuple[int, int, int]]] = {
    # bids, asks, reference -> price, quantity, surplus
    "nobody": ([], [], 100, (0, 0, 0)),
    "one side only": ([(100, 5)], [], 100, (0, 0, 0)),
    "no price for both": ([(99, 5)], [(100, 5)], 100, (0, 0, 0)),
    "tie, the reference inside": ([(102, 100)], [(98, 100)], 100, (100, 100, 0)),
    "tie, the reference above": ([(102, 100)], [(98, 100)], 103, (102, 100, 0)),
    "tie, the reference below": ([(102, 100)], [(98, 100)], 97, (98, 100, 0)),
    "more volume beats all else": ([(102, 50), (100, 60)], [(99, 50), (100, 60)], 102, (100, 110, 0)),
    "less surplus at the same volume": ([(102, 40), (101, 30)], [(99, 40)], 99, (102, 40, 0)),
    "surplus on the buy side: the highest": ([(102, 70)], [(99, 40)], 95, (102, 40, 30)),
    "surplus on the sell side: the lowest": ([(102, 40)], [(99, 70)], 110, (99, 40, -30)),
    # At 100: 10 wanted, 10 offered and 5 more; at 101: 15 wanted of which 10 are offered - both leave 5 over.
    "surplus on both sides: the nearest": ([(101, 10), (100, 5)], [(100, 10), (101, 5)], 101, (101, 10, -5)),
    "surplus on both sides: of two the lower": ([(102, 10), (100, 5)], [(100, 10), (102, 5)], 101, (101, 10, 0)),
    "market orders only": ([(0, 10)], [(0, 4)], 123, (123, 4, 6)),
    "a surplus of market orders to buy goes up to the reference": ([(0, 10)], [(98, 4)], 103, (103, 4, 6)),
    "and not beyond the limit prices": ([(0, 10)], [(98, 4)], 90, (98, 4, 6)),
    "a surplus of market orders to sell goes down to the reference": ([(105, 4)], [(0, 10)], 103, (103, 4, -6)),
    "and no deeper than the limit prices": ([(105, 4)], [(0, 10)], 110, (105, 4, -6)),
    "market orders balance each other": ([(0, 10), (99, 5)], [(0, 10), (101, 5)], 100, (100, 10, 0)),
    "the highest price there is": ([(PRICE_TICKS_MAX, 1)], [(PRICE_TICKS_MAX, 1)], 1, (PRICE_TICKS_MAX, 1, 0)),
    "the lowest price there is": ([(1, 1)], [(1, 1)], 100, (1, 1, 0)),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_price_by_hand(name: str) -> None:
    """AUCTION-1."""
    bids, asks, reference, result = BY_HAND[name]
    assert interest(bids, asks).result(reference) == AuctionResult(*result)


ON_STEPS: dict[str, tuple[Orders, Orders, int, int]] = {
    # bids, asks, reference -> price, where prices from 100 on are multiples of 5
    "the reference is a price": ([(115, 1)], [(90, 1)], 105, 105),
    "the nearest price to the reference": ([(115, 1)], [(90, 1)], 107, 105),
    "the nearest may be above": ([(115, 1)], [(90, 1)], 108, 110),
    "below the band every tick is a price": ([(115, 1)], [(90, 1)], 98, 98),
    "market orders only": ([(0, 1)], [(0, 1)], 107, 105),
    "limit prices from before the steps count": ([(103, 1)], [(102, 1)], 120, 103),
}


@pytest.mark.parametrize("name", ON_STEPS)
def test_the_price_is_a_tick_that_exists(name: str) -> None:
    """AUCTION-1, TICK-1."""
    bids, asks, reference, price_ticks = ON_STEPS[name]
    ticks = TickTable([TickBand(100, 5)])
    assert interest(bids, asks, ticks).result(reference).price_ticks == price_ticks


def search(bids: Orders, asks: Orders, reference: int, ticks: TickTable) -> AuctionResult:
    """The rule as it is written, over every candidate."""
    limits = {price for price, _ in (*bids, *asks) if price} | {ticks.nearest(reference)}
    candidates = [p for p in range(min(limits), max(limits) + 1) if ticks.has(p) or p in limits]
    demand = {p: sum(qty for price, qty in bids if not price or price >= p) for p in candidates}
    supply = {p: sum(qty for price, qty in asks if not price or price <= p) for p in candidates}
    volume = {p: min(demand[p], supply[p]) for p in candidates}
    surplus = {p: demand[p] - supply[p] for p in candidates}
    most = max(volume.values())
    left = [p for p in candidates if volume[p] == most]
    least = min(abs(surplus[p]) for p in left)
    left = [p for p in left if abs(surplus[p]) == least]
    if all(surplus[p] > 0 for p in left):
        price = max(left)
    elif all(surplus[p] < 0 for p in left):
        price = min(left)
    else:
        price = min(left, key=lambda p: (abs(p - reference), p))
    return AuctionResult(price, most, surplus[price]) if most else NOTHING_TRADES


PRICES = st.one_of(st.just(0), st.integers(1, 40), st.integers(1, 600))
ORDERS = st.lists(st.tuples(PRICES, st.integers(1, 9)), max_size=12)
BANDS = st.sampled_from(
    [[], [TickBand(1, 3)], [TickBand(10, 5)], [TickBand(7, 2), TickBand(20, 7)], [TickBand(100, 50), TickBand(300, 7)]]
)


@given(ORDERS, ORDERS, st.integers(1, 620), BANDS)
def test_the_price_is_what_a_search_over_all_ticks_finds(
    bids: Orders, asks: Orders, reference: int, bands: list[TickBand]
) -> None:
    """AUCTION-1."""
    ticks = TickTable(bands)
    assert interest(bids, asks, ticks).result(reference) == search(bids, asks, reference, ticks)


@given(ORDERS, ORDERS, ORDERS, st.integers(1, 620))
def test_what_was_taken_back_leaves_no_trace(bids: Orders, asks: Orders, gone: Orders, reference: int) -> None:
    """AUCTION-5: the indicative price follows each order that comes and goes."""
    built = interest(bids, asks)
    levels = built.levels()
    for price_ticks, qty_lots in gone:
        if price_ticks:
            built.set(BUY, price_ticks, levels.get((BUY, price_ticks), 0) + qty_lots)
            built.result(reference)
    for price_ticks, _ in gone:
        if price_ticks:
            built.set(BUY, price_ticks, levels.get((BUY, price_ticks), 0))
    assert built.levels() == levels
    assert built.result(reference) == interest(bids, asks).result(reference)


def roundings() -> list[tuple[int, int, int]]:
    ticks = TickTable([TickBand(10, 5), TickBand(23, 7)])
    return [(p, ticks.down(p), ticks.up(p)) for p in (0, 1, 9, 10, 11, 20, 21, 22, 23, 27, 28, 29, 35)]


def test_prices_are_rounded_within_and_across_bands() -> None:
    """TICK-1: multiples of 5 from 10 on, of 7 from 23 on."""
    assert roundings() == [
        (0, 0, 1),
        (1, 1, 1),
        (9, 9, 9),
        (10, 10, 10),
        (11, 10, 15),
        (20, 20, 20),
        (21, 20, 28),
        (22, 20, 28),
        (23, 20, 28),
        (27, 20, 28),
        (28, 28, 28),
        (29, 28, 35),
        (35, 35, 35),
    ]


def test_there_is_no_price_beyond_the_highest() -> None:
    """TICK-1."""
    ticks = TickTable([TickBand(PRICE_TICKS_MAX - 5, 999_999_937)])
    assert ticks.up(PRICE_TICKS_MAX - 4) == 0
    assert ticks.down(PRICE_TICKS_MAX) == PRICE_TICKS_MAX - 6
    assert [ticks.has(p) for p in (0, 1, PRICE_TICKS_MAX - 6, PRICE_TICKS_MAX)] == [False, True, True, False]
