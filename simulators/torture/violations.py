"""What an audit found: promises that were not kept."""

from typing import Final

import msgspec

VIOLATIONS_KEPT: Final = 100
"""Sentences that are kept; all are counted."""


class Violation(msgspec.Struct, frozen=True):
    """One promise, not kept once."""

    promise: str
    """In a word or two: `answered once`, `nothing twice`..."""
    sentence: str
    """What was promised and what was seen, with the messages' identities."""

    def __str__(self) -> str:
        return f"{self.promise}: {self.sentence}"


class Findings:
    """Collects violations."""

    def __init__(self) -> None:
        self.count = 0
        self.violations: list[Violation] = []

    def add(self, promise: str, sentence: str) -> None:
        """A promise was not kept."""
        self.count += 1
        if len(self.violations) < VIOLATIONS_KEPT:
            self.violations.append(Violation(promise, sentence))
