"""What recorded flow needs of a venue: ticks, lots, and prices that fit."""

from pathlib import Path

import pytest

from configs.loader import load
from matcher.orders import BUY, PRICE_TICKS_MAX
from simulators.flow_instruments import instruments_file, move_prices, needs_of
from simulators.recorded.rows import FlowEvent, FlowKind, RecordedBook, RecordedFlowError, Recording
from venue.ephemeral import ephemeral_config


def recording(*prices: int, price_places: int = 4, book: RecordedBook | None = None) -> Recording:
    rows = [
        FlowEvent(row, 0, "OAK", FlowKind.NEW, str(row), BUY, price, 1, book) for row, price in enumerate(prices, 1)
    ]
    return Recording("file", price_places, 0, iter(rows))


@pytest.mark.parametrize(
    ("prices", "tick", "reference_price"),
    [
        ((1000100, 999900), "0.0100", "100.0100"),
        ((1000101, 999900), "0.0001", "100.0101"),
        ((1000000, 2000000), "1.0000", "100.0000"),
    ],
)
def test_the_tick_is_the_largest_power_of_ten_that_fits_all_prices(
    prices: tuple[int, ...], tick: str, reference_price: str
) -> None:
    needs = needs_of(recording(*prices))
    (instrument,) = needs.instruments
    assert (instrument.tick, instrument.lot, instrument.reference_price) == (tick, "1", reference_price)
    assert needs.rows == len(prices)


def test_prices_of_recorded_books_count_too() -> None:
    book = RecordedBook(((99, 1),), ())
    assert needs_of(recording(100, price_places=2, book=book)).instruments[0].tick == "0.01"


def test_prices_beyond_the_venues_range_move_to_its_highest_ticks_in_their_order() -> None:
    far, farther = PRICE_TICKS_MAX + 7, 20 * PRICE_TICKS_MAX + 3
    book = RecordedBook((), ((5, 1), (farther, 2)))
    needs = needs_of(recording(5, farther, far, book=book))
    assert needs.moved_prices == {"OAK": {far: PRICE_TICKS_MAX - 1, farther: PRICE_TICKS_MAX}}
    moved = list(move_prices(recording(5, farther, far, book=book).events, needs.moved_prices))
    assert [event.price for event in moved] == [5, PRICE_TICKS_MAX, PRICE_TICKS_MAX - 1]
    assert moved[0].book == RecordedBook((), ((5, 1), (PRICE_TICKS_MAX, 2)))


def test_a_market_that_is_itself_beyond_the_range_is_refused() -> None:
    with pytest.raises(RecordedFlowError, match="more than 100000000 ticks"):
        needs_of(recording(PRICE_TICKS_MAX, PRICE_TICKS_MAX + 1))


def test_the_instruments_file_is_one_that_a_venue_loads(tmp_path: Path) -> None:
    instruments = needs_of(recording(1000100, 999900)).instruments
    path = tmp_path / "instruments.toml"
    path.write_text(instruments_file(instruments))
    venue = load(ephemeral_config(tmp_path, instruments=str(path)))
    assert venue.instruments == {"OAK": instruments[0].instrument(venue.config.shards)}
