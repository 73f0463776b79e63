"""
Reading messages fast, pure: those of a shape that was often seen before by one regular expression.

The shape of a message is the sequence of its tags. The other side sends few of them, by the thousand: a client some
requests, a venue a report for each thing that happens to an order. For such a shape an expression that has the tags in
it gives all values at once, at half the cost of splitting. It matches only what `read_fields` would read the same way:
the tags are the shape's, and no value holds SOH.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from sessions.fix_text import SOH
from sessions.native.messages import read_fields

SEEN_OFTEN: Final = 32
"""After so many messages of one shape its expression is made, which takes as long as reading some hundred messages."""
SHAPES_MAX: Final = 64
"""Shapes that are counted for one reader, and expressions that it makes in its life."""
SHAPES_ALIKE_MAX: Final = 4
"""Shapes with the same MsgType and as many tags that are tried one after the other; the oldest makes room."""
TAGS_MAX: Final = 64

_TAG: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class _Shape(NamedTuple):
    tags: tuple[str, ...]
    match: Callable[[str], re.Match[str] | None]


class FieldReader:
    """Reads the messages of one session."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, int], list[_Shape]] = {}  # by MsgType and number of tags
        self._counts: dict[tuple[str, ...], int] = {}
        self._made = 0

    def read(self, message: bytes, text: str) -> tuple[dict[str, str], list[tuple[str, str]] | None]:
        """Read a sound message, as `read_fields` does."""
        type_at = text.find("\x0135=", 11, 40) + 4
        for shape in self._shapes.get((text[type_at : text.find(SOH, type_at)], text.count(SOH)), ()):
            if (match := shape.match(text)) is not None:
                return dict(zip(shape.tags, match.groups())), None  # noqa: B905 - a group for each tag; the hot path
        fields, pairs = read_fields(message, text)
        if pairs is None and self._made < SHAPES_MAX:
            self._learn(tuple(fields), fields["35"])
        return fields, pairs

    def _learn(self, tags: tuple[str, ...], msg_type: str) -> None:
        count = self._counts.get(tags, 0) + 1
        if count == 1 and (len(tags) > TAGS_MAX or len(self._counts) >= SHAPES_MAX):
            self._counts.clear()  # nobody fills the memory with shapes that do not come again
        if count == 1 and not all(map(_TAG.fullmatch, tags)):
            return  # nor with tags that are none
        if len(tags) <= TAGS_MAX:
            self._counts[tags] = count
        if count == SEEN_OFTEN:
            self._counts[tags] = 0
            self._made += 1
            expression = "".join([f"{tag}=([^\x01]*+)\x01" for tag in tags])
            alike = self._shapes.setdefault((msg_type, len(tags)), [])
            alike.insert(0, _Shape(tags, re.compile(expression).fullmatch))
            del alike[SHAPES_ALIKE_MAX:]
