"""RULES.md, "Contradictions", row by row, and the order in which faults are told."""

import re
from pathlib import Path
from typing import Any

import pytest

import matcher
from matcher.contradictions import fault_of
from matcher.instructions import Instructions
from matcher.orders import PRICE_TICKS_MAX, QTY_LOTS_MAX
from matcher.rejects import RejectReason

R = RejectReason
STOP: dict[str, Any] = {"trigger_price_type": "2", "trigger_direction": "U", "stop_price_ticks": 100}
PEG: dict[str, Any] = {"peg_price_type": "5"}


def fault(terms: str, *, price: int = 100, qty: int = 10, **instructions: Any) -> RejectReason | None:
    """The reason why an order of these OrdType(40) and TimeInForce(59) is refused."""
    said = Instructions(**instructions) if instructions else None
    found = fault_of(terms[0], terms[1], price, qty, said)  # type: ignore[arg-type]
    if found is None:
        return None
    reason, text = found
    assert re.search(r"\(\d+", text), f"{text}: names no tag"
    return reason


GOOD: list[tuple[str, dict[str, Any]]] = [
    *[(f"2{time}", {}) for time in "012347"],
    *[(f"1{time}", {"price": 0}) for time in "012347"],
    *[(f"K{time}", {"price": 0}) for time in "0134"],
    *[(f"3{time}", {"price": 0, **STOP}) for time in "0134"],
    *[(f"4{time}", STOP) for time in "0134"],
    *[(f"P{time}", PEG) for time in "01"],
    ("P0", {"price": 0, **PEG, "peg_offset_ticks": -3}),
    ("26", {"expire_date": 20260105}),
    ("26", {"expire_ns": 1}),
    ("36", {"price": 0, "expire_ns": 1, **STOP}),
    ("30", {"price": 0, "trail_offset": 5, "trail_offset_type": "2"}),
    ("20", {"display_qty_lots": 10}),
    ("20", {"display_qty_lots": 1, "qty": 1000}),
    ("20", {"display_qty_lots": 0, "post_only": "S"}),
    ("40", {"display_qty_lots": 5, "post_only": "R", **STOP}),
    ("P0", {"display_qty_lots": 5, **PEG}),
    ("20", {"min_qty_lots": 10, "display_qty_lots": 2}),
    ("23", {"min_qty_lots": 5}),
    ("K0", {"price": 0, "min_qty_lots": 5}),
    ("20", {"cancel_on_halt": True, "reports_moves": True, "self_match_id": "x"}),
]


@pytest.mark.parametrize(("terms", "rest"), GOOD)
def test_what_agrees_with_itself_is_taken(terms: str, rest: dict[str, Any]) -> None:
    assert fault(terms, **rest) is None


ROWS: dict[str, list[tuple[str, dict[str, Any], RejectReason]]] = {
    "post-only with": [
        *[(f"{ord_type}0", {"price": 0, "post_only": "R"}, R.CONTRADICTORY_INSTRUCTIONS) for ord_type in "1K"],
        ("30", {"price": 0, "post_only": "R", **STOP}, R.CONTRADICTORY_INSTRUCTIONS),
        *[(f"2{time}", {"post_only": "S"}, R.CONTRADICTORY_INSTRUCTIONS) for time in "34"],
        ("20", {"post_only": "R", "min_qty_lots": 1}, R.CONTRADICTORY_INSTRUCTIONS),
    ],
    "display quantity above OrderQty(38)": [
        ("20", {"display_qty_lots": 11}, R.CONTRADICTORY_INSTRUCTIONS),
        *[(f"2{time}", {"display_qty_lots": 5}, R.CONTRADICTORY_INSTRUCTIONS) for time in "34"],
    ],
    "display quantity above 0 and below": [
        ("20", {"display_qty_lots": 1, "qty": 1001}, R.CONTRADICTORY_INSTRUCTIONS),
    ],
    "display quantity with": [
        *[(f"{ord_type}0", {"price": 0, "display_qty_lots": 0}, R.CONTRADICTORY_INSTRUCTIONS) for ord_type in "1K"],
        ("30", {"price": 0, "display_qty_lots": 5, **STOP}, R.CONTRADICTORY_INSTRUCTIONS),
    ],
    "MinQty above OrderQty": [
        ("20", {"min_qty_lots": 11}, R.CONTRADICTORY_INSTRUCTIONS),
        ("24", {"min_qty_lots": 5}, R.CONTRADICTORY_INSTRUCTIONS),
        ("30", {"price": 0, "min_qty_lots": 5, **STOP}, R.CONTRADICTORY_INSTRUCTIONS),
        ("40", {"min_qty_lots": 5, **STOP}, R.CONTRADICTORY_INSTRUCTIONS),
        ("P0", {"min_qty_lots": 5, **PEG}, R.CONTRADICTORY_INSTRUCTIONS),
    ],
    "40=3 or 4 without StopPx": [("30", {"price": 0}, R.INVALID_STOP_PRICE), ("40", {}, R.INVALID_STOP_PRICE)],
    "StopPx or a trigger with": [
        *[(f"{ord_type}0", {"price": 0, "stop_price_ticks": 5}, R.CONTRADICTORY_INSTRUCTIONS) for ord_type in "1K"],
        ("20", {"trigger_price_type": "1"}, R.CONTRADICTORY_INSTRUCTIONS),
        ("20", {"trail_offset": 5, "trail_offset_type": "2"}, R.CONTRADICTORY_INSTRUCTIONS),
        ("P0", {"trigger_direction": "U", **PEG}, R.CONTRADICTORY_INSTRUCTIONS),
    ],
    "40=P with": [
        *[(f"P{time}", PEG, R.CONTRADICTORY_INSTRUCTIONS) for time in "2347"],
        ("P0", {}, R.CONTRADICTORY_INSTRUCTIONS),
        ("20", PEG, R.CONTRADICTORY_INSTRUCTIONS),
        ("40", {**STOP, **PEG}, R.CONTRADICTORY_INSTRUCTIONS),
        ("20", {"peg_offset_ticks": 1}, R.CONTRADICTORY_INSTRUCTIONS),
    ],
    "59=6 without a date": [
        ("26", {}, R.INVALID_EXPIRY),
        ("26", {"expire_date": 20260105, "expire_ns": 1}, R.INVALID_EXPIRY),
        ("20", {"expire_date": 20260105}, R.INVALID_EXPIRY),
        ("13", {"price": 0, "expire_ns": 1}, R.INVALID_EXPIRY),
    ],
    "59=2 or 7 with": [
        *[(f"3{time}", {"price": 0, **STOP}, R.CONTRADICTORY_INSTRUCTIONS) for time in "27"],
        *[(f"4{time}", STOP, R.CONTRADICTORY_INSTRUCTIONS) for time in "27"],
        *[(f"K{time}", {"price": 0}, R.CONTRADICTORY_INSTRUCTIONS) for time in "27"],
    ],
    "40=K or 1 with 59=4 and a price": [
        *[(f"{ord_type}0", {}, R.INVALID_PRICE) for ord_type in "1K"],
        ("14", {}, R.INVALID_PRICE),
        ("30", STOP, R.INVALID_PRICE),
    ],
}


@pytest.mark.parametrize(("terms", "rest", "reason"), [case for cases in ROWS.values() for case in cases], ids=str)
def test_what_contradicts_itself_is_refused(terms: str, rest: dict[str, Any], reason: RejectReason) -> None:
    assert fault(terms, **rest) is reason


def test_every_row_of_the_rules_is_here() -> None:
    page = (Path(matcher.__path__[0]) / "RULES.md").read_text().split("## Contradictions", 1)[1]
    rows = [line.strip("| ") for line in page.splitlines() if line.startswith("|")][2:]
    assert len(rows) == len(ROWS)
    assert all(row.startswith(begin) for row, begin in zip(rows, ROWS, strict=True))


@pytest.mark.parametrize(
    ("terms", "rest", "reason"),
    [
        ("20", {"qty": 0}, R.INVALID_QTY),
        ("20", {"qty": QTY_LOTS_MAX + 1}, R.INVALID_QTY),
        ("20", {"price": 0}, R.INVALID_PRICE),
        ("20", {"price": -1}, R.INVALID_PRICE),
        ("20", {"price": PRICE_TICKS_MAX + 1}, R.INVALID_PRICE),
        ("10", {"price": -1}, R.INVALID_PRICE),
        ("P0", {"price": -1, **PEG}, R.INVALID_PRICE),
        ("40", {**STOP, "stop_price_ticks": PRICE_TICKS_MAX + 1}, R.INVALID_STOP_PRICE),
        ("40", {**STOP, "stop_price_ticks": -1}, R.INVALID_STOP_PRICE),
        ("30", {"price": 0, "trail_offset": -5, "trail_offset_type": "2"}, R.INVALID_STOP_PRICE),
        ("30", {"price": 0, "trail_offset": 5}, R.INVALID_STOP_PRICE),
        # two at once
        ("23", {"qty": 0, "display_qty_lots": 5}, R.CONTRADICTORY_INSTRUCTIONS),
        ("20", {"qty": 0, "price": 0}, R.INVALID_QTY),
        ("40", {"price": 0}, R.INVALID_PRICE),
        ("46", {}, R.INVALID_STOP_PRICE),
    ],
)
def test_numbers_have_bounds_and_of_two_faults_the_one_that_stands_first_is_told(
    terms: str, rest: dict[str, Any], reason: RejectReason
) -> None:
    assert fault(terms, **rest) is reason
