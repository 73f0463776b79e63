"""RULES.md and the tests: each rule has a name of its own, and a test that cites it."""

import re
from collections import Counter
from pathlib import Path

import pytest

import matcher

_NAME = r"[A-Z]+-[0-9]+"
RULES = re.findall(rf"^- \*\*({_NAME})\*\*", (Path(matcher.__path__[0]) / "RULES.md").read_text(), re.MULTILINE)
TESTS = [path.read_text() for path in sorted(Path(__file__).parent.glob("test_*.py"))]
CITED = {name for text in TESTS for name in re.findall(rf"\b{_NAME}\b", text)}
FAMILIES = {rule.partition("-")[0] for rule in RULES}


def test_no_two_rules_have_one_name() -> None:
    assert [rule for rule, count in Counter(RULES).items() if count > 1] == []


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_cited_by_a_test(rule: str) -> None:
    assert rule in CITED


def test_what_a_test_cites_is_a_rule() -> None:
    assert {name for name in CITED if name.partition("-")[0] in FAMILIES} <= set(RULES)
