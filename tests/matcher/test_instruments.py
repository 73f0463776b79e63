"""Decimal text to whole ticks and lots and back, exactly; no float is anywhere near."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.instruments import Increment, InvalidDecimal, NotAMultiple

increments = st.builds(Increment, st.integers(1, 10_000), st.integers(0, 12))
counts = st.integers(0, 10**11)


def exact(increment: Increment, count: int) -> Decimal:
    return Decimal(increment.units * count).scaleb(-increment.places)


@pytest.mark.parametrize(
    ("text", "units", "places"),
    [
        *(("0.01", 1, 2), ("0.05", 5, 2), ("0.25", 25, 2), ("1", 1, 0), ("1000", 1000, 0), ("2.5", 25, 1)),
        *(("0.00000001", 1, 8), ("0.000000000001", 1, 12), ("0.10", 1, 1), ("1.000", 1, 0), ("007", 7, 0)),
    ],
)
def test_a_tick_or_lot_is_so_many_units_of_so_many_places(text: str, units: int, places: int) -> None:
    assert Increment.parse(text) == Increment(units, places)


@pytest.mark.parametrize("text", ["0", "0.00", "0.0000000000001"])
def test_a_tick_is_above_zero_with_a_bounded_number_of_places(text: str) -> None:
    with pytest.raises(InvalidDecimal, match="is not above zero with at most 12 decimal places"):
        Increment.parse(text)


@pytest.mark.parametrize(
    ("increment", "text", "count"),
    [
        ("0.01", "0.29", 29),  # int(0.29 * 100) is 28
        ("0.01", "1.15", 115),
        ("0.01", "4.35", 435),
        ("0.05", "101.25", 2025),
        ("0.01", "189.5", 18950),
        ("0.01", "189.500000", 18950),
        ("0.01", "0", 0),
        ("1000", "5000", 5),
        ("0.00000001", "61250.00000001", 6125000000001),
        ("0.000000000001", "999999999999999.000000000001", 999999999999999000000000001),
        ("0.01", "000000000000001", 100),
    ],
)
def test_a_decimal_is_counted_exactly(increment: str, text: str, count: int) -> None:
    assert Increment.parse(increment).count(text) == count


NO_DECIMALS = (
    *("", " ", "1 ", " 1", "+1", "-1", ".5", "5.", "1e3", "1E3", "1,5", "1.2.3", "0x10", "1_000"),
    *("NaN", "Infinity", "\u0661", "²", "1\n", "1" * 16, "0." + "0" * 19),
)


@pytest.mark.parametrize("text", NO_DECIMALS)
def test_anything_but_a_plain_decimal_is_invalid(text: str) -> None:
    with pytest.raises(InvalidDecimal, match="is not a plain decimal number"):
        Increment.parse("0.01").count(text)
    with pytest.raises(InvalidDecimal, match="is not a plain decimal number"):
        Increment.parse(text)


@pytest.mark.parametrize(
    ("increment", "text"),
    [("0.01", "0.001"), ("0.05", "0.01"), ("1000", "1500"), ("1", "0.5"), ("0.01", "1.010000000000000001")],
)
def test_what_is_not_a_multiple_is_never_rounded(increment: str, text: str) -> None:
    with pytest.raises(NotAMultiple, match=f"'{text}' is not a multiple of {increment}"):
        Increment.parse(increment).count(text)


@given(st.text())
def test_any_text_is_a_count_or_one_of_the_two_errors(text: str) -> None:
    with suppress(InvalidDecimal, NotAMultiple):
        assert Increment(5, 2).count(text) >= 0


@given(increments, counts)
def test_every_count_comes_back_from_its_text(increment: Increment, count: int) -> None:
    text = increment.text(count)
    assert Decimal(text) == exact(increment, count)
    if len(text.partition(".")[0]) <= 15:
        assert increment.count(text) == count


@pytest.mark.parametrize(
    ("increment", "count", "text"),
    [
        ("0.05", 2025, "101.25"),
        ("0.01", 18950, "189.50"),
        ("0.01", 5, "0.05"),
        ("1000", 3, "3000"),
        ("0.01", 0, "0.00"),
    ],
)
def test_a_text_has_all_places_of_its_increment(increment: str, count: int, text: str) -> None:
    assert Increment.parse(increment).text(count) == text


@pytest.mark.parametrize(
    ("increment", "value", "count", "text"),
    [
        ("0.01", 100, 1, "1.00"),
        ("0.01", 305, 3, "1.016666"),
        ("0.01", 201, 2, "1.005"),
        ("0.05", 61, 3, "1.016666"),
        ("1", 7, 2, "3.5"),
        ("1", 6, 2, "3"),
        ("1000", 7, 2, "3500"),
        ("0.01", 0, 5, "0.00"),
        ("0.01", 9 * 10**18, 9 * 10**10, "1000000.00"),
    ],
)
def test_a_ratio_is_exact_and_cut_after_four_more_places(increment: str, value: int, count: int, text: str) -> None:
    assert Increment.parse(increment).ratio_text(value, count) == text


@given(increments, st.integers(0, 10**18), st.integers(1, 10**11))
def test_a_ratio_is_never_rounded_up(increment: Increment, value: int, count: int) -> None:
    scaled = value * increment.units * 10**4 // count
    expected = Decimal(scaled).scaleb(-increment.places - 4)
    text = increment.ratio_text(value, count)
    assert Decimal(text) == expected
    assert Decimal(text) * count <= exact(increment, value)
    assert len(text.partition(".")[2]) >= increment.places


@given(increments, st.integers(1, 10**9), st.integers(1, 10**6))
def test_the_average_of_equal_prices_is_that_price(increment: Increment, price: int, qty: int) -> None:
    assert increment.ratio_text(price * qty, qty) == increment.text(price)
