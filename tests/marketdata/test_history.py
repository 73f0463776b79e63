"""Past increments are kept up to a number of bytes, the oldest of all symbols forgotten first."""

import pytest

from marketdata import history
from marketdata.history import History


def test_the_oldest_of_all_symbols_is_forgotten_first() -> None:
    kept = History(3)
    kept.keep("A", 5, b"a")
    kept.keep("B", 1, b"b")
    kept.keep("A", 6, b"A")
    kept.keep("A", 7, b"x")
    assert (kept.oldest("A"), kept.oldest("B")) == (6, 1)
    assert kept.range("A", 5, 7) == []
    assert kept.range("A", 6, 7) == [b"A", b"x"]
    kept.keep("A", 8, b"y")
    assert (kept.oldest("B"), kept.range("B", 1, 1)) == (0, [])
    kept.keep("B", 2, b"z")
    assert (kept.oldest("B"), kept.oldest("A")) == (2, 7)


def test_an_increment_that_is_too_large_is_not_kept() -> None:
    kept = History(3)
    kept.keep("A", 1, b"longer")
    assert kept.oldest("A") == 0


def test_an_answer_is_bounded_but_never_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "ANSWER_BYTES_MAX", 4)
    kept = History(100)
    for md_seq, payload in enumerate((b"12345", b"12", b"34", b"5"), 1):
        kept.keep("A", md_seq, payload)
    assert kept.range("A", 1, 4) == [b"12345"]
    assert kept.range("A", 2, 4) == [b"12", b"34"]
    assert kept.range("A", 3, 3) == [b"34"]
    assert kept.range("A", 5, 9) == []
    assert kept.range("XYZ", 1, 9) == []
