"""
Our dictionary and QuickFIX's judge the same generated messages by the same files.

They are to agree on what is refused; and where a message has one fault only, on its reason. All that may differ is in
`is_explained`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import quickfix as fix
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.dictionary.dictionary import Dictionary, Reason
from sessions.dictionary.rules_of_engagement import DIRECTORY

SOH = "\x01"

REASONS = {
    fix.InvalidTagNumber: Reason.INVALID_TAG_NUMBER,
    fix.RequiredTagMissing: Reason.REQUIRED_TAG_MISSING,
    fix.TagNotDefinedForMessage: Reason.TAG_NOT_DEFINED_FOR_MESSAGE,
    fix.NoTagValue: Reason.TAG_WITHOUT_VALUE,
    fix.IncorrectTagValue: Reason.VALUE_INCORRECT,
    fix.IncorrectDataFormat: Reason.INCORRECT_DATA_FORMAT,
    fix.InvalidMessageType: Reason.INVALID_MSG_TYPE,
    fix.RepeatedTag: Reason.TAG_REPEATED,
    fix.TagOutOfOrder: Reason.TAG_OUT_OF_ORDER,
    fix.RepeatingGroupCountMismatch: Reason.NUM_IN_GROUP_INCORRECT,
}

HEADER = (("49", "FIRMA1"), ("56", "OUTCRY"), ("34", "17"), ("52", "20260105-09:30:00.123"))
HEADER_TAGS = tuple(tag for tag, _ in HEADER)
ORDER = (("11", "a-1"), ("21", "1"), ("55", "AAPL"), ("54", "1"), ("60", "20260105-09:30:00.123456"), ("40", "2"))
TERMS = (("38", "100"), ("44", "189.50"), ("59", "0"), ("1", "ACC-7"), ("126", "20260105-16:00:00"), ("114", "N"))
BODIES = {
    "D": (*ORDER, *TERMS),
    "F": (("11", "a-2"), ("41", "a-1"), ("55", "AAPL"), ("54", "2"), ("60", "20260105-09:30:00"), ("38", "0.5")),
    "G": (*ORDER, ("41", "a-0"), *TERMS),
    "H": (("11", "a-1"), ("55", "AAPL"), ("54", "1"), ("37", "1-1")),
    "V": (
        *(("262", "r-1"), ("263", "1"), ("264", "0"), ("265", "1"), ("266", "Y")),
        *(("267", "2"), ("269", "0"), ("269", "1"), ("146", "2"), ("55", "AAPL"), ("48", "x"), ("55", "MSFT")),
    ),
}
PARTIES = (("453", "2"), ("448", "P"), ("447", "D"), ("452", "3"), ("448", "Q"), ("802", "1"), ("523", "S"))

VALUES = (
    *(
        "",
        "x",
        "1",
        "0",
        "Z",
        "Y",
        "ab",
        "-5",
        "+5",
        "1.5",
        ".5",
        "5.",
        "1.2.3",
        "1e5",
        "1,5",
        " 1",
        "1 ",
        "0x1",
        "-",
        ".",
    ),
    *("20260105-24:00:00", "20260105-09:60:00", "20260105-09:30:60", "20261305-09:30:00", "20260132-09:30:00"),
    *("20260105", "20260105-09:30:00.", "20260105-09:30:00.1234567", "20260105 09:30:00", "2026010509:30:00"),
)
STRANGE = ("262", "999", "5001", "17", "4242")  # of another message, of no message, user-defined


class Message(NamedTuple):
    msg_type: str
    pairs: tuple[tuple[str, str], ...]  # from SenderCompID(49) to the end of the body
    faults: int  # how many things were done to it


@st.composite
def messages(draw: st.DrawFn, version: str) -> Message:
    msg_type = draw(st.sampled_from(sorted(BODIES)))
    pairs = [*HEADER, *BODIES[msg_type]]
    if version == "FIX44" and msg_type in "DG" and draw(st.booleans()):
        pairs += PARTIES
    faults = draw(st.sampled_from((0, 1, 1, 1, 2)))
    for _ in range(faults):
        change = draw(st.sampled_from((_drop, _set, _set, _repeat, _add, _move)))
        pairs = change(draw, pairs)
    return Message(msg_type, tuple(pairs), faults)


def _place(draw: st.DrawFn, pairs: Sequence[tuple[str, str]]) -> int:
    judged_by_the_session = ("34", "52")
    return draw(st.sampled_from([p for p, (tag, _) in enumerate(pairs) if tag not in judged_by_the_session]))


def _drop(draw: st.DrawFn, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    place = _place(draw, pairs)
    return [*pairs[:place], *pairs[place + 1 :]]


def _set(draw: st.DrawFn, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    place = _place(draw, pairs)
    return [*pairs[:place], (pairs[place][0], draw(st.sampled_from(VALUES))), *pairs[place + 1 :]]


def _repeat(draw: st.DrawFn, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [*pairs, pairs[_place(draw, pairs)]]


def _add(draw: st.DrawFn, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    header_end = 1 + max(place for place, (tag, _) in enumerate(pairs) if tag in HEADER_TAGS)
    place = draw(st.integers(min_value=header_end, max_value=len(pairs)))
    return [*pairs[:place], (draw(st.sampled_from(STRANGE)), "1"), *pairs[place:]]


def _move(draw: st.DrawFn, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    place, to = _place(draw, pairs), _place(draw, pairs)
    moved = pairs.pop(place)
    return [*pairs[:to], moved, *pairs[to:]]


def quickfix_reason(dictionary: fix.DataDictionary, begin_string: str, message: Message) -> Reason | None:
    body = f"35={message.msg_type}{SOH}" + "".join(f"{tag}={value}{SOH}" for tag, value in message.pairs)
    text = f"8={begin_string}{SOH}9={len(body)}{SOH}{body}"
    text += f"10={sum(text.encode()) % 256:03d}{SOH}"
    try:
        parsed = fix.Message()
        parsed.setString(text, True, dictionary, dictionary)
        dictionary.validate(parsed)
    except tuple(REASONS) as refused:
        return REASONS[type(refused)]
    return None


def our_reason(dictionary: Dictionary, begin_string: str, message: Message) -> Reason | None:
    framing = (("8", begin_string), ("9", "100"), ("35", message.msg_type))
    fault = dictionary.check(message.msg_type, [*framing, *message.pairs, ("10", "000")])
    assert fault is None or not fault.business
    return None if fault is None else Reason(fault.reason)


IN_GROUPS = {
    # QuickFIX looks at no value inside an entry, and at no nested group's count.
    (None, Reason.TAG_WITHOUT_VALUE),
    (None, Reason.VALUE_INCORRECT),
    (None, Reason.INCORRECT_DATA_FORMAT),
    (None, Reason.NUM_IN_GROUP_INCORRECT),
    # The standard orders the fields of an entry; QuickFIX takes them in any order behind the first one.
    (None, Reason.GROUP_OUT_OF_ORDER),
    (None, Reason.TAG_REPEATED),
    # A tag that is not the group's ends it for QuickFIX, and what follows is miscounted or out of place; for us a
    # user-defined tag is part of the entry it stands in, and any other is itself what is wrong.
    (Reason.NUM_IN_GROUP_INCORRECT, None),
    (Reason.TAG_NOT_DEFINED_FOR_MESSAGE, None),
    (Reason.NUM_IN_GROUP_INCORRECT, Reason.INVALID_TAG_NUMBER),
    (Reason.TAG_NOT_DEFINED_FOR_MESSAGE, Reason.INVALID_TAG_NUMBER),
    (Reason.NUM_IN_GROUP_INCORRECT, Reason.TAG_NOT_DEFINED_FOR_MESSAGE),
    (Reason.NUM_IN_GROUP_INCORRECT, Reason.TAG_REPEATED),
    (Reason.TAG_NOT_DEFINED_FOR_MESSAGE, Reason.TAG_REPEATED),
    # An entry that does not begin with its delimiter.
    (Reason.REQUIRED_TAG_MISSING, Reason.GROUP_OUT_OF_ORDER),
    (Reason.NUM_IN_GROUP_INCORRECT, Reason.GROUP_OUT_OF_ORDER),
    (Reason.TAG_NOT_DEFINED_FOR_MESSAGE, Reason.GROUP_OUT_OF_ORDER),
    # A count of -5 is no count; QuickFIX reads it as a number.
    (Reason.NUM_IN_GROUP_INCORRECT, Reason.INCORRECT_DATA_FORMAT),
}
"""What QuickFIX says, and what we say, of messages with a repeating group."""

GROUP_TAGS = {"453", "448", "447", "452", "802", "523", "267", "269", "146"}


def is_explained(message: Message, theirs: Reason | None, ours: Reason | None) -> bool:
    if GROUP_TAGS & {tag for tag, _ in message.pairs} and (theirs, ours) in IN_GROUPS:
        return True
    if (theirs, ours) == (None, Reason.INCORRECT_DATA_FORMAT):  # QuickFIX takes a point without a fraction behind it
        return any(value == "20260105-09:30:00." for _, value in message.pairs)
    if (theirs, ours) == (Reason.TAG_REPEATED, None):  # user-defined tags may be a group that we have not heard of
        return sum(tag == "5001" for tag, _ in message.pairs) > 1
    return False


@pytest.mark.parametrize(("version", "begin_string"), [("FIX42", "FIX.4.2"), ("FIX44", "FIX.4.4")])
def test_quickfix_judges_alike(version: str, begin_string: str):
    path: Path = DIRECTORY / f"{version}.xml"
    dictionary = Dictionary.load(path)
    reference = fix.DataDictionary(str(path))
    reference.checkUserDefinedFields(False)
    verdicts: set[Reason | None] = set()

    @settings(max_examples=1500, deadline=None, derandomize=True, database=None)
    @given(messages(version))
    def judge(message: Message) -> None:
        theirs = quickfix_reason(reference, begin_string, message)
        ours = our_reason(dictionary, begin_string, message)
        verdicts.add(ours)
        is_same = theirs == ours if message.faults < 2 else (theirs is None) == (ours is None)
        assert is_same or is_explained(message, theirs, ours), (theirs, ours)

    judge()
    assert verdicts >= {None, *map(Reason, (0, 1, 2, 4, 5, 6, 13, 14, 15, 16))}  # the test has seen them all
