"""The script format itself: what it reads, and that it finds every difference."""

import pytest

from .script import ScriptError, differences, in_version, parse

REPORT = [("8", "FIX.4.4"), ("35", "8"), ("34", "7"), ("11", "a"), ("14", "40"), ("39", "1"), ("10", "001")]
BOOK = [("35", "W"), ("262", "m"), ("268", "2"), ("269", "0"), ("270", "1"), ("269", "1"), ("270", "2"), ("779", "t")]


def step(line: str):
    return parse("script", line).steps[0]


def found(line: str, received: list[tuple[str, str]], captured: dict[str, str] | None = None) -> list[str]:
    expected = step(line)
    pairs = in_version(expected.pairs, "FIX.4.4", "native")
    return differences(pairs, received, captured if captured is not None else {}, is_whole=expected.is_whole)


@pytest.mark.parametrize(
    "line",
    [
        "A < 35=8|39=1|11=a",
        "A < 35=8|11=*|17=-|34=7",
        "A < 35=8|39=1|11=a|14=40|!",
        "A < 35=8|39={2,1,3}|14={,40,}|20={0,,0}",
        "A < 35=8|14=$n|39=1",
    ],
)
def test_a_message_that_is_as_expected(line: str) -> None:
    assert found(line, REPORT) == []


@pytest.mark.parametrize(
    ("line", "difference"),
    [
        ("A < 35=9", "35: expected 9, received 8"),
        ("A < 35=8|39=2", "39: expected 2, received 1"),
        ("A < 35=8|17=*", "17: expected *, not there"),
        ("A < 35=8|43=Y", "43: expected Y, not there"),
        ("A < 35=8|14=-", "14: expected to be absent, received 40"),
        ("A < 35=8|11=a|39=1|!", "14: unexpected, 40"),
        ("A < 35=8|11=$old", "11: expected $old, which is 6, received a"),
        ("A < 35=8|34=$old+2", "34: expected $old+2, which is 8, received 7"),
    ],
)
def test_a_message_that_is_not(line: str, difference: str) -> None:
    assert found(line, REPORT, {"$old": "6"}) == [difference]


def test_entries_stand_exactly_as_written() -> None:
    assert found("A < 35=W|779=t|268=2|269=0|270=1|269=1|270=2", BOOK) == []
    assert found("A < 35=W|268=2|269=0|270=1|269=1", BOOK) == ["entries: unexpected, 270=2"]
    assert found("A < 35=W|268=2|269=0|270=1|269=1|270=3", BOOK) == ["entries, field 5, 270: expected 3, received 2"]
    assert found("A < 35=W|268=2|269=1|270=2|269=0|270=1", BOOK)


def test_a_value_is_captured_once() -> None:
    captured: dict[str, str] = {}
    assert found("A < 35=8|11=$id", REPORT, captured) == []
    assert captured == {"$id": "a"}


def test_words_for_the_type_of_a_report() -> None:
    pairs = step("A < 35=8|150={fill}|39=1").pairs
    assert dict(in_version(pairs, "FIX.4.2", "native"))["150"] == "1"
    assert dict(in_version(pairs, "FIX.4.4", "native"))["150"] == "F"


@pytest.mark.parametrize("text", ["", "A ? 35=8", "A < 39=1", "A < 35=8|x=1", "versions FIX.4.3", "A"])
def test_what_is_no_script(text: str) -> None:
    with pytest.raises(ScriptError, match="script"):
        parse("script", text)
